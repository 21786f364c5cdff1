import json
import os

import numpy as np
import pytest
from picture_files import SMOOTH, flat

from neural_style.errors import ImageError
from neural_style.images.picture import Picture, blank, describe, lanczos, resize, scaled_height, with_alpha
from neural_style.images.reading import read_image, read_settings
from neural_style.images.writing import OUTPUT_FORMATS, write_image


def test_describe(tmp_path):
    assert describe(tmp_path / "x.jpg") == "x.jpg"
    assert describe("folder/x.jpg") == "x.jpg"
    assert describe(flat("L", 0)) == "a PIL image"
    assert describe(np.zeros((2, 2))) == "an array"


def test_names_that_are_no_text(tmp_path):
    """As of a disk written in another encoding: they can be printed, encoded and stored."""
    for name in (b"caf\xe9.jpg", b"\xff\xfe", "Küste 海.jpg".encode(), b"\xed\xa0\x80.png"):
        path = tmp_path / os.fsdecode(name)
        described = describe(path)
        assert described.encode().decode() == json.loads(json.dumps(described))
        with pytest.raises(ImageError, match="does not exist") as caught:
            read_image(path)
        str(caught.value).encode()
        path.write_bytes(b"no picture")
        with pytest.raises(ImageError, match="not a picture") as caught:
            read_image(path)
        str(caught.value).encode()
    assert describe(os.fsdecode(b"caf\xe9.jpg")) == "caf\N{REPLACEMENT CHARACTER}.jpg"
    assert describe("Küste 海.jpg") == "Küste 海.jpg"


def test_pictures_with_names_that_are_no_text(tmp_path):
    color = np.full((4, 5, 3), 9, np.uint8)
    for extension in OUTPUT_FORMATS:
        folder = tmp_path / os.fsdecode(b"\xe9t\xe9")
        path = folder / os.fsdecode(b"caf\xe9" + extension.encode())
        for pixels in (color, color * np.uint16(257)) if OUTPUT_FORMATS[extension].keeps_16_bits else (color,):
            assert write_image(path, pixels, settings={"content": os.fsdecode(b"\xe9")}, overwrite=True) == path
            np.testing.assert_allclose(read_image(path).rgb, 9, atol=1)
            read_settings(path)
    for name in ("a.nef", "b.png"):
        with pytest.raises(ImageError) as caught:
            read_image(tmp_path / os.fsdecode(b"\xe9") / name)
        str(caught.value).encode()


def test_resize():
    picture = read_image(SMOOTH)
    assert resize(picture, 30, 24) is picture
    half = resize(picture, 15, 12)
    assert (half.height, half.width, half.alpha) == (12, 15, None)
    assert half.rgb.dtype == np.float32
    inner = SMOOTH.astype(float).reshape(12, 2, 15, 2, 3).mean(axis=(1, 3))[2:-2, 2:-2]
    np.testing.assert_allclose(half.rgb[2:-2, 2:-2], inner, atol=0.5)
    assert len(np.unique(half.rgb % 1)) > 10  # not rounded to whole numbers


def test_resize_does_not_overshoot():
    edge = np.zeros((8, 8), np.uint8)
    edge[:, 4:] = 255
    enlarged = resize(read_image(edge), 64, 64).rgb
    assert (enlarged.min(), enlarged.max()) == (0, 255)


@pytest.mark.parametrize("side", [7, 10, 45])
def test_resize_leaves_no_fringe(side):
    rgb = np.zeros((20, 20, 3), np.float32)
    alpha = np.zeros((20, 20), np.float32)
    rgb[6:14, 6:14], alpha[6:14, 6:14] = (200, 100, 50), 1  # black around it, but hidden
    resized = resize(Picture(rgb, alpha), side, side)
    assert 0 <= resized.alpha.min() < 0.01
    assert 0.99 < resized.alpha.max() <= 1
    assert np.isfinite(resized.rgb).all()
    visible = resized.alpha > 1 / 255
    np.testing.assert_allclose(resized.rgb[visible], np.tile([200, 100, 50], (visible.sum(), 1)), atol=0.05)


def test_resize_of_next_to_nothing_visible():
    rgb, alpha = np.full((64, 64, 3), 80, np.float32), np.zeros((64, 64), np.float32)
    alpha[0, 0] = 1
    resized = resize(Picture(rgb, alpha), 1, 1)
    np.testing.assert_allclose(resized.rgb, 80, atol=1e-3)


@pytest.mark.parametrize(("width", "height"), [(400, 300), (200, 150), (1, 1), (101, 76), (1000, 750)])
def test_scaled_height(width, height):
    assert scaled_height(Picture(np.zeros((300, 400, 3), np.float32), None), width) == height


def test_scaled_height_is_at_least_one():
    assert scaled_height(Picture(np.zeros((2, 400, 3), np.float32), None), 10) == 1


def test_with_alpha():
    rgb = np.full((1, 3, 3), 9, np.uint8)
    assert with_alpha(rgb, None) is rgb
    joined = with_alpha(rgb, np.array([[0, 0.2, 1]], np.float32))
    assert joined.dtype == np.uint8
    assert joined.tolist() == [[[9, 9, 9, 0], [9, 9, 9, 51], [9, 9, 9, 255]]]


def test_what_wraps_is_resized_as_the_middle_of_copies():
    values = np.random.default_rng(0).uniform(0, 255, (24, 32, 2)).astype(np.float32)
    for width, height in ((64, 48), (80, 72), (33, 25)):
        copies = lanczos(np.tile(values, (3, 3, 1)), 3 * width, 3 * height)
        middle = copies[height : 2 * height, width : 2 * width]
        np.testing.assert_allclose(lanczos(values, width, height, wraps=True), middle, atol=0.02)
    assert not np.allclose(lanczos(values, 64, 48), lanczos(values, 64, 48, wraps=True), atol=1)


def test_a_blank_picture_of_any_size_is_gray():
    made = resize(blank(64, 48), 32, 40)
    assert (made.rgb.shape, made.rgb.min(), made.rgb.max(), made.alpha) == ((40, 32, 3), 127.5, 127.5, None)
    assert made.rgb.base.nbytes <= 12
