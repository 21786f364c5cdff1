"""What is minimised: the narrow waist `value_and_grad(image) -> (Losses, gradient)` between features and optimisers."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from neural_style.config.config import Config
from neural_style.losses import moments as feature_stats
from neural_style.losses import ordered_sum as sums
from neural_style.losses import terms as losses
from neural_style.networks import vgg19 as vgg
from neural_style.networks.weights import VGGWeights

_FLOAT16_PEAK = 1.0
"""Greatest gradient where it enters a float16 network: those behind it then stay within float16's 6e-8 to 65,504."""

_NOISE_SIDE = 64
"""Pixels of a side of the picture of noise."""

_LEAST_SIZE = 0.05
"""Least size of a target, as a share of that of noise. Photographs and paintings, even in fog, are larger."""


class Losses(NamedTuple):
    """Weighted terms of the loss and their sum, float32 scalars."""

    content: tf.Tensor
    style: tf.Tensor
    tv: tf.Tensor
    total: tf.Tensor


class LossWeights(NamedTuple):
    """What the loss of each layer is multiplied by, float32. All that is asked for is in it, and the targets' size."""

    content: dict[str, tf.Tensor]
    """Layer -> scalar."""
    style: dict[str, tf.Tensor]
    """Layer -> (styles,)."""
    tv: tf.Tensor
    """A scalar, at the image's size."""


class Targets(NamedTuple):
    """What an image is compared with."""

    content: dict[str, tf.Tensor]
    """Layer -> feature map (1, height, width, channels), in the type that the network computes in."""
    style: dict[str, tf.Tensor]
    """Layer -> Gram matrices, float32 (styles, channels, channels)."""
    weights: LossWeights


ChannelSums = Mapping[str, tuple[tf.Tensor | np.ndarray, float]]
"""Content layer -> sums of its channels and of their squares, (2, channels), and the number of positions added up."""


class LossGraph:
    """The network and the losses as TensorFlow functions, traced once for images of every size.

    Images, Gram matrices, losses and the gradient are float32, whatever the network computes in.

    Attributes:
        config: layers and weights of the losses.
        mean: the network's mean pixel, float32 (3,), RGB, 0-255.
        model: the network, as `vgg.build_vgg19` makes it; None if no layer is looked at.
        precision: the type that it computes in.
    """

    def __init__(self, config: Config, weights: VGGWeights, precision: str = "float32"):
        """Build the network.

        Args:
            config: layers, their weights, and pooling.
            weights: of the network.
            precision: type that the network computes in, as `vgg.build_vgg19` takes it.
        """
        self.mean = weights.mean
        self.config, self.precision = config, precision
        self.model = vgg.build_vgg19(weights, config.layers, config.pooling, precision) if config.layers else None
        maps = {layer: output.shape for layer, output in self.model.output.items()} if self.model else {}
        image = tf.TensorSpec((1, None, None, 3), tf.float32)
        targets = Targets(
            {layer: tf.TensorSpec(maps[layer], precision) for layer in config.content_terms},
            {layer: tf.TensorSpec((None, *2 * maps[layer][-1:]), tf.float32) for layer in config.style_terms},
            LossWeights(
                {layer: tf.TensorSpec((), tf.float32) for layer in config.content_terms},
                {layer: tf.TensorSpec((None,), tf.float32) for layer in config.style_terms},
                tf.TensorSpec((), tf.float32),
            ),
        )
        self.content_targets = tf.function(self._content_targets, input_signature=[image])
        self.grams = tf.function(self._grams, input_signature=[image])
        self.losses = tf.function(self._losses, input_signature=[image, targets])
        self.value_and_grad = tf.function(self._value_and_grad, input_signature=[image, targets])

    @functools.cached_property
    def noise_targets(self) -> tuple[ChannelSums, dict[str, tf.Tensor]]:
        """What content and style targets are for a small picture of noise, the same at all times."""
        picture = np.random.default_rng(0).uniform(0, 255, (1, _NOISE_SIDE, _NOISE_SIDE, 3)) - self.mean
        image = tf.constant(picture, tf.float32)
        grams = {layer: gram[tf.newaxis] for layer, gram in self.grams(image).items()}
        return _channel_sums(self.content_targets(image)), grams

    def _content_targets(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        features = self._features(image)
        return {layer: features[layer] for layer in self.config.content_terms}

    def _grams(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Gram matrices; traced, so that TensorFlow frees each feature map as soon as it is used."""
        features = self._features(image)
        return {layer: _gram_matrix(features[layer]) for layer in self.config.style_terms}

    def _losses(self, image: tf.Tensor, targets: Targets) -> Losses:
        return self._terms(image, self._features(image), targets)

    def _value_and_grad(self, image: tf.Tensor, targets: Targets) -> tuple[Losses, tf.Tensor]:
        with tf.GradientTape() as network_tape:
            network_tape.watch(image)
            features = self._features(image)
        maps = list(features.values())
        features = dict(zip(features, self.for_losses(maps), strict=True))
        with tf.GradientTape() as terms_tape:
            terms_tape.watch([image, *features.values()])
            values = self._terms(image, features, targets)
        of_image, *of_maps = terms_tape.gradient(values.total, [image, *features.values()])
        if not maps:
            return values, of_image
        return values, of_image + self.through_network(network_tape, maps, image, of_maps)

    def for_losses(self, maps: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Feature maps to compute losses from: slopes of float16 ones would vanish before they can be scaled."""
        return [_in_float32(of_layer) for of_layer in maps] if self.precision == "float16" else list(maps)

    def through_network(
        self, tape: tf.GradientTape, maps: Sequence[tf.Tensor], source: tf.Tensor, of_maps: Sequence[tf.Tensor]
    ) -> tf.Tensor:
        """Gradient with respect to what the network made some maps from, given that with respect to each map.

        Returns:
            A tensor of the source's shape and type, or float32 where the network computes in float16.
        """
        if self.precision != "float16":
            return tape.gradient(maps, source, output_gradients=of_maps)
        scale = _loss_scale(of_maps)
        scaled = [tf.cast(scale * slope, tf.float16) for slope in of_maps]
        return _in_float32(tape.gradient(maps, source, output_gradients=scaled)) / scale

    def _features(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(self.model(image)) if self.model else {}

    def _terms(self, image: tf.Tensor, features: Mapping[str, tf.Tensor], targets: Targets) -> Losses:
        """Losses of an image with these features."""
        weights = targets.weights
        content = [
            weight * content_distance(features[layer], targets.content[layer])
            for layer, weight in weights.content.items()
        ]
        grams = {layer: _gram_matrix(features[layer]) for layer in self.config.style_terms}
        terms = (
            sums.sum_in_order(content or [0.0]),
            style_term(grams, targets.style, weights.style),
            weights.tv * losses.tv_loss(image),
        )
        return Losses(*terms, sums.sum_in_order(terms))


class Objective:
    """Loss of an image against the targets of one run at one size, with its gradient.

    An image here is float32 (1, height, width, 3): RGB of 0-255 less the network's mean pixel, which is what `encode`
    makes of a picture and `decode` undoes.

    Attributes:
        mean: the network's mean pixel, float32 (3,), RGB of 0-255.
        shape: of an image.
        style_targets: layer -> Gram matrices of the styles, float32 (styles, channels, channels).
    """

    def __init__(self, graph: LossGraph, content: np.ndarray, styles: Sequence[np.ndarray]):
        """Compute the targets.

        Args:
            graph: network and losses, which objectives of other sizes may share.
            content: float32 (height, width, 3), RGB 0-255, at the size of the result.
            styles: pictures of the same kind, each at its own size.
        """
        self._graph = graph
        self.mean = graph.mean
        self.shape = (1, *content.shape)
        grams = [graph.grams(self.encode(style)) for style in styles]
        self.style_targets = {layer: tf.stack([gram[layer] for gram in grams]) for layer in grams[0]}
        maps = graph.content_targets(self.encode(content))
        weights = loss_weights(graph, content.shape[1], _channel_sums(maps), self.style_targets)
        self._targets = Targets(maps, self.style_targets, weights)

    def value_and_grad(self, image: tf.Tensor) -> tuple[Losses, tf.Tensor]:
        """Losses of an image and the gradient of their total with respect to it, float32 of the image's shape.

        Raises:
            ValueError: the image has another shape than the content.
        """
        if image.shape != self.shape:
            raise ValueError(f"image: expected shape {self.shape}, got {tuple(image.shape)}")
        return self._graph.value_and_grad(image, self._targets)

    def losses(self, image: tf.Tensor) -> Losses:
        """Losses of an image, without a gradient."""
        return self._graph.losses(image, self._targets)

    def encode(self, picture: np.ndarray) -> tf.Tensor:
        """Image tensor of a picture, float (height, width, 3), RGB 0-255."""
        return tf.constant((picture - self.mean)[np.newaxis], tf.float32)


def decode(image: tf.Tensor, mean: np.ndarray) -> np.ndarray:
    """Picture, float32 (height, width, 3), RGB, not yet clipped to 0-255, of an image less the mean pixel."""
    return np.asarray(image)[0] + mean


def loss_weights(graph: LossGraph, width: int, content: ChannelSums, style: Mapping[str, tf.Tensor]) -> LossWeights:
    """Weights of all terms.

    The balanced loss divides a layer's by the size of its target, but by no less than `_LEAST_SIZE` of that of noise: a
    picture of one colour would otherwise outweigh all else. Styles that are blended have one size, the mean of theirs,
    so that what is aimed at is their mean as well.

    Args:
        graph: network and losses.
        width: of the image in pixels.
        content: of the content.
        style: layer -> Gram matrices of the styles, float32 (styles, channels, channels).
    """
    config, blend = graph.config, np.array(graph.config.style_blend, np.float32)
    divisors: dict[str, dict[str, float]] = {"content": {}, "style": {}}
    if config.is_balanced:
        least = _sizes(*graph.noise_targets, np.ones(1, np.float32))
        for kind, sizes in _sizes(content, style, blend).items():
            divisors[kind] = {layer: _divisor(size, _LEAST_SIZE * least[kind][layer]) for layer, size in sizes.items()}
    of_content = {
        layer: config.factor("content_weight") * share / divisors["content"].get(layer, 1.0)
        for layer, share in config.content_terms.items()
    }
    of_style = {
        layer: config.factor("style_weight") * share * blend / divisors["style"].get(layer, 1.0)
        for layer, share in config.style_terms.items()
    }
    as_tensor = functools.partial(tf.constant, dtype=tf.float32)
    return LossWeights(
        {layer: as_tensor(weight) for layer, weight in of_content.items()},
        {layer: as_tensor(weight) for layer, weight in of_style.items()},
        as_tensor(config.tv_factor_at(width)),
    )


def _sizes(content: ChannelSums, style: Mapping[str, tf.Tensor], blend: np.ndarray) -> dict[str, dict[str, float]]:
    """Sizes of targets, "content" and "style", by layer; `loss_weights` explains the arguments."""
    return {
        "content": {layer: float(losses.content_size(*added)) for layer, added in content.items()},
        "style": {layer: float(np.dot(blend, losses.style_size(grams))) for layer, grams in style.items()},
    }


def _divisor(size: float, least: float) -> float:
    """What a loss is divided by: 1 where a network has no response at all."""
    return max(size, least) or 1.0


def style_term(
    grams: Mapping[str, tf.Tensor], targets: Mapping[str, tf.Tensor], weights: Mapping[str, tf.Tensor]
) -> tf.Tensor:
    """Weighted style loss of an image with these Gram matrices (channels, channels)."""
    style = [
        tf.tensordot(weight, losses.style_loss(grams[layer], targets[layer]), 1) for layer, weight in weights.items()
    ]
    return sums.sum_in_order(style or [0.0])


def _channel_sums(maps: Mapping[str, tf.Tensor]) -> ChannelSums:
    return {
        layer: (feature_stats.channel_sums(features), float(np.prod(features.shape[:3])))
        for layer, features in maps.items()
    }


def content_distance(features: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Content loss of a layer, float32, of maps in any type."""
    return losses.content_loss(_in_float32(features), _in_float32(target))


def _in_float32(features: tf.Tensor) -> tf.Tensor:
    return tf.cast(features, tf.float32)


def _gram_matrix(features: tf.Tensor) -> tf.Tensor:
    """Float32 Gram matrix of a feature map. Those of float16 maps would exceed its range."""
    return feature_stats.gram_matrix(_in_float32(features) if features.dtype == tf.float16 else features)


def _loss_scale(slopes: Sequence[tf.Tensor]) -> tf.Tensor:
    """Power of two that brings the greatest of some gradients just below `_FLOAT16_PEAK`."""
    peak = tf.reduce_max([tf.reduce_max(tf.abs(slope)) for slope in slopes])
    return 2.0 ** tf.floor(tf.math.log(_FLOAT16_PEAK / tf.maximum(peak, 1e-30)) / np.log(2.0))
