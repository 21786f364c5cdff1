"""Open and decode files with Pillow, but without its limit of pixels, which holds for the whole process.

`Image.open` warns of a picture above `Image.MAX_IMAGE_PIXELS` and refuses one of twice that. Our own limit is an
option, so files are opened by the same plugins without that check, and threads read at the same time. A few formats
check the limit themselves, WebP among them: for a picture that they refuse, the limit is lifted under a lock.
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
    """Open a picture without decoding its pixels and without any limit of them.

    Args:
        stream: The file, seekable; must stay open until the picture is loaded.
        opener: Opens a format that Pillow does not know.

    Raises:
        UnidentifiedImageError: No plugin knows the file.
        Exception: Nearly anything on damaged files.
    """

    def open_from_start() -> Image.Image:
        stream.seek(0)
        return (opener or _open)(stream)

    return without_limit(open_from_start)


def without_limit(make: Callable[[], Made]) -> Made:
    """Call a function that opens or decodes; again without Pillow's limit of pixels if that stopped it."""
    try:
        return make()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):  # a warning where the user raises them
        with _lifted_limit():
            return make()


@contextlib.contextmanager
def _lifted_limit() -> Iterator[None]:
    """Lift Pillow's limit of pixels, for all threads."""
    with _LIFTING:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _open(stream: IO[bytes]) -> Image.Image:
    """Open a picture as `Image.open` does, but for the limit, large texts in PNG, and photographs in several parts."""
    for make in _makers(stream.read(16)):
        stream.seek(0)
        with contextlib.suppress(SyntaxError, IndexError, TypeError, struct.error):  # what plugins say "not mine" with
            return make(stream)
    raise UnidentifiedImageError("no plugin of Pillow knows the file")


def _makers(head: bytes) -> Iterator[Callable[[Any], Image.Image]]:
    """Yield what may open a file that begins with these 16 bytes, in Pillow's order."""
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
    """A TIFF file that does not check Pillow's limit once more before it is decoded."""

    def load_prepare(self) -> None:
        if getattr(self, "_tile_size", self.size) == self.size:
            ImageFile.ImageFile.load_prepare(self)
        else:  # tiles beyond the edge need room
            super().load_prepare()


def _open_as(name: str, stream: IO[bytes]) -> Image.Image:
    """Open a file of one of Pillow's formats.

    Raises:
        SyntaxError: It is of another.
    """
    make, accepts = Image.OPEN[name]
    answer = accepts(stream.read(16)) if accepts else True
    if not answer or isinstance(answer, str):  # text says why Pillow was built without the format
        raise SyntaxError("not of this format")
    stream.seek(0)
    return make(stream, "")


def _open_png(stream: IO[bytes]) -> Image.Image:
    readable, profile = png_chunks.for_pillow(stream)
    image = PngImageFile(readable)
    if profile:
        image.info["icc_profile"] = profile
    return image
