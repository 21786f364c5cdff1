"""Presets: packaged flag files, their names, and what takes precedence over them."""

import pathlib
import re

import numpy as np
import pytest

from neural_style.cli import flags
from neural_style.config import presets
from neural_style.config.config import OPTIONS, Config
from neural_style.config.defaults import FAMILIES
from neural_style.config.resolve import resolve
from neural_style.errors import UsageError
from neural_style.runs.pyramid import scales_of

PICTURES = {"content": "photo.jpg", "styles": ["painting.jpg"]}
ARGUMENTS = ["--content=photo.jpg", "--styles=painting.jpg"]
ALL = pytest.mark.parametrize("name", presets.names())


def test_names():
    assert presets.names()[0] == "balanced"
    wanted = {"athalye", "gatys", "johnson", "cs231n", "keras", "tensorflow", "notes", "spst", "crowson", "balanced"}
    assert {*presets.names()} == wanted


@ALL
def test_a_summary_is_one_line(name):
    assert re.fullmatch(r"\w.{20,117}[^.]", presets.summary(name))
    assert all(len(line) <= 120 for line in presets.lines(name))


@ALL
def test_the_file_is_read_alike_by_the_command_line_and_in_python(name, tmp_path):
    file = tmp_path / "preset.flags"
    file.write_text("\n".join(presets.lines(name)))
    made = Config.of_preset(name, **PICTURES)
    assert made == flags.parse([*ARGUMENTS, f"--preset={name}"]) == flags.parse([*ARGUMENTS, f"--flagfile={file}"])
    assert presets.texts(name).keys() <= OPTIONS.keys()


@ALL
def test_a_preset_states_the_family_of_its_loss(name):
    """So that a network's file cannot change it."""
    assert Config.of_preset(name, **PICTURES).loss == ("balanced" if name == "balanced" else "athalye")


def test_the_default_preset_changes_nothing_else():
    assert Config.of_preset("balanced", **PICTURES) == Config(**PICTURES, loss="balanced")


@pytest.mark.parametrize("place", ["before", "after"])
def test_what_is_given_takes_precedence(place, tmp_path):
    given = ["--iterations=7", "--style_layers", "relu1_1", "--pooling=avg"]
    preset = ["--preset", "athalye"]
    made = flags.parse([*ARGUMENTS, *(preset + given if place == "after" else given + preset)])
    assert (made.iterations, made.style_layers, made.pooling, made.optimizer) == (7, ("relu1_1",), "avg", "adam")
    file = tmp_path / "mine.flags"
    file.write_text("--preset=athalye\n--iterations=7\n")
    made = flags.parse([*ARGUMENTS, f"--flagfile={file}", "--learning_rate=3"])
    assert (made.iterations, made.learning_rate, made.optimizer) == (7, 3, "adam")
    assert Config.of_preset("athalye", **PICTURES, iterations=7).iterations == 7
    assert Config.of_preset("athalye", *PICTURES.values(), iterations=7).iterations == 7


def test_a_value_that_equals_the_default_of_the_option_takes_precedence_too():
    assert OPTIONS["scales"].default == "auto" != Config.of_preset("athalye", **PICTURES).scales
    assert flags.parse([*ARGUMENTS, "--preset=athalye", "--scales=auto"]).scales == "auto"
    assert Config.of_preset("athalye", **PICTURES, scales="auto").scales == "auto"


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("athalye", {"initial": "start.png"}),
        ("athalye", {"init": "gray"}),
        ("athalye", {"optimizer": "lbfgs"}),
        ("crowson", {"style_layers": ("relu1_1", "relu2_1")}),
        ("crowson", {"style_layer_weight_exp": 2.0}),
        ("crowson", {"optimizer": "lbfgs"}),
        ("crowson", {"iterations": 5}),
        ("keras", {"content_weight_blend": 0.5}),
        ("keras", {"content_layers": ("relu4_2",)}),
        ("spst", {"style_loss": ("gram",)}),
        ("spst", {"scale_iterations": 5}),
        ("tensorflow", {"optimizer": "lbfgs"}),
        ("cs231n", {"style_layers": ("relu1_1",)}),
    ],
)
def test_options_that_lose_their_sense_go(name, changes):
    made = Config.of_preset(name, **PICTURES, **changes)
    assert {option: getattr(made, option) for option in changes} == changes


@pytest.mark.parametrize("name", presets.names())
@pytest.mark.parametrize(("quality", "factor"), [("draft", 0.5), ("normal", 1), ("best", 2)])
def test_a_quality_multiplies_the_iterations_of_a_preset(name, quality, factor):
    usual, made = (resolve(Config.of_preset(name, **PICTURES, **each), {}) for each in ({}, {"quality": quality}))
    assert made.iterations == factor * usual.iterations
    by_scale = usual.iterations_by_scale
    assert made.iterations_by_scale == (by_scale and tuple(round(factor * count) for count in by_scale))
    assert (made.tolerance == 0) == (usual.tolerance == 0)
    assert Config.of_preset(name, **PICTURES, quality=quality, iterations=7).iterations == 7


@pytest.mark.parametrize("start", [{"init": "noise"}, {"initial_noiseblend": 1.0}, {"preview_width": 256}], ids=str)
def test_saved_lengths_follow_another_start(start):
    saved = {"scale_iterations": 25, "iterations": 300}
    assert "scale_iterations" not in presets.kept(saved, start, OPTIONS)
    assert presets.kept(saved, start, OPTIONS)["iterations"] == 300


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("crowson", {"optimizer": "adam"}),
        ("crowson", {"style_layers": ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")}),
        ("spst", {"style_loss": ["gram", "mean_std"]}),
        ("athalye", {"initial_noiseblend": 1}),
        ("keras", {"content_layers": ("relu5_2",), "learning_rate_decay": 0.96}),
        ("crowson", {"pixel_range": 1, "loss": "athalye"}),
        # defaults that a preset keeps
        ("keras", {"content_weight_blend": 1}),
        ("crowson", {"style_layer_weight_exp": 1.0}),
        ("johnson", {"pixel_range": 255}),
    ],
)
def test_what_is_given_as_the_preset_has_it_replaces_nothing(name, changes):
    assert Config.of_preset(name, **PICTURES, **changes) == Config.of_preset(name, **PICTURES)
    texts = {option: given if isinstance(given, (list, tuple)) else [given] for option, given in changes.items()}
    arguments = [f"--{option}={text}" for option, given in texts.items() for text in given]
    assert flags.parse([*ARGUMENTS, f"--preset={name}", *arguments]) == Config.of_preset(name, **PICTURES)


def test_numbers_are_compared_however_they_are_written():
    for name, text in (("cs231n", "--learning_rate_decay=3.33e-2"), ("athalye", "--initial_noiseblend=1.0")):
        assert flags.parse([*ARGUMENTS, f"--preset={name}", text]) == Config.of_preset(name, **PICTURES)


LAYERS = ("style_layers", "content_layers")
OF_LOSS = {name for name, option in OPTIONS.items() if option.group == "Losses"} | {"tolerance", "learning_rate", "eps"}


@ALL
def test_another_loss_comes_with_its_own_weights_and_formulas(name):
    for loss in FAMILIES:
        made = resolve(Config.of_preset(name, **PICTURES, loss=loss))
        if loss == Config.of_preset(name, **PICTURES).loss:
            assert made == resolve(Config.of_preset(name, **PICTURES))
            continue
        chosen = {option: getattr(made, option) for option in (*LAYERS, "optimizer")}
        plain = resolve(Config(**PICTURES, loss=loss, **chosen))
        assert {option: getattr(made, option) for option in OF_LOSS} == {
            option: getattr(plain, option) for option in OF_LOSS
        }
        assert made.style_terms == plain.style_terms
        assert loss != "balanced" or sum(made.style_terms.values()) == pytest.approx(1)
        kept = resolve(Config.of_preset(name, **PICTURES, loss=loss, style_weight=7))
        assert (kept.style_weight, kept.strength, kept.content_weight) == (7, None, plain.content_weight)
        assert flags.parse([*ARGUMENTS, f"--preset={name}", f"--loss={loss}"]) == Config.of_preset(
            name, **PICTURES, loss=loss
        )


def test_only_a_loss_and_an_optimizer_that_are_stated_are_replaced():
    """Numbers without them may be meant for any."""
    numbers = {"iterations": 7, "style_weight": 3.0, "learning_rate": 2.0}
    for above in ({"loss": "athalye"}, {"optimizer": "adam"}):
        assert presets.kept(numbers, above, OPTIONS) == numbers
    assert presets.kept({**numbers, "loss": "balanced"}, {"loss": "athalye"}, OPTIONS) == {"iterations": 7}
    assert presets.kept({**numbers, "optimizer": "sgd"}, {"optimizer": "adam"}, OPTIONS) == {"style_weight": 3.0}


@pytest.mark.parametrize(
    ("below", "share", "stays"),
    [
        ({"init": "gray"}, 0.5, {"init": "gray"}),
        ({"init": "gray", "initial_noiseblend": 0.5}, 1, {}),
        ({"initial": "a.png", "initial_noiseblend": 0.5}, 1, {}),
        ({"initial": "a.png"}, 0.5, {"initial": "a.png"}),
        ({"init": "noise"}, 1, {"init": "noise"}),
        ({"init": "noise", "initial_noiseblend": 1.0}, 0.5, {}),
    ],
)
def test_a_share_of_noise_replaces_a_start_that_has_another(below, share, stays):
    assert presets.kept(below, {"initial_noiseblend": share}, OPTIONS) == stays
    made = Config(**PICTURES, **stays, initial_noiseblend=share)
    assert resolve(made).initial_noiseblend == share


@ALL
def test_another_range_of_pixels_has_its_own_rates_and_variation(name):
    preset = Config.of_preset(name, **PICTURES)
    made = Config.of_preset(name, **PICTURES, pixel_range=256 - preset.pixel_range)
    assert (made.learning_rate, made.eps, made.tv_weight) == (None, OPTIONS["eps"].default, None)
    kept = Config.of_preset(name, **PICTURES, pixel_range=256 - preset.pixel_range, tv_weight=3, learning_rate=0.5)
    assert (kept.tv_weight, kept.learning_rate) == (3, 0.5)


@pytest.mark.parametrize("init", [np.zeros((40, 40, 3)), pathlib.Path("a.png")], ids=["array", "path"])
def test_pictures_can_be_given_next_to_a_preset(init):
    made = Config.of_preset("athalye", **PICTURES, init=init)
    assert made.init is init
    assert made.initial_noiseblend is None


@pytest.mark.parametrize("name", [name for name in presets.names() if name != "balanced"])
def test_no_file_of_weights_changes_a_preset(name):
    """A preset states every option that affects it and that a file of weights may set."""
    made = Config.of_preset(name, **PICTURES)
    one, other = (
        resolve(
            made, {"initial_noiseblend": noise, "learning_rate": rate, "loss": "balanced", "preview_width": preview}
        )
        for noise, rate, preview in ((0.25, 3.0, 256), (0.75, 30.0, 0))
    )
    used = {*OPTIONS} - ({"learning_rate"} if made.optimizer == "lbfgs" else set())
    used -= {"preview_width"} if made.scales == "1" else set()  # one size has no preview
    assert {option: getattr(one, option) for option in used} == {option: getattr(other, option) for option in used}
    assert scales_of(one, 1500, 1100) == scales_of(other, 1500, 1100)


def test_the_list_in_python():
    listed = Config.presets()
    assert tuple(listed) == presets.names()
    assert listed["keras"].startswith("The example of keras.io")


def test_a_start_picture_replaces_the_noise_of_a_preset():
    assert resolve(Config.of_preset("athalye", **PICTURES)).initial_noiseblend == 1
    assert resolve(Config.of_preset("athalye", **PICTURES, initial="start.png")).initial_noiseblend == 0


@pytest.mark.parametrize("given", [["--preset=athaly"], ["--preset", "Athalye"]])
def test_an_unknown_name_is_answered_with_the_nearest(given):
    with pytest.raises(UsageError, match=r"^preset: expected one of balanced, .*, got '.*'; did you mean athalye\?$"):
        flags.parse([*ARGUMENTS, *given])
    with pytest.raises(UsageError, match=r"got 'zzz' \(--preset help lists them\)$"):
        Config.of_preset("zzz", **PICTURES)


@pytest.mark.parametrize("given", [["--preset"], ["--preset", "--overwrite"]])
def test_a_name_is_needed(given):
    with pytest.raises(UsageError, match=r"^--preset: expected one name after it, got nothing$"):
        flags.parse([*ARGUMENTS, *given])


def test_the_last_of_several_counts():
    assert flags.parse([*ARGUMENTS, "--preset=keras", "--preset=athalye"]) == Config.of_preset("athalye", **PICTURES)


@pytest.mark.parametrize(
    ("below", "above", "stays"),
    [
        ({"size": "64x64", "init": "noise", "style_fit": "width"}, {"size": "128x128"}, {"init", "style_fit"}),
        ({"content": "a.jpg", "width": 64, "init": "recolored", "seed": 3}, {"size": "128x128"}, {"seed"}),
        (
            {"styles": ("a.jpg",), "style_masks": ("m.png",), "mask_erosion": True},
            {"styles": ("b.jpg", "c.jpg")},
            set(),
        ),
        ({"styles": ("a.jpg",), "style_masks": ("m.png",)}, {"style_weight": 0.0}, set()),
        ({"color": "match", "color_transfer": "pca", "color_space": "lab"}, {"color": "luminance"}, set()),
        ({"color": "match", "color_mask": "m.png"}, {"preserve_colors": True}, {"color_mask"}),
        ({"color": "match", "color_mask": "m.png"}, {"color": "none"}, set()),
    ],
)
def test_what_belongs_to_pictures_and_colors_goes_with_them(below, above, stays):
    assert {*presets.kept(below, above, OPTIONS)} == stays
