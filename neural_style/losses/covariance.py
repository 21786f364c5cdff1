"""Style loss of the covariances of channels."""

from __future__ import annotations

import tensorflow as tf

from neural_style.losses.moments import MeanMoments
from neural_style.losses.style import MomentFormula, mean_square, per_pair


def covariance(means: MeanMoments) -> tf.Tensor:
    """Return the covariances of channels over positions, the mean of FᵀF less the outer product of the means.

    Args:
        means: `first` is (…, channels) and `second` (…, channels, channels).

    Returns:
        (…, channels, channels), symmetric.
    """
    return means.second - _outer(means.first)


def covariance_loss(image: MeanMoments, styles: MeanMoments, weights: tf.Tensor) -> tuple[tf.Tensor, MeanMoments]:
    """Return the mean squared difference of covariance matrices, each divided by its number of channels.

    This is `style.gram_loss` of features less their means. Adding `mean_and_deviation.mean_loss` separates what a Gram
    matrix mixes: the colors of a picture from their contrasts.

    Args:
        image: `first` is (channels,), and `second` (channels, channels).
        styles: the same with a first axis (styles, …).
        weights: (styles,).

    Returns:
        As for `MomentFormula.value_and_gradient`.
    """
    channels = image.second.shape[-1]
    losses, gradient = mean_square(covariance(image) / channels, covariance(styles) / channels, weights)
    return losses, through_covariance(gradient / channels, image)


def through_covariance(gradient: tf.Tensor, image: MeanMoments) -> MeanMoments:
    """Return the gradient by the moments of an image, given that by its `covariance`.

    Args:
        gradient: (channels, channels), symmetric.
        image: `first` is (channels,).
    """
    return MeanMoments(-2 * tf.linalg.matvec(gradient, image.first), gradient)


def covariance_size(styles: MeanMoments) -> tf.Tensor:
    """Return the mean square of the matrices of `covariance_loss`, (styles,)."""
    return tf.reduce_mean(tf.square(covariance(styles) / styles.second.shape[-1]), axis=(-2, -1))


def scaled_covariance(styles: MeanMoments, factors: tf.Tensor) -> MeanMoments:
    """Return moments with covariance matrices that are multiplied by factors (styles,). The means stay."""
    matrices = covariance(styles) * factors[:, tf.newaxis, tf.newaxis]
    return styles._replace(second=matrices + _outer(styles.first))


def _outer(first: tf.Tensor) -> tf.Tensor:
    return first[..., :, tf.newaxis] * first[..., tf.newaxis, :]


COVARIANCE = MomentFormula(
    covariance_loss, covariance_size, with_first=True, entries=per_pair, scaled=scaled_covariance
)
