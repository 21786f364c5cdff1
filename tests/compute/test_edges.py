"""The borders of a picture are steered like the rest, whether its sides are even or odd.

Where pooling drops an odd last row, all deeper layers hardly see it, and what an optimizer leaves there is a strip of
another texture: in pictures of 101 and 103 px in width, with rows of an odd number, differences between neighbors were
1.6 to 2 times as large in the last four rows as in the first four, and 1.05 to 1.2 times where it is pooled by itself.
"""

import functools

import numpy as np
import pytest
import tensorflow as tf
from objectives import image_of, noise, relative_error, resolved, tiled_of, whole_of

SETTINGS = {
    "content_layers": ("relu3_1",),
    "style_layers": ("relu1_1", "relu2_1", "relu3_1"),
    "style_layer_weights": (1, 1.5, 2.5),  # so that layers below a pooling count
    "tv_weight": 0,  # which steers nothing here
}

EVEN = (96, 112)
"""A size that every pooling divides."""

ODD = {(97, 110): (True, True), (96, 110): (False, True), (33, 47): (True, True)}
"""Sizes, and whether their rows and columns are odd before some pooling."""

pytestmark = pytest.mark.usefixtures("full_precision")


@functools.cache
def strengths(size, rounding):
    """Mean squared gradient of each row and column, as a multiple of that of the interior, for three pictures."""
    height, width = size
    config = resolved(**SETTINGS, pool_rounding=rounding)
    squares = 0
    for seed in range(3):
        style = noise(height + height % 2, width + width % 2, seed + 100)
        image = tf.constant(image_of(noise(height, width, seed + 200)))
        _, gradient = whole_of(config, noise(height, width, seed), [style]).value_and_grad(image)
        square = gradient.numpy()[0].astype(np.float64) ** 2
        squares = squares + square / square[12:-12, 12:-12].mean() / 3
    return squares.mean((1, 2)), squares.mean((0, 2))


def border(size, rounding, part):
    """Of the first or last four rows, and columns, as a multiple of those of a picture of even sides."""
    return [
        ours[part].mean() / even[part].mean()
        for ours, even in zip(strengths(size, rounding), strengths(EVEN, rounding), strict=True)
    ]


FIRST, LAST = slice(4), slice(-4, None)


def test_no_border_is_steered_less_than_others():
    """The last rows may be steered more, as their positions of deep layers are made of fewer pixels."""
    for size in ODD:
        assert all(0.8 < share < 1.25 for share in border(size, "up", FIRST)), size
        assert all(0.95 < share < 1.8 for share in border(size, "up", LAST)), size


def test_dropped_rows_and_columns_are_steered_less():
    """Without this, the test above would say little."""
    for size, odd in ODD.items():
        for is_odd, share in zip(odd, border(size, "down", LAST), strict=True):
            assert share < 0.8 if is_odd else 0.9 < share < 1.1, size


def test_borders_of_tiles_are_those_of_the_whole():
    for size in ((97, 110), (33, 47)):
        config = resolved(**SETTINGS, style_weight=27.0)
        pictures, image = (noise(*size, 1), [noise(*size, 2)]), image_of(noise(*size, 3))
        _, slope = whole_of(config, *pictures).value_and_grad(tf.constant(image))
        _, gradient = tiled_of(config, *pictures, 32).value_and_grad(image)
        for part in (gradient[:, LAST] - slope[:, LAST], gradient[:, :, LAST] - slope[:, :, LAST]):
            assert np.abs(part).max() < 1e-5 * np.abs(slope).max()
        assert relative_error(gradient[:, LAST], slope[:, LAST]) < 1e-5
