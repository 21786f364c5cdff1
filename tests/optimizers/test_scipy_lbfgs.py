import gc
import threading

import numpy as np
import pytest
import scipy.optimize
import tensorflow as tf
from functions_to_minimize import SHAPE, START, TARGET, quadratic, rosenbrock, run, step

from neural_style.optimizers.scipy_lbfgs import ScipyLBFGS, Solver, flat


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


def test_it_goes_on_from_the_best_point_when_scipy_gives_up(monkeypatch):
    scipy_calls = Impatient(monkeypatch, patience=3)
    evaluations = list(run(ScipyLBFGS(10), quadratic, 300))
    assert len(scipy_calls.starts) > 3
    best = min(evaluations, key=lambda evaluation: evaluation.total)
    np.testing.assert_allclose(best.image, TARGET, atol=1e-2)
    scale = np.sqrt(np.prod(SHAPE))
    for again in scipy_calls.starts[1:]:
        point = (again * scale).reshape(SHAPE).astype(np.float32)
        index = next(i for i, evaluation in enumerate(evaluations) if np.array_equal(evaluation.image, point))
        so_far = [evaluation.total for evaluation in evaluations[: index + 1]]
        assert so_far[-1] == min(so_far)


def test_iterations_count_over_all_starts_of_scipy(monkeypatch):
    scipy_calls = Impatient(monkeypatch, patience=2)
    assert len(list(run(ScipyLBFGS(10), rosenbrock, 20))) == 21
    assert len(scipy_calls.starts) > 1


def test_history_size_reaches_scipy(monkeypatch):
    scipy_calls = Impatient(monkeypatch, patience=None)
    list(run(ScipyLBFGS(7), quadratic, 3))
    assert [options["maxcor"] for options in scipy_calls.options] == [7]


def test_errors_inside_scipy_reach_the_caller(monkeypatch):
    def minimize(*_, **__):
        raise RuntimeError("no such method")

    monkeypatch.setattr(scipy.optimize, "minimize", minimize)
    with pytest.raises(RuntimeError, match="no such method"):
        list(run(ScipyLBFGS(10)))


def test_the_evaluations_are_those_that_scipy_makes():
    """When it is called as its manual says."""
    unit, points = np.sqrt(np.prod(SHAPE)), []

    def function(point):
        points.append(point * unit)
        terms, gradient = quadratic(tf.constant(point.reshape(SHAPE) * unit, tf.float32))
        return float(terms.total), gradient.numpy().ravel().astype(np.float64) * unit

    options = {"maxcor": 10, "ftol": 0, "gtol": 0}
    scipy.optimize.minimize(function, flat(START) / unit, method="L-BFGS-B", jac=True, options=options)
    ours = [np.ravel(evaluation.image) for evaluation in run(ScipyLBFGS(10), quadratic, 20)]
    np.testing.assert_allclose(ours, points[:21], rtol=1e-4, atol=1e-5)


def test_the_thread_ends_with_its_state():
    threads = set(threading.enumerate())
    optimizer = ScipyLBFGS(10)
    states = [optimizer.init(START) for _ in range(2)]
    assert set(threading.enumerate()) == threads
    for index in range(2):
        states[index], _ = step(optimizer, states[index], rosenbrock)
    assert len(threading.enumerate()) == len(threads) + 2
    states[0] = optimizer.restart(states[0])
    assert len(threading.enumerate()) == len(threads) + 1
    del states
    gc.collect()
    assert set(threading.enumerate()) == threads


def test_a_solver_is_scipy_turned_inside_out():
    solver = Solver(np.array([3.0, -4.0]), 5)
    points = []
    while (point := solver.next_point()) is not None:
        points.append(point)
        solver.answer(float(point @ point), 2 * point)
    np.testing.assert_array_equal(points[0], [3, -4])
    np.testing.assert_allclose(points[-1], 0, atol=1e-6)
