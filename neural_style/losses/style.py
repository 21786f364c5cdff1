"""Style losses: statistics of feature maps over all positions are compared.

A formula here is a `MomentFormula`, a function of two `MeanMoments`. Its gradient by them is TensorFlow's; that by the
feature maps is `moments.moments_vjp`, the same for every formula.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from neural_style.losses.moments import MeanMoments


class MomentFormula(NamedTuple):
    """A loss between the mean moments of an image and of some styles."""

    loss: Callable[[MeanMoments, MeanMoments], tf.Tensor]
    """(Of the image, of the styles with a first axis (styles, …)) -> (styles,)."""
    size: Callable[[MeanMoments], tf.Tensor]
    """Of the styles -> what the balanced loss divides by, (styles,)."""
    with_first: bool = False
    """Whether it looks at the first moment."""


def gram_loss(image: MeanMoments, styles: MeanMoments) -> tf.Tensor:
    """Mean squared difference of Gram matrices, each divided by the number of feature values M·C.

    Differs from Gatys et al. (CVPR 2016, eq. 3 and 4), E = Σ(G - A)² / (4 M² C²) of matrices without a divisor, by the
    factor 4 / C² where both pictures have the same number of positions M; as in anishathalye/neural-style.

    Args:
        image: `second` is (channels, channels).
        styles: `second` is (styles, channels, channels).

    Returns:
        (styles,).
    """
    channels = image.second.shape[-1]
    return tf.reduce_mean(tf.math.squared_difference(image.second / channels, styles.second / channels), axis=(-2, -1))


def gram_size(styles: MeanMoments) -> tf.Tensor:
    """Mean of the squares of the Gram matrices of `gram_loss`: the loss of a picture without features.

    Args:
        styles: `second` is (styles, channels, channels).

    Returns:
        (styles,).
    """
    return tf.reduce_mean(tf.square(styles.second / styles.second.shape[-1]), axis=(-2, -1))


GRAM = MomentFormula(gram_loss, gram_size)
