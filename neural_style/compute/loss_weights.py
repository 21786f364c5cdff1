"""The `LossSpec` and the `LossWeights` of a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from neural_style.compute.loss_graph import LossGraph, channels_of, float32, formula_of
from neural_style.compute.masks import NO_MASKS, Masks
from neural_style.compute.normalization import Size, image_factor, positions_of, style_ratios
from neural_style.config.resolve import ResolvedConfig
from neural_style.losses.content import SQUARED_DIFFERENCE, FeatureFormula
from neural_style.losses.moments import MeanMoments
from neural_style.losses.reductions import REDUCTIONS
from neural_style.losses.spec import IMAGE, STATISTICS, LossSpec, LossWeights, StyleMoments, Term, by_region
from neural_style.losses.style import MomentFormula

_LEAST_SIZE = 0.05
"""Least size of a target, as a share of the size for noise. Photographs and paintings, even of fog, exceed it."""

ChannelSums = Mapping[str, tuple[tf.Tensor | np.ndarray, float]]
"""Content layer -> `moments.channel_sums` of the content, and the number of positions in the sums."""


def loss_spec(config: ResolvedConfig, regions: int = 0) -> LossSpec:
    """Return the terms of a configuration's loss, for a number of regions; 0 for the whole picture without a mask."""
    return LossSpec(
        (
            Term("content", "squared difference", tuple(config.content_terms)),
            *(term for term, _ in _style_terms(config)),
            Term("tv", f"{config.tv_loss} variation", (IMAGE,)),
        ),
        config.feature_scale,
        regions if config.style_terms else 0,
        config.content_mask is not None and bool(config.content_terms),
    )


def _style_terms(config: ResolvedConfig) -> list[tuple[Term, float]]:
    """Return a term for each formula of the style loss, with its factor."""
    layers, factors = config.statistic_layers, config.style_statistics
    formulas = [(statistic, formula) for statistic in config.style_loss for formula in STATISTICS[statistic]]
    terms = []
    for statistic, formula in formulas:
        part = f"{statistic}, {formula}" if len(formulas) > 1 else ""
        terms.append((Term("style", formula, layers[statistic], part), factors[statistic]))
    return terms


def loss_weights(
    config: ResolvedConfig,
    graph: LossGraph,
    size: Size,
    content: ChannelSums,
    styles: StyleMoments,
    halvings: int = 0,
    masks: Masks = NO_MASKS,
) -> LossWeights:
    """Return the weights of all terms of a graph's loss at one size.

    A relative loss divides each layer's loss by the size of its target, or by `_LEAST_SIZE` times the size for noise if
    that is more. Otherwise, a picture of one color would outweigh everything else. Blended styles have one common size,
    the weighted mean of their sizes, so the loss is lowest at the mean of their statistics.

    If the loss is a mean over several sizes of the image, the weights contain the share of one size. The total
    variation is that of the full size alone.

    A region counts by its share of the picture, so that each pixel has the style loss that it would have in a picture
    of that region alone.

    Args:
        config: the weights asked for. A layer of the graph that it does not use gets 0.
        graph: the network and the terms of the loss.
        size: height and width of the image in pixels.
        content: channel sums of the content.
        styles: layer -> moments of the styles.
        halvings: how often the image of the run was halved.
        masks: those of the image.
    """
    factors = {term.key: factor for term, factor in _style_terms(config)}
    at = _Context(config, graph, size, config.content_terms, config.style_terms, factors)
    weights: dict[str, dict[str, tf.Tensor]] = {}
    for term in graph.spec.terms:
        if term.kind is FeatureFormula:
            found: Any = {layer: _content_weight(at, term, layer, content) for layer in term.layers}
        elif term.kind is MomentFormula:
            found = {layer: _style_weights(at, term, layer, styles[layer], masks) for layer in term.layers}
        elif halvings:
            found = {IMAGE: 0.0}
        else:
            found = {IMAGE: config.tv_factor_at(size[1], formula_of(term).degree, formula_of(term).is_sum)}
        weights[term.key] = {layer: float32(weight) for layer, weight in found.items()}
    return weights


class _Context(NamedTuple):
    """What the weights of all layers depend on."""

    config: ResolvedConfig
    graph: LossGraph
    size: Size
    content_terms: Mapping[str, float]
    style_terms: Mapping[str, float]
    style_factors: Mapping[str, float]
    """Key of a style term -> its factor."""


def _content_weight(at: _Context, term: Term, layer: str, content: ChannelSums) -> float:
    """Return the weight of a content layer."""
    config, formula, reduction = at.config, formula_of(term), REDUCTIONS[at.config.content_loss]
    growth = config.feature_scale**formula.degree
    target_size = growth * _content_size(at.graph, formula, layer, content) if reduction.needs_size else 1.0
    entries = positions_of(at.graph, at.size, layer) * channels_of(layer)
    weight = config.factor("content_weight") / config.loss_scales * at.content_terms.get(layer, 0.0)
    return growth * weight / reduction.divisor(entries, target_size)


def _content_size(graph: LossGraph, formula: FeatureFormula, layer: str, content: ChannelSums) -> float:
    """Return the size of a content target; 1 if the network does not respond at all."""
    size, of_noise = (float(formula.size(*sums[layer])) for sums in (content, graph.noise_targets[0]))
    return max(size, _LEAST_SIZE * of_noise) or 1.0


def content_distance(
    config: ResolvedConfig, graph: LossGraph, content: ChannelSums, differences: Mapping[str, float]
) -> float | None:
    """Return how far an image's content features are from the photo's: 0 is equal.

    It is the squared difference relative to the variance of the photo's features, whatever content loss a run has;
    several layers count as the content loss weights them.

    Args:
        config: the run.
        graph: the network and the terms of the loss.
        content: channel sums of the content.
        differences: content layer -> mean squared difference of the image's features from the photo's.

    Returns:
        The distance; None if no content layer has a weight.
    """
    shares = config.content_terms
    if not shares:
        return None
    distances = {
        layer: differences[layer] / _content_size(graph, SQUARED_DIFFERENCE, layer, content) for layer in shares
    }
    return sum(share * distances[layer] for layer, share in shares.items()) / sum(shares.values())


def _style_weights(at: _Context, term: Term, layer: str, styles: Any, masks: Masks) -> np.ndarray:
    """Return the weights of the styles in a layer, (styles,), or (regions, most styles of a region).

    A style counts by its share in the blend among those of its region. With one style per region, all of one weight,
    that is 1.
    """
    blend = np.array(at.config.blend_at(layer), np.float32)
    if not masks.count:
        return _style_weight(at, term, layer, styles, blend, 1.0)
    weights = np.zeros((masks.count, max(map(len, masks.members))), np.float32)
    for row, members, area, of_region in zip(weights, masks.members, masks.shares, by_region(styles), strict=True):
        own = blend[list(members)] * len(blend) / len(members)
        row[: len(members)] = area * _style_weight(at, term, layer, of_region, own, area)
    return weights


def _style_weight(
    at: _Context, term: Term, layer: str, styles: MeanMoments, blend: np.ndarray, area: float
) -> np.ndarray:
    """Return the weights of the styles in a layer of a region, (styles,).

    Args:
        at: what all weights depend on.
        term: the term.
        layer: the layer.
        styles: moments of the styles there.
        blend: share of each style.
        area: share of the picture that belongs to the region.
    """
    config, formula = at.config, formula_of(term)
    weight = config.factor("style_weight") / config.loss_scales
    weight *= at.style_terms.get(layer, 0.0) * at.style_factors[term.key]
    growth = image_factor(at.graph, config, at.size, layer, area) ** 2 if formula.scaled else 1.0
    reduction = REDUCTIONS[config.style_reduction]
    target_size = growth * _style_size(at, term, layer, styles, blend, area) if reduction.needs_size else 1.0
    return growth * weight * blend / reduction.divisor(formula.entries(channels_of(layer)), target_size)


def _style_size(at: _Context, term: Term, layer: str, styles: MeanMoments, blend: np.ndarray, area: float) -> float:
    """Return the common size of the styles that count in a layer; 1 if the network does not respond at all.

    It is that of their statistics as the image's are compared with them, without the factor of the image.
    """
    formula = formula_of(term)
    share = float(np.sum(blend)) / float(np.sum(np.array(at.config.style_blend, np.float32)))
    if not share:
        return 1.0
    sizes, growth = formula.size(styles), 1.0
    if formula.scaled:
        ratios = style_ratios(at.graph, at.config, at.size, layer, styles, area)
        if np.any(ratios != 1):
            sizes, growth = sizes * ratios**2, float(np.average(ratios**2, weights=blend))
    (of_noise,) = formula.size(at.graph.noise_targets[1][layer])
    return max(float(np.dot(blend, sizes)) / share, _LEAST_SIZE * growth * float(of_noise)) or 1.0
