"""Open and decode files with Pillow, but without its limit on pixels, which applies to the whole process.

`Image.open` warns about a picture of more than `Image.MAX_IMAGE_PIXELS` and refuses one of twice that size. Our own
limit is an option. So files are opened by the same plugins without that check, and threads can read at the same time.
A few formats, such as WebP, check the limit themselves. For a picture that they refuse, it is lifted under a lock.
"""

import contextlib
import functools
import struct
import threading
from collections.abc import Callable, Iterator
from typing import IO, Any, TypeVar

from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from neural_style.images import png_chunks

Made = TypeVar("Made")

TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""What TIFF and BigTIFF files begin with."""

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
    for make in _makers(stream.read(16)):
        stream.seek(0)
        with contextlib.suppress(SyntaxError, IndexError, TypeError, struct.error):  # raised for files of other formats
            return make(stream)
    raise UnidentifiedImageError("no plugin of Pillow knows the file")


def _makers(head: bytes) -> Iterator[Callable[[Any], Image.Image]]:
    """Yield functions that may open a file that begins with these 16 bytes, in Pillow's order."""
    if head.startswith(png_chunks.SIGNATURE):
        yield _open_png
        return
    if head.startswith(b"\xff\xd8\xff"):
        yield JpegImageFile  # `Image.open` would also follow the index of further pictures in the file
        return
    if head.startswith(TIFF_SIGNATURES):
        yield _UnlimitedTiff
    tried: set[str] = set()
    for load_plugins in (Image.preinit, Image.init):
        load_plugins()
        for name in [name for name in Image.ID if name not in tried]:
            tried.add(name)
            yield functools.partial(_open_as, name)


class _UnlimitedTiff(TiffImageFile):
    """A TIFF file that does not check Pillow's limit again before it is decoded."""

    def load_prepare(self) -> None:
        if getattr(self, "_tile_size", self.size) == self.size:
            ImageFile.ImageFile.load_prepare(self)
        else:  # tiles beyond the edge need room
            super().load_prepare()


def _open_as(name: str, stream: IO[bytes]) -> Image.Image:
    """Open a file as one of Pillow's formats.

    Raises:
        SyntaxError: the file has another format.
    """
    make, accepts = Image.OPEN[name]
    answer = accepts(stream.read(16)) if accepts else True
    if not answer or isinstance(answer, str):  # a text says that Pillow was built without the format
        raise SyntaxError("not of this format")
    stream.seek(0)
    return make(stream, "")


def _open_png(stream: IO[bytes]) -> Image.Image:
    readable, profile = png_chunks.for_pillow(stream)
    image = PngImageFile(readable)
    if profile:
        image.info["icc_profile"] = profile
    return image
