"""Reading masks."""

import numpy as np
import pytest
from PIL import Image

from neural_style.errors import ImageError
from neural_style.images.masks import is_stretched, mask_of, resize_mask
from neural_style.images.picture import describe
from neural_style.images.reading import read_image


def read_mask(source, role="mask"):
    return mask_of(read_image(source, role), f"{role} {describe(source)}")


def gray(*rows):
    return np.array(rows, np.uint8)


def test_white_is_one_and_black_is_zero():
    np.testing.assert_allclose(read_mask(gray([0, 255], [51, 204])), [[0, 1], [0.2, 0.8]], atol=1e-6)


def test_the_lightness_of_colors_counts():
    red = np.full((2, 2, 3), (255, 0, 0), np.uint8)
    np.testing.assert_allclose(read_mask(red), 0.299, atol=1e-3)


def test_what_is_transparent_is_black():
    picture = np.full((2, 2, 4), 255, np.uint8)
    picture[0, :, 3] = 0
    np.testing.assert_allclose(read_mask(picture), [[0, 0], [1, 1]])


def test_a_mask_that_is_black_everywhere_is_refused(tmp_path):
    path = tmp_path / "dark.png"
    Image.new("L", (40, 40), 0).save(path)
    with pytest.raises(ImageError, match=r"^content mask dark\.png: expected a mask with some white, got one that is"):
        read_mask(path, "content mask")


def test_resizing_keeps_the_mean_and_the_range():
    mask = np.random.default_rng(0).random((64, 48), np.float32)
    smaller = resize_mask(mask, 12, 16)
    assert smaller.shape == (16, 12) and smaller.min() >= 0 and smaller.max() <= 1
    np.testing.assert_allclose(smaller.mean(), mask.mean(), atol=5e-3)


def test_resizing_to_the_same_size_changes_nothing():
    mask = np.random.default_rng(0).random((6, 4), np.float32)
    assert resize_mask(mask, 4, 6) is mask


def test_aspect_ratios_may_differ_by_rounding():
    assert not is_stretched((1024, 681), (160, 106))
    assert not is_stretched((1024, 681), (16, 10))
    assert is_stretched((1024, 681), (160, 112))
