import itertools

import numpy as np
import pytest
import reference
import tensorflow as tf

from neural_style.losses.variation import (
    SQUARED_VARIATION,
    PixelCounts,
    cropped,
    padded,
    squared_variation,
    squared_variation_of_tile,
)


def random_image(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=(1, *shape, 3)).astype(np.float32)


def variation(image):
    return float(squared_variation(tf.constant(image), tf.constant(1.0))[0])


def test_by_hand():
    image = np.zeros((1, 2, 3, 3), np.float32)
    image[0, :, :, 0] = [[1, 4, 0], [3, 4, 7]]
    down, across = (2**2 + 0 + 7**2) / 9, (3**2 + 4**2 + 1**2 + 3**2) / 12  # 9 and 12 pairs: three channels
    assert variation(image) == pytest.approx(down + across, rel=1e-6)


def test_ramps():
    y, x = np.mgrid[:5, :8].astype(np.float32)
    image = np.stack([3 * x, 3 * x, 3 * x], axis=-1)[np.newaxis]
    assert variation(image) == pytest.approx(9)
    image += 2 * y[..., np.newaxis]
    assert variation(image) == pytest.approx(9 + 4)


def test_offsets_and_scales():
    image = random_image(5, 8)
    assert variation(image + np.float32([10, -20, 30])) == pytest.approx(variation(image), rel=1e-4)
    assert variation(2 * image) == pytest.approx(4 * variation(image), rel=1e-5)
    assert variation(np.full((1, 5, 8, 3), 7.0, np.float32)) == 0


def test_value_and_gradient_against_reference_and_autodiff():
    """There may be but one pair of neighbors in a direction."""
    for shape in ((5, 8), (2, 2), (2, 7), (9, 2)):
        image = random_image(*shape) * 50
        value, gradient = SQUARED_VARIATION.value_and_gradient(tf.constant(image), tf.constant(7.0))
        exact = image[0].astype(np.float64)
        assert float(value) == pytest.approx(7 * reference.total_variation(exact), rel=1e-6)
        expected = 7 * reference.total_variation_gradient(exact)
        np.testing.assert_allclose(gradient[0], expected, rtol=1e-4, atol=1e-4)
        tensor = tf.constant(image)
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            value = squared_variation(tensor, tf.constant(7.0))[0]
        np.testing.assert_allclose(gradient, tape.gradient(value, tensor), rtol=1e-4, atol=1e-3)


def test_counts_of_an_image():
    assert PixelCounts.of(9, 14) == (8 * 14 * 3, 9 * 13 * 3, 9 * 14 * 3, 10 * 15 * 3)


def test_tiles_add_up_to_the_whole():
    """Each sees one pixel or more beyond its own part, where there is one."""
    image, weight = random_image(9, 14) * 50, tf.constant(7.0)
    counts = PixelCounts(*map(float, PixelCounts.of(9, 14)))
    expected, slope = squared_variation(tf.constant(image), weight)
    for rows, columns, halo in (((0, 9), (0, 14), 0), ((0, 4, 9), (0, 6, 8, 14), 1), ((0, 2, 7, 9), (0, 5, 14), 3)):
        total, gradient = 0.0, np.zeros_like(image)
        for top, bottom in itertools.pairwise(rows):
            for left, right in itertools.pairwise(columns):
                first_row, first_column = max(top - halo, 0), max(left - halo, 0)
                seen = (slice(None), slice(first_row, bottom + halo), slice(first_column, right + halo))
                own = [top - first_row, left - first_column, bottom - first_row, right - first_column]
                value, of_seen = squared_variation_of_tile(tf.constant(image[seen]), tf.constant(own), counts, weight)
                total += float(value)
                gradient[seen] += of_seen
        assert total == pytest.approx(float(expected), rel=1e-6)
        np.testing.assert_allclose(gradient, slope, rtol=1e-4, atol=1e-4)


def test_tiles_without_a_pair_of_neighbors():
    """A last row or column that is a tile of its own adds nothing in the direction in which it has no neighbors."""
    image, weight = random_image(5, 6) * 50, tf.constant(3.0)
    counts = PixelCounts(*map(float, PixelCounts.of(5, 6)))
    expected, slope = squared_variation(tf.constant(image), weight)
    total, gradient = 0.0, np.zeros_like(image)
    for first, own in ((0, [0, 0, 4, 6]), (4, [0, 0, 1, 6])):
        value, of_seen = squared_variation_of_tile(tf.constant(image[:, first:]), tf.constant(own), counts, weight)
        total += float(value)
        gradient[:, first:] += of_seen
    assert total == pytest.approx(float(expected), rel=1e-6)
    np.testing.assert_allclose(gradient, slope, rtol=1e-4, atol=1e-4)


def test_parts_are_cut_out_and_put_back():
    maps = tf.constant(np.random.default_rng(0).normal(size=(1, 7, 9, 5)), tf.float32)
    part = cropped(maps, *map(tf.constant, (2, 3, 6, 9)))
    np.testing.assert_array_equal(part, maps[:, 2:6, 3:9])
    back = padded(part, tf.constant(2), tf.constant(3), maps).numpy()
    np.testing.assert_array_equal(back[:, 2:6, 3:9], part)
    back[:, 2:6, 3:9] = 0
    assert back.shape == maps.shape
    assert not back.any()


def test_gradient_of_the_reference_itself():
    """Held against differences, which are exact but for rounding, since TV is quadratic."""
    generator = np.random.default_rng(0)
    image, direction = generator.normal(size=(2, 5, 8, 3))
    slope = (reference.total_variation(image + direction) - reference.total_variation(image - direction)) / 2
    assert np.sum(reference.total_variation_gradient(image) * direction) == pytest.approx(slope, rel=1e-10)
