"""What Adam and SGD share: decay, clipping, and taking steps back."""

import dataclasses
import io

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
    is_in_place,
    objective,
    quadratic,
    run,
    spoiled,
    start_for,
    step,
)

from neural_style.optimizers import stepping
from neural_style.optimizers.adam import Adam, InPlaceAdam
from neural_style.optimizers.sgd import SGD, InPlaceSGD
from neural_style.optimizers.stepping import Box, Decay

BOX = Box((-0.9, -0.2, 0.1), (0.8, 0.3, 1.0))
DECAY = Decay(0.25, 3, "steps")
KINDS = {
    "Adam": (Adam, ADAM, reference.adam),
    "InPlaceAdam": (InPlaceAdam, ADAM, reference.adam),
    "SGD": (SGD, {"learning_rate": 0.04}, reference.sgd),
    "InPlaceSGD": (InPlaceSGD, {"learning_rate": 0.04}, reference.sgd),
}
ALL = pytest.mark.parametrize("name", KINDS)


def make(name, **changes):
    kind, settings, _ = KINDS[name]
    return kind(**settings, **changes)


def expected_images(name, steps, **changes):
    """Of `quadratic`, in float64."""
    scales, target = SCALES.numpy().astype(np.float64), TARGET.numpy().astype(np.float64)
    _, settings, optimizer = KINDS[name]
    return optimizer(lambda x: 2 * scales * (x - target), START, steps, **settings, **changes)


def saved(arrays):
    with io.BytesIO() as file:
        np.savez(file, **arrays)
        file.seek(0)
        return dict(np.load(file))


# --- decay ------------------------------------------------------------------------------------------------------------


def test_decay_by_hand():
    smooth, steps = Decay(0.25, 10), Decay(0.25, 10, "steps")
    assert [smooth.at(count) for count in (0, 5, 10, 20)] == [1, 0.5, 0.25, 0.0625]
    assert [steps.at(count) for count in (0, 5, 9, 10, 19, 20)] == [1, 1, 1, 0.25, 0.25, 0.0625]
    assert smooth.at(1) == pytest.approx(0.87055056)
    assert {Decay().at(count) for count in range(1000)} == {1}
    assert Decay(1e-3, 1).at(10**6) == 0


@ALL
@pytest.mark.parametrize("shape", ["smooth", "steps"])
def test_decay_against_reference(name, shape):
    decay = {"factor": 0.25, "every": 3, "shape": shape}
    images, _ = images_and_totals(run(make(name, decay=Decay(**decay)), quadratic, 12))
    np.testing.assert_allclose(images, expected_images(name, 12, **decay), rtol=1e-3, atol=1e-3)
    assert np.abs(images[-1] - expected_images(name, 12)[-1]).max() > 0.1  # it does something


@ALL
def test_a_restart_keeps_the_decay(name):
    """Rates go on to fall, as with so many steps before."""
    optimizer = make(name, decay=DECAY)
    state = optimizer.init(start_for(optimizer))
    for _ in range(7):
        state, _ = step(optimizer, state, quadratic)
    state = optimizer.restart(state, start_for(optimizer))
    assert state.steps == 7
    constant = make(name)
    constant = dataclasses.replace(constant, learning_rate=constant.learning_rate * 0.25**2)
    expected, _ = images_and_totals(run(constant, quadratic, 1))
    state, _ = step(optimizer, state, quadratic)
    np.testing.assert_allclose(optimizer.ask(state), expected[1], rtol=1e-6)


# --- the box ----------------------------------------------------------------------------------------------------------


def test_the_box_of_pixels():
    mean = np.float32([123.68, 116.779, 103.939])
    box = Box.of_pixels(mean)
    image = np.float32([[-200, 50, 200], [-123.68, 138.221, 151.061]])
    clipped = np.float32([[-123.68, 50, 151.061], [-123.68, 138.221, 151.061]])
    np.testing.assert_allclose(box.clipped(tf.constant(image)), clipped, rtol=1e-6)
    shown = box.clipped(tf.constant(np.float32([[-1e9] * 3, [1e9] * 3]))) + mean
    np.testing.assert_allclose(shown, [[0] * 3, [255] * 3], atol=1e-4)
    box.clip(image)
    np.testing.assert_allclose(image, clipped, rtol=1e-6)


@ALL
def test_clipping_against_reference(name):
    """After every step: moments go on as they are. The start is not clipped."""
    images, _ = images_and_totals(run(make(name, box=BOX, decay=DECAY), quadratic, 12))
    expected = expected_images(name, 12, box=(BOX.low, BOX.high), **dataclasses.asdict(DECAY))
    np.testing.assert_allclose(images, expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(images[0], START)
    low, high = np.float32(BOX.low), np.float32(BOX.high)
    assert all(np.all((image >= low) & (image <= high)) for image in images[1:])
    assert np.mean((images[-1] == low) | (images[-1] == high)) > 0.3


@pytest.mark.parametrize(("name", "in_place"), [("Adam", "InPlaceAdam"), ("SGD", "InPlaceSGD")])
@pytest.mark.parametrize("changes", [{}, {"decay": DECAY}, {"decay": DECAY, "box": BOX}], ids=str)
def test_in_place_to_the_bit(name, in_place, changes, monkeypatch):
    expected = images_and_totals(run(make(name, **changes), quadratic, 12))
    ours = images_and_totals(run(make(in_place, **changes), quadratic, 12))
    np.testing.assert_array_equal(ours[0], expected[0])
    assert ours[1] == expected[1]
    for entries in (1, 5, 71, 72):  # the last chunk is shorter
        monkeypatch.setattr(stepping, "_CHUNK", entries)
        images, _ = images_and_totals(run(make(in_place, **changes), quadratic, 5))
        np.testing.assert_allclose(images, expected[0][:6], rtol=1e-5, atol=1e-6)


# --- states -----------------------------------------------------------------------------------------------------------


@ALL
def test_states_go_to_arrays_and_back_to_the_bit(name):
    """With the decay's count, and with what it takes to take a step back."""
    optimizer = make(name, box=BOX, decay=DECAY)
    expected = images_and_totals(run(optimizer, quadratic, 12))[0]
    state = optimizer.init(start_for(optimizer))
    for image in expected:
        state = optimizer.from_arrays(saved(optimizer.to_arrays(state)))
        state, ours = step(optimizer, state, quadratic)
        np.testing.assert_array_equal(ours, image)
    state = optimizer.from_arrays(saved(optimizer.to_arrays(state)))
    state, _ = step(optimizer, state, spoiled(quadratic, {0}))
    np.testing.assert_array_equal(optimizer.ask(state), expected[-1])


@ALL
@pytest.mark.parametrize("place", ["total", "gradient"])
def test_a_clipped_step_is_taken_back_to_the_bit(name, place):
    for call in (0, 1, 2, 5):
        optimizer = make(name, box=BOX, decay=DECAY)
        state, function, images = optimizer.init(start_for(optimizer)), spoiled(quadratic, {call}, place), []
        for _ in range(call + 1):
            state, image = step(optimizer, state, function)
            images.append(image)
        assert optimizer.has_failed(state)
        np.testing.assert_array_equal(optimizer.ask(state), images[max(call - 1, 0)])


@ALL
def test_after_a_restart_no_older_step_is_taken_back(name):
    optimizer = make(name, box=BOX)
    state = optimizer.init(start_for(optimizer))
    for _ in range(3):
        state, _ = step(optimizer, state, quadratic)
    state = optimizer.restart(state, np.full(SHAPE, 0.25, np.float32))
    state, _ = step(optimizer, state, spoiled(quadratic, {0}))
    assert optimizer.has_failed(state)
    assert np.all(np.asarray(optimizer.ask(state)) == 0.25)


@pytest.mark.parametrize("name", ["SGD", "InPlaceSGD"])
def test_a_step_that_overflows_is_taken_back(name):
    """Gradients are finite, and the image after a step is not."""
    optimizer = dataclasses.replace(make(name), learning_rate=1e38)
    steep = objective(lambda image: 1e3 * tf.reduce_sum(image))
    state = optimizer.init(start_for(optimizer))
    for _ in range(2):
        assert not optimizer.is_done(state)
        state, _ = step(optimizer, state, steep)
    assert optimizer.has_failed(state)
    np.testing.assert_array_equal(optimizer.ask(state), START)


def test_in_place_only_two_images_are_kept_by_sgd():
    optimizer, start = make("InPlaceSGD"), np.array(START)
    state, kept = optimizer.init(start), []
    for _ in range(4):
        assert optimizer.ask(state) is start
        before = start.copy()
        state, _ = step(optimizer, state, quadratic)
        np.testing.assert_array_equal(state.before, before)
        kept.append(state.before)
    assert all(each is kept[0] for each in kept)
    assert is_in_place(optimizer)
    state = optimizer.restart(state, np.ones(SHAPE, np.float32))
    assert optimizer.ask(state) is start
    assert (start == 1).all()


def test_in_place_images_that_cannot_be_overwritten_are_refused():
    frozen = np.zeros(SHAPE, np.float32)
    frozen.flags.writeable = False
    for image in (np.zeros(SHAPE), np.zeros(SHAPE, np.float32)[:, ::2], frozen):
        with pytest.raises(ValueError, match=r"^image: expected a contiguous and writeable float32 array, got float"):
            make("InPlaceSGD").init(image)


@ALL
def test_the_step_size_is_the_rate_of_the_last_step(name):
    kind, settings, _ = KINDS[name]
    optimizer = kind(**settings, decay=DECAY)
    state = optimizer.init(start_for(optimizer))
    found = [optimizer.step_size(state)]
    for _ in range(4):
        state, _ = step(optimizer, state, quadratic)
        found.append(optimizer.step_size(state))
    rate = settings["learning_rate"]
    assert found == [None, rate, rate, rate, rate / 4]
