"""Give a picture the colors of another (Gatys et al., "Preserving Color in Neural Artistic Style Transfer", 2016).

Statistics are taken of pictures, a map of colors is made from two statistics, and the map is applied to pictures. So a
map can be made from many pictures at once, and applied to others of any size.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from neural_style.images.color_moments import ColorMoments, color_moments, optimal_transport, power_of
from neural_style.images.color_spaces import COLOR_SPACES, ColorSpace
from neural_style.images.color_transfer import within
from neural_style.images.row_bands import row_bands

_MOST_GAIN = 5.0
"""Most by which a map stretches differences of colors. Without a limit, it would make colored specks of the faint noise
of a picture that is almost gray or black."""

_LEAST_DEVIATION = 1 / 255
"""Deviation that is added to the colors of a picture along each axis, relative to white, so that it can be divided."""

_BINS = 1024
"""Bins of the histogram of a channel."""

_SMOOTH = 9
"""Bins over which the histogram of the picture that is changed is averaged: about two levels of 8 bits, so that the
gaps between them make no steps."""

ColorMap = Callable[[np.ndarray], np.ndarray]
"""A function of colors: float32 (…, 3), sRGB of 0-255, to the same."""


class Histograms(NamedTuple):
    """Histograms of the channels of pictures in a color space. Those of several pictures add up."""

    counts: np.ndarray
    """Pixels in each bin, or the sum of their weights, float64 (3, bins), from `ColorSpace.low` to `high`."""

    def __add__(self, other: Histograms) -> Histograms:  # type: ignore[override]
        """Return the histograms of both."""
        return Histograms(self.counts + other.counts)

    @property
    def mass(self) -> float:
        """Number of pixels, or the sum of their weights."""
        return float(self.counts[0].sum())


Statistics = ColorMoments | Histograms
"""What is known about the colors of pictures. Statistics of one kind add up."""


class ColorMatching(NamedTuple):
    """How colors are matched."""

    kind: str
    """As `Config.color`, but not "none"."""
    space_name: str
    """As `Config.color_space`."""
    transfer: str
    """As `Config.color_transfer`."""

    @property
    def space(self) -> ColorSpace:
        """The color space."""
        return COLOR_SPACES[self.space_name]

    def statistics(self, rgb: np.ndarray, *weights: np.ndarray | None) -> Statistics:
        """Return the statistics of a picture that `map` needs.

        Args:
            rgb: (height, width, 3), float of 0-255, or uint8 or uint16.
            weights: how much each pixel counts, (height, width), such as masks and alpha. They are multiplied.
        """
        given = [each for each in weights if each is not None]
        total: Statistics | None = None
        for rows in row_bands(*rgb.shape[:2]):
            values = self.space.of_srgb(_levels(rgb[rows]))
            counted = np.prod([each[rows] for each in given], axis=0, dtype=np.float64) if given else None
            if self.kind == "histogram":
                found: Statistics = _histograms(values, counted, self.space)
            else:
                found = color_moments(values, counted)
            total = found if total is None else added(total, found)
        assert total is not None
        return total

    def map(self, own: Statistics, wanted: Statistics) -> ColorMap:
        """Return the function that gives colors with some statistics those of others.

        For the kind "luminance", it makes them gray, with the mean and deviation of the others' lightness.

        Args:
            own: statistics of the colors that are to be changed; some pixels must count.
            wanted: the statistics that they shall have; some pixels must count.
        """
        space = self.space
        if isinstance(own, Histograms) and isinstance(wanted, Histograms):
            return _histogram_map(own, wanted, space)
        assert isinstance(own, ColorMoments)
        assert isinstance(wanted, ColorMoments)
        least = (_LEAST_DEVIATION * space.white) ** 2
        if self.kind == "luminance":
            gain = np.sqrt(max(wanted.covariance[0, 0], 0) / (max(own.covariance[0, 0], 0) + least)).clip(0, _MOST_GAIN)
            return _LightnessMap(space, float(gain), float(own.mean[0]), float(wanted.mean[0]))
        matrix = _linear(own.covariance + least * np.eye(3), wanted.covariance, self.transfer, least)
        left, gains, right = np.linalg.svd(matrix)
        return _LinearMap(space, (left * gains.clip(None, _MOST_GAIN)) @ right, own.mean, wanted.mean)

    def gray(self, rgb: np.ndarray) -> np.ndarray:
        """Return the grays that have the lightness of colors, float32 (height, width, 3), 0-255; a new array."""
        same = _LightnessMap(self.space, 1.0, 0.0, 0.0)
        return apply(same, rgb, np.empty_like(rgb))

    def recolor(
        self,
        painting: np.ndarray,
        photo: np.ndarray,
        mask: np.ndarray | None = None,
        *alpha: np.ndarray | None,
        out: np.ndarray,
    ) -> np.ndarray:
        """Give a finished picture the colors of the photo.

        For the kind "luminance", the lightness of the picture stays, and its color becomes that of the photo. For the
        others, its colors are moved to the statistics of the photo; where a mask is black, pixels do not count.

        Args:
            painting: sRGB (height, width, 3), uint8 or uint16.
            photo: of the same type and shape.
            mask: where colors change, uint8 (height, width), 255 fully and 0 not at all. None for everywhere.
            alpha: how much each pixel counts in addition, (height, width).
            out: array for the result, which may be `painting`.
        """
        white, space = np.float32(np.iinfo(painting.dtype).max / 255), self.space
        change: ColorMap | None = None
        if self.kind != "luminance":
            own, wanted = (self.statistics(each, mask, *alpha) for each in (painting, photo))
            if not own.mass:  # the white parts of the mask are transparent, or too small for this size
                out[:] = painting
                return out
            change = self.map(own, wanted)
        for rows in row_bands(*painting.shape[:2]):
            before = _levels(painting[rows])
            if change is None:
                joined = space.of_srgb(_levels(photo[rows]))
                joined[..., 0] = space.of_srgb(before)[..., 0]
                color = space.to_srgb(joined)
            else:
                color = change(before)
            if mask is not None:
                color = within(mask[rows], color, before)
            color *= white
            out[rows] = np.rint(color, out=color).clip(0, np.iinfo(out.dtype).max, out=color)
        return out


def apply(change: ColorMap, rgb: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Apply a map to a picture, float32 (height, width, 3), sRGB of 0-255, in bands of rows.

    Args:
        change: the map.
        rgb: the picture.
        out: array for the result, which may be `rgb`.
    """
    for rows in row_bands(*rgb.shape[:2]):
        out[rows] = change(rgb[rows])
    return out


def added(one: Statistics, other: Statistics) -> Statistics:
    """Return the statistics of the pictures of both, which are of one kind."""
    return one + other  # type: ignore[operator]


def _levels(rgb: np.ndarray) -> np.ndarray:
    """Return a picture as float32 of 0-255."""
    if np.issubdtype(rgb.dtype, np.integer):
        return rgb * np.float32(255 / np.iinfo(rgb.dtype).max)
    return rgb.astype(np.float32, copy=False)


@dataclasses.dataclass(frozen=True, eq=False)
class _LightnessMap:
    """L ← gain · (L - own) + new, without color."""

    space: ColorSpace
    gain: float
    own: float
    new: float

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        values = self.space.of_srgb(rgb)
        moved = np.full_like(values, self.space.gray)
        moved[..., 0] = ((values[..., 0] - self.own) * self.gain + self.new).clip(0, self.space.white)
        return self.space.to_srgb(moved)


@dataclasses.dataclass(frozen=True, eq=False)
class _LinearMap:
    """x ← (x - own) matrix + new."""

    space: ColorSpace
    matrix: np.ndarray
    own: np.ndarray
    new: np.ndarray

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        values = self.space.of_srgb(rgb) - self.own.astype(np.float32)
        return self.space.to_srgb(values @ self.matrix.astype(np.float32) + self.new.astype(np.float32))


@dataclasses.dataclass(frozen=True, eq=False)
class _CurveMap:
    """Maps each channel by a curve."""

    space: ColorSpace
    curves: list[tuple[np.ndarray, np.ndarray]]
    """For each channel: values before, in ascending order, and after."""

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        values = self.space.of_srgb(rgb)
        for channel, curve in enumerate(self.curves):
            values[..., channel] = np.interp(values[..., channel], *curve)
        return self.space.to_srgb(values)


def _linear(own: np.ndarray, wanted: np.ndarray, transfer: str, least: float) -> np.ndarray:
    """Return a matrix M with Mᵀ A M = B for the covariances A of `own` and B of `wanted`.

    With row vectors, x M. The kinds are those of Gatys et al., sections 3.1 and 3.2, and the one that Pitié and
    Kokaram add.
    """
    if transfer == "cholesky":  # B = L Lᵀ, A = K Kᵀ: M = (L K⁻¹)ᵀ
        lower, own_lower = (np.linalg.cholesky(each) for each in (wanted + 1e-6 * least * np.eye(3), own))
        return np.linalg.solve(own_lower.T, lower.T)
    if transfer == "pca":  # M = A^-½ B^½
        return power_of(own, -0.5) @ power_of(wanted, 0.5)
    return optimal_transport(own, wanted)


def _edges(space: ColorSpace) -> list[np.ndarray]:
    """Return the edges of the bins of each channel."""
    return [np.linspace(low, high, _BINS + 1) for low, high in zip(space.low, space.high, strict=True)]


def _histograms(values: np.ndarray, weights: np.ndarray | None, space: ColorSpace) -> Histograms:
    """Return the histograms of colors, float32 (rows, width, 3), in a color space."""
    counts = np.empty((3, _BINS))
    for channel, (low, high) in enumerate(zip(space.low, space.high, strict=True)):
        bins = ((values[..., channel] - low) * (_BINS / (high - low))).astype(np.int64).clip(0, _BINS - 1)
        of_pixels = None if weights is None else weights.ravel()
        counts[channel] = np.bincount(bins.ravel(), of_pixels, _BINS)
    return Histograms(counts)


def _histogram_map(own: Histograms, wanted: Histograms, space: ColorSpace) -> _CurveMap:
    """Return the map that gives each value the one with the same share of smaller values."""
    curves = []
    for edges, of_own, of_wanted in zip(_edges(space), own.counts, wanted.counts, strict=True):
        centers = (edges[1:] + edges[:-1]) / 2
        smooth = np.convolve(of_own, np.full(_SMOOTH, 1 / _SMOOTH), "same")
        shares, there = _shares_below(smooth), of_wanted > 0
        after = np.interp(shares, _shares_below(of_wanted)[there], centers[there])
        most = _MOST_GAIN * (centers[1] - centers[0])
        middle = int(np.searchsorted(shares, 0.5))
        steps = np.diff(after).clip(0, most)
        limited = np.concatenate([[0.0], np.cumsum(steps)])
        curves.append((centers, limited - limited[middle] + after[middle]))
    return _CurveMap(space, curves)


def _shares_below(counts: np.ndarray) -> np.ndarray:
    """Return the share of values below the middle of each bin."""
    return (np.cumsum(counts) - counts / 2) / counts.sum()
