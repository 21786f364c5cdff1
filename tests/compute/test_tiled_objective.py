import functools

import numpy as np
import pytest
import reference
import tensorflow as tf

from neural_style.compute import precision
from neural_style.compute.objective import Losses, LossGraph, Objective
from neural_style.compute.tiled_objective import TiledObjective, TileGraph
from neural_style.config.config import Config
from neural_style.errors import UsageError

SHALLOW = {"content_layers": ("relu2_2",), "style_layers": ("relu1_1", "relu2_1")}

CASES = {
    "defaults": {},
    "athalye": {"loss": "athalye"},
    "average pooling": {"pooling": "avg", "content_layers": ("relu4_1",), "style_layers": ("relu1_1", "relu3_1")},
    "first part alone": {"content_layers": ("relu3_2",), "style_layers": ("relu1_1", "conv3_4", "relu3_4")},
    "second part alone": {"content_layers": ("relu4_1",), "style_layers": ("relu4_4", "relu5_4"), "tv_weight": 0},
    "content in both parts": {"content_layers": ("conv1_1", "relu3_3", "conv4_2"), "style_layers": ("conv1_2",)},
    "layers of both": {"content_layers": ("relu2_1", "relu4_1"), "style_layers": ("relu2_1", "relu4_1")},
    "two styles": {"styles": 2, "style_blend_weights": (1, 3), "style_layer_weight_exp": 2, **SHALLOW},
    "no content": {"content_weight": 0, "style_layers": ("relu2_1", "relu4_1")},
    "no style": {"style_weight": 0, "content_layers": ("relu4_1",)},
    "variation alone": {"content_weight": 0, "style_weight": 0, "tv_weight": 3},
}

BOTH_PARTS = ("content in both parts", "layers of both")
"""Cases of content layers in both parts of the network."""


def picture(height, width, seed):
    """Coarse blobs under fine noise, each with colors of its own: RGB 0-255."""
    rng = np.random.default_rng(seed)
    blobs = np.kron(rng.uniform(0, 255, (-(-height // 8), -(-width // 8), 3)), np.ones((8, 8, 1)))
    return np.clip(blobs[:height, :width] + rng.normal(0, 20, (height, width, 3)), 0, 255).astype(np.float32)


pytestmark = pytest.mark.usefixtures("full_precision")


@functools.cache
def graphs(case="defaults", kind="float32"):
    """Those of the whole and of tiles, for the settings of a case."""
    settings = dict(CASES[case])
    config = Config("content", ["style"] * settings.pop("styles", 1), **settings)
    graph = LossGraph(config, reference.random_weights(), kind)
    return graph, TileGraph(graph)


def objectives(height, width, tile_size, keep=True, case="defaults", kind="float32"):
    """Of the same pictures: as a whole, and in tiles."""
    graph, tile_graph = graphs(case, kind)
    content = picture(height, width, 1)
    styles = [picture(60, 75, 2), picture(91, 34, 3)][: len(graph.config.styles)]
    targets = tile_graph.style_targets(styles, tile_size)
    return Objective(graph, content, styles), TiledObjective(tile_graph, content, targets, tile_size, keep)


def off(ours, expected):
    """Norm of the difference as a share."""
    return float(np.linalg.norm(np.subtract(ours, expected)) / np.linalg.norm(expected))


def assert_equal(whole, tiled, image, share=1e-5):
    """Losses and gradient are those of the whole picture, and the worst pixel is no worse than any."""
    losses, gradient = tiled.value_and_grad(image)
    expected, slope = whole.value_and_grad(tf.constant(image))
    for name in Losses._fields:
        assert float(getattr(losses, name)) == pytest.approx(float(getattr(expected, name)), rel=share), name
    assert off(gradient, slope) < share
    assert np.abs(gradient - slope).max() < share * np.abs(slope).max()


# --- the same as the whole --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "keep"),
    [
        *((case, True) for case in CASES),
        *((case, False) for case in ("defaults", "athalye", "first part alone", *BOTH_PARTS)),
    ],
)
def test_losses_and_gradient_are_those_of_the_whole_picture(case, keep):
    """Odd sizes, of which each pooling drops a row or a column."""
    whole, tiled = objectives(45, 99, 36, keep, case)
    assert_equal(whole, tiled, tiled.encode(picture(45, 99, 4)))


@pytest.mark.parametrize(
    ("height", "width", "tile_size"),
    [(33, 200, 64), (200, 33, 64), (32, 32, 16), (65, 64, 64), (67, 95, 24)],
)
def test_pictures_of_any_size_in_tiles_of_any_size(height, width, tile_size):
    whole, tiled = objectives(height, width, tile_size)
    assert_equal(whole, tiled, tiled.encode(picture(height, width, 4)))


def test_random_sizes():
    rng = np.random.default_rng(0)
    for keep in (True, False) * 2:
        height, width, tile_size = (int(size) for size in rng.integers([32, 32, 24], [150, 60, 80]))
        whole, tiled = objectives(height, width, tile_size, keep)
        assert_equal(whole, tiled, tiled.encode(picture(height, width, 4)))


def test_one_tile_is_the_whole_picture():
    whole, tiled = objectives(96, 64, 1000)
    assert_equal(whole, tiled, tiled.encode(picture(96, 64, 4)), share=3e-6)


def test_noise_in_tiles_of_a_large_picture():
    """The hardest, since the Gram matrices of noise cancel, in tiles as large as in earnest."""
    size = (300, 400)
    graph, tile_graph = graphs("first part alone")
    content, style, image = np.random.default_rng(0).uniform(0, 255, (3, *size, 3)).astype(np.float32)
    whole = Objective(graph, content, [style])
    tiled = TiledObjective(tile_graph, content, tile_graph.style_targets([style], 256), 256, keep_content=False)
    assert_equal(whole, tiled, tiled.encode(image))


def test_nothing_shows_at_the_seams():
    """Differences are as large around the borders of tiles as at them, where whatever is missing would show.

    They are of rounding, of which there is more in all the band that two tiles see.
    """
    whole, tiled = objectives(128, 128, 32)
    image = tiled.encode(picture(128, 128, 4))
    slope = whole.value_and_grad(tf.constant(image))[1].numpy()
    difference = np.abs(tiled.value_and_grad(image)[1] - slope)[0].max(-1)
    assert difference.max() < 1e-5 * np.abs(slope).max()
    for lines in (difference, difference.T):  # both parts of the network have a border at 64 px
        around = np.concatenate([lines[52:62], lines[66:76]])
        assert lines[62:66].mean() < 1.5 * around.mean()
        assert lines[62:66].max() < 2 * around.max()


@pytest.mark.parametrize(("kind", "share"), [("bfloat16", 0.02), ("float16", 0.01)])
def test_in_other_types(kind, share):
    """As near as the rounding of a type lets them be."""
    try:
        precision.choose(kind, "CPU:0")
    except UsageError:
        pytest.skip(f"this machine does not compute in {kind}")
    whole, tiled = objectives(37, 99, 40, case="layers of both", kind=kind)
    image = tiled.encode(picture(37, 99, 4))
    losses, gradient = tiled.value_and_grad(image)
    expected, slope = whole.value_and_grad(tf.constant(image))
    np.testing.assert_allclose(losses, expected, rtol=share / 4)
    assert gradient.dtype == np.float32
    assert off(gradient, slope) < share


# --- targets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tile_size", [32, 64, 500])
def test_style_targets_are_those_of_the_whole(tile_size):
    """Of pictures of any size, smaller than a tile among them."""
    graph, tile_graph = graphs("two styles")
    styles = [picture(37, 42, 2), picture(99, 60, 3)]
    targets = tile_graph.style_targets(styles, tile_size)
    expected = Objective(graph, picture(32, 32, 1), styles).style_targets
    assert targets.keys() == expected.keys() == {"relu1_1", "relu2_1"}
    for layer, grams in targets.items():
        assert grams.shape == expected[layer].shape == (2, *grams.shape[-2:])
        assert grams.dtype == tf.float32
        for ours, theirs in zip(grams, expected[layer], strict=True):
            assert off(ours, theirs) < 1e-5


@pytest.mark.parametrize("keep", [True, False])
def test_the_content_itself_has_no_content_loss(keep):
    _, tiled = objectives(37, 99, 40, keep, "content in both parts")
    losses, _ = tiled.value_and_grad(tiled.encode(picture(37, 99, 1)))
    other, _ = tiled.value_and_grad(tiled.encode(picture(37, 99, 4)))
    assert float(losses.content) < 1e-9 * float(other.content)


# --- as an objective --------------------------------------------------------------------------------------------------


def test_arrays_give_arrays_and_tensors_tensors():
    _, tiled = objectives(48, 80, 32, case="two styles")
    image = tiled.encode(picture(48, 80, 4))
    assert image.dtype == np.float32
    (losses, array), (again, tensor) = tiled.value_and_grad(image), tiled.value_and_grad(tf.constant(image))
    assert isinstance(array, np.ndarray)
    assert isinstance(tensor, tf.Tensor)
    np.testing.assert_array_equal(array, tensor)
    np.testing.assert_array_equal(losses, again)
    assert array.shape == tensor.shape == tiled.shape == (1, 48, 80, 3)
    assert array.dtype == tensor.dtype == np.float32
    assert all(value.shape == () and value.dtype == tf.float32 for value in losses)


def test_the_image_is_not_changed():
    _, tiled = objectives(48, 80, 32, case="two styles")
    image = tiled.encode(picture(48, 80, 4))
    before = image.copy()
    tiled.value_and_grad(image)
    np.testing.assert_array_equal(image, before)


def test_encoding_is_that_of_the_whole():
    whole, tiled = objectives(48, 80, 32, case="two styles")
    np.testing.assert_array_equal(tiled.encode(picture(37, 40, 4)), whole.encode(picture(37, 40, 4)))
    np.testing.assert_array_equal(tiled.mean, whole.mean)


@pytest.mark.parametrize("shape", [(1, 47, 80, 3), (1, 80, 48, 3), (48, 80, 3), (2, 48, 80, 3)], ids=str)
def test_images_of_another_shape_are_refused(shape):
    _, tiled = objectives(48, 80, 32, case="two styles")
    for image in (np.zeros(shape, np.float32), tf.zeros(shape)):
        with pytest.raises(ValueError, match=r"image: expected shape \(1, 48, 80, 3\), got"):
            tiled.value_and_grad(image)


@pytest.mark.parametrize("keep", [True, False])
def test_tiles_may_change_their_size_between_evaluations(keep):
    whole, tiled = objectives(51, 90, 64, keep, "layers of both")
    image = tiled.encode(picture(51, 90, 4))
    for tile_size in (64, 24, 40):
        tiled.tile_size = tile_size
        assert_equal(whole, tiled, image)


def test_every_evaluation_gives_the_same_bits():
    outcomes = set()
    _, tiled = objectives(100, 90, 48, case="layers of both")
    for _ in range(4):
        losses, gradient = tiled.value_and_grad(tiled.encode(picture(100, 90, 4)))
        outcomes.add((*(float(loss) for loss in losses), gradient.tobytes()))
    assert len(outcomes) == 1


# --- memory -----------------------------------------------------------------------------------------------------------


def test_the_network_never_sees_more_than_a_tile(monkeypatch):
    """Of 32 px, and up to 8 more on its grid, and 24 px around it; or of 64 px, and up to 16, and 48 px around it."""
    _, tile_graph = graphs()
    seen = {None: set(), "pool3": set()}

    def spied(function, shapes):
        def spy(maps, *arguments):
            shapes.add(tuple(maps.shape))
            return function(maps, *arguments)

        return spy

    for part in tile_graph.parts:
        for name in ("statistics", "content_maps", "gradient"):
            monkeypatch.setattr(part, name, spied(getattr(part, name), seen[part.part.start]))
    height, width = 170, 48
    targets = tile_graph.style_targets([picture(60, 75, 2)], 32)
    tiled = TiledObjective(tile_graph, picture(height, width, 1), targets, 32, keep_content=False)
    tiled.value_and_grad(tiled.encode(picture(height, width, 4)))
    for start, most in ((None, 39 + 2 * 24), ("pool3", (79 + 2 * 48) // 8)):
        assert max(max(shape[1:3]) for shape in seen[start]) <= most
        assert {shape[3] for shape in seen[start]} == {3 if start is None else 256}


@pytest.mark.parametrize(("keep", "most"), [(True, 128 / 4), (False, 4)])
def test_no_map_of_the_whole_picture_is_made_but_those_that_are_kept(monkeypatch, keep, most):
    """Numbers per pixel: 32 of relu2_1 or else 4 of the pooled map, where relu1_1 would have 64. The image has 3."""
    height, width = 80, 96
    made = []

    def spied(function):
        def spy(shape, *arguments, **settings):
            made.append(np.prod(shape) / (height * width))
            return function(shape, *arguments, **settings)

        return spy

    for name in ("empty", "zeros"):
        monkeypatch.setattr(np, name, spied(getattr(np, name)))
    _, tiled = objectives(height, width, 32, keep, "layers of both")
    tiled.value_and_grad(tiled.encode(picture(height, width, 4)))
    assert max(made) == most


def test_one_trace_serves_all_sizes():
    """Of pictures and of tiles, those that a picture's last row and column leave among them."""
    graph, _ = graphs("layers of both")
    tile_graph = TileGraph(graph)
    for height, width in ((40, 50), (93, 67), (70, 50)):
        targets = tile_graph.style_targets([picture(height, width, 2)], 32)
        tiled = TiledObjective(tile_graph, picture(height, width, 1), targets, 32, keep_content=True)
        tiled.value_and_grad(tiled.encode(picture(height, width, 4)))
    for part in tile_graph.parts:
        for function in (part.statistics, part.content_maps, part.gradient):
            assert function.experimental_get_tracing_count() == 1
