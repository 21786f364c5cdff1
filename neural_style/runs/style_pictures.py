"""The pictures of the styles of a run: those held in memory, and those of folders, which are read one by one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from neural_style.compute.cost_model import CHANNEL_BYTES, IMAGE_BYTES
from neural_style.config.config import Config
from neural_style.errors import ImageError
from neural_style.hashing import FileCache, cached_hash
from neural_style.images.color_matching import ColorMap, apply
from neural_style.images.folders import is_folder, pictures_in
from neural_style.images.picture import Picture, Source, describe, resize
from neural_style.images.reading import read_image
from neural_style.images.regions import MaskSource
from neural_style.images.style_sizes import StyleFit

ROLE = "style picture"
"""What messages call these pictures."""


@dataclasses.dataclass(frozen=True)
class PictureOnDisk:
    """A picture that is read again each time it is used, so that the many pictures of a folder need no memory."""

    path: Path
    width: int
    """Width in pixels to which it is resized."""
    height: int
    """Height in pixels to which it is resized."""
    max_pixels: int
    """As `Config.max_pixels`."""
    digest: str
    """Hash of the file when the run began, by `digest_of`."""
    reading_bytes: int
    """Bytes that reading and resizing it takes, besides the resized picture."""
    hashes: FileCache[str] = dataclasses.field(compare=False, repr=False)
    """Hashes of all pictures of the run."""
    colors: ColorMap | None = dataclasses.field(default=None, compare=False, repr=False)
    """How its colors are changed; None if they are not."""

    @property
    def rgb(self) -> np.ndarray:
        """The pixels, as `Picture.rgb`.

        Raises:
            ImageError: the file is no longer what it was when the run began.
        """
        return self.picture().rgb

    def picture(self) -> Picture:
        """Read and resize the picture; see `rgb`."""
        picture = read_image(self.path, ROLE, self.max_pixels)
        digest = digest_of(self.path, self.hashes)  # after reading, so that no pixels of another file are used
        if digest != self.digest:
            raise ImageError(
                f"{ROLE} {describe(self.path)!r}: expected the file that the run began with, got one that has changed "
                "since; run again, and leave the folder as it is meanwhile"
            )
        if self.colors is not None:
            apply(self.colors, picture.rgb, picture.rgb)
        return resize(picture, self.width, self.height)


def digest_of(path: Path, hashes: FileCache[str]) -> str:
    """Return the hash of a file, from a cache if it is there; empty if the file cannot be read."""
    try:
        return cached_hash(path, "sha256", hashes)
    except OSError:
        return ""


def reading_bytes_of(picture: Picture) -> int:
    """Return the bytes that reading and resizing a picture takes at most, besides the result.

    They are its values, and two channels that resizing copies. Decoding takes no more than that besides the values.
    """
    channels = 2 if picture.alpha is None else 3  # with alpha, that as well
    return picture.width * picture.height * (IMAGE_BYTES + channels * CHANNEL_BYTES)


StylePicture = Picture | PictureOnDisk
"""A picture of a style at some size. Both kinds have `rgb`, `width` and `height`."""


class Place(NamedTuple):
    """Where a style picture belongs, and how it is resized."""

    style: int
    """Index of its style."""
    fit: StyleFit
    """The rule of its size."""


class Masked(NamedTuple):
    """An example of a style, some of which belongs to each region of a run."""

    rgb: np.ndarray
    """The example, float32 (height, width, 3), RGB 0-255."""
    masks: np.ndarray
    """What of it belongs to each region, float16 (height, width, regions), 0-1."""


@dataclasses.dataclass(frozen=True)
class Examples:
    """The examples of one style: its pictures and their turned copies. Iterating over them makes one at a time."""

    pictures: Sequence[StylePicture]
    rotations: Sequence[int]
    """As `Config.style_rotations`."""
    masks: MaskSource | None = None
    """What of each picture belongs to each region of the run; None for all of it."""

    def __iter__(self) -> Iterator[np.ndarray | Masked]:
        """Yield each picture, float32 (height, width, 3), RGB 0-255, and after it its turned copies; masked, if so."""
        for picture in self.pictures:
            rgb = picture.rgb
            masks = None if self.masks is None else self.masks.at(picture.width, picture.height)
            for degrees in (0, *(each for each in self.rotations if each)):
                yield _turned(rgb, degrees) if masks is None else Masked(_turned(rgb, degrees), _turned(masks, degrees))
            del rgb  # before the next one is read


def _turned(values: np.ndarray, degrees: int) -> np.ndarray:
    """Turn (height, width, channels) counterclockwise by a multiple of 90°."""
    return np.ascontiguousarray(np.rot90(values, degrees // 90))


def sources_of(config: Config) -> Iterator[tuple[Source, Place, Path | None]]:
    """Yield the source of every style picture, where it belongs, and its path if it is in a folder that was given.

    Raises:
        ImageError: there is no picture in a folder, or the folder cannot be read.
    """
    scales = config.style_scales or (1.0,) * len(config.styles)
    for index, (style, scale) in enumerate(zip(config.styles, scales, strict=True)):
        place = Place(index, StyleFit(config.style_fit or config.usual_fit, scale))
        if is_folder(style):
            yield from ((path, place, path) for path in pictures_in(style, "style folder"))
        else:
            yield style, place, None


def resized(picture: StylePicture, width: int, height: int) -> StylePicture:
    """Return a style picture at another size, made from one at the size as read."""
    if isinstance(picture, PictureOnDisk):
        return dataclasses.replace(picture, width=width, height=height)
    return resize(picture, width, height)


def in_memory(picture: StylePicture) -> Picture:
    """Return a style picture with its pixels."""
    return picture.picture() if isinstance(picture, PictureOnDisk) else picture
