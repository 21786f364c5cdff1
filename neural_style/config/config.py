"""The settings of one run: all groups of options together.

Flags, saved flag files, the table in docs/flags.md and the metadata of written pictures all derive from the fields of
`Config`. Nothing here imports NumPy or TensorFlow, so usage errors are reported at once.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import operator
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_type_hints

from neural_style import vgg19_spec
from neural_style.config import checks, kinds, presets, serialize, templates
from neural_style.config.defaults import (
    BALANCED_BLOCKS,
    BLENDED_CONTENT_LAYERS,
    LEFT_TO_NETWORK,
    STARTS,
    UNITS,
    usual_values,
)
from neural_style.config.fields import Option, words
from neural_style.config.options.colors import Colors
from neural_style.config.options.losses import Losses
from neural_style.config.options.masks import Masks
from neural_style.config.options.network import Network
from neural_style.config.options.optimization import Optimization
from neural_style.config.options.pictures import Pictures, PictureSource
from neural_style.config.options.progress import Progress
from neural_style.config.strength import first_factor
from neural_style.errors import UsageError


@dataclasses.dataclass(frozen=True, eq=False)
class Config(Progress, Network, Losses, Optimization, Colors, Masks, Pictures):
    """Settings of one run. Fields have the names of the flags and are checked on creation.

    An option that is None gets its value when a run starts, in some cases from the network or the optimizer: see
    `resolve.resolve`. Two configurations are equal, and have the same hash, if their values are equal. Pictures on disk
    are compared by path, and pictures in memory by their pixels.

    Raises:
        UsageError: an option has an invalid value, or two options contradict each other.
    """

    @classmethod
    def of_preset(
        cls,
        name: str | None,
        content: PictureSource | None = None,
        styles: Sequence[PictureSource] = (),
        **changes: Any,
    ) -> Config:
        """Make the configuration of a preset.

        Args:
            name: one of `Config.presets()`; None for the defaults.
            content: see the field.
            styles: see the field.
            changes: other fields, which take precedence over the preset's.

        Raises:
            UsageError: there is no such preset, or an option has an invalid value.
        """
        own = {} if name is None else presets.values(name, OPTIONS, changes)
        return cls(content=content, styles=styles, **{**own, **changes})

    @staticmethod
    def presets() -> dict[str, str]:
        """Return the names that `of_preset` takes, the default first -> what each preset is, in one line."""
        return {name: presets.summary(name) for name in presets.names()}

    def __post_init__(self) -> None:
        """Convert each value to its type, check its bounds, then check the options against each other."""
        if self.styles is None:
            object.__setattr__(self, "styles", ())
        if isinstance(self.styles, (str, os.PathLike)) or not isinstance(self.styles, Sequence):
            object.__setattr__(self, "styles", (self.styles,))
        object.__setattr__(self, "styles", tuple(self.styles))
        for name in ("content_masks", "style_masks"):
            masks = getattr(self, name)
            if masks is not None and not isinstance(masks, (list, tuple)):
                object.__setattr__(self, name, (masks,))
        if isinstance(self.scales, int):
            object.__setattr__(self, "scales", str(self.scales))
        if isinstance(self.size, (tuple, list)):
            object.__setattr__(self, "size", "x".join(map(str, self.size)))
        if isinstance(self.init, (bytes, os.PathLike)) and os.fsdecode(self.init) in STARTS:
            object.__setattr__(self, "init", os.path.join(os.curdir, os.fsdecode(self.init)))  # a file of that name
        for name, declared in OPTIONS.items():
            object.__setattr__(self, name, declared.checked(getattr(self, name)))
        if isinstance(self.size, str):
            advice = "" if self.content is None else "; for a photo, give its --width"
            object.__setattr__(self, "size", "{}x{}".format(*kinds.parse_size(self.size, "size", advice)))
        checks.check(self)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and serialize.key(self) == serialize.key(other)

    def __hash__(self) -> int:
        return hash(serialize.key(self))

    @property
    def given(self) -> frozenset[str]:
        """Names of the options that differ from their defaults."""
        values = {name: serialize.hashable(getattr(self, name)) for name in OPTIONS}
        return frozenset(name for name, option in OPTIONS.items() if values[name] != option.default)

    @property
    def decided(self) -> frozenset[str]:
        """Names of the options that have a value though they were not given. Only a resolved configuration has any."""
        return frozenset()

    def asked(self, name: str) -> Any:
        """Return the value that was given for an option; None if it was left open, even if one was decided since."""
        return None if name in self.decided else getattr(self, name)

    @property
    def family(self) -> str:
        """The loss in effect: the one asked for, or the usual one."""
        return self.loss or LEFT_TO_NETWORK["loss"]

    def in_effect(self, name: str) -> Any:
        """Return the value of an option that depends on the loss: the one given, or its default for the loss."""
        value = self.asked(name)
        return usual_values(self.family, self.strength)[name] if value is None else value

    @property
    def start(self) -> str:
        """Kind of the start image, before noise is blended in: a name in `defaults.STARTS`, or "picture"."""
        if isinstance(self.init, str) and self.init in STARTS:
            return self.init
        return self.usual_start if self.init is None and self.initial is None else "picture"

    @property
    def usual_start(self) -> str:
        """Kind of the start image if neither `init` nor `initial` is given; see `start`.

        A texture has no content to start from. A reconstruction that started from its content would be done at once.
        """
        share = self.asked("initial_noiseblend")
        if self.content is None:
            return "noise" if share == 1 else "style_colors"
        return "noise" if self.is_reconstruction and share in (None, 1) else "content"

    @property
    def usual_fit(self) -> Literal["width", "original"]:
        """Value of `style_fit` if it is not given. A texture has the scale of its style."""
        return "original" if self.content is None else "width"

    @property
    def is_reconstruction(self) -> bool:
        """Whether a run rebuilds the content without any style."""
        return self.asked("style_weight") == 0 and self.strength != 0 and bool(self.content_terms)

    @property
    def size_unit(self) -> int:
        """What the sides of each size of a run are multiples of, in pixels: 1, or more where it is `seamless`.

        Opposite edges can be joined at every layer, and in every size of the loss, if its stride divides the sides.
        """
        if not self.seamless:
            return 1
        return max(map(vgg19_spec.stride, self.layers), default=1) * 2 ** (self.loss_scales - 1)

    @property
    def texture_size(self) -> tuple[int, int] | None:
        """Width and height in pixels that `size` gives; None if it is not given."""
        return None if self.size is None else kinds.parse_size(str(self.size), "size")

    @property
    def start_picture(self) -> PictureSource | None:
        """The picture given to start from, as `initial` or as `init`; None if there is none."""
        if self.start != "picture":
            return None
        return self.initial if self.init is None else self.init

    def factor(self, weight: str) -> float:
        """Return the factor of a loss term, by the name of its weight, times the unit of the loss.

        A strength multiplies that of the style at the start of a run. With a strength of 1, or for a texture, that of
        the content is 0.
        """
        if weight == "content_weight" and self.content is None:
            return 0.0
        factor = self.in_effect(weight) * UNITS[self.family]
        if self.strength == 1:
            return 0.0 if weight == "content_weight" else factor
        if self.strength is not None and weight == "style_weight":
            return factor * first_factor(self.strength)
        return factor

    def tv_factor_at(self, width: int, degree: float = 2.0, is_sum: bool = False) -> float:
        """Return the factor of the total variation of an image with this width in pixels, in gray levels of 0-255.

        In an image enlarged s times, neighbors differ by 1/s as much. A mean of their differences to the power
        `degree` is then s^-degree as large, and a sum over s² as many is s^(2 - degree) as large. The ratio of `width`
        and `tv_width`, to a power, compensates for that. `pixel_range` is the unit of the differences.

        Args:
            width: width in pixels.
            degree: power of the differences in the formula.
            is_sum: whether the formula is a sum over positions instead of a mean.
        """
        enlarged = (width / (self.tv_width or width)) ** (degree - 2 if is_sum else degree)
        return self.factor("tv_weight") * enlarged * (self.pixel_range / 255) ** degree

    @property
    def content_terms(self) -> Mapping[str, float]:
        """Content layers in use -> weights, after `layer_reduction`. Empty for a weight of 0, and for a texture."""
        layers: Sequence[str] = BLENDED_CONTENT_LAYERS
        shares: Sequence[float] = (self.content_weight_blend, 1 - self.content_weight_blend)
        if self.content_layers is not None:
            layers = self.content_layers
            shares = self._reduced("content_layer_weights", self.content_layer_weights or [1.0] * len(layers))
        terms = zip(layers, shares, strict=True)
        return {layer: share for layer, share in terms if share * self.factor("content_weight") > 0}

    @property
    def style_terms(self) -> Mapping[str, float]:
        """Style layers in use -> weights, after `layer_reduction`. Empty if `style_weight` is 0."""
        if self.style_layer_weights is None:
            growth = itertools.accumulate(itertools.repeat(self.style_layer_weight_exp), operator.mul, initial=1.0)
            weights = [
                factor * self._block_weight(layer) for layer, factor in zip(self.style_layers, growth, strict=False)
            ]
            shares = self._reduced("style_layer_weight_exp", weights)
        else:
            shares = self._reduced("style_layer_weights", self.style_layer_weights)
        terms = zip(self.style_layers, shares, strict=True)
        factor = self.factor("style_weight")
        return {layer: share for layer, share in terms if share * factor > 0 and any(self.blend_at(layer))}

    def _block_weight(self, layer: str) -> float:
        return BALANCED_BLOCKS[vgg19_spec.block_of(layer)] if self.family == "balanced" else 1.0

    def _reduced(self, name: str, weights: Sequence[float]) -> tuple[float, ...]:
        shares = _normalized(name, weights)
        return shares if self.layer_reduction == "mean" else tuple(weights)

    @property
    def style_statistics(self) -> Mapping[str, float]:
        """Statistics of the style loss -> factors."""
        statistics, factors = self.in_effect("style_loss"), self.asked("style_loss_weights")
        if factors is None:
            factors = (1.0,) * len(statistics) if self.asked("style_loss") else self.in_effect("style_loss_weights")
        return dict(zip(statistics, factors, strict=True))

    @property
    def statistic_layers(self) -> Mapping[str, tuple[str, ...]]:
        """Statistics of the style loss -> layers of `style_terms` that each counts in; none if its factor is 0."""
        given = self.asked("style_loss_layers")
        if given is None:
            everywhere = ("all",) * len(self.style_statistics)
            given = everywhere if self.asked("style_loss") else self.in_effect("style_loss_layers")
        return {
            statistic: tuple(layer for layer in self.style_terms if factor and _is_among(layer, names))
            for (statistic, factor), names in zip(self.style_statistics.items(), given, strict=True)
        }

    @property
    def style_blend(self) -> tuple[float, ...]:
        """Weight of each style picture. The weights sum to 1."""
        if not self.styles:
            return ()
        return _normalized("style_blend_weights", self.style_blend_weights or [1.0] * len(self.styles))

    def blend_at(self, layer: str) -> tuple[float, ...]:
        """Return the weight of each style picture in a style layer: that of `style_blend`, or 0 if it does not count.

        Where a picture does not count, the weights of the others stay as they are, so they sum to less than 1.
        """
        of_styles = self.style_layers_of or ["all"] * len(self.styles)
        counts = [of == "all" or layer in of.split("+") for of in of_styles]
        return tuple(weight * there for weight, there in zip(self.style_blend, counts, strict=True))

    @property
    def layers(self) -> tuple[str, ...]:
        """Every layer that a loss term uses, shallow to deep."""
        used = {*self.content_terms, *itertools.chain(*self.statistic_layers.values())}
        return tuple(layer for layer in vgg19_spec.LAYERS if layer in used)

    def checkpoint_path(self, iteration: int) -> str:
        """Return the path of one checkpoint, from a `checkpoint_output` such as `a_{:05}.png` or `a_%05d.png`."""
        assert self.checkpoint_output is not None
        template = self.checkpoint_output
        return template.format(iteration) if templates.has_braces(template) else template % iteration

    def checkpoint_at(self, iteration: int) -> bool:
        """Return whether a checkpoint is due at this iteration."""
        every = self.checkpoint_iterations
        return every is not None and iteration > 0 and iteration % every == 0


OPTIONS: Mapping[str, Option] = {
    field.name: Option.of(field, get_type_hints(Config)[field.name]) for field in dataclasses.fields(Config)
}
"""Option name -> option, in the order of the fields of `Config`."""


def _is_among(layer: str, names: str) -> bool:
    """Return whether a layer is among names of layers and blocks joined by +, or `all`."""
    return names == "all" or not {layer, f"block{vgg19_spec.block_of(layer)}"}.isdisjoint(names.split("+"))


def _normalized(name: str, values: Sequence[float]) -> tuple[float, ...]:
    total = sum(values)
    if not 0 < total < math.inf:
        raise UsageError(f"{name}: expected at least one weight above 0 and a finite sum, got {words(values)}")
    return tuple(value / total for value in values)
