import errno
import logging
import os
import struct
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile
from picture_files import (
    ADOBE_RGB,
    BLUE,
    GREEN,
    LINEAR_GRAY,
    ORIENTATION,
    RED,
    SMOOTH,
    WHITE,
    cmyk_profile,
    first,
    flat,
    message_of,
    png,
    rgb_profile,
    saved,
    stored_as,
    tiff,
)
from PIL import Image, ImageCms, ImageFile

from neural_style.config.config import Config
from neural_style.config.encoded_picture import EncodedPicture
from neural_style.errors import ImageError
from neural_style.images import png_chunks, reading
from neural_style.images.reading import read_image
from neural_style.images.writing import write_image

# Reading: modes and formats


@pytest.mark.parametrize(
    ("name", "image", "tolerance"),
    [
        ("a.png", flat("RGB", (200, 100, 50)), 0),
        ("a.jpg", flat("RGB", (200, 100, 50)), 2),
        ("a.JPEG", flat("RGB", (200, 100, 50)), 2),
        ("a.webp", flat("RGB", (200, 100, 50)), 4),
        ("a.tif", flat("RGB", (200, 100, 50)), 0),
        ("a.bmp", flat("RGB", (200, 100, 50)), 0),
        ("a.gif", flat("RGB", (200, 100, 50)), 0),
        ("a.ppm", flat("RGB", (200, 100, 50)), 0),
    ],
)
def test_every_format(tmp_path, name, image, tolerance):
    picture = read_image(saved(tmp_path / name, image))
    assert picture.rgb.shape == (16, 16, 3)
    assert picture.rgb.dtype == np.float32
    assert picture.alpha is None
    np.testing.assert_allclose(first(picture), (200, 100, 50), atol=tolerance)


@pytest.mark.parametrize(
    ("mode", "color", "rgb"),
    [
        ("1", 255, WHITE),
        ("1", 0, (0, 0, 0)),
        ("L", 77, (77, 77, 77)),
        ("LA", (77, 255), (77, 77, 77)),
        ("La", (77, 255), (77, 77, 77)),
        ("PA", (77, 255), (77, 77, 77)),
        ("RGBA", (1, 2, 3, 255), (1, 2, 3)),
        ("RGBa", (1, 2, 3, 255), (1, 2, 3)),
        ("RGBX", (1, 2, 3, 0), (1, 2, 3)),
        ("CMYK", (0, 0, 0, 0), WHITE),
        ("CMYK", (0, 0, 0, 255), (0, 0, 0)),
        ("CMYK", (0, 255, 255, 0), RED),
        ("CMYK", (255, 0, 255, 0), GREEN),
        ("YCbCr", (76, 85, 255), (254, 0, 0)),
        ("HSV", (85, 255, 255), GREEN),
        ("LAB", (138, 209, 198), RED),
        ("I", 65535, WHITE),
        ("I;16", 257, (1, 1, 1)),
        ("I;16B", 65535, WHITE),
        ("F", 0.5, (127.5, 127.5, 127.5)),
        ("F", 127.25, (127.25, 127.25, 127.25)),
    ],
)
def test_every_mode_of_pil_images(mode, color, rgb):
    picture = read_image(flat(mode, color))
    assert picture.alpha is None
    np.testing.assert_allclose(first(picture), rgb, atol={"LAB": 5, "YCbCr": 2}.get(mode, 0))


@pytest.mark.parametrize(
    ("mode", "color", "rgb"),
    [
        ("LA", (90, 51), (90, 90, 90)),
        ("La", (18, 51), (90, 90, 90)),
        ("RGBA", (90, 60, 30, 51), (90, 60, 30)),
        ("RGBa", (18, 12, 6, 51), (90, 60, 30)),
        ("PA", (90, 51), (90, 90, 90)),
    ],
)
def test_alpha_of_pil_images(mode, color, rgb):
    picture = read_image(flat(mode, color))
    assert first(picture) == list(rgb)
    np.testing.assert_allclose(picture.alpha, 0.2, atol=1e-6)
    assert picture.alpha.dtype == np.float32
    assert picture.alpha.shape == (16, 16)


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
@pytest.mark.parametrize(
    ("ink", "rgb"),
    [
        ((0, 0, 0, 0), WHITE),
        ((0, 0, 0, 255), (0, 0, 0)),
        ((255, 0, 0, 0), (0, 255, 255)),
        ((0, 255, 255, 0), RED),
        ((0, 0, 0, 55), (200, 200, 200)),
    ],
)
def test_cmyk_files_are_not_taken_as_rgba(tmp_path, name, ink, rgb):
    picture = read_image(saved(tmp_path / name, flat("CMYK", ink)))
    assert picture.alpha is None
    np.testing.assert_allclose(first(picture), rgb, atol=2)


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_cmyk_profile_is_applied(tmp_path, name):
    image = flat("CMYK", (0, 0, 0, 0), (48, 16))
    image.paste((255, 0, 0, 0), (16, 0, 32, 16))
    image.paste((0, 0, 0, 255), (32, 0, 48, 16))
    picture = read_image(saved(tmp_path / name, image, icc_profile=cmyk_profile()))
    for x, rgb in ((4, WHITE), (20, GREEN), (40, (0, 0, 0))):
        np.testing.assert_allclose(picture.rgb[8, x], rgb, atol=10)


def test_16_bit_gray_keeps_its_precision(tmp_path):
    ramp = np.array([[0, 1, 257, 32768, 65534, 65535]], np.uint16)
    expected = ramp[0] / 257
    for name in ("a.png", "a.tif"):
        picture = read_image(saved(tmp_path / name, Image.fromarray(ramp)))
        np.testing.assert_allclose(picture.rgb[0], np.stack([expected] * 3, axis=-1), atol=1e-5)
    big_endian = Image.frombytes("I;16B", (6, 1), ramp.astype(">u2").tobytes())
    np.testing.assert_array_equal(read_image(big_endian).rgb, picture.rgb)


def test_gray_tiffs_of_12_bits_and_of_inverted_gray(tmp_path):
    (tmp_path / "12.tif").write_bytes(tiff(2, 1, 12, 1, bytes([0xFF, 0xF8, 0x00])))  # 4095, 2048
    (tmp_path / "inverted.tif").write_bytes(tiff(2, 1, 16, 0, struct.pack("<2H", 0, 65535)))
    np.testing.assert_allclose(read_image(tmp_path / "12.tif").rgb[0, :, 0], [255, 2048 * 255 / 4095], atol=1e-4)
    assert read_image(tmp_path / "inverted.tif").rgb[0, :, 0].tolist() == [255, 0]


def test_32_bit_gray_has_no_known_white():
    with pytest.raises(ImageError, match="white is unknown"):
        read_image(Image.new("I", (4, 4), 65536))


def test_16_bit_color_with_alpha(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png(2, 1, 16, 6, struct.pack(">8H", 65535, 32896, 0, 65535, 0, 0, 0, 32896)))
    picture = read_image(path)
    assert picture.rgb[0].tolist() == [[255, 128, 0], [0, 0, 0]]
    np.testing.assert_allclose(picture.alpha[0], [1, 128 / 255], atol=1e-6)
    path.write_bytes(png(1, 1, 16, 2, struct.pack(">3H", 65535, 32896, 0)))
    assert first(read_image(path)) == [255, 128, 0]


def test_float_tiff(tmp_path):
    unit = saved(tmp_path / "unit.tif", Image.fromarray(np.array([[-0.1, 0.5, 1]], np.float32)))
    full = saved(tmp_path / "full.tif", Image.fromarray(np.array([[0.5, 1, 300]], np.float32)))
    assert read_image(unit).rgb[0, :, 0].tolist() == [0, 127.5, 255]
    assert read_image(full).rgb[0, :, 0].tolist() == [0.5, 1, 255]
    with pytest.raises(ImageError, match="not finite"):
        read_image(Image.fromarray(np.full((2, 2), np.nan, np.float32)))


def test_palette_with_transparency(tmp_path):
    image = Image.new("P", (3, 1))
    image.putpalette([*RED, *GREEN, *BLUE])
    image.putdata([0, 1, 2])
    one = read_image(saved(tmp_path / "one.png", image, transparency=2))
    assert one.rgb[0].tolist() == [[255, 0, 0], [0, 255, 0], [127.5, 127.5, 0]]
    assert one.alpha[0].tolist() == [1, 1, 0]
    several = read_image(saved(tmp_path / "several.png", image, transparency=bytes([255, 51, 0])))
    np.testing.assert_allclose(several.alpha[0], [1, 0.2, 0], atol=1e-6)
    np.testing.assert_allclose(several.rgb[0, 2], [212.5, 42.5, 0], atol=1e-4)
    gif = read_image(saved(tmp_path / "a.gif", image, transparency=0))
    assert gif.alpha[0].tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("bits", "color_type", "row", "transparent"),
    [
        (1, 0, b"\x40", struct.pack(">H", 1)),
        (2, 0, b"\x10", struct.pack(">H", 1)),
        (4, 0, b"\x03", struct.pack(">H", 3)),
        (8, 0, b"\x00\x07", struct.pack(">H", 7)),
        (16, 0, struct.pack(">2H", 0, 513), struct.pack(">H", 513)),
        (8, 2, bytes([0, 0, 0, 9, 8, 7]), struct.pack(">3H", 9, 8, 7)),
        (16, 2, struct.pack(">6H", 0, 0, 0, 0x1234, 0x5678, 0xABCD), struct.pack(">3H", 0x1234, 0x5678, 0xABCD)),
    ],
)
def test_png_with_a_transparent_color(tmp_path, bits, color_type, row, transparent):
    path = tmp_path / "a.png"
    path.write_bytes(png(2, 1, bits, color_type, row, transparent=transparent))
    assert read_image(path).alpha[0].tolist() == [1, 0]


def test_first_frame_of_an_animation(tmp_path):
    path = tmp_path / "a.gif"
    flat("RGB", RED).save(path, save_all=True, append_images=[flat("RGB", BLUE)])
    assert first(read_image(path)) == list(RED)


# Reading: orientation and profiles


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.webp"])
def test_orientation(tmp_path, name, orientation):
    corners = np.array([[RED, GREEN, BLUE], [WHITE, (0, 0, 0), (128, 128, 128)]], np.uint8)
    upright = corners.repeat(16, axis=0).repeat(16, axis=1)
    image = Image.fromarray(np.ascontiguousarray(stored_as(upright, orientation)))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    picture = read_image(saved(tmp_path / name, image, exif=exif))
    assert (picture.height, picture.width) == (32, 48)
    np.testing.assert_allclose(picture.rgb[8::16, 8::16], corners, atol=6)


def test_orientation_of_alpha_of_deep_gray_and_of_pil_images():
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # to be turned clockwise
    for image in (Image.new("LA", (2, 1), (9, 255)), Image.new("I;16", (2, 1), 257 * 9)):
        image.putpixel((0, 0), (200, 128) if image.mode == "LA" else 257 * 200)
        image.info["exif"] = exif.tobytes()
        picture = read_image(image)
        assert picture.rgb[:, 0, 0].tolist() == [200, 9]
        assert image.size == (2, 1)
        if image.mode == "LA":
            np.testing.assert_allclose(picture.alpha[:, 0], [128 / 255, 1], atol=1e-6)


def test_damaged_exif_is_ignored_with_a_warning(caplog):
    image = flat("RGB", RED)
    image.info["exif"] = b"Exif\0\0rubbish"
    assert first(read_image(image, "style picture")) == list(RED)
    assert "style picture (a PIL image): its EXIF data are damaged" in caplog.text


def test_srgb_profile_changes_nothing(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.fromarray(SMOOTH)
    picture = read_image(saved(tmp_path / "a.png", image, icc_profile=profile))
    np.testing.assert_allclose(picture.rgb, SMOOTH, atol=1)


def test_wide_gamut_profile(tmp_path):
    # By hand: linear Adobe RGB = (value/255)^2.19922, to XYZ, to linear sRGB, then sRGB's curve.
    to_xyz = np.array([[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]])
    to_srgb = np.array([[3.24045, -1.53714, -0.49853], [-0.96927, 1.87601, 0.04156], [0.05564, -0.20403, 1.05723]])
    linear = to_srgb @ to_xyz @ (np.array([160, 120, 90]) / 255) ** 2.19922
    expected = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
    path = saved(tmp_path / "a.png", flat("RGBA", (160, 120, 90, 51)), icc_profile=ADOBE_RGB)
    picture = read_image(path)
    np.testing.assert_allclose(first(picture), expected, atol=1)
    assert first(picture)[0] > 168  # more saturated than the numbers say
    np.testing.assert_allclose(picture.alpha, 0.2, atol=1e-6)


@pytest.mark.parametrize(("mode", "half"), [("L", 128), ("LA", (128, 255)), ("I;16", 128 * 257), ("F", 128.0)])
def test_gray_profile(mode, half):
    image = flat(mode, half)
    image.info["icc_profile"] = LINEAR_GRAY
    # sRGB of a linear 128/255 is 255 · (1.055 · 0.502^(1/2.4) - 0.055) = 188
    np.testing.assert_allclose(first(read_image(image)), 188, atol=1)


def test_16_bit_gray_with_a_profile_stays_smooth():
    image = Image.fromarray(np.arange(32768, 32768 + 257, dtype=np.uint16)[np.newaxis])
    image.info["icc_profile"] = LINEAR_GRAY
    steps = np.diff(read_image(image).rgb[0, :, 0])
    assert (steps >= 0).all()
    assert steps.max() < 0.1


def test_gray_with_an_rgb_profile():
    image = flat("L", 128)
    image.info["icc_profile"] = rgb_profile((0.436, 0.222, 0.014), (0.385, 0.717, 0.097), (0.143, 0.061, 0.714), 1.0)
    np.testing.assert_allclose(first(read_image(image)), 188, atol=2)


@pytest.mark.parametrize("profile", [b"rubbish", LINEAR_GRAY, ADOBE_RGB[:200], ADOBE_RGB.replace(b"RGB ", b"\xffGB ")])
def test_unusable_profile_is_ignored_with_one_warning(tmp_path, caplog, profile):
    path = saved(tmp_path / "a.png", flat("RGBA", (160, 120, 90, 51)), icc_profile=profile)
    picture = read_image(path, "content picture")
    assert first(picture) == [160, 120, 90]
    np.testing.assert_allclose(picture.alpha, 0.2, atol=1e-6)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("neural_style", logging.WARNING)
    assert record.getMessage().startswith("content picture 'a.png': its color profile")
    assert "\n" not in record.getMessage()


# Reading: arrays and alpha


@pytest.mark.parametrize(
    ("array", "rgb", "alpha"),
    [
        (np.full((2, 3), 7, np.uint8), (7, 7, 7), None),
        (np.full((2, 3, 1), 7, np.uint8), (7, 7, 7), None),
        (np.full((2, 3, 2), [7, 51], np.uint8), (7, 7, 7), 0.2),
        (np.full((2, 3, 3), [7, 8, 9], np.uint8), (7, 8, 9), None),
        (np.full((2, 3, 4), [7, 8, 9, 51], np.uint8), (7, 8, 9), 0.2),
        (np.full((2, 3, 4), [7, 8, 9, 255], np.uint8), (7, 8, 9), None),
        (np.full((2, 3), 65535, np.uint16), WHITE, None),
        (np.full((2, 3, 4), [128, 257, 514, 13107], ">u2"), (128 / 257, 1, 2), 0.2),
        (np.full((2, 3), True), WHITE, None),
        (np.full((2, 3, 3), [-1.0, 0.25, 300.0]), (0, 0.25, 255), None),
        (np.full((2, 3, 2), [7.5, 51], np.float16), (7.5, 7.5, 7.5), 0.2),
    ],
)
def test_arrays(array, rgb, alpha):
    before = array.copy()
    picture = read_image(array)
    assert (picture.height, picture.width) == (2, 3)
    assert picture.rgb.dtype == np.float32
    np.testing.assert_allclose(first(picture), rgb, rtol=1e-6)
    assert (picture.alpha is None) == (alpha is None)
    if alpha:
        np.testing.assert_allclose(picture.alpha, alpha, rtol=1e-6)
    np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4, 5), np.uint8), r"shape \(4, 4, 5\)"),
        (np.zeros(4, np.uint8), r"shape \(4,\)"),
        (np.zeros((1, 4, 4, 3), np.uint8), "shape"),
        (np.zeros((4, 4), np.int64), "type int64"),
        (np.zeros((4, 4), complex), "type complex128"),
        (np.full((4, 4), np.inf), "not finite"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
    ],
)
def test_arrays_that_are_no_pictures(array, message):
    with pytest.raises(ImageError, match=message) as caught:
        read_image(array, "style picture")
    assert str(caught.value).startswith("style picture (an array) ")


@pytest.mark.parametrize("mode", ["L", "RGBA", "I;16", "F"])
def test_pil_images_without_pixels(mode):
    with pytest.raises(ImageError, match="no pixels"):
        read_image(Image.new(mode, (4, 0)))


def test_hidden_colors_become_the_mean_of_the_visible_ones():
    array = np.array([[[10, 20, 30, 255], [50, 60, 70, 85], [255, 0, 255, 0]]], np.uint8)
    picture = read_image(array)
    assert picture.rgb[0, :2].tolist() == [[10, 20, 30], [50, 60, 70]]
    np.testing.assert_allclose(picture.rgb[0, 2], [20, 30, 40], atol=1e-4)  # weights 3 : 1


def test_fully_transparent_picture():
    with pytest.raises(ImageError, match="fully transparent"):
        read_image(flat("RGBA", (255, 255, 255, 0)))


# Reading: what cannot be read


def test_missing_file(tmp_path):
    message = message_of(tmp_path / "x.jpg")
    assert message.startswith("content picture 'x.jpg' does not exist; give the path of a picture file")
    assert str(tmp_path) in message
    assert r"'a\nb.jpg'" in message_of(tmp_path / "a\nb.jpg")


def test_paths_that_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "is a folder" in message_of(tmp_path)
    assert "is not a regular file" in message_of(tmp_path / "pipe")
    assert "download it first" in message_of("https://example.org/x.jpg")


def test_file_without_permission(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    path = saved(tmp_path / "x.png", flat("L", 0))
    monkeypatch.setattr("io.FileIO", refuse)
    assert "change its permissions" in message_of(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty (0 bytes)"),
        (b"hello", "not a picture of a known kind"),
        (b"\x89PNG\r\n\x1a\n", "damaged or truncated"),
    ],
)
def test_files_that_are_no_pictures(tmp_path, content, said):
    (tmp_path / "x.png").write_bytes(content)
    assert said in message_of(tmp_path / "x.png")


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.webp", "x.bmp", "x.tif", "x.gif"])
def test_truncated_files(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    whole = saved(tmp_path / name, Image.fromarray(noise)).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    message = message_of(tmp_path / name)
    assert "damaged or truncated" in message or "not a picture of a known kind" in message


def test_pillows_limit_of_pixels_does_not_matter_and_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    image = flat("L", 9, (7, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("a.png", "a.jpg", "a.tif", "a.gif", "a.webp"):
            np.testing.assert_allclose(first(read_image(saved(tmp_path / name, image))), 9, atol=2)
        assert first(read_image(image)) == [9, 9, 9]
    (tmp_path / "b.png").write_bytes(b"no picture")
    message_of(tmp_path / "b.png")
    assert Image.MAX_IMAGE_PIXELS == 10


def test_pillows_limit_of_pixels_is_left_alone_by_readers_in_threads(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    paths = [saved(tmp_path / f"{index}.tif", flat("L", 9, (64, 64 + index))) for index in range(20)]
    with ThreadPoolExecutor(8) as pool:
        widths = [picture.height for picture in pool.map(read_image, paths * 5)]
    assert widths == [*range(64, 84)] * 5
    assert Image.MAX_IMAGE_PIXELS == 10


@pytest.mark.parametrize("kind", ["a.png", "a.gif", "16.png", "16.tif", "a PIL image", "an array"])
def test_more_pixels_than_allowed_are_refused_before_they_are_decoded(tmp_path, monkeypatch, kind):
    def decode(*_, **__):
        pytest.fail("was decoded")

    color = np.zeros((3, 7, 3), np.uint16)
    if kind.startswith("16"):
        source = write_image(tmp_path / kind, color, settings={}, overwrite=False)
    elif kind.startswith("a."):
        source = saved(tmp_path / kind, flat("L", 9, (7, 3)))
    else:
        source = Image.open(saved(tmp_path / "b.png", flat("L", 9, (7, 3)))) if "PIL" in kind else color
    assert read_image(source, max_pixels=21).rgb.shape == (3, 7, 3)
    if "PIL" in kind:
        source = Image.open(tmp_path / "b.png")
    for module, name in ((ImageFile.ImageFile, "load"), (png_chunks, "read_16_bits"), (tifffile.TiffPage, "asarray")):
        monkeypatch.setattr(module, name, decode)
    if kind == "16.png":
        monkeypatch.undo()  # the metadata are decoded with a pixel of their own
        monkeypatch.setattr(png_chunks, "read_16_bits", decode)
    with pytest.raises(ImageError, match=r": expected at most 20 pixels, got 7×3; shrink it, or raise --max_pixels$"):
        read_image(source, "content picture", 20)


def test_the_limit_of_pixels_is_that_of_the_flag():
    assert Config("a.png", ["b.png"]).max_pixels == reading.MAX_PIXELS


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files can be counted on Linux only")
def test_files_are_closed(tmp_path):
    good = saved(tmp_path / "good.tif", flat("RGB", RED))
    bad = tmp_path / "bad.png"
    bad.write_bytes(saved(tmp_path / "whole.png", Image.fromarray(SMOOTH)).read_bytes()[:80])
    before = len(os.listdir("/proc/self/fd"))
    read_image(good)
    message_of(bad)
    assert len(os.listdir("/proc/self/fd")) == before


# --- bytes of files ---------------------------------------------------------------------------------------------------


def encoded(path, data=None):
    return EncodedPicture(path.read_bytes() if data is None else data, "standard input", "stdin")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.gif", "a.tif", "a.bmp", "a.jp2"])
def test_the_bytes_of_a_file_are_read_like_the_file(tmp_path, name):
    image = flat("RGB", (250, 120, 30), (32, 40))
    path = saved(tmp_path / name, image)
    np.testing.assert_array_equal(read_image(encoded(path)).rgb, read_image(path).rgb)


def test_16_bits_and_alpha_of_the_bytes_of_a_file_are_kept(tmp_path):
    deep = np.random.default_rng(0).integers(1, 2**16, (9, 7, 4), np.uint16)
    for name in ("a.png", "a.tif"):
        path = write_image(tmp_path / name, deep, settings={}, overwrite=False)
        read, expected = read_image(encoded(path)), read_image(path)
        np.testing.assert_array_equal(read.rgb, expected.rgb)
        np.testing.assert_array_equal(read.alpha, expected.alpha)
        assert np.any(read.rgb % 1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"content picture \(standard input\) is empty \(0 bytes\)"),
        (b"text", r"content picture \(standard input\) is not a picture of a known kind"),
        (b"FUJIFILMCCD-RAW ", r"content picture \(standard input\): expected a finished picture, got a camera raw"),
    ],
)
def test_bytes_that_are_no_picture_are_refused(data, message):
    with pytest.raises(ImageError, match=f"^{message}"):
        read_image(encoded(None, data), "content picture")
