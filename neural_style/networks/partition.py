"""Parts of the network, each of which is computed tile by tile: arithmetic alone."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from neural_style import vgg19_spec

CUT = "pool3"
"""Where the network is divided, if it is deeper."""

DEEP_SIDE = 2
"""Side of a tile of the second part as a multiple of that of the first, in pixels; it takes half as much memory."""


class Part(NamedTuple):
    """Some blocks of the network, from the image or a pooling up to a pooling or the last layer used."""

    layers: tuple[str, ...]
    """Those in it that are looked at, shallow to deep."""
    start: str | None
    """The pooling whose map it takes; None for the image."""
    end: str | None
    """The pooling whose map it makes, if another part follows."""

    @property
    def maps(self) -> tuple[str, ...]:
        """Names of all its outputs."""
        return (*self.layers, self.end) if self.end else self.layers

    @property
    def reach(self) -> int:
        """Positions of its input that a tile must see beyond its own, on each side; at least 1, for the variation."""
        return max(vgg19_spec.reach(self.maps, self.start), 1)

    @property
    def stride(self) -> int:
        """Positions of its input per position of its coarsest output, along each side."""
        return max((vgg19_spec.stride(name, self.start) for name in self.maps), default=1)

    def side(self, tile_size: int) -> int:
        """Side of a tile's own part in positions of its input, where that of the image is a number of pixels."""
        return tile_size if self.start is None else tile_size * DEEP_SIDE // vgg19_spec.stride(self.start)


def parts(layers: Collection[str]) -> tuple[Part, ...]:
    """The parts in which a network with these outputs is taken tile by tile."""
    last = vgg19_spec.block_of(CUT)
    shallow = tuple(layer for layer in vgg19_spec.LAYERS if layer in layers and vgg19_spec.block_of(layer) <= last)
    deep = tuple(layer for layer in vgg19_spec.LAYERS if layer in layers and vgg19_spec.block_of(layer) > last)
    return (Part(shallow, None, CUT), Part(deep, CUT, None)) if deep else (Part(shallow, None, None),)
