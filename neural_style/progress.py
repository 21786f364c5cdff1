"""What a run shows while it works: a bar on a terminal, plain lines elsewhere. All of it goes to standard error."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from types import TracebackType

from tqdm import tqdm

from neural_style.records import LOSS_NAMES, Step

PLAIN_LINES = 20
"""About how many lines a run without a terminal prints, unless `print_iterations` says otherwise."""


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
            self._bar = tqdm(total=self._iterations, file=self._file, unit="it", dynamic_ncols=True, smoothing=0.1)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.close()

    def update(self, step: Step) -> None:
        """Show one step."""
        if self._bar is not None:
            self._bar.update(step.iteration - self._bar.n)
            self._bar.set_postfix_str(_listed(step.losses))
        if step.iteration == 0:
            self._started = time.monotonic()  # building the network is over
        if self._every and (step.iteration % self._every == 0 or step.iteration == self._iterations):
            tqdm.write(
                f"iteration {step.iteration}/{self._iterations}: {_listed(step.losses)}{self._time_left(step)}",
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
        tqdm.write(f"neural_style: {record.levelname.lower()}: {record.getMessage()}", file=sys.stderr)


def _listed(losses: Mapping[str, float]) -> str:
    """Losses in one line, such as "content 1.23e+04, style …"."""
    return ", ".join(f"{name} {losses[name]:.4g}" for name in LOSS_NAMES)
