import numpy as np
import tensorflow as tf
from functions_to_minimize import SHAPE

from neural_style.optimizers.adam import Adam, AdamState, InPlaceAdam
from neural_style.optimizers.resizing import moments_of, take_moments
from neural_style.optimizers.variables import Pixels

NEW_SHAPE = (1, 8, 12, 3)
ADAM = {"learning_rate": 1.0, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8}


def states():
    """New ones of a picture of 8×12 px: of tensors and of arrays."""
    yield Adam(**ADAM).init(tf.ones(NEW_SHAPE))
    yield InPlaceAdam(**ADAM).init(np.ones(NEW_SHAPE, np.float32))


def test_moments_of_another_size():
    """From 4×6 to 8×12, four times the pixels: a quarter of the gradient, a sixteenth of its square."""
    old = AdamState(tf.zeros(SHAPE), tf.fill(SHAPE, -2.0), tf.fill(SHAPE, 3.0), 7, 0.25)
    for state in states():
        image, kind = state.image, type(state.mean)
        take_moments(state, moments_of(old), Pixels(state.image))
        assert (state.count, state.scale) == (7, 0.25)
        assert state.image is image
        for values, value in ((state.mean, -0.5), (state.variance, 3 / 16)):
            assert isinstance(values, kind)
            assert values.shape == NEW_SHAPE
            np.testing.assert_allclose(values, value, rtol=1e-5)


def test_arrays_and_tensors_get_the_same_moments():
    random = np.random.default_rng(0)
    mean, variance = (random.standard_normal(SHAPE).astype(np.float32) for _ in range(2))
    tensors, arrays = states()
    own = arrays.mean, arrays.variance
    for state in (tensors, arrays):
        take_moments(state, moments_of(AdamState(mean, mean, np.abs(variance), 1)), Pixels(state.image))
    assert arrays.mean is own[0] and arrays.variance is own[1]
    np.testing.assert_array_equal(arrays.mean, tensors.mean)
    np.testing.assert_array_equal(arrays.variance, tensors.variance)


def test_a_variance_is_never_negative():
    """Bicubic interpolation overshoots."""
    spike = np.eye(1, 4 * 6 * 3, 27, dtype=np.float32).reshape(SHAPE)
    for state in states():
        take_moments(state, moments_of(AdamState(spike, spike, spike, 1)), Pixels(state.image))
        assert np.min(state.mean) < 0
        assert np.min(state.variance) == 0


def test_moments_are_handed_over_without_copies():
    state = InPlaceAdam(**ADAM).init(np.ones(NEW_SHAPE, np.float32))
    moments = moments_of(state)
    assert moments["mean"] is state.mean
    assert moments["variance"] is state.variance


def test_moments_in_the_computers_memory_are_resized_there(monkeypatch):
    """Whatever the device of the run."""
    asked = []
    real = tf.device
    monkeypatch.setattr(tf, "device", lambda name: (asked.append(name), real(name))[1])
    tensors, arrays = states()
    moments = moments_of(AdamState(*[np.ones(SHAPE, np.float32)] * 3, 1))
    take_moments(tensors, moments, Pixels(tensors.image))
    assert asked == []
    take_moments(arrays, moments, Pixels(arrays.image))
    assert set(asked) == {"CPU:0"}
