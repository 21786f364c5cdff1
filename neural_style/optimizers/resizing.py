"""Optimizer states for the same picture at another size."""

from __future__ import annotations

import tensorflow as tf

from neural_style.optimizers.adam import AdamState
from neural_style.optimizers.curvature_pairs import CurvaturePairs
from neural_style.optimizers.lbfgs import LBFGSState
from neural_style.optimizers.vectors import dot


def resized(state: AdamState | LBFGSState, image: tf.Tensor) -> AdamState | LBFGSState:
    """Return a state for going on at another size.

    Where the loss is a mean over pixels, its derivative by one of n pixels goes with 1 / n.

    Args:
        state: of `Adam` or `LBFGS`, whose image is (1, height, width, channels). It stays as it is.
        image: the picture at the other size, (1, other height, other width, channels): where to go on.
    """
    _, height, width, _ = image.shape
    old_shape = state.image.shape

    def scaled(tensor: tf.Tensor, power: int) -> tf.Tensor:
        """Return resized values of a quantity that goes with this power of the derivative."""
        share = old_shape[1] * old_shape[2] / (height * width)
        return tf.image.resize(tensor, (height, width), "bicubic") * share**power

    if isinstance(state, AdamState):
        variance = tf.maximum(scaled(state.variance, 2), 0.0)  # since bicubic interpolation overshoots
        return AdamState(image, scaled(state.mean, 1), variance, state.count, state.scale)
    pairs = CurvaturePairs()
    rows = [tf.reshape(row, old_shape) for row in state.pairs.rows()]
    for old_step, old_change in zip(rows[::2], rows[1::2], strict=True):
        step, change = scaled(old_step, 0), scaled(old_change, 1)
        pair = tf.stack([tf.reshape(step, [-1]), tf.reshape(change, [-1])])
        pairs.add(pair, float(dot(step, change)), len(state.pairs))
    return LBFGSState(image, pairs=pairs, scale=state.scale)
