"""JPEG 2000 of every number of bits: white stays white."""

import io
import struct

import imagecodecs
import numpy as np
import pytest
from picture_files import ADOBE_RGB, message_of
from PIL import Image

from neural_style.errors import ImageError
from neural_style.images import jpeg2000
from neural_style.images.reading import read_image

CHANNELS = {"gray": 1, "gray and alpha": 2, "color": 3, "color and alpha": 4}


def encoded(bits, channels, form="jp2"):
    """A ramp from black to white, opaque; whole and lossless."""
    white = 2**bits - 1
    levels = np.rint(np.linspace(0, 1, 16) * white).astype(np.uint8 if bits <= 8 else np.uint16)
    pixels = np.broadcast_to(levels[np.newaxis, :, np.newaxis], (16, 16, channels)).copy()
    if channels in (2, 4):
        pixels[..., -1] = white
    data = imagecodecs.jpeg2k_encode(
        pixels[..., 0] if channels == 1 else pixels, level=0, codecformat=form, bitspersample=bits, reversible=True
    )
    return data, levels / white * 255


@pytest.mark.parametrize("form", ["jp2", "j2k"])
@pytest.mark.parametrize("channels", CHANNELS.values(), ids=CHANNELS)
def test_every_number_of_bits(tmp_path, form, channels):
    for bits in (8, 9, 10, 12, 14, 15, 16):
        data, levels = encoded(bits, channels, form)
        (tmp_path / "a.jp2").write_bytes(data)
        picture = read_image(tmp_path / "a.jp2")
        assert picture.alpha is None
        for channel in range(3):
            np.testing.assert_allclose(picture.rgb[0, :, channel], levels, atol=0.01, err_msg=f"{bits} bits")


def test_transparency(tmp_path):
    pixels = np.full((16, 16, 4), 4095, np.uint16)
    pixels[:8, :, 3] = 819
    data = imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="jp2", bitspersample=12, reversible=True)
    (tmp_path / "a.jp2").write_bytes(data)
    np.testing.assert_allclose(read_image(tmp_path / "a.jp2").alpha[::8, 0], [0.2, 1], atol=1e-6)


def test_a_pil_image_of_more_than_8_bits_is_refused_before_it_is_loaded(tmp_path):
    for bits, channels in ((12, 3), (16, 4), (10, 2)):
        data, _ = encoded(bits, channels)
        with pytest.raises(ImageError, match="which Pillow misreads; give its path"):
            read_image(Image.open(io.BytesIO(data)))
    for bits, channels in ((8, 3), (8, 4), (12, 1)):
        data, levels = encoded(bits, channels)
        np.testing.assert_allclose(read_image(Image.open(io.BytesIO(data))).rgb[0, :, 0], levels, atol=0.3)


def with_colors(data, box):
    """The file with another color box."""
    start = data.index(b"colr") - 4
    size = int.from_bytes(data[start : start + 4], "big")
    made = struct.pack(">I", len(box) + 8) + b"colr" + box
    header = data.index(b"jp2h") - 4
    length = int.from_bytes(data[header : header + 4], "big") + len(made) - size
    return data[:header] + struct.pack(">I", length) + data[header + 4 : start] + made + data[start + size :]


def test_profile_is_applied(tmp_path):
    pixels = np.full((16, 16, 3), (160, 120, 90), np.uint16) * np.uint16(257)
    data = imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="jp2", reversible=True)
    (tmp_path / "a.jp2").write_bytes(with_colors(data, b"\2\0\0" + ADOBE_RGB))
    image = Image.fromarray((pixels // 257).astype(np.uint8))
    image.info["icc_profile"] = ADOBE_RGB
    np.testing.assert_allclose(read_image(tmp_path / "a.jp2").rgb, read_image(image).rgb, atol=1)


def test_what_cannot_be_decoded_is_refused_with_the_remedy(tmp_path):
    data, _ = encoded(12, 3)
    siz = data.index(b"\xff\x4f\xff\x51")
    bits = siz + 4 + 2 + 2 + 32 + 2
    kinds = {
        "YCC": with_colors(data, b"\1\0\0" + struct.pack(">I", 18)),
        "CMYK": with_colors(data, b"\1\0\0" + struct.pack(">I", 12)),
        "signed": data[:bits] + bytes([data[bits] | 128]) + data[bits + 1 :],
        "different": data[:bits] + b"\7" + data[bits + 1 :],
        "subsampled": data[: bits + 4] + b"\2\2" + data[bits + 6 :],
    }
    for name, changed in kinds.items():
        (tmp_path / "a.jp2").write_bytes(changed)
        message = message_of(tmp_path / "a.jp2")
        assert "is a JPEG 2000 picture of" in message, name
        assert "save it as PNG, TIFF or JPEG" in message


def test_heads_with_wrong_bytes(tmp_path):
    for channels in (1, 3):
        data, _ = encoded(12, channels)
        for place in range(0, 140, 3):
            for value in (0, 1, 255):
                (tmp_path / "a.jp2").write_bytes(data[:place] + bytes([value]) + data[place + 1 :])
                try:
                    assert read_image(tmp_path / "a.jp2", max_pixels=10**6).rgb.size
                except ImageError as error:
                    assert "\n" not in str(error)
        for length in (0, 4, 12, 20, 40, 60, 80, 90, 100, 110, 120, 140):
            assert jpeg2000.read_header(io.BytesIO(data[:length])) is None or length > 80


def test_a_message_does_not_list_thousands_of_components(tmp_path):
    """A damaged file claims them, each with other bits."""
    size = struct.pack(">H8I H", 0, 8, 8, 0, 0, 8, 8, 0, 0, 16000)
    components = bytes(value for index in range(16000) for value in (index % 100, 1, 1))
    path = tmp_path / "a.jp2"
    path.write_bytes(b"\xff\x4f\xff\x51" + struct.pack(">H", 41) + size + components)
    message = message_of(path)
    assert "16000 components" in message
    assert len(message) < 200


def test_two_sizes_in_a_file_are_refused_before_there_is_room_for_either(tmp_path):
    """The first is that of the box `ihdr`, of 14 bytes: height, width, and others."""
    data = bytearray(encoded(12, CHANNELS["gray"])[0])
    place = data.index(b"ihdr") + 4
    data[place : place + 8] = struct.pack(">2I", 120_000, 110_000)
    path = tmp_path / "a.jp2"
    path.write_bytes(data)
    assert "is damaged or truncated (ValueError: sizes of " in message_of(path)
