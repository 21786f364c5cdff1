"""Bands of rows, in which large pictures are processed without a second copy."""

from collections.abc import Iterator

from PIL import Image

_BAND_PIXELS = 2**18
"""About how many pixels a band has: as fast as larger bands, with a few megabytes of intermediate values."""


def row_bands(height: int, width: int) -> Iterator[slice]:
    """Yield slices of rows from top to bottom, each of about a quarter of a megapixel and at least one row.

    Args:
        height: height of the picture in pixels.
        width: width of the picture in pixels.
    """
    rows = max(1, _BAND_PIXELS // max(1, width))
    return (slice(top, min(top + rows, height)) for top in range(0, height, rows))


def rows_of(image: Image.Image, rows: slice) -> Image.Image:
    """Return some rows of a loaded image, without `Image.crop`, which checks the limit on pixels."""
    box = (0, rows.start, image.width, rows.stop)
    return image.resize((image.width, rows.stop - rows.start), Image.Resampling.NEAREST, box)
