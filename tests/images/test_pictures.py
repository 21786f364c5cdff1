import errno
import io
import json
import logging
import os
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageFile, TiffImagePlugin

from neural_style import __version__
from neural_style.config.config import Config
from neural_style.errors import ImageError, OutputError
from neural_style.images import pictures as images
from neural_style.images.pictures import (
    OUTPUT_FORMATS,
    Picture,
    check_format,
    describe,
    read_image,
    read_settings,
    resize,
    scaled_height,
    with_alpha,
    write_image,
)

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
ORIENTATION = 0x0112
SETTINGS = {"content": "Küste 海.jpg", "steps": 500, "layers": ["conv4_2"], "nested": {"weight": 1.5, "none": None}}
EMBEDDING = [extension for extension in OUTPUT_FORMATS if extension != ".bmp"]
SMOOTH = np.stack(np.broadcast_arrays(*np.ogrid[60:190:24j, 60:190:30j], 120), axis=-1).astype(np.uint8)


def flat(mode, colour, size=(16, 16)):
    image = Image.new(mode, size, colour)
    if mode == "PA":
        image.putpalette(bytes(range(256)) * 3, "RGB;L")  # grey
    return image


def first(picture):
    """Colour of the top left pixel."""
    return picture.rgb[0, 0].tolist()


def saved(path, image, **options):
    image.save(path, **options)
    return path


def png(width, height, bits, colour_type, *rows, transparent=None):
    """Bytes of a PNG of a kind that Pillow does not write; rows are packed pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    key = chunk(b"tRNS", transparent) if transparent else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + key + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def tiff(width, height, bits, photometric, data):
    """Bytes of a little-endian grey TIFF with one strip."""
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1, 278: height, 279: len(data)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    padding = b"\0" * (len(data) % 2)
    start = 8 + len(data) + len(padding)
    return struct.pack("<2sHI", b"II", 42, start) + data + padding + struct.pack("<H", len(tags)) + entries + b"\0" * 4


def fixed(*numbers):
    return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)


def icc(space, connection, **tags):
    """An ICC profile, version 2, of an input device."""
    white = b"XYZ \0\0\0\0" + fixed(0.9642, 1, 0.8249)
    text = b"text\0\0\0\0none\0"
    desc = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(78)
    elements = {"desc": desc, "cprt": text, "wtpt": white, **tags}
    table, body, start = b"", b"", 128 + 4 + 12 * len(elements)
    for name, data in elements.items():
        table += name.encode() + struct.pack(">II", start + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    size = start + len(body)
    header = struct.pack(">I4sI4s4s4s12x4s", size, b"none", 0x02400000, b"scnr", space, connection, b"acsp")
    header = header.ljust(68, b"\0") + fixed(0.9642, 1, 0.8249)
    return header.ljust(128, b"\0") + struct.pack(">I", len(elements)) + table + body


def gamma(value):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256)) + b"\0\0"


def rgb_profile(red, green, blue, exponent):
    xyz = {f"{n}XYZ": b"XYZ \0\0\0\0" + fixed(*column) for n, column in zip("rgb", (red, green, blue), strict=True)}
    return icc(b"RGB ", b"XYZ ", **xyz, **{f"{n}TRC": gamma(exponent) for n in "rgb"})


# Adobe RGB (1998): its primaries adapted to D50, and gamma 563/256.
ADOBE_RGB = rgb_profile((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457), 2.19922)
LINEAR_GREY = icc(b"GRAY", b"XYZ ", kTRC=gamma(1.0))


def cmyk_profile():
    """A made-up press whose cyan ink is sRGB's green, Lab (87.8, -79, 81), and whose other inks are black."""
    lab = {True: (224, 128 - 79, 128 + 81), False: (0, 128, 128)}
    nodes = [(255, 128, 128) if not any(ink) else lab[ink == (1, 0, 0, 0)] for ink in np.ndindex(2, 2, 2, 2)]
    ramp = bytes(range(256))
    head = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    return icc(b"CMYK", b"Lab ", A2B0=head + ramp * 4 + bytes(np.array(nodes, np.uint8)) + ramp * 3)


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
    ("mode", "colour", "rgb"),
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
def test_every_mode_of_pil_images(mode, colour, rgb):
    picture = read_image(flat(mode, colour))
    assert picture.alpha is None
    np.testing.assert_allclose(first(picture), rgb, atol={"LAB": 5, "YCbCr": 2}.get(mode, 0))


@pytest.mark.parametrize(
    ("mode", "colour", "rgb"),
    [
        ("LA", (90, 51), (90, 90, 90)),
        ("La", (18, 51), (90, 90, 90)),
        ("RGBA", (90, 60, 30, 51), (90, 60, 30)),
        ("RGBa", (18, 12, 6, 51), (90, 60, 30)),
        ("PA", (90, 51), (90, 90, 90)),
    ],
)
def test_alpha_of_pil_images(mode, colour, rgb):
    picture = read_image(flat(mode, colour))
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


def test_16_bit_grey_keeps_its_precision(tmp_path):
    ramp = np.array([[0, 1, 257, 32768, 65534, 65535]], np.uint16)
    expected = ramp[0] / 257
    for name in ("a.png", "a.tif"):
        picture = read_image(saved(tmp_path / name, Image.fromarray(ramp)))
        np.testing.assert_allclose(picture.rgb[0], np.stack([expected] * 3, axis=-1), atol=1e-5)
    big_endian = Image.frombytes("I;16B", (6, 1), ramp.astype(">u2").tobytes())
    np.testing.assert_array_equal(read_image(big_endian).rgb, picture.rgb)


def test_grey_tiffs_of_12_bits_and_of_inverted_grey(tmp_path):
    (tmp_path / "12.tif").write_bytes(tiff(2, 1, 12, 1, bytes([0xFF, 0xF8, 0x00])))  # 4095, 2048
    (tmp_path / "inverted.tif").write_bytes(tiff(2, 1, 16, 0, struct.pack("<2H", 0, 65535)))
    np.testing.assert_allclose(read_image(tmp_path / "12.tif").rgb[0, :, 0], [255, 2048 * 255 / 4095], atol=1e-4)
    assert read_image(tmp_path / "inverted.tif").rgb[0, :, 0].tolist() == [255, 0]


def test_32_bit_grey_has_no_known_white():
    with pytest.raises(ImageError, match="white is unknown"):
        read_image(Image.new("I", (4, 4), 65536))


def test_16_bit_colour_with_alpha(tmp_path):
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
    ("bits", "colour_type", "row", "transparent"),
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
def test_png_with_a_transparent_colour(tmp_path, bits, colour_type, row, transparent):
    path = tmp_path / "a.png"
    path.write_bytes(png(2, 1, bits, colour_type, row, transparent=transparent))
    assert read_image(path).alpha[0].tolist() == [1, 0]


def test_first_frame_of_an_animation(tmp_path):
    path = tmp_path / "a.gif"
    flat("RGB", RED).save(path, save_all=True, append_images=[flat("RGB", BLUE)])
    assert first(read_image(path)) == list(RED)


# Reading: orientation and profiles


def stored_as(upright, orientation):
    """How a camera with this orientation stores the upright array, after the table in the EXIF standard."""
    return {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright),
        7: np.rot90(upright)[:, ::-1],
        8: np.rot90(upright, -1),
    }[orientation]


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


def test_orientation_of_alpha_of_deep_grey_and_of_pil_images():
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
def test_grey_profile(mode, half):
    image = flat(mode, half)
    image.info["icc_profile"] = LINEAR_GREY
    # sRGB of a linear 128/255 is 255 · (1.055 · 0.502^(1/2.4) - 0.055) = 188
    np.testing.assert_allclose(first(read_image(image)), 188, atol=1)


def test_16_bit_grey_with_a_profile_stays_smooth():
    image = Image.fromarray(np.arange(32768, 32768 + 257, dtype=np.uint16)[np.newaxis])
    image.info["icc_profile"] = LINEAR_GREY
    steps = np.diff(read_image(image).rgb[0, :, 0])
    assert (steps >= 0).all()
    assert steps.max() < 0.1


def test_grey_with_an_rgb_profile():
    image = flat("L", 128)
    image.info["icc_profile"] = rgb_profile((0.436, 0.222, 0.014), (0.385, 0.717, 0.097), (0.143, 0.061, 0.714), 1.0)
    np.testing.assert_allclose(first(read_image(image)), 188, atol=2)


@pytest.mark.parametrize("profile", [b"rubbish", LINEAR_GREY, ADOBE_RGB[:200], ADOBE_RGB.replace(b"RGB ", b"\xffGB ")])
def test_unusable_profile_is_ignored_with_one_warning(tmp_path, caplog, profile):
    path = saved(tmp_path / "a.png", flat("RGBA", (160, 120, 90, 51)), icc_profile=profile)
    picture = read_image(path, "content picture")
    assert first(picture) == [160, 120, 90]
    np.testing.assert_allclose(picture.alpha, 0.2, atol=1e-6)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("neural_style", logging.WARNING)
    assert record.getMessage().startswith("content picture 'a.png': its colour profile")
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


def test_hidden_colours_become_the_mean_of_the_visible_ones():
    array = np.array([[[10, 20, 30, 255], [50, 60, 70, 85], [255, 0, 255, 0]]], np.uint8)
    picture = read_image(array)
    assert picture.rgb[0, :2].tolist() == [[10, 20, 30], [50, 60, 70]]
    np.testing.assert_allclose(picture.rgb[0, 2], [20, 30, 40], atol=1e-4)  # weights 3 : 1


def test_fully_transparent_picture():
    with pytest.raises(ImageError, match="fully transparent"):
        read_image(flat("RGBA", (255, 255, 255, 0)))


# Reading: what cannot be read


def message_of(source):
    with pytest.raises(ImageError) as caught:
        read_image(source, "content picture")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("content picture '")
    return message


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
    monkeypatch.setattr("builtins.open", refuse)
    assert "change its permissions" in message_of(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n"])
def test_files_that_are_no_pictures(tmp_path, content):
    (tmp_path / "x.png").write_bytes(content)
    assert "not a picture of a known kind" in message_of(tmp_path / "x.png")


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

    colour = np.zeros((3, 7, 3), np.uint16)
    if kind.startswith("16"):
        source = write_image(tmp_path / kind, colour, settings={}, overwrite=False)
    elif kind.startswith("a."):
        source = saved(tmp_path / kind, flat("L", 9, (7, 3)))
    else:
        source = Image.open(saved(tmp_path / "b.png", flat("L", 9, (7, 3)))) if "PIL" in kind else colour
    assert read_image(source, max_pixels=21).rgb.shape == (3, 7, 3)
    if "PIL" in kind:
        source = Image.open(tmp_path / "b.png")
    for module, name in ((ImageFile.ImageFile, "load"), (imagecodecs, "png_decode"), (tifffile.TiffPage, "asarray")):
        monkeypatch.setattr(module, name, decode)
    if kind == "16.png":
        monkeypatch.undo()  # the metadata are decoded with a pixel of their own
        monkeypatch.setattr(imagecodecs, "png_decode", decode)
    with pytest.raises(ImageError, match=r": expected at most 20 pixels, got 7×3; shrink it, or raise --max_pixels$"):
        read_image(source, "content picture", 20)


def test_the_limit_of_pixels_is_that_of_the_flag():
    assert Config("a.png", ["b.png"]).max_pixels == images.MAX_PIXELS


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files can be counted on Linux only")
def test_files_are_closed(tmp_path):
    good = saved(tmp_path / "good.tif", flat("RGB", RED))
    bad = tmp_path / "bad.png"
    bad.write_bytes(saved(tmp_path / "whole.png", Image.fromarray(SMOOTH)).read_bytes()[:80])
    before = len(os.listdir("/proc/self/fd"))
    read_image(good)
    message_of(bad)
    assert len(os.listdir("/proc/self/fd")) == before


def test_describe(tmp_path):
    assert describe(tmp_path / "x.jpg") == "x.jpg"
    assert describe("folder/x.jpg") == "x.jpg"
    assert describe(flat("L", 0)) == "a PIL image"
    assert describe(np.zeros((2, 2))) == "an array"


# Changing


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


# Writing


@pytest.mark.parametrize("extension", [*OUTPUT_FORMATS, ".PNG"])
def test_writing_and_reading_back(tmp_path, extension):
    path = tmp_path / "new" / f"out{extension}"
    assert write_image(path, SMOOTH, settings=SETTINGS, overwrite=False) == path
    lossy = extension in (".jpg", ".jpeg", ".webp")
    np.testing.assert_allclose(read_image(path).rgb, SMOOTH, atol=8 if lossy else 0 if extension == ".bmp" else 1)
    assert os.listdir(path.parent) == [path.name]
    with Image.open(path) as image:
        assert image.format == OUTPUT_FORMATS[extension.lower()].name
        assert ("icc_profile" in image.info) == (extension != ".bmp")
        if extension == ".jpg":
            assert {component[1:3] for component in image.layer} == {(1, 1)}  # no subsampling
        if extension == ".tif":
            assert image.tag_v2[TiffImagePlugin.COMPRESSION] == 8  # deflate


@pytest.mark.parametrize("extension", EMBEDDING)
def test_settings_are_embedded(tmp_path, extension):
    path = write_image(tmp_path / f"out{extension}", SMOOTH, settings=SETTINGS, overwrite=False)
    assert read_settings(path) == SETTINGS
    with Image.open(path) as image:
        software = image.info.get("Software") or image.getexif()[0x0131]
        text = image.info.get("neural_style") or image.getexif()[0x010E]
    assert software == f"neural-style {__version__}"
    assert text == json.dumps(SETTINGS)
    assert text.isascii()


def test_settings_of_other_programs_are_not_ours(tmp_path):
    exif = Image.Exif()
    exif[0x010E] = '{"steps": 1}'
    assert read_settings(saved(tmp_path / "a.jpg", flat("RGB", RED), exif=exif)) is None
    assert read_settings(saved(tmp_path / "a.png", flat("RGB", RED))) is None
    assert read_settings(write_image(tmp_path / "a.bmp", SMOOTH, settings=SETTINGS, overwrite=False)) is None
    with pytest.raises(ImageError, match=r"'x\.png' does not exist"):
        read_settings(tmp_path / "x.png")


@pytest.mark.parametrize("extension", OUTPUT_FORMATS)
def test_alpha_is_kept_or_laid_on_white(tmp_path, caplog, extension):
    array = np.full((16, 16, 4), (200, 100, 50, 51), np.uint8)
    picture = read_image(write_image(tmp_path / f"out{extension}", array, settings={}, overwrite=False))
    if OUTPUT_FORMATS[extension].keeps_alpha:
        np.testing.assert_allclose(first(picture), (200, 100, 50), atol=4)
        np.testing.assert_allclose(picture.alpha, 0.2, atol=1e-6)
        assert not caplog.records
    else:
        np.testing.assert_allclose(first(picture), (244, 224, 214), atol=2)  # 0.2 · colour + 0.8 · 255
        assert picture.alpha is None
        (record,) = caplog.records
        assert "PNG, WebP and TIFF keep alpha" in record.getMessage()


@pytest.mark.parametrize("extension", OUTPUT_FORMATS)
def test_written_files_are_reproducible(tmp_path, monkeypatch, extension):
    class LaterProfile(ImageCms.ImageCmsProfile):
        def tobytes(self):
            profile = super().tobytes()
            return profile[:24] + struct.pack(">6H", 2040, 2, 3, 4, 5, 6) + profile[36:]

    paths = [tmp_path / f"{name}{extension}" for name in ("now", "later")]
    images._srgb_profile.cache_clear()
    write_image(paths[0], SMOOTH, settings=SETTINGS, overwrite=False)
    monkeypatch.setattr(ImageCms, "ImageCmsProfile", LaterProfile)
    images._srgb_profile.cache_clear()
    write_image(paths[1], SMOOTH, settings=SETTINGS, overwrite=False)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_embedded_profile_is_srgb(tmp_path):
    with Image.open(write_image(tmp_path / "a.png", SMOOTH, settings={}, overwrite=False)) as image:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    assert "sRGB" in profile.profile.profile_description


def test_existing_files_are_numbered_or_replaced(tmp_path):
    path = tmp_path / "out.png"
    path.write_bytes(b"old")
    assert write_image(path, SMOOTH, settings={}, overwrite=False) == tmp_path / "out-2.png"
    assert write_image(path, SMOOTH, settings={}, overwrite=False) == tmp_path / "out-3.png"
    assert path.read_bytes() == b"old"
    assert write_image(path, SMOOTH, settings={}, overwrite=True) == path
    assert first(read_image(path)) == SMOOTH[0, 0].tolist()
    assert sorted(os.listdir(tmp_path)) == ["out-2.png", "out-3.png", "out.png"]


@pytest.mark.parametrize(
    ("name", "size"), [("out.JPG", (65500, 1)), ("out.webp", (16383, 16383)), ("out.png", (10**5, 10**5))]
)
def test_check_format_passes_what_fits(name, size):
    assert check_format(name, "output", size).greatest_side >= max(size)


@pytest.mark.parametrize("name", ["out", "out.gif", "out.txt", ".png"])
def test_check_format_wants_a_known_extension(name):
    with pytest.raises(OutputError, match=r"output: .*\.png, \.jpg, \.jpeg, \.webp, \.tif, \.tiff, \.bmp"):
        check_format(name, "output", (10, 10))


@pytest.mark.parametrize(("name", "size"), [("a.jpg", (65501, 10)), ("a.webp", (10, 16384))])
def test_check_format_knows_how_big_a_format_can_be(tmp_path, name, size):
    with pytest.raises(OutputError, match=f"{size[0]}×{size[1]}"):
        check_format(tmp_path / name, "output", size)
    with pytest.raises(OutputError, match=f"{size[0]}×{size[1]}"):
        write_image(tmp_path / name, np.zeros((size[1], size[0], 3), np.uint8), settings={}, overwrite=False)
    assert os.listdir(tmp_path) == []
