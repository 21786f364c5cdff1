"""Pictures of a run that is going on, for those who watch it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from neural_style.runs.step import Step

_BACKDROP = 255
"""What shows through transparent parts: white."""


def fitted(size: tuple[int, int], most: tuple[int, int], multiple: int = 1) -> tuple[int, int]:
    """Return the largest size, no larger than the picture, that keeps its aspect ratio within a frame.

    Args:
        size: width and height of the picture.
        most: width and height of the frame.
        multiple: what the sides shall be multiples of; they may then be less than the picture's by a few pixels.
    """
    share = min(1.0, *(limit / side for side, limit in zip(size, most, strict=True)))
    width, height = (max(multiple, round(side * share) // multiple * multiple) for side in size)
    return width, height


def picture_of(step: Step, size: tuple[int, int]) -> Image.Image:
    """Return the picture of a step at a width and height in RGB; transparent parts are white."""
    rgb = step.small_image(*size)
    if step.alpha is None:
        return Image.fromarray(rgb)
    alpha = np.asarray(Image.fromarray(step.alpha).resize(size, Image.Resampling.BOX))[..., None]
    return Image.fromarray(np.rint(_BACKDROP + (rgb - np.float32(_BACKDROP)) * alpha.clip(0, 1)).astype(np.uint8))


class Budget:
    """Holds work beside a run to a share of its time."""

    def __init__(self, share: float, allowance: float):
        """Begin.

        Args:
            share: of the time since now.
            allowance: seconds that the work may take in addition.
        """
        self._share, self._allowance = share, allowance
        self._began = time.monotonic()
        self._entered = 0.0
        self.spent = 0.0
        """Seconds of work so far."""

    @property
    def is_open(self) -> bool:
        """Whether there is time for more work."""
        return self.spent <= self._allowance + self._share * (time.monotonic() - self._began)

    def __enter__(self) -> Budget:
        """Begin some work."""
        self._entered = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        """Count the time of it."""
        self.spent += time.monotonic() - self._entered
