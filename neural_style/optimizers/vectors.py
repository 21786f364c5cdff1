"""Arithmetic with float32: what is finite, dot products, and the scales that keep those from overflowing."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

Image: TypeAlias = tf.Tensor | np.ndarray
"""Float32, of any shape."""


def is_finite(total: Any, gradient: Image) -> bool:
    """Return whether a scalar and every entry of a gradient is a finite number."""
    if not math.isfinite(float(total)):
        return False
    if isinstance(gradient, np.ndarray):
        return math.isfinite(largest_magnitude(gradient))
    if math.isfinite(float(tf.reduce_sum(gradient))):  # the sum of what is not finite never is
        return True
    return bool(tf.reduce_all(tf.math.is_finite(gradient)))  # while that of large numbers may overflow


def largest_magnitude(gradient: Image) -> float:
    """Return the largest absolute value.

    Of an array that is not finite, return what is not finite. A tensor has to be finite.
    """
    if isinstance(gradient, np.ndarray):
        return max(float(gradient.max()), -float(gradient.min()))  # makes no copy; both are NaN if any entry is
    return float(tf.reduce_max(tf.abs(gradient)))


_MOST_DOUBLINGS = 100
"""The scale and its inverse stay normal numbers of float32."""


def scale_to_one(largest: float) -> float:
    """Return the power of two that brings a gradient's largest magnitude to about 1; 1 for a gradient of 0.

    Squares of float32 overflow from 2e19 on, and vanish below 1e-22. Multiplying loss and gradient by a power of two
    changes no other bit of what an optimizer computes.
    """
    _, exponent = math.frexp(largest)
    return 2.0 ** max(-_MOST_DOUBLINGS, min(-exponent, _MOST_DOUBLINGS))


_USUAL_SQUARES = (2.0**-32, 2.0**64)
"""Squared norms of gradients that need no scale. From there, gradients can fall or grow by many orders of magnitude."""


def usual_scale(gradient: tf.Tensor) -> float:
    """Return 1 for a gradient of usual size, of which a run can compute dot products, or else `scale_to_one`."""
    least, most = _USUAL_SQUARES
    return 1.0 if least <= float(dot(gradient, gradient)) <= most else scale_to_one(largest_magnitude(gradient))


def scaled(gradient: tf.Tensor, scale: float) -> tf.Tensor:
    """Return the gradient times a scale, without a copy where that is 1."""
    return gradient if scale == 1 else scalar(scale) * gradient


def scalar(number: float) -> tf.Tensor:
    """Return a number as a tensor, float32 ().

    TensorFlow keeps every Python number that it ever turned into a tensor. NumPy's it does not keep.
    """
    return tf.constant(np.float32(number))


def dot(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Return the dot product of two tensors of one shape."""
    return tf.reduce_sum(a * b)
