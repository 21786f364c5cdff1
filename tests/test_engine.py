import copy
import dataclasses
import logging
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import reference
import tensorflow as tf
from PIL import Image

from neural_style import engine, images, objective
from neural_style.color import preserve_colors
from neural_style.config import Config
from neural_style.errors import DivergenceError, ImageError, OutOfMemoryError, UsageError, WeightsError
from neural_style.inputs import read_inputs
from neural_style.objective import Objective
from neural_style.records import Step

SHALLOW = {"content_layers": ("relu1_2",), "style_layers": ("relu1_1", "relu2_1")}
BOTH = pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])


@pytest.fixture(scope="module")
def network():
    """Random filters, which cost nothing to make."""
    return reference.random_weights()


@pytest.fixture(autouse=True)
def no_thread_left_behind():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture
def make_config(pictures):
    """Settings of a small run on `pictures`."""

    def make(**changes):
        given = {"content": pictures / "photo.png", "styles": [pictures / "style.png"], "iterations": 4}
        return Config(**{**given, "weights": "builtin", "device": "cpu", **SHALLOW, **changes})

    return make


@pytest.fixture
def run(make_config, network):
    """All steps of a run."""

    def run(**changes):
        config = make_config(**changes)
        return list(engine.run(config, read_inputs(config), network))

    return run


@pytest.fixture
def spy(monkeypatch):
    """The objectives that engines make; each keeps the images it evaluates, and can be made to fail.

    `spy.wrap(call, losses, gradient)` gives back losses and gradient, changed or not, of each call, numbered from 0.
    """

    class Spy(Objective):
        made: ClassVar[list] = []
        decoded: ClassVar[list] = []
        wrap = staticmethod(lambda call, losses, gradient: (losses, gradient))

        def __init__(self, *args):
            super().__init__(*args)
            self.made.append(self)
            self.evaluated, self._real = [], self.value_and_grad
            self.value_and_grad = self._wrapped

        def _wrapped(self, image):
            self.evaluated.append(image.numpy())
            return Spy.wrap(len(self.evaluated) - 1, *self._real(image))

    def decode(image, mean):
        Spy.decoded.append(image.numpy())
        return objective.decode(image, mean)

    monkeypatch.setattr(engine, "Objective", Spy)
    monkeypatch.setattr(engine, "decode", decode)
    return Spy


def totals(steps):
    return [step.losses["total"] for step in steps]


# --- steps ------------------------------------------------------------------------------------------------------------


@BOTH
def test_steps_are_the_start_and_one_for_each_iteration(run, optimizer):
    steps = run(optimizer=optimizer, iterations=5)
    assert [step.iteration for step in steps] == [0, 1, 2, 3, 4, 5]
    for step in steps:
        assert isinstance(step, Step)
        assert list(step.losses) == ["content", "style", "tv", "total"]
        assert step.losses["total"] == pytest.approx(sum(step.losses.values()) - step.losses["total"], rel=1e-5)
        assert step.image.shape == (48, 64, 3)
        assert step.image.dtype == np.uint8


@BOTH
def test_losses_of_a_step_are_those_of_its_own_image(run, spy, make_config, network, optimizer):
    steps = run(optimizer=optimizer)
    shown = [step.image for step in steps]
    inputs = read_inputs(make_config())
    again = Objective(make_config(), network, inputs.content.rgb, [style.rgb for style in inputs.styles])
    assert len(spy.made) == 1
    assert len(spy.decoded) == len(steps)
    for step, image, tensor in zip(steps, shown, spy.decoded, strict=True):
        losses, _ = again.value_and_grad(tf.constant(tensor))
        for name, value in step.losses.items():
            assert value == pytest.approx(float(getattr(losses, name)), rel=1e-5)
        np.testing.assert_array_equal(image, np.clip(np.rint(tensor[0] + network.mean), 0, 255))


@pytest.mark.parametrize("settings", [{"learning_rate": 80}, {"optimizer": "lbfgs"}], ids=str)
def test_best_is_the_lowest_so_far(run, settings):
    steps = run(iterations=12, **settings)
    lowest = np.minimum.accumulate(totals(steps))
    assert [step.best for step in steps] == [True, *(lowest[1:] < lowest[:-1])]
    assert not all(step.best for step in steps)


def test_only_images_that_are_looked_at_are_made(run, spy):
    steps = run()
    assert spy.decoded == []
    first = steps[1].image
    assert steps[1].image is first
    assert len(spy.decoded) == 1


def test_steps_cannot_be_changed(run):
    step = run(iterations=1)[1]
    with pytest.raises(dataclasses.FrozenInstanceError):
        step.iteration = 7
    with pytest.raises(TypeError):
        step.losses["total"] = 0
    with pytest.raises(ValueError, match="read-only"):
        step.image[0] = 0


@BOTH
def test_loss_goes_down(run, optimizer):
    values = totals(run(optimizer=optimizer, iterations=15))
    assert min(values[10:]) < 0.5 * values[0]
    assert min(values[10:]) < min(values[:5])


@pytest.mark.parametrize(("optimizer", "count"), [("adam", 5), ("lbfgs", 1)])
def test_where_nothing_is_left_to_do(make_config, optimizer, count):
    """Variation alone, of a picture that has none; the network has no part in it. L-BFGS ends early."""
    alone = {"content": np.full((48, 64, 3), 90, np.uint8), "content_weight": 0, "style_weight": 0}
    steps = list(engine.stylize(make_config(optimizer=optimizer, initial_noiseblend=0, **alone)))
    assert totals(steps) == [0] * count
    assert [step.best for step in steps] == [True, False, False, False, False][:count]
    np.testing.assert_array_equal(steps[-1].image, 90)


def test_default_losses_on_the_whole_depth(run):
    defaults = {"content_layers": None, "style_layers": ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")}
    steps = run(iterations=3, **defaults)
    assert min(totals(steps)) < totals(steps)[0]
    assert all(value > 0 for step in steps[1:] for value in step.losses.values())


def test_several_styles(run, pictures, spy):
    both = {"styles": [pictures / "style.png", pictures / "other.jpg"], "style_scales": (1, 2)}
    (start, *_), (first, *_), (second, *_) = (
        run(iterations=1, style_blend_weights=weights, **both) for weights in ((1, 3), (1, 0), (0, 1))
    )
    blended = first.losses["style"] / 4 + second.losses["style"] * 3 / 4
    assert start.losses["style"] == pytest.approx(blended, rel=1e-5)
    assert first.losses["style"] != pytest.approx(second.losses["style"], rel=0.01)


# --- start ------------------------------------------------------------------------------------------------------------


def test_start_is_noise_around_the_mean_pixel(run, spy, network):
    start, *_ = run(iterations=1)
    noise = spy.made[0].evaluated[0]
    assert noise.shape == (1, 48, 64, 3)
    assert noise.std() == pytest.approx(0.256, rel=0.03)  # its own deviation is 0.7 % for 9216 numbers
    assert abs(noise.mean()) < 0.01
    assert np.abs(noise.std((0, 1, 2)) - 0.256).max() < 0.02  # of each channel
    assert abs(np.corrcoef(noise[0, :, :-1].ravel(), noise[0, :, 1:].ravel())[0, 1]) < 0.06
    np.testing.assert_allclose(start.image.mean((0, 1)), network.mean, atol=0.5)


@BOTH
def test_same_seed_same_images(run, optimizer):
    ours, same, other = (run(optimizer=optimizer, seed=seed) for seed in (3, 3, 4))
    for step, again in zip(ours, same, strict=True):
        np.testing.assert_array_equal(step.image, again.image)
        assert step.losses == again.losses
    assert ours[0].losses["total"] != other[0].losses["total"]
    assert np.any(ours[-1].image != other[-1].image)


def test_start_from_a_picture_of_another_size(run, pictures):
    initial = images.resize(images.read_image(pictures / "other.jpg"), 64, 48)
    start, *_ = run(iterations=1, initial=pictures / "other.jpg")
    np.testing.assert_array_equal(start.image, np.rint(initial.rgb))


def test_start_from_the_content(run, pictures):
    start, *_ = run(iterations=1, initial_noiseblend=0)
    np.testing.assert_array_equal(start.image, np.asarray(Image.open(pictures / "photo.png")))
    assert start.losses["content"] < 1e-6 * start.losses["style"]


def test_network_says_how_much_noise_the_start_has(make_config, network, pictures):
    """Where no option does."""

    calm = copy.copy(network)
    calm.settings = {"initial_noiseblend": 0.0, "learning_rate": 4.0}

    def start(**changes):
        config = make_config(iterations=1, **changes)
        first, *_ = engine.run(config, read_inputs(config), calm)
        return first.image

    photo = np.asarray(Image.open(pictures / "photo.png"))
    np.testing.assert_array_equal(start(), photo)
    _, stepped = engine.run(config := make_config(iterations=1), read_inputs(config), calm)
    assert np.abs(stepped.image.astype(int) - photo).max() == 4  # Adam's first step is its rate
    assert np.any(start(initial_noiseblend=1) != photo)


@pytest.mark.parametrize("initial", [None, "other.jpg"])
def test_noiseblend_blends(run, spy, pictures, network, initial):
    run(iterations=1)
    noise = spy.made[0].evaluated[0][0]
    source = images.read_image(pictures / (initial or "photo.png"))
    picture = images.resize(source, 64, 48).rgb - network.mean
    run(iterations=1, initial=initial and pictures / initial, initial_noiseblend=0.25)
    np.testing.assert_allclose(spy.made[1].evaluated[0][0], 0.75 * picture + 0.25 * noise, atol=1e-3)


# --- pictures in and out ----------------------------------------------------------------------------------------------


def test_preserve_colors(run, pictures):
    content = np.asarray(Image.open(pictures / "photo.png"))
    for plain, kept in zip(run(), run(preserve_colors=True), strict=True):
        np.testing.assert_array_equal(kept.image, preserve_colors(plain.image, content))
        assert kept.losses == plain.losses  # it is done afterwards
    assert np.any(kept.image != plain.image)


def test_alpha_of_the_content_is_put_back(run, pictures):
    alpha = np.full((48, 64), 255, np.uint8)
    alpha[10:20, :30] = 51
    content = np.dstack([np.asarray(Image.open(pictures / "photo.png")), alpha])
    step = run(content=content, iterations=1)[-1]
    assert step.image.shape == (48, 64, 3)
    assert step.image_with_alpha.shape == (48, 64, 4)
    np.testing.assert_array_equal(step.image_with_alpha[..., 3], alpha)
    np.testing.assert_array_equal(step.image_with_alpha[..., :3], step.image)
    np.testing.assert_array_equal(run(iterations=1)[-1].image, step.image)  # what little alpha there is changes nothing


def test_width_is_that_of_the_result(run):
    assert run(iterations=1, width=80)[-1].image.shape == (60, 80, 3)


def test_paths_images_and_arrays_give_the_same(run, pictures):
    paths = [pictures / "photo.png", pictures / "style.png", pictures / "other.jpg"]
    opened = [Image.open(path).convert("RGB") for path in paths]
    arrays = [np.asarray(image) for image in opened]
    results = [
        run(content=content, styles=[style], initial=initial, iterations=2)[-1].image
        for content, style, initial in (paths, map(str, paths), opened, arrays)
    ]
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


# --- what does not go well --------------------------------------------------------------------------------------------


def nan_at(*bad_calls, place="total", value=np.nan):
    """For `spy.wrap`: something that is not finite, at some calls."""

    def wrap(call, losses, gradient):
        if call not in bad_calls:
            return losses, gradient
        if place == "gradient":
            return losses, tf.tensor_scatter_nd_update(gradient, [(0, 1, 2, 0)], [value])
        return losses._replace(total=tf.constant(value, tf.float32)), gradient

    return wrap


@BOTH
@pytest.mark.parametrize("place", ["total", "gradient"])
@pytest.mark.parametrize("call", [1, 5, 8])
def test_goes_on_from_the_best_image_with_smaller_steps(run, spy, caplog, optimizer, place, call):
    spy.wrap = nan_at(call, place=place, value=np.inf)
    with caplog.at_level(logging.WARNING, "neural_style"):
        steps = run(optimizer=optimizer, iterations=8, learning_rate=80)
    assert [step.iteration for step in steps] == list(range(9))
    assert np.isfinite(totals(steps)).all()
    (record,) = caplog.records
    assert f"stopped being finite at iteration {call};" in record.getMessage()

    evaluated = spy.made[0].evaluated
    assert len(evaluated) == 9 + 2  # the one that failed, and the best image once more
    lowest = int(np.argmin(totals(steps[:call])))
    np.testing.assert_array_equal(evaluated[call + 1], evaluated[lowest])
    change = evaluated[call + 2] - evaluated[lowest]
    if optimizer == "adam":  # whose first step is the learning rate for every pixel, here a tenth of it
        np.testing.assert_allclose(np.median(np.abs(change)), 8, rtol=1e-3)
    else:
        assert np.sqrt(np.mean(change**2)) == pytest.approx(0.1, rel=1e-3)
    for step, image in zip(steps[call:], evaluated[call + 2 :], strict=True):
        np.testing.assert_array_equal(step.image, np.clip(np.rint(image[0] + spy.made[0].mean), 0, 255))
    lowest_so_far = np.minimum.accumulate(totals(steps))
    assert [step.best for step in steps] == [True, *(lowest_so_far[1:] < lowest_so_far[:-1])]


def test_best_image_need_not_be_the_last(run, spy):
    """Without this, the test above could not tell the best image from the last one."""
    spy.wrap = nan_at(8)
    values = totals(run(iterations=8, learning_rate=80))[:8]
    assert np.argmin(values) < 7


@BOTH
def test_not_finite_twice_ends_the_run_after_the_good_steps(make_config, network, spy, optimizer):
    spy.wrap = nan_at(3, 7)
    config = make_config(optimizer=optimizer, iterations=20)
    good = []
    with pytest.raises(DivergenceError, match=r"twice, at last at iteration 5, .* 10 times smaller; lower"):
        for step in engine.run(config, read_inputs(config), network):
            good.append(step)
    assert [step.iteration for step in good] == [0, 1, 2, 3, 4]
    assert np.isfinite(totals(good)).all()
    assert good[-1].image.shape == (48, 64, 3)


@BOTH
def test_not_finite_at_the_start_ends_the_run_at_once(make_config, network, spy, optimizer):
    spy.wrap = nan_at(0)
    config = make_config(optimizer=optimizer)
    with pytest.raises(DivergenceError, match="start image is not finite"):
        next(engine.run(config, read_inputs(config), network))
    assert len(spy.made[0].evaluated) == 1


def test_losses_too_large_for_their_type(run):
    """The same without any help: 1e38 times a content loss is more than float32 holds."""
    with pytest.raises(DivergenceError, match=r"inf.*lower the loss weights"):
        run(content_weight=1e38)


@BOTH
@pytest.mark.parametrize("error", [tf.errors.ResourceExhaustedError(None, None, "OOM"), MemoryError()], ids=repr)
def test_too_little_memory(make_config, network, spy, optimizer, error):
    def wrap(call, losses, gradient):
        if call == 2:
            raise error
        return losses, gradient

    spy.wrap = wrap
    config = make_config(optimizer=optimizer)
    good = []
    with pytest.raises(OutOfMemoryError, match=r"CPU:0 has too little memory .*lower --width") as caught:
        for step in engine.run(config, read_inputs(config), network):
            good.append(step)
    assert [step.iteration for step in good] == [0, 1]
    assert caught.value.__cause__ is error


def test_other_errors_pass_through(run, spy):
    def wrap(*_):
        raise tf.errors.InvalidArgumentError(None, None, "something else")

    spy.wrap = wrap
    with pytest.raises(tf.errors.InvalidArgumentError, match="something else"):
        run()


@BOTH
def test_closing_early(make_config, network, spy, optimizer):
    config = make_config(optimizer=optimizer, iterations=1000)
    steps = engine.run(config, read_inputs(config), network)
    next(steps), next(steps)
    steps.close()
    assert len(spy.made[0].evaluated) == 2
    assert list(steps) == []


# --- devices ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["gpu:99", "gpu:7"])
def test_gpu_that_is_not_there(run, device):
    with pytest.raises(UsageError, match=rf"got {device} with \d found; use --device cpu"):
        run(device=device)


@pytest.mark.parametrize(
    ("device", "gpus", "name"),
    [
        ("auto", 0, "CPU:0"),
        ("auto", 2, "GPU:0"),
        ("cpu", 2, "CPU:0"),
        ("gpu", 1, "GPU:0"),
        ("gpu:0", 1, "GPU:0"),
        ("gpu:1", 2, "GPU:1"),
        ("gpu", 0, None),
        ("gpu:2", 2, None),
    ],
)
def test_device_names(monkeypatch, device, gpus, name):
    growing = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [f"{kind} {i}" for i in range(gpus)])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda gpu, on: growing.append((gpu, on)))
    if name is None:
        with pytest.raises(UsageError, match=f"got {device} with {gpus} found"):
            engine.device_name(device)
    else:
        assert engine.device_name(device) == name
    assert growing == [(f"GPU {i}", True) for i in range(gpus)]


def test_memory_is_left_as_it_is_once_tensorflow_has_started(monkeypatch):
    def set_memory_growth(*_):
        raise RuntimeError("Physical devices cannot be modified after being initialized")

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: ["GPU 0"])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", set_memory_growth)
    assert engine.device_name("auto") == "GPU:0"


def test_device_is_set_while_a_step_is_made_and_not_between(make_config, network, spy, monkeypatch):
    active, seen = [], []
    real = tf.device

    @contextmanager
    def device(name):
        active.append(name)
        with real(name):
            yield
        active.remove(name)

    def wrap(_, losses, gradient):
        seen.append(list(active))
        return losses, gradient

    spy.wrap = wrap
    monkeypatch.setattr(tf, "device", device)
    config = make_config(iterations=2)
    for step in engine.run(config, read_inputs(config), network):
        assert active == []
        assert step.image is not None
    assert seen == [["CPU:0"]] * 3
    assert active == []


def test_scopes_of_two_runs_and_of_their_consumer_do_not_get_entangled(make_config, network):
    """TensorFlow raises an error where scopes of devices are left in another order than they were entered in."""
    config = make_config(iterations=2)
    first, second = (engine.run(config, read_inputs(config), network) for _ in range(2))
    with tf.device("CPU:0"):
        next(first)
        next(second)
    next(first)
    with tf.device("CPU:0"):
        first.close()
        next(second)
    second.close()


# --- the two ways in --------------------------------------------------------------------------------------------------


def test_render_returns_the_best_image(make_config):
    """With the built-in network, and steps so large that the best image is not the last."""
    config = make_config(iterations=9, learning_rate=80)
    steps = list(engine.stylize(config))
    assert not steps[-1].best
    best = min(steps, key=lambda step: step.losses["total"])
    image = engine.render(config)
    np.testing.assert_array_equal(image, best.image)
    assert image.dtype == np.uint8
    assert np.any(image != steps[-1].image)


def test_render_keeps_alpha(make_config, pictures):
    content = np.dstack([np.asarray(Image.open(pictures / "photo.png")), np.full((48, 64), 100, np.uint8)])
    image = engine.render(make_config(content=content, iterations=1))
    assert image.shape == (48, 64, 4)
    np.testing.assert_array_equal(image[..., 3], 100)


def test_stylize_writes_no_files_and_prints_nothing(make_config, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    config = make_config(
        output="o.png", checkpoint_output="c_{}.png", checkpoint_iterations=1, progress_write=True, save_flags="flags"
    )
    list(engine.stylize(config))
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().out == ""


def test_stylize_tells_of_pictures_and_weights_before_it_starts(make_config, tmp_path, monkeypatch):
    def never(*_):
        raise AssertionError("nothing may be computed")

    monkeypatch.setattr(engine, "Objective", never)
    with pytest.raises(ImageError, match=r"missing\.png"):
        next(engine.stylize(make_config(content=tmp_path / "missing.png")))
    with pytest.raises(WeightsError, match=r"missing\.h5"):
        next(engine.stylize(make_config(weights=str(tmp_path / "missing.h5"))))


def test_the_library_prints_nothing_unless_logging_is_asked_for(tmp_path):
    """In a process of its own, since pytest listens to the log."""
    script = (
        "import numpy as np; from neural_style import Config, render\n"
        "photo = np.zeros((32, 32, 3), np.uint8)\n"
        "render(Config(photo, [photo], iterations=2, learning_rate=1e30, content_layers=['relu1_1'],"
        " style_layers=['relu1_1']))"
    )
    settings = {"PYTHONPATH": str(Path(engine.__file__).parent.parent), "KERAS_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, **settings}, check=False
    )
    ours = [line for line in done.stderr.splitlines() if "built-in" in line or "finite" in line]
    assert done.stdout == ""
    assert [line for line in ours if "Error" not in line] == []
