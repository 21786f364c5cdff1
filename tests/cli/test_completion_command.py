import shutil
import subprocess

import pytest

from neural_style import vgg19_spec
from neural_style.bench.sections import SECTIONS
from neural_style.cli import completion_command as completion
from neural_style.cli import flags, help_text
from neural_style.cli import main as cli
from neural_style.config import presets
from neural_style.config.config import OPTIONS
from neural_style.config.defaults import STARTS

ALL_FLAGS = [flag.name for flag in completion.flags_of_run()]

RUN_BASH = """
source "$1"
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_neural_style
if ((${#COMPREPLY[@]})); then printf '%s\\n' "${COMPREPLY[@]}"; fi
"""

RUN_ZSH = """
compdef() { }
compset() { }
compadd() { print -rl -- ${@[2,-1]} }
_files() { print -r -- FILES }
_describe() { print -rl -- ${flags%%:*} }
source "$1"
shift
words=("$@") CURRENT=$#
_neural_style
"""
"""Without the completion system, which needs a terminal; it would leave out what does not begin like the last word."""


def script_of(shell):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    (text,) = completion.run([shell])
    return text


def lines_of(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=True, **options)
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.fixture
def offered(request, tmp_path):
    """A function from a shell and the words of a command line to what the shell offers for the last word."""

    def offered(shell, *words):
        path = tmp_path / f"completion.{shell}"
        path.write_text(script_of(shell))
        words = ["neural-style", *words]
        if shell == "fish":
            line = " ".join(words)
            found = lines_of("fish", "-c", f"source {path}; complete -C '{line}'", cwd=tmp_path)
            return [each.partition("\t")[0] for each in found]
        found = (
            lines_of("bash", "--norc", "-c", RUN_BASH, "bash", str(path), *words, cwd=tmp_path)
            if shell == "bash"
            else lines_of("zsh", "-f", "-c", RUN_ZSH, "zsh", str(path), *words, cwd=tmp_path)
        )
        return [each for each in found if shell != "zsh" or each.startswith(words[-1].partition("=")[2] or words[-1])]

    return offered


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_a_shell_accepts_its_script(shell, tmp_path):
    (tmp_path / "script").write_text(script_of(shell))
    assert lines_of(shell, "-n", str(tmp_path / "script")) == []


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_commands_come_first(offered, shell):
    assert set(offered(shell, "")) == {*cli._COMMANDS}
    assert "completion" in cli._COMMANDS


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_every_flag_is_offered(offered, shell):
    assert set(offered(shell, "--")) == {*ALL_FLAGS}
    assert {*offered(shell, "doctor", "--mem")} >= {"--memory"}


@pytest.mark.parametrize("shell", completion.SHELLS)
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--optimizer", ""], OPTIONS["optimizer"].choices),
        (["--width", "512", "--quality", "b"], ["best"]),
        (["--preset", "a"], [name for name in presets.names() if name.startswith("a")]),
        (["--style-loss", "gram", "w"], ["wasserstein"]),
        (["--style_layers", "relu1_1", "relu2_"], ["relu2_1", "relu2_2"]),
        (["--content-layers", ""], vgg19_spec.LAYERS),
        (["--width", ""], []),
        (["bench", "--short", "s"], ["startup"]),
        (["bench", ""], list(SECTIONS)),
        (["bench", "--preset", "at"], ["athalye"]),
        (["weights", ""], ["fetch"]),
        (["weights", "fetch", "imagenet-e"], ["imagenet-exact"]),
        (["completion", ""], completion.SHELLS),
    ],
    ids=" ".join,
)
def test_values_are_offered(offered, shell, words, expected):
    assert sorted(offered(shell, *words)) == sorted(expected)


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_files_are_offered_where_a_flag_takes_them(offered, shell, tmp_path):
    """Bash completes files itself where its function offers nothing."""
    (tmp_path / "apple.jpg").touch()
    files = {"bash": [], "zsh": ["FILES"], "fish": ["apple.jpg"]}[shell]
    last = {"bash": "a", "zsh": "", "fish": "a"}[shell]
    for words in (["--content"], ["--styles", "b.jpg"], ["--flagfile"], ["--output"], ["bench", "--json"]):
        assert offered(shell, *words, last) == files
    starts = offered(shell, "--init", "")
    assert {*starts} >= {*STARTS}
    assert shell == "bash" or {*starts} > {*STARTS}
    assert "complete -o default -F _neural_style neural-style\n" in script_of("bash")


def test_bash_takes_a_flag_and_its_value_for_three_words(offered):
    assert offered("bash", "--optimizer", "=") == [*OPTIONS["optimizer"].choices]
    assert offered("bash", "--optimizer", "=", "a") == ["adam"]
    assert offered("bash", "--style-layers", "=", "relu1_1", "--qual") == ["--quality"]
    assert "--width" in offered("bash", "--optimizer", "=", "adam", "")


def test_zsh_and_fish_complete_a_value_after_an_equals_sign(offered):
    assert offered("zsh", "--optimizer=a") == ["adam"]
    assert offered("fish", "--optimizer=a") == ["--optimizer=adam"]


def test_what_is_offered_can_be_parsed():
    for flag in completion.flags_of_run():
        name = flag.name.removeprefix("--")
        if name in ("size", "help", "version", "yes", "preset", "flagfile", "resume"):
            continue
        for word in flag.words or [None]:
            if word is None and not flag.is_switch:
                continue
            extra = [] if name != "style-layers-of" else ["--style-layers", *vgg19_spec.LAYERS]
            values = flags.given([flag.name, *([word] if word else []), *extra])
            option = OPTIONS[next(iter(values))]
            assert option.checked(values[option.name]) is not None


def test_every_value_is_one_of_an_option_without_choices():
    assert {*completion._VALUES} <= {*OPTIONS}
    assert not [name for name in completion._VALUES if OPTIONS[name].choices]


@pytest.mark.parametrize("arguments", [[], ["tcsh"], ["bash", "zsh"]])
def test_other_arguments_are_refused(arguments, capsys):
    assert cli.main(["completion", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    expected = f"neural_style: error: completion: expected bash, zsh or fish, got {' '.join(arguments) or 'nothing'}; "
    assert captured.err.startswith(expected)


def test_the_script_is_printed(capsys):
    assert cli.main(["completion", "zsh"]) == 0
    assert capsys.readouterr().out.startswith("#compdef neural-style\n")
    assert " completion bash|zsh|fish\n" in help_text.help_text("prog")
