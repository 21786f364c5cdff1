import json
import math
import os
import re
import signal
from pathlib import Path

import pytest
from command_line import RUN, tree

from neural_style import __version__
from neural_style.cli import main as cli
from neural_style.cli import run_report
from neural_style.errors import DivergenceError, OutOfMemoryError, UsageError
from neural_style.networks import weights

PLAIN = ["--weights=builtin", "--style-layers=relu1_1", "--precision=float32"]
"""Flags of a small texture."""

MISSING = object()


def strict(text):
    """The one line of JSON in a text."""

    def refuse(name):
        raise AssertionError(name)

    (line,) = text.splitlines()
    return json.loads(line, parse_constant=refuse)


def documented_keys():
    """The keys in the table of docs/pipes.md, which its example has as well."""
    page = (Path(__file__).parents[2] / "docs" / "pipes.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    table = page.partition("| key | meaning |")[2].partition("\n\n")[0]
    keys = {
        key for names in re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE) for key in re.findall(r"`(\w+)`", names)
    }
    assert keys == {*json.loads(example)}
    return keys


def test_a_run_is_told_in_one_line(folder, capsys):
    options = [
        "--width=96",
        "--scales=2",
        "--scale-iterations=2",
        "--iterations=3",
        "--seed=7",
        "--preview-width=0",
        "--json",
    ]
    files = ["--output=a/out.png", "--progress-write", "--save-flags=run.cfg"]
    checkpoints = ["--checkpoint-output=c_{}.jpg", "--checkpoint-iterations=2"]
    assert cli.main([*RUN, *options, *files, *checkpoints]) == 0
    facts = strict(capsys.readouterr().out)
    assert {*facts} == documented_keys()
    assert facts["files"] == {
        "save_flags": "run.cfg",
        "checkpoint_output": ["c_2.jpg", "c_4.jpg", "c_6.jpg"],
        "output": "a/out.png",
        "progress_write": "a/out-progress.txt",
    }
    assert all((folder / name).is_file() for name in ("run.cfg", "c_6.jpg", "a/out.png", "a/out-progress.txt"))
    losses = facts.pop("losses")
    assert set(losses) == {"content", "style", "tv", "total"}
    assert losses["total"] == pytest.approx(losses["content"] + losses["style"] + losses["tv"], rel=1e-5)
    seconds = facts.pop("seconds")
    assert seconds["run"] == pytest.approx(sum(size["seconds"] for size in facts["sizes"]), abs=0.01)
    assert seconds["per_evaluation"] == pytest.approx(seconds["run"] / 7, abs=0.001)
    assert seconds["total"] >= seconds["start"] + seconds["run"] - 0.001
    sizes = [(size["width"], size["height"], size["most_iterations"], size["evaluations"]) for size in facts["sizes"]]
    assert sizes == [(48, 36, 2, 3), (96, 72, 3, 4)]
    assert facts["memory"]["plan"] == "96×72 px whole"
    assert 0 < facts["memory"]["most_bytes"] < facts["memory"]["limit_bytes"]
    expected = {
        **{"status": "done", "exit_code": 0, "error": None, "version": __version__},
        **{"content": "photo.png", "styles": ["style.png"], "width": 96, "height": 72, "seed": 7},
        **{"iterations": 6, "most_iterations": 6, "optimizer": "adam", "precision": "float32"},
        "weights": weights.load("builtin", ["relu1_2"]).reference,
    }
    assert {name: facts.get(name, MISSING) for name in expected} == expected
    assert 3 <= facts["best_iteration"] <= 6
    assert facts["device"].endswith(":0")


def test_a_second_name_is_told_for_a_name_that_is_taken(folder, capsys, at_iteration):
    at_iteration(1, lambda: (folder / "out.png").write_text("here first"))
    assert cli.main([*RUN, "--output=out.png", "--json"]) == 0
    assert strict(capsys.readouterr().out)["files"] == {"output": "out-2.png"}


@pytest.mark.parametrize(
    ("arguments", "known"),
    [
        ([*RUN, "--json", "--content=nowhere.png"], True),
        ([*RUN, "--json", "--output=photo.png"], True),
        ([*RUN, "--iterations=0", "--json"], False),
        (["--json", "photo.png"], False),
        (["--json=true", "--flurb"], False),
        (["--nojson", "--json", "--content"], False),
    ],
)
def test_an_error_of_use_is_one_line_on_each_stream(folder, capsys, arguments, known):
    before = tree(folder)
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    facts = strict(captured.out)
    assert (facts["status"], facts["exit_code"], facts["version"]) == ("failed", 2, __version__)
    assert captured.err == f"neural_style: error: {facts['error']}\n"
    assert ("styles" in facts) == known
    assert tree(folder) == before


@pytest.mark.parametrize(
    "arguments", [["--nojson", "--flurb"], ["--json=false", "--x"], ["--json", "--no-json", "--x"]]
)
def test_without_the_flag_nothing_is_printed(arguments, capsys):
    assert cli.main(arguments) == 2
    assert capsys.readouterr().out == ""


def test_other_commands_print_no_line(capsys):
    assert cli.main(["bench", "--json", "a.json", "--flurb"]) == 2
    assert capsys.readouterr().out == ""


def test_with_the_picture_on_standard_output_errors_go_to_standard_error(folder, capsys):
    for arguments in ([*RUN, "--content=nowhere.png"], ["--flurb"]):
        assert cli.main([*arguments, "--json", "--output", "-"]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        first, second = captured.err.splitlines()
        assert second == f"neural_style: error: {strict(first)['error']}"


@pytest.mark.parametrize(
    ("error", "status", "code", "text"),
    [
        (DivergenceError("learning_rate: too large"), "failed", 1, "--learning_rate: too large"),
        (OutOfMemoryError("no memory"), "failed", 1, "no memory"),
        (None, "stopped", 143, "stopped by SIGTERM"),
    ],
)
def test_a_run_that_ends_early_tells_its_best_image(folder, capsys, at_iteration, error, status, code, text):
    def fail():
        if error is None:
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            raise error

    at_iteration(1, fail)
    assert cli.main([*RUN, "--output=out.png", "--json"]) == code
    facts = strict(capsys.readouterr().out)
    assert (facts["status"], facts["exit_code"], facts["error"]) == (status, code, text)
    assert facts["files"] == {"output": "out.png"}
    assert facts["iterations"] == 1


def test_an_error_of_the_program_itself_is_told(folder, capsys, at_iteration):
    def fail():
        raise RuntimeError("a\nbug")

    at_iteration(0, fail)
    with pytest.raises(RuntimeError):
        cli.main([*RUN, "--output=out.png", "--json"])
    facts = strict(capsys.readouterr().out)
    assert (facts["status"], facts["exit_code"], facts["error"]) == ("failed", 1, "RuntimeError: a bug")
    assert facts["files"] == {"output": "out.png"}


def test_every_reader_of_json_takes_the_line(capsys):
    run_report._print({"loss": math.nan, "most": [math.inf, 1.5], "name": "caf\udce9.png"}, to_error=False)
    out = capsys.readouterr().out
    assert out.isascii()
    assert strict(out) == {"loss": None, "most": [None, 1.5], "name": "caf\N{REPLACEMENT CHARACTER}.png"}


def test_too_little_memory_is_told_as_by_the_program():
    assert run_report.error_text(MemoryError()) == run_report.TOO_LITTLE_MEMORY
    assert run_report.exit_code_of(MemoryError()) == 1
    assert run_report.exit_code_of(UsageError("x")) == 2


def test_a_texture_has_no_content(folder, capsys):
    texture = ["--size=48x48", "--styles=style.png", *PLAIN, "--iterations=1", "--scales=1", "--json"]
    assert cli.main([*texture, "--output=texture.png"]) == 0
    assert strict(capsys.readouterr().out)["content"] is None
