import dataclasses
import itertools
import re

import pytest

from neural_style.compute import planner
from neural_style.compute.planner import SHORT_HISTORIES, Plan, Planner
from neural_style.config import byte_sizes
from neural_style.config.config import Config
from neural_style.errors import UsageError

GB = 10**9
SIZES = [(64, 48), (400, 300), (1600, 1200), (300, 9000), (6000, 4000)]
SHALLOW = {"content_layers": ("relu2_2",), "style_layers": ("relu1_1", "relu2_1")}


def config_of(**settings):
    return Config("photo.png", ["style.png"], **settings)


def planner_of(**settings):
    """With a history that whole pictures give up nothing of."""
    return Planner(config_of(**{"history_size": SHORT_HISTORIES[0], **settings}), "float32")


def ways(plan):
    return plan.tile_size, plan.keep_content, plan.optimizer, plan.history_size


def plans_for_all_budgets(size, growth=1.1, **settings):
    """Plans for a picture, by budgets of which each is so many times the one before."""
    found, budget, ours = {}, GB // 2, planner_of(**settings)
    while budget < 500 * GB:
        try:
            found[budget] = ours.choose(*size, budget)
        except UsageError:
            assert not found
        budget = int(growth * budget)
    return found


# --- choices ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam", "scipy"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_whole_as_the_settings_say_where_it_fits(size, optimizer):
    plan = planner_of(optimizer=optimizer, history_size=7).choose(*size, 1000 * GB)
    assert (plan.width, plan.height) == size
    assert ways(plan) == (None, True, optimizer, 7)
    assert not plan.in_place


def test_the_plan_fits_the_budget_to_the_byte():
    whole = planner_of().whole(1600, 1200)
    assert planner_of().choose(1600, 1200, whole.peak) == whole
    assert planner_of().choose(1600, 1200, whole.peak - 1).tile_size == planner.TILE_SIZES[0]


def test_what_is_given_up_first():
    """Whole pictures, then large tiles, pairs of L-BFGS, L-BFGS, the content's features, and tiles of some size."""
    chosen = list(dict.fromkeys(ways(plan) for plan in plans_for_all_budgets((3000, 2000), 1.03).values()))
    kept = list(dict.fromkeys(chosen[::-1]))
    assert kept[0] == (None, True, "lbfgs", 10)
    assert kept[1] == (1024, True, "lbfgs", 10)
    order = [("lbfgs", 10), ("lbfgs", 5), ("lbfgs", 3), ("adam", 10)]
    assert list(dict.fromkeys(way[2:] for way in kept)) == order
    assert [way[1] for way in kept] == sorted((way[1] for way in kept), reverse=True)
    assert all(tile_size is None or tile_size >= 512 for tile_size, keep, *_ in kept if keep)
    assert kept[-1] == (128, False, "adam", 10)


def test_whole_pictures_give_up_pairs_before_tiles():
    chosen = plans_for_all_budgets((3000, 2000), 1.03, history_size=30).values()
    whole = [plan.history_size for plan in chosen if plan.tile_size is None]
    assert set(whole) == {30, SHORT_HISTORIES[0]}
    tiled = {plan.history_size for plan in chosen if plan.tile_size and plan.optimizer == "lbfgs"}
    assert tiled == {30, *SHORT_HISTORIES}


def test_no_history_grows_for_want_of_memory():
    chosen = plans_for_all_budgets((3000, 2000), 1.03, history_size=4).values()
    assert {plan.history_size for plan in chosen if plan.optimizer == "lbfgs"} == {4, 3}


def test_scipy_gives_way_to_adam_at_once():
    chosen = plans_for_all_budgets((6000, 4000), optimizer="scipy").values()
    assert {(plan.optimizer, plan.history_size) for plan in chosen} == {("scipy", 10), ("adam", 10)}


@pytest.mark.parametrize("settings", [{}, {"optimizer": "adam"}, {"optimizer": "scipy"}, {"tile_size": 200}], ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_more_memory_is_used_and_never_exceeded(size, settings):
    plans = plans_for_all_budgets(size, **settings)
    assert all(plan.peak <= budget for budget, plan in plans.items())
    for less, more in itertools.pairwise(plans.values()):
        assert less.peak <= more.peak


@pytest.mark.parametrize(
    "settings", [{}, {"optimizer": "adam"}, {"tile_size": 0}, {"tile_size": 200}, SHALLOW], ids=str
)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_too_little_memory_is_told_with_how_much_would_do(size, settings):
    ours = planner_of(**settings)
    with pytest.raises(UsageError, match=r"^memory: expected at least .* for a picture of (\d+)×(\d+) px") as caught:
        ours.choose(*size, 10**6)
    message = str(caught.value)
    assert "{}×{} px".format(*size) in message
    assert "got 1 MB" in message
    assert "\n" not in message
    enough = byte_sizes.parse(re.search(r"give --memory (\S+) ", message)[1])
    assert ours.choose(*size, enough).peak <= enough
    with pytest.raises(UsageError):
        ours.choose(*size, enough - 2 * 10**7)


# --- tiles that are asked for -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tile_size", [64, 200, 512, 2000])
def test_tiles_may_be_forced(tile_size):
    for plan in plans_for_all_budgets((3000, 2000), tile_size=tile_size).values():
        assert plan.tile_size == tile_size
    best = planner_of(tile_size=tile_size).choose(3000, 2000, 1000 * GB)
    assert ways(best) == (tile_size, True, "lbfgs", 10)


@pytest.mark.parametrize("size", [(100, 75), (75, 100), (100, 100)], ids=str)
def test_a_picture_no_larger_than_the_tiles_asked_for_is_computed_as_a_whole(size):
    assert planner_of(tile_size=100).choose(*size, 100 * GB).tile_size is None
    assert planner_of(tile_size=99).choose(*size, 100 * GB).tile_size == 99


def test_tiles_may_be_forbidden():
    chosen = plans_for_all_budgets((6000, 4000), tile_size=0).values()
    assert {ways(plan) for plan in chosen} == {(None, True, "lbfgs", 10)}


# --- other plans ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_smaller_tiles_down_to_the_last(optimizer):
    ours = planner_of(optimizer=optimizer)
    plan, sizes = ours.whole(900, 700), []
    while (smaller := ours.smaller(plan)) is not None:
        assert smaller.peak < plan.peak
        assert dataclasses.replace(smaller, tile_size=plan.tile_size, peak=plan.peak) == plan
        plan = smaller
        sizes.append(plan.tile_size)
    assert sizes == [768, 512, 384, 256, 192, 128]


@pytest.mark.parametrize(("tile_size", "smaller"), [(200, 192), (129, 128), (128, None), (64, None), (5000, 1024)])
def test_smaller_than_tiles_of_any_size(tile_size, smaller):
    ours = planner_of(tile_size=tile_size)
    plan = ours.smaller(ours.choose(6000, 4000, 1000 * GB))
    assert (plan and plan.tile_size) == smaller


@pytest.mark.parametrize(("size", "tile_size"), [((129, 40), 128), ((128, 128), None), ((64, 48), None)])
def test_pictures_that_are_not_to_be_divided(size, tile_size):
    plan = planner_of().smaller(planner_of().whole(*size))
    assert (plan and plan.tile_size) == tile_size


@pytest.mark.parametrize("tile_size", [None, 200])
def test_the_same_in_place(tile_size):
    ours = planner_of(tile_size=tile_size, history_size=6)
    plan = ours.choose(900, 700, 1000 * GB)
    adam = ours.overwriting(plan)
    assert adam.peak < plan.peak
    assert dataclasses.replace(adam, optimizer="lbfgs", peak=plan.peak) == plan
    assert adam.in_place is (tile_size is not None)
    assert ours.overwriting(adam) == adam


@pytest.mark.parametrize(
    ("tile_size", "optimizer", "in_place"),
    [
        (None, "adam", False),
        (None, "lbfgs", False),
        (512, "adam", True),
        (512, "sgd", True),
        (None, "sgd", False),
        (512, "lbfgs", False),
        (512, "scipy", False),
    ],
)
def test_adam_in_tiles_changes_the_image_in_place(tile_size, optimizer, in_place):
    assert Plan(900, 700, tile_size, True, optimizer, 10, GB).in_place is in_place


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "900×700 px whole"),
        ({"tile_size": 512}, "900×700 px tiles of 512 px"),
        ({"history_size": 3}, "900×700 px whole, L-BFGS with 3 pairs instead of 10 to save memory"),
        (
            {"tile_size": 512, "keep_content": False, "optimizer": "adam"},
            "900×700 px tiles of 512 px, adam instead of lbfgs, which needs more memory, "
            "content features recomputed for each tile",
        ),
    ],
)
def test_what_differs_from_the_settings_is_told(changes, words):
    plan = dataclasses.replace(Plan(900, 700, None, True, "lbfgs", 10, GB), **changes)
    assert plan.described(config_of(history_size=10)) == words


def test_sgd_is_not_replaced():
    """It needs less memory than Adam, in all ways."""
    chosen = plans_for_all_budgets((3000, 2000), optimizer="sgd").values()
    assert {plan.optimizer for plan in chosen} == {"sgd"}
    assert len({ways(plan) for plan in chosen}) > 3
    assert "pairs" not in dataclasses.replace(planner_of(optimizer="sgd").whole(900, 700), history_size=3).described(
        config_of(optimizer="sgd")
    )
    for tile_size in (None, 512):
        plan = planner_of(optimizer="sgd", tile_size=tile_size).choose(900, 700, 1000 * GB)
        adam = planner_of(optimizer="adam", tile_size=tile_size).choose(900, 700, 1000 * GB)
        assert planner_of(optimizer="sgd").overwriting(plan).optimizer == "sgd"
        assert plan.peak < adam.peak


def test_what_is_as_asked_for_is_not_told():
    plan = Plan(900, 700, 512, True, "adam", 10, GB)
    assert plan.described(config_of(optimizer="adam")) == "900×700 px tiles of 512 px"
    assert "pairs" not in dataclasses.replace(plan, history_size=3).described(config_of(optimizer="adam"))


# --- several sizes ----------------------------------------------------------------------------------------------------


def test_moments_of_the_size_before_are_planned_for():
    """Adam in place then needs more at the second size; at the first there are none."""
    sizes, settings = [(1200, 900), (1600, 1200)], {"optimizer": "adam", "tile_size": 512}
    without, carrying = (
        planner_of(**settings, carry_moments=carry).choose_all(sizes, 100 * GB, 0) for carry in (False, True)
    )
    assert [more.peak - less.peak for less, more in zip(without, carrying, strict=True)] == [0, 3 * 12 * 1200 * 900]
    with pytest.raises(UsageError, match="for a picture of 1600×1200 px"):
        planner_of(**settings, carry_moments=True).choose_all(sizes, without[1].peak + 10**6, 0)


@pytest.mark.parametrize(("bit_depth", "pixel_bytes"), [(8, 3), (16, 6)])
def test_what_finishes_the_result_is_held_at_all_sizes(bit_depth, pixel_bytes):
    """It is as large as the result, so the first size has to fit beside it."""
    sizes = [(1600, 1200), (3200, 2400)]
    made = planner_of(preserve_colors=True, bit_depth=bit_depth, tile_size=512, optimizer="adam")
    plain = planner_of(bit_depth=bit_depth, tile_size=512, optimizer="adam")
    first = plain.choose(*sizes[0], 100 * GB)
    photo = pixel_bytes * 3200 * 2400
    held = made.choose(*sizes[1], 100 * GB).peak - first.peak  # so much that the first size needs most
    assert made.choose_all(sizes, first.peak + photo + held, held)[0].keep_content
    assert not made.choose_all(sizes, first.peak + photo + held - 1, held)[0].keep_content


def test_reading_a_picture_of_a_folder_needs_memory_at_each_size():
    sizes, settings = [(200, 150), (400, 300)], {"tile_size": 128, "optimizer": "adam"}
    folder = Planner(config_of(**settings), "float32", [1.0], reading_bytes=5 * 10**8)
    plain, reading = (each.choose_all(sizes, 100 * GB, 0) for each in (planner_of(**settings), folder))
    for size, without, with_folder in zip(sizes, plain, reading, strict=True):
        needed = 5 * 10**8 + 4 * 12 * size[0] * size[1]  # the content, two images, and the resized style
        assert needed - 5 * 10**7 < with_folder.peak - without.peak < needed
        with pytest.raises(UsageError, match=r"^memory: expected at least "):
            folder.choose(*size, with_folder.peak - 1)
        assert folder.choose(*size, with_folder.peak) == with_folder
