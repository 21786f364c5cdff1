import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from small_runs import smooth

from neural_style.config.config import Config
from neural_style.config.resolve import resolve
from neural_style.images.color_transfer import preserve_colors
from neural_style.images.picture import lanczos
from neural_style.runs.inputs import read_inputs
from neural_style.runs.rendering import Finish, finish_of, rendered

MEAN = np.array([123.0, 117.0, 104.0], np.float32)
IMAGE = np.random.default_rng(0).uniform(-200, 200, (1, 12, 16, 3)).astype(np.float32)
"""With values below 0 and above 255."""

KINDS = pytest.mark.parametrize("kind", [np.array, tf.constant], ids=["array", "tensor"])


@KINDS
def test_at_its_own_size_it_is_rounded_and_clipped(kind):
    exact = IMAGE[0] + MEAN
    assert exact.min() < -10
    assert exact.max() > 265
    picture = rendered(kind(IMAGE), MEAN, (16, 12), None, 8)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, np.clip(np.rint(exact), 0, 255))


@KINDS
def test_16_bits_are_rounded_from_the_exact_image(kind):
    picture = rendered(kind(IMAGE), MEAN, (16, 12), None, 16)
    assert picture.dtype == np.uint16
    np.testing.assert_array_equal(picture, np.rint(np.clip((IMAGE[0] + MEAN) * 257, 0, 65535)))


@KINDS
@pytest.mark.parametrize("depth", [8, 16])
def test_a_coarse_image_is_enlarged_before_it_is_rounded(kind, depth):
    picture = rendered(kind(IMAGE), MEAN, (33, 25), None, depth)
    exact = lanczos(IMAGE[0] + MEAN, 33, 25)
    scale = 1 if depth == 8 else 257
    np.testing.assert_array_equal(picture, np.rint(np.clip(exact * scale, 0, 255 * scale)))
    assert picture.shape == (25, 33, 3)


def test_width_and_height_are_not_mixed_up():
    assert rendered(IMAGE, MEAN, (12, 16), None, 8).shape == (16, 12, 3)


@pytest.mark.parametrize("size", [(16, 12), (40, 30)])
@pytest.mark.parametrize("depth", [8, 16])
def test_colors_are_kept(size, depth):
    colors = smooth(*size, seed=4).astype(np.uint16 if depth == 16 else np.uint8) * (257 if depth == 16 else 1)
    before = colors.copy()
    plain = rendered(IMAGE, MEAN, size, None, depth)
    found = rendered(IMAGE, MEAN, size, Finish(colors, True, 1.0), depth)
    np.testing.assert_array_equal(found, preserve_colors(plain, colors))
    np.testing.assert_array_equal(colors, before)


@pytest.mark.parametrize("colors", [False, True])
@pytest.mark.parametrize("depth", [8, 16])
def test_a_painting_is_laid_over_the_photo(depth, colors):
    photo = smooth(16, 12, seed=4).astype(np.uint16 if depth == 16 else np.uint8) * (257 if depth == 16 else 1)
    alone = rendered(IMAGE, MEAN, (16, 12), Finish(photo, colors, 1.0), depth)
    found = rendered(IMAGE, MEAN, (16, 12), Finish(photo, colors, 0.3), depth)
    assert found.dtype == photo.dtype
    np.testing.assert_array_equal(found, np.rint(0.3 * alone + 0.7 * photo))
    np.testing.assert_array_equal(rendered(IMAGE, MEAN, (16, 12), Finish(photo, colors, 0.0), depth), photo)


def test_only_what_is_asked_for_needs_the_photo():
    photo = smooth(64, 48, seed=4)
    config = Config(photo, [photo])
    inputs = read_inputs(config)
    assert finish_of(resolve(config), inputs) is None
    for changes in ({"preserve_colors": True}, {"opacity": 0.5}):
        finish = finish_of(resolve(dataclasses.replace(config, **changes)), inputs)
        assert (finish.colors, finish.opacity) == (changes.get("preserve_colors", False), changes.get("opacity", 1))
        np.testing.assert_array_equal(finish.photo, photo)


def test_the_photo_stays_where_no_region_is():
    photo = smooth(16, 12, seed=4)
    covered = np.zeros((12, 16, 1), np.float16)
    covered[:, 4:8], covered[:, 8:] = 0.5, 1
    alone = rendered(IMAGE, MEAN, (16, 12), None, 8)
    found = rendered(IMAGE, MEAN, (16, 12), Finish(photo, False, 1.0, covered), 8)
    np.testing.assert_array_equal(found, np.rint(covered * alone + (1 - covered) * photo))


def test_regions_that_cover_everything_need_no_photo():
    white, half = np.full((48, 64), 255, np.uint8), np.zeros((48, 64), np.uint8)
    half[:, 32:] = 255
    photo = smooth(64, 48, seed=4)
    for masks, needs_photo in (([half, 255 - half], False), ([white, half], False), ([half, half], True)):
        config = Config(photo, [photo, photo], content_masks=masks)
        assert (finish_of(resolve(config), read_inputs(config)) is not None) == needs_photo


def test_the_image_is_left_as_it_is():
    image = IMAGE.copy()
    rendered(image, MEAN, (16, 12), None, 8)[:] = 0
    np.testing.assert_array_equal(image, IMAGE)
