"""Files of 16 bits per channel, and long TIFF files, as `images` reads and writes them."""

import io
import logging
import struct
import time
import tracemalloc
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from picture_files import (
    ADOBE_RGB,
    LINEAR_GRAY,
    SETTINGS,
    chunk,
    chunks_of,
    exif,
    first,
    message_of,
    noise,
    png,
    stored_as,
    with_chunks,
)
from PIL import ExifTags, Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from neural_style.errors import ImageError, OutputError
from neural_style.images import color_profiles, deep_writing, png_chunks, row_bands
from neural_style.images.color_transfer import preserve_colors
from neural_style.images.picture import lanczos, to_integers, to_uint8, with_alpha
from neural_style.images.reading import read_image, read_settings
from neural_style.images.writing import write_image

DEEP = ["a.png", "a.tif"]


def written(path, pixels, **settings):
    return write_image(path, pixels, settings=settings, overwrite=True)


# --- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DEEP)
def test_color_keeps_16_bits(tmp_path, name):
    picture = read_image(written(tmp_path / name, noise(37, 53)))
    assert picture.rgb.dtype == np.float32
    assert picture.alpha is None
    np.testing.assert_allclose(picture.rgb, noise(37, 53) / 257, rtol=1e-6)
    np.testing.assert_array_equal(to_integers(picture.rgb, 16), noise(37, 53))


@pytest.mark.parametrize("name", DEEP)
def test_color_with_alpha_keeps_16_bits(tmp_path, name):
    pixels = noise(37, 53, 4)
    pixels[..., 3] |= 1  # nothing hidden
    picture = read_image(written(tmp_path / name, pixels))
    np.testing.assert_allclose(picture.rgb, pixels[..., :3] / 257, rtol=1e-6)
    np.testing.assert_allclose(picture.alpha, pixels[..., 3] / 65535, rtol=1e-6)
    whole = with_alpha(to_integers(picture.rgb, 16), picture.alpha)
    np.testing.assert_array_equal(whole, pixels)


def test_every_value_of_16_bits_comes_back():
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1).repeat(3, axis=2)
    np.testing.assert_array_equal(to_integers(read_image(values).rgb, 16), values)


def test_gray_with_alpha(tmp_path):
    (tmp_path / "a.png").write_bytes(png(2, 1, 16, 4, struct.pack(">4H", 1000, 13107, 65535, 65535)))
    pixels = np.array([[[1000, 13107], [65535, 65535]]], np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", extrasamples=["unassalpha"])
    for name in DEEP:
        picture = read_image(tmp_path / name)
        np.testing.assert_allclose(picture.rgb[0], [[1000 / 257] * 3, [255] * 3], rtol=1e-6)
        np.testing.assert_allclose(picture.alpha[0], [0.2, 1], rtol=1e-6)


def test_interlaced_png(tmp_path):
    pixels, data = noise(11, 13), b""
    for top, left, down, right in (
        *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)),
        *((2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)),
    ):
        data += b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels[top::down, left::right])
    header = struct.pack(">IIBBBBB", 13, 11, 16, 2, 0, 0, 1)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b"")]
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    np.testing.assert_allclose(read_image(tmp_path / "a.png").rgb, pixels / 257, rtol=1e-6)


def test_transparent_color_of_a_png_is_told_by_all_its_bits(tmp_path):
    row = struct.pack(">6H", 0x1234, 0x5678, 0xABCC, 0x1234, 0x5678, 0xABCD)
    (tmp_path / "a.png").write_bytes(png(2, 1, 16, 2, row, transparent=struct.pack(">3H", 0x1234, 0x5678, 0xABCD)))
    assert read_image(tmp_path / "a.png").alpha[0].tolist() == [1, 0]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"planarconfig": "separate"},
        {"tile": (16, 32)},
        {"tile": (16, 32), "planarconfig": "separate"},
        {"compression": "lzw", "predictor": True},
        {"compression": "zstd"},
        {"byteorder": ">"},
        {"byteorder": ">", "bigtiff": True, "compression": "deflate"},
        {"bigtiff": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("channels", [3, 4])
def test_tiff_files_of_every_layout(tmp_path, options, channels):
    pixels = noise(37, 53, channels) | 1
    stored = np.moveaxis(pixels, 2, 0) if "planarconfig" in options else pixels
    alpha = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", **alpha, **options)
    picture = read_image(tmp_path / "a.tif")
    np.testing.assert_allclose(picture.rgb, pixels[..., :3] / 257, rtol=1e-6)
    if channels == 4:
        np.testing.assert_allclose(picture.alpha, pixels[..., 3] / 65535, rtol=1e-6)


def test_kinds_of_extra_samples_of_a_tiff(tmp_path):
    def read(pixels, *extra, photometric="rgb"):
        pixels = np.array([[pixels]], np.uint16)
        tifffile.imwrite(tmp_path / "a.tif", pixels, photometric=photometric, extrasamples=extra, planarconfig="contig")
        picture = read_image(tmp_path / "a.tif")
        return [
            round(float(value), 3) for value in (*first(picture), *(() if picture.alpha is None else picture.alpha[0]))
        ]

    color = [257 * 90, 257 * 60, 257 * 30]
    assert read([*color, 13107], "unassalpha") == [90, 60, 30, 0.2]
    assert read([value // 5 for value in color] + [13107], "assocalpha") == [90, 60, 30, 0.2]
    assert read([65535, 0, 0, 13107], "assocalpha") == [255, 0, 0, 0.2]  # more than there can be
    assert read([*color, 13107], "unspecified") == [90, 60, 30]
    assert read([*color, 9, 13107], "unspecified", "unassalpha") == [90, 60, 30, 0.2]
    assert read([257 * 55, 13107], "unassalpha", photometric="miniswhite") == [200, 200, 200, 0.2]


def test_four_samples_of_which_nothing_is_said_are_taken_as_pillow_takes_them(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", np.full((4, 4, 4), 13107, np.uint16), photometric="rgb", extrasamples=["unassalpha"]
    )
    data = (tmp_path / "a.tif").read_bytes()
    assert data.count(struct.pack("<HHI", 338, 3, 1)) == 1
    (tmp_path / "a.tif").write_bytes(data.replace(struct.pack("<HHI", 338, 3, 1), struct.pack("<HHI", 337, 3, 1)))
    with Image.open(tmp_path / "a.tif") as image:
        assert image.mode == "RGBA"
    np.testing.assert_allclose(read_image(tmp_path / "a.tif").alpha, 0.2, rtol=1e-6)


def test_what_is_not_16_bit_color_stays_with_pillow(tmp_path, monkeypatch):
    def decode(*_, **__):
        pytest.fail("was decoded here")

    ink = np.full((4, 4, 4), [0, 65535, 65535, 0], np.uint16)
    tifffile.imwrite(tmp_path / "cmyk.tif", ink, photometric="separated")
    Image.new("P", (4, 4), 3).save(tmp_path / "palette.tif")
    Image.new("I;16", (4, 4), 257 * 7).save(tmp_path / "gray.tif")
    Image.new("I;16", (4, 4), 257 * 7).save(tmp_path / "gray.png")
    tifffile.imwrite(tmp_path / "8.tif", np.full((4, 4, 3), 7, np.uint8), photometric="rgb", bigtiff=True)
    monkeypatch.setattr(png_chunks, "read_16_bits", decode)
    monkeypatch.setattr(tifffile.TiffPage, "asarray", decode)
    assert first(read_image(tmp_path / "cmyk.tif")) == [255, 0, 0]
    read_image(tmp_path / "palette.tif")
    for name in ("gray.tif", "gray.png", "8.tif"):
        assert first(read_image(tmp_path / name)) == [7, 7, 7]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", [*DEEP, "end.png"])
def test_orientation(tmp_path, name, orientation):
    upright = noise(3, 5, 4) | 1
    stored = np.ascontiguousarray(stored_as(upright, orientation))
    if name == "a.tif":
        tag = (ExifTags.Base.Orientation, "H", 1, orientation, True)
        alpha = {"photometric": "rgb", "extrasamples": ["unassalpha"]}
        tifffile.imwrite(tmp_path / name, stored, **alpha, extratags=[tag])
    else:
        written(tmp_path / name, stored)
        with_chunks(tmp_path / name, (b"eXIf", exif(orientation)), at_end=name == "end.png")
    picture = read_image(tmp_path / name)
    np.testing.assert_allclose(picture.rgb, upright[..., :3] / 257, rtol=1e-6)
    np.testing.assert_allclose(picture.alpha, upright[..., 3] / 65535, rtol=1e-6)


def test_damaged_exif_of_a_png_is_ignored_with_a_warning(tmp_path, caplog):
    written(tmp_path / "a.png", np.full((4, 4, 3), 257, np.uint16))
    assert first(read_image(with_chunks(tmp_path / "a.png", (b"eXIf", b"rubbish")), "style picture")) == [1, 1, 1]
    assert "style picture 'a.png': its EXIF data are damaged" in caplog.text


# --- color profiles --------------------------------------------------------------------------------------------------


def with_profile(path, pixels, profile):
    """A file with another profile than sRGB, written without the code under test."""
    if path.suffix == ".tif":
        alpha = {"extrasamples": ["unassalpha"]} if pixels.shape[2] == 4 else {}
        tifffile.imwrite(path, pixels, photometric="rgb", iccprofile=profile, **alpha)
        return path
    path.write_bytes(imagecodecs.png_encode(pixels))
    return with_chunks(path, (b"iCCP", b"x\0\0" + zlib.compress(profile)))


def swapped_profile():
    """SRGB's, with red and blue changed places."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return srgb.replace(b"rXYZ", b"tmp_").replace(b"bXYZ", b"rXYZ").replace(b"tmp_", b"bXYZ")


@pytest.mark.parametrize("name", DEEP)
@pytest.mark.parametrize("profile", [ADOBE_RGB, swapped_profile()], ids=["wide", "swapped"])
@pytest.mark.parametrize("channels", [3, 4])
def test_profile_is_applied_as_in_8_bits(tmp_path, name, profile, channels):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, channels)).astype(np.uint8) | 1
    image = Image.fromarray(pixels)
    image.info["icc_profile"] = profile
    expected = read_image(image)
    picture = read_image(with_profile(tmp_path / name, pixels * np.uint16(257), profile))
    np.testing.assert_allclose(picture.rgb, expected.rgb, atol=1)
    assert np.abs(picture.rgb - pixels[..., :3]).max() > 20
    if channels == 4:
        np.testing.assert_allclose(picture.alpha, expected.alpha, rtol=1e-6)


def test_our_own_profile_is_known_and_costs_nothing(tmp_path, monkeypatch):
    def convert(*_, **__):
        pytest.fail("was converted")

    monkeypatch.setattr(imagecodecs, "cms_transform", convert)
    for name in DEEP:
        np.testing.assert_array_equal(
            read_image(written(tmp_path / name, noise(4, 5))).rgb, noise(4, 5) / np.float32(257)
        )


@pytest.mark.parametrize("name", DEEP)
def test_profile_is_applied_in_16_bits(tmp_path, name):
    """A ramp of 257 steps within one level of 8 bits stays one."""
    ramp = np.arange(32768, 32768 + 257, dtype=np.uint16)[np.newaxis, :, np.newaxis].repeat(3, axis=2)
    steps = np.diff(read_image(with_profile(tmp_path / name, ramp, ADOBE_RGB)).rgb[0], axis=0)
    assert (steps >= 0).all()
    assert steps.max() < 0.02


def test_profile_of_premultiplied_color_and_of_gray(tmp_path):
    pixels = np.array([[[160, 120, 90, 255]]], np.uint16) * np.uint16(257)
    expected = first(read_image(with_profile(tmp_path / "a.tif", pixels, ADOBE_RGB)))
    halves = np.array([[[160 * 128, 120 * 128, 90 * 128, 32768]]], np.uint16)
    options = {"photometric": "rgb", "extrasamples": ["assocalpha"], "iccprofile": ADOBE_RGB}
    tifffile.imwrite(tmp_path / "b.tif", halves, **options)
    np.testing.assert_allclose(first(read_image(tmp_path / "b.tif")), expected, atol=0.7)
    gray = np.array([[[128 * 257, 13107]]], np.uint16)
    options = {"photometric": "minisblack", "extrasamples": ["unassalpha"], "iccprofile": LINEAR_GRAY}
    tifffile.imwrite(tmp_path / "c.tif", gray, planarconfig="contig", **options)
    np.testing.assert_allclose(first(read_image(tmp_path / "c.tif")), 188, atol=1)


@pytest.mark.parametrize("name", DEEP)
@pytest.mark.parametrize("profile", [b"rubbish", LINEAR_GRAY, ADOBE_RGB[:200], ADOBE_RGB.replace(b"RGB ", b"\xffGB ")])
def test_unusable_profile_is_ignored_with_one_warning(tmp_path, caplog, name, profile):
    path = with_profile(tmp_path / name, np.full((3, 4, 4), [4112, 3084, 2313, 13107], np.uint16), profile)
    with caplog.at_level(logging.WARNING):
        picture = read_image(path, "content picture")
    np.testing.assert_allclose(first(picture), [16, 12, 9], rtol=1e-6)
    np.testing.assert_allclose(picture.alpha, 0.2, rtol=1e-6)
    (record,) = (record for record in caplog.records if record.name == "neural_style")
    assert record.getMessage().startswith(f"content picture '{name}': its color profile is unusable")
    assert "\n" not in record.getMessage()


# --- damaged files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DEEP)
@pytest.mark.parametrize("keep", [0.1, 0.5, 0.95])
def test_truncated_files(tmp_path, capfd, name, keep):
    whole = written(tmp_path / name, noise(64, 64)).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(keep * len(whole))])
    message = message_of(tmp_path / name)
    assert "damaged or truncated" in message or "not a picture of a known kind" in message
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", DEEP)
def test_files_with_wrong_bytes_in_their_pixels(tmp_path, name):
    data = bytearray(written(tmp_path / name, noise(64, 64)).read_bytes())
    data[len(data) // 2] ^= 255
    (tmp_path / name).write_bytes(data)
    assert "is damaged or truncated" in message_of(tmp_path / name)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of Pillow, about TIFF tags
def test_heads_with_wrong_bytes(tmp_path):
    """Whatever they are, the picture is read or refused in one line."""
    for name in DEEP:
        whole = written(tmp_path / name, noise(8, 8), a=1).read_bytes()
        start = 8 if name == "a.png" else len(whole) - 400
        for place in range(0, len(whole), 7) if name == "a.tif" else range(start, 150):
            data = bytearray(whole)
            data[place] ^= 255
            (tmp_path / name).write_bytes(data)
            try:
                assert read_image(tmp_path / name).rgb.size
            except ImageError as error:
                assert "\n" not in str(error)


# --- writing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DEEP)
@pytest.mark.parametrize("channels", [3, 4])
def test_written_files_are_those_that_other_programs_read(tmp_path, monkeypatch, name, channels):
    monkeypatch.setattr(row_bands, "_BAND_PIXELS", 200)
    pixels = noise(37, 53, channels)
    pixels[10:20] = np.arange(53, dtype=np.uint16)[:, np.newaxis] * 1000  # where other filters are the best
    pixels[20:30] = pixels[20]
    path = written(tmp_path / name, pixels, **SETTINGS)
    library = imagecodecs.png_decode(path.read_bytes()) if name == "a.png" else tifffile.imread(path)
    np.testing.assert_array_equal(library, pixels)
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image), pixels >> 8)
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        assert "sRGB" in profile.profile.profile_description
    assert read_settings(path) == SETTINGS


def test_chunks_and_filters_of_a_written_png(tmp_path, monkeypatch):
    monkeypatch.setattr(row_bands, "_BAND_PIXELS", 53 * 4)
    smooth = np.add(*np.ogrid[0:37, 0:53])[..., np.newaxis] * np.array([700, 311, 57], np.uint16)
    smooth[10] = smooth[9]  # nothing but what is above
    smooth[20:] = noise(17, 53)
    smooth[30:] = np.linspace(0, 65535, 53).astype(np.uint16)[:, np.newaxis]
    found = chunks_of(written(tmp_path / "a.png", smooth.astype(np.uint16), a=1))
    kinds = [kind for kind, _ in found]
    assert kinds[:4] == [b"IHDR", b"iCCP", b"tEXt", b"tEXt"]
    assert set(kinds[4:-1]) == {b"IDAT"}
    assert kinds[-1] == b"IEND"
    rows = zlib.decompress(b"".join(data for kind, data in found if kind == b"IDAT"))
    assert len(rows) == 37 * (1 + 53 * 6)
    assert {*rows[:: 1 + 53 * 6]} == {1, 2, 4}


def test_paeth_by_hand():
    left, up, corner = (
        np.array(values, np.uint8) for values in ([10, 10, 200, 5, 0], [20, 0, 100, 5, 255], [10, 5, 150, 5, 255])
    )
    # left + up - corner: 20, 5, 150, 5, 0
    assert deep_writing._paeth(left, up, corner).tolist() == [20, 5, 150, 5, 0]


@pytest.mark.parametrize("name", DEEP)
def test_written_files_are_reproducible(tmp_path, monkeypatch, name):
    pixels = noise(64, 300, 4)
    once = written(tmp_path / name, pixels, **SETTINGS).read_bytes()
    monkeypatch.setattr(time, "time", lambda: 2e9)
    color_profiles.srgb_profile.cache_clear()
    (tmp_path / "new").mkdir()
    assert written(tmp_path / "new" / name, pixels, **SETTINGS).read_bytes() == once


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_tiff_files_become_bigtiff_where_their_pixels_may_exceed_4_gib(tmp_path, monkeypatch, kind):
    pixels = noise(40, 50, 4).astype(kind) | 1
    monkeypatch.setattr(deep_writing, "CLASSIC_TIFF_BYTES", pixels.nbytes)
    small = written(tmp_path / "small.tif", pixels, **SETTINGS)
    monkeypatch.setattr(deep_writing, "CLASSIC_TIFF_BYTES", pixels.nbytes - 1)
    large = written(tmp_path / "large.tif", pixels, **SETTINGS)
    assert (small.read_bytes()[:4], large.read_bytes()[:4]) == (b"II*\0", b"II+\0")
    for path in (small, large):
        picture, white = read_image(path), np.iinfo(kind).max
        np.testing.assert_allclose(picture.rgb, pixels[..., :3] / (white / 255), atol=1 if kind is np.uint8 else 1e-4)
        np.testing.assert_allclose(picture.alpha, pixels[..., 3] / white, rtol=1e-6)
        assert read_settings(path) == SETTINGS


def test_pixels_that_fit_into_a_classic_tiff_leave_room_for_what_does_not_compress():
    assert 2**32 - deep_writing.CLASSIC_TIFF_BYTES > 2**32 // 100
    assert deep_writing.CLASSIC_TIFF_BYTES > 2**31


@pytest.mark.parametrize("name", ["a.jpg", "a.jpeg", "a.webp", "a.bmp"])
def test_other_formats_hold_8_bits(tmp_path, name):
    with pytest.raises(OutputError, match=r"^output: expected --bit_depth 8 for \.\w+, got 16; give a name"):
        written(tmp_path / name, noise(4, 4))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_leaves_no_file(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(deep_writing, "write_chunk", full)
    monkeypatch.setattr(tifffile, "imwrite", full)
    for name in DEEP:
        with pytest.raises(OutputError, match="No space left on device"):
            written(tmp_path / name, noise(4, 4))
    assert list(tmp_path.iterdir()) == []


def test_settings_behind_the_pixels_of_a_png_are_read_without_decoding_them(tmp_path, monkeypatch):
    text = PngInfo()
    text.add(b"tEXt", b'neural_style\0{"a": 1}', after_idat=True)
    Image.new("RGB", (70, 50)).save(tmp_path / "a.png", pnginfo=text)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert read_settings(tmp_path / "a.png") == {"a": 1}


# --- memory -----------------------------------------------------------------------------------------------------------


def traced_peak(function, *arguments):
    """Bytes that Python and NumPy held at most, the result included."""
    tracemalloc.start()
    try:
        function(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_of_a_large_picture_no_second_copy_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(row_bands, "_BAND_PIXELS", 2**14)
    rgb = np.zeros((1000, 1000, 3), np.float32)
    opaque = np.full((1000, 1000), 0.5, np.float32)
    size, some = rgb.nbytes, 2**20
    assert traced_peak(to_uint8, rgb) < size / 4 + some
    assert traced_peak(to_integers, rgb, 16) < size / 2 + some
    assert traced_peak(preserve_colors, rgb.astype(np.uint8), rgb.astype(np.uint8)) < size * 3 / 4 + some
    assert traced_peak(with_alpha, rgb.astype(np.uint8), opaque) < size * 7 / 12 + some
    assert traced_peak(read_image, rgb.astype(np.uint8)) < size * 5 / 4 + some
    assert traced_peak(read_image, written(tmp_path / "a.tif", rgb.astype(np.uint16))) < size * 3 / 2 + some
    assert traced_peak(lanczos, rgb, 1000, 1000) < size * 7 / 3 + some
