"""PNG files with large texts and profiles, and of 16 bits per channel."""

import functools
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from picture_files import ADOBE_RGB, ORIENTATION, SETTINGS, SMOOTH, first, flat, noise, png, saved, with_chunks
from PIL import Image, PngImagePlugin

from neural_style.images import png_chunks
from neural_style.images.reading import read_image, read_settings
from neural_style.images.writing import write_image

LONG = b"x" * 3_000_000
XMP = b"XML:com.adobe.xmp"


def zipped(keyword, text):
    return b"zTXt", keyword + b"\0\0" + zlib.compress(text)


def international(keyword, text, *, packed):
    return b"iTXt", keyword + bytes([0, packed, 0, 0, 0]) + (zlib.compress(text) if packed else text)


@functools.cache
def large_texts():
    """Chunks by what they hold. To compress them takes a second, which other tests need not wait for."""
    return {
        "text": [(b"tEXt", b"Comment\0" + LONG)],
        "compressed text": [zipped(b"Comment", LONG)],
        "text in any language": [international(b"Comment", LONG, packed=False)],
        "compressed text in any language": [international(b"Comment", LONG, packed=True)],
        "XMP": [international(XMP, LONG, packed=False)],
        "compressed XMP": [international(XMP, LONG, packed=True)],
        "EXIF of ImageMagick": [zipped(b"Raw profile type exif", LONG)],
        "XMP of ImageMagick": [zipped(b"Raw profile type xmp", LONG)],
        "many texts": [zipped(b"Comment %d" % index, LONG[:1_000_000]) for index in range(100)],
        "many plain texts": [(b"tEXt", b"Comment %d\0" % index + LONG) for index in range(30)],
        "endless text": [zipped(b"Comment", bytes(2**27))],
        "endless XMP": [international(XMP, bytes(2**27), packed=True)],
        "damaged text": [(b"zTXt", b"Comment\0\0rubbish"), (b"iTXt", b"Comment\0\1\0\0\0rubbish"), (b"iTXt", b"\0")],
        "EXIF": [(b"eXIf", b"II*\0\x08\0\0\0\0\0\0\0\0\0" + LONG)],
    }


@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("deep", [False, True])
def test_large_texts_do_not_matter(tmp_path, deep, at_end):
    limits = PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY
    color = SMOOTH.astype(np.uint16) * 257 if deep else SMOOTH
    for kind, chunks in large_texts().items():
        path = write_image(tmp_path / "a.png", color, settings=SETTINGS, overwrite=True)
        picture = read_image(with_chunks(path, *chunks, at_end=at_end))
        np.testing.assert_array_equal(np.rint(picture.rgb), SMOOTH, err_msg=kind)
        assert read_settings(path) == SETTINGS, kind
    assert limits == (PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY)


@pytest.mark.parametrize("packed", [False, True])
def test_orientation_is_read_from_large_xmp(tmp_path, packed):
    xmp = b'<x tiff:Orientation="6"/>' + LONG
    image = Image.fromarray(SMOOTH)
    path = with_chunks(saved(tmp_path / "a.png", image), international(XMP, xmp, packed=packed))
    np.testing.assert_array_equal(read_image(path).rgb, np.rot90(SMOOTH, -1))


def test_orientation_is_read_from_exif_beside_large_texts(tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = 3
    path = with_chunks(saved(tmp_path / "a.png", Image.fromarray(SMOOTH), exif=exif), *large_texts()["compressed text"])
    np.testing.assert_array_equal(read_image(path).rgb, SMOOTH[::-1, ::-1])


@pytest.mark.parametrize("deep", [False, True])
def test_large_profile_is_applied(tmp_path, deep):
    """One of 3 MB, and one of 128 MB, of which the end is ignored."""
    color = np.full((4, 5, 3), (160, 120, 90), np.uint16) * (257 if deep else 1)
    color = color if deep else color.astype(np.uint8)
    padded = struct.pack(">I", len(ADOBE_RGB) + len(LONG)) + ADOBE_RGB[4:] + LONG
    colors = []
    for profile in (ADOBE_RGB, padded, padded + bytes(2**27)):
        (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(color))
        with_chunks(tmp_path / "a.png", (b"iCCP", b"x\0\0" + zlib.compress(profile)))
        colors.append(first(read_image(tmp_path / "a.png")))
    assert colors[0] == colors[1] == colors[2]
    assert colors[0][0] > 168


def test_ordinary_files_are_not_copied(tmp_path):
    path = write_image(tmp_path / "a.png", SMOOTH, settings=SETTINGS, overwrite=True)
    with open(with_chunks(path, international(XMP, LONG[:500_000], packed=True)), "rb") as stream:
        readable, profile = png_chunks.for_pillow(stream)
    assert readable is stream
    assert profile


def test_frames_stay_where_texts_are_dropped(tmp_path):
    path = tmp_path / "a.png"
    flat("RGB", (9, 8, 7)).save(path, save_all=True, append_images=[flat("RGB", (1, 2, 3))])
    assert first(read_image(with_chunks(path, *large_texts()["compressed text"]))) == [9, 8, 7]


@pytest.mark.parametrize(("kind", "channels"), png_chunks.CHANNELS.items())
def test_16_bits_are_those_of_another_library(tmp_path, kind, channels):
    pixels = noise(37, 53, channels) | 1
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(pixels))
    with open(tmp_path / "a.png", "rb") as stream:
        assert stream.read(26)[25] == kind
        color, alpha = png_chunks.read_16_bits(stream)
    np.testing.assert_array_equal(color, pixels if channels == 3 else pixels[..., :-1])
    assert (alpha is None) == (channels == 3)
    if alpha is not None:
        np.testing.assert_array_equal(alpha, pixels[..., -1])


def test_16_bits_of_a_photograph_with_every_filter(tmp_path):
    smooth = np.add(*np.ogrid[0:64, 0:80])[..., np.newaxis] * np.array([700, 311, 57]) + noise(64, 80) // 4096
    for level in range(10):
        (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(smooth.astype(np.uint16), level=level))
        np.testing.assert_allclose(read_image(tmp_path / "a.png").rgb, smooth.astype(np.uint16) / 257, rtol=1e-6)


def test_16_bit_gray_with_alpha_interlaced(tmp_path):
    pixels, data = noise(11, 13, 2) | 1, b""
    for top, left, down, right in (
        *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)),
        *((2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)),
    ):
        data += b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels[top::down, left::right])
    whole = png(13, 11, 16, 4, b"")
    header = struct.pack(">IIBBBBB", 13, 11, 16, 4, 0, 0, 1)
    made = [(b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    with open(tmp_path / "a.png", "wb") as file:
        file.write(whole[:8])
        for chunk in made:
            png_chunks.write_chunk(file, *chunk)
    picture = read_image(tmp_path / "a.png")
    np.testing.assert_allclose(picture.rgb[..., 0], pixels[..., 0] / 257, rtol=1e-6)
    np.testing.assert_allclose(picture.alpha, pixels[..., 1] / 65535, rtol=1e-6)


def test_chunks_with_endless_lengths_end(tmp_path):
    whole = saved(tmp_path / "a.png", flat("RGB", (9, 9, 9))).read_bytes()
    for place in range(8, len(whole) - 8, 5):
        (tmp_path / "a.png").write_bytes(whole[:place] + b"\xff\xff\xff\xff" + whole[place + 4 :])
        with open(tmp_path / "a.png", "rb") as stream:
            chunks = list(png_chunks.find_chunks(stream))
        assert len(chunks) < 10
