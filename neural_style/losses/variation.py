"""Losses of the pixels themselves.

A formula here is a `PixelFormula`: it gives value and gradient together, for a whole image or for one of its tiles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from neural_style.losses.ordered_sum import sum_in_order


class PixelCounts(NamedTuple):
    """Numbers of differences in a whole image, by which means over it divide: float32 scalars, or numbers."""

    rows: Any
    """Vertical neighbors: (height - 1) · width · channels."""
    columns: Any
    """Horizontal neighbors: height · (width - 1) · channels."""
    pixels: Any
    """Pixels: height · width · channels."""
    corners: Any
    """Corners of pixels: (height + 1) · (width + 1) · channels."""

    @classmethod
    def of_wrapped(cls, height: Any, width: Any, channels: int = 3) -> PixelCounts:
        """Return the counts of an image whose opposite edges are neighbors: as many of each as pixels."""
        return cls(*[height * width * channels] * len(cls._fields))

    @classmethod
    def of(cls, height: Any, width: Any, channels: int = 3) -> PixelCounts:
        """Return the counts of an image of a size in pixels."""
        return cls(
            (height - 1) * width * channels,
            height * (width - 1) * channels,
            height * width * channels,
            (height + 1) * (width + 1) * channels,
        )


class PixelFormula(NamedTuple):
    """A loss of an image (1, height, width, 3) in gray levels of 0-255, minus any constant.

    It is homogeneous: of an image multiplied by s > 0, it is s^degree times as large.
    """

    value_and_gradient: Callable[..., tuple[tf.Tensor, tf.Tensor]]
    """(Image, weight) -> (weighted value, its gradient with respect to the image)."""
    tile_value_and_gradient: Callable[..., tuple[tf.Tensor, tf.Tensor]]
    """(What a tile sees, its own box in that, `PixelCounts` of the image, weight) -> (share of the tile's own part in
    the value, gradient of that share with respect to all that the tile sees)."""
    degree: float = 2.0
    """Power of the differences that the value grows with."""
    is_sum: bool = False
    """Whether it is a sum over positions instead of a mean."""


def squared_variation(image: tf.Tensor, weight: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the squared total variation and its gradient.

    It is the mean squared difference of vertical neighbors plus that of horizontal neighbors, as in
    anishathalye/neural-style up to a factor.

    Args:
        image: float (1, height, width, 3).
        weight: factor of value and gradient, a scalar.
    """
    down, of_down = _mean_square(image, 1, weight)
    across, of_across = _mean_square(image, 2, weight)
    return weight * (down + across), of_down + of_across


def squared_variation_of_tile(
    seen: tf.Tensor, own: tf.Tensor, counts: PixelCounts, weight: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the share of a tile in `squared_variation`, and its gradient.

    The share consists of the differences between the tile's own pixels and their neighbors below and to the right.

    Args:
        seen: what the tile sees of the image: its own part and, unless the image ends there, at least one more row
            below and one more column to the right.
        own: top, left, bottom and right of its own part in that, int32 (4,).
        counts: numbers of differences in the whole image.
        weight: as for `squared_variation`.

    Returns:
        The value, and its gradient with respect to all that the tile sees.
    """
    top, left, bottom, right = tf.unstack(own)
    height, width = tf.shape(seen)[1], tf.shape(seen)[2]
    boxes = (top, left, tf.minimum(bottom + 1, height), right), (top, left, bottom, tf.minimum(right + 1, width))
    values, gradients = [], []
    for axis, box, count in zip((1, 2), boxes, (counts.rows, counts.columns), strict=True):
        part = cropped(seen, *box)
        share = tf.math.divide_no_nan(tf.cast(tf.size(differences(part, axis)), tf.float32), count)
        value, gradient = _mean_square(part, axis, weight * share)
        values.append(value * share)
        gradients.append(padded(gradient, box[0], box[1], seen))
    return weight * sum_in_order(values), gradients[0] + gradients[1]


def cropped(maps: tf.Tensor, top: tf.Tensor, left: tf.Tensor, bottom: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Cut a part out of a map (1, height, width, channels)."""
    return tf.slice(maps, tf.stack([0, top, left, 0]), tf.stack([1, bottom - top, right - left, maps.shape[-1]]))


def padded(part: tf.Tensor, top: tf.Tensor, left: tf.Tensor, whole: tf.Tensor) -> tf.Tensor:
    """Put a part back into zeros of the shape of the map that it was cut from."""
    below, beyond = (tf.shape(whole)[axis] - tf.shape(part)[axis] - at for axis, at in ((1, top), (2, left)))
    return tf.pad(part, tf.stack([[0, 0], tf.stack([top, below]), tf.stack([left, beyond]), [0, 0]]))


def differences(image: tf.Tensor, axis: int) -> tf.Tensor:
    """Return the differences between neighbors of an image (1, height, width, channels) along axis 1 or 2."""
    begin = _begin(axis)
    size = tf.shape(image) - begin
    return tf.slice(image, begin, size) - tf.slice(image, [0] * 4, size)


def from_differences(slope: tf.Tensor, axis: int) -> tf.Tensor:
    """Return a gradient with respect to an image, given that with respect to its `differences` along an axis.

    The gradient is written out. Otherwise, TensorFlow would have two more gradients of the image to add, in any order.
    """
    begin = _begin(axis)
    return tf.pad(slope, [[at, 0] for at in begin]) - tf.pad(slope, [[0, at] for at in begin])


def _begin(axis: int) -> list[int]:
    return [int(index == axis) for index in range(4)]


def _mean_square(image: tf.Tensor, axis: int, upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the mean squared difference along an axis, 0 if there is none, and `upstream` times its gradient."""
    found = differences(image, axis)
    count = tf.cast(tf.size(found), image.dtype)
    mean = tf.math.multiply_no_nan(tf.reduce_mean(tf.square(found)), tf.minimum(count, 1))
    return mean, from_differences(2 * upstream * found / count, axis)


SQUARED_VARIATION = PixelFormula(squared_variation, squared_variation_of_tile)
