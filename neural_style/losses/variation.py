"""Losses of the pixels themselves.

A formula here is a `PixelFormula`: its value and gradient come together, of a whole image or of one tile of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from neural_style.losses.ordered_sum import sum_in_order


class PixelCounts(NamedTuple):
    """Numbers of differences between neighbors in a whole image, float32 scalars."""

    rows: tf.Tensor
    """(height - 1) · width · channels."""
    columns: tf.Tensor
    """height · (width - 1) · channels."""


class PixelFormula(NamedTuple):
    """A loss of an image (1, height, width, 3) in gray levels of 0-255, less any offset."""

    value_and_gradient: Callable[..., tuple[tf.Tensor, tf.Tensor]]
    """(Image, weight) -> (weighted value, its gradient by the image); `tile_value_and_gradient` of a tile."""
    tile_value_and_gradient: Callable[..., tuple[tf.Tensor, tf.Tensor]]
    """(What a tile sees, its own box in that, `PixelCounts` of the image, weight) -> the same, of the own part."""


def squared_variation(image: tf.Tensor, weight: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Squared total variation and its gradient.

    It is the mean of squared differences between vertical neighbors plus that between horizontal ones, as in
    anishathalye/neural-style up to a factor.

    Args:
        image: float (1, height, width, 3).
        weight: what both are multiplied by, a scalar.
    """
    down, of_down = _mean_square(image, 1, weight)
    across, of_across = _mean_square(image, 2, weight)
    return weight * (down + across), of_down + of_across


def squared_variation_of_tile(
    seen: tf.Tensor, own: tf.Tensor, counts: PixelCounts, weight: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Share of a tile in `squared_variation`: the differences from its own pixels to the next below and to the right.

    Args:
        seen: what the tile sees of the image, at least one pixel below and to the right of its own, where there is one.
        own: top, left, bottom and right of its own part in that, int32 (4,).
        counts: of the whole image.
        weight: as for `squared_variation`.

    Returns:
        The value, and its gradient by all that the tile sees.
    """
    top, left, bottom, right = tf.unstack(own)
    height, width = tf.shape(seen)[1], tf.shape(seen)[2]
    boxes = (top, left, tf.minimum(bottom + 1, height), right), (top, left, bottom, tf.minimum(right + 1, width))
    values, gradients = [], []
    for axis, box, count in zip((1, 2), boxes, counts, strict=True):
        part = cropped(seen, *box)
        share = tf.cast(tf.size(_differences(part, axis)), tf.float32) / count
        value, gradient = _mean_square(part, axis, weight * share)
        values.append(value * share)
        gradients.append(padded(gradient, box[0], box[1], seen))
    return weight * sum_in_order(values), gradients[0] + gradients[1]


def cropped(maps: tf.Tensor, top: tf.Tensor, left: tf.Tensor, bottom: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Cut a part out of maps (1, height, width, channels)."""
    return tf.slice(maps, tf.stack([0, top, left, 0]), tf.stack([1, bottom - top, right - left, maps.shape[-1]]))


def padded(part: tf.Tensor, top: tf.Tensor, left: tf.Tensor, whole: tf.Tensor) -> tf.Tensor:
    """Put a part back at its place among zeros, in the shape of the maps that it was cut from."""
    below, beyond = (tf.shape(whole)[axis] - tf.shape(part)[axis] - at for axis, at in ((1, top), (2, left)))
    return tf.pad(part, tf.stack([[0, 0], tf.stack([top, below]), tf.stack([left, beyond]), [0, 0]]))


def _begin(axis: int) -> list[int]:
    return [int(index == axis) for index in range(4)]


def _differences(image: tf.Tensor, axis: int) -> tf.Tensor:
    """Differences between neighbors along an axis."""
    begin = _begin(axis)
    size = tf.shape(image) - begin
    return tf.slice(image, begin, size) - tf.slice(image, [0] * 4, size)


def _mean_square(image: tf.Tensor, axis: int, upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean of squared differences along an axis, and upstream times its gradient.

    The gradient is written out: two slices would leave TensorFlow two gradients more to add, in any order.
    """
    begin, differences = _begin(axis), _differences(image, axis)
    share = 2 * upstream * differences / tf.cast(tf.size(differences), image.dtype)
    gradient = tf.pad(share, [[at, 0] for at in begin]) - tf.pad(share, [[0, at] for at in begin])
    return tf.reduce_mean(tf.square(differences)), gradient


SQUARED_VARIATION = PixelFormula(squared_variation, squared_variation_of_tile)
