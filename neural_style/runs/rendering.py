"""From an image of the optimization to a picture with integer values."""

from __future__ import annotations

from typing import Any

import numpy as np

from neural_style.compute.objective import decode
from neural_style.images import color_transfer
from neural_style.images.picture import lanczos, to_integers


def rendered(
    image: Any, mean: np.ndarray, size: tuple[int, int], colors: np.ndarray | None, bit_depth: int
) -> np.ndarray:
    """Return the picture of an image.

    Args:
        image: float32 (1, height, width, 3), RGB of 0-255 minus the mean pixel.
        mean: the network's mean pixel.
        size: width and height of the picture in pixels.
        colors: a picture of the same size and type, whose colors are kept; None to keep the image's own colors.
        bit_depth: 8 or 16.

    Returns:
        (height, width, 3), uint8 or uint16.
    """
    if (image.shape[2], image.shape[1]) == size:
        picture = to_integers(np.asarray(image)[0], bit_depth, mean)
    else:
        picture = to_integers(lanczos(decode(image, mean), *size), bit_depth)
    return picture if colors is None else color_transfer.preserve_colors(picture, colors, out=picture)
