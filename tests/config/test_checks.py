import dataclasses
import re

import pytest

from neural_style.config.config import Config
from neural_style.config.resolve import resolve
from neural_style.errors import NeuralStyleError, UsageError


def config(**options):
    return Config(**{"content": "photo.jpg", "styles": ["painting.jpg"], **options})


def refuse(match, **options):
    """Check that options are refused, in one line."""
    with pytest.raises(UsageError, match=match) as caught:
        config(**options)
    assert "\n" not in str(caught.value)


def test_errors_are_value_errors_with_exit_code_2():
    with pytest.raises(ValueError, match=r"^iterations: ") as caught:
        config(iterations=0)
    assert isinstance(caught.value, NeuralStyleError)
    assert caught.value.exit_code == 2


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_pictures_must_be_given():
    refuse(r"^expected --content, got none; .* for a texture, give --size 512x512", content=None)
    refuse(r"^expected --content and --styles, got none; ", content=None, styles=None)
    refuse(r"^content: .* give --content FILE$", content="")
    for styles in ([], (), None):
        refuse(r"^expected --styles, got none; .* give --style_weight 0", styles=styles)
    for styles in ("", [""], ["a.jpg", None]):
        refuse(r"^styles: .* give --styles FILE$", styles=styles)
    refuse(r"^initial: .* give --initial FILE$", initial="")


def test_what_is_no_picture_is_refused():
    for name in ("content", "styles", "initial"):
        for picture in (5, {"a": 1}, 1.5):
            refuse(rf"^{name}: expected a path, a PIL image or an array, got ", **{name: picture})


def test_lists_about_styles_must_have_their_length():
    for name in ("style_scales", "style_blend_weights"):
        for values in ((1.0,), (1.0, 1.0, 1.0)):
            match = rf"^{name}: expected 2 value.*, one per style picture, got {len(values)}"
            refuse(match, styles=["a.jpg", "b.jpg"], **{name: values})


def test_one_option_says_what_to_start_from():
    for init in ("content", "noise", "style_colors", "gray", "style", "start.png"):
        config(init=init)
        refuse(r"^initial: expected nothing beside --init, .*; leave one of them out$", init=init, initial="a.png")
        if init != "noise":
            config(init=init, initial_noiseblend=0.25)
            refuse(
                r"^initial_noiseblend: expected less than 1 beside --init, got 1, .* leaves nothing of that picture;",
                init=init,
                initial_noiseblend=1,
            )
    refuse(
        r"^initial_noiseblend: expected less than 1 beside --initial, got 1, ", initial="a.png", initial_noiseblend=1
    )
    config(init="noise", initial_noiseblend=1)
    config(initial_noiseblend=1)
    for share in (0, 0.25):
        refuse(
            r"^initial_noiseblend: expected 1 with --init noise, .* got 0.*; leave",
            init="noise",
            initial_noiseblend=share,
        )
    refuse(r"^init: .* give --init FILE$", init="")
    refuse(r"^init: expected a path, a PIL image or an array, got 5", init=5)


def test_a_share_of_noise_that_was_decided_may_change_with_the_start():
    made = resolve(config(init="gray"))
    assert dataclasses.replace(made, init="noise").init == "noise"
    for noise in (resolve(config(init="noise")), resolve(config(), {"initial_noiseblend": 1.0})):
        for other in ({"init": "gray"}, {"init": None, "initial": "a.png"}):
            assert resolve(dataclasses.replace(noise, **other)).initial_noiseblend == 0
    with pytest.raises(UsageError, match=r"^initial_noiseblend: expected 1 with --init noise"):
        dataclasses.replace(made, init="noise", initial_noiseblend=0.5)


def test_rotations_are_right_angles_each_once():
    for rotations in ([90], (180, 270), [0, 90, 180, 270]):
        assert config(style_rotations=rotations).style_rotations == tuple(rotations)
    for degrees in (45, -90, 360, 1):
        refuse(rf"^style_rotations: expected 0, 90, 180 or 270 degrees, got {degrees}$", style_rotations=[90, degrees])
    refuse(r"^style_rotations: expected each rotation once, got 90 90$", style_rotations=[90, 90])
    refuse(r"^style_rotations: expected one or more values", style_rotations=[])


def test_the_noise_has_a_scale_of_0_or_more():
    assert config(noise_scale=0).noise_scale == 0
    refuse(r"^noise_scale: expected a number >= 0, got -1.0$", noise_scale=-1)


# --- layers -----------------------------------------------------------------------------------------------------------


def test_layer_weights_must_be_as_many_as_layers():
    for values in ((1.0,), (1.0, 1.0, 1.0)):
        match = rf"^style_layer_weights: expected 2 value.*, got {len(values)}"
        refuse(match, style_layers=["relu1_1", "relu2_1"], style_layer_weights=values)


def test_weights_of_content_layers_are_those_of_layers_that_are_given():
    refuse(r"^content_layer_weights are those of content_layers, .* give both$", content_layer_weights=[1])
    match = r"^content_layer_weights: expected 2 value.*, one per content layer, got 1"
    refuse(match, content_layers=["relu1_1", "relu2_1"], content_layer_weights=[1])
    refuse(r"^content_layer_weights: expected at least one", content_layers=["relu1_1"], content_layer_weights=[0])


def test_statistics_have_a_weight_each_and_come_once():
    refuse(r"^style_loss: expected gram or mean_std or .*, got 'mean'$", style_loss=["mean"])
    refuse(r"^style_loss: expected each statistic once, got gram gram$", style_loss=["gram", "gram"])
    match = r"^style_loss_weights: expected 2 value.*, one per statistic, got 1"
    refuse(match, style_loss=["gram", "mean_std"], style_loss_weights=[1])
    for weights in ([0], [float("inf")]):
        refuse(r"^style_loss_weights: expected", style_loss=["gram"], style_loss_weights=weights)
    refuse(r"^style_loss_weights are those of style_loss, which is not given; give both$", style_loss_weights=[1, 2])


def test_layers_of_statistics_are_style_layers_or_blocks_of_them():
    two = {"style_loss": ["gram", "mean_std"], "style_layers": ["relu1_1", "relu3_2"]}
    refuse(r"^style_loss_layers are those of style_loss, which is not given; give both$", style_loss_layers=["all"])
    refuse(r"^style_loss_layers: expected 2 value.*, one per statistic, got 1: all$", style_loss_layers=["all"], **two)
    for names, wrong in (("relu2_1", "relu2_1"), ("block1+block6", "block6"), ("relu1_1+", ""), ("1", "1")):
        match = rf"^style_loss_layers: expected all, or some of block1\+.*\+block5\+relu1_1\+relu3_2 .* no '{wrong}'$"
        refuse(match, style_loss_layers=["all", names], **two)
    config(**two, style_loss_layers=["block1+relu3_2", "block5"])  # of which there is none
    nowhere = r"^style_loss_layers: expected a statistic that counts in a style layer, got none;"
    refuse(nowhere, **two, style_loss_layers=["block2", "block5"])
    refuse(nowhere, **two, style_loss_layers=["all", "block5"], style_loss_weights=[0, 1])


def test_clipping_needs_pixels():
    clipped = {"optimizer": "adam", "clip": True}
    refuse(r"^clip: expected pixels as variables, got frequencies", variables="frequencies", **clipped)
    config(variables="pixels", **clipped)


def test_weights_of_statistics_that_were_decided_may_change_with_the_statistics():
    for loss in ("balanced", "athalye"):
        made = resolve(config(loss=loss))
        for statistics in (("gram",), ("mean_std", "gram"), ("gram", "mean_std", "covariance")):
            changed = dataclasses.replace(made, style_loss=statistics)
            assert changed.style_statistics == dict.fromkeys(statistics, 1)
            assert resolve(changed) == resolve(dataclasses.replace(made, style_loss=statistics))
            assert resolve(changed).style_loss_weights == (1,) * len(statistics)
    given = resolve(config(style_loss=["gram", "mean_std"], style_loss_weights=[3, 4]))
    with pytest.raises(UsageError, match=r"^style_loss_weights: expected 1 value.* got 2: 3 4$"):
        dataclasses.replace(given, style_loss=("gram",))
    with pytest.raises(UsageError, match=r"^style_loss_weights: expected 3 value.* got 1: 3$"):
        dataclasses.replace(resolve(config()), style_loss_weights=(3,))


def test_a_loss_is_left_to_optimize():
    none = {"content_weight": 0, "style_weight": 0, "tv_weight": 0}
    several = {"styles": ["a.jpg", "b.jpg"], "style_layers_of": ["relu1_1", "relu2_1"], "style_blend_weights": [1, 0]}
    nowhere = {**several, "style_layers": ["relu1_1", "relu2_1"], "style_layer_weights": [0, 1]}
    for strength in (None, 0, 0.5, 1):
        refuse(
            r"^expected content_weight, style_weight or tv_weight above 0, got 0 for all;", **none, strength=strength
        )
    for strength, left_out, others in (
        (0, "style", "content_weight or tv_weight"),
        (1, "content", "style_weight or tv_weight"),
    ):
        refuse(
            f"^strength: expected a number above 0 and below 1, or {others} above 0, got strength {strength}, which "
            f"leaves out the {left_out} loss, and 0 for both; there is nothing to optimize$",
            **{**none, f"{left_out}_weight": 7},
            strength=strength,
        )
        assert config(**{**none, f"{left_out}_weight": 7, "tv_weight": 1}, strength=strength).strength == strength
    for options in ({"content_weight": 0}, {"content_weight": 0, "strength": 0.5}, {"strength": 1}):
        refuse(r"^style_layers_of: expected a style that counts in .* got none;", tv_weight=0, **options, **nowhere)


def test_a_strength_that_is_given_sets_two_losses_against_each_other():
    for name in ("content_weight", "style_weight"):
        refuse(rf"^strength: expected {name} above 0 beside it, got 0, .*; leave", strength=0.3, **{name: 0})
        config(**{name: 0})
        assert getattr(dataclasses.replace(resolve(config()), **{name: 0}), name) == 0
        for end in (0, 1):
            config(strength=end, style_weight=5, content_weight=5)


def test_layers_of_styles_are_style_layers():
    refuse(
        r"^style_layers_of: expected 1 value.*, one per style picture, got 2: all all; join",
        style_layers_of=["all"] * 2,
    )
    for layers in ("relu1_2", "relu1_1+relu4_2", "relu1_1,relu2_1", "relu1_1+", "ALL", "all+relu1_1"):
        refuse(r"^style_layers_of: expected all, or some of relu1_1\+relu2_1", style_layers_of=[layers])


def test_layers_must_be_known_and_named_once():
    for name in ("style_layers", "content_layers"):
        for layer in ("relu6_1", "relu1_3", "RELU1_1", "conv1", "pool1", "relu1_1,relu2_1"):
            refuse(f"^{name}: expected names from relu1_1 .* got {layer!r}$", **{name: ["relu1_1", layer]})
        refuse(f"^{name}: expected each layer once", **{name: ["relu1_1", "relu2_1", "relu1_1"]})


def test_layer_weights_too_large_to_be_computed_are_refused():
    refuse(r"^style_layer_weight", style_layer_weight_exp=1e100)


def test_options_that_contradict_each_other_are_refused_by_name():
    for options in (
        {"content_layers": ["relu4_2"], "content_weight_blend": 0.5},
        {"style_layers": ["relu1_1"], "style_layer_weights": [1], "style_layer_weight_exp": 2},
        {"content_weight": 0, "style_weight": 0, "tv_weight": 0},
        {"style_layer_weights": [0, 0, 0, 0, 0]},
        {"style_blend_weights": [0]},
        {"styles": ["a.jpg", "b.jpg"], "style_blend_weights": [1e308, 1e308]},
        {"checkpoint_output": "a_{}.png"},
        {"checkpoint_iterations": 10},
    ):
        refuse("|".join(options), **options)


# --- single options ---------------------------------------------------------------------------------------------------


def test_one_option_says_how_long_each_size_is_painted():
    by_scale = {"iterations_by_scale": (9, 7)}
    refuse(r"^iterations: expected nothing beside iterations_by_scale, .* got 300; leave", iterations=300, **by_scale)
    refuse(r"^scale_iterations: expected nothing beside .*, got 61; leave one", scale_iterations=61, **by_scale)
    config(**by_scale, iterations=7, scale_iterations=9)


def test_what_was_decided_about_iterations_contradicts_nothing():
    for optimizer, usual in (("lbfgs", 300), ("adam", 1000)):
        made = resolve(config(optimizer=optimizer))
        changed = resolve(dataclasses.replace(made, iterations_by_scale=(9, 7)))
        assert (made.iterations, changed.iterations) == (usual, 7)
        assert changed == resolve(config(optimizer=optimizer, iterations_by_scale=(9, 7)))
        assert resolve(dataclasses.replace(changed, iterations_by_scale=None)) == made
        with pytest.raises(UsageError, match=r"^iterations: expected nothing beside iterations_by_scale"):
            dataclasses.replace(changed, iterations=usual)


def test_scales_are_auto_or_a_number():
    for given, kept in (("auto", "auto"), (1, "1"), ("1", "1"), (12, "12"), ("99", "99")):
        assert config(scales=given).scales == kept
    for given in (0, -1, 100, "0", "01", "two", "", "1.5", "AUTO", " 2"):
        refuse(r"^scales: expected", scales=given)


def test_bounds():
    for name, value in (
        *(("tolerance", -0.1), ("tolerance", 1), ("min_scale", 31), ("scale_iterations", 0), ("iterations", 0)),
        *(("preview_width", 31), ("precision", "double"), ("optimizer", "momentum"), ("pool_rounding", "nearest")),
        *(("pooling", "sum"), ("pooling_scale", 0), ("padding", "same"), ("padding_layers", "last")),
    ):
        refuse(f"^{name}: ", **{name: value})


def test_pixel_range_is_1_or_255():
    assert [config(pixel_range=top).pixel_range for top in (1, 255)] == [1, 255]
    for top in (0, 2, 254, 256, -1):
        refuse(f"^pixel_range: expected 1 or 255, got {top}$", pixel_range=top)


def test_bit_depth_is_8_or_16():
    assert [config(bit_depth=depth).bit_depth for depth in (8, 16)] == [8, 16]
    for depth in (0, 1, 12, 32):
        refuse(f"^bit_depth: expected 8 or 16, got {depth}$", bit_depth=depth)


def test_devices():
    for device in ("auto", "cpu", "gpu", "gpu:0", "gpu:12"):
        assert config(device=device).device == device
    for device in ("tpu", "gpu:", "gpu:x", "gpu1", "cpu:0", "auto ", "gpu:0\n"):
        refuse(r"^device: expected auto, cpu, gpu or gpu:<number>, got ", device=device)


def test_memory_is_a_size():
    for memory in ("auto", "3GB", "800MB", "2.5GiB"):
        assert config(memory=memory).memory == memory
    for memory in ("much", "3 apples", "-1GB", "0"):
        refuse(r"^memory: ", memory=memory)


# --- checkpoints ------------------------------------------------------------------------------------------------------


def test_checkpoint_names_that_do_not_tell_iterations_apart_are_refused():
    for template in (
        *("out.jpg", "out_{:05.jpg", "out_{name}.jpg", "out_{}_{}.jpg", "out_%z.jpg", "out_%d_%d.jpg", "{0.x}.png"),
    ):
        refuse(
            r"^checkpoint_output: expected a placeholder for the iteration",
            checkpoint_output=template,
            checkpoint_iterations=4,
        )


def test_only_steps_are_clipped():
    for optimizer in ("adam", "sgd"):
        assert config(clip=True, optimizer=optimizer).clip
    for optimizer in ("lbfgs", "scipy"):
        refuse(
            f"^clip: expected adam or sgd as optimizer, got {optimizer}; give --optimizer adam, or leave --clip out$",
            clip=True,
            optimizer=optimizer,
        )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"color": "match", "preserve_colors": True}, "color: expected none beside preserve_colors"),
        ({"color_mask": "mask.png"}, "color_mask: expected preserve_colors or color beside it"),
        ({"color_mask": 3, "color": "match"}, "color_mask: expected a path, a PIL image or an array, got 3"),
        ({"color_space": "lab"}, "color_space: expected color luminance, match or histogram beside it"),
        ({"color_space": "lab", "preserve_colors": True}, "color_space: expected color luminance, match or histogram"),
        ({"color_transfer": "pca"}, "color_transfer: expected color match beside it, got pca with color none"),
        ({"color_transfer": "pca", "color": "histogram"}, "color_transfer: expected color match beside it"),
        ({"proof_intent": "absolute"}, "proof_intent is that of proof, which is not given; give both"),
    ],
    ids=str,
)
def test_options_of_colors_belong_together(changes, expected):
    with pytest.raises(UsageError, match=re.escape(expected)):
        Config("photo.jpg", ["style.jpg"], **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"color": "match", "color_space": "luv", "color_transfer": "cholesky", "opacity": 0.5},
        {"color": "luminance", "color_mask": "mask.png", "proof": "printer.icc", "proof_intent": "absolute"},
        {"preserve_colors": True, "color_mask": "mask.png"},
    ],
    ids=str,
)
def test_options_of_colors_that_go_together(changes):
    config = Config("photo.jpg", ["style.jpg"], **changes)
    assert config.recolors_styles == ("color_transfer" in changes)
    assert config.recolors_result == (config.color == "luminance")


def test_the_time_between_checkpoints_needs_a_place_for_them():
    with pytest.raises(UsageError, match=r"^checkpoint_minutes: expected --workdir as well"):
        Config("a.jpg", "b.jpg", checkpoint_minutes=3)
    assert Config("a.jpg", "b.jpg", checkpoint_minutes=3, workdir="w").checkpoint_minutes == 3
