"""Forecast how many iterations and how much time a run has left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from neural_style.runs import pyramid

if TYPE_CHECKING:
    from neural_style.runs.pyramid import Scale
    from neural_style.runs.session import Session


FIXED_SECONDS = 0.02
"""Time of an evaluation that does not depend on its size, until two sizes tell it; measured on a CPU."""

START_EVALUATIONS = 1.5
"""How many evaluations take as long as what is done once at a new size, until one tells it: targets, and the graph."""

_RECENT = 5
"""Least number of the last evaluations whose mean time counts; more than half of those at a size do."""


class Forecast:
    """Compares the steps of a run with its plan.

    The time of an evaluation is a constant plus a share of its number of pixels. Both come from the last two sizes; in
    the first, the constant is `FIXED_SECONDS`. At each new size, the first evaluation takes longer, since the styles
    are evaluated, too. Where a run has a tolerance, a scale is expected to end when its loss will hardly fall any more
    (`pyramid.expected_evaluations`), and later scales after as many evaluations. Without one, each scale uses up its
    iterations.
    """

    def __init__(self, scales: Sequence[Scale], tolerance: float = 0.0):
        """Start with the scales of a run, coarse to fine, and the tolerance that ends them."""
        self._scales, self._tolerance = scales, tolerance
        self._losses: list[float] = []  # at the current scale
        self._scale = 0  # index of the current one
        self._began: float | None = None
        self._last: float | None = None  # when the last step was done
        self._iteration = -1  # the start image is iteration 0
        self._seconds: dict[int, list[float]] = {}  # of evaluations by scale, but the first
        self._first: dict[int, float] = {}  # of the first evaluation of a scale, but that of the run

    @classmethod
    def of(cls, session: Session) -> Forecast:
        """Begin with a session, which may have made steps already."""
        forecast = cls(session.scales, session.config.tolerance_of(session.plans[-1].optimizer))
        if session.iteration >= 0:
            forecast.recall(session.iteration, session.scale, session.totals)
        return forecast

    @property
    def is_limit(self) -> bool:
        """Whether what it tells is a limit: without a tolerance, only a scale that cannot improve ends sooner."""
        return not self._tolerance

    @property
    def scale(self) -> int:
        """Index of the current scale."""
        return self._scale

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
        if size != sizes[self._scale]:
            self._scale = sizes.index(size, self._scale)
            self._losses.clear()
            if self._last is not None:
                self._first[self._scale] = now - self._last
        elif self._last is not None:
            self._seconds.setdefault(self._scale, []).append(now - self._last)
        self._began = now if self._began is None else self._began
        self._last = now
        self._losses.append(loss)

    @property
    def last_iteration(self) -> int:
        """Number of the last iteration, as expected now."""
        return self._iteration + self._left_here + sum(map(self._expected, self._later))

    @property
    def seconds_done(self) -> float:
        """Time since the first step in seconds."""
        return 0.0 if self._began is None or self._last is None else self._last - self._began

    @property
    def seconds_left(self) -> float | None:
        """Time left in seconds, as expected now; None if nothing has been timed yet."""
        if not self._seconds:
            return None
        here = self._left_here * self._evaluation(self._scale)
        start = 1 + self._start_evaluations
        indices = range(self._scale + 1, len(self._scales))
        return here + sum(
            (self._expected(self._scales[index]) - 1 + start) * self._evaluation(index) for index in indices
        )

    @property
    def share(self) -> float:
        """Share of the time that is over, 0 to 1, as expected now."""
        left = self.seconds_left
        return 0.0 if left is None else self.seconds_done / max(self.seconds_done + left, 1e-9)

    def _evaluation(self, index: int) -> float:
        """Return the seconds of an evaluation at a scale, as known or expected."""
        if index in self._seconds:
            return self._mean(index)
        known = max(self._seconds)
        area, fixed = _area(self._scales[known]), min(FIXED_SECONDS, self._mean(known) / 2)
        before = [other for other in self._seconds if _area(self._scales[other]) < area]
        if before:
            smaller = _area(self._scales[max(before)])
            slope = (self._mean(known) - self._mean(max(before))) / (area - smaller)
            fixed = min(max(self._mean(known) - slope * area, 0.0), self._mean(known))
        return fixed + (self._mean(known) - fixed) * _area(self._scales[index]) / area

    def _mean(self, index: int) -> float:
        seconds = self._seconds[index]
        recent = seconds[-max(_RECENT, len(seconds) // 2) :]
        return sum(recent) / len(recent)

    @property
    def _start_evaluations(self) -> float:
        """How many evaluations take as long as what is done once at a size, by the last one that tells it."""
        known = [index for index in self._first if index in self._seconds]
        if not known:
            return START_EVALUATIONS
        return max(self._first[max(known)] / self._mean(max(known)) - 1, 0.0)

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


def _area(scale: Scale) -> int:
    return scale.width * scale.height
