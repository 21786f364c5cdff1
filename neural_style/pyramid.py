"""From coarse to fine: the sizes at which a picture is painted, and how long at each. Arithmetic alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from neural_style.architecture import MIN_SIDE
from neural_style.errors import UsageError

PATIENCE = 20
"""Evaluations over which convergence is judged."""


class Scale(NamedTuple):
    """One size of a pyramid."""

    width: int
    """In pixels."""
    height: int
    """In pixels."""
    iterations: int
    """Most evaluations after that of the scale's start image."""


def plan(
    width: int, height: int, scales: int | None, min_scale: int, iterations: int, coarse: int
) -> tuple[Scale, ...]:
    """Scales of a picture, coarse to fine, each half as wide and high as the next.

    Args:
        width: of the picture in pixels.
        height: of the picture in pixels.
        scales: how many; None for as many as leave the coarsest `min_scale`.
        min_scale: least shorter side of the coarsest, in pixels.
        iterations: most evaluations at the finest scale.
        coarse: most evaluations at each of the others, if `iterations` are not fewer.

    Raises:
        UsageError: `scales` would leave the coarsest less than `architecture.MIN_SIDE`.
    """
    shorter = min(width, height)
    if scales is None:
        scales = 1
        while round(shorter / 2**scales) >= min_scale:
            scales += 1
    elif scales > 1 and round(shorter / 2 ** (scales - 1)) < MIN_SIDE:
        raise UsageError(
            f"scales: expected a coarsest picture of at least {MIN_SIDE} px a side, got {scales} scales of "
            f"{width}×{height}; give fewer, or auto"
        )
    coarser = [
        Scale(round(width / 2**octave), round(height / 2**octave), min(coarse, iterations))
        for octave in range(scales - 1, 0, -1)
    ]
    return (*coarser, Scale(width, height, iterations))


def total_iterations(scales: Sequence[Scale]) -> int:
    """Most evaluations of a whole run after that of its start image; each further scale's start is one of them."""
    return sum(scale.iterations + 1 for scale in scales) - 1


def has_converged(losses: Sequence[float], tolerance: float) -> bool:
    """Whether the lowest loss fell by no more than a share of itself over the last `PATIENCE` evaluations.

    Args:
        losses: of all evaluations at a scale, in order.
        tolerance: that share; 0 for never.
    """
    if not tolerance or len(losses) <= PATIENCE:
        return False
    lowest = min(losses)
    return min(losses[:-PATIENCE]) - lowest <= tolerance * lowest
