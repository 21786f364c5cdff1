"""The image at which a run, or one of its scales, begins."""

from __future__ import annotations

import functools
import operator
from typing import Any

import numpy as np

from neural_style.config.defaults import begins_with_photo
from neural_style.config.resolve import ResolvedConfig
from neural_style.images.color_moments import ColorMoments, color_moments, colored_noise, recolored
from neural_style.images.color_transfer import luma
from neural_style.images.picture import lanczos
from neural_style.runs.inputs import Inputs


def start_image(config: ResolvedConfig, inputs: Inputs, mean: np.ndarray) -> np.ndarray:
    """Return the start image of a run, as `Config.init` or `Config.initial` say, blended with noise.

    Args:
        config: kind of the start; share, scale and seed of the noise.
        inputs: the pictures, at the size of the image.
        mean: the network's mean pixel.

    Returns:
        An image, float32 (1, height, width, 3), RGB of 0-255 minus the mean pixel.
    """
    share = config.initial_noiseblend
    image = _without_noise(config, inputs, mean)
    if share:
        image *= 1 - share
        noise = np.random.default_rng(config.seed).standard_normal(image.shape, np.float32)
        noise *= share * config.noise_scale
        image += noise
    return image


def _without_noise(config: ResolvedConfig, inputs: Inputs, mean: np.ndarray) -> np.ndarray:
    """Return the start image before noise is blended in; see `start_image`."""
    content = inputs.content
    if config.start == "gray":
        return np.zeros((1, content.height, content.width, 3), np.float32)
    if config.start == "recolored":
        picture = recolored(content.rgb, style_colors(config, inputs))
    elif config.start == "style_colors":
        generator = np.random.default_rng([config.seed, 1])  # independent of the noise that may be blended in
        picture = colored_noise(style_colors(config, inputs), content.width, content.height, generator)
    else:
        picture = (inputs.initial or content).rgb
    return np.subtract(picture, mean, dtype=np.float32)[np.newaxis]


def style_colors(config: ResolvedConfig, inputs: Inputs) -> ColorMoments:
    """Return the colors of all styles together: each style counts by its blend weight, whatever its number of pixels.

    Args:
        config: the blend weights.
        inputs: the style pictures. Turned copies are not needed, because they have the same colors.
    """
    of_styles = []
    for index, weight in enumerate(config.style_blend):
        colors = functools.reduce(operator.add, (color_moments(each.rgb) for each in inputs.of_style(index)))
        of_styles.append(colors.times(weight / colors.mass))
    return functools.reduce(operator.add, of_styles)


def details_of(config: ResolvedConfig, mask: np.ndarray | None = None) -> Any:
    """Return the share of the photo's details that a run adds when its size grows; see `Config.photo_details`.

    Args:
        config: the run.
        mask: where the content counts, (height, width, 1); None for everywhere.

    Returns:
        A number, or with a mask one for each pixel.
    """
    details = config.photo_details if is_from_photo(config) and config.content_terms else 0.0
    return details if mask is None else np.float32(details) * mask.astype(np.float32)


def is_from_photo(config: ResolvedConfig) -> bool:
    """Return whether a run begins with the photo at its coarsest size, without a preview."""
    return begins_with_photo(config.start, config.initial_noiseblend, config.preview_width)


def enlarged(image: Any, photo: np.ndarray, details: Any, wraps: bool = False) -> np.ndarray:
    """Resize an image to the size of the photo, and add details of the photo that the image was too small for.

    Of the details, only the luma is added. The photo's own colors would remain in its edges as colored fringes.

    Args:
        image: (1, height, width, 3).
        photo: float32 (new height, new width, 3).
        details: share of the details that is added, 0-1: a number, or float32 (new height, new width, 1).
        wraps: whether the image continues at its opposite edges.

    Returns:
        Float32 (1, new height, new width, 3).
    """
    height, width, _ = photo.shape
    large = lanczos(np.asarray(image)[0], width, height, wraps)
    if np.any(details):
        _, rows, columns, _ = image.shape
        coarse = lanczos(lanczos(photo, columns, rows), width, height)
        np.subtract(photo, coarse, out=coarse)
        large += np.asarray(details, np.float32) * luma(coarse)
    return large[np.newaxis]
