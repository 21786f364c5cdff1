"""Strength in runs: the weight of the style follows the distance that content features reach."""

import numpy as np
import pytest
from small_runs import TWO_SCALES, totals

from neural_style.compute.fallback import PlannedObjective
from neural_style.config import strength
from neural_style.runs.descent import Descent

THREE = {**TWO_SCALES, "scales": 2, "iterations": 6, "scale_iterations": 6, "learning_rate": 30.0}
TILED = {"width": 136, "tile_size": 64}
"""With these, Adam overwrites its images at both sizes, 68×51 px and 136×102."""


@pytest.fixture
def weights_used(monkeypatch):
    """Style weights of all sizes, in order."""
    used = []
    real = Descent.__init__

    def noted(self, objective, config, *arguments):
        used.append(config.style_weight)
        real(self, objective, config, *arguments)

    monkeypatch.setattr(Descent, "__init__", noted)
    return used


@pytest.fixture
def distances(monkeypatch):
    """Content distances that were computed, in order."""
    found = []
    real = PlannedObjective.content_distance

    def noted(self, image):
        found.append(real(self, image))
        return found[-1]

    monkeypatch.setattr(PlannedObjective, "content_distance", noted)
    return found


@pytest.mark.parametrize(("tiles", "sought"), [({}, 0.25), (TILED, 0.75)], ids=["whole", "tiled"])
def test_the_weight_is_corrected_after_each_size(run, weights_used, distances, sought, tiles):
    run(**{**THREE, **tiles}, strength=sought)
    first, second = weights_used
    assert second / first == pytest.approx(strength.corrected(1, sought, distances[0]))
    assert second != first


@pytest.mark.parametrize("settings", [{"style_weight": 55.0}, {"loss": "athalye"}, {"content_weight": 1.0}], ids=str)
def test_without_a_strength_weights_stay(run, weights_used, settings):
    run(**THREE, **settings)
    assert weights_used[0] == weights_used[1]


def test_the_distance_is_that_of_the_best_image_of_each_size_but_the_last(run, distances):
    steps = run(**THREE, strength=0.5)
    best = {step.scale: step.losses["content"] / 2**20 for step in steps if step.best}  # the last one of each size
    assert distances == pytest.approx([best[64, 48]], rel=1e-5)


@pytest.mark.parametrize("settings", [{"strength": 0.5, "scales": 1}, {"strength": 1}, {"style_weight": 55.0}], ids=str)
def test_no_distance_is_computed_that_nothing_depends_on(run, distances, settings):
    run(**{**THREE, **settings})
    assert distances == []


@pytest.mark.parametrize("tiles", [{}, TILED], ids=["whole", "tiled"])
def test_the_distance_is_that_of_the_average_which_is_carried_on(begin, distances, tiles):
    """It is not an image that the optimizer evaluated."""
    with begin(**{**THREE, **tiles}, strength=0.5, average_iterates=0.9) as session:
        for _ in range(7):
            session.step()
        descent = session._descent
        best, _ = descent.objective.value_and_grad(descent.best_image)
        of_average, _ = descent.objective.value_and_grad(descent.result)
        session.step()
    assert distances == pytest.approx([float(of_average.by_name["content"]) / 2**20], rel=1e-5)
    assert distances[0] != pytest.approx(float(best.by_name["content"]) / 2**20, rel=0.01)


def test_the_distance_in_place_is_that_of_the_last_image(begin, distances):
    """Which is the one that is carried on, even where an image before had a lower loss."""
    with begin(**{**THREE, **TILED, "learning_rate": 150.0}, strength=0.5) as session:
        steps = [session.step() for _ in range(7)]
        assert not steps[-1].best
        session.step()
    assert distances == pytest.approx([steps[-1].losses["content"] / 2**20], rel=1e-5)


def test_a_strength_of_0_is_the_photo(begin):
    with begin(strength=0, scales="auto", width=64) as session:
        first, *_ = session
        result = session.result()
    assert len(session.scales) == 1
    assert np.array_equal(result.image, first.image)


def test_a_strength_of_1_knows_no_photo(run):
    assert all(step.losses["content"] == 0 for step in run(**THREE, strength=1))


@pytest.mark.parametrize(
    ("settings", "at"), [({}, 3), ({}, 7), (TILED, 7), (TILED, 9), ({"average_iterates": 0.9}, 7)], ids=str
)
def test_a_restored_run_has_the_same_corrections(begin, stylizer, settings, at):
    with begin(**{**THREE, **settings}, strength=0.3) as session:
        whole = totals(session)
    with begin(**{**THREE, **settings}, strength=0.3) as session:
        for _ in range(at):
            session.step()
        state = session.state()
    with stylizer.restore(state) as session:
        assert totals(session) == whole[at:]


@pytest.mark.parametrize(("tiles", "loss"), [({}, "balanced"), (TILED, "athalye")], ids=["whole", "tiled"])
def test_a_strength_that_is_given_on_the_way_is_corrected_and_restored(
    begin, stylizer, weights_used, distances, loss, tiles
):
    """Whether or not the run began with one, and whatever its loss."""
    with begin(**{**THREE, **tiles, "loss": loss, "style_weight": 500.0}) as session:
        for _ in range(2):
            session.step()
        session.set_weights(strength=0.3)
        for _ in range(2):
            session.step()
        state = session.state()
        rest = totals(session)
    (distance,) = distances
    assert weights_used == pytest.approx([500, 500 * strength.corrected(1, 0.3, distance)])
    assert weights_used[1] != 500
    with stylizer.restore(state) as session:
        assert totals(session) == rest


def change_after(session, steps, **weights):
    """Make steps, change weights, and make the steps that are left."""
    for _ in range(steps):
        session.step()
    session.set_weights(**weights)
    for _ in session:
        pass


def test_a_new_weight_ends_corrections(begin, weights_used):
    with begin(**THREE, strength=0.3) as session:
        change_after(session, 3, style_weight=20.0)
    assert weights_used[1] == 20


def test_a_strength_of_1_on_the_way_corrects_nothing(begin, weights_used):
    """What was measured with the photo says nothing about a run without it."""
    with begin(**THREE, strength=0.3) as session:
        change_after(session, 7, strength=1)  # to the end of the first size
        assert session._correction == 1
    assert weights_used[0] == weights_used[1]


def test_another_strength_after_the_last_step_of_a_size_corrects_nothing(begin, weights_used, distances):
    """The image was made with the strength before."""
    with begin(**THREE, strength=0.3) as session:
        change_after(session, 7, strength=0.7)
    assert distances == []
    assert weights_used[0] == weights_used[1]
