"""What a run leaves behind: its steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import numpy as np

from neural_style.images import pictures as images

LOSS_NAMES = ("content", "style", "tv", "total")
"""Names of the losses, as tables and curves list them."""


@dataclass(frozen=True)
class Step:
    """One image of a run with its losses. Immutable."""

    iteration: int
    """0 is the start image."""
    losses: Mapping[str, float]
    """Weighted losses of this image by name: content, style, tv, and their sum, total."""
    scale: tuple[int, int]
    """Width and height in pixels at which the image was evaluated; the result's, or coarser ones before."""
    best: bool
    """Whether no image of this scale so far had a lower total; losses of different scales do not compare."""
    alpha: np.ndarray | None = field(repr=False)
    """The content's opacity, float32 (height, width) of 0-1; None where it is opaque."""
    render: Callable[[], np.ndarray] = field(repr=False)
    """Makes the image, uint8 or uint16 (height, width, 3), at the size of the result."""

    def __post_init__(self) -> None:
        """Freeze the losses."""
        object.__setattr__(self, "losses", MappingProxyType(dict(self.losses)))

    @cached_property
    def image(self) -> np.ndarray:
        """The image, sRGB, (height, width, 3), made on first use: uint8, or uint16 (0-65535) for a bit depth of 16."""
        image = self.render()
        image.flags.writeable = False
        return image

    @property
    def image_with_alpha(self) -> np.ndarray:
        """The image with the content's alpha put back: of the same type, (height, width, 3) or (height, width, 4)."""
        return images.with_alpha(self.image, self.alpha)
