"""The VGG19 architecture of Simonyan and Zisserman (arXiv:1409.1556, table 1, column E), as names and shapes alone.

Convolutions are named `conv<block>_<index>` and their rectified outputs `relu<block>_<index>`, as in the Caffe model
and in Gatys et al.; Keras calls the same convolution `block<block>_conv<index>`.
"""

from collections.abc import Iterable

BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""(channels, convolutions) of each block; a 2×2 pooling with stride 2 follows each block."""

CONV_LAYERS = tuple(f"conv{b}_{i}" for b, (_, count) in enumerate(BLOCKS, 1) for i in range(1, count + 1))
"""The sixteen convolutions, shallow to deep."""

RELU_LAYERS = tuple(name.replace("conv", "relu") for name in CONV_LAYERS)
"""The sixteen rectified outputs, shallow to deep."""

LAYERS = CONV_LAYERS + RELU_LAYERS
"""Every name that may be asked for as an output."""

IMAGENET_MEAN = (123.68, 116.779, 103.939)
"""Mean pixel of ImageNet (RGB, 0-255) as Keras has it, which the published weights want subtracted."""

POOLINGS = tuple(f"pool{b}" for b in range(1, len(BLOCKS)))
"""The poolings between the blocks, each named after the block before it."""

ROUNDINGS = ("up", "down")
"""What a pooling makes of an odd last row or column: a position of its own, or nothing."""

MIN_SIDE = 32
"""Smallest height or width, in pixels, that leaves every layer at least 2×2 positions."""


def conv_of(layer: str) -> str:
    """Name of the convolution behind a layer: `relu4_2` and `conv4_2` both give `conv4_2`, `pool3` gives `conv3_4`."""
    if layer in POOLINGS:
        return f"conv{layer[4]}_{BLOCKS[block_of(layer) - 1][1]}"
    return layer.replace("relu", "conv")


def block_of(layer: str) -> int:
    """Number of the block, 1 to 5, that a layer belongs to, or the pooling that follows it."""
    return int(layer[4])


def convs_up_to(layers: Iterable[str]) -> tuple[str, ...]:
    """The convolutions, shallow to deep, that a network with these outputs needs. Empty for no outputs."""
    depth = max((CONV_LAYERS.index(conv_of(layer)) + 1 for layer in layers), default=0)
    return CONV_LAYERS[:depth]


def stride(layer: str, start: str | None = None) -> int:
    """Positions of the map at `start`, a pooling or the image, per position of a layer, along each side."""
    first = 1 if start is None else block_of(start) + 1
    return 2 ** (block_of(layer) - first + (layer in POOLINGS))


def positions(length: int, stride: int, rounding: str) -> int:
    """Number of positions along a side of a map that a side of some positions is pooled to.

    Args:
        length: positions before the poolings.
        stride: product of the poolings' strides.
        rounding: one of `ROUNDINGS`.
    """
    return -(-length // stride) if rounding == "up" else length // stride


def reach(layers: Iterable[str], start: str | None = None) -> int:
    """How far layers look beyond a block of positions, on each side, in positions of the map at `start`.

    A block that begins and ends at multiples of the layers' strides is meant: poolings do not reach beyond such a one,
    and each 3×3 convolution reaches one of its own positions. From the image to relu5_1 it is 70 px, which with the 16
    px of a position makes its receptive field of 156 px.
    """
    first = 1 if start is None else block_of(start) + 1
    return sum(2 ** (block_of(conv) - first) for conv in convs_up_to(layers) if block_of(conv) >= first)


def kernel_shape(conv: str) -> tuple[int, int, int, int]:
    """Shape (height, width, channels in, channels out) of a convolution's kernels."""
    position = CONV_LAYERS.index(conv)
    channels_in = 3 if position == 0 else BLOCKS[block_of(CONV_LAYERS[position - 1]) - 1][0]
    return (3, 3, channels_in, BLOCKS[block_of(conv) - 1][0])


def keras_name(conv: str) -> str:
    """Keras's name of a convolution: `conv4_2` is `block4_conv2`."""
    return f"block{conv[4]}_conv{conv[6]}"
