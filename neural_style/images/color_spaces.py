"""Color spaces that divide lightness from color, and conversions between them and sRGB.

Values are float32. Conversions handle the pixels of an array of any shape (…, 3) at once; large pictures are to be
converted in bands of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from neural_style.images.color_transfer import luma


class ColorSpace(NamedTuple):
    """A color space. The first of its three channels is the lightness, the others are the color."""

    white: float
    """Lightness of white. That of black is 0."""
    gray: float
    """Value of the other channels for grays."""
    low: tuple[float, float, float]
    """Values of the channels that no sRGB color falls below."""
    high: tuple[float, float, float]
    """Values of the channels that no sRGB color exceeds."""
    of_srgb: Callable[[np.ndarray], np.ndarray]
    """Converts sRGB of 0-255, float32 (…, 3)."""
    unclipped: Callable[[np.ndarray], np.ndarray]
    """Converts to sRGB of 0-255, float32 (…, 3). Colors that sRGB lacks get values out of that range."""

    def to_srgb(self, values: np.ndarray) -> np.ndarray:
        """Convert to sRGB of 0-255, float32 (…, 3).

        A color that sRGB lacks moves toward the gray of its lightness until it has it. Clipping each of red, green and
        blue would change its lightness, and make colored specks in black.
        """
        grays = np.full_like(values, self.gray)
        grays[..., 0] = values[..., 0]
        level = self.unclipped(grays)[..., 1:2].clip(0, 255)
        offset = self.unclipped(values)
        offset -= level
        room = np.where(offset > 0, 255 - level, level)
        size = np.abs(offset)
        share = np.divide(room, size, out=np.ones_like(size), where=size > room).min(axis=-1, keepdims=True)
        offset *= share
        offset += level
        return offset.clip(0, 255, out=offset)


# --- luma and color differences ---------------------------------------------------------------------------------------

# ITU-R BT.601, section 2.5: Y = luma; the factors of the two differences give each a range of its own
_CB, _CR = 0.5 / (1 - 0.114), 0.5 / (1 - 0.299)
_U, _V = 0.436 / (1 - 0.114), 0.615 / (1 - 0.299)


def _differences(blue: float, red: float, zero: float) -> tuple[Callable, Callable]:
    """Return the conversions of a space of luma Y and color differences, `blue` · (B - Y) and `red` · (R - Y)."""

    def of_srgb(rgb: np.ndarray) -> np.ndarray:
        lightness = luma(rgb.astype(np.float32, copy=False))
        first = (rgb[..., 2:] - lightness) * np.float32(blue) + np.float32(zero)
        second = (rgb[..., :1] - lightness) * np.float32(red) + np.float32(zero)
        return np.concatenate([lightness, first, second], axis=-1)

    def unclipped(values: np.ndarray) -> np.ndarray:
        lightness, first, second = (values[..., index : index + 1] for index in range(3))
        of_blue, of_red = (first - np.float32(zero)) / np.float32(blue), (second - np.float32(zero)) / np.float32(red)
        of_green = (np.float32(0.299) * of_red + np.float32(0.114) * of_blue) / np.float32(-0.587)
        return lightness + np.concatenate([of_red, of_green, of_blue], axis=-1)

    return of_srgb, unclipped


# --- CIE --------------------------------------------------------------------------------------------------------------

_LINEAR_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
"""From linear sRGB to CIE XYZ (IEC 61966-2-1, with white at Y = 1)."""

_WHITE = _LINEAR_TO_XYZ.sum(axis=1)
"""CIE XYZ of sRGB's white, which is D65."""

_XYZ_TO_LINEAR = np.linalg.inv(_LINEAR_TO_XYZ)

_EPSILON, _KAPPA = (6 / 29) ** 3, (29 / 3) ** 3
"""CIE 15: where the cube root of the lightness ends, and the slope below."""

_U_WHITE, _V_WHITE = 4 * _WHITE[0] / (_WHITE @ [1, 15, 3]), 9 * _WHITE[1] / (_WHITE @ [1, 15, 3])

_LEAST = 1e-6
"""Least divisor of chromaticities, for black."""


def _xyz(rgb: np.ndarray) -> np.ndarray:
    """Return CIE XYZ of sRGB of 0-255."""
    levels = rgb.astype(np.float32, copy=False) / np.float32(255)
    curved = ((np.abs(levels) + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
    linear = np.where(levels > 0.04045, curved, levels / np.float32(12.92))
    return linear @ _LINEAR_TO_XYZ.T.astype(np.float32)


def _srgb(xyz: np.ndarray) -> np.ndarray:
    """Return sRGB of 0-255 of CIE XYZ; negative and excessive values stay so."""
    linear = xyz @ _XYZ_TO_LINEAR.T.astype(np.float32)
    size = np.abs(linear)
    curved = np.float32(1.055) * size ** np.float32(1 / 2.4) - np.float32(0.055)
    return np.sign(linear) * np.where(size > 0.0031308, curved, np.float32(12.92) * size) * np.float32(255)


def _root(ratios: np.ndarray) -> np.ndarray:
    """Return f of CIELAB: the cube root, with a line near 0."""
    line = (np.float32(_KAPPA) * ratios + 16) / np.float32(116)
    return np.where(ratios > _EPSILON, np.cbrt(ratios), line)


def _cube(roots: np.ndarray) -> np.ndarray:
    """Undo `_root`."""
    return np.where(roots > 6 / 29, roots**3, (np.float32(116) * roots - 16) / np.float32(_KAPPA))


def _lab(rgb: np.ndarray) -> np.ndarray:
    """Return CIELAB: L* = 116 f(Y) - 16, a* = 500 (f(X) - f(Y)), b* = 200 (f(Y) - f(Z)), relative to white."""
    x, y, z = np.split(_root(_xyz(rgb) / _WHITE.astype(np.float32)), 3, axis=-1)
    return np.concatenate([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _srgb_of_lab(lab: np.ndarray) -> np.ndarray:
    lightness, first, second = np.split(lab.astype(np.float32, copy=False), 3, axis=-1)
    middle = (lightness + 16) / 116
    roots = np.concatenate([middle + first / 500, middle, middle - second / 200], axis=-1)
    return _srgb(_cube(roots) * _WHITE.astype(np.float32))


def _luv(rgb: np.ndarray) -> np.ndarray:
    """Return CIELUV: L* as in CIELAB, u* = 13 L* (u' - u' of white), v* likewise, u' = 4X / d and v' = 9Y / d.

    d = X + 15Y + 3Z.
    """
    xyz = _xyz(rgb)
    lightness = 116 * _root(xyz[..., 1:2]) - 16
    divisor = (xyz @ np.array([1, 15, 3], np.float32))[..., np.newaxis].clip(_LEAST, None)
    first = 13 * lightness * (4 * xyz[..., :1] / divisor - np.float32(_U_WHITE))
    second = 13 * lightness * (9 * xyz[..., 1:2] / divisor - np.float32(_V_WHITE))
    return np.concatenate([lightness, first, second], axis=-1)


def _srgb_of_luv(luv: np.ndarray) -> np.ndarray:
    lightness, first, second = np.split(luv.astype(np.float32, copy=False), 3, axis=-1)
    y = _cube((lightness + 16) / 116)
    divisor = 13 * lightness.clip(_LEAST, None)
    u = first / divisor + np.float32(_U_WHITE)
    v = (second / divisor + np.float32(_V_WHITE)).clip(1e-3, None)  # no color has less
    x = y * 9 * u / (4 * v)
    z = y * (12 - 3 * u - 20 * v) / (4 * v)
    return _srgb(np.concatenate([x, y, z], axis=-1))


COLOR_SPACES: Mapping[str, ColorSpace] = {
    "ycbcr": ColorSpace(255, 128, (0, 0, 0), (255, 256, 256), *_differences(_CB, _CR, 128)),
    "yuv": ColorSpace(255, 0, (0, -112, -157), (255, 112, 157), *_differences(_U, _V, 0)),
    "lab": ColorSpace(100, 0, (0, -87, -108), (100, 99, 95), _lab, _srgb_of_lab),
    "luv": ColorSpace(100, 0, (0, -84, -135), (100, 176, 108), _luv, _srgb_of_luv),
}
"""Choice of `Config.color_space` -> the space."""
