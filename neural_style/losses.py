"""The terms of the loss: features or pixels in, scalars out. Weights are applied in `objective`.

Formulas are those of anishathalye/neural-style. M is a feature map's number of positions and C its number of channels.
"""

import tensorflow as tf

from neural_style import sums


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


@tf.custom_gradient
def tv_loss(image: tf.Tensor) -> tf.Tensor:
    """Squared total variation: mean of squared differences between vertical, plus that between horizontal, neighbours.

    Args:
        image: float (1, height, width, 3) in grey levels of 0-255; an offset makes no difference.

    The gradient is written out, since four slices would leave four gradients to be added: see `sums`.
    """
    vertical = image[:, 1:] - image[:, :-1]
    horizontal = image[:, :, 1:] - image[:, :, :-1]

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        down = vertical / tf.cast(tf.size(vertical), image.dtype)
        right = horizontal / tf.cast(tf.size(horizontal), image.dtype)
        none, both = (0, 0), (1, 1)
        down = tf.pad(down, (none, both, none, none))
        right = tf.pad(right, (none, none, both, none))
        parts = (down[:, :-1] - down[:, 1:], right[:, :, :-1] - right[:, :, 1:])
        return 2 * upstream * sums.sum_in_order(parts)

    return tf.reduce_mean(tf.square(vertical)) + tf.reduce_mean(tf.square(horizontal)), gradient
