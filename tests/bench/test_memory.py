import os
import sys

import numpy as np
import pytest
from benchmarks import options, rows_of
from command_line import TINY

from neural_style.bench import memory, suite
from neural_style.errors import NeuralStyleError, UsageError

needs_wait4 = pytest.mark.skipif(not hasattr(os, "wait4"), reason="this system does not tell the peak of a process")


@needs_wait4
def test_memory_is_that_of_runs_of_their_own(monkeypatch):
    """Whole and in tiles: 2 seconds for each evaluation, and 2 GB."""
    commands = []

    def watch(command):
        commands.append(command)
        return [1.0, 3.0, 5.0], 2 * 10**9

    monkeypatch.setattr(memory, "watch", watch)
    whole, tiled = rows_of("memory", widths=(128,))
    assert (whole["plan"], tiled["plan"]) == ("whole", "tiles of 64 px")
    assert [row["peak GB"] for row in (whole, tiled)] == [2, 2]
    assert whole["predicted / peak"] == pytest.approx(whole["predicted GB"] / 2)
    assert whole["s per Mpx"] == tiled["s per Mpx"] == pytest.approx(2 / (128**2 / 1e6))
    assert tiled["vs whole"] == 1
    assert not any("--tile_size" in word for word in commands[0])
    assert "--tile_size=64" in commands[1]
    assert all(command[command.index("--memory") + 1] == "3GB" for command in commands)
    assert commands[0][commands[0].index("--iterations") + 1] == "32"  # as many as fill a history of 30 pairs


@needs_wait4
def test_a_preset_is_planned_and_run_as_such(monkeypatch):
    commands = []
    monkeypatch.setattr(memory, "watch", lambda command: (commands.append(command), ([1.0, 3.0], 10**9))[1])
    usual, _ = rows_of("memory", widths=(128,))
    before = len(commands)
    rows = rows_of("memory", widths=(128,), preset="crowson")
    assert all("--preset=crowson" in command for command in commands[before:])
    assert not any("--preset" in word for command in commands[:before] for word in command)
    assert rows[0]["predicted GB"] != usual["predicted GB"]
    assert commands[before][commands[before].index("--iterations") + 1] == "2"  # it has no history to fill


@needs_wait4
def test_peak_and_times_of_a_run(pictures, tmp_path):
    command = [sys.executable, "-m", "neural_style", "--content", str(pictures / "photo.png"), *TINY, "--iterations=2"]
    command += ["--styles", str(pictures / "style.png"), "--output", str(tmp_path / "out.jpg")]
    marks, peak = memory.watch([*command, "--print_iterations", "1", "--scales", "1"])
    assert marks == sorted(marks)
    assert len(marks) == 3
    assert 3e8 < peak < 5e9
    with pytest.raises(NeuralStyleError, match=r"^bench: a run failed: .*tile_size"):
        memory.watch([*command, "--tile_size", "3"])


@needs_wait4
def test_peak_of_a_command_is_not_that_of_who_starts_it():
    held = np.ones(40_000_000)
    assert memory.watch([sys.executable, "-S", "-c", "print('hello')"])[1] < 1e8 < held.nbytes


def test_a_system_that_tells_no_peaks_is_known_before_anything_is_measured(monkeypatch):
    told = []
    monkeypatch.delattr("os.wait4", raising=False)
    with pytest.raises(UsageError, match=r"^bench: memory .*; name the other sections$"):
        suite.measure(options("eval", "memory"), say=told.append)
    assert not told


def test_growth_is_told_over_the_rows_in_tiles():
    rows = [{"px": px, "tiled": True, "evaluation s": (px / 100) ** 2.2} for px in (100, 200, 400)]
    rows.insert(1, {"px": 100, "tiled": False, "evaluation s": 0.5})
    memory.compare_sizes(rows)
    assert "exponent" not in rows[0]
    assert [row["exponent"] for row in rows[2:]] == pytest.approx([1.1, 1.1])
    assert rows[0]["vs whole"] == pytest.approx(2)
    assert not any("tiled" in row for row in rows)
