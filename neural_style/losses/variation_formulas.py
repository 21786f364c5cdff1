"""Total variation losses other than the mean of squares: sums of absolute, squared or other powers of differences.

Each is written for a tile. The whole image is the tile that sees all of it. See `variation.PixelFormula`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import tensorflow as tf

from neural_style.losses.ordered_sum import sum_in_order
from neural_style.losses.variation import PixelCounts, PixelFormula, cropped, differences, from_differences, padded

OfTile = Callable[[tf.Tensor, tf.Tensor, PixelCounts, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
"""The kind of `PixelFormula.tile_value_and_gradient`."""


def squared_sum_of_tile(
    seen: tf.Tensor, own: tf.Tensor, counts: PixelCounts, weight: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the share of a tile in Σ(dx² + dy²) over all pairs of neighbors, as in cs231n's assignment.

    Twice the loss of jcjohnson/neural-style, up to the last row and column, where that has no differences.
    """
    return _sum_over_neighbors(seen, own, weight, tf.square, lambda found: 2 * found)


def absolute_of_tile(
    seen: tf.Tensor, own: tf.Tensor, counts: PixelCounts, weight: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the share of a tile in Σ|d| over all pairs of neighbors, as in `tf.image.total_variation`.

    The gradient with respect to a difference of 0 is 0.
    """
    return _sum_over_neighbors(seen, own, weight, tf.abs, tf.sign)


def power_of_tile(
    seen: tf.Tensor, own: tf.Tensor, counts: PixelCounts, weight: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the share of a tile in Σ(dx² + dy²)^1.25, over pixels with a neighbor below and one to the right.

    This is the loss of keras.io's example: Mahendran and Vedaldi (CVPR 2015, section 3) with β = 2.5.
    """
    part, top, left = _own_and_next(seen, own)
    across = differences(part[:, :-1], 2)
    down = differences(part[:, :, :-1], 1)
    squares = tf.square(across) + tf.square(down)
    slope = 2.5 * weight * tf.pow(squares, 0.25)
    of_across = tf.pad(from_differences(slope * across, 2), [[0, 0], [0, 1], [0, 0], [0, 0]])
    of_down = tf.pad(from_differences(slope * down, 1), [[0, 0], [0, 0], [0, 1], [0, 0]])
    return weight * tf.reduce_sum(tf.pow(squares, 1.25)), padded(of_across + of_down, top, left, seen)


def nine_point_of_tile(
    seen: tf.Tensor, own: tf.Tensor, counts: PixelCounts, weight: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the share of a tile in 2·(d1/3 + d2/3 + d3/12 + d4/12), as in crowsonkb/style-transfer-pytorch.

    d1 and d2 are the means over all pixels of the squared differences from the right and the lower neighbor. d3 and d4
    are the means over all corners of pixels of the squared differences of the two pixels that meet there diagonally.
    Beyond its border, the image goes on with the nearest pixel.
    """
    straight = weight * 2 / 3 / counts.pixels
    value, gradient = _sum_over_neighbors(seen, own, straight, tf.square, lambda found: 2 * found)
    part, top, left = _own_and_next(seen, own)
    beyond = _missing_neighbors(seen, own)
    with tf.GradientTape() as tape:
        tape.watch(part)
        extended = tf.pad(part, beyond, "SYMMETRIC")
    first, second = (_diagonals(extended, mirrored) for mirrored in (False, True))
    slant = weight * 2 / 12 / counts.corners
    of_extended = 2 * slant * (_from_diagonals(first, False) + _from_diagonals(second, True))
    of_part = tape.gradient(extended, part, output_gradients=of_extended)
    diagonal = slant * (tf.reduce_sum(tf.square(first)) + tf.reduce_sum(tf.square(second)))
    return value + diagonal, gradient + padded(of_part, top, left, seen)


def _sum_over_neighbors(
    seen: tf.Tensor,
    own: tf.Tensor,
    weight: tf.Tensor,
    function: Callable[[tf.Tensor], tf.Tensor],
    derivative: Callable[[tf.Tensor], tf.Tensor],
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return a tile's share in the sum of a function of the differences of all neighbors, and its gradient."""
    top, left, bottom, right = tf.unstack(own)
    below, beyond = tf.minimum(bottom + 1, tf.shape(seen)[1]), tf.minimum(right + 1, tf.shape(seen)[2])
    values, gradients = [], []
    for axis, box in ((1, (top, left, below, right)), (2, (top, left, bottom, beyond))):
        found = differences(cropped(seen, *box), axis)
        values.append(tf.reduce_sum(function(found)))
        gradients.append(padded(from_differences(weight * derivative(found), axis), top, left, seen))
    return weight * sum_in_order(values), gradients[0] + gradients[1]


def _own_and_next(seen: tf.Tensor, own: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return a tile's own part with the next row and column, where the image has them, and its top and left."""
    top, left, bottom, right = tf.unstack(own)
    below, beyond = tf.minimum(bottom + 1, tf.shape(seen)[1]), tf.minimum(right + 1, tf.shape(seen)[2])
    return cropped(seen, top, left, below, beyond), top, left


def _missing_neighbors(seen: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
    """Return how many rows and columns `_own_and_next` lacks beyond the image, as paddings, int32 (4, 2).

    What a tile sees ends or begins with its own part only where the image does.
    """
    top, left, bottom, right = tf.unstack(own)
    ends = [top, tf.shape(seen)[1] - bottom, left, tf.shape(seen)[2] - right]
    missing = tf.cast(tf.equal(tf.stack(ends), 0), tf.int32)
    return tf.concat([[[0, 0]], tf.reshape(missing, (2, 2)), [[0, 0]]], axis=0)


def _diagonals(image: tf.Tensor, mirrored: bool) -> tf.Tensor:
    """Return the differences across all corners: lower right - upper left, or mirrored, lower left - upper right."""
    if mirrored:
        return image[:, 1:, :-1] - image[:, :-1, 1:]
    return image[:, 1:, 1:] - image[:, :-1, :-1]


def _from_diagonals(slope: tf.Tensor, mirrored: bool) -> tf.Tensor:
    """Return a gradient with respect to an image, given that with respect to its `_diagonals`."""
    near, far = ([0, 1], [1, 0]) if mirrored else ([1, 0], [0, 1])
    lower = tf.pad(slope, [[0, 0], [1, 0], near, [0, 0]])
    return lower - tf.pad(slope, [[0, 0], [0, 1], far, [0, 0]])


def _of_whole(of_tile: OfTile, image: tf.Tensor, weight: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return value and gradient of a whole image, which is the tile that sees all of it."""
    _, height, width, _ = tf.unstack(tf.shape(image))
    counts = PixelCounts.of(tf.cast(height, image.dtype), tf.cast(width, image.dtype), image.shape[-1])
    return of_tile(image, tf.stack([0, 0, height, width]), counts, weight)


def _formula(of_tile: OfTile, degree: float, *, is_sum: bool) -> PixelFormula:
    return PixelFormula(functools.partial(_of_whole, of_tile), of_tile, degree, is_sum)


SQUARED_SUM = _formula(squared_sum_of_tile, 2.0, is_sum=True)
ABSOLUTE = _formula(absolute_of_tile, 1.0, is_sum=True)
POWER = _formula(power_of_tile, 2.5, is_sum=True)
NINE_POINT = _formula(nine_point_of_tile, 2.0, is_sum=False)
