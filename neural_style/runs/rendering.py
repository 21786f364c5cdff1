"""From an image of the optimization to a picture with integer values."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from neural_style.compute.objective import decode
from neural_style.config.resolve import ResolvedConfig
from neural_style.images import color_transfer
from neural_style.images.color_matching import ColorMatching
from neural_style.images.picture import lanczos, to_integers
from neural_style.images.proofing import Proof
from neural_style.runs.matched_colors import finishing_of


class Finish(NamedTuple):
    """What is done to a picture after its optimization."""

    photo: np.ndarray | None
    """The content, (height, width, 3), uint8 or uint16 as the result; None if it is not needed."""
    colors: bool
    """Whether the photo's colors are kept."""
    opacity: float
    """Share of the painting in its blend with the photo, 0-1."""
    matching: ColorMatching | None = None
    """How the picture gets the photo's colors; None if it does not."""
    mask: np.ndarray | None = None
    """Where colors are kept, uint8 (height, width); None for everywhere."""
    alpha: np.ndarray | None = None
    """How much the colors of each pixel count, (height, width); None for 1 each."""
    proof: Proof | None = None
    """The colors that can be printed, to which those of the picture are brought last."""


def finish_of(
    config: ResolvedConfig,
    content: np.ndarray,
    alpha: np.ndarray | None = None,
    mask: np.ndarray | None = None,
    proof: Proof | None = None,
) -> Finish | None:
    """Return what is done to the picture of a run after its optimization; None for nothing.

    Args:
        config: the run.
        content: the content at the size of the result, float (height, width, 3), RGB of 0-255.
        alpha: that of the content, (height, width); None if it is opaque.
        mask: `Inputs.color_mask`.
        proof: `Inputs.proof`.
    """
    matching = finishing_of(config, content)
    needs_photo = config.preserve_colors or matching is not None or config.opacity < 1
    if not needs_photo and proof is None:
        return None
    photo = to_integers(content, config.bit_depth) if needs_photo else None
    return Finish(photo, config.preserve_colors, config.opacity, matching, mask, alpha, proof)


def rendered(image: Any, mean: np.ndarray, size: tuple[int, int], finish: Finish | None, bit_depth: int) -> np.ndarray:
    """Return the picture of an image.

    Args:
        image: float32 (1, height, width, 3), RGB of 0-255 minus the mean pixel.
        mean: the network's mean pixel.
        size: width and height of the picture in pixels.
        finish: what is done to the picture afterward; None for nothing.
        bit_depth: 8 or 16.

    Returns:
        (height, width, 3), uint8 or uint16.
    """
    if (image.shape[2], image.shape[1]) == size:
        picture = to_integers(np.asarray(image)[0], bit_depth, mean)
    else:
        picture = to_integers(lanczos(decode(image, mean), *size), bit_depth)
    return picture if finish is None else _finished(picture, finish)


def _finished(picture: np.ndarray, finish: Finish) -> np.ndarray:
    """Do to a picture what is done after its optimization, in place."""
    if finish.photo is not None:
        if finish.colors:
            color_transfer.preserve_colors(picture, finish.photo, picture, finish.mask)
        if finish.matching is not None:
            finish.matching.recolor(picture, finish.photo, finish.mask, finish.alpha, out=picture)
        if finish.opacity < 1:
            color_transfer.lay_over(picture, finish.photo, finish.opacity)
    if finish.proof is not None:
        finish.proof.apply(picture)
    return picture
