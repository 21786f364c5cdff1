"""Filters made from a seed instead of read from a file: what a weights file holds only responses for."""

import numpy as np

from neural_style import architecture


def seeded_filters(conv: str) -> np.ndarray:
    """Random filters of a convolution, the same on every machine and with every NumPy.

    They are bytes of PCG64's raw stream, which NumPy keeps stable (NEP 19), less their mean and scaled to length 1; so
    many random directions are all but orthogonal.

    Args:
        conv: the convolution, which is also the seed, e.g. "conv4_2".

    Returns:
        Float32 (3, 3, in, out).
    """
    shape = architecture.kernel_shape(conv)
    raw = np.random.PCG64(architecture.CONV_LAYERS.index(conv)).random_raw(-(-np.prod(shape) // 8)).astype("<u8")
    kernel = raw.view(np.int8)[: np.prod(shape)].reshape(-1, shape[3]).astype(np.float32)
    kernel -= kernel.mean(0)
    kernel /= np.linalg.norm(kernel, axis=0)
    return kernel.reshape(shape)
