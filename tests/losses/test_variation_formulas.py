import itertools

import numpy as np
import pytest
import tensorflow as tf

from neural_style.losses.spec import FORMULAS
from neural_style.losses.variation import PixelCounts

SHAPES = ((5, 8), (2, 2), (9, 2), (1, 7), (6, 1), (1, 1))


def exact_squared(image):
    return sum(np.mean(d**2) if (d := np.diff(image, axis=axis)).size else 0.0 for axis in (0, 1))


def exact_squared_sum(image):
    return sum(np.sum(np.diff(image, axis=axis) ** 2) for axis in (0, 1))


def exact_absolute(image):
    return sum(np.sum(np.abs(np.diff(image, axis=axis))) for axis in (0, 1))


def exact_power(image):
    across, down = np.diff(image[:-1], axis=1), np.diff(image[:, :-1], axis=0)
    return np.sum((across**2 + down**2) ** 1.25)


def exact_nine_point(image):
    """crowsonkb/style-transfer-pytorch's, from its description: means over all that padding by one pixel gives."""
    wide = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")
    across, down = wide[1:-1, 2:] - image, wide[2:, 1:-1] - image
    slants = wide[1:, 1:] - wide[:-1, :-1], wide[1:, :-1] - wide[:-1, 1:]
    straight = (np.mean(across**2) + np.mean(down**2)) / 3
    return 2 * (straight + sum(np.mean(slant**2) for slant in slants) / 12)


EXACT = {
    "squared variation": exact_squared,
    "squared_sum variation": exact_squared_sum,
    "absolute variation": exact_absolute,
    "power variation": exact_power,
    "nine_point variation": exact_nine_point,
}

formulas = pytest.mark.parametrize("name", EXACT)


def random_image(height, width, seed=0):
    return np.random.default_rng(seed).normal(0, 50, (1, height, width, 3))


def value_of(name, image, weight=1.0):
    return float(FORMULAS[name].value_and_gradient(tf.constant(image), tf.constant(weight, tf.float64))[0])


@formulas
def test_by_hand(name):
    """Of one channel; the others are flat."""
    image = np.zeros((1, 2, 2, 3))
    image[0, :, :, 0] = [[0, 3], [4, 0]]  # rows differ by 4 and -3, columns by 3 and -4; diagonals by 0 and 1
    corners = 0 + 1 + 4 * (9 + 16)  # in both directions, the pairs along each border count once more
    expected = {
        "squared variation": 25 / 6 + 25 / 6,
        "squared_sum variation": 50,
        "absolute variation": 14,
        "power variation": 25**1.25,
        "nine_point variation": 2 * ((25 + 25) / 3 / 12 + corners / 12 / 27),
    }
    assert value_of(name, image) == pytest.approx(expected[name], rel=1e-12)


@formulas
@pytest.mark.parametrize("shape", SHAPES)
def test_value_against_numpy_and_gradient_against_differences(name, shape):
    """In float64, at odd sizes and sides of 1."""
    image, direction = random_image(*shape), random_image(*shape, seed=1) / 50
    value, gradient = FORMULAS[name].value_and_gradient(tf.constant(image), tf.constant(3.0, tf.float64))
    assert float(value) == pytest.approx(3 * EXACT[name](image[0]), rel=1e-12)
    step = 1e-4
    ahead, behind = (value_of(name, image + sign * step * direction, 3.0) for sign in (1, -1))
    slope = np.sum(np.asarray(gradient) * direction)
    assert slope == pytest.approx((ahead - behind) / (2 * step), rel=1e-6, abs=1e-6)


@formulas
def test_flat_images_have_neither_value_nor_gradient(name):
    for shape in SHAPES:
        flat = tf.fill((1, *shape, 3), 7.0)
        value, gradient = FORMULAS[name].value_and_gradient(flat, tf.constant(5.0))
        assert value == 0
        np.testing.assert_array_equal(gradient, np.zeros_like(flat))


@formulas
def test_degrees_and_sums(name):
    """By which the weight follows from the pixel range and the width."""
    image, formula = random_image(6, 9), FORMULAS[name]
    assert value_of(name, image / 255) == pytest.approx(value_of(name, image) / 255**formula.degree, rel=1e-10)
    twice = np.tile(image, (1, 40, 40, 1))
    growth = value_of(name, twice) / value_of(name, np.tile(image, (1, 20, 20, 1)))
    assert growth == pytest.approx(4 if formula.is_sum else 1, rel=0.03)


@formulas
def test_tiles_add_up_to_the_whole(name):
    """Each sees one pixel or more beyond its own part, where there is one; a last one may have no neighbor."""
    image, weight = random_image(9, 14).astype(np.float32), tf.constant(7.0)
    counts = PixelCounts(*(tf.constant(float(count)) for count in PixelCounts.of(9, 14)))
    expected, slope = FORMULAS[name].value_and_gradient(tf.constant(image), weight)
    cases = (((0, 9), (0, 14), 0), ((0, 4, 9), (0, 6, 8, 14), 1), ((0, 2, 8, 9), (0, 5, 13, 14), 3))
    for rows, columns, halo in cases:
        total, gradient = 0.0, np.zeros_like(image)
        for (top, bottom), (left, right) in itertools.product(itertools.pairwise(rows), itertools.pairwise(columns)):
            first_row, first_column = max(top - halo, 0), max(left - halo, 0)
            seen = (slice(None), slice(first_row, bottom + halo), slice(first_column, right + halo))
            own = tf.constant([top - first_row, left - first_column, bottom - first_row, right - first_column])
            tile = FORMULAS[name].tile_value_and_gradient
            value, of_seen = tile(tf.constant(image[seen]), own, counts, weight)
            total += float(value)
            gradient[seen] += of_seen
        assert total == pytest.approx(float(expected), rel=1e-6)
        np.testing.assert_allclose(gradient, slope, rtol=1e-4, atol=1e-5 * np.abs(slope).max())


@formulas
def test_of_a_picture_with_one_row_in_tiles(name):
    image, weight = random_image(1, 6).astype(np.float32), tf.constant(3.0)
    counts = PixelCounts(*(tf.constant(float(count)) for count in PixelCounts.of(1, 6)))
    expected, slope = FORMULAS[name].value_and_gradient(tf.constant(image), weight)
    total, gradient = 0.0, np.zeros_like(image)
    for seen, own in ((slice(0, 5), [0, 0, 1, 4]), (slice(3, 6), [0, 1, 1, 3])):
        tile = FORMULAS[name].tile_value_and_gradient
        value, of_seen = tile(tf.constant(image[:, :, seen]), tf.constant(own), counts, weight)
        total += float(value)
        gradient[:, :, seen] += of_seen
    assert total == pytest.approx(float(expected), rel=1e-6)
    np.testing.assert_allclose(gradient, slope, rtol=1e-4, atol=1e-5)


@formulas
def test_it_is_the_same_on_every_run(name):
    image = tf.constant(random_image(64, 48).astype(np.float32))
    function = tf.function(FORMULAS[name].value_and_gradient, autograph=False)
    value, gradient = function(image, tf.constant(2.0))
    for _ in range(10):
        again, slope = function(image, tf.constant(2.0))
        assert again == value
        np.testing.assert_array_equal(slope, gradient)
