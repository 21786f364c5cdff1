import numpy as np
import pytest
import tensorflow as tf
from functions_to_minimize import SHAPE, images_and_totals, objective, run, step

from neural_style.optimizers.adam import AdamState
from neural_style.optimizers.curvature_pairs import CurvaturePairs
from neural_style.optimizers.lbfgs import LBFGS, LBFGSState
from neural_style.optimizers.resizing import resized


def test_adam_state():
    """From 4×6 to 8×12, four times the pixels: a quarter of the gradient, a sixteenth of its square."""
    old = AdamState(tf.zeros(SHAPE), tf.fill(SHAPE, -2.0), tf.fill(SHAPE, 3.0), 7, 0.25)
    image = tf.ones((1, 8, 12, 3))
    state = resized(old, image)
    assert (state.count, state.scale) == (7, 0.25)
    assert state.image is image
    for tensor, value in ((state.mean, -0.5), (state.variance, 3 / 16)):
        assert tensor.shape == (1, 8, 12, 3)
        np.testing.assert_allclose(tensor, value, rtol=1e-5)


def test_a_variance_is_never_negative():
    """Bicubic interpolation overshoots."""
    spike = tf.constant(np.eye(1, 4 * 6, 9).reshape(1, 4, 6, 1), tf.float32)
    state = resized(AdamState(spike, spike, spike, 1), tf.zeros((1, 8, 12, 1)))
    assert np.min(state.mean) < 0
    assert np.min(state.variance) == 0


@pytest.mark.parametrize("size", [(8, 12), (2, 3), (5, 5)])
def test_pairs_are_those_of_the_loss_at_that_size(size):
    """Of a mean over pixels, here of smooth changes: they are resized, and the gradient's go with 1 / pixels."""
    pixels = np.linspace(0, 1, 6) * np.ones(SHAPE[:3])
    steps = np.float32(pixels[..., None] * [1, 2, 3])
    changes = 2 * steps / steps.size  # of mean(x²)
    pairs = CurvaturePairs()
    for factor in (1, 2):
        pair = factor * np.stack([steps.ravel(), changes.ravel()])
        pairs.add(tf.constant(pair), float(pair[0] @ pair[1]), 10)
    state = resized(LBFGSState(tf.zeros(SHAPE), pairs=pairs, scale=0.5), tf.ones((1, *size, 3)))
    assert state.scale == 0.5
    rows = [tf.reshape(row, (1, *size, 3)) for row in state.pairs.rows()]
    assert len(rows) == 4
    for ours, theirs in zip(rows[::2], rows[1::2], strict=True):
        np.testing.assert_allclose(theirs, 2 * ours / tf.size(ours, tf.float32), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(tf.reduce_mean(rows[0], (0, 1, 2)), [0.5, 1, 1.5], rtol=0.02)


def test_a_state_without_pairs():
    image = tf.ones((1, 8, 12, 3))
    assert repr(resized(LBFGSState(tf.zeros(SHAPE)), image)) == repr(LBFGSState(image))


def test_resized_pairs_serve_the_larger_image():
    """They save evaluations of the same problem at twice the size."""

    @objective
    def smooth(image):
        height, width = tf.shape(image)[1], tf.shape(image)[2]
        weights = 10 ** tf.linspace(-1.5, 1.5, width)[None, None, :, None]
        return tf.reduce_mean(weights * (image - tf.linspace(0.0, 1.0, height)[None, :, None, None]) ** 2)

    optimizer = LBFGS(10)
    state = optimizer.init(tf.zeros((1, 8, 16, 3)))
    for _ in range(15):
        state, _ = step(optimizer, state, smooth)
    assert len(state.pairs) > 5
    start = tf.zeros((1, 16, 32, 3))
    totals = []
    state = resized(state, start)
    for _ in range(9):
        totals.append(float(smooth(optimizer.ask(state))[0].total))
        state, _ = step(optimizer, state, smooth)
    assert min(totals) < 0.5 * min(images_and_totals(run(optimizer, smooth, 8, start))[1])
