"""Mean and covariance of the colors of pictures, and noise that has them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from neural_style.images.row_bands import row_bands

_LEAST_VARIANCE = 1.0
"""Variance that is added to colors along each axis, in squared gray levels, so that they can be divided by it."""


class ColorMoments(NamedTuple):
    """Sums over the pixels of pictures, in float64. Sums of several pictures add up."""

    mass: float
    """Number of pixels."""
    first: np.ndarray
    """Sum of the colors, (3,), RGB 0-255."""
    second: np.ndarray
    """Sum of the outer products of the colors, (3, 3)."""

    def __add__(self, other: ColorMoments) -> ColorMoments:  # type: ignore[override]
        """Return the sums over the pixels of both."""
        return ColorMoments(self.mass + other.mass, self.first + other.first, self.second + other.second)

    def times(self, weight: float) -> ColorMoments:
        """Return the sums as if every pixel counted `weight` times."""
        return ColorMoments(self.mass * weight, self.first * weight, self.second * weight)

    @property
    def mean(self) -> np.ndarray:
        """Mean color, (3,)."""
        return self.first / self.mass

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of the colors, (3, 3)."""
        return self.second / self.mass - np.outer(self.mean, self.mean)


def color_moments(rgb: np.ndarray) -> ColorMoments:
    """Sum the colors of a picture, float32 (height, width, 3), RGB 0-255."""
    first, second = np.zeros(3), np.zeros((3, 3))
    for rows in row_bands(*rgb.shape[:2]):
        colors = rgb[rows].reshape(-1, 3).astype(np.float64)
        first += colors.sum(axis=0)
        second += colors.T @ colors
    return ColorMoments(float(rgb.shape[0] * rgb.shape[1]), first, second)


def recolored(rgb: np.ndarray, colors: ColorMoments) -> np.ndarray:
    """Move the colors of a picture so that they have a mean and a covariance, each as little as possible.

    It is the optimal transport between normal distributions (Pitié and Kokaram, CVMP 2007): with the covariances A of
    the picture and B, x ← (x - mean of A) T + mean of B, where T = A^-½ (A^½ B A^½)^½ A^-½. A gray picture stays on one
    line of colors. Values are not clipped.

    Args:
        rgb: float32 (height, width, 3), RGB 0-255.
        colors: the mean and the covariance.

    Returns:
        Float32 (height, width, 3).
    """
    own = color_moments(rgb)
    least = _LEAST_VARIANCE * np.eye(3)  # a gray picture varies along one axis alone
    root, inverse = (_power(own.covariance + least, power) for power in (0.5, -0.5))
    map_of_colors = inverse @ _power(root @ colors.covariance @ root, 0.5) @ inverse
    moved = np.empty_like(rgb)
    for rows in row_bands(*rgb.shape[:2]):
        moved[rows] = (rgb[rows] - own.mean) @ map_of_colors + colors.mean
    return moved


def _power(matrix: np.ndarray, power: float) -> np.ndarray:
    """Return the power of a symmetric matrix without negative eigenvalues."""
    values, axes = np.linalg.eigh(matrix)
    return (axes * values.clip(0) ** power) @ axes.T


def colored_noise(colors: ColorMoments, width: int, height: int, generator: np.random.Generator) -> np.ndarray:
    """Return white noise whose colors have a mean and a covariance: each pixel is drawn from their normal distribution.

    Values are not clipped to 0-255, because clipping would change mean and covariance.

    Args:
        colors: the mean and the covariance.
        width: in pixels.
        height: in pixels.
        generator: where the noise is drawn from.

    Returns:
        float32 (height, width, 3), RGB.
    """
    root = _power(colors.covariance, 0.5)  # the symmetric root, which exists for gray styles, too
    noise = generator.standard_normal((height, width, 3), np.float32)
    for rows in row_bands(height, width):
        noise[rows] = noise[rows] @ root.astype(np.float32) + colors.mean.astype(np.float32)
    return noise
