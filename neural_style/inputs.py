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
        ImageError: a picture cannot be read, a side of it is or would be under `architecture.MIN_SIDE` pixels, or it
            has or would have more than `Config.max_pixels` of them.
    """
    limit = config.max_pixels
    content = images.read_image(config.content, "content picture", limit)
    content = _to_width(content, config.width or content.width, limit, "content picture", config.content)
    scales = config.style_scales or (1.0,) * len(config.styles)
    widths = [round(min(content.width * scale, limit)) for scale in scales]
    styles = tuple(
        _to_width(images.read_image(style, "style picture", limit), width, limit, "style picture", style)
        for style, width in zip(config.styles, widths, strict=True)
    )
    initial = None
    if config.initial is not None:
        initial = images.read_image(config.initial, "initial picture", limit)
        _check_not_tiny(initial, f"initial picture {images.describe(config.initial)}")
        initial = images.resize(initial, content.width, content.height)
    return Inputs(content, styles, initial)


def at_scale(inputs: Inputs, width: int, height: int) -> Inputs:
    """The same pictures for a smaller result: styles shrink with it, but no side of theirs below `MIN_SIDE`.

    Args:
        inputs: at the size of the full result.
        width: of the smaller one, in pixels.
        height: of the smaller one, in pixels.
    """
    factor = width / inputs.content.width

    def shrunk(style: Picture) -> Picture:
        least = MIN_SIDE / min(style.width, style.height)
        return images.resize(style, *(round(side * max(factor, least)) for side in (style.width, style.height)))

    initial = inputs.initial and images.resize(inputs.initial, width, height)
    return Inputs(images.resize(inputs.content, width, height), tuple(map(shrunk, inputs.styles)), initial)


def _to_width(picture: Picture, width: int, max_pixels: int, role: str, source: PictureSource) -> Picture:
    height = images.scaled_height(picture, width)
    scaled = "" if width == picture.width else f" (scaled from {picture.width}×{picture.height})"
    subject = f"{role} {images.describe(source)}"
    _check_not_tiny(picture, subject)
    if min(width, height) < MIN_SIDE:
        raise ImageError(
            f"{subject}: expected at least {MIN_SIDE} px a side, got {width}×{height}{scaled}; "
            "use a larger picture, --width or --style_scales"
        )
    if width * height > max_pixels:
        raise ImageError(
            f"{subject}: expected at most {max_pixels} pixels, got {width}×{height}{scaled}; "
            "lower --width or --style_scales, or raise --max_pixels"
        )
    return images.resize(picture, width, height)


def _check_not_tiny(picture: Picture, subject: str) -> None:
    if min(picture.width, picture.height) < MIN_SIDE:
        raise ImageError(
            f"{subject}: expected at least {MIN_SIDE} px a side, got {picture.width}×{picture.height}; "
            "use a larger picture"
        )
