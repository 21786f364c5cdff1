import numpy as np
import pytest
import reference
import tensorflow as tf
from functions_to_minimize import SCALES, START, TARGET, images_and_totals, objective, quadratic, run

from neural_style.optimizers.sgd import SGD, InPlaceSGD

BOTH = pytest.mark.parametrize("kind", [SGD, InPlaceSGD])


@BOTH
def test_a_step_by_hand(kind):
    """Gradient 2, rate 0.3: x - 0.6."""
    doubled = objective(lambda image: tf.reduce_sum(2 * image))
    images, _ = images_and_totals(run(kind(0.3), doubled, 3))
    for count, image in enumerate(images):
        np.testing.assert_allclose(image, START - 0.6 * count, rtol=1e-5, atol=1e-6)


@BOTH
def test_against_reference(kind):
    wavy = objective(lambda image: tf.reduce_sum(SCALES * (image - TARGET) ** 2 + tf.sin(3 * image)))
    scales, target = SCALES.numpy().astype(np.float64), TARGET.numpy().astype(np.float64)
    for rate in (0.001, 0.04):
        expected = reference.sgd(lambda x: 2 * scales * (x - target) + 3 * np.cos(3 * x), START, 12, rate)
        images, _ = images_and_totals(run(kind(rate), wavy, 12))
        np.testing.assert_allclose(images, expected, rtol=1e-3, atol=1e-3)


@BOTH
def test_it_finds_a_minimum(kind):
    images, _ = images_and_totals(run(kind(0.05), quadratic, 600))
    np.testing.assert_allclose(images[-1], TARGET, atol=0.02)
