import copy
import dataclasses
import logging
import os
import re
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

from neural_style.compute import fallback as planned
from neural_style.compute import precision
from neural_style.compute.objective import LossGraph, Objective
from neural_style.compute.planner import Planner
from neural_style.compute.precision import Choice
from neural_style.compute.tiled_objective import TiledObjective
from neural_style.config.config import Config, usual_tolerance
from neural_style.errors import DivergenceError, ImageError, OutOfMemoryError, UsageError, WeightsError
from neural_style.images.color_transfer import preserve_colors
from neural_style.images.picture import lanczos, resize, to_uint8
from neural_style.images.reading import read_image
from neural_style.optimizers import generators as optimizers
from neural_style.runs import engine
from neural_style.runs.inputs import read_inputs
from neural_style.runs.pyramid import PATIENCE
from neural_style.runs.step import Step

SHALLOW = {"content_layers": ("relu1_2",), "style_layers": ("relu1_1", "relu2_1")}
ALL = pytest.mark.parametrize("optimizer", ["adam", "lbfgs", "scipy"])


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
        given |= {"optimizer": "adam", "scales": 1, "tolerance": 0}
        return Config(**{**given, "weights": "builtin", "device": "cpu", "precision": "float32", **SHALLOW, **changes})

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

    picture = engine._picture

    def decode(image, *arguments):
        Spy.decoded.append(image.numpy())
        return picture(image, *arguments)

    monkeypatch.setattr(planned, "Objective", Spy)
    monkeypatch.setattr(engine, "_picture", decode)
    return Spy


def totals(steps):
    return [step.losses["total"] for step in steps]


# --- steps ------------------------------------------------------------------------------------------------------------


@ALL
def test_steps_are_the_start_and_one_for_each_iteration(run, optimizer):
    steps = run(optimizer=optimizer, iterations=5)
    assert [step.iteration for step in steps] == [0, 1, 2, 3, 4, 5]
    for step in steps:
        assert isinstance(step, Step)
        assert list(step.losses) == ["content", "style", "tv", "total"]
        assert step.losses["total"] == pytest.approx(sum(step.losses.values()) - step.losses["total"], rel=1e-5)
        assert step.image.shape == (48, 64, 3)
        assert step.image.dtype == np.uint8


@ALL
def test_losses_of_a_step_are_those_of_its_own_image(run, spy, make_config, network, optimizer):
    steps = run(optimizer=optimizer)
    shown = [step.image for step in steps]
    inputs = read_inputs(make_config())
    graph = LossGraph(make_config(), network)
    again = Objective(graph, inputs.content.rgb, [style.rgb for style in inputs.styles])
    assert len(spy.made) == 1
    assert len(spy.decoded) == len(steps)
    for step, image, tensor in zip(steps, shown, spy.decoded, strict=True):
        losses, _ = again.value_and_grad(tf.constant(tensor))
        for name, value in step.losses.items():
            assert value == pytest.approx(float(getattr(losses, name)), rel=1e-5)
        np.testing.assert_array_equal(image, np.clip(np.rint(tensor[0] + network.mean), 0, 255))


@pytest.mark.parametrize("settings", [{"learning_rate": 80}, {"optimizer": "lbfgs"}, {"optimizer": "scipy"}], ids=str)
def test_best_is_the_lowest_so_far(run, settings):
    steps = run(iterations=12, initial_noiseblend=1, **settings)
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


@ALL
def test_loss_goes_down(run, optimizer):
    values = totals(run(optimizer=optimizer, iterations=15))
    assert min(values[10:]) < 0.5 * values[0]
    assert min(values[10:]) < min(values[:5])


@pytest.mark.parametrize(("optimizer", "count"), [("adam", 5), ("lbfgs", 1), ("scipy", 1)])
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
    both = {"styles": [pictures / "style.png", pictures / "other.jpg"], "style_scales": (1, 2), "loss": "athalye"}
    (start, *_), (first, *_), (second, *_) = (
        run(iterations=1, style_blend_weights=weights, **both) for weights in ((1, 3), (1, 0), (0, 1))
    )
    blended = first.losses["style"] / 4 + second.losses["style"] * 3 / 4
    assert start.losses["style"] == pytest.approx(blended, rel=1e-5)
    assert first.losses["style"] != pytest.approx(second.losses["style"], rel=0.01)


# --- start ------------------------------------------------------------------------------------------------------------


def test_start_is_noise_around_the_mean_pixel(run, spy, network):
    start, *_ = run(iterations=1, initial_noiseblend=1)
    noise = spy.made[0].evaluated[0]
    assert noise.shape == (1, 48, 64, 3)
    assert noise.std() == pytest.approx(0.256, rel=0.03)  # its own deviation is 0.7 % for 9216 numbers
    assert abs(noise.mean()) < 0.01
    assert np.abs(noise.std((0, 1, 2)) - 0.256).max() < 0.02  # of each channel
    assert abs(np.corrcoef(noise[0, :, :-1].ravel(), noise[0, :, 1:].ravel())[0, 1]) < 0.06
    np.testing.assert_allclose(start.image.mean((0, 1)), network.mean, atol=0.5)


@ALL
def test_same_seed_same_images(run, optimizer):
    ours, same, other = (run(optimizer=optimizer, initial_noiseblend=1, seed=seed) for seed in (3, 3, 4))
    for step, again in zip(ours, same, strict=True):
        np.testing.assert_array_equal(step.image, again.image)
        assert step.losses == again.losses
    assert ours[0].losses["total"] != other[0].losses["total"]
    assert np.any(ours[-1].image != other[-1].image)


def test_start_from_a_picture_of_another_size(run, pictures):
    initial = resize(read_image(pictures / "other.jpg"), 64, 48)
    start, *_ = run(iterations=1, initial=pictures / "other.jpg")
    np.testing.assert_array_equal(start.image, np.rint(initial.rgb))


def test_start_from_the_content(run, pictures):
    start, *_ = run(iterations=1, initial_noiseblend=0)
    np.testing.assert_array_equal(start.image, np.asarray(Image.open(pictures / "photo.png")))
    assert start.losses["content"] < 1e-6 * start.losses["style"]


def test_network_says_how_much_noise_the_start_has(make_config, network, pictures):
    """Where no option does."""

    noisy = copy.copy(network)
    noisy.settings = {"initial_noiseblend": 1.0, "learning_rate": 4.0}

    def first_two(**changes):
        config = make_config(iterations=1, **changes)
        return [step.image.astype(int) for step in engine.run(config, read_inputs(config), noisy)]

    photo = np.asarray(Image.open(pictures / "photo.png"))
    assert np.abs(first_two()[0] - network.mean).max() < 3
    start, stepped = first_two(initial_noiseblend=0)
    np.testing.assert_array_equal(start, photo)
    assert np.abs(stepped - photo).max() == 4  # Adam's first step is its rate


@pytest.mark.parametrize("initial", [None, "other.jpg"])
def test_noiseblend_blends(run, spy, pictures, network, initial):
    run(iterations=1, initial_noiseblend=1)
    noise = spy.made[0].evaluated[0][0]
    source = read_image(pictures / (initial or "photo.png"))
    picture = resize(source, 64, 48).rgb - network.mean
    run(iterations=1, initial=initial and pictures / initial, initial_noiseblend=0.25)
    np.testing.assert_allclose(spy.made[1].evaluated[0][0], 0.75 * picture + 0.25 * noise, atol=1e-3)


# --- scales -----------------------------------------------------------------------------------------------------------

TWO = {"width": 128, "scales": 2, "iterations": 5, "scale_iterations": 3}
"""64×48 px with 3 iterations, then 128×96 with 5."""


@ALL
def test_steps_over_two_scales(run, optimizer):
    steps = run(optimizer=optimizer, **TWO)
    assert [step.scale for step in steps] == [(64, 48)] * 4 + [(128, 96)] * 6
    assert [step.iteration for step in steps] == list(range(10))
    for step in steps:
        assert step.image.shape == (96, 128, 3)
        assert np.isfinite(list(step.losses.values())).all()
    for part in (steps[:4], steps[4:]):
        lowest = np.minimum.accumulate(totals(part))
        assert [step.best for step in part] == [True, *(lowest[1:] < lowest[:-1])]


def test_losses_of_different_scales_do_not_compare(run):
    """A finer scale begins with a best image, though the one before ended lower."""
    steps = run(**TWO, initial_noiseblend=1, content_weight=0, tv_weight=0)
    assert steps[4].best
    assert totals(steps)[4] > min(totals(steps)[:4])


@ALL
def test_each_scale_starts_with_the_best_of_the_one_before(run, spy, network, optimizer):
    steps = run(optimizer=optimizer, learning_rate=80, **{**TWO, "scale_iterations": 5})
    coarse, fine = spy.made[-2:]
    assert [objective.shape for objective in (coarse, fine)] == [(1, 48, 64, 3), (1, 96, 128, 3)]
    best = coarse.evaluated[int(np.argmin(totals(steps[:6])))]
    expected = lanczos(best[0], 128, 96)
    np.testing.assert_allclose(fine.evaluated[0][0], expected, atol=1e-3)
    np.testing.assert_array_equal(steps[6].image, np.clip(np.rint(expected + network.mean), 0, 255))
    if optimizer == "adam":  # with steps so large that the last image is not the best
        assert best is not coarse.evaluated[-1]


def test_the_coarsest_scale_starts_with_noise_of_its_own(run, spy):
    run(**TWO, initial_noiseblend=1)
    run(**{**TWO, "width": 64, "scales": 1}, initial_noiseblend=1)
    np.testing.assert_array_equal(spy.made[-3].evaluated[0], spy.made[-1].evaluated[0])
    assert spy.made[-1].evaluated[0].std() == pytest.approx(0.256, rel=0.03)


def test_the_coarsest_scale_starts_with_a_picture_at_its_size(run, spy, pictures, network):
    run(**TWO, initial=pictures / "other.jpg")
    initial = resize(read_image(pictures / "other.jpg"), 64, 48)
    np.testing.assert_allclose(spy.made[-2].evaluated[0][0], initial.rgb - network.mean, atol=1e-3)


def test_pictures_of_coarse_steps_are_enlarged(run, spy, network):
    step = run(**TWO)[2]
    expected = lanczos(spy.made[-2].evaluated[2][0] + network.mean, 128, 96)
    np.testing.assert_array_equal(step.image, np.clip(np.rint(expected), 0, 255))


def test_three_scales_of_odd_sizes(run):
    steps = run(width=181, scales=3, iterations=1)
    assert [step.scale for step in steps] == [(45, 34)] * 2 + [(90, 68)] * 2 + [(181, 136)] * 2
    assert {step.image.shape for step in steps} == {(136, 181, 3)}


@pytest.mark.parametrize(
    ("settings", "scales"),
    [
        ({}, [(64, 48), (128, 96)]),
        ({"initial_noiseblend": 1}, [(64, 48), (128, 96)]),
        ({"min_scale": 60}, [(80, 60), (128, 96)]),
        ({"min_scale": 80}, [(128, 96)]),
        ({"initial": "photo.png"}, [(128, 96)]),
        ({"initial": "photo.png", "initial_noiseblend": 0.6}, [(64, 48), (128, 96)]),
        ({"preview_width": 63}, [(63, 47), (128, 96)]),
        ({"preview_width": 63, "initial_noiseblend": 1}, [(64, 48), (128, 96)]),
        ({"initial": "photo.png", "preview_width": 63}, [(128, 96)]),
    ],
    ids=str,
)
def test_scales_by_themselves(run, pictures, settings, scales):
    """As many as there is room for, but for an initial picture that shows."""
    if "initial" in settings:
        settings = {**settings, "initial": pictures / settings["initial"]}
    steps = run(width=128, scales="auto", iterations=1, **settings)
    assert list(dict.fromkeys(step.scale for step in steps)) == scales


@ALL
def test_a_large_picture_begins_with_the_preview_to_the_bit(run, spy, optimizer):
    """From the content; the preview itself is a run of one scale."""
    look = {"optimizer": optimizer, "scales": "auto", "initial_noiseblend": 0, "preview_width": 45, "iterations": 5}
    preview = run(width=45, **look)
    for width in (93, 190):
        large = run(width=width, scale_iterations=2, **look)
        for ours, theirs in zip(large[:6], preview, strict=True):
            assert ours.scale == (45, 34)
            assert ours.losses == theirs.losses
            assert ours.best == theirs.best
        assert [step.scale for step in large[-3:]] == [(width, round(width * 0.75))] * 3
    first, *others = [made.evaluated for made in spy.made if made.shape == (1, 34, 45, 3)]
    assert len(others) == 2
    for evaluated in others:
        np.testing.assert_array_equal(evaluated, first)


def test_variation_weighs_by_the_width_of_each_scale(run, spy):
    given, scaled = run(**TWO), run(**TWO, tv_width=128)
    assert scaled[0].losses["tv"] == pytest.approx(given[0].losses["tv"] / 4)
    assert scaled[0].losses["style"] == given[0].losses["style"]
    before, after = spy.made[1], spy.made[3]  # those of 128 px: the same image has the same losses
    assert after.losses(spy.made[1].evaluated[0]) == before.losses(spy.made[1].evaluated[0])


def test_variation_of_the_same_picture_weighs_the_same_at_every_width(run):
    ramp = np.broadcast_to(np.arange(0, 160, 2, np.uint8)[None, :, None], (60, 80, 3))
    losses = [run(width=width, initial=ramp, tv_width=80)[0].losses["tv"] for width in (48, 80, 160)]
    assert losses == pytest.approx([losses[1]] * 3, rel=0.05)  # but for the edges


def test_network_has_a_say_in_the_scales(make_config, network):
    calm = copy.copy(network)
    calm.settings = {"preview_width": 128}
    config = make_config(width=128, scales="auto", iterations=1)
    assert {step.scale for step in engine.run(config, read_inputs(config), calm)} == {(128, 96)}


def test_too_many_scales(run):
    with pytest.raises(UsageError, match=r"^scales: .* got 3 scales of 64×48"):
        run(scales=3)


@ALL
def test_tolerance_ends_a_scale(run, optimizer):
    """Here one that is always met, as soon as may be."""
    steps = run(
        optimizer=optimizer, **{**TWO, "iterations": 30, "scale_iterations": 25}, tolerance=0.99, learning_rate=1e-3
    )
    if optimizer == "adam":
        assert [step.scale for step in steps] == [(64, 48)] * (PATIENCE + 1) + [(128, 96)] * (PATIENCE + 1)
    else:
        assert len(steps) < 26 + 31
    assert [step.iteration for step in steps] == list(range(len(steps)))


def test_tolerance_of_0_uses_up_all_iterations(run):
    assert len(run(iterations=30, learning_rate=1e-3)) == 31


@ALL
def test_closing_at_a_finer_scale(make_config, network, spy, optimizer):
    config = make_config(optimizer=optimizer, **TWO)
    steps = engine.run(config, read_inputs(config), network)
    while next(steps).scale == (64, 48):
        pass
    steps.close()
    assert [len(objective.evaluated) for objective in spy.made[-2:]] == [4, 1]
    assert list(steps) == []


@ALL
def test_each_scale_may_go_back_to_its_best_image_once(run, spy, optimizer, caplog):
    spy.wrap = nan_at(2)
    with caplog.at_level(logging.WARNING, "neural_style"):
        steps = run(optimizer=optimizer, **TWO)
    assert [step.iteration for step in steps] == list(range(10))
    assert [step.scale for step in steps] == [(64, 48)] * 4 + [(128, 96)] * 6
    assert np.isfinite(totals(steps)).all()
    assert [len(objective.evaluated) for objective in spy.made[-2:]] == [4 + 2, 6 + 2]
    assert len(caplog.records) == 2


def test_warnings_count_iterations_as_steps_do(run, spy, caplog):
    spy.wrap = nan_at(2)
    with caplog.at_level(logging.WARNING, "neural_style"):
        run(**TWO)
    told = [re.search(r"at iteration (\d+);", record.getMessage())[1] for record in caplog.records]
    assert told == ["2", "6"]


def test_alpha_and_colours_over_scales(run, pictures):
    content = np.dstack([np.asarray(Image.open(pictures / "photo.png")), np.full((48, 64), 51, np.uint8)])
    plain, kept = run(content=content, **TWO), run(content=content, preserve_colors=True, **TWO)
    colours = to_uint8(resize(read_image(content), 128, 96).rgb)
    for step, painted in zip(kept, plain, strict=True):
        assert step.image_with_alpha.shape == (96, 128, 4)
        np.testing.assert_array_equal(step.image, preserve_colors(painted.image, colours))


def test_one_network_and_one_trace_for_all_scales(run, monkeypatch):
    graphs = []

    def loss_graph(*arguments):
        graphs.append(LossGraph(*arguments))
        return graphs[-1]

    monkeypatch.setattr(engine, "LossGraph", loss_graph)
    run(**TWO)
    assert len(graphs) == 1
    assert graphs[0].value_and_grad.experimental_get_tracing_count() == 1


# --- precision --------------------------------------------------------------------------------------------------------


@pytest.fixture
def types(monkeypatch):
    """Types that graphs are made for; they compute in float32 all the same."""
    made = []

    def loss_graph(config, network, precision):
        made.append(precision)
        return LossGraph(config, network)

    monkeypatch.setattr(engine, "LossGraph", loss_graph)
    return made


@pytest.mark.parametrize("chosen", ["float32", "bfloat16", "float16"])
def test_type_is_chosen_for_the_device(run, types, monkeypatch, chosen):
    asked = []

    def choose(*arguments):
        asked.append(arguments)
        return Choice(chosen, "a test")

    monkeypatch.setattr(precision, "choose", choose)
    run(precision="auto", iterations=1)
    assert asked == [("auto", "CPU:0")]
    assert types == [chosen]


def test_a_choice_that_was_made_is_not_made_again(make_config, network, types, monkeypatch):
    monkeypatch.setattr(precision, "choose", None)
    config = make_config(iterations=1, precision="auto")
    list(engine.run(config, read_inputs(config), network, Choice("bfloat16", "a test")))
    assert types == ["bfloat16"]


@pytest.mark.parametrize("chosen", ["float32", "bfloat16", "float16"])
def test_lbfgs_knows_the_noise_of_the_type(make_config, network, types, monkeypatch, chosen):
    noises, lbfgs = [], optimizers.lbfgs

    def noted(*arguments, noise, **settings):
        noises.append(noise)
        return lbfgs(*arguments, noise=noise, **settings)

    monkeypatch.setattr(optimizers, "lbfgs", noted)
    config = make_config(optimizer="lbfgs", **TWO)
    list(engine.run(config, read_inputs(config), network, Choice(chosen, "a test")))
    assert noises == [precision.LOSS_NOISE[chosen]] * 2


def test_a_type_that_the_device_lacks_is_told_before_the_first_step(make_config, network, monkeypatch):
    monkeypatch.setattr(precision, "_seconds", lambda *_: None)
    config = make_config(precision="bfloat16")
    with pytest.raises(UsageError, match=r"^precision: .* got bfloat16"):
        engine.run(config, read_inputs(config), network)


@ALL
@pytest.mark.parametrize("wanted", ["bfloat16", "float16"])
def test_other_types_lower_the_loss_as_float32_does(run, wanted, optimizer):
    """Or better: by small differences a search may take other steps."""
    try:
        precision.choose(wanted, "CPU:0")
    except UsageError:
        pytest.skip(f"this machine does not compute in {wanted}")
    start, *expected = totals(run(optimizer=optimizer, iterations=10))
    ours = totals(run(precision=wanted, optimizer=optimizer, iterations=10))
    assert ours[0] == pytest.approx(start, rel=0.01)
    assert min(ours) < 1.1 * min(expected) < 0.8 * start


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


@ALL
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


@ALL
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


@ALL
def test_not_finite_at_the_start_ends_the_run_at_once(make_config, network, spy, optimizer):
    spy.wrap = nan_at(0)
    config = make_config(optimizer=optimizer)
    with pytest.raises(DivergenceError, match="start image is not finite"):
        next(engine.run(config, read_inputs(config), network))
    assert len(spy.made[0].evaluated) == 1


def test_losses_too_large_for_their_type(run):
    """The same without any help: 1e38 times a content loss is more than float32 holds."""
    with pytest.raises(DivergenceError, match=r"inf.*lower the loss weights"):
        run(content_weight=1e38, initial_noiseblend=1)


@ALL
@pytest.mark.parametrize("error", [tf.errors.ResourceExhaustedError(None, None, "OOM"), MemoryError()], ids=repr)
def test_too_little_memory(make_config, network, spy, optimizer, error):
    def wrap(call, losses, gradient):
        if call == 2:
            raise error
        return losses, gradient

    spy.wrap = wrap
    config = make_config(optimizer=optimizer)
    good = []
    with pytest.raises(OutOfMemoryError, match=r"too little memory .* 64×48 px.*lower --width") as caught:
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


@ALL
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


@pytest.mark.parametrize("preserve", [False, True])
def test_16_bits_are_rounded_from_the_same_image_as_8_bits(run, spy, network, pictures, preserve):
    colours = {"preserve_colors": preserve}
    shallow, deep = (run(scales=2, scale_iterations=2, width=128, bit_depth=depth, **colours) for depth in (8, 16))
    for step, deeper in zip(shallow, deep, strict=True):
        assert (step.image.dtype, deeper.image.dtype) == (np.uint8, np.uint16)
        roundings = 4 if preserve else 1  # both pictures, one of them in its luma as well, and the result
        assert np.abs(deeper.image / 257 - step.image).max() <= 0.5 * roundings + 0.01
        assert len(np.unique(deeper.image % 257)) > 100
    if not preserve:
        exact = np.clip((spy.decoded[-1][0] + network.mean) * 257, 0, 65535)
        np.testing.assert_array_equal(deep[-1].image, np.rint(exact))


def test_render_gives_16_bits_and_alpha_of_16_bits(make_config, pictures):
    content = np.dstack([np.asarray(Image.open(pictures / "photo.png")), np.full((48, 64), 100, np.uint8)])
    image = engine.render(make_config(content=content, iterations=1, bit_depth=16))
    assert (image.shape, image.dtype) == ((48, 64, 4), np.uint16)
    np.testing.assert_array_equal(image[..., 3], 25700)


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

    monkeypatch.setattr(planned, "Objective", never)
    with pytest.raises(ImageError, match=r"missing\.png"):
        next(engine.stylize(make_config(content=tmp_path / "missing.png")))
    with pytest.raises(WeightsError, match=r"missing\.h5"):
        next(engine.stylize(make_config(weights=str(tmp_path / "missing.h5"))))


def test_the_library_prints_nothing_unless_logging_is_asked_for(tmp_path):
    """In a process of its own, since pytest listens to the log."""
    script = (
        "import numpy as np; from neural_style import Config, render\n"
        "photo = np.zeros((32, 32, 3), np.uint8)\n"
        "render(Config(photo, [photo], iterations=2, optimizer='adam', learning_rate=1e30, precision='float32',"
        " content_layers=['relu1_1'], style_layers=['relu1_1']))"
    )
    settings = {"PYTHONPATH": str(Path(engine.__file__).parents[2]), "KERAS_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, **settings}, check=False
    )
    ours = [line for line in done.stderr.splitlines() if "built-in" in line or "finite" in line]
    assert done.stdout == ""
    assert [line for line in ours if "Error" not in line] == []


# --- memory -----------------------------------------------------------------------------------------------------------

WIDE = np.kron(np.random.default_rng(5).integers(0, 256, (5, 25, 3)), np.ones((8, 8, 1))).astype(np.uint8)
LARGE = {"content": WIDE, "iterations": 6, "learning_rate": 3}
"""200×40 px, larger than tiles of 192 and 128 px."""

EXHAUSTED = tf.errors.ResourceExhaustedError(None, None, "OOM")


class Tried:
    """What is evaluated, whole or in tiles: the tile sizes, None for the whole, and copies of the images.

    `failing(call, tile_size)`, of calls numbered from 0, gives an error that is raised instead, or "nan" for that loss.
    """

    def __init__(self, monkeypatch):
        self.tile_sizes, self.images, self.failing = [], [], lambda call, tile_size: None
        for kind in (Objective, TiledObjective):
            monkeypatch.setattr(kind, "value_and_grad", self._watched(kind.value_and_grad))

    def _watched(self, real):
        def value_and_grad(objective, image):
            self.tile_sizes.append(getattr(objective, "tile_size", None))
            self.images.append(np.array(image))
            outcome = self.failing(len(self.images) - 1, self.tile_sizes[-1])
            if isinstance(outcome, Exception):
                raise outcome
            losses, gradient = real(objective, image)
            return (losses._replace(total=tf.constant(np.nan)) if outcome == "nan" else losses), gradient

        return value_and_grad


@pytest.fixture
def tried(monkeypatch):
    return Tried(monkeypatch)


def notes(caplog):
    """Ours alone; TensorFlow has its own, of what it traces anew."""
    return [record.getMessage() for record in caplog.records if record.name == "neural_style"]


def assert_alike(steps, expected):
    """But for rounding, which the steps of an optimiser enlarge."""
    assert [(step.iteration, step.scale) for step in steps] == [(step.iteration, step.scale) for step in expected]
    for step, other in zip(steps, expected, strict=True):
        assert step.losses == pytest.approx(other.losses, rel=1e-3)
    lowest = np.minimum.accumulate(totals(steps))
    assert [step.best for step in steps] == [True, *(lowest[1:] < lowest[:-1])]


@pytest.mark.parametrize(
    ("optimizer", "error"), [("adam", MemoryError()), ("lbfgs", EXHAUSTED), ("scipy", EXHAUSTED)], ids=str
)
def test_a_run_goes_on_in_tiles_where_memory_fails(run, tried, caplog, optimizer, error):
    expected = run(**LARGE, optimizer=optimizer)
    del tried.tile_sizes[:], tried.images[:]
    tried.failing = lambda call, tile_size: error if tile_size is None and call >= 3 else None
    with caplog.at_level(logging.WARNING, "neural_style"):
        steps = run(**LARGE, optimizer=optimizer)
    assert_alike(steps, expected)
    assert tried.tile_sizes == [None] * 4 + [192] * 4
    np.testing.assert_array_equal(tried.images[3], tried.images[4])
    assert len(notes(caplog)) == 1


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_run_goes_down_to_the_smallest_tiles(make_config, network, tried, optimizer):
    """And ends there, with what was yielded before."""
    tried.failing = lambda call, tile_size: EXHAUSTED if call in (2, 4) or call > 6 else None
    config = make_config(**LARGE, optimizer=optimizer)
    good = []
    with pytest.raises(OutOfMemoryError, match=r"200×40 px, which, even in tiles of 128 px,") as caught:
        for step in engine.run(config, read_inputs(config), network):
            good.append(step)
    assert tried.tile_sizes == [None, None, None, 192, 192, 128, 128, 128]
    assert [step.iteration for step in good] == [0, 1, 2, 3, 4]
    assert good[-1].image.shape == (40, 200, 3)
    assert caught.value.__cause__ is EXHAUSTED


def test_a_start_without_memory(run, tried):
    expected = run(**LARGE)
    tried.failing = lambda call, tile_size: MemoryError() if tile_size != 128 else None
    assert_alike(run(**LARGE), expected)


def test_each_scale_has_its_own_tiles(run, tried):
    """The coarser is as large as memory lets it."""
    tried.failing = lambda call, tile_size: EXHAUSTED if call == 5 else None
    run(**{**TWO, "content": WIDE, "width": 400})
    assert tried.tile_sizes == [None] * 6 + [384] * 5


@pytest.fixture
def exhausted_lbfgs(monkeypatch):
    """L-BFGS that finds no memory after its first evaluations; call it with how many."""
    real = optimizers.lbfgs

    def after(count):
        def lbfgs(*arguments, **settings):
            for number, evaluation in enumerate(real(*arguments, **settings), 1):
                yield evaluation
                if number == count:
                    raise EXHAUSTED

        monkeypatch.setattr(optimizers, "lbfgs", lbfgs)

    return after


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize(("tile_size", "then"), [(None, 192), (64, 64)])
def test_adam_takes_the_place_of_an_optimizer_without_memory(
    run, tried, exhausted_lbfgs, caplog, tile_size, then, count
):
    """From the best image on; with its first step, Adam changes every pixel by the rate."""
    exhausted_lbfgs(count)
    with caplog.at_level(logging.WARNING, "neural_style"):
        steps = run(**LARGE, optimizer="lbfgs", tile_size=tile_size)
    assert [step.iteration for step in steps] == list(range(7))
    assert_alike(steps, steps)
    assert tried.tile_sizes == [tile_size] * count + [then] * (1 + 7 - count)
    best = tried.images[int(np.argmin(totals(steps[:count])))]
    np.testing.assert_array_equal(tried.images[count], best)
    np.testing.assert_allclose(np.median(np.abs(tried.images[count + 1] - best)), 3, rtol=1e-3)
    assert any("going on with adam" in note for note in notes(caplog))


def test_adam_without_memory_goes_on_in_place(run, tried, monkeypatch):
    """Though tiles had been taken before, for an evaluation."""
    real = optimizers.adam

    def adam(*arguments, **settings):
        for number, evaluation in enumerate(real(*arguments, **settings)):
            yield evaluation
            if number == 4:
                raise EXHAUSTED

    monkeypatch.setattr(optimizers, "adam", adam)
    tried.failing = lambda call, tile_size: EXHAUSTED if call == 2 else None
    steps = run(**LARGE)
    assert [step.iteration for step in steps] == list(range(7))
    assert tried.tile_sizes == [None] * 3 + [192] * 6


def test_going_back_after_tiles_were_taken(run, tried):
    """Adam, which had not overwritten its image until then, does so from there on."""
    tried.failing = lambda call, tile_size: {2: EXHAUSTED, 5: "nan"}.get(call)
    steps = run(**LARGE)
    assert [step.iteration for step in steps] == list(range(7))
    assert np.isfinite(totals(steps)).all()
    assert tried.tile_sizes == [None] * 3 + [192] * 7


# --- in place ---------------------------------------------------------------------------------------------------------

IN_PLACE = {"width": 100, "tile_size": 64, "iterations": 6, "learning_rate": 3}
"""100×75 px, by Adam."""


def test_steps_of_a_run_in_place_keep_their_images(run, network, tried):
    """Though they are looked at only when all is over."""
    steps = run(**IN_PLACE)
    assert tried.tile_sizes == [64] * 7
    for step, evaluated in zip(steps, tried.images, strict=True):
        np.testing.assert_array_equal(step.image, np.clip(np.rint(evaluated[0] + network.mean), 0, 255))
    assert len({step.image.tobytes() for step in steps}) == 7


def test_a_run_in_place_is_that_of_the_whole_picture(run):
    expected, steps = run(**{**IN_PLACE, "tile_size": 0}), run(**IN_PLACE)
    assert_alike(steps, expected)
    for step, other in zip(steps, expected, strict=True):
        assert np.abs(step.image.astype(int) - other.image).mean() < 0.02


def test_a_run_in_place_gives_the_same_images_again(run):
    for step, again in zip(run(**IN_PLACE), run(**IN_PLACE), strict=True):
        np.testing.assert_array_equal(step.image, again.image)
        assert step.losses == again.losses


def test_the_best_of_a_run_in_place(run):
    """Which need not be the last, with steps so large."""
    steps = run(**{**IN_PLACE, "iterations": 12, "learning_rate": 80})
    lowest = np.minimum.accumulate(totals(steps))
    assert [step.best for step in steps] == [True, *(lowest[1:] < lowest[:-1])]
    assert not all(step.best for step in steps)


def test_going_back_in_place(run, tried, caplog):
    """To the image before, which is the only one that can be had, with a tenth of the step."""
    tried.failing = lambda call, tile_size: "nan" if call == 3 else None
    with caplog.at_level(logging.WARNING, "neural_style"):
        steps = run(**IN_PLACE)
    assert [step.iteration for step in steps] == list(range(7))
    assert np.isfinite(totals(steps)).all()
    assert len(notes(caplog)) == 1
    assert len(tried.images) == 7 + 2
    np.testing.assert_allclose(tried.images[4], tried.images[2], atol=1e-4)
    np.testing.assert_allclose(np.median(np.abs(tried.images[5] - tried.images[4])), 0.3, rtol=1e-3)


def test_scales_of_which_the_last_is_in_place(run, tried):
    steps = run(**{**TWO, "tile_size": 64})
    assert [step.scale for step in steps] == [(64, 48)] * 4 + [(128, 96)] * 6
    assert tried.tile_sizes == [None] * 4 + [64] * 6
    best = tried.images[int(np.argmin(totals(steps[:4])))]
    np.testing.assert_allclose(tried.images[4][0], lanczos(best[0], 128, 96), atol=1e-3)


def test_a_scale_after_one_in_place_starts_with_its_last_image(run, tried):
    steps = run(**{**TWO, "width": 136, "tile_size": 64})
    assert [step.scale for step in steps] == [(68, 51)] * 4 + [(136, 102)] * 6
    assert tried.tile_sizes == [64] * 10
    np.testing.assert_allclose(tried.images[4][0], lanczos(tried.images[3][0], 136, 102), atol=1e-3)


def test_alpha_and_colours_in_place(run, pictures):
    content = np.dstack([np.asarray(Image.open(pictures / "photo.png")), np.full((48, 64), 51, np.uint8)])
    kept = run(content=content, preserve_colors=True, bit_depth=16, **IN_PLACE)
    assert {step.image_with_alpha.dtype for step in kept} == {np.dtype(np.uint16)}
    assert len({step.image_with_alpha.tobytes() for step in kept}) == 7


# --- plans ------------------------------------------------------------------------------------------------------------


def test_each_scale_is_planned_for_the_memory_given(make_config, pictures):
    config = make_config(width=1600, scales=2, initial_noiseblend=1, optimizer="lbfgs", learning_rate=1)
    inputs = read_inputs(config)
    budget = Planner(config, "float32").whole(800, 600).peak + inputs.nbytes
    _, plans = engine.plan(config, inputs, "float32", budget)
    assert [(plan.width, plan.height) for plan in plans] == [(800, 600), (1600, 1200)]
    assert all(plan.peak <= budget for plan in plans)
    assert plans[0].tile_size is None
    assert plans[1].tile_size is not None


def test_pictures_that_are_read_count_until_the_last_scale(make_config):
    config = make_config(width=1600, scales=2, initial_noiseblend=1, optimizer="lbfgs", learning_rate=1)
    inputs = read_inputs(config)
    planner, (coarse, _) = engine.plan(config, inputs, "float32", 10**12)
    assert inputs.nbytes > 2 * 12 * 1600 * 1200
    sizes = [(800, 600), (64, 48)]
    assert planner.choose_all(sizes, coarse.peak, 0)[0] == coarse
    assert planner.choose_all(sizes, coarse.peak, inputs.nbytes)[0] != coarse
    with pytest.raises(UsageError, match=r"800×600 px .* beside the \d+ MB of the pictures read, got 800 MB; give"):
        planner.choose_all(sizes, 8 * 10**8, inputs.nbytes)


def test_memory_is_asked_for_by_device(make_config, network, monkeypatch):
    asked = []
    monkeypatch.setattr(engine.memory, "budget", lambda *wanted: asked.append(wanted) or 10**12)
    for size in ("auto", "5GB"):
        config = make_config(memory=size, device="cpu")
        engine.run(config, read_inputs(config), network)
    assert asked == [("auto", "CPU:0"), ("5GB", "CPU:0")]


def test_adam_in_the_place_of_another_has_its_own_tolerance(make_config):
    config = make_config(optimizer="lbfgs", tolerance=usual_tolerance("lbfgs", "balanced"), loss="balanced")
    lbfgs, adam = (Planner(config, "float32").whole(64, 48), Planner(config, "float32").with_adam)
    assert engine._tolerance(config, lbfgs) == config.tolerance > 0
    assert engine._tolerance(config, adam(lbfgs)) == 0
    wanted = dataclasses.replace(config, tolerance=0.1)
    assert engine._tolerance(wanted, adam(lbfgs)) == 0.1


@pytest.mark.parametrize("memory", ["1MB", "nonsense"])
def test_memory_that_will_not_do_is_told_before_the_first_step(make_config, network, memory):
    with pytest.raises(UsageError, match=r"^memory: expected"):
        config = make_config(memory=memory)
        engine.run(config, read_inputs(config), network)
