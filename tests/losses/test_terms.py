import numpy as np
import pytest
import reference
import tensorflow as tf
from neural_style.losses.terms import content_loss, content_size, style_loss, style_size, tv_loss, variation

from neural_style.losses.moments import channel_sums, gram_matrix, gram_sum


def random_maps(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_content_by_hand():
    features, target = tf.constant([1.0, 2, 3, 4], shape=(1, 1, 2, 2)), tf.constant([1.0, 0, 3, 8], shape=(1, 1, 2, 2))
    assert content_loss(features, target) == (4 + 16) / 4


def test_content_in_terms_of_gatys():
    features, target = random_maps(1, 4, 6, 5), random_maps(1, 4, 6, 5, seed=1)
    equation_1 = np.sum((features - target) ** 2) / 2
    assert float(content_loss(features, target)) == pytest.approx(equation_1 * 2 / (4 * 6 * 5), rel=1e-5)


def test_style_by_hand():
    gram, target = tf.constant([[1.0, 2.0], [2.0, 3.0]]), tf.constant([[1.0, 0.0], [0.0, -1.0]])
    assert style_loss(gram, target) == (4 + 4 + 16) / 4


def test_style_in_terms_of_gatys():
    features, target = random_maps(1, 4, 6, 5), random_maps(1, 3, 8, 5, seed=1)  # 24 positions each
    equation_4 = np.sum((gram_sum(features) - gram_sum(target)) ** 2) / (4 * 5**2 * 24**2)
    loss = float(style_loss(gram_matrix(features), gram_matrix(target)))
    assert loss == pytest.approx(4 * equation_4 / 5**2, rel=1e-5)


@pytest.mark.parametrize("loss", [content_loss, style_loss])
def test_zero_only_where_equal_and_even(loss):
    ours, other = random_maps(5, 5), random_maps(5, 5, seed=1)
    assert loss(ours, ours) == 0
    assert loss(ours, other) == loss(other, ours) > 0


def test_content_size_by_hand():
    """Channels of mean 2 and 5, and variance 1 and 16."""
    features = tf.constant([1.0, 1, 3, 9], shape=(1, 2, 1, 2))
    assert float(content_size(channel_sums(features), 2)) == (1 + 16) / 2


def test_content_size_is_the_content_loss_of_the_mean():
    features = random_maps(1, 7, 9, 5) + 3
    mean = np.broadcast_to(features.mean(axis=(1, 2), keepdims=True), features.shape)
    expected = float(content_loss(tf.constant(features), tf.constant(mean)))
    assert float(content_size(channel_sums(features), 63)) == pytest.approx(expected, rel=1e-4)


def test_style_size_is_the_style_loss_of_nothing():
    grams = tf.constant(random_maps(2, 5, 5))
    np.testing.assert_allclose(style_size(grams), style_loss(tf.zeros((5, 5)), grams), rtol=1e-6)
    assert float(style_size(tf.constant([[1.0, 2.0], [2.0, 5.0]]))) == (1 + 4 + 4 + 25) / 4


def test_tv_by_hand():
    image = np.zeros((1, 2, 3, 3), np.float32)
    image[0, :, :, 0] = [[1, 4, 0], [3, 4, 7]]
    down, across = (2**2 + 0 + 7**2) / 9, (3**2 + 4**2 + 1**2 + 3**2) / 12  # 9 and 12 pairs: three channels
    assert float(tv_loss(image)) == pytest.approx(down + across, rel=1e-6)


def test_tv_of_ramps():
    y, x = np.mgrid[:5, :8].astype(np.float32)
    image = np.stack([3 * x, 3 * x, 3 * x], axis=-1)[np.newaxis]
    assert float(tv_loss(image)) == pytest.approx(9)
    image += 2 * y[..., np.newaxis]
    assert float(tv_loss(image)) == pytest.approx(9 + 4)


def test_tv_of_offsets_and_scales():
    image = random_maps(1, 5, 8, 3)
    assert float(tv_loss(image + np.float32([10, -20, 30]))) == pytest.approx(float(tv_loss(image)), rel=1e-4)
    assert float(tv_loss(2 * image)) == pytest.approx(4 * float(tv_loss(image)), rel=1e-5)
    assert tv_loss(np.full((1, 5, 8, 3), 7.0, np.float32)) == 0


def test_tv_and_its_gradient_against_reference():
    image = random_maps(1, 5, 8, 3) * 50
    tensor = tf.constant(image)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        value = tv_loss(tensor)
    exact = image[0].astype(np.float64)
    assert float(value) == pytest.approx(reference.total_variation(exact), rel=1e-6)
    np.testing.assert_allclose(
        tape.gradient(value, tensor)[0], reference.total_variation_gradient(exact), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(("axis", "shape"), [(1, (5, 8)), (2, (5, 8)), (1, (2, 1)), (2, (1, 2)), (1, (2, 7))], ids=str)
def test_variation_along_one_axis_against_differences(axis, shape):
    """Of one kind of neighbors alone, of which there may be but one pair, and of its weighted gradient."""
    image = random_maps(1, *shape, 3) * 50
    tensor = tf.constant(image)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        value = variation(tensor, axis)
        weighted = 7 * value
    exact = image[0].astype(np.float64)
    differences = np.diff(exact, axis=axis - 1)
    assert float(value) == pytest.approx(np.mean(differences**2), rel=1e-6)
    before, after = ([(0, 0)] * 3 for _ in range(2))
    before[axis - 1], after[axis - 1] = (1, 0), (0, 1)
    share = 7 * 2 * differences / differences.size
    np.testing.assert_allclose(
        tape.gradient(weighted, tensor)[0], np.pad(share, before) - np.pad(share, after), rtol=1e-4, atol=1e-4
    )


def test_both_variations_are_the_total():
    image = tf.constant(random_maps(1, 5, 8, 3))
    assert float(variation(image, 1) + variation(image, 2)) == float(tv_loss(image))


def test_gradient_of_the_reference_itself():
    """Held against differences, which are exact but for rounding, since TV is quadratic."""
    generator = np.random.default_rng(0)
    image, direction = generator.normal(size=(2, 5, 8, 3))
    slope = (reference.total_variation(image + direction) - reference.total_variation(image - direction)) / 2
    assert np.sum(reference.total_variation_gradient(image) * direction) == pytest.approx(slope, rel=1e-10)
