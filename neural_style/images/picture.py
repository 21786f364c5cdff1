"""The picture type, resizing, and conversion to integers.

Large pictures are processed in bands of rows, because a second copy of one may not fit into memory.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from neural_style.config.encoded_picture import EncodedPicture
from neural_style.files import PathLike
from neural_style.images.row_bands import row_bands

Source = PathLike | EncodedPicture | Image.Image | np.ndarray
"""What a picture can be read from: a path, the bytes of a file, a PIL image or an array."""


_LONGEST_QUOTE = 300
"""Letters of what a library says that are passed on."""

_LANCZOS_REACH = 4
"""Pixels beyond a border that the filter sees where a picture is enlarged, or more."""


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


def describe(source: Source) -> str:
    """Return a short name of a picture for messages and metadata: a file name, "a PIL image" or "an array".

    The bytes of a file have a name of their own.

    Bytes of a file name that are not text in the encoding of the file system become "\N{REPLACEMENT CHARACTER}", so
    the name can be printed, encoded as UTF-8 and stored as JSON.
    """
    if isinstance(source, Image.Image):
        return "a PIL image"
    if isinstance(source, np.ndarray):
        return "an array"
    if isinstance(source, EncodedPicture):
        return source.name
    return printable(Path(source).name or os.fspath(source))


def printable(text: str) -> str:
    """Return the text with the undecodable bytes of file names replaced, so that it can be encoded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raw = text.encode(sys.getfilesystemencoding(), "surrogateescape" if os.name != "nt" else "surrogatepass")
        return raw.decode(sys.getfilesystemencoding(), "replace")
    return text


def one_line(error: object) -> str:
    """Return what a library says of a file in one line of letters that can be printed, shortened if it is long.

    Libraries quote files, and files may hold anything, such as codes that change a terminal.
    """
    kind = f"{type(error).__name__}: " if isinstance(error, BaseException) else ""
    words = " ".join(f"{kind}{error}"[:_LONGEST_QUOTE].split())
    return "".join(letter if letter.isprintable() else "?" for letter in words)


def resize(picture: Picture, width: int, height: int) -> Picture:
    """Resize with a Lanczos filter in floating point; return the same picture if it already has that size.

    Colors are weighted by their alpha, so hidden colors do not bleed into visible edges.

    Args:
        picture: the picture.
        width: new width in pixels, at least 1.
        height: new height in pixels, at least 1.
    """
    if (width, height) == (picture.width, picture.height):
        return picture
    if is_blank(picture.rgb):
        return blank(width, height)
    rgb = lanczos(picture.rgb, width, height)
    alpha = None
    if picture.alpha is not None:
        # color = lanczos(color · alpha) / lanczos(alpha)
        alpha = _lanczos_channel(picture.alpha, width, height)
        visible = alpha > 0.5 / 255  # elsewhere the quotient is noise, and the color that was filled in is better
        for index in range(3):
            premultiplied = _lanczos_channel(picture.rgb[..., index] * picture.alpha, width, height)
            np.divide(premultiplied, alpha, out=rgb[..., index], where=visible)
        alpha = alpha.clip(0, 1)
    return Picture(rgb.clip(0, 255, out=rgb), alpha)


def blank(width: int, height: int) -> Picture:
    """Return a gray picture that takes no memory: all of it is one pixel. It stands for the content of a texture."""
    gray = np.full((1, 1, 3), 127.5, np.float32)
    return Picture(np.broadcast_to(gray, (height, width, 3)), None)


def is_blank(values: np.ndarray) -> bool:
    """Return whether pixels are those of a `blank` picture."""
    return values.strides[:2] == (0, 0)


def lanczos(values: np.ndarray, width: int, height: int, wraps: bool = False) -> np.ndarray:
    """Resize every channel of float32 (height, width, channels). The result may exceed the range of the input.

    If it `wraps`, values continue at their opposite edges, and the result does so, too.
    """
    if wraps:
        values = np.pad(values, [(_LANCZOS_REACH, _LANCZOS_REACH)] * 2 + [(0, 0)], "wrap")
    resized = np.empty((height, width, values.shape[2]), np.float32)
    for index in range(values.shape[2]):
        resized[..., index] = _lanczos_channel(values[..., index], width, height, _LANCZOS_REACH if wraps else 0)
    return resized


def _lanczos_channel(values: np.ndarray, width: int, height: int, margin: int = 0) -> np.ndarray:
    """Resize float32 (height, width) without a margin, which the filter sees."""
    image = Image.fromarray(np.ascontiguousarray(values))
    box = (margin, margin, image.width - margin, image.height - margin)
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS, box))


def scaled_height(picture: Picture, width: int) -> int:
    """Return the height in pixels, at least 1, that keeps the picture's aspect ratio at this width."""
    return max(1, round(picture.height * width / picture.width))


def to_integers(rgb: np.ndarray, bit_depth: int, offset: np.ndarray | float = 0.0) -> np.ndarray:
    """Round a picture to integers; values out of range are clipped.

    Args:
        rgb: (height, width, 3), 0-255.
        bit_depth: 8 or 16.
        offset: added to the picture first; it must broadcast to the picture's shape.

    Returns:
        uint8 (0-255) or uint16 (0-65535) of the picture's shape.
    """
    white = 2**bit_depth - 1
    integers = np.empty(rgb.shape, np.uint16 if bit_depth == 16 else np.uint8)
    for rows in row_bands(*rgb.shape[:2]):
        values = rgb[rows] + offset
        values *= white / 255
        integers[rows] = np.rint(values, out=values).clip(0, white, out=values)
    return integers


def to_uint8(rgb: np.ndarray) -> np.ndarray:
    """Round (height, width, 3), 0-255, to uint8; values out of range are clipped."""
    return to_integers(rgb, 8)


def with_alpha(rgb: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
    """Join a picture and its alpha.

    Args:
        rgb: uint8 or uint16 (height, width, 3).
        alpha: (height, width), 0-1; None for an opaque picture.

    Returns:
        (height, width, 4) of the type of `rgb`; `rgb` itself if there is no alpha.
    """
    if alpha is None:
        return rgb
    joined = np.empty((*alpha.shape, 4), rgb.dtype)
    joined[..., :3] = rgb
    for rows in row_bands(*alpha.shape):
        joined[rows][..., 3] = np.rint(alpha[rows] * np.iinfo(rgb.dtype).max)
    return joined
