import numpy as np
import pytest
import reference
import tensorflow as tf

from neural_style.feature_stats import gram_matrix, gram_sum


@pytest.fixture
def maps():
    """Features whose height, width and channels all differ, so that no two axes can be swapped unseen."""
    return np.random.default_rng(0).normal(size=(1, 4, 7, 5)).astype(np.float32)


def test_by_hand():
    features = tf.constant([[[[1.0, 2.0], [3.0, 4.0]]]])  # two positions, two channels
    np.testing.assert_array_equal(gram_sum(features), [[10, 14], [14, 20]])
    np.testing.assert_array_equal(gram_matrix(features), [[2.5, 3.5], [3.5, 5]])


def test_against_reference(maps):
    np.testing.assert_allclose(gram_matrix(maps), reference.gram(maps[0].astype(np.float64)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gram_matrix(maps), gram_sum(maps) / (4 * 7 * 5), rtol=1e-6)


def test_sums_add_up_over_parts_of_a_picture(maps):
    for parts in (np.split(maps, [1], axis=1), np.split(maps, [2, 3], axis=2)):
        np.testing.assert_allclose(sum(gram_sum(part) for part in parts), gram_sum(maps), rtol=1e-5, atol=1e-5)


def test_position_does_not_matter_but_channel_does(maps):
    shuffled = maps.reshape(1, 28, 1, 5)[:, np.random.default_rng(1).permutation(28)]
    np.testing.assert_allclose(gram_matrix(shuffled), gram_matrix(maps), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(gram_matrix(maps[..., ::-1]), gram_matrix(maps).numpy()[::-1, ::-1], rtol=1e-5)
    assert np.abs(gram_matrix(maps[..., ::-1]) - gram_matrix(maps)).max() > 0.01


def test_matrix_does_not_grow_with_the_picture(maps):
    np.testing.assert_allclose(gram_matrix(np.tile(maps, (1, 3, 2, 1))), gram_matrix(maps), rtol=1e-4, atol=1e-6)


def test_size_may_be_unknown_when_traced(maps):
    traced = tf.function(gram_matrix, input_signature=[tf.TensorSpec((1, None, None, 5), tf.float32)])
    np.testing.assert_allclose(traced(maps), gram_matrix(maps), rtol=1e-6)
