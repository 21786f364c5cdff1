"""Lengths of time as text."""

from __future__ import annotations

import re

from neural_style.errors import UsageError

_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}

_LIMIT = 10 * 365 * 86400
"""Most seconds."""


def parse(text: str, subject: str) -> float:
    """Return the seconds of a time such as "2h", "90m", "1h30m" or "45s".

    Args:
        text: the text.
        subject: what the message begins with.

    Raises:
        UsageError: the text has another form, or is no time above 0.
    """
    number = r"(\d{1,9}(?:\.\d{1,9})?)"
    found = re.fullmatch("".join(rf"(?:{number}{unit})?" for unit in _SECONDS), text.strip().lower(), re.ASCII)
    parts = found.groups() if found else ()
    seconds = sum(float(part) * unit for part, unit in zip(parts, _SECONDS.values(), strict=False) if part)
    if not 0 < seconds <= _LIMIT:
        raise UsageError(f"{subject}: expected a time such as 2h, 90m, 1h30m or 45s, got {text!r}")
    return seconds


def in_words(seconds: float) -> str:
    """Return a time in words, in the unit that suits it, such as "48 seconds" or "2.5 hours"."""
    units = ((86400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))
    unit, name = next((each for each in units if seconds >= 2 * each[0]), units[-1])
    return f"{seconds / unit:.0f} {name}" if seconds >= 10 * unit else f"{seconds / unit:.2g} {name}"
