"""How a run would be computed on this machine, in what memory and time, without its pictures."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from neural_style.compute.cost_model import default_style_areas, evaluation_factor, pictures_bytes
from neural_style.compute.objective import WholeObjective, encode
from neural_style.compute.planner import Plan, Planner
from neural_style.config.resolve import ResolvedConfig
from neural_style.networks.weights import VGGWeights
from neural_style.runs import pyramid
from neural_style.runs.pyramid import Scale
from neural_style.runs.stylizer import Stylizer

_SIDE, _REPEATS = 512, 2
"""Side in pixels of the picture that is timed, and how many times it is timed."""


@dataclasses.dataclass(frozen=True)
class Estimate:
    """How a run would be computed."""

    config: ResolvedConfig
    scales: Sequence[Scale]
    plans: Sequence[Plan]
    """How each scale would be computed."""

    @property
    def peak(self) -> int:
        """Predicted peak of the process's memory in bytes."""
        return max(plan.peak for plan in self.plans)

    def evaluation_seconds(self, per_pixel: float) -> list[float]:
        """Return the time of an evaluation at each scale.

        Args:
            per_pixel: what `seconds_per_pixel` returned.
        """
        return [per_pixel * plan.width * plan.height * evaluation_factor(plan, self.config) for plan in self.plans]

    def seconds_at_most(self, per_pixel: float) -> float:
        """Return the time of all iterations of the run, at most; the argument is that of `evaluation_seconds`."""
        each = self.evaluation_seconds(per_pixel)
        return sum(seconds * (scale.iterations + 1) for seconds, scale in zip(each, self.scales, strict=True))

    def seconds_expected(self, per_pixel: float) -> float:
        """Return the time of the run if each scale ends when it is expected to; the argument is the same."""
        each = self.evaluation_seconds(per_pixel)
        tolerance = self.config.tolerance_of(self.plans[-1].optimizer)
        counts = [pyramid.expected_evaluations([], tolerance, scale.iterations + 1) for scale in self.scales]
        return sum(seconds * count for seconds, count in zip(each, counts, strict=True))


def estimate(config: ResolvedConfig, precision: str, width: int, height: int, budget: int) -> Estimate:
    """Return how a run would be computed. Styles are assumed to be as large as the result.

    Args:
        config: the run. Its pictures are not read.
        precision: the type that the network computes in, such as "bfloat16".
        width: width of the result in pixels.
        height: height of the result in pixels.
        budget: bytes of memory.

    Raises:
        UsageError: the memory is too small, or the picture is too small for so many scales.
    """
    masks = len(config.content_masks or ()) + (config.content_mask is not None)
    planner = Planner(config, precision, masks=masks)
    scales = pyramid.scales_of(config, width, height)
    pictures = pictures_bytes(width, height, default_style_areas(config))
    return Estimate(config, scales, planner.choose_all([scale[:2] for scale in scales], budget, pictures))


def seconds_per_pixel(stylizer: Stylizer, config: ResolvedConfig, network: VGGWeights, side: int = _SIDE) -> float:
    """Return the time of an evaluation of a small picture as a whole, divided by its number of pixels.

    Args:
        stylizer: names the device and the precision.
        config: names the loss and the layers.
        network: weights of the network.
        side: side in pixels of the picture.
    """
    without: Any = {"content_masks": None, "style_masks": None, "mask_erosion": False, "content_mask": None}
    config = dataclasses.replace(config, **without)
    picture = np.random.default_rng(0).uniform(0, 255, (side, side, 3)).astype(np.float32)
    with tf.device(stylizer.device):
        graphs = stylizer.graphs(config, network)
        of_styles = stylizer.style_graphs(config, network)
        (targets,) = stylizer.style_targets(of_styles, [[picture]] * len(config.styles), None)
        objective = WholeObjective(graphs.whole, config, picture, targets)
        image = encode(picture[::-1], objective.mean)
        seconds = []
        for _ in range(1 + _REPEATS):  # the first one also traces the functions
            began = time.perf_counter()
            float(objective.value_and_grad(image)[0].total)
            seconds.append(time.perf_counter() - began)
    return min(seconds) / side**2
