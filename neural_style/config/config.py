"""The settings of one run: every option, its default and its bounds, stated here once.

Flags, saved flag files, the README's table and the metadata inside written pictures are all derived from the fields of
`Config`. Nothing here imports NumPy or TensorFlow, so that a mistake is answered at once.
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
"""A path, a `PIL.Image.Image`, or an array as `images.read_image` takes it."""


def _by_optimizer(name: str) -> str:
    """What an option of `LEFT_TO_OPTIMIZER` is by default, in words."""
    return ", ".join(f"{values[name]:g} for {optimizer}" for optimizer, values in LEFT_TO_OPTIMIZER.items())


@dataclasses.dataclass(frozen=True, eq=False)
class Config:
    """Settings of one run; fields are named like the flags and checked on creation.

    Options that are None have a default that the network or the optimizer decides: see `resolve.resolve`. Two
    configurations are equal, and have one hash, if their values are: paths by name, pictures in memory by their pixels.

    Raises:
        UsageError: an option has a value that cannot be, or two options contradict each other.
    """

    content: PictureSource = option(
        "Pictures", "The picture to paint: the photograph whose shapes are kept.", picture=True
    )
    styles: Sequence[PictureSource] = option("Pictures", "One or more pictures whose look is taken over.", picture=True)
    output: str | None = option(
        "Pictures",
        "Where to write the result (.png, .jpg, .webp, .tif or .bmp); by default <content>-<style>.png in the current "
        "folder, numbered if that exists.",
        None,
        path=True,
    )
    overwrite: bool = option("Pictures", "Replace files that exist already.", False)
    width: int | None = option(
        "Pictures",
        "Width of the result in pixels, aspect kept; by default the content's own.",
        None,
        bounds=f">= {vgg19_spec.MIN_SIDE}",
    )
    style_scales: tuple[float, ...] | None = option(
        "Pictures",
        "Width of each style picture as a multiple of the result's width, one number per style; larger values give "
        "larger brush strokes. By default 1 for each.",
        None,
        bounds="> 0",
    )
    initial: PictureSource | None = option(
        "Pictures", "Picture to start from, resized to the result's size.", None, picture=True
    )
    initial_noiseblend: float | None = option(
        "Pictures",
        "Share of noise in the start image: 1 is noise alone, 0 the initial picture (or, without one, the content). By "
        f"default {LEFT_TO_NETWORK['initial_noiseblend']:g}, or without an initial picture what the weights file says.",
        None,
        bounds="0 to 1",
    )
    preserve_colors: bool = option(
        "Pictures", "Keep the content's colours: only the lightness of the result is painted.", False
    )
    bit_depth: int = option("Pictures", "Bits per channel of the result, 8 or 16; 16 for PNG and TIFF only.", 8)
    max_pixels: int = option(
        "Pictures",
        "Most pixels of a picture that is read, of the result, and of a style picture at its scale.",
        250_000_000,
        bounds=">= 1",
    )

    optimizer: Literal["lbfgs", "adam", "scipy"] = option(
        "Optimisation", "L-BFGS, Adam, or L-BFGS by SciPy, the reference for ours.", "lbfgs"
    )
    iterations: int | None = option(
        "Optimisation",
        "Most evaluations of loss and gradient, after that of the start image, at the full size, or with a preview at "
        f"its size. By default {_by_optimizer('iterations')}.",
        None,
        bounds=">= 1",
    )
    tolerance: float | None = option(
        "Optimisation",
        f"A scale is done once {PATIENCE} evaluations lower its loss by no more than this share; 0 to use up all "
        f"iterations. By default {', '.join(f'{value:g} for {loss}' for loss, value in TOLERANCES.items())}, where the "
        "optimizer is lbfgs, and 0 for the others.",
        None,
        bounds="0 to < 1",
    )
    scales: str = option(
        "Optimisation",
        "Sizes to paint at from coarse to fine: a number, each half the next, or auto. Auto doubles from --min_scale "
        "up to the full size, or goes there from --preview_width in equal steps; where an initial picture has at least "
        f"{MOST_NOISE:.0%} of the start, it is the full size alone.",
        "auto",
    )
    min_scale: int = option(
        "Optimisation",
        "With --scales auto and no preview: shorter side of the coarsest size in pixels. Less takes more of the "
        "style's forms.",
        48,
        bounds=f">= {vgg19_spec.MIN_SIDE}",
    )
    preview_width: int | None = option(
        "Optimisation",
        "Width in pixels of the coarsest size of results at least twice as wide (others have the full size alone), or "
        "0 for no preview. A preview has most of the evaluations, so that a run of that --width shows the look of "
        "them all; less takes more of the style's forms. There is none where the start has more than "
        f"{MOST_NOISE:.0%} of noise. By default what the weights file says (256 for the built-in network) or "
        f"{LEFT_TO_NETWORK['preview_width']:g}.",
        None,
        bounds=f"0 or >= {vgg19_spec.MIN_SIDE}",
    )
    scale_iterations: int = option(
        "Optimisation",
        "Most evaluations at each of the other sizes; no more than --iterations are made.",
        60,
        bounds=">= 1",
    )
    learning_rate: float | None = option(
        "Optimisation",
        "Adam: step size in grey levels of 0-255. By default what the weights file says (3 for the built-in network) "
        f"or {LEFT_TO_NETWORK['learning_rate']:g}.",
        None,
        bounds="> 0",
    )
    beta1: float = option("Optimisation", "Adam: decay of the gradient's mean.", 0.9, bounds="0 to < 1")
    beta2: float = option("Optimisation", "Adam: decay of the gradient's mean square.", 0.999, bounds="0 to < 1")
    eps: float = option("Optimisation", "Adam: added to the root mean square.", 1e-8, bounds="> 0")
    history_size: int = option("Optimisation", "L-BFGS: curvature pairs kept.", 10, bounds=">= 1")
    seed: int = option(
        "Optimisation",
        "Seed of the noise, where there is any; the same seed gives the same picture.",
        0,
        bounds=">= 0",
    )

    loss: Literal["balanced", "athalye"] | None = option(
        "Losses",
        "How layers are weighted: balanced divides the loss of each by the size of what it is compared with, so that "
        "all count; athalye is the formula of anishathalye/neural-style. Weights are multiples of their defaults in "
        "both. By default what the weights file says (athalye for the built-in network) or "
        f"{LEFT_TO_NETWORK['loss']}.",
        None,
    )
    content_weight: float = option(
        "Losses", "Weight of the content loss.", DEFAULT_WEIGHTS["content_weight"], bounds=">= 0"
    )
    content_weight_blend: float = option(
        "Losses",
        "Content loss at relu4_2 (1), at relu5_2 (0), or a blend: lower values keep less detail of the content.",
        1.0,
        bounds="0 to 1",
    )
    content_layers: tuple[str, ...] | None = option(
        "Losses", "Layers of the content loss, weighted equally, instead of the blend of relu4_2 and relu5_2.", None
    )
    style_weight: float = option("Losses", "Weight of the style loss.", DEFAULT_WEIGHTS["style_weight"], bounds=">= 0")
    style_layers: tuple[str, ...] = option(
        "Losses", "Layers of the style loss.", ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    )
    style_layer_weights: tuple[float, ...] | None = option(
        "Losses",
        "Weight of each style layer, scaled to sum 1. By default equal in athalye's loss; in the balanced one "
        f"{', '.join(f'{weight:g}' for weight in BALANCED_BLOCKS.values())} by block of the network.",
        None,
        bounds=">= 0",
    )
    style_layer_weight_exp: float = option(
        "Losses",
        "Multiplies the weight of each style layer once more than that of the one before: above 1 favours coarse "
        "forms, below 1 fine texture.",
        1.0,
        bounds=">= 0",
    )
    style_blend_weights: tuple[float, ...] | None = option(
        "Losses", "Weight of each style picture, scaled to sum 1; by default equal.", None, bounds=">= 0"
    )
    tv_weight: float = option(
        "Losses",
        "Weight of the total variation loss, which smooths noise away.",
        DEFAULT_WEIGHTS["tv_weight"],
        bounds=">= 0",
    )
    tv_width: int | None = option(
        "Losses",
        "Width in pixels for which --tv_weight is meant: at another, and so at each of several sizes, it is multiplied "
        "by the square of their ratio. By default it is the same at every width.",
        None,
        bounds=">= 1",
    )

    weights: str = option(
        "Network",
        "VGG19 weights: imagenet-exact, imagenet-8bit (kernels rounded), builtin, or a file. auto takes an exact file "
        "if one is found, or else an 8-bit one; if neither is found it fetches the 8-bit one, or else the exact one; "
        "if that fails it takes builtin. imagenet takes the exact one, or else the 8-bit one.",
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
    device: str = option("Network", "auto, cpu, gpu, or gpu:1 and so on.", "auto")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = option(
        "Network", "Type that the network computes in: auto is the one that the device computes fast.", "auto"
    )
    memory: str = option(
        "Network",
        "Memory that a run may take, such as 3GB, 800MB or 2.5GiB: what does not fit is computed in tiles. auto is "
        "what the process has and 80% of what is free.",
        "auto",
    )
    tile_size: int | None = option(
        "Network",
        "Compute larger pictures in tiles of this side, in pixels, whatever --memory says, or 0 for never. The losses "
        "and the gradient stay those of the whole picture.",
        None,
        bounds=f"0 or >= {LEAST_TILE}",
    )

    print_iterations: int | None = option("Progress", "Print the losses every so many iterations.", None, bounds=">= 1")
    checkpoint_output: str | None = option(
        "Progress",
        "Where to write the best image so far, with a place for the iteration: out_{:05}.jpg or out_%05d.jpg.",
        None,
        path=True,
    )
    checkpoint_iterations: int | None = option(
        "Progress", "Write a checkpoint every so many iterations.", None, bounds=">= 1"
    )
    progress_write: bool = option("Progress", "Write a table of all losses beside the output.", False)
    progress_plot: bool = option("Progress", "Draw the loss curves to a PNG beside the output.", False)
    save_flags: str | None = option(
        "Progress", "Write the effective flags to this file, for --flagfile.", None, path=True
    )

    def __post_init__(self) -> None:
        """Coerce each value to its type, check its bounds, then check the options against each other."""
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
        """Factor of a term of the loss, by the name of its weight, in the units of that loss."""
        factors = LOSS_FACTORS[self.loss or LEFT_TO_NETWORK["loss"]]
        return getattr(self, weight) * (factors[weight] / DEFAULT_WEIGHTS[weight])

    def tv_factor_at(self, width: int) -> float:
        """Factor of the total variation of an image of a width in pixels.

        An image enlarged s times has neighbours that differ by 1/s, so a variation of 1/s², which s² makes up for.
        """
        return self.factor("tv_weight") * (width / (self.tv_width or width)) ** 2

    @property
    def content_terms(self) -> Mapping[str, float]:
        """Content layers in use, with weights that sum to 1. Empty if `content_weight` is 0."""
        if self.content_layers is not None:
            shares = dict.fromkeys(self.content_layers, 1 / len(self.content_layers))
        else:
            blend = self.content_weight_blend
            shares = dict(zip(BLENDED_CONTENT_LAYERS, (blend, 1 - blend), strict=True))
        return {layer: share for layer, share in shares.items() if share * self.content_weight > 0}

    @property
    def style_terms(self) -> Mapping[str, float]:
        """Style layers in use, with weights that sum to 1. Empty if `style_weight` is 0."""
        if self.style_layer_weights is None:
            growth = itertools.accumulate(itertools.repeat(self.style_layer_weight_exp), operator.mul, initial=1.0)
            weights = [
                factor * self._block_weight(layer) for layer, factor in zip(self.style_layers, growth, strict=False)
            ]
            shares = _normalised("style_layer_weight_exp", weights)
        else:
            shares = _normalised("style_layer_weights", self.style_layer_weights)
        terms = zip(self.style_layers, shares, strict=True)
        return {layer: share for layer, share in terms if share * self.style_weight > 0}

    def _block_weight(self, layer: str) -> float:
        return BALANCED_BLOCKS[vgg19_spec.block_of(layer)] if self.is_balanced else 1.0

    @property
    def is_balanced(self) -> bool:
        """Whether the loss is the balanced one."""
        return (self.loss or LEFT_TO_NETWORK["loss"]) == "balanced"

    @property
    def style_blend(self) -> tuple[float, ...]:
        """Weight of each style picture; they sum to 1."""
        return _normalised("style_blend_weights", self.style_blend_weights or [1.0] * len(self.styles))

    @property
    def layers(self) -> tuple[str, ...]:
        """Every layer that a loss looks at, shallow to deep."""
        used = {*self.content_terms, *self.style_terms}
        return tuple(layer for layer in vgg19_spec.LAYERS if layer in used)

    def checkpoint_path(self, iteration: int) -> str:
        """Path of one checkpoint, from a `checkpoint_output` such as `a_{:05}.png` or `a_%05d.png`."""
        assert self.checkpoint_output is not None
        template = self.checkpoint_output
        return template.format(iteration) if re.search(r"\{.*\}", template) else template % iteration

    def checkpoint_at(self, iteration: int) -> bool:
        """Whether a checkpoint is due after this iteration."""
        every = self.checkpoint_iterations
        return every is not None and iteration > 0 and iteration % every == 0


OPTIONS: Mapping[str, Option] = {
    field.name: Option.of(field, get_type_hints(Config)[field.name]) for field in dataclasses.fields(Config)
}
"""Every option by name, in the order of `Config`."""


def _normalised(name: str, values: Sequence[float]) -> tuple[float, ...]:
    total = sum(values)
    if not 0 < total < math.inf:
        raise UsageError(f"{name}: expected at least one weight above 0 and a finite sum, got weights {tuple(values)}")
    return tuple(value / total for value in values)
