"""Label images: pictures whose areas of one color each stand for something, such as a region.

Their borders may be blurred, and their colors may have changed a little, as in a JPEG file.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from neural_style.errors import ImageError

TOLERANCE = 48.0
"""Distance in RGB, in gray levels of 0-255, up to which two colors are the same label."""

MOST_LABELS = 64
"""Most labels of an image. A photograph has more."""

_FLAT = 32.0
"""Most that pixels of a flat area differ from their neighbors in a channel. Noise of JPEG files differs less."""

_LEAST_SHARE = 1e-3
"""Share of the flat areas of an image that a label has at least."""

_LONGEST = 2048
"""Longer side in pixels to which larger label images are reduced before their labels are found."""

_MOST_NAMED = 6
"""Most colors that a message names."""

_CELL = 8
"""Side in gray levels of the cells in which colors are counted."""


class Labels(NamedTuple):
    """A label image."""

    colors: np.ndarray
    """Color of each label, float (labels, 3), RGB 0-255, the largest label first."""
    shares: np.ndarray
    """Share of the image that each label has, (labels,)."""
    indices: np.ndarray
    """Label of each pixel, uint8 (height, width)."""


def read_labels(rgb: np.ndarray, subject: str) -> Labels:
    """Find the labels of an image.

    A label is a color of flat areas. A pixel that is not in a flat area, such as one of a blurred border, has the label
    of the nearest one that is. So the mix of two labels at their border does not become a third.

    Args:
        rgb: float32 (height, width, 3), 0-255. An image with a longer side than 2,048 px is reduced first.
        subject: what the image is, for messages.

    Raises:
        ImageError: there are no flat areas, or too many colors of them.
    """
    from scipy.ndimage import distance_transform_edt, maximum_filter, minimum_filter

    step = -(-max(rgb.shape[:2]) // _LONGEST)
    rgb = rgb[::step, ::step]
    window = (3, 3, 1)
    flat = np.all(maximum_filter(rgb, window) - minimum_filter(rgb, window) <= _FLAT, axis=-1)
    expected = f"{subject}: expected a label image, with areas of one plain color each"
    remedy = "paint each region in one color, without texture"
    if not flat.any():
        raise ImageError(f"{expected}, got a picture without any; {remedy}")
    colors = _colors_of(rgb[flat])
    if len(colors) > MOST_LABELS:
        raise ImageError(f"{expected}, got a picture with more than {MOST_LABELS} colors, like a photograph; {remedy}")
    indices = np.zeros(rgb.shape[:2], np.uint8)
    indices[flat] = _nearest(rgb[flat], colors)
    if not flat.all():
        rows, columns = distance_transform_edt(~flat, return_distances=False, return_indices=True)
        indices = indices[rows, columns]
    shares = np.bincount(indices.ravel(), minlength=len(colors)) / indices.size
    return Labels(colors, shares, indices)


def _colors_of(pixels: np.ndarray) -> np.ndarray:
    """Return the colors of labels, (labels, 3), of the pixels of flat areas, (pixels, 3), the most frequent first."""
    side = 256 // _CELL
    cells = (pixels // _CELL).astype(np.int64).clip(0, side - 1)
    flat_cells = (cells[:, 0] * side + cells[:, 1]) * side + cells[:, 2]
    used, inverse, counts = np.unique(flat_cells, return_inverse=True, return_counts=True)
    sums = np.stack([np.bincount(inverse, pixels[:, channel], len(used)) for channel in range(3)], 1)
    means = sums / counts[:, np.newaxis]
    left = counts.astype(np.float64)
    colors: list[np.ndarray] = []
    while len(colors) <= MOST_LABELS:
        at = int(np.argmax(left))
        if left[at] == 0:
            break
        near = (np.linalg.norm(means - means[at], axis=1) <= TOLERANCE) & (left > 0)
        if left[near].sum() < _LEAST_SHARE * len(pixels) and colors:
            left[near] = 0
            continue
        colors.append(np.average(means[near], axis=0, weights=left[near]))
        left[near] = 0
    return np.array(colors)


def _nearest(pixels: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Return the index of the nearest color of each pixel."""
    best, least = np.zeros(len(pixels), np.uint8), np.full(len(pixels), np.inf, np.float32)
    for index, color in enumerate(colors.astype(np.float32)):
        distance = np.square(pixels - color).sum(axis=1)
        is_nearer = distance < least
        best[is_nearer], least[is_nearer] = index, distance[is_nearer]
    return best


def matching(color: np.ndarray, colors: np.ndarray) -> int | None:
    """Return the index of the color that is the same label as another, from (labels, 3); None if there is none."""
    if not len(colors):
        return None
    distances = np.linalg.norm(colors - color, axis=1)
    nearest = int(np.argmin(distances))
    return nearest if distances[nearest] <= TOLERANCE else None


def is_black(color: np.ndarray) -> bool:
    """Return whether a label's color is black."""
    return float(np.linalg.norm(color)) <= TOLERANCE


def is_colored(rgb: np.ndarray) -> bool:
    """Return whether more than a trace of a picture, (height, width, 3), RGB 0-255, is not gray."""
    return float(np.mean(rgb.max(axis=-1) - rgb.min(axis=-1) > TOLERANCE)) > _LEAST_SHARE


def described(colors: Iterable[np.ndarray]) -> str:
    """Return colors in words for messages, such as "#ff0000, #00ff00"; of many, the first."""
    names = ["#" + "".join(f"{round(float(value)):02x}" for value in color) for color in colors]
    rest = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + rest
