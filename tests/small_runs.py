"""Small runs: their settings, and a look at all that they evaluate."""

import re
from types import SimpleNamespace

import numpy as np
import tensorflow as tf

from neural_style.compute.objective import WholeObjective
from neural_style.compute.tiled_objective import TiledObjective
from neural_style.config.config import Config

SHALLOW = {"content_layers": ("relu1_1",), "style_layers": ("conv1_1", "relu1_1")}
"""Layers of the first convolution, which cost little. Runs with these share one traced network.

Deeper layers, and pooling between them, are tested where the losses of whole and of tiled pictures are."""

POOLED = {"content_layers": ("relu1_2",), "style_layers": ("relu1_1", "relu2_1")}
"""Layers around the first pooling, for runs that must not find a low loss at once."""

SMALL = {
    "weights": "builtin",
    "device": "cpu",
    "precision": "float32",
    "loss": "balanced",
    "style_loss": ("gram",),  # as traced for the loss "athalye"
    "min_scale": 48,
    "learning_rate": 10.0,
    "preview_width": 0,
    "optimizer": "adam",
    "scales": 1,
    "tolerance": 0,
    "iterations": 4,
    **SHALLOW,
}

OPTIMIZERS = ("adam", "lbfgs", "scipy")

TWO_SCALES = {"width": 128, "scales": 2, "iterations": 5, "scale_iterations": 3}
"""64×48 px with 3 iterations, then 128×96 with 5, of a picture of 4 by 3."""

IN_PLACE = {"width": 100, "tile_size": 64, "iterations": 6, "learning_rate": 3}
"""100×75 px in tiles, by Adam, which overwrites its image."""

EXHAUSTED = tf.errors.ResourceExhaustedError(None, None, "OOM")

WIDE = np.kron(np.random.default_rng(5).integers(0, 256, (5, 25, 3)), np.ones((8, 8, 1))).astype(np.uint8)
LARGE = {"content": WIDE, "iterations": 6, "learning_rate": 3}
"""200×40 px, larger than tiles of 192 and 128 px."""


def smooth(width, height, seed=0):
    """A colorful picture, uint8 (height, width, 3)."""
    coarse = np.random.default_rng(seed).uniform(0, 255, (4, 5, 3)).astype(np.float32)
    return tf.image.resize(coarse, (height, width), "bicubic").numpy().clip(0, 255).astype(np.uint8)


def small_config(content, styles, **changes):
    """Settings of a small run."""
    return Config(content, styles, **{**SMALL, **changes})


def totals(steps):
    return [step.losses["total"] for step in steps]


def are_best(losses):
    """Whether each of these losses is lower than all before it."""
    lowest = np.minimum.accumulate(losses)
    return [True, *(lowest[1:] < lowest[:-1])]


def shown(image, mean):
    """The picture of an image at the size of the result."""
    return np.clip(np.rint(np.asarray(image)[0] + mean), 0, 255)


def assert_same(steps, expected):
    """To the bit."""
    assert [step.iteration for step in steps] == [step.iteration for step in expected]
    for step, other in zip(steps, expected, strict=True):
        assert step.losses == other.losses
        assert (step.scale, step.best) == (other.scale, other.best)
        np.testing.assert_array_equal(step.image, other.image)


def assert_alike(steps, expected):
    """But for rounding, which the steps of an optimizer enlarge."""
    assert [(step.iteration, step.scale) for step in steps] == [(step.iteration, step.scale) for step in expected]
    for step, other in zip(steps, expected, strict=True):
        assert step.losses == {name: approx(value) for name, value in other.losses.items()}
    assert [step.best for step in steps] == are_best(totals(steps))


def approx(value):
    import pytest

    return pytest.approx(value, rel=1e-3)


def numbers_in(text, before):
    """The numbers that follow some words."""
    return [int(number) for number in re.findall(rf"{before} (\d+)", text)]


class Evaluations(list):
    """All evaluations since it was made or cleared: `shape`, `tile_size` (None for the whole) and a copy of `image`.

    `change(evaluation, terms, gradient)` may raise, or return others. `evaluation.call` counts all evaluations and
    `evaluation.of_size` those of images of its size, from 0 on.
    """

    def __init__(self, monkeypatch):
        super().__init__()
        self.change = lambda evaluation, terms, gradient: (terms, gradient)
        for kind in (WholeObjective, TiledObjective):
            monkeypatch.setattr(kind, "value_and_grad", self._watched(kind.value_and_grad))

    def _watched(self, real):
        def value_and_grad(objective, image):
            of_size = sum(before.shape == objective.shape for before in self)
            tile_size = getattr(objective, "tile_size", None)
            facts = {"call": len(self), "of_size": of_size, "shape": objective.shape, "tile_size": tile_size}
            self.append(SimpleNamespace(**facts, image=np.array(image)))
            return self.change(self[-1], *real(objective, image))

        return value_and_grad

    @property
    def tile_sizes(self):
        return [evaluation.tile_size for evaluation in self]

    @property
    def images(self):
        return [evaluation.image for evaluation in self]

    def at(self, width):
        """The images that are so wide."""
        return [evaluation.image for evaluation in self if evaluation.shape[2] == width]

    def spoil(self, *calls, place="total", value=np.nan, by="of_size"):
        """Make some evaluations not finite."""

        def change(evaluation, terms, gradient):
            if getattr(evaluation, by) not in calls:
                return terms, gradient
            if place == "total":
                return terms._replace(total=tf.constant(value, tf.float32)), gradient
            spoiled = np.array(gradient)
            spoiled[0, 1, 2, 0] = value
            return terms, spoiled if isinstance(gradient, np.ndarray) else tf.constant(spoiled)

        self.change = change

    def fail(self, error, when):
        """Raise an error in the evaluations for which `when` is true, given call and tile size."""

        def change(evaluation, terms, gradient):
            if when(evaluation.call, evaluation.tile_size):
                raise error
            return terms, gradient

        self.change = change
