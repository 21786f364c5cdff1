"""L-BFGS in float32 on the device."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from neural_style.optimizers.base import Arrays
from neural_style.optimizers.curvature_pairs import CurvaturePairs, new_pair
from neural_style.optimizers.line_search import LineSearch
from neural_style.optimizers.vectors import Image, dot, scalar, scaled, usual_scale

_IDLE_SEARCHES = 10
"""Searches in a row without a lower loss after which L-BFGS ends."""


class Point(NamedTuple):
    """An image that was evaluated. Loss and gradient are times the state's `scale`."""

    image: tf.Tensor
    value: float
    gradient: tf.Tensor


@dataclass
class LBFGSState:
    """What L-BFGS knows. All tensors but those of the pairs are float32 of the image's shape."""

    image: Image
    """To evaluate next."""
    base: Point | None = None
    """Where the search began; None before the first evaluation."""
    direction: tf.Tensor | None = None
    """Of the search; the images that it tries are base.image + step · direction."""
    search: LineSearch | None = None
    best: Point | None = None
    """The best that the search has tried; None before one is good enough."""
    pairs: CurvaturePairs = field(default_factory=CurvaturePairs)
    scale: float = 1.0
    """The power of two that losses and gradients are multiplied by; chosen at the first evaluation."""
    lowest: float = math.inf
    """The lowest loss of the points where searches began, times `scale`."""
    idle: int = 0
    """Searches since that was found."""
    done: bool = False
    failed: bool = False


@dataclass(frozen=True)
class LBFGS:
    """L-BFGS (Nocedal and Wright, Numerical Optimization, 2006, algorithm 7.5) with a strong Wolfe line search.

    It is done where rounding hides the descent: where no step of a search along the steepest descent keeps the loss
    from rising by more than the noise, or ten searches in a row find no lower one. A step where loss or gradient is not
    finite is a step too far, as `LineSearch` explains. It has failed if the first evaluation is not finite, or no step
    along the steepest descent is.
    """

    history_size: int
    """Curvature pairs to use. Each takes 8 bytes per entry of the image, and one more may be kept."""
    first_step: float = 1.0
    """Root mean square change of an entry by the first step along the steepest descent."""
    noise: float = 1e-6
    """The share of a loss that is rounding alone. A loss that is higher by less counts as not higher."""

    def init(self, image: Image) -> LBFGSState:
        """Return the state before the first evaluation."""
        return LBFGSState(image)

    def ask(self, state: LBFGSState) -> Image:
        """Return the image to evaluate next."""
        return state.image

    def step_size(self, state: LBFGSState) -> float | None:
        """Return the factor on the direction of the search; None before the first."""
        return None if state.search is None else state.search.step

    def tell(self, state: LBFGSState, total: float, gradient: Image) -> LBFGSState:
        """Take loss and gradient. The state is changed, and returned."""
        gradient = tf.convert_to_tensor(gradient)
        if state.base is None:
            self._take_start(state, total, gradient)
            return state
        assert state.search is not None
        gradient = scaled(gradient, state.scale)
        value, slope = total * state.scale, float(dot(gradient, state.direction))
        state.search = state.search.tell(value, slope)
        if state.search.last_is_best:
            state.best = Point(tf.convert_to_tensor(state.image), value, gradient)
        del gradient
        if state.search.has_ended:
            self._end_search(state)
            self._begin_search(state)
        else:
            self._take_step(state)
        return state

    def is_done(self, state: LBFGSState) -> bool:
        """Return whether rounding hides the descent, or it has failed."""
        return state.done or state.failed

    def has_failed(self, state: LBFGSState) -> bool:
        """Return whether no loss and gradient could be had that are finite."""
        return state.failed

    def restart(self, state: LBFGSState, image: Image | None = None) -> LBFGSState:
        """Return a state for another loss, or for other steps.

        Only the image is kept: by default the best of the current search, or else the one where that began. The
        curvature pairs go, since they are those of the old loss. The first step has the length of a first step again.
        """
        if image is None:
            best = state.best or state.base
            image = state.image if best is None else best.image
        return self.init(image)

    def to_arrays(self, state: LBFGSState) -> Arrays:
        """Return the state as arrays, the curvature pairs included."""
        numbers = [state.scale, state.lowest, state.idle, state.done, state.failed]
        arrays = {"image": state.image, "numbers": np.array(numbers, np.float64), **state.pairs.to_arrays()}
        for name, point in (("base", state.base), ("best", state.best)):
            if point is not None:
                arrays |= {f"{name}_image": point.image, f"{name}_gradient": point.gradient}
                arrays[f"{name}_value"] = np.array(point.value)
        if state.search is not None and state.direction is not None:
            arrays |= {"direction": state.direction, "search": state.search.to_array()}
        return arrays

    def from_arrays(self, arrays: Arrays) -> LBFGSState:
        """Return the state that `to_arrays` made the arrays of."""
        scale, lowest, idle, done, failed = arrays["numbers"].tolist()
        is_searching = "search" in arrays
        return LBFGSState(
            tf.constant(arrays["image"]),
            _point(arrays, "base"),
            tf.constant(arrays["direction"]) if is_searching else None,
            LineSearch.from_array(arrays["search"]) if is_searching else None,
            _point(arrays, "best"),
            CurvaturePairs.from_arrays(arrays),
            *(scale, lowest, int(idle), bool(done), bool(failed)),
        )

    def _take_start(self, state: LBFGSState, total: float, gradient: tf.Tensor) -> None:
        """Take the first evaluation."""
        state.failed = not (math.isfinite(total) and bool(tf.reduce_all(tf.math.is_finite(gradient))))
        if state.failed:
            return
        if not state.pairs:  # which know a scale already, where they are resized ones
            state.scale = usual_scale(gradient)
        state.lowest = total * state.scale
        state.base = Point(tf.convert_to_tensor(state.image), state.lowest, scaled(gradient, state.scale))
        del gradient
        self._begin_search(state)

    def _begin_search(self, state: LBFGSState) -> None:
        """Choose a direction from the base, and ask for the first image along it, unless it is done."""
        assert state.base is not None
        if self.is_done(state):
            return
        while True:
            state.direction, slope = self._direction(state)
            if slope < 0:
                break
            if not state.pairs:
                state.failed = not math.isfinite(slope)
                state.done = not state.failed
                state.direction = None
                return
            state.pairs.clear()  # rounding spoiled them
        state.search = LineSearch.begin(state.base.value, slope, self.noise)
        self._take_step(state)

    def _direction(self, state: LBFGSState) -> tuple[tf.Tensor, float]:
        """Return a direction of descent from the base, and the loss's derivative along it."""
        assert state.base is not None
        gradient = state.base.gradient
        if state.pairs:
            return state.pairs.direction(gradient, self.history_size)
        square = float(dot(gradient, gradient))
        length = self.first_step * math.sqrt(gradient.shape.num_elements())
        factor = -length / math.sqrt(square) if square else 0.0
        return scalar(factor) * gradient, factor * square

    def _take_step(self, state: LBFGSState) -> None:
        """Ask for the image at the search's step."""
        assert state.base is not None and state.search is not None and state.direction is not None
        state.image = state.base.image  # the last one goes before the next one takes memory
        state.image = state.base.image + scalar(state.search.step) * state.direction

    def _end_search(self, state: LBFGSState) -> None:
        """Make the best point of a search the next base, and a pair of the way there, or give up the pairs."""
        best, base, search = state.best, state.base, state.search
        assert base is not None and search is not None
        state.best = state.direction = state.search = None
        state.image = base.image if best is None else best.image
        if best is not None:
            state.pairs.add(*new_pair(best.image, base.image, best.gradient, base.gradient), self.history_size)
            state.base = best
            state.idle = 0 if best.value < state.lowest else state.idle + 1
            state.lowest = min(state.lowest, best.value)
            state.done = state.idle >= _IDLE_SEARCHES
        elif state.pairs:
            state.pairs.clear()
        else:
            state.failed = search.is_not_finite
            state.done = not state.failed


def _point(arrays: Arrays, name: str) -> Point | None:
    """Return a point of `to_arrays`, if there was one."""
    if f"{name}_value" not in arrays:
        return None
    image, gradient = (tf.constant(arrays[f"{name}_{part}"]) for part in ("image", "gradient"))
    return Point(image, float(arrays[f"{name}_value"]), gradient)
