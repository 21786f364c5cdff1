"""The moments of style pictures, with which an image is compared."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from neural_style.compute.graph_cache import Graphs
from neural_style.compute.loss_graph import layers_of
from neural_style.compute.objective import encode
from neural_style.compute.tile_graph import Check, go_on
from neural_style.losses.moments import MeanMoments, stacked
from neural_style.losses.style import MomentFormula

_Key = TypeVar("_Key", bound=Hashable)


def style_moments(
    graphs: Graphs, style: np.ndarray, tile_size: int | None, check: Check = go_on
) -> dict[str, MeanMoments]:
    """Compute the moments of a style picture.

    Args:
        graphs: network and losses.
        style: float32 (height, width, 3), RGB 0-255.
        tile_size: side of the tiles in pixels; None to compute the picture as a whole.
        check: called before each tile; it may raise to end the computation.

    Returns:
        Layer -> moments.
    """
    if tile_size is None:
        return graphs.whole.style_moments(encode(style, graphs.whole.network.mean))
    return graphs.tiled.style_moments(style, tile_size, check)


def added(examples: Iterable[Mapping[_Key, MeanMoments]]) -> dict[_Key, MeanMoments]:
    """Return the moments of several examples of one style, as if they were one picture.

    The mean over the positions of all maps is Σ mass · mean / Σ mass. It is added up in float64, one example after the
    other. The mass is the mean of all, so that sums over positions are those of one example. One example alone is
    returned as it is.

    Args:
        examples: moments of each example by layer, or by any other keys, the same for all. At least one.

    Returns:
        Layer, or what the key was -> moments.
    """
    known = iter(examples)
    first, second = next(known), next(known, None)
    if second is None:
        return dict(first)
    sums: dict[_Key, tuple[Any, ...]] = {}
    count = 0
    for means in itertools.chain((first, second), known):
        count += 1
        for layer, of_layer in means.items():
            mass = float(of_layer.mass)
            one, two = (mass * np.asarray(values, np.float64) for values in (of_layer.first, of_layer.second))
            before = sums.get(layer, (0.0, 0.0, 0.0))
            sums[layer] = before[0] + one, before[1] + two, before[2] + mass
    return {
        layer: MeanMoments(*(tf.constant(value, tf.float32) for value in (one / mass, two / mass, mass / count)))
        for layer, (one, two, mass) in sums.items()
    }


def together(graphs: Graphs, of_styles: Sequence[Mapping[str, MeanMoments]]) -> dict[str, MeanMoments]:
    """Return the moments of several styles by layer, with a first axis (styles, …)."""
    layers = layers_of(graphs.whole.spec, MomentFormula)
    return {layer: stacked([of_style[layer] for of_style in of_styles]) for layer in layers}


def style_targets(graphs: Graphs, styles: Sequence[np.ndarray], tile_size: int | None = None) -> dict[str, MeanMoments]:
    """Compute the moments of style pictures, each at its own size; see `style_moments` and `together`."""
    return together(graphs, [style_moments(graphs, style, tile_size) for style in styles])
