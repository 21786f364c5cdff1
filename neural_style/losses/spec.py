"""The parts of a loss: what is traced (`LossSpec`), and what may change while a run goes on (`LossWeights`).

To add a formula, write a function in a module of its own and add one row to `FORMULAS`. A style formula gives its
gradient by the moments, too. To add a statistic of style, add a row to `STATISTICS` as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import tensorflow as tf

from neural_style.losses import (
    content,
    covariance,
    mean_and_deviation,
    style,
    variation,
    variation_formulas,
    wasserstein,
)
from neural_style.losses.content import FeatureFormula
from neural_style.losses.style import MomentFormula
from neural_style.losses.variation import PixelFormula

Formula = FeatureFormula | MomentFormula | PixelFormula

FORMULAS: Mapping[str, Formula] = {
    "squared difference": content.SQUARED_DIFFERENCE,
    "gram": style.GRAM,
    "mean": mean_and_deviation.MEAN,
    "mean and deviation": mean_and_deviation.MEAN_AND_DEVIATION,
    "covariance": covariance.COVARIANCE,
    "wasserstein": wasserstein.WASSERSTEIN,
    "squared variation": variation.SQUARED_VARIATION,
    "squared_sum variation": variation_formulas.SQUARED_SUM,
    "absolute variation": variation_formulas.ABSOLUTE,
    "power variation": variation_formulas.POWER,
    "nine_point variation": variation_formulas.NINE_POINT,
}
"""Every formula by name."""

STATISTICS: Mapping[str, tuple[str, ...]] = {
    "gram": ("gram",),
    "mean_std": ("mean and deviation",),
    "wasserstein": ("wasserstein",),
    "covariance": ("covariance", "mean"),
}
"""Choice of `Config.style_loss` -> formulas that are added up. A relative loss divides each of them by its own size."""

IMAGE = "image"
"""Name used in place of a layer by terms that look at pixels."""


class Term(NamedTuple):
    """One term of a loss."""

    name: str
    """Name under which it is shown and weighted, such as "content"."""
    formula: str
    """A key of `FORMULAS`."""
    layers: tuple[str, ...]
    """Layers that it looks at, or `IMAGE` alone."""
    part: str = ""
    """What tells it apart from other terms of the same name, whose values are added to its own."""

    @property
    def key(self) -> str:
        """What tells it apart from all other terms: its name, followed by its part."""
        return f"{self.name} {self.part}".rstrip()

    @property
    def kind(self) -> type:
        """`FeatureFormula`, `MomentFormula` or `PixelFormula`."""
        return type(FORMULAS[self.formula])


@dataclass(frozen=True)
class LossSpec:
    """Terms of a loss, in the order in which they are added. It decides what TensorFlow traces, and is hashable."""

    terms: tuple[Term, ...]
    feature_scale: float = 1.0
    """Factor on the features before their moments are compared."""
    regions: int = 0
    """Number of regions of the picture whose moments are compared apart; 0 for the whole picture without a mask."""
    content_mask: bool = False
    """Whether positions have weights in the losses that compare feature maps."""

    def of_kind(self, kind: type) -> tuple[Term, ...]:
        """Return the terms whose formulas are of a kind."""
        return tuple(term for term in self.terms if term.kind is kind)

    @property
    def layers(self) -> frozenset[str]:
        """Every layer of the network that a term looks at."""
        return frozenset(layer for term in self.terms for layer in term.layers) - {IMAGE}


LossWeights = Mapping[str, Mapping[str, tf.Tensor]]
"""Key of a term -> layer -> factor of its loss, float32: a scalar, or (styles,) for formulas that compare with styles.

With regions, the latter is (regions, styles), with a factor of 0 for styles that do not count in a region. The factors
include the weights that the user chose and, in a relative loss, the sizes of the targets. They may change between two
evaluations.
"""

Targets = Mapping[str, Mapping[str, Any]]
"""Key of a term -> layer -> what the image is compared with. That is a feature map (1, height, width, channels) in the
type of the network, or what the formula makes of the `MeanMoments` of the styles (`MomentFormula.target`); with
regions, tensors with a first axis more, (regions, styles, …). Terms that look at pixels have no targets. `REGIONS` and
`CONTENT_MASK` are further keys, where there are masks."""

StyleMoments = Mapping[str, Any]
"""Style layer -> `MeanMoments` of the styles, with a first axis (styles, …); with regions, a list of them, one for each
region and the styles that count there."""

REGIONS = "regions"
"""Key in `Targets` -> style layer -> mask of each region, float16 (1, height, width, regions)."""

CONTENT_MASK = "content mask"
"""Key in `Targets` -> content layer -> weight of each position, float16 (1, height, width, 1)."""


def by_region(values: Any) -> list[Any]:
    """Return what belongs to each region: of a picture without regions, a list of one."""
    return values if isinstance(values, list) else [values]


class LossTerms(NamedTuple):
    """Weighted values of a loss, float32 scalars."""

    total: Any
    by_name: Mapping[str, Any]
    """Name of a term -> its value, or the sum of those of its parts; they add up to the total."""
    by_layer: Mapping[str, Mapping[str, Any]]
    """Name of a term -> layer -> its value there."""
