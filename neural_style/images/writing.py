"""Write a picture, completely or not at all, with an sRGB profile and the settings that made it."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from neural_style import __version__, files
from neural_style.errors import OutputError
from neural_style.files import PathLike
from neural_style.images import deep_writing
from neural_style.images.color_profiles import srgb_profile
from neural_style.images.picture import describe

LOG = logging.getLogger("neural_style")

_MOST_TEXT = 60_000
"""Most characters that fit into the metadata of every format; those of a JPEG file are limited to 64 KB."""


@dataclass(frozen=True)
class OutputFormat:
    """A file format for writing.

    Attributes:
        name: Pillow's name of the format.
        options: options for Pillow's `save`, which does not write TIFF files and 16-bit files here.
        greatest_side: greatest height or width in pixels.
        keeps_alpha: whether a file can be transparent.
        keeps_16_bits: whether a file can hold 16 bits per channel.
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


def check_format(path: PathLike, option: str, size: tuple[int, int], bit_depth: int = 8) -> OutputFormat:
    """Check that the format of a picture is known and supports its size and bit depth.

    Args:
        path: where the picture will be written.
        option: the option that asked for it; errors begin with it.
        size: width and height in pixels.
        bit_depth: bits per channel, 8 or 16.

    Returns:
        The format of the extension.

    Raises:
        OutputError: the extension is unknown, or the format does not support the size or the bit depth.
    """
    suffix = Path(path).suffix
    output_format = OUTPUT_FORMATS.get(suffix.lower())
    if output_format is None:
        known = ", ".join(OUTPUT_FORMATS)
        raise OutputError(f"{option}: expected a name that ends in one of {known}, got {str(path)!r}")
    if max(size) > output_format.greatest_side:
        raise OutputError(
            f"{option}: expected at most {output_format.greatest_side} px a side for {suffix}, got "
            f"{size[0]}×{size[1]}; give a name that ends in .png, or a smaller size"
        )
    if bit_depth > 8 and not output_format.keeps_16_bits:
        raise OutputError(
            f"{option}: expected --bit_depth 8 for {suffix}, got {bit_depth}; "
            "give a name that ends in .png or .tif, or --bit_depth 8"
        )
    return output_format


def write_image(
    path: PathLike,
    image: np.ndarray,
    *,
    settings: Mapping[str, object],
    overwrite: bool,
    before_placing: Callable[[Path], object] | None = None,
) -> Path:
    """Write a picture in the format of its extension, with an sRGB profile and the settings that made it.

    The same picture and settings always give the same bytes. JPEG and BMP cannot be transparent, so the picture is put
    on a white background. TIFF files whose pixels may exceed 4 GiB are BigTIFF files.

    Args:
        path: where to write; missing folders are created.
        image: uint8, or uint16 (0-65535) for PNG and TIFF: (height, width, 3) or, with alpha, (height, width, 4).
        settings: what `read_settings` will return, in types of JSON. BMP cannot hold them.
        overwrite: whether an existing file is replaced. Otherwise the picture gets a numbered name beside it.
        before_placing: as for `files.write_atomically`.

    Returns:
        Path of the written file.

    Raises:
        OutputError: the extension is unknown, the format does not support the size or the bit depth, or the file cannot
            be written.
    """
    path = Path(path)
    bit_depth = 8 * image.itemsize
    output_format = check_format(path, "output", (image.shape[1], image.shape[0]), bit_depth)
    write = _writer(path, image, bit_depth, output_format, settings)
    return files.write_atomically(path, write, overwrite=overwrite, before_placing=before_placing)


def write_png(stream: IO[bytes], image: np.ndarray, *, settings: Mapping[str, object]) -> None:
    """Write a picture to a stream, which need not be seekable: the bytes of the PNG file that `write_image` writes.

    Args:
        stream: a binary stream.
        image: see `write_image`.
        settings: see `write_image`.

    Raises:
        OSError: the stream cannot be written to.
    """
    _writer(Path("standard output"), image, 8 * image.itemsize, OUTPUT_FORMATS[".png"], settings)(stream)


def _writer(
    path: Path, image: np.ndarray, bit_depth: int, output_format: OutputFormat, settings: Mapping[str, object]
) -> Callable[[Any], object]:
    """Return a function that writes the picture to the path or stream that it is given; warnings name `path`."""
    profile, software, text = srgb_profile(), f"neural-style {__version__}", _settings_text(settings)
    texts = {"neural_style": text, "Software": software}
    if output_format is _TIFF:
        return lambda file: deep_writing.write_tiff(file, image, description=text, software=software, profile=profile)
    if bit_depth == 16:
        return lambda file: deep_writing.write_png(file, image, texts=texts, profile=profile)
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
        LOG.warning("%s cannot be transparent, so it gets a white background; use PNG, WebP or TIFF", describe(path))
        made = Image.alpha_composite(Image.new("RGBA", made.size, "white"), made).convert("RGB")
    return lambda file: made.save(file, output_format.name, **options)


def _settings_text(settings: Mapping[str, object]) -> str:
    """Return the settings as JSON in ASCII."""
    text = json.dumps(dict(settings))
    if len(text) > _MOST_TEXT:
        LOG.warning("the settings (%d characters) are too long for the picture's metadata; use --save_flags", len(text))
        return "null"
    return text
