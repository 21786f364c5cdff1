"""Masks of a picture, and what becomes of them in the layers of the network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neural_style import vgg19_spec
from neural_style.compute.halving import halved
from neural_style.compute.loss_graph import layers_of
from neural_style.losses.content import FeatureFormula
from neural_style.losses.spec import CONTENT_MASK, REGIONS, LossSpec
from neural_style.losses.style import MomentFormula

LEAST_REST = 0.25
"""Share of a region in a layer that erosion leaves at least."""

LayerMasks = Mapping[str, np.ndarray]
"""Layer -> masks at its positions: float16 (height, width, masks)."""


@dataclass(frozen=True, eq=False)
class Masks:
    """The masks of a picture, at its size. Values are 0-1."""

    regions: np.ndarray | None = None
    """Regions that have styles of their own: float (height, width, regions); None for the whole picture."""
    members: tuple[tuple[int, ...], ...] = ()
    """Indices of the styles of each region."""
    content: np.ndarray | None = None
    """Where the content counts: float (height, width, 1); None for everywhere."""
    eroded: bool = False
    """Whether a region's features see nothing of other regions; see `layer_masks`."""
    wraps: bool = False
    """Whether the picture continues at its opposite edges."""

    @property
    def count(self) -> int:
        """Number of regions; 0 for the whole picture."""
        return 0 if self.regions is None else self.regions.shape[-1]

    @property
    def shares(self) -> list[float]:
        """Share of the picture's area of each region."""
        return [] if self.regions is None else [float(each) for each in self.regions.mean((0, 1), dtype=np.float64)]

    def halved(self) -> Masks:
        """Return the masks of the picture at half its size."""
        regions, content = (None if each is None else halved(each) for each in (self.regions, self.content))
        return replace(self, regions=regions, content=content)

    def painted(self) -> np.ndarray | None:
        """Return how much each position counts where content and styles both do; None if all count fully.

        Returns:
            Float32 (height, width, 1), or None.
        """
        if self.regions is None:
            return None if self.content is None else self.content.astype(np.float32)
        of_regions = covered(self.regions)
        return of_regions if self.content is None else of_regions * self.content


NO_MASKS = Masks()


def covered(regions: np.ndarray) -> np.ndarray:
    """Return how much of each position some region covers: float32 (height, width, 1), 0-1."""
    return regions.sum(axis=-1, keepdims=True, dtype=np.float32).clip(0, 1)


def layer_masks(
    masks: np.ndarray, layers: Iterable[str], rounding: str, eroded: bool = False, wraps: bool = False
) -> dict[str, np.ndarray]:
    """Bring masks to the positions of layers, as guidance channels in Gatys et al. (CVPR 2017, section 3.1).

    A position has the mean of the pixels that it is pooled from. With erosion, it has the least value of all pixels
    that its features depend on, as in that paper's "inside" mode: each convolution takes the minimum of 3×3 positions,
    and each pooling that of its window. Where erosion would leave less than `LEAST_REST` of a region in a layer, it
    ends. Differs from the paper by that limit.

    Args:
        masks: float (height, width, masks), 0-1.
        layers: names of layers.
        rounding: what poolings do with an odd last row or column, one of `vgg19_spec.ROUNDINGS`.
        eroded: whether to erode.
        wraps: whether the picture continues at its opposite edges.

    Returns:
        Layer -> float16 (height, width, masks).
    """
    from scipy.ndimage import minimum_filter

    layers = tuple(layers)
    means = inside = masks.astype(np.float32)
    found: dict[str, np.ndarray] = {}
    block = 1
    for conv in vgg19_spec.convs_up_to(layers):
        if vgg19_spec.block_of(conv) != block:
            block += 1
            means = _pooled(means, rounding, halved)
            if eroded:
                least, mean = (_pooled(inside, rounding, pool) for pool in (_least_of_windows, halved))
                inside = _limited(least, means, mean)
        if eroded:
            least = minimum_filter(inside, size=(3, 3, 1), mode="wrap" if wraps else "nearest")
            inside = _limited(least, means, inside)
        for layer in {conv, conv.replace("conv", "relu")} & {*layers}:
            found[layer] = (inside if eroded else means).astype(np.float16)
    return {layer: found[layer] for layer in layers}


def _limited(eroded: np.ndarray, means: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return masks after a step of erosion, or before it where it leaves too little; see `layer_masks`."""
    is_enough = eroded.sum((0, 1)) >= LEAST_REST * means.sum((0, 1))
    return np.where(is_enough, eroded, before)


def _pooled(masks: np.ndarray, rounding: str, pool: Any) -> np.ndarray:
    """Pool windows of 2×2 positions, with or without an odd last row and column."""
    if rounding == "down":
        height, width, _ = masks.shape
        masks = masks[: height // 2 * 2, : width // 2 * 2]
    return pool(masks)


def _least_of_windows(masks: np.ndarray) -> np.ndarray:
    """Return the minimum of each window of 2×2 positions, float (⌈height / 2⌉, ⌈width / 2⌉, masks)."""
    height, width, _ = masks.shape
    padded = np.pad(masks, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    rows = np.minimum(padded[::2], padded[1::2])
    return np.minimum(rows[:, ::2], rows[:, 1::2])


def on_layers(masks: Masks, spec: LossSpec, rounding: str) -> dict[str, dict[str, np.ndarray]]:
    """Return the masks of a picture as `losses.spec.Targets` has them, but as arrays (height, width, masks).

    Args:
        masks: those of the picture.
        spec: the terms of the loss, and whether they have masks.
        rounding: as for `layer_masks`.
    """
    found: dict[str, dict[str, np.ndarray]] = {}
    if masks.regions is not None and spec.regions:
        found[REGIONS] = layer_masks(masks.regions, layers_of(spec, MomentFormula), rounding, masks.eroded, masks.wraps)
    if masks.content is not None and spec.content_mask:
        found[CONTENT_MASK] = layer_masks(masks.content, layers_of(spec, FeatureFormula), rounding)
    return found
