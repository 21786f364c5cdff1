"""Numbers of bytes as text, in both directions."""

from __future__ import annotations

import re

from neural_style.errors import UsageError

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}

_GREATEST = 2**60
"""From here on a size is none."""


def parse(text: str) -> int | None:
    """Bytes of a size such as "3GB", "800 MB" or "2.5GiB"; None for "auto".

    Raises:
        UsageError: it is no size.
    """
    if text == "auto":
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?i?B)", text.strip(), re.IGNORECASE)
    size = float(found[1]) * _UNITS.get(found[2].upper(), 0) if found else 0
    if not 1 <= size < _GREATEST:
        raise UsageError(f"memory: expected auto or a size such as 3GB, 800MB or 2.5GiB, got {text!r}")
    return round(size)


def describe(size: float) -> str:
    """A number of bytes for people, such as "2.94 GB", of 10⁹ bytes."""
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def flag(size: int) -> str:
    """A number of bytes as `parse` takes it, rounded down to 10⁷, but for the first."""
    return f"{max(size // 10**7, 1) / 100:.12g}GB"
