"""The parts of the network that are computed tile by tile, one after the other. Arithmetic only."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from neural_style import vgg19_spec

CUT = "pool3"
"""Pooling at which the network is split, if it is deeper than that."""

DEEP_SIDE = 2
"""Side of a tile of the second part, as a multiple of the first part's. Such a tile takes half as much memory."""


class Part(NamedTuple):
    """Consecutive blocks of the network, from the image or a pooling to a pooling or the last layer used."""

    layers: tuple[str, ...]
    """Layers of this part that the losses use, shallow to deep."""
    start: str | None
    """Pooling whose map is the input; None for the image."""
    end: str | None
    """Pooling whose map is the output for the next part; None for the last part."""

    @property
    def maps(self) -> tuple[str, ...]:
        """Names of all outputs."""
        return (*self.layers, self.end) if self.end else self.layers

    @property
    def reach(self) -> int:
        """Input positions that a tile needs beyond its own on each side; at least 1, for the total variation."""
        return max(vgg19_spec.reach(self.maps, self.start), 1)

    @property
    def stride(self) -> int:
        """Input positions per position of the coarsest output, along each side."""
        return max((vgg19_spec.stride(name, self.start) for name in self.maps), default=1)

    def side(self, tile_size: int) -> int:
        """Return the side of a tile's own area in input positions, for tiles of `tile_size` pixels in the image."""
        return tile_size if self.start is None else tile_size * DEEP_SIDE // vgg19_spec.stride(self.start)


def parts(layers: Collection[str]) -> tuple[Part, ...]:
    """Return the parts of a network with these outputs, shallow to deep."""
    last = vgg19_spec.block_of(CUT)
    shallow = tuple(layer for layer in vgg19_spec.LAYERS if layer in layers and vgg19_spec.block_of(layer) <= last)
    deep = tuple(layer for layer in vgg19_spec.LAYERS if layer in layers and vgg19_spec.block_of(layer) > last)
    return (Part(shallow, None, CUT), Part(deep, CUT, None)) if deep else (Part(shallow, None, None),)
