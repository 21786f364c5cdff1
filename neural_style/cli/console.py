"""Messages on standard error, as lines that do not break the progress bar.

A message that cannot be written, because its reader is gone, does not end a run: see `Console`.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import sys
import warnings
from typing import Any, TextIO

from tqdm import tqdm

from neural_style.cli.flag_names import RESUME
from neural_style.config import presets
from neural_style.config.config import OPTIONS

_FORMAT_WARNING = warnings.formatwarning
_QUOTED = r"(?<!\w)'[^']*'|(?<!\w)\"[^\"]*\""
_AT_START = "|".join([*OPTIONS, presets.FLAG, RESUME])
_ANYWHERE = "|".join(name for name in OPTIONS if "_" in name)
_OPTION_NAMES = re.compile(
    rf"{_QUOTED}|(?:^|(?<=': ))(?:{_AT_START})(?=: )|(?<![\w./\\-])(?:{_ANYWHERE})(?![\w/\\-]|\.\w)"
)
"""Matches names of options in messages of the library, and quoted text, which is to be left alone."""


class Console:
    """A text stream that drops what cannot be written, and escapes characters that its encoding lacks."""

    def __init__(self, stream: TextIO | None):
        """Wrap a stream, such as standard output, which is None if it is closed."""
        self._stream = stream or io.StringIO()
        self._encoding = getattr(stream, "encoding", None) or "utf-8"

    def __getattr__(self, name: str) -> Any:
        """Pass everything else on to the stream."""
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write the text, unless the stream fails."""
        with contextlib.suppress(OSError):
            self._stream.write(text.encode(self._encoding, "backslashreplace").decode(self._encoding))
        return len(text)

    def flush(self) -> None:
        """Flush, unless the stream fails."""
        with contextlib.suppress(OSError):
            self._stream.flush()


class LogHandler(logging.Handler):
    """A handler that prints the library's log messages as single lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one log message."""
        say(f"{record.levelname.lower()}: {with_dashes(record.getMessage())}")


def show_notes() -> None:
    """Print the library's log messages from now on, and what Pillow says of damaged files, as single lines."""
    log = logging.getLogger("neural_style")
    log.handlers = [LogHandler()]
    log.setLevel(logging.INFO)
    log.propagate = False
    warnings.formatwarning = _format_warning


def _format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Format a warning of Pillow as one line, and others as usual."""
    if os.path.basename(os.path.dirname(filename)) == "PIL":
        from neural_style.images.picture import one_line

        return f"neural_style: warning: {one_line(str(message))}\n"
    return _FORMAT_WARNING(message, category, filename, lineno, line)


def say(text: str) -> None:
    """Print a message as one line that does not break the progress bar."""
    tqdm.write(f"neural_style: {' '.join(text.splitlines())}", file=sys.stderr)
    sys.stderr.flush()


def with_dashes(message: str) -> str:
    """Return a message of the library with options written as flags: `--width: expected …` for `width: expected …`.

    The library names options like arguments of `Config`. They are recognized at the beginning of a message, before a
    colon, after a name in quotes and a colon, and anywhere if they contain an underscore.
    """
    return _OPTION_NAMES.sub(lambda found: found[0] if found[0][0] in "'\"" else f"--{found[0]}", message)
