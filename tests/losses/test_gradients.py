"""Gradients of every formula that compares features, against differences, in float64."""

import numpy as np
import pytest
import tensorflow as tf
from moment_formulas import losses_of
from objectives import relative_error

from neural_style.losses.content import FeatureFormula
from neural_style.losses.moments import MeanMoments, Moments, mean_moments, moments, moments_vjp, stacked
from neural_style.losses.spec import FORMULAS
from neural_style.losses.style import MomentFormula

CHANNELS = 5


def of_kind(kind):
    return [name for name, formula in FORMULAS.items() if isinstance(formula, kind)]


def random_maps(seed, height=4):
    return np.random.default_rng(seed).normal(1, 2, (1, height, 6, CHANNELS))


def mean_of(maps):
    found = moments(tf.constant(maps), with_first=True)
    mass = tf.cast(found.mass, tf.float64)
    return MeanMoments(found.first / mass, found.second / mass, mass)


FITTED = {"wasserstein": 3e-5}
"""Formula -> error of its gradient as a share of the norm, if fitted apart from the value; 1e-8 for the others."""


def assert_slopes(loss, gradient, maps, error=1e-8):
    """Central differences along the gradient, along noise, and of one entry."""
    directions = [gradient, np.random.default_rng(9).normal(size=maps.shape), np.zeros(maps.shape)]
    directions[2][0, 1, 2, 3] = 1
    for direction in directions:
        step = 1e-6 / np.abs(direction).max()
        allowed = error * np.linalg.norm(gradient) * np.linalg.norm(direction)
        slope = (loss(maps + step * direction) - loss(maps - step * direction)) / (2 * step)
        assert np.sum(gradient * direction) == pytest.approx(slope, rel=1e-6, abs=allowed)


@pytest.mark.parametrize("name", of_kind(MomentFormula))
def test_formulas_of_moments(name):
    formula, maps = FORMULAS[name], random_maps(0)
    styles = stacked([mean_of(random_maps(seed, height)) for seed, height in ((1, 4), (2, 7))])
    target, blend = formula.target(styles), tf.constant([0.25, 0.75], tf.float64)

    def loss(features):
        return float(tf.tensordot(blend, formula.value_and_gradient(mean_of(features), target, blend)[0], 1))

    means = mean_of(maps)
    losses, gradient = formula.value_and_gradient(means, target, blend)
    upstream = Moments(0.0, gradient.first / means.mass, gradient.second / means.mass)
    assert_slopes(loss, moments_vjp(tf.constant(maps), upstream).numpy(), maps, FITTED.get(name, 1e-8))
    for at, alone in enumerate(losses):
        one = formula.target(MeanMoments(*(value[at : at + 1] for value in styles)))
        (of_one,) = losses_of(formula.value_and_gradient, means, one)
        assert float(alone) == pytest.approx(float(of_one), rel=1e-12)


CENTERED = [name for name in of_kind(MomentFormula) if FORMULAS[name].with_first]


@pytest.mark.parametrize("spread", [0.02, 0.3])
@pytest.mark.parametrize("name", CENTERED)
def test_in_bfloat16_small_deviations_are_as_exact_as_large_ones(name, spread):
    """Of features that vary little around their mean: in the loss and in its gradient, nearly everything cancels."""
    formula, rng = FORMULAS[name], np.random.default_rng(0)
    mix = np.eye(CHANNELS) + rng.normal(size=(2, CHANNELS, CHANNELS))
    mean = rng.uniform(0.5, 2, CHANNELS)
    image, style = (
        tf.cast(mean * (1 + spread * rng.normal(at, 1, (1, 40, 30, CHANNELS)) @ mix[at]), tf.bfloat16)
        for at in range(2)
    )

    def loss_and_gradient(dtype):
        maps = tf.cast(image, dtype)
        target = formula.target(stacked([mean_moments(moments(tf.cast(style, dtype), with_first=True))]))
        sums = moments(maps, with_first=True)
        (loss,), slopes = formula.value_and_gradient(mean_moments(sums), target, tf.ones(1))
        upstream = Moments(0.0, slopes.first / sums.mass, slopes.second / sums.mass)
        return float(loss), tf.cast(moments_vjp(maps, upstream), tf.float32)

    (loss, gradient), (expected_loss, expected) = loss_and_gradient(tf.bfloat16), loss_and_gradient(tf.float32)
    assert loss == pytest.approx(expected_loss, rel=0.01)
    assert relative_error(gradient, expected) < 0.02


@pytest.mark.parametrize("name", of_kind(FeatureFormula))
def test_formulas_of_features(name):
    formula, maps, target = FORMULAS[name], random_maps(0), tf.constant(random_maps(1))
    features = tf.constant(maps)
    with tf.GradientTape() as tape:
        tape.watch(features)
        value = formula.loss(features, target)
    assert_slopes(lambda at: float(formula.loss(tf.constant(at), target)), tape.gradient(value, features).numpy(), maps)


@pytest.mark.parametrize("name", of_kind(MomentFormula))
def test_loss_and_size_grow_as_the_formula_says(name):
    """A factor on the matrices of image and styles changes both by its square; for other formulas there is none."""
    formula = FORMULAS[name]
    if formula.scaled is None:
        assert formula.entries(CHANNELS) == CHANNELS
        return
    styles = stacked([mean_of(random_maps(seed)) for seed in (1, 2)])
    assert formula.entries(CHANNELS) == CHANNELS**2
    scaled = formula.scaled(styles, tf.constant([3.0, 3.0], tf.float64))
    np.testing.assert_allclose(formula.size(scaled), 9 * formula.size(styles), rtol=1e-12)
    image, others = (MeanMoments(*(value[at] for value in styles)) for at in (0, 1))
    tripled = formula.scaled(stacked([image]), tf.constant([3.0], tf.float64))
    of_tripled = formula.scaled(stacked([others]), tf.constant([3.0], tf.float64))
    grown = losses_of(formula.value_and_gradient, MeanMoments(*(value[0] for value in tripled)), of_tripled)
    before = losses_of(formula.value_and_gradient, image, stacked([others]))
    np.testing.assert_allclose(grown, 9 * before, rtol=1e-12)
