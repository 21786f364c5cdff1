"""The network that needs no download: VGG19 with seeded random filters, each channel normalised on generated pictures.

Random filters carry colour and fine texture (He, Wang and Hopcroft, arXiv:1606.04801) but know nothing of strokes and
objects: results are rougher than with the ImageNet weights. Three things keep grain and false colour down: filters
favour smooth patterns, the first ones favour lightness over colour, and each looks at a few channels alone. It is the
same network on every call.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from neural_style import architecture

MEAN = np.array(architecture.IMAGENET_MEAN, np.float32)
"""Mean pixel, RGB, 0-255: as good a grey as any."""

RESPONSE = (120.0, 600.0, 900.0, 150.0, 200.0)
"""Standard deviation of every channel before rectification, by block, so that the default loss weights are in balance.

It is twice what ImageNet's weights give in blocks 1 to 3. Block 4 is low, since it carries the content, which random
filters would otherwise hold on to in every detail.
"""

SMOOTHNESS = (1.0, 1.0, 0.7, 0.5, 0.4)
"""Weight in a filter of the 3×3 patterns with 0 to 4 derivatives."""

COLOR_SHARE = 0.4
"""Weight of colour in the first filters, that of lightness being 1; a tenth of it for what varies in space."""

FAN_IN = 8
"""Channels that a filter looks at."""

_OPPONENT = np.array([[1, 1, 1], [1, 0, -1], [-0.5, 1, -0.5]]) / np.sqrt(3)  # lightness, red-blue, green-magenta
_DERIVATIVES = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])  # of order 0, 1, 2
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
        kernel = _random_kernel(rng, architecture.kernel_shape(conv))
        response = _convolve(maps, kernel)
        gain = RESPONSE[block - 1] / (response.std((0, 1, 2)) + 1e-6)
        kernels[conv], biases[conv] = kernel * gain, -response.mean((0, 1, 2)) * gain
        maps = np.maximum(response * gain + biases[conv], 0)
    return kernels, biases, MEAN


def _random_kernel(rng: np.random.Generator, shape: tuple[int, int, int, int]) -> np.ndarray:
    """Smooth random filters, float32 (3, 3, in, out), not yet normalised."""
    order = np.add.outer(np.arange(3), np.arange(3))  # derivatives across plus along
    amounts = rng.standard_normal(shape) * np.take(SMOOTHNESS, order)[..., np.newaxis, np.newaxis]
    channels_in, channels_out = shape[2:]
    if channels_in == 3:
        amounts[:, :, 1:] *= COLOR_SHARE * np.where(order > 0, 0.1, 1)[..., np.newaxis, np.newaxis]
        amounts = np.einsum("uvko,kc->uvco", amounts, _OPPONENT)
    else:
        ranks = rng.random((channels_in, channels_out)).argsort(0)
        amounts *= ranks < FAN_IN
    kernel = np.einsum("uvio,uy,vx->yxio", amounts, _DERIVATIVES, _DERIVATIVES, optimize=True)
    return np.ascontiguousarray(kernel, np.float32)


def _convolve(maps: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """3×3 convolution with zero padding: (n, h, w, in) and (3, 3, in, out) to (n, h, w, out)."""
    n, height, width, channels_in = maps.shape
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1), (0, 0)))
    response = sum(
        padded[:, y : y + height, x : x + width].reshape(-1, channels_in) @ kernel[y, x]  # one large product each
        for y in range(3)
        for x in range(3)
    )
    return response.reshape(n, height, width, -1)


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
        picture = np.full((_SIDE, _SIDE, 3), MEAN)
        for radius in sorted(3 / rng.random(400) ** 0.7, reverse=True):
            centre = rng.uniform(-0.1, 1.1, 2) * _SIDE
            inside = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
            picture[inside] = rng.uniform(0, 255) + rng.normal(0, 40, 3)
        picture += rng.normal(0, 8, picture.shape)
        yield np.clip(picture, 0, 255)
