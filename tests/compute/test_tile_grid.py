import numpy as np
import pytest

from neural_style.compute.tile_grid import Box, cover
from neural_style.vgg19_spec import ROUNDINGS, positions


def area(box):
    return (box.bottom - box.top) * (box.right - box.left)


def test_boxes_by_hand():
    box = Box(8, 16, 24, 37)
    values = np.arange(40 * 50).reshape(40, 50)
    np.testing.assert_array_equal(values[box.part], values[8:24, 16:37])
    assert box.pooled(8, "down") == Box(1, 2, 3, 4)  # 37 px are 4 whole positions and 5 px
    assert box.pooled(8, "up") == Box(1, 2, 3, 5)
    assert box.pooled(1, "up") == box.pooled(1, "down") == box
    assert box.seen_from(Box(5, 10, 30, 40)) == Box(3, 6, 19, 27)


def test_a_cover_by_hand():
    """On a grid of 8 px, seeing 24 px for the 22 asked for: 40 + 2·24 rows, and at the end the 5 beyond the grid."""
    first, second, third = cover(109, 40, 48, 22, 8, "down")
    assert (first.own, first.seen) == (Box(0, 0, 32, 40), Box(0, 0, 88, 40))
    assert (second.own, second.seen) == (Box(32, 0, 64, 40), Box(8, 0, 96, 40))
    assert (third.own, third.seen) == (Box(64, 0, 109, 40), Box(16, 0, 109, 40))


def test_a_cover_by_hand_where_what_is_left_is_a_position():
    """The 5 rows beyond the grid are 14th, so that the last tile sees 3 rows less instead of 5 more."""
    first, second, third = cover(109, 40, 48, 22, 8, "up")
    assert (first.own, first.seen) == (Box(0, 0, 32, 40), Box(0, 0, 88, 40))
    assert (second.own, second.seen) == (Box(32, 0, 72, 40), Box(8, 0, 96, 40))
    assert (third.own, third.seen) == (Box(72, 0, 109, 40), Box(24, 0, 109, 40))


def random_covers():
    """Maps, tiles, reaches and strides of every kind; thin maps and such as are smaller than a tile among them."""
    rng = np.random.default_rng(0)
    found = [(33, 200, 64, 22, 8), (200, 33, 64, 70, 16), (7, 9, 64, 22, 8), (65, 129, 64, 22, 8), (97, 33, 16, 2, 16)]
    for _ in range(150):
        height, width = (int(size) for size in rng.choice([rng.integers(1, 40), rng.integers(32, 400)], 2))
        stride = int(rng.choice([1, 2, 4, 8, 16]))
        found.append((height, width, int(rng.integers(1, 300)), int(rng.integers(0, 80)), stride))
    for size in found:
        for rounding in ROUNDINGS:
            yield *size, rounding, list(cover(*size, rounding))


def test_every_position_is_one_tiles_own():
    for height, width, *settings, tiles in random_covers():
        count = np.zeros((height, width), int)
        for own, _ in tiles:
            assert area(own) > 0
            count[own.part] += 1
        assert np.all(count == 1), (height, width, *settings)


def test_own_parts_lie_on_the_grid_of_the_coarsest_layer():
    for height, width, _, _, stride, _, tiles in random_covers():
        for tile in tiles:
            for box in tile:
                assert box.top % stride == box.left % stride == 0
                assert box.bottom % stride == 0 or box.bottom == height
                assert box.right % stride == 0 or box.right == width


def test_tiles_see_as_far_as_their_values_reach_or_to_the_border():
    for height, width, _, reach, _, _, tiles in random_covers():
        for own, seen in tiles:
            assert seen.top <= max(own.top - reach, 0)
            assert seen.left <= max(own.left - reach, 0)
            assert min(own.bottom + reach, height) <= seen.bottom <= height
            assert min(own.right + reach, width) <= seen.right <= width


def test_all_tiles_see_as_much():
    """But for what a map has beyond the grid, at its end, or lacks to the next position of the grid."""
    for height, width, _, _, stride, rounding, tiles in random_covers():
        on_grid = [positions(side, stride, rounding) * stride for side in (height, width)]
        seen = [tile.seen for tile in tiles]
        heights = {box.bottom - box.top - (height - on_grid[0]) * (box.bottom == height) for box in seen}
        widths = {box.right - box.left - (width - on_grid[1]) * (box.right == width) for box in seen}
        assert len(heights) == len(widths) == 1, (height, width, stride, rounding)


def test_tiles_are_no_larger_than_asked_and_of_about_the_same_size():
    for _, _, side, _, stride, _, tiles in random_covers():
        found = [tile.own for tile in tiles]
        for sides in ({box.bottom - box.top for box in found}, {box.right - box.left for box in found}):
            assert max(sides) < max(side, stride) + stride
            assert max(sides) - min(sides) < 2 * stride


def test_each_tile_holds_a_position_of_the_coarsest_layer_if_the_map_does():
    for height, width, _, _, stride, rounding, tiles in random_covers():
        if min(height, width) >= stride or rounding == "up":
            for own, _ in tiles:
                assert area(own.pooled(stride, rounding)) > 0


def test_own_parts_on_coarser_maps_cover_those():
    for height, width, _, _, stride, rounding, tiles in random_covers():
        for coarser in (2**power for power in range(5) if 2**power <= stride):
            count = np.zeros((positions(height, coarser, rounding), positions(width, coarser, rounding)), int)
            for own, _ in tiles:
                count[own.pooled(coarser, rounding).part] += 1
            assert np.all(count == 1)


def test_what_tiles_see_is_pooled_like_the_whole():
    """Poolings of a tile and of the whole part at the same places, and the tile's own part comes out whole."""
    for _, _, _, _, stride, rounding, tiles in random_covers():
        for coarser in (2**power for power in range(5) if 2**power <= stride):
            for own, seen in tiles:
                pooled, of_seen = own.pooled(coarser, rounding), seen.pooled(coarser, rounding)
                alone = own.seen_from(seen).pooled(coarser, rounding)
                assert alone == pooled.seen_from(of_seen)
                assert alone.bottom <= positions(seen.bottom - seen.top, coarser, rounding)


def test_a_map_no_larger_than_a_tile_is_one_tile():
    for size in ((32, 32), (64, 64), (33, 47)):
        for rounding in ROUNDINGS:
            (tile,) = cover(*size, 64, 22, 8, rounding)
            assert tile.own == tile.seen == Box(0, 0, *size)


@pytest.mark.parametrize(("side", "reach"), [(16, 5), (8, 20), (64, 3)])
def test_tiles_of_a_map_that_wraps_see_the_same_margin_everywhere(side, reach):
    tiles = list(cover(32, 48, side, reach, 4, "up", wraps=True))
    counted = np.zeros((32, 48), int)
    for own, seen in tiles:
        counted[own.part] += 1
        assert own.top - seen.top == own.left - seen.left == -(-reach // 4) * 4
        assert seen.bottom - own.bottom >= reach
        assert seen.right - own.right >= reach
    assert np.all(counted == 1)
    assert len({(seen.bottom - seen.top, seen.right - seen.left) for _, seen in tiles}) == 1


@pytest.mark.parametrize("box", [Box(0, 0, 3, 4), Box(-2, -5, 4, 3), Box(-7, 2, 9, 13), Box(3, 4, 8, 5)])
def test_pieces_of_a_box_repeat_the_map(box):
    values = np.arange(12).reshape(3, 4)
    found = np.full((box.bottom - box.top, box.right - box.left), -1)
    for there, here in box.pieces(3, 4):
        assert np.all(found[here] == -1)
        found[here] = values[there]
    rows, columns = np.arange(box.top, box.bottom) % 3, np.arange(box.left, box.right) % 4
    np.testing.assert_array_equal(found, values[np.ix_(rows, columns)])
