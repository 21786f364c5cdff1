"""The size of WebP files. Their decoder makes room for all pixels when it opens a file."""

from typing import IO


def size_of(stream: IO[bytes]) -> tuple[int, int] | None:
    """Return width and height of a WebP file; None if its first chunk does not say them, so that it is damaged.

    RFC 9649: the first chunk is VP8X with the canvas, or holds the only frame, lossy (VP8) or lossless (VP8L).
    """
    stream.seek(12)
    head = stream.read(18)
    kind, data = head[:4], head[8:]
    if kind == b"VP8X" and len(data) >= 10:
        return int.from_bytes(data[4:7], "little") + 1, int.from_bytes(data[7:10], "little") + 1
    if kind == b"VP8 " and data[3:6] == b"\x9d\x01\x2a" and len(data) >= 10:
        return int.from_bytes(data[6:8], "little") & 0x3FFF, int.from_bytes(data[8:10], "little") & 0x3FFF
    if kind == b"VP8L" and data[:1] == b"\x2f" and len(data) >= 5:
        bits = int.from_bytes(data[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return None
