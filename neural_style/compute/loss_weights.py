"""The `LossSpec` and the `LossWeights` of a configuration."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from neural_style.compute.loss_graph import LossGraph, float32, formula_of
from neural_style.config.resolve import ResolvedConfig
from neural_style.losses.content import FeatureFormula
from neural_style.losses.moments import MeanMoments
from neural_style.losses.spec import FORMULAS, IMAGE, LossSpec, LossWeights, Term
from neural_style.losses.style import MomentFormula

_LEAST_SIZE = 0.05
"""Least size of a target, as a share of the size for noise. Photographs and paintings, even of fog, exceed it."""

ChannelSums = Mapping[str, tuple[tf.Tensor | np.ndarray, float]]
"""Content layer -> `moments.channel_sums` of the content, and the number of positions in the sums."""


def loss_spec(config: ResolvedConfig) -> LossSpec:
    """Return the terms of a configuration's loss."""
    return LossSpec(
        (
            Term("content", "squared difference", tuple(config.content_terms)),
            Term("style", "gram", tuple(config.style_terms)),
            Term("tv", f"{config.tv_loss} variation", (IMAGE,)),
        )
    )


def loss_weights(
    config: ResolvedConfig, graph: LossGraph, width: int, content: ChannelSums, styles: Mapping[str, MeanMoments]
) -> LossWeights:
    """Return the weights of all terms of a graph's loss at one size.

    The balanced loss divides each layer's loss by the size of its target, or by `_LEAST_SIZE` times the size for noise
    if that is more. Otherwise, a picture of one color would outweigh everything else. Blended styles have one common
    size, the weighted mean of their sizes, so the loss is lowest at the mean of their Gram matrices.

    Args:
        config: the weights asked for. A layer of the graph that it does not use gets 0.
        graph: the network and the terms of the loss.
        width: width of the image in pixels.
        content: channel sums of the content.
        styles: layer -> moments of the styles.
    """
    blend = np.array(config.style_blend, np.float32)
    shares = {"content": config.content_terms, "style": config.style_terms}
    factors = {name: config.factor(f"{name}_weight") for name in shares}
    divisors: dict[str, dict[str, float]] = {name: {} for name in shares}
    if config.is_balanced:
        divisors = _divisors(graph, content, styles, blend)
    weights: dict[str, dict[str, tf.Tensor]] = {}
    for term in graph.spec.terms:
        if term.name == "tv":
            tv_factor = config.tv_factor_at(width, formula_of(term).degree, formula_of(term).is_sum)
            weights[term.name] = {IMAGE: float32(tv_factor)}
            continue
        of_layers = {layer: factors[term.name] * shares[term.name].get(layer, 0.0) for layer in term.layers}
        scales = 1.0 if term.kind is FeatureFormula else blend
        weights[term.name] = {
            layer: float32(weight * scales / divisors[term.name].get(layer, 1.0)) for layer, weight in of_layers.items()
        }
    return weights


def _divisors(
    graph: LossGraph, content: ChannelSums, styles: Mapping[str, MeanMoments], blend: np.ndarray
) -> dict[str, dict[str, float]]:
    """Return term -> layer -> what the balanced loss divides by; 1 if the network does not respond at all."""
    sizes = _sizes(graph.spec, content, styles, blend)
    least = _sizes(graph.spec, *graph.noise_targets, np.ones(1, np.float32))
    return {
        name: {layer: max(size, _LEAST_SIZE * least[name][layer]) or 1.0 for layer, size in of_layers.items()}
        for name, of_layers in sizes.items()
    }


def _sizes(
    spec: LossSpec, content: ChannelSums, styles: Mapping[str, MeanMoments], blend: np.ndarray
) -> dict[str, dict[str, float]]:
    """Return term -> layer -> size of its target."""
    sizes: dict[str, dict[str, float]] = {}
    for term in spec.terms:
        formula = FORMULAS[term.formula]
        if isinstance(formula, FeatureFormula):
            sizes[term.name] = {layer: float(formula.size(*content[layer])) for layer in term.layers}
        elif isinstance(formula, MomentFormula):
            sizes[term.name] = {layer: float(np.dot(blend, formula.size(styles[layer]))) for layer in term.layers}
    return sizes
