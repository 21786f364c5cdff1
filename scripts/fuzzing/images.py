"""Pictures of every format, in many variants, each in a few hundred bytes; and profiles of printers."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, ImageCms, PngImagePlugin, features

from neural_style.images.proofing import read_proof
from neural_style.images.reading import read_image, read_settings

MAX_PIXELS = 2**22
"""Most pixels of a picture here. A picture of so many takes 64 MiB as it is painted, far below the limit of memory."""

_PROFILE = "icc"
SLOW = frozenset({_PROFILE})
_SETTINGS = '{"content": "a.jpg", "steps": 5}'
_SIDE = 12
_CRC_KINDS = ("png",)


def read(path: str) -> None:
    """Read a picture and its settings, or the profile of a printer."""
    if path.endswith(f".{_PROFILE}"):
        read_proof(path, "relative")
        return
    try:
        read_image(path, "content picture", MAX_PIXELS)
    finally:
        read_settings(path)


def repair(kind: str, data: bytes, chance: random.Random) -> bytes:
    """Put the checksums of PNG files right, most of the time."""
    return _with_checksums(data) if kind in _CRC_KINDS and chance.random() < 0.7 else data


def seeds() -> Mapping[str, Sequence[bytes]]:
    """Return small pictures of each format, by its suffix."""
    made = {
        "png": _pngs(),
        "jpg": _jpegs(),
        "webp": _webps(),
        "tif": _tiffs(),
        "bmp": _bmps(),
        "gif": _gifs(),
        "jp2": _jpeg2000s(),
        "ppm": _ppms(),
        "avif": _avifs(),
        "heic": _heics(),
        "jxl": _jxls(),
        _PROFILE: _profiles(),
    }
    return {kind: files for kind, files in made.items() if files}


def _with_checksums(data: bytes) -> bytes:
    """Return a PNG file with the checksum of each chunk that is whole."""
    mended, at = bytearray(data), 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        end = at + 8 + length
        if end + 4 > len(data):
            break
        mended[end : end + 4] = zlib.crc32(data[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(mended)


# --- pictures ---------------------------------------------------------------------------------------------------------


def _array(channels: int = 3, kind: type[np.generic] = np.uint8, side: int = _SIDE) -> np.ndarray:
    """Return a gradient with some noise, (side, side, channels) or (side, side)."""
    noise = np.random.default_rng(0).random((side, side, channels)) * 0.2
    ramps = np.add(*np.ogrid[0 : 0.4 : side * 1j, 0 : 0.4 : side * 1j])[..., np.newaxis] + noise
    white = 1 if np.issubdtype(kind, np.floating) else np.iinfo(kind).max
    pixels = (ramps * white).astype(kind)
    if channels in (2, 4):
        pixels[..., -1] = white
    return pixels[..., 0] if channels == 1 else pixels


def _image(mode: str = "RGB", side: int = _SIDE) -> Image.Image:
    made = Image.fromarray(_array(side=side))
    if mode == "RGBA":
        made.putalpha(Image.fromarray(_array(1, side=side)))
        return made
    return made.quantize(8) if mode == "P" else made.convert(mode)


def _saved(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def _frames(side: int = _SIDE) -> dict[str, Any]:
    return {"save_all": True, "append_images": [_image(side=side), _image(side=side).rotate(90)], "duration": 40}


def _exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x0131], exif[0x010E] = 6, "neural-style 1", _SETTINGS
    exif[0x8769] = {0x9003: "2020:01:01 00:00:00", 0x829A: 0.01}
    return exif.tobytes()


def _rgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


_XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def _metadata() -> dict[str, bytes]:
    return {"exif": _exif(), "icc_profile": _rgb_profile()}


# --- formats ----------------------------------------------------------------------------------------------------------


def _pngs() -> list[bytes]:
    text = PngImagePlugin.PngInfo()
    text.add_text("neural_style", _SETTINGS, zip=True)
    text.add_itxt("neural_style", _SETTINGS, zip=True)
    text.add_itxt("XML:com.adobe.xmp", _XMP.decode())
    text.add_text("Comment", "x")
    palette = _image("P")
    made = [_saved(_image(mode), "PNG") for mode in ("1", "L", "LA", "RGB", "RGBA", "P")]
    made += [_saved(palette, "PNG", transparency=bytes([0, 99, 255]), bits=4), _saved(_image(), "PNG", **_metadata())]
    made += [_saved(_image(), "PNG", pnginfo=text), _saved(_image(), "PNG", **_frames())]
    made += [_saved(Image.fromarray(_array(1, np.uint16)), "PNG"), _saved(_image("L"), "PNG", transparency=3)]
    for kind, channels in ((0, 1), (2, 3), (4, 2), (6, 4)):
        for is_interlaced in (0, 1):
            made.append(_png_of_16_bits(kind, channels, is_interlaced))
    made += [_plain_png(kind, bits) for kind, bits in ((0, 1), (0, 2), (0, 4), (3, 1), (3, 2))]
    return made


def _png(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [struct.pack(">I", len(data)) + kind + data + bytes(4) for kind, data in chunks]
    return _with_checksums(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def _png_of_16_bits(kind: int, channels: int, is_interlaced: int) -> bytes:
    pixels = _array(channels, np.uint16, 9).reshape(9, 9, channels).astype(">u2")
    passes = [(0, 0, 1, 1)]
    if is_interlaced:
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = b"".join(b"\0" + row.tobytes() for y, x, down, across in passes for row in pixels[y::down, x::across])
    header = struct.pack(">IIBBBBB", 9, 9, 16, kind, 0, 0, is_interlaced)
    text = b"neural_style\0\0" + zlib.compress(_SETTINGS.encode())
    profile = b"x\0\0" + zlib.compress(_rgb_profile())
    return _png((b"IHDR", header), (b"iCCP", profile), (b"zTXt", text), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))


def _plain_png(kind: int, bits: int) -> bytes:
    rows = b"".join(b"\0" + bytes([37 * row % 256] * bits) for row in range(8))
    header = struct.pack(">IIBBBBB", 8, 8, bits, kind, 0, 0, 0)
    palette = [(b"PLTE", bytes(range(3 * 2**bits)))] if kind == 3 else []
    key = [(b"tRNS", b"\0\1")]
    return _png((b"IHDR", header), *palette, *key, (b"IDAT", zlib.compress(rows)), (b"IEND", b""))


def _jpegs() -> list[bytes]:
    made = [_saved(_image(mode), "JPEG") for mode in ("L", "RGB", "CMYK")]
    made += [_saved(_image(), "JPEG", progressive=True), _saved(_image(), "JPEG", **_metadata(), comment=b"x")]
    made += [
        _saved(_image(side=20), "JPEG", subsampling=2, restart_marker_blocks=1),
        _saved(_image(), "MPO", **_frames()),
    ]
    made.append(_saved(_image("YCbCr"), "JPEG", qtables="web_low", dpi=(72, 72)))
    return made


def _webps() -> list[bytes]:
    made = [_saved(_image(mode), "WEBP", lossless=lossless) for mode in ("RGB", "RGBA") for lossless in (True, False)]
    made += [_saved(_image(), "WEBP", **_metadata(), xmp=_XMP), _saved(_image("RGBA"), "WEBP", **_frames())]
    return made


def _bmps() -> list[bytes]:
    made = [_saved(_image(mode), "BMP") for mode in ("1", "L", "P", "RGB", "RGBA")]
    header = struct.pack("<IiiHHIIiiII", 40, 8, 8, 1, 8, 1, 0, 0, 0, 256, 0)  # run lengths of 8 bits
    rows = b"".join(bytes([4, row, 0, 4, 1, 2, 3, 4, 0, 0]) for row in range(8)) + b"\0\1"
    palette = bytes(range(256)) * 4
    head = b"BM" + struct.pack("<IHHI", 54 + len(palette) + len(rows), 0, 0, 54 + len(palette))
    made.append(head + header + palette + rows)
    masks = struct.pack("<III", 0xF800, 0x7E0, 0x1F)
    header = struct.pack("<IiiHHIIiiII", 40, 4, -4, 1, 16, 3, 32, 0, 0, 0, 0)
    made.append(b"BM" + struct.pack("<IHHI", 98, 0, 0, 66) + header + masks + bytes(range(32)))
    return made


def _gifs() -> list[bytes]:
    made = [_saved(_image(mode), "GIF") for mode in ("L", "P", "RGB")]
    made += [_saved(_image(), "GIF", **_frames(), loop=0, comment=b"x"), _saved(_image("P"), "GIF", transparency=1)]
    made += [_saved(_image(), "GIF", interlace=1), _saved(_image("RGBA"), "GIF", **_frames(), disposal=2)]
    return made


def _ppms() -> list[bytes]:
    made = [_saved(_image(mode), "PPM") for mode in ("1", "L", "RGB")]
    made += [_saved(Image.fromarray(_array(1, np.uint16)), "PPM"), _saved(_image("F"), "PPM")]
    made += [b"P1\n# a\n3 2\n1 0 1\n0 1 0\n", b"P2 2 2 15 1 2 3 4\n", b"P3\n2 1\n255\n1 2 3 4 5 6\n"]
    made += [b"P6 2 1 1000\n" + bytes(range(12)), b"P4\n9 2\n" + bytes(4)]
    return made


def _jpeg2000s() -> list[bytes]:
    made = [_saved(_image(mode), "JPEG2000") for mode in ("L", "LA", "RGB", "RGBA")]
    made += [_saved(_image(side=40), "JPEG2000", tile_size=(16, 16), irreversible=True, num_resolutions=3)]
    made += [_saved(_image(), "JPEG2000", no_jp2=True, quality_layers=[9, 3]), _saved(_image("YCbCr"), "JPEG2000")]
    for bits, channels in ((9, 1), (12, 1), (16, 1), (12, 3), (16, 3), (16, 4)):
        pixels = _array(channels, np.uint16) >> (16 - bits)
        for form in ("jp2", "j2k"):
            made.append(
                imagecodecs.jpeg2k_encode(pixels, level=0, codecformat=form, bitspersample=bits, reversible=True)
            )
    return made


def _avifs() -> list[bytes]:
    if not features.check("avif"):
        return []
    made = [_saved(_image(mode, 16), "AVIF", quality=50, speed=10) for mode in ("RGB", "RGBA")]
    made.append(_saved(_image(side=16), "AVIF", **_metadata(), xmp=_XMP, speed=10))
    made.append(_saved(_image(side=16), "AVIF", **_frames(16), speed=10))
    return made


def _heics() -> list[bytes]:
    try:
        import pillow_heif
    except ImportError:
        return []
    made = []
    for image, options in (
        *((_image("RGB", 64), {}), (_image("RGBA", 64), {}), (_image("L", 64), {})),
        (_image("RGB", 64), {**_metadata(), "xmp": _XMP}),
        (_image("RGB", 64), {"save_all": True, "append_images": [*pillow_heif.from_pillow(_image("L", 64))]}),
    ):
        file = io.BytesIO()
        pillow_heif.from_pillow(image).save(file, quality=30, **options)
        made.append(file.getvalue())
    deep = pillow_heif.from_bytes("RGB;16", (64, 64), _array(3, np.uint16, 64).tobytes())
    file = io.BytesIO()
    deep.save(file, quality=30)
    return [*made, file.getvalue()]


def _jxls() -> list[bytes]:
    try:
        import pillow_jxl  # noqa: F401
    except ImportError:
        return []
    made = [imagecodecs.jpegxl_encode(_array(channels), lossless=True) for channels in (1, 3, 4)]
    made += [imagecodecs.jpegxl_encode(_array(3, np.uint16), lossless=True), imagecodecs.jpegxl_encode(_array(side=40))]
    made += [imagecodecs.jpegxl_encode(_array(3, np.float32))]
    exif = _exif().removeprefix(b"Exif\0\0")
    made.append(_saved(_image(), "JXL", use_container=True, exif=exif, xmp=_XMP))
    made.append(_saved(_image(), "JXL", use_container=True, exif=exif, xmp=_XMP, compress_metadata=True))
    return made


# --- TIFF -------------------------------------------------------------------------------------------------------------


def _tiffs() -> list[bytes]:
    made = []
    for compression in (None, "tiff_lzw", "tiff_deflate", "packbits", "jpeg", "group3", "group4", "tiff_ccitt", "lzma"):
        mode = "1" if compression in ("group3", "group4", "tiff_ccitt") else "RGB"
        made.append(_saved(_image(mode), "TIFF", compression=compression))
    made += [
        _saved(_image(mode), "TIFF") for mode in ("1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "LAB", "F", "I;16")
    ]
    made.append(_saved(_image(), "TIFF", **_metadata(), save_all=True, append_images=[_image(side=20)]))
    variants: list[tuple[np.ndarray, dict[str, Any]]] = [
        *((_array(kind=kind), {"photometric": "rgb"}) for kind in (np.uint16, np.uint32, np.float16, np.float32)),
        (_array(4, np.uint16), {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
        (_array(1, np.float32), {"photometric": "minisblack"}),
        (_array(1, np.uint16), {"photometric": "miniswhite"}),
        (_array(side=20, kind=np.uint16), {"photometric": "rgb", "tile": (16, 16)}),
        (_array(side=20), {"photometric": "rgb", "tile": (16, 16)}),
        (np.moveaxis(_array(3, np.uint16), -1, 0), {"photometric": "rgb", "planarconfig": "separate"}),
        (_array(kind=np.uint16), {"photometric": "rgb", "bigtiff": True, "iccprofile": _rgb_profile()}),
        (_array(kind=np.uint16), {"photometric": "rgb", "byteorder": ">"}),
        (_array(kind=np.uint16), {"photometric": "rgb", "byteorder": ">", "bigtiff": True}),
        (_array(kind=np.uint16), {"photometric": "rgb", "subifds": 1}),
        (_array(kind=np.uint16), {"photometric": "cielab"}),
        (_array(1), {"photometric": "palette", "colormap": np.zeros((3, 256), np.uint16)}),
    ]
    for compression in ("lzw", "deflate", "zstd", "lzma", "packbits"):
        predictor = compression in ("lzw", "deflate", "zstd")
        options = {"photometric": "rgb", "compression": compression, "predictor": predictor}
        variants.append((_array(kind=np.uint16), options))
    for compression in ("webp", "jpegxl", "jpeg2000", "jpeg"):
        options = {"photometric": "rgb", "compression": compression, "tile": (16, 16)}
        kinds = (np.uint8,) if compression == "jpeg" else (np.uint8, np.uint16)
        variants += [(_array(side=16, kind=kind), options) for kind in kinds]
    for pixels, options in variants:
        try:
            made.append(_tiff(pixels, **options))
        except (ValueError, TypeError, RuntimeError, imagecodecs.DelayedImportError):
            continue  # a codec that does not write this type
    return made


def _tiff(
    pixels: np.ndarray, *, bigtiff: bool = False, byteorder: str = "<", subifds: int = 0, **options: Any
) -> bytes:
    file = io.BytesIO()
    with tifffile.TiffWriter(file, bigtiff=bigtiff, byteorder=byteorder) as writer:
        writer.write(pixels, metadata=None, subifds=subifds, **options)
        for _ in range(subifds):
            writer.write(pixels[::2, ::2], metadata=None, **options)
    return file.getvalue()


# --- profiles ---------------------------------------------------------------------------------------------------------


def _profiles() -> list[bytes]:
    """Return a profile of a screen, one of gray, and a printer's with a table of its inks."""
    ramp = bytes(range(256))
    nodes = bytes(np.array([(255 - 60 * sum(inks), 128, 128) for inks in np.ndindex(2, 2, 2, 2)], np.uint8).ravel())
    identity = b"".join(struct.pack(">i", 65536 * (at % 4 == 0)) for at in range(9))
    to_lab = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity + ramp * 4 + nodes + ramp * 3
    inks = bytes(np.array([(*(255 - 255 * np.array(lab)), 0) for lab in np.ndindex(2, 2, 2)], np.uint8).ravel())
    to_inks = b"mft1\0\0\0\0" + bytes([3, 4, 2, 0]) + identity + ramp * 3 + inks + ramp * 4
    tables: dict[str, bytes] = {f"A2B{intent}": to_lab for intent in range(3)}
    tables |= {f"B2A{intent}": to_inks for intent in range(3)}
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, 512) + b"\0\0"
    return [
        _rgb_profile(),
        _icc(b"prtr", b"CMYK", b"Lab ", tables),
        _icc(b"prtr", b"GRAY", b"XYZ ", {"kTRC": curve}),
    ]


def _icc(kind: bytes, space: bytes, connection: bytes, tags: Mapping[str, bytes]) -> bytes:
    white = b"XYZ \0\0\0\0" + struct.pack(">iii", 63190, 65536, 54061)
    tags = {"wtpt": white, **tags}
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        table += name.encode() + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">I4sI4s4s4s12x4s", start + len(body), b"none", 0x02400000, kind, space, connection, b"acsp")
    header = header.ljust(68, b"\0") + struct.pack(">iii", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body
