"""Sessions that are saved and restored."""

import copy
import dataclasses
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from small_runs import EXHAUSTED, IN_PLACE, LARGE, TWO_SCALES, assert_same, numbers_in, smooth, totals
from weights_files import write_npz

import neural_style
from neural_style.compute.precision import Choice
from neural_style.config.resolve import resolve
from neural_style.errors import DivergenceError, NeuralStyleError, UsageError
from neural_style.networks import weights
from neural_style.runs import stylizer as stylizers
from neural_style.runs.inputs import read_inputs
from neural_style.runs.session import Session
from neural_style.runs.session_state import SessionState
from neural_style.runs.stylizer import Stylizer

TWO = {**TWO_SCALES, "scale_iterations": 2, "iterations": 3}
"""64×48 px with 3 steps, then 128×96 with 4."""

BOTH_IN_PLACE = {**TWO, "width": 136, "tile_size": 64}
"""The same at 68×51 px and 136×102, both in tiles."""

SGD = {"optimizer": "sgd", "learning_rate": 1e-3, "learning_rate_decay": 0.5, "clip": True}

RUNS = {
    "lbfgs": {**TWO, "optimizer": "lbfgs"},
    "adam": {**TWO, "optimizer": "adam"},
    "in place": {**BOTH_IN_PLACE, "optimizer": "adam"},
    "sgd": {**TWO, **SGD},
    "sgd in place": {**BOTH_IN_PLACE, **SGD},
    "lbfgs in tiles": {**BOTH_IN_PLACE, "optimizer": "lbfgs"},
}
ALL_RUNS = pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)

WITHIN_COARSE, LAST_OF_COARSE, WITHIN_FINE, LAST = 2, 3, 5, 7
"""How many steps were made of 7."""


def made(session, count):
    """A session after so many steps, and these."""
    return session, [session.step() for _ in range(count)]


def sent(state):
    """A state as another process gets it."""
    return pickle.loads(pickle.dumps(state))


@ALL_RUNS
def test_a_restored_session_goes_on_to_the_bit(begin, run, stylizer, settings):
    expected, session = run(**settings, initial_noiseblend=0.5), begin(**settings, initial_noiseblend=0.5)
    steps, restored = [], []
    for count in (WITHIN_COARSE, LAST_OF_COARSE, WITHIN_FINE, LAST):
        while session.iteration < count - 1:
            steps.append(session.step())
        restored.append(stylizer.restore(sent(session.state())))
        assert restored[-1].iteration == session.iteration
        assert restored[-1].scales == session.scales
        np.testing.assert_array_equal(restored[-1].best.image, session.best.image)
        assert restored[-1].best.losses_by_layer == session.best.losses_by_layer
    assert session.step() is None
    assert_same(steps, expected)  # whether its state was taken or not
    theirs = session.result()
    for one in restored:
        begun = one.iteration + 1
        assert_same(list(one), expected[begun:])
        ours = one.result()
        np.testing.assert_array_equal(ours.image, theirs.image)
        for field in ("losses", "iteration", "iterations", "config", "weights", "precision", "plan"):
            assert getattr(ours, field) == getattr(theirs, field)


@pytest.mark.parametrize("settings", [RUNS["lbfgs"], RUNS["in place"]], ids=["lbfgs", "in place"])
def test_a_state_does_not_change_with_what_was_restored_from_it(begin, stylizer, settings):
    session, _ = made(begin(**settings), WITHIN_COARSE)
    state = session.state()
    session.close()
    before = copy.deepcopy(dict(state.arrays))
    first = list(stylizer.restore(state))
    for name, array in before.items():
        np.testing.assert_array_equal(state.arrays[name], array)
    assert_same(list(Session.restore(stylizer, state)), first)


@pytest.mark.parametrize(
    ("name", "count"), [("lbfgs", WITHIN_COARSE), ("lbfgs", LAST_OF_COARSE), ("in place", WITHIN_FINE)]
)
def test_after_new_weights(begin, stylizer, name, count):
    """Before the step that takes them, and after it."""
    session, _ = made(begin(**RUNS[name]), count)
    session.set_weights(style_weight=2.0)
    before = stylizer.restore(sent(session.state()))
    session.step()
    after = stylizer.restore(sent(session.state()))
    assert before.config.style_weight == after.config.style_weight == 2
    rest = list(session)
    before.step()
    assert_same(list(before), rest)
    assert_same(list(after), rest)
    assert before.result().config == after.result().config == session.result().config


@pytest.mark.parametrize(
    ("name", "weights"),
    [("lbfgs", {"strength": 1}), ("in place", {"style_weight": 0.0}), ("lbfgs", {"style_layer_weights": (0, 1)})],
    ids=str,
)
def test_layers_without_a_weight_are_there_after_a_restore(begin, stylizer, name, weights):
    """So that it goes on to the bit, and they may get a weight again."""
    before = {"strength": 0.5, "style_weight": 60.0, "style_layer_weights": (1, 1)}
    session, _ = made(begin(**RUNS[name], **before), WITHIN_COARSE)
    session.set_weights(**weights)
    session.step()
    restored = [stylizer.restore(sent(session.state())) for _ in range(2)]
    restored[1] = stylizer.restore(sent(restored[1].state()))
    losses = session.step().losses
    assert [one.step().losses for one in restored] == [losses, losses]
    for one in (session, *restored):
        one.set_weights(**before)
    rest = list(session)
    for one in restored:
        assert_same(list(one), rest)


@pytest.mark.parametrize(("first", "best"), [({}, 60), ({"style_weight": 5.0}, 5)], ids=["default", "given"])
def test_a_restored_result_has_the_weights_that_it_was_made_with(begin, stylizer, first, best):
    """And what was decided of them: it follows another loss as in the session that was saved."""
    session, _ = made(begin(**TWO, **first), WITHIN_COARSE)
    session.set_weights(style_weight=2.0)
    restored = stylizer.restore(sent(session.state()))
    again = stylizer.restore(sent(restored.state()))
    ours = session.result().config
    assert ours.style_weight == best
    assert ("style_weight" in ours.decided) == (not first)
    for one in (restored, again):
        assert one.config == session.config
        theirs = one.result().config
        assert theirs == ours
        changed = [resolve(dataclasses.replace(each, loss="athalye")) for each in (theirs, ours)]
        assert changed[0] == changed[1]
        assert changed[0].style_weight == (5 if first else 500)


def test_new_weights_of_a_session_that_was_canceled_between_two_sizes(begin, stylizer, monkeypatch):
    session, _ = made(begin(**BOTH_IN_PLACE), LAST_OF_COARSE)
    begin_scale = Session._begin_scale

    def canceled(self):
        self.set_weights(style_weight=2.0)
        self.cancel()
        begin_scale(self)

    monkeypatch.setattr(Session, "_begin_scale", canceled)
    assert session.step() is None
    monkeypatch.undo()
    state = session.state()
    assert state.config.style_weight == 2
    rest = list(stylizer.restore(state))
    assert [step.iteration for step in rest] == list(range(3, 7))
    other, _ = made(begin(**BOTH_IN_PLACE), LAST_OF_COARSE)
    other.set_weights(style_weight=2.0)
    assert [step.losses for step in rest] == [step.losses for step in other]
    session.close()


@pytest.mark.parametrize("count", [WITHIN_COARSE, LAST_OF_COARSE, WITHIN_FINE])
def test_a_canceled_session_can_go_on_elsewhere(begin, run, stylizer, count):
    settings = RUNS["in place"]
    session, steps = made(begin(**settings), count)
    session.cancel()
    assert session.step() is None
    steps += list(stylizer.restore(session.state()))
    assert_same(steps, run(**settings))
    session.close()


def test_a_session_restored_from_a_restored_one(begin, run, stylizer):
    settings = RUNS["lbfgs"]
    session, steps = made(begin(**settings), 1)
    for _ in range(6):
        session = stylizer.restore(sent(session.state()))
        steps.append(session.step())
        assert session.config.precision == "float32"
    assert_same(steps, run(**settings))
    assert session.step() is None


def test_in_another_process(begin, run, tmp_path):
    """Which also sends its steps here: their numbers always, and images that were looked at there."""
    states = []
    for settings in (RUNS["lbfgs"], RUNS["in place"]):
        session, _ = made(begin(**settings), WITHIN_FINE)
        states.append(session.state())
    given, taken = tmp_path / "states", tmp_path / "steps"
    given.write_bytes(pickle.dumps(states))
    script = (
        "import pickle, sys; from pathlib import Path; from neural_style import Stylizer\n"
        "states = pickle.loads(Path(sys.argv[1]).read_bytes())\n"
        "runs = [list(Stylizer('builtin', precision='float32').restore(state)) for state in states]\n"
        "[steps[-1].image for steps in runs]\n"
        "Path(sys.argv[2]).write_bytes(pickle.dumps(runs))\n"
    )
    threads = tf.config.threading.get_intra_op_parallelism_threads()  # not 0 if another test has set it
    environment = {**os.environ, "PYTHONPATH": str(Path(neural_style.__file__).parents[1])}
    if threads:
        environment["TF_NUM_INTRAOP_THREADS"] = str(threads)
    subprocess.run([sys.executable, "-c", script, given, taken], env=environment, check=True, capture_output=True)
    for steps, settings in zip(pickle.loads(taken.read_bytes()), (RUNS["lbfgs"], RUNS["in place"]), strict=True):
        expected = run(**settings)[WITHIN_FINE:]
        assert [step.losses for step in steps] == [step.losses for step in expected]
        assert [step.losses_by_layer for step in steps] == [step.losses_by_layer for step in expected]
        np.testing.assert_array_equal(steps[-1].image, expected[-1].image)
        if settings is RUNS["lbfgs"]:
            with pytest.raises(NeuralStyleError, match="came from another process without its image"):
                _ = steps[0].image


def test_a_state_is_saved_to_a_file_and_goes_on_from_there(begin, run, stylizer, tmp_path):
    """From a shared one, too, if it is saved before the next step."""
    for name, settings in RUNS.items():
        expected = run(**settings)
        session, steps = made(begin(**settings), WITHIN_FINE)
        session.state(copy=False).save(tmp_path / f"{name}.safetensors")
        rest = list(session)
        loaded = SessionState.load(tmp_path / f"{name}.safetensors")
        assert_same(steps + rest, expected)
        assert_same(list(stylizer.restore(loaded)), rest)


def test_there_is_a_state_at_the_end_of_each_size(begin, run, stylizer):
    for name in ("lbfgs", "in place"):
        session, states = begin(**RUNS[name]), []
        session.at_end_of_scale = lambda session=session, states=states: states.append(sent(session.state()))
        steps = list(session)
        assert [state.numbers["iteration"] for state in states] == [2, 6]
        assert_same(list(stylizer.restore(states[0])), steps[3:])
        assert list(stylizer.restore(states[1])) == []


def test_a_finished_run_goes_on_with_more_iterations(begin, run, stylizer):
    for name in ("lbfgs", "adam", "in place"):
        longer = run(**{**RUNS[name], "iterations": 6})
        session, states = begin(**RUNS[name]), []
        session.at_end_of_scale = lambda session=session, states=states: states.append(session.state())
        list(session)
        state = dataclasses.replace(states[-1], config=dataclasses.replace(states[-1].config, iterations=6))
        assert_same(list(stylizer.restore(state)), longer[7:])


def test_the_history_has_the_losses_of_all_steps(begin, stylizer):
    session, steps = made(begin(**RUNS["adam"]), WITHIN_FINE)
    restored = stylizer.restore(sent(session.state()))
    steps += list(restored)
    assert restored.history == {step.iteration: step.losses for step in steps}
    session.close()


def test_pictures_that_have_changed_are_refused(begin, stylizer, tmp_path):
    photo = tmp_path / "photo.png"
    Image.fromarray(smooth(64, 48)).save(photo)
    session, _ = made(begin(content=str(photo), iterations=3), 2)
    state = session.state()
    session.close()
    Image.fromarray(smooth(64, 48)[::-1]).save(photo)
    with pytest.raises(UsageError, match=r"^pictures: expected those that the run began with, got .* --content"):
        stylizer.restore(state)


@pytest.mark.parametrize("count", [WITHIN_COARSE, LAST_OF_COARSE, WITHIN_FINE, LAST])
def test_scipys_begins_anew_from_the_image_that_was_due(begin, stylizer, evaluations, count):
    """Since SciPy keeps its curvature pairs to itself."""
    session, before = made(begin(**TWO, optimizer="scipy"), count)
    restored = stylizer.restore(sent(session.state()))
    evaluations.clear()
    ours, theirs = list(restored), []
    images = evaluations.images
    evaluations.clear()
    theirs = list(session)
    assert [step.iteration for step in ours] == [step.iteration for step in theirs] == list(range(count, 7))
    if ours:
        np.testing.assert_array_equal(images[0], evaluations.images[0])
        assert ours[0].losses == theirs[0].losses
        assert ours[0].best == theirs[0].best
        fine = [*before, *ours][3:]
        assert min(totals(fine)) < totals(fine)[0]


def test_numbers_are_of_types_that_json_has(begin):
    for settings in RUNS.values():
        session, _ = made(begin(**settings), WITHIN_FINE)
        state = session.state()
        assert json.loads(json.dumps(state.numbers)) == state.numbers
        assert all(isinstance(array, np.ndarray) for array in state.arrays.values())
        assert not any(array.dtype.hasobject for array in state.arrays.values())


def test_alpha_colors_and_16_bits(begin, run, stylizer):
    content = np.dstack([smooth(64, 48), np.full((48, 64), 51, np.uint8)])
    settings = {"content": content, "preserve_colors": True, "bit_depth": 16, "iterations": 3}
    expected = run(**settings)
    session, _ = made(begin(**settings), 2)
    restored = stylizer.restore(sent(session.state()))
    np.testing.assert_array_equal(restored.result().image, expected[1].image_with_alpha)
    assert_same(list(restored), expected[2:])
    assert (restored.result().image.shape, restored.result().image.dtype) == ((48, 64, 4), np.uint16)


# --- after something went wrong ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [RUNS["adam"], RUNS["in place"]], ids=["whole", "in place"])
def test_after_going_back(begin, stylizer, evaluations, notes, settings):
    """The steps stay smaller, the one chance stays spent, and messages count as before."""
    evaluations.spoil(1)
    session, _ = made(begin(**settings), WITHIN_FINE)  # 2 and 3 were repeated
    state = sent(session.state())
    evaluations.spoil()
    assert_same(list(stylizer.restore(state)), list(session))
    evaluations.spoil(len(evaluations), by="call")
    with pytest.raises(DivergenceError, match="twice, the last time at iteration 5, with steps made 10 times smaller"):
        list(stylizer.restore(state))
    assert numbers_in("\n".join(notes()), "at iteration") == [1, 4]


def test_warnings_of_a_restored_session_count_iterations_as_steps_do(begin, stylizer, evaluations, notes):
    session, _ = made(begin(**RUNS["adam"]), WITHIN_FINE)
    state = session.state()
    session.close()
    evaluations.clear()
    evaluations.spoil(1, by="call")
    assert [step.iteration for step in stylizer.restore(state)] == [5, 6]
    assert numbers_in("\n".join(notes()), "at iteration") == [6]


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_after_memory_failed(begin, stylizer, evaluations, optimizer):
    """A run that went over to tiles goes on in them. (Its style was computed as a whole, so there is rounding.)"""
    evaluations.fail(EXHAUSTED, lambda call, tile_size: tile_size is None and call == 2)
    session, _ = made(begin(**LARGE, optimizer=optimizer), 4)
    state = sent(session.state())
    restored = stylizer.restore(state)
    assert restored.plans[-1].tile_size == 192
    evaluations.clear()
    rest = list(restored)
    assert evaluations.tile_sizes == [192] * 3
    assert [step.iteration for step in rest] == [4, 5, 6]
    for step, other in zip(rest, session, strict=True):
        assert step.losses == pytest.approx(other.losses, rel=1e-3)
        assert step.best == other.best
    assert restored.result().plan == session.result().plan == "200×40 px tiles of 192 px"


def test_adam_that_keeps_its_best_image_in_tiles_goes_on_so(begin, stylizer, evaluations):
    """It overwrites its image only if it begins anew there."""
    evaluations.fail(EXHAUSTED, lambda call, tile_size: tile_size is None and call == 2)
    settings = {**LARGE, "scales": 2, "width": 400, "scale_iterations": 9, "learning_rate": 120}
    session, before = made(begin(**settings), 6)
    assert [step.scale[0] for step in before] == [200] * 6
    best = evaluations.images[[0, 1, *range(3, 7)][int(np.argmin(totals(before)))]]
    evaluations.fail(EXHAUSTED, lambda call, tile_size: False)
    restored = stylizer.restore(session.state())
    np.testing.assert_array_equal(restored._descent.best_image, best)
    assert restored.step().losses == pytest.approx(session.step().losses, rel=1e-3)
    restored.close(), session.close()


# --- what is refused --------------------------------------------------------------------------------------------------


def test_there_is_no_state_before_the_first_step_nor_after_the_last(begin):
    session = begin(iterations=1)
    with pytest.raises(NeuralStyleError, match=r"^expected a session between two steps, got one before its first step"):
        session.state()
    list(session)
    with pytest.raises(NeuralStyleError, match=r"^expected a session between two steps, got one that is over"):
        session.state()
    session, _ = made(begin(), 2)
    session.close()
    with pytest.raises(NeuralStyleError, match="got one that is over"):
        session.state()


def test_another_precision_is_refused(begin, stylizer, reserved, monkeypatch):
    session, _ = made(begin(), 2)
    state = session.state()
    session.close()
    other = Stylizer("builtin", device="cpu", precision="bfloat16")
    with pytest.raises(
        UsageError, match=r"^precision: expected bfloat16, which the Stylizer was made with, got float32$"
    ):
        other.restore(state)
    monkeypatch.setattr(stylizers, "choose", lambda wanted, device: Choice("float32", "a test"))
    again = Stylizer("builtin", device="cpu").restore(state)  # which chose the type by itself
    assert again.config.precision == "float32"
    again_state = again.state()
    again.close()
    with pytest.raises(UsageError, match=r"^precision: expected bfloat16"):
        other.restore(again_state)
    with pytest.raises(UsageError, match=r"^precision: expected float32, .* got bfloat16"):
        stylizer.restore(dataclasses.replace(state, config=dataclasses.replace(state.config, precision="bfloat16")))
    assert reserved() == 0


def test_other_weights_are_refused(begin, stylizer, tmp_path, reserved):
    builtin = weights.load("builtin", ["relu1_1"])
    kernels = {conv: kernel * 1.01 for conv, kernel in builtin.kernels.items()}
    path = write_npz(tmp_path / "own.npz", (kernels, builtin.biases), "RGB")
    session, _ = made(begin(), 2)
    state = session.state()
    session.close()
    with pytest.raises(
        UsageError, match=r"^weights: expected .*own\.npz, which the Stylizer was made with, got builtin$"
    ):
        Stylizer(str(path), device="cpu", precision="float32").restore(state)
    unnamed = dataclasses.replace(state, config=dataclasses.replace(state.config, weights="auto"))
    with pytest.raises(UsageError) as caught:
        Stylizer(str(path), device="cpu", precision="float32").restore(unnamed)
    assert str(caught.value).startswith("weights: expected those that the run began with, builtin#sha256:")
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="builtin"):
        stylizer.restore(dataclasses.replace(state, weights="builtin#sha256:" + 64 * "0"))
    assert reserved() == 0


def test_pictures_of_other_sizes_are_refused(begin, make_config, stylizer, reserved):
    session, _ = made(begin(**TWO), 2)
    state = session.state()
    session.close()
    others = read_inputs(make_config(content=smooth(64, 52), **TWO))
    with pytest.raises(
        UsageError, match=r"of 64×48, then 128×96 px, got pictures that give 64×52, then 128×104 px; use the same"
    ):
        stylizer.restore(state, others)
    same = read_inputs(make_config(**TWO))
    restored = stylizer.restore(state, same)
    assert restored.step().iteration == 2
    restored.close()
    assert reserved() == 0


def test_a_stylizer_for_whatever_weights_takes_those_of_the_run(begin, run):
    session, _ = made(begin(), 2)
    state = session.state()
    free = Stylizer(device="cpu", precision="float32")
    with pytest.raises(UsageError, match=r"^weights: expected auto, which the Stylizer was made with, got builtin"):
        free.restore(state)
    unnamed = dataclasses.replace(state, config=dataclasses.replace(state.config, weights="auto"))
    assert_same(list(free.restore(unnamed)), run()[2:])
    session.close()


def test_memory_of_a_restored_session_is_reserved(begin, stylizer, reserved):
    session, _ = made(begin(**IN_PLACE), 2)
    state, size = session.state(), reserved()
    assert size > 0
    restored = stylizer.restore(state)
    assert reserved() == 2 * size
    session.close()
    restored.close()
    assert reserved() == 0
