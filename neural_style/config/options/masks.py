"""Options: where in the picture what counts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from neural_style.config.fields import option
from neural_style.config.options.pictures import PictureSource


@dataclasses.dataclass(frozen=True, eq=False)
class Masks:
    """Where in the picture what counts."""

    content_masks: Sequence[PictureSource] | None = option(
        "Masks",
        "Where in the result each style counts: one gray picture per style, in their order, white where it counts; or "
        "one label image, whose areas of one color get the styles that have the same color in --style_masks. The photo "
        "stays where no style counts. Masks are stretched to the picture.",
        None,
        picture=True,
    )
    style_masks: Sequence[PictureSource] | None = option(
        "Masks",
        "What of each style picture counts: one gray picture per style, white where it counts; or, with a label image "
        "as --content_masks, one label image per style. By default all of it.",
        None,
        picture=True,
    )
    mask_erosion: bool = option(
        "Masks",
        "Leave out of each region, in each layer of the network, the positions whose features see pixels of another "
        "region. Not more than three quarters of a region are left out.",
        False,
    )
    content_mask: PictureSource | None = option(
        "Masks",
        "Gray picture: the content counts where it is white, and not where it is black.",
        None,
        picture=True,
    )
