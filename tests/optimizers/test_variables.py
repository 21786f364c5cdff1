"""The variables between an optimizer and an objective, against SciPy's transform and against differences."""

import numpy as np
import pytest
import scipy.fft
import tensorflow as tf
from functions_to_minimize import random

from neural_style.optimizers import variables
from neural_style.optimizers.adam import Adam, AdamState
from neural_style.optimizers.lbfgs import LBFGS
from neural_style.optimizers.resizing import moments_of, take_moments
from neural_style.optimizers.variables import Filtered, Frequencies, PeriodicFiltered, Pixels, frequency_weights

SIZES = [(8, 12), (7, 12), (13, 9), (1, 5), (530, 6), (5, 1021)]


def image_of(size, seed=0, channels=3):
    return 50 * random(seed, (1, *size, channels))


def dot(a, b):
    return float(np.sum(np.asarray(a, np.float64) * np.asarray(b, np.float64)))


@pytest.mark.parametrize("size", SIZES)
def test_an_image_by_hand(size):
    """Origin + inverse cosine transform of the weighted amplitudes, in float64."""
    origin, values = image_of(size), random(1, (1, *size, 3))
    weights = frequency_weights(*size).astype(np.float64)[np.newaxis, :, :, np.newaxis]
    expected = origin + scipy.fft.idctn(weights * values, axes=(1, 2), norm="ortho")
    np.testing.assert_allclose(Frequencies(origin).image(values), expected, atol=1e-4)


@pytest.mark.parametrize("size", SIZES)
def test_a_filtered_image_is_that_of_the_amplitudes_of_its_variables(size):
    origin, values = image_of(size), random(1, (1, *size, 3))
    amplitudes = scipy.fft.dctn(values, axes=(1, 2), norm="ortho")
    made, plain = Filtered(origin), Frequencies(origin)
    np.testing.assert_allclose(made.image(values), plain.image(amplitudes), atol=1e-4)
    expected = scipy.fft.idctn(np.asarray(plain.gradient(origin)), axes=(1, 2), norm="ortho")
    np.testing.assert_allclose(made.gradient(origin), expected, atol=2e-3)


def test_a_step_of_adam_is_no_larger_at_the_edges():
    """The sum of all cosines is. Of a gradient of noise, all entries change alike."""
    made, optimizer = Filtered(np.zeros((1, 48, 64, 3), np.float32)), Adam(1.0, 0.9, 0.99, 1e-8)
    state = optimizer.tell(optimizer.init(made.start), 1.0, made.gradient(image_of((48, 64), 5)))
    change = np.abs(np.asarray(made.image(optimizer.ask(state)))[0])
    assert change[[0, -1]].mean() < 1.5 * change[4:-4, 4:-4].mean()


@pytest.mark.parametrize("size", SIZES)
def test_the_gradient_is_the_transpose_of_the_change_of_the_image(size):
    """⟨T z, g⟩ = ⟨z, Tᵀ g⟩ for all z and g."""
    made = Frequencies(np.zeros((1, *size, 3), np.float32))
    values, gradient = (random(seed, (1, *size, 3)) for seed in (1, 2))
    of_values = made.gradient(gradient)
    assert of_values.shape == gradient.shape
    assert dot(made.image(values), gradient) == pytest.approx(dot(values, of_values), rel=1e-4, abs=1e-4)


def test_the_gradient_is_that_of_automatic_differentiation():
    made, values, target = Frequencies(image_of((9, 14))), tf.constant(random(1, (1, 9, 14, 3))), image_of((9, 14), 2)
    with tf.GradientTape() as tape:
        tape.watch(values)
        loss = tf.reduce_sum(tf.abs(made.image(values) - target) ** 3)
    image = made.image(values)
    of_image = 3 * tf.abs(image - target) * (image - target)
    np.testing.assert_allclose(made.gradient(of_image), tape.gradient(loss, values), rtol=1e-3, atol=1)


def test_the_start_is_the_image_itself_to_the_bit():
    image = image_of((31, 17))
    for kind in (Pixels, Frequencies, Filtered):
        made = kind(image)
        np.testing.assert_array_equal(made.image(made.start), image)


def test_pixels_are_the_image_itself_which_may_be_overwritten():
    image = image_of((4, 6))
    made = Pixels(image)
    assert made.image(made.start) is image
    assert made.gradient(image) is image


def test_weights_fall_with_the_frequency_and_have_a_mean_square_of_one():
    weights = frequency_weights(40, 64)
    assert np.mean(weights.astype(np.float64) ** 2) == pytest.approx(1, rel=1e-5)
    assert np.all(np.diff(weights, axis=0) < 0) and np.all(np.diff(weights, axis=1) < 0)
    expected = (variables.CORNER / (0.25 + variables.CORNER)) ** variables.POWER
    np.testing.assert_allclose(weights[0, 32] / weights[0, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(weights[10, 0], weights[0, 16], rtol=1e-6)  # both are 1/8 cycles per pixel


def test_opposite_edges_are_not_joined():
    """A change at the left edge reaches its neighbors, but not the right edge."""
    made = Frequencies(np.zeros((1, 64, 64, 1), np.float32))
    spike = np.zeros((1, 64, 64, 1), np.float32)
    spike[0, 32, 0] = 1
    change = np.abs(np.asarray(made.image(made.gradient(spike)))[0, 32, :, 0])
    assert change[1] > 5 * change[63]
    assert change[8] > 1.5 * change[63]


def test_to_lbfgs_they_are_a_preconditioner():
    """A quadratic that curves as 1 / w² by frequency curves alike in every direction of these variables."""
    size = (12, 20)
    weights = frequency_weights(*size)[np.newaxis, :, :, np.newaxis]
    target = image_of(size)

    def value_and_grad(image):
        amplitudes = scipy.fft.dctn(np.asarray(image) - target, axes=(1, 2), norm="ortho") / weights**2
        gradient = scipy.fft.idctn(amplitudes, axes=(1, 2), norm="ortho").astype(np.float32)
        return dot(gradient, np.asarray(image) - target) / 2, gradient

    ends = {}
    for kind in (Pixels, Frequencies):
        made, optimizer = kind(np.zeros_like(target)), LBFGS(10)
        state = optimizer.init(made.start)
        for _ in range(8):
            total, gradient = value_and_grad(made.image(optimizer.ask(state)))
            state = optimizer.tell(state, total, made.gradient(gradient))
        ends[kind] = value_and_grad(made.image(optimizer.ask(state)))[0]
    assert ends[Frequencies] < 1e-4 * ends[Pixels]


@pytest.mark.parametrize("sizes", [((8, 12), (16, 24)), ((16, 24), (8, 12)), ((7, 10), (13, 21))])
def test_moments_of_a_smooth_gradient_keep_their_values_in_pixels_at_another_size(sizes):
    """The gradient of a mean over four times the pixels is a quarter of it at each pixel."""
    gradients = []
    for height, width in sizes:
        rows, columns = (np.arange(side) + 0.5 for side in (height, width))
        waves = np.cos(np.pi * rows / height)[:, np.newaxis] + np.cos(2 * np.pi * columns / width)
        gradients.append((1 + waves)[np.newaxis, :, :, np.newaxis].astype(np.float32) / (height * width))
    before, after = (Frequencies(np.zeros_like(gradient)) for gradient in gradients)
    old, new = before.gradient(gradients[0]), after.gradient(gradients[1])
    np.testing.assert_allclose(after.resized(old, 1), new, atol=1e-6)
    np.testing.assert_allclose(after.resized(old**2, 2), new**2, atol=1e-6)


def test_adam_takes_moments_of_a_filtered_image():
    """As those of pixels: smooth ones keep their values, but for the pixels that share the loss."""
    before, after = Filtered(image_of((8, 12))), Filtered(image_of((16, 24)))
    ones = tf.ones_like(before.start)
    state = Adam(1.0, 0.9, 0.99, 1e-8).init(after.start)
    take_moments(state, moments_of(AdamState(before.start, -2 * ones, 3 * ones, 7)), after)
    assert state.count == 7
    np.testing.assert_allclose(state.mean, np.full((1, 16, 24, 3), -2 / 4), rtol=1e-5)
    np.testing.assert_allclose(state.variance, np.full((1, 16, 24, 3), 3 / 16), rtol=1e-5)


def test_a_transform_gives_the_same_bytes_every_time():
    made, values = Frequencies(image_of((61, 83))), random(1, (1, 61, 83, 3))
    first = np.asarray(made.image(values)).tobytes(), np.asarray(made.gradient(values)).tobytes()
    for _ in range(3):
        again = Frequencies(image_of((61, 83)))
        assert (np.asarray(again.image(values)).tobytes(), np.asarray(again.gradient(values)).tobytes()) == first


# --- images whose opposite edges are neighbors ------------------------------------------------------------------------


def test_periodic_filters_move_with_the_picture():
    """The same change, moved across an edge, changes the image by as much, moved."""
    variables = PeriodicFiltered(tf.zeros((1, 12, 10, 2)))
    values = np.random.default_rng(0).normal(size=(1, 12, 10, 2)).astype(np.float32)
    moved = variables.image(np.roll(values, (5, 7), (1, 2)))
    np.testing.assert_allclose(moved, np.roll(variables.image(values), (5, 7), (1, 2)), atol=1e-5)


@pytest.mark.parametrize("size", [(12, 10), (8, 9), (7, 16)])
def test_the_periodic_filter_by_its_definition(size):
    height, width = size
    values = np.random.default_rng(1).normal(size=(1, height, width, 1)).astype(np.float32)
    rows, columns = np.fft.fftfreq(height)[:, np.newaxis], np.fft.fftfreq(width)
    weights = (np.sqrt(rows**2 + columns**2) + 1 / 64) ** -0.5
    weights /= np.sqrt(np.mean(weights**2))
    expected = np.fft.ifft2(np.fft.fft2(values[0, :, :, 0]) * weights).real
    variables = PeriodicFiltered(tf.ones((1, height, width, 1)))
    np.testing.assert_allclose(variables.image(values)[0, :, :, 0], 1 + expected, atol=1e-5)
    np.testing.assert_allclose(variables.gradient(values)[0, :, :, 0], expected, atol=1e-5)
    np.testing.assert_array_equal(variables.image(variables.start), variables.origin)
