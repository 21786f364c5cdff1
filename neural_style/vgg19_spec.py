"""The VGG19 architecture of Simonyan and Zisserman (arXiv:1409.1556, table 1, column E): names and shapes only.

Convolutions are named `conv<block>_<index>` and their rectified outputs `relu<block>_<index>`, as in the Caffe model
and in Gatys et al.; Keras calls the same convolution `block<block>_conv<index>`.
"""

from collections.abc import Iterable
from typing import NamedTuple

BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""(channels, convolutions) of each block; a 2×2 pooling with stride 2 follows each block."""

CONV_LAYERS = tuple(f"conv{b}_{i}" for b, (_, count) in enumerate(BLOCKS, 1) for i in range(1, count + 1))
"""The sixteen convolutions, shallow to deep."""

RELU_LAYERS = tuple(name.replace("conv", "relu") for name in CONV_LAYERS)
"""The sixteen rectified outputs, shallow to deep."""

LAYERS = CONV_LAYERS + RELU_LAYERS
"""Every layer that can be an output."""

IMAGENET_MEAN = (123.68, 116.779, 103.939)
"""Mean pixel of ImageNet (RGB, 0-255), as in Keras. The published weights expect pictures minus this pixel."""

POOLINGS = tuple(f"pool{b}" for b in range(1, len(BLOCKS)))
"""The poolings between the blocks, each named after the block before it."""

ROUNDINGS = ("up", "down")
"""What pooling does with an odd last row or column: "up" pools it by itself, "down" drops it."""

MIN_SIDE = 32
"""Smallest height or width, in pixels, that leaves every layer at least 2×2 positions."""


class Variant(NamedTuple):
    """What may differ between networks with the same weights; the published network is `Variant(rounding="down")`."""

    pooling: str = "max"
    """"max", "avg" or "l2": the largest value of a window, the mean, or the square root of the mean of the squares. The
    means are over the positions of the window that are in the map."""
    pooling_scale: float = 1.0
    """Factor by which pooled maps are multiplied."""
    rounding: str = "up"
    """What poolings do with an odd last row or column, one of `ROUNDINGS`."""
    padding: str = "zeros"
    """What convolutions see around a map: "zeros"; "replicate", the outermost positions once more; "reflect", the
    positions next to the outermost; or "wrap", the positions at the opposite edge."""
    padding_layers: str = "all"
    """Convolutions that see `padding`: "all", or "first" for conv1_1 alone. The others see zeros."""

    def padding_of(self, conv: str) -> str:
        """Return what a convolution sees around its map."""
        return self.padding if self.padding_layers == "all" or conv == CONV_LAYERS[0] else "zeros"


DEFAULT_VARIANT = Variant()
"""The network as a run uses it by default."""


def conv_of(layer: str) -> str:
    """Return the convolution behind a layer: conv4_2 for `relu4_2` and `conv4_2`, conv3_4 for `pool3`."""
    if layer in POOLINGS:
        return f"conv{layer[4]}_{BLOCKS[block_of(layer) - 1][1]}"
    return layer.replace("relu", "conv")


def block_of(layer: str) -> int:
    """Return the number, 1 to 5, of the block that a layer belongs to, or that a pooling follows."""
    return int(layer[4])


def convs_up_to(layers: Iterable[str]) -> tuple[str, ...]:
    """Return the convolutions, shallow to deep, that a network with these outputs needs. Empty for no outputs."""
    depth = max((CONV_LAYERS.index(conv_of(layer)) + 1 for layer in layers), default=0)
    return CONV_LAYERS[:depth]


def stride(layer: str, start: str | None = None) -> int:
    """Return how many positions at `start` there are per position of a layer, along each side.

    Args:
        layer: name of a layer or pooling.
        start: a pooling; None for the image.
    """
    first = 1 if start is None else block_of(start) + 1
    return 2 ** (block_of(layer) - first + (layer in POOLINGS))


def positions(length: int, stride: int, rounding: str) -> int:
    """Return the length of a side of a map after poolings.

    Args:
        length: length of the side before the poolings, in positions.
        stride: product of the poolings' strides.
        rounding: one of `ROUNDINGS`.
    """
    return -(-length // stride) if rounding == "up" else length // stride


def halved_sizes(width: int, height: int, count: int) -> list[tuple[int, int]]:
    """Return widths and heights of a picture and of its reductions by `compute.halving`, the picture itself first.

    Args:
        width: width of the picture in pixels.
        height: height of the picture in pixels.
        count: number of sizes, each half as wide and high as the one before it, rounded up.
    """
    divisors = [2**halvings for halvings in range(count)]
    return [(positions(width, each, "up"), positions(height, each, "up")) for each in divisors]


def reach(layers: Iterable[str], start: str | None = None) -> int:
    """Return how far layers look beyond a block of positions, on each side, in positions of the map at `start`.

    The block is assumed to begin and end at multiples of the layers' strides. Then poolings do not reach beyond it, and
    each 3×3 convolution reaches one of its own positions further. From the image to relu5_1 that is 70 px. The
    receptive field of relu5_1 is 70 + 16 + 70 = 156 px.
    """
    first = 1 if start is None else block_of(start) + 1
    return sum(2 ** (block_of(conv) - first) for conv in convs_up_to(layers) if block_of(conv) >= first)


def kernel_shape(conv: str) -> tuple[int, int, int, int]:
    """Return the shape of a convolution's kernels: (height, width, channels in, channels out)."""
    position = CONV_LAYERS.index(conv)
    channels_in = 3 if position == 0 else BLOCKS[block_of(CONV_LAYERS[position - 1]) - 1][0]
    return (3, 3, channels_in, BLOCKS[block_of(conv) - 1][0])


def keras_name(conv: str) -> str:
    """Return Keras's name of a convolution: `block4_conv2` for `conv4_2`."""
    return f"block{conv[4]}_conv{conv[6]}"
