"""The optimization at one size, on a function that costs nothing."""

import dataclasses
import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
import reference
import tensorflow as tf
from small_runs import are_best, numbers_in, small_config

from neural_style.compute.planner import Planner
from neural_style.config.defaults import PATIENCE, STEPPING, usual_tolerance
from neural_style.config.resolve import resolve
from neural_style.errors import DivergenceError, OutOfMemoryError
from neural_style.losses.spec import LossTerms
from neural_style.optimizers.adam import Adam, InPlaceAdam
from neural_style.optimizers.lbfgs import LBFGS
from neural_style.optimizers.scipy_lbfgs import ScipyLBFGS
from neural_style.optimizers.sgd import SGD, InPlaceSGD
from neural_style.optimizers.stepping import Box, Decay
from neural_style.optimizers.variables import Frequencies
from neural_style.runs.descent import STEP_SCALES, Descent, optimizer_of

OPTIMIZERS = ("adam", "sgd", "lbfgs", "scipy")
ALL = pytest.mark.parametrize("optimizer", OPTIMIZERS)
EXHAUSTED = tf.errors.ResourceExhaustedError(None, None, "OOM")
RNG = np.random.default_rng(3)
SHAPE = (1, 4, 5, 3)
MEAN = np.float32([120, 110, 100])
TARGET, CURVATURE = RNG.uniform(-50, 50, SHAPE).astype(np.float32), RNG.uniform(0.5, 4, SHAPE).astype(np.float32)
START = RNG.uniform(-50, 50, SHAPE).astype(np.float32)


class Bowl:
    """What `PlannedObjective` does, of ½ · weight · Σ c (x - t)² + 1."""

    def __init__(self, plan, planner):
        self.plan, self._planner = plan, planner
        self.images, self.weight, self.released, self.tiled = [], 1.0, False, False
        self.spoiled, self.place = (), "total"
        self.mean = MEAN

    def value_and_grad(self, image):
        call = len(self.images)
        self.images.append(np.array(image))
        off = np.asarray(image) - TARGET
        total = tf.constant(0.5 * self.weight * np.sum(CURVATURE * off**2) + 1, tf.float32)
        gradient = (self.weight * CURVATURE * off).astype(np.float32)
        if call in self.spoiled:
            total = tf.constant(np.inf) if self.place == "total" else total
            gradient[0, 1, 2, 0] = np.nan if self.place == "gradient" else gradient[0, 1, 2, 0]
        terms = LossTerms(total, {"content": total}, {})
        return terms, gradient if isinstance(image, np.ndarray) else tf.constant(gradient)

    def content_distance(self, image):
        return float(np.sum(image))

    def set_weights(self, config):
        self.weight = config.style_weight

    def save_memory(self, error):
        if self.plan.in_place:
            raise OutOfMemoryError("no memory") from error
        self.plan = dataclasses.replace(self._planner.overwriting(self.plan), tile_size=64)

    def release(self):
        self.released = True


@pytest.fixture
def begin():
    """A descent on a bowl; `in_place` for Adam or SGD in tiles."""

    def begin(optimizer="adam", in_place=False, start=START, iterations=8, before=0, **changes):
        picture = np.zeros((48, 64, 3), np.uint8)
        if optimizer == "sgd":
            changes = {"learning_rate": 0.045, **changes}  # ten times as large a loss does not diverge either
        config = resolve(small_config(picture, [picture], optimizer=optimizer, **changes), {})
        planner = Planner(config, "float32")
        plan = dataclasses.replace(planner.whole(64, 48), tile_size=64 if in_place else None)
        return Descent(Bowl(plan, planner), config, np.array(start), iterations, 1e-6, before)

    return begin


def totals(evaluations):
    return [evaluation.total for evaluation in evaluations]


WAYS = pytest.mark.parametrize(
    "way",
    [
        *({"optimizer": name} for name in OPTIMIZERS),
        *({"in_place": True}, {"optimizer": "sgd", "in_place": True}),
        *({"optimizer": "lbfgs", "variables": "pixels"}, {"variables": "frequencies"}),
    ],
    ids=str,
)


@WAYS
def test_the_start_and_one_for_each_iteration(begin, way):
    descent = begin(**way)
    assert descent.best_total == math.inf
    evaluations = [dataclasses.replace(each, image=np.array(each.image)) for each in descent]
    assert len(evaluations) <= 9
    if way.get("optimizer", "adam") in STEPPING:
        assert len(evaluations) == 9
    np.testing.assert_array_equal(evaluations[0].image, START)
    assert [each.is_best for each in evaluations] == are_best(totals(evaluations))
    assert min(totals(evaluations)) < 0.3 * evaluations[0].total
    for each, image in zip(evaluations, descent.objective.images, strict=True):
        np.testing.assert_array_equal(each.image, image)
        assert float(each.terms.total) == each.total
    assert descent.is_over
    assert list(descent) == []
    assert descent.best_total == min(totals(evaluations))


@ALL
def test_the_best_image_is_that_of_the_lowest_loss(begin, optimizer):
    descent = begin(optimizer, learning_rate=80, iterations=9)
    evaluations = list(descent)
    best = int(np.argmin(totals(evaluations)))
    np.testing.assert_array_equal(descent.best_image, descent.objective.images[best])
    if optimizer == "adam":
        assert best < len(evaluations) - 1


def test_in_place_the_best_image_is_the_last(begin):
    descent = begin(in_place=True, learning_rate=80, iterations=12)
    images = {id(each.image) for each in descent}
    assert images == {id(descent.best_image)}  # the very array
    np.testing.assert_array_equal(descent.best_image, descent.objective.images[-1])


@ALL
def test_it_is_over_where_nothing_is_left(begin, optimizer):
    assert len(list(begin(optimizer, start=TARGET, iterations=5))) == (6 if optimizer in STEPPING else 1)


@ALL
def test_tolerance_ends_it(begin, optimizer):
    descent = begin(optimizer, tolerance=0.99, learning_rate=1e-3, iterations=100)
    losses = totals(descent)
    if optimizer in STEPPING:
        assert len(losses) == PATIENCE + 1
    assert descent.is_over


@pytest.mark.parametrize(
    "way", [{}, {"optimizer": "lbfgs"}, {"in_place": True}, {"average_iterates": 0.5}, {"optimizer": "sgd"}], ids=str
)
def test_the_content_distance_is_that_of_the_result(begin, way):
    """Of the best image, of the last one in place, or of the average; none of images made with other weights."""
    descent = begin(**way, **({} if way.get("optimizer") == "sgd" else {"learning_rate": 80}))
    assert descent.content_distance() is None
    list(descent)
    assert descent.content_distance() == float(np.sum(descent.result))
    descent.set_weights(dataclasses.replace(descent._config, style_weight=10.0))
    assert descent.content_distance() is None


# --- what is not finite -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("place", ["total", "gradient"])
@pytest.mark.parametrize("call", [1, 4, 8])
def test_adam_goes_back_and_makes_smaller_steps(begin, notes, in_place, place, call):
    descent = begin(in_place=in_place, learning_rate=80, before=100)
    bowl = descent.objective
    bowl.spoiled, bowl.place = (call,), place
    losses = totals(descent)
    assert len(losses) == 9
    assert np.isfinite(losses).all()
    assert numbers_in(notes()[0], "at iteration") == [100 + call]
    assert ("last" if in_place else "best") in notes()[0]
    lowest = call - 1 if in_place else int(np.argmin(losses[:call]))
    images = bowl.images
    assert len(images) == 9 + 2
    np.testing.assert_allclose(images[call + 1], images[lowest], atol=1e-4 if in_place else 0)
    np.testing.assert_allclose(np.median(np.abs(images[call + 2] - images[call + 1])), 8, rtol=1e-3)


@pytest.mark.parametrize("optimizer", ["lbfgs", "scipy"])
@pytest.mark.parametrize("place", ["total", "gradient"])
def test_a_trial_that_is_not_finite_costs_neither_a_life_nor_an_iteration(begin, notes, optimizer, place):
    """It is a step too far."""
    descent = begin(optimizer, iterations=6)
    bowl = descent.objective
    bowl.spoiled, bowl.place = (1, 2, 4), place
    losses = totals(descent)
    assert notes() == []
    assert len(losses) == 7
    assert len(bowl.images) == 7 + 3
    assert np.isfinite(losses).all()
    steps = [image - START for image in bowl.images[1:4]]
    np.testing.assert_allclose(steps[1], steps[0] / 2, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(steps[2], steps[0] / 4, rtol=1e-3, atol=1e-3)
    assert min(losses) < losses[0]


def test_lbfgs_with_no_finite_step_at_all_goes_back(begin, notes):
    descent = begin("lbfgs", variables="pixels", iterations=5)
    descent.objective.spoiled = range(1, 11)
    losses = totals(descent)
    assert len(losses) == 6
    assert numbers_in(notes()[0], "at iteration") == [1]
    images = descent.objective.images
    again = next(number for number in range(2, 13) if np.array_equal(images[number], START))
    assert np.sqrt(np.mean((images[again + 1] - START) ** 2)) == pytest.approx(STEP_SCALES[1], rel=1e-3)


@WAYS
def test_not_finite_at_the_start(begin, way):
    descent = begin(**way)
    descent.objective.spoiled = (0,)
    with pytest.raises(
        DivergenceError, match=r"^loss or gradient of the start image is not finite \(the loss is inf\); "
    ):
        next(descent)
    assert len(descent.objective.images) == 1


@pytest.mark.parametrize("in_place", [False, True])
def test_not_finite_twice(begin, in_place):
    descent = begin(in_place=in_place, iterations=20, before=10)
    descent.objective.spoiled = (3, 7)
    losses = []
    with pytest.raises(DivergenceError, match=r"twice, the last time at iteration 15, .* 10 times smaller; lower"):
        for evaluation in descent:
            losses.append(evaluation.total)
    assert len(losses) == 5
    assert np.isfinite(losses).all()


# --- memory -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def exhausted(monkeypatch):
    """Make an optimizer find no memory when it is told the n-th evaluation."""

    def exhausted(kind, *numbers):
        real, told = kind.tell, []

        def tell(self, state, total, gradient):
            told.append(total)
            if len(told) in numbers:
                raise EXHAUSTED
            return real(self, state, total, gradient)

        monkeypatch.setattr(kind, "tell", tell)

    return exhausted


@pytest.mark.parametrize(("optimizer", "kind"), [("lbfgs", LBFGS), ("scipy", ScipyLBFGS), ("adam", Adam)])
@pytest.mark.parametrize("number", [1, 4])
def test_an_optimizer_without_memory_is_replaced(begin, exhausted, optimizer, kind, number):
    """By Adam in place, from the best image on."""
    exhausted(kind, number)
    descent = begin(optimizer, learning_rate=3)
    losses = totals(descent)
    assert len(losses) == 9
    images = descent.objective.images
    assert len(images) == 10  # the best once more
    best = images[int(np.argmin(losses[:number]))]
    np.testing.assert_array_equal(images[number], best)
    np.testing.assert_allclose(np.median(np.abs(images[number + 1] - best)), 3, rtol=1e-3)
    assert descent.objective.plan.in_place
    assert isinstance(descent.best_image, np.ndarray)


def test_an_optimizer_in_place_without_memory_ends_it(begin, exhausted):
    exhausted(InPlaceAdam, 2)
    descent = begin(in_place=True)
    next(descent), next(descent)
    with pytest.raises(OutOfMemoryError):
        next(descent)


def test_adam_in_the_place_of_another_has_its_own_tolerance(begin):
    lbfgs = usual_tolerance("lbfgs", "balanced")
    assert lbfgs > usual_tolerance("adam", "balanced") == 0
    for given, expected in ((None, (lbfgs, 0)), (lbfgs, (lbfgs, lbfgs)), (0.1, (0.1, 0.1))):
        picture = np.zeros((48, 64, 3), np.uint8)
        config = resolve(small_config(picture, [picture], optimizer="lbfgs", tolerance=given), {})
        assert (config.tolerance_of("lbfgs"), config.tolerance_of("adam")) == expected


def test_a_run_of_adam_in_the_place_of_lbfgs_uses_up_its_iterations(begin, exhausted):
    exhausted(LBFGS, 2)
    losses = totals(begin("lbfgs", tolerance=None, iterations=40, learning_rate=1e-6))
    assert len(losses) == 41


def test_errors_of_other_kinds_pass_through(begin, monkeypatch):
    def tell(*_):
        raise ValueError("something else")

    monkeypatch.setattr(Adam, "tell", tell)
    descent = begin()
    next(descent)
    with pytest.raises(ValueError, match="something else"):
        next(descent)


@pytest.mark.parametrize("method", ["__init__", "image", "gradient"])
@pytest.mark.parametrize("call", [1, 3])
def test_frequencies_that_find_no_memory_give_way_to_pixels_in_place(begin, monkeypatch, method, call):
    """At the start or later, and then again from the best image."""
    calls, real = [], getattr(Frequencies, method)

    def fail(self, *arguments):
        calls.append(None)
        if len(calls) == call:
            raise EXHAUSTED
        return real(self, *arguments)

    monkeypatch.setattr(Frequencies, method, fail)
    descent = begin("lbfgs", iterations=6, learning_rate=3)
    losses = totals(descent)
    assert len(losses) == 7
    if len(calls) >= call:
        assert descent.objective.plan.in_place
    np.testing.assert_array_equal(descent.objective.images[0], START)


def test_new_weights_for_which_frequencies_find_no_memory(begin, monkeypatch):
    """The best image is evaluated with them, and counts."""
    descent = begin("lbfgs", iterations=8, learning_rate=3)
    for _ in range(3):
        next(descent)
    best = np.array(descent.best_image)
    monkeypatch.setattr(Frequencies, "__init__", lambda *_: (_ for _ in ()).throw(EXHAUSTED))
    descent.set_weights(dataclasses.replace(descent._config, style_weight=10.0))
    first = next(descent)
    assert first.is_best and descent.objective.plan.in_place
    np.testing.assert_array_equal(descent.objective.images[3], best)


def test_frequencies_are_saved_with_the_image_that_they_began_at(begin):
    """Which after new weights is neither the start nor the best image."""
    descent, other = begin("lbfgs", iterations=12), begin("lbfgs", iterations=12)
    for _ in range(3):
        next(descent)
    origin = np.array(descent.best_image)
    descent.set_weights(dataclasses.replace(descent._config, style_weight=10.0))
    other.set_weights(dataclasses.replace(descent._config, style_weight=10.0))
    for _ in range(3):
        next(descent)
    arrays, numbers = descent.to_arrays()
    np.testing.assert_array_equal(arrays["origin"], origin)
    assert not np.array_equal(arrays["best_image"], origin)
    other.take_arrays(arrays, numbers)
    assert totals(other) == totals(descent)


# --- weights, states --------------------------------------------------------------------------------------------------


@WAYS
def test_new_weights(begin, way):
    descent = begin(**way, iterations=9)
    before = [next(descent) for _ in range(4)]
    image = descent.objective.images[-1] if "in_place" in way else np.array(descent.best_image)
    descent.set_weights(dataclasses.replace(descent._config, style_weight=10.0))
    assert descent.best_total == math.inf
    after = list(descent)
    np.testing.assert_array_equal(descent.objective.images[4], image)
    assert len(before) + len(after) <= 10
    assert after[0].is_best
    assert after[0].total - 1 == pytest.approx(10 * (min(totals(before)) - 1), rel=1e-3)
    assert [each.is_best for each in after] == are_best(totals(after))


@WAYS
def test_new_weights_where_it_was_over(begin, way):
    """It goes on if there are iterations left, and not if not."""
    descent = begin(**way, tolerance=0.99, learning_rate=1e-3, iterations=60)
    first = len(list(descent))
    assert first < 61
    descent.set_weights(dataclasses.replace(descent._config, style_weight=10.0))
    assert len(list(descent)) > 1
    descent = begin(**way, iterations=2)
    list(descent)
    descent.set_weights(dataclasses.replace(descent._config, style_weight=10.0))
    assert list(descent) == []


def test_new_weights_while_the_best_image_was_due_again(begin, exhausted):
    """Its loss by the new weights is not known, so it counts."""
    exhausted(LBFGS, 3)
    descent = begin("lbfgs", learning_rate=3)
    for _ in range(3):
        next(descent)
    descent.settle()  # takes the step for which there is no memory
    assert descent._is_known
    descent.set_weights(dataclasses.replace(descent._config, style_weight=10.0))
    assert next(descent).is_best
    assert len(descent.objective.images) == 4
    np.testing.assert_array_equal(descent.objective.images[3], descent.objective.images[2])


@WAYS
@pytest.mark.parametrize("count", [1, 4, 9])
def test_arrays(begin, way, count):
    """A descent goes on from them to the bit, SciPy's from the image that was due; what was saved changes nothing."""
    expected = begin(**way)
    losses = totals(expected)
    descent, other = begin(**way), begin(**way)
    count = min(count, len(losses))
    for _ in range(count):
        next(descent)
    arrays, numbers = descent.to_arrays()
    other.take_arrays({name: np.array(array) for name, array in arrays.items()}, numbers)
    assert totals(descent) == losses[count:]
    rest = totals(other)
    if way.get("optimizer") == "scipy":
        assert rest[:1] == losses[count : count + 1]
    else:
        assert rest == losses[count:]
        np.testing.assert_array_equal(other.best_image, descent.best_image)
        np.testing.assert_array_equal(descent.best_image, expected.best_image)
        assert other.best_total == descent.best_total


def test_arrays_at_the_end_hold_the_image_that_was_evaluated(begin):
    """In place, a step more would overwrite it with one that never was."""
    descent = begin(in_place=True, iterations=3)
    list(descent)
    arrays, _ = descent.to_arrays()
    np.testing.assert_array_equal(descent.best_image, descent.objective.images[-1])
    np.testing.assert_array_equal(arrays["optimizer/image"], descent.objective.images[-1])


def test_release(begin):
    descent = begin()
    next(descent)
    best = np.array(descent.best_image)
    descent.release()
    assert descent.objective.released
    np.testing.assert_array_equal(descent.best_image, best)


# --- optimizers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", STEP_SCALES)
def test_optimizers_have_the_settings_of_the_run(scale):
    picture = np.zeros((48, 64, 3), np.uint8)
    settings = {"learning_rate": 7.0, "beta1": 0.8, "beta2": 0.9, "eps": 1e-3, "history_size": 4}
    config = resolve(small_config(picture, [picture], **settings), {})
    plan = SimpleNamespace(optimizer="adam", history_size=3)
    for in_place, kind in ((False, Adam), (True, InPlaceAdam)):
        assert optimizer_of(plan, config, 1e-4, scale, in_place, MEAN) == kind(7 * scale, 0.8, 0.9, 1e-3)
    plan.optimizer = "sgd"
    for in_place, kind in ((False, SGD), (True, InPlaceSGD)):
        assert optimizer_of(plan, config, 1e-4, scale, in_place, MEAN) == kind(7 * scale)
    plan.optimizer = "lbfgs"
    assert optimizer_of(plan, config, 1e-4, scale, False, MEAN) == LBFGS(3, scale, 1e-4)
    plan.optimizer = "scipy"
    assert optimizer_of(plan, config, 1e-4, scale, False, MEAN) == ScipyLBFGS(3, scale)


@pytest.mark.parametrize("in_place", [False, True])
def test_decay_and_clipping_are_those_of_the_run(begin, in_place):
    decay = {"learning_rate_decay": 0.5, "learning_rate_decay_iterations": 3, "learning_rate_decay_shape": "steps"}
    for optimizer in ("adam", "sgd"):
        made = begin(optimizer, in_place, clip=True, **decay)._optimizer
        assert (made.decay, made.box) == (Decay(0.5, 3, "steps"), Box.of_pixels(MEAN))
        plain = begin(optimizer, in_place)._optimizer
        assert (plain.decay, plain.box) == (Decay(), None)


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_pixels_of_0_to_1(begin, optimizer, in_place):
    """The same images as of steps in these units, made here by an optimizer that knows nothing of gray levels."""
    descent = begin(optimizer, in_place, pixel_range=1, learning_rate=2e-6 if optimizer == "sgd" else 0.02, eps=0.3)
    list(descent)
    images = np.float64(descent.objective.images)
    settings = {} if optimizer == "sgd" else {"beta1": 0.9, "beta2": 0.999, "eps": 0.3}

    def slope(values):
        return 255 * CURVATURE * (255 * values - TARGET)

    make = getattr(reference, optimizer)
    expected = make(slope, START / 255, 8, 2e-6 if optimizer == "sgd" else 0.02, **settings)
    np.testing.assert_allclose(images, 255 * np.array(expected), rtol=1e-4, atol=1e-3)
    assert np.abs(images[-1] - images[0]).max() > 5


# --- the decay of the learning rate -----------------------------------------------------------------------------------


def lengths(images):
    """Of the steps between images, by Adam with gradients of one sign, where they are the learning rate."""
    return [np.median(np.abs(after - before)) for before, after in itertools.pairwise(images)]


SOON = {"learning_rate": 8.0, "learning_rate_decay": 0.5, "learning_rate_decay_iterations": 2, "beta1": 0.0}
FAR = np.float32(TARGET + 1e4)


@pytest.mark.parametrize("in_place", [False, True])
def test_decay_goes_on_after_what_is_not_finite(begin, in_place):
    """With smaller steps. The step that was taken back counts as it did."""
    descent = begin(in_place=in_place, start=FAR, iterations=6, learning_rate_decay_shape="steps", **SOON)
    descent.objective.spoiled = (5,)
    assert len(totals(descent)) == 7
    images = descent.objective.images
    np.testing.assert_allclose(lengths(images[:6]), [8, 8, 4, 4, 2], rtol=0.02)
    np.testing.assert_allclose(images[6], images[4], atol=1e-2 if in_place else 0)
    np.testing.assert_allclose(lengths(images[6:]), [0.2, 0.2], rtol=0.05)


def test_decay_goes_on_after_the_optimizer_found_no_memory(begin, exhausted):
    exhausted(Adam, 4)
    descent = begin(start=FAR, iterations=6, learning_rate_decay_shape="steps", **SOON)
    assert len(totals(descent)) == 7
    images = descent.objective.images
    np.testing.assert_array_equal(images[3], images[4])
    np.testing.assert_allclose(lengths(images), [8, 8, 4, 0, 4, 2, 2], rtol=0.02)


@pytest.mark.parametrize("in_place", [False, True])
def test_decay_goes_on_with_new_weights(begin, in_place):
    descent = begin(in_place=in_place, start=FAR, iterations=7, learning_rate_decay_shape="steps", **SOON)
    for _ in range(4):
        next(descent)
    descent.settle()
    descent.set_weights(dataclasses.replace(descent._config, style_weight=10.0))
    list(descent)
    assert lengths(descent.objective.images)[-1] == pytest.approx(1, rel=0.05)


# --- clipping ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_pixels_are_clipped(begin, optimizer, in_place):
    rate = 60 if optimizer == "adam" else 1.2
    images = {}
    for clip in (False, True):
        descent = begin(optimizer, in_place, clip=clip, learning_rate=rate, start=4 * START)
        list(descent)
        images[clip] = np.array(descent.objective.images[1:]) + MEAN
    assert images[False].min() < -1
    assert images[True].min() == pytest.approx(0, abs=1e-4)
    assert images[True].min() > -1e-4 and images[True].max() < 255.0001


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_clipped_step_is_taken_back(begin, optimizer):
    descent = begin(optimizer, True, clip=True, learning_rate=60 if optimizer == "adam" else 1.2, start=4 * START)
    descent.objective.spoiled = (3,)
    list(descent)
    np.testing.assert_array_equal(descent.objective.images[4], descent.objective.images[2])


def test_sgd_without_memory_goes_on_in_place(begin, exhausted):
    """As SGD, which needs less memory than Adam."""
    exhausted(SGD, 3)
    descent = begin("sgd", learning_rate=0.1)
    assert len(totals(descent)) == 9
    assert descent.objective.plan.optimizer == "sgd"
    assert descent.objective.plan.in_place
    steps = np.diff(descent.objective.images, axis=0)
    gradients = [CURVATURE * (image - TARGET) for image in descent.objective.images[:-1]]
    for number in (0, 1, 3, 5):
        np.testing.assert_allclose(steps[number], -0.1 * gradients[number], rtol=1e-3, atol=1e-4)
