"""Content losses: feature maps of two pictures of one size are compared position by position.

A formula here is a `FeatureFormula`. It gives a mean over positions and channels, so the loss of a picture is the mean
of those of its tiles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf


class FeatureFormula(NamedTuple):
    """A loss between two feature maps, both float32 (1, height, width, channels)."""

    loss: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    """(Features, target) -> a scalar, a mean over all entries."""
    size: Callable[[Any, float], tf.Tensor]
    """(`moments.channel_sums` of the target, number of positions) -> what the balanced loss divides by, a scalar."""


def squared_difference(features: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Mean squared difference of two feature maps.

    Differs from Gatys et al. (CVPR 2016, eq. 1), ½Σd², by the factor 2 / (M·C), M being the number of positions and C
    that of channels; as in anishathalye/neural-style.
    """
    return tf.reduce_mean(tf.math.squared_difference(features, target))


def variance(channel_sums: Any, positions: float) -> tf.Tensor:
    """Variance of a feature map over its positions, the mean over its channels.

    That is the squared difference from a map of its mean color.

    Args:
        channel_sums: float (2, channels), as `moments.channel_sums` gives it.
        positions: number of positions that they are sums over.
    """
    mean, square = tf.unstack(channel_sums / positions)
    return tf.reduce_mean(square - mean**2)


SQUARED_DIFFERENCE = FeatureFormula(squared_difference, variance)
