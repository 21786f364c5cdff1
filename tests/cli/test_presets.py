"""`--preset` on the command line: its list, its place among flags and flag files, and what a run saves of it."""

from pathlib import Path

import pytest
from command_line import TINY

from neural_style.cli import flag_files, flags
from neural_style.cli import main as cli
from neural_style.cli.doctor import _size_and_config
from neural_style.config import presets
from neural_style.config.config import Config
from neural_style.config.resolve import resolve

PICTURES = {"content": "photo.png", "styles": ["style.png"]}
NEEDED = ["--content=photo.png", "--styles=style.png"]


def write(name, *lines):
    Path(name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


@pytest.mark.parametrize(
    "asked", [["--preset", "help"], ["--preset=help"], ["-preset=help"], [*NEEDED, "--preset=help"]]
)
def test_the_list_has_a_line_for_each_preset(asked, capsys):
    assert cli.main(asked) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert [line.split()[0] for line in lines] == list(presets.names())
    assert [line.split(maxsplit=1)[1] for line in lines] == [presets.summary(name) for name in presets.names()]
    assert captured.err == ""


def test_help_names_every_preset(capsys):
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert "--preset NAME" in text
    assert all(name in text.partition("Presets:")[2].partition("Flag files:")[0] for name in presets.names())


@pytest.mark.parametrize("given", [["--preset=jonson"], ["--flagfile=mine.flags"]])
def test_an_unknown_preset_is_told_in_one_line_and_nothing_is_written(given, folder, capsys):
    write("mine.flags", "--preset jonson")
    before = sorted(folder.iterdir())
    assert cli.main([*NEEDED, *given]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "got 'jonson'; did you mean johnson?" in said
    assert sorted(folder.iterdir()) == before


def test_a_preset_in_a_flag_file_gives_way_to_flags_as_if_it_stood_beside_them(folder):
    write("mine.flags", "--preset=athalye", "--iterations=7")
    for own in (["--initial=start.png"], ["--init=gray"], ["--optimizer=lbfgs"], ["--style_layers", "relu1_1"]):
        beside = flags.parse([*NEEDED, "--preset=athalye", "--iterations=7", *own])
        assert flags.parse([*NEEDED, "--flagfile=mine.flags", *own]) == beside
    made = resolve(flags.parse([*NEEDED, "--flagfile=mine.flags", "--initial=start.png"]))
    assert made.initial_noiseblend == 0


def test_flag_files_take_precedence_over_a_preset_wherever_it_stands(folder):
    write("mine.flags", "--iterations=7")
    write("outer.flags", "--flagfile=mine.flags", "--preset=johnson")
    expected = Config.of_preset("johnson", **PICTURES, iterations=7)
    assert flags.parse([*NEEDED, "--flagfile=outer.flags"]) == expected
    assert flags.parse([*NEEDED, "--flagfile=mine.flags", "--preset=johnson"]) == expected
    assert flags.parse([*NEEDED, "--flagfile=outer.flags", "--preset=notes"]) == Config.of_preset(
        "notes", **PICTURES, iterations=7
    )


def test_a_preset_replaces_that_of_a_flag_file_with_the_numbers_that_suit_its_loss(folder):
    """Everything else stays, and so do these if the preset is the same."""
    write("mine.flags", "--preset=athalye", "--style_weight=1000", "--learning_rate=5", "--pooling=avg", "--width=99")
    given = [*NEEDED, "--flagfile=mine.flags"]
    assert flags.parse([*given, "--preset=tensorflow"]) == Config.of_preset(
        "tensorflow", **PICTURES, pooling="avg", width=99
    )
    assert flags.parse([*given, "--preset=athalye"]) == flags.parse(given)
    write("outer.flags", "--flagfile=mine.flags", "--preset=tensorflow", "--style_weight=3")
    assert flags.parse([*NEEDED, "--flagfile=outer.flags"]).style_weight == 3
    write("mine.flags", "--preset=cs231n", "--average_iterates=0.9", "--style_layer_weight_exp=2", "--iterations=7")
    assert flags.parse([*given, "--preset=gatys"]) == Config.of_preset("gatys", **PICTURES, iterations=7)


def test_a_strength_of_0_ends_the_variation_of_a_preset_or_a_flag_file_and_another_that_of_0(folder):
    write("mine.flags", "--tv_weight=7", "--strength=0.5")
    write("photo.flags", "--tv_weight=0", "--strength=0")
    usual = resolve(Config(**PICTURES)).tv_weight
    for given, expected in (
        (["--preset=athalye", "--strength=0"], 0),
        (["--preset=athalye", "--strength=0.5"], 100),
        (["--flagfile=mine.flags", "--strength=0"], 0),
        (["--flagfile=mine.flags", "--strength=0.3"], 7),
        (["--flagfile=mine.flags", "--strength=0", "--tv_weight=3"], 3),
        (["--flagfile=photo.flags", "--strength=0"], 0),
        (["--flagfile=photo.flags", "--strength=0.5"], usual),
    ):
        assert resolve(flags.parse([*NEEDED, *given])).tv_weight == expected, given


@pytest.mark.parametrize("name", presets.names())
def test_saved_flags_need_no_preset(name, folder):
    made = resolve(flags.parse([*NEEDED, f"--preset={name}"]))
    lines = list(flag_files.lines_that_repeat(made, {}))
    assert not any(line.startswith("--preset") for line in lines)
    write("saved.flags", *lines)
    again = resolve(flags.parse(["--flagfile=saved.flags"]))
    assert list(flag_files.lines_that_repeat(again, {})) == lines


def test_saved_flags_of_iterations_by_scale_can_be_read(folder):
    made = resolve(flags.parse([*NEEDED, "--iterations_by_scale", "9", "7"]))
    write("saved.flags", *flag_files.lines_that_repeat(made, {}))
    again = flags.parse(["--flagfile=saved.flags"])
    assert (again.iterations, again.iterations_by_scale) == (7, (9, 7))


CHANGES = {
    "start": (["--initial=x.png"], ["--init=gray"], ["--init=noise"], ["--initial_noiseblend=1"]),
    "sizes": (["--iterations_by_scale", "100", "50"], ["--iterations=100"], ["--scale_iterations=9"]),
    "optimizer": (["--optimizer=lbfgs"], ["--optimizer=adam"], ["--optimizer=sgd"]),
    "loss": (["--loss=balanced"], ["--loss=athalye"], ["--style_loss=covariance"]),
    "layers": (
        ["--style_layers=relu1_1"],
        ["--style_layer_weight_exp=2"],
        ["--style_layer_weights", "1", "2", "3", "4", "5"],
        ["--content_weight_blend=0.5"],
        ["--content_layers=relu3_1"],
    ),
}
"""Flags of which each contradicts some preset, or another of its kind."""


@pytest.mark.parametrize("kind", CHANGES)
def test_every_flag_can_override_saved_flags(kind, folder):
    """None is refused, whatever was saved."""
    of_presets = [[f"--preset={name}"] for name in presets.names()]
    for before in ([], *of_presets, *(given for given in CHANGES[kind] if "--style_layer_weights" not in given)):
        run = resolve(flags.parse([*NEEDED, *before]))
        write("saved.flags", *flag_files.lines_that_repeat(run, {}))
        saved = flags.parse(["--flagfile=saved.flags"])
        for given in CHANGES[kind]:
            if "--style_layer_weights" in given and len(run.style_layers) != 5:
                continue
            made, asked = flags.parse(["--flagfile=saved.flags", *given]), flags.parse([*NEEDED, *given])
            name = given[0][2:].partition("=")[0]
            assert getattr(made, name) == getattr(asked, name)
            assert made == saved or getattr(made, name) != getattr(saved, name)


def test_a_flag_beside_saved_flags_has_its_own_defaults(folder):
    write("saved.flags", *flag_files.lines_that_repeat(resolve(flags.parse([*NEEDED, "--preset=crowson"])), {}))
    made = resolve(flags.parse(["--flagfile=saved.flags", "--optimizer=lbfgs"]))
    assert (made.iterations, made.iterations_by_scale, made.tolerance, made.clip) == (300, None, 0.005, False)
    balanced = resolve(flags.parse(["--flagfile=saved.flags", "--loss=balanced"]))
    assert (balanced.strength, balanced.style_weight, balanced.pixel_range) == (0.5, 60, 255)
    assert (balanced.min_scale, balanced.average_iterates) == (96, 0.99)


def test_a_weight_ends_the_strength_of_saved_flags(folder):
    write("saved.flags", *flag_files.lines_that_repeat(resolve(flags.parse(NEEDED)), {}))
    assert flags.parse(["--flagfile=saved.flags"]).strength == 0.5
    for weight in ("content_weight", "style_weight"):
        made = resolve(flags.parse(["--flagfile=saved.flags", f"--{weight}=7"]))
        assert (made.strength, getattr(made, weight)) == (None, 7)


@pytest.mark.parametrize("order", ["beside", "outer", "later"])
def test_a_flag_file_overrides_another_as_flags_do(order, folder):
    write("saved.flags", *flag_files.lines_that_repeat(resolve(flags.parse(NEEDED)), {}))
    write("tweak.flags", "--iterations_by_scale 100 50")
    write("outer.flags", "--iterations_by_scale 100 50", "--flagfile saved.flags")
    given = {
        "beside": ["--iterations_by_scale", "100", "50", "--flagfile=saved.flags"],
        "outer": ["--flagfile=outer.flags"],
        "later": ["--flagfile=saved.flags", "--flagfile=tweak.flags"],
    }
    made = flags.parse(given[order])
    assert (made.iterations, made.iterations_by_scale) == (None, (100, 50))


def test_an_override_of_an_invalid_value_in_a_flag_file(folder):
    write("mine.flags", "--iterations=0", "--iterations_by_scale 3 4")
    made = flags.parse([*NEEDED, "--flagfile=mine.flags", "--iterations=5"])
    assert (made.iterations, made.iterations_by_scale) == (5, None)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--init=gray", "--initial_noiseblend=1"], "initial_noiseblend: expected less than 1 beside --init, got 1"),
        (["--preset=keras", "--iterations=5", "--iterations_by_scale=3"], "iterations: expected nothing beside"),
    ],
)
def test_flags_that_would_be_ignored_are_refused_in_one_line(given, said, folder, capsys):
    assert cli.main([*NEEDED, *given]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_run_with_a_preset_is_repeated_by_its_saved_flags(folder):
    small = [*TINY, "--iterations=3", "--noise_scale=20"]
    assert cli.main([*NEEDED, "--preset=athalye", *small, "--output=a.png", "--save_flags=run.cfg"]) == 0
    assert cli.main(["--flagfile=run.cfg", "--output=b.png"]) == 0
    assert Path("b.png").read_bytes() == Path("a.png").read_bytes()
    assert cli.main([*NEEDED, "--preset=johnson", *small, "--output=c.png"]) == 0
    assert Path("c.png").read_bytes() != Path("a.png").read_bytes()


def test_the_doctor_takes_presets():
    *_, made = _size_and_config(["--size", "640x480", "--preset=johnson", "--memory=3GB"])
    assert made == Config.of_preset("johnson", content="content", styles=["style"], memory="3GB")
