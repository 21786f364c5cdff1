# ruff: noqa: E402
"""Renders often in a process of its own, and notes what it traces, what memory it takes, and how a run fails.

Arguments: a file for the notes, as JSON. Nothing is printed, unless the library does.
"""

import json
import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
standard_error = os.dup(2)
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # TensorFlow greets when it is imported and when it starts

import keras  # noqa: F401
import numpy as np
import psutil
import tensorflow as tf

tf.constant(1) + 1
os.dup2(standard_error, 2)

from neural_style import Config, DivergenceError, render
from neural_style.compute import graph_cache

traced = []
begin_graph = tf.Graph.__init__


def counted(graph, *arguments, **settings):
    traced.append(graph)
    begin_graph(graph, *arguments, **settings)


SHALLOW = {"content_layers": ("relu1_2",), "style_layers": ("relu1_1", "relu2_1")}
DEEP = {"content_layers": ("relu1_1",), "style_layers": ("relu4_1",), "iterations": 1}
"""Their network takes 14 MB in float32."""


def picture(width, height, seed):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def one(width, height, number=0, styles=1, **settings):
    """Render a picture of that size; its styles have others."""
    content, others = (
        picture(width, height, number),
        [picture(height + n, width, number + n) for n in range(1, styles + 1)],
    )
    shared = {"weights": "builtin", "device": "cpu", "precision": "float32", "style_loss": ("gram",)}
    given = {**shared, "iterations": 3, **settings}
    image = render(Config(content, others, **given))
    assert image.shape == (height, width, 3)


def runs():
    """How often what was traced, in runs that are all different, after one of each optimizer and one in tiles."""
    one(64, 48, **SHALLOW)
    one(64, 48, optimizer="adam", **SHALLOW)
    one(80, 64, optimizer="adam", tile_size=64, scales=1, **SHALLOW)
    before = len(traced)
    one(48, 64, 1, **SHALLOW)
    one(96, 70, 2, styles=2, optimizer="adam", **SHALLOW)
    one(71, 96, 3, optimizer="scipy", initial_noiseblend=1, **SHALLOW)
    one(96, 96, 4, styles=3, style_weight=2.0, tv_width=300, loss="balanced", **SHALLOW)
    one(49, 95, 5, scales=1, style_scales=(1.5,), seed=5, preserve_colors=True, bit_depth=8, **SHALLOW)
    one(70, 90, 6, optimizer="adam", tile_size=64, scales=1, tv_weight=0.0, **SHALLOW)
    return [before, len(traced) - before]


def memory_of(count, settings_of):
    """Resident megabytes after each of some renders."""
    process, taken = psutil.Process(), []
    for number in range(count):
        one(48 + 16 * (number % 2), 64 - 16 * (number % 2), number, scales=1, **settings_of(number))
        taken.append(process.memory_info().rss / 1e6)
    return taken


def failure():
    """The name of the error of a run whose first step is far too long."""
    try:
        one(48, 48, optimizer="adam", learning_rate=1e30, **SHALLOW)
    except DivergenceError as error:
        return type(error).__name__
    return None


CONFIGURATIONS = (
    {**DEEP},
    {**DEEP, "pooling": "avg", "loss": "balanced"},
    {**DEEP, "style_layers": ("relu2_1", "relu4_1"), "pool_rounding": "down", "optimizer": "adam"},
)
"""More than are kept, so that each is traced anew whenever it comes."""

if __name__ == "__main__":
    tf.Graph.__init__ = counted
    notes = {"runs": runs()}
    tf.Graph.__init__ = begin_graph
    traced.clear()
    notes["same"] = memory_of(9, lambda number: {**DEEP, "optimizer": ("lbfgs", "adam", "scipy")[number % 3]})
    notes["different"] = memory_of(10, lambda number: CONFIGURATIONS[number % len(CONFIGURATIONS)])
    notes["kept"] = len(graph_cache._cached)
    notes["failure"] = failure()
    Path(sys.argv[1]).write_text(json.dumps(notes))
