"""Tiles of a picture: arithmetic alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


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

    def shrunk(self, stride: int) -> Box:
        """The same part on a map with one position for `stride`² of this one's; an incomplete last one is dropped."""
        return Box(*(side // stride for side in self))

    def seen_from(self, other: Box) -> Box:
        """The same part, counted from the top left of another."""
        return Box(self.top - other.top, self.left - other.left, self.bottom - other.top, self.right - other.left)


class Tile(NamedTuple):
    """A part of a map that is worked on at once."""

    own: Box
    """What it adds to sums: every position of the map is one tile's own."""
    seen: Box
    """What the network is shown: its own part and around it what its values depend on."""


def cover(height: int, width: int, side: int, reach: int, stride: int) -> Iterator[Tile]:
    """Tiles that cover a map of any size, row by row, of about the same size.

    Their own parts begin at multiples of the stride and end there or with the map, and each holds at least one whole
    position of the coarsest layer if the map does. What they see does so as well, and so is divided by poolings like
    the whole map.

    Args:
        height: of the map in positions.
        width: of the map in positions.
        side: most positions of an own part along each side; it may exceed them by less than the stride.
        reach: positions that values depend on beyond an own part.
        stride: positions of the map, along each side, per position of the coarsest layer.
    """
    halo = -(-reach // stride) * stride
    rows, columns = _edges(height, side, stride), _edges(width, side, stride)
    for top, bottom in zip(rows, rows[1:], strict=False):
        for left, right in zip(columns, columns[1:], strict=False):
            seen = Box(max(top - halo, 0), max(left - halo, 0), min(bottom + halo, height), min(right + halo, width))
            yield Tile(Box(top, left, bottom, right), seen)


def _edges(length: int, side: int, stride: int) -> list[int]:
    """Where the parts of a line begin, and its end."""
    units = max(length // stride, 1)
    most = max(side // stride, 1)
    count = -(-units // most)
    return [units * index // count * stride for index in range(count)] + [length]
