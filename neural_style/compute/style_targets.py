"""The moments of style pictures, with which an image is compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

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


def together(graphs: Graphs, of_styles: Sequence[Mapping[str, MeanMoments]]) -> dict[str, MeanMoments]:
    """Return the moments of several styles by layer, with a first axis (styles, …)."""
    layers = layers_of(graphs.whole.spec, MomentFormula)
    return {layer: stacked([of_style[layer] for of_style in of_styles]) for layer in layers}


def style_targets(graphs: Graphs, styles: Sequence[np.ndarray], tile_size: int | None = None) -> dict[str, MeanMoments]:
    """Compute the moments of style pictures, each at its own size; see `style_moments` and `together`."""
    return together(graphs, [style_moments(graphs, style, tile_size) for style in styles])
