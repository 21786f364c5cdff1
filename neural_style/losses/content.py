"""Content losses compare the feature maps of two pictures of the same size, position by position.

A formula here is a `FeatureFormula`. It is a mean over positions and channels, so the loss of a picture is the mean of
the losses of its tiles, each weighted by its number of positions. `reductions` has other factors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf


class FeatureFormula(NamedTuple):
    """A loss between two feature maps, both float32 (1, height, width, channels)."""

    loss: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    """(Features, target) -> a scalar, the mean over all entries."""
    size: Callable[[Any, float], tf.Tensor]
    """(`moments.channel_sums` of the target, number of positions) -> what a relative loss divides by, a scalar."""
    degree: int = 2
    """Power of a factor on all features by which loss and size grow."""


def squared_difference(features: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Return the mean squared difference of two feature maps.

    Differs from Gatys et al. (CVPR 2016, eq. 1), ½Σd², by the factor 2 / (M·C) for M positions and C channels, as in
    anishathalye/neural-style.
    """
    return tf.reduce_mean(tf.math.squared_difference(features, target))


def variance(channel_sums: Any, positions: float) -> tf.Tensor:
    """Return the variance of a feature map over its positions, averaged over its channels.

    That is its `squared_difference` from a map that has the mean of each channel at every position.

    Args:
        channel_sums: float (2, channels), from `moments.channel_sums`.
        positions: number of positions in the sums.
    """
    mean, square = tf.unstack(channel_sums / positions)
    return tf.reduce_mean(square - mean**2)


SQUARED_DIFFERENCE = FeatureFormula(squared_difference, variance)
