import json
import os
import re
import shlex
import shutil

import numpy as np
import pytest
from command_line import RUN, TINY, new_files, tree
from PIL import Image

from neural_style.cli import flags, rerun_command
from neural_style.cli import main as cli
from neural_style.config import command_words
from neural_style.config.config import OPTIONS, Config
from neural_style.images.reading import read_settings
from neural_style.images.writing import write_image

CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
SHORT = ["--weights=builtin", "--precision=float32", "--iterations=2", "--scales=1"]
TEXTURE = ["--size=64x64", "--styles=style.png", *SHORT, "--style-layers=relu1_1"]


def painted(name="x.png", **settings):
    """A picture with settings, which shows nothing."""
    settings = {"content": "photo.png", "styles": ["style.png"], "width": 64, "weights": "builtin", **settings}
    write_image(name, np.zeros((4, 4, 3), np.uint8), settings=settings, overwrite=True)
    return name


def paint(*arguments):
    assert cli.main(list(arguments)) == 0


@pytest.fixture
def masks(folder):
    """Two gray masks, the left and the right half."""
    left = np.zeros((48, 64), np.uint8)
    left[:, :32] = 255
    for name, mask in (("left.png", left), ("right.png", 255 - left)):
        Image.fromarray(mask).save(folder / name)


# --- the same picture again -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        RUN,
        [*RUN, "--strength=0.75", "--seed=5", "--init=noise", "--style-scales=1.25", "--style-rotations", "90"],
        [*RUN[:2], *TINY, "--preset=johnson", "--iterations=2", "--width=48"],
        [*RUN, "--styles=other.jpg", "--style-blend-weights", "3", "1", "--content-masks", "left.png", "right.png"],
        [*RUN, "--preserve-colors", "--color-mask=left.png", "--content-mask=right.png", "--bit-depth=16"],
        [*TEXTURE, "--seamless"],
        ["--content=photo.png", "--style-weight=0", *SHORT, "--content-layers=relu1_2"],
        [*RUN, "--styles=works", "--style-blend-weights", "1", "2"],
    ],
    ids=["plain", "strength", "preset", "masks", "colors", "texture", "reconstruction", "folder"],
)
def test_a_rerun_gives_the_same_file(arguments, folder, masks):
    (folder / "works").mkdir()
    shutil.copy("other.jpg", "works")
    paint(*arguments, "--output=a.png")
    paint("rerun", "a.png", "--yes", "--output=b.png")
    assert (folder / "b.png").read_bytes() == (folder / "a.png").read_bytes()


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".webp"])
def test_a_rerun_of_other_formats(suffix, folder):
    paint(*RUN, f"--output=a{suffix}")
    paint("rerun", f"a{suffix}", "--yes", f"--output=b{suffix}")
    assert (folder / f"b{suffix}").read_bytes() == (folder / f"a{suffix}").read_bytes()


def test_a_picture_that_was_changed_after_its_run_is_painted_as_before(folder, capsys):
    paint(*RUN, "--output=a.png")
    paint("recolor", "a.png", "--content=photo.png", "--color=match", "--output=c.png")
    paint("blend", "c.png", "--content=photo.png", "--amount=0.5", "--output=d.png")
    capsys.readouterr()
    paint("rerun", "d.png", "--yes", "--output=b.png")
    assert (folder / "b.png").read_bytes() == (folder / "a.png").read_bytes()
    said = capsys.readouterr().err
    for done in ("recolored", "blended"):
        assert f"neural_style: the picture was {done} after the run; rerun paints it as it was before\n" in said


def test_the_command_can_be_pasted(folder, capsys):
    paint(*RUN, "--output=a.png")
    capsys.readouterr()
    before = tree(folder)
    paint("rerun", "a.png")
    assert tree(folder) == before
    captured = capsys.readouterr()
    assert captured.err == ""
    command, *comments = captured.out.splitlines()
    assert all(line.startswith("# ") for line in comments)
    assert comments[:2] == [
        "# content: photo.png, found in the current folder",
        "# styles: style.png, found in the current folder",
    ]
    assert comments[-1] == "# nothing was painted; add --yes to run this command"
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "neural_style"]
    paint(*words[3:], "--output=b.png")
    assert (folder / "b.png").read_bytes() == (folder / "a.png").read_bytes()


def test_the_result_has_a_numbered_name_of_its_own(folder):
    paint(*RUN)
    before = tree(folder)
    paint("rerun", "photo-style.png", "--yes")
    assert new_files(folder, before) == {"photo-style-2.png"}


def test_flags_change_the_run(folder):
    paint(*RUN, "--output=a.png")
    paint("rerun", "a.png", "--width=48", "--yes", "--styles=other.jpg", "--output=b.png")
    settings = read_settings("b.png")
    assert (settings["width"], settings["styles"], settings["iterations"]) == (48, ["other.jpg"], 2)
    assert Image.open("b.png").size == (48, 36)


def test_a_run_that_fails_gives_its_exit_code(folder, capsys):
    paint(*RUN, "--output=a.png")
    capsys.readouterr()
    assert cli.main(["rerun", "a.png", "--yes", "--output=a.png"]) == 2
    assert "--output: 'a.png' exists" in capsys.readouterr().err
    assert cli.main(["rerun", "a.png", "--yes", "--json", "--output=a.png"]) == 2
    assert json.loads(capsys.readouterr().out)["exit_code"] == 2
    assert cli.main(["rerun", "nowhere.png", "--yes", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["exit_code"] == 2


# --- pictures of strangers --------------------------------------------------------------------------------------------


def test_where_each_picture_is_found_is_told(folder, capsys, monkeypatch):
    (folder / "sub" / "here").mkdir(parents=True)
    shutil.copy("photo.png", "sub/here")
    monkeypatch.chdir("sub/here")
    painted("../x.png", styles=["a.png", "style.png"])
    shutil.copy("../../style.png", "..")
    assert cli.main(["rerun", "../x.png", "--width", "32"]) == 0
    command, *comments = capsys.readouterr().out.splitlines()
    assert command.split()[3:] == [
        *("--content", "photo.png", "--styles", "a.png", "../style.png", "--width", "32", "--weights", "builtin"),
    ]
    assert comments == [
        "# content: photo.png, found in the current folder",
        "# styles: a.png, not found in the current folder or in the folder of the picture: give --styles",
        "# styles: style.png, found in the folder of the picture",
        "# width: given by --width",
        "# work: 32 px wide, the usual iterations of lbfgs, 2 styles, weights builtin",
        "# nothing was painted; add --yes, with --styles FILE FILE to run this command",
    ]
    assert cli.main(["rerun", "../x.png", "--yes"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "neural_style: error: in 'x.png': expected the files that it was made from, got none for 'a.png' (styles); "
        "give --styles FILE FILE\n"
    )


def test_weights_and_profiles_are_asked_for(folder, capsys):
    painted(weights="mine.npz", proof="p.icc")
    assert cli.main(["rerun", "x.png"]) == 0
    out = capsys.readouterr().out
    assert "# weights: made with 'mine.npz'; a picture may not choose that file: give --weights\n" in out
    assert "# proof: made with 'p.icc'; a picture may not choose that file: give --proof\n" in out
    assert "--weights" not in out.splitlines()[0]
    assert "# work: 64 px wide, the usual iterations of lbfgs, 1 style\n" in out
    assert cli.main(["rerun", "x.png", "--yes"]) == 2
    assert "give --proof FILE and --weights FILE" in capsys.readouterr().err


def test_what_a_picture_may_not_choose_is_left_out(folder, capsys):
    painted(
        **{
            "output": "/etc/x.png",
            "device": "gpu:7",
            "checkpoint_output": "/x/{}.png",
            "save_flags": "/x",
            "overwrite": True,
        },
        **{"max_pixels": 10**12, "workdir": "/x", "yes": True, "\x1b[2J" + "x" * 1000: 1, "memory": "1TB"},
    )
    assert cli.main(["rerun", "x.png"]) == 0
    command, *comments = capsys.readouterr().out.splitlines()
    assert command.endswith("--content photo.png --styles style.png --width 64 --weights builtin")
    named = "'output', 'device', 'checkpoint_output', 'save_flags', 'overwrite' and 5 more"
    assert f"# left out: {named}, which pictures may not set" in comments


@pytest.mark.parametrize(
    "settings",
    [
        {"content": "../photo.png"},
        {"content": "/etc/passwd"},
        {"content": "http://host/x.png"},
        {"content": "a\x1b]0;x\x07.png"},
        {"content": "a\u202egnp.exe"},
        {"content": ["photo.png"]},
        {"styles": "style.png"},
        {"styles": ["style.png"] * 1000},
        {"styles": [["style.png"]]},
        {"styles": ["style.png\n--output=/x"]},
        {"width": "64"},
        {"width": 1e400},
        {"width": 31},
        {"strength": float("nan")},
        {"preserve_colors": "true"},
        {"seed": 10**4000},
        {"loss": "\x1b[31m"},
        {"scales": "100"},
        {"style_scales": [1, 2, 3]},
        {"size": "64x64\x1b[2J"},
        {"size": "64x64"},
    ],
    ids=lambda settings: ascii(settings)[:40],
)
@pytest.mark.parametrize("yes", [[], ["--yes"]], ids=["show", "run"])
def test_hostile_settings_are_refused_in_one_line(settings, yes, folder, capsys):
    painted(**settings)
    before = tree(folder)
    assert cli.main(["rerun", "x.png", *yes]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(r"neural_style: error: in 'x\.png': (--)?\w+: expected .{10,300}\n", captured.err)
    assert not CONTROLS.search(captured.err)
    assert tree(folder) == before


@pytest.mark.parametrize(
    "name",
    ["$(touch pwned).png", "`x`.png", "a;b.png", "a'b\".png", "-x.png", "~root", "-", "{}%d.png", "a b.png", "#.png"],
)
def test_names_are_quoted_for_the_shell_and_mean_a_file(name, folder, capsys):
    shutil.copy("photo.png", name)
    painted(content=name)
    assert cli.main(["rerun", "x.png"]) == 0
    words = shlex.split(capsys.readouterr().out.splitlines()[0])
    made = flags.parse(words[3:])
    assert os.path.samefile(made.content, name)
    assert made == Config(made.content, ["style.png"], width=64, weights="builtin")


def test_a_picture_whose_own_name_holds_escape_sequences(folder, capsys, monkeypatch):
    nasty = "a\x1b[2Jb"
    (folder / nasty).mkdir()
    for name in ("photo.png", "style.png"):
        shutil.move(name, nasty)
    painted(f"{nasty}/x\x1b[31m.png")
    assert cli.main(["rerun", f"{nasty}/x\x1b[31m.png"]) == 0
    out = capsys.readouterr().out
    assert not CONTROLS.search(out)
    assert r"--content $'a\x1b[2Jb/photo.png' --styles $'a\x1b[2Jb/style.png'" in out
    assert cli.main(["rerun", f"{nasty}/y\x1b[31m.png"]) == 2
    assert not CONTROLS.search(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "rerun: expected a picture that this program wrote first, got nothing; write rerun painted.png --yes"),
        (["--yes", "x.png"], "rerun: expected a picture that this program wrote first, got '--yes'; write"),
        (["x.png", "y.png"], "rerun: expected one picture, got 'y.png' as well; write"),
        (
            ["x.png", "--preset=athalye"],
            "rerun: expected no --preset, since the picture says the value of every option",
        ),
        (["x.png", "--widht=3"], "unknown flag --widht; did you mean --width?"),
        (["photo.png"], "'photo.png': expected a picture with the settings of a run, got none; give a PNG, JPEG, WebP"),
        (["nowhere.png"], "picture 'nowhere.png' does not exist"),
        (["x.png", "--yes=true"], "--yes: expected nothing after it, got 'true'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_other_arguments_are_refused(arguments, said, folder, capsys):
    painted()
    assert cli.main(["rerun", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"neural_style: error: {said}")
    assert captured.err.count("\n") == 1


def test_help_and_usage_name_the_command():
    from neural_style.cli import help_text

    assert " rerun PAINTED [--yes] [flags]\n" in help_text.help_text("prog")
    assert rerun_command._USAGE == "rerun painted.png --yes"


# --- words of commands ------------------------------------------------------------------------------------------------


def test_words_are_parsed_back():
    given = {
        **{"content": "a b.png", "styles": ("--x.png", "-y.png"), "seamless": False, "preserve_colors": True},
        **{"style_scales": (0.1, 1 / 3), "seed": 12345678901234567890, "clip": None, "device": "cpu"},
    }
    assert flags.given(list(command_words.words(given))) == {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in given.items()
        if value is not None and value != OPTIONS[name].default
    }


@pytest.mark.parametrize("word", ["a", "a b", "a'b", "$x", "\x1b[2J", "a\nb'\\", "\udcff\x01.png", "ä\x7f", "\u202eab"])
def test_a_shell_reads_a_quoted_word_back(word):
    import subprocess

    quoted = command_words.quoted(word)
    assert not CONTROLS.search(quoted)
    done = subprocess.run(["bash", "-c", os.fsencode(f"printf %s {quoted}")], capture_output=True, check=True)
    assert done.stdout == os.fsencode(word)
