"""The parts of the program that are measured: every call into `networks`, `compute`, `optimizers` and `runs`.

The sections know of these parts only what is written here, so that a change of their interfaces ends here as well.
TensorFlow is imported inside the functions, so that a mistake in the flags is answered at once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neural_style.config import byte_sizes
from neural_style.config import resolve as resolving
from neural_style.config.config import Config
from neural_style.config.resolve import ResolvedConfig
from neural_style.errors import UsageError
from neural_style.networks import weights
from neural_style.networks.weights import VGGWeights as Network

if TYPE_CHECKING:
    from neural_style.compute.graph_cache import Graphs
    from neural_style.compute.objective import Objective, WholeObjective
    from neural_style.compute.planner import Plan
    from neural_style.runs.descent import Evaluation
    from neural_style.runs.inputs import Inputs

PRECISIONS = ("float32", "bfloat16", "float16")
"""What an evaluation can be computed in; not every machine computes in all of them."""


def load_network(config: Config) -> Network:
    """Load the weights that `config` names.

    Raises:
        WeightsError: they cannot be had or do not fit.
    """
    return weights.load(config.weights, config.layers)


def read_inputs(config: Config) -> Inputs:
    """Read the pictures of a run.

    Raises:
        ImageError: a picture cannot be read.
    """
    from neural_style.runs import inputs

    return inputs.read_inputs(config)


def resolve(config: Config, network: Network) -> ResolvedConfig:
    """Fill in the options that `config` leaves to the network and to the optimizer."""
    return resolving.resolve(config, network.settings)


# --- device and precision ---------------------------------------------------------------------------------------------


def device_of(config: Config) -> str:
    """Return TensorFlow's name of the device that a run of `config` uses, such as "GPU:0"."""
    from neural_style.compute.device import device_name

    return device_name(config.device)


def precision_of(config: Config) -> str:
    """Return what a run of `config` computes in: one of `PRECISIONS`."""
    from neural_style.compute import precision

    return precision.choose(config.precision, device_of(config)).precision


def available_precisions(config: Config) -> list[str]:
    """Return those of `PRECISIONS` that this machine computes in."""
    from neural_style.compute import precision

    available = []
    for name in PRECISIONS:
        try:
            precision.choose(name, device_of(config))
        except UsageError:
            continue
        available.append(name)
    return available


# --- evaluations ------------------------------------------------------------------------------------------------------


def objective(
    config: ResolvedConfig,
    network: Network,
    content: np.ndarray,
    styles: Sequence[np.ndarray],
    precision: str = "float32",
    tile_size: int | None = None,
) -> Objective:
    """Build the objective of a run.

    Args:
        config: the loss.
        network: its weights.
        content: float32 (height, width, 3) in 0-255; the image has its size.
        styles: float32 (height, width, 3) in 0-255 each.
        precision: one of `PRECISIONS`.
        tile_size: side of the tiles in pixels; None for the picture as a whole.
    """
    from neural_style.compute.halving import reductions
    from neural_style.compute.multiscale_objective import objectives_of, together
    from neural_style.compute.style_targets import style_targets

    graphs = _graphs(config, network, precision)
    of_styles = [reductions(style, config.loss_scales) for style in styles]
    targets = [style_targets(graphs, of_size, tile_size) for of_size in zip(*of_styles, strict=True)]
    return together(objectives_of(graphs, config, content, targets, tile_size))


def whole_objective(
    config: ResolvedConfig, network: Network, content: np.ndarray, styles: Sequence[np.ndarray]
) -> WholeObjective:
    """Build the objective of a whole picture at one size, which also gives losses without a gradient.

    The arguments are those of `objective`.
    """
    from neural_style.compute.objective import WholeObjective

    made = objective(config, network, content, styles)
    assert isinstance(made, WholeObjective)
    return made


def _graphs(config: ResolvedConfig, network: Network, precision: str) -> Graphs:
    from neural_style.runs.stylizer import Stylizer

    return Stylizer(device=config.device, precision=precision).graphs(config, network)


def encode(objective: Objective, picture: np.ndarray) -> Any:
    """Return the image of a picture, float32 (height, width, 3) in 0-255."""
    from neural_style.compute import objective as objectives

    return objectives.encode(picture, objective.mean)


def decode(objective: Objective, image: Any) -> np.ndarray:
    """Return the picture of an image: float32 (height, width, 3) in 0-255, not yet clipped."""
    from neural_style.compute import objective as objectives

    return objectives.decode(image, objective.mean)


def evaluate(objective: Objective, image: Any) -> tuple[Any, Any]:
    """Return losses and gradient of an image, and wait until a GPU has computed them."""
    losses, gradient = objective.value_and_grad(image)
    float(losses.total)
    np.asarray(gradient[0, 0, 0, 0])
    return losses, gradient


def forget_graphs() -> None:
    """Let the next run trace its losses again."""
    from neural_style.compute import graph_cache

    graph_cache.clear()


# --- runs -------------------------------------------------------------------------------------------------------------


def optimizer_run(
    config: ResolvedConfig,
    value_and_grad: Callable[[Any], Any],
    start: Any,
    precision: str,
    mean: np.ndarray,
) -> Generator[Any]:
    """Start the optimizer of `config` from an image (1, height, width, 3), and yield its evaluations.

    What they call images are the variables that it changes.
    """
    from neural_style.compute.planner import Planner
    from neural_style.compute.precision import LOSS_NOISE
    from neural_style.optimizers.base import minimize
    from neural_style.runs.descent import optimizer_of, variables_at

    plan = Planner(config, precision).whole(start.shape[2], start.shape[1])
    optimizer = optimizer_of(plan, config, LOSS_NOISE[precision], 1.0, False, mean)
    variables = variables_at(start, config, optimizer, in_place=False)

    def evaluate(values: Any) -> tuple[Any, Any]:
        terms, gradient = value_and_grad(variables.image(values))
        return terms, variables.gradient(gradient)

    return minimize(optimizer, evaluate, variables.start, 10**6)


def run_evaluations(config: Config, inputs: Inputs, network: Network) -> Generator[Evaluation]:
    """Yield every evaluation of a run."""
    from neural_style.runs.stylizer import Stylizer

    with Stylizer.of(config).session(config, inputs, network) as session:
        while (evaluation := session.evaluate()) is not None:
            yield evaluation


def plan(config: ResolvedConfig, precision: str, width: int, memory_size: str) -> Plan:
    """Choose how to compute a picture of width × width with so much memory, such as "3GB"."""
    from neural_style.compute.planner import Planner

    return Planner(config, precision).choose(width, width, byte_sizes.parse(memory_size) or 0)


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write a picture, uint8 (height, width, 3), as a PNG; replace a file there."""
    from neural_style.images.writing import write_image

    write_image(path, picture, settings={}, overwrite=True)
