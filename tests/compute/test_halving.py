import itertools

import numpy as np
import pytest
import reference
import tensorflow as tf

from neural_style.compute.halving import add_adjoint, halved, reductions
from neural_style.vgg19_spec import halved_sizes

SIZES = [(8, 6), (7, 6), (8, 5), (7, 5), (1, 4), (3, 1), (1, 1), (2, 2)]


def values(height, width, seed=0):
    return np.random.default_rng(seed).normal(size=(1, height, width, 3))


def test_by_hand():
    """Blocks of four; an odd last column and row by themselves, and the corner alone."""
    rows = np.array([[1, 3, 10], [5, 7, 20], [2, 4, 9]], np.float32)
    picture = rows[..., np.newaxis] * np.ones(3, np.float32)
    expected = np.array([[4, 15], [3, 9]])[..., np.newaxis] * np.ones(3)
    np.testing.assert_array_equal(halved(picture), expected)
    np.testing.assert_array_equal(halved(tf.constant(picture[np.newaxis]))[0], expected)


@pytest.mark.parametrize("size", SIZES)
def test_arrays_and_tensors_are_halved_alike(size):
    image = values(*size)
    expected = reference.pool(image[0], "avg")
    for found in (halved(image), halved(tf.constant(image))):
        assert found.dtype == np.float64
        np.testing.assert_allclose(np.asarray(found)[0], expected, rtol=1e-14)


def test_an_array_keeps_its_type_and_values():
    image = values(7, 5).astype(np.float32)
    before = image.copy()
    assert halved(image).dtype == np.float32
    np.testing.assert_array_equal(image, before)


def test_any_constant_stays_what_it_is():
    """So the mean pixel may be subtracted before or after."""
    np.testing.assert_array_equal(halved(np.full((1, 7, 9, 3), 0.1)), np.full((1, 4, 5, 3), 0.1))


def test_several_times():
    picture = values(13, 22)[0]
    first, *_, last = reductions(picture, 4)
    assert first is picture
    assert [*reductions(picture, 1)] == [picture]
    np.testing.assert_array_equal(last, halved(halved(halved(picture))))
    assert last.shape == (2, 3, 3)


def test_sizes_by_arithmetic_are_those_of_halved_pictures():
    for width, height in itertools.product((1, 2, 7, 32, 37), (1, 6, 33)):
        picture = np.zeros((height, width, 1))
        found = [each.shape[1::-1] for each in reductions(picture, 5)]
        assert found == halved_sizes(width, height, 5)


@pytest.mark.parametrize("kind", [np.array, tf.constant], ids=["array", "tensor"])
@pytest.mark.parametrize("size", SIZES)
def test_the_adjoint_by_its_definition(size, kind):
    """⟨halved(x), y⟩ = ⟨x, adjoint(y)⟩ for all x: those of one pixel each give the adjoint itself."""
    image = values(*size)
    of_half = values(*halved(image).shape[1:3], seed=1)
    own = values(*size, seed=2)
    expected = np.empty_like(image)
    for at in np.ndindex(image.shape):
        unit = np.zeros_like(image)
        unit[at] = 1
        expected[at] = np.sum(halved(unit) * of_half)
    before = of_half.copy()
    found = add_adjoint(kind(own.copy()), kind(of_half))
    np.testing.assert_allclose(found, own + expected, rtol=1e-14, atol=1e-15)
    np.testing.assert_array_equal(of_half, before)


def test_an_array_is_changed_in_place():
    gradient = values(7, 5)
    assert add_adjoint(gradient, values(4, 3)) is gradient
