"""Read and resize the pictures of a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from neural_style.config.config import Config
from neural_style.config.options.pictures import PictureSource
from neural_style.errors import ImageError
from neural_style.images.picture import Picture, describe, resize, scaled_height
from neural_style.images.reading import read_image
from neural_style.vgg19_spec import MIN_SIDE


@dataclass(frozen=True)
class Inputs:
    """The pictures of a run at the sizes that the network sees."""

    content: Picture
    """At the size of the result."""
    styles: tuple[Picture, ...]
    """Each as wide as the result times its style scale, with its aspect ratio kept."""
    initial: Picture | None
    """At the size of the result; None if the run starts from the content."""
    originals: Inputs | None = field(default=None, repr=False)
    """The pictures as read, from which smaller ones are made; None if only this size is kept."""

    @property
    def plan_size(self) -> tuple[int, int, tuple[int, int]]:
        """Width and height of the result and size of the content as read, in pixels, for `pyramid.scales_of`."""
        content, original = self.content, (self.originals or self).content
        return content.width, content.height, (original.width, original.height)

    @property
    def nbytes(self) -> int:
        """Bytes of all pictures. An array that is used several times counts once."""
        return sum({id(values): values.nbytes for values in self._arrays()}.values())

    def _arrays(self) -> Iterator[np.ndarray]:
        for picture in (self.content, *self.styles, self.initial):
            if picture is not None:
                yield picture.rgb
                if picture.alpha is not None:
                    yield picture.alpha
        if self.originals is not None:
            yield from self.originals._arrays()


def read_inputs(config: Config) -> Inputs:
    """Read and resize every picture that a run needs.

    Raises:
        ImageError: a picture cannot be read; or, before or after resizing, it has a side of less than
            `vgg19_spec.MIN_SIDE` pixels or more than `Config.max_pixels` pixels.
    """
    limit = config.max_pixels
    original = read_image(config.content, "content picture", limit)
    content = _to_width(original, config.width or original.width, limit, "content picture", config.content)
    scales = config.style_scales or (1.0,) * len(config.styles)
    widths = [round(min(content.width * scale, limit)) for scale in scales]
    originals = [read_image(style, "style picture", limit) for style in config.styles]
    styles = tuple(
        _to_width(read, width, limit, "style picture", style)
        for read, width, style in zip(originals, widths, config.styles, strict=True)
    )
    initial = read = None
    if config.initial is not None:
        read = read_image(config.initial, "initial picture", limit)
        _check_not_tiny(read, f"initial picture {describe(config.initial)}")
        initial = resize(read, content.width, content.height)
    return Inputs(content, styles, initial, Inputs(original, tuple(originals), read))


def at_scale(inputs: Inputs, width: int, height: int) -> Inputs:
    """Return the same pictures for a smaller result.

    Style pictures shrink with the result, but no side becomes shorter than `MIN_SIDE`. The pictures are resized from
    the originals, so they equal those of a run at that size.

    Args:
        inputs: pictures for the full result.
        width: width of the smaller result in pixels.
        height: height of the smaller result in pixels.
    """
    if (width, height) == (inputs.content.width, inputs.content.height):
        return Inputs(inputs.content, inputs.styles, inputs.initial)
    factor, originals = width / inputs.content.width, inputs.originals or inputs

    def shrunk(style: Picture, original: Picture) -> Picture:
        least = MIN_SIDE / min(style.width, style.height)
        wide = round(style.width * max(factor, least))
        return resize(original, wide, max(MIN_SIDE, scaled_height(original, wide)))

    return Inputs(
        resize(originals.content, width, height),
        tuple(shrunk(*pair) for pair in zip(inputs.styles, originals.styles, strict=True)),
        originals.initial and resize(originals.initial, width, height),
    )


def _to_width(picture: Picture, width: int, max_pixels: int, role: str, source: PictureSource) -> Picture:
    height = scaled_height(picture, width)
    scaled = "" if width == picture.width else f" (scaled from {picture.width}×{picture.height})"
    subject = f"{role} {describe(source)}"
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
    return resize(picture, width, height)


def _check_not_tiny(picture: Picture, subject: str) -> None:
    if min(picture.width, picture.height) < MIN_SIDE:
        raise ImageError(
            f"{subject}: expected at least {MIN_SIDE} px a side, got {picture.width}×{picture.height}; "
            "use a larger picture"
        )
