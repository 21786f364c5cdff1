import json

import pytest
from benchmarks import SHALLOW, change_settings, options

from neural_style.bench import suite
from neural_style.bench.sections import SECTIONS, Section
from neural_style.cli import main as cli
from neural_style.errors import OutOfMemoryError


def replace_eval(monkeypatch, **parts):
    monkeypatch.setattr(suite, "SECTIONS", {**SECTIONS, "eval": Section(**{"note": "", **parts})})


def test_widths_of_a_section_are_measured_in_turn_and_said(monkeypatch):
    told, finished = [], []
    replace_eval(
        monkeypatch, measure=lambda options, network, width: [{"px": width}], widths=(64, 128), finish=finished.append
    )
    results = suite.measure(options("eval", widths=()), say=told.append)
    assert told == ["timing eval at 64 px", "timing eval at 128 px"]
    assert results == {"eval": [{"px": 64}, {"px": 128}]}
    assert finished == [results["eval"]]
    assert suite.measure(options("eval", widths=(48,)), say=told.append) == {"eval": [{"px": 48}]}


def test_too_little_memory_is_told_with_the_remedy(monkeypatch):
    def measure(*_):
        raise MemoryError

    replace_eval(monkeypatch, measure=measure)
    with pytest.raises(OutOfMemoryError, match=r"^bench: memory is too small .*; lower --width$"):
        suite.measure(options("eval"), say=lambda _: None)


def test_the_command_prints_tables_and_writes_json(tmp_path, capsys, monkeypatch):
    change_settings(monkeypatch, history_size=2, **SHALLOW)
    path = tmp_path / "new" / "bench.json"
    assert cli.main(["bench", "optimizer", "--width=32", "--repeats=1", f"--json={path}"]) == 0
    assert capsys.readouterr().out.startswith("optimizer\n")
    results = json.loads(path.read_text())
    assert [row["px"] for row in results["optimizer"]] == [32] * 3
    assert results["tensorflow"]


def test_the_command_tells_of_mistakes_in_one_line(capsys):
    assert cli.main(["bench", "--speed"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
