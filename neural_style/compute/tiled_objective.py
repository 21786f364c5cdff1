"""The objective evaluated tile by tile: the losses and the gradient of the whole picture, in memory that does not grow.

Gram matrices are sums over positions, so they add up over tiles. A first pass, forward alone, adds them up. Then the
derivative of the loss by each of them is known, and a second pass takes every tile forward and back against it. Tiles
see as far beyond their own part as its values depend on, so that nothing differs from the whole picture but rounding.

The network is taken in two parts, which meet at `partition.CUT`. A tile of the first part then sees 24 px beyond its
own, and one of the second 48 px, where it would be 80 px for both. What is kept of the whole picture in between is the
pooled map, 4 numbers per pixel, which is about as much as the image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from neural_style import vgg19_spec
from neural_style.compute.objective import Losses, LossGraph, content_distance, loss_weights, style_term
from neural_style.compute.tile_grid import Box, Tile, cover
from neural_style.losses import moments as feature_stats
from neural_style.losses import ordered_sum as sums
from neural_style.losses import terms as losses
from neural_style.networks import vgg19 as vgg
from neural_style.networks.partition import Part, parts

_Source = Callable[[Box], tf.Tensor]
"""Gives a part of an image or map as a tensor (1, height, width, channels)."""


class TileGraph:
    """The network in parts and the losses of a tile as TensorFlow functions, each traced once, on first use."""

    def __init__(self, graph: LossGraph):
        """Divide the network of a graph, with which the weights are shared."""
        self.whole = graph
        self.parts = [_PartGraph(graph, part) for part in parts(graph.config.layers)]

    def style_targets(self, styles: Iterable[np.ndarray], tile_size: int) -> dict[str, tf.Tensor]:
        """Layer -> Gram matrices (styles, channels, channels) of pictures, float32 (height, width, 3), RGB 0-255."""
        of_styles = []
        for style in styles:
            height, width = style.shape[:2]
            gram_sums, _ = self.forward(_encoded_parts(style, self.whole.mean), height, width, tile_size)
            of_styles.append({layer: gram / _size(layer, height, width) for layer, gram in gram_sums.items()})
        layers = self.whole.config.style_terms
        return {layer: tf.constant(np.stack([grams[layer] for grams in of_styles]), tf.float32) for layer in layers}

    def forward(
        self, source: _Source, height: int, width: int, tile_size: int, last: int | None = None
    ) -> tuple[dict[str, np.ndarray], list[tuple[_Source, int, int]]]:
        """Sums of Gram matrices over a picture, and the input of each part with its height and width.

        Args:
            source: gives parts of the picture's image.
            height: of the picture in pixels.
            width: of the picture in pixels.
            tile_size: side of a tile's own part, in pixels.
            last: the part whose input is the last that is wanted; by default all, and their Gram matrices.
        """
        gram_sums: dict[str, np.ndarray] = {}
        inputs = [(source, height, width)]
        for part in self.parts[:last]:
            source, height, width = inputs[-1]
            pooled: np.ndarray | None = None
            for tile in part.tiles(height, width, tile_size):
                of_tile, own_pooled = part.statistics(source(tile.seen), _own_in_seen(tile))
                for layer, gram in of_tile.items():
                    gram_sums[layer] = gram_sums.get(layer, 0) + gram.numpy().astype(np.float64)
                if part.part.end:
                    stride = part.stride(part.part.end)
                    if pooled is None:
                        pooled = _empty(own_pooled, height // stride, width // stride)
                    pooled[tile.own.shrunk(stride).part] = own_pooled[0]
            if pooled is not None:
                inputs.append((_slices(pooled), *pooled.shape[:2]))
        return gram_sums, inputs


class _PartGraph:
    """A part of the network.

    Attributes:
        content: layers of the content loss in it.
        part: what it consists of.
        style: layers of the style loss in it.
    """

    def __init__(self, graph: LossGraph, part: Part):
        self._graph, self.part = graph, part
        self.content = [layer for layer in part.layers if layer in graph.config.content_terms]
        self.style = [layer for layer in part.layers if layer in graph.config.style_terms]
        seen = _spec(part.start, graph.precision if part.start else "float32")
        own, number = tf.TensorSpec((4,), tf.int32), tf.TensorSpec((), tf.float32)
        of_end = "float32" if graph.precision == "float16" else graph.precision
        self.statistics = tf.function(self._statistics, input_signature=[seen, own])
        self.content_maps = tf.function(self._content_maps, input_signature=[seen, own])
        self.gradient = tf.function(
            self._gradient,
            input_signature=[
                seen,
                own,
                {layer: _spec(layer, graph.precision) for layer in self.content},
                dict.fromkeys([*self.content, "rows", "columns"], number),
                dict.fromkeys(self.content, number),
                number,
                {layer: tf.TensorSpec(2 * (_channels(layer),), tf.float32) for layer in self.style},
                {part.end: _spec(part.end, of_end)} if part.end else {},
            ],
        )

    def tiles(self, height: int, width: int, tile_size: int) -> Iterator[Tile]:
        """Tiles of the part's input, of a height and width in its positions."""
        return cover(height, width, self.part.side(tile_size), self.part.reach, self.part.stride)

    def stride(self, layer: str) -> int:
        """Positions of the part's input per position of a layer."""
        return vgg19_spec.stride(layer, self.part.start)

    def _statistics(self, seen: tf.Tensor, own: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor | None]:
        """Sums of a tile's Gram matrices over its own positions, and its own part of the map that the part ends with.

        Args:
            seen: what the tile sees of the part's input.
            own: its own `Box` in that, int32 (4,).
        """
        end = self.part.end
        maps = self._own(self._features(seen, [*self.style, end] if end else self.style), own)
        grams = {layer: feature_stats.gram_sum(self._graph.for_losses([maps[layer]])[0]) for layer in self.style}
        return grams, maps[end] if end else None

    def _content_maps(self, seen: tf.Tensor, own: tf.Tensor) -> dict[str, tf.Tensor]:
        """A tile's own part of the feature maps that the content loss compares."""
        return self._own(self._features(seen, self.content), own)

    def _gradient(
        self,
        seen: tf.Tensor,
        own: tf.Tensor,
        targets: Mapping[str, tf.Tensor],
        sizes: Mapping[str, tf.Tensor],
        content_weights: Mapping[str, tf.Tensor],
        tv_weight: tf.Tensor,
        of_grams: Mapping[str, tf.Tensor],
        upstream: Mapping[str, tf.Tensor],
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """A tile's share of the content and total variation loss, and the gradient by what it sees of the loss's terms.

        Args:
            seen: as for `_statistics`.
            own: as for `_statistics`.
            targets: content layer -> its own part of the content's feature map.
            sizes: content layer -> number of values in the whole picture's map; of "rows" and "columns", of the
                differences between the image's neighbours.
            content_weights: content layer -> its weight.
            tv_weight: weight of the total variation.
            of_grams: style layer -> derivative of the loss by the sum of Gram matrices.
            upstream: pooling that the part ends with, if it does -> own part of the gradient by its map.
        """
        with tf.GradientTape() as network_tape:
            network_tape.watch(seen)
            features = self._features(seen, self.part.maps)
        maps = list(features.values())
        features = dict(zip(features, self._graph.for_losses(maps), strict=True))
        with tf.GradientTape() as terms_tape:
            terms_tape.watch([seen, *features.values()])
            own_maps = self._own(features, own)
            content = self._content_term(own_maps, targets, sizes, content_weights)
            tv = tv_weight * self._variation(seen, own, sizes) if self.part.start is None else tf.constant(0.0)
            linear = [tf.reduce_sum(of_grams[layer] * feature_stats.gram_sum(own_maps[layer])) for layer in self.style]
            linear += [tf.reduce_sum(tf.cast(slope * own_maps[end], tf.float32)) for end, slope in upstream.items()]
            value = sums.sum_in_order([content, tv, *linear])
        of_seen, *of_maps = terms_tape.gradient(value, [seen, *features.values()])
        if not maps:
            return content, tv, of_seen
        gradient = self._graph.through_network(network_tape, maps, seen, of_maps)
        return content, tv, gradient if of_seen is None else of_seen + gradient

    def _features(self, seen: tf.Tensor, layers: Sequence[str]) -> dict[str, tf.Tensor]:
        model = self._graph.model
        return vgg.maps_between(model, seen, layers, self.part.start) if model and layers else {}

    def _own(self, maps: Mapping[str, tf.Tensor], own: tf.Tensor) -> dict[str, tf.Tensor]:
        """The own part of each map."""
        cut = {}
        for layer, of_layer in maps.items():
            cut[layer] = _cropped(of_layer, *tf.unstack(own // self.stride(layer)))
        return cut

    def _content_term(
        self,
        maps: Mapping[str, tf.Tensor],
        targets: Mapping[str, tf.Tensor],
        sizes: Mapping[str, tf.Tensor],
        weights: Mapping[str, tf.Tensor],
    ) -> tf.Tensor:
        terms = [
            weight * (content_distance(maps[layer], targets[layer]) * _share(maps[layer], sizes[layer]))
            for layer, weight in weights.items()
        ]
        return sums.sum_in_order(terms or [0.0])

    def _variation(self, seen: tf.Tensor, own: tf.Tensor, sizes: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Of the differences from the tile's own pixels to the next below and to the right, where there is one."""
        top, left, bottom, right = tf.unstack(own)
        below, beyond = tf.minimum(bottom + 1, tf.shape(seen)[1]), tf.minimum(right + 1, tf.shape(seen)[2])
        down, across = _cropped(seen, top, left, below, right), _cropped(seen, top, left, bottom, beyond)
        terms = [
            losses.variation(down, 1) * _share(down[:, 1:], sizes["rows"]),
            losses.variation(across, 2) * _share(across[:, :, 1:], sizes["columns"]),
        ]
        return sums.sum_in_order(terms)


def _cropped(maps: tf.Tensor, top: tf.Tensor, left: tf.Tensor, bottom: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """A part of a map. Not by Python's slices, whose gradient in bfloat16 takes longer than several convolutions."""
    return tf.slice(maps, tf.stack([0, top, left, 0]), tf.stack([1, bottom - top, right - left, maps.shape[-1]]))


def _share(part: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Number of values in a part, as a share of the whole's."""
    return tf.cast(tf.size(part), tf.float32) / size


class TiledObjective:
    """What `objective.Objective` is, tile by tile. Images and gradients are arrays in the computer's memory.

    Attributes:
        mean: the network's mean pixel, float32 (3,), RGB of 0-255.
        shape: of an image, (1, height, width, 3).
        tile_size: side of a tile's own part, in pixels. May be changed at any time.
    """

    def __init__(
        self,
        graph: TileGraph,
        content: np.ndarray,
        style_targets: Mapping[str, tf.Tensor],
        tile_size: int,
        keep_content: bool,
    ):
        """Compute the content's targets.

        Args:
            graph: network and losses, which objectives of other sizes may share.
            content: float32 (height, width, 3), RGB 0-255, at the size of the result.
            style_targets: layer -> Gram matrices (styles, channels, channels), as `TileGraph.style_targets` gives them.
            tile_size: side of a tile's own part, in pixels.
            keep_content: whether to keep the content's feature maps, or else compute them anew for every tile from the
                picture or, for deep layers, from the map where the network is divided, which takes half the memory.
        """
        self._graph, self._whole = graph, graph.whole
        self.mean, self.shape = graph.whole.mean, (1, *content.shape)
        self.tile_size = tile_size
        self._style = style_targets
        self._content, of_channels = self._content_sources(content, keep_content)
        self._weights = loss_weights(graph.whole, content.shape[1], of_channels, style_targets)

    def encode(self, picture: np.ndarray) -> np.ndarray:
        """Image of a picture, float (height, width, 3), RGB 0-255."""
        return _encoded(picture, self.mean)

    def value_and_grad(self, image: tf.Tensor | np.ndarray) -> tuple[Losses, Any]:
        """Losses of an image and the gradient of their total with respect to it, float32 of the image's shape and kind.

        Raises:
            ValueError: the image has another shape than the content.
        """
        if tuple(image.shape) != self.shape:
            raise ValueError(f"image: expected shape {self.shape}, got {tuple(image.shape)}")
        _, height, width, _ = self.shape
        gram_sums, inputs = self._graph.forward(_slices(np.asarray(image)[0]), height, width, self.tile_size)
        style, of_grams = self._style_term(gram_sums)
        content = tv = 0.0
        gradient: np.ndarray | None = None
        for part in reversed(self._graph.parts):
            of_content, of_tv, gradient = self._backward(part, *inputs.pop(), of_grams, gradient)
            content, tv = content + of_content, tv + of_tv
        assert gradient is not None
        terms = (tf.constant(content, tf.float32), style, tf.constant(tv, tf.float32))
        gradient = gradient[np.newaxis]
        is_array = isinstance(image, np.ndarray)
        return Losses(*terms, sums.sum_in_order(terms)), gradient if is_array else tf.constant(gradient)

    def _style_term(self, gram_sums: Mapping[str, np.ndarray]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Weighted style loss, and its derivative by each sum of Gram matrices."""
        sizes = {layer: _size(layer, *self.shape[1:3]) for layer in gram_sums}
        grams = {layer: tf.constant(gram / sizes[layer], tf.float32) for layer, gram in gram_sums.items()}
        with tf.GradientTape() as tape:
            tape.watch(grams)
            value = style_term(grams, self._style, self._weights.style)
        of_grams = tape.gradient(value, grams)
        return value, {layer: of_gram / sizes[layer] for layer, of_gram in of_grams.items()}

    def _backward(
        self,
        part: _PartGraph,
        source: _Source,
        height: int,
        width: int,
        of_grams: Mapping[str, tf.Tensor],
        upstream: np.ndarray | None,
    ) -> tuple[float, float, np.ndarray]:
        """Content and total variation loss of a part, and the gradient by its input (height, width, channels)."""
        _, rows, columns, channels = self.shape
        sizes = {layer: tf.constant(float(_size(layer, rows, columns))) for layer in part.content}
        sizes["rows"] = tf.constant(float((rows - 1) * columns * channels))
        sizes["columns"] = tf.constant(float(rows * (columns - 1) * channels))
        of_part, end = {layer: of_grams[layer] for layer in part.style}, part.part.end
        weights = {layer: self._weights.content[layer] for layer in part.content}
        content = tv = 0.0
        gradient: np.ndarray | None = None
        for tile in part.tiles(height, width, self.tile_size):
            own = _own_in_seen(tile)
            of_end: dict[str, tf.Tensor] = {}
            if end and upstream is not None:
                of_end[end] = _slices(upstream)(tile.own.shrunk(part.stride(end)))
            targets = self._content_of(part, tile, own)
            of_content, of_tv, of_seen = part.gradient(
                source(tile.seen), own, targets, sizes, weights, self._weights.tv, of_part, of_end
            )
            content, tv = content + float(of_content), tv + float(of_tv)
            if gradient is None:
                gradient = np.zeros((height, width, of_seen.shape[-1]), of_seen.dtype.as_numpy_dtype)
            gradient[tile.seen.part] += np.asarray(of_seen)[0]
        assert gradient is not None
        return content, tv, gradient

    def _content_of(self, part: _PartGraph, tile: Tile, own: tf.Tensor) -> dict[str, tf.Tensor]:
        """A tile's own part of the content's feature maps."""
        if not part.content:
            return {}
        source = self._content[part]
        if callable(source):
            return part.content_maps(source(tile.seen), own)
        return {layer: _slices(of_layer)(tile.own.shrunk(part.stride(layer))) for layer, of_layer in source.items()}

    def _content_sources(
        self, content: np.ndarray, keep: bool
    ) -> tuple[dict[_PartGraph, _Source | dict[str, np.ndarray]], dict[str, tuple[np.ndarray, float]]]:
        """For each part with content layers, their maps, or what gives the part's input; sums of the layers' channels.

        The sums are those that `loss_weights` takes.
        """
        deepest = max((index for index, part in enumerate(self._graph.parts) if part.content), default=0)
        height, width = content.shape[:2]
        picture = _encoded_parts(content, self.mean)
        _, inputs = self._graph.forward(picture, height, width, self.tile_size, last=deepest)
        sources: dict[_PartGraph, _Source | dict[str, np.ndarray]] = {}
        of_channels: dict[str, tuple[np.ndarray, float]] = {}
        for part, (source, height, width) in zip(self._graph.parts, inputs, strict=False):
            if part.content:
                sources[part] = source
                if not (keep or self._whole.config.is_balanced):
                    continue
                maps, added = self._content_maps(part, source, height, width, keep)
                if keep:
                    sources[part] = maps
                for layer, total in added.items():
                    of_channels[layer] = total, _size(layer, *self.shape[1:3]) / _channels(layer)
        return sources, of_channels

    def _content_maps(
        self, part: _PartGraph, source: _Source, height: int, width: int, keep: bool
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Whole feature maps of the content layers, if they are to be kept, and sums of their channels."""
        maps: dict[str, np.ndarray] = {}
        added: dict[str, np.ndarray] = {}
        for tile in part.tiles(height, width, self.tile_size):
            for layer, own in part.content_maps(source(tile.seen), _own_in_seen(tile)).items():
                stride = part.stride(layer)
                added[layer] = added.get(layer, 0) + feature_stats.channel_sums(own).numpy().astype(np.float64)
                if keep:
                    if layer not in maps:
                        maps[layer] = _empty(own, height // stride, width // stride)
                    maps[layer][tile.own.shrunk(stride).part] = own[0]
        return maps, added


def _encoded(picture: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Image (1, height, width, 3) of a picture."""
    return np.subtract(picture, mean, dtype=np.float32)[np.newaxis]


def _encoded_parts(picture: np.ndarray, mean: np.ndarray) -> _Source:
    """Parts of a picture's image, made when they are asked for."""
    return lambda box: tf.constant(_encoded(picture[box.part], mean))


def _size(layer: str, height: int, width: int) -> int:
    """Number of values of a layer's map of a whole picture of some height and width."""
    stride = vgg19_spec.stride(layer)
    return (height // stride) * (width // stride) * _channels(layer)


def _channels(layer: str) -> int:
    return vgg19_spec.kernel_shape(vgg19_spec.conv_of(layer))[-1]


def _spec(layer: str | None, dtype: str) -> tf.TensorSpec:
    """Of maps of a layer, or images, of any size."""
    return tf.TensorSpec((1, None, None, _channels(layer) if layer else 3), dtype)


def _empty(like: tf.Tensor, height: int, width: int) -> np.ndarray:
    """A map of the type and channels of a tensor."""
    return np.empty((height, width, like.shape[-1]), like.dtype.as_numpy_dtype)


def _slices(values: np.ndarray) -> _Source:
    """Parts of an array (height, width, channels)."""
    return lambda box: tf.constant(values[box.part][np.newaxis])


def _own_in_seen(tile: Tile) -> tf.Tensor:
    return tf.constant(tile.own.seen_from(tile.seen), tf.int32)
