"""Pictures in and out: any file, PIL image or array becomes upright sRGB numbers, and results are written safely.

Reading keeps what other programs lose: rotation, alpha, colour profiles, CMYK and 16 bits of grey. (Pillow itself cuts
16-bit colour to 8 bits.)
"""

import contextlib
import functools
import io
import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngImageFile, PngInfo

from neural_style import __version__, files
from neural_style.errors import ImageError, OutputError
from neural_style.files import PathLike

LOG = logging.getLogger("neural_style")

MAX_PIXELS = 178_956_970
"""Of a picture that is worked on: as many as Pillow reads, unless told otherwise."""

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
        options: Options for Pillow's `save`.
        greatest_side: Greatest height or width in pixels.
        keeps_alpha: Whether a file can be transparent.
    """

    name: str
    options: Mapping[str, Any]
    greatest_side: int
    keeps_alpha: bool


_JPEG = OutputFormat("JPEG", {"quality": 95, "subsampling": 0}, 65500, keeps_alpha=False)
_TIFF = OutputFormat("TIFF", {"compression": "tiff_adobe_deflate"}, 2**31 - 1, keeps_alpha=True)

OUTPUT_FORMATS: Mapping[str, OutputFormat] = {
    ".png": OutputFormat("PNG", {}, 2**31 - 1, keeps_alpha=True),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": OutputFormat("WEBP", {"quality": 95}, 16383, keeps_alpha=True),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".bmp": OutputFormat("BMP", {}, 2**31 - 1, keeps_alpha=False),
}
"""The formats that can be written, by extension in lower case."""


# Reading


def read_image(source: Source, role: str = "picture") -> Picture:
    """Reads a picture of any kind that Pillow knows, or an array.

    EXIF orientation and ICC profile are applied. Where alpha is 0 the colour means nothing, and becomes the mean colour
    of the visible pixels. Of an animation the first frame is read.

    Args:
        source: Path of a file, PIL image, or array of shape H×W, H×W×1, H×W×2 (grey and alpha), H×W×3 or H×W×4, of
            type uint8, uint16 (0-65535), bool, or float (0-255, alpha as well; clipped).
        role: What the picture is for, such as "content picture"; errors begin with it.

    Raises:
        ImageError: The file cannot be read or is no picture, or the picture is empty, fully transparent or of a kind
            that has no meaning as a picture.
    """
    subject = _subject(source, role)
    if isinstance(source, np.ndarray):
        colour, alpha = _from_array(source, subject)
    else:
        image, tags = _load(source, subject)
        if image.mode[0] in "IF":
            colour, alpha = _deep_grey(image, tags, subject)
        else:
            colour, alpha = _eight_bit(image, subject)
    return _picture(colour, alpha, subject)


def describe(source: Source) -> str:
    """Short name of a picture for messages: the file name of a path, otherwise "a PIL image" or "an array"."""
    if isinstance(source, Image.Image):
        return "a PIL image"
    if isinstance(source, np.ndarray):
        return "an array"
    return Path(source).name or os.fspath(source)


def read_settings(path: PathLike) -> dict[str, Any] | None:
    """Reads back the settings that `write_image` embedded in a file; None if there are none.

    Raises:
        ImageError: The file cannot be read or is no picture.
    """
    subject = _subject(path, "picture")
    _check_file(path, subject)
    with _one_error(subject), open(path, "rb") as stream, Image.open(stream) as image:
        image.load()  # text of a PNG may come after its pixels
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


@contextlib.contextmanager
def _one_error(subject: str) -> Iterator[None]:
    """Turns whatever Pillow raises while it opens or decodes a picture into one ImageError; lets big pictures pass."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            yield
    except MemoryError:
        raise
    except PermissionError as error:
        raise ImageError(f"{subject} cannot be read by this user; change its permissions or give another") from error
    except UnidentifiedImageError as error:
        message = "is not a picture of a known kind; expected PNG, JPEG, WebP, TIFF, BMP, GIF or the like: convert it"
        raise ImageError(f"{subject} {message}") from error
    except Image.DecompressionBombError as error:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise ImageError(f"{subject} has more than the {limit} pixels that can be read; shrink it first") from error
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ImageError(f"{subject} is damaged or truncated ({reason}); get a whole copy or save it anew") from error


def _load(source: PathLike | Image.Image, subject: str) -> tuple[Image.Image, Mapping[int, Any]]:
    """The picture as an upright PIL image that no longer needs its file, and its TIFF tags."""
    if not isinstance(source, Image.Image):
        _check_file(source, subject)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_one_error(subject))
        if isinstance(source, Image.Image):
            image = source
        else:
            image = stack.enter_context(Image.open(stack.enter_context(open(source, "rb"))))
        transparency = _transparency_in_8_bits(image)
        image.load()
        upright = _upright(image, subject)
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


def _upright(image: Image.Image, subject: str) -> Image.Image:
    """A copy turned as EXIF says."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception as error:  # as varied as damaged EXIF itself
        LOG.warning("%s: its EXIF data are damaged and ignored (%s)", subject, error)
        return image.copy()


def _deep_grey(image: Image.Image, tags: Mapping[int, Any], subject: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Grey of more than 8 bits as colour (height, width, 1 or 3; 0-255) and alpha (0-1)."""
    stored = np.asarray(image)
    if not np.isfinite(stored).all():
        raise ImageError(f"{subject} holds values that are not finite; save it as 16-bit grey")
    if image.mode == "F":
        white = 1 if stored.max(initial=0) <= 1 else 255
    else:
        white = 2**12 - 1 if tags.get(ExifTags.Base.BitsPerSample) == (12,) else 2**16 - 1
        if stored.min(initial=0) < 0 or stored.max(initial=0) > white:
            raise ImageError(f"{subject} holds numbers outside 0-{white}, so white is unknown; save it as 16-bit grey")
    grey = (stored.astype(np.float64) / white * 255).clip(0, 255)
    if tags.get(ExifTags.Base.PhotometricInterpretation) == 0:  # white is zero
        grey = 255 - grey
    key = image.info.get("transparency")
    alpha = None if key is None else np.asarray(stored != key, np.float32)
    if not image.info.get("icc_profile"):
        return grey[..., np.newaxis], alpha
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[np.newaxis])
    curves = np.asarray(_to_srgb(ramp, image.info["icc_profile"], subject))[0]
    return np.stack([np.interp(grey, np.arange(256), curve) for curve in curves.T], axis=-1), alpha


def _eight_bit(image: Image.Image, subject: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Any other PIL image as colour (height, width, 3; 0-255) and alpha (0-1)."""
    colour_mode = {"1": "L", "L": "L", "LA": "L", "La": "L", "CMYK": "CMYK", "LAB": "LAB"}.get(image.mode, "RGB")
    profile = image.info.get("icc_profile")
    if image.mode in ("La", "RGBa"):
        image = image.convert(image.mode.upper())
    alpha = None
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = np.asarray(image.getchannel("A"), np.float32) / 255
    return np.asarray(_to_srgb(image.convert(colour_mode), profile, subject)), alpha


def _to_srgb(image: Image.Image, profile: bytes | None, subject: str) -> Image.Image:
    """An L, RGB, CMYK or LAB image in mode RGB, by its ICC profile if it has a usable one."""
    if image.mode == "LAB":
        return _transform(image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            grey_in_rgb = image.mode == "L" and source.profile.xcolor_space == "RGB "
            return _transform(image.convert("RGB") if grey_in_rgb else image, source)
        except (OSError, ValueError, ImageCms.PyCMSError) as error:
            LOG.warning("%s: its colour profile is unusable and ignored, so colours may be off (%s)", subject, error)
    return image.convert("RGB")


def _transform(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    """`image`, whose colours `profile` describes, in sRGB."""
    srgb = ImageCms.ImageCmsProfile(io.BytesIO(_srgb_profile()))
    converted = ImageCms.profileToProfile(image, profile, srgb, ImageCms.Intent.PERCEPTUAL, outputMode="RGB")
    assert converted is not None  # only a conversion in place returns nothing
    return converted


@functools.cache
def _srgb_profile() -> bytes:
    """An ICC profile of sRGB that is always the same: its date of creation is set to a constant."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    date = b"".join(number.to_bytes(2, "big") for number in (2000, 1, 1, 0, 0, 0))
    return profile[:24] + date + profile[36:]


def _from_array(array: np.ndarray, subject: str) -> tuple[np.ndarray, np.ndarray | None]:
    """An array as colour (height, width, 1 or 3; 0-255) and alpha (0-1)."""
    white = 255 if array.dtype.kind == "f" else {"uint8": 255, "uint16": 65535, "bool": 1}.get(array.dtype.name)
    if white is None or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4)):
        raise ImageError(
            f"{subject} has shape {array.shape} and type {array.dtype}; expected H×W, H×W×1, H×W×2, H×W×3 or H×W×4 of "
            "uint8, uint16, bool or float in 0-255: convert it"
        )
    if not np.isfinite(array).all():
        raise ImageError(f"{subject} has values that are not finite; expected numbers in 0-255: mend what made it")
    values = (np.atleast_3d(array).astype(np.float32) / (white / 255)).clip(0, 255)
    if values.shape[2] in (1, 3):
        return values, None
    return values[..., :-1], values[..., -1] / 255


def _picture(colour: np.ndarray, alpha: np.ndarray | None, subject: str) -> Picture:
    """The picture from colour (height, width, 1 or 3; 0-255) and alpha (height, width; 0-1)."""
    if 0 in colour.shape:
        raise ImageError(f"{subject} has no pixels ({colour.shape[1]}×{colour.shape[0]}); give another")
    rgb = np.array(np.broadcast_to(colour, (*colour.shape[:2], 3)), np.float32)
    if alpha is None or alpha.min() >= 1:
        return Picture(rgb, None)
    if not alpha.any():
        raise ImageError(f"{subject} is fully transparent, so it shows nothing; give one with visible pixels")
    rgb[alpha == 0] = np.average(rgb.reshape(-1, 3), axis=0, weights=alpha.ravel().astype(np.float64))
    return Picture(rgb, np.asarray(alpha, np.float32))


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
    if picture.alpha is None:
        return Picture(rgb.clip(0, 255), None)
    premultiplied = np.dstack([picture.rgb * picture.alpha[..., np.newaxis], picture.alpha])
    resized = lanczos(premultiplied, width, height)
    alpha = resized[..., 3]
    visible = alpha > 0.5 / 255  # below, the quotient is noise and the filled-in colour better
    rgb[visible] = resized[visible, :3] / alpha[visible, np.newaxis]
    return Picture(rgb.clip(0, 255), alpha.clip(0, 1))


def lanczos(values: np.ndarray, width: int, height: int) -> np.ndarray:
    """Every channel of float32 (height, width, channels) resized; may overshoot."""
    channels = (Image.fromarray(np.ascontiguousarray(channel)) for channel in np.moveaxis(values, 2, 0))
    resized = (channel.resize((width, height), Image.Resampling.LANCZOS) for channel in channels)
    return np.dstack([np.asarray(channel) for channel in resized])


def scaled_height(picture: Picture, width: int) -> int:
    """Height in pixels, at least 1, that keeps the picture's aspect at this width."""
    return max(1, round(picture.height * width / picture.width))


def to_uint8(rgb: np.ndarray) -> np.ndarray:
    """Rounds (height, width, 3) of 0-255 to uint8; values beyond are clipped."""
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


def with_alpha(rgb_uint8: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
    """Joins uint8 (height, width, 3) and alpha (height, width; 0-1) into uint8 (height, width, 4); None adds none."""
    if alpha is None:
        return rgb_uint8
    return np.dstack([rgb_uint8, np.rint(alpha * 255).astype(np.uint8)])


# Writing


def check_format(path: PathLike, option: str, size: tuple[int, int]) -> OutputFormat:
    """Makes sure that a picture's format is known and has room for its size.

    Args:
        path: Where the picture is to be written.
        option: The option that asked for it; errors begin with it.
        size: Width and height in pixels.

    Returns:
        The format that the extension stands for.

    Raises:
        OutputError: The extension is unknown, or the format ends below the size.
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
    return output_format


def write_image(path: PathLike, image_uint8: np.ndarray, *, settings: Mapping[str, object], overwrite: bool) -> Path:
    """Writes a picture, in the format that its extension says, with an sRGB profile and the settings that made it.

    The same picture and settings always give the same bytes. JPEG and BMP cannot be transparent: white shines through.

    Args:
        path: Where to write; missing folders are made.
        image_uint8: uint8 (height, width, 3) or, with alpha, (height, width, 4).
        settings: What `read_settings` gives back; of JSON's types. BMP does not keep it.
        overwrite: Whether an existing file is replaced; if not, the picture gets a numbered name beside it.

    Returns:
        Path of the file written.

    Raises:
        OutputError: The extension is unknown, the format has no room for the size, or the file cannot be written.
    """
    path = Path(path)
    image = Image.fromarray(image_uint8)
    output_format = check_format(path, "output", image.size)
    if image.mode == "RGBA" and not output_format.keeps_alpha:
        LOG.warning("%s cannot be transparent, so it is laid on white; PNG, WebP and TIFF keep alpha", path.name)
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    options = {**output_format.options, **_metadata(output_format.name, settings), "icc_profile": _srgb_profile()}
    return files.write_atomically(
        path, lambda file: image.save(file, output_format.name, **options), overwrite=overwrite
    )


def _metadata(format_name: str, settings: Mapping[str, object]) -> dict[str, Any]:
    """Options for Pillow's `save` that embed the settings, as JSON in ASCII."""
    text, software = json.dumps(dict(settings)), f"neural-style {__version__}"
    if len(text) > _MOST_TEXT:
        LOG.warning("the settings, %d letters, are too long to be embedded; --save_flags keeps them", len(text))
        text = "null"
    if format_name == "PNG":
        chunks = PngInfo()
        chunks.add_text("neural_style", text)
        chunks.add_text("Software", software)
        return {"pnginfo": chunks}
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = text
    exif[ExifTags.Base.Software] = software
    return {"exif": exif}
