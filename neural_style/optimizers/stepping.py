"""What Adam and gradient descent share: steps of a length that may decay, and a box that images are clipped to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import tensorflow as tf

from neural_style.optimizers.base import Arrays
from neural_style.optimizers.vectors import Image

_CHUNK = 3 * 2**18
"""Entries that an update in place computes at a time: as fast as more, and a few megabytes."""


@dataclass(frozen=True)
class Decay:
    """Exponential decay of a learning rate: of the steps made before, t, it makes the factor `factor` ** (t / `every`).

    By default the learning rate is constant.
    """

    factor: float = 1.0
    """Factor over `every` steps, above 0 and at most 1."""
    every: int = 100
    """Steps, at least 1."""
    shape: Literal["smooth", "steps"] = "smooth"
    """smooth: every step is shorter than the one before. steps: t / `every` is rounded down."""

    def at(self, count: int) -> float:
        """Return the factor on the learning rate after so many steps."""
        return self.factor ** (count // self.every if self.shape == "steps" else count / self.every)


@dataclass(frozen=True)
class Box:
    """Least and largest value of each channel, which is an image's last axis."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def of_pixels(cls, mean: np.ndarray) -> Box:
        """Return the box of gray levels of 0-255, for images less a mean pixel, (channels,)."""
        return cls(tuple(-float(value) for value in mean), tuple(255 - float(value) for value in mean))

    def clipped(self, image: tf.Tensor) -> tf.Tensor:
        """Return an image, float32 (..., channels), clipped to the box."""
        return tf.clip_by_value(image, *map(tf.constant, self._bounds()))

    def clip(self, image: np.ndarray) -> None:
        """Clip an image in place."""
        np.clip(image, *self._bounds(), out=image)

    def _bounds(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array(self.low, np.float32), np.array(self.high, np.float32)


@dataclass
class SteppingState:
    """An image and what is known of its steps. Tensors, or arrays where steps are made in place."""

    image: Image
    """To evaluate next."""
    steps: int = field(default=0, kw_only=True)
    """Steps so far at this size. The learning rate decays with them; a restart keeps them."""
    before: Image | None = field(default=None, kw_only=True)
    """The image before the last step, where nothing else tells how to take it back; None if there was no step."""
    failed: bool = field(default=False, kw_only=True)


S = TypeVar("S", bound=SteppingState)


@dataclass(frozen=True)
class Stepping(Generic[S]):
    """An optimizer whose every evaluation ends in a step.

    It is done only if an evaluation is not finite: it then takes its last step back and has failed.
    """

    learning_rate: float
    """Of the first step; the optimizer says in which unit."""
    decay: Decay = field(default=Decay(), kw_only=True)
    """Of the learning rate."""
    box: Box | None = field(default=None, kw_only=True)
    """What the image is clipped to after every step; None for no clipping."""

    def ask(self, state: S) -> Any:
        """Return the image to evaluate next."""
        return state.image

    def step_size(self, state: S) -> float | None:
        """Return the learning rate of the last step; None before the first."""
        return self.rate(state.steps - 1) if state.steps else None

    def is_done(self, state: S) -> bool:
        """Return whether it has failed."""
        return state.failed

    def has_failed(self, state: S) -> bool:
        """Return whether the last loss or gradient was not finite."""
        return state.failed

    def rate(self, steps: int) -> float:
        """Return the learning rate after so many steps."""
        return self.learning_rate * self.decay.at(steps)


def check_writeable(image: np.ndarray) -> None:
    """Check that an image can be changed in place.

    Raises:
        ValueError: the image is not a contiguous float32 array that can be written to.
    """
    if image.dtype != np.float32 or not (image.flags.c_contiguous and image.flags.writeable):
        raise ValueError(
            f"image: expected a contiguous and writeable float32 array, got {image.dtype} with strides "
            f"{image.strides}; copy it by np.array(image, np.float32, order='C')"
        )


def remember(state: SteppingState) -> None:
    """Copy the image, an array, so that a step in place can be taken back."""
    if state.before is None:
        state.before = np.empty_like(state.image)
    np.copyto(state.before, state.image)


def chunks(*arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """Return views of successive chunks of contiguous arrays of one size."""
    flat = [array.reshape(-1) for array in arrays]
    return (tuple(each[begin : begin + _CHUNK] for each in flat) for begin in range(0, flat[0].size, _CHUNK))


def images_to_arrays(**images: Image | None) -> Arrays:
    """Return those images that are there, by name."""
    return {name: image for name, image in images.items() if image is not None}
