"""The moments of style pictures, with which an image is compared."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from neural_style.compute.graph_cache import Graphs
from neural_style.compute.loss_graph import layers_of, regions_of
from neural_style.compute.masks import layer_masks
from neural_style.compute.objective import encode
from neural_style.compute.tile_graph import Check, go_on
from neural_style.losses.moments import MeanMoments, stacked
from neural_style.losses.spec import REGIONS, StyleMoments
from neural_style.losses.style import MomentFormula

_Key = TypeVar("_Key", bound=Hashable)


def style_moments(
    graphs: Graphs,
    style: np.ndarray,
    tile_size: int | None,
    check: Check = go_on,
    masks: np.ndarray | None = None,
    eroded: bool = False,
) -> list[dict[str, MeanMoments]]:
    """Compute the moments of a style picture in each region of the loss.

    Args:
        graphs: network and losses.
        style: float32 (height, width, 3), RGB 0-255.
        tile_size: side of the tiles in pixels; None to compute the picture as a whole.
        check: called before each tile; it may raise to end the computation.
        masks: what of the picture belongs to each region, float (height, width, regions), 0-1; None for all of it.
        eroded: as for `masks.layer_masks`.

    Returns:
        Layer -> moments, for each region; without regions or masks, a list of one. A region that has nothing of the
        picture gets moments that are not finite.
    """
    whole = graphs.whole
    of_layers: dict[str, Any] = whole.everywhere(*style.shape[:2])
    if masks is not None:
        of_layers = layer_masks(masks, layers_of(whole.spec, MomentFormula), whole.network.rounding, eroded)
    if tile_size is None:
        tensors = {layer: tf.reshape(mask, (1, *mask.shape[-3:])) for layer, mask in of_layers.items()}
        found = whole.style_moments(encode(style, whole.network.mean), tensors)
    else:
        arrays = {layer: np.reshape(mask, mask.shape[-3:]) for layer, mask in of_layers.items()}
        found = graphs.tiled.style_moments(style, {REGIONS: arrays} if arrays else {}, tile_size, check)
    by_layer = {layer: regions_of(whole.spec, mean) for layer, mean in found.items()}
    count = 1 if masks is None else masks.shape[-1]
    return [{layer: means[region] for layer, means in by_layer.items()} for region in range(count)]


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


def together(
    graphs: Graphs,
    of_styles: Sequence[Sequence[Mapping[str, MeanMoments]]],
    members: Sequence[Sequence[int]] = (),
) -> StyleMoments:
    """Return the moments of several styles by layer, with a first axis (styles, …).

    Args:
        graphs: network and losses.
        of_styles: moments of each style, as `style_moments` returns them: of each region, or of all of the picture.
        members: indices of the styles of each region; empty without regions.
    """
    layers = layers_of(graphs.whole.spec, MomentFormula)
    if not graphs.whole.spec.regions:
        return {layer: stacked([of_style[0][layer] for of_style in of_styles]) for layer in layers}

    def of_region(region: int, layer: str) -> MeanMoments:
        own = [of_styles[style] for style in members[region]]
        return stacked([each[region if len(each) > 1 else 0][layer] for each in own])

    return {layer: [of_region(region, layer) for region in range(len(members))] for layer in layers}


def style_targets(graphs: Graphs, styles: Sequence[np.ndarray], tile_size: int | None = None) -> StyleMoments:
    """Compute the moments of style pictures, each at its own size; see `style_moments` and `together`."""
    return together(graphs, [style_moments(graphs, style, tile_size) for style in styles])
