import numpy as np
import pytest
import tensorflow as tf
from moment_formulas import losses_of

from neural_style.losses.covariance import COVARIANCE, covariance, covariance_loss, covariance_size
from neural_style.losses.moments import mean_moments, moments, stacked
from neural_style.losses.style import gram_loss


def random_maps(*shape, seed=0):
    return np.random.default_rng(seed).normal(1, 2, shape).astype(np.float32)


def mean_of(features):
    return mean_moments(moments(tf.constant(features), with_first=True))


def test_against_numpy_for_several_styles_of_their_own_sizes():
    maps = [random_maps(1, height, 6, 5, seed=height) for height in (4, 3, 9)]
    image, *others = map(mean_of, maps)
    matrices = [np.cov(each.reshape(-1, 5).astype(np.float64), rowvar=False, bias=True) for each in maps]
    np.testing.assert_allclose(covariance(image), matrices[0], rtol=1e-4, atol=1e-5)
    expected = [np.mean((matrices[0] - other) ** 2) / 25 for other in matrices[1:]]
    np.testing.assert_allclose(losses_of(covariance_loss, image, stacked(others)), expected, rtol=1e-4)
    np.testing.assert_allclose(covariance_size(stacked(others)), [np.mean(m**2) / 25 for m in matrices[1:]], rtol=1e-4)


def test_it_is_the_gram_loss_of_centered_features_whatever_the_means():
    ours, other = random_maps(1, 4, 6, 5), random_maps(1, 4, 6, 5, seed=1)
    centered = [each - each.mean(axis=(1, 2)) for each in (ours, other)]
    expected = losses_of(gram_loss, mean_of(centered[0]), stacked([mean_of(centered[1])]))
    for shift in (0, 5):
        found = losses_of(covariance_loss, mean_of(ours + np.float32(shift)), stacked([mean_of(other)]))
        np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_scaled_covariances_leave_the_means():
    styles = stacked([mean_of(random_maps(1, 4, 6, 5, seed=seed)) for seed in range(2)])
    scaled = COVARIANCE.scaled(styles, tf.constant([2.0, 0.5]))
    np.testing.assert_array_equal(scaled.first, styles.first)
    for at, factor in enumerate((2.0, 0.5)):
        expected = factor * covariance(styles)[at].numpy()
        np.testing.assert_allclose(covariance(scaled)[at], expected, rtol=1e-5, atol=1e-5)
    assert float(covariance_size(scaled)[0]) == pytest.approx(4 * float(covariance_size(styles)[0]), rel=1e-5)
