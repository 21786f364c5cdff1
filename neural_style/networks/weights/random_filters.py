"""Filters made from a seed, for the built-in network's deepest layers. Its file holds only their scales."""

import numpy as np

from neural_style import vgg19_spec

_MIDDLE = np.zeros((3, 3, 1, 1), bool)
_MIDDLE[1, 1] = True


def seeded_filters(conv: str) -> np.ndarray:
    """Return random filters of a convolution, the same on every machine and with every NumPy.

    They are bytes of PCG64's raw stream, which NumPy keeps stable (NEP 19), minus their mean and scaled to length 1.
    Random directions in so many dimensions are nearly orthogonal. The first convolution of a block sees 3×3 positions.
    The others mix the channels of one position and so keep the information of the layer before. Random filters of 3×3
    positions would blur it.

    Args:
        conv: the convolution, such as "conv4_2". It determines the seed.

    Returns:
        Float32 (3, 3, in, out).
    """
    shape = vgg19_spec.kernel_shape(conv)
    raw = np.random.PCG64(vgg19_spec.CONV_LAYERS.index(conv)).random_raw(-(-np.prod(shape) // 8)).astype("<u8")
    kernel = raw.view(np.int8)[: np.prod(shape)].reshape(shape).astype(np.float32)
    seen = np.ones((3, 3, 1, 1), bool) if conv.endswith("_1") else _MIDDLE
    kernel = np.where(seen, kernel - kernel.mean((0, 1, 2), where=seen, keepdims=True), 0)
    return kernel / np.sqrt(np.sum(kernel**2, (0, 1, 2)))
