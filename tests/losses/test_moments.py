import numpy as np
import pytest
import reference
import tensorflow as tf

from neural_style.losses.moments import channel_sums, gram_matrix, gram_sum


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


# --- gradient ---------------------------------------------------------------------------------------------------------


def plain_gram_sum(features):
    flat = tf.reshape(features, (-1, features.shape[-1]))
    return tf.matmul(flat, flat, transpose_a=True)


def gradient_of(gram, features, upstream):
    features = tf.convert_to_tensor(features)
    with tf.GradientTape() as tape:
        tape.watch(features)
        value = gram(features)
    return tape.gradient(value, features, output_gradients=tf.constant(upstream, value.dtype))


@pytest.mark.parametrize("symmetric", [True, False])
def test_gradient_against_autodiff(maps, symmetric):
    upstream = np.random.default_rng(1).normal(size=(5, 5))
    upstream = upstream + upstream.T if symmetric else upstream
    assert np.allclose(upstream, upstream.T) == symmetric
    ours, expected = (gradient_of(gram, maps, upstream) for gram in (gram_sum, plain_gram_sum))
    assert ours.shape == maps.shape
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


def test_gradient_by_central_differences(maps):
    """In float64, of a sum in which every entry of the matrix has a weight of its own."""
    maps = maps.astype(np.float64)
    rng = np.random.default_rng(2)
    weights, direction = rng.normal(size=(5, 5)), rng.normal(size=maps.shape)
    ahead, behind = (np.sum(weights * gram_sum(tf.constant(maps + step * direction))) for step in (1e-5, -1e-5))
    slope = np.sum(gradient_of(gram_sum, maps, weights) * direction)
    assert slope == pytest.approx((ahead - behind) / 2e-5, rel=1e-6)


def test_gradient_where_the_size_is_unknown_when_traced(maps):
    upstream = np.random.default_rng(1).normal(size=(5, 5)).astype(np.float32)
    traced = tf.function(
        lambda features: gradient_of(gram_sum, features, upstream),
        input_signature=[tf.TensorSpec((1, None, None, 5), tf.float32)],
    )
    np.testing.assert_allclose(traced(maps), gradient_of(plain_gram_sum, maps, upstream), rtol=1e-4, atol=1e-5)


# --- bfloat16 ---------------------------------------------------------------------------------------------------------


def features_of(height, width, channels=32, seed=0):
    """As after a rectification, rounded to bfloat16."""
    values = np.random.default_rng(seed).normal(1, 2, (1, height, width, channels))
    return tf.cast(np.maximum(values, 0), tf.bfloat16)


def relative_error(ours, expected):
    return np.linalg.norm(ours - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("size", [(64, 64), (31, 33), (7, 9), (1, 1), (3, 5), (4, 4), (1, 17), (2, 2)], ids=str)
def test_bfloat16_against_float64(size):
    """With numbers of positions that the parts divide, that leave some over, and that are fewer than the parts."""
    features = features_of(*size)
    exact = features.numpy().astype(np.float64)[0]
    ours = gram_sum(features)
    assert ours.dtype == gram_matrix(features).dtype == tf.float32
    assert relative_error(ours.numpy(), exact.reshape(-1, 32).T @ exact.reshape(-1, 32)) < 2e-3
    assert relative_error(gram_matrix(features).numpy(), reference.gram(exact)) < 2e-3
    np.testing.assert_allclose(ours, tf.transpose(ours), rtol=1e-2)


def test_bfloat16_counts_every_position_once():
    """Each has a channel of its own, and so an entry on the diagonal."""
    features = tf.cast(np.diag(np.arange(1, 38)).reshape(1, 37, 1, 37), tf.bfloat16)
    expected = np.diag(np.arange(1, 38) ** 2)
    np.testing.assert_allclose(gram_sum(features), expected, rtol=2**-8)


def test_parts_are_better_than_one_product():
    """Without this, the parts would be in vain."""
    features = features_of(96, 96)
    exact = features.numpy().astype(np.float64).reshape(-1, 32)
    expected = exact.T @ exact
    at_once = tf.cast(plain_gram_sum(features), tf.float32).numpy()
    assert relative_error(gram_sum(features).numpy(), expected) < 0.6 * relative_error(at_once, expected)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("size", [(31, 33), (3, 3)], ids=str)
def test_bfloat16_gradient_against_autodiff(size, symmetric):
    features = features_of(*size)
    upstream = np.random.default_rng(1).normal(size=(32, 32))
    upstream = upstream + upstream.T if symmetric else upstream
    ours = gradient_of(gram_sum, features, upstream)
    assert ours.dtype == tf.bfloat16
    assert ours.shape == features.shape
    expected = gradient_of(plain_gram_sum, tf.cast(features, tf.float64), upstream)
    assert relative_error(ours.numpy().astype(np.float64), expected.numpy()) < 1e-2


def test_bfloat16_size_may_be_unknown_when_traced():
    traced = tf.function(gram_matrix, input_signature=[tf.TensorSpec((1, None, None, 32), tf.bfloat16)])
    for size in ((31, 33), (2, 3)):
        np.testing.assert_allclose(traced(features_of(*size)), gram_matrix(features_of(*size)), rtol=1e-2)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_channel_sums_add_up_over_parts(dtype):
    maps = tf.cast(np.random.default_rng(0).normal(300, 20, (1, 30, 21, 4)).astype(np.float32), dtype)
    exact = tf.cast(maps, tf.float64).numpy()
    whole = channel_sums(maps)
    assert whole.dtype == tf.float32
    np.testing.assert_allclose(whole, [exact.sum((0, 1, 2)), (exact**2).sum((0, 1, 2))], rtol=1e-5)
    np.testing.assert_allclose(channel_sums(maps[:, :13]) + channel_sums(maps[:, 13:]), whole, rtol=1e-5)
