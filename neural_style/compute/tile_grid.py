"""How a picture or map is divided into tiles. Arithmetic only."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

from neural_style.vgg19_spec import positions

Index = tuple[slice, slice]
"""Rows and columns of an array (height, width, …)."""


class Box(NamedTuple):
    """A part of a map, in positions: rows from top to before bottom, columns from left to before right."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def part(self) -> tuple[slice, slice]:
        """Index of this part in an array (height, width, …)."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def pooled(self, stride: int, rounding: str) -> Box:
        """Return the same part on a map that is pooled from this one; `vgg19_spec.positions` explains the arguments."""
        return Box(*(positions(edge, stride, rounding) for edge in self))

    def seen_from(self, other: Box) -> Box:
        """Return the same part in coordinates that begin at the top left of another."""
        return Box(self.top - other.top, self.left - other.left, self.bottom - other.top, self.right - other.left)

    def pieces(self, height: int, width: int) -> Iterator[tuple[Index, Index]]:
        """Yield the parts of a map that lie in this box: the index of each in the map, and in an array of the box.

        Where the box reaches beyond the map, the map begins again at its opposite edge.

        Args:
            height: of the map in positions.
            width: of the map in positions.
        """
        rows = _runs(self.top, self.bottom, height)
        for of_rows, of_columns in itertools.product(rows, list(_runs(self.left, self.right, width))):
            yield (of_rows[0], of_columns[0]), (of_rows[1], of_columns[1])


class Tile(NamedTuple):
    """A part of a map that is computed at once."""

    own: Box
    """The part that it contributes to sums. Every position of the map belongs to exactly one tile."""
    seen: Box
    """The part that the network sees: its own part and the margin that its values depend on."""


def cover(
    height: int, width: int, side: int, reach: int, stride: int, rounding: str, wraps: bool = False
) -> Iterator[Tile]:
    """Yield tiles of about the same size that cover a map of any size, row by row.

    The own parts begin at multiples of the stride, and end at multiples of the stride or with the map. Each contains at
    least one whole position of the coarsest layer if the map does. The same holds for the parts that are seen, so
    poolings divide them like the whole map. All tiles see equally much, except for the rest of the map beyond a
    multiple of the stride: tiles at the border see further inward. If sizes varied, memory would become fragmented.

    Args:
        height: height of the map in positions.
        width: width of the map in positions.
        side: most positions along a side of an own part; a part may exceed it by less than the stride.
        reach: how many positions beyond its own part the values of a tile depend on.
        stride: positions of the map, along each side, per position of the coarsest layer.
        rounding: what poolings do with an odd last row or column, one of `vgg19_spec.ROUNDINGS`.
        wraps: whether the map continues at its opposite edges. Then its sides are multiples of the stride, and what
            tiles see reaches beyond the map; see `Box.pieces`.
    """
    halo = -(-reach // stride) * stride
    rows, columns = (list(_spans(length, side, halo, stride, rounding, wraps)) for length in (height, width))
    for (top, bottom), (first_row, last_row) in rows:
        for (left, right), (first_column, last_column) in columns:
            yield Tile(Box(top, left, bottom, right), Box(first_row, first_column, last_row, last_column))


def _runs(begin: int, end: int, length: int) -> Iterator[tuple[slice, slice]]:
    """Yield the parts of positions from `begin` to before `end` of a side that repeats, there and in the whole."""
    at = begin
    while at < end:
        first = at % length
        count = min(length - first, end - at)
        yield slice(first, first + count), slice(at - begin, at - begin + count)
        at += count


def _spans(
    length: int, side: int, halo: int, stride: int, rounding: str, wraps: bool
) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield (begin, end) of each own part along one side, and (begin, end) of what is seen with it.

    With u whole positions of the coarsest layer and n parts, part i begins at ⌊u·i / n⌋ · stride. Each part sees
    ⌈u / n⌉ · stride + 2 · halo positions, or to the end of the map. Where it wraps, there is no end.
    """
    units = max(positions(length, stride, rounding), 1)
    count = -(-units // max(side // stride, 1))
    edges = [units * index // count * stride for index in range(count)] + [length]
    seen = -(-units // count) * stride + 2 * halo
    last = max(units * stride - seen, 0)  # where the seen part of the last tile begins
    for begin, end in itertools.pairwise(edges):
        if wraps:
            yield (begin, end), (begin - halo, begin - halo + seen)
            continue
        first = max(begin - halo, 0)
        yield (begin, end), (first, first + seen) if first < last else (last, length)
