"""What is minimized: `value_and_grad(image) -> (LossTerms, gradient)`, the only function that optimizers need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from neural_style.compute.loss_graph import LossGraph, sums_of_channels
from neural_style.compute.loss_weights import content_distance, loss_weights
from neural_style.compute.masks import NO_MASKS, Masks, layer_masks, on_layers
from neural_style.compute.normalization import compared_moments
from neural_style.config.resolve import ResolvedConfig
from neural_style.losses.content import FeatureFormula, squared_difference
from neural_style.losses.spec import LossTerms, LossWeights, StyleMoments, Targets


class Objective(Protocol):
    """The loss of an image against the targets of one run at one size, with its gradient.

    An image is float32 (1, height, width, 3): RGB of 0-255 minus the network's mean pixel.
    """

    @property
    def mean(self) -> np.ndarray:
        """The network's mean pixel, float32 (3,), RGB of 0-255."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an image, (1, height, width, 3)."""

    def value_and_grad(self, image: Any) -> tuple[LossTerms, Any]:
        """Return the losses of an image and the gradient of their total: float32, of the image's shape and kind.

        Raises:
            ValueError: the image has another shape.
        """

    def set_weights(self, config: ResolvedConfig) -> None:
        """Use the loss weights of another configuration from the next evaluation on. Nothing is traced again.

        Args:
            config: a configuration with the same styles, and without layers that the objective lacks.
        """

    def content_distance(self, image: Any) -> float | None:
        """Return how far an image's content features are from the photo's; see `loss_weights.content_distance`.

        Raises:
            ValueError: the image has another shape.
        """

    def release(self) -> None:
        """Free the targets. The objective cannot be used after that."""


class WholeObjective:
    """An `Objective` that computes the picture as a whole.

    Attributes:
        style_targets: layer -> moments of the styles.
    """

    def __init__(
        self,
        graph: LossGraph,
        config: ResolvedConfig,
        content: np.ndarray,
        style_targets: StyleMoments,
        halvings: int = 0,
        masks: Masks = NO_MASKS,
    ):
        """Compute the content's targets.

        Args:
            graph: network and losses.
            config: weights of the terms.
            content: float32 (height, width, 3), RGB 0-255, at the size of the result.
            style_targets: layer -> moments of the styles, from `style_targets.style_targets`.
            halvings: as for `loss_weights`.
            masks: those of the picture, at its size.
        """
        self._graph, self._halvings, self._masks = graph, halvings, masks
        self.style_targets = style_targets
        self._shape = (1, *content.shape)
        maps = graph.content_maps(encode(content, graph.network.mean))
        self._content_sums = sums_of_channels(maps)
        moments = compared_moments(graph, config, content.shape[:2], style_targets, masks)
        of_layers = {
            key: {layer: tf.constant(mask[np.newaxis]) for layer, mask in found.items()}
            for key, found in on_layers(masks, graph.spec, graph.network.rounding).items()
        }
        self._targets: Targets = {**targets_of(graph, maps), **moments, **of_layers}
        self.set_weights(config)

    @property
    def mean(self) -> np.ndarray:
        """The network's mean pixel, float32 (3,), RGB of 0-255."""
        return self._graph.network.mean

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an image, (1, height, width, 3)."""
        return self._shape

    def set_weights(self, config: ResolvedConfig) -> None:
        """Use the loss weights of another configuration; see `Objective`."""
        size = self._shape[1], self._shape[2]
        self._config = config
        self._weights: LossWeights = loss_weights(
            config, self._graph, size, self._content_sums, self.style_targets, self._halvings, self._masks
        )

    def content_distance(self, image: tf.Tensor) -> float | None:
        """Return how far an image's content features are from the photo's; see `Objective`."""
        check_shape(image, self._shape)
        maps = self._graph.content_maps(image)
        painted, rounding = self._masks.painted(), self._graph.network.rounding
        counted = {} if painted is None else layer_masks(painted, maps, rounding)
        differences = {
            layer: weighted_difference(maps[layer], target, counted.get(layer))[0]
            for term in self._graph.spec.of_kind(FeatureFormula)
            for layer, target in self._targets[term.key].items()
        }
        return content_distance(self._config, self._graph, self._content_sums, differences)

    def value_and_grad(self, image: tf.Tensor) -> tuple[LossTerms, tf.Tensor]:
        """Return the losses of an image and the gradient of their total; see `Objective`."""
        check_shape(image, self._shape)
        return self._graph.value_and_grad(image, self._targets, self._weights)

    def terms(self, image: tf.Tensor) -> LossTerms:
        """Return the losses of an image, without a gradient."""
        check_shape(image, self._shape)
        return self._graph.terms(image, self._targets, self._weights)

    def release(self) -> None:
        """Free the targets."""
        self._targets, self.style_targets = {}, {}


def weighted_difference(features: tf.Tensor, target: tf.Tensor, counted: np.ndarray | None) -> tuple[float, float]:
    """Return the mean squared difference of two maps, (1, height, width, channels), and the weight of the positions.

    Args:
        features: a map of any type.
        target: another.
        counted: weight of each position, float (height, width, 1); None for 1 each.
    """
    pair = [tf.cast(each, tf.float32) for each in (features, target)]
    if counted is None:
        return float(squared_difference(*pair)), float(np.prod(features.shape[1:3]))
    weights = counted.astype(np.float32)
    total = float(weights.sum())
    squares = tf.reduce_sum(tf.math.squared_difference(*pair), axis=-1, keepdims=True) / features.shape[-1]
    return float(tf.reduce_sum(weights * squares)) / max(total, 1e-6), total


def targets_of(graph: LossGraph, maps: Mapping[str, tf.Tensor]) -> Targets:
    """Arrange the content's maps by the terms that use them."""
    return {term.key: {layer: maps[layer] for layer in term.layers} for term in graph.spec.of_kind(FeatureFormula)}


def check_shape(image: Any, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless an image has the given shape."""
    if tuple(image.shape) != shape:
        raise ValueError(f"image: expected shape {shape}, got {tuple(image.shape)}")


def encode(picture: np.ndarray, mean: np.ndarray) -> tf.Tensor:
    """Return the image of a picture, float (height, width, 3), RGB 0-255."""
    return tf.constant((picture - mean)[np.newaxis], tf.float32)


def decode(image: Any, mean: np.ndarray) -> np.ndarray:
    """Return the picture of an image: float32 (height, width, 3), RGB, not yet clipped to 0-255."""
    return np.asarray(image)[0] + mean
