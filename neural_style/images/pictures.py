"""Pictures in and out: any file, PIL image or array becomes upright sRGB numbers, and results are written safely.

Reading keeps what other programs lose: rotation, alpha, colour profiles, CMYK and 16 bits. What is computed of a whole
picture is computed band by band, since one for a large print fills much of the memory.
"""

import contextlib
import functools
import io
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngImageFile, PngInfo

from neural_style import __version__, files
from neural_style.config.config import OPTIONS
from neural_style.errors import ImageError, OutputError
from neural_style.files import PathLike
from neural_style.images import deep_formats as deep_files
from neural_style.images.deep_formats import DeepFile
from neural_style.images.row_bands import bands

LOG = logging.getLogger("neural_style")

MAX_PIXELS: int = OPTIONS["max_pixels"].default
"""Of a picture that is read, unless told otherwise."""

_PILLOWS_LIMIT = threading.RLock()
"""Held while `Image.MAX_IMAGE_PIXELS` is another, which is one for the whole process."""

_MOST_TEXT = 60_000
"""Letters that fit into the metadata of every format; a JPEG's ends at 64 KB."""

Source = PathLike | Image.Image | np.ndarray


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture, upright and in sRGB.

    Attributes:
        rgb: float32 (height, width, 3), 0-255.
        alpha: float32 (height, width), 0-1; None if the picture is opaque everywhere.
    """

    rgb: np.ndarray
    alpha: np.ndarray | None

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.rgb.shape[0]

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.rgb.shape[1]


@dataclass(frozen=True)
class OutputFormat:
    """What must be known of a file format to write it.

    Attributes:
        name: Pillow's name of the format.
        options: Options for Pillow's `save`; TIFF is written without it, and 16 bits are.
        greatest_side: Greatest height or width in pixels.
        keeps_alpha: Whether a file can be transparent.
        keeps_16_bits: Whether a file can hold 16 bits per channel.
    """

    name: str
    options: Mapping[str, Any]
    greatest_side: int
    keeps_alpha: bool
    keeps_16_bits: bool = False


_JPEG = OutputFormat("JPEG", {"quality": 95, "subsampling": 0}, 65500, keeps_alpha=False)
_TIFF = OutputFormat("TIFF", {}, 2**31 - 1, keeps_alpha=True, keeps_16_bits=True)

OUTPUT_FORMATS: Mapping[str, OutputFormat] = {
    ".png": OutputFormat("PNG", {}, 2**31 - 1, keeps_alpha=True, keeps_16_bits=True),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": OutputFormat("WEBP", {"quality": 95}, 16383, keeps_alpha=True),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".bmp": OutputFormat("BMP", {}, 2**31 - 1, keeps_alpha=False),
}
"""The formats that can be written, by extension in lower case."""


# Reading


@dataclass(frozen=True, eq=False)
class _Banded:
    """A picture, upright, whose pixels are made some rows at a time.

    Attributes:
        width: In pixels.
        height: In pixels.
        rows: Makes the rows of a slice: colour (rows, width, 1 or 3; 0-255) and alpha (rows, width; 0-1) or None.
    """

    width: int
    height: int
    rows: Callable[[slice], tuple[np.ndarray, np.ndarray | None]]


def read_image(source: Source, role: str = "picture", max_pixels: int = MAX_PIXELS) -> Picture:
    """Reads a picture of any kind that Pillow knows, or an array.

    EXIF orientation and ICC profile are applied. The 16 bits of PNG and TIFF files are kept, but for those of CMYK.
    Where alpha is 0 the colour means nothing, and becomes the mean colour of the visible pixels. Of an animation the
    first frame is read.

    Args:
        source: Path of a file, PIL image, or array of shape H×W, H×W×1, H×W×2 (grey and alpha), H×W×3 or H×W×4, of
            type uint8, uint16 (0-65535), bool, or float (0-255, alpha as well; clipped).
        role: What the picture is for, such as "content picture"; errors begin with it.
        max_pixels: A picture of more is refused before it is decoded. Pillow's own limit does not matter.

    Raises:
        ImageError: The file cannot be read or is no picture, or the picture is empty, too large, fully transparent or
            of a kind that has no meaning as a picture.
    """
    subject = _subject(source, role)
    if isinstance(source, np.ndarray):
        return _picture(_from_array(source, subject, max_pixels), subject)
    deep = None
    if not isinstance(source, Image.Image):
        _check_file(source, subject)
        with _one_error(subject):
            deep = deep_files.open_deep(source, subject)
    if deep is not None:
        return _picture(_sixteen_bit(deep, subject, max_pixels), subject)
    image, tags = _load(source, subject, max_pixels)
    return _picture(_deep_grey(image, tags, subject) if image.mode[0] in "IF" else _eight_bit(image, subject), subject)


def describe(source: Source) -> str:
    """Short name of a picture for messages: the file name of a path, otherwise "a PIL image" or "an array"."""
    if isinstance(source, Image.Image):
        return "a PIL image"
    if isinstance(source, np.ndarray):
        return "an array"
    return Path(source).name or os.fspath(source)


def read_settings(path: PathLike) -> dict[str, Any] | None:
    """Reads back the settings that `write_image` embedded in a file; None if there are none. No pixels are decoded.

    Raises:
        ImageError: The file cannot be read or is no picture.
    """
    subject = _subject(path, "picture")
    _check_file(path, subject)
    with _one_error(subject), open(path, "rb") as stream:
        png = deep_files.png_without_pixels(stream)
        stream.seek(0)
        with _open(png or stream) as image:
            if png:
                image.load()  # its text may come after its pixels
            exif = image.getexif()
            text = image.info.get("neural_style")
            if str(exif.get(ExifTags.Base.Software)).startswith("neural-style "):
                text = exif.get(ExifTags.Base.ImageDescription)
    try:
        settings = json.loads(text or "null")
    except ValueError:
        return None
    return settings if isinstance(settings, dict) else None


def _subject(source: Source, role: str) -> str:
    """What an error about `source` begins with; one line, whatever the file is called."""
    name = describe(source)
    return f"{role} ({name})" if isinstance(source, (Image.Image, np.ndarray)) else f"{role} {name!r}"


def _check_file(path: PathLike, subject: str) -> None:
    """Raises ImageError unless `path` is a file."""
    if os.fspath(path).lower().startswith(("http://", "https://")):
        raise ImageError(f"{subject} is a web address; download it first and give the path of the file")
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        folder = os.path.dirname(os.path.abspath(path))
        raise ImageError(f"{subject} does not exist; give the path of a picture file (looked in {folder!r})") from error
    except OSError as error:
        raise ImageError(f"{subject} cannot be read ({error.strerror}); give the path of a picture file") from error
    if not os.path.isfile(path):
        kind = "a folder" if os.path.isdir(path) else "not a regular file"
        raise ImageError(f"{subject} is {kind}; give the path of a picture file")


def _check_size(width: int, height: int, subject: str, max_pixels: int) -> None:
    """Raises ImageError unless there are pixels, and not too many."""
    if not width * height:
        raise ImageError(f"{subject} has no pixels ({width}×{height}); give another")
    if width * height > max_pixels:
        raise ImageError(
            f"{subject}: expected at most {max_pixels} pixels, got {width}×{height}; shrink it, or raise --max_pixels"
        )


@contextlib.contextmanager
def _one_error(subject: str) -> Iterator[None]:
    """Turns whatever a library raises while it opens or decodes a picture into one ImageError."""
    try:
        yield
    except (MemoryError, ImageError):
        raise
    except PermissionError as error:
        raise ImageError(f"{subject} cannot be read by this user; change its permissions or give another") from error
    except UnidentifiedImageError as error:
        message = "is not a picture of a known kind; expected PNG, JPEG, WebP, TIFF, BMP, GIF or the like: convert it"
        raise ImageError(f"{subject} {message}") from error
    except Exception as error:  # decoders raise nearly anything on damaged files
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ImageError(f"{subject} is damaged or truncated ({reason}); get a whole copy or save it anew") from error


@contextlib.contextmanager
def _pillows_limit(max_pixels: int | None) -> Iterator[None]:
    """Has Pillow take another limit of pixels, or none, for a moment: it asks when it opens, decodes and cuts."""
    with _PILLOWS_LIMIT:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, max_pixels
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _open(stream: IO[bytes]) -> Image.Image:
    """A picture of which only the head has been read."""
    with _pillows_limit(None):
        return Image.open(stream)


def _load(source: PathLike | Image.Image, subject: str, max_pixels: int) -> tuple[Image.Image, Mapping[int, Any]]:
    """The picture as an upright PIL image that no longer needs its file, and its TIFF tags."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(_one_error(subject))
        if isinstance(source, Image.Image):
            image, is_ours = source, False
        else:
            image, is_ours = stack.enter_context(_open(stack.enter_context(open(source, "rb")))), True
        _check_size(image.width, image.height, subject, max_pixels)
        transparency = _transparency_in_8_bits(image)
        with _pillows_limit(max_pixels):
            image.load()
        upright = _upright(image, subject, in_place=is_ours)
    if transparency is not None:
        upright.info["transparency"] = transparency
    return upright, getattr(image, "tag_v2", {})


_PNG_STEPS = {"1": 255, "L;2": 85, "L;4": 17}
"""How far apart two neighbouring greys of a PNG of 1, 2 or 4 bits are once scaled to 8."""


def _transparency_in_8_bits(image: Image.Image) -> Any:
    """The transparent colour of a PNG, if of other than 8 bits: Pillow does not always scale it with the pixels."""
    if not isinstance(image, PngImageFile) or not image.tile:
        return None
    transparency, rawmode = image.info.get("transparency"), image.tile[0][3]
    if rawmode in _PNG_STEPS and isinstance(transparency, int):
        return min(transparency * _PNG_STEPS[rawmode], 255)
    if rawmode == "RGB;16B" and isinstance(transparency, tuple):
        return tuple(value >> 8 for value in transparency)
    return None


def _upright(image: Image.Image, subject: str, *, in_place: bool) -> Image.Image:
    """The image turned as EXIF says; a copy unless it may be turned in place."""
    try:
        if not in_place:
            return ImageOps.exif_transpose(image)
        ImageOps.exif_transpose(image, in_place=True)
        return image
    except Exception as error:  # as varied as damaged EXIF itself
        LOG.warning("%s: its EXIF data are damaged and ignored (%s)", subject, error)
        return image if in_place else image.copy()


def _sixteen_bit(file: DeepFile, subject: str, max_pixels: int) -> _Banded:
    """A file of 16-bit colour, or of 16-bit grey with alpha."""
    _check_size(file.width, file.height, subject, max_pixels)
    with _one_error(subject):
        stored = file.decode()
    colours, alphas = (None if pixels is None else deep_files.upright(pixels, file.orientation) for pixels in stored)
    assert colours is not None
    has_curves = colours.shape[2] == 1 and file.profile
    curves = _grey_curves(file.profile, subject) if has_curves else None
    profile = None if has_curves else _usable_profile(file.profile, subject)

    def rows(part: slice) -> tuple[np.ndarray, np.ndarray | None]:
        colour, alpha = colours[part].astype(np.float32), None
        if file.is_inverted:
            colour = deep_files.WHITE - colour
        if alphas is not None:
            alpha = alphas[part].astype(np.float32) / deep_files.WHITE
        if alpha is not None and file.is_premultiplied:
            colour = (colour / np.where(alpha, alpha, 1)[..., np.newaxis]).clip(0, deep_files.WHITE)
        if profile:
            colour = deep_files.to_srgb(np.rint(colour).astype(np.uint16), profile, _srgb_profile()).astype(np.float32)
        colour /= deep_files.WHITE / 255
        return colour if curves is None else _by_curves(colour[..., 0], curves), alpha

    return _Banded(colours.shape[1], colours.shape[0], rows)


def _usable_profile(profile: bytes | None, subject: str) -> bytes | None:
    """The ICC profile of 16-bit colour if it can be used, and is another than the one that we write."""
    if not profile or profile == _srgb_profile():
        return None
    try:
        deep_files.to_srgb(np.zeros((1, 1, 3), np.uint16), profile, _srgb_profile())
    except ValueError as error:
        _warn_of_profile(subject, error)
        return None
    return profile


def _deep_grey(image: Image.Image, tags: Mapping[int, Any], subject: str) -> _Banded:
    """Grey of more than 8 bits."""
    stored = np.asarray(image)
    low, high = stored.min(), stored.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ImageError(f"{subject} holds values that are not finite; save it as 16-bit grey")
    if image.mode == "F":
        white = 1 if high <= 1 else 255
    else:
        white = 2**12 - 1 if tags.get(ExifTags.Base.BitsPerSample) == (12,) else 2**16 - 1
        if low < 0 or high > white:
            raise ImageError(f"{subject} holds numbers outside 0-{white}, so white is unknown; save it as 16-bit grey")
    white_is_zero = tags.get(ExifTags.Base.PhotometricInterpretation) == 0
    key = image.info.get("transparency")
    curves = _grey_curves(image.info.get("icc_profile"), subject)

    def rows(part: slice) -> tuple[np.ndarray, np.ndarray | None]:
        grey = (stored[part].astype(np.float64) / white * 255).clip(0, 255)
        if white_is_zero:
            grey = 255 - grey
        alpha = None if key is None else np.asarray(stored[part] != key, np.float32)
        return grey[..., np.newaxis] if curves is None else _by_curves(grey, curves), alpha

    return _Banded(*image.size, rows)


def _grey_curves(profile: bytes | None, subject: str) -> np.ndarray | None:
    """What 256 greys are in sRGB, uint8 (256, 3), by the ICC profile if there is one."""
    if not profile:
        return None
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[np.newaxis])
    return np.asarray(_converter("L", profile, subject)(ramp))[0]


def _by_curves(grey: np.ndarray, curves: np.ndarray) -> np.ndarray:
    """Colour (height, width, 3) of greys (height, width), all of 0-255."""
    return np.stack([np.interp(grey, np.arange(256), curve) for curve in curves.T], axis=-1)


def _eight_bit(image: Image.Image, subject: str) -> _Banded:
    """Any other PIL image."""
    colour_mode = {"1": "L", "L": "L", "LA": "L", "La": "L", "CMYK": "CMYK", "LAB": "LAB"}.get(image.mode, "RGB")
    is_transparent = image.has_transparency_data
    to_srgb = _converter(colour_mode, image.info.get("icc_profile"), subject)

    def rows(part: slice) -> tuple[np.ndarray, np.ndarray | None]:
        with _pillows_limit(None):
            band = image.crop((0, part.start, image.width, part.stop))
        if band.mode in ("La", "RGBa"):
            band = band.convert(band.mode.upper())
        alpha = None
        if is_transparent:
            band = band.convert("RGBA")
            alpha = np.asarray(band.getchannel("A"), np.float32) / 255
        return np.asarray(to_srgb(band.convert(colour_mode))), alpha

    return _Banded(*image.size, rows)


def _converter(mode: str, profile: bytes | None, subject: str) -> Callable[[Image.Image], Image.Image]:
    """What brings L, RGB, CMYK or LAB images into sRGB in mode RGB, by their ICC profile if it is a usable one."""
    if mode == "LAB":
        return _transform(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), mode)
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if mode == "L" and source.profile.xcolor_space == "RGB ":
                convert = _transform(source, "RGB")
                return lambda image: convert(image.convert("RGB"))
            return _transform(source, mode)
        except (OSError, ValueError, ImageCms.PyCMSError) as error:
            _warn_of_profile(subject, error)
    return lambda image: image.convert("RGB")


def _warn_of_profile(subject: str, error: Exception) -> None:
    LOG.warning("%s: its colour profile is unusable and ignored, so colours may be off (%s)", subject, error)


def _transform(profile: ImageCms.ImageCmsProfile, mode: str) -> Callable[[Image.Image], Image.Image]:
    """What brings images of a mode, whose colours `profile` describes, into sRGB."""
    srgb = ImageCms.ImageCmsProfile(io.BytesIO(_srgb_profile()))
    transform = ImageCms.buildTransform(profile, srgb, mode, "RGB", ImageCms.Intent.PERCEPTUAL)
    return transform.apply


@functools.cache
def _srgb_profile() -> bytes:
    """An ICC profile of sRGB that is always the same: its date of creation is set to a constant."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    date = b"".join(number.to_bytes(2, "big") for number in (2000, 1, 1, 0, 0, 0))
    return profile[:24] + date + profile[36:]


def _from_array(array: np.ndarray, subject: str, max_pixels: int) -> _Banded:
    """An array."""
    white = 255 if array.dtype.kind == "f" else {"uint8": 255, "uint16": 65535, "bool": 1}.get(array.dtype.name)
    if white is None or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4)):
        raise ImageError(
            f"{subject} has shape {array.shape} and type {array.dtype}; expected H×W, H×W×1, H×W×2, H×W×3 or H×W×4 of "
            "uint8, uint16, bool or float in 0-255: convert it"
        )
    height, width = array.shape[:2]
    _check_size(width, height, subject, max_pixels)

    def rows(part: slice) -> tuple[np.ndarray, np.ndarray | None]:
        values = np.atleast_3d(array[part])
        if not np.isfinite(values).all():
            raise ImageError(f"{subject} has values that are not finite; expected numbers in 0-255: mend what made it")
        values = (values.astype(np.float32) / (white / 255)).clip(0, 255)
        if values.shape[2] in (1, 3):
            return values, None
        return values[..., :-1], values[..., -1] / 255

    return _Banded(width, height, rows)


def _picture(source: _Banded, subject: str) -> Picture:
    """The whole picture; hidden colours become the mean of the visible ones."""
    rgb, alpha = np.empty((source.height, source.width, 3), np.float32), None
    for part in bands(source.height, source.width):
        rgb[part], opacity = source.rows(part)
        if opacity is not None:
            alpha = np.empty(rgb.shape[:2], np.float32) if alpha is None else alpha
            alpha[part] = opacity
    if alpha is None or alpha.min() >= 1:
        return Picture(rgb, None)
    if not alpha.any():
        raise ImageError(f"{subject} is fully transparent, so it shows nothing; give one with visible pixels")
    if alpha.min() <= 0:
        mean = _mean_colour(rgb, alpha)
        for part in bands(source.height, source.width):
            rgb[part][alpha[part] == 0] = mean
    return Picture(rgb, alpha)


def _mean_colour(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Mean of (height, width, 3) weighted by alpha (height, width), float64 (3,)."""
    total, weight = np.zeros(3), 0.0
    for part in bands(*alpha.shape):
        weights = alpha[part].astype(np.float64)
        total += (rgb[part] * weights[..., np.newaxis]).reshape(-1, 3).sum(axis=0)
        weight += weights.sum()
    return total / weight


# Changing


def resize(picture: Picture, width: int, height: int) -> Picture:
    """Resizes with a Lanczos filter, in floating point; the same picture if it has that size already.

    Colours weigh as much as they are opaque, so that hidden ones do not fringe the edges of what is visible.

    Args:
        picture: The picture.
        width: New width in pixels, at least 1.
        height: New height in pixels, at least 1.
    """
    if (width, height) == (picture.width, picture.height):
        return picture
    rgb = lanczos(picture.rgb, width, height)
    alpha = None
    if picture.alpha is not None:
        alpha = _lanczos_channel(picture.alpha, width, height)
        visible = alpha > 0.5 / 255  # below, the quotient is noise and the filled-in colour better
        for index in range(3):
            premultiplied = _lanczos_channel(picture.rgb[..., index] * picture.alpha, width, height)
            np.divide(premultiplied, alpha, out=rgb[..., index], where=visible)
        alpha = alpha.clip(0, 1)
    return Picture(rgb.clip(0, 255, out=rgb), alpha)


def lanczos(values: np.ndarray, width: int, height: int) -> np.ndarray:
    """Every channel of float32 (height, width, channels) resized; may overshoot."""
    resized = np.empty((height, width, values.shape[2]), np.float32)
    for index in range(values.shape[2]):
        resized[..., index] = _lanczos_channel(values[..., index], width, height)
    return resized


def _lanczos_channel(values: np.ndarray, width: int, height: int) -> np.ndarray:
    """Float32 (height, width) resized."""
    resized = Image.fromarray(np.ascontiguousarray(values)).resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(resized)


def scaled_height(picture: Picture, width: int) -> int:
    """Height in pixels, at least 1, that keeps the picture's aspect at this width."""
    return max(1, round(picture.height * width / picture.width))


def to_integers(rgb: np.ndarray, bit_depth: int, offset: np.ndarray | float = 0.0) -> np.ndarray:
    """Rounds (height, width, 3) of 0-255 to uint8, or of 16 bits to uint16 (0-65535); values beyond are clipped.

    Args:
        rgb: The picture.
        bit_depth: 8 or 16.
        offset: Added to the picture before; of a shape that goes with it.
    """
    white = 2**bit_depth - 1
    made = np.empty(rgb.shape, np.uint16 if bit_depth == 16 else np.uint8)
    for part in bands(*rgb.shape[:2]):
        values = rgb[part] + offset
        values *= white / 255
        made[part] = np.rint(values, out=values).clip(0, white, out=values)
    return made


def to_uint8(rgb: np.ndarray) -> np.ndarray:
    """Rounds (height, width, 3) of 0-255 to uint8; values beyond are clipped."""
    return to_integers(rgb, 8)


def with_alpha(rgb: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
    """Joins a picture and its alpha.

    Args:
        rgb: uint8 or uint16 (height, width, 3).
        alpha: (height, width), 0-1; None adds none.

    Returns:
        (height, width, 4) of the type of `rgb`; `rgb` itself without alpha.
    """
    if alpha is None:
        return rgb
    joined = np.empty((*alpha.shape, 4), rgb.dtype)
    joined[..., :3] = rgb
    for part in bands(*alpha.shape):
        joined[part][..., 3] = np.rint(alpha[part] * np.iinfo(rgb.dtype).max)
    return joined


# Writing


def check_format(path: PathLike, option: str, size: tuple[int, int], bit_depth: int = 8) -> OutputFormat:
    """Makes sure that a picture's format is known and has room for its size and depth.

    Args:
        path: Where the picture is to be written.
        option: The option that asked for it; errors begin with it.
        size: Width and height in pixels.
        bit_depth: Bits per channel, 8 or 16.

    Returns:
        The format that the extension stands for.

    Raises:
        OutputError: The extension is unknown, or the format ends below the size or the depth.
    """
    suffix = Path(path).suffix
    output_format = OUTPUT_FORMATS.get(suffix.lower())
    if output_format is None:
        known = ", ".join(OUTPUT_FORMATS)
        raise OutputError(f"{option}: expected a name that ends in one of {known}, got {str(path)!r}")
    if max(size) > output_format.greatest_side:
        raise OutputError(
            f"{option}: {suffix} ends at {output_format.greatest_side} px a side, got {size[0]}×{size[1]}; "
            "give a name that ends in .png, or a smaller size"
        )
    if bit_depth > 8 and not output_format.keeps_16_bits:
        raise OutputError(
            f"{option}: {suffix} holds 8 bits per channel, got --bit_depth {bit_depth}; "
            "give a name that ends in .png or .tif, or --bit_depth 8"
        )
    return output_format


def write_image(path: PathLike, image: np.ndarray, *, settings: Mapping[str, object], overwrite: bool) -> Path:
    """Writes a picture, in the format that its extension says, with an sRGB profile and the settings that made it.

    The same picture and settings always give the same bytes. JPEG and BMP cannot be transparent: white shines through.
    TIFF files whose pixels may exceed 4 GiB are BigTIFF files.

    Args:
        path: Where to write; missing folders are made.
        image: uint8, or uint16 (0-65535) for PNG and TIFF: (height, width, 3) or, with alpha, (height, width, 4).
        settings: What `read_settings` gives back; of JSON's types. BMP does not keep it.
        overwrite: Whether an existing file is replaced; if not, the picture gets a numbered name beside it.

    Returns:
        Path of the file written.

    Raises:
        OutputError: The extension is unknown, the format has no room for the size or the depth, or the file cannot be
            written.
    """
    path = Path(path)
    bit_depth = 8 * image.itemsize
    output_format = check_format(path, "output", (image.shape[1], image.shape[0]), bit_depth)
    return files.write_atomically(path, _writer(path, image, bit_depth, output_format, settings), overwrite=overwrite)


def _writer(
    path: Path, image: np.ndarray, bit_depth: int, output_format: OutputFormat, settings: Mapping[str, object]
) -> Callable[[Path], object]:
    """What writes the picture to the path it is given; `path` is the one that a warning names."""
    profile, software, text = _srgb_profile(), f"neural-style {__version__}", _settings_text(settings)
    texts = {"neural_style": text, "Software": software}
    if output_format is _TIFF:
        return lambda file: deep_files.write_tiff(file, image, description=text, software=software, profile=profile)
    if bit_depth == 16:
        return lambda file: deep_files.write_png(file, image, texts=texts, profile=profile)
    options: dict[str, Any] = {**output_format.options, "icc_profile": profile}
    if output_format.name == "PNG":
        options["pnginfo"] = PngInfo()
        for keyword, value in texts.items():
            options["pnginfo"].add_text(keyword, value)
    else:
        options["exif"] = Image.Exif()
        options["exif"][ExifTags.Base.ImageDescription] = text
        options["exif"][ExifTags.Base.Software] = software
    made = Image.fromarray(image)
    if made.mode == "RGBA" and not output_format.keeps_alpha:
        LOG.warning("%s cannot be transparent, so it is laid on white; PNG, WebP and TIFF keep alpha", path.name)
        made = Image.alpha_composite(Image.new("RGBA", made.size, "white"), made).convert("RGB")
    return lambda file: made.save(file, output_format.name, **options)


def _settings_text(settings: Mapping[str, object]) -> str:
    """The settings as JSON in ASCII."""
    text = json.dumps(dict(settings))
    if len(text) > _MOST_TEXT:
        LOG.warning("the settings, %d letters, are too long to be embedded; --save_flags keeps them", len(text))
        return "null"
    return text
