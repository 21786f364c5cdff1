"""Resolve a configuration: fill in the options that the network or the optimizer decides."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from neural_style.config.config import Config
from neural_style.config.defaults import LEFT_TO_NETWORK, LEFT_TO_OPTIMIZER, usual_tolerance


@dataclasses.dataclass(frozen=True, eq=False)
class ResolvedConfig(Config):
    """A configuration in which every option that affects a run has a value.

    `resolve` makes it. Used as a `Config`, it repeats the run.
    """

    decided: frozenset[str] = frozenset()
    """Names of the options that were not given, and were decided by the network or the optimizer."""

    # never None here
    loss: Literal["balanced", "athalye"] = LEFT_TO_NETWORK["loss"]
    iterations: int = 0
    tolerance: float = 0.0
    learning_rate: float = 0.0
    initial_noiseblend: float = 0.0
    preview_width: int = 0

    def tolerance_of(self, optimizer: str) -> float:
        """Return the tolerance for an optimizer, which may differ from the one asked for."""
        return usual_tolerance(optimizer, self.loss) if "tolerance" in self.decided else self.tolerance


def resolve(config: Config, settings: Mapping[str, Any] | None = None) -> ResolvedConfig:
    """Give every option a value.

    Args:
        config: what was asked for.
        settings: values that suit the network, `VGGWeights.settings`; options that were given take precedence.
    """
    values = {**LEFT_TO_NETWORK, **(settings or {}), **LEFT_TO_OPTIMIZER[config.optimizer]}
    if config.initial is not None:
        values["initial_noiseblend"] = 0.0
    values["tolerance"] = usual_tolerance(config.optimizer, config.loss or values["loss"])
    given = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    decided = {name for name in values if given[name] is None} | given.pop("decided", frozenset())
    return ResolvedConfig(
        **given | {name: values[name] for name in decided & values.keys() if given[name] is None},
        decided=frozenset(decided),
    )
