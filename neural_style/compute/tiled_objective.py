"""The objective computed tile by tile: the losses and the gradient of the whole picture, in bounded memory.

Moments are sums over positions, so they add up over tiles. A first, forward pass adds them up. The derivative of the
loss with respect to each moment is then known. A second pass runs every tile forward and, with that derivative,
backward.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from neural_style.compute.loss_graph import added_up, channels_of, float32
from neural_style.compute.loss_weights import ChannelSums, content_distance, loss_weights
from neural_style.compute.masks import NO_MASKS, Masks, layer_masks, on_layers
from neural_style.compute.normalization import compared_moments
from neural_style.compute.objective import check_shape, weighted_difference
from neural_style.compute.tile_graph import (
    Check,
    MaskArrays,
    PartGraph,
    Source,
    TileGraph,
    empty_map,
    encoded_parts,
    go_on,
    own_in_seen,
    slices,
)
from neural_style.compute.tile_grid import Tile
from neural_style.config.resolve import ResolvedConfig
from neural_style.losses.moments import Moments, channel_sums
from neural_style.losses.spec import LossTerms, LossWeights, StyleMoments, Targets
from neural_style.losses.variation import PixelCounts
from neural_style.vgg19_spec import positions, stride

_Values = dict[str, dict[str, Any]]
"""Key of a term -> layer -> value."""


class TiledObjective:
    """An `objective.Objective` that computes the picture tile by tile. Gradients are arrays in the computer's memory.

    Attributes:
        style_targets: layer -> moments of the styles.
        tile_size: side of a tile's own part in pixels. It may be changed between evaluations.
    """

    def __init__(
        self,
        graph: TileGraph,
        config: ResolvedConfig,
        content: np.ndarray,
        style_targets: StyleMoments,
        tile_size: int,
        keep_content: bool,
        check: Check = go_on,
        halvings: int = 0,
        masks: Masks = NO_MASKS,
    ):
        """Compute the content's targets.

        Args:
            graph: network and losses, which objectives of other sizes may share.
            config: weights of the terms.
            content: float32 (height, width, 3), RGB 0-255, at the size of the result.
            style_targets: layer -> moments of the styles, from `style_targets.style_targets`.
            tile_size: side of a tile's own part in pixels.
            keep_content: whether to keep the content's feature maps. Otherwise they are computed again for every tile,
                from the picture or, for deep layers, from the map at which the network is split. That takes half the
                memory.
            check: called before each tile of an evaluation; it may raise to end the evaluation.
            halvings: as for `loss_weights`.
            masks: those of the picture, at its size.
        """
        self._graph, self._check, self._halvings, self._masks = graph, check, halvings, masks
        self._shape = (1, *content.shape)
        self.tile_size, self.style_targets = tile_size, style_targets
        size = self._shape[1], self._shape[2]
        self._compared: Targets = compared_moments(graph.whole, config, size, style_targets, masks)
        self._on_layers: MaskArrays = on_layers(masks, graph.whole.spec, graph.whole.network.rounding)
        self._content: dict[PartGraph, Source | dict[str, np.ndarray]] = {}
        self._content_sums: ChannelSums = self._take_content(content, keep_content)
        self.set_weights(config)

    @property
    def mean(self) -> np.ndarray:
        """The network's mean pixel, float32 (3,), RGB of 0-255."""
        return self._graph.whole.network.mean

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an image, (1, height, width, 3)."""
        return self._shape

    def set_weights(self, config: ResolvedConfig) -> None:
        """Use the loss weights of another configuration; see `objective.Objective`."""
        size = self._shape[1], self._shape[2]
        self._config = config
        self._weights: LossWeights = loss_weights(
            config, self._graph.whole, size, self._content_sums, self.style_targets, self._halvings, self._masks
        )

    def content_distance(self, image: Any) -> float | None:
        """Return how far an image's content features are from the photo's; see `objective.Objective`."""
        check_shape(image, self._shape)
        added: dict[str, tuple[float, float]] = {}
        painted, rounding = self._masks.painted(), self._graph.whole.network.rounding
        for part, source, height, width in self._content_inputs(slices(np.asarray(image)[0])):
            counted = {} if painted is None else layer_masks(painted, part.content, rounding)
            for tile in part.tiles(height, width, self.tile_size):
                self._check()
                own = own_in_seen(tile)
                targets = self._content_of(part, tile, own)
                for layer, of_tile in part.content_maps(source(tile.seen), own).items():
                    there = counted[layer][part.pooled(tile.own, layer).part] if counted else None
                    difference, weight = weighted_difference(of_tile, targets[layer], there)
                    before = added.get(layer, (0.0, 0.0))
                    added[layer] = before[0] + weight * difference, before[1] + weight
        differences = {layer: total / max(weight, 1e-6) for layer, (total, weight) in added.items()}
        return content_distance(self._config, self._graph.whole, self._content_sums, differences)

    def release(self) -> None:
        """Free the targets."""
        self._content, self.style_targets, self._compared, self._on_layers = {}, {}, {}, {}

    def value_and_grad(self, image: Any) -> tuple[LossTerms, Any]:
        """Return the losses of an image and the gradient of their total: float32, of the image's shape and kind.

        Raises:
            ValueError: the image has another shape than the content.
        """
        check_shape(image, self._shape)
        _, height, width, _ = self._shape
        source = slices(np.asarray(image)[0])
        sums, inputs = self._graph.forward(source, height, width, self._on_layers, self.tile_size, check=self._check)
        whole = self._graph.whole
        values, of_moments = whole.moment_terms(sums, self._compared, self._weights)
        gradient: np.ndarray | None = None
        for part in reversed(self._graph.parts):
            gradient = self._backward(part, *inputs.pop(), of_moments, gradient, values)
        assert gradient is not None
        constants = {
            term.key: {layer: float32(values[term.key][layer]) for layer in term.layers} for term in whole.spec.terms
        }
        gradient = gradient[np.newaxis]
        return added_up(whole.spec, constants), gradient if isinstance(image, np.ndarray) else tf.constant(gradient)

    def _backward(
        self,
        part: PartGraph,
        source: Source,
        height: int,
        width: int,
        of_moments: Mapping[str, Moments],
        upstream: np.ndarray | None,
        values: _Values,
    ) -> np.ndarray:
        """Add the losses of a part to `values`; return the gradient with respect to its input.

        The gradient is (height, width, channels).
        """
        _, rows, columns, channels = self._shape
        sizes = {layer: float32(self._map_entries(layer)) for layer in part.content}
        count = PixelCounts.of_wrapped if self._graph.whole.network.wraps else PixelCounts.of
        counts = PixelCounts(*map(float32, count(rows, columns, channels)))
        of_part, end, weights = part.upstream_of(of_moments), part.part.end, part.weights_of(self._weights)
        gradient: np.ndarray | None = None
        for tile in part.tiles(height, width, self.tile_size):
            self._check()
            own = own_in_seen(tile)
            of_end: dict[str, tf.Tensor] = {}
            if end and upstream is not None:
                of_end[end] = slices(upstream)(part.pooled(tile.own, end))
            targets = part.targets_of(self._content_of(part, tile, own), part.masks_of(self._on_layers, tile))
            found, of_seen = part.gradient(source(tile.seen), own, targets, sizes, counts, weights, of_part, of_end)
            for key, of_layers in found.items():
                for layer, value in of_layers.items():
                    known = values.setdefault(key, {})
                    known[layer] = known.get(layer, 0.0) + float(value)
            if gradient is None:
                gradient = np.zeros((height, width, of_seen.shape[-1]), of_seen.dtype.as_numpy_dtype)
            for there, here in tile.seen.pieces(height, width):
                gradient[there] += np.asarray(of_seen)[0][here]
        assert gradient is not None
        return gradient

    def _content_of(self, part: PartGraph, tile: Tile, own: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return a tile's own part of the content's feature maps."""
        if not part.content:
            return {}
        source = self._content[part]
        if callable(source):
            return part.content_maps(source(tile.seen), own)
        return {layer: slices(of_layer)(part.pooled(tile.own, layer)) for layer, of_layer in source.items()}

    def _content_inputs(self, picture: Source) -> list[tuple[PartGraph, Source, int, int]]:
        """Return the parts of the network with content layers, each with its input for a picture of this size.

        The input comes with its height and width.
        """
        deepest = max((index for index, part in enumerate(self._graph.parts) if part.content), default=0)
        _, height, width, _ = self._shape
        _, inputs = self._graph.forward(
            picture, height, width, self._on_layers, self.tile_size, last=deepest, check=self._check
        )
        return [(part, *of_part) for part, of_part in zip(self._graph.parts, inputs, strict=False) if part.content]

    def _take_content(self, content: np.ndarray, keep: bool) -> ChannelSums:
        """Keep what content layers are compared with, and return their channel sums.

        For each part with content layers, their maps are kept if `keep` is set, and otherwise the input of the part.
        """
        sums: dict[str, tuple[np.ndarray, float]] = {}
        for part, source, height, width in self._content_inputs(encoded_parts(content, self.mean)):
            maps, added = self._content_maps(part, source, height, width, keep)
            self._content[part] = maps if keep else source
            for layer, total in added.items():
                sums[layer] = total, self._map_entries(layer) / channels_of(layer)
        return sums

    def _content_maps(
        self, part: PartGraph, source: Source, height: int, width: int, keep: bool
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return the whole feature maps of the content layers, if `keep` is set, and the sums of their channels."""
        maps: dict[str, np.ndarray] = {}
        added: dict[str, np.ndarray] = {}
        for tile in part.tiles(height, width, self.tile_size):
            self._check()
            for layer, own in part.content_maps(source(tile.seen), own_in_seen(tile)).items():
                added[layer] = added.get(layer, 0) + channel_sums(own).numpy().astype(np.float64)
                if keep:
                    if layer not in maps:
                        maps[layer] = empty_map(own, *part.map_size(layer, height, width))
                    maps[layer][part.pooled(tile.own, layer).part] = own[0]
        return maps, added

    def _map_entries(self, layer: str) -> int:
        """Return the number of values in a layer's map of the whole picture."""
        rounding = self._graph.whole.network.rounding
        rows, columns = (positions(side, stride(layer), rounding) for side in self._shape[1:3])
        return rows * columns * channels_of(layer)
