import gc
import weakref

import numpy as np
import objectives
import pytest
import reference
import tensorflow as tf
from objectives import image_of, noise, picture, relative_error, resolved, tiled_of, traces, values, whole_of

from neural_style.compute.style_targets import style_targets
from neural_style.compute.tiled_objective import TiledObjective

SHALLOW = {"content_layers": ("relu2_2",), "style_layers": ("relu1_1", "relu2_1")}
SHALLOWEST = {"content_layers": ("relu1_1",), "style_layers": ("relu1_1",)}

CASES = {
    "defaults": {},
    "athalye": {"loss": "athalye", **SHALLOW},
    "l2 pooling": {
        "pooling": "l2",
        "pooling_scale": 1.56,
        "padding": "replicate",
        "content_layers": ("relu3_1",),
        "style_layers": ("relu2_1", "relu4_1"),
    },
    "reflected": {"padding": "reflect", "content_layers": ("relu4_1",), "style_layers": ("relu1_2", "relu3_1")},
    "average pooling, first replicated": {
        "padding": "replicate",
        "padding_layers": "first",
        "pooling_scale": 2,
        "pooling": "avg",
        "content_layers": ("relu4_1",),
        "style_layers": ("relu1_1", "relu3_1"),
    },
    "first part alone": {"content_layers": ("relu3_2",), "style_layers": ("relu1_1", "conv3_4", "relu3_4")},
    "second part alone": {"content_layers": ("relu4_1",), "style_layers": ("relu4_2", "relu5_1"), "tv_weight": 0},
    "content in both parts": {"content_layers": ("conv1_1", "relu3_3", "conv4_2"), "style_layers": ("conv1_2",)},
    "layers of both": {"content_layers": ("relu2_1", "relu4_1"), "style_layers": ("relu2_1", "relu4_1")},
    "two styles": {"styles": 2, "style_blend_weights": (1, 3), "style_layer_weight_exp": 2, **SHALLOW},
    "no content": {"content_weight": 0, "style_layers": ("relu2_1", "relu4_1")},
    "no style": {"style_weight": 0, "content_layers": ("relu4_1",)},
    "variation alone": {"content_weight": 0, "style_weight": 0, "tv_weight": 3},
    "sums of variation": {"tv_loss": "squared_sum", "content_weight": 0, "style_weight": 0, "tv_weight": 3},
    "absolute variation": {"tv_loss": "absolute", "content_weight": 0, "style_weight": 0, "tv_weight": 3},
    "power variation": {"tv_loss": "power", "content_weight": 0, "style_weight": 0, "tv_weight": 3},
    "nine points": {"tv_loss": "nine_point", "pixel_range": 1, **SHALLOWEST},
}

RECOMPUTED = ("defaults", "first part alone", "content in both parts", "layers of both")
"""Cases whose content is tried both kept and recomputed."""

ROUNDINGS = {"reflected": ("up", "down"), "l2 pooling": ("down",)}
"""How odd rows and columns are pooled, where it is not up alone; other tests pool by L2 and up."""

STYLES = [picture(60, 75, 2), picture(91, 34, 3)]

pytestmark = pytest.mark.usefixtures("full_precision")


def config_of(case="defaults", rounding="up"):
    return resolved(**CASES[case], pool_rounding=rounding)


def whole(height, width, config=None, kind="float32"):
    config = config or config_of()
    return whole_of(config, picture(height, width, 1), STYLES[: len(config.styles)], kind)


def tiled(height, width, tile_size, keep=True, config=None, kind="float32", **settings):
    config = config or config_of()
    styles = STYLES[: len(config.styles)]
    return tiled_of(config, picture(height, width, 1), styles, tile_size, keep, kind, **settings)


def assert_equal(outcome, expected, share=1e-5):
    """Losses and gradient are those of the whole picture, and the worst pixel is no worse than any."""
    (losses, gradient), (of_whole, slope) = outcome, expected
    assert values(losses) == pytest.approx(values(of_whole), rel=share)
    for name, of_layers in losses.by_layer.items():
        for layer, value in of_layers.items():
            assert float(value) == pytest.approx(float(of_whole.by_layer[name][layer]), rel=10 * share), (name, layer)
    assert relative_error(gradient, slope) < share
    assert np.abs(gradient - slope).max() < share * np.abs(slope).max()


# --- the same as the whole --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_losses_and_gradient_are_those_of_the_whole_picture(case):
    """Odd sizes, at every depth, with the content kept and recomputed."""
    image = image_of(picture(37, 45, 4))
    for rounding in ROUNDINGS.get(case, ("up",)):
        config = config_of(case, rounding)
        expected = whole(37, 45, config).value_and_grad(tf.constant(image))
        for keep in (True, False) if case in RECOMPUTED else (True,):
            assert_equal(tiled(37, 45, 24, keep, config).value_and_grad(image), expected)


def test_pictures_of_any_size_in_tiles_of_any_size():
    """Whatever poolings leave at the ends: of every parity, narrower than a tile, and as large as one."""
    rng = np.random.default_rng(0)
    sizes = [(33, 98, 32), (73, 33, 48), (32, 32, 16), (49, 48, 48), (35, 43, 24)]
    sizes += [tuple(int(size) for size in rng.integers([32, 32, 24], [64, 60, 80])) for _ in range(3)]
    for index, (height, width, tile_size) in enumerate(sizes):
        case = ("two styles", "layers of both", "two styles", "reflected")[index % 4]
        config = config_of(case, "down" if index % 4 == 2 else "up")
        image = image_of(picture(height, width, 4))
        expected = whole(height, width, config).value_and_grad(tf.constant(image))
        assert_equal(tiled(height, width, tile_size, index % 4 < 2, config).value_and_grad(image), expected)


def test_one_tile_is_the_whole_picture():
    image = image_of(picture(97, 65, 4))
    config = config_of("layers of both")
    expected = whole(97, 65, config).value_and_grad(tf.constant(image))
    assert_equal(tiled(97, 65, 1000, config=config).value_and_grad(image), expected, share=3e-6)


def test_noise_in_tiles_of_a_large_picture():
    """The hardest, since the Gram matrices of noise cancel, in tiles as large as in earnest."""
    # weights for which rounding in the first layer does not count most
    settings = {"style_layer_weight_exp": 1, "style_layer_weights": (1, 3), "style_weight": 27.0}
    config = resolved(**{**CASES["two styles"], **settings})
    content, image, *styles = (noise(201, 251, seed) for seed in range(4))
    expected = whole_of(config, content, styles).value_and_grad(tf.constant(image_of(image)))
    assert_equal(tiled_of(config, content, styles, 128, False).value_and_grad(image_of(image)), expected)


def test_nothing_shows_at_the_seams():
    """Differences are as large around the borders of tiles as at them, where whatever is missing would show.

    They are of rounding, of which there is more in all the band that two tiles see.
    """
    image = image_of(picture(128, 128, 4))
    config = config_of("layers of both")
    slope = whole(128, 128, config).value_and_grad(tf.constant(image))[1].numpy()
    difference = np.abs(tiled(128, 128, 32, config=config).value_and_grad(image)[1] - slope)[0].max(-1)
    assert difference.max() < 1e-5 * np.abs(slope).max()
    for lines in (difference, difference.T):  # both parts of the network have a border at 64 px
        around = np.concatenate([lines[52:62], lines[66:76]])
        assert lines[62:66].mean() < 1.5 * around.mean()
        assert lines[62:66].max() < 2 * around.max()


def test_in_other_types():
    """As near as the rounding of a type lets them be."""
    image = image_of(picture(25, 72, 4))
    for kind, share, rounding in (("bfloat16", 0.02, "up"), ("float16", 0.01, "down")):
        objectives.skip_unless_computed(kind)
        config = config_of("layers of both", rounding)
        expected, slope = whole(25, 72, config, kind).value_and_grad(tf.constant(image))
        losses, gradient = tiled(25, 72, 32, rounding == "up", config, kind).value_and_grad(image)
        assert values(losses) == pytest.approx(values(expected), rel=share / 4)
        assert gradient.dtype == np.float32
        assert relative_error(gradient, slope) < share


def test_pooling_and_padding_in_other_types():
    """As near as with other settings, whether the image is split, as in bfloat16, or squares would overflow."""
    image = image_of(picture(17, 41, 4))
    layers = {"content_layers": ("relu1_2",), "style_layers": ("relu1_1", "relu2_1")}
    for kind, share, case in (
        ("bfloat16", 0.02, "l2 pooling"),
        ("bfloat16", 0.02, "reflected"),
        ("float16", 0.01, "l2 pooling"),
    ):
        objectives.skip_unless_computed(kind)
        config = resolved(**{**CASES[case], **layers})
        expected, slope = whole(17, 41, config, kind).value_and_grad(tf.constant(image))
        losses, gradient = tiled(17, 41, 16, False, config, kind).value_and_grad(image)
        assert values(losses) == pytest.approx(values(expected), rel=share / 4), (kind, case)
        assert relative_error(gradient, slope) < share, (kind, case)


def test_the_content_itself_has_no_content_loss():
    config = config_of("content in both parts")
    for keep in (True, False):
        ours = tiled(37, 61, 40, keep, config)
        content, other = (ours.value_and_grad(image_of(picture(37, 61, seed)))[0].by_name["content"] for seed in (1, 4))
        assert float(content) < 1e-9 * float(other)


# --- as an objective --------------------------------------------------------------------------------------------------


def test_arrays_give_arrays_and_tensors_tensors():
    ours = tiled(48, 80, 32, config=config_of("two styles"))
    image = image_of(picture(48, 80, 4))
    before = image.copy()
    (losses, array), (again, tensor) = ours.value_and_grad(image), ours.value_and_grad(tf.constant(image))
    np.testing.assert_array_equal(image, before)
    assert isinstance(array, np.ndarray)
    assert isinstance(tensor, tf.Tensor)
    np.testing.assert_array_equal(array, tensor)
    assert values(losses) == values(again)
    assert array.shape == tensor.shape == ours.shape == (1, 48, 80, 3)
    assert array.dtype == tensor.dtype == np.float32
    numbers = (losses.total, *losses.by_name.values(), *losses.by_layer["style"].values())
    assert all(value.shape == () and value.dtype == tf.float32 for value in numbers)
    np.testing.assert_array_equal(ours.mean, reference.random_weights().mean)


def test_losses_have_the_names_and_layers_of_the_whole():
    for case in ("content in both parts", "no style", "variation alone"):
        image, config = image_of(picture(40, 48, 4)), config_of(case)
        ours = tiled(40, 48, 500, config=config).value_and_grad(image)[0]
        expected = whole(40, 48, config).value_and_grad(tf.constant(image))[0]
        assert list(ours.by_name) == list(expected.by_name)
        assert {k: list(v) for k, v in ours.by_layer.items()} == {k: list(v) for k, v in expected.by_layer.items()}


def test_images_of_another_shape_are_refused():
    ours = tiled(48, 80, 32, config=config_of("two styles"))
    for shape in ((1, 47, 80, 3), (1, 80, 48, 3), (48, 80, 3), (2, 48, 80, 3)):
        for image in (np.zeros(shape, np.float32), tf.zeros(shape)):
            with pytest.raises(ValueError, match=r"image: expected shape \(1, 48, 80, 3\), got"):
                ours.value_and_grad(image)


def test_tiles_may_change_their_size_between_evaluations():
    config, image = config_of("layers of both"), image_of(picture(41, 67, 4))
    expected = whole(41, 67, config).value_and_grad(tf.constant(image))
    for keep in (True, False):
        ours = tiled(41, 67, 64, keep, config)
        for tile_size in (64, 32):
            ours.tile_size = tile_size
            assert_equal(ours.value_and_grad(image), expected)


def test_every_evaluation_gives_the_same_bits():
    ours, image = tiled(49, 67, 32, config=config_of("layers of both")), image_of(picture(49, 67, 4))
    outcomes = set()
    for _ in range(3):
        losses, gradient = ours.value_and_grad(image)
        outcomes.add((*values(losses).items(), gradient.tobytes()))
    assert len(outcomes) == 1


def test_weights_change_without_a_trace():
    """Losses and gradient are then those of the whole picture with these weights."""
    graphs, image = objectives.build_graphs(resolved(**objectives.GRAM, **SHALLOW)), image_of(picture(45, 67, 4))
    for loss in ("balanced", "athalye"):
        config = resolved(2, loss=loss, **objectives.GRAM, **SHALLOW)
        ours, expected = tiled(45, 67, 32, config=config, graphs=graphs), whole(45, 67, config)
        for change in (
            {"content_weight": 50, "tv_weight": 0},
            {"style_blend_weights": (1, 3), "style_layer_weight_exp": 2.0},
            {"style_weight": 0},
            {},
        ):
            for objective in (ours, expected):
                objective.set_weights(resolved(2, loss=loss, **objectives.GRAM, **SHALLOW, **change))
            assert_equal(ours.value_and_grad(image), expected.value_and_grad(tf.constant(image)))
    (part,) = graphs.tiled.parts
    assert traces(part.statistics, part.content_maps, part.gradient) == [1, 1, 1]


class _Stop(BaseException):
    """What ends an evaluation."""


class Checks:
    """Counts tiles, and ends an evaluation before one of them."""

    def __init__(self):
        self.count, self.last = 0, None

    def __call__(self):
        if self.count == self.last:
            raise _Stop
        self.count += 1


def test_an_evaluation_can_be_ended_before_any_tile():
    """Of both passes and both parts of the network; the next evaluation is not disturbed."""
    config, image, check = config_of("layers of both"), image_of(picture(33, 97, 4)), Checks()
    parts = objectives.graphs_of(config).tiled.parts
    ours = tiled(33, 97, 32, config=config, check=check)
    check.count = 0
    expected, slope = ours.value_and_grad(image)
    tiles = [len([*part.tiles(*size, 32)]) for part, size in zip(parts, ((33, 97), (5, 13)), strict=True)]
    assert check.count == 2 * sum(tiles) >= 10
    for last in (0, 1, tiles[0], sum(tiles), check.count - 1):
        check.count, check.last = 0, last
        with pytest.raises(_Stop):
            ours.value_and_grad(image)
        assert check.count == last
    check.last = None
    losses, gradient = ours.value_and_grad(image)
    assert values(losses) == values(expected)
    np.testing.assert_array_equal(gradient, slope)


def test_the_content_can_be_given_up_before_any_tile():
    config, check = config_of("layers of both"), Checks()
    for keep in (True, False):
        check.count, check.last = 0, None
        tiled(33, 97, 32, keep, config, check=check)
        for last in {0, check.count - 1} - {-1}:
            check.count, check.last = 0, last
            with pytest.raises(_Stop):
                tiled(33, 97, 32, keep, config, check=check)


def test_released_targets_are_gone():
    config = config_of("layers of both")
    for keep in (True, False):
        content = picture(48, 80, 1).copy()
        targets = style_targets(objectives.graphs_of(config), STYLES[:1], 32)
        ours = TiledObjective(objectives.graphs_of(config).tiled, config, content, targets, 32, keep)
        kept = [weakref.ref(content), weakref.ref(targets["relu4_1"].second)]
        kept += [weakref.ref(each) for held in ours._content.values() if keep for each in held.values()]
        del content, targets
        gc.collect()
        assert kept[1]() is not None
        ours.release()
        gc.collect()
        assert all(ref() is None for ref in kept)


# --- memory -----------------------------------------------------------------------------------------------------------


def test_the_network_never_sees_more_than_a_tile(monkeypatch):
    """Of 32 px, and up to 8 more on its grid, and 24 px around it; or of 64 px, and up to 16, and 8 px around it."""
    config, seen = config_of("layers of both"), {None: set(), "pool3": set()}

    def spied(function, shapes):
        def spy(maps, *arguments):
            shapes.add(tuple(maps.shape))
            return function(maps, *arguments)

        return spy

    for part in objectives.graphs_of(config).tiled.parts:
        for name in ("statistics", "content_maps", "gradient"):
            monkeypatch.setattr(part, name, spied(getattr(part, name), seen[part.part.start]))
    tiled(133, 41, 32, False, config).value_and_grad(image_of(picture(133, 41, 4)))
    for start, most in ((None, 39 + 2 * 24), ("pool3", (79 + 2 * 8) // 8)):
        assert max(max(shape[1:3]) for shape in seen[start]) <= most
        assert {shape[3] for shape in seen[start]} == {3 if start is None else 256}


def test_no_map_of_the_whole_picture_is_made_but_those_that_are_kept(monkeypatch):
    """Numbers per pixel: 32 of relu2_1 or else 4 of the pooled map, where relu1_1 would have 64. The image has 3."""
    height, width = 80, 96
    config, made = config_of("layers of both"), []

    def spied(function):
        def spy(shape, *arguments, **settings):
            made.append(np.prod(shape) / (height * width))
            return function(shape, *arguments, **settings)

        return spy

    for name in ("empty", "zeros"):
        monkeypatch.setattr(np, name, spied(getattr(np, name)))
    for keep, most in ((True, 128 / 4), (False, 4)):
        made.clear()
        tiled(height, width, 32, keep, config).value_and_grad(image_of(picture(height, width, 4)))
        assert max(made) == most


def test_one_trace_serves_all_sizes():
    """Of pictures and of tiles, those that a picture's last row and column leave among them."""
    config = config_of("layers of both")
    graphs = objectives.build_graphs(config)
    for height, width in ((40, 50), (33, 67)):
        ours = tiled(height, width, 32, config=config, graphs=graphs)
        ours.value_and_grad(image_of(picture(height, width, 4)))
    for part in graphs.tiled.parts:
        assert traces(part.statistics, part.content_maps, part.gradient) == [1, 1, 1]
