"""The sizes at which a picture is painted, from coarse to fine, with the most evaluations at each. Arithmetic only."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

from neural_style import vgg19_spec
from neural_style.config.defaults import FORMLESS_STARTS, MOST_NOISE, PATIENCE, PHOTO_STARTS
from neural_style.config.resolve import ResolvedConfig
from neural_style.errors import UsageError
from neural_style.vgg19_spec import MIN_SIDE, halved_sizes, positions

_LEAST_STEP = 1.25
"""Smallest factor from one size to the next. A smaller factor would paint nearly the same picture twice."""


_DECLINE = 2.5
"""By how much a loss falls over `PATIENCE` evaluations is about proportional to the number of evaluations so far to the
power -2.5, as measured on 21 runs at 256 px."""

_USUAL_START = 17.0
"""Number of evaluations at which, by this law, the fall would be as large as the loss itself."""


class Scale(NamedTuple):
    """One size of a pyramid."""

    width: int
    """In pixels."""
    height: int
    """In pixels."""
    iterations: int
    """Most evaluations, not counting that of the scale's start image."""


def scales_of(
    config: ResolvedConfig,
    width: int,
    height: int,
    photograph: tuple[int, int] | None = None,
    enlargement: float = 1.0,
) -> tuple[Scale, ...]:
    """Return the sizes at which a run paints its picture, coarse to fine.

    Args:
        config: the run.
        width: width of the result in pixels.
        height: height of the result in pixels.
        photograph: see `plan`.
        enlargement: factor on `Config.min_scale`; see `Inputs.plan_size`.

    Raises:
        UsageError: the picture is too small for so many scales, or for the sizes of the loss.
    """
    count = int(config.scales) if config.scales != "auto" else None
    lengths = config.iterations, config.scale_iterations
    is_seen = config.initial_noiseblend <= MOST_NOISE and config.start not in FORMLESS_STARTS
    if count is None and is_seen and (config.start not in PHOTO_STARTS or not config.style_terms):
        count = 1  # a given picture, or the photo without any style
    if count is None and config.is_reconstruction:
        count = 1  # coarse sizes would show more of the content than the features of the full size do
    if is_seen and config.preview_width:
        scales = plan_from_preview(width, height, count, config.preview_width, *lengths, photograph)
    else:
        least = round(config.min_scale * enlargement)
        scales = plan(width, height, count, least, *lengths, photograph, config.scale_factor)
    scales = _rounded(scales, config.size_unit)
    coarsest, remedy = (scales[0].width, scales[0].height), "a larger --min_scale or --width, or --scales 1"
    check_loss_scales(config, coarsest, "the content at the coarsest size", remedy)
    given = config.iterations_by_scale
    if given is None:
        return scales
    return tuple(scale._replace(iterations=given[min(at, len(given) - 1)]) for at, scale in enumerate(scales))


def _rounded(scales: Sequence[Scale], unit: int) -> tuple[Scale, ...]:
    """Return scales with sides rounded to multiples of a unit that divides the sides of the last; each size once."""
    least = -(-MIN_SIDE // unit) * unit
    rounded = {
        (max(round(scale.width / unit) * unit, least), max(round(scale.height / unit) * unit, least)): scale
        for scale in scales
    }
    return tuple(scale._replace(width=width, height=height) for (width, height), scale in rounded.items())


def least_side(config: ResolvedConfig) -> int:
    """Return the least side in pixels that a picture of a run may have at any size.

    That is `vgg19_spec.MIN_SIDE`, or more if the loss compares reductions of the picture: the network needs at least
    2×2 positions of the smallest one in its deepest layer.
    """
    stride = max(map(vgg19_spec.stride, config.layers), default=1)

    def suffices(side: int) -> bool:
        smallest, _ = halved_sizes(side, side, config.loss_scales)[-1]
        return positions(smallest, stride, config.pool_rounding) >= 2

    return next(side for side in itertools.count(MIN_SIDE) if suffices(side))


def check_loss_scales(config: ResolvedConfig, size: tuple[int, int], subject: str, remedy: str) -> None:
    """Check that the network can compute the smallest reduction of a picture that the loss compares.

    Args:
        config: the run.
        size: width and height of the picture in pixels.
        subject: what a message calls the picture.
        remedy: what a message says may be given, other than fewer sizes.

    Raises:
        UsageError: a side is shorter than `least_side`.
    """
    if config.loss_scales == 1:
        return
    least = least_side(config)
    if min(size) < least:
        raise UsageError(
            f"loss_scales: expected at least {least} px a side for {config.loss_scales} sizes of the loss, got "
            f"{size[0]}×{size[1]} for {subject}; give fewer sizes, or {remedy}"
        )


def plan(
    width: int,
    height: int,
    scales: int | None,
    min_scale: int,
    iterations: int,
    others: int,
    photograph: tuple[int, int] | None = None,
    scale_factor: float = 2.0,
) -> tuple[Scale, ...]:
    """Return the scales of a picture without a preview, coarse to fine. The finest scale determines the look.

    Args:
        width: width of the picture in pixels.
        height: height of the picture in pixels.
        scales: number of scales, each half as wide and high as the next. None multiplies the size by `scale_factor`
            from `min_scale` up to the picture; only the last factor may differ.
        min_scale: shorter side of the coarsest scale in pixels, if `scales` is None.
        iterations: most evaluations at the finest scale.
        others: most evaluations at each other scale, and never more than `iterations`.
        photograph: width and height in pixels of the content picture as read. The coarse sizes are computed from it, so
            results of all widths have the same ones. By default the size of the picture.
        scale_factor: factor from one size to the next, if `scales` is None.

    Raises:
        UsageError: a side of the coarsest scale would be shorter than `vgg19_spec.MIN_SIDE`.
    """
    if scales is None:
        *coarser, finest = _grown(width, height, min_scale, photograph or (width, height), scale_factor)
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
        width: width of the picture in pixels.
        height: height of the picture in pixels.
        scales: number of scales, each half as wide and high as the next. None goes from `preview_width` to the longer
            side of the picture by equal factors of at most about 2, or makes one scale if that side is less than twice
            as long.
        preview_width: longer side of the coarsest scale in pixels, if `scales` is None. It is increased if the shorter
            side would be less than `vgg19_spec.MIN_SIDE`.
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


def _grown(
    width: int, height: int, min_scale: int, photograph: tuple[int, int], scale_factor: float
) -> list[tuple[int, int]]:
    """Return widths and heights, coarse to fine. All but the last are the same for every result size; see `plan`."""
    coarsest = [round(side * min_scale / min(photograph)) for side in photograph]
    most = min(width, height) / min(_LEAST_STEP, math.sqrt(scale_factor)) * (1 + 1e-9)
    count = next(step for step in itertools.count() if min_scale * scale_factor**step > most)
    grown = [
        (round(coarsest[0] * scale_factor**step), round(coarsest[1] * scale_factor**step)) for step in range(count)
    ]
    return [*grown, (width, height)]


def _by_equal_factors(
    width: int, height: int, preview_width: int, photograph: tuple[int, int]
) -> list[tuple[int, int]]:
    """Return widths and heights, coarse to fine; `plan_from_preview` explains the arguments."""
    longer, shorter = max(photograph), min(photograph)
    coarsest = max(preview_width, math.ceil(MIN_SIDE * longer / shorter))
    factor = max(width, height) / coarsest
    steps = math.ceil(round(math.log2(factor), 1)) if factor >= 2 else 0  # a factor of 2.05 is still one step
    sides = [round(coarsest * factor ** (step / steps)) for step in range(steps)]
    return [
        *((round(photograph[0] * side / longer), round(photograph[1] * side / longer)) for side in sides),
        (width, height),
    ]


def total_iterations(scales: Sequence[Scale]) -> int:
    """Return the most evaluations of a run, including the start image of every scale but the first."""
    return sum(scale.iterations + 1 for scale in scales) - 1


def has_converged(losses: Sequence[float], tolerance: float) -> bool:
    """Return whether the last `PATIENCE` evaluations lowered the lowest loss by at most a share of itself.

    Args:
        losses: losses of all evaluations at a scale, in order.
        tolerance: that share; with 0, the result is always False.
    """
    if not tolerance or len(losses) <= PATIENCE:
        return False
    lowest = min(losses)
    return min(losses[:-PATIENCE]) - lowest <= tolerance * lowest


def expected_evaluations(losses: Sequence[float], tolerance: float, most: int) -> int:
    """Return about how many evaluations a scale will have made when it ends.

    Args:
        losses: as for `has_converged`, so far.
        tolerance: as for `has_converged`.
        most: number after which it ends in any case.
    """
    done, half, lowest = len(losses), PATIENCE / 2, min(losses, default=0.0)
    if not tolerance or done >= most:
        return most
    if has_converged(losses, tolerance):
        return done
    decline, since = 1.0, _USUAL_START
    if done > 1.5 * PATIENCE and lowest > 0:  # the first losses fall faster than by this law
        decline, since = (min(losses[:-PATIENCE]) - lowest) / lowest, done - half
    expected = half + since * (decline / tolerance) ** (1 / _DECLINE)
    return min(max(round(expected), done + 1), most)
