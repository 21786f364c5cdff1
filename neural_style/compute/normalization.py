"""The normalization of Gram and covariance matrices, as factors on targets and weights.

Matrices are compared as means over positions. If a normalization divides the sums of image and style by other numbers,
the style's matrix is multiplied by the ratio of the two, and the loss by the square of what the image's is multiplied
by. The image's matrix is never changed, so nothing is traced again.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import tensorflow as tf

from neural_style.compute.loss_graph import LossGraph, channels_of, formula_of
from neural_style.compute.masks import NO_MASKS, Masks
from neural_style.config.resolve import ResolvedConfig
from neural_style.losses.moments import MeanMoments
from neural_style.losses.reductions import NORMALIZATIONS
from neural_style.losses.spec import StyleMoments, Targets, by_region
from neural_style.losses.style import MomentFormula
from neural_style.vgg19_spec import positions, stride

Size = tuple[int, int]
"""Height and width of the result in pixels."""


def positions_of(graph: LossGraph, size: Size, layer: str) -> int:
    """Return the number of positions in a layer's map of the result."""
    rows, columns = (positions(side, stride(layer), graph.network.rounding) for side in size)
    return rows * columns


def image_factor(graph: LossGraph, config: ResolvedConfig, size: Size, layer: str, area: float = 1.0) -> float:
    """Return what the image's matrix is multiplied by, in units of the mean over positions over the channels.

    Args:
        graph: the network and the terms of the loss.
        config: names the normalization.
        size: of the result.
        layer: the style layer.
        area: share of the picture that the matrix is of.
    """
    mass, channels = area * positions_of(graph, size, layer), channels_of(layer)
    return _factor(config, size, channels, mass) * channels


def style_ratios(
    graph: LossGraph, config: ResolvedConfig, size: Size, layer: str, styles: MeanMoments, area: float = 1.0
) -> np.ndarray:
    """Return what the styles' matrices are multiplied by, in units of what the image's is: float64 (styles,).

    Args:
        graph: as for `image_factor`, and so are the other arguments but `styles`.
        config: see above.
        size: see above.
        layer: see above.
        styles: moments of the styles there.
        area: see above.
    """
    of_image = _factor(config, size, channels_of(layer), area * positions_of(graph, size, layer))
    masses = np.asarray(styles.mass, np.float64)
    return np.array([_factor(config, size, channels_of(layer), mass) for mass in masses]) / of_image


def compared_moments(
    graph: LossGraph, config: ResolvedConfig, size: Size, styles: StyleMoments, masks: Masks = NO_MASKS
) -> Targets:
    """Return what the terms of moments compare with, scaled where a normalization asks for it.

    Args:
        graph: the network and the terms of the loss.
        config: names the normalization.
        size: of the result.
        styles: layer -> moments of the styles.
        masks: those of the result.
    """
    compared: dict[str, dict[str, Any]] = {}
    for term in graph.spec.of_kind(MomentFormula):
        formula = formula_of(term)
        compared[term.key] = {}
        for layer in term.layers:
            scaled: list[MeanMoments] = []
            for means, area in zip(by_region(styles[layer]), masks.shares or [1.0], strict=True):
                ratios = style_ratios(graph, config, size, layer, means, area) if formula.scaled else np.ones(1)
                is_alike = np.all(ratios == 1)
                scaled.append(means if is_alike else formula.scaled(means, tf.constant(ratios, tf.float32)))
            together = MeanMoments(*(tf.concat(of_regions, axis=0) for of_regions in zip(*scaled, strict=True)))
            targets = formula.target(scaled[0] if len(scaled) == 1 else together)
            compared[term.key][layer] = _with_regions(targets, masks) if masks.count else targets
    return compared


def _with_regions(targets: Any, masks: Masks) -> Any:
    """Arrange the targets of all regions, one after the other, nested tensors (targets, …), as (regions, styles, …).

    Where a region has fewer styles than another, its first one is repeated at the end. It has no weight there.
    """
    most = max(map(len, masks.members))
    ends = itertools.accumulate(map(len, masks.members))
    begins = [end - len(members) for end, members in zip(ends, masks.members, strict=True)]
    places = [
        [begin + (style if style < len(members) else 0) for style in range(most)]
        for begin, members in zip(begins, masks.members, strict=True)
    ]
    return tf.nest.map_structure(lambda each: tf.gather(each, places), targets)


def _factor(config: ResolvedConfig, size: Size, channels: int, mass: float) -> float:
    """Return what the normalization multiplies a mean over positions by."""
    return float(mass / NORMALIZATIONS[config.gram_normalization](mass, channels, size[0] * size[1]))
