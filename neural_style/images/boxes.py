"""Files made of boxes (ISO/IEC 14496-12), such as JPEG 2000 and JPEG XL.

A box consists of a length of 4 bytes, a kind of 4 bytes, and data.
"""

from collections.abc import Iterator
from typing import IO

from neural_style.images.limits import MOST_CHUNKS

_TO_THE_END = 2**63


def find_boxes(stream: IO[bytes], at: int, end: int = _TO_THE_END) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, and start and end of the data, of each box between two offsets. End where the file is damaged."""
    for _ in range(MOST_CHUNKS):
        if at >= end:
            return
        stream.seek(at)
        head = stream.read(16)
        if len(head) < 8:
            return
        size, start = int.from_bytes(head[:4], "big"), at + 8
        if size == 1:  # the length follows in 8 bytes
            size, start = int.from_bytes(head[8:], "big"), at + 16
        after = at + size if size else _TO_THE_END  # 0: to the end of the file
        if not start <= after <= _TO_THE_END:
            return
        yield head[4:8], start, after
        at = after
