import dataclasses
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from neural_style import vgg19_spec
from neural_style.config.config import LOSS_FACTORS, OPTIONS, Config
from neural_style.errors import NeuralStyleError, UsageError


def config(**options):
    return Config(**{"content": "photo.jpg", "styles": ["painting.jpg"], **options})


ANISHATHALYE = {
    "content_weight": 5.0,
    "content_weight_blend": 1.0,
    "style_weight": 500.0,
    "tv_weight": 100.0,
    "style_layer_weight_exp": 1.0,
    "learning_rate": None,
    "beta1": 0.9,
    "beta2": 0.999,
    "eps": 1e-8,
    "pooling": "max",
    "width": None,
    "style_scales": None,
    "style_blend_weights": None,
    "initial": None,
    "initial_noiseblend": None,
    "preserve_colors": False,
    "overwrite": False,
    "print_iterations": None,
    "checkpoint_output": None,
    "checkpoint_iterations": None,
    "progress_write": False,
    "progress_plot": False,
}
"""Its options and their defaults, but for content, styles and output, and for network."""


@pytest.mark.parametrize(("name", "default"), ANISHATHALYE.items())
def test_defaults_are_those_of_anishathalye(name, default):
    assert getattr(config(), name) == default


def test_its_network_option_is_an_alias_of_weights():
    assert OPTIONS["weights"].alias == "network"


@pytest.mark.parametrize(
    "name",
    [
        *("content", "styles", "output", "content_layers", "style_layers", "style_layer_weights", "seed", "optimizer"),
        *("history_size", "weights", "device", "save_flags", "precision"),
        *("scales", "min_scale", "scale_iterations", "tolerance", "loss"),
    ],
)
def test_options_beside_those_of_anishathalye(name):
    assert name in OPTIONS


@pytest.mark.parametrize(
    ("options", "iterations", "tolerance"),
    [
        ({}, 300, 0.08),
        ({"optimizer": "lbfgs"}, 300, 0.08),
        ({"loss": "athalye"}, 300, 0.005),
        ({"loss": "athalye", "optimizer": "adam"}, 1000, 0),
        ({"optimizer": "adam"}, 1000, 0),
        ({"optimizer": "scipy"}, 300, 0),
        ({"optimizer": "adam", "iterations": 7}, 7, 0),
        ({"tolerance": 0, "iterations": 7}, 7, 0),
        ({"tolerance": 0.25}, 300, 0.25),
    ],
    ids=str,
)
def test_what_is_left_to_the_optimizer(options, iterations, tolerance):
    made = config(**options).settled({})
    assert (made.iterations, made.tolerance) == (iterations, tolerance)


def test_the_tolerance_follows_the_loss_that_is_left_to_the_network():
    assert config().settled({"loss": "athalye"}).tolerance == 0.005
    assert config(loss="balanced").settled({"loss": "athalye"}).tolerance == 0.08


@pytest.mark.parametrize(("given", "kept"), [("auto", "auto"), (1, "1"), ("1", "1"), (12, "12"), ("99", "99")])
def test_scales_are_auto_or_a_number(given, kept):
    assert config(scales=given).scales == kept


@pytest.mark.parametrize("given", [0, -1, 100, "0", "01", "two", "", "1.5", "AUTO", " 2"])
def test_other_scales_are_refused(given):
    with pytest.raises(UsageError, match=r"^scales: expected"):
        config(scales=given)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("tolerance", -0.1), ("tolerance", 1), ("min_scale", 31), ("scale_iterations", 0), ("iterations", 0)),
        ("preview_width", 31),
        *(("precision", "double"), ("optimizer", "sgd")),
    ],
)
def test_bounds_of_what_is_minimized_how(name, value):
    with pytest.raises(UsageError, match=f"^{name}: "):
        config(**{name: value})


@pytest.mark.parametrize(
    ("options", "network", "plan"),
    [
        ({}, {}, [(48, 96, 60), (96, 192, 60), (200, 400, 300)]),
        ({"min_scale": 50}, {}, [(50, 100, 60), (100, 200, 60), (200, 400, 300)]),
        ({"min_scale": 161}, {}, [(200, 400, 300)]),
        ({"scales": 1}, {}, [(200, 400, 300)]),
        ({"scales": 2}, {}, [(100, 200, 60), (200, 400, 300)]),
        ({"scales": 2}, {"preview_width": 64}, [(100, 200, 300), (200, 400, 60)]),
        ({"scales": 2, "initial": "start.png"}, {}, [(100, 200, 60), (200, 400, 300)]),
        ({"scales": 2, "initial": "start.png", "preview_width": 64}, {}, [(100, 200, 300), (200, 400, 60)]),
        ({"initial": "start.png"}, {}, [(200, 400, 300)]),
        ({"initial": "start.png", "preview_width": 50}, {}, [(200, 400, 300)]),
        ({"initial": "start.png", "initial_noiseblend": 0.5}, {}, [(200, 400, 300)]),
        ({"initial": "start.png", "initial_noiseblend": 0.6, "min_scale": 99}, {}, [(99, 198, 60), (200, 400, 300)]),
        ({}, {"preview_width": 256}, [(200, 400, 300)]),
        ({"preview_width": 0, "min_scale": 99}, {"preview_width": 256}, [(99, 198, 60), (200, 400, 300)]),
        ({"preview_width": 101}, {}, [(200, 400, 300)]),
        ({"preview_width": 100}, {}, [(100, 200, 300), (200, 400, 60)]),
        ({"preview_width": 100, "initial_noiseblend": 0.5}, {}, [(100, 200, 300), (200, 400, 60)]),
        ({"min_scale": 99, "preview_width": 100, "initial_noiseblend": 0.6}, {}, [(99, 198, 60), (200, 400, 300)]),
    ],
    ids=str,
)
def test_scale_plan(options, network, plan):
    """From the least side, from the preview, or the full size alone."""
    assert [*config(**options).settled(network).scale_plan(200, 400)] == plan


def test_large_pictures_begin_with_the_preview():
    from_photo = config().settled({"preview_width": 256})
    assert [*from_photo.scale_plan(384, 256)] == [(384, 256, 300)]
    preview = from_photo.scale_plan(256, 171)
    assert [*preview] == [(256, 171, 300)]
    for octave in range(1, 6):  # of 512 px 341 are the height, and half of that is not 171
        first, *finer = from_photo.scale_plan(256 << octave, round((256 << octave) / 1.5), (6000, 4000))
        assert first == preview[0]
        assert [scale.iterations for scale in finer] == [60] * octave


def test_scale_iterations():
    plans = [
        config(iterations=9, scales=3, scale_iterations=coarse).settled({}).scale_plan(200, 400) for coarse in (4, 20)
    ]
    assert [[scale.iterations for scale in plan] for plan in plans] == [[4, 4, 9], [9, 9, 9]]


@pytest.mark.parametrize(
    ("options", "factors"),
    [({}, [1, 1, 1]), ({"tv_width": 200}, [0.25, 1, 16]), ({"tv_width": 1}, [1e4, 4e4, 64e4])],
    ids=str,
)
def test_tv_weight_by_width(options, factors):
    made = config(loss="athalye", tv_weight=3, **options)
    assert [made.tv_factor_at(width) for width in (100, 200, 800)] == [3 * factor for factor in factors]


@pytest.mark.parametrize("name", ["content_weight", "style_weight", "tv_weight"])
def test_weights_are_multiples_of_their_defaults_in_every_loss(name):
    """Athalye's are what they say, to the last digit; so command lines written for it keep their sense in others."""
    default = ANISHATHALYE[name]
    assert config(loss="athalye").factor(name) == default
    assert config(loss="athalye", **{name: 0.3}).factor(name) == 0.3
    for loss in LOSS_FACTORS:
        assert config(loss=loss, **{name: 3 * default}).factor(name) == pytest.approx(3 * LOSS_FACTORS[loss][name])


def test_too_many_scales_are_refused():
    with pytest.raises(UsageError, match=r"^scales: .* got 4 scales of 200×400"):
        config(scales=4).settled({}).scale_plan(200, 400)


def test_settings_cannot_be_changed_after_their_check():
    with pytest.raises(dataclasses.FrozenInstanceError):
        config().iterations = 0


def test_replacing_a_setting_checks_it_again():
    assert dataclasses.replace(config(), iterations=3).iterations == 3
    with pytest.raises(UsageError, match=r"^iterations: "):
        dataclasses.replace(config(), iterations=0)


def test_lists_become_tuples_so_that_nobody_changes_them_later():
    styles, scales = ["a.jpg", "b.jpg"], [1.0, 2.0]
    made = config(styles=styles, style_scales=scales)
    styles.append("c.jpg")
    scales.append(3.0)
    assert made.styles == ("a.jpg", "b.jpg")
    assert made.style_scales == (1.0, 2.0)


@pytest.mark.parametrize("style", ["a.jpg", pathlib.Path("a.jpg"), Image.new("RGB", (40, 40)), np.zeros((40, 40, 3))])
def test_a_single_style_needs_no_list(style):
    styles = config(styles=style).styles
    assert len(styles) == 1
    assert styles[0] is style


def test_pictures_may_be_objects():
    picture, array = Image.new("RGB", (40, 40)), np.zeros((40, 40, 3), np.uint8)
    made = config(content=array, styles=[picture, array], initial=picture)
    assert made.content is array
    assert made.styles[0] is picture
    assert made.initial is picture


@pytest.mark.parametrize("content", [None, ""])
def test_content_must_be_given(content):
    with pytest.raises(UsageError, match=r"^content: .* give --content FILE$"):
        config(content=content)


@pytest.mark.parametrize("styles", [[], (), None, "", [""], ["a.jpg", None]])
def test_styles_must_be_given(styles):
    with pytest.raises(UsageError, match=r"^styles: .* give --styles FILE$"):
        config(styles=styles)


@pytest.mark.parametrize("name", ["style_scales", "style_blend_weights"])
@pytest.mark.parametrize("values", [(1.0,), (1.0, 1.0, 1.0)])
def test_lists_about_styles_must_have_their_length(name, values):
    with pytest.raises(UsageError, match=rf"^{name}: expected 2 number.*, one per style picture, got {len(values)}"):
        config(styles=["a.jpg", "b.jpg"], **{name: values})


@pytest.mark.parametrize("values", [(1.0,), (1.0, 1.0, 1.0)])
def test_layer_weights_must_be_as_many_as_layers(values):
    with pytest.raises(UsageError, match=rf"^style_layer_weights: expected 2 number.*, got {len(values)}"):
        config(style_layers=["relu1_1", "relu2_1"], style_layer_weights=values)


@pytest.mark.parametrize("name", ["style_layers", "content_layers"])
@pytest.mark.parametrize("layer", ["relu6_1", "relu1_3", "RELU1_1", "conv1", "pool1", "relu1_1,relu2_1"])
def test_unknown_layers_are_refused(name, layer):
    with pytest.raises(UsageError, match=f"^{name}: expected names from relu1_1 .* got {layer!r}$"):
        config(**{name: ["relu1_1", layer]})


@pytest.mark.parametrize("name", ["style_layers", "content_layers"])
def test_a_layer_named_twice_is_refused(name):
    with pytest.raises(UsageError, match=f"^{name}: expected each layer once"):
        config(**{name: ["relu1_1", "relu2_1", "relu1_1"]})


@pytest.mark.parametrize("device", ["auto", "cpu", "gpu", "gpu:0", "gpu:12"])
def test_devices(device):
    assert config(device=device).device == device


def test_bit_depth_is_8_or_16():
    assert [config(bit_depth=depth).bit_depth for depth in (8, 16)] == [8, 16]
    for depth in (0, 1, 12, 32):
        with pytest.raises(UsageError, match=f"^bit_depth: expected 8 or 16, got {depth}$"):
            config(bit_depth=depth)


@pytest.mark.parametrize("device", ["tpu", "gpu:", "gpu:x", "gpu1", "cpu:0", "auto ", "gpu:0\n"])
def test_unknown_devices_are_refused(device):
    with pytest.raises(UsageError, match=r"^device: expected auto, cpu, gpu or gpu:<number>, got "):
        config(device=device)


@pytest.mark.parametrize(
    "options",
    [
        {"content_layers": ["relu4_2"], "content_weight_blend": 0.5},
        {"style_layers": ["relu1_1"], "style_layer_weights": [1], "style_layer_weight_exp": 2},
        {"content_weight": 0, "style_weight": 0, "tv_weight": 0},
        {"style_layer_weights": [0, 0, 0, 0, 0]},
        {"style_blend_weights": [0]},
        {"styles": ["a.jpg", "b.jpg"], "style_blend_weights": [1e308, 1e308]},
        {"checkpoint_output": "a_{}.png"},
        {"checkpoint_iterations": 10},
    ],
    ids="-".join,
)
def test_options_that_contradict_each_other_are_refused_by_name(options):
    with pytest.raises(UsageError) as caught:
        config(**options)
    assert any(name in str(caught.value) for name in options)
    assert "\n" not in str(caught.value)


def test_layer_weights_too_large_to_be_computed_are_refused():
    with pytest.raises(UsageError, match=r"^style_layer_weight"):
        config(style_layer_weight_exp=1e100)


def test_errors_are_value_errors_with_exit_code_2():
    with pytest.raises(ValueError, match=r"^iterations: ") as caught:
        config(iterations=0)
    assert isinstance(caught.value, NeuralStyleError)
    assert caught.value.exit_code == 2


# --- what follows from the options ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("initial", "blend", "share"),
    [
        (None, None, None),
        (None, 0.0, 0.0),
        (None, 0.25, 0.25),
        ("start.png", None, 0.0),
        ("start.png", 0.25, 0.25),
        ("start.png", 1.0, 1.0),
    ],
)
@pytest.mark.parametrize("of_network", [1.0, 0.125])
def test_share_of_noise_in_the_start(initial, blend, share, of_network):
    made = config(initial=initial, initial_noiseblend=blend).settled({"initial_noiseblend": of_network})
    assert made.initial_noiseblend == (of_network if share is None else share)


@pytest.mark.parametrize(("given", "of_network", "settled"), [(None, 3.0, 3.0), (None, None, 10.0), (7.0, 3.0, 7.0)])
def test_what_is_given_wins_over_the_network_and_the_network_over_the_custom(given, of_network, settled):
    made = config(learning_rate=given)
    again = made.settled({} if of_network is None else {"learning_rate": of_network})
    assert (again.learning_rate, again.initial_noiseblend) == (settled, 0.0)
    left = {"learning_rate": given, "initial_noiseblend": None, "loss": None, "preview_width": None, "tolerance": None}
    assert dataclasses.replace(again, **left) == made


@pytest.mark.parametrize(
    ("options", "terms"),
    [
        ({}, {"relu4_2": 1.0}),
        ({"content_weight_blend": 0}, {"relu5_2": 1.0}),
        ({"content_weight_blend": 0.25}, {"relu4_2": 0.25, "relu5_2": 0.75}),
        ({"content_layers": ["relu1_1", "conv3_2"]}, {"relu1_1": 0.5, "conv3_2": 0.5}),
        ({"content_weight": 0}, {}),
    ],
)
def test_weights_of_content_layers(options, terms):
    assert config(**options).content_terms == terms


@pytest.mark.parametrize(
    ("options", "terms"),
    [
        ({"loss": "athalye"}, {"relu1_1": 0.2, "relu2_1": 0.2, "relu3_1": 0.2, "relu4_1": 0.2, "relu5_1": 0.2}),
        ({}, {"relu1_1": 1 / 6, "relu2_1": 1.5 / 6, "relu3_1": 2 / 6, "relu4_1": 1.25 / 6, "relu5_1": 0.25 / 6}),
        ({"style_layers": ["relu3_1", "conv5_2"], "style_layer_weight_exp": 4}, {"relu3_1": 2 / 3, "conv5_2": 1 / 3}),
        ({"style_layers": ["relu1_1", "relu2_1"], "style_layer_weight_exp": 3}, {"relu1_1": 2 / 11, "relu2_1": 9 / 11}),
        ({"style_layers": ["relu1_1", "relu2_1"], "style_layer_weight_exp": 0}, {"relu1_1": 1.0}),
        ({"style_layers": ["relu1_1", "relu2_1"], "style_layer_weights": [6, 2]}, {"relu1_1": 0.75, "relu2_1": 0.25}),
        ({"style_layers": ["relu1_1", "relu2_1"], "style_layer_weights": [0, 2]}, {"relu2_1": 1.0}),
        ({"style_weight": 0}, {}),
    ],
)
def test_weights_of_style_layers(options, terms):
    assert config(**options).style_terms == pytest.approx(terms)


def test_weights_of_style_pictures_sum_to_1():
    assert config(styles=["a", "b", "c", "d"]).style_blend == (0.25,) * 4
    assert config(styles=["a", "b"], style_blend_weights=[3, 1]).style_blend == (0.75, 0.25)


def test_layers_in_use_are_listed_once_from_shallow_to_deep():
    made = config(content_layers=["relu4_2", "relu1_1"], style_layers=["relu3_1", "relu1_1"])
    assert made.layers == ("relu1_1", "relu3_1", "relu4_2")


def test_layers_without_weight_are_not_in_use():
    made = config(content_weight=0, style_layers=["relu1_1", "relu5_4"], style_layer_weights=[1, 0])
    assert made.layers == ("relu1_1",)
    assert config(content_weight=0, style_weight=0).layers == ()


def test_every_layer_of_the_network_may_be_used():
    made = config(style_layers=vgg19_spec.RELU_LAYERS, content_layers=vgg19_spec.CONV_LAYERS)
    assert made.layers == vgg19_spec.LAYERS


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("out_{:05}.jpg", "out_00012.jpg"),
        ("out_%05d.jpg", "out_00012.jpg"),
        ("out_{}.jpg", "out_12.jpg"),
        ("out_%d.jpg", "out_12.jpg"),
        ("out_{0}_of_100%.jpg", "out_12_of_100%.jpg"),
        ("{:03}/out.png", "012/out.png"),
        ("100%%_%d.png", "100%_12.png"),
    ],
)
def test_names_of_checkpoints(template, path):
    assert config(checkpoint_output=template, checkpoint_iterations=4).checkpoint_path(12) == path


@pytest.mark.parametrize(
    "template",
    ["out.jpg", "out_{:05.jpg", "out_{name}.jpg", "out_{}_{}.jpg", "out_%z.jpg", "out_%d_%d.jpg", "{0.x}.png"],
)
def test_checkpoint_names_that_do_not_tell_iterations_apart_are_refused(template):
    with pytest.raises(UsageError, match=r"^checkpoint_output: expected a placeholder for the iteration"):
        config(checkpoint_output=template, checkpoint_iterations=4)


def test_iterations_at_which_a_checkpoint_is_due():
    made = config(checkpoint_output="{}.png", checkpoint_iterations=4)
    assert [iteration for iteration in range(13) if made.checkpoint_at(iteration)] == [4, 8, 12]
    assert not any(config().checkpoint_at(iteration) for iteration in range(13))


def test_settings_are_checked_without_numpy_and_tensorflow():
    code = (
        "import sys; neural_style.config.config import Config; Config('a', ['b'], width=64); "
        "print(sorted({'numpy', 'tensorflow', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", ["content", "styles", "initial"])
@pytest.mark.parametrize("picture", [5, {"a": 1}, 1.5], ids=str)
def test_what_is_no_picture_is_refused(name, picture):
    with pytest.raises(UsageError, match=rf"^{name}: expected a path, a PIL image or an array, got "):
        config(**{name: picture})
