import threading
from typing import NamedTuple

import numpy as np
import pytest
import reference
import scipy.optimize
import tensorflow as tf

from neural_style import optimizers
from neural_style.optimizers import adam, lbfgs

SHAPE = (1, 4, 6, 3)
ADAM = {"learning_rate": 0.5, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}


class Losses(NamedTuple):
    """Losses of two terms, as optimisers are given them; they go by `total`."""

    half: tf.Tensor
    total: tf.Tensor


def random(seed=0):
    return np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32)


START, TARGET = tf.constant(random(0)), tf.constant(random(1))
SCALES = tf.constant(10 ** np.random.default_rng(2).uniform(-1, 1, SHAPE).astype(np.float32))


def objective(loss):
    """`value_and_grad` of a function from tensor to scalar."""

    @tf.function
    def value_and_grad(image):
        with tf.GradientTape() as tape:
            tape.watch(image)
            total = loss(image)
        return Losses(total / 2, total), tape.gradient(total, image)

    return value_and_grad


quadratic = objective(lambda image: tf.reduce_sum(SCALES * (image - TARGET) ** 2))


@objective
def rosenbrock(image):
    """Each two neighbouring entries are one valley; the minimum, 0, is where all entries are 1."""
    pairs = tf.reshape(image, (-1, 2))
    x, y = pairs[:, 0], pairs[:, 1]
    return tf.reduce_sum((1 - x) ** 2 + 100 * (y - x**2) ** 2)


def value_of(value_and_grad, image):
    return float(value_and_grad(image)[0].total)


@pytest.fixture(autouse=True)
def no_thread_left_behind():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def start_of(optimizer, value_and_grad=quadratic, **settings):
    """One of the optimisers at work on a function, from `START` on."""
    if optimizer is adam:
        return adam(value_and_grad, START, **{"iterations": 5, **ADAM, **settings})
    return lbfgs(value_and_grad, START, **{"iterations": 5, "history_size": 10, **settings})


# --- both -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", [adam, lbfgs])
def test_evaluations(optimizer):
    """The start and `iterations` more, each with the losses of its own image."""
    evaluations = list(start_of(optimizer, rosenbrock, iterations=7))
    assert len(evaluations) == 8
    np.testing.assert_array_equal(evaluations[0].image, START)
    assert len({evaluation.losses["total"] for evaluation in evaluations}) == 8
    for evaluation in evaluations:
        assert evaluation.image.shape == SHAPE
        assert evaluation.image.dtype == tf.float32
        assert evaluation.finite is True
        assert list(evaluation.losses) == ["half", "total"]
        assert all(type(value) is float for value in evaluation.losses.values())
        assert evaluation.losses["total"] == pytest.approx(value_of(rosenbrock, evaluation.image), rel=1e-6)
        assert evaluation.losses["half"] == pytest.approx(evaluation.losses["total"] / 2)


@pytest.mark.parametrize("optimizer", [adam, lbfgs])
def test_one_evaluation_at_a_time_in_the_thread_of_the_caller(optimizer):
    threads = []

    def value_and_grad(image):
        threads.append(threading.current_thread())
        return quadratic(image)

    for count, _ in enumerate(start_of(optimizer, value_and_grad), 1):
        assert len(threads) == count  # nothing is evaluated ahead
    assert set(threads) == {threading.current_thread()}


@pytest.mark.parametrize("optimizer", [adam, lbfgs])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", ["total", "gradient"])
def test_evaluations_that_are_not_finite_are_marked(optimizer, bad, place):
    calls = []

    def value_and_grad(image):
        losses, gradient = quadratic(image)
        calls.append(image)
        if len(calls) == 3:
            if place == "total":
                losses = losses._replace(total=tf.constant(bad, tf.float32))
            else:
                gradient = tf.tensor_scatter_nd_update(gradient, [(0, 1, 2, 0)], [bad])
        return losses, gradient

    steps = start_of(optimizer, value_and_grad)
    assert [next(steps).finite for _ in range(3)] == [True, True, False]
    steps.close()


@pytest.mark.parametrize("optimizer", [adam, lbfgs])
@pytest.mark.parametrize("after", [0, 1, 3])
def test_closing_early_ends_it(optimizer, after):
    calls = []

    def value_and_grad(image):
        calls.append(image)
        return quadratic(image)

    steps = start_of(optimizer, value_and_grad, iterations=1000)
    for _ in range(after):
        next(steps)
    steps.close()
    assert len(calls) == after
    assert list(steps) == []  # and `no_thread_left_behind`


@pytest.mark.parametrize("optimizer", [adam, lbfgs])
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_errors_of_the_objective_reach_the_caller(optimizer, error):
    calls = []

    def value_and_grad(image):
        calls.append(image)
        if len(calls) == 3:
            raise error("broken")
        return quadratic(image)

    steps = start_of(optimizer, value_and_grad)
    next(steps), next(steps)
    with pytest.raises(error, match="broken"):
        next(steps)
    assert list(steps) == []


@pytest.mark.parametrize("optimizer", [adam, lbfgs])
def test_errors_of_the_caller_end_it(optimizer):
    steps = start_of(optimizer)
    next(steps)
    with pytest.raises(ZeroDivisionError):
        steps.throw(ZeroDivisionError())
    assert list(steps) == []


# --- Adam -------------------------------------------------------------------------------------------------------------


def test_first_step_of_adam_by_hand():
    """Gradient 2, β₁ 0.9, β₂ 0.999, ε-hat 1: m = 0.2, v = 0.004, so x - √0.001 / 0.1 · 0.2 / (√0.004 + 1)."""
    doubled = objective(lambda image: tf.reduce_sum(2 * image))
    image = list(adam(doubled, START, iterations=1, learning_rate=1, beta1=0.9, beta2=0.999, eps=1))[1].image
    np.testing.assert_allclose(START - image, 0.0594834, rtol=1e-4)


@pytest.mark.parametrize("factor", [1e-3, 1, 1e6])
def test_first_step_of_adam_is_the_learning_rate_whatever_the_scale(factor):
    scaled = objective(lambda image: factor * tf.reduce_sum(tf.abs(image)))
    image = list(adam(scaled, START, **{**ADAM, "iterations": 1}))[1].image
    np.testing.assert_allclose(START - image, 0.5 * np.sign(START), rtol=1e-3)


@pytest.mark.parametrize(
    "changes",
    [{}, {"beta1": 0.5, "beta2": 0.9}, {"beta1": 0}, {"beta2": 0.5}, {"eps": 0.1}, {"learning_rate": 3}],
    ids=str,
)
def test_adam_against_reference(changes):
    """Twelve steps of changing gradients. With the largest ε, another place for it would show."""
    wavy = objective(lambda image: tf.reduce_sum(SCALES * (image - TARGET) ** 2 + tf.sin(3 * image)))
    scales, target = SCALES.numpy().astype(np.float64), TARGET.numpy().astype(np.float64)
    settings = {**ADAM, **changes}
    expected = reference.adam(lambda x: 2 * scales * (x - target) + 3 * np.cos(3 * x), START, 12, **settings)
    evaluations = list(adam(wavy, START, iterations=12, **settings))
    assert len(evaluations) == len(expected)
    for evaluation, point in zip(evaluations, expected, strict=True):
        np.testing.assert_allclose(evaluation.image, point, rtol=1e-3, atol=1e-3)


def test_adam_finds_a_minimum():
    *_, last = adam(quadratic, START, iterations=300, **{**ADAM, "learning_rate": 0.1})
    np.testing.assert_allclose(last.image, TARGET, atol=0.02)


def test_adam_traces_its_update_once():
    list(start_of(adam))
    before = optimizers.adam_update.experimental_get_tracing_count()
    list(start_of(adam, learning_rate=0.25, iterations=20))
    assert optimizers.adam_update.experimental_get_tracing_count() == before


# --- L-BFGS -----------------------------------------------------------------------------------------------------------


def test_lbfgs_finds_the_minimum_of_a_quadratic():
    best = min(lbfgs(quadratic, START, iterations=100, history_size=10), key=lambda e: e.losses["total"])
    np.testing.assert_allclose(best.image, TARGET, atol=1e-3)


def test_lbfgs_finds_the_minimum_of_rosenbrock():
    best = min(lbfgs(rosenbrock, START, iterations=500, history_size=10), key=lambda e: e.losses["total"])
    np.testing.assert_allclose(best.image, 1, atol=1e-2)
    assert best.losses["total"] < 1e-4 < value_of(rosenbrock, START)


@pytest.mark.parametrize("iterations", [1, 2, 25])
def test_lbfgs_evaluates_no_more_than_asked(iterations):
    calls = []

    def value_and_grad(image):
        calls.append(image)
        return rosenbrock(image)

    assert len(list(lbfgs(value_and_grad, START, iterations=iterations, history_size=10))) == iterations + 1
    assert len(calls) == iterations + 1


@pytest.mark.parametrize("first_step", [0.01, 1, 20])
@pytest.mark.parametrize("factor", [1e-3, 1, 1e6])
def test_first_step_of_lbfgs(first_step, factor):
    """Down the gradient, by so much in root mean square, whatever the scale of the loss."""
    scaled = objective(lambda image: factor * tf.reduce_sum(SCALES * (image - TARGET) ** 2))
    steps = lbfgs(scaled, START, iterations=1, history_size=10, first_step=first_step)
    start, first = (evaluation.image.numpy() for evaluation in steps)
    change = first - start
    assert np.sqrt(np.mean(change**2)) == pytest.approx(first_step, rel=1e-3)
    gradient = scaled(START)[1].numpy()
    cosine = np.sum(change * gradient) / np.linalg.norm(change) / np.linalg.norm(gradient)
    assert cosine == pytest.approx(-1, abs=1e-4)


def test_first_step_does_not_grow_with_the_image():
    for side in (2, 64):
        steps = lbfgs(objective(tf.reduce_sum), tf.zeros((1, side, side, 3)), iterations=1, history_size=10)
        np.testing.assert_allclose(list(steps)[1].image, -1, rtol=1e-3)


def test_lbfgs_ends_at_once_where_it_starts_at_a_minimum():
    evaluations = list(lbfgs(quadratic, TARGET, iterations=100, history_size=10))
    assert [evaluation.losses["total"] for evaluation in evaluations] == [0]


def test_lbfgs_ends_early_where_nothing_improves_any_more():
    evaluations = list(lbfgs(quadratic, START, iterations=5000, history_size=10))
    assert len(evaluations) < 1000
    totals = [evaluation.losses["total"] for evaluation in evaluations]
    assert min(totals) < 1e-5 * totals[0]


class Impatient:
    """Makes SciPy give up after some iterations, and notes how it is called."""

    def __init__(self, monkeypatch, patience):
        self.starts, self.options = [], []
        self._real, self._patience = scipy.optimize.minimize, patience
        monkeypatch.setattr(scipy.optimize, "minimize", self._minimize)

    def _minimize(self, function, start, options, **settings):
        self.starts.append(start.copy())
        self.options.append(dict(options))
        patience = {} if self._patience is None else {"maxiter": self._patience}
        return self._real(function, start, options={**options, **patience}, **settings)


def test_lbfgs_goes_on_from_the_best_point_when_scipy_gives_up(monkeypatch):
    scipy_calls = Impatient(monkeypatch, patience=3)
    evaluations = list(lbfgs(quadratic, START, iterations=300, history_size=10))
    assert len(scipy_calls.starts) > 3
    best = min(evaluations, key=lambda evaluation: evaluation.losses["total"])
    np.testing.assert_allclose(best.image, TARGET, atol=1e-2)
    scale = np.sqrt(np.prod(SHAPE))
    for again in scipy_calls.starts[1:]:
        point = (again * scale).reshape(SHAPE).astype(np.float32)
        index = next(i for i, evaluation in enumerate(evaluations) if np.array_equal(evaluation.image, point))
        so_far = [evaluation.losses["total"] for evaluation in evaluations[: index + 1]]
        assert so_far[-1] == min(so_far)


def test_budget_counts_over_all_starts_of_scipy(monkeypatch):
    scipy_calls = Impatient(monkeypatch, patience=2)
    assert len(list(lbfgs(rosenbrock, START, iterations=20, history_size=10))) == 21
    assert len(scipy_calls.starts) > 1


def test_history_size_reaches_scipy(monkeypatch):
    scipy_calls = Impatient(monkeypatch, patience=None)
    list(lbfgs(quadratic, START, iterations=3, history_size=7))
    assert [options["maxcor"] for options in scipy_calls.options] == [7]


def test_errors_inside_scipy_reach_the_caller(monkeypatch):
    def minimize(*_, **__):
        raise RuntimeError("no such method")

    monkeypatch.setattr(scipy.optimize, "minimize", minimize)
    with pytest.raises(RuntimeError, match="no such method"):
        list(start_of(lbfgs))
