import numpy as np
import pytest
import tensorflow as tf

from neural_style.losses.content import SQUARED_DIFFERENCE, squared_difference, variance
from neural_style.losses.moments import channel_sums


def random_maps(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_by_hand():
    features, target = tf.constant([1.0, 2, 3, 4], shape=(1, 1, 2, 2)), tf.constant([1.0, 0, 3, 8], shape=(1, 1, 2, 2))
    assert squared_difference(features, target) == (4 + 16) / 4


def test_in_terms_of_gatys():
    features, target = random_maps(1, 4, 6, 5), random_maps(1, 4, 6, 5, seed=1)
    equation_1 = np.sum((features - target) ** 2) / 2
    assert float(squared_difference(features, target)) == pytest.approx(equation_1 * 2 / (4 * 6 * 5), rel=1e-5)


def test_zero_only_where_equal_and_even():
    ours, other = random_maps(1, 3, 5, 5), random_maps(1, 3, 5, 5, seed=1)
    assert squared_difference(ours, ours) == 0
    assert squared_difference(ours, other) == squared_difference(other, ours) > 0


def test_the_loss_is_the_mean_of_those_of_parts_by_their_sizes():
    features, target = random_maps(1, 7, 9, 5), random_maps(1, 7, 9, 5, seed=1)
    parts = [squared_difference(features[:, rows], target[:, rows]) for rows in (slice(3), slice(3, None))]
    whole = squared_difference(features, target)
    np.testing.assert_allclose(3 / 7 * parts[0] + 4 / 7 * parts[1], whole, rtol=1e-6)


def test_variance_by_hand():
    """Channels of mean 2 and 5, and variance 1 and 16."""
    features = tf.constant([1.0, 1, 3, 9], shape=(1, 2, 1, 2))
    assert float(variance(channel_sums(features), 2)) == (1 + 16) / 2


def test_variance_is_the_loss_of_the_mean_color():
    """Whether the sums come from TensorFlow or, as those of many tiles do, from NumPy in float64."""
    features = random_maps(1, 7, 9, 5) + 3
    mean = np.broadcast_to(features.mean(axis=(1, 2), keepdims=True), features.shape)
    expected = float(squared_difference(tf.constant(features), tf.constant(mean)))
    sums = channel_sums(features)
    for each in (sums, sums.numpy().astype(np.float64)):
        assert float(SQUARED_DIFFERENCE.size(each, 63)) == pytest.approx(expected, rel=1e-4)
