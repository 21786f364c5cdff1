"""Write PNG files with 16 bits per channel, which Pillow cannot write, and TIFF files of any size."""

import contextlib
import os
import struct
import zlib
from collections.abc import Mapping
from typing import IO

import numpy as np

from neural_style.files import PathLike
from neural_style.images.png_chunks import CHANNELS, SIGNATURE, write_chunk
from neural_style.images.row_bands import row_bands
from neural_style.images.tiff_pages import import_tifffile

CLASSIC_TIFF_BYTES = 2**32 - 2**26
"""Bytes of pixels that fit into a TIFF file with 32-bit offsets, with metadata and even if they do not compress."""

_PNG_LEVEL = 4
"""Compression level of zlib. For smooth 16-bit pictures with some noise, it is twice as fast as level 6, and files are
2 % larger."""


def write_png(path: PathLike | IO[bytes], pixels: np.ndarray, *, texts: Mapping[str, str], profile: bytes) -> None:
    """Write a PNG file with 16 bits per channel, in bands of rows.

    Args:
        path: where to write; or a stream, which need not be seekable.
        pixels: uint16 (height, width, 3) or, with alpha, (height, width, 4).
        texts: ASCII texts to embed, by keyword.
        profile: the ICC profile of the colors.
    """
    height, width, channels = pixels.shape
    kind = next(kind for kind, count in CHANNELS.items() if count == channels)
    packer = zlib.compressobj(_PNG_LEVEL)
    above = np.zeros(width * channels * 2, np.uint8)
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(open(path, "wb")) if isinstance(path, (str, os.PathLike)) else path
        file.write(SIGNATURE)
        write_chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))
        write_chunk(file, b"iCCP", b"ICC Profile\0\0" + zlib.compress(profile))
        for keyword, text in texts.items():
            write_chunk(file, b"tEXt", f"{keyword}\0{text}".encode("ascii"))
        for part in row_bands(height, width):
            rows = pixels[part].astype(">u2").view(np.uint8).reshape(-1, len(above))
            write_chunk(file, b"IDAT", packer.compress(_filtered(rows, above, channels * 2)))
            above = rows[-1]
        write_chunk(file, b"IDAT", packer.flush())
        write_chunk(file, b"IEND", b"")


def write_tiff(path: PathLike, pixels: np.ndarray, *, description: str, software: str, profile: bytes) -> None:
    """Write a TIFF file in compressed strips; a BigTIFF file if its pixels may not fit into a classic one.

    Args:
        path: where to write.
        pixels: uint8 or uint16 (height, width, 3) or, with alpha, (height, width, 4).
        description: the ImageDescription of the file, in ASCII.
        software: the name of the program, in ASCII.
        profile: the ICC profile of the colors.
    """
    import_tifffile().imwrite(
        path,
        pixels,
        bigtiff=pixels.nbytes > CLASSIC_TIFF_BYTES,
        byteorder="<",
        photometric="rgb",
        extrasamples=("unassalpha",) if pixels.shape[2] == 4 else (),
        compression="adobe_deflate",
        predictor=True,
        description=description,
        software=software,
        iccprofile=profile,
        metadata=None,
    )


def _filtered(rows: np.ndarray, above: np.ndarray, step: int) -> bytes:
    """Filter rows of a PNG, each with the filter that gives the smallest sum of absolute differences.

    A filter predicts each byte from the bytes to the left, above and to the upper left, and stores the difference. The
    number of the filter goes before each row.

    Args:
        rows: uint8 (rows, bytes).
        above: uint8 (bytes,), the row above these.
        step: bytes per pixel.
    """
    up = np.vstack([above[np.newaxis], rows[:-1]])
    left, corner = np.zeros_like(rows), np.zeros_like(rows)
    left[:, step:], corner[:, step:] = rows[:, :-step], up[:, :-step]
    filters = {1: left, 2: up, 4: _paeth(left, up, corner)}
    filtered = {number: rows - expected for number, expected in filters.items()}
    sums = [np.minimum(values, -values).sum(axis=1, dtype=np.int64) for values in filtered.values()]
    best = np.array(list(filtered))[np.argmin(sums, axis=0)]
    made = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    made[:, 0] = best
    for number, values in filtered.items():
        made[best == number, 1:] = values[best == number]
    return made.tobytes()


def _paeth(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Return whichever of three neighbors, uint8, is nearest to left + up - corner: the PNG standard's Paeth filter."""
    # with p = left + up - corner: |p - left| = |up - corner|, |p - up| = |left - corner|
    to_left = np.abs(up.astype(np.int16) - corner)
    to_up = np.abs(left.astype(np.int16) - corner)
    to_corner = np.abs(left.astype(np.int16) + up - 2 * corner.astype(np.int16))
    nearest = np.where(to_up <= to_corner, up, corner)
    return np.where((to_left <= to_up) & (to_left <= to_corner), left, nearest)
