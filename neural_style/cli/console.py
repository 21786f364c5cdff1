"""What a run shows while it works: a bar on a terminal, plain lines elsewhere. All of it goes to standard error.

A message that cannot be shown, since nobody reads it any more, costs no run: see `Console`.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import time
from types import TracebackType
from typing import Any, TextIO

from tqdm import tqdm

from neural_style.runs.step import LOSS_NAMES, Step

PLAIN_LINES = 20
"""About how many lines a run without a terminal prints, unless `print_iterations` says otherwise."""

_BAR = "{n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}] {bar}"
"""What fits into 80 columns, the bar getting what is left over."""


class Console:
    """A text stream that drops what cannot be written, and spells out letters that its encoding lacks."""

    def __init__(self, stream: TextIO | None):
        """Take a stream, such as standard output, which is None where it is closed."""
        self._stream = stream or io.StringIO()
        self._encoding = getattr(stream, "encoding", None) or "utf-8"

    def __getattr__(self, name: str) -> Any:
        """Everything else is the stream's own."""
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


class Reporter:
    """Shows the steps of one run, as a context manager."""

    def __init__(self, iterations: int, print_iterations: int | None, file=None):
        """Prepare.

        Args:
            iterations: how many will follow the start image.
            print_iterations: print the losses every so many iterations; None for the bar, or some lines, alone.
            file: where to show; standard error by default.
        """
        self._iterations = iterations
        self._file = file or sys.stderr
        self._on_terminal = self._file.isatty()
        self._every = print_iterations or (0 if self._on_terminal else max(1, iterations // PLAIN_LINES))
        self._bar: tqdm | None = None
        self._started = time.monotonic()

    def __enter__(self) -> Reporter:
        """Show the empty bar."""
        if self._on_terminal:
            self._bar = tqdm(
                total=self._iterations, file=self._file, dynamic_ncols=True, smoothing=0.1, bar_format=_BAR
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.close()

    def update(self, step: Step) -> None:
        """Show one step."""
        if self._bar is not None:
            self._bar.update(step.iteration - self._bar.n)
            self._bar.set_postfix_str(
                ", ".join(f"{name} {tqdm.format_sizeof(step.losses[name])}" for name in LOSS_NAMES)
            )
        if step.iteration == 0:
            self._started = time.monotonic()  # building the network is over
        if self._every and (step.iteration % self._every == 0 or step.iteration == self._iterations):
            losses = ", ".join(f"{name} {step.losses[name]:.4g}" for name in LOSS_NAMES)
            size = f"{step.scale[0]}×{step.scale[1]} px"
            tqdm.write(
                f"iteration {step.iteration}/{self._iterations} ({size}): {losses}{self._time_left(step)}",
                file=self._file,
            )
            self._file.flush()

    def _time_left(self, step: Step) -> str:
        if self._on_terminal or not 0 < step.iteration < self._iterations:
            return ""
        per_iteration = (time.monotonic() - self._started) / step.iteration
        return f", {tqdm.format_interval(per_iteration * (self._iterations - step.iteration))} left"


class LogHandler(logging.Handler):
    """Prints the library's notes as single lines that do not break the bar."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one note."""
        say(f"{record.levelname.lower()}: {record.getMessage()}")


def say(text: str) -> None:
    """Print a message as one line that does not break the bar."""
    tqdm.write(f"neural_style: {' '.join(text.splitlines())}", file=sys.stderr)
    sys.stderr.flush()
