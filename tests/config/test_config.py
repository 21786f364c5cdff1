import dataclasses
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from neural_style import vgg19_spec
from neural_style.cli import flag_files
from neural_style.config.config import OPTIONS, Config
from neural_style.config.defaults import FAMILIES
from neural_style.config.serialize import from_json, to_json
from neural_style.errors import UsageError


def config(**options):
    return Config(**{"content": "photo.jpg", "styles": ["painting.jpg"], **options})


ANISHATHALYE = {
    "content_weight_blend": 1.0,
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
"""Its options and their defaults, but for content, styles, output, network and the weights of its loss."""


def test_defaults_are_those_of_anishathalye():
    for name, default in ANISHATHALYE.items():
        assert getattr(config(), name) == default, name
    for name, default in {"content_weight": 5, "style_weight": 500, "tv_weight": 100}.items():
        assert config(loss="athalye").in_effect(name) == default


def test_kinds_of_start(tmp_path):
    pixels = np.zeros((40, 40, 3))
    for options, start, picture in (
        ({}, "content", None),
        ({"initial": "a.png"}, "picture", "a.png"),
        ({"initial": pixels}, "picture", pixels),
        ({"init": "a.png"}, "picture", "a.png"),
        ({"init": "./noise"}, "picture", "./noise"),
        ({"init": pixels}, "picture", pixels),
        *(({"init": name}, name, None) for name in ("content", "noise", "style_colors", "gray", "style")),
    ):
        assert config(**options).start == start
        assert config(**options).start_picture is picture


def test_a_path_is_a_file_even_if_its_name_is_a_word():
    """However it is compared, saved and given back."""
    file = os.path.join(".", "noise")
    for path in (pathlib.Path("noise"), b"noise"):
        made = config(init=path)
        assert (made.start, made.start_picture) == ("picture", file)
        assert made == config(init=file) != config(init="noise")
        assert from_json(to_json(made)) == made
        assert f"--init={os.path.abspath('noise')}" in flag_files.lines_that_repeat(made, {})
    assert config(init=pathlib.Path("a/noise")).start_picture == pathlib.Path("a/noise")
    for path in (pathlib.Path("imagenet"), pathlib.Path("vgg.npz")):
        assert config(weights=path).weights == os.path.join(".", path)
    assert config(weights=pathlib.Path("a/vgg.npz")).weights == str(pathlib.Path("a/vgg.npz"))
    assert config(weights="imagenet").weights == "imagenet"


def test_its_network_option_is_an_alias_of_weights():
    assert OPTIONS["weights"].alias == "network"


def test_options_beside_those_of_anishathalye():
    assert set(OPTIONS) - set(ANISHATHALYE) >= {
        *("content", "styles", "output", "content_layers", "style_layers", "style_layer_weights", "seed", "optimizer"),
        *("history_size", "weights", "device", "save_flags", "precision", "iterations", "bit_depth", "memory"),
        *("scales", "min_scale", "scale_iterations", "tolerance", "loss", "pool_rounding", "preview_width"),
    }


def test_tv_weight_by_width():
    for options, factors in (
        ({}, [1, 1, 1]),
        ({"tv_width": 200}, [0.25, 1, 16]),
        ({"tv_width": 1}, [1e4, 4e4, 64e4]),
    ):
        made = config(loss="athalye", tv_weight=3, **options)
        assert [made.tv_factor_at(width) for width in (100, 200, 800)] == [3 * factor for factor in factors]


def test_weights_are_factors_in_the_unit_of_the_family():
    for loss, unit in (("athalye", 1), ("balanced", 2**20)):
        for name in ("content_weight", "style_weight", "tv_weight"):
            assert config(loss=loss).factor(name) == FAMILIES[loss][name] * unit
            assert config(loss=loss, **{name: 0.3}).factor(name) == 0.3 * unit
            assert config(loss=loss, **{name: 0}).factor(name) == 0
    assert config(style_weight=7).factor("style_weight") == 7 * 2**20


def test_the_family_decides_what_is_left_open():
    for loss, form in ((None, "relative"), ("balanced", "relative"), ("athalye", "mean")):
        for name in ("content_loss", "style_reduction"):
            assert config(loss=loss).in_effect(name) == form
            assert config(loss=loss, **{name: "sum"}).in_effect(name) == "sum"


def test_tv_weight_by_formula_and_pixel_range():
    """A sum grows with the number of pixels; differences of 0-1 are smaller than those of gray levels."""
    made = config(loss="athalye", tv_weight=3, tv_width=100)
    assert [made.tv_factor_at(400, degree, True) for degree in (1, 2, 2.5)] == [3 / 4, 3, 6]
    for degree in (1, 2, 2.5):
        small = config(loss="athalye", tv_weight=3, pixel_range=1).tv_factor_at(50, degree)
        assert small == pytest.approx(3 / 255**degree, rel=1e-12)


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


def test_a_single_style_needs_no_list():
    for style in ("a.jpg", pathlib.Path("a.jpg"), Image.new("RGB", (40, 40)), np.zeros((40, 40, 3))):
        styles = config(styles=style).styles
        assert len(styles) == 1
        assert styles[0] is style


def test_pictures_may_be_objects():
    picture, array = Image.new("RGB", (40, 40)), np.zeros((40, 40, 3), np.uint8)
    made = config(content=array, styles=[picture, array], initial=picture)
    assert made.content is array
    assert made.styles[0] is picture
    assert made.initial is picture


# --- what follows from the options ------------------------------------------------------------------------------------


TWO = {"content_layers": ["relu1_1", "conv3_2"]}


def test_weights_of_content_layers():
    for options, terms in (
        ({}, {"relu4_2": 1.0}),
        ({"content_weight_blend": 0}, {"relu5_2": 1.0}),
        ({"content_weight_blend": 0.25}, {"relu4_2": 0.25, "relu5_2": 0.75}),
        ({"content_layers": ["relu1_1", "conv3_2"]}, {"relu1_1": 0.5, "conv3_2": 0.5}),
        ({**TWO, "content_layer_weights": [6, 2]}, {"relu1_1": 0.75, "conv3_2": 0.25}),
        ({**TWO, "content_layer_weights": [0, 2]}, {"conv3_2": 1}),
        ({**TWO, "layer_reduction": "sum"}, {"relu1_1": 1, "conv3_2": 1}),
        ({**TWO, "content_layer_weights": [6, 2], "layer_reduction": "sum"}, {"relu1_1": 6, "conv3_2": 2}),
        ({"content_weight_blend": 0.25, "layer_reduction": "sum"}, {"relu4_2": 0.25, "relu5_2": 0.75}),
        ({"content_weight": 0}, {}),
    ):
        assert config(**options).content_terms == terms


def test_weights_of_style_layers():
    two = {"style_layers": ["relu1_1", "relu2_1"]}
    for options, terms in (
        ({"loss": "athalye"}, {"relu1_1": 0.2, "relu2_1": 0.2, "relu3_1": 0.2, "relu4_1": 0.2, "relu5_1": 0.2}),
        (
            {},
            {"relu1_1": 0.52, "relu2_1": 0.29, "relu3_1": 0.13, "relu4_1": 0.05, "relu5_1": 0.01},
        ),
        (
            {"style_layers": ["relu3_1", "conv5_2"], "style_layer_weight_exp": 4},
            {"relu3_1": 0.13 / 0.17, "conv5_2": 0.04 / 0.17},
        ),
        ({**two, "style_layer_weight_exp": 3}, {"relu1_1": 0.52 / 1.39, "relu2_1": 0.87 / 1.39}),
        ({**two, "style_layer_weight_exp": 0}, {"relu1_1": 1.0}),
        ({**two, "style_layer_weights": [6, 2]}, {"relu1_1": 0.75, "relu2_1": 0.25}),
        ({**two, "style_layer_weights": [0, 2]}, {"relu2_1": 1.0}),
        ({**two, "layer_reduction": "sum"}, {"relu1_1": 0.52, "relu2_1": 0.29}),
        ({**two, "layer_reduction": "sum", "loss": "athalye"}, {"relu1_1": 1, "relu2_1": 1}),
        ({**two, "layer_reduction": "sum", "style_layer_weights": [6, 2]}, {"relu1_1": 6, "relu2_1": 2}),
        ({**two, "layer_reduction": "sum", "style_layer_weight_exp": 4}, {"relu1_1": 0.52, "relu2_1": 1.16}),
        ({**two, "style_layers_of": ["relu2_1"]}, {"relu2_1": 0.29 / 0.81}),
        ({"style_weight": 0}, {}),
    ):
        assert config(**options).style_terms == pytest.approx(terms)


def test_weights_of_style_pictures_sum_to_1():
    assert config(styles=["a", "b", "c", "d"]).style_blend == (0.25,) * 4
    assert config(styles=["a", "b"], style_blend_weights=[3, 1]).style_blend == (0.75, 0.25)


def test_statistics_of_style_and_their_factors():
    usual = {"gram": 1, "mean_std": 2, "wasserstein": 0.25}
    assert config().style_statistics == config(loss="balanced").style_statistics == usual
    assert config(loss="athalye").style_statistics == {"gram": 1}
    assert config(style_loss=["mean_std", "gram"]).style_statistics == {"mean_std": 1, "gram": 1}
    two = config(style_loss=["mean_std", "gram"], style_loss_weights=[3, 0])
    assert list(two.style_statistics.items()) == [("mean_std", 3), ("gram", 0)]


def test_statistics_count_in_layers_of_their_own():
    layers = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    assert config().statistic_layers == {"gram": layers, "mean_std": layers, "wasserstein": layers[:3]}
    assert config(loss="athalye").statistic_layers == {"gram": layers}
    assert config(style_loss=["covariance"]).statistic_layers == {"covariance": layers}
    few = {"style_layers": ["relu2_2", "conv4_1", "relu5_1"], "style_layer_weights": [1, 1, 0]}
    assert config(**few).statistic_layers["gram"] == ("relu2_2", "conv4_1")
    assert config(**few).statistic_layers["wasserstein"] == ("relu2_2",)
    three = {"style_loss": ["gram", "mean_std", "covariance"], "style_loss_weights": [1, 0, 1]}
    made = config(**few, **three, style_loss_layers=["block4+relu2_2", "all", "block5+block4"])
    assert made.statistic_layers == {"gram": ("relu2_2", "conv4_1"), "mean_std": (), "covariance": ("conv4_1",)}


def test_styles_count_in_layers_of_their_own():
    """With the weight that they have in all layers."""
    made = config(
        styles=["a", "b", "c"], style_blend_weights=[1, 1, 2], style_layers_of=["relu1_1+relu2_1", "all", "relu5_1"]
    )
    assert made.blend_at("relu1_1") == made.blend_at("relu2_1") == (0.25, 0.25, 0)
    assert made.blend_at("relu3_1") == (0, 0.25, 0)
    assert made.blend_at("relu5_1") == (0, 0.25, 0.5)
    assert config(styles=["a", "b"]).blend_at("relu1_1") == (0.5, 0.5)


def test_a_layer_in_which_no_style_counts_is_not_in_use():
    made = config(styles=["a", "b"], style_layers_of=["relu1_1", "relu2_1"], content_weight=0)
    assert made.layers == ("relu1_1", "relu2_1")
    without = config(styles=["a", "b"], style_blend_weights=[0, 1], style_layers_of=["relu1_1", "relu2_1"])
    assert set(without.style_terms) == {"relu2_1"}


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


def test_names_of_checkpoints():
    for template, path in (
        ("out_{:05}.jpg", "out_00012.jpg"),
        ("out_%05d.jpg", "out_00012.jpg"),
        ("out_{}.jpg", "out_12.jpg"),
        ("out_%d.jpg", "out_12.jpg"),
        ("out_{0}_of_100%.jpg", "out_12_of_100%.jpg"),
        ("{:03}/out.png", "012/out.png"),
        ("100%%_%d.png", "100%_12.png"),
    ):
        assert config(checkpoint_output=template, checkpoint_iterations=4).checkpoint_path(12) == path


def test_iterations_at_which_a_checkpoint_is_due():
    made = config(checkpoint_output="{}.png", checkpoint_iterations=4)
    assert [iteration for iteration in range(13) if made.checkpoint_at(iteration)] == [4, 8, 12]
    assert not any(config().checkpoint_at(iteration) for iteration in range(13))


def test_what_was_given_is_told_from_what_was_left_open():
    """Also where it is what would have been decided; and after a copy with other options."""
    assert config().given == {"content", "styles"}
    made = config(tolerance=0.08, iterations=300, seed=1, style_scales=[2])
    assert made.given == {"content", "styles", "tolerance", "iterations", "seed", "style_scales"}
    assert dataclasses.replace(made, seed=0, optimizer="adam").given == made.given - {"seed"} | {"optimizer"}
    assert config(styles=np.zeros((40, 40, 3)), initial=Image.new("RGB", (40, 40))).given >= {"styles", "initial"}


def test_settings_are_checked_without_numpy_and_tensorflow():
    code = (
        "import sys; from neural_style.config.config import Config; from neural_style.config.resolve import resolve; "
        "resolve(Config('a', ['b'], width=64)); print(sorted({'numpy', 'tensorflow', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
