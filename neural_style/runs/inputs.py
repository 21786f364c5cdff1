"""Read and resize the pictures of a run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from neural_style.config.config import Config
from neural_style.config.defaults import STARTS
from neural_style.config.options.pictures import PictureSource
from neural_style.config.resolve import ResolvedConfig
from neural_style.errors import ImageError, UsageError
from neural_style.hashing import FileCache
from neural_style.images.folders import is_folder
from neural_style.images.picture import Picture, Source, blank, describe, is_blank, resize, scaled_height
from neural_style.images.proofing import Proof, read_proof
from neural_style.images.reading import read_image
from neural_style.images.regions import MaskSource, Regions, read_color_mask, read_gray_mask, read_regions
from neural_style.images.style_sizes import Size
from neural_style.runs import pyramid
from neural_style.runs.matched_colors import MatchedColors, matching_of, seen_by_the_loss
from neural_style.runs.style_pictures import (
    ROLE,
    Examples,
    PictureOnDisk,
    Place,
    StylePicture,
    digest_of,
    in_memory,
    reading_bytes_of,
    resized,
    sources_of,
)
from neural_style.vgg19_spec import MIN_SIDE

if TYPE_CHECKING:
    from neural_style.compute.masks import Masks

_LEAST_COVER = 0.05
"""Least sum of masks at every pixel of a texture, which has no photo that could stay there."""


@dataclass(frozen=True)
class Inputs:
    """The pictures of a run at the sizes that the network sees."""

    content: Picture
    """At the size of the result; a `blank` picture of that size for a texture."""
    styles: tuple[StylePicture, ...]
    """The pictures of all styles, those of one style next to each other, each at the size that `Config.style_fit` and
    its style scale give. A folder has several; the others have one."""
    initial: Picture | None
    """At the size of the result; None if the run does not start from a picture other than the content."""
    originals: Inputs | None = field(default=None, repr=False)
    """The pictures as read, from which smaller ones are made; None if only this size is kept."""
    places: tuple[Place, ...] = ()
    """Where each of `styles` belongs, and how it is resized; empty for the pictures as read."""
    least_style_side: int = MIN_SIDE
    """Least side in pixels of the style pictures at the coarse sizes of a run."""
    regions: Regions | None = field(default=None, repr=False)
    """The regions that have styles of their own; None if all styles count everywhere."""
    content_mask: MaskSource | None = field(default=None, repr=False)
    """Where the content counts; None for everywhere."""
    color_mask: np.ndarray | None = None
    """Where the content's colors are kept, at the size of the result, uint8 (height, width); None for everywhere."""
    proof: Proof | None = None
    """The colors that can be printed; None if any can."""

    @property
    def plan_size(self) -> tuple[int, int, tuple[int, int], float]:
        """What `pyramid.scales_of` needs: width and height of the result, size of the content as read, and enlargement.

        All but the last are in pixels.
        """
        content, original = self.content, (self.originals or self).content
        return content.width, content.height, (original.width, original.height), self._enlargement

    @property
    def _enlargement(self) -> float:
        """How many times as large as the smallest style picture a texture is, by their shorter sides, or 1.

        A texture has no forms larger than its styles, and at a coarse size, nothing can be seen of a style that is
        much smaller than that. So both begin at a size at which the style can be seen.
        """
        if not is_blank(self.content.rgb):
            return 1.0
        side = min(self.content.width, self.content.height)
        return max(side / min([side, *(min(style.width, style.height) for style in self.styles)]), 1.0)

    @property
    def nbytes(self) -> int:
        """Bytes of all pictures that are held. An array that is used several times counts once."""
        masks = [self.content_mask]
        if self.regions is not None:
            masks += [self.regions.content, *self.regions.styles]
        of_masks = sum(0 if each is None else each.nbytes for each in masks)
        return of_masks + sum({id(values): values.nbytes for values in self._arrays()}.values())

    @property
    def reading_bytes(self) -> int:
        """Bytes that reading the largest of the pictures on disk again takes, besides the resized picture."""
        return max((each.reading_bytes for each in self.styles if isinstance(each, PictureOnDisk)), default=0)

    def _arrays(self) -> Iterator[np.ndarray]:
        for picture in (self.content, *self.styles, self.initial):
            if isinstance(picture, Picture) and not is_blank(picture.rgb):
                yield picture.rgb
                if picture.alpha is not None:
                    yield picture.alpha
        if self.originals is not None:
            yield from self.originals._arrays()

    def of_style(self, index: int) -> list[StylePicture]:
        """Return the pictures of a style by its index."""
        return [picture for picture, place in zip(self.styles, self.places, strict=True) if place.style == index]

    def examples(self, rotations: Sequence[int] | None) -> list[Examples]:
        """Return the examples of each style.

        Args:
            rotations: as `Config.style_rotations`.
        """
        styles = sorted({place.style for place in self.places})
        masks = [None] * len(styles) if self.regions is None else self.regions.styles
        return [Examples(self.of_style(style), rotations or (), masks[style]) for style in styles]

    def masks(self, eroded: bool, wraps: bool = False) -> Masks:
        """Return the masks at the size of the content.

        Args:
            eroded: as `Config.mask_erosion`.
            wraps: as `Config.seamless`.
        """
        from neural_style.compute.masks import Masks

        size = self.content.width, self.content.height
        content = None if self.content_mask is None else self.content_mask.at(*size)
        if self.regions is None:
            return Masks(content=content)
        return Masks(self.regions.content.at(*size), self.regions.members, content, eroded, wraps)

    @property
    def region_count(self) -> int:
        """Number of regions that have styles of their own; 0 if all styles count everywhere."""
        return 0 if self.regions is None else len(self.regions.members)

    @property
    def style_areas(self) -> list[float]:
        """Pixels of the style pictures that are in memory at once, as multiples of the result's pixels.

        Those that are held are all in memory; of those on disk it is one at a time, so the largest counts.
        """
        pixels = self.content.width * self.content.height
        areas: dict[bool, list[float]] = {True: [], False: []}  # by whether they are held
        for picture in self.styles:
            areas[isinstance(picture, Picture)].append(picture.width * picture.height / pixels)
        return areas[True] + sorted(areas[False])[-1:]


def read_inputs(config: Config) -> Inputs:
    """Read and resize every picture that a run needs.

    The pictures of folders are read to check them, and not kept.

    Raises:
        ImageError: a picture cannot be read; or, before or after resizing, it has a side of less than
            `vgg19_spec.MIN_SIDE` pixels or more than `Config.max_pixels` pixels.
        UsageError: `Config.init` is neither the name of a start nor a picture.

    It is also an ImageError if `Config.proof` is not the profile of a printer.
    """
    limit = config.max_pixels
    proof = None if config.proof is None else read_proof(config.proof, config.proof_intent)
    if config.texture_size is not None:
        content = original = blank(*config.texture_size)
    else:
        assert config.content is not None
        original = read_image(config.content, "content picture", limit)
        size = config.width or original.width, scaled_height(original, config.width or original.width)
        content = _to_size(original, size, limit, "content picture", config.content)
    styles: list[StylePicture] = []
    originals: list[StylePicture] = []
    places = []
    hashes: FileCache[str] = FileCache(most=None)  # of this run's pictures, however many there are
    matching = matching_of(config) if config.recolors_styles else None
    matched = MatchedColors(matching, original) if matching else None
    for source, place, path in sources_of(config):
        style, read = _read_style(source, place, path, (content.width, content.height), limit, hashes, matched)
        styles.append(style)
        originals.append(read)
        places.append(place._replace(fit=place.fit.of((content.width, content.height), (read.width, read.height))))
    if matched is not None:
        originals = [matched.applied(place.style, read) for read, place in zip(originals, places, strict=True)]
        styles = [resized(read, each.width, each.height) for read, each in zip(originals, styles, strict=True)]
    start = _read_start(config, next(iter(originals), None))
    initial = start and resize(start, content.width, content.height)
    regions, content_mask = _read_masks(config, original, originals)
    return Inputs(
        content,
        tuple(styles),
        initial,
        Inputs(original, tuple(originals), start),
        tuple(places),
        regions=regions,
        content_mask=content_mask,
        color_mask=read_color_mask(config.color_mask, (content.width, content.height), limit),
        proof=proof,
    )


def _read_masks(
    config: Config, content: Picture, styles: Sequence[StylePicture]
) -> tuple[Regions | None, MaskSource | None]:
    """Read the masks of a run: those of regions and that of the content.

    Args:
        config: the run.
        content: the content picture as read.
        styles: the style pictures as read.
    """
    size, limit = (content.width, content.height), config.max_pixels
    of_content = (
        None if config.content_mask is None else read_gray_mask("content_mask", config.content_mask, size, limit)
    )
    if config.content_masks is config.style_masks is None:
        return None, of_content
    folder = next((style for style in config.styles if is_folder(style)), None)
    if folder is not None and config.style_masks is not None:
        raise UsageError(
            f"style_masks: expected styles that are one picture each, got the folder {describe(folder)}; leave "
            "style_masks out, or give a picture of the folder"
        )
    sizes = [(style.width, style.height) for style in styles[: len(config.styles)]]  # without folders, one per style
    regions = read_regions(config.content_masks, config.style_masks, size, sizes, limit)
    if config.content is None and regions.content.at(*size).sum(-1).min() < _LEAST_COVER:
        raise UsageError(
            "content_masks: expected masks that leave nothing of a texture black, got some that do; paint white "
            "everywhere in one of them or another"
        )
    return regions, of_content


def suited(inputs: Inputs, config: ResolvedConfig) -> Inputs:
    """Return the pictures of a run with the `least_style_side` that its loss needs.

    Args:
        inputs: pictures for the full result.
        config: the run.

    Raises:
        UsageError: a style picture is too small for the sizes of the loss at the full size of the result.
    """
    for style in inputs.styles:
        pyramid.check_loss_scales(
            config, (style.width, style.height), "a style picture", "a larger --width or --style_scales"
        )
    return replace(inputs, least_style_side=pyramid.least_side(config))


def _read_style(
    source: Source,
    place: Place,
    path: Path | None,
    result: Size,
    max_pixels: int,
    hashes: FileCache[str],
    matched: MatchedColors | None,
) -> tuple[StylePicture, StylePicture]:
    """Return a style picture at the size that it has for a result, and as read; on disk if it has a path.

    It is added to the colors of its style in `matched`, and has its own colors still.
    """
    digest = "" if path is None else digest_of(path, hashes)
    read = read_image(source, ROLE, max_pixels)
    fit = place.fit._replace(scale=min(place.fit.scale, max_pixels / MIN_SIDE))  # refused below, with shorter numbers
    style = _to_size(read, fit.size(result, (read.width, read.height)), max_pixels, ROLE, source)
    if matched is not None:
        matched.add(place.style, read)
    if path is None:
        return style, read
    on_disk = PictureOnDisk(path, read.width, read.height, max_pixels, digest, reading_bytes_of(read), hashes)
    return resized(on_disk, style.width, style.height), on_disk


def _read_start(config: Config, style: StylePicture | None) -> Picture | None:
    """Read the picture to start from; None to start from the content or from none.

    Args:
        config: the run.
        style: the first style picture as read; None if there are none.
    """
    if config.start == "style" and style is not None:
        return in_memory(style)
    source = config.start_picture
    if source is None:
        return None
    if source is config.init and isinstance(source, str) and not (os.path.exists(source) or Path(source).suffix):
        raise UsageError(f"init: expected {', '.join(STARTS)} or the path of a picture, got {source!r}")
    start = read_image(source, "initial picture", config.max_pixels)
    _check_not_tiny(start, f"initial picture {describe(source)}")
    return seen_by_the_loss(config, start)


def at_scale(inputs: Inputs, width: int, height: int) -> Inputs:
    """Return the same pictures for a smaller result.

    Style pictures shrink with the result, but no side becomes shorter than `Inputs.least_style_side`. The pictures
    are resized from the originals, so they equal those of a run at that size.

    Args:
        inputs: pictures for the full result.
        width: width of the smaller result in pixels.
        height: height of the smaller result in pixels.
    """
    if (width, height) == (inputs.content.width, inputs.content.height):
        return replace(inputs, originals=None)
    originals = inputs.originals or inputs
    sizes = _style_sizes_at(inputs, width, height)
    return Inputs(
        resize(originals.content, width, height),
        tuple(resized(style, *size) for style, size in zip(originals.styles, sizes, strict=True)),
        originals.initial and resize(originals.initial, width, height),
        places=inputs.places,
        least_style_side=inputs.least_style_side,
        regions=inputs.regions,
        content_mask=inputs.content_mask,
    )


def _style_sizes_at(inputs: Inputs, width: int, height: int) -> list[Size]:
    """Return the sizes that style pictures have for a smaller result; the arguments are those of `at_scale`."""
    result, least, originals = (width, height), inputs.least_style_side, inputs.originals or inputs
    return [
        place.fit.size_at_least(result, (read.width, read.height), (style.width, style.height), least)
        for style, read, place in zip(inputs.styles, originals.styles, inputs.places, strict=True)
    ]


def _to_size(picture: Picture, size: Size, max_pixels: int, role: str, source: PictureSource) -> Picture:
    width, height = size
    scaled = "" if size == (picture.width, picture.height) else f" (scaled from {picture.width}×{picture.height})"
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
