import logging

import numpy as np
import objectives
import pytest
import reference
import tensorflow as tf
from objectives import noise, resolved, values

from neural_style.compute.fallback import PlannedObjective
from neural_style.compute.halving import reductions
from neural_style.compute.objective import WholeObjective
from neural_style.compute.planner import Planner
from neural_style.compute.style_targets import style_targets
from neural_style.compute.tiled_objective import TiledObjective
from neural_style.errors import OutOfMemoryError

EXHAUSTED = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\nand much more")
BOTH = pytest.mark.parametrize("error", [EXHAUSTED, MemoryError()], ids=["TensorFlow", "Python"])

SETTINGS = {"content_layers": ["relu1_2"], "style_layers": ["relu1_1", "relu2_1"]}

pytestmark = pytest.mark.usefixtures("full_precision")


@pytest.fixture(scope="module")
def graphs():
    return objectives.graphs_of(resolved(**SETTINGS))


@pytest.fixture
def planned(graphs):
    """An objective of a picture of 34×200 px, which tiles of 192 and 128 px would divide."""

    def made(size=(34, 200), check=lambda: None, **settings):
        config = resolved(**SETTINGS, **settings)
        planner = Planner(config, "float32")
        plan = planner.choose(size[1], size[0], 10**12)
        asked = []

        def targets(tile_size, sizes):
            asked.append(tile_size)
            style = noise(40, 150, 2)
            return [style_targets(graphs, [each], tile_size) for each in reductions(style, sizes)]

        objective = PlannedObjective(graphs, config, noise(*size, 1), targets, planner, plan, check)
        objective.asked = asked  # the tile sizes for which style targets were computed
        return objective

    return made


@pytest.fixture
def tried(monkeypatch):
    """Tile sizes, None for whole pictures, of all evaluations; those with one in `tried.failing` raise its error."""

    class Tried(list):
        failing = {}  # noqa: RUF012

    tried = Tried()

    def watched(real):
        def value_and_grad(self, image):
            tried.append(getattr(self, "tile_size", None))
            if tried[-1] in tried.failing:
                raise tried.failing[tried[-1]]
            return real(self, image)

        return value_and_grad

    for kind in (WholeObjective, TiledObjective):
        monkeypatch.setattr(kind, "value_and_grad", watched(kind.value_and_grad))
    return tried


IMAGE = noise(34, 200, 4)[np.newaxis] - 110


def assert_same(outcome, expected):
    """Losses and gradients, but for rounding."""
    assert values(outcome[0]) == pytest.approx(values(expected[0]), rel=1e-5)
    assert objectives.relative_error(outcome[1], expected[1]) < 1e-5


@pytest.mark.parametrize(("tile_size", "size"), [(None, None), (64, 64), (0, None), (300, None)])
def test_computed_as_planned(planned, tried, tile_size, size):
    objective = planned(tile_size=tile_size)
    outcome = objective.value_and_grad(tf.constant(IMAGE))
    assert tried == [size]
    assert_same(outcome, planned().value_and_grad(tf.constant(IMAGE)))
    assert objective.shape == (1, 34, 200, 3)
    np.testing.assert_array_equal(objective.mean, reference.random_weights().mean)


@BOTH
def test_what_fails_is_repeated_in_smaller_tiles(planned, tried, caplog, error):
    objective, image = planned(), tf.constant(IMAGE)
    expected = objective.value_and_grad(image)
    tried.failing = {None: error, 192: error}
    with caplog.at_level(logging.WARNING, "neural_style"):
        outcome = objective.value_and_grad(image)
    assert tried == [None, None, 192, 128]
    assert_same(outcome, expected)
    told = [record.getMessage() for record in caplog.records]
    reason = "OOM when allocating" if error is EXHAUSTED else "MemoryError"
    assert told == [
        f"there is less memory than expected ({reason}); continuing in tiles of {size} px" for size in (192, 128)
    ]

    assert_same(objective.value_and_grad(image), expected)  # and remains so
    assert tried[4:] == [128]
    assert objective.plan.tile_size == 128
    assert len(caplog.records) == 2


@BOTH
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_where_no_tiles_are_small_enough(planned, tried, optimizer, error):
    objective = planned(optimizer=optimizer)
    tried.failing = {None: error, 192: error, 128: error}
    with pytest.raises(
        OutOfMemoryError, match=r"200×34 px, which, even in tiles of 128 px, takes about \d+ MB"
    ) as caught:
        objective.value_and_grad(tf.constant(IMAGE))
    assert tried == [None, 192, 128]
    assert caught.value.__cause__ is error
    assert "\n" not in str(caught.value)


def test_a_picture_that_is_no_larger_than_tiles(planned, tried):
    objective = planned((34, 128))
    tried.failing = {None: MemoryError()}
    with pytest.raises(OutOfMemoryError, match=r"128×34 px, which takes about"):
        objective.value_and_grad(tf.constant(IMAGE[:, :, :128]))
    assert tried == [None]


def test_tiles_of_any_size_become_smaller(planned, tried):
    objective = planned(tile_size=150, optimizer="adam")
    tried.failing = {150: EXHAUSTED}
    for _ in range(2):
        _, gradient = objective.value_and_grad(IMAGE)
    assert tried == [150, 128, 128]
    assert isinstance(gradient, np.ndarray)


def test_other_errors_are_not_ours(planned, tried):
    objective = planned()
    tried.failing = {None: ValueError("something else")}
    with pytest.raises(ValueError, match="something else"):
        objective.value_and_grad(tf.constant(IMAGE))
    assert objective.plan.tile_size is None


# --- targets ----------------------------------------------------------------------------------------------------------


def fail_times(monkeypatch, owner, name, error, times):
    """Let a function fail so many times first; gives the list of its calls."""
    real, calls = getattr(owner, name), []

    def failing(*arguments, **settings):
        calls.append(name)
        if len(calls) <= times:
            raise error
        return real(*arguments, **settings)

    monkeypatch.setattr(owner, name, failing)
    return calls


@BOTH
@pytest.mark.parametrize("name", ["style_moments", "content_maps"])
def test_targets_of_the_whole_fail(planned, graphs, tried, monkeypatch, error, name):
    expected = planned().value_and_grad(tf.constant(IMAGE))
    fail_times(monkeypatch, graphs.whole, name, error, 1)
    objective = planned()
    assert objective.plan.tile_size == 192
    assert_same(objective.value_and_grad(tf.constant(IMAGE)), expected)
    assert tried == [None, 192]


@BOTH
@pytest.mark.parametrize(("name", "asked"), [("statistics", 2), ("content_maps", 2)])
def test_targets_of_tiles_fail(planned, graphs, tried, monkeypatch, error, name, asked):
    expected = planned().value_and_grad(tf.constant(IMAGE))
    calls = fail_times(monkeypatch, graphs.tiled.parts[0], name, error, 1)
    objective = planned(tile_size=190)
    assert objective.plan.tile_size == 128
    assert len(calls) >= asked
    assert_same(objective.value_and_grad(tf.constant(IMAGE)), expected)
    assert tried == [None, 128]


def test_targets_of_no_size_are_to_be_had(planned, graphs, monkeypatch):
    fail_times(monkeypatch, graphs.whole, "style_moments", EXHAUSTED, 1)
    calls = fail_times(monkeypatch, graphs.tiled.parts[0], "statistics", EXHAUSTED, 9)
    with pytest.raises(OutOfMemoryError, match=r"even in tiles of 128 px") as caught:
        planned()
    assert len(calls) == 2
    assert caught.value.__cause__ is EXHAUSTED


@BOTH
def test_the_contents_targets_fail_while_tiles_take_the_place_of_the_whole(planned, graphs, tried, monkeypatch, error):
    objective, image = planned(), tf.constant(IMAGE)
    expected = objective.value_and_grad(image)
    tried.failing = {None: error}
    fail_times(monkeypatch, graphs.tiled.parts[0], "content_maps", error, 1)
    assert_same(objective.value_and_grad(image), expected)
    assert tried == [None, None, 128]


def test_style_targets_are_not_computed_anew(planned, tried):
    """The pictures of the styles are gone by then."""
    objective = planned()
    tried.failing = {None: EXHAUSTED}
    objective.value_and_grad(tf.constant(IMAGE))
    assert tried == [None, 192]
    assert objective.asked == [None]


@BOTH
def test_a_loss_over_several_sizes_fails_at_any_of_them(planned, tried, error):
    """What fails is repeated at all sizes, in smaller tiles, without new targets of the styles."""
    expected = planned(loss_scales=2).value_and_grad(tf.constant(IMAGE))
    objective, image = planned(loss_scales=2), tf.constant(IMAGE)
    distance = objective.content_distance(image)
    assert objective.asked == [None]
    tried.clear()
    tried.failing = {None: error, 192: error}
    outcome = objective.value_and_grad(image)
    assert tried == [None, 192, 128, 128]
    assert_same(outcome, expected)
    assert objective.content_distance(image) == pytest.approx(distance, rel=1e-5)
    assert objective.asked == [None]
    objective.release()
    assert not any(each.style_targets for each in objective._objectives)


# --- as an objective --------------------------------------------------------------------------------------------------


def test_weights_change_and_stay_changed_in_smaller_tiles(planned, tried):
    objective, changed = planned(), {"content_weight": 50, "tv_weight": 0}
    image, before = tf.constant(IMAGE), values(objective.value_and_grad(tf.constant(IMAGE))[0])
    expected = planned(**changed).value_and_grad(image)
    objective.set_weights(resolved(**SETTINGS, **changed))
    assert_same(objective.value_and_grad(image), expected)
    assert values(expected[0])["total"] != pytest.approx(before["total"], rel=0.01)
    tried.failing = {None: EXHAUSTED}
    assert_same(objective.value_and_grad(image), expected)
    tried.failing = {192: EXHAUSTED}
    assert_same(objective.value_and_grad(image), expected)
    assert tried[-1] == 128


def test_what_a_check_raises_ends_the_evaluation_and_is_no_failure(planned, tried):
    class Stop(BaseException):
        pass

    checks = []

    def check():
        checks.append(objective and objective.plan.tile_size)
        if len(checks) == stop_at:
            raise Stop

    objective, stop_at = None, None
    objective = planned(tile_size=64, check=check)
    checks.clear()
    objective.value_and_grad(IMAGE)
    stop_at, before = len(checks) // 2, len(checks)
    checks.clear()
    with pytest.raises(Stop):
        objective.value_and_grad(IMAGE)
    assert objective.plan.tile_size == 64
    stop_at = None
    checks.clear()
    objective.value_and_grad(IMAGE)
    assert len(checks) == before
    assert tried == [64] * 3


def test_released_targets_are_gone(planned):
    for settings in ({}, {"tile_size": 64}):
        objective = planned(**settings)
        assert objective._objective.style_targets
        objective.release()
        assert not objective._objective.style_targets
        assert objective._content is None


# --- the optimizer ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tile_size", "then"), [(None, 192), (64, 64)])
@pytest.mark.parametrize("optimizer", ["lbfgs", "scipy"])
def test_memory_is_saved_by_adam_in_place(planned, tried, caplog, optimizer, tile_size, then):
    objective = planned(tile_size=tile_size, optimizer=optimizer)
    expected = objective.value_and_grad(tf.constant(IMAGE))
    with caplog.at_level(logging.WARNING, "neural_style"):
        objective.save_memory(EXHAUSTED)
    assert objective.plan.in_place
    assert objective.plan.optimizer == "adam"
    assert (
        "the optimizer found too little memory (OOM when allocating); continuing with adam in place" in caplog.messages
    )
    assert_same(objective.value_and_grad(IMAGE), expected)
    assert tried[1:] == [then]


@BOTH
def test_a_content_distance_that_fails_is_repeated_in_smaller_tiles(planned, graphs, monkeypatch, error):
    objective = planned()
    expected = objective.content_distance(tf.constant(IMAGE))
    fail_times(monkeypatch, graphs.whole, "content_maps", error, 1)
    fail_times(monkeypatch, graphs.tiled.parts[0], "content_maps", error, 1)
    assert objective.content_distance(tf.constant(IMAGE)) == pytest.approx(expected, rel=1e-5)
    assert objective.plan.tile_size == 128


def test_where_there_is_no_more_memory_to_save(planned):
    objective = planned(tile_size=64, optimizer="adam")
    with pytest.raises(OutOfMemoryError, match=r"even in tiles of 64 px") as caught:
        objective.save_memory(EXHAUSTED)
    assert caught.value.__cause__ is EXHAUSTED
    with pytest.raises(OutOfMemoryError):
        planned((34, 100)).save_memory(EXHAUSTED)
