"""Runs without a photo and runs without a style, and the options that have no sense in them.

A texture has no content: it is as large as `Config.size` says. A reconstruction has no style: it rebuilds the content
from its features.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from neural_style.errors import UsageError

if TYPE_CHECKING:
    from neural_style.config.config import Config

OF_CONTENT = (
    *("strength", "content_weight", "content_loss", "content_weight_blend", "content_layers", "content_layer_weights"),
    *("photo_details", "preserve_colors", "opacity", "color", "color_space", "color_transfer", "color_mask"),
    "content_mask",
)
"""Options that say what is done with the content."""

OF_STYLE_PICTURES = ("style_scales", "style_fit", "style_rotations", "style_blend_weights", "style_layers_of")
"""Options that say how style pictures are used."""

OF_STYLE = (
    *OF_STYLE_PICTURES,
    *("style_loss", "style_loss_weights", "style_loss_layers", "style_reduction", "gram_normalization"),
    *("style_layers", "style_layer_weights", "style_layer_weight_exp", "content_masks", "style_masks", "mask_erosion"),
)
"""Options that say what is done with the styles."""

CONTENT_STARTS = ("content", "recolored")
"""Names that `Config.init` takes of starts that need a content."""

STYLE_STARTS = ("recolored", "style_colors", "style")
"""Names that `Config.init` takes of starts that need a style."""


def idle(config: Config) -> tuple[str, ...]:
    """Return the names of the options that change nothing in a run, because it has no content or no styles."""
    return (OF_CONTENT if config.content is None else ()) + (() if config.styles else OF_STYLE)


def parse_size(text: str, subject: str, advice: str = "") -> tuple[int, int]:
    """Return width and height in pixels from a text such as `512x384` or `512×384`.

    Args:
        text: the text.
        subject: what the message begins with.
        advice: what it ends with.

    Raises:
        UsageError: the text has another form.
    """
    found = re.fullmatch(r"(\d{1,9})\s*[x×]\s*(\d{1,9})", text.strip(), re.IGNORECASE | re.ASCII)
    if not found:
        raise UsageError(f"{subject}: expected WIDTHxHEIGHT in pixels, such as 512x512, got {text!r}{advice}")
    return int(found[1]), int(found[2])
