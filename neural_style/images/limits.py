"""Limits of what a file may hold, whatever the file says. They are far above what pictures have."""

from __future__ import annotations

import io
import os

from neural_style.errors import ImageError
from neural_style.files import PathLike

BYTES_PER_PIXEL = 16
"""Most bytes that an uncompressed pixel takes: four numbers of 32 bits."""
MOST_BESIDE_PIXELS = 2**28
"""Bytes of a file that need not be pixels, such as metadata, a second picture or a film."""
MOST_PROFILE = 2**26
"""Bytes of an ICC profile. Those of printers have a few million."""
MOST_EXIF = 2**24
"""Bytes of EXIF data. A JPEG file holds 2**16."""
MOST_SETTINGS = 2**22
"""Characters of the settings of a run in a picture."""
MOST_CHUNKS = 2**20
"""Chunks of a PNG file, and boxes of other files. A file of 4 GB has half as many, of the usual 8 KB each."""
MOST_PAGES = 2**12
"""Pages and sub-images of a TIFF file."""
MOST_SEGMENTS = 2**20
"""Strips or tiles of a TIFF page."""
MOST_TAG = 2**26
"""Bytes in one tag of a TIFF page that holds numbers. Tags of bytes may be larger: some programs keep layers there."""
MOST_TILE = 2**22
"""Pixels of a TIFF tile that is larger than its picture."""
MOST_SCANS = 500
"""Scans of a JPEG file. A progressive one has about ten. Each is a pass over all pixels, however few bytes it has."""


class ExcessError(ValueError):
    """There is more of something in a file than in any picture. The message says of what."""


def most_bytes(max_pixels: int) -> int:
    """Return the most bytes that a file of so many pixels may have. Some formats are read into memory as a whole."""
    return MOST_BESIDE_PIXELS + BYTES_PER_PIXEL * max_pixels


def check_bytes(size: int, subject: str, max_pixels: int) -> None:
    """Raise ImageError if a file is larger than any picture of `max_pixels`."""
    most = most_bytes(max_pixels)
    if size > most:
        raise ImageError(
            f"{subject}: expected a file of at most {most // 10**6} MB, as {max_pixels} pixels may take, got "
            f"{size // 10**6} MB; give a smaller copy, or raise --max_pixels"
        )


class PictureFile(io.BufferedReader):
    """A file whose `read` never makes room for more than the file has, whatever length it is asked for."""

    def __init__(self, path: PathLike) -> None:
        super().__init__(io.FileIO(path))
        self._size = os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to `size` bytes; all that are left if it is negative or None."""
        left = max(0, self._size - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left))
