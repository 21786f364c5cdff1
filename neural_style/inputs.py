"""The pictures of a run, read and brought to their sizes."""

from __future__ import annotations

from dataclasses import dataclass

from neural_style import images
from neural_style.architecture import MIN_SIDE
from neural_style.config import Config, PictureSource
from neural_style.errors import ImageError
from neural_style.images import Picture


@dataclass(frozen=True)
class Inputs:
    """Pictures at the sizes at which the network sees them."""

    content: Picture
    """At the size of the result."""
    styles: tuple[Picture, ...]
    """Each as wide as the result times its style scale, its aspect kept."""
    initial: Picture | None
    """At the size of the result; None where the content takes its place."""


def read_inputs(config: Config) -> Inputs:
    """Read and resize every picture that a run needs.

    Raises:
        ImageError: a picture cannot be read, or a side of it would be under `architecture.MIN_SIDE` pixels.
    """
    content = images.read_image(config.content, "content picture")
    content = _to_width(content, config.width or content.width, "content picture", config.content)
    scales = config.style_scales or (1.0,) * len(config.styles)
    styles = tuple(
        _to_width(images.read_image(style, "style picture"), round(content.width * scale), "style picture", style)
        for style, scale in zip(config.styles, scales, strict=True)
    )
    initial = None
    if config.initial is not None:
        initial = images.read_image(config.initial, "initial picture")
        initial = images.resize(initial, content.width, content.height)
    return Inputs(content, styles, initial)


def _to_width(picture: Picture, width: int, role: str, source: PictureSource) -> Picture:
    height = images.scaled_height(picture, width)
    if min(width, height) < MIN_SIDE:
        raise ImageError(
            f"{role} {images.describe(source)}: expected at least {MIN_SIDE} px a side, got {width}×{height}"
            f"{'' if width == picture.width else f' (scaled from {picture.width}×{picture.height})'}; "
            "use a larger picture or a larger --width"
        )
    return images.resize(picture, width, height)
