"""What losses of a layer, and the matrices that they compare, are divided by.

Formulas of content and style return a mean over entries. The other forms of the field differ from it by a factor, which
does not depend on the image. So each form is a row here, and none is traced.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple


class Reduction(NamedTuple):
    """How the entries of a layer's loss are put together."""

    divisor: Callable[[float, float], float]
    """(Number of entries, size of the target) -> what a mean over the entries is divided by."""
    needs_size: bool = False
    """Whether it looks at the size of the target, which is 1 otherwise."""


REDUCTIONS: Mapping[str, Reduction] = {
    "mean": Reduction(lambda entries, size: 1.0),
    "sum": Reduction(lambda entries, size: 1.0 / entries),
    "half_sum": Reduction(lambda entries, size: 2.0 / entries),
    "relative": Reduction(lambda entries, size: size, needs_size=True),
}
"""Name -> reduction. "half_sum" is that of Gatys et al. (CVPR 2016, eq. 1)."""

NORMALIZATIONS: Mapping[str, Callable[[float, int, int], float]] = {
    "positions_channels": lambda positions, channels, pixels: positions * channels,
    "positions": lambda positions, channels, pixels: positions,
    "pixels": lambda positions, channels, pixels: pixels,
    "none": lambda positions, channels, pixels: 1.0,
}
"""Name -> (positions of a picture's map, its channels, pixels of the result) -> what its second moment is divided by.

Gatys et al. (CVPR 2016, eq. 4) divide the loss by 4 M² C², for M positions and C channels: "positions_channels" is that
but for the factor 4. The example of keras.io divides by the pixels of the result instead of M.
"""
