"""Strength in runs: the weight of the style follows the distance that content features reach."""

import numpy as np
import pytest
from small_runs import TWO_SCALES, totals

from neural_style.config import strength
from neural_style.runs.descent import Descent

THREE = {**TWO_SCALES, "scales": 2, "iterations": 6, "scale_iterations": 6, "learning_rate": 30.0}


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
    """Content distances of all best images at the ends of sizes, in order."""
    found = []
    real = Descent.release
    monkeypatch.setattr(Descent, "release", lambda self: (found.append(self.distance), real(self)))
    return found


@pytest.mark.parametrize("tiles", [{}, {"tile_size": 64}])
@pytest.mark.parametrize("sought", [0.25, 0.75])
def test_the_weight_is_corrected_after_each_size(run, weights_used, distances, sought, tiles):
    run(**THREE, **tiles, strength=sought)
    first, second = weights_used
    assert second / first == pytest.approx(strength.corrected(1, sought, distances[0]))
    assert second != first


@pytest.mark.parametrize("settings", [{"style_weight": 55.0}, {"loss": "athalye"}, {"content_weight": 1.0}], ids=str)
def test_without_a_strength_weights_stay(run, weights_used, settings):
    run(**THREE, **settings)
    assert weights_used[0] == weights_used[1]


def test_the_distance_is_the_relative_content_loss(run, distances):
    steps = run(**THREE, strength=0.5)
    best = {step.scale: step.losses["content"] / 2**20 for step in steps if step.best}  # the last one of each size
    assert distances == pytest.approx([best[64, 48], best[128, 96]], rel=1e-5)


@pytest.mark.parametrize("form", ["mean", "sum", "half_sum", "relative"])
def test_the_distance_is_the_same_for_every_content_loss(run, distances, form):
    """That of the start image, which no weight has changed yet."""
    given = {"iterations": 1, "scales": 1, "width": 64, "initial_noiseblend": 1.0, "seed": 3, "learning_rate": 1e-6}
    run(**given, strength=0.5, content_loss="relative")
    run(**given, strength=0.5, content_loss=form, feature_scale=0.5)
    assert distances[1] == pytest.approx(distances[0], rel=1e-3)


def test_a_strength_of_0_is_the_photo(begin):
    with begin(strength=0, scales=1, width=64) as session:
        first, *_ = session
        result = session.result()
    assert np.abs(result.image.astype(int) - first.image).max() <= 2


def test_a_strength_of_1_knows_no_photo(run):
    assert all(step.losses["content"] == 0 for step in run(**THREE, strength=1))


@pytest.mark.parametrize("at", [3, 9])
def test_a_restored_run_has_the_same_corrections(begin, stylizer, at):
    with begin(**THREE, strength=0.3) as session:
        whole = totals(session)
    with begin(**THREE, strength=0.3) as session:
        for _ in range(at):
            session.step()
        state = session.state()
    with stylizer.restore(state) as session:
        assert totals(session) == whole[at:]


def test_a_new_weight_ends_corrections(begin, weights_used):
    with begin(**THREE, strength=0.3) as session:
        for _ in range(3):
            session.step()
        session.set_weights(style_weight=20.0)
        for _ in session:
            pass
    assert weights_used[1] == 20


def test_a_strength_of_1_on_the_way_corrects_nothing(begin, weights_used):
    """What was measured with the photo says nothing about a run without it."""
    with begin(**THREE, strength=0.3) as session:
        for _ in range(7):  # to the end of the first size
            session.step()
        session.set_weights(strength=1)
        for _ in session:
            pass
        assert session._correction == 1
    assert weights_used[0] == weights_used[1]
