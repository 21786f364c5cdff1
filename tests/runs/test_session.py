"""Whole runs: their steps, sizes and pictures, and how they end."""

import copy
import dataclasses
import gc
import weakref
from contextlib import contextmanager

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from small_runs import (
    IN_PLACE,
    OPTIMIZERS,
    POOLED,
    TWO_SCALES,
    are_best,
    assert_same,
    numbers_in,
    shown,
    smooth,
    totals,
)

from neural_style.config.defaults import PATIENCE
from neural_style.errors import DivergenceError, NeuralStyleError, OutOfMemoryError
from neural_style.images.color_transfer import preserve_colors
from neural_style.images.picture import lanczos, resize, to_uint8
from neural_style.images.reading import read_image
from neural_style.networks import weights
from neural_style.runs import session as sessions
from neural_style.runs.step import Step

ALL = pytest.mark.parametrize("optimizer", OPTIMIZERS)


# --- steps ------------------------------------------------------------------------------------------------------------


@ALL
def test_steps_are_the_start_and_one_for_each_iteration(run, optimizer):
    steps = run(optimizer=optimizer, iterations=5)
    assert [step.iteration for step in steps] == [0, 1, 2, 3, 4, 5]
    for step in steps:
        assert isinstance(step, Step)
        assert list(step.losses) == ["content", "style", "tv", "total"]
        assert step.losses["total"] == pytest.approx(sum(step.losses.values()) - step.losses["total"], rel=1e-5)
        assert (step.image.shape, step.image.dtype) == ((48, 64, 3), np.uint8)
    assert [step.best for step in steps] == are_best(totals(steps))
    assert min(totals(steps)) < 0.8 * totals(steps)[0]


def test_losses_by_layer_add_up_to_losses(run):
    for step in run(iterations=2, content_layers=None, content_weight_blend=0.5):
        assert {name: list(of_layers) for name, of_layers in step.losses_by_layer.items()} == {
            "content": ["relu4_2", "relu5_2"],
            "style": ["conv1_1", "relu1_1"],
            "tv": ["image"],
        }
        for name, of_layers in step.losses_by_layer.items():
            assert sum(of_layers.values()) == pytest.approx(step.losses[name], rel=1e-6)
        if step.iteration:
            assert min(value for of_layers in step.losses_by_layer.values() for value in of_layers.values()) > 0


@ALL
def test_losses_of_a_step_are_those_of_its_own_image(run, evaluations, decoded, network, optimizer):
    steps = run(optimizer=optimizer)
    pictures = [step.image for step in steps]
    assert len(decoded) == len(evaluations) == len(steps)
    for picture, image, evaluation in zip(pictures, decoded, evaluations, strict=True):
        np.testing.assert_array_equal(image, evaluation.image)
        np.testing.assert_array_equal(picture, shown(image, network.mean))


@pytest.mark.parametrize("settings", [{"learning_rate": 120}, {"optimizer": "lbfgs"}, {"optimizer": "scipy"}], ids=str)
def test_best_is_the_lowest_so_far(run, settings):
    steps = run(iterations=14, initial_noiseblend=1, **settings)
    assert [step.best for step in steps] == are_best(totals(steps))
    if "learning_rate" in settings:
        assert not all(step.best for step in steps)


def test_only_images_that_are_looked_at_are_made(run, decoded):
    steps = run()
    assert decoded == []
    first = steps[1].image
    assert steps[1].image is first
    assert len(decoded) == 1


def test_steps_cannot_be_changed(run):
    step = run(iterations=1)[1]
    with pytest.raises(dataclasses.FrozenInstanceError):
        step.iteration = 7
    with pytest.raises(TypeError):
        step.losses["total"] = 0
    with pytest.raises(TypeError):
        step.losses_by_layer["style"]["relu1_1"] = 0
    with pytest.raises(ValueError, match="read-only"):
        step.image[0] = 0


def test_sessions_know_where_they_are(begin):
    session = begin(**TWO_SCALES)
    assert (session.iteration, session.best) == (-1, None)
    assert [(scale.width, scale.height) for scale in session.scales] == [(64, 48), (128, 96)]
    best = None
    for number, step in enumerate(session):
        best = step if step.best else best
        assert session.iteration == number == step.iteration
        assert session.best is best
    assert session.iteration == 9
    assert session.step() is None
    assert session.best is best


@pytest.mark.parametrize(("optimizer", "count"), [("adam", 5), ("lbfgs", 1), ("scipy", 1)])
def test_where_nothing_is_left_to_do(run, optimizer, count, notes):
    """Variation alone, of a picture that has none; the network has no part in it. L-BFGS ends early."""
    alone = {"content": np.full((48, 64, 3), 90, np.uint8), "content_weight": 0, "style_weight": 0}
    steps = run(optimizer=optimizer, initial_noiseblend=0, **alone)
    assert totals(steps) == [0] * count
    assert [step.best for step in steps] == [True, False, False, False, False][:count]
    np.testing.assert_array_equal(steps[-1].image, 90)
    assert notes() == []  # a loss of 0 cannot be lowered


def test_losses_of_the_whole_depth(run):
    deep = {"content_layers": None, "style_layers": ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")}
    steps = run(iterations=3, **deep)
    assert min(totals(steps)) < totals(steps)[0]
    assert all(value > 0 for step in steps[1:] for value in step.losses.values())


def test_several_styles(run, pictures):
    both = {"styles": [pictures / "style.png", pictures / "other.jpg"], "style_scales": (1, 2), "loss": "athalye"}
    (start, *_), (first, *_), (second, *_) = (
        run(iterations=1, style_blend_weights=blend, **both) for blend in ((1, 3), (1, 0), (0, 1))
    )
    blended = first.losses["style"] / 4 + second.losses["style"] * 3 / 4
    assert start.losses["style"] == pytest.approx(blended, rel=1e-5)
    assert first.losses["style"] != pytest.approx(second.losses["style"], rel=0.01)


@ALL
def test_the_same_seed_gives_the_same_bits(run, optimizer):
    ours, same, other = (run(optimizer=optimizer, initial_noiseblend=1, seed=seed) for seed in (3, 3, 4))
    assert_same(ours, same)
    assert ours[0].losses["total"] != other[0].losses["total"]
    assert np.any(ours[-1].image != other[-1].image)


def test_start_images(run, pictures):
    photo = np.asarray(Image.open(pictures / "photo.png"))
    of_content = run(iterations=1, initial_noiseblend=0)[0]
    np.testing.assert_array_equal(of_content.image, photo)
    assert of_content.losses["content"] < 1e-6 * of_content.losses["style"]
    of_another = run(iterations=1, initial=pictures / "other.jpg")[0]
    np.testing.assert_array_equal(of_another.image, np.rint(resize(read_image(pictures / "other.jpg"), 64, 48).rgb))


def test_the_network_has_a_say_where_no_option_does(make_config, stylizer, pictures):
    loaded = weights.load("builtin", ["relu1_1"])
    wild = dataclasses.replace(loaded, settings={"initial_noiseblend": 1.0, "learning_rate": 4.0})

    def first_two(**changes):
        config = make_config(iterations=1, learning_rate=None, **changes)
        return [step.image.astype(int) for step in stylizer.session(config, network=wild)]

    photo = np.asarray(Image.open(pictures / "photo.png"))
    assert np.abs(first_two()[0] - loaded.mean).max() < 3
    start, stepped = first_two(initial_noiseblend=0)
    np.testing.assert_array_equal(start, photo)
    assert np.abs(stepped - photo).max() == 4  # Adam's first step is its rate

    calm = dataclasses.replace(loaded, settings={"preview_width": 128})
    config = make_config(width=128, scales="auto", iterations=1, preview_width=None)
    assert {step.scale for step in stylizer.session(config, network=calm)} == {(128, 96)}


# --- sizes ------------------------------------------------------------------------------------------------------------


@ALL
def test_steps_over_two_scales(run, optimizer):
    steps = run(optimizer=optimizer, **TWO_SCALES)
    assert [step.scale for step in steps] == [(64, 48)] * 4 + [(128, 96)] * 6
    assert [step.iteration for step in steps] == list(range(10))
    for step in steps:
        assert step.image.shape == (96, 128, 3)
        assert np.isfinite(list(step.losses.values())).all()
    for part in (steps[:4], steps[4:]):
        assert [step.best for step in part] == are_best(totals(part))


def test_losses_of_different_scales_do_not_compare(run):
    """A finer scale begins with a best image, though the one before ended lower."""
    steps = run(**TWO_SCALES, initial_noiseblend=1, style_weight=1e-9, tv_weight=0)
    assert steps[4].best
    assert totals(steps)[4] > min(totals(steps)[:4])


@ALL
def test_each_scale_starts_with_the_best_of_the_one_before(run, evaluations, network, optimizer):
    steps = run(optimizer=optimizer, initial_noiseblend=1, learning_rate=120, **{**TWO_SCALES, "scale_iterations": 5})
    coarse, fine = evaluations.at(64), evaluations.at(128)
    best = coarse[int(np.argmin(totals(steps[:6])))]
    expected = lanczos(best[0], 128, 96)
    np.testing.assert_allclose(fine[0][0], expected, atol=1e-3)
    np.testing.assert_array_equal(steps[6].image, shown(expected[np.newaxis], network.mean))
    if optimizer == "adam":  # with steps so large that the last image is not the best
        assert best is not coarse[-1]


def test_the_coarsest_scale_starts_with_noise_of_its_own(run, evaluations):
    run(**TWO_SCALES, initial_noiseblend=1)
    two = evaluations.at(64)[0]
    evaluations.clear()
    run(initial_noiseblend=1)
    np.testing.assert_array_equal(two, evaluations[0].image)
    assert two.std() == pytest.approx(0.256, rel=0.03)


def test_the_coarsest_scale_starts_with_a_picture_at_its_size(run, evaluations, pictures, network):
    run(**TWO_SCALES, initial=pictures / "other.jpg")
    initial = resize(read_image(pictures / "other.jpg"), 64, 48)
    np.testing.assert_allclose(evaluations.at(64)[0][0], initial.rgb - network.mean, atol=1e-3)


def test_pictures_of_coarse_steps_are_enlarged(run, evaluations, network):
    step = run(**TWO_SCALES)[2]
    expected = lanczos(evaluations.at(64)[2][0] + network.mean, 128, 96)
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
def test_scales_by_themselves(begin, pictures, settings, scales):
    """As many as there is room for, but for an initial picture that shows."""
    if "initial" in settings:
        settings = {**settings, "initial": pictures / settings["initial"]}
    session = begin(width=128, scales="auto", iterations=1, **settings)
    assert [(scale.width, scale.height) for scale in session.scales] == scales


def test_a_picture_and_the_same_on_its_side_have_the_same_scales(begin):
    photo = smooth(64, 48)
    lying = begin(content=photo, width=128, scales="auto").scales
    standing = begin(content=np.rot90(photo), width=96, scales="auto").scales
    assert [(scale.width, scale.height) for scale in lying] == [(scale.height, scale.width) for scale in standing]
    assert len(lying) == 2


@ALL
def test_a_large_picture_begins_with_the_preview_to_the_bit(run, evaluations, optimizer):
    """From the content; the preview itself is a run of one scale."""
    look = {"optimizer": optimizer, "scales": "auto", "initial_noiseblend": 0, "preview_width": 45, "iterations": 3}
    preview = run(width=45, **look)
    first = evaluations.at(45)
    for width in (93, 190) if optimizer == "lbfgs" else (93,):
        evaluations.clear()
        large = run(width=width, scale_iterations=1, **look)
        for ours, theirs in zip(large[:4], preview, strict=True):
            assert ours.scale == (45, 34)
            assert ours.losses == theirs.losses
            assert ours.best == theirs.best
        assert [step.scale for step in large[-2:]] == [(width, round(width * 0.75))] * 2
        np.testing.assert_array_equal(evaluations.at(45), first)


@pytest.mark.parametrize("init", ["noise", "style_colors", "gray"])
def test_pictures_of_all_sizes_begin_alike_without_forms(run, evaluations, init):
    """To the bit, at the coarsest size, though there could be a preview."""
    starts = []
    for width in (128, 192):
        evaluations.clear()
        run(width=width, init=init, scales="auto", preview_width=45, iterations=1, scale_iterations=1)
        assert evaluations[0].shape == (1, 48, 64, 3)
        starts.append(evaluations.images[0])
    np.testing.assert_array_equal(*starts)


def test_variation_weighs_by_the_width_of_each_scale(run):
    given, scaled = run(**TWO_SCALES), run(**TWO_SCALES, tv_width=128)
    assert scaled[0].losses["tv"] == pytest.approx(given[0].losses["tv"] / 4)
    assert scaled[0].losses["style"] == given[0].losses["style"]
    of_its_own_width = {"width": 128, "iterations": 1}
    assert run(**of_its_own_width, tv_width=128)[0].losses == run(**of_its_own_width)[0].losses


def test_variation_of_the_same_picture_weighs_the_same_at_every_width(run):
    ramp = np.broadcast_to(np.arange(0, 160, 2, np.uint8)[None, :, None], (60, 80, 3))
    losses = [run(width=width, initial=ramp, tv_width=80, iterations=1)[0].losses["tv"] for width in (48, 80, 160)]
    assert losses == pytest.approx([losses[1]] * 3, rel=0.05)  # but for the edges


@ALL
def test_tolerance_ends_a_scale(run, optimizer):
    """Here one that is always met, as soon as may be."""
    settings = {**TWO_SCALES, "iterations": 30, "scale_iterations": 25, "tolerance": 0.99, "learning_rate": 1e-3}
    steps = run(optimizer=optimizer, **settings)
    if optimizer == "adam":
        assert [step.scale for step in steps] == [(64, 48)] * (PATIENCE + 1) + [(128, 96)] * (PATIENCE + 1)
    else:
        assert len(steps) < 26 + 31
    assert [step.iteration for step in steps] == list(range(len(steps)))


def test_tolerance_of_0_uses_up_all_iterations(run):
    assert len(run(iterations=30, learning_rate=1e-3)) == 31


# --- pictures in and out ----------------------------------------------------------------------------------------------


def test_preserve_colors(run, pictures):
    content = np.asarray(Image.open(pictures / "photo.png"))
    plain, kept = run(), run(preserve_colors=True)
    for step, painted in zip(kept, plain, strict=True):
        np.testing.assert_array_equal(step.image, preserve_colors(painted.image, content))
        assert step.losses == painted.losses  # it is done afterwards
    assert np.any(kept[-1].image != plain[-1].image)


def with_alpha(pictures, alpha):
    return np.dstack([np.asarray(Image.open(pictures / "photo.png")), alpha])


def test_alpha_of_the_content_is_put_back(run, pictures):
    alpha = np.full((48, 64), 255, np.uint8)
    alpha[10:20, :30] = 51
    step = run(content=with_alpha(pictures, alpha), iterations=1)[-1]
    assert step.image.shape == (48, 64, 3)
    assert step.image_with_alpha.shape == (48, 64, 4)
    np.testing.assert_array_equal(step.image_with_alpha[..., 3], alpha)
    np.testing.assert_array_equal(step.image_with_alpha[..., :3], step.image)
    np.testing.assert_array_equal(run(iterations=1)[-1].image, step.image)  # what little alpha there is changes nothing


def test_alpha_and_colors_over_scales(run, pictures):
    content = with_alpha(pictures, np.full((48, 64), 51, np.uint8))
    plain, kept = run(content=content, **TWO_SCALES), run(content=content, preserve_colors=True, **TWO_SCALES)
    colors = to_uint8(resize(read_image(content), 128, 96).rgb)
    for step, painted in zip(kept, plain, strict=True):
        assert step.image_with_alpha.shape == (96, 128, 4)
        np.testing.assert_array_equal(step.image, preserve_colors(painted.image, colors))


@pytest.mark.parametrize("preserve", [False, True])
def test_16_bits_are_rounded_from_the_same_image_as_8_bits(run, decoded, network, preserve):
    settings = {"scales": 2, "scale_iterations": 2, "width": 128, "preserve_colors": preserve}
    shallow, deep = (run(bit_depth=depth, **settings) for depth in (8, 16))
    for step, deeper in zip(shallow, deep, strict=True):
        assert (step.image.dtype, deeper.image.dtype) == (np.uint8, np.uint16)
        roundings = 4 if preserve else 1  # both pictures, one of them in its luma as well, and the result
        assert np.abs(deeper.image / 257 - step.image).max() <= 0.5 * roundings + 0.01
        assert len(np.unique(deeper.image % 257)) > 100
    if not preserve:
        exact = np.clip((decoded[-1][0] + network.mean) * 257, 0, 65535)
        np.testing.assert_array_equal(deep[-1].image, np.rint(exact))


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


@pytest.mark.parametrize(("call", "place"), [(1, "gradient"), (5, "total"), (8, "gradient")])
def test_adam_goes_on_from_the_best_image_with_smaller_steps(run, evaluations, notes, network, place, call):
    evaluations.spoil(call, place=place, value=np.inf)
    steps = run(iterations=8, learning_rate=120, initial_noiseblend=1)
    assert [step.iteration for step in steps] == list(range(9))
    assert np.isfinite(totals(steps)).all()
    (note,) = notes()
    assert f"stopped being finite at iteration {call};" in note

    images = evaluations.images
    assert len(images) == 9 + 2  # the one that failed, and the best image once more
    lowest = int(np.argmin(totals(steps[:call])))
    if call == 8:
        assert lowest < 7  # or the best image could not be told from the last one
    np.testing.assert_array_equal(images[call + 1], images[lowest])
    change = images[call + 2] - images[lowest]  # its first step is the learning rate for every pixel, here a tenth
    np.testing.assert_allclose(np.median(np.abs(change)), 12, rtol=1e-3)
    for step, image in zip(steps[call:], images[call + 2 :], strict=True):
        np.testing.assert_array_equal(step.image, shown(image, network.mean))
    assert [step.best for step in steps] == are_best(totals(steps))


@pytest.mark.parametrize("optimizer", ["lbfgs", "scipy"])
@pytest.mark.parametrize("place", ["total", "gradient"])
def test_a_trial_step_that_is_not_finite_costs_no_life(run, evaluations, notes, optimizer, place):
    """However often it happens: it is a step too far, and the next one lies halfway."""
    evaluations.spoil(2, 5, 9, place=place)
    steps = run(optimizer=optimizer, iterations=9)
    assert notes() == []
    assert [step.iteration for step in steps] == list(range(10))  # as many as without
    assert len(evaluations) == 10 + 3
    assert np.isfinite(totals(steps)).all()
    assert min(totals(steps)) < 0.8 * totals(steps)[0]
    images = evaluations.images
    np.testing.assert_allclose(images[3] - images[1], (images[2] - images[1]) / 2, rtol=2e-3, atol=1e-3)


def test_each_scale_may_go_back_to_its_best_image_once(run, evaluations, notes):
    evaluations.spoil(2)
    steps = run(**TWO_SCALES)
    assert [step.iteration for step in steps] == list(range(10))
    assert [step.scale for step in steps] == [(64, 48)] * 4 + [(128, 96)] * 6
    assert np.isfinite(totals(steps)).all()
    assert [len(evaluations.at(width)) for width in (64, 128)] == [4 + 2, 6 + 2]
    assert numbers_in("\n".join(notes()), "at iteration") == [2, 6]  # counted as steps are


def test_not_finite_twice_ends_the_run_after_the_good_steps(begin, evaluations, reserved):
    evaluations.spoil(3, 7)
    session = begin(iterations=20)
    good = []
    with pytest.raises(DivergenceError, match=r"twice, the last time at iteration 5, .* 10 times smaller; lower"):
        for step in session:
            good.append(step)
    assert [step.iteration for step in good] == [0, 1, 2, 3, 4]
    assert np.isfinite(totals(good)).all()
    assert good[-1].image.shape == (48, 64, 3)
    assert reserved() == 0
    assert session.step() is None
    assert session.result().losses == min(good, key=lambda step: step.losses["total"]).losses


@ALL
def test_not_finite_at_the_start_ends_the_run_at_once(begin, evaluations, reserved, optimizer):
    evaluations.spoil(0)
    session = begin(optimizer=optimizer)
    with pytest.raises(DivergenceError, match=r"of the start image is not finite \(the loss is nan\); lower"):
        session.step()
    assert len(evaluations) == 1
    assert reserved() == 0
    with pytest.raises(NeuralStyleError, match=r"expected a session that has made a step, got one before its first"):
        session.result()


def test_losses_too_large_for_their_type(run):
    """The same without any help: 1e38 times a content loss is more than float32 holds."""
    with pytest.raises(DivergenceError, match=r"inf.*lower the loss weights"):
        run(content_weight=1e38, initial_noiseblend=1)


@ALL
@pytest.mark.parametrize("weight", [1e15, 1e18, 1e24])
def test_weights_whose_squares_overflow_lower_the_loss(run, notes, optimizer, weight):
    steps = run(optimizer=optimizer, style_weight=weight, initial_noiseblend=1, iterations=8, **POOLED)
    assert min(totals(steps)) < 0.5 * totals(steps)[0]
    assert np.any(steps[-1].image != steps[0].image)
    assert notes() == []


@pytest.mark.parametrize("count", [1, 3])
def test_a_start_image_that_wins_is_told(run, evaluations, notes, count):
    """Also where the optimizer gives up at once."""

    def change(evaluation, terms, gradient):
        worse = terms._replace(total=terms.total * (1 + evaluation.of_size))
        return worse, gradient * (count > 1)

    evaluations.change = change
    settings = {"optimizer": "lbfgs"} if count == 1 else {"iterations": 2}
    steps = run(**settings, **POOLED)
    assert [step.best for step in steps] == [True] + [False] * (count - 1)
    (note,) = notes()
    assert note.startswith("no step at 64×48 px lowered the loss, so its start image is the result there; ")
    assert ("learning_rate" in note) == (count > 1)


@ALL
@pytest.mark.parametrize("error", [tf.errors.ResourceExhaustedError(None, None, "OOM"), MemoryError()], ids=repr)
def test_too_little_memory(begin, evaluations, reserved, optimizer, error):
    """For a picture that is smaller than all tiles."""
    evaluations.fail(error, lambda call, tile_size: call == 2)
    session = begin(optimizer=optimizer)
    good = []
    with pytest.raises(OutOfMemoryError, match=r"too little memory .* 64×48 px.*lower --width") as caught:
        for step in session:
            good.append(step)
    assert [step.iteration for step in good] == [0, 1]
    assert caught.value.__cause__ is error
    assert reserved() == 0
    assert session.step() is None


def test_other_errors_pass_through_and_close_the_session(begin, evaluations, reserved):
    error = tf.errors.InvalidArgumentError(None, None, "something else")
    evaluations.fail(error, lambda call, tile_size: call == 1)
    session = begin()
    session.step()
    assert reserved() > 0
    with pytest.raises(tf.errors.InvalidArgumentError, match="something else"):
        session.step()
    assert reserved() == 0
    assert session.step() is None


# --- ends -------------------------------------------------------------------------------------------------------------


@ALL
def test_closing_early(begin, evaluations, reserved, optimizer):
    session = begin(optimizer=optimizer, **TWO_SCALES)
    with session:
        while session.step().scale == (64, 48):
            pass
        assert reserved() > 0
    assert reserved() == 0
    assert [len(evaluations.at(width)) for width in (64, 128)] == [4, 1]
    assert list(session) == []
    session.close()
    assert session.result().iteration == session.best.iteration == 4


def test_closing_before_the_first_step(begin, reserved):
    session = begin()
    assert reserved() > 0
    session.close()
    assert reserved() == 0
    assert session.step() is None


@ALL
@pytest.mark.parametrize("settings", [TWO_SCALES, IN_PLACE], ids=["whole", "in tiles"])
def test_a_session_that_is_dropped_goes_at_once(begin, reserved, optimizer, settings):
    """It does not wait for the collection of cycles."""
    gc.disable()
    try:
        session = begin(optimizer=optimizer, **settings)
        for _ in range(3):
            session.step()
        descent = weakref.ref(session._descent)
        assert reserved() > 0
        del session
        assert reserved() == 0
        assert descent() is None
    finally:
        gc.enable()


def test_memory_is_given_back_after_the_last_step(begin, reserved):
    session = begin(iterations=1)
    session.step(), session.step()
    assert reserved() > 0  # whoever looks on may still change the weights
    assert session.step() is None
    assert reserved() == 0


# --- result -----------------------------------------------------------------------------------------------------------


def test_result_has_what_was_used(begin, make_config, network):
    session = begin(iterations=9, learning_rate=120, initial_noiseblend=1, seed=5, **POOLED)
    steps = list(session)
    best = min(steps, key=lambda step: step.losses["total"])
    assert best is not steps[-1]
    result = session.result()
    np.testing.assert_array_equal(result.image, best.image)
    assert (result.losses, result.iteration, result.iterations) == (best.losses, best.iteration, 9)
    assert (result.device, result.precision) == ("CPU:0", "float32")
    assert result.weights == network.reference
    assert result.plan == "64×48 px whole"
    config = result.config
    assert (config.iterations, config.learning_rate, config.seed, config.memory[-1]) == (9, 120, 5, "B")
    assert (config.loss, config.initial_noiseblend, config.precision) == ("balanced", 1, "float32")


def test_result_before_the_end(begin):
    session = begin()
    with pytest.raises(NeuralStyleError, match="expected a session that has made a step"):
        session.result()
    step = session.step()
    assert session.result().losses == step.losses
    assert session.result().iterations == 0


def test_the_result_repeats_the_run(begin, stylizer):
    """Its configuration says all that was decided."""
    session = begin(optimizer="lbfgs", tolerance=None, loss=None, learning_rate=None, initial_noiseblend=0.5)
    steps = list(session)
    config = dataclasses.replace(session.result().config, weights=session.result().weights)
    again = stylizer.session(config)
    assert_same(list(again), steps)
    assert again.result().config.memory == session.result().config.memory


def test_a_session_keeps_no_kernels(begin, network):
    session = begin()
    assert session.network.reference == network.reference
    assert not session.network.kernels
    assert not session.network.biases


# --- devices ----------------------------------------------------------------------------------------------------------


def test_device_is_set_while_a_step_is_made_and_not_between(begin, evaluations, monkeypatch):
    active, seen = [], []
    real = tf.device

    @contextmanager
    def device(name):
        active.append(name)
        with real(name):
            yield
        active.remove(name)

    def change(evaluation, terms, gradient):
        seen.append(list(active))
        return terms, gradient

    evaluations.change = change
    monkeypatch.setattr(sessions.tf, "device", device)
    for step in begin(iterations=2):
        assert active == []
        assert step.image is not None
    assert seen == [["CPU:0"]] * 3
    assert active == []


def test_scopes_of_two_runs_and_of_their_consumer_do_not_get_entangled(begin):
    """TensorFlow raises an error where scopes of devices are left in another order than they were entered in."""
    first, second = (iter(begin(iterations=2)) for _ in range(2))
    with tf.device("CPU:0"):
        next(first)
        next(second)
    next(first)
    with tf.device("CPU:0"):
        first.close()
        next(second)
    second.close()


def test_the_same_network_traced_once_for_all_scales_and_runs(begin):
    session = begin(**TWO_SCALES)
    graph = session._graphs.whole
    list(session)
    list(begin(optimizer="lbfgs"))
    again = begin(width=80)
    assert again._graphs.whole is graph
    list(again)
    assert graph.value_and_grad.experimental_get_tracing_count() == 1
    assert graph.style_moments.experimental_get_tracing_count() == 1


def test_a_copy_of_a_config_is_the_same_run(run, make_config, stylizer):
    config = make_config()
    assert_same(list(stylizer.session(copy.copy(config))), run())
