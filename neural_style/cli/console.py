"""Messages on standard error: lines that do not break the bar of a run.

A message that cannot be shown, because nobody reads it any more, does not end a run: see `Console`.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import sys
from typing import Any, TextIO

from tqdm import tqdm

from neural_style.config.config import OPTIONS

_QUOTED = r"(?<!\w)'[^']*'|(?<!\w)\"[^\"]*\""
_AT_START = "|".join(OPTIONS)
_ANYWHERE = "|".join(name for name in OPTIONS if "_" in name)
_OPTION_NAMES = re.compile(rf"{_QUOTED}|^(?:{_AT_START})(?=: )|(?<![\w./\\-])(?:{_ANYWHERE})(?![\w/\\-]|\.\w)")
"""Names of options in a message of the library, or quoted text, in which nothing is an option."""


class Console:
    """A text stream that drops what cannot be written, and spells out letters that its encoding lacks."""

    def __init__(self, stream: TextIO | None):
        """Take a stream, such as standard output, which is None where it is closed."""
        self._stream = stream or io.StringIO()
        self._encoding = getattr(stream, "encoding", None) or "utf-8"

    def __getattr__(self, name: str) -> Any:
        """Pass everything else on to the stream."""
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, as far as the stream takes it."""
        with contextlib.suppress(OSError):
            self._stream.write(text.encode(self._encoding, "backslashreplace").decode(self._encoding))
        return len(text)

    def flush(self) -> None:
        """Flush, as far as the stream takes it."""
        with contextlib.suppress(OSError):
            self._stream.flush()


class LogHandler(logging.Handler):
    """Prints the library's notes as single lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one note."""
        say(f"{record.levelname.lower()}: {with_dashes(record.getMessage())}")


def show_notes() -> None:
    """From now on print the library's notes."""
    log = logging.getLogger("neural_style")
    log.handlers = [LogHandler()]
    log.setLevel(logging.INFO)
    log.propagate = False


def say(text: str) -> None:
    """Print a message as one line that does not break the bar."""
    tqdm.write(f"neural_style: {' '.join(text.splitlines())}", file=sys.stderr)
    sys.stderr.flush()


def with_dashes(message: str) -> str:
    """Return a message of the library with options written as flags: `--width: expected …` for `width: expected …`.

    The library names options as arguments of `Config`: at the beginning of a message, before a colon, and elsewhere
    where the name has an underscore.
    """
    return _OPTION_NAMES.sub(lambda found: found[0] if found[0][0] in "'\"" else f"--{found[0]}", message)
