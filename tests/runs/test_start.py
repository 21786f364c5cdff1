import dataclasses

import numpy as np
import pytest
from small_runs import small_config, smooth

from neural_style.config.resolve import resolve
from neural_style.images.picture import lanczos
from neural_style.runs.inputs import read_inputs
from neural_style.runs.start import enlarged, start_image

NOISE_SCALE = 0.256
MEAN = np.array([123.0, 117.0, 104.0], np.float32)
CONTENT, INITIAL = smooth(64, 48, 1), smooth(64, 48, 2)


def start(**changes):
    config = small_config(CONTENT, [CONTENT], **changes)
    return start_image(resolve(config, {}), read_inputs(config), MEAN)


def test_noise_alone():
    """Around the mean pixel, white, and the same in every channel."""
    noise = start(initial_noiseblend=1)
    assert (noise.shape, noise.dtype) == ((1, 48, 64, 3), np.float32)
    assert noise.std() == pytest.approx(NOISE_SCALE, rel=0.03)  # its own deviation is 0.7 % for 9216 numbers
    assert abs(noise.mean()) < 0.01
    assert np.abs(noise.std((0, 1, 2)) - NOISE_SCALE).max() < 0.02
    for one, other in (
        (noise[:, :, :-1], noise[:, :, 1:]),
        (noise[:, :-1], noise[:, 1:]),
        (noise[..., 0], noise[..., 1]),
    ):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.06


def test_the_seed_decides():
    first, same, other = (start(initial_noiseblend=1, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, same)
    assert np.mean(first == other) < 0.01


def test_the_content_alone_by_default():
    np.testing.assert_array_equal(start(), (CONTENT - MEAN)[np.newaxis])
    np.testing.assert_array_equal(start(seed=7), start())


def test_the_initial_picture_alone_by_default():
    np.testing.assert_array_equal(start(initial=INITIAL), (INITIAL - MEAN)[np.newaxis])


@pytest.mark.parametrize("initial", [None, INITIAL], ids=["content", "initial"])
@pytest.mark.parametrize("share", [0.25, 0.9])
def test_a_blend(initial, share):
    noise = start(initial_noiseblend=1)
    picture = (CONTENT if initial is None else initial) - MEAN
    np.testing.assert_allclose(
        start(initial=initial, initial_noiseblend=share)[0], (1 - share) * picture + share * noise[0], atol=1e-3
    )


def test_inputs_are_left_as_they_are():
    config = small_config(CONTENT, [CONTENT], initial_noiseblend=0.5)
    inputs = read_inputs(config)
    start_image(resolve(config, {}), inputs, MEAN)
    np.testing.assert_array_equal(inputs.content.rgb, CONTENT)


def test_images_can_be_overwritten():
    """As Adam in place does."""
    config = small_config(CONTENT, [CONTENT])
    inputs = dataclasses.replace(read_inputs(config))
    for image in (start_image(resolve(config, {}), inputs, MEAN), enlarged(start(), 90, 70)):
        assert image.flags.writeable
        assert image.flags.c_contiguous
        assert image.dtype == np.float32
        image[:] = 1000
    np.testing.assert_array_equal(inputs.content.rgb, CONTENT)


@pytest.mark.parametrize("size", [(128, 96), (91, 67), (64, 48)])
def test_enlarged(size):
    image = start()
    larger = enlarged(image, *size)
    assert larger.shape == (1, size[1], size[0], 3)
    np.testing.assert_array_equal(larger[0], lanczos(image[0], *size))
    flat = np.full((1, 30, 40, 3), -20.5, np.float32)
    np.testing.assert_allclose(enlarged(flat, *size), -20.5, rtol=1e-5)
