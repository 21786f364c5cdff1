"""JPEG 2000 with more than 8 bits per channel.

Pillow reduces color of more than 8 bits, and gray of 9 bits, to 8 bits and overflows, so white becomes 0.
"""

import struct
from typing import IO, NamedTuple

import numpy as np

from neural_style.images.boxes import find_boxes

_CONTAINER = b"\0\0\0\x0cjP  \r\n\x87\n"
_CODESTREAM = b"\xff\x4f\xff\x51"
_SRGB, _GRAY = 16, 17
"""Enumerated color spaces."""


class Header(NamedTuple):
    """What the header of a JPEG 2000 file says.

    Attributes:
        width: width in pixels.
        height: height in pixels.
        bits: bits of each component; negative if its numbers are signed.
        is_subsampled: whether some components have fewer pixels than others.
        color_space: number of the color space; None if there is none, or a profile instead.
        profile: the ICC profile, if any.
        codestream: offset of the codestream in bytes.
    """

    width: int
    height: int
    bits: tuple[int, ...]
    is_subsampled: bool
    color_space: int | None
    profile: bytes | None
    codestream: int

    @property
    def is_deep(self) -> bool:
        """Whether a component has more than 8 bits."""
        return max(map(abs, self.bits)) > 8


def read_header(stream: IO[bytes]) -> Header | None:
    """Read the header of a JPEG 2000 file or bare codestream; None if the file has another format or is damaged."""
    stream.seek(0)
    head = stream.read(12)
    space, profile = None, None
    if head == _CONTAINER:
        for kind, start, end in find_boxes(stream, 12):
            if kind == b"jp2h":
                space, profile = _colors(stream, start, end)
            elif kind == b"jp2c":
                stream.seek(start)
                break
        else:
            return None
    elif head.startswith(_CODESTREAM):
        stream.seek(0)
    else:
        return None
    try:
        return _read_sizes(stream, space, profile)
    except struct.error:
        return None


def _read_sizes(stream: IO[bytes], space: int | None, profile: bytes | None) -> Header | None:
    """Read the SIZ marker at the start of a codestream: right, bottom, left, top, tiles, then bits and steps."""
    start = stream.tell()
    if stream.read(4) != _CODESTREAM:
        return None
    stream.read(4)  # length of the marker, capabilities
    right, bottom, left, top = struct.unpack(">4I", stream.read(16))
    stream.read(16)
    (count,) = struct.unpack(">H", stream.read(2))
    components = [struct.unpack(">3B", stream.read(3)) for _ in range(count)]
    bits = tuple(((size & 127) + 1) * (-1 if size & 128 else 1) for size, *_ in components)
    if not bits:
        return None
    is_subsampled = any(steps != [1, 1] for _, *steps in components)
    return Header(right - left, bottom - top, bits, is_subsampled, space, profile, start)


def _colors(stream: IO[bytes], start: int, end: int) -> tuple[int | None, bytes | None]:
    """Return color space and ICC profile from the boxes of a header."""
    for kind, inner, after in find_boxes(stream, start, end):
        if kind == b"colr":
            stream.seek(inner)
            method = stream.read(3)[:1]
            if method == b"\1":
                return int.from_bytes(stream.read(4), "big"), None
            return None, stream.read(after - inner - 3)
    return None, None


def unsupported(header: Header) -> str | None:
    """Return in words why a deep picture cannot be decoded, for a message; None if it can be."""
    if len(header.bits) > 4:  # maybe thousands
        return f"{len(header.bits)} components"
    if len({*header.bits}) > 1 or header.bits[0] < 0 or header.bits[0] > 16 or header.is_subsampled:
        return f"components of {', '.join(map(str, header.bits))} bits (negative: signed) or of different sizes"
    if header.color_space not in (None, _SRGB, _GRAY):
        return f"color space {header.color_space}"
    return None


def decode(stream: IO[bytes], header: Header) -> np.ndarray:
    """Decode the samples as they are stored: uint16 (height, width, components).

    Raises:
        ImportError: imagecodecs is missing.
        Exception: nearly anything for damaged files.
    """
    import imagecodecs

    stream.seek(header.codestream)  # if it saw the boxes before it, it might apply the profile itself
    return np.atleast_3d(imagecodecs.jpeg2k_decode(stream.read()))
