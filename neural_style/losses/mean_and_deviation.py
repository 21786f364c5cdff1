"""Style losses of the mean and the standard deviation of each channel."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from neural_style.losses.moments import MeanMoments
from neural_style.losses.style import MomentFormula, mean_square

_NOISE = 8
"""Least variance that counts, in units of the rounding of the mean square that it is computed from."""


def mean_loss(image: MeanMoments, styles: MeanMoments, weights: tf.Tensor) -> tuple[tf.Tensor, MeanMoments]:
    """Return the mean over channels of the squared difference of the channels' means.

    Args:
        image: `first` is (channels,).
        styles: `first` is (styles, channels).
        weights: (styles,).

    Returns:
        As for `MomentFormula.value_and_gradient`.
    """
    losses, gradient = mean_square(image.first, styles.first, weights)
    return losses, MeanMoments(gradient, tf.zeros_like(image.second))


def mean_size(styles: MeanMoments) -> tf.Tensor:
    """Return the mean over channels of the squared means, (styles,)."""
    return tf.reduce_mean(tf.square(styles.first), axis=-1)


def deviation(means: MeanMoments) -> tf.Tensor:
    """Return the standard deviation of each channel over positions, not corrected for their number.

    A variance below the rounding of the mean square counts as 0.

    Args:
        means: `first` is (…, channels) and `second` (…, channels, channels).

    Returns:
        (…, channels).
    """
    square = tf.linalg.diag_part(means.second)
    variance = square - tf.square(means.first)
    counts = variance > _NOISE * np.finfo(square.dtype.as_numpy_dtype).eps * square
    return tf.sqrt(tf.where(counts, variance, tf.zeros_like(variance)))


def mean_and_deviation_loss(
    image: MeanMoments, styles: MeanMoments, weights: tf.Tensor
) -> tuple[tf.Tensor, MeanMoments]:
    """Return the means over channels of the squared differences of means and of standard deviations, added up.

    Li et al., Demystifying Neural Style Transfer (IJCAI 2017), call it the matching of batch normalization statistics.
    Where a deviation is 0, the gradient is that of the means alone, so that a channel without any response has one.

    Args:
        image: `first` is (channels,), and `second` (channels, channels).
        styles: the same with a first axis (styles, …).
        weights: (styles,).

    Returns:
        As for `MomentFormula.value_and_gradient`.
    """
    ours = deviation(image)
    of_means, of_first = mean_square(image.first, styles.first, weights)
    of_deviations, upstream = mean_square(ours, deviation(styles), weights)
    of_variance = tf.math.divide_no_nan(upstream, 2 * ours)
    gradient = MeanMoments(of_first - 2 * of_variance * image.first, tf.linalg.diag(of_variance))
    return of_means + of_deviations, gradient


def mean_and_deviation_size(styles: MeanMoments) -> tf.Tensor:
    """Return the loss of an image without features: the mean square of the features, (styles,)."""
    return tf.reduce_mean(tf.linalg.diag_part(styles.second), axis=-1)


MEAN = MomentFormula(mean_loss, mean_size, with_first=True)
MEAN_AND_DEVIATION = MomentFormula(mean_and_deviation_loss, mean_and_deviation_size, with_first=True)
