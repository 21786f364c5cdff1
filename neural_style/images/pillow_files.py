"""Open and decode files with Pillow, but without its limit on pixels, which applies to the whole process.

`Image.open` warns about a picture of more than `Image.MAX_IMAGE_PIXELS` and refuses one of twice that size. Our own
limit is an option. So files are opened by the same plugins without that check, and threads can read at the same time.
A few formats, such as WebP, check the limit themselves. For a picture that they refuse, it is lifted under a lock.

Only the plugin of the file's own format sees a file. `Image.open` tries all of them, and some start other programs.
"""

import contextlib
import importlib
import struct
import threading
from collections.abc import Callable, Iterator
from typing import IO, TypeVar

from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from neural_style.images import formats, png_chunks

Made = TypeVar("Made")

_MODULES = {"WEBP": "WebP", "BMP": "Bmp", "GIF": "Gif", "JPEG2000": "Jpeg2K", "PPM": "Ppm", "AVIF": "Avif"}
"""Name of a plugin -> the beginning of its module's name."""

_LIFTING = threading.Lock()
"""Held while `Image.MAX_IMAGE_PIXELS` is lifted."""


def open_with_pillow(stream: IO[bytes], opener: Callable[[IO[bytes]], Image.Image] | None = None) -> Image.Image:
    """Open a picture without decoding its pixels, and without a limit on their number.

    Args:
        stream: the file, seekable; must stay open until the picture is loaded.
        opener: opens a format that Pillow does not know.

    Raises:
        UnidentifiedImageError: no plugin knows the file.
        Exception: nearly anything on damaged files.
    """

    def open_from_start() -> Image.Image:
        stream.seek(0)
        return (opener or _open)(stream)

    return without_limit(open_from_start)


def without_limit(make: Callable[[], Made]) -> Made:
    """Call a function that opens or decodes a picture. If Pillow's limit stops it, call it again without the limit."""
    try:
        return make()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):  # some users turn warnings into errors
        with _lifted_limit():
            return make()


@contextlib.contextmanager
def _lifted_limit() -> Iterator[None]:
    """Lift Pillow's limit on pixels, for all threads."""
    with _LIFTING:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _open(stream: IO[bytes]) -> Image.Image:
    """Open a picture like `Image.open`, but without the limit, with large texts in PNG, and an MPO file as JPEG."""
    form = formats.format_of(stream.read(formats.HEAD))
    if form is None or form.plugin is None:
        raise UnidentifiedImageError("no format that is opened here")
    stream.seek(0)
    try:
        if form is formats.PNG:
            return _open_png(stream)
        if form is formats.JPEG:
            return JpegImageFile(stream)  # `Image.open` would also follow the index of further pictures in the file
        if form is formats.TIFF:
            return _UnlimitedTiff(stream)
        return _open_as(form.plugin, stream)
    except (SyntaxError, IndexError, TypeError, KeyError, struct.error) as error:
        raise UnidentifiedImageError(f"{type(error).__name__}: {error}") from error


class _UnlimitedTiff(TiffImageFile):
    """A TIFF file that does not check Pillow's limit again before it is decoded."""

    def load_prepare(self) -> None:
        if getattr(self, "_tile_size", self.size) == self.size:
            ImageFile.ImageFile.load_prepare(self)
        else:  # tiles beyond the edge need room
            super().load_prepare()


def _open_as(plugin: str, stream: IO[bytes]) -> Image.Image:
    """Open a file with one of Pillow's plugins."""
    if plugin not in Image.OPEN:
        importlib.import_module(f"PIL.{_MODULES[plugin]}ImagePlugin")  # which registers it
    make, _ = Image.OPEN[plugin]
    return make(stream, "")


def _open_png(stream: IO[bytes]) -> Image.Image:
    readable, profile = png_chunks.for_pillow(stream)
    image = PngImageFile(readable)
    if profile:
        image.info["icc_profile"] = profile
    return image
