import os
import re
import string
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from neural_style.cli import flag_files, flags
from neural_style.config.config import OPTIONS, Config
from neural_style.config.defaults import STARTS
from neural_style.errors import UsageError

NEEDED = ["--content", "photo.jpg", "--styles", "painting.jpg"]


def parse(*arguments):
    return flags.parse([*NEEDED, *arguments])


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Current folder, and a function that writes a text file in it."""
    monkeypatch.chdir(tmp_path)

    def write(name, *lines):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    return write


# --- flag files -------------------------------------------------------------------------------------------------------


def test_a_flag_file_takes_the_same_spellings_one_per_line(write):
    write(
        "run.cfg",
        "--content photo.jpg",
        "--styles a.jpg b.jpg",
        "--styles=c.jpg",
        "--content-weight 7",
        "--tv_weight=8",
        "-width=64",
        "--overwrite",
        "--nopreserve_colors",
        "--progress-plot=true",
        "--network builtin",
    )
    assert flags.parse(["--flagfile", "run.cfg"]) == flags.parse(["--flagfile=run.cfg"])
    assert flags.parse(["--flagfile", "run.cfg"]) == Config(
        "photo.jpg",
        ["a.jpg", "b.jpg", "c.jpg"],
        content_weight=7,
        tv_weight=8,
        width=64,
        overwrite=True,
        progress_plot=True,
        weights="builtin",
    )


def test_comments_and_blank_lines_in_a_flag_file(write):
    write(
        "run.cfg",
        "# a comment",
        "",
        "   // another",
        "  --width=64   # in pixels",
        "\t--iterations 3\t# few",
        "#--seed=3",
        '--output="out # 1.png" # in "quotes"',
    )
    made = parse("--flagfile=run.cfg")
    assert (made.width, made.iterations, made.seed) == (64, 3, 0)


@pytest.mark.parametrize(
    ("line", "output"),
    [
        ("--output=a b.png", "a b.png"),
        ("--output a b.png", "a b.png"),
        ("--output 'a b.png'", "a b.png"),
        ('--output="a b.png"', "a b.png"),
        ("--output=a#1.png", "a#1.png"),
        ("--output=#1.png", "#1.png"),
        ('--output="a #1.png"', "a #1.png"),
        ('--output="a #1.png" # the first', "a #1.png"),
        ("--output=a.png # the first", "a.png"),
        (r"--output=C:\new\table.png", r"C:\new\table.png"),
        ("--output=a=b.png", "a=b.png"),
        ("--output=it's.png", "it's.png"),
        ("--output=a//b.png", "a//b.png"),
    ],
)
def test_names_with_spaces_and_signs_in_a_flag_file(line, output, write):
    write("run.cfg", line)
    assert parse("--flagfile=run.cfg").output == output


def test_a_list_of_names_with_spaces_in_a_flag_file(write):
    write("run.cfg", r"""--styles "a b.jpg" 'c "d".jpg' C:\e.jpg   # three""", "--styles=f g.jpg")
    made = flags.parse(["--content=x.jpg", "--flagfile=run.cfg"])
    assert made.styles == ("a b.jpg", 'c "d".jpg', r"C:\e.jpg", "f g.jpg")


@pytest.mark.parametrize("position", [0, 4])
def test_the_command_line_wins_over_a_flag_file_wherever_it_is_named(position, write):
    write("run.cfg", "--width=64", "--styles=a.jpg", "--styles=b.jpg", "--overwrite", "--weights=imagenet", "--seed=5")
    arguments = ["--content=x.jpg", "--styles=c.jpg", "--no-overwrite", "--network=builtin"]
    arguments.insert(position, "--flagfile=run.cfg")
    made = flags.parse(arguments)
    assert made.styles == ("c.jpg",)
    assert (made.overwrite, made.weights) == (False, "builtin")
    assert (made.width, made.seed) == (64, 5)


def test_the_later_of_two_flag_files_wins(write):
    write("a.cfg", "--width=64", "--seed=1")
    write("b.cfg", "--width=128")
    made = parse("--flagfile=a.cfg", "--flagfile=b.cfg")
    assert (made.width, made.seed) == (128, 1)


def test_flag_files_are_nested_and_the_outer_wins(write):
    write("outer.cfg", "--flagfile=inner.cfg", "--width=64")
    write("inner.cfg", "--flagfile innermost.cfg", "--width=128", "--seed=2")
    write("innermost.cfg", "--width=256", "--seed=3", "--iterations=4")
    made = parse("--flagfile=outer.cfg")
    assert (made.width, made.seed, made.iterations) == (64, 2, 4)


def test_a_nested_flag_file_is_looked_for_beside_its_parent_then_in_the_current_folder(write):
    write("deep/outer.cfg", "--flagfile=near.cfg", "--flagfile=far.cfg")
    write("deep/near.cfg", "--width=64")
    write("near.cfg", "--width=128")
    write("far.cfg", "--seed=6")
    made = parse("--flagfile=deep/outer.cfg")
    assert (made.width, made.seed) == (64, 6)


def test_one_flag_file_may_be_named_twice_but_not_by_itself(write):
    write("a.cfg", "--flagfile=c.cfg")
    write("b.cfg", "--flagfile=c.cfg")
    write("c.cfg", "--width=64")
    assert parse("--flagfile=a.cfg", "--flagfile=b.cfg").width == 64
    write("c.cfg", "--flagfile=a.cfg")
    with pytest.raises(UsageError, match=r"--flagfile: '[abc]\.cfg' includes itself"):
        parse("--flagfile=a.cfg")


def test_a_flag_file_of_windows_is_read(write):
    write("run.cfg").write_bytes("\ufeff--width=64\r\n--seed=3\r\n".encode())
    made = parse("--flagfile=run.cfg")
    assert (made.width, made.seed) == (64, 3)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["--contnt photo.jpg"], "did you mean --content?"),
        (["content=photo.jpg"], "got 'content=photo.jpg'"),
        (["--width"], "--width: expected a whole number after it, got nothing"),
        (["--width 64 65"], "--width: expected a whole number, got '64 65'"),
        (["--width=64 --seed=3"], "--width: expected a whole number, got '64 --seed=3'"),
        (['--styles "a b.jpg'], "closed quotes"),
        (["--flagfile=nowhere.cfg"], "nowhere.cfg"),
    ],
    ids=str,
)
def test_a_mistake_in_a_flag_file_is_told(lines, said, write):
    write("run.cfg", *lines)
    with pytest.raises(UsageError) as caught:
        parse("--flagfile=run.cfg")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mistake_in_a_flag_file_names_the_file(write):
    write("outer.cfg", "--flagfile=inner.cfg")
    write("inner.cfg", "--contnt photo.jpg")
    with pytest.raises(UsageError, match=r"inner\.cfg.*did you mean --content\?"):
        parse("--flagfile=outer.cfg")


@pytest.mark.parametrize("name", ["nowhere.cfg", ".", "bytes.cfg"])
def test_a_flag_file_that_cannot_be_read_is_told(name, write):
    write("bytes.cfg").write_bytes(b"--width=64 \xff\xfe")
    with pytest.raises(UsageError, match=rf"^--flagfile: expected a readable text file, got {name!r}: "):
        parse(f"--flagfile={name}")


def bomb(write):
    """Flag files of which each names the next a hundred times."""
    for number in range(9):
        write(f"{number}.cfg", *[f"--flagfile={number + 1}.cfg"] * 100)
    write("9.cfg", "--width=64")


def deep(write):
    for number in range(20):
        write(f"{number}.cfg", f"--flagfile={number + 1}.cfg")
    write("20.cfg", "--width=64")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda write: write("0.cfg", "--width=64 #" + "x" * 10**6), "it has more than 1000000 bytes"),
        (lambda write: write("0.cfg", *["#"] * 10**4), "it has more than 10000 lines"),
        (lambda write: write("0.cfg").write_bytes(b"--width=64\n\0\0"), "it is not text, since it has NUL characters"),
        (lambda write: write("0.cfg").write_bytes(bytes(range(256)) * 9), "it is not UTF-8 text"),
        (lambda write: write("0.cfg", "--flagfile=/dev/zero"), "a flag file may only name regular files"),
        (deep, "expected files that name others at most 10 deep, got '10.cfg'"),
        (bomb, "expected at most 100 files to be read, got"),
    ],
    ids=["bytes", "lines", "NUL", "binary", "device", "depth", "number"],
)
def test_flag_files_have_limits(make, said, write):
    make(write)
    with pytest.raises(UsageError) as caught:
        parse("--flagfile=0.cfg")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_flag_file_may_be_a_pipe(write):
    reading, writing = os.pipe()
    os.write(writing, b"--width=64\n")
    os.close(writing)
    assert parse(f"--flagfile=/dev/fd/{reading}").width == 64
    os.close(reading)


# --- places outside of the current folder -----------------------------------------------------------------------------

CHECKPOINTS = "--checkpoint_iterations=5"


@pytest.mark.parametrize(
    "lines",
    [
        ["--output=../a.png"],
        ["--output=~/a.png"],
        ["--output=link/a.png"],
        ["--output=/a.png", "--width=64"],
        ["--save_flags=../run.cfg"],
        ["--save_flags=.bashrc"],
        ["--save_flags=.git/hooks/pre-commit"],
        ["--checkpoint_output=../{}.png", CHECKPOINTS],
        ["--checkpoint_output={}/../../x.png", CHECKPOINTS],
        ["--checkpoint_output={0:c}{0:c}/{0}.png", CHECKPOINTS],
        ["--checkpoint_output={:/>9}.png", CHECKPOINTS],
        ["--checkpoint_output=%c%c/%c.png", CHECKPOINTS],
    ],
    ids=lambda lines: lines[0],
)
def test_a_flag_file_that_writes_elsewhere_needs_consent(lines, write, tmp_path, capsys):
    here = tmp_path / "here"
    here.mkdir()
    os.chdir(here)
    (here / "link").symlink_to(tmp_path)
    write("here/run.cfg", "--flagfile=inner.cfg")
    write("here/inner.cfg", *lines)
    option = re.match(r"--(\w+)", lines[0])[1]
    with pytest.raises(UsageError, match=rf"^--{option}: expected a visible file in the current folder .* add --yes"):
        flags.given(["--flagfile=run.cfg"])
    assert f"the flags are: python -m neural_style --{option} " in capsys.readouterr().err
    value = lines[0].partition("=")[2]
    assert flags.given(["--yes", "--flagfile=run.cfg"])[option] == value
    assert flags.given(["--flagfile=run.cfg", f"--{option}={value}"])[option] == value  # the user's own
    assert flags.given([f"--{option}={value}"])[option] == value


@pytest.mark.parametrize(
    "lines",
    [
        ["--output=a.png"],
        ["--output=sub/../a%d{}.png"],
        ["--output=.hidden.png"],
        ["--output=-"],
        ["--save_flags=sub/run.cfg"],
        ["--content=../photo.jpg", "--proof=/usr/a.icc", "--weights=/nets/vgg.h5"],
        *(
            [f"--checkpoint_output={name}", CHECKPOINTS]
            for name in ("{}.png", "c_{:05}.png", "{0:03d}.png", "%05d.png")
        ),
        ["--checkpoint_output={{x}}/100%%/{}.png", CHECKPOINTS],
    ],
    ids=lambda lines: lines[0],
)
def test_a_flag_file_that_writes_here_needs_none(lines, write, capsys):
    write("run.cfg", *lines)
    assert flags.given(["--flagfile=run.cfg"])
    write("absolute.cfg", *(re.sub("=([^/].*)$", rf"={os.getcwd()}/\1", lines[0]) if "{" not in lines[0] else "",))
    if lines[0] != "--output=-":
        flags.given(["--flagfile=absolute.cfg"])
    assert capsys.readouterr().err == ""


def test_every_path_that_is_not_known_to_be_read_is_an_output():
    assert {name for name, option in OPTIONS.items() if option.is_path and not option.is_picture} == {
        "proof",
        *(name for name, option in OPTIONS.items() if option.is_output),
    }
    assert {"output", "checkpoint_output", "save_flags"} <= {name for name in OPTIONS if OPTIONS[name].is_output}


def test_saved_flags_need_no_consent_in_the_same_folder(write):
    made = parse("--output=sub/out.png", "--checkpoint-output=c_{}.png", "--checkpoint-iterations=5")
    assert saved(made, write) == absolute_with(made, checkpoint_output=f"{os.getcwd()}/c_{{}}.png")
    assert flags.parse(["--flagfile=saved.cfg"]) == saved(made, write)


def absolute_with(config, **changes):
    return Config(**{**vars(absolute(config)), **changes})


@pytest.mark.parametrize("line", ["--yes", "--yes=true", "--yes true"])
def test_a_flag_file_cannot_consent(line, write):
    write("run.cfg", line, "--output=/a.png")
    with pytest.raises(UsageError, match="--yes: expected on the command line alone, got it in a flag file"):
        parse("--flagfile=run.cfg", "--yes")


def test_yes_takes_no_value():
    assert parse("--yes").content == "photo.jpg"
    with pytest.raises(UsageError, match=r"^--yes: expected nothing after it, got 'false'$"):
        parse("--yes=false")


def test_the_flags_of_a_refused_file_hold_no_escape_sequences(write, capsys):
    write("run.cfg", "--output=/a\x1b[2Jb.png", "--content=x\x9b.jpg")
    with pytest.raises(UsageError) as caught:
        flags.given(["--flagfile=run.cfg"])
    shown = capsys.readouterr().err + str(caught.value)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown)
    assert r"$'/a\x1b[2Jb.png'" in shown


def test_a_flagfile_flag_without_a_file_is_told():
    with pytest.raises(UsageError, match=r"^--flagfile: expected .* got nothing$"):
        parse("--flagfile")


# --- and back again ---------------------------------------------------------------------------------------------------


def saved(config, write, resolved=()):
    """What is read back from a saved flag file."""
    write("saved.cfg", *flag_files.lines_that_repeat(config, dict(resolved)))
    return flags.parse(["--flagfile=saved.cfg", "--yes"])


def absolute(config):
    """The same settings with absolute paths."""
    paths = {name: os.path.abspath(value) for name in ("content", "output") if (value := getattr(config, name))}
    return Config(**{**vars(config), **paths, "styles": [os.path.abspath(style) for style in config.styles]})


def test_saved_flags_give_the_same_settings(write):
    made = parse(
        *("--output", "out.png", "--width=64", "--style-scales=0.1", "--eps=1e-7", "--seed=12345678901234567890"),
        *("--content-layers=relu1_2", "--content-layers=conv3_4", "--style-layer-weights", "1", "2", "3", "4", "0"),
        *("--preserve-colors", "--optimizer=lbfgs", "--device=cpu", "--weights=builtin", "--learning-rate=0.1"),
    )
    assert saved(made, write) == absolute(made)


def test_saved_flags_keep_every_digit_of_a_number(write):
    made = parse("--content-weight=0.1234567890123456789", "--tv-weight=1e-300", f"--style-weight={1 / 3!r}")
    assert saved(made, write) == absolute(made)


@pytest.mark.parametrize("group", ["Pictures", "Optimization", "Losses", "Network", "Progress"])
def test_saved_flags_state_the_defaults_too(group):
    lines = list(flag_files.lines_that_repeat(Config("a", ["b"]), {}))
    for name, option in OPTIONS.items():
        if option.group == group and option.default is not None:
            assert any(re.match(rf"--(no)?{name}(=|$)", line) for line in lines)


def test_saved_flags_are_options_of_this_program_alone():
    made = Config("a", ["b"], output="o.png", save_flags="run.cfg", checkpoint_output="{}.png", checkpoint_iterations=2)
    names = {re.match(r"--(\w+)", line)[1] for line in flag_files.lines_that_repeat(made, {})}
    assert {name.removeprefix("no") if name not in OPTIONS else name for name in names} <= {*OPTIONS} - {"save_flags"}


def test_saved_paths_are_absolute_and_everything_else_is_left_alone(write):
    made = parse(
        *("--output=sub/out.png", "--initial=start.png", "--checkpoint-output=c_{}.png", "--checkpoint-iterations=5")
    )
    folder = os.getcwd()
    assert {
        f"--content={folder}/photo.jpg",
        f"--styles={folder}/painting.jpg",
        f"--output={folder}/sub/out.png",
        f"--initial={folder}/start.png",
        f"--checkpoint_output={folder}/c_{{}}.png",
        "--device=auto",
        "--pooling=max",
    } <= {*flag_files.lines_that_repeat(made, {})}


def test_saved_flags_say_what_auto_came_to():
    lines = list(flag_files.lines_that_repeat(Config("a", ["b"]), {"weights": "/nets/vgg 19.h5"}))
    assert "--weights=/nets/vgg 19.h5" in lines


NASTY = [
    *(
        "a b.png",
        " lead.png",
        "trail.png ",
        "a #b.png",
        "#a.png",
        "a#b.png",
        "//a.png",
        'a"b.png',
        '"a.png"',
        "'a.png'",
    ),
    *(
        "'a.png",
        'a.png"',
        "a'b.png",
        'x "y" #z.png',
        "a=b.png",
        "--width=3",
        "-a.png",
        r"a\b.png",
        r"a\"b.png",
        "ä海.png",
    ),
    *(
        "a\t#b.png",
        '" #.png',
        "' #'.png",
        "$HOME.png",
        "~.png",
        "*.png",
        "%d{}.png",
        "a,b.png",
        "a  b.png",
        "\u00a0.png",
    ),
    *("a\u2028b.png", "a\x85b.png", "a\x0cb.png"),
]


@pytest.mark.parametrize("name", NASTY)
def test_any_name_survives_a_saved_flag_file(name, write):
    made = Config(name, [name, "z.jpg"], output=name)
    assert saved(made, write) == absolute(made)


def test_random_names_survive_a_saved_flag_file(write):
    rng = np.random.default_rng(0)
    letters = [*"""ab"' #=\\/-\t""", *string.punctuation]
    for _ in range(300):
        name = "x/" + "".join(rng.choice(letters, rng.integers(1, 12)))
        made = Config(name, [name], checkpoint_iterations=1, checkpoint_output="{}/x.png")
        write("saved.cfg", *flag_files.lines_that_repeat(made, {}))
        back = flags.parse(["--flagfile=saved.cfg"])
        assert (back.content, *back.styles) == (os.path.abspath(name),) * 2


@pytest.mark.parametrize(
    "init", ["content", "noise", "style_colors", "gray", "style", "start.png", "./noise", "x/gray"]
)
def test_starts_survive_a_saved_flag_file(init, write):
    """A name stays a name, and a path becomes absolute, even if it ends like a name."""
    made = Config("a.png", ["works"], init=init, style_rotations=[90, 180], style_fit="stretch", noise_scale=12)
    back = saved(made, write)
    assert back.init == (init if init in STARTS else os.path.abspath(init))
    assert back.start == made.start
    assert (back.style_rotations, back.style_fit, back.noise_scale) == ((90, 180), "stretch", 12)


@pytest.mark.parametrize("name", ["a\nb.png", "a\r\nb.png"])
def test_a_name_of_two_lines_is_kept_or_refused_but_never_torn(name, write):
    made = Config(name, ["c.png"])
    try:
        back = saved(made, write)
    except UsageError as error:
        assert "save_flags" in str(error)
    else:
        assert back == absolute(made)


# --- paths in other encodings, and home folders -----------------------------------------------------------------------


def test_home_folders_are_expanded_in_and_for_flag_files(write, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    write("home/outer.cfg", "--flagfile=~/deep/inner.cfg", "--output=~/out.png", "--content ~/my photo.jpg")
    write("home/deep/inner.cfg", "--styles ~/a.jpg '~/b c.jpg'", "--initial=a/~/b.jpg")
    made = flags.parse(["--flagfile=~/outer.cfg"])
    home = str(tmp_path / "home")
    assert (made.output, made.content) == (f"{home}/out.png", f"{home}/my photo.jpg")
    assert (made.styles, made.initial) == ((f"{home}/a.jpg", f"{home}/b c.jpg"), "a/~/b.jpg")


def test_a_folder_that_is_called_like_a_home_folder_survives_a_saved_flag_file(write):
    made = Config("./~/a.png", ["./~root/b.png"])
    assert saved(made, write) == absolute(made)


@pytest.mark.parametrize("name", ["a\0b.cfg", "\ud800.cfg"])
def test_a_flag_file_of_an_impossible_name_is_told(name, write):
    with pytest.raises(UsageError, match=r"^--flagfile: expected a readable text file, got .*: it is not a possible"):
        parse(f"--flagfile={name}")


def test_a_flag_file_whose_name_is_not_text_is_read(write):
    write(os.fsdecode(b"\xff.cfg"), "--width=64")
    assert parse("--flagfile", os.fsdecode(b"\xff.cfg")).width == 64
    with pytest.raises(UsageError, match=r"got 'nowhere.udcff\.cfg': No such file"):
        parse("--flagfile", os.fsdecode(b"nowhere\xff.cfg"))


def test_names_in_a_flag_file_are_utf8_whatever_the_locale(write):
    """As saved, so read: where the locale is ASCII, Python spells the name in single bytes."""
    code = (
        "import sys; from neural_style.cli import flag_files, flags\n"
        "made = flags.parse(['--content', sys.argv[1], '--styles=b'])\n"
        "open('saved.cfg', 'wb').writelines(f'{line}\\n'.encode() for line in flag_files.lines_that_repeat(made, {}))\n"
        "print(ascii(flags.parse(['--flagfile=saved.cfg']).content), sys.getfilesystemencoding())"
    )
    root = Path(flags.__file__).parents[2]
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", code, "é.png"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"'{os.getcwd()}/\\udcc3\\udca9.png' ascii\n"
    assert flags.parse(["--flagfile=saved.cfg"]).content == f"{os.getcwd()}/é.png"


@pytest.mark.parametrize("folder", ["50%", "a%d", "{}", "a{b}c", "{", "100%{}"])
@pytest.mark.parametrize("template", ["c_{:05}.png", "x/{}%.png", "c_%05d.png"])
def test_checkpoints_go_to_the_same_place_from_any_folder(folder, template, tmp_path, monkeypatch):
    (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / folder)
    made = Config("a", ["b"], checkpoint_output=template, checkpoint_iterations=5)
    try:
        lines = list(flag_files.lines_that_repeat(made, {}))
    except UsageError as error:
        assert "{" in folder and "%05d" in template
        assert str(error).startswith("save_flags: expected --checkpoint_output with {:05}")
        return
    (tmp_path / "saved.cfg").write_text("\n".join(lines))
    back = flags.parse([f"--flagfile={tmp_path / 'saved.cfg'}"])
    assert back.checkpoint_path(5) == os.path.abspath(made.checkpoint_path(5))
