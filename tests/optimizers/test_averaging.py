"""The average of iterates against its definition."""

import numpy as np
import pytest
import tensorflow as tf

from neural_style.optimizers.averaging import Average

IMAGES = np.random.default_rng(0).normal(size=(7, 1, 5, 6, 3)).astype(np.float32)
KINDS = pytest.mark.parametrize("kind", [np.array, tf.constant], ids=["array", "tensor"])


def expected(images, decay):
    """v / (1 - dⁿ), in float64."""
    value = np.zeros(images[0].shape)
    for image in images:
        value = decay * value + (1 - decay) * image
    return value / (1 - decay ** len(images))


@KINDS
@pytest.mark.parametrize("decay", [0.5, 0.99])
def test_it_is_the_corrected_average(kind, decay):
    average = Average(decay)
    for count, image in enumerate(IMAGES, 1):
        found = average.add(kind(image))
        np.testing.assert_allclose(found, expected(IMAGES[:count], decay), rtol=1e-4, atol=1e-5)
        assert average.count == count
        assert average.image is found


def test_images_stay_as_they_are():
    average, images = Average(0.9), [image.copy() for image in IMAGES]
    for image in images:
        found = average.add(image)
        assert not np.shares_memory(found, image)
    np.testing.assert_array_equal(images, IMAGES)


@KINDS
def test_it_goes_on_from_arrays(kind):
    average, again = Average(0.9), Average(0.9)
    assert average.to_arrays() == {}
    for image in IMAGES[:3]:
        average.add(kind(image))
    again.take_arrays(average.to_arrays(), in_place=kind is np.array)
    for image in IMAGES[3:]:
        np.testing.assert_array_equal(average.add(kind(image)), again.add(kind(image)))
    again.take_arrays({}, in_place=True)
    assert (again.image, again.count) == (None, 0)


def test_tensors_may_become_arrays():
    """Where memory becomes short."""
    average = Average(0.9)
    for image in IMAGES[:3]:
        average.add(tf.constant(image))
    for image in IMAGES[3:]:
        found = average.add(image.copy())
    np.testing.assert_allclose(found, expected(IMAGES, 0.9), rtol=1e-4, atol=1e-5)


def test_restart():
    average = Average(0.9)
    average.add(IMAGES[0])
    average.restart()
    np.testing.assert_array_equal(average.add(IMAGES[1]), IMAGES[1])
