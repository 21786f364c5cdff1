"""The convolutions of an evaluation, each alone: what an evaluation would take if it consisted of nothing else."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable

import numpy as np

from neural_style import vgg19_spec
from neural_style.config.config import Config

Kind = tuple[str, tuple[int, int, int]]
"""Direction, "forward" or "backward", and (block, channels in, channels out)."""


def count_convolutions(config: Config) -> Counter[Kind]:
    """Return how many convolutions of each kind an evaluation makes."""
    counts: Counter[Kind] = Counter()
    for conv in vgg19_spec.convs_up_to(config.layers):
        shape = (vgg19_spec.block_of(conv), *vgg19_spec.kernel_shape(conv)[2:])
        counts.update([("forward", shape), ("backward", shape)])
    return counts


def convolution_actions(config: Config, width: int, precision: str) -> dict[Kind, Callable[[], object]]:
    """Return a function for each kind of convolution, which makes one for a picture of width × width pixels."""

    def side(block: int) -> int:
        return vgg19_spec.positions(width, 2 ** (block - 1), config.pool_rounding)

    return {kind: _convolution(*kind, side(kind[1][0]), precision) for kind in count_convolutions(config)}


def _convolution(direction: str, shape: tuple[int, int, int], side: int, precision: str) -> Callable[[], object]:
    import tensorflow as tf

    rng = np.random.default_rng(0)

    def random(*sides: int) -> tf.Tensor:
        return tf.cast(tf.constant(rng.standard_normal(sides, np.float32)), precision)

    _, channels_in, channels_out = shape
    options = {"filters": random(3, 3, channels_in, channels_out), "strides": 1, "padding": "SAME"}
    if direction == "forward":
        convolve = functools.partial(tf.nn.conv2d, **options)
        return functools.partial(tf.function(convolve), random(1, side, side, channels_in))
    convolve = functools.partial(tf.nn.conv2d_transpose, output_shape=(1, side, side, channels_in), **options)
    return functools.partial(tf.function(convolve), random(1, side, side, channels_out))
