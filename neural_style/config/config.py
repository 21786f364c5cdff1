"""The settings of one run: every option, its default and its bounds, stated once.

Flags, saved flag files, the table in docs/flags.md and the metadata inside written pictures all derive from the fields
of `Config`. Nothing here imports NumPy or TensorFlow, so that usage errors are reported at once.
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
"""A path, a `PIL.Image.Image`, or an array that `images.read_image` accepts."""

BLENDED_CONTENT_LAYERS = ("relu4_2", "relu5_2")
"""The two layers that `content_weight_blend` blends."""

LEFT_TO_NETWORK: Mapping[str, Any] = {
    "initial_noiseblend": 0.0,
    "learning_rate": 10.0,
    "loss": "balanced",
    "preview_width": 0,
}
"""Options that a weights file may set if the user does not -> their values if the file does not set them either."""

FORMLESS = 0.5
"""Above this share of noise a start image shows no forms, and a run starts at a coarser scale, without a preview."""

LEFT_TO_OPTIMIZER: Mapping[str, Mapping[str, Any]] = {
    "lbfgs": {"iterations": 300},
    "adam": {"iterations": 1000},
    "scipy": {"iterations": 300},
}
"""Optimizer -> default values of options that depend on it."""

TOLERANCES = {"balanced": 0.08, "athalye": 0.005}
"""Loss -> default `tolerance` of L-BFGS. The other optimizers use up their iterations by default."""


_BALANCED_UNIT = 2.0**20
"""Factor on the whole balanced loss: Adam's `eps` is meant for gradients of this size. A power of 2 rounds nothing."""

LOSS_FACTORS: Mapping[str, Mapping[str, float]] = {
    "balanced": {
        "content_weight": 1.0 * _BALANCED_UNIT,
        "style_weight": 55.0 * _BALANCED_UNIT,
        "tv_weight": 1e-4 * _BALANCED_UNIT,
    },
    "athalye": {"content_weight": 5.0, "style_weight": 500.0, "tv_weight": 100.0},
}
"""Loss -> factors of its terms at the default weights, which are those of anishathalye/neural-style."""

DEFAULT_WEIGHTS = LOSS_FACTORS["athalye"]
"""Name of a weight -> its default value."""

BALANCED_BLOCKS = {1: 1.0, 2: 1.5, 3: 2.0, 4: 1.25, 5: 0.25}
"""Block of the network -> default weight of a style layer in that block, in the balanced loss."""

LEAST_TILE = 64
"""Smallest side of a tile in pixels. Smaller tiles would consist mostly of the margin around them."""


def usual_tolerance(optimizer: str, loss: str) -> float:
    """Return the default of `Config.tolerance` for an optimizer and a loss."""
    return TOLERANCES[loss] if optimizer == "lbfgs" else 0.0


def _by_optimizer(name: str) -> str:
    """Describe the defaults of an option of `LEFT_TO_OPTIMIZER` in words."""
    return ", ".join(f"{values[name]:g} for {optimizer}" for optimizer, values in LEFT_TO_OPTIMIZER.items())


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of one run. Fields have the names of the flags and are checked on creation.

    The `losses` package explains the loss terms.

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
        "Optimisation",
        "Method: lbfgs is this program's L-BFGS, adam is Adam, and scipy is SciPy's L-BFGS, for reference.",
        "lbfgs",
    )
    iterations: int | None = option(
        "Optimisation",
        "Most evaluations of loss and gradient at the full size, or at the preview's size if there is a preview. The "
        f"evaluation of the start image does not count. By default {_by_optimizer('iterations')}.",
        None,
        bounds=">= 1",
    )
    tolerance: float | None = option(
        "Optimisation",
        f"A scale ends when {PATIENCE} evaluations lower its loss by no more than this share; 0 uses up all "
        "iterations. By default, with lbfgs, "
        f"{', '.join(f'{value:g} for the {loss} loss' for loss, value in TOLERANCES.items())}; with the other "
        "optimizers, 0.",
        None,
        bounds="0 to < 1",
    )
    scales: str = option(
        "Optimisation",
        "Sizes to paint at, from coarse to fine: a number of sizes, each half as large as the next, or auto. auto "
        "doubles the size from --min_scale up to the full size. With a preview, it goes from --preview_width to the "
        f"full size in equal steps. If an initial picture makes up at least {FORMLESS:.0%} of the start image, auto "
        "paints at the full size alone.",
        "auto",
    )
    min_scale: int = option(
        "Optimisation",
        "Shorter side of the coarsest size in pixels, with --scales auto and no preview. Smaller values take more of "
        "the style's forms.",
        48,
        bounds=f">= {vgg19_spec.MIN_SIDE}",
    )
    preview_width: int | None = option(
        "Optimisation",
        "Width in pixels of the coarsest size, the preview; 0 for no preview. Results less than twice as wide are "
        "painted at the full size alone. The preview gets most of the evaluations, so a run with that --width predicts "
        "the look of larger results. Larger values keep more of the content, smaller values take more of the style's "
        f"forms. There is no preview if the start image has more than {FORMLESS:.0%} noise. By default what the "
        f"weights file says (256 for the built-in network), or {LEFT_TO_NETWORK['preview_width']:g}.",
        None,
        bounds=f"0 or >= {vgg19_spec.MIN_SIDE}",
    )
    scale_iterations: int = option(
        "Optimisation",
        "Most evaluations at each of the other sizes, and never more than --iterations.",
        60,
        bounds=">= 1",
    )
    learning_rate: float | None = option(
        "Optimisation",
        "Adam: step size in gray levels (0-255). By default what the weights file says (3 for the built-in network), "
        f"or {LEFT_TO_NETWORK['learning_rate']:g}.",
        None,
        bounds="> 0",
    )
    beta1: float = option("Optimisation", "Adam: decay rate of the mean gradient.", 0.9, bounds="0 to < 1")
    beta2: float = option("Optimisation", "Adam: decay rate of the mean squared gradient.", 0.999, bounds="0 to < 1")
    eps: float = option("Optimisation", "Adam: number added to the root mean square.", 1e-8, bounds="> 0")
    history_size: int = option("Optimisation", "L-BFGS: number of curvature pairs to keep.", 10, bounds=">= 1")
    seed: int = option(
        "Optimisation",
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
        "auto is what the process has plus 80% of what is free.",
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
        """Return these settings with a value for each option of `LEFT_TO_NETWORK` and each option that depends on them.

        Args:
            settings: the defaults in the weights file, `VGGWeights.settings`. Options that were given take precedence.
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
        """Return the sizes at which to paint a picture, coarse to fine. The settings must be settled.

        Args:
            width: of the picture in pixels.
            height: of the picture in pixels.
            photograph: see `pyramid.plan`.

        Raises:
            UsageError: the picture is too small for this number of scales.
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
            shares = _normalised("style_layer_weight_exp", weights)
        else:
            shares = _normalised("style_layer_weights", self.style_layer_weights)
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
        return _normalised("style_blend_weights", self.style_blend_weights or [1.0] * len(self.styles))

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
        """Return whether a checkpoint is due after this iteration."""
        every = self.checkpoint_iterations
        return every is not None and iteration > 0 and iteration % every == 0


OPTIONS: Mapping[str, Option] = {
    field.name: Option.of(field, get_type_hints(Config)[field.name]) for field in dataclasses.fields(Config)
}
"""Option name -> option, in the order of the fields of `Config`."""


def _normalised(name: str, values: Sequence[float]) -> tuple[float, ...]:
    total = sum(values)
    if not 0 < total < math.inf:
        raise UsageError(f"{name}: expected at least one weight above 0 and a finite sum, got weights {tuple(values)}")
    return tuple(value / total for value in values)


def _check_pictures(config: Config) -> None:
    """Check that pictures are given, and that lists with one item per style picture have the right length."""
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
    """Check that checkpoints have both a path and an interval, and that the path depends on the iteration."""
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
