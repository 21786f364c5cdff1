"""Resolve a configuration: fill in the options that the network, the loss or the optimizer decides."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from neural_style.config import strength
from neural_style.config.config import Config
from neural_style.config.defaults import (
    LEFT_TO_NETWORK,
    LEFT_TO_OPTIMIZER,
    SGD_RATE,
    begins_with_photo,
    usual_lengths,
    usual_tolerance,
    usual_values,
)


@dataclasses.dataclass(frozen=True, eq=False)
class ResolvedConfig(Config):
    """A configuration in which every option that affects a run has a value.

    `resolve` makes it. Used as a `Config`, it repeats the run.
    """

    decisions: tuple[tuple[str, Any], ...] = ()
    """Options that were not given, by name, with what the network or other options decided."""
    settings: tuple[tuple[str, Any], ...] = tuple(LEFT_TO_NETWORK.items())
    """Values of the options in `LEFT_TO_NETWORK` that suit the network, by name."""
    chosen: tuple[tuple[str, str], ...] = ()
    """`device`, and `precision` and `memory` where they were chosen for it, by name; see `on_device`."""

    # never None here
    loss: Literal["balanced", "athalye"] = LEFT_TO_NETWORK["loss"]
    content_weight: float = 0.0
    content_loss: Literal["mean", "half_sum", "sum", "relative"] = "mean"
    style_weight: float = 0.0
    style_loss: tuple[Literal["gram", "mean_std", "wasserstein", "covariance"], ...] = ()
    style_loss_weights: tuple[float, ...] = ()
    style_loss_layers: tuple[str, ...] = ()
    style_reduction: Literal["mean", "sum", "relative"] = "mean"
    tv_weight: float = 0.0
    style_fit: Literal["width", "longest", "stretch", "original"] = "width"
    variables: Literal["pixels", "frequencies"] = "pixels"
    iterations: int = 0
    scale_iterations: int = 0
    tolerance: float = 0.0
    learning_rate: float = 0.0
    initial_noiseblend: float = 0.0
    preview_width: int = 0

    def __post_init__(self) -> None:
        """Check the options. What was chosen for another device is left to be chosen again."""
        super().__post_init__()
        chosen = dict(self.chosen)
        if chosen.pop("device", self.device) != self.device:
            for name, value in chosen.items():
                if getattr(self, name) == value:
                    object.__setattr__(self, name, "auto")
            object.__setattr__(self, "chosen", ())

    @property
    def usual_start(self) -> str:
        """Kind of the start image if `init` is None: the photo. Another start was decided when it was resolved."""
        return "content"

    def on_device(self, *, precision: str, memory: str) -> ResolvedConfig:
        """Return the configuration with the precision and the memory of a run, as texts that the options take.

        The same device keeps both, so that the run can be repeated. With another `device`, each that was "auto" is so
        again.
        """
        found: Any = {"precision": precision, "memory": memory}
        left_open = {name: value for name, value in found.items() if getattr(self, name) == "auto"}
        chosen = {**dict(self.chosen), "device": self.device, **left_open}
        return dataclasses.replace(self, **found, chosen=tuple(chosen.items()))

    @property
    def decided(self) -> frozenset[str]:
        """Names of the options that still have the value that was decided. Another value counts as given."""
        return frozenset(name for name, value in self.decisions if getattr(self, name) == value)

    def tolerance_of(self, optimizer: str) -> float:
        """Return the tolerance for an optimizer, which may differ from the one asked for."""
        return usual_tolerance(optimizer, self.loss, self.quality) if "tolerance" in self.decided else self.tolerance

    def rates_of(self, optimizer: str) -> tuple[float, float]:
        """Return `learning_rate` and `eps` for images in gray levels, for an optimizer of `STEPPING`.

        With `pixel_range` R, both are meant for u = x · R / 255, by which gradients are 255 / R times as large. So
        Adam's step of α is one of α · 255 / R in x, and ε, which compares with gradients, becomes ε · R / 255. A step
        α ∂L/∂u of gradient descent is one of α · (255 / R)² · ∂L/∂x in x.
        """
        levels = 255 / self.pixel_range
        return self.learning_rate * levels ** (2 if optimizer == "sgd" else 1), self.eps / levels


def resolve(config: Config, settings: Mapping[str, Any] | None = None) -> ResolvedConfig:
    """Give every option a value.

    Args:
        config: what was asked for. Of a resolved one, what was decided is decided anew, so it follows options that have
            changed since.
        settings: values that suit the network, `VGGWeights.settings`; options that were given take precedence. None for
            those that a resolved configuration was resolved with, or the usual ones.
    """
    before = config if isinstance(config, ResolvedConfig) else None
    if settings is None and before is not None:
        settings = dict(before.settings)
    settings = {**LEFT_TO_NETWORK, **(settings or {})}
    given = {field.name: config.asked(field.name) for field in dataclasses.fields(Config)}
    plain = Config(**given)
    values: dict[str, Any] = {**settings, **LEFT_TO_OPTIMIZER[config.optimizer], "style_fit": plain.usual_fit}
    loss = given["loss"] or values["loss"]
    is_open = plain.init is plain.initial is None
    if not is_open or plain.start != "content":
        values["initial_noiseblend"] = 1.0 if plain.start == "noise" else 0.0
    if is_open and plain.start != "content":
        values["init"] = plain.start
    share, preview_width = (
        values[name] if given[name] is None else given[name] for name in ("initial_noiseblend", "preview_width")
    )
    from_photo = begins_with_photo(plain.start, share, preview_width if config.scales != "1" else 0)
    values |= {
        **usual_lengths(config.optimizer, config.quality, from_photo=from_photo),
        **usual_values(loss, given["strength"]),
        "tolerance": usual_tolerance(config.optimizer, loss, config.quality),
    }
    units = config.pixel_range / 255  # as `rates_of` undoes them
    values["learning_rate"] = SGD_RATE * units**2 if config.optimizer == "sgd" else values["learning_rate"] * units
    if config.iterations_by_scale is not None:
        values["scale_iterations"], values["iterations"] = config.iterations_by_scale[0], config.iterations_by_scale[-1]
    if given["style_loss"] is not None:
        count = len(given["style_loss"])
        values |= {"style_loss_weights": (1.0,) * count, "style_loss_layers": ("all",) * count}
    has_weights = given["content_weight"] is not None or given["style_weight"] is not None
    if given["strength"] is None and loss == "balanced" and not has_weights and config.content is not None:
        values["strength"] = strength.USUAL
    decided = {name: value for name, value in values.items() if given[name] is None}
    kept = {"decisions": tuple(decided.items()), "settings": tuple(settings.items())}
    if before is not None:
        kept["chosen"] = before.chosen
    return ResolvedConfig(**given | decided | kept)
