"""What a run returns: its steps and its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from neural_style.config.resolve import ResolvedConfig
from neural_style.errors import NeuralStyleError
from neural_style.images import small_copies
from neural_style.images.picture import to_uint8, with_alpha

if TYPE_CHECKING:
    from neural_style.losses.spec import LossTerms  # which imports TensorFlow

LOSS_NAMES = ("content", "style", "tv", "total")
"""Names of the losses, in the order of tables and plots."""


@dataclass(frozen=True, eq=False)
class Step:
    """One image of a run with its losses. Immutable.

    It can be pickled. Its numbers are always included; its image only if `image` has been read before.
    """

    iteration: int
    """Number of the evaluation; 0 is the start image."""
    losses: Mapping[str, float]
    """Weighted losses of this image by name: content, style, tv, and their sum, total."""
    scale: tuple[int, int]
    """Width and height in pixels at which the image was evaluated: the size of the result, or a coarser size."""
    best: bool
    """Whether its total is the lowest so far at this scale. Losses of different scales do not compare."""
    alpha: np.ndarray | None = field(repr=False)
    """The content's opacity, float32 (height, width), 0-1; None if the content is opaque everywhere."""
    render: Callable[[], np.ndarray] = field(repr=False)
    """Makes the image, uint8 or uint16 (height, width, 3), at the size of the result."""
    losses_by_layer: Mapping[str, Mapping[str, float]] = field(repr=False, default_factory=dict)
    """Weighted losses by term and layer, such as `["style"]["relu1_1"]`."""
    render_small: Callable[[int, int], np.ndarray] | None = field(repr=False, default=None)
    """Makes the image, uint8 (height, width, 3), at a width and height; None if it comes from `image` alone."""
    seconds: float | None = field(repr=False, default=None)
    """How long the evaluation took, what was done before the first at a size included; None if it is unknown."""
    step_size: float | None = None
    """How long the step to this image was: Adam's and SGD's learning rate, or the factor on L-BFGS's direction, of
    which 1 is a whole quasi-Newton step. None for the first image of a scale, and with SciPy's L-BFGS."""

    def __post_init__(self) -> None:
        """Freeze the losses."""
        by_layer = {name: MappingProxyType(dict(of_layers)) for name, of_layers in self.losses_by_layer.items()}
        object.__setattr__(self, "losses", MappingProxyType(dict(self.losses)))
        object.__setattr__(self, "losses_by_layer", MappingProxyType(by_layer))

    @cached_property
    def image(self) -> np.ndarray:
        """The image at the size of the result, made on first use: sRGB, (height, width, 3), read-only.

        It is uint8, or uint16 (0-65535) for a bit depth of 16.
        """
        image = self.render()
        image.flags.writeable = False
        return image

    @property
    def image_with_alpha(self) -> np.ndarray:
        """The image with the content's alpha: the same type, (height, width, 4), or (height, width, 3) if opaque."""
        return with_alpha(self.image, self.alpha)

    def small_image(self, width: int, height: int) -> np.ndarray:
        """Make the image at another size, which is cheaper than `image` if it is smaller.

        Colors that depend on the whole picture may differ from those of `image` by a little.

        Args:
            width: in pixels.
            height: in pixels.

        Returns:
            SRGB, uint8 (height, width, 3), without alpha.
        """
        if "image" not in vars(self) and self.render_small is not None:
            return self.render_small(width, height)
        image = self.image
        if image.dtype != np.uint8:
            image = to_uint8(image / np.float32(np.iinfo(image.dtype).max / 255))
        size = (width, height)
        return np.array(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS, reducing_gap=3))

    def _repr_png_(self) -> bytes | None:
        """Return the picture for a notebook, as a PNG of at most 1024 pixels a side; None if it has no image."""
        return None if self.render is _not_sent and "image" not in vars(self) else self._png

    @cached_property
    def _png(self) -> bytes:
        return small_copies.as_png(self.image_with_alpha)

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled."""
        by_layer = {name: dict(of_layers) for name, of_layers in self.losses_by_layer.items()}
        changed = {"losses": dict(self.losses), "losses_by_layer": by_layer, "render": _not_sent, "render_small": None}
        state = {**vars(self), **changed}
        state.pop("_png", None)  # made again where it is looked at
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore what was pickled, and freeze it again."""
        self.__dict__.update(state)
        self.__post_init__()
        if "image" in state:
            state["image"].flags.writeable = False


def _not_sent() -> np.ndarray:
    raise NeuralStyleError(
        "this step came from another process without its image; read step.image there before it is sent"
    )


@dataclass(frozen=True, eq=False)
class Result:
    """The best image of a run, and what was used to make it."""

    image: np.ndarray = field(repr=False)
    """SRGB, (height, width, 3), or (height, width, 4) with the content's alpha: uint8, or uint16 (0-65535)."""
    losses: Mapping[str, float]
    """Weighted losses of this image by name; see `Step.losses`."""
    iteration: int
    """Number of the step that it comes from."""
    iterations: int
    """Number of the last step."""
    config: ResolvedConfig
    """The options, each with a value."""
    weights: str
    """The network's weights, in the form that `Config.weights` takes to use exactly these."""
    device: str
    """The device, as TensorFlow names it."""
    precision: str
    """The type that the network computed in."""
    plan: str
    """How the largest size was computed, in words."""

    def _repr_png_(self) -> bytes:
        """Return the picture for a notebook, as a PNG of at most 1024 pixels a side."""
        return self._png

    @cached_property
    def _png(self) -> bytes:
        return small_copies.as_png(self.image)


def losses_of(terms: LossTerms) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Return the losses by name, including the total, and by layer, as Python numbers."""
    by_layer = {
        name: {layer: float(value) for layer, value in of_layers.items()} for name, of_layers in terms.by_layer.items()
    }
    return {**{name: float(value) for name, value in terms.by_name.items()}, "total": float(terms.total)}, by_layer
