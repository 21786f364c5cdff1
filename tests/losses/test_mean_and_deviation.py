import numpy as np
import pytest
import tensorflow as tf
from moment_formulas import losses_of

from neural_style.losses.mean_and_deviation import (
    MEAN,
    MEAN_AND_DEVIATION,
    deviation,
    mean_and_deviation_loss,
    mean_loss,
)
from neural_style.losses.moments import MeanMoments, mean_moments, moments, stacked


def random_maps(*shape, seed=0):
    return np.random.default_rng(seed).normal(1, 2, shape).astype(np.float32)


def mean_of(features):
    return mean_moments(moments(tf.constant(features), with_first=True))


def test_by_hand():
    """Channels of means 2 and 5 and deviations 1 and 4, and of means 0 and 6 and deviations 0 and 2."""
    image = mean_of(np.array([1.0, 1, 3, 9], np.float32).reshape(1, 2, 1, 2))
    style = stacked([mean_of(np.array([0.0, 4, 0, 8], np.float32).reshape(1, 2, 1, 2))])
    np.testing.assert_allclose(deviation(image), [1, 4], rtol=1e-6)
    assert float(losses_of(mean_loss, image, style)[0]) == (4 + 1) / 2
    assert float(losses_of(mean_and_deviation_loss, image, style)[0]) == pytest.approx((4 + 1 + 1 + 4) / 2)
    assert float(MEAN.size(style)[0]) == 36 / 2
    assert float(MEAN_AND_DEVIATION.size(style)[0]) == pytest.approx((36 + 4) / 2)


def test_against_numpy_for_several_styles_of_their_own_sizes():
    maps = [random_maps(1, height, 6, 5, seed=height) for height in (4, 3, 9)]
    image, *others = map(mean_of, maps)
    means, deviations = ([reduce(each[0], axis=(0, 1)) for each in maps] for reduce in (np.mean, np.std))
    expected = [np.mean((means[0] - means[at]) ** 2) + np.mean((deviations[0] - deviations[at]) ** 2) for at in (1, 2)]
    np.testing.assert_allclose(losses_of(mean_and_deviation_loss, image, stacked(others)), expected, rtol=1e-4)
    sizes = [np.mean(each**2) for each in maps[1:]]
    np.testing.assert_allclose(MEAN_AND_DEVIATION.size(stacked(others)), sizes, rtol=1e-5)


def test_channels_that_do_not_vary_have_a_gradient_of_0():
    """Dead ones, those of one value, and those whose variance is lost in rounding, or negative by it."""
    first = tf.constant([0.0, 3.0, 100.0, 100.0, 2.0])
    square = tf.constant([0.0, 9.0, 10000.002, 9999.999, 5.0])
    style = stacked([mean_of(random_maps(1, 4, 6, 5))])
    image = MeanMoments(first, tf.linalg.diag(square))
    loss, slopes = mean_and_deviation_loss(image, style, tf.ones(1))
    gradient = tf.linalg.diag_part(slopes.second)
    of_means = mean_loss(image, style, tf.ones(1))[1].first
    np.testing.assert_array_equal(slopes.first[:4], of_means[:4])
    np.testing.assert_array_equal(deviation(image), [0, 0, 0, 0, 1])
    np.testing.assert_array_equal(gradient[:4], np.zeros(4))
    assert np.isfinite(gradient[4]) and gradient[4] != 0
    assert np.isfinite(loss)
