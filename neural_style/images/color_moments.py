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
    """Number of pixels, or sum of their weights."""
    first: np.ndarray
    """Sum of the colors, (3,): RGB 0-255, or in another space."""
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


def color_moments(rgb: np.ndarray, weights: np.ndarray | None = None) -> ColorMoments:
    """Sum the colors of a picture, float32 (height, width, 3), RGB 0-255 or in another space.

    Args:
        rgb: the picture.
        weights: how much each pixel counts, (height, width); None for 1 each.
    """
    mass, first, second = float(rgb.shape[0] * rgb.shape[1]), np.zeros(3), np.zeros((3, 3))
    if weights is not None:
        mass = float(weights.sum(dtype=np.float64))
    for rows in row_bands(*rgb.shape[:2]):
        colors = rgb[rows].reshape(-1, 3).astype(np.float64)
        counted = colors if weights is None else colors * weights[rows].reshape(-1, 1)
        first += counted.sum(axis=0)
        second += counted.T @ colors
    return ColorMoments(mass, first, second)


def recolored(rgb: np.ndarray, colors: ColorMoments) -> np.ndarray:
    """Move the colors of a picture so that they have a mean and a covariance, each as little as possible.

    It is the `optimal_transport` between normal distributions: x ← (x - own mean) T + mean. A gray picture stays on one
    line of colors. Values are not clipped.

    Args:
        rgb: float32 (height, width, 3), RGB 0-255.
        colors: the mean and the covariance.

    Returns:
        Float32 (height, width, 3).
    """
    own = color_moments(rgb)
    least = _LEAST_VARIANCE * np.eye(3)  # a gray picture varies along one axis alone
    map_of_colors = optimal_transport(own.covariance + least, colors.covariance)
    moved = np.empty_like(rgb)
    for rows in row_bands(*rgb.shape[:2]):
        moved[rows] = (rgb[rows] - own.mean) @ map_of_colors + colors.mean
    return moved


def optimal_transport(own: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the matrix that turns one covariance into another, and moves each color as little as possible.

    It is T = A^-½ (A^½ B A^½)^½ A^-½ for the covariances A and B of normal distributions (Pitié and Kokaram, CVMP
    2007).

    Args:
        own: A, (3, 3), without eigenvalues of 0.
        wanted: B, (3, 3).
    """
    root, inverse = (power_of(own, power) for power in (0.5, -0.5))
    return inverse @ power_of(root @ wanted @ root, 0.5) @ inverse


def power_of(matrix: np.ndarray, power: float) -> np.ndarray:
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
    root = power_of(colors.covariance, 0.5)  # the symmetric root, which exists for gray styles, too
    noise = generator.standard_normal((height, width, 3), np.float32)
    for rows in row_bands(height, width):
        noise[rows] = noise[rows] @ root.astype(np.float32) + colors.mean.astype(np.float32)
    return noise
