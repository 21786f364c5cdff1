"""Sessions that are canceled, or weighted anew, while they run."""

import threading

import numpy as np
import pytest
from small_runs import IN_PLACE, OPTIMIZERS, TWO_SCALES, are_best, smooth, totals

from neural_style.compute.tile_graph import PartGraph
from neural_style.errors import DivergenceError, NeuralStyleError, UsageError

ALL = pytest.mark.parametrize("optimizer", OPTIMIZERS)
WHOLE_AND_TILED = pytest.mark.parametrize("settings", [{}, IN_PLACE, {**IN_PLACE, "optimizer": "lbfgs"}], ids=str)


# --- cancel -----------------------------------------------------------------------------------------------------------


class Tiles:
    """Counts the tiles that are computed, and calls a function in another thread within one of them."""

    def __init__(self, monkeypatch):
        self.count, self._at, self._call = 0, None, None
        self._real = PartGraph.tiles
        monkeypatch.setattr(PartGraph, "tiles", self._method())

    def at(self, number, call):
        """Call once so many more tiles were computed."""
        self.count, self._at, self._call = 0, number, call

    def _method(self):
        def tiles(part, *arguments):
            for tile in self._real(part, *arguments):
                yield tile
                self.count += 1  # once it was computed
                if self.count == self._at:
                    thread, self._call = threading.Thread(target=self._call), None
                    thread.start()
                    thread.join()

        return tiles


@pytest.fixture
def tiles(monkeypatch):
    return Tiles(monkeypatch)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_cancel_within_an_evaluation_ends_before_the_next_tile(begin, tiles, optimizer):
    """Both passes: forward alone, and back."""
    settings = {**IN_PLACE, "width": 136, "optimizer": optimizer}
    session = begin(**settings)
    session.step()
    tiles.count = 0
    session.step()
    of_an_evaluation = tiles.count
    assert of_an_evaluation == 12  # two passes of 3 by 2 tiles
    for number in (1, 6, 11):
        session = begin(**settings)
        steps = [session.step(), session.step()]
        tiles.at(number, session.cancel)
        assert session.step() is None
        assert tiles.count == number
        assert session.is_canceled
        assert session.step() is None
        assert tiles.count == number
        best = min(steps, key=lambda step: step.losses["total"])
        assert session.result().losses == best.losses
        np.testing.assert_array_equal(session.result().image, best.image)


def test_cancel_in_the_last_tile_still_gives_the_step(begin, tiles):
    session = begin(**{**IN_PLACE, "width": 136})
    session.step()
    tiles.at(12, session.cancel)
    assert session.step().iteration == 1
    assert session.step() is None


@pytest.mark.parametrize("number", [1, 3, 5, 8])
def test_cancel_while_targets_are_computed(begin, tiles, number, reserved):
    """Of the style, in 2 by 2 tiles, of the content, and of the start image."""
    session = begin(**IN_PLACE, styles=[smooth(80, 60, number)])
    tiles.at(number, session.cancel)
    assert session.step() is None
    assert tiles.count == number
    with pytest.raises(NeuralStyleError, match="before its first"):
        session.result()
    assert session.iteration == -1
    session.close()
    assert reserved() == 0


def test_cancel_between_style_pictures(begin, stylizer, monkeypatch):
    """Where they are computed as a whole."""
    session = begin(styles=[smooth(80, 60, seed) for seed in (31, 32, 33)])
    real, computed = type(session._graphs.whole.style_moments).__call__, []

    def style_moments(self, *arguments):
        if self is session._graphs.whole.style_moments:
            computed.append(self)
            if len(computed) == 2:
                session.cancel()
        return real(self, *arguments)

    monkeypatch.setattr(type(session._graphs.whole.style_moments), "__call__", style_moments)
    assert session.step() is None
    assert len(computed) == 2
    session.close()


@pytest.mark.parametrize("settings", [{}, IN_PLACE, TWO_SCALES], ids=str)
def test_cancel_before_the_first_step(begin, evaluations, settings):
    session = begin(**settings)
    session.cancel()
    assert session.step() is None
    assert list(session) == []
    assert evaluations == []
    with pytest.raises(NeuralStyleError, match="before its first"):
        session.result()


@ALL
def test_cancel_between_steps(begin, evaluations, optimizer):
    session = begin(**TWO_SCALES, optimizer=optimizer)
    steps = []
    for step in session:
        steps.append(step)
        if step.iteration == 5:
            threading.Thread(target=session.cancel).start()
            while not session.is_canceled:
                pass
    assert len(steps) == len(evaluations) == 6
    best = [step for step in steps if step.best][-1]
    assert session.result().iteration == best.iteration >= 4  # of the size that was reached


# --- set_weights ------------------------------------------------------------------------------------------------------


def losses_at(begin, image, **settings):
    """Of an image by the session of a run with these settings, at its last size."""
    session = begin(**settings)
    session.step()
    objective = session._descent.objective
    terms, _ = objective.value_and_grad(image)
    return {**{name: float(value) for name, value in terms.by_name.items()}, "total": float(terms.total)}


OTHERS = (
    {"style_weight": 7.0},
    {"content_weight": 20.0, "tv_weight": 0.5},
    {"style_layer_weights": (1.0, 5.0)},
    {"style_layer_weights": None, "style_layer_weight_exp": 3.0},
    {"style_weight": 0.0},
    {"style_weight": 7.0, "style_layer_weights": (0.0, 1.0), "style_layer_weight_exp": 1.0, "content_weight": 0.0},
)


def traces(session):
    """How often each function of a session's graphs was traced."""
    whole, tiled = session._graphs.whole, session._graphs.tiled
    functions = [whole.value_and_grad, whole.style_moments, whole.content_maps]
    functions += [function for part in tiled.parts for function in (part.statistics, part.gradient, part.content_maps)]
    return [function.experimental_get_tracing_count() for function in functions]


@WHOLE_AND_TILED
def test_the_loss_is_that_of_a_run_with_those_weights(begin, evaluations, settings):
    """At the same image; nothing is traced anew. (There, tiny weights stand for 0, which would drop layers.)"""
    settings = {**settings, "iterations": 20}
    session, given = begin(**settings), {}
    steps, traced = [session.step(), session.step()], traces(session)
    for weights in OTHERS:
        session.set_weights(**weights)
        given |= {name: value or 1e-30 if value is not None else None for name, value in weights.items()}
        steps.append(session.step())
        assert traces(session) == traced
        expected = losses_at(begin, evaluations[-1].image, **settings, **given)
        assert steps[-1].losses == pytest.approx(expected, rel=1e-6, abs=1e-6)
        assert steps[-1].best
    assert [step.iteration for step in steps] == list(range(len(steps)))
    assert len({step.losses["total"] for step in steps}) == len(steps)
    session.close()


@ALL
def test_new_weights_hold_from_the_best_image_on(begin, evaluations, optimizer):
    """What was the best no longer is; the best of all after that is the result."""
    session = begin(optimizer=optimizer, iterations=12, learning_rate=120, initial_noiseblend=1)
    before = [session.step() for _ in range(6)]
    best = evaluations.images[int(np.argmin(totals(before)))]
    session.set_weights(style_weight=3.0)
    after = list(session)
    assert [step.iteration for step in before + after] == list(range(13))
    np.testing.assert_array_equal(evaluations.images[6], best)
    assert [step.best for step in after] == are_best(totals(after))
    result = session.result()
    assert result.iteration == 6 + int(np.argmin(totals(after)))
    assert result.config.style_weight == session.config.style_weight == 3.0
    if optimizer != "adam":  # whose steps are too large here
        assert min(totals(after)) < totals(after)[0]


def test_new_weights_in_place_hold_from_the_last_image_on(begin, evaluations):
    """Which is the only one that can be had."""
    session = begin(**IN_PLACE)
    before = [session.step() for _ in range(3)]
    session.set_weights(content_weight=50.0)
    after = list(session)
    np.testing.assert_array_equal(evaluations.images[3], evaluations.images[2])
    assert [step.iteration for step in before + after] == list(range(7))
    np.testing.assert_allclose(np.median(np.abs(evaluations.images[4] - evaluations.images[3])), 3, rtol=1e-3)
    np.testing.assert_array_equal(session.result().image, min(after, key=lambda step: step.losses["total"]).image)


def test_new_weights_before_the_first_step_are_those_of_a_run_that_begins_with_them(begin, run):
    expected = run(style_weight=3.0, **TWO_SCALES)
    session = begin(**TWO_SCALES)
    session.set_weights(style_weight=9.0)
    session.set_weights(style_weight=3.0)
    steps = list(session)
    assert [step.losses for step in steps] == [step.losses for step in expected]


def test_new_weights_hold_at_later_sizes(begin, evaluations):
    session = begin(**TWO_SCALES)
    for _ in range(4):
        last = session.step()
    session.set_weights(tv_weight=0.0)
    steps = list(session)
    assert last.losses["tv"] > 0
    assert [step.losses["tv"] for step in steps] == [0] * len(steps)
    assert [step.scale for step in steps] == [(128, 96)] * 6


def test_new_weights_are_added_to_those_before(begin):
    session = begin()
    session.set_weights(style_weight=3.0)
    session.set_weights(content_weight=4.0)
    session.step()
    session.set_weights(tv_weight=5.0)
    session.step()
    config = session.config
    assert (config.style_weight, config.content_weight, config.tv_weight) == (3, 4, 5)


def test_tolerance_begins_anew_with_new_weights(begin):
    """Losses before do not compare with those after."""
    session = begin(iterations=100, tolerance=0.99, learning_rate=1e-3)
    for _ in range(15):
        session.step()
    session.set_weights(style_weight=1e-3)
    steps = list(session)
    assert len(steps) == 21


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"styleweight": 3.0}, r"set_weights: expected some of strength, .*, tv_weight, got styleweight"),
        ({"iterations": 3, "seed": 4}, "got iterations, seed"),
        ({"style_weight": -1.0}, "style_weight: expected"),
        ({"style_weight": float("nan")}, "style_weight: expected"),
        ({"content_weight": "much"}, "content_weight: expected"),
        ({"style_layer_weights": (1.0,)}, r"style_layer_weights: expected 2 value\(s\)"),
        ({"style_layer_weights": (0.0, 0.0)}, "style_layer_weights: expected at least one weight above 0"),
        ({"style_blend_weights": (1.0, 1.0)}, r"style_blend_weights: expected 1 value\(s\)"),
        ({"content_weight_blend": 0.5}, "content_weight_blend blends relu4_2 and relu5_2, which content_layers"),
        ({"style_weight": 0.0, "content_weight": 0.0, "tv_weight": 0.0}, "there is nothing to optimize"),
    ],
    ids=str,
)
def test_weights_that_are_refused_change_nothing(begin, run, weights, said):
    session = begin(iterations=2)
    steps = [session.step()]
    with pytest.raises(UsageError, match=said) as caught:
        session.set_weights(**weights)
    assert "\n" not in str(caught.value)
    steps += list(session)
    assert [step.losses for step in steps] == [step.losses for step in run(iterations=2)]


def test_layers_that_the_run_lacks_are_refused(begin):
    without = begin(content_weight=0.0, style_layer_weights=(1.0, 0.0))
    with pytest.raises(
        UsageError, match=r"^set_weights: expected layers of the content loss among none, got relu1_1 as"
    ):
        without.set_weights(content_weight=1.0)
    with pytest.raises(UsageError, match=r"of the style loss among conv1_1, got relu1_1 as well; begin a new session"):
        without.set_weights(style_layer_weights=(1.0, 1.0))
    without.set_weights(style_weight=3.0)


def test_a_blend_of_content_layers_and_of_styles(begin, evaluations):
    settings = {
        "content_layers": None,
        "content_weight_blend": 0.5,
        "styles": [smooth(64, 48, 5), smooth(64, 48, 6)],
        "iterations": 9,
    }
    session = begin(**settings)
    session.step(), session.step()
    changed = {"content_weight_blend": 0.25, "style_blend_weights": (1.0, 3.0)}
    session.set_weights(**changed)
    step = session.step()
    assert step.losses == pytest.approx(losses_at(begin, evaluations[-1].image, **settings | changed), rel=1e-6)
    session.set_weights(content_weight_blend=1.0)  # without the other layer
    assert session.step().losses_by_layer["content"]["relu5_2"] == 0
    session.close()


def test_weights_with_which_no_loss_is_finite(begin, reserved):
    session = begin(initial_noiseblend=1)
    session.step()
    best = session.result()
    session.set_weights(content_weight=3e38)
    with pytest.raises(
        DivergenceError, match=r"with the new weights is not finite \(the loss is inf\); lower the loss"
    ):
        session.step()
    assert reserved() == 0
    assert session.result().losses == best.losses


@WHOLE_AND_TILED
def test_weights_from_other_threads_while_stepping(begin, settings):
    """None is lost, though two threads set different ones, and the step that is under way is not waited for."""
    session = begin(**{**settings, "iterations": 10**6})
    count = 60

    def change(name, offset):
        for number in range(count):
            session.set_weights(**{name: offset + number})

    threads = [
        threading.Thread(target=change, args=("style_weight", 100.0)),
        threading.Thread(target=change, args=("content_weight", 200.0)),
    ]
    steps = [session.step()]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        steps.append(session.step())
    steps.append(session.step())
    assert (session.config.style_weight, session.config.content_weight) == (99.0 + count, 199.0 + count)
    assert any(step.best for step in steps[1:])
    assert [step.iteration for step in steps] == list(range(len(steps)))
    assert np.isfinite(totals(steps)).all()
    session.close()


def test_weights_are_set_while_a_step_is_under_way(begin, tiles, evaluations):
    """They hold from the next evaluation on."""
    session = begin(**IN_PLACE)
    session.step()
    expected = session.step().losses
    session.close()
    session = begin(**IN_PLACE)
    session.step()
    tiles.at(2, lambda: session.set_weights(style_weight=1e-3))
    assert session.step().losses == expected
    assert session.step().losses["style"] < 0.1 * expected["style"]
    session.close()
