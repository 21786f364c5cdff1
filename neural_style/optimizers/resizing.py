"""Moments of Adam for the same picture at another size."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from neural_style.optimizers.adam import AdamState
from neural_style.optimizers.base import Arrays
from neural_style.optimizers.variables import Variables


def moments_of(state: AdamState) -> Arrays:
    """Return what `take_moments` needs of a state, without copies: use the state for nothing else from then on."""
    numbers = np.array([state.count, state.scale], np.float64)
    return {"numbers": numbers, "mean": np.asarray(state.mean), "variance": np.asarray(state.variance)}


def take_moments(state: AdamState, moments: Arrays, variables: Variables) -> None:
    """Give a state the moments that Adam had at another size.

    Arrays, which are changed in place, need one more image while this computes. That is in the computer's memory, as
    they are.

    Args:
        state: of a picture at this size. It is changed.
        moments: of `moments_of`, at the other size.
        variables: what the state is of, of the same kind as those of the moments.
    """
    count, scale = moments["numbers"].tolist()
    state.count, state.scale = int(count), scale
    for name, degree in (("mean", 1), ("variance", 2)):
        new = getattr(state, name)
        if isinstance(new, np.ndarray):
            with tf.device("CPU:0"):
                np.copyto(new, variables.resized(moments[name], degree).numpy())
        else:
            setattr(state, name, variables.resized(moments[name], degree))
    if isinstance(state.variance, np.ndarray):  # bicubic interpolation overshoots
        np.maximum(state.variance, 0, out=state.variance)
    else:
        state.variance = tf.maximum(state.variance, 0.0)
