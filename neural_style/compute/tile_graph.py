"""The network in parts, and the losses of one tile of a picture, as TensorFlow functions.

A tile sees everything that its values depend on, so only rounding differs from the whole picture. The network is split
into two parts, which meet at `partition.CUT`. A tile of the first part then needs a margin of 24 px, and a tile of the
second part one of 48 px. Without the split, it would be 80 px. Between the parts, the pooled map of the whole picture
is kept: 4 numbers per pixel, about as much as the image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from neural_style import vgg19_spec
from neural_style.compute.loss_graph import (
    Gradients,
    LossGraph,
    channels_of,
    feature_term,
    first_moments,
    formula_of,
    in_loss_type,
    layers_of,
    map_spec,
    mask_specs,
    merge,
    moments_of,
    through_moments,
    traced,
    weight_specs,
)
from neural_style.compute.tile_grid import Box, Tile, cover
from neural_style.losses.content import FeatureFormula
from neural_style.losses.moments import MeanMoments, Moments
from neural_style.losses.spec import CONTENT_MASK, IMAGE, REGIONS, LossSpec, LossWeights, Targets, Term
from neural_style.losses.variation import PixelCounts, PixelFormula, cropped, padded
from neural_style.networks.partition import Part, parts

Source = Callable[[Box], tf.Tensor]
"""Gives a part of an image or map as a tensor (1, height, width, channels)."""

MaskArrays = Mapping[str, Mapping[str, np.ndarray]]
"""As `compute.masks.on_layers` returns: key of the masks -> layer -> masks of the whole picture."""

Check = Callable[[], None]
"""A function that is called before each tile. It may raise to end an evaluation."""


def go_on() -> None:
    """Do nothing: a `Check` that never ends an evaluation."""


class TileGraph:
    """The parts of a graph's network, with the same weights, and the forward pass over all tiles of a picture."""

    def __init__(self, graph: LossGraph):
        """Split the network of a graph; each function is traced on its first call."""
        self.whole = graph
        self.parts = [PartGraph(graph, part) for part in parts(tuple(graph.spec.layers))]

    def style_moments(
        self, style: np.ndarray, masks: MaskArrays, tile_size: int, check: Check = go_on
    ) -> dict[str, MeanMoments]:
        """Compute the moments of a style picture tile by tile; see `style_targets.style_moments`.

        Args:
            style: float32 (height, width, 3), RGB 0-255.
            masks: of its regions; empty for a loss without regions.
            tile_size: side of a tile's own part in pixels.
            check: called before each tile.
        """
        height, width = style.shape[:2]
        picture = encoded_parts(style, self.whole.network.mean)
        sums, _ = self.forward(picture, height, width, masks, tile_size, check=check)
        with np.errstate(invalid="ignore"):  # of a region that has nothing of the picture
            return self.whole.mean_moments(sums)

    def forward(
        self,
        source: Source,
        height: int,
        width: int,
        masks: MaskArrays,
        tile_size: int,
        last: int | None = None,
        check: Check = go_on,
    ) -> tuple[dict[str, Moments], list[tuple[Source, int, int]]]:
        """Compute the moments over a picture, and the input of each part with its height and width.

        Args:
            source: gives parts of the picture's image.
            height: height of the picture in pixels.
            width: width of the picture in pixels.
            masks: those of the picture.
            tile_size: side of a tile's own part in pixels.
            last: index of the last part whose input is wanted; the pass ends before that part. None for all parts.
            check: called before each tile.
        """
        sums: dict[str, Moments] = {}
        inputs = [(source, height, width)]
        for part in self.parts[:last]:
            source, height, width = inputs[-1]
            pooled: np.ndarray | None = None
            for tile in part.tiles(height, width, tile_size):
                check()
                own_masks = part.masks_of(masks, tile).get(REGIONS, {})
                of_tile, own_pooled = part.statistics(source(tile.seen), own_in_seen(tile), own_masks)
                for layer, moments_there in of_tile.items():
                    of_layer = moments_there.in_float64()
                    sums[layer] = sums[layer] + of_layer if layer in sums else of_layer
                if part.part.end:
                    if pooled is None:
                        pooled = empty_map(own_pooled, *part.map_size(part.part.end, height, width))
                    pooled[part.pooled(tile.own, part.part.end).part] = own_pooled[0]
            if pooled is not None:
                inputs.append((slices(pooled), *pooled.shape[:2]))
        return sums, inputs


class PartGraph:
    """A part of the network as TensorFlow functions of one tile.

    Attributes:
        part: the part.
        content: its layers that are compared position by position.
    """

    def __init__(self, graph: LossGraph, part: Part):
        """Prepare; TensorFlow traces each function on its first call."""
        self._graph, self.part = graph, part
        self._spec = restricted(graph.spec, part)
        self.content = layers_of(self._spec, FeatureFormula)
        self._first_moments = first_moments(self._spec)
        precision = graph.network.precision
        seen = map_spec(part.start, precision if part.start else "float32")
        own, number = tf.TensorSpec((4,), tf.int32), tf.TensorSpec((), tf.float32)
        of_end = "float32" if precision == "float16" else precision
        maps = {layer: map_spec(layer, precision) for layer in self.content}
        masks = mask_specs(self._spec)
        self.statistics = traced(self._statistics, seen, own, masks.get(REGIONS, {}))
        self.content_maps = traced(self._content_maps, seen, own)
        self.gradient = traced(
            self._gradient,
            seen,
            own,
            {**{term.key: {layer: maps[layer] for layer in term.layers} for term in self._feature_terms()}, **masks},
            dict.fromkeys(self.content, number),
            PixelCounts(*[number] * len(PixelCounts._fields)),
            weight_specs(self._spec),
            {
                layer: _moments_spec(layer, with_first, graph.spec.regions)
                for layer, with_first in self._first_moments.items()
            },
            {part.end: map_spec(part.end, of_end)} if part.end else {},
        )

    def tiles(self, height: int, width: int, tile_size: int) -> Iterator[Tile]:
        """Yield tiles of the part's input, whose height and width are given in its positions."""
        part, network = self.part, self._graph.network
        side = part.side(tile_size)
        return cover(height, width, side, part.reach, part.stride, network.rounding, network.wraps)

    def pooled(self, box: Box, layer: str) -> Box:
        """Return the part of a layer's map that corresponds to a box of the input."""
        return box.pooled(vgg19_spec.stride(layer, self.part.start), self._graph.network.rounding)

    def map_size(self, layer: str, height: int, width: int) -> tuple[int, int]:
        """Return height and width of a layer's map, given those of the input."""
        box = self.pooled(Box(0, 0, height, width), layer)
        return box.bottom, box.right

    def weights_of(self, weights: LossWeights) -> dict[str, dict[str, tf.Tensor]]:
        """Return the weights of the terms and layers in this part."""
        return {term.key: {layer: weights[term.key][layer] for layer in term.layers} for term in self._spec.terms}

    def targets_of(self, maps: Mapping[str, tf.Tensor], masks: Targets) -> Targets:
        """Arrange the content's maps by the terms in this part that use them; add masks, from `masks_of`."""
        return {**{term.key: {layer: maps[layer] for layer in term.layers} for term in self._feature_terms()}, **masks}

    def masks_of(self, masks: MaskArrays, tile: Tile) -> Targets:
        """Return a tile's own part of the masks of the layers in this part, as in `Targets`."""
        layers = {REGIONS: tuple(self._first_moments), CONTENT_MASK: self.content}
        return {
            key: {layer: slices(of_layers[layer])(self.pooled(tile.own, layer)) for layer in layers[key]}
            for key, of_layers in masks.items()
        }

    def upstream_of(self, gradients: Mapping[str, Moments]) -> dict[str, Moments]:
        """Return the gradients with respect to the moments of the layers in this part."""
        return {layer: gradients[layer] for layer in self._first_moments}

    def _feature_terms(self) -> tuple[Term, ...]:
        return self._spec.of_kind(FeatureFormula)

    def _statistics(
        self, seen: tf.Tensor, own: tf.Tensor, masks: Mapping[str, tf.Tensor]
    ) -> tuple[dict[str, Moments], tf.Tensor | None]:
        """Return the moments over a tile's own positions, and its own part of the map that ends this part.

        Args:
            seen: what the tile sees of the input.
            own: its own `Box` in that, int32 (4,).
            masks: own parts of the masks of the regions; empty for a loss without regions.
        """
        end, layers = self.part.end, list(self._first_moments)
        maps = self._own(self._features(seen, [*layers, end] if end else layers), own)
        sums = {
            layer: moments_of(in_loss_type(maps[layer]), masks.get(layer), with_first)
            for layer, with_first in self._first_moments.items()
        }
        return sums, maps[end] if end else None

    def _content_maps(self, seen: tf.Tensor, own: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return a tile's own part of the feature maps that are compared position by position."""
        return self._own(self._features(seen, self.content), own)

    def _gradient(
        self,
        seen: tf.Tensor,
        own: tf.Tensor,
        targets: Targets,
        sizes: Mapping[str, tf.Tensor],
        counts: PixelCounts,
        weights: LossWeights,
        of_moments: Mapping[str, Moments],
        upstream: Mapping[str, tf.Tensor],
    ) -> tuple[dict[str, dict[str, tf.Tensor]], tf.Tensor]:
        """Return a tile's share of the losses that are sums over positions, and the gradient of all losses.

        The gradient is with respect to all that the tile sees.

        Args:
            seen: as for `_statistics`.
            own: as for `_statistics`.
            targets: own parts of the content's feature maps, and of the masks.
            sizes: layer -> number of values in the map of the whole picture.
            counts: numbers of differences in the whole image.
            weights: weights of the terms and layers in this part.
            of_moments: layer -> gradient of the loss with respect to the moments of the whole picture.
            upstream: the pooling that ends this part, if there is one -> own part of the gradient with respect to its
                map.
        """
        with tf.GradientTape() as tape:
            tape.watch(seen)
            maps = self._features(seen, self.part.maps)
        own_maps = self._own(self._graph.for_losses(maps), own)
        values: dict[str, dict[str, tf.Tensor]] = {}
        gradients: Gradients = {}
        for term in self._feature_terms():
            shares = {layer: _share(own_maps[layer], sizes[layer]) for layer in term.layers}
            values[term.key], found = feature_term(term, own_maps, targets, weights, shares)
            merge(gradients, found)
        merge(gradients, through_moments(own_maps, of_moments, targets.get(REGIONS, {})))
        merge(gradients, upstream)
        of_seen: tf.Tensor | None = None
        for term in self._spec.of_kind(PixelFormula):
            tile = formula_of(term).tile_value_and_gradient
            value, gradient = tile(seen, own, counts, weights[term.key][IMAGE])
            values[term.key] = {IMAGE: value}
            of_seen = gradient if of_seen is None else of_seen + gradient
        if maps:
            whole = [self._put_back(gradients[layer], maps[layer], layer, own) for layer in maps]
            through = self._graph.through_network(tape, maps, seen, whole)
            of_seen = through if of_seen is None else of_seen + through
        assert of_seen is not None
        return values, of_seen

    def _features(self, seen: tf.Tensor, layers: Sequence[str]) -> dict[str, tf.Tensor]:
        return self._graph.network.maps_between(seen, layers, self.part.start)

    def _own(self, maps: Mapping[str, tf.Tensor], own: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the own part of each map."""
        return {layer: cropped(of_layer, *tf.unstack(self._own_on(layer, own))) for layer, of_layer in maps.items()}

    def _put_back(self, gradient: tf.Tensor, of_map: tf.Tensor, layer: str, own: tf.Tensor) -> tf.Tensor:
        """Return the gradient with respect to a whole map, given that with respect to its own part: 0 elsewhere."""
        top, left, _, _ = tf.unstack(self._own_on(layer, own))
        return padded(gradient, top, left, of_map)

    def _own_on(self, layer: str, own: tf.Tensor) -> tf.Tensor:
        """Return the own box on a layer's map: top, left, bottom, right."""
        return vgg19_spec.positions(own, vgg19_spec.stride(layer, self.part.start), self._graph.network.rounding)


def restricted(spec: LossSpec, part: Part) -> LossSpec:
    """Return the terms and layers of a loss that belong to a part of the network; pixels belong to the first part."""
    layers = {*part.layers, IMAGE} if part.start is None else {*part.layers}
    terms = (term._replace(layers=tuple(layer for layer in term.layers if layer in layers)) for term in spec.terms)
    return replace(spec, terms=tuple(term for term in terms if term.layers))


def encoded_parts(picture: np.ndarray, mean: np.ndarray) -> Source:
    """Return a source of parts of a picture's image, each made when it is asked for."""
    return lambda box: tf.constant(encoded(cut(picture, box), mean))


def encoded(picture: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return the image (1, height, width, 3), float32, of a picture."""
    return np.subtract(picture, mean, dtype=np.float32)[np.newaxis]


def slices(values: np.ndarray) -> Source:
    """Return a source of parts of an array (height, width, channels)."""
    return lambda box: tf.constant(cut(values, box)[np.newaxis])


def cut(values: np.ndarray, box: Box) -> np.ndarray:
    """Return the part of an array (height, width, channels) in a box, which may reach beyond it; see `Box.pieces`."""
    pieces = list(box.pieces(*values.shape[:2]))
    if len(pieces) == 1:
        return values[pieces[0][0]]
    found = np.empty((box.bottom - box.top, box.right - box.left, values.shape[2]), values.dtype)
    for there, here in pieces:
        found[here] = values[there]
    return found


def empty_map(like: tf.Tensor, height: int, width: int) -> np.ndarray:
    """Return an array (height, width, channels) with the type and channels of a tensor and undefined values."""
    return np.empty((height, width, like.shape[-1]), like.dtype.as_numpy_dtype)


def own_in_seen(tile: Tile) -> tf.Tensor:
    """Return a tile's own box in coordinates of what it sees: int32 (4,)."""
    return tf.constant(np.array(tile.own.seen_from(tile.seen), np.int32))


def _moments_spec(layer: str, with_first: bool, regions: int) -> Any:
    channels, of_regions = channels_of(layer), (regions,) * bool(regions)
    first = tf.TensorSpec((*of_regions, channels if with_first else 0), tf.float32)
    second = tf.TensorSpec((*of_regions, channels, channels), tf.float32)
    return Moments(tf.TensorSpec((), tf.float32), first, second)


def _share(part: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Return the number of values in a part, as a share of the number in the whole."""
    return tf.cast(tf.size(part), tf.float32) / size
