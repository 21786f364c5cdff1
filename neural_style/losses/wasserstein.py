"""The Wasserstein-2 distance of Gaussians with the means and covariances of two feature maps.

It is the style loss of crowsonkb/style-transfer-pytorch. Its roots of matrices are those of 12 Newton-Schulz steps. The
steps are part of the loss: of an eigenvalue far below the largest, they give less than the root. On VGG19's features of
photographs and paintings of 256 and 384 px, the loss is 1 to 11 % more than with exact roots. Of a painting with a
little noise against the painting itself, it is 1.3 to 6 times as much. There the small eigenvalues decide, which
rounding hardly leaves exact.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from neural_style.losses.covariance import covariance, through_covariance
from neural_style.losses.moments import MeanMoments
from neural_style.losses.style import MomentFormula, blended, mean_square

RIDGE = 1e-4
"""What is added to the diagonal of each covariance."""

STEPS = 12
"""Newton-Schulz steps that the roots stand for."""

_LEAST_EIGENVALUE = 1e-7
"""Axes of a style whose variance is below this share of the largest are left out; they hardly change the loss."""

_CHAIN = (
    (8.268036397452756, -23.34769936551241, 17.095010642729942),
    (4.227357983130447, -2.443963508680068, 0.4200496246904425),
    (2.3111390632286146, -0.48611281742760365, 0.04152298316837352),
    (1.0300797962957227, -0.16680111767974048, 0.012045768655402436),
)
_OF_ROOT = (1.5593017702050498, -0.704679700978133, 0.13821126854702345)
_OF_SLOPE = (1.5596344857114934, -1.720118123477429, 0.767664769570862, -0.08295514471694973)
"""Coefficients that replace the 12 steps, fitted to them and to their derivative: see `_root_and_slope`."""

_GREATEST = 1.3
"""Bound of what the chain makes of eigenvalues of 0-1. It makes large negative numbers of negative ones."""


class GaussianTarget(NamedTuple):
    """What `wasserstein` needs of some styles."""

    first: tf.Tensor
    """Means of the features, float32 (styles, channels)."""
    variance: tf.Tensor
    """Variances, averaged over channels, float32 (styles,)."""
    axes: tf.Tensor
    """Principal axes of the features, each multiplied by its deviation, float32 (styles, channels, axes)."""


def gaussian_target(styles: MeanMoments) -> GaussianTarget:
    """Compute what `wasserstein` needs of styles, once for many images.

    Args:
        styles: `first` is (styles, channels), `second` is (styles, channels, channels).
    """
    first, second = styles.first, styles.second
    kind = first.dtype
    means, seconds = (tf.cast(values, tf.float64) for values in (first, second))
    values, vectors = tf.linalg.eigh(seconds - means[:, :, tf.newaxis] * means[:, tf.newaxis])  # one column per axis
    values = np.maximum(values, 0) + RIDGE  # ascending
    count = int(np.max(np.sum(values > _LEAST_EIGENVALUE * values[:, -1:], axis=1)))
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    deviations = np.sqrt(norms) * stepped_root(values / norms)
    axes = (vectors * deviations[:, np.newaxis])[..., -count:]
    return GaussianTarget(first, *(tf.cast(each, kind) for each in (np.mean(values, axis=1), axes)))


def gaussian_target_spec(channels: int) -> GaussianTarget:
    """Return the shapes and types of `gaussian_target`, for TensorFlow."""
    shapes = (None, channels), (None,), (None, channels, None)
    return GaussianTarget(*(tf.TensorSpec(shape, tf.float32) for shape in shapes))


def stepped_root(values: np.ndarray) -> np.ndarray:
    """Return what 12 Newton-Schulz steps make of the root of numbers of 0-1: a little less, for numbers below 1e-3."""
    root = share = np.sqrt(values)
    for _ in range(STEPS):
        share = share * (3 - share**2) / 2
    return root * share


def wasserstein(image: MeanMoments, styles: GaussianTarget, weights: tf.Tensor) -> tuple[tf.Tensor, MeanMoments]:
    """Return the squared Wasserstein-2 distance of Gaussians, divided by the number of channels.

    It is mean((μ - μ')²) + mean diag(S + S' - 2 (S'^½ S S'^½)^½) for means μ, μ' and covariances S, S', each with
    `RIDGE` added to its diagonal (Dowson and Landau, J. Multivariate Analysis 12, 1982). Both roots are those of 12
    Newton-Schulz steps from a matrix divided by its Frobenius norm, as in crowsonkb/style-transfer-pytorch.

    Args:
        image: `first` is (channels,), `second` is (channels, channels).
        styles: from `gaussian_target`.
        weights: (styles,).

    Returns:
        As for `MomentFormula.value_and_gradient`.
    """
    channels = image.first.shape[-1]
    identity = tf.eye(channels, dtype=image.first.dtype)
    ours = covariance(image) + RIDGE * identity
    root, slope = root_trace(ours, styles.axes)
    of_means, of_first = mean_square(image.first, styles.first, weights)
    losses = of_means + styles.variance + (tf.linalg.trace(ours) - 2 * root) / channels
    gradient = through_covariance(blended(identity - 2 * slope, weights) / channels, image)
    return losses, gradient._replace(first=of_first + gradient.first)


def wasserstein_size(styles: MeanMoments) -> tf.Tensor:
    """Return the mean square of the means plus the mean variance, which is the loss of an image without features.

    Args:
        styles: `first` is (styles, channels), `second` is (styles, channels, channels).

    Returns:
        (styles,).
    """
    return tf.reduce_mean(tf.linalg.diag_part(styles.second), axis=-1)


def root_trace(covariance: tf.Tensor, axes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the trace of (S'^½ S S'^½)^½ in 12 Newton-Schulz steps, and its gradient with respect to S.

    With S' = U Uᵀ, the matrix has the eigenvalues of A = Uᵀ S U. The gradient includes that of the Frobenius norm by
    which the steps divide. If rounding has left A with distinctly negative eigenvalues, as it may where all positions
    of a map are alike, the trace of A times a factor takes the place of the root. It never exceeds it.

    Args:
        covariance: S, (channels, channels).
        axes: U, (styles, channels, axes).

    Returns:
        The traces, (styles,), and their gradients, (styles, channels, channels).
    """
    projected = tf.matmul(axes, tf.matmul(covariance, axes), transpose_a=True)  # (styles, axes, axes)
    norm = tf.maximum(tf.sqrt(_product_trace(projected, projected)), np.finfo(np.float32).tiny)
    scaled, identity = projected / norm, tf.eye(tf.shape(axes)[-1], dtype=axes.dtype)
    trace, slope, fits = _root_and_slope(scaled, identity)
    of_norm = trace / 2 - _product_trace(slope, scaled)
    slope = tf.where(fits, slope + of_norm * scaled, identity / 2)
    trace = tf.where(fits, trace, tf.linalg.trace(scaled)[:, tf.newaxis, tf.newaxis] / 2)
    gradient = tf.matmul(axes, tf.matmul(slope / tf.sqrt(norm), axes, transpose_b=True))
    return (trace * tf.sqrt(norm))[:, 0, 0], gradient


def _root_and_slope(matrices: tf.Tensor, identity: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return the trace of the roots of matrices K, the derivative f'(K) of their function, and whether both hold.

    f is the function of eigenvalues that `stepped_root` computes. A chain of polynomials takes the place of the steps:
    P = I and Y = K at first, then P -> P w(Y P) and Y -> Y w(Y P) with another w each time. At its end, f(K) is
    Y v(Y P), and its derivative is P u(Y P). Both are within 1e-4 of the root of the norm.
    """
    current, root, inverse_root = matrices, matrices, None
    for constant, linear, quadratic in _CHAIN:
        factor = constant * identity + linear * current + quadratic * tf.matmul(current, current)
        inverse_root = factor if inverse_root is None else tf.matmul(inverse_root, factor)
        root = tf.matmul(root, factor)
        current = tf.matmul(root, inverse_root)
    square = tf.matmul(current, current)
    of_root = _OF_ROOT[0] * identity + _OF_ROOT[1] * current + _OF_ROOT[2] * square
    of_slope = _OF_SLOPE[0] * identity + _OF_SLOPE[1] * current
    of_slope += tf.matmul(square, _OF_SLOPE[2] * identity + _OF_SLOPE[3] * current)
    slope = tf.matmul(inverse_root, of_slope)
    slope = (slope + tf.linalg.matrix_transpose(slope)) / 2
    fits = _product_trace(current, current) <= _GREATEST * tf.linalg.trace(current)[:, tf.newaxis, tf.newaxis]
    return _product_trace(root, of_root), slope, fits


def _product_trace(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """Return the traces of the products of symmetric matrices, (styles, 1, 1)."""
    return tf.reduce_sum(one * other, axis=(-2, -1), keepdims=True)


WASSERSTEIN = MomentFormula(
    wasserstein, wasserstein_size, with_first=True, prepared=gaussian_target, prepared_spec=gaussian_target_spec
)
