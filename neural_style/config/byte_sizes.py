"""Numbers of bytes as text, in both directions."""

from __future__ import annotations

import re

from neural_style.errors import UsageError

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}

_LIMIT = 2**60
"""Sizes must be below this many bytes."""


def parse(text: str, subject: str = "memory") -> int | None:
    """Return the bytes of a size such as "3GB", "800 MB" or "2.5GiB"; None for "auto".

    Args:
        text: the text.
        subject: what the message begins with.

    Raises:
        UsageError: the text is not a size of 1 byte or more.
    """
    if text == "auto":
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?i?B)", text.strip(), re.IGNORECASE)
    size = float(found[1]) * _UNITS.get(found[2].upper(), 0) if found else 0
    if not 1 <= size < _LIMIT:
        raise UsageError(f"{subject}: expected auto or a size such as 3GB, 800MB or 2.5GiB, got {text!r}")
    return round(size)


def describe(size: float) -> str:
    """Return a number of bytes as people write it, such as "2.94 GB"; 1 GB is 10⁹ bytes."""
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def flag(size: int) -> str:
    """Return a number of bytes in the form that `parse` reads, rounded down to a multiple of 10 MB (at least 10 MB)."""
    return f"{max(size // 10**7, 1) / 100:.12g}GB"
