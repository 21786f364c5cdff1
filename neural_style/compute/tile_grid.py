"""How a picture or map is divided into tiles. Arithmetic only."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

from neural_style.vgg19_spec import positions


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


class Tile(NamedTuple):
    """A part of a map that is computed at once."""

    own: Box
    """The part that it contributes to sums. Every position of the map belongs to exactly one tile."""
    seen: Box
    """The part that the network sees: its own part and the margin that its values depend on."""


def cover(height: int, width: int, side: int, reach: int, stride: int, rounding: str) -> Iterator[Tile]:
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
    """
    halo = -(-reach // stride) * stride
    rows, columns = (list(_spans(length, side, halo, stride, rounding)) for length in (height, width))
    for (top, bottom), (first_row, last_row) in rows:
        for (left, right), (first_column, last_column) in columns:
            yield Tile(Box(top, left, bottom, right), Box(first_row, first_column, last_row, last_column))


def _spans(
    length: int, side: int, halo: int, stride: int, rounding: str
) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield (begin, end) of each own part along one side, and (begin, end) of what is seen with it.

    With u whole positions of the coarsest layer and n parts, part i begins at ⌊u·i / n⌋ · stride. Each part sees
    ⌈u / n⌉ · stride + 2 · halo positions, or to the end of the map.
    """
    units = max(positions(length, stride, rounding), 1)
    count = -(-units // max(side // stride, 1))
    edges = [units * index // count * stride for index in range(count)] + [length]
    seen = -(-units // count) * stride + 2 * halo
    last = max(units * stride - seen, 0)  # where the seen part of the last tile begins
    for begin, end in itertools.pairwise(edges):
        first = max(begin - halo, 0)
        yield (begin, end), (first, first + seen) if first < last else (last, length)
