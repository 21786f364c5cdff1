import numpy as np
import pytest
import reference
import tensorflow as tf
from moment_formulas import losses_of, weights_of_one

from neural_style.losses import wasserstein
from neural_style.losses.moments import MeanMoments, mean_moments, moments, stacked
from neural_style.losses.wasserstein import WASSERSTEIN, gaussian_target, root_trace, stepped_root


def exact_root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T


def feature_maps(height, width, channels, seed=0, decay=1.5):
    """Like those of a network: none below 0, correlated, with variances over several orders of magnitude."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(channels, channels)) / np.arange(1, channels + 1)[:, None] ** decay
    return np.maximum(100 * rng.normal(size=(1, height, width, channels)) @ mixing + 20, 0)


def means_of(maps, kind="float64"):
    """Mean moments of feature maps, exact but for the type."""
    flat = maps.reshape(-1, maps.shape[-1])
    return MeanMoments(*(tf.constant(values, kind) for values in (flat.mean(0), flat.T @ flat / len(flat))))


def target_of(*styles, kind="float64"):
    return gaussian_target(stacked([means_of(style, kind) for style in styles]))


def value_and_gradient(image, target):
    losses, gradient = wasserstein.wasserstein(image, target, weights_of_one(target, image))
    total = tf.reduce_sum(losses)
    return float(total) if tf.executing_eagerly() else total, gradient[:2]


# --- values -----------------------------------------------------------------------------------------------------------


def test_by_hand():
    """Uncorrelated channels are distances of means and of deviations, where the root is that of the number."""
    image = MeanMoments(tf.constant([1.0, 2.0]), tf.constant([[1.0 + 9, 2.0], [2.0, 4.0 + 16]]))
    style = MeanMoments(tf.constant([[0.0, 4.0]]), tf.constant([[[4.0, 0.0], [0.0, 16.0 + 25]]]))
    (value,) = losses_of(wasserstein.wasserstein, image, gaussian_target(style))
    assert float(value) == pytest.approx((1 + 4) / 2 + ((3 - 2) ** 2 + (4 - 5) ** 2) / 2, rel=1e-3)


@pytest.mark.parametrize(("channels", "positions"), [(8, (9, 11)), (64, (24, 31)), (96, (6, 9))])
def test_against_the_steps_in_float64(channels, positions):
    """With more positions than channels, and with fewer, where a covariance has zeros among its eigenvalues."""
    for seed in range(3):
        maps, style = (feature_maps(*positions, channels, seed=2 * seed + index) for index in range(2))
        expected = reference.wasserstein(maps, style)
        for kind, share in (("float64", 1e-3), ("float32", 1e-3)):
            (found,) = losses_of(wasserstein.wasserstein, means_of(maps, kind), target_of(style, kind=kind))
            assert float(found) == pytest.approx(expected, rel=share), (seed, kind)


def test_the_root_is_nearly_the_exact_one_of_matrices_in_good_condition():
    maps, style = (feature_maps(40, 40, 32, seed, decay=0.2) for seed in range(2))
    by_steps, by_eigenvalues = reference.wasserstein(maps, style), reference.wasserstein(maps, style, exact_root)
    assert by_steps == pytest.approx(by_eigenvalues, rel=0.02)
    (found,) = losses_of(wasserstein.wasserstein, means_of(maps), target_of(style))
    assert float(found) == pytest.approx(by_eigenvalues, rel=0.02)


def test_stepped_root():
    """12 steps multiply a small number by 1.5 each, and reach the root of one that is not small."""
    values = np.array([0, 1e-12, 1e-3, 0.01, 0.3, 1])
    matrices = [np.diag([value, np.sqrt(1 - value**2)]) for value in values]
    np.testing.assert_allclose(
        stepped_root(values), [reference.stepped_root(matrix)[0, 0] for matrix in matrices], rtol=1e-9, atol=1e-20
    )
    np.testing.assert_allclose(stepped_root(values)[3:], np.sqrt(values[3:]), rtol=1e-9)
    assert stepped_root(values)[1] == pytest.approx(1.5**12 * 1e-12, rel=1e-3)


def test_the_chain_of_polynomials_is_the_steps():
    """For every eigenvalue of 0-1; value and derivative."""
    values = np.concatenate([[0.0], np.geomspace(1e-8, 1, 400)])
    trace, slope, fits = wasserstein._root_and_slope(tf.constant(values[:, None, None]), tf.eye(1, dtype=tf.float64))
    assert np.all(fits)
    np.testing.assert_allclose(trace[:, 0, 0], stepped_root(values), atol=1e-4)
    x, ascent = np.sqrt(values), 1.0
    for _ in range(12):
        x, ascent = x * (3 - x**2) / 2, ascent * 1.5 * (1 - x**2)
    expected = (x[1:] / np.sqrt(values[1:]) + ascent[1:]) / 2
    scale = np.sqrt(values[1:])
    np.testing.assert_allclose(slope[1:, 0, 0] * scale, expected * scale, atol=1e-4)
    assert float(slope[0, 0, 0]) == pytest.approx(1.5**12, rel=0.02)


def test_several_styles():
    maps, *styles = (feature_maps(height, 12, 16, seed=height) for height in (10, 7, 3))
    together = losses_of(wasserstein.wasserstein, means_of(maps), target_of(*styles))
    np.testing.assert_allclose(together, [reference.wasserstein(maps, style) for style in styles], rtol=1e-3)


def test_the_size_is_the_loss_of_nothing():
    styles = stacked([means_of(feature_maps(9, 9, 16, seed)) for seed in range(2)])
    nothing = MeanMoments(tf.zeros(16, tf.float64), tf.zeros((16, 16), tf.float64))
    of_nothing = losses_of(wasserstein.wasserstein, nothing, WASSERSTEIN.target(styles))
    np.testing.assert_allclose(WASSERSTEIN.size(styles), of_nothing, rtol=2e-3)  # RIDGE
    assert WASSERSTEIN.with_first


# --- gradients --------------------------------------------------------------------------------------------------------


def test_gradient_against_differences():
    """In float64, along directions toward the style, away from it, and any."""
    maps, style, other = (feature_maps(12, 17, 24, seed) for seed in range(3))
    image, target = means_of(maps), target_of(style)
    _, gradient = value_and_gradient(image, target)
    for towards in (means_of(style), means_of(other), means_of(maps * 1.1)):
        direction = [(there - here).numpy() for here, there in zip(image[:2], towards[:2], strict=True)]
        ahead, behind = (
            value_and_gradient(
                MeanMoments(*(here + step * along for here, along in zip(image[:2], direction, strict=True))), target
            )[0]
            for step in (1e-4, -1e-4)
        )
        slope = sum(np.sum(part * along) for part, along in zip(gradient, direction, strict=True))
        assert slope == pytest.approx((ahead - behind) / 2e-4, rel=1e-3)


def test_gradient_is_that_of_the_steps_in_numpy():
    """Value and gradient are fitted apart, so each is compared with the steps, not only with the other."""
    maps, style = (feature_maps(6, 9, 12, seed) for seed in range(2))
    _, (of_first, of_second) = value_and_gradient(means_of(maps), target_of(style))
    gradient = (of_first.numpy() + 2 * maps @ of_second.numpy()) / (6 * 9)
    rng = np.random.default_rng(3)
    for direction in (gradient, style - maps, rng.normal(size=maps.shape)):
        step = 1e-4 / np.abs(direction).max()
        ahead, behind = (reference.wasserstein(maps + side * step * direction, style) for side in (1, -1))
        allowed = 3e-5 * np.linalg.norm(gradient) * np.linalg.norm(direction)
        assert np.sum(gradient * direction) == pytest.approx((ahead - behind) / (2 * step), rel=1e-6, abs=allowed)


def test_gradient_of_the_trace_is_symmetric_and_that_of_an_exact_root_where_it_has_converged():
    """With the exact root of A = U' S U, it is U A^-½ U' / 2."""
    rng = np.random.default_rng(0)
    axes = rng.normal(size=(1, 12, 12))
    half = rng.normal(size=(12, 40)) / 6
    covariance = half @ half.T
    trace, gradient = root_trace(tf.constant(covariance), tf.constant(axes))
    joint = exact_root(axes[0].T @ covariance @ axes[0])
    assert float(trace[0]) == pytest.approx(np.trace(joint), rel=1e-2)
    expected = axes[0] @ np.linalg.inv(joint) @ axes[0].T / 2
    np.testing.assert_allclose(gradient[0], expected, rtol=0.1, atol=0.02 * np.abs(expected).max())
    np.testing.assert_allclose(gradient[0], tf.transpose(gradient[0]), rtol=1e-9)


def test_float32_is_close_to_float64():
    maps, style = (feature_maps(20, 30, 128, seed, decay=0.7) for seed in range(2))
    (value, gradient), (expected, slope) = (
        value_and_gradient(means_of(maps, kind), target_of(style, kind=kind)) for kind in ("float32", "float64")
    )
    assert value == pytest.approx(expected, rel=1e-4)
    for part, of_part in zip(gradient, slope, strict=True):
        assert np.linalg.norm(part - of_part.numpy()) < 1e-3 * np.linalg.norm(of_part)


# --- maps without variety ---------------------------------------------------------------------------------------------


def degenerate_maps():
    """Maps of which the covariance has eigenvalues of 0, or would have but for rounding."""
    dead = feature_maps(8, 8, 24)
    dead[..., 5:] = 0
    flat = np.broadcast_to(np.random.default_rng(1).uniform(0, 1e4, 24), (1, 8, 8, 24)).copy()
    return {"all 0": np.zeros((1, 8, 8, 24)), "dead channels": dead, "flat": flat, "one position": flat[:, :1, :1]}


@pytest.mark.parametrize("name", degenerate_maps())
def test_maps_without_variety_give_numbers(name):
    """As images and as styles, in float32, whose rounding may leave negative eigenvalues, and in bfloat16."""
    odd, usual = degenerate_maps()[name], feature_maps(8, 8, 24, seed=3)
    for maps, style in ((odd, usual), (usual, odd), (odd, odd)):
        for kind in ("float32", "bfloat16"):
            of_maps, of_style = (
                mean_moments(moments(tf.cast(tf.constant(each), kind), with_first=True)) for each in (maps, style)
            )
            value, gradient = value_and_gradient(of_maps, gaussian_target(stacked([of_style])))
            assert np.isfinite(value)
            assert all(np.all(np.isfinite(part)) for part in gradient)


def test_distinctly_negative_eigenvalues_are_answered_with_the_trace():
    rng = np.random.default_rng(0)
    vectors = np.linalg.qr(rng.normal(size=(16, 16)))[0]
    covariance = vectors * np.array([*np.linspace(1, 2, 15), -1]) @ vectors.T
    axes = np.eye(16)[np.newaxis]
    trace, gradient = root_trace(tf.constant(covariance), tf.constant(axes))
    norm = np.linalg.norm(covariance)
    assert float(trace[0]) == pytest.approx(np.trace(covariance) / np.sqrt(norm) / 2)
    np.testing.assert_allclose(gradient[0], np.eye(16) / np.sqrt(norm) / 2, atol=1e-12)


def test_it_is_the_same_on_every_run():
    maps, style = (feature_maps(20, 30, 64, seed) for seed in range(2))
    image, target = means_of(maps, "float32"), target_of(style, kind="float32")
    function = tf.function(value_and_gradient, autograph=False)
    value, gradient = function(image, target)
    for _ in range(5):
        again, slope = function(image, target)
        assert again == value
        for part, of_part in zip(gradient, slope, strict=True):
            np.testing.assert_array_equal(part, of_part)
