import numpy as np
import pytest
import tensorflow as tf

from neural_style.optimizers import vectors

KINDS = (np.array, tf.constant)


def test_what_is_finite():
    for kind in KINDS:
        for total in (1.0, np.float32(2), tf.constant(3.0)):
            assert vectors.is_finite(total, kind(np.ones((2, 3), np.float32)))
        assert vectors.is_finite(0.0, kind(np.full(9, 3e38, np.float32)))  # whose sum is not
        for bad in (np.nan, np.inf, -np.inf):
            assert not vectors.is_finite(bad, kind(np.ones(3, np.float32)))
            for place in range(3):
                gradient = np.zeros(3, np.float32)
                gradient[place] = bad
                assert not vectors.is_finite(1.0, kind(gradient))
        assert not vectors.is_finite(1.0, kind(np.array([np.inf, -np.inf], np.float32)))


def test_largest_magnitude():
    for kind in KINDS:
        assert vectors.largest_magnitude(kind(np.array([[1, -5], [3, 0]], np.float32))) == 5
        assert vectors.largest_magnitude(kind(np.array([[1, -5], [7, 0]], np.float32))) == 7


@pytest.mark.parametrize("largest", [1e-45, 1e-38, 1e-20, 0.3, 1, 1000, 1e18, 3.4e38])
def test_scales_are_powers_of_two_that_lead_to_1(largest):
    scale = vectors.scale_to_one(largest)
    assert np.log2(scale) == round(np.log2(scale))
    assert np.finfo(np.float32).tiny < scale < np.finfo(np.float32).max
    assert 1e-15 <= largest * scale <= 1e9
    if 1e-30 < largest < 1e30:
        assert 0.5 <= largest * scale < 1


def test_the_scale_of_0():
    assert vectors.scale_to_one(0.0) == 1


def test_usual_gradients_have_no_scale():
    for size, scale in ((1e-4, 1), (1, 1), (1e6, 1), (1e12, 2**-40), (1e-10, 2**33)):
        gradient = tf.fill((1, 10, 10, 3), np.float32(size))
        assert vectors.usual_scale(gradient) == scale
        scaled = vectors.scaled(gradient, vectors.usual_scale(gradient))
        assert (scaled is gradient) is (scale == 1)
        np.testing.assert_array_equal(scaled, gradient * scale)
