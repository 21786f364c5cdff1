"""The terms of the loss: features or pixels in, scalars out. Weights are applied in `objective`.

Formulas are those of anishathalye/neural-style. M is a feature map's number of positions and C its number of channels.
The balanced loss divides each layer's by the size of its target, `content_size` or `style_size`.
"""

from collections.abc import Callable

import tensorflow as tf


def content_loss(features: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Mean squared difference of two feature maps, both float (1, height, width, channels).

    Differs from Gatys et al. (CVPR 2016, eq. 1), ½Σd², by the factor 2 / (M·C).
    """
    return tf.reduce_mean(tf.math.squared_difference(features, target))


def style_loss(gram: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Mean squared difference of two matrices of `feature_stats.gram_matrix`.

    Where both pictures have the same M, this is 4·E/C² with E as in Gatys et al. (CVPR 2016, eq. 4).

    Args:
        gram: float (channels, channels).
        target: of the same shape, or several as (n, channels, channels).

    Returns:
        A scalar, or (n,).
    """
    return tf.reduce_mean(tf.math.squared_difference(gram, target), axis=(-2, -1))


def content_size(channel_sums: tf.Tensor, positions: float) -> tf.Tensor:
    """Variance of a feature map over its positions, the mean of its channels': the content loss of its mean colour.

    Args:
        channel_sums: float (2, channels), as `feature_stats.channel_sums` gives it.
        positions: that they are sums over.

    Returns:
        A scalar.
    """
    mean, square = tf.unstack(channel_sums / positions)
    return tf.reduce_mean(square - mean**2)


def style_size(target: tf.Tensor) -> tf.Tensor:
    """Mean of the squares of a matrix of `feature_stats.gram_matrix`: the style loss of a picture without features.

    Args:
        target: float (channels, channels), or several as (n, channels, channels).

    Returns:
        A scalar, or (n,).
    """
    return tf.reduce_mean(tf.square(target), axis=(-2, -1))


def tv_loss(image: tf.Tensor) -> tf.Tensor:
    """Squared total variation: mean of squared differences between vertical, plus that between horizontal, neighbours.

    Args:
        image: float (1, height, width, 3) in grey levels of 0-255; an offset makes no difference.
    """
    return variation(image, 1) + variation(image, 2)


def variation(image: tf.Tensor, axis: int) -> tf.Tensor:
    """Mean of squared differences between neighbours along an axis of a tensor of four.

    The gradient is written out, since two slices would leave two gradients more to be added: see `sums`.
    """
    begin = [int(index == axis) for index in range(4)]

    @tf.custom_gradient
    def mean_square(image: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        size = tf.shape(image) - begin
        differences = tf.slice(image, begin, size) - tf.slice(image, [0] * 4, size)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            share = 2 * upstream * differences / tf.cast(tf.size(differences), image.dtype)
            return tf.pad(share, [[place, 0] for place in begin]) - tf.pad(share, [[0, place] for place in begin])

        return tf.reduce_mean(tf.square(differences)), gradient

    return mean_square(image)
