"""A line search by ask and tell. Plain numbers in, plain numbers out."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np


class Trial(NamedTuple):
    """A step along the line, with the loss and its derivative along the line there."""

    step: float
    value: float
    slope: float


_NONE = Trial(math.inf, math.nan, math.nan)
"""No step yet."""


@dataclass(frozen=True)
class LineSearch:
    """Search a line for a step that meets the strong Wolfe conditions.

    After Nocedal and Wright, Numerical Optimization, 2006, algorithms 3.5 and 3.6. The first step is 1, which the
    directions of L-BFGS are made for. `LineSearch.begin` starts a search, and `tell` returns the next state of it.

    Differs from the book by what it does with a step where loss or slope is not finite: that is a step too far. The
    next one lies halfway between it and the best step so far, until one is finite. Such steps do not count as tried.
    The search also ends with a best step of more than half of one that is not finite.
    """

    LEAST_DECREASE: ClassVar[float] = 1e-4
    """c₁ of the Wolfe conditions: loss(step) ≤ loss(0) + c₁ · step · slope(0)."""
    GREATEST_SLOPE: ClassVar[float] = 0.9
    """c₂ of the Wolfe conditions: |slope(step)| ≤ c₂ · |slope(0)|."""
    MOST_STEPS: ClassVar[int] = 10
    """Finite steps after which a search ends."""
    MOST_BISECTIONS: ClassVar[int] = 10
    """Steps that are not finite after which a search ends."""

    start: Trial
    """The step 0."""
    noise: float
    """How much higher a loss may be by rounding alone."""
    low: Trial
    """The step with the lowest loss of those that decrease it enough: one end of the interval that has a minimum."""
    high: Trial = _NONE
    """The other end of that interval, which may be the shorter step; infinitely long while there is none. Its loss is
    NaN if that step was not finite."""
    lowest: float = math.inf
    """The lowest loss so far, including that of the step 0."""
    tried: int = 0
    """How many finite steps there were."""
    bisections: int = 0
    """How many steps there were that are not finite."""
    step: float = 1.0
    """The step to try next."""
    has_ended: bool = False
    """Whether the search is over: the last step meets the conditions, or too many do not."""
    last_is_best: bool = False
    """Whether no loss so far, including that of the step 0, is lower than the last by more than the noise."""

    @classmethod
    def begin(cls, value: float, slope: float, noise: float) -> LineSearch:
        """Begin a search.

        Args:
            value: the loss at the step 0.
            slope: its derivative along the line there, below 0.
            noise: the share of a loss that is rounding alone.
        """
        start = Trial(0.0, value, slope)
        return cls(start, noise * abs(value), start, lowest=value)

    @property
    def is_not_finite(self) -> bool:
        """Whether the search ended because too many steps were not finite."""
        return self.bisections >= self.MOST_BISECTIONS

    def tell(self, value: float, slope: float) -> LineSearch:
        """Take the loss and its derivative along the line at `step`. Return the search with the next step."""
        if not (math.isfinite(value) and math.isfinite(slope)):
            shorter = dataclasses.replace(
                self, high=Trial(self.step, math.nan, math.nan), bisections=self.bisections + 1, last_is_best=False
            )
            return shorter._with_next_step()
        here = Trial(self.step, value, slope)
        low, high, tried = self.low, self.high, self.tried + 1
        least = self.start.value + self.LEAST_DECREASE * self.step * self.start.slope + self.noise
        is_lower = value <= least and value < low.value + self.noise
        meets_both = is_lower and abs(slope) <= self.GREATEST_SLOPE * abs(self.start.slope)
        if not is_lower:
            high = here
        else:
            if slope * (high.step - low.step) >= 0:  # uphill from here to the other end
                high = low
            low = here
        told = dataclasses.replace(
            self,
            low=low,
            high=high,
            lowest=min(self.lowest, value),
            tried=tried,
            has_ended=meets_both or tried == self.MOST_STEPS,
            last_is_best=value < self.lowest + self.noise,
        )
        return told._with_next_step()

    def _with_next_step(self) -> LineSearch:
        """Return the search with the next step, or ended, if it is of no use to come closer to what is not finite."""
        low, high = self.low, self.high
        if not math.isnan(high.value):
            return dataclasses.replace(self, step=cubic_minimum(low, high))
        step = 4 * low.step if 0 < 4 * low.step < high.step else (low.step + high.step) / 2
        is_close = high.step <= 2 * low.step
        return dataclasses.replace(self, step=step, has_ended=self.has_ended or self.is_not_finite or is_close)

    def to_array(self) -> np.ndarray:
        """Return the search as numbers, float64 (n,)."""
        return np.hstack([np.asarray(getattr(self, field.name), np.float64) for field in dataclasses.fields(self)])

    @classmethod
    def from_array(cls, array: np.ndarray) -> LineSearch:
        """Return the search that `to_array` made the numbers of."""
        numbers = iter(array.tolist())

        def trial() -> Trial:
            return Trial(next(numbers), next(numbers), next(numbers))

        start, noise, low, high = trial(), next(numbers), trial(), trial()
        lowest, tried, bisections, step, has_ended, last_is_best = numbers
        counts, flags = (int(tried), int(bisections)), (bool(has_ended), bool(last_is_best))
        return cls(start, noise, low, high, lowest, *counts, step, *flags)


def cubic_minimum(low: Trial, high: Trial) -> float:
    """Return the step where the cubic through two trials is lowest, at least a tenth of their distance from either.

    With a = low, b = high: x = b - (b - a) · (b' + d₂ - d₁) / (b' - a' + 2 · d₂), where
    d₁ = a' + b' - 3 · (f(a) - f(b)) / (a - b) and d₂ = ±√(d₁² - a' · b') with the sign of b - a (Nocedal and Wright,
    equation 3.59). The middle, where that has no solution.
    """
    (a, value_a, slope_a), (b, value_b, slope_b) = low, high
    d1 = slope_a + slope_b - 3 * (value_a - value_b) / (a - b)
    square = d1 * d1 - slope_a * slope_b
    d2 = math.copysign(math.sqrt(max(square, 0.0)), b - a)
    divisor = slope_b - slope_a + 2 * d2
    place = b - (b - a) * (slope_b + d2 - d1) / divisor if square >= 0 and divisor else (a + b) / 2
    margin = abs(b - a) / 10
    return min(max(place, min(a, b) + margin), max(a, b) - margin)
