"""Options: how the image is optimized, and from where."""

from __future__ import annotations

import dataclasses
from typing import Literal

from neural_style import vgg19_spec
from neural_style.config.defaults import (
    ELSEWHERE,
    LEFT_TO_NETWORK,
    LEFT_TO_OPTIMIZER,
    MOST_NOISE,
    PATIENCE,
    QUALITIES,
    SGD_RATE,
    TOLERANCES,
)
from neural_style.config.fields import option


def _by_optimizer(name: str) -> str:
    """Describe the defaults of an option of `LEFT_TO_OPTIMIZER` in words."""
    return ", ".join(f"{values[name]} for {optimizer}" for optimizer, values in LEFT_TO_OPTIMIZER.items())


def _by_quality() -> str:
    """Describe `QUALITIES` in words."""
    return ", ".join(
        f"by {each.iterations:g}, {each.scale_iterations:g} and {each.tolerance:g} for {name}"
        for name, each in QUALITIES.items()
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Optimization:
    """How the image is optimized, and from where."""

    optimizer: Literal["lbfgs", "adam", "scipy", "sgd"] = option(
        "Optimization",
        "Method: lbfgs is this program's L-BFGS, adam is Adam, scipy is SciPy's L-BFGS, for reference, and sgd is "
        "gradient descent without momentum.",
        "lbfgs",
    )
    quality: Literal["sketch", "draft", "normal", "best"] = option(
        "Optimization",
        "How long a run goes on: draft ends sooner, and best later. sketch, for contact sheets, ends as soon as it "
        "shows what to expect. It multiplies the --iterations, --scale_iterations and --tolerance that are the "
        f"default, or a preset's: {_by_quality()}. What is given stays as it is.",
        "normal",
    )
    variables: Literal["pixels", "frequencies"] | None = option(
        "Optimization",
        "What the optimizer changes: the pixels, or the amplitudes of a cosine transform of the picture, weighted so "
        "that steps change large forms more than grain. An image that is overwritten (adam and sgd in tiles) is "
        "changed in pixels in any case, and --clip needs pixels. By default frequencies for lbfgs, and pixels for the "
        "others.",
        None,
    )
    iterations: int | None = option(
        "Optimization",
        "Most evaluations of loss and gradient at the full size, or at the preview's size if there is a preview. The "
        f"evaluation of the start image does not count. By default {_by_optimizer('iterations')}.",
        None,
        bounds=">= 1",
    )
    tolerance: float | None = option(
        "Optimization",
        f"A scale ends when {PATIENCE} evaluations lower its loss by no more than this share; 0 uses up all "
        "iterations. By default, with lbfgs, "
        f"{', '.join(f'{value:g} for the {loss} loss' for loss, value in TOLERANCES.items())}; with the other "
        "optimizers, 0.",
        None,
        bounds="0 to < 1",
    )
    scales: str = option(
        "Optimization",
        "Sizes to paint at, from coarse to fine: a number of sizes, each half as large as the next, or auto. auto "
        "multiplies the size by --scale_factor, from --min_scale up to the full size. With a preview, it goes from "
        "--preview_width to the full size in equal steps. If an initial picture makes up at least "
        f"{MOST_NOISE:.0%} of the start image, or if nothing of the style counts, auto paints at the full size alone.",
        "auto",
    )
    min_scale: int = option(
        "Optimization",
        "Shorter side of the coarsest size in pixels, with --scales auto and no preview. Smaller values take more of "
        "the style's forms.",
        80,
        bounds=f">= {vgg19_spec.MIN_SIDE}",
    )
    scale_factor: float = option(
        "Optimization",
        "Factor from one size to the next, with --scales auto and no preview.",
        2.0,
        bounds="1.1 to 10",
    )
    photo_details: float = option(
        "Optimization",
        "Share of the photo's details that is added to the picture when its size grows: of the lightness of those that "
        f"the smaller size could not show. Only where a run begins with the photo (at most {MOST_NOISE:.0%} noise), "
        "without a preview, and where the content counts.",
        1.0,
        bounds="0 to 1",
    )
    preview_width: int | None = option(
        "Optimization",
        "Longer side in pixels of the coarsest size, the preview; 0 for no preview. Results less than twice as large "
        "are painted at the full size alone. The preview gets most of the evaluations, so a run at that size predicts "
        "the look of larger results. Larger values keep more of the content, smaller values take more of the style's "
        f"forms. There is no preview if the start image has more than {MOST_NOISE:.0%} noise. By default what the "
        f"weights file says (256 for the built-in network), or {LEFT_TO_NETWORK['preview_width']:g}.",
        None,
        bounds=f"0 or >= {vgg19_spec.MIN_SIDE}",
    )
    scale_iterations: int | None = option(
        "Optimization",
        "Most evaluations at each of the other sizes, and never more than --iterations. By default "
        f"{_by_optimizer('scale_iterations')}, and {ELSEWHERE} where a run does not begin with the photo, or has a "
        "preview, all multiplied by --quality. But best makes them no longer in a run that begins with the photo.",
        None,
        bounds=">= 1",
    )
    iterations_by_scale: tuple[int, ...] | None = option(
        "Optimization",
        "Most evaluations at each size, from coarse to fine; the last number counts for all further sizes. They "
        "replace --iterations and --scale_iterations, which cannot be given beside them.",
        None,
        bounds=">= 1",
    )
    learning_rate: float | None = option(
        "Optimization",
        "Adam: step size in units of --pixel_range. SGD: factor on the gradient, of pixels in these units. By default, "
        f"of gray levels (0-255), {SGD_RATE:g} for SGD, and for Adam what the weights file says (3 for the built-in "
        f"network), or {LEFT_TO_NETWORK['learning_rate']:g}.",
        None,
        bounds="> 0",
    )
    learning_rate_decay: float = option(
        "Optimization",
        "Adam and SGD: factor on the learning rate over --learning_rate_decay_iterations. 1 for none.",
        1.0,
        bounds="> 0 to 1",
    )
    learning_rate_decay_iterations: int = option(
        "Optimization",
        "Iterations N over which the learning rate falls by the factor --learning_rate_decay. They are counted anew "
        "at each size.",
        100,
        bounds=">= 1",
    )
    learning_rate_decay_shape: Literal["smooth", "steps"] = option(
        "Optimization",
        "How the learning rate falls. smooth: after t iterations its factor is decay^(t/N). steps: t/N is rounded down "
        "to a whole number.",
        "smooth",
    )
    average_iterates: float = option(
        "Optimization",
        "Adam and SGD: decay of an exponential average of all images of a size, which is the result of the size "
        "instead of the image with the lowest loss; 0 for none. Losses that are shown are those of the images "
        "themselves.",
        0.0,
        bounds="0 to < 1",
    )
    carry_moments: bool = option(
        "Optimization",
        "Adam: keep its moments when the size grows, resized, instead of beginning anew at each size.",
        False,
    )
    clip: bool = option(
        "Optimization",
        "Adam and SGD: clip pixels to 0-255 after each step.",
        False,
    )
    beta1: float = option("Optimization", "Adam: decay rate of the mean gradient.", 0.9, bounds="0 to < 1")
    beta2: float = option("Optimization", "Adam: decay rate of the mean squared gradient.", 0.999, bounds="0 to < 1")
    eps: float = option(
        "Optimization",
        "Adam: number added to the root mean square of the gradient, of pixels in units of --pixel_range.",
        1e-8,
        bounds="> 0",
    )
    history_size: int = option("Optimization", "L-BFGS: number of curvature pairs to keep.", 30, bounds=">= 1")
    seed: int = option(
        "Optimization",
        "Seed of the noise, if the start image has any. The same seed gives the same picture.",
        0,
        bounds=">= 0",
    )
