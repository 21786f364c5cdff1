"""From an image of the optimization to a picture with integer values."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from neural_style.compute.objective import decode
from neural_style.config.resolve import ResolvedConfig
from neural_style.images import color_transfer
from neural_style.images.picture import lanczos, to_integers


class Finish(NamedTuple):
    """What is done to a picture after its optimization."""

    photo: np.ndarray
    """The content, (height, width, 3), uint8 or uint16 as the result."""
    colors: bool
    """Whether the photo's colors are kept."""
    opacity: float
    """Share of the painting in its blend with the photo, 0-1."""


def finish_of(config: ResolvedConfig, content: np.ndarray) -> Finish | None:
    """Return what is done to the picture of a run after its optimization; None for nothing.

    Args:
        config: the run.
        content: the content at the size of the result, float (height, width, 3), RGB of 0-255.
    """
    if not config.preserve_colors and config.opacity == 1:
        return None
    return Finish(to_integers(content, config.bit_depth), config.preserve_colors, config.opacity)


def rendered(
    image: Any,
    mean: np.ndarray,
    size: tuple[int, int],
    finish: Finish | None,
    bit_depth: int,
    wraps: bool = False,
) -> np.ndarray:
    """Return the picture of an image.

    Args:
        image: float32 (1, height, width, 3), RGB of 0-255 minus the mean pixel.
        mean: the network's mean pixel.
        size: width and height of the picture in pixels.
        finish: what is done to the picture afterward; None for nothing.
        bit_depth: 8 or 16.
        wraps: whether the image continues at its opposite edges.

    Returns:
        (height, width, 3), uint8 or uint16.
    """
    if (image.shape[2], image.shape[1]) == size:
        picture = to_integers(np.asarray(image)[0], bit_depth, mean)
    else:
        picture = to_integers(lanczos(decode(image, mean), *size, wraps), bit_depth)
    if finish is not None and finish.colors:
        picture = color_transfer.preserve_colors(picture, finish.photo, out=picture)
    if finish is not None and finish.opacity < 1:
        for row, of_photo in zip(picture, finish.photo, strict=True):  # row by row: few bytes in floating point
            row[:] = np.rint(finish.opacity * row + (1 - finish.opacity) * of_photo)
    return picture
