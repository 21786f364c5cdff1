"""Read and write PNG files chunk by chunk: large texts and profiles, 16 bits per channel, metadata without pixels.

Pillow refuses PNG files with more than 1 MB in one compressed text or profile, by limits that apply to the whole
process. A file that exceeds them is copied without the texts that are not needed, before Pillow reads it.
"""

import contextlib
import io
import struct
import zlib
from collections.abc import Iterator
from typing import IO, NamedTuple

import numpy as np
from PIL.PngImagePlugin import PngImageFile

from neural_style.images.limits import MOST_CHUNKS, MOST_PROFILE, ExcessError
from neural_style.images.row_bands import row_bands, rows_of

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {2: 3, 4: 2, 6: 4}
"""Color type -> channels, for the types whose 16 bits Pillow reduces to 8."""

_PIXEL_CHUNKS = (b"IDAT", b"acTL", b"fcTL", b"fdAT")
"""Chunks that hold pixels, or describe several frames of them."""
_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
_NEEDED_TEXTS = (b"neural_style", b"Software", b"XML:com.adobe.xmp", b"Raw profile type exif")
"""Keywords of our settings, and of the texts in which Pillow looks for an orientation."""
_PILLOWS_LIMIT = 2**20
"""Most bytes that Pillow accepts in one compressed text or profile."""
_MOST_TEXT = 2**25
"""Most bytes in all texts of a file that is passed to Pillow, which refuses 2**26."""


class Chunk(NamedTuple):
    """A chunk of a PNG file; its data are `length` bytes from offset `start` on."""

    kind: bytes
    length: int
    start: int


def find_chunks(stream: IO[bytes]) -> Iterator[Chunk]:
    """Yield the chunks of a PNG file up to its end, or up to where it is damaged.

    Raises:
        ExcessError: there are more than in any picture.
    """
    stream.seek(len(SIGNATURE))
    count = 0
    while len(head := stream.read(8)) == 8:
        chunk = Chunk(head[4:], int.from_bytes(head[:4], "big"), stream.tell())
        yield chunk
        count += 1
        if count > MOST_CHUNKS:
            raise ExcessError(f"more than {MOST_CHUNKS} chunks")
        if chunk.kind == b"IEND":
            return  # whatever follows is not part of the picture
        stream.seek(chunk.start + chunk.length + 4)


def read_data(stream: IO[bytes], chunk: Chunk) -> bytes:
    """Return the data of a chunk."""
    stream.seek(chunk.start)
    return stream.read(chunk.length)


def write_chunk(file: IO[bytes], kind: bytes, data: bytes) -> None:
    """Write a chunk of a PNG file."""
    file.write(struct.pack(">I", len(data)) + kind)
    file.write(data)
    file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))


def for_pillow(stream: IO[bytes]) -> tuple[IO[bytes], bytes | None]:
    """Return a PNG file that Pillow accepts, and its ICC profile.

    Args:
        stream: the file. It is returned unchanged unless its texts or its profile exceed Pillow's limits.
    """
    chunks = list(find_chunks(stream))
    profile = _profile_of(stream, chunks)
    if len(profile or b"") > _PILLOWS_LIMIT or _has_large_texts(stream, chunks):
        return _tidy_copy(stream, chunks), profile
    stream.seek(0)
    return stream, profile


def _has_large_texts(stream: IO[bytes], chunks: list[Chunk]) -> bool:
    """Return whether Pillow may refuse the texts, or one of them is damaged."""
    total = 0
    for chunk in chunks:
        if chunk.kind in _TEXT_CHUNKS:
            text = _text_of(chunk.kind, read_data(stream, chunk), _PILLOWS_LIMIT)
            total += 0 if text is None else len(text)
            if text is None or total > _MOST_TEXT:
                return True
    return False


def without_pixels(stream: IO[bytes]) -> tuple[IO[bytes], bytes | None]:
    """Return a PNG file of one black pixel with all metadata of another file, and the ICC profile of that file.

    Metadata may come before or after the pixels.

    Args:
        stream: the other file. It is read up to its last chunk, or up to where it is damaged.
    """
    chunks = list(find_chunks(stream))
    return _tidy_copy(stream, chunks, with_pixels=False), _profile_of(stream, chunks)


def _tidy_copy(stream: IO[bytes], chunks: list[Chunk], *, with_pixels: bool = True) -> IO[bytes]:
    """Copy a PNG file without its profile and without texts that are not needed; store the others uncompressed."""
    copy, room = io.BytesIO(), _MOST_TEXT
    copy.write(SIGNATURE)
    for chunk in chunks:
        if chunk.kind in _TEXT_CHUNKS:
            data = read_data(stream, chunk)
            keyword = data.partition(b"\0")[0]
            text = _text_of(chunk.kind, data, room) if keyword in _NEEDED_TEXTS else None
            if text is not None:
                room -= len(text)
                if chunk.kind == b"iTXt":  # not compressed, no language, no translated keyword
                    write_chunk(copy, b"iTXt", keyword + bytes(5) + text)
                else:
                    write_chunk(copy, b"tEXt", keyword + b"\0" + text)
        elif chunk.kind == b"IHDR" and not with_pixels:
            write_chunk(copy, b"IHDR", struct.pack(">II", 1, 1) + read_data(stream, chunk)[8:])
        elif chunk.kind != b"iCCP" and (with_pixels or chunk.kind not in (*_PIXEL_CHUNKS, b"IEND")):
            stream.seek(chunk.start - 8)
            copy.write(stream.read(chunk.length + 12))
    if not with_pixels:
        write_chunk(copy, b"IDAT", zlib.compress(bytes(9)))  # a pixel has at most 8 bytes, and its row one more
        write_chunk(copy, b"IEND", b"")
    copy.seek(0)
    return copy


def _profile_of(stream: IO[bytes], chunks: list[Chunk]) -> bytes | None:
    """Return the ICC profile of a PNG file; None if there is none or it is damaged."""
    profiles = [read_data(stream, chunk) for chunk in chunks if chunk.kind == b"iCCP"]
    if not profiles:
        return None
    with contextlib.suppress(zlib.error):
        return zlib.decompressobj().decompress(profiles[-1].partition(b"\0")[2][1:], MOST_PROFILE)
    return None


def _text_of(kind: bytes, data: bytes, most: int) -> bytes | None:
    """Return the text of a tEXt, zTXt or iTXt chunk; None if it is damaged or longer than `most`."""
    text, is_compressed = data.partition(b"\0")[2], kind == b"zTXt"  # after the keyword
    if kind == b"zTXt":
        text = text[1:]  # after the method
    elif kind == b"iTXt":
        is_compressed = text[:1] == b"\1"
        text = text[2:].split(b"\0", 2)[-1]  # after the method, language and translated keyword
    if is_compressed:
        unpacker = zlib.decompressobj()
        try:
            text = unpacker.decompress(text, most + 1)
        except zlib.error:
            return None
    return text if len(text) <= most else None


# --- 16 bits per channel ----------------------------------------------------------------------------------------------


def read_16_bits(stream: IO[bytes]) -> tuple[np.ndarray, np.ndarray | None]:
    """Decode a PNG file with 16 bits per channel and a color type in `CHANNELS`.

    Pillow reduces color to 8 bits, but can give either byte of each number: the raw mode "RGB;16B" keeps the first, and
    "RGB;16L" the second. Gray with alpha has 4 bytes per pixel, so it is decoded as 8-bit RGBA.

    Returns:
        Color, big-endian uint16 (height, width, 1 or 3), and alpha, (height, width) or None.

    Raises:
        Exception: nearly anything for damaged files.
    """
    chunks = list(find_chunks(stream))
    _check_pixels(stream, chunks)
    header = read_data(stream, chunks[0])
    width, height, kind = *struct.unpack(">II", header[:8]), header[9]
    pixels = np.empty((height, width, CHANNELS[kind]), ">u2")
    octets = pixels.view(np.uint8)
    copy = _tidy_copy(stream, chunks)
    if kind == 4:
        copy.seek(len(SIGNATURE))
        write_chunk(copy, b"IHDR", header[:8] + b"\x08\x06" + header[10:])
        _decode(copy, None, octets)
    else:
        mode = "RGB" if kind == 2 else "RGBA"
        _decode(copy, f"{mode};16B", octets[..., 0::2])
        _decode(copy, f"{mode};16L", octets[..., 1::2])
    keys = [read_data(stream, chunk) for chunk in chunks if chunk.kind == b"tRNS" and chunk.length == 6]
    if kind != 2:
        return pixels[..., :-1], pixels[..., -1]
    return pixels, _opaque_unless(pixels, np.frombuffer(keys[-1], ">u2")) if keys else None


def _opaque_unless(pixels: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Return the alpha, uint16 (height, width), of pixels (height, width, 3) in which one color is transparent."""
    alpha = np.empty(pixels.shape[:2], np.uint16)
    for rows in row_bands(*pixels.shape[:2]):
        alpha[rows] = (pixels[rows] != key).any(axis=-1) * np.uint16(2**16 - 1)
    return alpha


def _check_pixels(stream: IO[bytes], chunks: list[Chunk]) -> None:
    """Raise ValueError if the checksum of a chunk of pixels is wrong. Pillow does not check it."""
    for chunk in chunks:
        if chunk.kind == b"IDAT":
            checksum = zlib.crc32(read_data(stream, chunk), zlib.crc32(b"IDAT"))
            if checksum != int.from_bytes(stream.read(4), "big"):
                raise ValueError("wrong checksum of its pixels")


def _decode(stream: IO[bytes], rawmode: str | None, out: np.ndarray) -> None:
    """Decode a PNG file into `out`, uint8 (height, width, channels), in another raw mode if one is given."""
    stream.seek(0)
    with PngImageFile(stream) as image:
        if image.size != out.shape[1::-1]:
            raise ValueError("two sizes")  # a second header
        if rawmode:
            image.tile = [(*image.tile[0][:3], rawmode)]  # type: ignore[list-item] # a plain tuple before Pillow 11
        image.load()
        for rows in row_bands(*out.shape[:2]):
            out[rows] = np.asarray(rows_of(image, rows))
