"""Statistics of feature maps, over positions."""

import tensorflow as tf

BFLOAT16_PARTS = 16
"""Parts of a bfloat16 feature map whose Gram matrices are added in float32.

TensorFlow has no product of bfloat16 matrices with a float32 result. Within a part, the hardware adds in float32, but
the part's result is rounded to 8 bits. The roundings of many parts cancel out: 16 leave a relative error of 4e-4.
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
    if features.dtype == tf.bfloat16:
        even = tf.shape(flat)[0] // BFLOAT16_PARTS * BFLOAT16_PARTS
        parts = tf.reshape(flat[:even], (BFLOAT16_PARTS, -1, channels))
        of_parts = tf.cast(tf.matmul(parts, parts, transpose_a=True), tf.float32)  # (parts, channels, channels)
        rest = tf.cast(flat[even:], tf.float32)
        gram = tf.reduce_sum(of_parts, axis=0) + tf.matmul(rest, rest, transpose_a=True)
    else:
        gram = tf.matmul(flat, flat, transpose_a=True)

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        both = tf.cast(upstream + tf.transpose(upstream), features.dtype)
        return tf.reshape(tf.matmul(flat, both), tf.shape(features))

    return gram, gradient


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
