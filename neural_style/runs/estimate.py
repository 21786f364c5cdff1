"""How long a run would take on this machine, estimated from a small evaluation."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np
import tensorflow as tf

from neural_style.compute.objective import WholeObjective, encode
from neural_style.config.resolve import ResolvedConfig
from neural_style.networks.weights import VGGWeights
from neural_style.runs.stylizer import Stylizer

_SIDE, _REPEATS = 512, 2
"""Side in pixels of the picture that is timed, and how many times it is timed."""


def seconds_per_pixel(stylizer: Stylizer, config: ResolvedConfig, network: VGGWeights) -> float:
    """Return the time of an evaluation of a small picture as a whole, divided by its number of pixels.

    Args:
        stylizer: names the device and the precision.
        config: names the loss and the layers.
        network: weights of the network.
    """
    without: Any = {"content_masks": None, "style_masks": None, "mask_erosion": False, "content_mask": None}
    config = dataclasses.replace(config, **without)
    picture = np.random.default_rng(0).uniform(0, 255, (_SIDE, _SIDE, 3)).astype(np.float32)
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
    return min(seconds) / _SIDE**2
