"""From an image of the optimization to a picture with integer values."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from neural_style.compute.masks import covered
from neural_style.compute.objective import decode
from neural_style.config.resolve import ResolvedConfig
from neural_style.images import color_transfer
from neural_style.images.picture import lanczos, to_integers

_FULLY = 0.998
"""Least sum of masks that counts as full cover, less than half a gray level below 1."""


class Finish(NamedTuple):
    """What is done to a picture after its optimization."""

    photo: np.ndarray
    """The content, (height, width, 3), uint8 or uint16 as the result."""
    colors: bool
    """Whether the photo's colors are kept."""
    opacity: float
    """Share of the painting in its blend with the photo, 0-1."""
    covered: np.ndarray | None = None
    """Where some region covers the picture, float16 (height, width, 1), 0-1; the photo is elsewhere. None for
    everywhere."""


def finish_of(config: ResolvedConfig, content: np.ndarray, regions: np.ndarray | None = None) -> Finish | None:
    """Return what is done to the picture of a run after its optimization; None for nothing.

    Args:
        config: the run.
        content: the content at the size of the result, float (height, width, 3), RGB of 0-255.
        regions: masks of the regions that have styles, float (height, width, regions); None for the whole picture.
    """
    everywhere = None if regions is None else covered(regions).astype(np.float16)
    if everywhere is not None and everywhere.min() > _FULLY:
        everywhere = None
    if not config.preserve_colors and config.opacity == 1 and everywhere is None:
        return None
    return Finish(to_integers(content, config.bit_depth), config.preserve_colors, config.opacity, everywhere)


def rendered(image: Any, mean: np.ndarray, size: tuple[int, int], finish: Finish | None, bit_depth: int) -> np.ndarray:
    """Return the picture of an image.

    Args:
        image: float32 (1, height, width, 3), RGB of 0-255 minus the mean pixel.
        mean: the network's mean pixel.
        size: width and height of the picture in pixels.
        finish: what is done to the picture afterward; None for nothing.
        bit_depth: 8 or 16.

    Returns:
        (height, width, 3), uint8 or uint16.
    """
    if (image.shape[2], image.shape[1]) == size:
        picture = to_integers(np.asarray(image)[0], bit_depth, mean)
    else:
        picture = to_integers(lanczos(decode(image, mean), *size), bit_depth)
    if finish is not None and finish.colors:
        picture = color_transfer.preserve_colors(picture, finish.photo, out=picture)
    if finish is not None and (finish.opacity < 1 or finish.covered is not None):
        for index, (row, of_photo) in enumerate(zip(picture, finish.photo, strict=True)):  # few bytes at a time
            share: Any = finish.opacity
            if finish.covered is not None:
                share = share * finish.covered[index].astype(np.float32)
            row[:] = np.rint(share * row + (1 - share) * of_photo)
    return picture
