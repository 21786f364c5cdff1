"""The image at which a run, or one of its scales, begins."""

from __future__ import annotations

from typing import Any

import numpy as np

from neural_style.config.resolve import ResolvedConfig
from neural_style.images.picture import lanczos
from neural_style.runs.inputs import Inputs

NOISE_SCALE = 0.256
"""Standard deviation of the start noise around the mean pixel, in gray levels of 0-255 (anishathalye/neural-style)."""


def start_image(config: ResolvedConfig, inputs: Inputs, mean: np.ndarray) -> np.ndarray:
    """Return the initial picture, or the content if there is none, blended with noise.

    Args:
        config: share and seed of the noise.
        inputs: the pictures, at the size of the image.
        mean: the network's mean pixel.

    Returns:
        An image, float32 (1, height, width, 3), RGB of 0-255 minus the mean pixel.
    """
    share = config.initial_noiseblend
    picture = (inputs.initial or inputs.content).rgb
    image = np.subtract(picture, mean, dtype=np.float32)[np.newaxis]
    if share:
        image *= 1 - share
        noise = np.random.default_rng(config.seed).standard_normal(image.shape, np.float32)
        noise *= share * NOISE_SCALE
        image += noise
    return image


def enlarged(image: Any, width: int, height: int) -> np.ndarray:
    """Resize an image (1, height, width, 3) to another width and height in pixels."""
    return lanczos(np.asarray(image)[0], width, height)[np.newaxis]
