"""The moments of style pictures, with which an image is compared."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from neural_style import vgg19_spec
from neural_style.compute.graph_cache import Graphs
from neural_style.compute.loss_graph import layers_of
from neural_style.compute.objective import encode
from neural_style.compute.tile_graph import Check, go_on
from neural_style.losses.moments import MeanMoments, stacked
from neural_style.losses.style import MomentFormula


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


def added(
    graphs: Graphs, examples: Iterable[tuple[tuple[int, int], Mapping[str, MeanMoments]]]
) -> dict[str, MeanMoments]:
    """Return the moments of several examples of one style, as if they were one picture.

    The mean over the positions of all maps is Σ positions · mean / Σ positions. It is added up in float64, one example
    after the other. One example alone is returned as it is.

    Args:
        graphs: network and losses.
        examples: height and width in pixels of each example, and its moments by layer. At least one.

    Returns:
        Layer -> moments.
    """
    known = iter(examples)
    first, second = next(known), next(known, None)
    if second is None:
        return dict(first[1])
    sums: dict[str, list[np.ndarray]] = {}
    positions: dict[str, int] = {}
    for size, means in itertools.chain((first, second), known):
        for layer, of_layer in means.items():
            here = _positions(layer, size, graphs.whole.network.rounding)
            parts = [here * np.asarray(values, np.float64) for values in of_layer]
            sums[layer] = [a + b for a, b in zip(sums[layer], parts, strict=True)] if layer in sums else parts
            positions[layer] = positions.get(layer, 0) + here
    return {
        layer: MeanMoments(*(tf.constant(total / positions[layer], tf.float32) for total in of_layer))
        for layer, of_layer in sums.items()
    }


def _positions(layer: str, size: tuple[int, int], rounding: str) -> int:
    """Return the number of positions of a layer's map for a picture of some height and width."""
    height, width = (vgg19_spec.positions(side, vgg19_spec.stride(layer), rounding) for side in size)
    return height * width


def together(graphs: Graphs, of_styles: Sequence[Mapping[str, MeanMoments]]) -> dict[str, MeanMoments]:
    """Return the moments of several styles by layer, with a first axis (styles, …)."""
    layers = layers_of(graphs.whole.spec, MomentFormula)
    return {layer: stacked([of_style[layer] for of_style in of_styles]) for layer in layers}


def style_targets(graphs: Graphs, styles: Sequence[np.ndarray], tile_size: int | None = None) -> dict[str, MeanMoments]:
    """Compute the moments of style pictures, each at its own size; see `style_moments` and `together`."""
    return together(graphs, [style_moments(graphs, style, tile_size) for style in styles])
