"""Tiles of a picture or map: arithmetic alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

from neural_style.vgg19_spec import positions


class Box(NamedTuple):
    """A part of a map, in positions: from top and left, up to but not including bottom and right."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def part(self) -> tuple[slice, slice]:
        """Index of the part in an array (height, width, …)."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def pooled(self, stride: int, rounding: str) -> Box:
        """Return the same part on a map that is pooled from this one; `vgg19_spec.positions` explains the arguments."""
        return Box(*(positions(edge, stride, rounding) for edge in self))

    def seen_from(self, other: Box) -> Box:
        """The same part, counted from the top left of another."""
        return Box(self.top - other.top, self.left - other.left, self.bottom - other.top, self.right - other.left)


class Tile(NamedTuple):
    """A part of a map that is worked on at once."""

    own: Box
    """What it adds to sums: every position of the map is one tile's own."""
    seen: Box
    """What the network is shown: its own part and around it what its values depend on."""


def cover(height: int, width: int, side: int, reach: int, stride: int, rounding: str) -> Iterator[Tile]:
    """Tiles that cover a map of any size, row by row, of about the same size.

    Their own parts begin at multiples of the stride and end there or with the map, and each holds at least one whole
    position of the coarsest layer if the map does. What they see does so as well, and so is divided by poolings like
    the whole map. All see as much, but for the rest that a map has beyond a multiple of the stride: tiles at the border
    see further inwards, since memory that is freed and taken again in pieces of other sizes would be torn to shreds.

    Args:
        height: of the map in positions.
        width: of the map in positions.
        side: most positions of an own part along each side; it may exceed them by less than the stride.
        reach: positions that values depend on beyond an own part.
        stride: positions of the map, along each side, per position of the coarsest layer.
        rounding: what poolings do with an odd last row or column, of `vgg19_spec.ROUNDINGS`.
    """
    halo = -(-reach // stride) * stride
    rows, columns = (list(_spans(length, side, halo, stride, rounding)) for length in (height, width))
    for (top, bottom), (first_row, last_row) in rows:
        for (left, right), (first_column, last_column) in columns:
            yield Tile(Box(top, left, bottom, right), Box(first_row, first_column, last_row, last_column))


def _spans(
    length: int, side: int, halo: int, stride: int, rounding: str
) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Where each own part of a line begins and ends, and what is seen with it."""
    units = max(positions(length, stride, rounding), 1)
    count = -(-units // max(side // stride, 1))
    edges = [units * index // count * stride for index in range(count)] + [length]
    seen = -(-units // count) * stride + 2 * halo
    last = max(units * stride - seen, 0)  # where what the tiles at the end see begins
    for begin, end in itertools.pairwise(edges):
        first = max(begin - halo, 0)
        yield (begin, end), (first, first + seen) if first < last else (last, length)
