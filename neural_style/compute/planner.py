"""How a picture of some size is computed in a given memory: whole or in tiles, by which optimiser, and what that takes.

What is predicted is the peak of this process's resident memory, TensorFlow's own share among it. The constants were
fitted to measurements; `scripts/bench memory` compares prediction and peak anew.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import NoReturn

import numpy as np

from neural_style import vgg19_spec
from neural_style.compute import tile_grid
from neural_style.config import byte_sizes
from neural_style.config.config import Config
from neural_style.errors import UsageError
from neural_style.networks import partition

TILE_SIZES = (1024, 768, 512, 384, 256, 192, 128)
"""Sides of tiles that are considered, in pixels."""

SHORT_HISTORIES = (5, 3)
"""Curvature pairs that L-BFGS makes do with where there is no memory for more."""

_PROCESS = 740e6
"""Bytes of Python, TensorFlow, the network and what oneDNN keeps."""

_TILED_PROCESS = 150e6
"""Bytes more of those where tiles are computed."""

_WHOLE = {"float32": 1.45, "bfloat16": 1.85, "float16": 2.5}
"""Type -> bytes that an evaluation takes, as a multiple of those of the feature maps that it keeps to go back."""

_FORWARD = 0.6
"""The same where nothing is kept, since there is no way back."""

_TILE = {"float32": 1.9, "bfloat16": 2.5, "float16": 3.3}
"""The same for a tile."""

TWO_PASSES = 1.45
"""Time of an evaluation whose forward pass is made twice, as a multiple of one whose is made once; measured."""

IMAGE_BYTES = 12
"""Bytes of a pixel of an image: three numbers in float32."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a picture of one size is computed."""

    width: int
    """Of the picture, in pixels."""
    height: int
    """Of the picture, in pixels."""
    tile_size: int | None
    """Side of a tile's own part in pixels; None for the picture as a whole."""
    keep_content: bool
    """Whether the content's feature maps are kept, or computed anew for each tile."""
    optimizer: str
    """As `Config.optimizer`."""
    history_size: int
    """As `Config.history_size`."""
    peak: int
    """Predicted peak of memory in bytes."""

    @property
    def in_place(self) -> bool:
        """Whether the image is a buffer that the optimiser overwrites."""
        return self.tile_size is not None and self.optimizer == "adam"

    def described(self, config: Config) -> str:
        """What is chosen, and what differs from the settings, in words."""
        tiled = f"tiles of {self.tile_size} px" if self.tile_size else "whole"
        words = [f"{self.width}×{self.height} px {tiled}"]
        if self.optimizer != config.optimizer:
            words.append(f"adam instead of {config.optimizer}, which needs more memory")
        elif self.optimizer != "adam" and self.history_size != config.history_size:
            words.append(f"L-BFGS with {self.history_size} pairs instead of {config.history_size} to save memory")
        if self.tile_size and not self.keep_content:
            words.append("content features computed anew for each tile")
        return ", ".join(words)


class Planner:
    """The plans that there are for pictures of any size, and the choice among them."""

    def __init__(self, config: Config, precision: str, styles: Sequence[float] | None = None):
        """Prepare.

        Args:
            config: layers, optimiser, and what `tile_size` it asks for.
            precision: type that the network computes in.
            styles: pixels of each style picture as a multiple of the result's; by default as many.
        """
        self._config, self._precision = config, precision
        self._styles = styles or [1.0] * len(config.styles)

    def choose(self, width: int, height: int, budget: int) -> Plan:
        """The plan of the fastest and best that fits into a memory of some bytes.

        Args:
            width: of the picture in pixels.
            height: of the picture in pixels.
            budget: bytes of memory.

        Raises:
            UsageError: none fits.
        """
        return self.choose_all([(width, height)], budget, 0)[0]

    def choose_all(self, sizes: Sequence[tuple[int, int]], budget: int, held: int) -> list[Plan]:
        """Plans for the scales of a run, given as widths and heights, coarse to fine; `choose` explains the rest.

        Args:
            sizes: of the scales in pixels.
            budget: bytes of memory.
            held: bytes of them that all scales but the last need for something else.

        Raises:
            UsageError: none fits for some scale; it names what the run needs.
        """
        helds = [held] * (len(sizes) - 1) + [0]
        plans = [
            next((plan for plan in self._plans(*size) if plan.peak + beside <= budget), None)
            for size, beside in zip(sizes, helds, strict=True)
        ]
        if None in plans:
            self._refuse(sizes, helds, budget)
        return [plan for plan in plans if plan]

    def _refuse(self, sizes: Sequence[tuple[int, int]], helds: Sequence[int], budget: int) -> NoReturn:
        """Say what the scale needs that needs most."""
        leasts = [min(self._plans(*size), key=lambda plan: plan.peak) for size in sizes]
        needed, least, beside = max(
            ((plan.peak + held, plan, held) for plan, held in zip(leasts, helds, strict=True)), key=lambda each: each[0]
        )
        pictures = f" beside the {byte_sizes.describe(beside)} of the pictures read" if beside else ""
        forced = "" if self._config.tile_size is None else f", leave out --tile_size {self._config.tile_size}"
        raise UsageError(
            f"memory: expected at least {byte_sizes.describe(needed)} for a picture of {least.width}×{least.height} px "
            f"({least.described(self._config)}){pictures}, got {byte_sizes.describe(budget)}; "
            f"give --memory {byte_sizes.flag(needed + 2 * 10**7)} if there is as much{forced}, or lower --width"
        )

    def whole(self, width: int, height: int) -> Plan:
        """The plan of the settings, without tiles, whatever it takes."""
        return self._plan(width, height, None, True, self._config.optimizer, self._config.history_size)

    def smaller(self, plan: Plan) -> Plan | None:
        """The same plan with smaller tiles; None if there are none, or none are wanted."""
        if self._config.tile_size == 0:
            return None
        most = plan.tile_size or max(plan.width, plan.height)
        sizes = [size for size in TILE_SIZES if size < most]
        if not sizes:
            return None
        return self._plan(plan.width, plan.height, sizes[0], plan.keep_content, plan.optimizer, plan.history_size)

    def with_adam(self, plan: Plan) -> Plan:
        """The same plan with Adam."""
        return self._plan(plan.width, plan.height, plan.tile_size, plan.keep_content, "adam", plan.history_size)

    def _plans(self, width: int, height: int) -> Iterator[Plan]:
        """Plans for a picture, the best first."""
        config = self._config
        optimizer, pairs = config.optimizer, config.history_size
        forced = config.tile_size
        if not forced or forced >= max(width, height):
            yield self.whole(width, height)
        if forced == 0:
            return
        sizes = [forced] if forced else [size for size in TILE_SIZES if size < max(width, height)]
        fast = [size for size in sizes if size >= 512] or sizes[:1]
        ways = [(optimizer, pairs)]
        if optimizer == "lbfgs":
            ways += [("lbfgs", shorter) for shorter in SHORT_HISTORIES if shorter < pairs]
        ways += [("adam", pairs)] if optimizer != "adam" else []
        for way in ways:
            for size in fast:
                yield self._plan(width, height, size, True, *way)
        for size in sizes:
            yield self._plan(width, height, size, False, "adam", pairs)

    def _plan(self, width: int, height: int, tile_size: int | None, keep: bool, optimizer: str, pairs: int) -> Plan:
        in_place = tile_size is not None and optimizer == "adam"
        work = self._whole_work(width, height) if tile_size is None else self._tile_work(width, height, tile_size)
        kept = self._kept(tile_size is not None, keep)
        images = IMAGE_BYTES * (4 if in_place else 10 if optimizer == "adam" else 11 + 2 * (pairs + 1))
        if optimizer == "scipy":
            images = 2 * images
        snapshots = 2 * 3 * self._config.bit_depth / 8 if in_place else 0
        running = width * height * (images + kept + snapshots + IMAGE_BYTES * self._config.preserve_colors / 4)
        reading = IMAGE_BYTES * width * height * (3 + sum(self._styles))
        return Plan(
            width,
            height,
            tile_size,
            keep,
            optimizer,
            pairs,
            int(_PROCESS + _TILED_PROCESS * (tile_size is not None) + self._weights() + max(running, reading) + work),
        )

    def _weights(self) -> int:
        convs = vgg19_spec.convs_up_to(self._config.layers)
        numbers = sum(int(np.prod(vgg19_spec.kernel_shape(conv))) for conv in convs)
        return numbers * self._bytes()

    def _bytes(self) -> int:
        return 4 if self._precision == "float32" else 2

    def _kept(self, tiled: bool, keep_content: bool) -> float:
        """Bytes per pixel of what is kept from one evaluation to the next, and between the passes of one."""
        parts = partition.parts(self._config.layers)
        content = [part for part in parts if set(part.layers) & set(self._config.content_terms)]
        cut = _numbers(partition.CUT) * self._bytes() if len(parts) > 1 else 0
        features = sum(_numbers(layer) for layer in self._config.content_terms) * self._bytes()
        if not tiled:
            return features + IMAGE_BYTES  # and the picture, should tiles be needed after all
        between = cut if self._precision != "float16" else 2 * cut  # its gradient is in float32
        sources = sum(cut if part.start else IMAGE_BYTES for part in content)
        return between + (features if keep_content else sources)

    def _whole_work(self, width: int, height: int) -> float:
        layers = self._config.layers
        kept = sum(_kept_numbers(part.layers, part.start, part.end) for part in partition.parts(layers))
        forward = _FORWARD * max(self._styles, default=0.0)  # of the Gram matrices of the largest style picture
        return width * height * max(_WHOLE[self._precision], forward) * self._bytes() * kept

    def _tile_work(self, width: int, height: int, tile_size: int) -> float:
        work = 0.0
        for part in partition.parts(self._config.layers):
            seen = max(_seen_pixels(part, width, height, tile_size))
            work = max(work, seen * _kept_numbers(part.layers, part.start, part.end))
        return _TILE[self._precision] * self._bytes() * work


def evaluation_factor(plan: Plan, config: Config) -> float:
    """Time of an evaluation as a multiple of that of the same picture as a whole, were there memory for it."""
    if plan.tile_size is None:
        return 1.0
    seen = own = 0.0
    for part in partition.parts(config.layers):
        weight = _kept_numbers(part.layers, part.start, part.end)
        own += plan.height * plan.width * weight
        seen += sum(_seen_pixels(part, plan.width, plan.height, plan.tile_size)) * weight
    return TWO_PASSES * seen / own if own else 1.0


def _seen_pixels(part: partition.Part, width: int, height: int, tile_size: int) -> Iterator[int]:
    """Pixels of a picture that each tile of a part sees."""
    stride = 1 if part.start is None else vgg19_spec.stride(part.start)
    for tile in tile_grid.cover(height // stride, width // stride, part.side(tile_size), part.reach, part.stride, "up"):
        yield (tile.seen.bottom - tile.seen.top) * (tile.seen.right - tile.seen.left) * stride**2


def _numbers(layer: str) -> float:
    """Numbers per pixel of the picture in a layer's map."""
    return vgg19_spec.kernel_shape(vgg19_spec.conv_of(layer))[-1] / vgg19_spec.stride(layer) ** 2


def _kept_numbers(layers: Sequence[str], start: str | None, end: str | None) -> float:
    """Numbers per pixel of the picture in the feature maps of a part that are kept for the way back."""
    wanted = (*layers, end) if end else layers
    first = 1 if start is None else vgg19_spec.block_of(start) + 1
    convs = [conv for conv in vgg19_spec.convs_up_to(wanted) if vgg19_spec.block_of(conv) >= first]
    blocks = sorted({vgg19_spec.block_of(conv) for conv in convs})
    pools = [f"pool{block}" for block in blocks[:-1]] + ([end] if end else [])
    raw = [layer for layer in layers if layer.startswith("conv")]
    return sum(map(_numbers, [*convs, *pools, *raw])) + 3 * (start is None)
