"""Lightness from one picture, colors from another."""

from typing import Any

import numpy as np

from neural_style.images.row_bands import row_bands

_LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the luma of ITU-R BT.601. Their sum is 1."""


def luma(rgb: np.ndarray) -> np.ndarray:
    """Return the luma of colors or of their differences: float32 (height, width, 3) to (height, width, 1)."""
    red, green, blue = (rgb[..., [index]] * np.float32(weight) for index, weight in enumerate(_LUMA))
    return red + green + blue


def preserve_colors(
    stylized: np.ndarray, content: np.ndarray, out: np.ndarray | None = None, mask: np.ndarray | None = None
) -> np.ndarray:
    """Combine the lightness of one picture with the colors of another.

    This is the luminance transfer of Gatys et al. (arXiv:1606.05897), applied to the result instead of the inputs, in
    YCbCr (ITU-R BT.601) as in anishathalye/neural-style. Replacing the luma of a color without changing its chroma adds
    the difference of the two lumas to each of red, green and blue: rgb + luma(stylized) - luma(rgb). So no conversion
    to YCbCr is needed.

    Args:
        stylized: sRGB (height, width, 3), uint8 (0-255) or uint16 (0-65535). Its luma is kept.
        content: a picture of the same type and shape. Its chroma is kept.
        out: array for the result, which may be one of the two inputs. None for a new array.
        mask: where colors are kept, uint8 (height, width), 255 fully and 0 not at all. None for everywhere.

    Returns:
        Same type and shape, sRGB; values out of range are clipped.
    """
    out = np.empty_like(stylized) if out is None else out
    for rows in row_bands(*stylized.shape[:2]):
        color = content[rows].astype(np.float32)
        color += luma(stylized[rows] - color)
        if mask is not None:
            color = within(mask[rows], color, stylized[rows])
        out[rows] = np.rint(color, out=color).clip(0, np.iinfo(out.dtype).max, out=color)
    return out


def within(mask: np.ndarray, inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Return one picture where a mask is white, and another where it is black; between them where it is gray.

    Args:
        mask: uint8 (height, width).
        inside: float32 (height, width, 3).
        outside: of the same shape.
    """
    share = mask[..., np.newaxis] / np.float32(255)
    return outside + share * (inside - outside)


def lay_over(painting: np.ndarray, photo: np.ndarray, opacity: float, where: np.ndarray | None = None) -> None:
    """Lay a painting over a photo, in place: opacity · painting + (1 - opacity) · photo.

    Args:
        painting: (height, width, 3), uint8 or uint16. It is overwritten.
        photo: of the same type and shape.
        opacity: 0 to 1.
        where: factor on the opacity of each pixel, float (height, width, 1), 0-1; None for 1 each.
    """
    share: Any = opacity
    for index, (row, of_photo) in enumerate(zip(painting, photo, strict=True)):  # few bytes in floating point at a time
        if where is not None:
            share = opacity * where[index].astype(np.float32)
        row[:] = np.rint(share * row + (1 - share) * of_photo)
