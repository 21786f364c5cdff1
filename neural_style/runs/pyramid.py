"""The sizes at which a picture is painted, coarse to fine, and the most evaluations at each. Arithmetic only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from neural_style.errors import UsageError
from neural_style.vgg19_spec import MIN_SIDE

PATIENCE = 20
"""Number of evaluations over which convergence is judged."""

_LEAST_STEP = 1.25
"""Smallest factor from one size to the next. A smaller factor would paint nearly the same picture twice."""


class Scale(NamedTuple):
    """One size of a pyramid."""

    width: int
    """In pixels."""
    height: int
    """In pixels."""
    iterations: int
    """Most evaluations, not counting that of the scale's start image."""


def plan(
    width: int,
    height: int,
    scales: int | None,
    min_scale: int,
    iterations: int,
    others: int,
    photograph: tuple[int, int] | None = None,
) -> tuple[Scale, ...]:
    """Return the scales of a picture without a preview, coarse to fine. The finest scale determines the look.

    Args:
        width: of the picture in pixels.
        height: of the picture in pixels.
        scales: number of scales, each half as wide and high as the next. None doubles the size from `min_scale` up to
            the picture; only the last factor may differ from 2.
        min_scale: shorter side of the coarsest scale in pixels, if `scales` is None.
        iterations: most evaluations at the finest scale.
        others: most evaluations at each other scale, and never more than `iterations`.
        photograph: width and height in pixels of the content picture as read, from which the coarse sizes follow, so
            that pictures of all widths start alike. By default the size of the picture.

    Raises:
        UsageError: a side of the coarsest scale would be shorter than `vgg19_spec.MIN_SIDE`.
    """
    if scales is None:
        *coarser, finest = _doubled(width, height, min_scale, photograph or (width, height))
    else:
        *coarser, finest = _halved(width, height, scales)
    return (*(Scale(*size, min(others, iterations)) for size in coarser), Scale(*finest, iterations))


def plan_from_preview(
    width: int,
    height: int,
    scales: int | None,
    preview_width: int,
    iterations: int,
    others: int,
    photograph: tuple[int, int] | None = None,
) -> tuple[Scale, ...]:
    """Return the scales of a picture with a preview, coarse to fine. The coarsest scale determines the look.

    Args:
        width: of the picture in pixels.
        height: of the picture in pixels.
        scales: number of scales, each half as wide and high as the next. None goes from `preview_width` to `width` in
            equal factors of at most about 2, or uses one scale if `width` is less than twice `preview_width` or if the
            coarsest scale would be less than `vgg19_spec.MIN_SIDE` high.
        preview_width: width of the coarsest scale in pixels, if `scales` is None.
        iterations: most evaluations at the coarsest scale.
        others: most evaluations at each other scale, and never more than `iterations`.
        photograph: see `plan`.

    Raises:
        UsageError: a side of the coarsest scale would be shorter than `vgg19_spec.MIN_SIDE`.
    """
    if scales is None:
        coarsest, *finer = _by_equal_factors(width, height, preview_width, photograph or (width, height))
    else:
        coarsest, *finer = _halved(width, height, scales)
    return (Scale(*coarsest, iterations), *(Scale(*size, min(others, iterations)) for size in finer))


def _halved(width: int, height: int, scales: int) -> list[tuple[int, int]]:
    """Return the widths and heights of `scales` scales, coarse to fine, each half as wide and high as the next."""
    if scales > 1 and round(min(width, height) / 2 ** (scales - 1)) < MIN_SIDE:
        raise UsageError(
            f"scales: expected a coarsest picture of at least {MIN_SIDE} px a side, got {scales} scales of "
            f"{width}×{height}; give fewer, or auto"
        )
    return [(round(width / 2**octave), round(height / 2**octave)) for octave in range(scales - 1, -1, -1)]


def _doubled(width: int, height: int, min_scale: int, photograph: tuple[int, int]) -> list[tuple[int, int]]:
    """Return widths and heights, coarse to fine. All but the last are the same for every result size; see `plan`."""
    coarsest = [round(side * min_scale / min(photograph)) for side in photograph]
    factor = min(width, height) / min_scale / _LEAST_STEP
    octaves = math.floor(math.log2(factor)) + 1 if factor >= 1 else 0
    return [*((coarsest[0] << octave, coarsest[1] << octave) for octave in range(octaves)), (width, height)]


def _by_equal_factors(
    width: int, height: int, preview_width: int, photograph: tuple[int, int]
) -> list[tuple[int, int]]:
    """Return widths and heights, coarse to fine; see `plan_from_preview`."""
    factor = width / preview_width
    steps = math.ceil(round(math.log2(factor), 1)) if factor >= 2 else 0  # a factor of 2.05 is one step, too
    widths = [round(preview_width * factor ** (step / steps)) for step in range(steps)]
    coarser = [(each, round(photograph[1] * each / photograph[0])) for each in widths]
    return [*(coarser if coarser and coarser[0][1] >= MIN_SIDE else ()), (width, height)]


def total_iterations(scales: Sequence[Scale]) -> int:
    """Return the most evaluations of a run, not counting its start image but counting that of each further scale."""
    return sum(scale.iterations + 1 for scale in scales) - 1


def has_converged(losses: Sequence[float], tolerance: float) -> bool:
    """Return whether the last `PATIENCE` evaluations lowered the lowest loss by no more than a share of itself.

    Args:
        losses: of all evaluations at a scale, in order.
        tolerance: that share; 0 never converges.
    """
    if not tolerance or len(losses) <= PATIENCE:
        return False
    lowest = min(losses)
    return min(losses[:-PATIENCE]) - lowest <= tolerance * lowest
