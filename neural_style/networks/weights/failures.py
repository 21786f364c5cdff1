"""Remember failed downloads for an hour, so that not every run waits for a network that is not there."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOUR = 3600.0
"""Seconds for which a failure is remembered."""


@dataclass(frozen=True)
class Failure:
    """A failed attempt.

    Attributes:
        reason: why it failed.
        age: how many seconds ago it failed.
    """

    reason: str
    age: float

    def __str__(self) -> str:
        minutes = round(self.age / 60)
        when = "a moment ago" if minutes < 1 else f"{minutes} minute{'s' if minutes > 1 else ''} ago"
        return f"the attempt {when} failed ({self.reason})"


def recent(file: Path, name: str) -> Failure | None:
    """Return the last failure under a name, if it is less than an hour old.

    A damaged file counts as empty. Failures with a time in the future are ignored.

    Args:
        file: where failures are kept.
        name: name of the source.
    """
    row = _rows(file).get(name)
    match row:
        case {"time": int() | float() as when, "reason": str() as reason} if 0 <= time.time() - when < HOUR:
            return Failure(" ".join(reason.split()), time.time() - when)
    return None


def remember(file: Path, name: str, reason: str) -> None:
    """Remember a failure, unless the file cannot be written."""
    _write(file, {**_rows(file), name: {"time": time.time(), "reason": reason}})


def forget(file: Path, name: str) -> None:
    """Forget the failure under a name."""
    rows = _rows(file)
    if name in rows:
        _write(file, {key: row for key, row in rows.items() if key != name})


def _rows(file: Path) -> dict[str, Any]:
    try:
        rows = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return rows if isinstance(rows, dict) else {}


def _write(file: Path, rows: Mapping[str, Any]) -> None:
    temporary = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    with contextlib.suppress(OSError):
        try:
            temporary.write_text(json.dumps(rows), "utf-8")
            os.replace(temporary, file)
        finally:
            temporary.unlink(missing_ok=True)
