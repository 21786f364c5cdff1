"""The terms of the loss: features or pixels in, scalars out. Weights are applied in `objective`.

Formulas are those of anishathalye/neural-style. M is a feature map's number of positions and C its number of channels.
"""

import tensorflow as tf


def content_loss(features: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Mean squared difference of two feature maps, both float (1, height, width, channels).

    Differs from Gatys et al. (CVPR 2016, eq. 1), ½Σd², by the factor 2 / (M·C).
    """
    return tf.reduce_mean(tf.math.squared_difference(features, target))


def style_loss(gram: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Mean squared difference of two matrices of `feature_stats.gram_matrix`, float (channels, channels).

    Where both pictures have the same M, this is 4·E/C² with E as in Gatys et al. (CVPR 2016, eq. 4).
    """
    return tf.reduce_mean(tf.math.squared_difference(gram, target))


def tv_loss(image: tf.Tensor) -> tf.Tensor:
    """Squared total variation: mean of squared differences between vertical, plus that between horizontal, neighbours.

    Args:
        image: float (1, height, width, 3) in grey levels of 0-255; an offset makes no difference.
    """
    vertical = tf.math.squared_difference(image[:, 1:], image[:, :-1])
    horizontal = tf.math.squared_difference(image[:, :, 1:], image[:, :, :-1])
    return tf.reduce_mean(vertical) + tf.reduce_mean(horizontal)
