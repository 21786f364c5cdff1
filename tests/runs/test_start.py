import dataclasses

import numpy as np
import pytest
from small_runs import small_config, smooth

from neural_style.config.resolve import resolve
from neural_style.images.color_moments import color_moments
from neural_style.images.picture import lanczos
from neural_style.runs.inputs import read_inputs
from neural_style.runs.start import details_of, enlarged, start_image, style_colors

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


@pytest.mark.parametrize("scale", [0, 1, 40])
def test_scale_of_the_noise(scale):
    noise = start(initial_noiseblend=1)
    np.testing.assert_allclose(
        start(initial_noiseblend=1, noise_scale=scale), noise * (scale / NOISE_SCALE), rtol=1e-5, atol=1e-6
    )


# --- by name ----------------------------------------------------------------------------------------------------------

STYLES = [smooth(64, 48, 3), smooth(80, 64, 4) // 2 + 100]


def colors_of(*pictures):
    """Mean and covariance of the colors of an equal blend, by NumPy's own functions."""
    flat = [np.float64(each).reshape(-1, 3) for each in pictures]
    mean = np.mean([colors.mean(axis=0) for colors in flat], axis=0)
    second = np.mean([colors.T @ colors / len(colors) for colors in flat], axis=0)
    return mean, second - np.outer(mean, mean)


def test_content_and_noise_by_name_are_those_of_the_share_of_noise():
    np.testing.assert_array_equal(start(init="content"), start())
    np.testing.assert_array_equal(start(init="noise"), start(initial_noiseblend=1))
    np.testing.assert_array_equal(start(init="noise", initial_noiseblend=1), start(initial_noiseblend=1))


def test_a_picture_given_as_start_is_the_initial_picture():
    for share in (None, 0.5):
        expected = start(initial=INITIAL, initial_noiseblend=share)
        np.testing.assert_array_equal(start(init=INITIAL, initial_noiseblend=share), expected)


def test_gray_is_the_mean_pixel_everywhere():
    gray = start(init="gray")
    assert (gray.shape, gray.dtype) == ((1, 48, 64, 3), np.float32)
    assert not gray.any()
    np.testing.assert_allclose(start(init="gray", initial_noiseblend=0.5), 0.5 * start(init="noise"), rtol=1e-6)


def test_the_first_style_as_start():
    config = small_config(CONTENT, STYLES[::-1], init="style")
    image = start_image(resolve(config, {}), read_inputs(config), MEAN)
    np.testing.assert_allclose(image[0] + MEAN, lanczos(STYLES[1].astype(np.float32), 64, 48).clip(0, 255), atol=1e-3)


@pytest.mark.parametrize("weights", [None, (3, 1)])
def test_colors_of_the_styles(weights):
    """Each counts by its blend weight, though one has more pixels."""
    config = small_config(CONTENT, STYLES, init="style_colors", style_blend_weights=weights, width=256)
    inputs = read_inputs(config)
    pictures = [each.rgb for each in inputs.styles]
    mean, covariance = colors_of(*pictures) if weights is None else colors_of(*[pictures[0]] * 3, pictures[1])
    image = start_image(resolve(config, {}), inputs, MEAN)
    assert (image.shape, image.dtype) == ((1, 192, 256, 3), np.float32)
    colors = (image[0] + MEAN).reshape(-1, 3).astype(np.float64)
    deviations = np.sqrt(np.diag(covariance))
    assert np.abs((colors.mean(axis=0) - mean) / deviations).max() < 0.02
    found = np.cov(colors.T)
    assert np.abs((found - covariance) / np.outer(deviations, deviations)).max() < 0.03
    neighbors = image[0, :, :-1, 0].ravel(), image[0, :, 1:, 0].ravel()
    assert abs(np.corrcoef(*neighbors)[0, 1]) < 0.02


def test_colors_of_the_styles_may_be_blended_with_noise_and_follow_the_seed():
    made = {"init": "style_colors", "seed": 3}
    np.testing.assert_array_equal(start(**made), start(**made))
    assert np.mean(start(**made) == start(**{**made, "seed": 4})) < 0.01
    blended = 0.75 * start(**made) + 0.25 * start(init="noise", seed=3)
    np.testing.assert_allclose(start(**made, initial_noiseblend=0.25), blended, atol=1e-4)


def test_noise_that_is_blended_in_is_independent_of_noise_in_the_colors_of_the_styles():
    config = small_config(CONTENT, STYLES, init="style_colors", seed=3)
    inputs = read_inputs(config)
    colors = start_image(resolve(config, {}), inputs, MEAN)
    noise = start(init="noise", seed=3)
    for one in range(3):
        for other in range(3):
            assert abs(np.corrcoef(colors[..., one].ravel(), noise[..., other].ravel())[0, 1]) < 0.08


def test_inputs_are_left_as_they_are():
    config = small_config(CONTENT, [CONTENT], initial_noiseblend=0.5)
    inputs = read_inputs(config)
    start_image(resolve(config, {}), inputs, MEAN)
    np.testing.assert_array_equal(inputs.content.rgb, CONTENT)


def test_images_can_be_overwritten():
    """As Adam in place does."""
    config = small_config(CONTENT, [CONTENT])
    inputs = dataclasses.replace(read_inputs(config))
    starts = [start(init=init) for init in ("gray", "style_colors", "style", "noise")]
    for image in (start_image(resolve(config, {}), inputs, MEAN), enlarged(start(), smooth(90, 70, 1), 1.0), *starts):
        assert image.flags.writeable
        assert image.flags.c_contiguous
        assert image.dtype == np.float32
        image[:] = 1000
    np.testing.assert_array_equal(inputs.content.rgb, CONTENT)


@pytest.mark.parametrize("size", [(128, 96), (91, 67), (64, 48)])
def test_enlarged(size):
    image, photo = start(), smooth(*size, 1).astype(np.float32)
    larger = enlarged(image, photo, 0.0)
    assert larger.shape == (1, size[1], size[0], 3)
    np.testing.assert_array_equal(larger[0], lanczos(image[0], *size))
    flat = np.full((1, 30, 40, 3), -20.5, np.float32)
    np.testing.assert_allclose(enlarged(flat, photo, 0.0), -20.5, rtol=1e-5)


def test_details_of_the_photo_that_were_too_fine_for_the_smaller_size():
    """A gray photo, made smaller and enlarged again, is the photo again. A flat photo has no details."""
    gray = np.random.default_rng(0).uniform(0, 255, (96, 128, 1)).astype(np.float32)
    photo = np.repeat(gray, 3, axis=2)
    small = (lanczos(photo, 64, 48) - MEAN)[np.newaxis]
    np.testing.assert_allclose(enlarged(small, photo, 1.0)[0], photo - MEAN, atol=1e-3)
    half = (photo + lanczos(lanczos(photo, 64, 48), 128, 96)) / 2
    np.testing.assert_allclose(enlarged(small, photo, 0.5)[0], half - MEAN, atol=1e-3)
    np.testing.assert_allclose(enlarged(small, np.full_like(photo, 7), 1.0), enlarged(small, photo, 0.0), atol=1e-3)


def test_details_of_a_colored_photo_are_those_of_its_lightness():
    """Each channel gets the same, and the luma of what it gets is that of the details."""
    photo = np.random.default_rng(0).uniform(0, 255, (96, 128, 3)).astype(np.float32)
    small = np.zeros((1, 48, 64, 3), np.float32)
    added = enlarged(small, photo, 1.0)[0]
    details = photo - lanczos(lanczos(photo, 64, 48), 128, 96)
    expected = details @ np.array([0.299, 0.587, 0.114], np.float32)
    np.testing.assert_allclose(added, np.repeat(expected[..., np.newaxis], 3, axis=2), atol=1e-3)


@pytest.mark.parametrize(
    ("changes", "share"),
    [
        ({}, 1.0),
        ({"photo_details": 0.4}, 0.4),
        ({"init": "recolored"}, 1.0),
        ({"initial_noiseblend": 0.4}, 1.0),
        ({"initial_noiseblend": 0.6}, 0.0),
        ({"init": "noise"}, 0.0),
        ({"init": "style_colors"}, 0.0),
        ({"initial": INITIAL}, 0.0),
        ({"strength": 1.0}, 0.0),
        ({"content_weight": 0.0}, 0.0),
        ({"preview_width": 64}, 0.0),
    ],
    ids=str,
)
def test_runs_that_begin_with_the_photo_add_its_details(changes, share):
    assert details_of(resolve(small_config(CONTENT, [CONTENT], **changes), {})) == share


def test_the_photo_in_the_colors_of_the_styles():
    """Mean and covariance are those of the styles, by their weights, and a style of those colors changes nothing."""
    styles = [smooth(60, 40, 5), smooth(50, 70, 6)]
    config = resolve(small_config(CONTENT, styles, init="recolored", style_blend_weights=(3.0, 1.0)), {})
    inputs = read_inputs(config)
    image = start_image(config, inputs, MEAN)
    assert image.dtype == np.float32 and image.shape == (1, 48, 64, 3)
    colors, expected = color_moments(image[0] + MEAN), style_colors(config, inputs)
    np.testing.assert_allclose(colors.mean, expected.mean, rtol=1e-3)
    np.testing.assert_allclose(colors.covariance, expected.covariance, rtol=0.02, atol=1)
    np.testing.assert_allclose(start(init="recolored")[0] + MEAN, CONTENT, atol=0.5)
