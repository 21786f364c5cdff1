"""Style losses compare statistics of feature maps over all positions.

A formula here is a `MomentFormula`, a function of two `MeanMoments`. TensorFlow gives its gradient with respect to
them. `moments.moments_vjp` gives the gradient with respect to the feature maps, the same way for every formula.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from neural_style.losses.moments import MeanMoments


class MomentFormula(NamedTuple):
    """A loss between the mean moments of an image and of some styles."""

    loss: Callable[[MeanMoments, Any], tf.Tensor]
    """(Moments of the image, moments of the styles with a first axis (styles, …)) -> (styles,)."""
    size: Callable[[MeanMoments], tf.Tensor]
    """Moments of the styles -> what the balanced loss divides by, (styles,)."""
    with_first: bool = False
    """Whether it uses the first moment."""
    prepared: Callable[[MeanMoments], Any] | None = None
    """Moments of the styles -> what `loss` takes in their place, computed once for many images; None for themselves."""
    prepared_spec: Callable[[int], Any] | None = None
    """Number of channels -> shapes and types of what `prepared` returns, for TensorFlow."""

    def target(self, styles: MeanMoments) -> Any:
        """Return what `loss` takes as its second argument."""
        return self.prepared(styles) if self.prepared else styles


def gram_loss(image: MeanMoments, styles: MeanMoments) -> tf.Tensor:
    """Return the mean squared difference of Gram matrices, each divided by its number of feature values M·C.

    Differs from Gatys et al. (CVPR 2016, eq. 3 and 4), E = Σ(G - A)² / (4 M² C²) with matrices that are not divided, by
    the factor 4 / C² if both pictures have the same number of positions M, as in anishathalye/neural-style.

    Args:
        image: `second` is (channels, channels).
        styles: `second` is (styles, channels, channels).

    Returns:
        (styles,).
    """
    channels = image.second.shape[-1]
    return tf.reduce_mean(tf.math.squared_difference(image.second / channels, styles.second / channels), axis=(-2, -1))


def gram_size(styles: MeanMoments) -> tf.Tensor:
    """Return the mean square of the Gram matrices of `gram_loss`, which is the loss of an image without features.

    Args:
        styles: `second` is (styles, channels, channels).

    Returns:
        (styles,).
    """
    return tf.reduce_mean(tf.square(styles.second / styles.second.shape[-1]), axis=(-2, -1))


GRAM = MomentFormula(gram_loss, gram_size)
