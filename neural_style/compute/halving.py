"""Pictures and images at half their size, and the adjoint of that.

Each pixel of the result is the mean of a block of 2×2 pixels. An odd last row or column is averaged by itself, in
blocks of 1×2 or 2×1, so every pixel counts. Sides are rounded up.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf


def halved(values: Any) -> Any:
    """Return values at half the size.

    Args:
        values: (…, height, width, channels) if they are an array; a tensor is (1, height, width, channels). Floating
            point.

    Returns:
        (…, ⌈height / 2⌉, ⌈width / 2⌉, channels), of the same kind and type.
    """
    if not isinstance(values, np.ndarray):
        return tf.nn.avg_pool2d(values, 2, 2, "SAME")
    rows = values[..., ::2, :, :].copy()
    pairs = rows[..., : values.shape[-3] // 2, :, :]
    pairs += values[..., 1::2, :, :]
    pairs *= 0.5
    means = rows[..., ::2, :].copy()
    pairs = means[..., : values.shape[-2] // 2, :]
    pairs += rows[..., 1::2, :]
    pairs *= 0.5
    return means


def reductions(values: Any, count: int) -> Iterator[Any]:
    """Yield values, half of them, a quarter, and so on, each made when it is asked for.

    Args:
        values: as for `halved`. They are yielded first, as they are.
        count: how many to yield altogether.
    """
    yield values
    for _ in range(count - 1):
        values = halved(values)
        yield values


def add_adjoint(gradient: Any, of_half: Any) -> Any:
    """Return a gradient plus the adjoint of `halved` of another.

    Args:
        gradient: with respect to an image, (1, height, width, channels). An array is changed in place.
        of_half: with respect to the halved image, (1, ⌈height / 2⌉, ⌈width / 2⌉, channels).

    Returns:
        The gradient of f(image) + g(halved(image)), of the kind of `gradient`, if the arguments are those of f and g.
    """
    if not isinstance(gradient, np.ndarray):
        return gradient + tf.raw_ops.AvgPoolGrad(
            orig_input_shape=gradient.shape, grad=of_half, ksize=(1, 2, 2, 1), strides=(1, 2, 2, 1), padding="SAME"
        )
    shares = np.array(of_half)
    shares[..., : gradient.shape[-3] // 2, :, :] *= 0.5
    shares[..., : gradient.shape[-2] // 2, :] *= 0.5
    for row, column in itertools.product((0, 1), (0, 1)):
        part = gradient[..., row::2, column::2, :]
        part += shares[..., : part.shape[-3], : part.shape[-2], :]
    return gradient
