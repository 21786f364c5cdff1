"""The formats of pictures that are opened. A file of any other format is refused, whatever a library could make of it.

Libraries know many more. Some of those start other programs, some have no limits, and few are kept up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

HEAD = 64
"""Bytes from the beginning of a file that tell its format."""


class Format(NamedTuple):
    """A format of pictures."""

    name: str
    """What documents and messages call it."""
    suffixes: tuple[str, ...]
    """How the names of its files end."""
    plugin: str | None
    """Name of Pillow's plugin; None for a format that another package reads."""
    recognizes: Callable[[bytes], bool]
    """Returns whether a file with this head has the format."""
    holds_settings: bool = False
    """Whether this program writes it with the settings of the run."""


TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""What TIFF and BigTIFF files begin with."""

_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1", b"miaf"}
_AVIF_BRANDS = {b"avif", b"avis"}
_BMP_HEADERS = {12, 40, 52, 56, 64, 108, 124}
"""Lengths of the second header of BMP files."""


def _brands(head: bytes) -> set[bytes]:
    """Return the brands of a file of the kind of ISO/IEC 14496-12; none for another file."""
    end = min(len(head), int.from_bytes(head[:4], "big"))
    return {head[at : at + 4] for at in range(8, end, 4)} if head[4:8] == b"ftyp" else set()


def _is_heic(head: bytes) -> bool:
    brands = _brands(head)
    return bool(brands & _HEIC_BRANDS) and not brands & _AVIF_BRANDS


def _is_bmp(head: bytes) -> bool:
    return head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS


def _is_ppm(head: bytes) -> bool:
    return head[:1] == b"P" and head[1:2] in (b"1", b"2", b"3", b"4", b"5", b"6", b"f") and head[2:3].isspace()


def _begins(*signatures: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(signatures)


JPEG = Format("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), "JPEG", _begins(b"\xff\xd8\xff"), True)
PNG = Format("PNG", (".png", ".apng"), "PNG", _begins(b"\x89PNG\r\n\x1a\n"), True)
WEBP = Format("WebP", (".webp",), "WEBP", lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP", True)
TIFF = Format("TIFF", (".tif", ".tiff"), "TIFF", _begins(*TIFF_SIGNATURES), True)
BMP = Format("BMP", (".bmp",), "BMP", _is_bmp)
GIF = Format("GIF", (".gif",), "GIF", _begins(b"GIF87a", b"GIF89a"))
JPEG_2000 = Format(
    "JPEG 2000",
    (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    "JPEG2000",
    _begins(b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
)
PPM = Format("PPM", (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"), "PPM", _is_ppm)
AVIF = Format("AVIF", (".avif",), "AVIF", lambda head: bool(_brands(head) & _AVIF_BRANDS))
HEIC = Format("HEIC", (".heic", ".heics", ".heif", ".heifs", ".hif"), None, _is_heic)
JPEG_XL = Format("JPEG XL", (".jxl",), None, _begins(b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"))

FORMATS = (PNG, JPEG, WEBP, TIFF, BMP, GIF, JPEG_2000, PPM, AVIF, HEIC, JPEG_XL)
"""All that is opened."""

SUFFIXES = frozenset(suffix for form in FORMATS for suffix in form.suffixes)
"""How names of pictures end, in small letters."""

_OTHERS: tuple[tuple[tuple[bytes, ...], str], ...] = (
    ((b"%PDF",), "a PDF document"),
    ((b"%!PS", b"\xc5\xd0\xd3\xc6"), "a PostScript (EPS) drawing"),
    ((b"SIMPLE  =",), "a FITS file"),
    ((b"8BPS", b"8BPB"), "a Photoshop (PSD) document"),
    ((b"gimp xcf",), "a GIMP (XCF) document"),
    ((b"<svg", b"<?xml"), "an SVG drawing or another XML file"),
    ((b"<!DOCTYPE", b"<!doctype", b"<html", b"<HTML"), "a web page"),
    ((b"\xd7\xcd\xc6\x9a", b"\1\0\0\0l\0\0\0"), "a Windows metafile (WMF or EMF)"),
    ((b"\0\0\1\0", b"\0\0\2\0", b"icns"), "an icon"),
    ((b"v/1\1", b"#?RADIANCE", b"#?RGBE"), "a picture of high dynamic range (OpenEXR or Radiance)"),
    ((b"DDS ",), "a DDS texture"),
    ((b"qoif",), "a QOI picture"),
    ((b"\1\xda",), "an SGI picture"),
    ((b"\n\5\1",), "a PCX picture"),
    ((b"AT&TFORM",), "a DjVu document"),
    ((b"\x89HDF", b"CDF\1", b"GRIB", b"BUFR"), "a file of measurements"),
    ((b"PK\3\4", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!"), "an archive, or a document that is one inside"),
    ((b"\x1aE\xdf\xa3", b"OggS", b"\0\0\1\xba", b"\0\0\1\xb3", b"FLV"), "a film"),
    ((b"version https://git-lfs",), "a Git LFS pointer, not the file itself"),
)
"""First bytes of other files -> what they are."""


def format_of(head: bytes) -> Format | None:
    """Return the format of a file by its first `HEAD` bytes; None if it is not opened."""
    return next((form for form in FORMATS if form.recognizes(head)), None)


def names() -> str:
    """Return the names of all formats in one line."""
    listed = [form.name for form in FORMATS]
    return f"{', '.join(listed[:-1])} or {listed[-1]}"


def other_kind(head: bytes) -> str | None:
    """Return what a file is that is none of the formats, for messages; None if its first bytes do not tell."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for signatures, kind in _OTHERS:
        if head.startswith(signatures) or text.startswith(tuple(one for one in signatures if one[:1] in (b"<", b"%"))):
            return kind
    if head[4:8] == b"ftyp" or (head[:4] == b"RIFF" and head[8:12] == b"AVI "):
        return "a film"
    return None
