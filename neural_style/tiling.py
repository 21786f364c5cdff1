"""The objective evaluated tile by tile: the losses and the gradient of the whole picture, in memory that does not grow.

Gram matrices are sums over positions, so they add up over tiles. A first pass, forward alone, adds them up. Then the
derivative of the loss by each of them is known, and a second pass takes every tile forward and back against it. Tiles
see as far beyond their own part as its values depend on, so that nothing differs from the whole picture but rounding.

The network is taken in two parts, which meet at `CUT`: a tile of the first part then sees 24 px beyond its own, and one
of the second 48 px, where it would be 80 px for both. What is kept of the whole picture between them is the pooled map,
4 numbers per pixel, which is about as much as the image.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from neural_style import architecture, feature_stats, losses, sums, vgg
from neural_style.objective import Losses, LossGraph, content_distance
from neural_style.tiles import Box, Tile, cover

CUT = "pool3"
"""Where the network is divided, if it is deeper."""

DEEP_SIDE = 2
"""Side of a tile of the second part as a multiple of that of the first, in pixels; it takes half as much memory."""

_Source = Callable[[Box], tf.Tensor]
"""Gives a part of an image or map as a tensor (1, height, width, channels)."""


class TileGraph:
    """The network in parts and the losses of a tile as TensorFlow functions, each traced once, on first use."""

    def __init__(self, graph: LossGraph):
        """Divide the network of a graph, with which the weights are shared."""
        self.whole = graph
        deep = [layer for layer in graph.config.layers if architecture.block_of(layer) > architecture.block_of(CUT)]
        shallow = [layer for layer in graph.config.layers if layer not in deep]
        self.parts = [_Part(graph, shallow, None, CUT if deep else None)]
        if deep:
            self.parts.append(_Part(graph, deep, CUT, None))


class _Part:
    """Some blocks of the network, from the image or a pooling up to a pooling or the last layer used.

    Attributes:
        content: layers of the content loss in it.
        end: the pooling that it ends with, if another part follows.
        layers: all that are looked at in it.
        reach: positions of its input that a block of positions depends on, on each side.
        start: the pooling whose map it takes; None for the image.
        stride: positions of its input per position of its coarsest layer.
        style: layers of the style loss in it.
    """

    def __init__(self, graph: LossGraph, layers: Sequence[str], start: str | None, end: str | None):
        self._graph, self.layers, self.start, self.end = graph, tuple(layers), start, end
        self._maps = (*self.layers, end) if end else self.layers
        self.content = [layer for layer in layers if layer in graph.config.content_terms]
        self.style = [layer for layer in layers if layer in graph.config.style_terms]
        self.reach = max(architecture.reach(self._maps, start), 1)  # 1 for the variation
        self.stride = max((architecture.stride(layer, start) for layer in self._maps), default=1)
        self.upstream_type = tf.float32 if graph.precision == "float16" else tf.as_dtype(graph.precision)
        self.statistics = tf.function(self._statistics, reduce_retracing=True)
        self.content_maps = tf.function(self._content_maps, reduce_retracing=True)
        self.gradient = tf.function(self._gradient, reduce_retracing=True)

    def _statistics(self, seen: tf.Tensor, own: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor | None]:
        """Sums of a tile's Gram matrices over its own positions, and its own part of the map that the part ends with.

        Args:
            seen: what the tile sees of the part's input.
            own: its own `Box` in that, int32 (4,).
        """
        maps = self._own(self._features(seen, [*self.style, self.end] if self.end else self.style), own)
        grams = {layer: feature_stats.gram_sum(self._graph.for_losses([maps[layer]])[0]) for layer in self.style}
        return grams, maps[self.end] if self.end else None

    def _content_maps(self, seen: tf.Tensor, own: tf.Tensor) -> dict[str, tf.Tensor]:
        """A tile's own part of the feature maps that the content loss compares."""
        return self._own(self._features(seen, self.content), own)

    def _gradient(
        self,
        seen: tf.Tensor,
        own: tf.Tensor,
        targets: Mapping[str, tf.Tensor],
        sizes: Mapping[str, tf.Tensor],
        of_grams: Mapping[str, tf.Tensor],
        upstream: tf.Tensor | None,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """A tile's share of the content and total variation loss, and the gradient by what it sees of the loss's terms.

        Args:
            seen: as for `_statistics`.
            own: as for `_statistics`.
            targets: content layer -> its own part of the content's feature map.
            sizes: content layer -> number of values in the whole picture's map; of "rows" and "columns", of the
                differences between the image's neighbours.
            of_grams: style layer -> derivative of the loss by the sum of Gram matrices.
            upstream: own part of the gradient by the map that the part ends with, if it does.
        """
        with tf.GradientTape() as network_tape:
            network_tape.watch(seen)
            features = self._features(seen, self._maps)
        maps = list(features.values())
        features = dict(zip(features, self._graph.for_losses(maps), strict=True))
        with tf.GradientTape() as terms_tape:
            terms_tape.watch([seen, *features.values()])
            own_maps = self._own(features, own)
            content = self._content_term(own_maps, targets, sizes)
            tv = self._tv_term(seen, own, sizes) if self.start is None else tf.constant(0.0)
            linear = [tf.reduce_sum(of_grams[layer] * feature_stats.gram_sum(own_maps[layer])) for layer in self.style]
            if self.end and upstream is not None:
                linear.append(tf.reduce_sum(tf.cast(upstream * own_maps[self.end], tf.float32)))
            value = sums.sum_in_order([content, tv, *linear])
        of_seen, *of_maps = terms_tape.gradient(value, [seen, *features.values()])
        if not maps:
            return content, tv, of_seen
        gradient = self._graph.through_network(network_tape, maps, seen, of_maps)
        return content, tv, gradient if of_seen is None else of_seen + gradient

    def _features(self, seen: tf.Tensor, layers: Sequence[str]) -> dict[str, tf.Tensor]:
        model = self._graph.model
        return vgg.maps_between(model, seen, layers, self.start) if model and layers else {}

    def _own(self, maps: Mapping[str, tf.Tensor], own: tf.Tensor) -> dict[str, tf.Tensor]:
        """The own part of each map."""
        cut = {}
        for layer, of_layer in maps.items():
            top, left, bottom, right = tf.unstack(own // architecture.stride(layer, self.start))
            cut[layer] = of_layer[:, top:bottom, left:right]
        return cut

    def _content_term(
        self, maps: Mapping[str, tf.Tensor], targets: Mapping[str, tf.Tensor], sizes: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        config = self._graph.config
        terms = [
            config.content_terms[layer]
            * (content_distance(maps[layer], targets[layer]) * _share(maps[layer], sizes[layer]))
            for layer in self.content
        ]
        return config.content_weight * sums.sum_in_order(terms or [0.0])

    def _tv_term(self, seen: tf.Tensor, own: tf.Tensor, sizes: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Of the differences from the tile's own pixels to the next below and to the right, where there is one."""
        top, left, bottom, right = tf.unstack(own)
        down, across = seen[:, top : bottom + 1, left:right], seen[:, top:bottom, left : right + 1]
        terms = [
            losses.variation(down, 1) * _share(down[:, 1:], sizes["rows"]),
            losses.variation(across, 2) * _share(across[:, :, 1:], sizes["columns"]),
        ]
        return self._graph.config.tv_weight * sums.sum_in_order(terms)


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
        styles: Iterator[np.ndarray] | Sequence[np.ndarray],
        tile_size: int,
        keep_content: bool,
    ):
        """Compute the targets.

        Args:
            graph: network and losses, which objectives of other sizes may share.
            content: float32 (height, width, 3), RGB 0-255, at the size of the result.
            styles: pictures of the same kind, each at its own size; taken one after the other.
            tile_size: side of a tile's own part, in pixels.
            keep_content: whether to keep the content's feature maps, or else compute them anew for every tile from the
                picture or, for deep layers, from the map where the network is divided, which takes half the memory.
        """
        self._graph, self._whole = graph, graph.whole
        self.mean, self.shape = graph.whole.mean, (1, *content.shape)
        self.tile_size = tile_size
        grams = [self._grams(style) for style in styles]
        self._style = {layer: tf.stack([gram[layer] for gram in grams]) for layer in self._whole.config.style_terms}
        self._content = self._content_sources(content, keep_content)

    def encode(self, picture: np.ndarray) -> np.ndarray:
        """Image of a picture, float (height, width, 3), RGB 0-255."""
        return np.subtract(picture, self.mean, dtype=np.float32)[np.newaxis]

    def value_and_grad(self, image: tf.Tensor | np.ndarray) -> tuple[Losses, np.ndarray]:
        """Losses of an image and the gradient of their total with respect to it, float32 of the image's shape.

        Raises:
            ValueError: the image has another shape than the content.
        """
        if tuple(image.shape) != self.shape:
            raise ValueError(f"image: expected shape {self.shape}, got {tuple(image.shape)}")
        pixels = np.asarray(image)[0]
        gram_sums, maps = self._forward(_slices(pixels), *self.shape[1:3])
        style, of_grams = self._style_term(gram_sums)
        content = tv = 0.0
        upstream: np.ndarray | None = None
        for part in reversed(self._graph.parts):
            source, height, width = maps.pop()
            of_part, of_tv, upstream = self._backward(part, source, (height, width), of_grams, upstream)
            content, tv = content + of_part, tv + of_tv
        assert upstream is not None
        terms = [tf.constant(content, tf.float32), style, tf.constant(tv, tf.float32)]
        return Losses(*terms, sums.sum_in_order(terms)), upstream[np.newaxis]

    def _grams(self, style: np.ndarray) -> dict[str, tf.Tensor]:
        gram_sums, _ = self._forward(self._encoded(style), *style.shape[:2])
        return {layer: tf.constant(gram_sums[layer] / self._size(layer, style.shape[:2]), tf.float32) for layer in gram_sums}

    def _encoded(self, picture: np.ndarray) -> _Source:
        return lambda box: tf.constant(self.encode(picture[box.part]))

    def _size(self, layer: str, size: tuple[int, int]) -> int:
        """Number of values of a layer's map of a whole picture of some height and width."""
        stride, channels = architecture.stride(layer), architecture.kernel_shape(architecture.conv_of(layer))[-1]
        return (size[0] // stride) * (size[1] // stride) * channels

    def _forward(
        self, source: _Source, height: int, width: int, parts: int | None = None
    ) -> tuple[dict[str, np.ndarray], list[tuple[_Source, int, int]]]:
        """Sums of Gram matrices over a picture, and the input of each part with its height and width.

        Args:
            source: gives parts of the picture's image.
            height: of the picture in pixels.
            width: of the picture in pixels.
            parts: how many parts of the network to take; by default all, and the last for its Gram matrices alone.
        """
        gram_sums: dict[str, np.ndarray] = {}
        inputs = [(source, height, width)]
        for part in self._graph.parts[:parts]:
            source, height, width = inputs[-1]
            pooled: np.ndarray | None = None
            for tile in self._tiles(part, height, width):
                of_tile, own_pooled = part.statistics(source(tile.seen), _own_in_seen(tile))
                for layer, gram in of_tile.items():
                    gram_sums[layer] = gram_sums.get(layer, 0) + gram.numpy().astype(np.float64)
                if part.end:
                    stride = architecture.stride(part.end, part.start)
                    if pooled is None:
                        shape = height // stride, width // stride, own_pooled.shape[-1]
                        pooled = np.empty(shape, own_pooled.dtype.as_numpy_dtype)
                    pooled[tile.own.shrunk(stride).part] = own_pooled[0]
            if pooled is not None:
                inputs.append((_slices(pooled), *pooled.shape[:2]))
        return gram_sums, inputs

    def _style_term(self, gram_sums: Mapping[str, np.ndarray]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Weighted style loss, and its derivative by each sum of Gram matrices."""
        sizes = {layer: self._size(layer, self.shape[1:3]) for layer in gram_sums}
        grams = {layer: tf.constant(gram / sizes[layer], tf.float32) for layer, gram in gram_sums.items()}
        with tf.GradientTape() as tape:
            tape.watch(grams)
            value = self._whole.style_term(grams, self._style)
        of_grams = tape.gradient(value, grams)
        return value, {layer: of_gram / sizes[layer] for layer, of_gram in of_grams.items()}

    def _backward(
        self,
        part: _Part,
        source: _Source,
        size: tuple[int, int],
        of_grams: Mapping[str, tf.Tensor],
        upstream: np.ndarray | None,
    ) -> tuple[float, float, np.ndarray]:
        """Content and total variation loss of a part, and the gradient by its input (height, width, channels)."""
        height, width = size
        _, rows, columns, channels = self.shape
        sizes = {layer: tf.constant(float(self._size(layer, (rows, columns)))) for layer in part.content}
        sizes["rows"] = tf.constant(float((rows - 1) * columns * channels))
        sizes["columns"] = tf.constant(float(rows * (columns - 1) * channels))
        of_part = {layer: of_grams[layer] for layer in part.style}
        content = tv = 0.0
        gradient: np.ndarray | None = None
        for tile in self._tiles(part, height, width):
            own = _own_in_seen(tile)
            of_end = None
            if part.end and upstream is not None:
                of_end = tf.constant(upstream[tile.own.shrunk(architecture.stride(part.end, part.start)).part][None])
            targets = self._content_of(part, tile, own)
            of_content, of_tv, of_seen = part.gradient(source(tile.seen), own, targets, sizes, of_part, of_end)
            content, tv = content + float(of_content), tv + float(of_tv)
            if gradient is None:
                gradient = np.zeros((height, width, of_seen.shape[-1]), of_seen.dtype.as_numpy_dtype)
            gradient[tile.seen.part] += np.asarray(of_seen)[0]
        assert gradient is not None
        return content, tv, gradient

    def _content_of(self, part: _Part, tile: Tile, own: tf.Tensor) -> dict[str, tf.Tensor]:
        """A tile's own part of the content's feature maps."""
        if not part.content:
            return {}
        source = self._content[part]
        if callable(source):
            return part.content_maps(source(tile.seen), own)
        return {
            layer: tf.constant(of_layer[tile.own.shrunk(architecture.stride(layer, part.start)).part][None])
            for layer, of_layer in source.items()
        }

    def _content_sources(
        self, content: np.ndarray, keep: bool
    ) -> dict[_Part, _Source | dict[str, np.ndarray]]:
        """For each part with content layers, their maps, or what gives the part's input."""
        parts = self._graph.parts
        deepest = max((index for index, part in enumerate(parts) if part.content), default=0)
        _, inputs = self._forward(self._encoded(content), *content.shape[:2], parts=deepest)
        sources: dict[_Part, _Source | dict[str, np.ndarray]] = {}
        for part, (source, height, width) in zip(parts, inputs, strict=False):
            if part.content:
                sources[part] = self._kept(part, source, height, width) if keep else source
        return sources

    def _kept(self, part: _Part, source: _Source, height: int, width: int) -> dict[str, np.ndarray]:
        """Whole feature maps of the content layers."""
        maps: dict[str, np.ndarray] = {}
        for tile in self._tiles(part, height, width):
            for layer, own in part.content_maps(source(tile.seen), _own_in_seen(tile)).items():
                stride = architecture.stride(layer, part.start)
                if layer not in maps:
                    shape = height // stride, width // stride, own.shape[-1]
                    maps[layer] = np.empty(shape, own.dtype.as_numpy_dtype)
                maps[layer][tile.own.shrunk(stride).part] = own[0]
        return maps

    def _tiles(self, part: _Part, height: int, width: int) -> Iterator[Tile]:
        side = self.tile_size
        if part.start:
            side = side * DEEP_SIDE // architecture.stride(part.start)
        return cover(height, width, side, part.reach, part.stride)


def _slices(values: np.ndarray) -> _Source:
    """Parts of an array (height, width, channels)."""
    return lambda box: tf.constant(values[box.part][np.newaxis])


def _own_in_seen(tile: Tile) -> tf.Tensor:
    return tf.constant(tile.own.seen_from(tile.seen), tf.int32)
