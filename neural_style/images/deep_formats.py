"""Files of 16 bits per channel, which Pillow cuts to 8 bits or cannot write, and TIFF files of any length.

tifffile and imagecodecs are imported on use, since most runs need neither.
"""

import functools
import io
import logging
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from PIL import ExifTags, Image

from neural_style.files import PathLike
from neural_style.images.row_bands import bands

LOG = logging.getLogger("neural_style")

WHITE = 2**16 - 1
"""Of a channel of 16 bits."""

CLASSIC_TIFF_BYTES = 2**32 - 2**26
"""Of pixels that surely fit into a TIFF file of 32-bit offsets, even if they do not compress, with its metadata."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_CHANNELS = {2: 3, 4: 2, 6: 4}
"""Colour type of a PNG -> channels, of those types whose 16 bits Pillow cuts to 8."""
_OF_PIXELS = (b"IDAT", b"acTL", b"fcTL", b"fdAT")
"""Chunks of a PNG that hold its pixels or speak of several frames of them."""
_PNG_LEVEL = 4
"""Of zlib: twice as fast as its default of 6, and 2 % larger, on smooth pictures of 16 bits with some noise."""

_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_TIFF_COLOURS = {0: 1, 1: 1, 2: 3}
"""Photometric interpretation -> channels of colour: white is zero, black is zero, RGB."""
_MOST_EXTRA_SAMPLES = 4
"""Channels beside the colour, of which one is looked at; more would be no picture but a stack of measurements."""
_ASSOCIATED, _UNASSOCIATED = 1, 2
"""Kinds of alpha of a TIFF: colour is multiplied by it, or is not."""

_NO_SHORTCUTS = 0x0100
"""To lcms: no tables in place of curves, which are off by 13 levels of 255 near black in 16 bits."""


@dataclass(frozen=True, eq=False)
class DeepFile:
    """A file of 16-bit colour, or of 16-bit grey with alpha, that is not decoded yet.

    Attributes:
        width: In pixels, as stored.
        height: In pixels, as stored.
        orientation: As EXIF numbers it.
        profile: Its ICC profile, if any.
        is_premultiplied: Whether colours are stored multiplied by alpha.
        is_inverted: Whether white is stored as zero.
        decode: Makes uint16 (height, width, 1 or 3) of colour, and (height, width) of alpha or None.
    """

    width: int
    height: int
    orientation: int
    profile: bytes | None
    is_premultiplied: bool
    is_inverted: bool
    decode: Callable[[], tuple[np.ndarray, np.ndarray | None]]


# Reading


def open_deep(path: PathLike, subject: str) -> DeepFile | None:
    """Looks at the head of a PNG or TIFF file; None if it is another, or not one that Pillow would cut to 8 bits.

    Args:
        path: The file.
        subject: What warnings begin with.

    Raises:
        Exception: Nearly anything on damaged files; decoding as well.
    """
    with open(path, "rb") as stream:
        head = stream.read(26)
        if head.startswith(_PNG_SIGNATURE) and head[12:16] == b"IHDR" and len(head) == 26:
            width, height, bits, kind = struct.unpack(">IIBB", head[16:])
            return _open_png(path, stream, subject, width, height) if bits == 16 and kind in _PNG_CHANNELS else None
    return _open_tiff(path) if head[:4] in _TIFF_SIGNATURES else None


def png_without_pixels(stream: IO[bytes]) -> io.BytesIO | None:
    """A PNG of one black pixel with the metadata of another, which may lie behind its pixels; None if it is no PNG.

    Args:
        stream: The other file, from its start; read to its last chunk or to where it is damaged.
    """
    stream.seek(0)
    if stream.read(8) != _PNG_SIGNATURE:
        return None
    made = io.BytesIO()
    made.write(_PNG_SIGNATURE)
    while len(head := stream.read(8)) == 8:
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind == b"IEND":
            break  # there may be anything behind it
        if kind in _OF_PIXELS:
            stream.seek(length + 4, io.SEEK_CUR)
        elif kind == b"IHDR":
            _write_chunk(made, kind, struct.pack(">II", 1, 1) + stream.read(length)[8:])
            stream.seek(4, io.SEEK_CUR)
        else:
            made.write(head + stream.read(length + 4))
    _write_chunk(made, b"IDAT", zlib.compress(bytes(9)))  # as many as a pixel may take
    _write_chunk(made, b"IEND", b"")
    made.seek(0)
    return made


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """A view of (height, width, …) turned as EXIF says; as it is where EXIF says nothing that is known."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    vertical = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    horizontal = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return pixels[vertical, horizontal]


def to_srgb(colour: np.ndarray, profile: bytes, srgb: bytes) -> np.ndarray:
    """Converts uint16 (height, width, 3) from one ICC profile to another, in 16 bits.

    Raises:
        ValueError: `profile` is damaged, or not one of RGB.
    """
    import imagecodecs

    colour = np.ascontiguousarray(colour)
    try:
        return imagecodecs.cms_transform(
            colour, profile, srgb, colorspace="rgb", outcolorspace="rgb", intent=0, flags=_NO_SHORTCUTS
        )
    except RuntimeError as error:
        raise ValueError(str(error)) from error


def _open_png(path: PathLike, stream: IO[bytes], subject: str, width: int, height: int) -> DeepFile:
    def decode() -> tuple[np.ndarray, np.ndarray | None]:
        import imagecodecs

        with open(path, "rb") as file:
            pixels = imagecodecs.png_decode(file.read())
        if pixels.shape[2] == 3:
            return pixels, None
        return pixels[..., :-1], pixels[..., -1]

    with Image.open(png_without_pixels(stream) or stream) as image:
        image.load()
        orientation = _orientation(image, subject)
        return DeepFile(width, height, orientation, image.info.get("icc_profile"), False, False, decode)


def _orientation(image: Image.Image, subject: str) -> int:
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception as error:  # as varied as damaged EXIF itself
        LOG.warning("%s: its EXIF data are damaged and ignored (%s)", subject, error)
        return 1


def _open_tiff(path: PathLike) -> DeepFile | None:
    tifffile = _tifffile()
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            orientation = page.tags.valueof(ExifTags.Base.Orientation)
            profile = page.tags.valueof(ExifTags.Base.InterColorProfile)
    except (tifffile.TiffFileError, ValueError, IndexError, KeyError, struct.error):
        return None  # Pillow knows other ones, and says what is wrong
    colours = _TIFF_COLOURS.get(page.photometric, 0)
    extra = page.samplesperpixel - colours
    is_deep = page.dtype == np.uint16 and page.bitspersample == 16 and page.imagedepth == 1
    if not is_deep or not colours or not (colours == 1) <= extra <= _MOST_EXTRA_SAMPLES:
        return None
    kinds = page.extrasamples or (_UNASSOCIATED,) * extra
    alphas = [index for index, kind in enumerate(kinds, colours) if kind in (_ASSOCIATED, _UNASSOCIATED)]

    def decode() -> tuple[np.ndarray, np.ndarray | None]:
        with tifffile.TiffFile(path) as file:
            pixels = file.pages[0].asarray(squeeze=False)  # planes, depth, height, width, samples of a plane
        samples = pixels[0, 0] if len(pixels) == 1 else np.moveaxis(pixels[:, 0, :, :, 0], 0, -1)
        return samples[..., :colours], samples[..., alphas[0]] if alphas else None

    return DeepFile(
        int(page.imagewidth),
        int(page.imagelength),
        orientation or 1,
        profile if isinstance(profile, bytes) else None,
        bool(alphas) and kinds[alphas[0] - colours] == _ASSOCIATED,
        page.photometric == 0,
        decode,
    )


@functools.cache
def _tifffile() -> Any:
    """The module, which shall not print what it finds odd in a file where nobody listens."""
    import tifffile

    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    return tifffile


# Writing


def write_png(path: PathLike, pixels: np.ndarray, *, texts: Mapping[str, str], profile: bytes) -> None:
    """Writes a PNG of 16 bits per channel, band by band.

    Args:
        path: Where to write.
        pixels: uint16 (height, width, 3) or, with alpha, (height, width, 4).
        texts: Embedded under their keywords; ASCII.
        profile: The ICC profile of the colours.
    """
    height, width, channels = pixels.shape
    kind = next(kind for kind, count in _PNG_CHANNELS.items() if count == channels)
    packer = zlib.compressobj(_PNG_LEVEL)
    above = np.zeros(width * channels * 2, np.uint8)
    with open(path, "wb") as file:
        file.write(_PNG_SIGNATURE)
        _write_chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))
        _write_chunk(file, b"iCCP", b"ICC Profile\0\0" + zlib.compress(profile))
        for keyword, text in texts.items():
            _write_chunk(file, b"tEXt", f"{keyword}\0{text}".encode("ascii"))
        for part in bands(height, width):
            rows = pixels[part].astype(">u2").view(np.uint8).reshape(-1, len(above))
            _write_chunk(file, b"IDAT", packer.compress(_filtered(rows, above, channels * 2)))
            above = rows[-1]
        _write_chunk(file, b"IDAT", packer.flush())
        _write_chunk(file, b"IEND", b"")


def write_tiff(path: PathLike, pixels: np.ndarray, *, description: str, software: str, profile: bytes) -> None:
    """Writes a TIFF file in compressed strips; a BigTIFF if its pixels may not fit into another.

    Args:
        path: Where to write.
        pixels: uint8 or uint16 (height, width, 3) or, with alpha, (height, width, 4).
        description: Its ImageDescription, in ASCII.
        software: The program that made it, in ASCII.
        profile: The ICC profile of the colours.
    """
    _tifffile().imwrite(
        path,
        pixels,
        bigtiff=pixels.nbytes > CLASSIC_TIFF_BYTES,
        byteorder="<",
        photometric="rgb",
        extrasamples=("unassalpha",) if pixels.shape[2] == 4 else (),
        compression="adobe_deflate",
        predictor=True,
        description=description,
        software=software,
        iccprofile=profile,
        metadata=None,
    )


def _write_chunk(file: IO[bytes], kind: bytes, data: bytes) -> None:
    """Writes a chunk of a PNG."""
    file.write(struct.pack(">I", len(data)) + kind)
    file.write(data)
    file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))


def _filtered(rows: np.ndarray, above: np.ndarray, step: int) -> bytes:
    """Rows of a PNG with the number of a filter before each: the one that leaves the least sum of differences.

    Args:
        rows: uint8 (rows, bytes).
        above: uint8 (bytes,), the row before these.
        step: bytes of a pixel.
    """
    up = np.vstack([above[np.newaxis], rows[:-1]])
    left, corner = np.zeros_like(rows), np.zeros_like(rows)
    left[:, step:], corner[:, step:] = rows[:, :-step], up[:, :-step]
    filters = {1: left, 2: up, 4: _paeth(left, up, corner)}
    filtered = {number: rows - expected for number, expected in filters.items()}
    sums = [np.minimum(values, -values).sum(axis=1, dtype=np.int64) for values in filtered.values()]
    best = np.array(list(filtered))[np.argmin(sums, axis=0)]
    made = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    made[:, 0] = best
    for number, values in filtered.items():
        made[best == number, 1:] = values[best == number]
    return made.tobytes()


def _paeth(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Whichever of three neighbours, uint8, is nearest to left + up - corner, as the PNG standard has it."""
    to_left = np.abs(up.astype(np.int16) - corner)
    to_up = np.abs(left.astype(np.int16) - corner)
    to_corner = np.abs(left.astype(np.int16) + up - 2 * corner.astype(np.int16))
    nearest = np.where(to_up <= to_corner, up, corner)
    return np.where((to_left <= to_up) & (to_left <= to_corner), left, nearest)
