"""Tests of pictures that visitors send."""

import io

import numpy as np
import pytest
from PIL import Image

from neural_style.errors import ImageError
from neural_style.web import pictures
from neural_style.web.pictures import BRUSHES, regions_of, take


def test_a_photo_is_shown_upright_and_small(visitor, tmp_path):
    path = tmp_path / "phone.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.new("RGB", (3000, 2000), "red").save(path, exif=exif)
    sent = take(visitor, str(path), "photo", 10**8)
    assert (sent.width, sent.height) == (2000, 3000)
    with Image.open(sent.shown) as shown:
        assert shown.size == (683, 1024)
    assert visitor.owns(sent.shown)
    assert take(visitor, sent.shown, "photo", 10**8) is sent
    assert take(visitor, str(path), "photo", 10**8) is sent


def test_transparent_pictures_stay_transparent(visitor, tmp_path):
    path = tmp_path / "cut out.png"
    Image.new("RGBA", (100, 80), (255, 0, 0, 100)).save(path)
    with Image.open(take(visitor, str(path), "photo", 10**8).shown) as shown:
        assert shown.mode == "RGBA"
        assert shown.getpixel((5, 5)) == (255, 0, 0, 100)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("letter.jpg", b"Dear Ann,\n", "photo 'letter.jpg' is not a picture of a known kind"),
        ("empty.png", b"", "photo 'empty.png' is empty"),
        ("half.jpg", None, "photo 'half.jpg' is damaged or truncated"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "photo 'drawing.svg' is"),
    ],
)
def test_what_is_no_picture_is_one_sentence(visitor, tmp_path, name, data, message):
    if data is None:
        stream = io.BytesIO()
        Image.effect_noise((200, 200), 50).save(stream, "JPEG")
        data = stream.getvalue()[:3000]
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(ImageError, match=rf"^{message}"):
        take(visitor, str(path), "photo", 10**8)


def test_small_and_large_pictures_are_refused(visitor, tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (20, 200)).save(path)
    with pytest.raises(ImageError, match=r"^photo 'a\.png': expected at least 32 px a side, got 20×200"):
        take(visitor, str(path), "photo", 10**8)
    with pytest.raises(ImageError, match=r"expected at most 3999 pixels, got 20×200"):
        take(visitor, str(path), "photo", 3999)


def _layer(*blots):
    image = Image.new("RGBA", (40, 30))
    for color, box in blots:
        image.paste(color, box)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def test_each_color_is_the_mask_of_its_style():
    layer = _layer((BRUSHES[0], (0, 0, 10, 30)), (BRUSHES[2], (20, 0, 40, 30)))
    masks = regions_of([layer], 3)
    expected = np.zeros((3, 30, 40), np.uint8)
    expected[0, :, :10] = expected[2, :, 20:] = 255
    np.testing.assert_array_equal(masks, expected)


def test_what_is_painted_later_counts_and_little_is_nothing(tmp_path):
    below, above = _layer((BRUSHES[0], (0, 0, 40, 30))), _layer((BRUSHES[1], (0, 0, 20, 30)))
    path = tmp_path / "layer.png"
    path.write_bytes(above)
    masks = regions_of([below, str(path)], 2)
    assert [mask.mean() for mask in masks] == [127.5, 127.5]
    assert regions_of([_layer()], 2) == []
    assert regions_of([], 2) == []
    assert regions_of([_layer((BRUSHES[0], (0, 0, 1, 1)))], 2) == []


@pytest.mark.parametrize("layer", [b"", b"text", b"\x89PNG\r\n\x1a\n" + bytes(50)])
def test_layers_that_are_no_pictures_are_one_sentence(layer):
    with pytest.raises(ImageError, match=r"^regions: expected what was painted on the photo, got "):
        regions_of([layer], 1)


def test_large_layers_are_refused(monkeypatch):
    monkeypatch.setattr(pictures, "_MOST_REGION_PIXELS", 1199)
    with pytest.raises(ImageError, match=r"got .*40×30 px"):
        regions_of([_layer()], 1)
