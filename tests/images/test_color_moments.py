import numpy as np
import pytest

from neural_style.images.color_moments import color_moments, colored_noise


def picture(width, height, seed):
    """Of colors that depend on one another."""
    rng = np.random.default_rng(seed)
    mixed = rng.uniform(0, 255, (height, width, 3)) @ rng.uniform(0, 0.4, (3, 3)) + rng.uniform(0, 60, 3)
    return mixed.clip(0, 255).astype(np.float32)


def expected(*pictures):
    """Mean and covariance by NumPy's own functions."""
    colors = np.concatenate([each.reshape(-1, 3) for each in pictures]).astype(np.float64)
    return colors.mean(axis=0), np.cov(colors.T, bias=True)


@pytest.mark.parametrize("size", [(1, 1), (40, 30), (700, 900)])  # the last in several bands of rows
def test_mean_and_covariance(size):
    one = picture(*size, 1)
    mean, covariance = expected(one)
    np.testing.assert_allclose(color_moments(one).mean, mean, rtol=1e-12)
    np.testing.assert_allclose(color_moments(one).covariance, covariance, rtol=1e-9, atol=1e-8)


def test_sums_of_pictures_add_up():
    one, other = picture(40, 30, 1), picture(50, 70, 2)
    mean, covariance = expected(one, other)
    both = color_moments(one) + color_moments(other)
    assert both.mass == 40 * 30 + 50 * 70
    np.testing.assert_allclose(both.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(both.covariance, covariance, rtol=1e-9)


def test_weights_are_like_more_pixels():
    one, other = picture(40, 30, 1), picture(50, 70, 2)
    mean, covariance = expected(one, one, one, other)
    weighted = color_moments(one).times(3) + color_moments(other)
    np.testing.assert_allclose(weighted.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(weighted.covariance, covariance, rtol=1e-9)


def test_noise_has_mean_and_covariance():
    """To about 1 % of the deviations for 160,000 pixels; and it is white."""
    colors = color_moments(picture(60, 50, 3))
    noise = colored_noise(colors, 400, 400, np.random.default_rng(0))
    assert (noise.shape, noise.dtype) == ((400, 400, 3), np.float32)
    mean, covariance = expected(noise)
    deviations = np.sqrt(np.diag(colors.covariance))
    assert np.abs((mean - colors.mean) / deviations).max() < 0.01
    assert np.abs((covariance - colors.covariance) / np.outer(deviations, deviations)).max() < 0.012
    for one, other in ((noise[:, :-1], noise[:, 1:]), (noise[:-1], noise[1:])):
        assert abs(np.corrcoef(one[..., 0].ravel(), other[..., 0].ravel())[0, 1]) < 0.01


def test_noise_of_gray_and_of_flat_pictures():
    """Whose covariances have no inverse."""
    gray = np.repeat(picture(60, 50, 4)[..., :1], 3, axis=2)
    noise = colored_noise(color_moments(gray), 100, 80, np.random.default_rng(0))
    assert np.isfinite(noise).all()
    assert np.ptp(noise, axis=2).max() < 0.01
    assert noise.std() == pytest.approx(gray.std(), rel=0.05)
    flat = colored_noise(color_moments(np.full((40, 40, 3), 77, np.float32)), 50, 40, np.random.default_rng(0))
    np.testing.assert_allclose(flat, 77, atol=1e-3)


def test_noise_goes_beyond_the_range_of_pictures():
    """Clipping would change its mean and its covariance."""
    drawing = np.full((50, 50, 3), 255, np.float32)
    drawing[::5] = 0
    noise = colored_noise(color_moments(drawing), 200, 200, np.random.default_rng(0))
    assert noise.max() > 255
    assert noise.mean() == pytest.approx(drawing.mean(), rel=0.01)
    assert noise.clip(0, 255).mean() < 0.97 * drawing.mean()


def test_the_seed_decides():
    colors = color_moments(picture(60, 50, 3))
    first, same, other = (colored_noise(colors, 40, 30, np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, same)
    assert np.mean(first == other) < 0.01
