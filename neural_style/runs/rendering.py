"""From an image of the optimization to a picture with integer values."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from neural_style.compute.masks import covered
from neural_style.compute.objective import decode
from neural_style.config.resolve import ResolvedConfig
from neural_style.images import color_transfer
from neural_style.images.color_matching import ColorMatching
from neural_style.images.picture import lanczos, to_integers
from neural_style.images.proofing import Proof
from neural_style.runs.inputs import Inputs
from neural_style.runs.matched_colors import finishing_of

_FULLY = 0.998
"""Least sum of masks that counts as full cover, less than half a gray level below 1."""


class Finish(NamedTuple):
    """What is done to a picture after its optimization."""

    photo: np.ndarray | None
    """The content, (height, width, 3), uint8 or uint16 as the result; None if it is not needed."""
    colors: bool
    """Whether the photo's colors are kept."""
    opacity: float
    """Share of the painting in its blend with the photo, 0-1."""
    covered: np.ndarray | None = None
    """Where some region covers the picture, float16 (height, width, 1), 0-1; the photo is elsewhere. None for
    everywhere."""
    matching: ColorMatching | None = None
    """How the picture gets the photo's colors; None if it does not."""
    mask: np.ndarray | None = None
    """Where colors are kept, uint8 (height, width); None for everywhere."""
    alpha: np.ndarray | None = None
    """How much the colors of each pixel count, (height, width); None for 1 each."""
    proof: Proof | None = None
    """The colors that can be printed, to which those of the picture are brought last."""

    def at(self, width: int, height: int) -> Finish:
        """Return what is done to a picture of 8 bits of another size."""

        def resized(values: np.ndarray | None, most: float) -> np.ndarray | None:
            if values is None:
                return None
            channels = np.asarray(values if values.ndim == 3 else values[..., None], np.float32)
            small = lanczos(channels, width, height).clip(0, most)
            return small if values.ndim == 3 else small[..., 0]

        photo, mask, most = self.photo, resized(self.mask, 255), 255.0
        if photo is not None:
            most = float(np.iinfo(photo.dtype).max)
            photo = to_integers(resized(photo, most) * np.float32(255 / most), 8)  # type: ignore[operator]
        covered, alpha = resized(self.covered, 1), resized(self.alpha, 1)
        mask = None if mask is None else np.rint(mask).astype(np.uint8)
        return self._replace(photo=photo, covered=covered, mask=mask, alpha=alpha)


def finish_of(config: ResolvedConfig, inputs: Inputs) -> Finish | None:
    """Return what is done to the picture of a run after its optimization; None for nothing.

    Args:
        config: the run.
        inputs: its pictures, at the size of the result.
    """
    content = inputs.content
    of_regions = None if config.content is None else covered_by(inputs.masks(eroded=False).regions)
    matching = finishing_of(config, content.rgb)
    needs_photo = config.preserve_colors or matching is not None or config.opacity < 1 or of_regions is not None
    if not needs_photo and inputs.proof is None:
        return None
    return Finish(
        photo=to_integers(content.rgb, config.bit_depth) if needs_photo else None,
        colors=config.preserve_colors,
        opacity=config.opacity,
        covered=of_regions,
        matching=matching,
        mask=inputs.color_mask,
        alpha=content.alpha,
        proof=inputs.proof,
    )


def covered_by(regions: np.ndarray | None) -> np.ndarray | None:
    """Return what some region covers, float16 (height, width, 1), 0-1; None for everything.

    Args:
        regions: masks, float (height, width, regions); None for the whole picture.
    """
    if regions is None:
        return None
    found = covered(regions).astype(np.float16)
    return None if found.min() > _FULLY else found


def rendered(
    image: Any,
    mean: np.ndarray,
    size: tuple[int, int],
    finish: Finish | None,
    bit_depth: int,
    wraps: bool = False,
) -> np.ndarray:
    """Return the picture of an image.

    Args:
        image: float32 (1, height, width, 3), RGB of 0-255 minus the mean pixel.
        mean: the network's mean pixel.
        size: width and height of the picture in pixels.
        finish: what is done to the picture afterward; None for nothing.
        bit_depth: 8 or 16.
        wraps: whether the image continues at its opposite edges.

    Returns:
        (height, width, 3), uint8 or uint16.
    """
    if (image.shape[2], image.shape[1]) == size:
        picture = to_integers(np.asarray(image)[0], bit_depth, mean)
    else:
        picture = to_integers(lanczos(decode(image, mean), *size, wraps), bit_depth)
    return picture if finish is None else _finished(picture, finish)


class Finishes:
    """What is done to pictures of several sizes, kept for the last of them."""

    def __init__(self, finish: Finish | None):
        """Take what is done to the picture at the size of the result; None for nothing."""
        self._finish = finish
        self._small: tuple[tuple[int, int], Finish | None] | None = None

    def at(self, width: int, height: int) -> Finish | None:
        """Return what is done to a picture of 8 bits of that size."""
        kept = self._small
        if kept is None or kept[0] != (width, height):
            kept = (width, height), None if self._finish is None else self._finish.at(width, height)
            self._small = kept
        return kept[1]


def rendered_small(
    image: Any, mean: np.ndarray, finishes: Finishes, wraps: bool, width: int, height: int
) -> np.ndarray:
    """Return the picture of an image at a size other than that of the result; see `rendered`.

    Args:
        image: as for `rendered`.
        mean: as for `rendered`.
        finishes: what is done to the picture afterward.
        wraps: as for `rendered`.
        width: of the picture in pixels.
        height: of the picture in pixels.

    Returns:
        (height, width, 3), uint8.
    """
    return rendered(image, mean, (width, height), finishes.at(width, height), 8, wraps)


def _finished(picture: np.ndarray, finish: Finish) -> np.ndarray:
    """Do to a picture what is done after its optimization, in place."""
    if finish.photo is not None:
        if finish.colors:
            color_transfer.preserve_colors(picture, finish.photo, picture, finish.mask)
        if finish.matching is not None:
            finish.matching.recolor(picture, finish.photo, finish.mask, finish.alpha, out=picture)
        if finish.opacity < 1 or finish.covered is not None:
            color_transfer.lay_over(picture, finish.photo, finish.opacity, finish.covered)
    if finish.proof is not None:
        finish.proof.apply(picture)
    return picture
