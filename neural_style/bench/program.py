"""The parts of the program that are measured: every call into `networks`, `compute`, `optimizers` and `runs`.

The sections know of these parts only what is written here, so that a change of their interfaces ends here as well.
TensorFlow is imported inside the functions, so that a mistake in the flags is answered at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neural_style.config import byte_sizes
from neural_style.config.config import Config
from neural_style.errors import UsageError
from neural_style.networks.weights import sources
from neural_style.networks.weights.sources import VGGWeights as Network

if TYPE_CHECKING:
    from neural_style.compute.objective import Objective
    from neural_style.compute.planner import Plan
    from neural_style.compute.tiled_objective import TiledObjective
    from neural_style.optimizers.generators import Evaluation
    from neural_style.runs.inputs import Inputs

PRECISIONS = ("float32", "bfloat16", "float16")
"""What an evaluation can be computed in; not every machine computes in all of them."""


def load_network(config: Config) -> Network:
    """Load the weights that `config` names.

    Raises:
        WeightsError: they cannot be had or do not fit.
    """
    return sources.load(config.weights, config.layers)


def read_inputs(config: Config) -> Inputs:
    """Read the pictures of a run.

    Raises:
        ImageError: a picture cannot be read.
    """
    from neural_style.runs import inputs

    return inputs.read_inputs(config)


def resolve(config: Config, network: Network) -> Config:
    """Fill in the options that `config` leaves to the network and to the optimizer."""
    return config.settled(network.settings)


# --- device and precision ---------------------------------------------------------------------------------------------


def device_of(config: Config) -> str:
    """Return TensorFlow's name of the device that a run of `config` uses, such as "GPU:0"."""
    from neural_style.runs import engine

    return engine.device_name(config.device)


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


def whole_objective(
    config: Config, network: Network, content: np.ndarray, styles: Sequence[np.ndarray], precision: str = "float32"
) -> Objective:
    """Build the objective of a picture computed as a whole.

    Args:
        config: resolved.
        network: its weights.
        content: float32 (height, width, 3) in 0-255; the image has its size.
        styles: float32 (height, width, 3) in 0-255 each.
        precision: one of `PRECISIONS`.
    """
    from neural_style.compute.objective import LossGraph, Objective

    return Objective(LossGraph(config, network, precision), content, list(styles))


def tiled_objective(
    config: Config, network: Network, content: np.ndarray, styles: Sequence[np.ndarray], tile_size: int
) -> TiledObjective:
    """Build the objective of a picture computed in tiles, in float32; arguments as for `whole_objective`."""
    from neural_style.compute.objective import LossGraph
    from neural_style.compute.tiled_objective import TiledObjective, TileGraph

    graph = TileGraph(LossGraph(config, network))
    return TiledObjective(graph, content, graph.style_targets(list(styles), tile_size), tile_size, True)


def evaluate(objective: Objective | TiledObjective, image: Any) -> tuple[Any, Any]:
    """Return losses and gradient of an image, and wait until a GPU has computed them."""
    losses, gradient = objective.value_and_grad(image)
    float(losses.total)
    np.asarray(gradient[0, 0, 0, 0])
    return losses, gradient


# --- runs -------------------------------------------------------------------------------------------------------------


def optimizer_run(
    config: Config, network: Network, value_and_grad: Callable[[Any], Any], start: Any, precision: str, width: int
) -> Generator[Evaluation]:
    """Start the optimizer of `config`, of a picture of width × width pixels, and yield its evaluations."""
    from neural_style.compute.planner import Planner
    from neural_style.compute.precision import LOSS_NOISE
    from neural_style.runs import engine

    config = resolve(config, network)
    plan = Planner(config, precision).whole(width, width)
    return engine.minimize(config, plan, value_and_grad, start, 10**6, LOSS_NOISE[precision])


def run_evaluations(config: Config, inputs: Inputs, network: Network) -> Generator[tuple[Evaluation, bool]]:
    """Yield every evaluation of a run, and whether it has the lowest loss so far at its scale."""
    from neural_style.runs import engine

    with contextlib.closing(engine.evaluations(config, inputs, network, precision_of(config))) as evaluations:
        for _, evaluation, is_best in evaluations:
            yield evaluation, is_best


def plan(config: Config, precision: str, width: int, memory_size: str) -> Plan:
    """Choose how to compute a picture of width × width with so much memory, such as "3GB"."""
    from neural_style.compute.planner import Planner

    return Planner(config, precision).choose(width, width, byte_sizes.parse(memory_size) or 0)


def write_picture(path: Path, image: Any, mean: np.ndarray) -> None:
    """Write an image, float32 (1, height, width, 3) less the network's mean pixel, as a PNG; replace a file there."""
    from neural_style.compute.objective import decode
    from neural_style.images import pictures

    pictures.write_image(path, pictures.to_uint8(decode(image, mean)), settings={}, overwrite=True)
