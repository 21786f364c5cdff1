"""Read MATLAB's .mat files of version 5 to 7, array by array.

SciPy reads a variable whole, and allocates what the file says that it holds. This reader first walks through the
structure, and checks that every part is inside the part that contains it. Values are read on demand, those that nobody
asks for never, and compressed parts are unpacked in small pieces. Source: MathWorks, "MAT-File Format", R2019b.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np

from neural_style.networks.weights.open_file import MOST_BYTES, MOST_DEPTH, MOST_MEMBERS

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""Types of stored values."""
_TEXTS = {1: "utf-8", 2: "utf-8", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CELL, _STRUCT, _OBJECT, _CHAR = 1, 2, 3, 4
_NUMERIC = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
"""Classes of arrays -> types of their values."""
_COMPLEX = 0x800
_BLOCK = 1 << 18
_RECENT = 1 << 12
_MOST_TEXT = 1 << 12
_MOST_AXES = 8


@dataclass(frozen=True)
class Cells:
    """A cell array or an array of structs.

    Attributes:
        cells: of a cell array, what is in its cells, in MATLAB's order.
        fields: of a struct, its fields by name. Of an array of structs, those of the first.
    """

    cells: list[Any] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)


class Numbers:
    """An array of numbers. Shape and type are known; `[()]` reads its values."""

    def __init__(self, part: _Part, stored: np.dtype, place: int, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self._part, self._stored, self._place = part, stored, place
        self.shape, self.dtype = shape, dtype

    def __getitem__(self, index: Any) -> Any:
        data = self._part.read(self._place, math.prod(self.shape) * self._stored.itemsize)
        return np.frombuffer(data, self._stored).reshape(self.shape, order="F").astype(self.dtype)[index]


def read(file: IO[bytes], names: tuple[str, ...]) -> dict[str, Any]:
    """Return some variables of a file by name: `Cells`, `Numbers`, a text, or None for anything else.

    Args:
        file: the open file, which the returned arrays read from.
        names: the variables to return, if they are in the file.

    Raises:
        ValueError: the file is damaged, or is larger, longer or nested deeper than any that holds a VGG19.
    """
    end = file.seek(0, 2)
    file.seek(126)
    order = {b"IM": "<", b"MI": ">"}[file.read(2)]
    if end <= _HEADER:
        raise ValueError("nothing after its header")
    variables: dict[str, Any] = {}
    place = _HEADER
    count = 0
    while place < end:
        whole = _Plain(file, place, end - place)
        kind, start, size, after = _tag(whole, 0, end - place, order)
        count += 1
        if count > MOST_MEMBERS:
            raise ValueError(f"more than {MOST_MEMBERS} variables")
        part: _Part = whole
        limit = start + size
        if kind == _COMPRESSED:
            after = start + size
            part, limit = _Inflated(file, place + start, size), MOST_BYTES
            kind, start, size, _ = _tag(part, 0, limit, order)
        if kind == _MATRIX and size:
            matrix = _Matrix(part, order)
            name = matrix.name(start, start + size)
            if name in names:
                if name in variables:
                    raise ValueError(f"several variables called {name}")
                variables[name] = matrix.read(start, start + size)
        place += after
    return variables


def _tag(part: _Part, place: int, end: int, order: str) -> tuple[int, int, int, int]:
    """Return the type of the element at a place, the start and size of its data, and where the next one begins."""
    if place + 8 > end:
        raise ValueError("a part that is cut off")
    data = part.read(place, 8)
    first, second = np.frombuffer(data, f"{order}u4").tolist()
    if first >> 16:
        kind, size, start, after = first & 0xFFFF, first >> 16, place + 4, place + 8
        if size > 4:
            raise ValueError(f"a small part of {size} bytes")
    else:
        kind, size, start = first, second, place + 8
        after = start + size + -size % 8
    if start + size > end:
        raise ValueError(f"a part of {size} bytes in one of {end}")
    return kind, start, size, min(after, end)


class _Matrix:
    """Arrays in one variable."""

    def __init__(self, part: _Part, order: str) -> None:
        self._part, self._order, self._count = part, order, 0

    def name(self, place: int, end: int) -> str:
        """Return the name of the array from `place` to `end`."""
        return self._head(place, end)[3]

    def read(self, place: int, end: int, depth: int = 0) -> Any:
        """Return the array from `place` to `end`."""
        self._count += 1
        if depth > MOST_DEPTH or self._count > MOST_MEMBERS:
            raise ValueError(f"more than {MOST_MEMBERS} arrays in each other, or deeper than {MOST_DEPTH}")
        if place == end:  # as MATLAB writes empty arrays in cells
            return None
        kind, flags, shape, _, place = self._head(place, end)
        count = math.prod(shape)
        if kind == _CELL:
            return Cells(cells=list(self._children(place, end, count, depth)))
        if kind in (_STRUCT, _OBJECT):
            if kind == _OBJECT:
                _, _, _, place = _tag(self._part, place, end, self._order)
            names, place = self._field_names(place, end)
            values = self._children(place, end, count * len(names), depth)
            return Cells(fields=dict(zip(names, values, strict=False))) if count else None
        if kind != _CHAR and kind not in _NUMERIC:
            return None
        stored, start, size, _ = _tag(self._part, place, end, self._order)
        if kind == _CHAR:
            return self._part.read(start, min(size, _MOST_TEXT)).decode(self._encoding(stored), "replace")
        dtype = np.dtype(self._order + _STORED[stored])
        if count * dtype.itemsize != size:
            raise ValueError(f"{size} bytes for an array of shape {shape}")
        result = np.dtype("c16" if flags & _COMPLEX else _NUMERIC[kind])
        return Numbers(self._part, dtype, start, shape, result)

    def _children(self, place: int, end: int, count: int, depth: int) -> Iterator[Any]:
        """Yield the arrays that follow one another in an array."""
        if count > (end - place) // 8:
            raise ValueError(f"{count} arrays in {end - place} bytes")
        for _ in range(count):
            kind, start, size, place = _tag(self._part, place, end, self._order)
            if kind != _MATRIX:
                raise ValueError(f"a part of type {kind} in place of an array")
            yield self.read(start, start + size, depth + 1)

    def _head(self, place: int, end: int) -> tuple[int, int, tuple[int, ...], str, int]:
        """Return class, flags, shape and name of an array, and where the rest begins."""
        _, start, size, place = _tag(self._part, place, end, self._order)
        if size != 8:
            raise ValueError(f"flags of {size} bytes")
        flags = int(np.frombuffer(self._part.read(start, 4), f"{self._order}u4")[0])
        _, start, size, place = _tag(self._part, place, end, self._order)
        if size > 4 * _MOST_AXES or size % 4:
            raise ValueError(f"a shape of {size} bytes")
        shape = tuple(np.frombuffer(self._part.read(start, size), f"{self._order}i4").tolist())
        if min(shape, default=-1) < 0:
            raise ValueError(f"an array of shape {shape}")
        _, start, size, place = _tag(self._part, place, end, self._order)
        name = self._part.read(start, min(size, _MOST_TEXT)).decode("latin-1")
        return flags & 0xFF, flags, shape, name, place

    def _field_names(self, place: int, end: int) -> tuple[list[str], int]:
        """Return the names of a struct's fields, and where their values begin."""
        _, start, size, place = _tag(self._part, place, end, self._order)
        if size != 4:
            raise ValueError(f"a length of names in {size} bytes")
        length = int(np.frombuffer(self._part.read(start, 4), f"{self._order}i4")[0])
        _, start, size, place = _tag(self._part, place, end, self._order)
        if not 0 < length <= _MOST_TEXT or size > length * MOST_MEMBERS:
            raise ValueError(f"names of {length} bytes in {size}")
        data = self._part.read(start, size)
        names = [data[at : at + length].split(b"\0")[0].decode("latin-1") for at in range(0, size, length)]
        if len({*names}) < len(names):
            raise ValueError("fields of the same name")
        return names, place

    def _encoding(self, stored: int) -> str:
        encoding = _TEXTS[stored]
        return encoding if encoding == "utf-8" else f"{encoding}-{'le' if self._order == '<' else 'be'}"


# --- the bytes --------------------------------------------------------------------------------------------------------


class _Part:
    """Bytes that are read from any place, best from one place after the other."""

    def read(self, place: int, count: int) -> bytes:
        """Return exactly so many bytes from a place, or raise ValueError."""
        raise NotImplementedError


class _Plain(_Part):
    """A part of a file as it is."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        self._file, self._start, self._size = file, start, size

    def read(self, place: int, count: int) -> bytes:
        if place + count > self._size:
            raise ValueError("a part that is cut off")
        self._file.seek(self._start + place)
        data = self._file.read(count)
        if len(data) < count:
            raise ValueError("a part that is cut off")
        return data


class _Inflated(_Part):
    """A compressed part of a file. If a place is read that is long past, it is unpacked from its beginning again."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        self._file, self._start, self._size = file, start, size
        self._restart()

    def _restart(self) -> None:
        self._inflater, self._place, self._used = zlib.decompressobj(), 0, 0
        self._recent = b""

    def read(self, place: int, count: int) -> bytes:
        if place + count > MOST_BYTES:
            raise ValueError(f"a part that unpacks to more than {MOST_BYTES} bytes")
        if place < self._place - len(self._recent):
            self._restart()
        while self._place < place:
            self._take(min(place - self._place, _BLOCK))
        known = self._recent[len(self._recent) - (self._place - place) :][:count] if place < self._place else b""
        return known + b"".join(self._pieces(count - len(known)))

    def _pieces(self, count: int) -> Iterator[bytes]:
        while count:
            piece = self._take(min(count, _BLOCK))
            count -= len(piece)
            yield piece

    def _take(self, most: int) -> bytes:
        """Return the next bytes, at least one and at most so many."""
        while True:
            packed = self._inflater.unconsumed_tail
            if not packed and self._used < self._size:
                self._file.seek(self._start + self._used)
                packed = self._file.read(min(_BLOCK, self._size - self._used))
                self._used += len(packed)
            data = self._inflater.decompress(packed, most)
            if data:
                self._place += len(data)
                self._recent = (self._recent + data[-_RECENT:])[-_RECENT:]
                return data
            if self._inflater.eof or not packed:
                raise ValueError("a compressed part that is cut off")
