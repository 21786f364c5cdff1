"""Gradient descent with steps of the gradient times a learning rate, with tensors, or in place with arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from neural_style.optimizers.base import Arrays
from neural_style.optimizers.stepping import (
    Stepping,
    SteppingState,
    check_writeable,
    chunks,
    images_to_arrays,
    remember,
)
from neural_style.optimizers.vectors import Image, is_finite, scalar

_IMAGES = ("image", "before")
"""What of a state is as large as the image."""


class SGDState(SteppingState):
    """The image before and after the last step, tensors of one shape; arrays for `InPlaceSGD`."""


@dataclass(frozen=True)
class SGD(Stepping[SGDState]):
    """Gradient descent without momentum: x ← x - α g. It is called SGD as elsewhere, though nothing is random in it.

    `learning_rate` is α: the change of an entry by a step, as a multiple of the gradient. A rate that suits one loss is
    too large for the same loss times a factor.
    """

    def init(self, image: Image) -> SGDState:
        """Return the state before the first evaluation."""
        return SGDState(image)

    def tell(self, state: SGDState, total: float, gradient: Image) -> SGDState:
        """Take loss and gradient. The state is changed, and returned."""
        gradient = tf.convert_to_tensor(gradient)
        if not is_finite(total, gradient):
            state.image = state.image if state.before is None else state.before
            state.failed = True
            return state
        state.before = state.image
        image = state.image - scalar(self.rate(state.steps)) * gradient
        state.image = image if self.box is None else self.box.clipped(image)
        state.steps += 1
        return state

    def restart(self, state: SGDState, image: Image | None = None) -> SGDState:
        """Return a state for another loss, or for other steps. The image and the number of steps are kept."""
        return SGDState(state.image if image is None else image, steps=state.steps)

    def to_arrays(self, state: SGDState) -> Arrays:
        """Return the state as arrays."""
        numbers = np.array([state.steps, state.failed], np.float64)
        return {"numbers": numbers, **images_to_arrays(image=state.image, before=state.before)}

    def from_arrays(self, arrays: Arrays) -> SGDState:
        """Return the state that `to_arrays` made the arrays of."""
        return _state({name: tf.constant(arrays[name]) for name in _IMAGES if name in arrays}, arrays)


@dataclass(frozen=True)
class InPlaceSGD(SGD):
    """Gradient descent in no more memory than three images: this one, the one before, and the gradient.

    Images are arrays, float32 and contiguous. The start image itself is what `ask` returns every time, and every step
    overwrites it. So whoever needs an image longer copies it before `tell`.
    """

    def init(self, image: np.ndarray) -> SGDState:
        """Return the state before the first evaluation.

        Raises:
            ValueError: the image is not a contiguous float32 array that can be written to.
        """
        check_writeable(image)
        return SGDState(image)

    def tell(self, state: SGDState, total: float, gradient: Image) -> SGDState:
        """Take loss and gradient. The state and its arrays are changed, and returned."""
        gradient = np.asarray(gradient)
        if not is_finite(total, gradient):
            if state.before is not None:
                np.copyto(state.image, state.before)
            state.failed = True
            return state
        remember(state)
        rate = np.float32(self.rate(state.steps))
        with np.errstate(over="ignore"):  # the next loss is not finite then, which takes the step back
            for image, slopes in chunks(state.image, gradient):
                np.subtract(image, rate * slopes, out=image)
        if self.box is not None:
            self.box.clip(state.image)
        state.steps += 1
        return state

    def restart(self, state: SGDState, image: np.ndarray | None = None) -> SGDState:
        """Return a state for another loss, or for other steps, as `SGD.restart` does, in the array of this one."""
        if image is not None and image is not state.image:
            np.copyto(state.image, image)
        return SGDState(state.image, steps=state.steps)

    def from_arrays(self, arrays: Arrays) -> SGDState:
        """Return the state that `to_arrays` made the arrays of. Its arrays are copies."""
        return _state({name: np.array(arrays[name], order="C") for name in _IMAGES if name in arrays}, arrays)


def _state(images: dict[str, Image], arrays: Arrays) -> SGDState:
    """Return a state of these images, and of the numbers among its arrays."""
    steps, failed = arrays["numbers"].tolist()
    return SGDState(**images, steps=int(steps), failed=bool(failed))
