import dataclasses

import numpy as np
import pytest
import reference
import tensorflow as tf
from functions_to_minimize import (
    ADAM,
    SCALES,
    SHAPE,
    START,
    TARGET,
    images_and_totals,
    objective,
    quadratic,
    random,
    rosenbrock,
    run,
    scaled_by,
    spoiled,
    start_for,
    step,
)

from neural_style.optimizers import stepping
from neural_style.optimizers.adam import Adam, InPlaceAdam

BOTH = pytest.mark.parametrize("kind", [Adam, InPlaceAdam])


def make(kind=Adam, **settings):
    return kind(**{**ADAM, **settings})


@BOTH
def test_first_step_by_hand(kind):
    """Gradient 2, β₁ 0.9, β₂ 0.999, ε-hat 1: m = 0.2, v = 0.004, so x - √0.001 / 0.1 · 0.2 / (√0.004 + 1)."""
    doubled = objective(lambda image: tf.reduce_sum(2 * image))
    images, _ = images_and_totals(run(kind(1, 0.9, 0.999, 1), doubled, 1))
    np.testing.assert_allclose(images[0] - images[1], 0.0594834, rtol=1e-4)


@BOTH
def test_first_step_is_the_learning_rate_whatever_the_scale(kind):
    for factor in (1e-3, 1, 1e6, 1e18, 1e30, 1e36):
        scaled = objective(lambda image, factor=factor: factor * tf.reduce_sum(tf.abs(image)))
        images, _ = images_and_totals(run(make(kind), scaled, 1))
        np.testing.assert_allclose(images[0] - images[1], 0.5 * np.sign(START), rtol=1e-3)


@BOTH
def test_against_reference(kind):
    """Twelve steps of changing gradients. With the largest ε, another place for it would show."""
    wavy = objective(lambda image: tf.reduce_sum(SCALES * (image - TARGET) ** 2 + tf.sin(3 * image)))
    scales, target = SCALES.numpy().astype(np.float64), TARGET.numpy().astype(np.float64)
    for changes in ({}, {"beta1": 0.5, "beta2": 0.9}, {"beta1": 0}, {"beta2": 0.5}, {"eps": 0.1}, {"learning_rate": 3}):
        settings = {**ADAM, **changes}
        expected = reference.adam(lambda x: 2 * scales * (x - target) + 3 * np.cos(3 * x), START, 12, **settings)
        images, _ = images_and_totals(run(kind(**settings), wavy, 12))
        assert len(images) == len(expected)
        np.testing.assert_allclose(images, expected, rtol=1e-3, atol=1e-3)


@BOTH
def test_it_finds_a_minimum(kind):
    images, _ = images_and_totals(run(make(kind, learning_rate=0.1), quadratic, 300))
    np.testing.assert_allclose(images[-1], TARGET, atol=0.02)


# --- gradients whose squares overflow ---------------------------------------------------------------------------------


@BOTH
def test_gradients_whose_squares_overflow_give_the_same_images(kind):
    """To the bit, for powers of two with an ε of that size."""
    for function in (quadratic, rosenbrock):
        expected, _ = images_and_totals(run(make(kind), function, 30))
        for power in (-20, 30, 62, 75, 100):
            optimizer = make(kind, eps=ADAM["eps"] * 2.0**power)
            images, _ = images_and_totals(run(optimizer, scaled_by(2.0**power, function), 30))
            np.testing.assert_array_equal(images, expected)


@BOTH
def test_gradients_that_grow_until_their_squares_overflow(kind):
    """Moments known by then are scaled along. Ten steps up from 1 to 1e36, and down again."""
    exponents = [*range(0, 40, 4), *range(36, -1, -4)]
    gradients = [10.0**exponent * random(7).astype(np.float64) for exponent in exponents]
    settings = {**ADAM, "learning_rate": 1.0}
    in_turn = iter(gradients)
    expected = reference.adam(lambda _: next(in_turn), np.zeros(SHAPE), len(gradients), **settings)
    optimizer = kind(**settings)
    state = optimizer.init(np.zeros(SHAPE, np.float32) if kind is InPlaceAdam else tf.zeros(SHAPE))
    for gradient, before in zip(gradients, expected[:-1], strict=True):
        np.testing.assert_allclose(optimizer.ask(state), before, rtol=1e-3, atol=1e-3)
        state = optimizer.tell(state, 1.0, gradient.astype(np.float32))
        assert not optimizer.is_done(state)
    np.testing.assert_allclose(optimizer.ask(state), expected[-1], rtol=1e-3, atol=1e-3)
    assert state.scale < 1e-20


@BOTH
def test_gradients_that_fall_after_squares_overflowed(kind):
    """With moments that soon forget: steps keep the length of the learning rate."""
    optimizer = make(kind, beta1=0.5, beta2=0.5)
    state, before = optimizer.init(start_for(optimizer)), np.array(START)
    for exponent in [30] * 3 + [0] * 400:
        state = optimizer.tell(state, 1.0, np.full(SHAPE, 10.0**exponent, np.float32))
        assert np.all(before - optimizer.ask(state) <= 0.51)
        before = np.array(optimizer.ask(state))
    assert state.scale == 1
    state = optimizer.tell(state, 1.0, np.ones(SHAPE, np.float32))
    np.testing.assert_allclose(before - optimizer.ask(state), 0.5, rtol=1e-3)


@BOTH
def test_small_gradients_beside_huge_ones(kind):
    """Their steps have the learning rate's length, or less."""
    optimizer = make(kind)
    state = optimizer.init(start_for(optimizer))
    gradient = 10 ** np.linspace(-30, 37, np.prod(SHAPE)).reshape(SHAPE)
    for _ in range(5):
        before = np.array(optimizer.ask(state))
        state = optimizer.tell(state, 1.0, gradient.astype(np.float32))
        change = before - optimizer.ask(state)
        assert np.all((change >= 0) & (change <= 0.501))
        np.testing.assert_allclose(change[gradient > 1e20], 0.5, rtol=1e-3)


@BOTH
def test_entries_without_a_gradient_stay(kind):
    """In all sizes of the others: 0 / 0 is no step."""
    for size in (1e-30, 1.0, 1e20, 1e36):
        optimizer = make(kind)
        state = optimizer.init(start_for(optimizer))
        gradient = np.zeros(SHAPE, np.float32)
        gradient[0, 0] = size
        state = optimizer.tell(state, 1.0, gradient)
        np.testing.assert_array_equal(optimizer.ask(state)[0, 1:], START[0, 1:])
        assert np.isfinite(optimizer.ask(state)).all()


# --- evaluations that are not finite ----------------------------------------------------------------------------------


@BOTH
def test_it_takes_back_the_step_to_what_is_not_finite(kind):
    """To the image of the evaluation before; and its state is as good as before."""
    for place in ("total", "gradient"):
        for bad in (np.nan, np.inf, -np.inf):
            for call in (1, 2, 5):
                optimizer = make(kind)
                state, function = optimizer.init(start_for(optimizer)), spoiled(quadratic, {call}, place, bad)
                images = []
                for _ in range(call + 1):
                    assert not optimizer.is_done(state)
                    state, image = step(optimizer, state, function)
                    images.append(image)
                assert optimizer.is_done(state)
                assert optimizer.has_failed(state)
                np.testing.assert_allclose(optimizer.ask(state), images[-2], atol=1e-5)
                assert np.abs(images[-1] - optimizer.ask(state)).max() > 0.1
                assert all(np.isfinite(array).all() for array in optimizer.to_arrays(state).values())


@BOTH
def test_smaller_steps_after_what_is_not_finite(kind):
    optimizer = make(kind)
    state = optimizer.init(start_for(optimizer))
    for _ in range(3):
        state, _ = step(optimizer, state, quadratic)
    state, _ = step(optimizer, state, spoiled(quadratic, {0}))
    smaller = dataclasses.replace(optimizer, learning_rate=0.05)
    state = smaller.restart(state)
    assert not smaller.is_done(state)
    before = np.array(smaller.ask(state))
    state, _ = step(smaller, state, quadratic)
    np.testing.assert_allclose(np.abs(smaller.ask(state) - before), 0.05, rtol=1e-2)


# --- in place ---------------------------------------------------------------------------------------------------------


def test_in_place_is_adam():
    for of in (quadratic, rosenbrock):
        for settings in ({}, {"learning_rate": 3, "beta1": 0.5}, {"eps": 0.1, "beta2": 0.9}):
            expected = images_and_totals(run(make(**settings), of, 12))
            ours = images_and_totals(run(make(InPlaceAdam, **settings), of, 12))
            np.testing.assert_array_equal(ours[0], expected[0])
            assert ours[1] == expected[1]


def test_in_place_by_chunks(monkeypatch):
    """Of which the last is shorter."""
    expected, _ = images_and_totals(run(make(), quadratic, 7))
    for entries in (1, 5, 71, 72):
        monkeypatch.setattr(stepping, "_CHUNK", entries)
        images, _ = images_and_totals(run(make(InPlaceAdam), quadratic, 7))
        np.testing.assert_allclose(images, expected, rtol=1e-5, atol=1e-6)
        optimizer = make(InPlaceAdam)
        state = optimizer.init(start_for(optimizer))
        for call in range(3):
            state, image = step(optimizer, state, spoiled(quadratic, {0} if call == 2 else ()))
        np.testing.assert_allclose(optimizer.ask(state), expected[1], atol=1e-5)
        np.testing.assert_allclose(image, expected[2], rtol=1e-5, atol=1e-6)


def test_in_place_there_is_one_image():
    optimizer, start = make(InPlaceAdam), np.array(START)
    state = optimizer.init(start)
    arrays = state.mean, state.variance
    for count in range(4):
        assert optimizer.ask(state) is start
        assert np.array_equal(start, START) is (count == 0)
        state, _ = step(optimizer, state, quadratic)
    for image in (None, np.ones(SHAPE, np.float32)):
        state = optimizer.restart(state, image)
        assert optimizer.ask(state) is start
        assert (state.mean, state.variance) == arrays
        assert not state.mean.any() and not state.variance.any()
    assert (start == 1).all()


def test_in_place_a_state_made_of_arrays_has_copies_of_them():
    optimizer = make(InPlaceAdam)
    state, _ = step(optimizer, optimizer.init(np.array(START)), quadratic)
    arrays = optimizer.to_arrays(state)
    image = arrays["image"].copy()
    again = optimizer.from_arrays(arrays)
    step(optimizer, again, quadratic)
    np.testing.assert_array_equal(arrays["image"], image)
    step(optimizer, state, quadratic)
    assert not np.array_equal(arrays["image"], image)  # which are the state's own


def test_in_place_images_that_cannot_be_overwritten_are_refused():
    frozen = np.zeros(SHAPE, np.float32)
    frozen.flags.writeable = False
    for image in (np.zeros(SHAPE), np.zeros(SHAPE, np.float32)[:, ::2], np.zeros(SHAPE, np.float32).T, frozen):
        with pytest.raises(ValueError, match=r"^image: expected a contiguous and writeable float32 array, got float"):
            make(InPlaceAdam).init(image)
