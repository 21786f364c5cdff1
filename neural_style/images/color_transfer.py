"""Keeping the content's colours."""

import numpy as np

from neural_style.images.row_bands import bands

_LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the luma of ITU-R BT.601; of sum 1."""


def preserve_colors(stylized: np.ndarray, content: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Lightness of one picture with the colours of another.

    Luminance transfer in the sense of Gatys et al. (arXiv:1606.05897), but done on the result instead of on the inputs,
    and in YCbCr (ITU-R BT.601), as in anishathalye/neural-style. There a colour that gets another luma, and keeps its
    chroma, moves by the difference of the lumas in each of red, green and blue; so YCbCr itself is not needed.

    Args:
        stylized: uint8 (height, width, 3) of 0-255, or uint16 of 0-65535, sRGB; its luma is kept.
        content: Of the same type and shape; its chroma is kept.
        out: Where to put the result, which may be either picture; if not given, in a new array.

    Returns:
        Of the same type and shape, sRGB; values beyond its range are clipped.
    """
    out = np.empty_like(stylized) if out is None else out
    for part in bands(*stylized.shape[:2]):
        colour = content[part].astype(np.float32)
        lighter = stylized[part] - colour
        colour += sum(lighter[..., [index]] * np.float32(weight) for index, weight in enumerate(_LUMA))
        out[part] = np.rint(colour, out=colour).clip(0, np.iinfo(out.dtype).max, out=colour)
    return out
