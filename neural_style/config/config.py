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
from neural_style.config import byte_sizes
from neural_style.config.fields import Option, option
from neural_style.errors import UsageError
from neural_style.runs import pyramid
from neural_style.runs.pyramid import PATIENCE

PictureSource = Any
"""A path, a `PIL.Image.Image`, or an array as `images.read_image` takes it."""

BLENDED_CONTENT_LAYERS = ("relu4_2", "relu5_2")
"""The two layers between which `content_weight_blend` blends."""

LEFT_TO_NETWORK: Mapping[str, Any] = {
    "initial_noiseblend": 0.0,
    "learning_rate": 10.0,
    "loss": "balanced",
    "preview_width": 0,
}
"""Options that a network's file may settle where they are not given -> their values where it says nothing either."""

FORMLESS = 0.5
"""Share of noise in the start image above which no forms are seen, so that there is no preview of them."""

LEFT_TO_OPTIMIZER: Mapping[str, Mapping[str, Any]] = {
    "lbfgs": {"iterations": 300},
    "adam": {"iterations": 1000},
    "scipy": {"iterations": 300},
}
"""Optimiser -> values of options where they are not given."""

TOLERANCES = {"balanced": 0.08, "athalye": 0.005}
"""Loss -> `tolerance` of L-BFGS where none is given; the other optimisers use up their iterations."""


_BALANCED_UNIT = 2.0**20
"""Factor on the whole balanced loss. Adam's `eps` is meant for gradients of this size; a power of 2 rounds nothing."""

LOSS_FACTORS: Mapping[str, Mapping[str, float]] = {
    "balanced": {
        "content_weight": 1.0 * _BALANCED_UNIT,
        "style_weight": 55.0 * _BALANCED_UNIT,
        "tv_weight": 1e-4 * _BALANCED_UNIT,
    },
    "athalye": {"content_weight": 5.0, "style_weight": 500.0, "tv_weight": 100.0},
}
"""Loss -> factors of its terms where their weights are the defaults, which are those of anishathalye/neural-style."""

DEFAULT_WEIGHTS = LOSS_FACTORS["athalye"]
"""Name of a weight -> its default."""

BALANCED_BLOCKS = {1: 1.0, 2: 1.5, 3: 2.0, 4: 1.25, 5: 0.25}
"""Block of the network -> weight of a style layer in it, where no weights are given, in the balanced loss."""

LEAST_TILE = 64
"""Least side of a tile in pixels; smaller ones would be mostly what lies around them."""


def usual_tolerance(optimizer: str, loss: str) -> float:
    """`Config.tolerance` where none is given."""
    return TOLERANCES[loss] if optimizer == "lbfgs" else 0.0


def _by_optimizer(name: str) -> str:
    """What an option of `LEFT_TO_OPTIMIZER` is by default, in words."""
    return ", ".join(f"{values[name]:g} for {optimizer}" for optimizer, values in LEFT_TO_OPTIMIZER.items())


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of one run; fields are named like the flags and checked on creation.

    Loss terms are explained in `losses`.

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
        f"{FORMLESS:.0%} of the start, it is the full size alone.",
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
        f"{FORMLESS:.0%} of noise. By default what the weights file says (256 for the built-in network) or "
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
        for name, value in LEFT_TO_OPTIMIZER[self.optimizer].items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        _check_pictures(self)
        _check_layers(self)
        _check_progress(self)
        if not re.fullmatch(r"auto|[1-9]\d?", self.scales):
            raise UsageError(f"scales: expected auto or a whole number from 1 to 99, got {self.scales!r}")
        if self.bit_depth not in (8, 16):
            raise UsageError(f"bit_depth: expected 8 or 16, got {self.bit_depth}")
        byte_sizes.parse(self.memory)  # which raises for what is no size
        if not re.fullmatch(r"auto|cpu|gpu(:\d+)?", self.device):
            raise UsageError(f"device: expected auto, cpu, gpu or gpu:<number>, got {self.device!r}")

    def settled(self, settings: Mapping[str, Any]) -> Config:
        """These settings with a value for each option of `LEFT_TO_NETWORK`, and for those that follow from them.

        Args:
            settings: what suits the network, `VGGWeights.settings`; it holds where no option says otherwise.
        """
        values = {**LEFT_TO_NETWORK, **settings}
        if self.initial is not None:
            values["initial_noiseblend"] = 0.0
        values["tolerance"] = usual_tolerance(self.optimizer, self.loss or values["loss"])
        left: dict[str, Any] = {name: value for name, value in values.items() if getattr(self, name) is None}
        return dataclasses.replace(self, **left)

    def scale_plan(
        self, width: int, height: int, photograph: tuple[int, int] | None = None
    ) -> tuple[pyramid.Scale, ...]:
        """Sizes to paint a picture of this size at, coarse to fine, of settled settings.

        Args:
            width: in pixels.
            height: in pixels.
            photograph: as `pyramid.plan` takes it.

        Raises:
            UsageError: the picture is too small for so many scales.
        """
        assert self.iterations is not None and self.initial_noiseblend is not None  # settled
        scales = int(self.scales) if self.scales != "auto" else None
        lengths = self.iterations, self.scale_iterations
        has_forms = self.initial_noiseblend <= FORMLESS
        if scales is None and has_forms and self.initial is not None:
            scales = 1
        if has_forms and self.preview_width:
            return pyramid.plan_from_preview(width, height, scales, self.preview_width, *lengths, photograph)
        return pyramid.plan(width, height, scales, self.min_scale, *lengths, photograph)

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


def _check_pictures(config: Config) -> None:
    """Check that pictures are given, and that lists which go with them have their length."""
    _check_picture("content", config.content)
    for style in config.styles or (None,):
        _check_picture("styles", style)
    if config.initial is not None:
        _check_picture("initial", config.initial)
    for name in ("style_scales", "style_blend_weights"):
        values = getattr(config, name)
        if values is not None and len(values) != len(config.styles):
            raise UsageError(
                f"{name}: expected {len(config.styles)} number(s), one per style picture, got {len(values)}: {values}"
            )
    _ = config.style_blend


def _check_picture(name: str, picture: PictureSource) -> None:
    if picture is None or (isinstance(picture, str) and not picture):
        raise UsageError(f"{name}: expected a picture, got none; give --{name} FILE")
    is_object = hasattr(type(picture), "__array_interface__")  # of PIL and of NumPy, neither of which is imported here
    if not is_object and not isinstance(picture, (str, os.PathLike)):
        raise UsageError(f"{name}: expected a path, a PIL image or an array, got {picture!r}")


def _check_layers(config: Config) -> None:
    """Check layer names and their weights."""
    for name in ("style_layers", "content_layers"):
        layers = getattr(config, name) or ()
        for layer in layers:
            if layer not in vgg19_spec.LAYERS:
                raise UsageError(f"{name}: expected names from relu1_1 to relu5_4 or conv1_1 to conv5_4, got {layer!r}")
        if len(set(layers)) != len(layers):
            raise UsageError(f"{name}: expected each layer once, got {layers}")
    if config.content_layers is not None and config.content_weight_blend != 1:
        raise UsageError(
            "content_weight_blend blends relu4_2 and relu5_2, which content_layers replaces; leave one of the two out"
        )
    given = config.style_layer_weights
    if given is not None and len(given) != len(config.style_layers):
        raise UsageError(
            f"style_layer_weights: expected {len(config.style_layers)} number(s), one per style layer, "
            f"got {len(given)}: {given}"
        )
    if given is not None and config.style_layer_weight_exp != 1:
        raise UsageError(
            "style_layer_weights and style_layer_weight_exp both set the layers' weights; leave one of them out"
        )
    style_terms = config.style_terms
    if not (config.content_terms or style_terms or config.tv_weight):
        raise UsageError(
            "expected content_weight, style_weight or tv_weight above 0, got 0 for all; there is nothing to optimise"
        )


def _check_progress(config: Config) -> None:
    """Check that checkpoints have both a place and an interval, and a place that tells iterations apart."""
    template, every = config.checkpoint_output, config.checkpoint_iterations
    if (template is None) != (every is None):
        raise UsageError("checkpoint_output and checkpoint_iterations go together; give both or neither")
    if template is None:
        return
    try:
        tells_apart = config.checkpoint_path(1) != config.checkpoint_path(2)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        tells_apart = False
    if not tells_apart:
        raise UsageError(
            "checkpoint_output: expected a place for the iteration, as in out_{:05}.jpg or out_%05d.jpg, "
            f"got {template!r}"
        )
