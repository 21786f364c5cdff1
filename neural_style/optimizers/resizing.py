"""Moments of Adam for the same picture at another size."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from neural_style.optimizers.adam import AdamState
from neural_style.optimizers.base import Arrays


def moments_of(state: AdamState) -> Arrays:
    """Return what `take_moments` needs of a state, without copies: use the state for nothing else from then on."""
    numbers = np.array([state.count, state.scale], np.float64)
    return {"numbers": numbers, "mean": np.asarray(state.mean), "variance": np.asarray(state.variance)}


def take_moments(state: AdamState, moments: Arrays) -> None:
    """Give a state the moments that Adam had at another size.

    Where the loss is a mean over pixels, its derivative by one of n pixels goes with 1 / n. Arrays, which are changed
    in place, need one more image while this computes. That is in the computer's memory, as they are.

    Args:
        state: of the picture (1, height, width, channels) at this size. It is changed.
        moments: of `moments_of`, of shape (1, other height, other width, channels).
    """
    count, scale = moments["numbers"].tolist()
    state.count, state.scale = int(count), scale
    _, height, width, _ = state.image.shape
    share = moments["mean"].shape[1] * moments["mean"].shape[2] / (height * width)
    for name, power in (("mean", 1), ("variance", 2)):
        old, new, factor = moments[name], getattr(state, name), np.float32(share**power)
        if isinstance(new, np.ndarray):
            with tf.device("CPU:0"):
                np.multiply(tf.image.resize(old, (height, width), "bicubic").numpy(), factor, out=new)
        else:
            setattr(state, name, tf.image.resize(old, (height, width), "bicubic") * factor)
    if isinstance(state.variance, np.ndarray):  # bicubic interpolation overshoots
        np.maximum(state.variance, 0, out=state.variance)
    else:
        state.variance = tf.maximum(state.variance, 0.0)
