"""Regions of a picture that have styles of their own: read from masks, and made at any size."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from neural_style.errors import UsageError
from neural_style.images import labels
from neural_style.images.masks import is_stretched, mask_of, resize_mask
from neural_style.images.picture import Picture, Source, describe
from neural_style.images.reading import read_image
from neural_style.images.style_sizes import Size

_log = logging.getLogger("neural_style")


class MaskSource(Protocol):
    """What a picture's masks are made from, at any size."""

    @property
    def nbytes(self) -> int:
        """Bytes that it holds."""

    def at(self, width: int, height: int) -> np.ndarray:
        """Return the mask of each region: float16 (height, width, regions), 0-1."""


@dataclass(frozen=True, eq=False)
class GrayMasks:
    """Gray masks of some regions."""

    masks: Sequence[np.ndarray | None]
    """Of each region: float16 (height, width), 0-1; None for a region that has nothing of the picture."""

    @property
    def nbytes(self) -> int:
        """Bytes that it holds."""
        return sum(0 if mask is None else mask.nbytes for mask in self.masks)

    def at(self, width: int, height: int) -> np.ndarray:
        """Return the mask of each region; see `MaskSource`."""
        made = np.zeros((height, width, len(self.masks)), np.float16)
        for index, mask in enumerate(self.masks):
            if mask is not None:
                made[..., index] = resize_mask(mask.astype(np.float32), width, height)
        return made


@dataclass(frozen=True, eq=False)
class LabelMasks:
    """Masks of some regions from a label image."""

    indices: np.ndarray
    """Label of each pixel, uint8 (height, width)."""
    of_regions: Sequence[int | None]
    """Label of each region; None for a region that has nothing of the picture."""

    @property
    def nbytes(self) -> int:
        """Bytes that it holds."""
        return self.indices.nbytes

    def at(self, width: int, height: int) -> np.ndarray:
        """Return the mask of each region; see `MaskSource`. Resizing gives soft borders."""
        made = np.zeros((height, width, len(self.of_regions)), np.float16)
        for index, label in enumerate(self.of_regions):
            if label is not None:
                made[..., index] = resize_mask((self.indices == label).astype(np.float32), width, height)
        return made


@dataclass(frozen=True, eq=False)
class Everything:
    """A mask by which all of a picture belongs to one region."""

    @property
    def nbytes(self) -> int:
        """Bytes that it holds: none."""
        return 0

    def at(self, width: int, height: int) -> np.ndarray:
        """Return the mask; see `MaskSource`."""
        return np.ones((height, width, 1), np.float16)


@dataclass(frozen=True, eq=False)
class Regions:
    """The regions of a run."""

    members: tuple[tuple[int, ...], ...]
    """Indices of the styles of each region."""
    content: MaskSource
    """Where each region is in the result."""
    styles: tuple[MaskSource | None, ...]
    """What of each style belongs to each region; None for all of it, in whatever region it counts."""


def read_gray_mask(role: str, source: Source, size: Size, max_pixels: int) -> GrayMasks:
    """Read a mask of one region, such as that of the content loss.

    Args:
        role: what it is for, such as "content_mask"; messages begin with it.
        source: the mask.
        size: width and height of its picture, which it should have in proportion.
        max_pixels: most pixels of the mask.

    Raises:
        ImageError: it cannot be read, or is black everywhere.
        UsageError: it has colors.
    """
    (drawn,) = _read(role, [source], [size], max_pixels)
    mask = GrayMasks([_gray(drawn)])
    _note_stretched([drawn])
    return mask


def read_color_mask(source: Source | None, size: Size, max_pixels: int) -> np.ndarray | None:
    """Read where colors are kept, at a width and height: uint8 (height, width), 0-255; None for everywhere.

    Raises:
        ImageError: as for `read_gray_mask`, and so for UsageError.
    """
    if source is None:
        return None
    mask = read_gray_mask("color_mask", source, size, max_pixels).at(*size)[..., 0]
    return np.rint(mask.astype(np.float32) * 255).astype(np.uint8)


def read_regions(
    content_masks: Sequence[Source] | None,
    style_masks: Sequence[Source] | None,
    content: Size,
    styles: Sequence[Size],
    max_pixels: int,
) -> Regions:
    """Read the masks of a run.

    Args:
        content_masks: one gray mask per style, or one label image; None if all styles count everywhere.
        style_masks: one gray mask per style, or one label image per style; None for whole style pictures.
        content: width and height of the content picture, which masks should have in proportion.
        styles: the same of the styles.
        max_pixels: most pixels of a mask.

    Raises:
        ImageError: a mask cannot be read, or is black everywhere.
        UsageError: masks and styles, or the colors of label images, do not match.
    """
    of_content = _read("content_masks", content_masks or (), itertools.repeat(content), max_pixels)
    of_styles = _read("style_masks", style_masks or (), styles, max_pixels)
    regions = _paired(of_content, of_styles, len(styles))
    _note_stretched([*of_content, *of_styles])
    return regions


def _paired(of_content: Sequence[_Drawn], of_styles: Sequence[_Drawn], count: int) -> Regions:
    """Return the regions of masks, for a number of styles; `read_regions` explains them."""
    if len(of_content) == 1 and (count > 1 or labels.is_colored(of_content[0].picture.rgb)):
        return _of_labels(of_content[0], of_styles, count)
    if not of_content:
        return Regions((tuple(range(count)),), Everything(), tuple(GrayMasks([_gray(each)]) for each in of_styles))

    def of_own_region(style: int) -> MaskSource:
        return GrayMasks([_gray(of_styles[style]) if region == style else None for region in range(count)])

    masks = tuple(of_own_region(style) if of_styles else None for style in range(count))
    return Regions(tuple((style,) for style in range(count)), GrayMasks(list(map(_gray, of_content))), masks)


class _Drawn(NamedTuple):
    """A mask or label image as read."""

    subject: str
    """What it is, for messages."""
    picture: Picture
    size: Size
    """Width and height of the picture that it belongs to."""


def _read(role: str, sources: Sequence[Source], sizes: Iterable[Size], max_pixels: int) -> list[_Drawn]:
    """Read masks or label images, each for a picture of a width and height."""
    return [
        _Drawn(f"{role} {describe(source)}", read_image(source, role, max_pixels), size)
        for source, size in zip(sources, sizes, strict=False)
    ]


def _note_stretched(masks: Sequence[_Drawn]) -> None:
    """Say which masks have other proportions than their pictures, now that all of them are accepted."""
    for subject, picture, size in masks:
        if is_stretched((picture.width, picture.height), size):
            both = picture.width, picture.height, *size
            _log.warning("%s: its %d×%d px are stretched to the proportions of its picture, %d×%d", subject, *both)


def _gray(drawn: _Drawn) -> np.ndarray:
    """Return a gray mask, float16 (height, width).

    Raises:
        UsageError: it has colors.
    """
    if labels.is_colored(drawn.picture.rgb):
        others = ", or give one label image as --content_masks and one for each style as --style_masks"
        raise UsageError(
            f"{drawn.subject}: expected a gray mask, got one with colors; make it gray"
            f"{others if drawn.subject.startswith(('content_masks', 'style_masks')) else ''}"
        )
    return mask_of(drawn.picture, drawn.subject).astype(np.float16)


def _of_labels(content: _Drawn, styles: Sequence[_Drawn], count: int) -> Regions:
    """Pair the labels of the content with those of the styles.

    Black stands for none on both sides. Every other color must have a partner.
    """
    if not styles:
        needed = f"{count} gray masks, one for each style, or " if count > 1 else ""
        raise UsageError(
            f"{content.subject}: expected {needed}--style_masks beside a label image, one for each style, whose colors "
            "pair their regions with its own, got it alone; give --style_masks, or gray masks"
        )
    found = labels.read_labels(content.picture.rgb, content.subject)
    of_styles = [labels.read_labels(each.picture.rgb, each.subject) for each in styles]
    partners = [
        [None if labels.is_black(color) else labels.matching(color, style.colors) for style in of_styles]
        for color in found.colors
    ]
    used = [region for region, of_region in enumerate(partners) if any(label is not None for label in of_region)]
    lonely = [color for region, color in enumerate(found.colors) if region not in used and not labels.is_black(color)]
    if lonely or not used:
        known = [color for style in of_styles for color in style.colors]
        raise UsageError(
            f"{content.subject}: expected colors that style_masks have as well ({labels.described(known)}), got "
            f"{labels.described(lonely or found.colors)} without a partner; paint black only what shall stay as in the "
            "photo"
        )
    for drawn, style in zip(styles, of_styles, strict=True):
        named = [color for color in style.colors if not labels.is_black(color)]
        lonely = [color for color in named if labels.matching(color, found.colors) is None]
        if lonely or not named:
            raise UsageError(
                f"{drawn.subject}: expected colors that content_masks have as well ({labels.described(found.colors)}), "
                f"got {labels.described(lonely or style.colors)} without a partner; paint black what shall not count"
            )
    members = tuple(
        tuple(style for style, label in enumerate(partners[region]) if label is not None) for region in used
    )
    masks = tuple(
        LabelMasks(of_style.indices, [partners[region][style] for region in used])
        for style, of_style in enumerate(of_styles)
    )
    return Regions(members, LabelMasks(found.indices, used), masks)
