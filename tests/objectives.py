"""Objectives of small pictures on a network of random filters. Tests share its traced graphs: tracing takes longest."""

import functools

import numpy as np
import pytest
import reference
import tensorflow as tf

from neural_style.compute import precision
from neural_style.compute.graph_cache import Graphs
from neural_style.compute.loss_graph import LossGraph
from neural_style.compute.loss_weights import loss_spec
from neural_style.compute.objective import WholeObjective
from neural_style.compute.style_targets import style_targets
from neural_style.compute.tile_graph import TileGraph, go_on
from neural_style.compute.tiled_objective import TiledObjective
from neural_style.config.config import Config
from neural_style.config.resolve import resolve
from neural_style.errors import UsageError
from neural_style.networks.vgg19 import Network

GRAM = {"style_loss": ("gram",)}
"""Gram matrices alone, whatever the family of the loss."""

TWO = {"style_loss": ("gram", "mean_std"), "style_loss_weights": (1.0, 2.0)}
"""The statistics of the balanced loss but the Wasserstein distance."""

SHALLOW = {"content_layers": ("relu1_2",), "style_layers": ("relu1_1", "relu2_1")}
"""Settings under which little of the network is computed."""


def picture(height, width, seed):
    """Coarse blobs under fine noise, each with colors of its own: float32 RGB of 0-255."""
    rng = np.random.default_rng(seed)
    blobs = np.kron(rng.uniform(0, 255, (-(-height // 8), -(-width // 8), 3)), np.ones((8, 8, 1)))
    return np.clip(blobs[:height, :width] + rng.normal(0, 20, (height, width, 3)), 0, 255).astype(np.float32)


def noise(height, width, seed):
    """White noise: float32 RGB of 0-255."""
    return np.random.default_rng(seed).uniform(0, 255, (height, width, 3)).astype(np.float32)


def image_of(picture):
    """The image of a picture for the network of random filters, as an array: float32 (1, height, width, 3)."""
    return (picture - reference.random_weights().mean)[np.newaxis].astype(np.float32)


def resolved(styles=1, **settings):
    """A resolved configuration with some styles and settings.

    Unless they name a style loss, or another loss than the balanced one, it has Gram matrices, means and deviations
    alone: those are exact to 1e-5. The Wasserstein distance, which the default has as well, has tests of its own.
    """
    if "style_loss" not in settings and settings.get("loss", "balanced") == "balanced":
        settings = {**TWO, **settings}
    return resolve(Config("content", ["style"] * styles, **settings), {})


def build_network(config, kind="float32", weights=None):
    """The network of a configuration, with random filters or other weights."""
    weights = weights or reference.random_weights()
    return Network.build(weights, config.layers, config.variant, kind)


def build_graphs(config, kind="float32", weights=None, spec=None):
    """New graphs of a configuration."""
    graph = LossGraph(build_network(config, kind, weights), spec or loss_spec(config))
    return Graphs(graph, TileGraph(graph), "a test's")


def graphs_of(config, kind="float32", regions=0):
    """Graphs of a configuration, shared with all tests of the same layers."""
    return _graphs(loss_spec(config, regions), config.variant, kind, _Hidden(config))


class _Hidden:
    """Something that is not looked at where keys are compared."""

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0


@functools.lru_cache(maxsize=12)
def _graphs(spec, variant, kind, config):
    return build_graphs(config.value, kind, spec=spec)


def whole_of(config, content, styles, kind="float32", graphs=None):
    """The objective of pictures as a whole."""
    graphs = graphs or graphs_of(config, kind)
    return WholeObjective(graphs.whole, config, content, style_targets(graphs, styles))


def tiled_of(config, content, styles, tile_size, keep=True, kind="float32", graphs=None, check=go_on):
    """The objective of pictures in tiles."""
    graphs = graphs or graphs_of(config, kind)
    targets = style_targets(graphs, styles, tile_size)
    return TiledObjective(graphs.tiled, config, content, targets, tile_size, keep, check)


def values(terms):
    """Losses by name, the total among them, as numbers."""
    return {name: float(value) for name, value in {**terms.by_name, "total": terms.total}.items()}


def relative_error(ours, expected):
    """Norm of the difference as a share."""
    ours, expected = (np.asarray(each, np.float64) for each in (ours, expected))
    return float(np.linalg.norm(ours - expected) / np.linalg.norm(expected))


def cosine(ours, other):
    """Cosine of the angle between two gradients."""
    return float(tf.reduce_sum(ours * other) / tf.norm(ours) / tf.norm(other))


def traces(*functions):
    """How often each function was traced."""
    return [function.experimental_get_tracing_count() for function in functions]


def skip_unless_computed(kind):
    """Skip a test on machines that do not compute in a type."""
    try:
        precision.choose(kind, "CPU:0")
    except UsageError:
        pytest.skip(f"this machine does not compute in {kind}")
