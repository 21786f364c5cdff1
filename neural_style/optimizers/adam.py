"""Adam, with tensors, or in place with arrays."""

from __future__ import annotations

import math
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
from neural_style.optimizers.vectors import Image, is_finite, largest_magnitude, scalar, scale_to_one, scaled

_LARGEST, _USUAL = 2.0**60, 2.0**40
"""Magnitude of a gradient from which on its square needs a scale, and below which it can do without one again."""

_LEAST_EPS = 2.0**-56
"""The magnitude of a gradient, times its scale, of which (1 - β₂) g² nearly vanishes. With a smaller ε, a step by a
smaller gradient would be a quotient with next to nothing."""

_IMAGES = ("image", "mean", "variance", "before")
"""What of a state is as large as the image."""

_TENSOR = tf.TensorSpec(None, tf.float32)
_SCALAR = tf.TensorSpec((), tf.float32)


@tf.function(input_signature=[_TENSOR] * 4 + [_SCALAR] * 5)
def _update(
    image: tf.Tensor,
    gradient: tf.Tensor,
    mean: tf.Tensor,
    variance: tf.Tensor,
    count: tf.Tensor,
    learning_rate: tf.Tensor,
    beta1: tf.Tensor,
    beta2: tf.Tensor,
    eps: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Make the step number `count` of Adam (Kingma and Ba, arXiv:1412.6980), in the form at the end of its section 2.

    m ← β₁ m + (1 - β₁) g, v ← β₂ v + (1 - β₂) g², x ← x - α √(1 - β₂ᵗ) / (1 - β₁ᵗ) · m / (√v + ε). Bias correction is
    part of the step size, so ε is the paper's ε-hat, as in TensorFlow's own optimizer.

    Returns:
        The image, m, v, and the sum of v, which is not finite if an entry is not.
    """
    mean = beta1 * mean + (1 - beta1) * gradient
    variance = beta2 * variance + (1 - beta2) * tf.square(gradient)
    image = image - _change(mean, variance, count, learning_rate, beta1, beta2, eps)
    return image, mean, variance, tf.reduce_sum(variance)


@tf.function(input_signature=[_TENSOR] * 2 + [_SCALAR] * 5)
def _change(
    mean: tf.Tensor,
    variance: tf.Tensor,
    count: tf.Tensor,
    learning_rate: tf.Tensor,
    beta1: tf.Tensor,
    beta2: tf.Tensor,
    eps: tf.Tensor,
) -> tf.Tensor:
    """Return what the update that led to these moments subtracted from the image."""
    step = learning_rate * tf.sqrt(1 - beta2**count) / (1 - beta1**count)
    return step * mean / (tf.sqrt(variance) + eps)


@dataclass
class AdamState(SteppingState):
    """The image and the moments of its gradients, tensors of one shape; arrays for `InPlaceAdam`.

    `before` is kept only if images are clipped. Otherwise the moments tell how to take the last step back.
    """

    mean: Image
    """The first moment m, times `scale`."""
    variance: Image
    """The second moment v, times the square of `scale`."""
    count: int = 0
    """Updates of the moments so far."""
    scale: float = 1.0
    """The power of two that gradients are multiplied by. It is 1 as long as their squares do not overflow."""


@dataclass(frozen=True)
class Adam(Stepping[AdamState]):
    """Adam. `learning_rate` is about the change of an entry by a step."""

    beta1: float
    """Decay rate of the first moment, at least 0 and less than 1."""
    beta2: float
    """Decay rate of the second moment, at least 0 and less than 1."""
    eps: float
    """The paper's ε-hat. Entries whose gradients are much smaller take smaller steps. So do entries whose gradients are
    1e17 times smaller than the largest, where the squares of those would overflow."""

    def init(self, image: Image) -> AdamState:
        """Return the state before the first evaluation."""
        return AdamState(image, tf.zeros_like(image), tf.zeros_like(image))

    def tell(self, state: AdamState, total: float, gradient: Image) -> AdamState:
        """Take loss and gradient. The state is changed, and returned."""
        gradient = tf.convert_to_tensor(gradient)
        if not math.isfinite(total) or not self._step(state, gradient):
            self._take_back(state)
        return state

    def restart(self, state: AdamState, image: Image | None = None) -> AdamState:
        """Return a state for another loss, or for other steps.

        Only the image and the number of steps are kept. The moments go: the second one remembers about 1 / (1 - β₂)
        gradients, and steps would be too long, or too short, for as many evaluations where the new ones are of another
        size.
        """
        made = self.init(state.image if image is None else image)
        made.steps = state.steps
        return made

    def to_arrays(self, state: AdamState) -> Arrays:
        """Return the state as arrays."""
        numbers = np.array([state.count, state.scale, state.failed, state.steps], np.float64)
        images = {name: getattr(state, name) for name in _IMAGES}
        return {"numbers": numbers, **images_to_arrays(**images)}

    def from_arrays(self, arrays: Arrays) -> AdamState:
        """Return the state that `to_arrays` made the arrays of."""
        return _state({name: tf.constant(arrays[name]) for name in _IMAGES if name in arrays}, arrays)

    def _constants(self, state: AdamState, *, made: bool) -> list[tf.Tensor]:
        """Return the scalars of the next update, or of the last one made. What is added to √v has its scale."""
        eps = max(self.eps * state.scale, _LEAST_EPS)
        count, steps = (state.count, state.steps - 1) if made else (state.count + 1, state.steps)
        return [scalar(value) for value in (count, self.rate(steps), self.beta1, self.beta2, eps)]

    def _step(self, state: AdamState, gradient: tf.Tensor) -> bool:
        """Make a step. Return False, and leave the state as it is, where the gradient is not finite."""
        results = self._updated(state, gradient) if state.scale == 1 else None
        if results is None or not math.isfinite(float(results[-1])):  # an entry is not finite, or squares overflow
            if not is_finite(0.0, gradient):
                return False
            _rescale(state, gradient)
            results = self._updated(state, gradient)
        image, state.mean, state.variance, _ = results
        if self.box is not None:
            state.before, image = state.image, self.box.clipped(image)
        state.image = image
        state.count += 1
        state.steps += 1
        return True

    def _updated(self, state: AdamState, gradient: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        constants = self._constants(state, made=False)
        return _update(state.image, scaled(gradient, state.scale), state.mean, state.variance, *constants)

    def _take_back(self, state: AdamState) -> None:
        """Take the last step back, since its image has no finite loss or gradient."""
        if state.before is not None:
            state.image = state.before
        elif state.count and state.steps:
            state.image = state.image + _change(state.mean, state.variance, *self._constants(state, made=True))
        state.failed = True


@dataclass(frozen=True)
class InPlaceAdam(Adam):
    """Adam in no more memory than four images: this one, its gradient and the two moments; five if it clips.

    Images are arrays, float32 and contiguous. The start image itself is what `ask` returns every time, and every step
    overwrites it. So whoever needs an image longer copies it before `tell`.
    """

    def init(self, image: np.ndarray) -> AdamState:
        """Return the state before the first evaluation.

        Raises:
            ValueError: the image is not a contiguous float32 array that can be written to.
        """
        check_writeable(image)
        return AdamState(image, np.zeros_like(image), np.zeros_like(image))

    def tell(self, state: AdamState, total: float, gradient: Image) -> AdamState:
        """Take loss and gradient. The state and its arrays are changed, and returned."""
        gradient = np.asarray(gradient)
        largest = largest_magnitude(gradient)
        if not (math.isfinite(total) and math.isfinite(largest)):
            self._take_back(state)
            return state
        if largest >= _LARGEST or state.scale != 1:
            _rescale(state, gradient)
        constants = self._constants(state, made=False)
        if self.box is not None:
            remember(state)
        for image, slopes, mean, variance in chunks(state.image, gradient, state.mean, state.variance):
            inputs = (tf.constant(image), scaled(tf.constant(slopes), state.scale), tf.constant(mean))
            image[:], mean[:], variance[:], _ = _update(*inputs, tf.constant(variance), *constants)
        if self.box is not None:
            self.box.clip(state.image)
        state.count += 1
        state.steps += 1
        return state

    def restart(self, state: AdamState, image: np.ndarray | None = None) -> AdamState:
        """Return a state for another loss, or for other steps, as `Adam.restart` does, in the arrays of this one."""
        if image is not None and image is not state.image:
            np.copyto(state.image, image)
        state.mean.fill(0)
        state.variance.fill(0)
        return AdamState(state.image, state.mean, state.variance, steps=state.steps)

    def from_arrays(self, arrays: Arrays) -> AdamState:
        """Return the state that `to_arrays` made the arrays of. Its arrays are copies."""
        return _state({name: np.array(arrays[name], order="C") for name in _IMAGES if name in arrays}, arrays)

    def _take_back(self, state: AdamState) -> None:
        """Take the last step back, since its image has no finite loss or gradient."""
        if state.before is not None:
            np.copyto(state.image, state.before)
        elif state.count and state.steps:
            constants = self._constants(state, made=True)
            for image, mean, variance in chunks(state.image, state.mean, state.variance):
                np.add(image, _change(tf.constant(mean), tf.constant(variance), *constants), out=image)
        state.failed = True


def _state(images: dict[str, Image], arrays: Arrays) -> AdamState:
    """Return a state of these images, and of the numbers among its arrays."""
    count, scale, failed, steps = arrays["numbers"].tolist()
    return AdamState(**images, count=int(count), scale=scale, failed=bool(failed), steps=int(steps))


def _rescale(state: AdamState, gradient: Image) -> None:
    """Choose the state's scale anew, so that neither squares of this gradient nor the moments overflow or vanish."""
    of_moments = math.sqrt(largest_magnitude(state.variance)) / state.scale
    largest = max(largest_magnitude(gradient), of_moments)
    scale = 1.0 if largest < _USUAL else scale_to_one(largest)
    factor = scale / state.scale
    state.scale = scale
    state.mean *= factor
    for _ in range(2):  # its square may not be a normal number
        state.variance *= factor
