"""Recognize camera raw files and refuse them. A TIFF reader would read their small preview instead."""

import os
import re
from typing import Any

from neural_style.errors import ImageError
from neural_style.files import PathLike

_EXTENSION = re.compile(
    r"\.(3fr|ari|arw|bay|cap|cr2|cr3|crw|dcr|dcs|dng|drf|eip|erf|fff|gpr|iiq|k25|kdc|mef|mos|mrw|nef|nrw|orf|pef|ptx|pxn"
    r"|r3d|raf|raw|rw2|rwl|rwz|sr2|srf|srw|x3f)",
    re.IGNORECASE,
)
_SIGNATURES = (
    b"FUJIFILMCCD-RAW",
    b"IIRO",  # Olympus
    b"IIRS",
    b"MMOR",
    b"IIU\0",  # Panasonic
    b"\0MRM",  # Minolta
    b"FOVb",  # Sigma
)
"""First bytes of camera raw files."""
_COLOR_FILTERS, _LINEAR_RAW = 32803, 34892
"""Photometric interpretations of TIFF: one color per pixel (color filter array); the same after interpolation."""
_COMPRESSIONS = frozenset({32767, 32769, 32770, 34713, 65000, 65535})
"""Compressions of TIFF that only Sony, Epson, Samsung, Nikon, Kodak and Pentax use."""
_TAGS = (50706, 33422)
"""DNGVersion, CFAPattern."""


def is_raw_name(path: PathLike) -> bool:
    """Return whether the extension is that of a camera raw."""
    return bool(_EXTENSION.fullmatch(os.path.splitext(os.fspath(path))[1]))


def has_raw_signature(head: bytes) -> bool:
    """Return whether a file that begins with these 16 bytes is a camera raw. Most raws begin like TIFF files."""
    if head.startswith(_SIGNATURES) or head[4:12] == b"ftypcrx ":  # the latter: Canon CR3
        return True
    return head.startswith((b"II", b"MM")) and (
        head[6:].startswith(b"HEAPCC") or head[8:].startswith((b"CR\x02", b"IIII"))
    )


def is_raw_page(page: Any) -> bool:
    """Return whether a page of a TIFF file, as tifffile describes it, holds a sensor's raw data."""
    kinds = {page.photometric, page.compression}
    is_sensor = not kinds.isdisjoint({_COLOR_FILTERS, _LINEAR_RAW} | _COMPRESSIONS)
    return is_sensor or any(tag in page.tags for tag in _TAGS)


def refusal(subject: str) -> ImageError:
    """Return the error that refuses a camera raw."""
    return ImageError(
        f"{subject}: expected a finished picture, got a camera raw; develop it, for example with darktable or "
        "RawTherapee, and give the exported TIFF, PNG or JPEG"
    )
