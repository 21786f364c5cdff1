import itertools

import numpy as np
import pytest
import reference
import tensorflow as tf

from neural_style import vgg19_spec
from neural_style.compute.tile_grid import Box, cover
from neural_style.networks.partition import Part, parts
from neural_style.networks.vgg19 import build_vgg19, maps_between

DEFAULTS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1")


def area(box):
    return (box.bottom - box.top) * (box.right - box.left)


# --- boxes ------------------------------------------------------------------------------------------------------------


def test_boxes_by_hand():
    box = Box(8, 16, 24, 37)
    values = np.arange(40 * 50).reshape(40, 50)
    np.testing.assert_array_equal(values[box.part], values[8:24, 16:37])
    assert box.shrunk(8) == Box(1, 2, 3, 4)  # 37 px are 4 whole positions and 5 px
    assert box.seen_from(Box(5, 10, 30, 40)) == Box(3, 6, 19, 27)


# --- parts ------------------------------------------------------------------------------------------------------------


def test_parts_of_the_default_layers():
    """22 px and 6 positions by hand: 2 + 2·2 + 4·4 of the convolutions up to conv3_4, and 4 + 2 up to conv5_1."""
    shallow, deep = parts(DEFAULTS)
    assert shallow == Part(("relu1_1", "relu2_1", "relu3_1"), None, "pool3")
    assert shallow.maps == ("relu1_1", "relu2_1", "relu3_1", "pool3")
    assert (shallow.reach, shallow.stride, shallow.side(512)) == (22, 8, 512)
    assert deep == Part(("relu4_1", "relu4_2", "relu5_1"), "pool3", None)
    assert deep.maps == deep.layers
    assert (deep.reach, deep.stride, deep.side(512)) == (6, 2, 128)  # twice 512 px, of 8 px each


@pytest.mark.parametrize(
    ("layers", "expected", "reach", "stride"),
    [
        ((), [Part((), None, None)], [1], [1]),
        (("relu1_1",), [Part(("relu1_1",), None, None)], [1], [1]),
        (("relu3_4", "conv1_2"), [Part(("conv1_2", "relu3_4"), None, None)], [22], [4]),
        (("conv4_1",), [Part((), None, "pool3"), Part(("conv4_1",), "pool3", None)], [22, 1], [8, 1]),
        (
            ("relu5_4", "conv3_3"),
            [Part(("conv3_3",), None, "pool3"), Part(("relu5_4",), "pool3", None)],
            [22, 12],
            [8, 2],
        ),
    ],
    ids=str,
)
def test_parts_of_other_layers(layers, expected, reach, stride):
    """Variation looks at neighbors, so that a part without layers reaches 1 px."""
    found = parts(layers)
    assert list(found) == expected
    assert [part.reach for part in found] == reach
    assert [part.stride for part in found] == stride


def test_every_layer_is_in_one_part():
    rng = np.random.default_rng(0)
    for _ in range(50):
        layers = tuple(rng.choice(vgg19_spec.LAYERS, rng.integers(1, 8), replace=False))
        found = [layer for part in parts(layers) for layer in part.layers]
        assert sorted(found) == sorted(layers)


# --- covers -----------------------------------------------------------------------------------------------------------


def test_a_cover_by_hand():
    """On a grid of 8 px, seeing 24 px for the 22 asked for: 40 + 2·24 rows, and at the end the 5 beyond the grid."""
    first, second, third = cover(109, 40, 48, 22, 8)
    assert (first.own, first.seen) == (Box(0, 0, 32, 40), Box(0, 0, 88, 40))
    assert (second.own, second.seen) == (Box(32, 0, 64, 40), Box(8, 0, 96, 40))
    assert (third.own, third.seen) == (Box(64, 0, 109, 40), Box(16, 0, 109, 40))


def random_covers():
    """Maps, tiles, reaches and strides of every kind; thin maps and such as are smaller than a tile among them."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        height, width = (int(size) for size in rng.choice([rng.integers(1, 40), rng.integers(32, 400)], 2))
        stride = int(rng.choice([1, 2, 4, 8, 16]))
        yield height, width, int(rng.integers(1, 300)), int(rng.integers(0, 80)), stride
    yield 33, 200, 64, 22, 8
    yield 200, 33, 64, 70, 16
    yield 7, 9, 64, 22, 8


def test_every_position_is_one_tiles_own():
    for height, width, *tile in random_covers():
        count = np.zeros((height, width), int)
        for own, _ in cover(height, width, *tile):
            assert area(own) > 0
            count[own.part] += 1
        assert np.all(count == 1), (height, width, *tile)


def test_own_parts_lie_on_the_grid_of_the_coarsest_layer():
    for height, width, side, reach, stride in random_covers():
        for own, seen in cover(height, width, side, reach, stride):
            for box in (own, seen):
                assert box.top % stride == box.left % stride == 0
                assert box.bottom % stride == 0 or box.bottom == height
                assert box.right % stride == 0 or box.right == width


def test_tiles_see_as_far_as_their_values_reach_or_to_the_border():
    for height, width, side, reach, stride in random_covers():
        for own, seen in cover(height, width, side, reach, stride):
            assert seen.top <= max(own.top - reach, 0)
            assert seen.left <= max(own.left - reach, 0)
            assert min(own.bottom + reach, height) <= seen.bottom <= height
            assert min(own.right + reach, width) <= seen.right <= width


def test_all_tiles_see_as_much():
    """But for what a map has beyond the grid, at its end."""
    for height, width, side, reach, stride in random_covers():
        found = [tile.seen for tile in cover(height, width, side, reach, stride)]
        assert {box.bottom - box.top - height % stride * (box.bottom == height) for box in found} == {
            found[0].bottom - height % stride * (found[0].bottom == height)
        }
        assert len({box.right - box.left for box in found}) <= 2


def test_tiles_are_no_larger_than_asked_and_of_about_the_same_size():
    for height, width, side, reach, stride in random_covers():
        found = [tile.own for tile in cover(height, width, side, reach, stride)]
        for sides in ({box.bottom - box.top for box in found}, {box.right - box.left for box in found}):
            assert max(sides) < max(side, stride) + stride
            assert max(sides) - min(sides) < 2 * stride


def test_each_tile_holds_a_whole_position_of_the_coarsest_layer_if_the_map_does():
    for height, width, side, reach, stride in random_covers():
        if min(height, width) >= stride:
            for own, _ in cover(height, width, side, reach, stride):
                assert area(own.shrunk(stride)) > 0


def test_own_parts_on_coarser_maps_cover_those():
    """Which poolings leave without their incomplete last row and column."""
    for height, width, side, reach, stride in random_covers():
        for coarser in (2**power for power in range(5) if 2**power <= stride):
            count = np.zeros((height // coarser, width // coarser), int)
            for own, _ in cover(height, width, side, reach, stride):
                count[own.shrunk(coarser).part] += 1
            assert np.all(count == 1)


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (33, 47)], ids=str)
def test_a_map_no_larger_than_a_tile_is_one_tile(size):
    (tile,) = cover(*size, 64, 22, 8)
    assert tile.own == tile.seen == Box(0, 0, *size)


# --- reach ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def average():
    """A network of means of positive filters, under which nothing that a position depends on cancels."""
    weights = reference.random_weights()
    weights = type(weights)(**vars(weights))
    shapes = {conv: kernel.shape for conv, kernel in weights.kernels.items()}
    weights.kernels = {conv: np.full(shape, 1 / shape[2] / 9, np.float32) for conv, shape in shapes.items()}
    weights.biases = {conv: np.zeros(shape[-1], np.float32) for conv, shape in shapes.items()}
    return build_vgg19(weights, ["relu5_4"], "avg")


@pytest.mark.parametrize(
    ("layer", "start"),
    [
        *((layer, None) for layer in ("relu1_1", "relu1_2", "pool1", "relu3_1", "pool3", "relu5_1")),
        *((layer, "pool3") for layer in ("relu4_1", "relu5_1", "relu5_4")),
    ],
)
def test_reach_is_exact(average, layer, start):
    """A single position that is not 0 shows in all of a layer that it is within reach of, and nowhere else."""
    length, channels = (240, 3) if start is None else (64, 256)
    stride, reach = vgg19_spec.stride(layer, start), vgg19_spec.reach([layer], start)
    for place in (length // 2, length // 2 + stride - 1):
        maps = np.zeros((1, stride, length, channels), np.float32)
        maps[:, stride // 2, place] = 1
        seen = tf.function(maps_between)(average, tf.constant(maps), [layer], start)[layer]
        changed = np.flatnonzero(np.any(seen, axis=(0, 1, 3)))
        expected = [
            position
            for position in range(length // stride)
            if position * stride - reach <= place < (position + 1) * stride + reach
        ]
        assert list(changed) == expected
        assert 0 < expected[0] < expected[-1] < length // stride - 1


def test_reach_of_several_layers_is_that_of_the_deepest():
    for first, second in itertools.product(vgg19_spec.LAYERS + vgg19_spec.POOLINGS, repeat=2):
        reaches = [vgg19_spec.reach(layers) for layers in ([first], [second], [first, second])]
        assert reaches[2] == max(reaches[:2])


def test_the_network_is_divided_where_both_parts_reach_little():
    """80 px on each side of a tile for the whole of it at once, 24 px and 48 px in two."""
    shallow, deep = parts(DEFAULTS)
    assert -(-vgg19_spec.reach(DEFAULTS) // 16) * 16 == 80
    assert -(-shallow.reach // shallow.stride) * shallow.stride == 24
    assert -(-deep.reach // deep.stride) * deep.stride * vgg19_spec.stride("pool3") == 48
