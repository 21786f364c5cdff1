"""The normalization of Gram and covariance matrices, as factors on targets and weights.

Matrices are compared as means over positions. If a normalization divides the sums of image and style by other numbers,
the style's matrix is multiplied by the ratio of the two, and the loss by the square of what the image's is multiplied
by. The image's matrix is never changed, so nothing is traced again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from neural_style.compute.loss_graph import LossGraph, channels_of, formula_of
from neural_style.config.resolve import ResolvedConfig
from neural_style.losses.moments import MeanMoments
from neural_style.losses.reductions import NORMALIZATIONS
from neural_style.losses.spec import Targets
from neural_style.losses.style import MomentFormula
from neural_style.vgg19_spec import positions, stride

Size = tuple[int, int]
"""Height and width of the result in pixels."""


def positions_of(graph: LossGraph, size: Size, layer: str) -> int:
    """Return the number of positions in a layer's map of the result."""
    rows, columns = (positions(side, stride(layer), graph.network.rounding) for side in size)
    return rows * columns


def image_factor(graph: LossGraph, config: ResolvedConfig, size: Size, layer: str) -> float:
    """Return what the image's matrix is multiplied by, in units of the mean over positions over the channels."""
    mass, channels = positions_of(graph, size, layer), channels_of(layer)
    return _factor(config, size, channels, mass) * channels


def style_ratios(graph: LossGraph, config: ResolvedConfig, size: Size, layer: str, styles: MeanMoments) -> np.ndarray:
    """Return what the styles' matrices are multiplied by, in units of what the image's is: float64 (styles,)."""
    of_image = _factor(config, size, channels_of(layer), positions_of(graph, size, layer))
    masses = np.asarray(styles.mass, np.float64)
    return np.array([_factor(config, size, channels_of(layer), mass) for mass in masses]) / of_image


def compared_moments(
    graph: LossGraph, config: ResolvedConfig, size: Size, styles: Mapping[str, MeanMoments]
) -> Targets:
    """Return what the terms of moments compare with, scaled where a normalization asks for it.

    Args:
        graph: the network and the terms of the loss.
        config: names the normalization.
        size: of the result.
        styles: layer -> moments of the styles.
    """
    compared: dict[str, dict[str, Any]] = {}
    for term in graph.spec.of_kind(MomentFormula):
        formula = formula_of(term)
        compared[term.key] = {}
        for layer in term.layers:
            means = styles[layer]
            ratios = style_ratios(graph, config, size, layer, means) if formula.scaled else np.ones(1)
            if np.any(ratios != 1):
                means = formula.scaled(means, tf.constant(ratios, tf.float32))
            compared[term.key][layer] = formula.target(means)
    return compared


def _factor(config: ResolvedConfig, size: Size, channels: int, mass: float) -> float:
    """Return what the normalization multiplies a mean over positions by."""
    return float(mass / NORMALIZATIONS[config.gram_normalization](mass, channels, size[0] * size[1]))
