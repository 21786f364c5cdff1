"""A run as plain data, to be saved and continued."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from neural_style.compute.planner import Plan
from neural_style.config.resolve import ResolvedConfig
from neural_style.runs.step import Step


@dataclasses.dataclass(frozen=True, eq=False)
class SessionState:
    """A run as plain data, from which `Stylizer.restore` continues. It can be pickled."""

    version: str
    """Version of the program that made it."""
    config: ResolvedConfig
    """The options, each with a value."""
    weights: str
    """The network's weights, in the form that `Config.weights` takes."""
    plans: Sequence[Plan]
    """How each size is computed."""
    arrays: Mapping[str, np.ndarray]
    """Images and the optimizer's state."""
    first_weights: Mapping[str, Any]
    """What `reweighting.weights_of` said at the start of the run. It decides what layers the run computes."""
    best_weights: Mapping[str, Any]
    """What it said when the best image was made."""
    numbers: Mapping[str, Any]
    """Everything else, in types that JSON can hold."""


def numbers_of(step: Step) -> dict[str, Any]:
    """Return what a step holds besides its picture, in JSON's types."""
    return {
        "iteration": step.iteration,
        "losses": dict(step.losses),
        "scale": list(step.scale),
        "losses_by_layer": {name: dict(of_layers) for name, of_layers in step.losses_by_layer.items()},
    }


def step_from(numbers: Mapping[str, Any], picture: np.ndarray, alpha: np.ndarray | None) -> Step:
    """Return the best step that `numbers_of` described.

    Args:
        numbers: its numbers.
        picture: its picture, uint8 or uint16 (height, width, 3).
        alpha: the content's opacity.
    """
    known = {**numbers, "scale": tuple(numbers["scale"])}
    return Step(**known, best=True, alpha=alpha, render=functools.partial(np.array, picture))
