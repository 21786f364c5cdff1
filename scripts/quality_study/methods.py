"""The methods that the study compares. A new one is a row of `METHODS`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from neural_style.bench import classic_run
from neural_style.config.config import Config
from neural_style.errors import UsageError

STRENGTHS = (0.05, 0.15, 0.25, 0.35, 0.5, 0.65, 0.75, 0.9, 0.95)
"""Strengths that the defaults are painted with."""

REFERENCE = "default"
"""Name of the method that the others are compared with. Its pictures at all strengths make a curve."""


@dataclass(frozen=True, eq=False)
class Method:
    """One way to paint.

    Attributes:
        what: one line that says what is special about it.
        changes: fields of `Config` that differ from the preset, or from the defaults.
        preset: name of a preset; None for the defaults.
        swept: option that the level of a picture changes: `style_weight`, which it multiplies, or `strength`, which
            it is.
    """

    what: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    preset: str | None = None
    swept: str = "style_weight"

    def config(self, content: str, style: str, **common: Any) -> Config:
        """Return the settings of a run at the method's own style weight.

        Args:
            content: path of the photograph.
            style: path of the style picture.
            common: fields of `Config` that all methods share, such as `width`. They win over the preset.

        Raises:
            UsageError: an option has an invalid value, options contradict each other, or there is no such preset.
        """
        return Config.of_preset(self.preset, content=content, styles=(style,), **{**common, **self.changes})


_CLASSIC = {name: value for name, value in classic_run.SETTINGS.items() if name != "precision"}

_ADAM = {"optimizer": "adam", "iterations": 500}

_PRESETS = ("gatys", "johnson", "cs231n", "keras", "tensorflow", "notes", "spst", "crowson")

_QUARTERED = (256.0, 64.0, 16.0, 4.0, 1.0)
"""Weights of the style layers in crowsonkb/style-transfer-pytorch, from relu1_1 to relu5_1."""

_EQUAL = (1.0,) * 5

_OWN: dict[str, Method] = {
    REFERENCE: Method("the defaults, by their strength", swept="strength"),
    "classic": Method("anishathalye's formulas, 1,000 iterations of Adam from noise", _CLASSIC),
    # losses
    "gram": Method("Gram matrices alone", {"style_loss": ("gram",)}),
    "equal-layers": Method("style layers count alike", {"style_layer_weights": _EQUAL}),
    "quartered-layers": Method("style layers count 256:64:16:4:1", {"style_layer_weights": _QUARTERED}),
    "mean-std": Method("means and deviations instead of Gram matrices", {"style_loss": ("mean_std",)}),
    "covariance": Method("covariances instead of Gram matrices", {"style_loss": ("covariance",)}),
    "wasserstein": Method("Gaussian Wasserstein-2 instead of Gram matrices", {"style_loss": ("wasserstein",)}),
    "wasserstein-quartered": Method(
        "Gaussian Wasserstein-2, layers 256:64:16:4:1",
        {"style_loss": ("wasserstein",), "style_layer_weights": _QUARTERED},
    ),
    "wasserstein-equal": Method(
        "Gaussian Wasserstein-2, layers alike", {"style_loss": ("wasserstein",), "style_layer_weights": _EQUAL}
    ),
    "gram-mean-std": Method(
        "Gram matrices, means and deviations, with equal factors", {"style_loss": ("gram", "mean_std")}
    ),
    "gram-wasserstein": Method("Gram matrices and Gaussian Wasserstein-2", {"style_loss": ("gram", "wasserstein")}),
    "gram-covariance": Method("Gram matrices and covariances", {"style_loss": ("gram", "covariance")}),
    "nine-point": Method("nine-point total variation", {"tv_loss": "nine_point"}),
    "loss-scales": Method("losses averaged over three sizes of the image", {"loss_scales": 3}),
    "two-contents": Method("content at relu4_2 and relu5_2 alike", {"content_weight_blend": 0.5}),
    # network
    "replicate": Method("edges repeated in every convolution", {"padding": "replicate"}),
    "replicate-first": Method(
        "edges repeated in the first convolution", {"padding": "replicate", "padding_layers": "first"}
    ),
    "reflect": Method("edges mirrored in every convolution", {"padding": "reflect"}),
    "average-pooling": Method("average pooling, times 2", {"pooling": "avg", "pooling_scale": 2.0}),
    "l2-pooling": Method("L2 pooling", {"pooling": "l2"}),
    # start, sizes, optimization
    "noise": Method("from noise", {"init": "noise"}),
    "style-colors": Method("from noise in the style's colors", {"init": "style_colors"}),
    "gray": Method("from gray", {"init": "gray"}),
    "style-start": Method("from the style picture", {"init": "style"}),
    "recolored": Method("from the photo in the style's colors", {"init": "recolored"}),
    "pixels": Method("pixels instead of frequencies", {"variables": "pixels"}),
    "root-two": Method("sizes grow by √2 instead of 2", {"scale_factor": math.sqrt(2)}),
    "full-size": Method("painted at the full size alone", {"scales": "1"}),
    "draft": Method("ends early: half the evaluations at most, and 2.5 times the tolerance", {"quality": "draft"}),
    "patient": Method("tolerance of 2 %", {"tolerance": 0.02}),
    "best": Method("goes on: twice the evaluations at most, and an eighth of the tolerance", {"quality": "best"}),
    "adam": Method("Adam, 500 iterations at the full size", _ADAM),
    "from-48-px": Method("from 48 px on the shorter side", {"min_scale": 48}),
    "averaged": Method("Adam, 500 iterations at the full size, iterates averaged", {**_ADAM, "average_iterates": 0.99}),
}

METHODS: Mapping[str, Method] = MappingProxyType(
    {**_OWN, **{f"preset-{name}": Method(f"preset {name}", preset=name) for name in _PRESETS}}
)
"""Name -> method. Names are those of folders of results."""


def parse(names: Sequence[str]) -> dict[str, Method]:
    """Return the methods of these names, the reference first, and each once.

    Raises:
        UsageError: there is no method of a name.
    """
    unknown = [name for name in names if name not in METHODS]
    if unknown:
        raise UsageError(f"--methods: expected names that --list shows, got {', '.join(unknown)}")
    return {name: METHODS[name] for name in dict.fromkeys([REFERENCE, *names])}
