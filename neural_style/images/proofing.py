"""What a printer makes of colors: a table of sRGB colors as they would be printed, from the printer's ICC profile.

Little CMS converts sRGB to the inks and back, through Pillow.
"""

from __future__ import annotations

import functools
import io
import os
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms

from neural_style.errors import ImageError
from neural_style.files import PathLike
from neural_style.images.color_profiles import srgb_profile
from neural_style.images.limits import MOST_PROFILE, PictureFile
from neural_style.images.picture import describe, one_line
from neural_style.images.row_bands import row_bands

STEP = 5
"""Gray levels between two entries of a table. It divides 255, so that every entry is at a whole level."""

SIDE = 255 // STEP + 1
"""Entries of a table along each of red, green and blue."""

_MODES = {"RGB ": "RGB", "CMYK": "CMYK", "GRAY": "L"}
"""Color space of a profile -> Pillow's mode of its pictures."""

_INTENTS = {
    "perceptual": ImageCms.Intent.PERCEPTUAL,
    "relative": ImageCms.Intent.RELATIVE_COLORIMETRIC,
    "saturation": ImageCms.Intent.SATURATION,
    "absolute": ImageCms.Intent.ABSOLUTE_COLORIMETRIC,
}
"""Choice of `Config.proof_intent` -> intent of Little CMS."""

_NO_PRINTERS = {"scnr": "a scanner or camera", "link": "a link between devices", "abst": "an effect", "nmcl": "names"}
"""Class of a profile that describes no output device -> what it describes."""

_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.HIGHRESPRECALC


class Proof(NamedTuple):
    """What becomes of sRGB colors in print."""

    table: np.ndarray
    """Float32 (SIDE, SIDE, SIDE, 3), 0-255: printed color of each red, green and blue in steps of `STEP`."""

    def printed(self, rgb: np.ndarray) -> np.ndarray:
        """Return the printed colors of colors, float (…, 3) of 0-255, by trilinear interpolation in the table.

        Values out of range are clipped first.
        """
        places = rgb.astype(np.float32).clip(0, 255) / np.float32(STEP)
        low = places.astype(np.int32).clip(0, SIDE - 2)
        share = places - low
        flat = self.table.reshape(-1, 3)
        found = np.zeros(rgb.shape, np.float32)
        for corner in np.ndindex(2, 2, 2):
            weights = np.where(corner, share, 1 - share).prod(axis=-1, keepdims=True)
            red, green, blue = np.moveaxis(low + np.array(corner, np.int32), -1, 0)
            found += weights * flat[(red * SIDE + green) * SIDE + blue]
        return found

    def apply(self, picture: np.ndarray) -> None:
        """Replace the colors of a picture by the printed ones, in place.

        Args:
            picture: (height, width, 3), uint8 or uint16.
        """
        white = np.iinfo(picture.dtype).max
        for rows in row_bands(*picture.shape[:2]):
            color = self.printed(picture[rows] * np.float32(255 / white)) * np.float32(white / 255)
            picture[rows] = np.rint(color, out=color).clip(0, white, out=color)


def read_proof(path: PathLike, intent: str) -> Proof:
    """Read the profile of a printer, and make the table of its colors.

    Args:
        path: an ICC profile of an output device in RGB, CMYK or gray.
        intent: as `Config.proof_intent`. Colors are brought back from the inks relative to the white of the paper; with
            "absolute" as they are, so the color of the paper is seen.

    Raises:
        ImageError: the file cannot be read, is no ICC profile, or is not that of such a device.
    """
    subject = f"proof {describe(path)!r}"
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise OSError("not a regular file")  # some, such as pipes, may never end
        with PictureFile(path) as file:
            profile = file.read(MOST_PROFILE + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{subject} cannot be read ({reason}); give the path of an ICC profile") from error
    if len(profile) > MOST_PROFILE:
        raise ImageError(
            f"{subject}: expected the ICC profile of a printer, got a file of more than {MOST_PROFILE >> 20} MiB; give "
            "an .icc or .icm file"
        )
    return _proof(profile, intent, subject)


@functools.lru_cache(maxsize=2)
def _proof(profile: bytes, intent: str, subject: str) -> Proof:
    """Make a table; `read_proof` explains it."""
    expected = "expected the ICC profile of a printer"
    try:
        printer = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (OSError, ImageCms.PyCMSError) as error:
        raise ImageError(f"{subject}: {expected}, got a file that is none; give an .icc or .icm file") from error
    try:
        kind, colors = printer.profile.device_class.strip(), printer.profile.xcolor_space
    except ValueError as error:  # letters that are none
        raise ImageError(f"{subject}: {expected}, got a damaged one; get a whole copy") from error
    if kind in _NO_PRINTERS:
        raise ImageError(f"{subject}: {expected}, got one of {_NO_PRINTERS[kind]}; give that of the printer and paper")
    if colors not in _MODES:
        raise ImageError(
            f"{subject}: {expected} in RGB, CMYK or gray, got one in {colors.strip()!r}; give another profile"
        )
    back = intent if intent == "absolute" else "relative"
    mode, srgb = _MODES[colors], ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
    try:
        to_inks = ImageCms.buildTransform(srgb, printer, "RGB", mode, _INTENTS[intent], _FLAGS)
        to_srgb = ImageCms.buildTransform(printer, srgb, mode, "RGB", _INTENTS[back], _FLAGS)
    except (OSError, ValueError, ImageCms.PyCMSError) as error:
        raise ImageError(
            f"{subject}: {expected} that converts colors to inks and back, got one that does not ({one_line(error)}); "
            "give another profile, or another --proof_intent"
        ) from error
    return Proof(_table(to_inks, to_srgb))


def _table(to_inks: ImageCms.ImageCmsTransform, to_srgb: ImageCms.ImageCmsTransform) -> np.ndarray:
    """Return the table of two transforms in 8 bits.

    Each entry is the mean over the colors within one level of its own, which takes away most of the rounding to 8 bits.
    At the ends of a channel, only its own level counts.
    """
    levels = np.arange(SIDE) * STEP
    ends = (levels == 0) | (levels == 255)
    total = np.zeros((SIDE, SIDE * SIDE, 3), np.float32)
    for offsets in np.ndindex(3, 3, 3):
        channels = [np.where(ends, levels, levels + offset - 1) for offset in offsets]
        colors = np.stack(np.meshgrid(*channels, indexing="ij"), axis=-1).astype(np.uint8)
        inks = to_inks.apply(Image.fromarray(colors.reshape(SIDE, SIDE * SIDE, 3)))
        total += np.asarray(to_srgb.apply(inks))
    return (total / 27).reshape(SIDE, SIDE, SIDE, 3)
