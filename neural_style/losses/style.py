"""Style losses compare statistics of feature maps over all positions.

A formula here is a `MomentFormula`, a function of two `MeanMoments`. It gives its own gradient with respect to them,
because TensorFlow would make several times as many operations of it, and a run would begin later.
`moments.moments_vjp` gives the gradient with respect to the feature maps, the same way for every formula.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from neural_style.losses.moments import MeanMoments


def per_channel(channels: int) -> int:
    """Return the number of entries of a statistic that has one number per channel."""
    return channels


def per_pair(channels: int) -> int:
    """Return the number of entries of a statistic that has one number per pair of channels."""
    return channels**2


class MomentFormula(NamedTuple):
    """A loss between the mean moments of an image and of some styles."""

    value_and_gradient: Callable[[MeanMoments, Any, tf.Tensor], tuple[tf.Tensor, MeanMoments]]
    """(Moments of the image, moments of the styles with a first axis (styles, …), weights (styles,)) -> losses
    (styles,), each a mean over entries, and the gradient of Σ weights · losses by the moments of the image. The
    gradient's mass means nothing."""
    size: Callable[[MeanMoments], tf.Tensor]
    """Moments of the styles -> what a relative loss divides by, (styles,)."""
    with_first: bool = False
    """Whether it uses the first moment."""
    entries: Callable[[int], int] = per_channel
    """Number of channels -> number of entries that the loss is a mean of."""
    scaled: Callable[[MeanMoments, Any], MeanMoments] | None = None
    """(Moments of the styles, factors (styles,)) -> moments whose matrix, as the formula compares it, is the factor
    times as large. None for a formula that `reductions.NORMALIZATIONS` does not apply to. For the others, a factor f on
    the matrices of image and styles changes loss and size by f², and matrices are divided by the number of channels."""
    prepared: Callable[[MeanMoments], Any] | None = None
    """Moments of the styles -> what `value_and_gradient` takes in their place, computed once for many images; None for
    the moments themselves."""
    prepared_spec: Callable[[int], Any] | None = None
    """Number of channels -> shapes and types of what `prepared` returns, for TensorFlow."""

    def target(self, styles: MeanMoments) -> Any:
        """Return what `value_and_gradient` takes as its second argument."""
        return self.prepared(styles) if self.prepared else styles


def mean_square(values: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the mean squared differences of statistics of an image and of some styles, and their gradient.

    Args:
        values: of the image, (…).
        targets: of the styles, (styles, …).
        weights: (styles,).

    Returns:
        The means, (styles,), and the gradient of Σ weights · means by the values, (…).
    """
    differences = values - targets
    gradient = 2 / math.prod(values.shape) * blended(differences, weights)
    return tf.reduce_mean(tf.square(differences), axis=range(1, differences.shape.rank)), gradient


def blended(values: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Return Σ weights · values over the styles, for values (styles, …) and weights (styles,)."""
    return tf.reduce_sum(tf.reshape(weights, (-1, *[1] * (values.shape.rank - 1))) * values, axis=0)


def gram_loss(image: MeanMoments, styles: MeanMoments, weights: tf.Tensor) -> tuple[tf.Tensor, MeanMoments]:
    """Return the mean squared difference of Gram matrices, each divided by its number of feature values M·C.

    Differs from Gatys et al. (CVPR 2016, eq. 3 and 4), E = Σ(G - A)² / (4 M² C²) with matrices that are not divided, by
    the factor 4 / C² if both pictures have the same number of positions M, as in anishathalye/neural-style.

    Args:
        image: `second` is (channels, channels).
        styles: `second` is (styles, channels, channels).
        weights: (styles,).

    Returns:
        As for `MomentFormula.value_and_gradient`.
    """
    channels = image.second.shape[-1]
    losses, gradient = mean_square(image.second / channels, styles.second / channels, weights)
    return losses, MeanMoments(tf.zeros_like(image.first), gradient / channels)


def gram_size(styles: MeanMoments) -> tf.Tensor:
    """Return the mean square of the Gram matrices of `gram_loss`, which is the loss of an image without features.

    Args:
        styles: `second` is (styles, channels, channels).

    Returns:
        (styles,).
    """
    return tf.reduce_mean(tf.square(styles.second / styles.second.shape[-1]), axis=(-2, -1))


def scaled_gram(styles: MeanMoments, factors: tf.Tensor) -> MeanMoments:
    """Return moments with Gram matrices that are multiplied by factors (styles,)."""
    return styles._replace(second=styles.second * factors[:, tf.newaxis, tf.newaxis])


GRAM = MomentFormula(gram_loss, gram_size, entries=per_pair, scaled=scaled_gram)
