import numpy as np
import pytest
import reference
import tensorflow as tf
from moment_formulas import losses_of

from neural_style.losses.moments import MeanMoments, mean_moments, moments, stacked
from neural_style.losses.style import GRAM, gram_loss, gram_size


def random_maps(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def mean_of(features):
    return mean_moments(moments(tf.constant(features)))


def second(*matrices):
    """Moments of which only the second are known: of one picture, or of several."""
    values = tf.constant(matrices if len(matrices) > 1 else matrices[0], tf.float32)
    return MeanMoments(tf.zeros((*values.shape[:-2], 0)), values)


def test_by_hand():
    """Matrices are divided by their two channels before they are compared."""
    image, styles = second([[2.0, 4.0], [4.0, 6.0]]), second([[2.0, 0.0], [0.0, -2.0]], [[2.0, 4.0], [4.0, 0.0]])
    np.testing.assert_array_equal(losses_of(gram_loss, image, styles), [(4 + 4 + 16) / 4, 9 / 4])
    np.testing.assert_array_equal(gram_size(styles), [(1 + 1) / 4, (1 + 4 + 4) / 4])


def test_in_terms_of_gatys():
    features, target = random_maps(1, 4, 6, 5), random_maps(1, 3, 8, 5, seed=1)  # 24 positions each
    sums = [moments(tf.constant(each)).second for each in (features, target)]
    equation_4 = np.sum((sums[0] - sums[1]) ** 2) / (4 * 5**2 * 24**2)
    (loss,) = losses_of(gram_loss, mean_of(features), stacked([mean_of(target)]))
    assert float(loss) == pytest.approx(4 * equation_4 / 5**2, rel=1e-5)


def test_against_reference_for_several_styles_of_their_own_sizes():
    features, *styles = (random_maps(1, height, 6, 5, seed=height) for height in (4, 3, 9))
    losses = losses_of(gram_loss, mean_of(features), stacked([mean_of(style) for style in styles]))
    gram, *targets = (reference.gram(each[0].astype(np.float64)) for each in (features, *styles))
    np.testing.assert_allclose(losses, [np.mean((gram - target) ** 2) for target in targets], rtol=1e-4)


def test_zero_only_where_equal_and_even():
    ours, other = (random_maps(5, 5, seed=seed) for seed in range(2))
    (same,), (forth,), (back,) = (
        losses_of(gram_loss, second(one), stacked([second(another)]))
        for one, another in ((ours, ours), (ours, other), (other, ours))
    )
    assert same == 0
    assert forth == back > 0


def test_the_size_is_the_loss_of_nothing():
    styles = second(*random_maps(2, 5, 5))
    nothing = second(np.zeros((5, 5)))
    np.testing.assert_allclose(GRAM.size(styles), losses_of(gram_loss, nothing, styles), rtol=1e-6)


def test_scaled_gram_matrices():
    styles = second(*random_maps(2, 5, 5))
    scaled = GRAM.scaled(styles, tf.constant([2.0, 0.5]))
    np.testing.assert_allclose(scaled.second, styles.second * np.array([2, 0.5])[:, np.newaxis, np.newaxis], rtol=1e-6)
    assert GRAM.entries(5) == 25


def test_it_does_not_look_at_the_first_moment():
    assert not GRAM.with_first
