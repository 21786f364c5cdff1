"""Statistics of feature maps, over positions."""

import tensorflow as tf


def gram_sum(features: tf.Tensor) -> tf.Tensor:
    """Unnormalised Gram matrix FᵀF of Gatys et al. (CVPR 2016, eq. 3).

    Being a sum over positions, it adds up over the parts of a picture.

    Args:
        features: float (1, height, width, channels).

    Returns:
        float (channels, channels), symmetric.
    """
    flat = tf.reshape(features, (-1, tf.shape(features)[-1]))  # (positions, channels)
    return tf.matmul(flat, flat, transpose_a=True)


def gram_matrix(features: tf.Tensor) -> tf.Tensor:
    """Gram matrix divided by the number of feature values, so that it does not grow with the picture.

    Differs from Gatys et al. by the factor 1 / (positions · channels), as in jcjohnson/neural-style.

    Args:
        features: float (1, height, width, channels).

    Returns:
        float (channels, channels), symmetric.
    """
    return gram_sum(features) / tf.cast(tf.size(features), features.dtype)
