import dataclasses
import json

import pytest

from neural_style import bench, cli
from neural_style.errors import UsageError


def test_defaults_and_flags():
    assert bench.parse([]) == bench.Options((256, 512), 7, None)
    assert bench.parse(["--width=64", "--width=48", "--repeats=2", "--json=x.json"]) == bench.Options(
        (64, 48), 2, "x.json"
    )


@pytest.mark.parametrize(
    "arguments", [["--width=31"], ["--width=wide"], ["--repeats=0"], ["--speed"], ["now"]], ids=str
)
def test_mistakes_are_told(arguments):
    with pytest.raises(UsageError, match=r"^bench: "):
        bench.parse(arguments)


def test_times_are_measured():
    told = []
    (timing,) = bench.measure(bench.Options((32,), 2, None), say=told.append)
    assert told == ["timing 32×32 px"]
    seconds = dataclasses.asdict(timing)
    assert seconds.pop("width") == 32
    assert all(0 < value < 60 for value in seconds.values())
    assert timing.first > timing.evaluation  # it builds the graph as well


def test_table_gives_ratios():
    slow = bench.Timing(width=500, first=5.0, forward=0.25, evaluation=0.5, adam=0.75, lbfgs=1.0)
    header, row, note = bench.table([slow]).splitlines()
    assert header.split() == ["px", "evaluation", "per", "Mpx", "forward", "Adam", "L-BFGS", "first"]
    assert row.split() == ["500", "0.500", "s", "2.00", "s", "0.50", "1.50", "2.00", "10.0"]
    assert "multiples of the evaluation" in note


def test_the_command_prints_a_table_and_writes_json(tmp_path, capsys):
    path = tmp_path / "new" / "bench.json"
    assert cli.main(["bench", "--width=32", "--repeats=1", f"--json={path}"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    results = json.loads(path.read_text())
    assert [timing["width"] for timing in results["seconds"]] == [32]
    assert results["seconds"][0]["evaluation"] > 0
    assert results["tensorflow"]


def test_the_command_tells_of_mistakes_in_one_line(capsys):
    assert cli.main(["bench", "--speed"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
