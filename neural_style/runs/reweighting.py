"""New loss weights for a run while it goes on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from neural_style.compute.loss_weights import loss_spec
from neural_style.config.defaults import usual_values
from neural_style.config.resolve import ResolvedConfig
from neural_style.errors import UsageError
from neural_style.losses.spec import LossSpec

WEIGHTS = (
    "strength",
    "content_weight",
    "content_weight_blend",
    "content_layer_weights",
    "style_weight",
    "style_loss_weights",
    "style_layer_weights",
    "style_layer_weight_exp",
    "style_blend_weights",
    "style_layers_of",
    "tv_weight",
)
"""Options that a run can change while it goes on."""


def weights_of(config: ResolvedConfig) -> dict[str, Any]:
    """Return the values of all options in `WEIGHTS`, and `decisions`, which tell those that were given, by name."""
    return {name: getattr(config, name) for name in (*WEIGHTS, "decisions")}


def reweighted(config: ResolvedConfig, weights: Mapping[str, Any], spec: LossSpec) -> ResolvedConfig:
    """Return a configuration with new loss weights.

    A new weight of content or style ends the effect of a strength, unless a strength comes with it. What is new counts
    as given, even if its value is the one that was decided. A strength of None ends the effect of a strength, too: the
    weights of content and style stay, and count as given. None for any other option stands for its default.

    Args:
        config: the run.
        weights: new values of options in `WEIGHTS`, by name.
        spec: the terms of the loss that the run computes.

    Raises:
        UsageError: an option is not in `WEIGHTS`, has an invalid value, or needs a layer that the run does not compute.
    """
    unknown = sorted(set(weights) - set(WEIGHTS))
    if unknown:
        raise UsageError(f"set_weights: expected some of {', '.join(WEIGHTS)}, got {', '.join(unknown)}")
    if weights.keys() & {"content_weight", "style_weight"}:
        weights = {"strength": None, **weights}
    elif "strength" in weights and weights["strength"] is None:  # the usual one, unless there are weights
        weights = {"content_weight": config.content_weight, "style_weight": config.style_weight, **weights}
    left = {name: value for name, value in config.decisions if name not in weights}
    config = dataclasses.replace(config, **weights, decisions=tuple(left.items()))
    usual = {
        **usual_values(config.loss, config.strength),
        "style_loss_weights": tuple(config.style_statistics.values()),
    }
    values = {name: usual[name] for name, value in weights.items() if value is None and name in usual}
    if "tv_weight" in {*left, *values}:  # the default, which follows the strength
        values["tv_weight"] = left["tv_weight"] = usual["tv_weight"]
    config = dataclasses.replace(config, **values, decisions=tuple(left.items()))
    for term, new in zip(spec.terms, loss_spec(config).terms, strict=True):
        lacking = sorted(set(new.layers) - set(term.layers))
        if lacking:
            raise UsageError(
                f"set_weights: expected layers of the {term.name} loss among {', '.join(term.layers) or 'none'}, got "
                f"{', '.join(lacking)} as well; begin a new session to add them"
            )
    return config
