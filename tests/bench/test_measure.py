import json

import pytest

from neural_style.bench import measure as bench
from neural_style.cli import main as cli
from neural_style.config import config
from neural_style.config.config import LOSS_FACTORS, Config
from neural_style.errors import NeuralStyleError, UsageError

EXAMPLE = {"weights": "builtin", "style": str(bench.EXAMPLES / "swirls.jpg")}


def options(*sections, content=str(bench.EXAMPLES / "lakeside.jpg"), **changes):
    """What to measure, small."""
    given = {"widths": (48,), "repeats": 1, "short": True, "pictures": None, "json": None, "content": content}
    given["precision"] = "auto"
    return bench.Options(sections=sections, **{**given, **EXAMPLE, **changes})


@pytest.fixture
def short_runs(monkeypatch):
    """A classic run of a few iterations, which ours, as short, soon catches up with."""
    monkeypatch.setattr(bench, "CLASSIC", {**bench.CLASSIC, "iterations": 3})
    monkeypatch.setitem(config.LEFT_TO_OPTIMIZER, "lbfgs", {"iterations": 12})


def test_defaults_and_flags():
    parsed = bench.parse([])
    assert (parsed.sections, parsed.widths, parsed.repeats, parsed.short) == (bench.SECTIONS, (), 7, False)
    parsed = bench.parse(["quality", "--width=64", "--width=48", "--repeats=2", "--short", "eval", "--json=x.json"])
    assert (parsed.sections, parsed.widths, parsed.repeats) == (("eval", "quality"), (64, 48), 2)
    assert (parsed.short, parsed.json, parsed.pictures) == (True, "x.json", None)


@pytest.mark.parametrize(
    "arguments", [["--width=31"], ["--width=wide"], ["--repeats=0"], ["--speed"], ["now"]], ids=str
)
def test_mistakes_are_told(arguments):
    with pytest.raises(UsageError, match=r"^bench: .*sections: eval, optimizer, startup, quality, tiles, memory$"):
        bench.parse(arguments)


def test_the_classic_run_is_that_of_the_field():
    config = Config("photo", ["painting"], **bench.CLASSIC)
    assert (config.optimizer, config.learning_rate, config.iterations) == ("adam", 10, 1000)
    assert [*config.scale_plan(512, 384)] == [(512, 384, 1000)]


def test_evaluations_are_compared_with_float32_and_with_their_convolutions():
    told = []
    rows = bench.measure(options("eval"), say=told.append)["eval"]
    assert told == ["timing eval at 48 px"]
    assert rows[0]["precision"] == "float32"
    assert rows[0]["vs float32"] == 1
    for row in rows:
        assert row["s per Mpx"] == pytest.approx(row["evaluation s"] / (48 * 48 / 1e6))
        assert row["vs float32"] == pytest.approx(rows[0]["evaluation s"] / row["evaluation s"])
        assert 0 < row["vs convolutions"] < 1000


def test_pytorch_computes_the_same_loss(network):
    pytest.importorskip("torch")
    from neural_style.compute.objective import LossGraph, Objective

    config = Config("photo", ["painting"], loss="athalye")
    content, style, start = bench._random_pictures(48)
    objective = Objective(LossGraph(config, network), content, [style])
    ours = float(objective.value_and_grad(objective.encode(start))[0].total)
    assert bench._torch_evaluation(config, network, content, style, start)() == pytest.approx(ours, rel=1e-3)


def test_convolutions_are_counted_as_the_evaluation_makes_them():
    counts = bench._convolution_counts(Config("photo", ["painting"]))
    assert sum(counts.values()) == 2 * 13  # conv1_1 to conv5_1, forward and back
    assert counts["forward", (4, 512, 512)] == counts["backward", (4, 512, 512)] == 3
    actions = bench._convolutions(Config("photo", ["painting"]), 48, "float32")
    assert set(actions) == {f"{direction} {shape}" for direction, shape in counts}
    assert actions["forward (1, 3, 64)"]().shape == (1, 48, 48, 64)
    assert actions["backward (2, 64, 128)"]().shape == (1, 24, 24, 64)


def test_optimizers_are_compared_by_their_own_share():
    rows = bench.measure(options("optimizer"), say=lambda _: None)["optimizer"]
    assert [row["optimizer"] for row in rows] == ["adam", "lbfgs", "scipy"]
    assert all(row["own"] > 0 for row in rows)


def test_startup_is_measured_in_a_new_process():
    (row,) = bench.measure(options("startup"), say=lambda _: None)["startup"]
    phases = [row[name] for name in ("import s", "network, targets, start s", "first step s")]
    assert all(phase > 0 for phase in phases)
    assert row["together s"] == pytest.approx(sum(phases))


@pytest.mark.parametrize("short", [True, False])
def test_quality_is_the_time_to_the_loss_of_the_classic_run(tmp_path, short_runs, short):
    del short_runs
    rows = bench.measure(options("quality", short=short, pictures=str(tmp_path)), say=lambda _: None)["quality"]
    assert [row["loss"] for row in rows] == list(LOSS_FACTORS)
    (row,) = (row for row in rows if row["loss"] == "athalye")
    assert row["px"] == "48×32"
    assert row["end loss"] <= bench.WITHIN * row["classic loss"]
    assert row["evaluations"] >= 1
    assert row["to loss s"] <= row["to end s"]
    assert row["sooner"] == pytest.approx(row["classic s"] / row["to loss s"])
    names = {"classic-48.png", "equal-athalye-48.png", *(f"default-{loss}-48.png" for loss in LOSS_FACTORS)}
    assert names <= {path.name for path in tmp_path.iterdir()} <= {*names, "equal-balanced-48.png"}


def test_quality_says_nothing_of_a_loss_that_is_not_reached(monkeypatch, short_runs):
    del short_runs
    monkeypatch.setattr(bench, "WITHIN", 1e-9)
    rows = bench.measure(options("quality"), say=lambda _: None)["quality"]
    row = rows[-1]
    assert row["to loss s"] is None
    assert row["sooner"] is None


def test_tiles_are_compared_with_the_whole_picture():
    (row,) = bench.measure(options("tiles", widths=(96,)), say=lambda _: None)["tiles"]
    assert (row["px"], row["tile px"]) == (96, 32)
    assert 0 < row["gradient difference"] < 1e-5
    assert row["loss difference"] < 1e-5
    assert row["tiled / whole"] == pytest.approx(row["tiled s"] / row["whole s"])


def test_memory_is_that_of_runs_of_their_own(monkeypatch):
    """Whole and in tiles: 2 seconds for each evaluation, and 2 GB."""
    commands = []

    def watched(command):
        commands.append(command)
        return [1.0, 3.0, 5.0], 2 * 10**9

    monkeypatch.setattr(bench, "_watched", watched)
    whole, tiled = bench.measure(options("memory", widths=(128,)), say=lambda _: None)["memory"]
    assert (whole["plan"], tiled["plan"]) == ("whole", "tiles of 64 px")
    assert [row["peak GB"] for row in (whole, tiled)] == [2, 2]
    assert whole["predicted / peak"] == pytest.approx(whole["predicted GB"] / 2)
    assert whole["s per Mpx"] == tiled["s per Mpx"] == pytest.approx(2 / (128**2 / 1e6))
    assert tiled["vs whole"] == 1
    assert not any("--tile_size" in word for word in commands[0])
    assert "--tile_size=64" in commands[1]
    assert all(command[command.index("--memory") + 1] == "3GB" for command in commands)
    assert commands[0][commands[0].index("--iterations") + 1] == "12"  # as many as fill a history of 10 pairs


def test_peak_and_times_of_a_run(pictures, tmp_path):
    command = [
        bench.sys.executable,
        "-m",
        "neural_style",
        "--content",
        str(pictures / "photo.png"),
        "--iterations",
        "2",
    ]
    command += ["--styles", str(pictures / "style.png"), "--output", str(tmp_path / "out.jpg"), "--weights", "builtin"]
    marks, peak = bench._watched([*command, "--print_iterations", "1", "--scales", "1"])
    assert marks == sorted(marks)
    assert len(marks) == 3
    assert 3e8 < peak < 5e9
    with pytest.raises(NeuralStyleError, match=r"^bench: a run failed: .*tile_size"):
        bench._watched([*command, "--tile_size", "3"])


def test_growth_is_told_over_the_rows_in_tiles():
    rows = [{"px": px, "tiled": True, "evaluation s": (px / 100) ** 2.2} for px in (100, 200, 400)]
    rows.insert(1, {"px": 100, "tiled": False, "evaluation s": 0.5})
    bench._compare_sizes(rows)
    assert "exponent" not in rows[0]
    assert [row["exponent"] for row in rows[2:]] == pytest.approx([1.1, 1.1])
    assert rows[0]["vs whole"] == pytest.approx(2)
    assert not any("tiled" in row for row in rows)


def test_table_lines_up_and_explains_itself():
    rows = [{"px": 64, "evaluation s": 0.25, "vs PyTorch float32": None}, {"px": 512, "evaluation s": 1.0}]
    title, header, first, second, note = bench.table({"eval": rows}).splitlines()
    assert title == "eval"
    assert header.split("  ")[-1] == "vs PyTorch float32"
    assert first.split() == ["64", "0.25"]
    assert second.split() == ["512", "1"]
    assert len(header) == len(first) == len(second)
    assert "how many times faster" in note


def test_the_command_prints_tables_and_writes_json(tmp_path, capsys):
    path = tmp_path / "new" / "bench.json"
    assert cli.main(["bench", "optimizer", "--width=32", "--repeats=1", f"--json={path}"]) == 0
    assert capsys.readouterr().out.startswith("optimizer\n")
    results = json.loads(path.read_text())
    assert [row["px"] for row in results["optimizer"]] == [32] * 3
    assert results["tensorflow"]


def test_the_command_tells_of_mistakes_in_one_line(capsys):
    assert cli.main(["bench", "--speed"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
