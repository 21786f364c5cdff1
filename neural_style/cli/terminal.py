"""What a terminal can show: which kind of pictures, and how many cells."""

from __future__ import annotations

import contextlib
import os
import re
import select
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

Pictures = Literal["kitty", "iterm2", "sixel", "half-blocks"]

_KITTY_TERMS = ("xterm-kitty", "xterm-ghostty")
_ITERM2_PROGRAMS = ("iTerm.app", "WezTerm")
_WITHOUT_COLOR = re.compile(r"dumb|unknown|vt\d+.*")

_ATTRIBUTES = re.compile(r"\x1b\[\?([\d;]*)c")
_WAIT = 0.3
"""Seconds within which a terminal answers. One that is far away may be slower, and shows half-blocks."""

_CELL = (10, 20)
"""Usual width and height of a cell in pixels, for terminals that do not tell."""


class Size(NamedTuple):
    """Size of a terminal."""

    columns: int
    rows: int
    cell: tuple[int, int] = _CELL
    """Width and height of a cell in pixels."""


def pictures_of(  # noqa: PLR0911
    environment: Mapping[str, str], encoding: str | None, attributes: Callable[[], frozenset[int]]
) -> tuple[Pictures | None, str]:
    """Return how a terminal shows pictures; None and the reason if it does not.

    Args:
        environment: variables.
        encoding: of the text that is written there.
        attributes: asks the terminal what it is; see `device_attributes`.
    """
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if _WITHOUT_COLOR.fullmatch(term or "unknown"):
        return None, f"a terminal that shows pictures or colors, got TERM={term or 'unset'}"
    is_nested = "TMUX" in environment or "STY" in environment or re.match("screen|tmux", term) is not None
    if not is_nested:  # tmux and screen pass only text on
        if term in _KITTY_TERMS or "KITTY_WINDOW_ID" in environment:
            return "kitty", ""
        if program in _ITERM2_PROGRAMS or environment.get("LC_TERMINAL") == "iTerm2":
            return "iterm2", ""
        if 4 in attributes():
            return "sixel", ""
    if environment.get("NO_COLOR"):
        return None, "a terminal with colors, got NO_COLOR"
    try:
        "▀".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return None, f"a terminal for Unicode, got the encoding {encoding}"
    return "half-blocks", ""


def has_full_color(environment: Mapping[str, str]) -> bool:
    """Return whether a terminal says that it has 24 bits of color."""
    return environment.get("COLORTERM") in ("truecolor", "24bit") or environment.get("TERM", "").endswith("-direct")


def size_of(file: Any) -> Size:
    """Return the size of the terminal that a file writes to, now."""
    with contextlib.suppress(ImportError, OSError, ValueError, AttributeError):
        import fcntl
        import struct
        import termios

        told = fcntl.ioctl(file.fileno(), termios.TIOCGWINSZ, bytes(8))
        rows, columns, width, height = struct.unpack("HHHH", told)
        if rows and columns:
            cell = (width // columns, height // rows)
            return Size(columns, rows, cell if min(cell) > 0 else _CELL)
    with contextlib.suppress(OSError, ValueError, AttributeError):
        found = os.get_terminal_size(file.fileno())
        return Size(found.columns or 80, found.lines or 24)
    return Size(80, 24)


def device_attributes() -> frozenset[int]:
    """Ask the terminal of this process for its primary device attributes; 4 among them stands for sixel.

    The terminal's mode is as it was afterward. It is not asked if this process is in the background, which must not
    change it. What was typed meanwhile is lost.
    """
    if sys.platform == "win32":
        return frozenset()
    import termios
    import tty

    try:
        number = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return frozenset()
    try:
        if os.tcgetpgrp(number) != os.getpgrp():
            return frozenset()
        mode = termios.tcgetattr(number)
        try:
            tty.setcbreak(number, termios.TCSANOW)
            os.write(number, b"\x1b[c")
            return _answer(number)
        finally:
            termios.tcsetattr(number, termios.TCSANOW, mode)
    except (OSError, termios.error):
        return frozenset()
    finally:
        os.close(number)


def _answer(number: int) -> frozenset[int]:
    end, text = time.monotonic() + _WAIT, ""
    while (left := end - time.monotonic()) > 0 and select.select([number], [], [], left)[0]:
        text += os.read(number, 1024).decode("ascii", "replace")
        if found := _ATTRIBUTES.search(text):
            return frozenset(int(part) for part in found[1].split(";") if part)
    return frozenset()
