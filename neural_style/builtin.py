"""The network that needs no download: VGG19 with random filters, each channel normalised on generated pictures.

Random filters carry colour and fine texture (He, Wang and Hopcroft, arXiv:1606.04801) but no notion of strokes and
objects: results are rougher than with the ImageNet weights. It is the same network on every call.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from neural_style import architecture

MEAN = np.array([123.68, 116.779, 103.939], np.float32)
"""Mean pixel, RGB, 0-255: that of ImageNet, as good a grey as any."""

RESPONSE = (60.0, 300.0, 450.0, 300.0, 100.0)
"""Standard deviation of every channel before rectification, by block: the order of what the ImageNet weights give."""

_SEED = 19
_SIDE = 128
_PICTURES = 3


def random_network(convs: Iterable[str]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
    """Make the first convolutions of the network.

    Args:
        convs: names of the convolutions from `conv1_1` on, shallow to deep.

    Returns:
        Kernels by name, float32 (3, 3, in, out), for RGB input; biases by name, float32 (out,); the mean pixel.
    """
    rng = np.random.default_rng(_SEED)
    maps = np.stack([picture - MEAN for picture in _calibration_pictures(rng)])  # (pictures, height, width, channels)
    kernels, biases, block = {}, {}, 1
    for conv in convs:
        if architecture.block_of(conv) != block:
            maps, block = _max_pool(maps), block + 1
        shape = architecture.kernel_shape(conv)
        kernel = rng.standard_normal(shape, np.float32)
        response = _convolve(maps, kernel)
        gain = RESPONSE[block - 1] / (response.std((0, 1, 2)) + 1e-6)
        kernels[conv], biases[conv] = kernel * gain, -response.mean((0, 1, 2)) * gain
        maps = np.maximum(response * gain + biases[conv], 0)
    return kernels, biases, MEAN


def _convolve(maps: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """3×3 convolution with zero padding: (n, h, w, in) and (3, 3, in, out) to (n, h, w, out)."""
    _, height, width, _ = maps.shape
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return sum(padded[:, y : y + height, x : x + width] @ kernel[y, x] for y in range(3) for x in range(3))


def _max_pool(maps: np.ndarray) -> np.ndarray:
    """2×2 maxima of (n, h, w, channels), h and w even."""
    n, height, width, channels = maps.shape
    return maps.reshape(n, height // 2, 2, width // 2, 2, channels).max((2, 4))


def _calibration_pictures(rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Dead leaves (overlapping discs of power-law sizes) over soft noise: pictures with a photograph's statistics.

    Yields float32 (side, side, 3), RGB 0-255.
    """
    y, x = np.mgrid[:_SIDE, :_SIDE]
    for _ in range(_PICTURES):
        picture = np.empty((_SIDE, _SIDE, 3), np.float32)
        for radius in sorted(3 / rng.random(400) ** 0.7, reverse=True):
            centre = rng.uniform(-0.1, 1.1, 2) * _SIDE
            inside = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
            picture[inside] = rng.uniform(0, 255) + rng.normal(0, 40, 3)
        picture += rng.normal(0, 8, picture.shape)
        yield np.clip(picture, 0, 255)
