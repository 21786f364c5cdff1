"""Profiles of TensorFlow, recorded during a run."""

import json
from pathlib import Path

import pytest
import tensorflow as tf
from command_line import RUN

from neural_style.cli import main as cli

PROFILED = [*RUN, "--iterations=6", "--tolerance=0", "--output=out.png", "--profile=prof"]


@pytest.fixture
def calls(monkeypatch):
    """What is asked of TensorFlow's profiler, in order, in its place."""
    calls = []

    class Trace:
        def __init__(self, name, **facts):
            self.number = facts["step_num"]

        def __enter__(self):
            calls.append(f"begin {self.number}")

        def __exit__(self, *_):
            calls.append(f"end {self.number}")

    monkeypatch.setattr(tf.profiler.experimental, "Trace", Trace)
    monkeypatch.setattr(tf.profiler.experimental, "start", lambda folder: calls.append(f"start {folder}"))
    monkeypatch.setattr(tf.profiler.experimental, "stop", lambda: calls.append("stop"))
    return calls


ALL = ["start prof", "begin 0", "end 0", "begin 1", "end 1", "begin 2", "end 2", "stop"]


def test_a_profile_has_the_operations_of_the_evaluations(folder, capsys):
    assert cli.main([*PROFILED, "--json"]) == 0
    captured = capsys.readouterr()
    (path,) = Path("prof").glob("plugins/profile/*/*.xplane.pb")
    assert b"Conv2D" in path.read_bytes()
    assert json.loads(captured.out)["files"]["profile"] == "prof"
    assert "wrote a profile to prof; to look at it: pip install xprof, then xprof --logdir prof" in captured.err


def test_three_evaluations_at_the_full_size_are_recorded(folder, calls):
    assert cli.main([*PROFILED, "--width=128", "--scales=2", "--scale-iterations=2"]) == 0
    assert calls == ALL


def test_a_run_that_ends_before_has_recorded_what_there_was(folder, calls):
    assert cli.main([*PROFILED, "--iterations=2"]) == 0
    assert calls == [*ALL[:6], "stop"] or calls == [*ALL[:5], "begin 2", "end 2", "stop"]


@pytest.mark.parametrize("name", ["start", "stop", "Trace"])
@pytest.mark.parametrize("error", [RuntimeError("no\ncounters"), tf.errors.UnavailableError(None, None, "no counters")])
def test_a_profiler_that_fails_does_not_end_the_run(folder, monkeypatch, calls, name, error, capsys):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr(tf.profiler.experimental, name, fails)
    assert cli.main(PROFILED) == 0
    assert Path("out.png").is_file()
    err = capsys.readouterr().err
    assert "error: --profile: TensorFlow's profiler failed (no counters); the run goes on without it" in err
    assert "wrote a profile" not in err or name == "Trace"
    assert "6" in err


def test_the_picture_is_the_same(folder):
    assert cli.main(PROFILED) == 0
    profiled = Path("out.png").read_bytes()
    assert cli.main([*PROFILED[:-1], "--overwrite"]) == 0
    assert Path("out.png").read_bytes() == profiled
