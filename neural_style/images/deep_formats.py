"""Decode pictures whose samples Pillow cannot decode or reduces to 8 bits, and convert them to sRGB."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

import numpy as np
from PIL import ExifTags, Image

from neural_style.errors import ImageError
from neural_style.images import jpeg2000, pillow_files, png_chunks
from neural_style.images.color_profiles import WHITE_16, apply_curves, deep_converter, gray_curves, lab_to_srgb
from neural_style.images.optional_formats import needing_imagecodecs
from neural_style.images.picture import one_line
from neural_style.images.pixel_rows import PixelRows
from neural_style.images.white_levels import white_of

LOG = logging.getLogger("neural_style")


@dataclass(frozen=True, eq=False)
class DeepFile:
    """A picture in a file that is not decoded yet.

    Attributes:
        width: width in pixels, as stored.
        height: height in pixels, as stored.
        decode: returns color, (height, width, 1 or 3) of integers or floating point, and alpha, (height, width) or
            None.
        white: the number that means white; None if it must be found from the samples.
        orientation: the EXIF orientation, 1 to 8.
        profile: its ICC profile, if any.
        is_premultiplied: whether colors are stored multiplied by alpha.
        is_inverted: whether white is stored as zero.
        to_lab: converts samples of Lab to L*, 0-100, and a*, b*; None if colors are RGB or gray.
    """

    width: int
    height: int
    decode: Callable[[], tuple[np.ndarray, np.ndarray | None]]
    white: int | None = WHITE_16
    orientation: int = 1
    profile: bytes | None = None
    is_premultiplied: bool = False
    is_inverted: bool = False
    to_lab: Callable[[np.ndarray], np.ndarray] | None = None


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return a view of (height, width, …) turned by an EXIF orientation; not turned if the orientation is unknown."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    vertical = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    horizontal = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return pixels[vertical, horizontal]


def orientation_of(image: Image.Image, subject: str) -> int:
    """Return the orientation in the EXIF data of an image; 1, with a warning, if they are damaged."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception as error:  # damaged EXIF data can raise nearly anything
        LOG.warning("%s: its EXIF data are damaged and ignored (%s)", subject, one_line(error))
        return 1


def open_deep_png(stream: IO[bytes], subject: str) -> DeepFile | None:
    """Read the header of a PNG file; return None unless it has 16-bit color, or 16-bit gray with alpha.

    Args:
        stream: the file, which must stay open until it is decoded.
        subject: what warnings begin with.

    Raises:
        Exception: nearly anything for damaged files, here and in `decode`.
    """
    stream.seek(0)
    head = stream.read(26)
    if len(head) < 26 or not head.startswith(png_chunks.SIGNATURE) or head[12:16] != b"IHDR":
        return None
    if head[24] != 16 or head[25] not in png_chunks.CHANNELS:
        return None
    width, height = (int.from_bytes(head[at : at + 4], "big") for at in (16, 20))
    metadata, profile = png_chunks.without_pixels(stream)
    with pillow_files.open_with_pillow(metadata) as image:
        image.load()
        orientation = orientation_of(image, subject)
    return DeepFile(width, height, lambda: png_chunks.read_16_bits(stream), orientation=orientation, profile=profile)


def open_deep_jpeg2000(stream: IO[bytes], subject: str) -> DeepFile | None:
    """Read the header of a JPEG 2000 file; return None unless it has more than 8 bits per channel.

    Raises:
        ImageError: this kind of file cannot be decoded.
    """
    header = jpeg2000.read_header(stream)
    if header is None or not header.is_deep:
        return None
    if problem := jpeg2000.unsupported(header):
        raise ImageError(f"{subject} is a JPEG 2000 picture of {problem}; save it as PNG, TIFF or JPEG")

    def decode() -> tuple[np.ndarray, np.ndarray | None]:
        with needing_imagecodecs(subject):
            samples = jpeg2000.decode(stream, header)
        return (samples, None) if len(header.bits) in (1, 3) else (samples[..., :-1], samples[..., -1])

    def decode_with_pillow() -> tuple[np.ndarray, None]:
        with pillow_files.open_with_pillow(stream) as image:
            if image.size != (header.width, header.height):  # Pillow makes room for what the file says first
                raise ValueError(f"sizes of {header.width}×{header.height} and of {image.width}×{image.height} px")
            return np.atleast_3d(np.asarray(image)), None

    bits = header.bits[0]
    white = 2**bits - 1
    if len(header.bits) == 1 and bits > 9:  # Pillow shifts these numbers to 16 bits, and takes 9 for 8
        return DeepFile(header.width, header.height, decode_with_pillow, white << (16 - bits), profile=header.profile)
    return DeepFile(header.width, header.height, decode, white, profile=header.profile)


def convert_to_srgb(file: DeepFile, subject: str) -> PixelRows:
    """Decode a picture. Its pixels are converted to sRGB later, some rows at a time.

    Args:
        file: the picture.
        subject: what errors and warnings begin with.

    Raises:
        ImageError: it is unknown which sample is white, or a package is missing.
        Exception: nearly anything for damaged files.
    """
    colors, alphas = (None if stored is None else upright(stored, file.orientation) for stored in file.decode())
    assert colors is not None
    white = file.white or white_of(colors, subject)
    alpha_white = 1 if alphas is not None and alphas.dtype.kind == "f" and alphas.max() <= 1 else white
    is_gray = colors.shape[2] == 1
    curves = gray_curves(file.profile, subject) if is_gray else None
    to_srgb = None if is_gray or file.to_lab else deep_converter(file.profile, subject)

    def rows(part: slice) -> tuple[np.ndarray, np.ndarray | None]:
        alpha = None if alphas is None else _in_16_bits(alphas[part], alpha_white) / WHITE_16
        if file.to_lab:
            return lab_to_srgb(file.to_lab(colors[part])) / (WHITE_16 / 255), alpha
        color = _in_16_bits(colors[part], white)
        if file.is_inverted:
            color = WHITE_16 - color
        if alpha is not None and file.is_premultiplied:
            color = (color / np.where(alpha, alpha, 1)[..., np.newaxis]).clip(0, WHITE_16)
        if to_srgb:
            color = to_srgb(color)
        color /= WHITE_16 / 255
        return color if curves is None else apply_curves(color[..., 0], curves), alpha

    return PixelRows(colors.shape[1], colors.shape[0], rows)


def _in_16_bits(samples: np.ndarray, white: float) -> np.ndarray:
    """Scale samples from 0 to `white` to float32, 0-65535; values out of range are clipped."""
    if white == WHITE_16 and samples.dtype.kind == "u":
        return samples.astype(np.float32)
    return (samples.astype(np.float64) * (WHITE_16 / white)).clip(0, WHITE_16).astype(np.float32)
