"""What a run costs: its peak memory in bytes, and the time of an evaluation.

The predicted peak is the resident memory of a process that makes one run and nothing else, including TensorFlow. The
constants were fitted to measurements; `scripts/bench memory` compares predictions with measured peaks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from neural_style import vgg19_spec
from neural_style.compute import tile_grid
from neural_style.config.config import Config
from neural_style.config.defaults import LEFT_TO_OPTIMIZER
from neural_style.networks import partition

if TYPE_CHECKING:
    from neural_style.compute.planner import Plan

PROCESS_BYTES = 840 * 10**6
"""Bytes that all runs of a process share: Python, TensorFlow, the network's code and what oneDNN keeps."""

TILED_PROCESS_BYTES = 120 * 10**6
"""Bytes that a run in tiles takes in addition."""

IMAGE_BYTES = 12
"""Bytes of a pixel of an image: three float32 values."""

CHANNEL_BYTES = 4
"""Bytes of a pixel of one channel, or of its alpha: a float32 value."""

WHOLE_FACTORS = {"float32": 1.45, "bfloat16": 1.85, "float16": 2.5}
"""Type -> bytes of an evaluation of a whole picture, as a multiple of the bytes of the feature maps it stores."""

TILE_FACTORS = {"float32": 1.9, "bfloat16": 2.5, "float16": 3.3}
"""Type -> the same factor for a tile."""

FREQUENCIES_IMAGES = 8
"""Images that `Frequencies` hold at once: where they began, their image, and what a transform takes."""

MASK_BYTES = 5
"""Bytes of a pixel of a mask: a float16 value, and as many in all style layers together."""

MAKING_MASK_BYTES = 13
"""The same while a mask is brought to the layers, which computes in float32."""

PROOF_BYTES = 80 * 10**6
"""Bytes that a band of rows takes while it is proofed. In addition, there is the printed image, and outside of tiles a
second gradient and the bands before they are joined."""

MASKED_COPIES = 1.5
"""Copies of the largest style map that the moments of a region take, one region after the other."""

FORWARD_FACTOR = 0.6
"""The same factor for a forward pass alone, which stores no feature maps for a backward pass."""

TWO_PASSES = 1.45
"""Time of an evaluation in tiles, which makes the forward pass twice, as a multiple of one that makes it once."""


class CostModel:
    """Predicts the peak memory of runs with the same settings, by picture size, tile size and optimizer."""

    def __init__(
        self,
        config: Config,
        precision: str,
        style_areas: Sequence[float],
        reading_bytes: int = 0,
        has_alpha: bool = False,
        masks: int = 0,
    ):
        """Prepare.

        Args:
            config: layers, loss terms, bit depth and colors of the runs.
            precision: the type that the network computes in, such as "bfloat16".
            style_areas: pixels of each style picture that is in memory, as multiples of the result's pixels.
            reading_bytes: bytes that reading a style picture again takes at most, besides the resized picture.
            has_alpha: whether the content is transparent somewhere.
            masks: number of masks of the content: of its regions, and of its loss.
        """
        self._config, self._precision, self._style_areas = config, precision, style_areas
        self._largest_style = max(style_areas, default=0.0)
        self._reading_bytes, self._has_alpha, self._masks = reading_bytes, has_alpha, masks
        self._value_bytes = 4 if precision == "float32" else 2

    def peak(self, plan: Plan, pixels_before: int = 0) -> int:
        """Return the predicted peak of a process's resident memory, in bytes.

        process + weights + what finishes the result + max(pictures while read, images while optimizing) + work of one
        evaluation

        Args:
            plan: how the picture is computed; its own peak is not looked at.
            pixels_before: pixels of the size from which `Config.carry_moments` takes moments; 0 at the first size.
        """
        width, height, tile_size = plan.width, plan.height, plan.tile_size
        area, kept = width * height, self._kept_bytes(plan)
        process = PROCESS_BYTES + TILED_PROCESS_BYTES * (tile_size is not None)
        moments = 2 * IMAGE_BYTES * pixels_before * self._config.carry_moments
        reduced = sum(_pixels_of_sizes(self._config, width, height)[1:])
        reading = IMAGE_BYTES * area * (3 + sum(self._style_areas)) + moments + self._example_bytes(area, reduced)
        reading += MAKING_MASK_BYTES * self._masks * area * max(1.0, self._largest_style)
        optimizing = area * (self._optimizer_bytes(plan) + kept)
        optimizing += reduced * (kept + 2 * IMAGE_BYTES)  # with image and gradient
        if self._config.proof is not None:
            optimizing += area * IMAGE_BYTES * (1 if tile_size else 3) + PROOF_BYTES
        if plan.in_place:
            optimizing += 1.5 * moments  # both, and a tensor of the one that is resized, while there is no gradient yet
        work = self._whole_work(width, height) if tile_size is None else self._tile_work(width, height, tile_size)
        work += self._masked_bytes(area if tile_size is None else min(area, tile_size**2))
        finish = self.photo_bytes(width, height) + CHANNEL_BYTES * area * self._has_alpha
        return int(process + self._weight_bytes() + finish + max(optimizing, reading) + work)

    def photo_bytes(self, width: int, height: int) -> int:
        """Return the bytes of the content, and of a mask, that a run keeps for the colors or the blend of a result."""
        config = self._config
        has_regions = config.content_masks is not None and config.content is not None
        is_kept = config.preserve_colors or config.color != "none" or config.opacity < 1 or has_regions
        masks = 2 * has_regions + (config.color_mask is not None)
        return width * height * (3 * config.bit_depth // 8 * is_kept + masks)

    def _masked_bytes(self, pixels: int) -> float:
        """Return the bytes of the masked copy of the largest style map, of a picture or tile with so many pixels."""
        most = max(map(_values_per_pixel, self._config.style_terms), default=0.0)
        return MASKED_COPIES * self._value_bytes * most * pixels * (self._masks > 0)

    def _example_bytes(self, area: int, reduced: int) -> float:
        """Return the bytes beside the style pictures: of one that is read; or of a turned copy, and of its reductions.

        Args:
            area: pixels of the result.
            reduced: pixels of the result's reductions.
        """
        copies = reduced + area * any(self._config.style_rotations or ())
        return max(IMAGE_BYTES * self._largest_style * copies, self._reading_bytes)

    def _weight_bytes(self) -> int:
        convs = vgg19_spec.convs_up_to(self._config.layers)
        networks = 1 + self._config.seamless  # style pictures do not wrap, and have a network of their own
        return networks * self._value_bytes * sum(math.prod(vgg19_spec.kernel_shape(conv)) for conv in convs)

    def _optimizer_bytes(self, plan: Plan) -> float:
        """Return the bytes per pixel of the images that an optimizer holds at once."""
        optimizer, averages = plan.optimizer, self._config.average_iterates > 0
        if plan.in_place:
            results = 2 * 3 * self._config.bit_depth / 8  # two finished pictures: copied, since the image changes
            if optimizer == "sgd":
                return (3 + averages) * IMAGE_BYTES + results  # image, gradient and the image before
            images = 4 + self._config.clip + averages  # image, gradient and Adam's two moments
            return images * IMAGE_BYTES + results
        chosen = self._config.variables or LEFT_TO_OPTIMIZER[optimizer]["variables"]
        others = 2 * averages + FREQUENCIES_IMAGES * (chosen == "frequencies")
        if optimizer == "sgd":
            return (8 + others) * IMAGE_BYTES
        if optimizer == "adam":  # to take back what was clipped, the image before is kept
            return (10 + self._config.clip + others) * IMAGE_BYTES
        images = 11 + 2 * (plan.history_size + 1)  # each pair is a step and a change of the gradient
        return (images * (2 if optimizer == "scipy" else 1) + others) * IMAGE_BYTES  # SciPy computes in float64

    def _kept_bytes(self, plan: Plan) -> float:
        """Return the bytes per pixel that are kept between evaluations, and between the two passes of an evaluation."""
        content_layers = self._config.content_terms
        features = self._value_bytes * sum(map(_values_per_pixel, content_layers))
        features += MASK_BYTES * self._masks
        if plan.tile_size is None:
            return features + IMAGE_BYTES  # the content is kept as well, in case tiles are needed after all
        parts = partition.parts(self._config.layers)
        cut = self._value_bytes * _values_per_pixel(partition.CUT) if len(parts) > 1 else 0.0
        between = cut if self._precision != "float16" else 2 * cut  # in float16, its gradient is float32
        if plan.keep_content:
            return between + features
        return between + sum(
            cut if part.start else IMAGE_BYTES for part in parts if not content_layers.keys().isdisjoint(part.layers)
        )

    def _whole_work(self, width: int, height: int) -> float:
        """Return the bytes of an evaluation of the whole picture, or of a forward pass over the largest style."""
        parts = partition.parts(self._config.layers)
        stored = self._value_bytes * sum(_stored_values(part.layers, part.start, part.end) for part in parts)
        pooling = sum(map(self._pooling_bytes, parts))
        forward = self._largest_style * (FORWARD_FACTOR * stored + self._padding_bytes() + pooling)
        return width * height * max(WHOLE_FACTORS[self._precision] * stored + pooling, forward)

    def _tile_work(self, width: int, height: int, tile_size: int) -> float:
        """Return the bytes of the largest tile: pixels · values stored per pixel, in the part that takes most."""
        most = 0.0
        for part in partition.parts(self._config.layers):
            seen = max(_seen_pixels(part, width, height, tile_size, self._config))
            stored = self._value_bytes * _stored_values(part.layers, part.start, part.end)
            most = max(most, seen * (TILE_FACTORS[self._precision] * stored + self._pooling_bytes(part)))
        return most

    def _pooling_bytes(self, part: partition.Part) -> float:
        """Return the bytes per pixel that L2 pooling takes in a part of the network, besides its input and output.

        They are the squares of one map, and for the backward pass, the roots of all. In float16 they are float32, and
        so is a copy of each map, which is kept as well.
        """
        roots = [_values_per_pixel(pooling) for pooling in _poolings(part.layers, part.start, part.end)]
        if self._config.pooling != "l2" or not roots:
            return 0.0
        squares = [4 * values for values in roots]  # of windows of 2×2
        if self._precision == "float16":
            return 4 * (sum(roots) + max(squares) + sum(squares))
        return self._value_bytes * (sum(roots) + max(squares))

    def _padding_bytes(self) -> float:
        """Return the bytes per pixel of the largest padded copy of a map, where convolutions do not see zeros.

        It is there while its convolution is computed. An evaluation with a gradient takes most later, so its peak stays
        the same; that of a forward pass alone does not.
        """
        variant = self._config.variant
        convs = [conv for conv in vgg19_spec.convs_up_to(self._config.layers) if variant.padding_of(conv) != "zeros"]
        inputs = [vgg19_spec.kernel_shape(conv)[2] / vgg19_spec.stride(conv) ** 2 for conv in convs]
        return self._value_bytes * max(inputs, default=0.0)


def default_style_areas(config: Config) -> list[float]:
    """Return the pixels of styles that have the aspect ratio of the result, as multiples of the result's pixels."""
    scales = config.style_scales or (1.0,) * len(config.styles)
    return [scale**2 for scale in scales]


def pictures_bytes(width: int, height: int, style_areas: Sequence[float]) -> int:
    """Return the bytes of content and style pictures, read and scaled for a result of this size.

    A run also keeps the pictures as they were read. They are not counted, because their sizes are not known here.
    """
    return int(IMAGE_BYTES * width * height * (1 + sum(style_areas)))


def evaluation_factor(plan: Plan, config: Config) -> float:
    """Return the time of an evaluation, as a multiple of an evaluation of the whole picture at once, at its own size.

    A loss over several sizes evaluates each. Tiles make the forward pass twice, and see pixels around their own parts.
    So the factor is TWO_PASSES · Σ (pixels seen · stored values per pixel) / Σ (pixels · stored values per pixel), over
    the parts.
    """
    if plan.tile_size is None:
        return sum(_pixels_of_sizes(config, plan.width, plan.height)) / (plan.width * plan.height)
    seen = own = 0.0
    for part in partition.parts(config.layers):
        stored = _stored_values(part.layers, part.start, part.end)
        own += plan.height * plan.width * stored
        for width, height in vgg19_spec.halved_sizes(plan.width, plan.height, config.loss_scales):
            seen += sum(_seen_pixels(part, width, height, plan.tile_size, config)) * stored
    return TWO_PASSES * seen / own if own else 1.0


def _pixels_of_sizes(config: Config, width: int, height: int) -> list[int]:
    """Return the pixels of the pictures that the loss compares, the full size first."""
    return [math.prod(size) for size in vgg19_spec.halved_sizes(width, height, config.loss_scales)]


def _seen_pixels(part: partition.Part, width: int, height: int, tile_size: int, config: Config) -> Iterator[int]:
    """Yield how many of the picture's pixels each tile of a part sees."""
    rounding = config.pool_rounding
    stride = 1 if part.start is None else vgg19_spec.stride(part.start)
    rows, columns = (vgg19_spec.positions(side, stride, rounding) for side in (height, width))
    for tile in tile_grid.cover(
        rows, columns, part.side(tile_size), part.reach, part.stride, rounding, config.seamless
    ):
        yield (tile.seen.bottom - tile.seen.top) * (tile.seen.right - tile.seen.left) * stride**2


def _values_per_pixel(layer: str) -> float:
    """Return how many values a layer's feature map has per pixel of the picture: channels / stride²."""
    return vgg19_spec.kernel_shape(vgg19_spec.conv_of(layer))[-1] / vgg19_spec.stride(layer) ** 2


def _stored_values(layers: Sequence[str], start: str | None, end: str | None) -> float:
    """Return how many values per pixel of the picture a part of the network stores for its backward pass.

    These are the outputs of all its convolutions and poolings, the layers that are used before their ReLU a second
    time, and the picture itself if the part begins with it.

    Args:
        layers: the layers of the part that the losses look at.
        start: the pooling whose map is the input of the part; None for the picture.
        end: the pooling whose map is the input of the next part; None in the last part.
    """
    convs = _convolutions(layers, start, end)
    poolings = _poolings(layers, start, end)
    before_relu = [layer for layer in layers if layer.startswith("conv")]
    return sum(map(_values_per_pixel, [*convs, *poolings, *before_relu])) + 3 * (start is None)


def _convolutions(layers: Sequence[str], start: str | None, end: str | None) -> list[str]:
    """Return the convolutions of a part of the network; `_stored_values` explains the arguments."""
    wanted = (*layers, end) if end else layers
    first = 1 if start is None else vgg19_spec.block_of(start) + 1
    return [conv for conv in vgg19_spec.convs_up_to(wanted) if vgg19_spec.block_of(conv) >= first]


def _poolings(layers: Sequence[str], start: str | None, end: str | None) -> list[str]:
    """Return the poolings of a part of the network; `_stored_values` explains the arguments."""
    blocks = sorted({vgg19_spec.block_of(conv) for conv in _convolutions(layers, start, end)})
    return [f"pool{block}" for block in blocks[:-1]] + ([end] if end else [])
