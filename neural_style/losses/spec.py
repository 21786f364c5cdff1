"""What a loss consists of: what is traced (`LossSpec`) apart from what may change while a run goes on (`LossWeights`).

A new formula is a function in a module of its own and one row of `FORMULAS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import tensorflow as tf

from neural_style.losses import content, style, variation
from neural_style.losses.content import FeatureFormula
from neural_style.losses.style import MomentFormula
from neural_style.losses.variation import PixelFormula

Formula = FeatureFormula | MomentFormula | PixelFormula

FORMULAS: Mapping[str, Formula] = {
    "squared difference": content.SQUARED_DIFFERENCE,
    "gram": style.GRAM,
    "squared variation": variation.SQUARED_VARIATION,
}
"""Every formula by name."""

IMAGE = "image"
"""What stands for a layer in terms that look at pixels."""


class Term(NamedTuple):
    """One term of a loss."""

    name: str
    """By which it is shown and weighted, such as "content"."""
    formula: str
    """Of `FORMULAS`."""
    layers: tuple[str, ...]
    """Layers that it looks at, or `IMAGE` alone."""

    @property
    def kind(self) -> type:
        """`FeatureFormula`, `MomentFormula` or `PixelFormula`."""
        return type(FORMULAS[self.formula])


@dataclass(frozen=True)
class LossSpec:
    """Terms of a loss, in the order in which they are added. Hashable: it decides what TensorFlow traces."""

    terms: tuple[Term, ...]

    def of_kind(self, kind: type) -> tuple[Term, ...]:
        """Terms whose formulas are of a kind."""
        return tuple(term for term in self.terms if term.kind is kind)

    @property
    def layers(self) -> frozenset[str]:
        """Every layer of the network that a term looks at."""
        return frozenset(layer for term in self.terms for layer in term.layers) - {IMAGE}


LossWeights = Mapping[str, Mapping[str, tf.Tensor]]
"""Term -> layer -> what its loss is multiplied by, float32: a scalar, or (styles,) where a formula compares styles.

All of what is asked for is in it, the sizes of targets too. It may change between two evaluations.
"""

Targets = Mapping[str, Mapping[str, Any]]
"""Term -> layer -> what an image is compared with: a feature map (1, height, width, channels) in the network's type, or
the `MeanMoments` of the styles. Terms that look at pixels have none."""


class LossTerms(NamedTuple):
    """Weighted values of a loss, float32 scalars."""

    total: Any
    by_name: Mapping[str, Any]
    """Term -> its value; they add up to the total."""
    by_layer: Mapping[str, Mapping[str, Any]]
    """Term -> layer -> its value."""
