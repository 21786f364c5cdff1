"""Masks: gray pictures that say where something counts, white fully and black not at all."""

from __future__ import annotations

import numpy as np
from PIL import Image

from neural_style.errors import ImageError
from neural_style.images.color_transfer import luma
from neural_style.images.picture import Picture
from neural_style.images.style_sizes import Size

MOST_STRETCH = 0.02
"""How much the aspect ratios of two pictures that belong together may differ."""

LEAST_WHITE = 1e-3
"""Share of white that a mask needs on average. A mask below it counts as black everywhere."""


def mask_of(picture: Picture, subject: str) -> np.ndarray:
    """Return a picture as a mask. Its lightness counts, and where it is transparent it is black.

    Args:
        picture: the picture.
        subject: what it is; errors begin with it.

    Returns:
        Float32 (height, width), 0 (black) to 1 (white).

    Raises:
        ImageError: the mask is black everywhere.
    """
    mask = luma(picture.rgb)[..., 0] / np.float32(255)
    if picture.alpha is not None:
        mask *= picture.alpha
    mask = mask.clip(0, 1)
    if mask.mean() < LEAST_WHITE:
        raise ImageError(
            f"{subject}: expected a mask with some white, got one that is black everywhere; "
            "paint white what it shall select, or leave it out"
        )
    return mask


def resize_mask(mask: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resize a mask, float32 (height, width), 0-1. Each new value is a weighted mean of old ones, so it stays 0-1."""
    if mask.shape == (height, width):
        return mask
    resized = Image.fromarray(np.ascontiguousarray(mask)).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized).clip(0, 1)


def is_stretched(one: Size, other: Size) -> bool:
    """Return whether the aspect ratios of two sizes differ by more than `MOST_STRETCH`, and by more than rounding."""
    ratio = one[0] * other[1] / (one[1] * other[0])
    rounding = 1 / min(*one, *other)
    return abs(ratio - 1) > max(MOST_STRETCH, rounding)
