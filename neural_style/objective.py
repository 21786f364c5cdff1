"""What is minimised: the narrow waist `value_and_grad(image) -> (Losses, gradient)` between features and optimisers."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from neural_style import feature_stats, losses, sums, vgg
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

    Attributes:
        mean: the network's mean pixel, float32 (3,), RGB of 0-255.
        shape: of an image.
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
        self.mean = weights.mean
        self._model = vgg.build_vgg19(weights, config.layers, config.pooling) if config.layers else None
        targets = tf.function(self._targets, input_signature=[tf.TensorSpec((1, None, None, 3), tf.float32)])
        self._content_targets = targets(self.encode(content))[0] if config.content_terms else {}
        grams = [targets(self.encode(style))[1] for style in styles] if config.style_terms else []
        self._style_targets = {layer: tf.stack([gram[layer] for gram in grams]) for layer in config.style_terms}
        self.shape = (1, *content.shape)
        self.value_and_grad: Callable[[tf.Tensor], tuple[Losses, tf.Tensor]] = tf.function(
            self._value_and_grad, input_signature=[tf.TensorSpec(self.shape, tf.float32)]
        )
        """Losses of an image and the gradient of their total with respect to it, float32 of the image's shape."""

    def encode(self, picture: np.ndarray) -> tf.Tensor:
        """Image tensor of a picture, float (height, width, 3), RGB 0-255."""
        return tf.constant((picture - self.mean)[np.newaxis], tf.float32)

    def _targets(self, image: tf.Tensor) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """Features at the content layers and Gram matrices at the style layers.

        Traced, so that TensorFlow frees each feature map as soon as it is used.
        """
        features = self._model(image) if self._model else {}
        content = {layer: features[layer] for layer in self._config.content_terms}
        return content, {layer: feature_stats.gram_matrix(features[layer]) for layer in self._config.style_terms}

    def _value_and_grad(self, image: tf.Tensor) -> tuple[Losses, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(image)
            values = self.losses(image)
        return values, tape.gradient(values.total, image)

    def losses(self, image: tf.Tensor) -> Losses:
        """Losses of an image, without a gradient; meant to be traced."""
        config = self._config
        features = dict(self._model(image)) if self._model else {}
        content, style = [], []
        for layer, share in config.content_terms.items():
            if layer in config.style_terms:
                features[layer], of_content = sums.fork(features[layer])
            else:
                of_content = features[layer]
            content.append(share * losses.content_loss(of_content, self._content_targets[layer]))
        for layer, share in config.style_terms.items():
            gram = feature_stats.gram_matrix(features[layer])
            of_styles = losses.style_loss(gram, self._style_targets[layer])
            style.append(share * tf.tensordot(tf.constant(config.style_blend), of_styles, 1))
        terms = (
            config.content_weight * sums.sum_in_order(content or [0.0]),
            config.style_weight * sums.sum_in_order(style or [0.0]),
            config.tv_weight * losses.tv_loss(image),
        )
        return Losses(*terms, sums.sum_in_order(terms))


def decode(image: tf.Tensor, mean: np.ndarray) -> np.ndarray:
    """Picture, float32 (height, width, 3), RGB, not yet clipped to 0-255, of an image less the mean pixel."""
    return image.numpy()[0] + mean
