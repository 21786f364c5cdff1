"""Statistics of feature maps, over positions."""

import tensorflow as tf

PARTS = 16
"""Parts of a feature map whose Gram matrices are added in float32, or its own type if that has more bits.

In float32 the sum over many positions is then ten times as exact as that of a single product, and sooner there. Of
bfloat16 matrices TensorFlow has no product with a float32 result: within a part, the hardware adds in float32, but the
part's result is rounded to 8 bits. The roundings of many parts cancel out: 16 leave a relative error of 4e-4.
"""


@tf.custom_gradient
def gram_sum(features: tf.Tensor):
    """Unnormalised Gram matrix FᵀF of Gatys et al. (CVPR 2016, eq. 3).

    Being a sum over positions, it adds up over the parts of a picture.

    Args:
        features: float (1, height, width, channels).

    Returns:
        float (channels, channels), symmetric; float32 for bfloat16 features, otherwise of their type.

    The gradient, F(U + Uᵀ) for an upstream U, is written out: TensorFlow's own takes two products where one does.
    """
    channels = features.shape[-1]
    flat = tf.reshape(features, (-1, channels))  # (positions, channels)
    even = tf.shape(flat)[0] // PARTS * PARTS
    parts = tf.reshape(flat[:even], (PARTS, -1, channels))
    of_parts = _at_least_float32(tf.matmul(parts, parts, transpose_a=True))  # (parts, channels, channels)
    rest = _at_least_float32(flat[even:])
    gram = tf.reduce_sum(of_parts, axis=0) + tf.matmul(rest, rest, transpose_a=True)

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        both = tf.cast(upstream + tf.transpose(upstream), features.dtype)
        return tf.reshape(tf.matmul(flat, both), tf.shape(features))

    return gram, gradient


def _at_least_float32(values: tf.Tensor) -> tf.Tensor:
    return tf.cast(values, tf.float32) if values.dtype == tf.bfloat16 else values


def gram_matrix(features: tf.Tensor) -> tf.Tensor:
    """Gram matrix divided by the number of feature values, so that it does not grow with the picture.

    Differs from Gatys et al. by the factor 1 / (positions · channels), as in jcjohnson/neural-style.

    Args:
        features: float (1, height, width, channels).

    Returns:
        float (channels, channels), symmetric, of the type of `gram_sum`.
    """
    gram = gram_sum(features)
    return gram / tf.cast(tf.size(features), gram.dtype)


def channel_sums(features: tf.Tensor) -> tf.Tensor:
    """Sums of each channel and of its squares over positions, which add up over the parts of a picture.

    Args:
        features: float (1, height, width, channels).

    Returns:
        float32 (2, channels).
    """
    features = tf.cast(features, tf.float32)
    return tf.stack([tf.reduce_sum(features, axis=(0, 1, 2)), tf.reduce_sum(tf.square(features), axis=(0, 1, 2))])
