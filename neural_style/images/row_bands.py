"""Pictures in bands of rows, so that what is computed from a large one needs no second copy of it."""

from collections.abc import Iterator

_PIXELS = 2**18
"""About as many are in a band: as fast as more, and a few megabytes of whatever is computed of them."""


def bands(height: int, width: int) -> Iterator[slice]:
    """Slices of rows from top to bottom, each of about a quarter of a megapixel and at least one row.

    Args:
        height: Of the picture, in pixels.
        width: Of the picture, in pixels.
    """
    rows = max(1, _PIXELS // max(1, width))
    return (slice(top, min(top + rows, height)) for top in range(0, height, rows))
