"""The size and the scans of JPEG files, without decoding them."""

from __future__ import annotations

import re
from typing import IO, NamedTuple

from neural_style.images.limits import MOST_CHUNKS, MOST_SCANS, ExcessError

_SIZES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Markers of frames."""
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without data."""
_SCAN, _END = 0xDA, 0xD9
_MARKER = re.compile(rb"\xff+([^\x00\xff])")
_NEXT = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
"""A marker that ends the compressed data of a scan."""
_BLOCK = 2**20


class Jpeg(NamedTuple):
    """What the markers of a JPEG file say."""

    width: int
    """Greatest width of its frames in pixels; 0 if there is none."""
    height: int
    """Greatest height; 0 if there is none, or it is known at the end only."""
    scans: int
    """Number of its scans. Counting ends above `limits.MOST_SCANS`."""


def read_markers(stream: IO[bytes]) -> Jpeg:
    """Read the markers of a JPEG file, from the place of the stream on, up to its end or to where it is damaged.

    ITU-T T.81, annex B: a marker is 0xFF and a byte, and most are followed by a length of two bytes and data.

    Raises:
        ExcessError: there are more markers than in any picture.
    """
    width = height = scans = count = 0
    stream.seek(2, 1)
    while scans <= MOST_SCANS:
        count += 1
        if count > MOST_CHUNKS:
            raise ExcessError(f"more than {MOST_CHUNKS} markers")
        marker = _marker(stream)
        if marker is None or marker == _END:
            break
        if marker in _ALONE:
            continue
        length = int.from_bytes(stream.read(2), "big") - 2
        if length < 0:
            break
        if marker in _SIZES:
            data = stream.read(length)
            height = max(height, int.from_bytes(data[1:3], "big"))
            width = max(width, int.from_bytes(data[3:5], "big"))
        else:
            stream.seek(length, 1)
        if marker == _SCAN:
            scans += 1
            _skip_scan(stream)
    return Jpeg(width, height, scans)


def _marker(stream: IO[bytes]) -> int | None:
    """Return the marker at this place or, as decoders do, the next one; None if there is none."""
    start, size = stream.tell(), 16
    while block := stream.read(size):
        if found := _MARKER.search(block):
            stream.seek(start + found.end())
            return found.group(1)[0]
        start, size = start + len(block) - (block[-1] == 0xFF and len(block) > 1), _BLOCK
        stream.seek(start)
    return None


def _skip_scan(stream: IO[bytes]) -> None:
    """Go to the marker behind the compressed data that begin here."""
    start = stream.tell()
    while block := stream.read(_BLOCK):
        if found := _NEXT.search(block):
            stream.seek(start + found.start())
            return
        start += len(block) - (block[-1] == 0xFF and len(block) > 1)
        stream.seek(start)
