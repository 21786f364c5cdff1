"""Forecast how many iterations and how much time a run has left at most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neural_style.runs.pyramid import Scale


FIXED_WORK = 10_000
"""Cost of an evaluation that does not depend on its size, in pixels; measured on a CPU. On GPUs it is higher."""


class Forecast:
    """Compares the steps of a run with its plan.

    The work of an evaluation is its number of pixels + `FIXED_WORK`. The time left is the work left × the seconds per
    work at this scale so far. A run ends sooner if a scale ends before it has used up its iterations.
    """

    def __init__(self, scales: Sequence[Scale]):
        """Start with the scales of a run, coarse to fine."""
        self._scales = scales
        self._scale = 0  # index of the current one
        self._first: tuple[int, float] | None = None  # iteration of the scale's start image, and when it was done
        self._iteration = -1  # the start image is iteration 0
        self._seconds_per_work: float | None = None
        self.work_done = 0
        """Work of all evaluations so far."""

    def update(self, iteration: int, size: tuple[int, int], now: float) -> None:
        """Count a step.

        Args:
            iteration: its number; 0 is the start image.
            size: width and height in pixels at which it was evaluated.
            now: the time in seconds.
        """
        sizes = [(scale.width, scale.height) for scale in self._scales]
        self._iteration = iteration
        if self._first is None or size != sizes[self._scale]:
            self._scale = sizes.index(size, self._scale)
            self._first = iteration, now
        else:
            first, began = self._first
            self._seconds_per_work = (now - began) / ((iteration - first) * _work(self._scales[self._scale]))
        self.work_done += _work(self._scales[self._scale])

    @property
    def most_iterations(self) -> int:
        """Number of the last iteration, if every scale from here on uses up its iterations."""
        return self._iteration + self._left_here + sum(scale.iterations + 1 for scale in self._later)

    @property
    def work_left(self) -> int:
        """Work of all evaluations from here on, if every scale uses up its iterations."""
        here = self._left_here * _work(self._scales[self._scale])
        return here + sum((scale.iterations + 1) * _work(scale) for scale in self._later)

    @property
    def seconds_left(self) -> float | None:
        """Time left in seconds, if every scale uses up its iterations; None if nothing has been timed yet."""
        return None if self._seconds_per_work is None else self._seconds_per_work * self.work_left

    @property
    def _left_here(self) -> int:
        """Iterations left at the current scale."""
        done = self._iteration - (self._first[0] if self._first else 0)  # -1 before the start image
        return self._scales[self._scale].iterations - done

    @property
    def _later(self) -> Sequence[Scale]:
        return self._scales[self._scale + 1 :]


def _work(scale: Scale) -> int:
    return scale.width * scale.height + FIXED_WORK
