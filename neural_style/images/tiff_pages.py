"""Read TIFF files at their largest page, instead of at a thumbnail in front of it.

tifffile reads the structure, and the samples that Pillow does not read. It is imported on use.
"""

import contextlib
import functools
import io
import logging
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from neural_style.errors import ImageError
from neural_style.images import camera_raws, formats, jpeg2000, jpeg_scans, pillow_files, webp
from neural_style.images.deep_formats import DeepFile
from neural_style.images.limits import MOST_SCANS, MOST_TILE, ExcessError
from neural_style.images.optional_formats import jxl_size, needing_imagecodecs
from neural_style.images.picture import one_line
from neural_style.images.tiff_structure import check_structure

LOG = logging.getLogger("neural_style")

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _SEPARATED, _YCBCR, _CIE_LAB, _ICC_LAB = 0, 1, 2, 3, 5, 6, 8, 9
"""Photometric interpretations."""
_COLORS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _CIE_LAB: 3, _ICC_LAB: 3}
"""Photometric interpretation that is decoded here -> number of its color samples."""
_PILLOWS_COMPRESSIONS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34925, 50000})
"""None, CCITT, LZW, JPEG old and new, Deflate, PackBits, LZMA, Zstandard."""
_DEEP_COMPRESSIONS = frozenset({1, 5, 8, 32773, 32946, 34925, 50000})
"""Those that fill the room that a strip or tile has, and no more: none, LZW, Deflate, PackBits, LZMA, Zstandard."""
_PICTURE_COMPRESSIONS = frozenset({7, 33003, 33005, 34712, 50001, 50002, 52546})
"""JPEG, JPEG 2000, WebP, JPEG XL. Each strip or tile is a picture that says its own size."""
_MOST_EXTRA_SAMPLES = 4
"""Most samples besides the color; one of them is used, as alpha. Files with more hold measurements, not pictures."""
_JPEG = 7
_ASSOCIATED, _UNASSOCIATED = 1, 2
"""Kinds of alpha: color is multiplied by it, or not."""
_UNSIGNED, _SIGNED, _FLOAT, _UNDEFINED = 1, 2, 3, 4
"""Sample formats."""
_MASK = 4
"""Bit of NewSubfileType: the page is the transparency of another."""
_BIG_AND_BIG_ENDIAN = b"MM\0+"
"""Signature of files whose tags Pillow misreads."""
_HEADERS = {b"II*\0": (4, "<I"), b"MM\0*": (4, ">I"), b"II+\0": (8, "<Q"), b"MM\0+": (8, ">Q")}
"""Signature -> place and format of the offset of the first page."""


@functools.cache
def import_tifffile() -> Any:
    """Return the module tifffile. Its log messages are not printed unless the user has set up logging."""
    import tifffile

    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    return tifffile


def open_tiff(stream: IO[bytes], subject: str) -> DeepFile | Image.Image | None:
    """Open the largest page of a TIFF file.

    Args:
        stream: the file, which must stay open until it is decoded.
        subject: what errors begin with.

    Returns:
        A file that this module decodes, or a PIL image that is not loaded yet; None if only Pillow may know the file.

    Raises:
        ImageError: the file is a camera raw, or cannot be decoded.
        Exception: the pages form a loop, or there is more of anything than in any picture.
    """
    check_structure(stream)
    stream.seek(0)
    tifffile = import_tifffile()
    try:
        pages = list(_all_pages(tifffile.TiffFile(stream).pages, None, set()))
    except (tifffile.TiffFileError, ValueError, IndexError, KeyError, TypeError, RuntimeError, struct.error):
        return None
    if any(camera_raws.is_raw_page(page.tiff) for page in pages):
        raise camera_raws.refusal(subject)
    shown = [page for page in pages if not page.tiff.subfiletype & _MASK] or pages
    if not shown:
        return None
    page = max(shown, key=lambda page: page.tiff.imagewidth * page.tiff.imagelength)  # the first if several are equal
    if page.tiff.tilewidth * page.tiff.tilelength > max(MOST_TILE, 4 * page.tiff.imagewidth * page.tiff.imagelength):
        raise ValueError("tiles that are larger than the picture")
    if page is not pages[0]:
        size = f"{page.tiff.imagewidth}×{page.tiff.imagelength}"
        LOG.info("%s: reading the largest of its %d pages, %s", subject, len(pages), size)
    stream.seek(0)
    pillow_knows = stream.read(4) != _BIG_AND_BIG_ENDIAN and _is_for_pillow(page.tiff)
    return (None if pillow_knows else _open_deep(page, subject)) or _open_with_pillow(stream, page, subject)


@dataclass(frozen=True, eq=False)
class _Page:
    """A page with its orientation and profile, which it takes from its parent page if it has none itself."""

    tiff: Any
    orientation: int
    profile: bytes | None


def _all_pages(pages: Any, parent: _Page | None, seen: set[int]) -> Iterator[_Page]:
    """Yield all pages of a file, each followed by its sub-pages (SubIFDs), except those whose offsets are in `seen`."""
    for index in range(len(pages)):
        tiff = pages.get(index, aspage=True)
        sizes = (tiff.imagewidth, tiff.imagelength, tiff.tilewidth, tiff.tilelength)
        if not all(isinstance(size, int) and 0 <= size < 2**32 for size in sizes):
            continue  # several numbers, text or the like
        if tiff.offset in seen or not (tiff.imagewidth and tiff.imagelength):
            continue
        seen.add(tiff.offset)
        orientation = tiff.tags.valueof(ExifTags.Base.Orientation)
        profile = tiff.tags.valueof(ExifTags.Base.InterColorProfile)
        page = _Page(
            tiff,
            orientation if isinstance(orientation, int) else parent.orientation if parent else 1,
            profile if isinstance(profile, bytes) else parent.profile if parent else None,
        )
        yield page
        if tiff.subifds:
            yield from _all_pages(tiff.pages, page, seen)


def _is_for_pillow(page: Any) -> bool:
    """Return whether Pillow decodes the samples of a page correctly and without loss, or 16-bit CMYK in 8 bits."""
    bits, color = page.bitspersample, page.photometric
    is_gray = page.samplesperpixel == 1 and color in (_WHITE_IS_ZERO, _BLACK_IS_ZERO)
    if page.compression not in _PILLOWS_COMPRESSIONS:
        return False
    if page.sampleformat not in (_UNSIGNED, _UNDEFINED):
        return is_gray and page.sampleformat == _FLOAT and bits == 32
    if page.samplesperpixel == 1:
        return (bits in (1, 2, 4, 8) and (is_gray or color == _PALETTE)) or (bits in (12, 16) and is_gray)
    if bits == 16:
        return color == _SEPARATED
    return bits == 8 and color in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _SEPARATED, _YCBCR, _CIE_LAB)


def _open_deep(page: _Page, subject: str) -> DeepFile | None:
    """Return the page if its samples can be decoded here; None if not.

    Raises:
        ImageError: the samples are signed, so black and white are unknown.
    """
    tiff = page.tiff
    if tiff.compression not in _DEEP_COMPRESSIONS | _PICTURE_COMPRESSIONS:
        return None
    if not isinstance(tiff.bitspersample, int) or tiff.dtype is None or tiff.dtype.kind not in "uif":
        return None
    colors = _COLORS.get(tiff.photometric, 0)
    extra = tiff.samplesperpixel - colors
    if not colors or not 0 <= extra <= _MOST_EXTRA_SAMPLES or tiff.imagedepth != 1:
        return None
    to_lab = _LABS.get((int(tiff.photometric), tiff.bitspersample))
    is_lab = colors == 3 and tiff.photometric != _RGB
    if is_lab and (to_lab is None or tiff.dtype.kind == "f"):
        return None
    if tiff.dtype.kind == "i" and tiff.bitspersample != 32 and not is_lab:
        raise ImageError(f"{subject} holds signed numbers, so black and white are unknown; save it as unsigned")
    kinds = tiff.extrasamples or (_UNASSOCIATED,) * extra
    alphas = [index for index, kind in enumerate(kinds, colors) if kind in (_ASSOCIATED, _UNASSOCIATED)]
    is_open = tiff.dtype.kind == "f" or tiff.bitspersample >= 32

    def decode() -> tuple[np.ndarray, np.ndarray | None]:
        _check_segments(tiff)
        with needing_imagecodecs(subject):
            pixels = tiff.asarray(squeeze=False)  # planes, depth, height, width, samples of a plane
        samples = pixels[0, 0] if len(pixels) == 1 else np.moveaxis(pixels[:, 0, :, :, 0], 0, -1)
        return samples[..., :colors], samples[..., alphas[0]] if alphas else None

    return DeepFile(
        int(tiff.imagewidth),
        int(tiff.imagelength),
        decode,
        None if is_open else 2**tiff.bitspersample - 1,
        page.orientation,
        page.profile,
        is_premultiplied=bool(alphas) and kinds[alphas[0] - colors] == _ASSOCIATED,
        is_inverted=tiff.photometric == _WHITE_IS_ZERO,
        to_lab=to_lab,
    )


def _check_segments(tiff: Any) -> None:
    """Raise ValueError if a strip or tile says that it is larger than its place. Its decoder would make room for it."""
    if tiff.compression not in _PICTURE_COMPRESSIONS:
        return
    width, height = (tiff.tilewidth, tiff.tilelength) if tiff.is_tiled else (tiff.imagewidth, tiff.rowsperstrip)
    for offset, size in zip(tiff.dataoffsets, tiff.databytecounts, strict=False):
        tiff.parent.filehandle.seek(offset)
        segment = io.BytesIO(tiff.parent.filehandle.read(size))
        found = _size_of_segment(segment, tiff.compression)
        if found is not None and (found[0] > width or found[1] > max(height, tiff.imagelength)):
            raise ValueError(f"a strip or tile of {found[0]}×{found[1]} for a place of {width}×{height}")


def _size_of_segment(segment: IO[bytes], compression: int) -> tuple[int, int] | None:
    """Return width and height that a strip or tile says it has; None if it says none.

    Raises:
        ExcessError: it has more scans than any picture.
        ValueError: it has another compression than the file says.
    """
    head = segment.read(formats.HEAD)
    form = formats.format_of(head)
    if compression == _JPEG:
        segment.seek(0)
        markers = jpeg_scans.read_markers(segment)
        if markers.scans > MOST_SCANS:
            raise ExcessError(f"more than {MOST_SCANS} scans")
        return markers.width, markers.height
    if form is formats.WEBP:
        return webp.size_of(segment)
    if form is formats.JPEG_XL:
        return jxl_size(segment)
    if form is formats.JPEG_2000:
        header = jpeg2000.read_header(segment)
        return header and (header.width, header.height)
    raise ValueError(f"a strip or tile that is not of compression {compression}")


def _lab_of_16_bits(samples: np.ndarray) -> np.ndarray:
    """Convert TIFF's CIE L*a*b*: lightness as 0-65535 for 0-100, a* and b* as signed numbers in units of 1/256."""
    lab = samples.astype(np.int64) % 2**16
    signed = (lab + 2**15) % 2**16 - 2**15
    return np.concatenate([lab[..., :1] * (100 / (2**16 - 1)), signed[..., 1:] / 256], axis=-1)


def _icc_lab_of_8_bits(samples: np.ndarray) -> np.ndarray:
    """Convert ICC's L*a*b*: lightness as 0-255 for 0-100, a* and b* as numbers plus 128."""
    return samples * np.array([100 / 255, 1, 1]) - np.array([0, 128, 128])


def _icc_lab_of_16_bits(samples: np.ndarray) -> np.ndarray:
    """Convert ICC's L*a*b*: the 8-bit numbers times 256."""
    return _icc_lab_of_8_bits(samples / 256)


_LABS: dict[tuple[int, int], Callable[[np.ndarray], np.ndarray]] = {
    (_CIE_LAB, 16): _lab_of_16_bits,
    (_ICC_LAB, 8): _icc_lab_of_8_bits,
    (_ICC_LAB, 16): _icc_lab_of_16_bits,
}
"""Photometric interpretation and bits -> function from samples to L* (0-100), a* and b*."""


def _open_with_pillow(stream: IO[bytes], page: _Page, subject: str) -> Image.Image | DeepFile:
    """Open a page as a PIL image, or with this module if Pillow does not know its kind.

    Raises:
        ImageError: neither knows its kind.
    """
    tiff = page.tiff
    try:
        image = pillow_files.open_with_pillow(_with_page_in_front(stream, tiff.offset))
    except UnidentifiedImageError as error:
        if deep := _open_deep(page, subject):
            return deep
        bits = f"{tiff.samplesperpixel} samples of {tiff.bitspersample} bits"
        kind = one_line(f"{getattr(tiff.photometric, 'name', tiff.photometric)}, {bits}, {tiff.dtype}")
        raise ImageError(
            f"{subject} is a TIFF file of an unsupported kind ({kind}); save it as RGB or gray of 8 or 16 bits"
        ) from error
    if page.profile:
        image.info.setdefault("icc_profile", page.profile)
    with contextlib.suppress(Exception):  # damaged EXIF data are reported later, when they are used
        if page.orientation != 1:
            image.getexif().setdefault(ExifTags.Base.Orientation, page.orientation)
    return image


def _with_page_in_front(stream: IO[bytes], offset: int) -> IO[bytes]:
    """Return the file, or a copy in memory whose first page is the page at this offset."""
    stream.seek(0)
    at, form = _HEADERS[stream.read(4)]
    stream.seek(at)
    if struct.unpack(form, stream.read(struct.calcsize(form))) == (offset,):
        return stream
    stream.seek(0)
    copy = io.BytesIO(stream.read())
    copy.seek(at)
    copy.write(struct.pack(form, offset))
    return copy
