"""Small picture files of kinds that libraries do not write, and what tests of pictures share."""

import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from neural_style.errors import ImageError
from neural_style.images.reading import read_image

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
ORIENTATION = 0x0112
SETTINGS = {"content": "Küste 海.jpg", "steps": 500, "layers": ["conv4_2"], "nested": {"weight": 1.5, "none": None}}
SMOOTH = np.stack(np.broadcast_arrays(*np.ogrid[60:190:24j, 60:190:30j], 120), axis=-1).astype(np.uint8)


def can_pack_samples():
    """Whether imagecodecs writes samples of 10 bits and the like; those for Python 3.10 only read them."""
    try:
        imagecodecs.packints_encode(np.zeros(4, np.uint16), 10)
    except NotImplementedError:
        return False
    return True


def flat(mode, color, size=(16, 16)):
    image = Image.new(mode, size, color)
    if mode == "PA":
        image.putpalette(bytes(range(256)) * 3, "RGB;L")  # gray
    return image


def first(picture):
    """Color of the top left pixel."""
    return picture.rgb[0, 0].tolist()


def saved(path, image, **options):
    image.save(path, **options)
    return path


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, bits, color_type, *rows, transparent=None):
    """Bytes of a PNG of a kind that Pillow does not write; rows are packed pixels."""

    header = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    key = chunk(b"tRNS", transparent) if transparent else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + key + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def tiff(width, height, bits, photometric, data):
    """Bytes of a little-endian gray TIFF with one strip."""
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
LINEAR_GRAY = icc(b"GRAY", b"XYZ ", kTRC=gamma(1.0))


def cmyk_profile():
    """A made-up press whose cyan ink is sRGB's green, Lab (87.8, -79, 81), and whose other inks are black."""
    lab = {True: (224, 128 - 79, 128 + 81), False: (0, 128, 128)}
    nodes = [(255, 128, 128) if not any(ink) else lab[ink == (1, 0, 0, 0)] for ink in np.ndindex(2, 2, 2, 2)]
    ramp = bytes(range(256))
    head = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    return icc(b"CMYK", b"Lab ", A2B0=head + ramp * 4 + bytes(np.array(nodes, np.uint8)) + ramp * 3)


def chunks_of(path):
    """Chunks of a PNG in their order, as pairs of kind and data."""
    data, at, found = path.read_bytes(), 8, []
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def with_chunks(path, *chunks, at_end=False):
    """A PNG with further chunks, behind its header or before its end."""
    data = path.read_bytes()
    cut = len(data) - 12 if at_end else 33
    path.write_bytes(data[:cut] + b"".join(chunk(*each) for each in chunks) + data[cut:])
    return path


def exif(orientation):
    made = Image.Exif()
    made[ORIENTATION] = orientation
    return made.tobytes().removeprefix(b"Exif\0\0")


def noise(height, width, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 65536, (height, width, channels)).astype(np.uint16)


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


def message_of(source):
    with pytest.raises(ImageError) as caught:
        read_image(source, "content picture")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("content picture '")
    return message
