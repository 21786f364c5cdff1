"""Seamless textures: opposite edges of the picture are neighbors, whole and in tiles."""

import dataclasses

import numpy as np
import objectives
import pytest
import tensorflow as tf
from objectives import image_of, noise, relative_error, values

from neural_style.compute.multiscale_objective import objectives_of, together
from neural_style.compute.style_targets import style_targets
from neural_style.config.config import Config
from neural_style.config.resolve import resolve
from neural_style.images.picture import blank
from neural_style.losses.variation import PixelCounts
from neural_style.networks.vgg19 import wrapped

SHALLOW = {"style_layers": ("relu1_1", "relu2_1")}
BOTH_PARTS = {"style_layers": ("relu2_1", "relu4_1")}

pytestmark = pytest.mark.usefixtures("full_precision")


def config_of(width, height, **settings):
    settings = {**objectives.TWO, "seamless": True, **settings}
    return resolve(Config(None, ["style"], size=(width, height), **settings), {})


def targets_of(config, sizes=1):
    plain = objectives.graphs_of(dataclasses.replace(config, seamless=False, tv_loss="squared"))
    styles = [objectives.picture(64 // 2**size, 80 // 2**size, 2) for size in range(sizes)]
    return [style_targets(plain, [style]) for style in styles]


def objective_of(config, tile_size=None, kind="float32"):
    content = blank(*config.texture_size).rgb
    graphs = objectives.graphs_of(config, kind)
    return together(objectives_of(graphs, config, content, targets_of(config, config.loss_scales), tile_size))


def image(config, seed=0):
    width, height = config.texture_size
    return image_of(noise(height, width, seed))


def evaluated(config, at, tile_size=None):
    terms, gradient = objective_of(config, tile_size).value_and_grad(at if tile_size else tf.constant(at))
    return values(terms), np.asarray(gradient)


def test_a_wrapped_map_has_the_opposite_edges_around_it():
    maps = np.arange(2 * 3 * 4, dtype=np.float32).reshape(1, 2, 3, 4)
    np.testing.assert_array_equal(wrapped(tf.constant(maps)), np.pad(maps, [(0, 0), (1, 1), (1, 1), (0, 0)], "wrap"))


def test_features_are_those_of_the_middle_of_many_copies():
    config = config_of(48, 32, style_layers=("relu5_1",))
    once = image(config)
    copies = np.tile(once, (1, 9, 7, 1))  # 128 px around the middle: more than the reach of relu5_1
    plain = objectives.graphs_of(dataclasses.replace(config, seamless=False)).whole.network.features(copies)
    for layer, found in objectives.graphs_of(config).whole.network.features(tf.constant(once)).items():
        _, rows, columns, _ = found.shape
        expected = plain[layer][:, 4 * rows : 5 * rows, 3 * columns : 4 * columns]
        assert relative_error(found, expected) < 1e-5, layer


@pytest.mark.parametrize("tv_loss", ["squared", "squared_sum", "absolute", "power", "nine_point"])
def test_total_variation_wraps(tv_loss):
    """Compared with differences by `np.roll`; a step at the seam counts like any other."""
    config = config_of(48, 32, tv_loss=tv_loss, tv_weight=2, style_layers=("relu1_1",))
    pixels = image(config).astype(np.float64)[0]
    below, beside = (np.roll(pixels, -1, axis) - pixels for axis in (0, 1))
    diagonals = [np.roll(pixels, (-1, shift), (0, 1)) - pixels for shift in (-1, 1)]
    expected = {
        "squared": np.mean(below**2) + np.mean(beside**2),
        "squared_sum": np.sum(below**2) + np.sum(beside**2),
        "absolute": np.sum(np.abs(below)) + np.sum(np.abs(beside)),
        "power": np.sum((below**2 + beside**2) ** 1.25),
        "nine_point": 2 * (np.mean(below**2 + beside**2) / 3 + sum(np.mean(each**2) for each in diagonals) / 12),
    }[tv_loss]
    whole, _ = evaluated(config, image(config))
    tiled, _ = evaluated(config, image(config), tile_size=16)
    assert whole["tv"] == pytest.approx(2 * 2**20 * expected, rel=1e-5)
    assert tiled["tv"] == pytest.approx(whole["tv"], rel=1e-5)


@pytest.mark.parametrize("shift", [(16, 0), (0, 16), (32, 48)])
def test_losses_do_not_depend_on_where_the_picture_begins(shift):
    config = config_of(80, 64, **BOTH_PARTS, tv_weight=1)
    at = image(config)
    losses, gradient = evaluated(config, at)
    moved, of_moved = evaluated(config, np.roll(at, shift, (1, 2)))
    assert moved == pytest.approx(losses, rel=1e-5)
    assert relative_error(of_moved, np.roll(gradient, shift, (1, 2))) < 1e-4


@pytest.mark.parametrize(
    ("width", "height", "tile_size", "settings"),
    [
        # three by two tiles; the part seen of the second half wraps more than once
        (48, 32, 16, {"style_layers": ("relu4_2",)}),
        (128, 112, 48, BOTH_PARTS),  # the part seen reaches beyond one edge alone
        (32, 48, 16, {**SHALLOW, "tv_loss": "nine_point", "tv_weight": 1}),
        (64, 64, 32, {**SHALLOW, "loss_scales": 2, "tv_weight": 1}),
        (64, 48, 32, {"style_layers": ("relu3_1",), "pooling": "l2", "pool_rounding": "down"}),
    ],
)
def test_tiles_have_the_losses_and_the_gradient_of_the_whole(width, height, tile_size, settings):
    config = config_of(width, height, **settings)
    at = image(config)
    losses, gradient = evaluated(config, at)
    tiled, of_tiles = evaluated(config, at, tile_size)
    assert tiled == pytest.approx(losses, rel=1e-5)
    assert relative_error(of_tiles, gradient) < 1e-5
    assert np.abs(of_tiles - gradient).max() < 1e-4 * np.abs(gradient).max()


def test_gradients_are_the_same_to_the_bit_each_time():
    config = config_of(256, 256, **SHALLOW)
    objective, at = objective_of(config), tf.constant(image(config))
    first, *others = (np.asarray(objective.value_and_grad(at)[1]) for _ in range(4))
    assert all(np.array_equal(first, other) for other in others)


def test_every_pixel_of_a_wrapped_image_has_all_neighbors():
    assert PixelCounts.of_wrapped(4, 5) == (60, 60, 60, 60)
