"""The convolutions of an evaluation, each alone: what an evaluation would take if it consisted of nothing else."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable

import numpy as np

from neural_style import vgg19_spec
from neural_style.config.config import Config

Kind = tuple[str, int, int, int]
"""Direction, "forward" or "backward"; channels in, channels out; side of the map."""


def count_convolutions(config: Config, width: int) -> Counter[Kind]:
    """Return how many convolutions of each kind an evaluation of width × width pixels makes, at all its sizes."""
    counts: Counter[Kind] = Counter()
    for conv in vgg19_spec.convs_up_to(config.layers):
        channels_in, channels_out = vgg19_spec.kernel_shape(conv)[2:]
        stride = 2 ** (vgg19_spec.block_of(conv) - 1)
        for size, _ in vgg19_spec.halved_sizes(width, width, config.loss_scales):
            side = vgg19_spec.positions(size, stride, config.pool_rounding)
            counts.update((direction, channels_in, channels_out, side) for direction in ("forward", "backward"))
    return counts


def convolution_actions(config: Config, width: int, precision: str) -> dict[Kind, Callable[[], object]]:
    """Return a function for each kind of convolution of `count_convolutions`, which makes one."""
    return {kind: _convolution(*kind, precision) for kind in count_convolutions(config, width)}


def _convolution(
    direction: str, channels_in: int, channels_out: int, side: int, precision: str
) -> Callable[[], object]:
    import tensorflow as tf

    rng = np.random.default_rng(0)

    def random(*sides: int) -> tf.Tensor:
        return tf.cast(tf.constant(rng.standard_normal(sides, np.float32)), precision)

    options = {"filters": random(3, 3, channels_in, channels_out), "strides": 1, "padding": "SAME"}
    if direction == "forward":
        convolve = functools.partial(tf.nn.conv2d, **options)
        return functools.partial(tf.function(convolve), random(1, side, side, channels_in))
    convolve = functools.partial(tf.nn.conv2d_transpose, output_shape=(1, side, side, channels_in), **options)
    return functools.partial(tf.function(convolve), random(1, side, side, channels_out))
