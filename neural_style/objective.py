"""What is minimised: the narrow waist `value_and_grad(image) -> (Losses, gradient)` between features and optimisers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from neural_style import feature_stats, losses, sums, vgg
from neural_style.config import Config
from neural_style.weights import VGGWeights

_FLOAT16_PEAK = 1.0
"""Greatest gradient where it enters a float16 network: those behind it then stay within float16's 6e-8 to 65,504."""


class Losses(NamedTuple):
    """Weighted terms of the loss and their sum, float32 scalars."""

    content: tf.Tensor
    style: tf.Tensor
    tv: tf.Tensor
    total: tf.Tensor


class Targets(NamedTuple):
    """What an image is compared with."""

    content: dict[str, tf.Tensor]
    """Layer -> feature map (1, height, width, channels), in the type that the network computes in."""
    style: dict[str, tf.Tensor]
    """Layer -> Gram matrices, float32 (styles, channels, channels)."""
    tv_weight: tf.Tensor
    """Weight of the total variation at the image's size, a float32 scalar."""


class LossGraph:
    """The network and the losses as TensorFlow functions, traced once for images of every size.

    Images, Gram matrices, losses and the gradient are float32, whatever the network computes in.
    """

    def __init__(self, config: Config, weights: VGGWeights, precision: str = "float32"):
        """Build the network.

        Args:
            config: layers, their weights, and pooling.
            weights: of the network.
            precision: type that the network computes in, as `vgg.build_vgg19` takes it.
        """
        self.mean, self.tv_weight_at = weights.mean, config.tv_weight_at
        self._config, self._precision = config, precision
        self._model = vgg.build_vgg19(weights, config.layers, config.pooling, precision) if config.layers else None
        maps = {layer: output.shape for layer, output in self._model.output.items()} if self._model else {}
        image = tf.TensorSpec((1, None, None, 3), tf.float32)
        targets = Targets(
            {layer: tf.TensorSpec(maps[layer], precision) for layer in config.content_terms},
            {layer: tf.TensorSpec((None, *2 * maps[layer][-1:]), tf.float32) for layer in config.style_terms},
            tf.TensorSpec((), tf.float32),
        )
        self.content_targets = tf.function(self._content_targets, input_signature=[image])
        self.grams = tf.function(self._grams, input_signature=[image])
        self.losses = tf.function(self._losses, input_signature=[image, targets])
        self.value_and_grad = tf.function(self._value_and_grad, input_signature=[image, targets])

    def _content_targets(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        features = self._features(image)
        return {layer: features[layer] for layer in self._config.content_terms}

    def _grams(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Gram matrices; traced, so that TensorFlow frees each feature map as soon as it is used."""
        features = self._features(image)
        return {layer: _gram_matrix(features[layer]) for layer in self._config.style_terms}

    def _losses(self, image: tf.Tensor, targets: Targets) -> Losses:
        return self._terms(image, self._features(image), targets)

    def _value_and_grad(self, image: tf.Tensor, targets: Targets) -> tuple[Losses, tf.Tensor]:
        with tf.GradientTape() as network_tape:
            network_tape.watch(image)
            features = self._features(image)
        maps = list(features.values())
        if self._precision == "float16":  # slopes would vanish in it before they can be scaled
            features = {layer: _in_float32(of_layer) for layer, of_layer in features.items()}
        with tf.GradientTape() as terms_tape:
            terms_tape.watch([image, *features.values()])
            values = self._terms(image, features, targets)
        of_image, *of_maps = terms_tape.gradient(values.total, [image, *features.values()])
        if not maps:
            return values, of_image
        if self._precision != "float16":
            return values, of_image + network_tape.gradient(maps, image, output_gradients=of_maps)
        scale = _loss_scale(of_maps)
        scaled = [tf.cast(scale * slope, tf.float16) for slope in of_maps]
        return values, of_image + network_tape.gradient(maps, image, output_gradients=scaled) / scale

    def _features(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(self._model(image)) if self._model else {}

    def _terms(self, image: tf.Tensor, features: Mapping[str, tf.Tensor], targets: Targets) -> Losses:
        """Losses of an image with these features."""
        config = self._config
        content = [
            share * losses.content_loss(_in_float32(features[layer]), _in_float32(targets.content[layer]))
            for layer, share in config.content_terms.items()
        ]
        style = [
            share * tf.tensordot(tf.constant(config.style_blend), of_styles, 1)
            for layer, share in config.style_terms.items()
            for of_styles in [losses.style_loss(_gram_matrix(features[layer]), targets.style[layer])]
        ]
        terms = (
            config.content_weight * sums.sum_in_order(content or [0.0]),
            config.style_weight * sums.sum_in_order(style or [0.0]),
            targets.tv_weight * losses.tv_loss(image),
        )
        return Losses(*terms, sums.sum_in_order(terms))


class Objective:
    """Loss of an image against the targets of one run at one size, with its gradient.

    An image here is float32 (1, height, width, 3): RGB of 0-255 less the network's mean pixel, which is what `encode`
    makes of a picture and `decode` undoes.

    Attributes:
        mean: the network's mean pixel, float32 (3,), RGB of 0-255.
        shape: of an image.
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
        self._targets = Targets(
            graph.content_targets(self.encode(content)),
            {layer: tf.stack([gram[layer] for gram in grams]) for layer in grams[0]},
            tf.constant(graph.tv_weight_at(content.shape[1]), tf.float32),
        )

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
    return image.numpy()[0] + mean


def _in_float32(features: tf.Tensor) -> tf.Tensor:
    return tf.cast(features, tf.float32)


def _gram_matrix(features: tf.Tensor) -> tf.Tensor:
    """Float32 Gram matrix of a feature map. Those of float16 maps would exceed its range."""
    return feature_stats.gram_matrix(_in_float32(features) if features.dtype == tf.float16 else features)


def _loss_scale(slopes: Sequence[tf.Tensor]) -> tf.Tensor:
    """Power of two that brings the greatest of some gradients just below `_FLOAT16_PEAK`."""
    peak = tf.reduce_max([tf.reduce_max(tf.abs(slope)) for slope in slopes])
    return 2.0 ** tf.floor(tf.math.log(_FLOAT16_PEAK / tf.maximum(peak, 1e-30)) / np.log(2.0))
