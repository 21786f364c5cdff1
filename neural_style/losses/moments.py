"""Moments of feature maps over positions: every style loss is a function of them.

They are sums, so the moments of the parts of a picture add up to those of the whole. That makes tiles exact.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

PARTS = 16
"""Number of parts of a feature map whose second moments are computed apart and then added.

They are added in float32, or in the map's own type if that has more bits. In float32, the sum over many positions is
then ten times as exact as a single matrix product, and faster. TensorFlow has no product of bfloat16 matrices with a
float32 result: within a part, the hardware adds in float32, but the result of the part is rounded to 8 bits. The
rounding errors of many parts cancel out. With 16 parts, a relative error of 4e-4 remains.

That is too much for variances and covariances, the small differences of second moments and products of means. So where
the first moment is wanted, an approximate mean is subtracted from the features before the product, and what that
changes is added in float32. Likewise, in the gradient, what nearly cancels is added in float32.
"""

_SHIFT_STRIDE = 16
"""Of so many positions, one counts in the mean that is subtracted. It need not be exact."""


class Moments(NamedTuple):
    """Sums over the positions of a feature map, each position weighted by a mask if there is one."""

    mass: Any
    """Number of positions, or sum of the mask: a scalar; of several masks, (regions,)."""
    first: Any
    """Sum of the features, (…, channels); empty, (…, 0), if no formula needs it."""
    second: Any
    """Sum of the outer products of the features, FᵀF as in Gatys et al. (CVPR 2016, eq. 3): (…, channels, channels),
    symmetric."""

    def __add__(self, other: Moments) -> Moments:  # type: ignore[override]
        """Return the moments of two disjoint sets of positions taken together."""
        return Moments(*(one + another for one, another in zip(self, other, strict=True)))

    def in_float64(self) -> Moments:
        """Return the same moments in NumPy's float64, in which many can be added up."""
        return Moments(*(np.asarray(value).astype(np.float64) for value in self))


class MeanMoments(NamedTuple):
    """Moments divided by their mass, as style formulas take them.

    Those of several styles have a first axis (styles, …), and those of several regions of a picture (regions, …).
    """

    first: Any
    """Mean of the features, float32 (…, channels); empty, (…, 0), if no formula needs it."""
    second: Any
    """Mean of the outer products, float32 (…, channels, channels)."""
    mass: Any = 1.0
    """What the sums were divided by, float32 (…)."""


def mean_moments(moments: Moments, scale: float = 1.0) -> MeanMoments:
    """Divide moments of any type by their mass; return float32 tensors.

    Args:
        moments: sums over a feature map.
        scale: factor on the features, so on the first moment, and, squared, on the second.
    """
    first, second = per_mass(moments.first, moments.mass, 1), per_mass(moments.second, moments.mass, 2)
    if scale != 1:
        first, second = scale * first, scale**2 * second
    return MeanMoments(*(tf.cast(value, tf.float32) for value in (first, second, moments.mass)))


def per_mass(sums: Any, mass: Any, axes: int) -> Any:
    """Divide sums by their mass, which has all their axes but the last `axes`."""
    return sums / (mass[(..., *[tf.newaxis] * axes)] if len(mass.shape) else mass)


def stacked(means: list[MeanMoments]) -> MeanMoments:
    """Stack the means of several pictures along a new first axis."""
    return MeanMoments(*(tf.stack(values) for values in zip(*means, strict=True)))


def moments(features: tf.Tensor, mask: tf.Tensor | None = None, *, with_first: bool = False) -> Moments:
    """Compute the moments of a feature map.

    Args:
        features: float (1, height, width, channels).
        mask: weight of each position, float (1, height, width, 1), of any range; None for 1 everywhere.
        with_first: whether to compute the first moment.

    Returns:
        Moments in float32 for bfloat16 features, and otherwise in their type; the mass is float32.
    """
    flat = tf.reshape(features, (-1, features.shape[-1]))  # (positions, channels)
    of_mask = None if mask is None else tf.reshape(mask, (-1, 1))

    def weighted(values: tf.Tensor) -> tf.Tensor:
        return values if of_mask is None else values * tf.cast(of_mask, values.dtype)

    mass = tf.cast(tf.shape(flat)[0], tf.float32) if of_mask is None else tf.reduce_sum(tf.cast(of_mask, tf.float32))
    of_flat = weighted(flat)
    first = tf.reduce_sum(_at_least_float32(of_flat if with_first else of_flat[:, :0]), axis=0)
    if not with_first or flat.dtype != tf.bfloat16:
        return Moments(mass, first, _second_moment(flat, of_flat))
    shift = _shift(flat)
    around, shift32 = flat - shift, tf.cast(shift, tf.float32)
    rest = shift32[:, None] * (first - mass * shift32 / 2)
    return Moments(mass, first, _second_moment(around, weighted(around)) + rest + tf.transpose(rest))


def _second_moment(flat: tf.Tensor, weighted: tf.Tensor) -> tf.Tensor:
    """Return the sum of the outer products of two lists of vectors, (positions, channels) each, at least in float32."""
    channels = flat.shape[-1]
    even = tf.shape(flat)[0] // PARTS * PARTS
    parts, weighted_parts = (tf.reshape(each[:even], (PARTS, -1, channels)) for each in (flat, weighted))
    of_parts = _at_least_float32(tf.matmul(parts, weighted_parts, transpose_a=True))  # (parts, channels, channels)
    rest, weighted_rest = _at_least_float32(flat[even:]), _at_least_float32(weighted[even:])
    return tf.reduce_sum(of_parts, axis=0) + tf.matmul(rest, weighted_rest, transpose_a=True)


def _shift(flat: tf.Tensor) -> tf.Tensor:
    """Return about the mean of vectors (positions, channels), in their type: (channels,)."""
    return tf.cast(tf.reduce_mean(_at_least_float32(flat[::_SHIFT_STRIDE]), axis=0), flat.dtype)


def moments_vjp(features: tf.Tensor, upstream: Moments, mask: tf.Tensor | None = None) -> tf.Tensor:
    """Return the gradient of a scalar with respect to a feature map, given its gradient with respect to the moments.

    With the upstream gradients u of the first and U of the second moment, and a mask m, it is m · (F(U + Uᵀ) + u). It
    is written out because TensorFlow's own gradient computes two matrix products instead of one. `upstream.mass` is
    ignored, because the mass does not depend on the features.

    Args:
        features: as for `moments`.
        upstream: gradient with respect to `Moments.second` and, if it is not empty, `Moments.first`: float32.
        mask: as for `moments`.

    Returns:
        A tensor of the features' shape and type.
    """
    flat = tf.reshape(features, (-1, features.shape[-1]))
    both, own = upstream.second + tf.transpose(upstream.second), upstream.first
    with_first = own.shape[-1] > 0
    if with_first and features.dtype == tf.bfloat16:
        shift = _shift(flat)
        flat -= shift
        own += tf.linalg.matvec(both, tf.cast(shift, tf.float32))
    gradient = tf.matmul(flat, tf.cast(both, features.dtype))
    if with_first:
        gradient += tf.cast(own, features.dtype)
    if mask is not None:
        gradient *= tf.cast(tf.reshape(mask, (-1, 1)), features.dtype)
    return tf.reshape(gradient, tf.shape(features))


def regional_moments(features: tf.Tensor, masks: tf.Tensor, *, with_first: bool = False) -> Moments:
    """Compute the moments of a feature map in several regions, one after the other, because their copies take memory.

    They are the guided Gram matrices of Gatys et al. (CVPR 2017, eq. 3 and 4). Differs from them by weighting a
    position with the mask T instead of T², and by leaving the normalization to `mean_moments`. So of masks that add up
    to 1, the moments add up to those of the whole map.

    Args:
        features: as for `moments`.
        masks: weight of each position in each region, float (1, height, width, regions).
        with_first: as for `moments`.

    Returns:
        Moments with a first axis (regions, …).
    """
    kind = tf.float32 if features.dtype == tf.bfloat16 else features.dtype

    def of_region(mask: tf.Tensor) -> Moments:
        return moments(features, mask, with_first=with_first)

    return tf.map_fn(
        of_region, _by_region(masks), parallel_iterations=1, fn_output_signature=Moments("float32", kind, kind)
    )


def regional_moments_vjp(features: tf.Tensor, upstream: Moments, masks: tf.Tensor) -> tf.Tensor:
    """Return the gradient of a scalar with respect to a feature map, given that with respect to `regional_moments`.

    Args:
        features: as for `moments`.
        upstream: as for `moments_vjp`, with a first axis (regions, …).
        masks: as for `regional_moments`.

    Returns:
        A tensor of the features' shape and type.
    """

    def with_region(total: tf.Tensor, of_region: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> tf.Tensor:
        first, second, mask = of_region
        return total + moments_vjp(features, Moments(upstream.mass, first, second), mask)

    elements = upstream.first, upstream.second, _by_region(masks)
    return tf.foldl(with_region, elements, tf.zeros_like(features), parallel_iterations=1)


def _by_region(masks: tf.Tensor) -> tf.Tensor:
    """Return masks (1, height, width, regions) as (regions, 1, height, width)."""
    return tf.transpose(masks, [3, 0, 1, 2])


def channel_sums(features: tf.Tensor) -> tf.Tensor:
    """Sum each channel, and its squares, over positions. These sums add up over the parts of a picture.

    Args:
        features: float (1, height, width, channels).

    Returns:
        float32 (2, channels).
    """
    features = tf.cast(features, tf.float32)
    return tf.stack([tf.reduce_sum(features, axis=(0, 1, 2)), tf.reduce_sum(tf.square(features), axis=(0, 1, 2))])


def _at_least_float32(values: tf.Tensor) -> tf.Tensor:
    return tf.cast(values, tf.float32) if values.dtype == tf.bfloat16 else values
