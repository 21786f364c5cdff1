"""The pixels of PIL images and arrays in sRGB, made some rows at a time."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from neural_style.errors import ImageError
from neural_style.images.color_profiles import apply_curves, converter, gray_curves
from neural_style.images.row_bands import rows_of
from neural_style.images.white_levels import seems_normalized, white_of

LOG = logging.getLogger("neural_style")

_KNOWN_WHITE = ("PNG", "PPM")
"""Formats in which Pillow's mode I always holds 16-bit gray."""
_PALETTE_TAG = 320
"""ColorMap of a TIFF file."""


@dataclass(frozen=True, eq=False)
class PixelRows:
    """An upright picture in sRGB whose pixels are made some rows at a time.

    Attributes:
        width: width in pixels.
        height: height in pixels.
        rows: returns the rows of a slice: color (rows, width, 1 or 3), 0-255, and alpha (rows, width), 0-1, or None.
    """

    width: int
    height: int
    rows: Callable[[slice], tuple[np.ndarray, np.ndarray | None]]


def rows_of_array(array: np.ndarray, subject: str) -> PixelRows:
    """Return the pixels of an array.

    Raises:
        ImageError: its shape or type is not that of a picture.
    """
    white = 255 if array.dtype.kind == "f" else {"uint8": 255, "uint16": 65535, "bool": 1}.get(array.dtype.name)
    if white is None or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4)):
        raise ImageError(
            f"{subject} has shape {array.shape} and type {array.dtype}; expected H×W, H×W×1, H×W×2, H×W×3 or H×W×4 of "
            "uint8, uint16, bool or float in 0-255: convert it"
        )

    def rows(part: slice) -> tuple[np.ndarray, np.ndarray | None]:
        values = np.atleast_3d(array[part])
        if not np.isfinite(values).all():
            raise ImageError(f"{subject} has values that are not finite; expected numbers in 0-255: fix what made it")
        values = (values.astype(np.float32) / (white / 255)).clip(0, 255)
        if values.shape[2] in (1, 3):
            return values, None
        return values[..., :-1], values[..., -1] / 255

    return PixelRows(array.shape[1], array.shape[0], rows)


def warn_if_normalized(array: np.ndarray, subject: str) -> None:
    """Warn if the colors or the alpha of a floating-point array seem to be in 0-1, because 0-255 is expected."""
    if array.dtype.kind != "f":
        return
    values = np.atleast_3d(array)
    has_alpha = values.shape[2] in (2, 4)
    parts = {"colors": values[..., :-1], "alpha": values[..., -1:]} if has_alpha else {"values": values}
    small = [name for name, part in parts.items() if seems_normalized(part)]
    if small:
        LOG.warning(
            "%s: its %s hardly exceed 1, but 0-255 is expected, so it is nearly %s; multiply by 255",
            subject,
            " and ".join(small),
            "transparent" if small == ["alpha"] else "black",
        )


def rows_of_image(image: Image.Image, tags: Mapping[int, Any], subject: str) -> PixelRows:
    """Return the pixels of a loaded, upright PIL image.

    Args:
        image: the image; the palette of a TIFF file may be replaced.
        tags: tags of the TIFF file that it comes from, if any.
        subject: what errors and warnings begin with.

    Raises:
        ImageError: it is gray with more than 8 bits, and it is unknown which number is white.
    """
    if image.mode[0] in "IF":
        return _rows_of_deep_gray(image, tags, subject)
    if image.mode in ("P", "PA"):
        _mend_palette(image, tags)
    return _rows_of_8_bits(image, subject)


def _mend_palette(image: Image.Image, tags: Mapping[int, Any]) -> None:
    """Correct a palette of 0-255. TIFF demands 0-65535, and Pillow keeps the upper 8 bits, which would be 0."""
    levels = np.asarray(tags.get(_PALETTE_TAG, ()))
    if levels.size and levels.max() <= 255:
        image.putpalette(levels.reshape(3, -1).T.astype(np.uint8).tobytes(), "RGB")


def _rows_of_deep_gray(image: Image.Image, tags: Mapping[int, Any], subject: str) -> PixelRows:
    """Return the pixels of gray with more than 8 bits."""
    stored = np.asarray(image)
    if image.mode == "F" or (image.mode == "I" and image.format not in _KNOWN_WHITE):
        white = white_of(stored, subject)
    else:
        white = 2**12 - 1 if tags.get(ExifTags.Base.BitsPerSample) == (12,) else 2**16 - 1
    white_is_zero = tags.get(ExifTags.Base.PhotometricInterpretation) == 0
    key = image.info.get("transparency")
    curves = gray_curves(image.info.get("icc_profile"), subject)

    def rows(part: slice) -> tuple[np.ndarray, np.ndarray | None]:
        gray = (stored[part].astype(np.float64) / white * 255).clip(0, 255)
        if white_is_zero:
            gray = 255 - gray
        alpha = None if key is None else np.asarray(stored[part] != key, np.float32)
        return gray[..., np.newaxis] if curves is None else apply_curves(gray, curves), alpha

    return PixelRows(*image.size, rows)


def _rows_of_8_bits(image: Image.Image, subject: str) -> PixelRows:
    """Return the pixels of any other PIL image."""
    color_mode = {"1": "L", "L": "L", "LA": "L", "La": "L", "CMYK": "CMYK", "LAB": "LAB"}.get(image.mode, "RGB")
    is_transparent = image.has_transparency_data
    to_srgb = converter(color_mode, image.info.get("icc_profile"), subject)

    def rows(part: slice) -> tuple[np.ndarray, np.ndarray | None]:
        band = rows_of(image, part)
        if band.mode in ("La", "RGBa"):
            band = band.convert(band.mode.upper())
        alpha = None
        if is_transparent:
            band = band.convert("RGBA")
            alpha = np.asarray(band.getchannel("A"), np.float32) / 255
        return np.asarray(to_srgb(band.convert(color_mode))), alpha

    return PixelRows(*image.size, rows)
