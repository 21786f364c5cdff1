"""Keeping the content's colours."""

import numpy as np
from PIL import Image


def preserve_colors(stylized: np.ndarray, content: np.ndarray) -> np.ndarray:
    """Lightness of one picture with the colours of another.

    Luminance transfer in the sense of Gatys et al. (arXiv:1606.05897), but done on the result instead of on the inputs,
    and in YCbCr (ITU-R BT.601), as in anishathalye/neural-style.

    Args:
        stylized: uint8 (height, width, 3), sRGB; its luma is kept.
        content: uint8 of the same shape; its chroma is kept.

    Returns:
        uint8 (height, width, 3), sRGB.
    """
    luma = Image.fromarray(stylized).convert("YCbCr").getchannel("Y")
    _, blue, red = Image.fromarray(content).convert("YCbCr").split()
    return np.asarray(Image.merge("YCbCr", (luma, blue, red)).convert("RGB"))
