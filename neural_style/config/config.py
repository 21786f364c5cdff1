"""The settings of one run: every option, its default and its bounds, stated once.

Flags, saved flag files, the table in docs/flags.md and the metadata of written pictures all derive from the fields of
`Config`. Nothing here imports NumPy or TensorFlow, so usage errors are reported at once.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import operator
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_type_hints

from neural_style import vgg19_spec
from neural_style.config import checks, serialize
from neural_style.config.defaults import (
    BALANCED_BLOCKS,
    BLENDED_CONTENT_LAYERS,
    DEFAULT_WEIGHTS,
    LEAST_TILE,
    LEFT_TO_NETWORK,
    LEFT_TO_OPTIMIZER,
    LOSS_FACTORS,
    MOST_NOISE,
    PATIENCE,
    TOLERANCES,
)
from neural_style.config.fields import Option, option
from neural_style.errors import UsageError

PictureSource = Any
"""A path, a `PIL.Image.Image`, or an array that `images.reading.read_image` accepts."""


def _by_optimizer(name: str) -> str:
    """Describe the defaults of an option of `LEFT_TO_OPTIMIZER` in words."""
    return ", ".join(f"{values[name]:g} for {optimizer}" for optimizer, values in LEFT_TO_OPTIMIZER.items())


@dataclasses.dataclass(frozen=True, eq=False)
class Config:
    """Settings of one run. Fields have the names of the flags and are checked on creation.

    An option that is None gets its value when a run starts, in some cases from the network or the optimizer: see
    `resolve.resolve`. Two configurations are equal, and have the same hash, if their values are equal. Pictures on disk
    are compared by path, and pictures in memory by their pixels.

    Raises:
        UsageError: an option has an invalid value, or two options contradict each other.
    """

    content: PictureSource = option(
        "Pictures", "The picture to paint: a photograph whose shapes are kept.", picture=True
    )
    styles: Sequence[PictureSource] = option(
        "Pictures", "One or more pictures whose look the result takes on.", picture=True
    )
    output: str | None = option(
        "Pictures",
        "Where to write the result (.png, .jpg, .webp, .tif or .bmp). By default <content>-<style>.png in the current "
        "folder, with a number added if that file exists.",
        None,
        path=True,
    )
    overwrite: bool = option("Pictures", "Replace existing files.", False)
    width: int | None = option(
        "Pictures",
        "Width of the result in pixels; the aspect ratio is kept. By default the width of the content.",
        None,
        bounds=f">= {vgg19_spec.MIN_SIDE}",
    )
    style_scales: tuple[float, ...] | None = option(
        "Pictures",
        "Width of each style picture as a multiple of the result's width, one number per style. Larger values give "
        "larger brush strokes. By default 1 for each.",
        None,
        bounds="> 0",
    )
    initial: PictureSource | None = option(
        "Pictures", "Picture to start from, resized to the size of the result.", None, picture=True
    )
    initial_noiseblend: float | None = option(
        "Pictures",
        "Share of noise in the start image: 1 is noise alone, 0 is the initial picture, or the content if there is no "
        f"initial picture. By default {LEFT_TO_NETWORK['initial_noiseblend']:g}, or without an initial picture what "
        "the weights file says.",
        None,
        bounds="0 to 1",
    )
    preserve_colors: bool = option(
        "Pictures", "Keep the content's colors: only the lightness of the result is painted.", False
    )
    bit_depth: int = option("Pictures", "Bits per channel of the result, 8 or 16. Only PNG and TIFF can have 16.", 8)
    max_pixels: int = option(
        "Pictures",
        "Most pixels that an input picture, the result, or a style picture at its scale may have.",
        250_000_000,
        bounds=">= 1",
    )

    optimizer: Literal["lbfgs", "adam", "scipy"] = option(
        "Optimization",
        "Method: lbfgs is this program's L-BFGS, adam is Adam, and scipy is SciPy's L-BFGS, for reference.",
        "lbfgs",
    )
    iterations: int | None = option(
        "Optimization",
        "Most evaluations of loss and gradient at the full size, or at the preview's size if there is a preview. The "
        f"evaluation of the start image does not count. By default {_by_optimizer('iterations')}.",
        None,
        bounds=">= 1",
    )
    tolerance: float | None = option(
        "Optimization",
        f"A scale ends when {PATIENCE} evaluations lower its loss by no more than this share; 0 uses up all "
        "iterations. By default, with lbfgs, "
        f"{', '.join(f'{value:g} for the {loss} loss' for loss, value in TOLERANCES.items())}; with the other "
        "optimizers, 0.",
        None,
        bounds="0 to < 1",
    )
    scales: str = option(
        "Optimization",
        "Sizes to paint at, from coarse to fine: a number of sizes, each half as large as the next, or auto. auto "
        "doubles the size from --min_scale up to the full size. With a preview, it goes from --preview_width to the "
        f"full size in equal steps. If an initial picture makes up at least {MOST_NOISE:.0%} of the start image, auto "
        "paints at the full size alone.",
        "auto",
    )
    min_scale: int = option(
        "Optimization",
        "Shorter side of the coarsest size in pixels, with --scales auto and no preview. Smaller values take more of "
        "the style's forms.",
        48,
        bounds=f">= {vgg19_spec.MIN_SIDE}",
    )
    preview_width: int | None = option(
        "Optimization",
        "Longer side in pixels of the coarsest size, the preview; 0 for no preview. Results less than twice as large "
        "are painted at the full size alone. The preview gets most of the evaluations, so a run at that size predicts "
        "the look of larger results. Larger values keep more of the content, smaller values take more of the style's "
        f"forms. There is no preview if the start image has more than {MOST_NOISE:.0%} noise. By default what the "
        f"weights file says (256 for the built-in network), or {LEFT_TO_NETWORK['preview_width']:g}.",
        None,
        bounds=f"0 or >= {vgg19_spec.MIN_SIDE}",
    )
    scale_iterations: int = option(
        "Optimization",
        "Most evaluations at each of the other sizes, and never more than --iterations.",
        60,
        bounds=">= 1",
    )
    learning_rate: float | None = option(
        "Optimization",
        "Adam: step size in gray levels (0-255). By default what the weights file says (3 for the built-in network), "
        f"or {LEFT_TO_NETWORK['learning_rate']:g}.",
        None,
        bounds="> 0",
    )
    beta1: float = option("Optimization", "Adam: decay rate of the mean gradient.", 0.9, bounds="0 to < 1")
    beta2: float = option("Optimization", "Adam: decay rate of the mean squared gradient.", 0.999, bounds="0 to < 1")
    eps: float = option("Optimization", "Adam: number added to the root mean square.", 1e-8, bounds="> 0")
    history_size: int = option("Optimization", "L-BFGS: number of curvature pairs to keep.", 10, bounds=">= 1")
    seed: int = option(
        "Optimization",
        "Seed of the noise, if the start image has any. The same seed gives the same picture.",
        0,
        bounds=">= 0",
    )

    loss: Literal["balanced", "athalye"] | None = option(
        "Losses",
        "How layers are weighted. balanced divides each layer's loss by the size of its target, so that every layer "
        "counts. athalye is the formula of anishathalye/neural-style. In both, a weight of twice its default counts "
        "twice as much. By default what the weights file says (athalye for the built-in network), or "
        f"{LEFT_TO_NETWORK['loss']}.",
        None,
    )
    content_weight: float = option(
        "Losses", "Weight of the content loss.", DEFAULT_WEIGHTS["content_weight"], bounds=">= 0"
    )
    content_weight_blend: float = option(
        "Losses",
        "Layer of the content loss: relu4_2 (1), relu5_2 (0), or a blend. Lower values keep less detail.",
        1.0,
        bounds="0 to 1",
    )
    content_layers: tuple[str, ...] | None = option(
        "Losses", "Layers of the content loss, weighted equally. They replace the blend of relu4_2 and relu5_2.", None
    )
    style_weight: float = option("Losses", "Weight of the style loss.", DEFAULT_WEIGHTS["style_weight"], bounds=">= 0")
    style_layers: tuple[str, ...] = option(
        "Losses", "Layers of the style loss.", ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    )
    style_layer_weights: tuple[float, ...] | None = option(
        "Losses",
        "Weight of each style layer; the weights are scaled to a sum of 1. By default they are equal for the athalye "
        f"loss, and {', '.join(f'{weight:g}' for weight in BALANCED_BLOCKS.values())} by block of the network for the "
        "balanced loss.",
        None,
        bounds=">= 0",
    )
    style_layer_weight_exp: float = option(
        "Losses",
        "The weight of the n-th style layer is multiplied by this number to the power n-1. Values above 1 favor coarse "
        "forms, values below 1 fine texture.",
        1.0,
        bounds=">= 0",
    )
    style_blend_weights: tuple[float, ...] | None = option(
        "Losses",
        "Weight of each style picture; the weights are scaled to a sum of 1. By default they are equal.",
        None,
        bounds=">= 0",
    )
    tv_weight: float = option(
        "Losses",
        "Weight of the total variation loss, which smooths noise.",
        DEFAULT_WEIGHTS["tv_weight"],
        bounds=">= 0",
    )
    tv_width: int | None = option(
        "Losses",
        "Width in pixels for which --tv_weight is meant. At another width, and so at each scale of a run, --tv_weight "
        "is multiplied by the square of the ratio of the two widths. By default it is the same at every width.",
        None,
        bounds=">= 1",
    )

    weights: str = option(
        "Network",
        "VGG19 weights: auto, imagenet, imagenet-exact, imagenet-8bit (rounded kernels), builtin, or a file. auto "
        "takes an exact file if it finds one, or else an 8-bit file. If it finds neither, it downloads the 8-bit file, "
        "or else the exact file. If that fails, it takes builtin. imagenet takes an exact file, or else an 8-bit one.",
        "auto",
        alias="network",
    )
    pooling: Literal["max", "avg"] = option("Network", "Pooling between the blocks of VGG19.", "max")
    pool_rounding: Literal["up", "down"] = option(
        "Network",
        "What pooling does with an odd last row or column: up pools it by itself, so that the edges of the result look "
        "like the rest; down drops it, as the published network does.",
        "up",
    )
    device: str = option(
        "Network", "Device to compute on: auto, cpu, gpu, or a GPU by its number, such as gpu:1.", "auto"
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = option(
        "Network",
        "Number type that the network computes in. auto takes the type that the device computes fast.",
        "auto",
    )
    memory: str = option(
        "Network",
        "Memory that a run may take, such as 3GB, 800MB or 2.5GiB. A picture that needs more is computed in tiles. "
        "auto is 80% of what is free, plus what the run has taken already.",
        "auto",
    )
    tile_size: int | None = option(
        "Network",
        "Compute larger pictures in tiles of this side in pixels, whatever --memory says; 0 never uses tiles. The "
        "losses and the gradient are those of the whole picture either way.",
        None,
        bounds=f"0 or >= {LEAST_TILE}",
    )

    print_iterations: int | None = option("Progress", "Print the losses every N iterations.", None, bounds=">= 1")
    checkpoint_output: str | None = option(
        "Progress",
        "Where to write the best image so far, with a placeholder for the iteration: out_{:05}.jpg or out_%05d.jpg.",
        None,
        path=True,
    )
    checkpoint_iterations: int | None = option(
        "Progress", "Write a checkpoint every N iterations.", None, bounds=">= 1"
    )
    progress_write: bool = option("Progress", "Write a table of all losses next to the output.", False)
    progress_plot: bool = option("Progress", "Plot the losses to a PNG next to the output.", False)
    save_flags: str | None = option(
        "Progress", "Write the flags in effect to this file, for --flagfile.", None, path=True
    )

    def __post_init__(self) -> None:
        """Convert each value to its type, check its bounds, then check the options against each other."""
        if isinstance(self.styles, (str, os.PathLike)) or not isinstance(self.styles, Sequence):
            object.__setattr__(self, "styles", (self.styles,))
        object.__setattr__(self, "styles", tuple(self.styles))
        if isinstance(self.scales, int):
            object.__setattr__(self, "scales", str(self.scales))
        for name, declared in OPTIONS.items():
            object.__setattr__(self, name, declared.checked(getattr(self, name)))
        checks.check(self)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and serialize.key(self) == serialize.key(other)

    def __hash__(self) -> int:
        return hash(serialize.key(self))

    @property
    def given(self) -> frozenset[str]:
        """Names of the options that differ from their defaults."""
        values = {name: serialize.hashable(getattr(self, name)) for name in OPTIONS}
        return frozenset(name for name, option in OPTIONS.items() if option.required or values[name] != option.default)

    def factor(self, weight: str) -> float:
        """Return the factor of a loss term, by the name of its weight, in the units of the chosen loss."""
        factors = LOSS_FACTORS[self.loss or LEFT_TO_NETWORK["loss"]]
        return getattr(self, weight) * (factors[weight] / DEFAULT_WEIGHTS[weight])

    def tv_factor_at(self, width: int) -> float:
        """Return the factor of the total variation of an image with this width in pixels.

        In an image enlarged s times, neighbors differ by 1/s as much, so its variation is 1/s² as large. The factor
        (width / tv_width)² compensates for that.
        """
        return self.factor("tv_weight") * (width / (self.tv_width or width)) ** 2

    @property
    def content_terms(self) -> Mapping[str, float]:
        """Content layers in use -> weights, which sum to 1. Empty if `content_weight` is 0."""
        if self.content_layers is not None:
            shares = dict.fromkeys(self.content_layers, 1 / len(self.content_layers))
        else:
            blend = self.content_weight_blend
            shares = dict(zip(BLENDED_CONTENT_LAYERS, (blend, 1 - blend), strict=True))
        return {layer: share for layer, share in shares.items() if share * self.content_weight > 0}

    @property
    def style_terms(self) -> Mapping[str, float]:
        """Style layers in use -> weights, which sum to 1. Empty if `style_weight` is 0."""
        if self.style_layer_weights is None:
            growth = itertools.accumulate(itertools.repeat(self.style_layer_weight_exp), operator.mul, initial=1.0)
            weights = [
                factor * self._block_weight(layer) for layer, factor in zip(self.style_layers, growth, strict=False)
            ]
            shares = _normalized("style_layer_weight_exp", weights)
        else:
            shares = _normalized("style_layer_weights", self.style_layer_weights)
        terms = zip(self.style_layers, shares, strict=True)
        return {layer: share for layer, share in terms if share * self.style_weight > 0}

    def _block_weight(self, layer: str) -> float:
        return BALANCED_BLOCKS[vgg19_spec.block_of(layer)] if self.is_balanced else 1.0

    @property
    def is_balanced(self) -> bool:
        """Whether the loss is the balanced loss."""
        return (self.loss or LEFT_TO_NETWORK["loss"]) == "balanced"

    @property
    def style_blend(self) -> tuple[float, ...]:
        """Weight of each style picture. The weights sum to 1."""
        return _normalized("style_blend_weights", self.style_blend_weights or [1.0] * len(self.styles))

    @property
    def layers(self) -> tuple[str, ...]:
        """Every layer that a loss term uses, shallow to deep."""
        used = {*self.content_terms, *self.style_terms}
        return tuple(layer for layer in vgg19_spec.LAYERS if layer in used)

    def checkpoint_path(self, iteration: int) -> str:
        """Return the path of one checkpoint, from a `checkpoint_output` such as `a_{:05}.png` or `a_%05d.png`."""
        assert self.checkpoint_output is not None
        template = self.checkpoint_output
        return template.format(iteration) if re.search(r"\{.*\}", template) else template % iteration

    def checkpoint_at(self, iteration: int) -> bool:
        """Return whether a checkpoint is due at this iteration."""
        every = self.checkpoint_iterations
        return every is not None and iteration > 0 and iteration % every == 0


OPTIONS: Mapping[str, Option] = {
    field.name: Option.of(field, get_type_hints(Config)[field.name]) for field in dataclasses.fields(Config)
}
"""Option name -> option, in the order of the fields of `Config`."""


def _normalized(name: str, values: Sequence[float]) -> tuple[float, ...]:
    total = sum(values)
    if not 0 < total < math.inf:
        raise UsageError(f"{name}: expected at least one weight above 0 and a finite sum, got weights {tuple(values)}")
    return tuple(value / total for value in values)
