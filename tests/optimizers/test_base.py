import dataclasses
import gc
import io
import itertools
import logging
import threading
import weakref

import numpy as np
import pytest
import tensorflow as tf
from functions_to_minimize import (
    OPTIMIZERS,
    START,
    Terms,
    images_and_totals,
    is_in_place,
    makes_steps_alone,
    objective,
    quadratic,
    random,
    rosenbrock,
    run,
    scaled_by,
    spoiled,
    start_for,
    step,
    value_of,
)

from neural_style.optimizers import adam
from neural_style.optimizers.lbfgs import LBFGS
from neural_style.optimizers.scipy_lbfgs import ScipyLBFGS

ALL = pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)


@pytest.fixture(autouse=True)
def no_thread_left_behind():
    before = set(threading.enumerate())
    yield
    gc.collect()  # exceptions keep frames, and those keep states
    assert set(threading.enumerate()) <= before


# --- minimize ---------------------------------------------------------------------------------------------------------


@ALL
def test_evaluations(optimizer):
    """The start and `iterations` more, each with the terms of its own image."""
    count = 0
    totals = set()
    for evaluation in run(optimizer, rosenbrock, 7):
        if count == 0:
            np.testing.assert_array_equal(evaluation.image, START)
        count += 1
        assert evaluation.image.shape == START.shape
        assert evaluation.image.dtype == np.float32
        assert evaluation.is_finite is True
        assert type(evaluation.total) is float
        assert evaluation.total == float(evaluation.terms.total) == 2 * float(evaluation.terms.half)
        assert evaluation.total == pytest.approx(value_of(rosenbrock, evaluation.image), rel=1e-6)
        totals.add(evaluation.total)
    assert count == len(totals) == 8


@ALL
def test_terms_may_be_numbers(optimizer):
    def in_numbers(image):
        terms, gradient = quadratic(image)
        return Terms(1.0, float(terms.total)), gradient

    expected = images_and_totals(run(optimizer))
    ours = images_and_totals(run(optimizer, in_numbers))
    assert ours[1] == expected[1]
    np.testing.assert_array_equal(ours[0], expected[0])


@ALL
def test_one_evaluation_at_a_time_in_the_thread_of_the_caller(optimizer):
    threads = []

    def value_and_grad(image):
        threads.append(threading.current_thread())
        return quadratic(image)

    for count, _ in enumerate(run(optimizer, value_and_grad), 1):
        assert len(threads) == count  # nothing is evaluated ahead
    assert set(threads) == {threading.current_thread()}


@ALL
def test_evaluations_that_are_not_finite_are_marked(optimizer):
    for bad, place in itertools.product([np.nan, np.inf, -np.inf], ["total", "gradient"]):
        marks = [e.is_finite for e in itertools.islice(run(optimizer, spoiled(quadratic, {2}, place, bad)), 3)]
        assert marks == [True, True, False], (bad, place)


def test_gradients_whose_sum_overflows_are_finite():
    large = objective(lambda image: 1e37 * tf.reduce_sum(image / 72))
    huge = scaled_by(72, large)
    for optimizer in OPTIMIZERS.values():
        start = np.zeros(START.shape, np.float32)
        assert next(run(optimizer, huge, start=start)).is_finite


@ALL
def test_closing_early_ends_it(optimizer):
    for after in (0, 1, 3):
        calls = []

        def value_and_grad(image, calls=calls):
            calls.append(image)
            return quadratic(image)

        steps = run(optimizer, value_and_grad, 1000)
        for _ in range(after):
            next(steps)
        steps.close()
        assert len(calls) == after
        assert list(steps) == []  # and `no_thread_left_behind`


@ALL
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_errors_end_it(optimizer, error):
    """Those of the objective, which reach the caller, and those of the caller."""

    def value_and_grad(image):
        if not np.array_equal(image, START):
            raise error("broken")
        return quadratic(image)

    steps = run(optimizer, value_and_grad)
    next(steps)
    with pytest.raises(error, match="broken"):
        next(steps)
    assert list(steps) == []
    steps = run(optimizer)
    next(steps)
    with pytest.raises(error):
        steps.throw(error())
    assert list(steps) == []


# --- the protocol -----------------------------------------------------------------------------------------------------


@ALL
def test_the_first_image_is_the_start_itself(optimizer):
    start = start_for(optimizer)
    state = optimizer.init(start)
    assert optimizer.ask(state) is start
    assert not optimizer.is_done(state)
    assert not optimizer.has_failed(state)


@ALL
def test_asking_changes_nothing(optimizer):
    state = optimizer.init(start_for(optimizer))
    for _ in range(4):
        assert optimizer.ask(state) is optimizer.ask(state)
        state, _ = step(optimizer, state, rosenbrock)


@ALL
def test_minimize_is_ask_and_tell(optimizer):
    state, images = optimizer.init(start_for(optimizer)), []
    for _ in range(13):
        state, image = step(optimizer, state, rosenbrock)
        images.append(image)
    np.testing.assert_array_equal(images, images_and_totals(run(optimizer, rosenbrock, 12))[0])


@pytest.mark.parametrize("name", ["Adam", "InPlaceAdam", "SGD", "InPlaceSGD", "L-BFGS"])
def test_states_go_to_arrays_and_back_to_the_bit(name):
    """Through a file, at every evaluation: at the start, within searches, with and without curvature pairs."""
    optimizer = OPTIMIZERS[name]
    whole = images_and_totals(run(optimizer, rosenbrock, 27))[0]
    state = optimizer.init(start_for(optimizer))
    for index in range(22):
        with io.BytesIO() as file:
            np.savez(file, **optimizer.to_arrays(state))
            file.seek(0)
            arrays = dict(np.load(file))
        state = optimizer.from_arrays(arrays)
        state, image = step(optimizer, state, rosenbrock)
        np.testing.assert_array_equal(image, whole[index])
    arrays = optimizer.to_arrays(state)
    kept = {key: np.array(array) for key, array in arrays.items()}
    for branch in range(2):  # each from the same arrays
        again = optimizer.from_arrays(arrays)
        for index in range(22, 26 + branch):
            again, image = step(optimizer, again, rosenbrock)
            np.testing.assert_array_equal(image, whole[index])
    for key, array in arrays.items():
        np.testing.assert_array_equal(array, kept[key])


def test_arrays_tell_how_a_state_ended():
    for optimizer, value_and_grad, failed in (
        (LBFGS(3), objective(lambda image: tf.reduce_sum(0 * image) + 3), False),
        (LBFGS(3), spoiled(quadratic, {0}), True),
        (OPTIMIZERS["Adam"], spoiled(quadratic, {0}), True),
        (OPTIMIZERS["InPlaceAdam"], spoiled(quadratic, {0}), True),
        (OPTIMIZERS["SGD"], spoiled(quadratic, {0}), True),
        (OPTIMIZERS["InPlaceSGD"], spoiled(quadratic, {0}), True),
    ):
        state, _ = step(optimizer, optimizer.init(start_for(optimizer)), value_and_grad)
        state = optimizer.from_arrays(optimizer.to_arrays(state))
        assert optimizer.is_done(state)
        assert optimizer.has_failed(state) is failed


def test_of_scipy_the_image_alone_is_kept():
    optimizer = ScipyLBFGS(10)
    state = optimizer.init(START)
    for _ in range(5):
        state, _ = step(optimizer, state, rosenbrock)
    arrays = optimizer.to_arrays(state)
    assert list(arrays) == ["image"]
    np.testing.assert_array_equal(arrays["image"], optimizer.ask(state))
    again = optimizer.from_arrays(arrays)
    np.testing.assert_array_equal(optimizer.ask(again), arrays["image"])


@ALL
def test_restart_is_a_run_from_the_best_image(optimizer):
    """That of Adam and SGD is the next; that of the others the best so far. Nothing else is left of the old loss."""
    state, images, totals = optimizer.init(start_for(optimizer)), [], []
    for _ in range(9):
        totals.append(value_of(rosenbrock, optimizer.ask(state)))
        state, image = step(optimizer, state, rosenbrock)
        images.append(image)
    best = np.array(optimizer.ask(state)) if makes_steps_alone(optimizer) else images[int(np.argmin(totals))]
    state = optimizer.restart(state)
    np.testing.assert_array_equal(optimizer.ask(state), best)
    expected = images_and_totals(run(optimizer, quadratic, 4, best))[0]
    for image in expected:
        state, ours = step(optimizer, state, quadratic)
        np.testing.assert_array_equal(ours, image)
    state = optimizer.restart(state, start_for(optimizer))
    np.testing.assert_array_equal(optimizer.ask(state), START)


@ALL
def test_a_start_that_is_not_finite_fails(optimizer):
    for bad, place in itertools.product([np.nan, np.inf], ["total", "gradient"]):
        state = optimizer.init(start_for(optimizer))
        state, _ = step(optimizer, state, spoiled(quadratic, {0}, place, bad))
        assert optimizer.is_done(state)
        assert optimizer.has_failed(state)
        np.testing.assert_array_equal(optimizer.ask(state), START)
        assert [e.is_finite for e in run(optimizer, spoiled(quadratic, {0}, place, bad))] == [False]


@ALL
def test_a_run_goes_on_from_what_is_not_finite(optimizer):
    """By itself, or by a restart; and ends low; SGD less so, whose steps on gentle slopes are short."""
    is_sgd = "SGD" in type(optimizer).__name__
    if is_sgd:
        optimizer = dataclasses.replace(optimizer, learning_rate=0.05)
    state = optimizer.init(start_for(optimizer))
    spoilt, restarts, lowest = spoiled(quadratic, {3, 4, 9}), 0, np.inf
    for _ in range(60):
        image = optimizer.ask(state)
        terms, gradient = spoilt(image)
        assert np.isfinite(image).all()
        lowest = min(lowest, float(terms.total))
        state = optimizer.tell(state, float(terms.total), gradient)
        if optimizer.has_failed(state):
            state = optimizer.restart(state)
            restarts += 1
    assert restarts == (3 if makes_steps_alone(optimizer) else 0)
    assert lowest < (0.1 if is_sgd else 0.01) * value_of(quadratic, START)


POWERS = (-100, -40, 90)


@pytest.mark.parametrize("name", ["L-BFGS", "SciPy"])
def test_gradients_of_any_size_give_the_same_images(name):
    """To the bit, for powers of two: no square overflows, and none vanishes."""
    for function in (quadratic, rosenbrock):
        expected = images_and_totals(run(OPTIMIZERS[name], function, 16))[0]
        for power in POWERS:
            ours = images_and_totals(run(OPTIMIZERS[name], scaled_by(2.0**power, function), 16))[0]
            np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("factor", [1e-30, 1e-3, 1e6, 1e18, 1e30])
def test_first_steps_of_gradients_of_any_size(factor):
    for name in ("L-BFGS", "SciPy"):
        images, totals = images_and_totals(run(OPTIMIZERS[name], scaled_by(factor, quadratic), 1))
        assert totals[1] < totals[0]
        assert np.sqrt(np.mean((images[1] - images[0]) ** 2)) == pytest.approx(1, rel=1e-3)


# --- what a process keeps ---------------------------------------------------------------------------------------------


def small_runs(sizes):
    """Runs of all optimizers on pictures of several sizes, with histories that fill up."""
    bowl = objective(lambda image: tf.reduce_sum(tf.abs(image) ** 3))
    for size in sizes:
        start = random(size, (1, size, size + 1, 3))
        for name, optimizer in (*OPTIMIZERS.items(), ("short history", LBFGS(3))):
            for _ in run(optimizer, bowl, 4 if name == "SciPy" else 15, start):
                pass


def test_sizes_and_histories_trace_nothing_new(caplog):
    """A handful of traces ever, and no warning of TensorFlow's."""
    with caplog.at_level(logging.WARNING):
        small_runs([2])
        before = adam._update.experimental_get_tracing_count()
        small_runs(range(3, 9))
    assert adam._update.experimental_get_tracing_count() == before <= 2
    assert not [record for record in caplog.records if "retracing" in record.getMessage()]


def test_runs_leave_nothing_behind():
    """No tensor, array or object of any kind: neither in Python nor in functions kept by TensorFlow."""
    small_runs([4])
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(3):
        small_runs([4])
    gc.collect()
    assert len(gc.get_objects()) - before < 50


@ALL
def test_a_state_keeps_no_older_images(optimizer):
    """Of those that were evaluated and their gradients, it has at most those of the two ends of a search."""
    state = optimizer.init(start_for(optimizer))
    images, gradients = [], []
    for _ in range(30):
        image = optimizer.ask(state)
        terms, gradient = rosenbrock(image)
        images.append(weakref.ref(image))
        gradients.append(weakref.ref(gradient))
        state = optimizer.tell(state, float(terms.total), gradient)
        del image, gradient
        alive = [[one() is not None for one in each] for each in (images, gradients)]
        assert sum(alive[0]) <= (len(images) if is_in_place(optimizer) else 3)
        assert sum(alive[1]) <= 2
    del state
    assert not any(one() is not None for one in images[1:] + gradients)  # the first is `START`


@ALL
def test_two_threads_do_not_disturb_each_other(optimizer):
    functions = [quadratic, rosenbrock]
    expected = [images_and_totals(run(optimizer, function, 20))[0] for function in functions]
    ours = {}

    def work(index):
        ours[index] = images_and_totals(run(optimizer, functions[index], 20))[0]

    threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index in range(2):
        np.testing.assert_array_equal(ours[index], expected[index])


def test_only_in_place_are_images_overwritten():
    for optimizer in OPTIMIZERS.values():
        state = optimizer.init(start_for(optimizer))
        image = optimizer.ask(state)
        step(optimizer, state, quadratic)
        assert np.array_equal(image, START) is not is_in_place(optimizer)
