"""Read a picture: convert any file, PIL image or array to upright sRGB values.

Reading applies rotation and color profiles, and keeps alpha and 16 bits per channel. It changes no settings of the
process, so threads can read at the same time.
"""

import contextlib
import io
import json
import logging
import os
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.PngImagePlugin import PngImageFile

from neural_style.config.config import OPTIONS
from neural_style.config.encoded_picture import EncodedPicture
from neural_style.errors import ImageError
from neural_style.files import PathLike
from neural_style.images import (
    camera_raws,
    formats,
    jpeg2000,
    jpeg_scans,
    limits,
    optional_formats,
    pillow_files,
    png_chunks,
    tiff_pages,
    webp,
)
from neural_style.images.deep_formats import DeepFile, convert_to_srgb, open_deep_jpeg2000, open_deep_png
from neural_style.images.formats import Format
from neural_style.images.picture import Picture, Source, describe, one_line, printable
from neural_style.images.pixel_rows import PixelRows, rows_of_array, rows_of_image, warn_if_normalized
from neural_style.images.row_bands import row_bands

LOG = logging.getLogger("neural_style")

MAX_PIXELS: int = OPTIONS["max_pixels"].default
"""Default limit of the pixels of a picture."""

_PNG_STEPS = {"1": 255, "L;2": 85, "L;4": 17}
"""Pillow's raw mode of a PNG with 1, 2 or 4 bits -> difference of two neighboring grays, scaled to 8 bits."""


def read_image(source: Source, role: str = "picture", max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a file of one of `formats.FORMATS`, a PIL image, or an array.

    EXIF orientation and ICC profile are applied. The 16 bits of PNG, TIFF and JPEG 2000 files are kept, except in CMYK.
    Where alpha is 0, the color has no meaning and is replaced by the mean color of the visible pixels. Of an animation
    the first frame is read, and of a TIFF file the largest page.

    Args:
        source: path of a file, bytes of a file, PIL image, or array of shape H×W, H×W×1, H×W×2 (gray and alpha), H×W×3
            or H×W×4, and of type uint8, uint16 (0-65535), bool, or float (0-255 including alpha; clipped).
        role: what the picture is for, such as "content picture"; errors begin with it.
        max_pixels: a larger picture is refused before it is decoded. Pillow's own limit does not apply.

    Raises:
        ImageError: the file cannot be read, is larger than a picture of `max_pixels` can be, has another format, is a
            camera raw, or needs a package that is missing; or the picture is empty, too large or fully transparent, or
            its values have no meaning as a picture.
    """
    subject = _subject(source, role)
    if isinstance(source, np.ndarray):
        pixels = rows_of_array(source, subject)
        _check_size(pixels.width, pixels.height, subject, max_pixels)
        warn_if_normalized(source, subject)
    elif isinstance(source, Image.Image):
        with _one_error(subject):
            pixels = _read_pil_image(source, subject, max_pixels, is_ours=False)
    elif isinstance(source, EncodedPicture):
        if not source.data:
            raise ImageError(f"{subject} is empty (0 bytes); give a whole picture")
        limits.check_bytes(len(source.data), subject, max_pixels)
        with _one_error(subject), io.BytesIO(source.data) as stream:
            pixels = _read_file(stream, source.name, subject, max_pixels)
    else:
        limits.check_bytes(_check_file(source, subject), subject, max_pixels)
        with _one_error(subject), limits.PictureFile(source) as stream:
            pixels = _read_file(stream, source, subject, max_pixels)
    return _picture(pixels, subject)


def read_settings(path: PathLike) -> dict[str, Any] | None:
    """Read the settings that `write_image` embedded in a file; None if there are none. No pixels are decoded.

    Raises:
        ImageError: the file cannot be read or is not a picture.
    """
    subject = _subject(path, "picture")
    limits.check_bytes(_check_file(path, subject), subject, MAX_PIXELS)
    with _one_error(subject), limits.PictureFile(path) as stream:
        form = _format_of(stream, path, subject)
        text = _settings_text(stream, form) if form.holds_settings else None
    if not isinstance(text, str) or len(text) > limits.MOST_SETTINGS:
        return None
    try:
        settings = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return settings if isinstance(settings, dict) else None


def _settings_text(stream: IO[bytes], form: Format) -> object:
    """Return the settings in a file as text; None, or anything else, if there are none."""
    is_png = form is formats.PNG
    try:
        image = pillow_files.open_with_pillow(png_chunks.without_pixels(stream)[0] if is_png else stream)
    except UnidentifiedImageError:
        if form is formats.TIFF:
            return None  # of a kind that Pillow does not read, and this program does not write
        raise
    with image:
        if is_png:
            image.load()  # reads the text that comes after the pixels, too
        elif _drop_large_exif(image):
            return None
        exif = image.getexif()
        if str(exif.get(ExifTags.Base.Software)).startswith("neural-style "):
            return exif.get(ExifTags.Base.ImageDescription)
        return image.info.get("neural_style")


# --- errors -----------------------------------------------------------------------------------------------------------


def _subject(source: Source, role: str) -> str:
    """Return the beginning of messages about `source`; one line, whatever the file is called."""
    name = describe(source)
    return f"{role} ({name})" if isinstance(source, (EncodedPicture, Image.Image, np.ndarray)) else f"{role} {name!r}"


def _check_file(path: PathLike, subject: str) -> int:
    """Return the size of a file in bytes; raise ImageError unless `path` is one that is not empty."""
    if os.fspath(path).lower().startswith(("http://", "https://")):
        raise ImageError(f"{subject} is a web address; download it first and give the path of the file")
    try:
        size = os.stat(path).st_size
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        folder = printable(os.path.dirname(os.path.abspath(path)))
        joined = os.path.isfile(os.fsdecode(path).split(",")[0])
        several = "; separate several pictures with spaces, not commas" if joined else ""
        advice = f"give the path of a picture file (looked in {folder!r}){several}"
        raise ImageError(f"{subject} does not exist; {advice}") from error
    except OSError as error:
        raise ImageError(f"{subject} cannot be read ({error.strerror}); give the path of a picture file") from error
    if not os.path.isfile(path):
        kind = "a folder" if os.path.isdir(path) else "not a regular file"
        raise ImageError(f"{subject} is {kind}; give the path of a picture file")
    if size == 0:
        raise ImageError(f"{subject} is empty (0 bytes); get a whole copy or give another")
    return size


def _check_size(width: int, height: int, subject: str, max_pixels: int) -> None:
    """Raise ImageError if there are no pixels or too many."""
    if min(width, height) < 1:
        raise ImageError(f"{subject} has no pixels ({width}×{height}); give another")
    if width * height > max_pixels:
        raise ImageError(
            f"{subject}: expected at most {max_pixels} pixels, got {width}×{height}; shrink it, or raise --max_pixels"
        )


@contextlib.contextmanager
def _one_error(subject: str) -> Iterator[None]:
    """Turn any error of a library that opens or decodes a picture into an ImageError."""
    try:
        yield
    except (MemoryError, ImageError):
        raise
    except PermissionError as error:
        raise ImageError(f"{subject} cannot be read by this user; change its permissions or give another") from error
    except limits.ExcessError as error:
        raise ImageError(f"{subject} holds {error}, and no picture needs them; save it again") from error
    except Exception as error:  # decoders raise nearly anything on damaged files
        reason = one_line((isinstance(error, UnidentifiedImageError) and error.__cause__) or error)
        raise ImageError(f"{subject} is damaged or truncated ({reason}); get a whole copy or save it again") from error


# --- files and PIL images ---------------------------------------------------------------------------------------------


def _read_file(stream: IO[bytes], path: PathLike, subject: str, max_pixels: int) -> PixelRows:
    """Decode a file."""
    form = _format_of(stream, path, subject)
    opener = optional_formats.opener_for(stream, subject)
    if size := _size_in_header(stream, form):
        _check_size(*size, subject, max_pixels)
    opened: DeepFile | Image.Image | None = None
    if form is formats.PNG:
        opened = open_deep_png(stream, subject)
    elif form is formats.JPEG_2000:
        opened = open_deep_jpeg2000(stream, subject)
    elif form is formats.TIFF:
        opened = tiff_pages.open_tiff(stream, subject)
    elif form is formats.JPEG:
        _check_scans(stream)
    if isinstance(opened, DeepFile):
        _check_size(opened.width, opened.height, subject, max_pixels)
        return convert_to_srgb(opened, subject)
    try:
        image = opened or pillow_files.open_with_pillow(stream, opener)
    except UnidentifiedImageError:
        if camera_raws.is_raw_name(path):
            raise camera_raws.refusal(subject) from None
        raise
    with image:
        return _read_pil_image(image, subject, max_pixels, is_ours=True)


def _format_of(stream: IO[bytes], path: PathLike, subject: str) -> Format:
    """Return the format of a file.

    Raises:
        ImageError: it is none of those that are opened.
    """
    stream.seek(0)
    head = stream.read(formats.HEAD)
    form = formats.format_of(head)
    is_raw = camera_raws.is_raw_name(path)
    if camera_raws.has_raw_signature(head[:16]) or (is_raw and (form is formats.TIFF or not form)):
        raise camera_raws.refusal(subject)
    if form is None:
        kind = formats.other_kind(head) or "not a picture of a known kind"
        raise ImageError(f"{subject} is {kind}; expected {formats.names()}: convert it")
    return form


def _size_in_header(stream: IO[bytes], form: Format) -> tuple[int, int] | None:
    """Return width and height of a picture whose decoder makes room for it when it opens the file; None for others.

    Raises:
        ValueError: the header does not say them.
    """
    if form is formats.JPEG_XL:
        size = optional_formats.jxl_size(stream)
    elif form is formats.WEBP:
        size = webp.size_of(stream)
    elif form is formats.JPEG_2000:
        header = jpeg2000.read_header(stream)
        size = header and (header.width, header.height)
    else:
        return None
    if size is None:
        raise ValueError("no size in its header")
    return size


def _check_scans(stream: IO[bytes]) -> None:
    """Raise ExcessError if a JPEG file has so many scans that decoding would take hours."""
    stream.seek(0)
    if jpeg_scans.read_markers(stream).scans > limits.MOST_SCANS:
        raise limits.ExcessError(f"more than {limits.MOST_SCANS} scans")


def _read_pil_image(image: Image.Image, subject: str, max_pixels: int, *, is_ours: bool) -> PixelRows:
    """Decode a PIL image and turn it upright; in place if it `is_ours`."""
    _check_size(image.width, image.height, subject, max_pixels)
    _check_jpeg2000(image, subject)
    transparency = _transparency_in_8_bits(image)
    pillow_files.without_limit(image.load)
    _check_size(image.width, image.height, subject, max_pixels)  # some formats learn their size by decoding
    if is_ours and _drop_large_exif(image):
        LOG.warning("%s: its EXIF data are larger than %d MiB and ignored", subject, limits.MOST_EXIF >> 20)
    upright = _upright(image, subject, in_place=is_ours)
    if transparency is not None:
        upright.info["transparency"] = transparency
    return rows_of_image(upright, getattr(image, "tag_v2", {}), subject)


def _drop_large_exif(image: Image.Image) -> bool:
    """Forget the EXIF data of an image of ours if they are too large; return whether they were."""
    if len(image.info.get("exif") or b"") <= limits.MOST_EXIF:
        return False
    del image.info["exif"]
    image.getexif().clear()  # some plugins have read them
    return True


def _check_jpeg2000(image: Image.Image, subject: str) -> None:
    """Raise ImageError for a PIL image that Pillow would decode with white as 0. Files are decoded in another way."""
    if isinstance(image, Jpeg2KImageFile) and image.tile and image.fp and image.mode != "I;16":
        place = image.fp.tell()
        header = jpeg2000.read_header(image.fp)
        image.fp.seek(place)
        if header and header.is_deep:
            raise ImageError(f"{subject} is JPEG 2000 of more than 8 bits, which Pillow misreads; give its path")


def _transparency_in_8_bits(image: Image.Image) -> Any:
    """Return the transparent color of a PNG that does not have 8 bits, scaled to 8 bits, or None.

    Pillow does not always scale it.
    """
    if not isinstance(image, PngImageFile) or not image.tile:
        return None
    transparency, rawmode = image.info.get("transparency"), image.tile[0][3]
    if rawmode in _PNG_STEPS and isinstance(transparency, int):
        return min(transparency * _PNG_STEPS[rawmode], 255)
    if rawmode == "RGB;16B" and isinstance(transparency, tuple):
        return tuple(value >> 8 for value in transparency)
    return None


def _upright(image: Image.Image, subject: str, *, in_place: bool) -> Image.Image:
    """Turn an image upright as EXIF says; return a copy unless `in_place`."""
    try:
        if not in_place:
            return ImageOps.exif_transpose(image)
        ImageOps.exif_transpose(image, in_place=True)
        return image
    except Exception as error:  # damaged EXIF data can raise nearly anything
        LOG.warning("%s: its EXIF data are damaged and ignored (%s)", subject, one_line(error))
        return image if in_place else image.copy()


# --- pixels -----------------------------------------------------------------------------------------------------------


def _picture(pixels: PixelRows, subject: str) -> Picture:
    """Make the whole picture; replace hidden colors by the mean of the visible ones."""
    rgb, alpha = np.empty((pixels.height, pixels.width, 3), np.float32), None
    for part in row_bands(pixels.height, pixels.width):
        rgb[part], opacity = pixels.rows(part)
        if opacity is not None:
            alpha = np.empty(rgb.shape[:2], np.float32) if alpha is None else alpha
            alpha[part] = opacity
    if alpha is None or alpha.min() >= 1:
        return Picture(rgb, None)
    if not alpha.any():
        raise ImageError(f"{subject} is fully transparent, so it shows nothing; give a picture with visible pixels")
    if alpha.min() <= 0:
        mean = _mean_color(rgb, alpha)
        for part in row_bands(pixels.height, pixels.width):
            rgb[part][alpha[part] == 0] = mean
    return Picture(rgb, alpha)


def _mean_color(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return the mean of (height, width, 3) weighted by alpha (height, width), float64 (3,)."""
    total, weight = np.zeros(3), 0.0
    for part in row_bands(*alpha.shape):
        weights = alpha[part].astype(np.float64)
        total += (rgb[part] * weights[..., np.newaxis]).reshape(-1, 3).sum(axis=0)
        weight += weights.sum()
    return total / weight
