"""Forecast how many iterations and how much time a run has left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from neural_style.runs import pyramid

if TYPE_CHECKING:
    from neural_style.runs.pyramid import Scale


FIXED_WORK = 10_000
"""Cost of an evaluation that does not depend on its size, in pixels; measured on a CPU. On GPUs it is higher."""


class Forecast:
    """Compares the steps of a run with its plan.

    The work of an evaluation is its number of pixels + `FIXED_WORK`. The time left is the work left × the seconds per
    work at this scale so far. Where a run has a tolerance, a scale is expected to end when its loss will hardly fall
    any more (`pyramid.expected_evaluations`), and later scales after as many evaluations. Without one, each scale uses
    up its iterations.
    """

    def __init__(self, scales: Sequence[Scale], tolerance: float = 0.0):
        """Start with the scales of a run, coarse to fine, and the tolerance that ends them."""
        self._scales, self._tolerance = scales, tolerance
        self._losses: list[float] = []  # at the current scale
        self._scale = 0  # index of the current one
        self._first: tuple[int, float] | None = None  # iteration of the scale's start image, and when it was done
        self._iteration = -1  # the start image is iteration 0
        self._seconds_per_work: float | None = None
        self.work_done = 0
        """Work of all evaluations so far."""

    @property
    def is_limit(self) -> bool:
        """Whether what it tells is a limit: without a tolerance, only a scale that cannot improve ends sooner."""
        return not self._tolerance

    def recall(self, iteration: int, scale: Scale, losses: Sequence[float]) -> None:
        """Begin in the middle of a run.

        Args:
            iteration: number of the last step.
            scale: the size that comes next.
            losses: the total losses at that size so far.
        """
        self._iteration, self._scale, self._losses = iteration, self._scales.index(scale), list(losses)

    def update(self, iteration: int, size: tuple[int, int], loss: float, now: float) -> None:
        """Count a step.

        Args:
            iteration: its number; 0 is the start image.
            size: width and height in pixels at which it was evaluated.
            loss: its total loss.
            now: the time in seconds.
        """
        sizes = [(scale.width, scale.height) for scale in self._scales]
        self._iteration = iteration
        is_next = size != sizes[self._scale]
        if self._first is None or is_next:
            self._scale = sizes.index(size, self._scale)
            self._first = iteration, now
            if is_next:
                self._losses.clear()
        else:
            first, began = self._first
            self._seconds_per_work = (now - began) / ((iteration - first) * _work(self._scales[self._scale]))
        self.work_done += _work(self._scales[self._scale])
        self._losses.append(loss)

    @property
    def last_iteration(self) -> int:
        """Number of the last iteration, as expected now."""
        return self._iteration + self._left_here + sum(map(self._expected, self._later))

    @property
    def work_left(self) -> int:
        """Work of all evaluations from here on, as expected now."""
        here = self._left_here * _work(self._scales[self._scale])
        return here + sum(self._expected(scale) * _work(scale) for scale in self._later)

    @property
    def seconds_left(self) -> float | None:
        """Time left in seconds, as expected now; None if nothing has been timed yet."""
        return None if self._seconds_per_work is None else self._seconds_per_work * self.work_left

    @property
    def _left_here(self) -> int:
        """Iterations left at the current scale."""
        return self._expected(self._scales[self._scale]) - len(self._losses)

    def _expected(self, scale: Scale) -> int:
        """Return how many evaluations a scale makes, judged by the losses of the current one."""
        return pyramid.expected_evaluations(self._losses, self._tolerance, scale.iterations + 1)

    @property
    def _later(self) -> Sequence[Scale]:
        return self._scales[self._scale + 1 :]


def _work(scale: Scale) -> int:
    return scale.width * scale.height + FIXED_WORK
