import io

import numpy as np
import pytest
from PIL import Image

from neural_style.images.small_copies import as_jpeg, as_png


def shade(width, height, channels=3, kind=np.uint8):
    """A slope from left to right, the same in all channels."""
    top = np.iinfo(kind).max
    row = np.linspace(0, top, width).astype(kind)
    return np.broadcast_to(row[None, :, None], (height, width, channels)).copy()


def decoded(data):
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("channels", [3, 4])
def test_a_small_picture_is_kept_to_the_bit(channels):
    pixels = shade(40, 30, channels)
    np.testing.assert_array_equal(decoded(as_png(pixels, 40)), pixels)


def test_16_bits_are_rounded():
    values = np.array([0, 128, 129, 65535], np.uint16)
    pixels = np.broadcast_to(values[None, :, None], (2, 4, 3))
    assert decoded(as_png(pixels))[0, :, 0].tolist() == [0, 0, 1, 255]


@pytest.mark.parametrize(("size", "longest", "smaller"), [
    ((1000, 300), 100, (100, 30)),
    ((300, 1001), 100, (30, 100)),
    ((150, 100), 100, (100, 67)),
    ((5000, 3), 10, (10, 1)),
])  # fmt: skip
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_large_picture_is_reduced(size, longest, smaller, kind):
    made = Image.open(io.BytesIO(as_png(shade(*size, kind=kind), longest)))
    assert made.size == smaller
    width = smaller[0]
    middles = (np.arange(width) + 0.5) / width * 255
    found = np.asarray(made)[0, :, 0].astype(float)
    assert np.abs(found - middles)[1:-1].max(initial=0) < 3


def test_bands_of_a_large_picture_fit_together():
    pixels = np.broadcast_to(np.linspace(0, 255, 1400).astype(np.uint8)[:, None, None], (1400, 200, 3)).copy()
    found = decoded(as_png(pixels, 140))[:, 5, 0].astype(float)
    assert np.abs(found - (np.arange(140) + 0.5) / 140 * 255)[1:-1].max() < 2


def test_colors_of_transparent_places_do_not_bleed():
    pixels = np.zeros((400, 400, 4), np.uint8)
    pixels[:, 200:] = 255, 255, 255, 255
    made = decoded(as_png(pixels, 50))
    assert (made[..., :3][made[..., 3] > 128] > 250).all()


def test_a_jpeg_has_alpha_on_white_and_tells_its_size():
    pixels = np.zeros((60, 80, 4), np.uint8)
    data, size = as_jpeg(pixels, 40)
    assert size == (40, 30)
    made = Image.open(io.BytesIO(data))
    assert (made.format, made.mode, made.size) == ("JPEG", "RGB", (40, 30))
    assert np.asarray(made).min() > 250
