"""What is minimised: the narrow waist `value_and_grad(image) -> (Losses, gradient)` between features and optimisers."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from neural_style import feature_stats, losses, vgg
from neural_style.config import Config
from neural_style.weights import VGGWeights


class Losses(NamedTuple):
    """Weighted terms of the loss and their sum, scalars."""

    content: tf.Tensor
    style: tf.Tensor
    tv: tf.Tensor
    total: tf.Tensor


class Objective:
    """Loss of an image against the targets of one run, with its gradient.

    An image here is float32 (1, height, width, 3): RGB of 0-255 less the network's mean pixel, which is what `encode`
    makes of a picture and `decode` undoes.
    """

    def __init__(self, config: Config, weights: VGGWeights, content: np.ndarray, styles: Sequence[np.ndarray]):
        """Compute the targets.

        Args:
            config: weights, layers and pooling.
            weights: the network.
            content: float32 (height, width, 3), RGB 0-255, at the size of the result.
            styles: pictures of the same kind, each at its own size.
        """
        self._config = config
        self._mean = weights.mean
        self._model = vgg.build_vgg19(weights, config.layers, config.pooling) if config.layers else None
        self._content_targets = self._features(self.encode(content), config.content_terms)
        self._style_targets = [self._grams(self.encode(style)) for style in styles] if config.style_terms else []
        self.shape = (1, *content.shape)
        self.value_and_grad: Callable[[tf.Tensor], tuple[Losses, tf.Tensor]] = tf.function(
            self._value_and_grad, input_signature=[tf.TensorSpec(self.shape, tf.float32)]
        )
        """Losses of an image and the gradient of their total with respect to it, float32 of the image's shape."""

    def encode(self, picture: np.ndarray) -> tf.Tensor:
        """Image tensor of a picture, float (height, width, 3), RGB 0-255."""
        return tf.constant((picture - self._mean)[np.newaxis], tf.float32)

    def decode(self, image: tf.Tensor) -> np.ndarray:
        """Picture, float32 (height, width, 3), RGB, not yet clipped to 0-255, of an image tensor."""
        return image.numpy()[0] + self._mean

    def _features(self, image: tf.Tensor, layers: Mapping[str, float]) -> dict[str, tf.Tensor]:
        features = self._model(image) if self._model and layers else {}
        return {layer: features[layer] for layer in layers}

    def _grams(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        features = self._features(image, self._config.style_terms)
        return {layer: feature_stats.gram_matrix(f) for layer, f in features.items()}

    def _value_and_grad(self, image: tf.Tensor) -> tuple[Losses, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(image)
            values = self.losses(image)
        return values, tape.gradient(values.total, image)

    def losses(self, image: tf.Tensor) -> Losses:
        """Losses of an image, without a gradient; meant to be traced."""
        config = self._config
        features = self._model(image) if self._model else {}
        content = config.content_weight * _weighted_sum(
            (share, losses.content_loss(features[layer], self._content_targets[layer]))
            for layer, share in config.content_terms.items()
        )
        grams = {layer: feature_stats.gram_matrix(features[layer]) for layer in config.style_terms}
        style = config.style_weight * _weighted_sum(
            (blend * share, losses.style_loss(grams[layer], targets[layer]))
            for blend, targets in zip(config.style_blend, self._style_targets, strict=False)
            for layer, share in config.style_terms.items()
        )
        tv = config.tv_weight * losses.tv_loss(image)
        return Losses(content, style, tv, content + style + tv)


def _weighted_sum(terms) -> tf.Tensor:
    """Sum of weight · value over (weight, value) pairs; 0 for none."""
    return tf.add_n([weight * value for weight, value in terms] or [tf.constant(0.0)])
