"""Options: which colors the result has."""

from __future__ import annotations

import dataclasses
from typing import Literal

from neural_style.config.fields import option
from neural_style.config.options.pictures import PictureSource


@dataclasses.dataclass(frozen=True, eq=False)
class Colors:
    """Which colors the result has."""

    color: Literal["none", "luminance", "match", "histogram"] = option(
        "Colors",
        "How the result gets the content's colors (Gatys et al., arXiv:1606.05897). luminance: the run sees gray "
        "pictures, the lightness of each style is moved to the content's mean and deviation, and the result gets the "
        "content's color at the end. match: before the run, the colors of each style are moved to the content's mean "
        "and covariance. histogram: the same with the histogram of each channel. none: the result has the styles' "
        "colors. A gray content gives a gray result. With --color_mask, the finished picture is changed instead.",
        "none",
    )
    color_space: Literal["ycbcr", "lab", "yuv", "luv"] = option(
        "Colors",
        "Space in which --color divides lightness from color, and compares colors: YCbCr or YUV (ITU-R BT.601), CIELAB "
        "or CIELUV.",
        "ycbcr",
    )
    color_transfer: Literal["symmetric", "pca", "cholesky"] = option(
        "Colors",
        "Which of the linear maps between two covariances --color match takes: symmetric moves colors the least "
        "(optimal transport), pca is the product of the two symmetric roots, and cholesky that of Cholesky factors.",
        "symmetric",
    )
    color_mask: PictureSource | None = option(
        "Colors",
        "A gray picture, stretched to the result. The content's colors are kept where it is white. With "
        "--preserve_colors or --color, which then changes the finished picture.",
        None,
        picture=True,
    )
    proof: str | None = option(
        "Colors",
        "ICC profile of a printer. The loss sees the picture as it would be printed, and the result has only colors "
        "that can be printed.",
        None,
        path=True,
        read=True,
    )
    proof_intent: Literal["relative", "perceptual", "saturation", "absolute"] = option(
        "Colors",
        "How colors are brought into the range of --proof: the rendering intents of ICC. relative and absolute change "
        "only colors that cannot be printed; relative also scales lightness to that of white paper and of the darkest "
        "ink (black point compensation).",
        "relative",
    )

    @property
    def recolors_styles(self) -> bool:
        """Whether the colors of the styles are changed before the run."""
        return self.color != "none" and self.color_mask is None

    @property
    def recolors_result(self) -> bool:
        """Whether `color` changes the finished picture."""
        return self.color == "luminance" or (self.color != "none" and self.color_mask is not None)
