"""The objective of a picture as it would be printed: the loss sees the printed colors of the image."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from neural_style.compute.objective import Objective, check_shape
from neural_style.config.resolve import ResolvedConfig
from neural_style.images.proofing import SIDE, STEP, Proof
from neural_style.images.row_bands import row_bands
from neural_style.losses.spec import LossTerms

LEAK = 0.05
"""Share of the image itself in what the loss sees; the rest is the printed image.

Colors that print alike, and levels out of 0-255, would otherwise have no gradient, and an image that has them could not
leave them again. Colors that can be printed are seen as they are.
"""


class ProofedObjective:
    """An `Objective` whose loss is that of the printed image: L(Q(x)), where Q(x) = (1 - LEAK) P(x) + LEAK x.

    P is trilinear interpolation in the table of a `Proof`. The gradient is Q's Jacobian, transposed, times that of L.
    """

    def __init__(self, objective: Objective, proof: Proof):
        """Wrap an objective.

        Args:
            objective: the loss of the printed image.
            proof: the printed colors.
        """
        self._objective = objective
        self._table = tf.constant(proof.table.reshape(-1, 3))

    @property
    def mean(self) -> np.ndarray:
        """The network's mean pixel, float32 (3,), RGB of 0-255."""
        return self._objective.mean

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an image, (1, height, width, 3)."""
        return self._objective.shape

    def seen(self, image: Any) -> Any:
        """Return Q of an image, of its kind: what the loss sees."""
        return self._by_bands(image, lambda rows: _seen(image[0, rows], self._table, self.mean))

    def value_and_grad(self, image: Any) -> tuple[LossTerms, Any]:
        """Return the losses of an image as it is printed, and the gradient of their total; see `Objective`."""
        check_shape(image, self.shape)
        terms, upstream = self._objective.value_and_grad(self.seen(image))
        into = upstream if isinstance(upstream, np.ndarray) else None
        gradient = self._by_bands(
            image, lambda rows: _pulled_back(image[0, rows], upstream[0, rows], self._table, self.mean), into
        )
        return terms, gradient

    def set_weights(self, config: ResolvedConfig) -> None:
        """Use the loss weights of another configuration; see `Objective`."""
        self._objective.set_weights(config)

    def content_distance(self, image: Any) -> float | None:
        """Return how far the printed image's content features are from the photo's; see `Objective`."""
        check_shape(image, self.shape)
        return self._objective.content_distance(self.seen(image))

    def release(self) -> None:
        """Free the targets."""
        self._objective.release()

    def _by_bands(self, image: Any, make: Any, into: np.ndarray | None = None) -> Any:
        """Return an image of the kind of another, made in bands of rows.

        Args:
            image: the other image: an array, or a tensor.
            make: returns some rows.
            into: array for the result, if it is an array; None for a new one.
        """
        _, height, width, _ = self.shape
        bands = row_bands(height, width)
        if not isinstance(image, np.ndarray):
            return tf.concat([make(rows) for rows in bands], axis=0)[tf.newaxis]
        made = np.empty(self.shape, np.float32) if into is None else into
        for rows in bands:
            made[0, rows] = make(rows)
        return made


_ROWS = tf.TensorSpec((None, None, 3), tf.float32)
_SIGNATURE = [_ROWS, tf.TensorSpec((SIDE**3, 3), tf.float32), tf.TensorSpec((3,), tf.float32)]


def _corners(levels: tf.Tensor, table: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return what trilinear interpolation combines.

    Returns:
        Shares of the upper neighbors, (rows, width, 3); and the eight entries of the table around each color,
        (2, 2, 2, rows, width, 3), by lower or upper red, green and blue.
    """
    places = tf.clip_by_value(levels, 0.0, 255.0) / STEP
    low = tf.minimum(tf.cast(places, tf.int32), SIDE - 2)  # casting rounds down, because no place is negative
    first = (low[..., 0] * SIDE + low[..., 1]) * SIDE + low[..., 2]
    offsets = np.arange(2, dtype=np.int32)
    offsets = (offsets[:, None, None] * SIDE + offsets[:, None]) * SIDE + offsets
    entries = tf.gather(table, first + offsets[..., np.newaxis, np.newaxis])
    return places - tf.cast(low, tf.float32), entries


def _between(low: tf.Tensor, high: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    return low + share * (high - low)


@tf.function(input_signature=_SIGNATURE)
def _seen(image: tf.Tensor, table: tf.Tensor, mean: tf.Tensor) -> tf.Tensor:
    """Return Q of some rows of an image, (rows, width, 3)."""
    shares, at = _corners(image + mean, table)
    for channel in range(3):
        at = _between(at[0], at[1], shares[..., channel, tf.newaxis])
    return _between(at - mean, image, LEAK)


@tf.function(input_signature=[_ROWS, *_SIGNATURE])
def _pulled_back(image: tf.Tensor, upstream: tf.Tensor, table: tf.Tensor, mean: tf.Tensor) -> tf.Tensor:
    """Return the gradient with respect to some rows of an image, for the gradient with respect to Q of them."""
    levels = image + mean
    shares, at = _corners(levels, table)
    red, green, blue = (shares[..., channel] for channel in range(3))
    at = tf.reduce_sum(at * upstream, axis=-1)  # the loss is linear in the entries
    slopes = [
        _bilinear(at[1] - at[0], green, blue),
        _bilinear(at[:, 1] - at[:, 0], red, blue),
        _bilinear(at[:, :, 1] - at[:, :, 0], red, green),
    ]
    inside = tf.cast((levels >= 0) & (levels <= 255), tf.float32)
    return (1 - LEAK) / STEP * inside * tf.stack(slopes, axis=-1) + LEAK * upstream


def _bilinear(at: tf.Tensor, first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """Interpolate between four maps, (2, 2, rows, width), by two shares, (rows, width)."""
    by_second = _between(at[0], at[1], first)
    return _between(by_second[0], by_second[1], second)
