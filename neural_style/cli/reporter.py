"""Show the progress of a run on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from neural_style.runs.forecast import Forecast

if TYPE_CHECKING:
    from neural_style.runs.pyramid import Scale
    from neural_style.runs.step import Step

PLAIN_LINES = 20
"""About how many lines a run without a terminal prints, unless `print_iterations` says otherwise."""


class Reporter:
    """Shows the steps of one run. Use it as a context manager.

    With a tolerance, it shows about how many iterations and how much time are left, or else how many at most.
    """

    def __init__(
        self,
        scales: Sequence[Scale],
        print_iterations: int | None,
        file=None,
        *,
        tolerance: float = 0.0,
        before: tuple[int, Scale, Sequence[float]] | None = None,
    ):
        """Prepare.

        Args:
            scales: the scales of the run, coarse to fine.
            print_iterations: how often to print the losses, in iterations; None for only the bar or some lines.
            file: where to write; None for standard error.
            tolerance: what ends a scale, as for `pyramid.has_converged`.
            before: what was done before, as for `Forecast.recall`; None if the run begins.
        """
        self._forecast = Forecast(scales, tolerance)
        if before is not None:
            self._forecast.recall(*before)
        self._about = "at most" if self._forecast.is_limit else "about"
        self._file = file or sys.stderr
        self._on_terminal = self._file.isatty()
        by_default = 0 if self._on_terminal else max(1, self._forecast.last_iteration // PLAIN_LINES)
        self._every = print_iterations or by_default
        self._bar: _Bar | None = None

    def __enter__(self) -> Reporter:
        """Show the empty bar."""
        if self._on_terminal:
            self._bar = _Bar(self._forecast, self._file)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the bar, which stays visible."""
        if self._bar is not None:
            self._bar.close()

    def update(self, step: Step) -> None:
        """Show one step."""
        self._forecast.update(step.iteration, step.scale, step.losses["total"], time.monotonic())
        if self._bar is not None:
            self._bar.show(step)
        last = self._forecast.last_iteration
        if self._every and (step.iteration % self._every == 0 or step.iteration == last):
            counted = f"iteration {step.iteration} of {self._about} {last} ({step.scale[0]}×{step.scale[1]} px)"
            losses = ", ".join(f"{name} {value:.4g}" for name, value in step.losses.items())
            tqdm.write(f"{counted}: {losses}{self._time_left()}", file=self._file)
            self._file.flush()

    def _time_left(self) -> str:
        seconds = self._forecast.seconds_left
        if not seconds or self._on_terminal:
            return ""
        return f", {'up to ' * self._forecast.is_limit}about {tqdm.format_interval(seconds)} left"


class _Bar(tqdm):
    """A bar that counts iterations and grows with the work done, so its speed is even."""

    _FORMAT = "{iterations} [{elapsed}<{left}{postfix}] {bar}"
    """It fits into 80 columns; the bar takes the rest of the line."""

    def __init__(self, forecast: Forecast, file: Any):
        self._forecast = forecast
        self._iteration = 0
        super().__init__(total=forecast.work_left, file=file, dynamic_ncols=True, bar_format=self._FORMAT)

    @property
    def format_dict(self) -> dict[str, Any]:
        """The values for `_FORMAT`."""
        left = self._forecast.seconds_left
        return {
            **super().format_dict,
            "iterations": f"{self._iteration}/{'' if self._forecast.is_limit else '~'}{self._forecast.last_iteration}",
            "left": "?" if left is None else tqdm.format_interval(left),
        }

    def show(self, step: Step) -> None:
        """Show one step."""
        self._iteration = step.iteration
        losses = ", ".join(f"{name} {tqdm.format_sizeof(value)}" for name, value in step.losses.items())
        self.set_postfix_str(losses, refresh=False)
        self.total = self._forecast.work_done + self._forecast.work_left
        self.update(self._forecast.work_done - self.n)
