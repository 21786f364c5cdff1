"""Mean and covariance of the colors of pictures, and noise that has them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from neural_style.images.row_bands import row_bands


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
    variances, axes = np.linalg.eigh(colors.covariance)
    root = (axes * np.sqrt(variances.clip(0))) @ axes.T  # the symmetric root, which exists for gray styles, too
    noise = generator.standard_normal((height, width, 3), np.float32)
    for rows in row_bands(height, width):
        noise[rows] = noise[rows] @ root.astype(np.float32) + colors.mean.astype(np.float32)
    return noise
