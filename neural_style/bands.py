"""Pictures in bands of rows, so that what is computed from a large one needs no second copy of it."""

from collections.abc import Iterator

_PIXELS = 2**20
"""About as many are in a band: enough to be fast, and little memory beside a picture that is worth the trouble."""


def bands(height: int, width: int) -> Iterator[slice]:
    """Slices of rows from top to bottom, each of about a megapixel and at least one row.

    Args:
        height: Of the picture, in pixels.
        width: Of the picture, in pixels.
    """
    rows = max(1, _PIXELS // max(1, width))
    return (slice(top, min(top + rows, height)) for top in range(0, height, rows))
