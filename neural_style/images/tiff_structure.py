"""Check the structure of a TIFF file before a library follows it: loops of pages, endless pages, endless tags."""

import os
import struct
from collections.abc import Sequence
from typing import IO, Literal, NamedTuple

from neural_style.images.limits import MOST_PAGES, MOST_SEGMENTS, MOST_TAG, ExcessError

_SIZES = {3: 2, 4: 4, 5: 8, 6: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Type of a tag's values -> bytes of one."""
_BYTES = (1, 2, 7)
"""Types that are not numbers: bytes, text, and undefined."""
_SUB_PAGES = 330
_SEGMENTS = (273, 279, 324, 325)
"""Tags with a value for each strip or tile."""
_MOST_TAGS = 2**12
"""Most tags of a page. Libraries refuse more."""


class _Layout(NamedTuple):
    """How numbers are stored in a file."""

    order: Literal["<", ">"]
    is_big: bool
    """Whether the file is BigTIFF."""
    end: int
    """Length of the file in bytes."""

    def form(self, letters: str) -> struct.Struct:
        """Return a format of these letters, of which O is an offset and N a number of tags."""
        known = {"O": "Q", "N": "Q"} if self.is_big else {"O": "I", "N": "H"}
        return struct.Struct(self.order + "".join(known.get(letter, letter) for letter in letters))


def check_structure(stream: IO[bytes]) -> None:
    """Check that the pages of a TIFF file end, and that there is not more of anything than in any picture.

    Files that are damaged otherwise pass: what reads them finds out.

    Args:
        stream: a file that begins as TIFF or BigTIFF.

    Raises:
        ExcessError: there are more pages, strips, tiles or numbers in a tag.
        ValueError: the pages form a loop.
    """
    end = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    head = stream.read(16).ljust(16, b"\0")
    layout = _Layout("<" if head.startswith(b"II") else ">", b"+" in head[2:4], end)
    (following,) = layout.form("O").unpack_from(head, 8 if layout.is_big else 4)
    seen: set[int] = set()
    within: list[int] = []
    while following:
        if following in seen:
            raise ValueError("a loop of pages")
        seen.add(following)
        inner, following = _read_page(stream, layout, following)
        within += inner
        _check_pages(len(seen) + len(within))
    for offset in within:  # which grows
        if offset not in seen:
            seen.add(offset)
            within += _read_page(stream, layout, offset)[0]
            _check_pages(len(within))


def _check_pages(count: int) -> None:
    if count > MOST_PAGES:
        raise ExcessError(f"more than {MOST_PAGES} pages")


def _read_page(stream: IO[bytes], layout: _Layout, offset: int) -> tuple[list[int], int]:
    """Return the offsets of the sub-images of a page, and that of the next page, 0 for none."""
    number_form, offset_form = layout.form("N"), layout.form("O")
    entry = struct.Struct(layout.order + ("HHQ8s" if layout.is_big else "HHI4s"))
    stream.seek(min(offset, layout.end))
    data = stream.read(number_form.size)
    count = number_form.unpack(data)[0] if len(data) == number_form.size else 0
    if not 0 < count <= _MOST_TAGS:
        return [], 0
    size = count * entry.size
    tags = stream.read(size + offset_form.size)
    inner: list[int] = []
    for code, kind, number, value in entry.iter_unpack(tags[: min(size, len(tags)) // entry.size * entry.size]):
        _check_tag(code, kind, number)
        if code == _SUB_PAGES:
            inner += _offsets(stream, layout, kind, number, value)
            _check_pages(len(inner))
    return inner, offset_form.unpack_from(tags, size)[0] if len(tags) == size + offset_form.size else 0


def _check_tag(code: int, kind: int, number: int) -> None:
    if kind not in _BYTES and number * _SIZES.get(kind, 1) > MOST_TAG:
        raise ExcessError(f"more than {MOST_TAG >> 20} MiB in tag {code}")
    if code in _SEGMENTS and number > MOST_SEGMENTS:
        raise ExcessError(f"more than {MOST_SEGMENTS} strips or tiles")
    if code == _SUB_PAGES and number > MOST_PAGES:
        raise ExcessError(f"more than {MOST_PAGES} sub-images")


def _offsets(stream: IO[bytes], layout: _Layout, kind: int, number: int, value: bytes) -> Sequence[int]:
    """Return the offsets of the sub-images of a page; none if they are not stored as such."""
    letter = {4: "I", 13: "I", 16: "Q", 18: "Q"}.get(kind)
    if letter is None:
        return ()
    form = layout.form(letter * number)
    if form.size > len(value):
        stream.seek(min(layout.form("O").unpack(value)[0], layout.end))
        value = stream.read(form.size)
    return form.unpack_from(value) if len(value) >= form.size else ()
