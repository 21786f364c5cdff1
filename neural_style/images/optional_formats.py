"""Formats that need another package than Pillow: HEIC and JPEG XL, and AVIF if Pillow is older than 11.3."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import IO, Any

from PIL import Image, features

from neural_style.errors import ImageError
from neural_style.images import formats
from neural_style.images.boxes import find_boxes

_JXL_CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
_JXL_CODESTREAM = b"\xff\x0a"

_JXL_HEAD = 14
"""Bytes of the codestream that say the size."""
_JXL_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
"""Code of an aspect ratio in the header of a JPEG XL file -> width : height."""


def opener_for(stream: IO[bytes], subject: str) -> Callable[[IO[bytes]], Image.Image] | None:
    """Return a function that opens a HEIC or JPEG XL file as a PIL image; None if Pillow opens the file itself.

    Raises:
        ImageError: the package that reads this format is missing; the message says how to install it.
    """
    form = _format_of(stream)
    if form is formats.HEIC:
        return _heic_opener(subject)
    if form is formats.JPEG_XL:
        return _jxl_opener(subject)
    if form is formats.AVIF and not _reads_avif():
        raise _missing(subject, "an AVIF picture", "'pillow>=11.3'")
    return None


def _format_of(stream: IO[bytes]) -> formats.Format | None:
    """Return the format of a file."""
    stream.seek(0)
    return formats.format_of(stream.read(formats.HEAD))


def _missing(subject: str, kind: str, requirement: str) -> ImageError:
    return ImageError(f"{subject} is {kind}, which needs another package: pip install {requirement}")


@contextlib.contextmanager
def needing_imagecodecs(subject: str) -> Iterator[None]:
    """If a decoder needs imagecodecs and it is missing, raise an error with the command that installs it."""
    try:
        yield
    except (ImportError, ValueError, KeyError, NotImplementedError) as error:
        if not isinstance(error, ImportError) and "imagecodecs" not in str(error):  # which tifffile names
            raise
        raise _missing(subject, "a picture of uncommon depth or compression", "imagecodecs") from error


def _reads_avif() -> bool:
    """Return whether Pillow, or a plugin that the user has imported, opens AVIF files."""
    Image.init()
    return "AVIF" in Image.OPEN and ("avif" not in features.modules or features.check("avif") is True)


def _heic_opener(subject: str) -> Callable[[IO[bytes]], Image.Image]:
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise _missing(subject, "a HEIC picture", "pillow-heif") from error
    return HeifImageFile  # it is not registered with Pillow, so other code of the process is not affected


def _jxl_opener(subject: str) -> Callable[[IO[bytes]], Image.Image]:
    try:
        from pillow_jxl import JpegXLImagePlugin
    except ImportError as error:
        raise _missing(subject, "a JPEG XL picture", "pillow-jxl-plugin") from error
    return functools.partial(_open_jxl, JpegXLImagePlugin.JXLImageFile)


def _open_jxl(make: Any, stream: IO[bytes]) -> Image.Image:
    """Open and decode a JPEG XL file.

    Raises:
        OSError: the file is damaged.
    """
    try:
        image = make(stream)
    except BaseException as error:  # a panic of a library in Rust is no Exception
        if type(error).__name__ != "PanicException":
            raise
        raise OSError(str(error)) from error
    if not image.jpeg:  # otherwise the file contains a JPEG file, which the decoder does not turn
        image.info.pop("exif", None)  # the decoder has turned the picture upright
    return image


def jxl_size(stream: IO[bytes]) -> tuple[int, int] | None:
    """Return width and height from the header of a JPEG XL file; None if they cannot be found.

    They are needed before the plugin opens the file, because it decodes the whole file then. Section 6.1 of ISO/IEC
    18181-1: bits, from the least significant on, of `small`, height, ratio and, if the ratio is 0, width.
    """
    if _format_of(stream) is not formats.JPEG_XL:
        return None
    head = _jxl_head(stream)
    if not head.startswith(_JXL_CODESTREAM):
        return None
    bits = int.from_bytes(head[2:], "little")

    def take(count: int) -> int:
        nonlocal bits
        value, bits = bits & (2**count - 1), bits >> count
        return value

    is_small = take(1)

    def side() -> int:
        return (take(5) + 1) * 8 if is_small else take((9, 13, 18, 30)[take(2)]) + 1

    height = side()
    ratio = take(3)
    across, down = _JXL_RATIOS.get(ratio, (0, 1))
    return (height * across // down if ratio else side()), height


def _jxl_head(stream: IO[bytes]) -> bytes:
    """Return the first bytes of the codestream, which may be spread over many boxes; none if there is no codestream."""
    stream.seek(0)
    head = stream.read(_JXL_HEAD)
    if head.startswith(_JXL_CODESTREAM):
        return head
    head = b""
    for kind, start, end in find_boxes(stream, len(_JXL_CONTAINER)):
        if kind in (b"jxlc", b"jxlp"):
            begin = start if kind == b"jxlc" else start + 4  # after the number of the part
            stream.seek(begin)
            head += stream.read(min(_JXL_HEAD - len(head), max(0, end - begin)))
            if len(head) == _JXL_HEAD:
                break
    return head
