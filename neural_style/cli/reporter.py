"""Show the progress of a run on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from neural_style.cli.live_region import LiveRegion
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
        self._scales, self._forecast = scales, Forecast(scales, tolerance)
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
            self._bar = _Bar(self._forecast, self._scales, self._file)
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
    """A bar that tells size, iteration, time and losses, and grows with the share of the time that is over."""

    _LEAST = 6
    """Least width of the bar itself in columns; less is said of the losses if it would be narrower."""

    def __init__(self, forecast: Forecast, scales: Sequence[Scale], file: Any):
        self._forecast, self._scales = forecast, scales
        self._step: Step | None = None
        self._refreshed = -math.inf
        self._region = LiveRegion.current
        if self._region is not None:
            self._region.bar = self
        super().__init__(total=1, file=file, dynamic_ncols=True, bar_format="{facts} {bar}")

    @property
    def format_dict(self) -> dict[str, Any]:
        """The values for the format of the bar."""
        values = super().format_dict
        left = self._forecast.seconds_left
        about = "" if self._forecast.is_limit else "~"
        scale = self._scales[self._forecast.scale]
        facts = [
            f"{self._forecast.scale + 1}/{len(self._scales)}" if len(self._scales) > 1 else "",
            f"{scale.width}×{scale.height}",
            f"{0 if self._step is None else self._step.iteration}/{about}{self._forecast.last_iteration}",
            f"{tqdm.format_interval(values['elapsed'])}<{'?' if left is None else tqdm.format_interval(left)}",
        ]
        most = (values["ncols"] or math.inf) - self._LEAST - 1
        begun = " ".join(filter(None, facts))
        losses = {} if self._step is None else self._step.losses
        told = (" ".join(filter(None, (begun, each))) for each in _told_losses(losses))
        return {**values, "facts": next((each for each in told if len(each) <= most), begun)}

    def display(self, *arguments: Any, **options: Any) -> None:
        """Write the bar, below the rows that belong to it."""
        if self._region is not None:
            self._region.draw(self.fp)
        super().display(*arguments, **options)

    def clear(self, *arguments: Any, **options: Any) -> None:
        """Erase the bar, and the rows above it, to make room for a message."""
        super().clear(*arguments, **options)
        if self._region is not None:
            self._region.erase(self.fp)

    def close(self) -> None:
        """End. The bar and the rows above it stay."""
        region = self._region
        if region is not None and region.bar is self:
            region.before_end()
            region.bar = None
        super().close()

    def show(self, step: Step) -> None:
        """Show one step."""
        self._step = step
        left = self._forecast.seconds_left
        if left is not None:
            self.n = self._forecast.seconds_done
            self.total = max(self.n + left, 1e-9)
        now = time.monotonic()
        if now - self._refreshed >= self.mininterval:
            self._refreshed = now
            self.refresh()


def _told_losses(losses: Mapping[str, float]) -> Iterator[str]:
    """Yield losses as text, each time shorter: with names, with letters for long names, and the total alone."""
    values = {name: tqdm.format_sizeof(value) for name, value in losses.items()}
    yield ", ".join(f"{name} {value}" for name, value in values.items())
    yield ", ".join(f"{name if name in ('tv', 'total') else name[0]} {value}" for name, value in values.items())
    if "total" in values:
        yield f"total {values['total']}"
