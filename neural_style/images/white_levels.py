"""Find which number means white, for types that do not say it: floating point, and integers of 32 bits or more."""

from dataclasses import dataclass

import numpy as np

from neural_style.errors import ImageError
from neural_style.images.row_bands import row_bands

_REMEDY = "so white is unknown; scale them to 0-1, or save the picture with 16 bits per channel"


@dataclass
class _Spread:
    """How the finite samples of a picture are distributed.

    Attributes:
        low: least sample.
        high: greatest sample.
        above: level -> share of the positive samples above it.
        is_finite: whether all samples are finite.
    """

    low: float
    high: float
    above: dict[int, float]
    is_finite: bool


def _spread(samples: np.ndarray) -> _Spread:
    """Measure samples (height, width, …) band by band."""
    low, high, is_finite, positive, counts = np.inf, -np.inf, True, 0, {1: 0, 255: 0}
    for rows in row_bands(*samples.shape[:2]):
        band = samples[rows]
        finite = np.isfinite(band)
        if not finite.all():
            band, is_finite = band[finite], False
        if band.size:
            low, high = min(low, band.min().item()), max(high, band.max().item())
        positive += int(np.count_nonzero(band > 0))
        counts = {level: count + int(np.count_nonzero(band > level)) for level, count in counts.items()}
    return _Spread(low, high, {level: count / max(1, positive) for level, count in counts.items()}, is_finite)


def white_of(samples: np.ndarray, subject: str) -> float:
    """Return the number that means white.

    Args:
        samples: (height, width, …) of floating point or of integers; alpha excluded.
        subject: what errors begin with.

    Raises:
        ImageError: it is unknown, or samples are not finite, or integers are negative.
    """
    spread = _spread(samples)
    if not spread.is_finite:
        raise ImageError(f"{subject} holds values that are not finite; save it with 16 bits per channel")
    white = _float_white(spread) if samples.dtype.kind == "f" else _integer_white(spread)
    if white is None:
        raise ImageError(f"{subject} holds numbers from {spread.low:g} to {spread.high:g}, {_REMEDY}")
    return white


def _float_white(spread: _Spread) -> float | None:
    """Return 1 or 255, whichever gives a picture that is neither black nor mostly clipped; None if neither does.

    A picture in 0-1 may exceed its range (resized, sharpened) or have highlights above white (HDR). A picture in 0-255
    has almost no samples between 0 and 1.
    """
    if spread.high <= 2 or spread.above[1] <= 0.1:
        return 1
    is_plausible_255 = 128 <= spread.high <= 510
    if spread.high > 510 and spread.above[255] > 0.01:
        return None
    if spread.above[1] < 0.5 and not is_plausible_255:
        return None
    return 255


def _integer_white(spread: _Spread) -> float | None:
    """Return the white of 8 or 16 bits if all samples fit into that, or of 32 or 64 bits if the upper half is used.

    The white of other numbers is unknown.
    """
    if spread.low < 0:
        return None
    for bits in (8, 16):
        if spread.high < 2**bits:
            return 2**bits - 1
    for bits in (32, 64):
        if 2 ** (bits - 1) <= spread.high < 2**bits:
            return 2**bits - 1
    return None


def seems_normalized(samples: np.ndarray) -> bool:
    """Return whether float samples (height, width, …) lie in 0-1, rather than in 0-255, and are not all black."""
    spread = _spread(samples)
    return spread.high > 0 and _float_white(spread) == 1
