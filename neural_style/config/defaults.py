"""Defaults that depend on the loss, the optimizer or the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

PATIENCE = 20
"""Evaluations over which convergence is judged."""

BLENDED_CONTENT_LAYERS = ("relu4_2", "relu5_2")
"""The two layers that `content_weight_blend` blends."""

LEFT_TO_NETWORK: Mapping[str, Any] = {
    "initial_noiseblend": 0.0,
    "learning_rate": 10.0,
    "loss": "balanced",
    "preview_width": 0,
}
"""Options that a weights file may set if the user does not -> their values if neither does."""

MOST_NOISE = 0.5
"""Above this share of noise a start image shows no forms, and a run starts at a coarser scale, without a preview."""

STARTS = ("content", "recolored", "noise", "style_colors", "gray", "style")
"""Names that `Config.init` takes. Anything else is a picture."""

PHOTO_STARTS = ("content", "recolored")
"""Those that are the photo, so a run may begin with it at a coarser scale."""

FORMLESS_STARTS = ("noise", "style_colors", "gray")
"""Those that show no forms, so a run starts at a coarser scale, without a preview."""

STYLE_ROTATIONS = (0, 90, 180, 270)
"""Degrees by which a style picture can be turned without new pixels."""

ELSEWHERE = 60
"""Default `scale_iterations` but of L-BFGS in a run that begins with the photo."""

LEFT_TO_OPTIMIZER: Mapping[str, Mapping[str, Any]] = {
    "lbfgs": {"iterations": 300, "scale_iterations": 25, "variables": "frequencies"},
    "adam": {"iterations": 1000, "scale_iterations": ELSEWHERE, "variables": "pixels"},
    "scipy": {"iterations": 300, "scale_iterations": ELSEWHERE, "variables": "pixels"},
    "sgd": {"iterations": 1000, "scale_iterations": ELSEWHERE, "variables": "pixels"},
}
"""Optimizer -> default values of options that depend on it."""

SGD_RATE = 0.01
"""Default `learning_rate` of sgd, for gray levels: with it, both losses fall from 64 px on, where ten times as much can
make them rise. Larger pictures have smaller gradients, and allow rates that grow with the number of their pixels."""

STEPPING = ("adam", "sgd")
"""Optimizers that make a step after every evaluation: they have a learning rate, and can overwrite their image."""


class Quality(NamedTuple):
    """How long a run goes on, relative to a usual run."""

    iterations: float
    """Factor on the default `iterations`."""
    scale_iterations: float
    """Factor on the default `scale_iterations`."""
    tolerance: float
    """Factor on the default tolerance."""

    def length(self, iterations: int, name: str = "iterations") -> int:
        """Return a number of iterations, times the factor of an option by name."""
        return max(1, round(iterations * getattr(self, name)))


QUALITIES: Mapping[str, Quality] = {
    "sketch": Quality(iterations=0.04, scale_iterations=0.5, tolerance=2.5),
    "draft": Quality(iterations=0.5, scale_iterations=0.5, tolerance=2.5),
    "normal": Quality(iterations=1.0, scale_iterations=1.0, tolerance=1.0),
    "best": Quality(iterations=2.0, scale_iterations=2.0, tolerance=0.125),
}
"""Choice of `Config.quality` -> what it changes."""

TOLERANCES = {"balanced": 0.08, "athalye": 0.005}
"""Loss -> default `tolerance` of L-BFGS. The other optimizers use up their iterations by default."""

FAMILIES: Mapping[str, Mapping[str, Any]] = {
    "balanced": {
        "content_weight": 1.0,
        "content_loss": "relative",
        "style_weight": 60.0,
        "style_loss": ("gram", "mean_std", "wasserstein"),
        "style_loss_weights": (1.0, 2.0, 0.25),
        "style_loss_layers": ("all", "all", "block1+block2+block3"),
        "style_reduction": "relative",
        "tv_weight": 1e-4,
    },
    "athalye": {
        "content_weight": 5.0,
        "content_loss": "mean",
        "style_weight": 500.0,
        "style_loss": ("gram",),
        "style_loss_weights": (1.0,),
        "style_loss_layers": ("all",),
        "style_reduction": "mean",
        "tv_weight": 100.0,
    },
}
"""Loss -> defaults of the options that depend on it. Those of "athalye" are the ones of anishathalye/neural-style."""

UNITS: Mapping[str, float] = {"balanced": 2.0**20, "athalye": 1.0}
"""Loss -> factor on all its terms.

That of "balanced" makes gradients suit Adam's `eps`. A power of 2 adds no rounding.
"""

BALANCED_BLOCKS = {1: 0.52, 2: 0.29, 3: 0.13, 4: 0.05, 5: 0.01}
"""Block of the network -> default weight of a style layer in that block, for the loss "balanced". With a layer of each
block they add up to 1."""

LEAST_TILE = 64
"""Smallest side of a tile in pixels. Smaller tiles would consist mostly of the margin around them."""


def usual_values(loss: str, strength: float | None) -> dict[str, Any]:
    """Return the defaults of the options that depend on the loss. At a strength of 0, there is no total variation."""
    return {**FAMILIES[loss], **({"tv_weight": 0.0} if strength == 0 else {})}


def usual_tolerance(optimizer: str, loss: str, quality: str = "normal") -> float:
    """Return the default of `Config.tolerance` for an optimizer, a loss and a quality."""
    return TOLERANCES[loss] * QUALITIES[quality].tolerance if optimizer == "lbfgs" else 0.0


def usual_lengths(optimizer: str, quality: str, *, from_photo: bool) -> dict[str, int]:
    """Return the defaults of `iterations` and `scale_iterations`.

    A quality shortens `scale_iterations` in any case, but does not lengthen them in a run that begins with the photo.
    There, long small sizes take forms from the photo, such as faces, that the full size does not give back.

    Args:
        optimizer: as `Config.optimizer`.
        quality: as `Config.quality`.
        from_photo: whether the run begins with the photo at its coarsest size, without a preview.
    """
    iterations, elsewhere = (LEFT_TO_OPTIMIZER[optimizer][name] for name in ("iterations", "scale_iterations"))
    length, of_scale = QUALITIES[quality].length, "scale_iterations"
    return {
        "iterations": length(iterations),
        "scale_iterations": min(length(elsewhere, of_scale), elsewhere) if from_photo else length(ELSEWHERE, of_scale),
    }


def begins_with_photo(start: str, noise: float, preview_width: int) -> bool:
    """Return whether a run begins with the photo at its coarsest size, without a preview.

    Args:
        start: as `Config.start`.
        noise: as `Config.initial_noiseblend`.
        preview_width: as `Config.preview_width`.
    """
    return start in PHOTO_STARTS and noise <= MOST_NOISE and not preview_width


def by_family(name: str) -> str:
    """Return in words the defaults of an option that depends on the loss."""

    def shown(value: Any) -> str:
        if isinstance(value, tuple):
            return " ".join(map(shown, value))
        return value if isinstance(value, str) else format(value, "g")

    return f"By default {' or '.join(f'{shown(defaults[name])} ({loss})' for loss, defaults in FAMILIES.items())}."


FILM_SUFFIXES = (".mp4", ".gif", ".webp")
"""What the name of a film may end in."""
