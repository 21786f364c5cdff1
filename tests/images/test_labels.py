"""Label images."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from neural_style.errors import ImageError
from neural_style.images.labels import described, is_black, is_colored, matching, read_labels

COLORS = [(255, 0, 0), (0, 0, 255), (0, 160, 0), (255, 255, 255), (0, 0, 0), (255, 200, 0)]


def stripes(colors, side=40):
    """A label image with a stripe of each color, float32 (2 side, side · colors, 3)."""
    return np.repeat(np.repeat(np.array([colors], np.float32), 2 * side, axis=0), side, axis=1)


def blurred(rgb, radius=2):
    image = Image.fromarray(rgb.astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(image, np.float32)


def as_jpeg(rgb, quality=60):
    stream = io.BytesIO()
    Image.fromarray(rgb.astype(np.uint8)).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream), np.float32)


def same(rgb):
    return rgb


@pytest.mark.parametrize("drawn", [same, blurred, as_jpeg, lambda rgb: as_jpeg(blurred(rgb))])
def test_each_color_is_a_label_whatever_happened_to_its_borders(drawn):
    found = read_labels(drawn(stripes(COLORS)), "mask")
    assert len(found.colors) == len(COLORS)
    order = [matching(np.array(color), found.colors) for color in COLORS]
    assert sorted(order) == list(range(len(COLORS)))
    expected = np.repeat(np.repeat([order], 80, axis=0), 40, axis=1)
    assert np.mean(found.indices == expected) > 0.97
    np.testing.assert_allclose(found.shares, 1 / 6, atol=0.02)


def test_a_blurred_border_does_not_become_a_third_label():
    """The mix of red and blue at their border is the purple of a third area."""
    colors = [(255, 0, 0), (0, 0, 255), (128, 0, 128)]
    found = read_labels(blurred(stripes(colors), 3), "mask")
    purple = matching(np.array((128, 0, 128)), found.colors)
    assert not np.any(found.indices[:, :70] == purple)


def test_twelve_labels():
    colors = [(red, green, blue) for red in (0, 128, 255) for green in (0, 255) for blue in (0, 255)]
    assert len(read_labels(as_jpeg(stripes(colors)), "mask").colors) == 12


def test_the_largest_label_comes_first():
    rgb = np.concatenate([stripes([(0, 0, 255)], 10)[:20], stripes([(255, 0, 0)] * 3, 10)[:20]], axis=1)
    np.testing.assert_allclose(read_labels(rgb, "mask").colors, [(255, 0, 0), (0, 0, 255)])


def test_a_large_image_is_reduced():
    assert read_labels(np.zeros((10, 5000, 3), np.float32), "mask").indices.shape == (4, 1667)


def test_noise_is_no_label_image():
    noise = np.random.default_rng(0).uniform(0, 255, (64, 64, 3)).astype(np.float32)
    with pytest.raises(ImageError, match=r"^mask m\.png: expected a label image, with areas of one plain color each"):
        read_labels(noise, "mask m.png")


def test_a_photograph_is_no_label_image():
    coarse = np.random.default_rng(0).uniform(0, 255, (24, 24, 3)).astype(np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((480, 480), Image.Resampling.BICUBIC), np.float32)
    with pytest.raises(ImageError, match="more than 64 colors, like a photograph"):
        read_labels(smooth, "mask")


def test_colors_in_words():
    assert described(np.array([(255, 0, 0), (0, 127.6, 0)])) == "#ff0000, #008000"
    assert is_black(np.array([5.0, 9, 4])) and not is_black(np.array([60.0, 0, 0]))


def test_a_gray_jpeg_has_no_colors():
    gray = stripes([(0, 0, 0), (128, 128, 128), (255, 255, 255)])
    assert not is_colored(as_jpeg(gray)) and is_colored(stripes(COLORS))
