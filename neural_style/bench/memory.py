"""Section `memory`: peaks of whole runs, planned and measured, and how their times grow with the picture."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from neural_style.bench import program
from neural_style.bench.measuring import Row
from neural_style.config.defaults import LEAST_TILE, STEPPING
from neural_style.errors import NeuralStyleError, UsageError

if TYPE_CHECKING:
    from neural_style.bench.options import Options

NOTE = (
    "GB of 10⁹ bytes; peak: resident memory of a process that makes as many evaluations as fill L-BFGS's "
    "history, or 3; vs whole: time per pixel, as a multiple of that of the largest picture computed whole; "
    "exponent: how the evaluation's time grows with the pixels, over the rows in tiles up to there."
)

WIDTHS = (512, 1024, 2048, 4096, 8192)
"""Widths in pixels if none are given."""

BUDGETS = ((4096**2, "3GB"), (8192**2, "6GB"))
"""(Most pixels, memory that a run is given); larger pictures get the last."""

_EVALUATIONS = 3
"""Of a run, besides those that fill a history; TensorFlow traces functions in the first."""

_LAUNCHER = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status) != 0)
"""
"""Runs a command and prints its peak. It is a small process, since Linux counts the peak of whoever starts a command as
the command's own."""


def prepare(options: Options) -> None:
    """Make sure that this system tells the peak memory of a process.

    Raises:
        UsageError: it does not.
    """
    del options
    if not hasattr(os, "wait4"):
        raise UsageError("bench: memory can be measured on Linux and macOS only; name the other sections")


def measure(options: Options, network: program.Network, width: int) -> list[Row]:
    """Run a square picture as the memory given allows, and a small one in tiles as well."""
    memory_size = next((size for most, size in BUDGETS if width**2 <= most), BUDGETS[-1][1])
    rows = [_measure_run(options, network, width, memory_size, None)]
    half = max(width // 2, LEAST_TILE)
    if not rows[0]["tiled"] and half < width:
        rows.append(_measure_run(options, network, width, memory_size, half))
    return rows


def compare_sizes(rows: Sequence[Row]) -> None:
    """Add times per pixel, and how they grow.

    The exponent e is that of `seconds = c · pixels^e`, fitted in logarithms to the rows in tiles so far.
    """
    whole = [row for row in rows if not row["tiled"]]
    tiled: list[Row] = []
    for row in rows:
        row["s per Mpx"] = row["evaluation s"] / (row["px"] ** 2 / 1e6)
        if row.pop("tiled"):
            tiled.append(row)
            if whole:
                largest = max(whole, key=lambda each: each["px"])
                row["vs whole"] = row["s per Mpx"] / (largest["evaluation s"] / (largest["px"] ** 2 / 1e6))
            if len({each["px"] for each in tiled}) > 1:
                pixels, seconds = ([np.log(each[key]) for each in tiled] for key in ("px", "evaluation s"))
                row["exponent"] = float(np.polyfit(np.multiply(pixels, 2), seconds, 1)[0])


def _measure_run(
    options: Options, network: program.Network, width: int, memory_size: str, tile_size: int | None
) -> Row:
    """Return plan, peak of resident memory, and seconds of an evaluation of a run in its own process."""
    config = options.config(memory=memory_size, tile_size=tile_size, scales="1", width=width)
    resolved = program.resolve(config, network)
    precision = program.precision_of(config)
    plan = program.plan(resolved, precision, width, memory_size)
    evaluations = _EVALUATIONS + (0 if plan.optimizer in STEPPING else plan.history_size)
    flags = ["--width", str(width), "--memory", memory_size, "--scales", "1", "--iterations", str(evaluations - 1)]
    flags += ["--print_iterations", "1", "--precision", precision, "--weights", config.weights]
    flags += [f"--tile_size={tile_size}"] if tile_size else []
    flags += [f"--preset={options.preset}"] if options.preset else []
    marks, peak = _run_command_line(flags)
    return {
        "px": width,
        "precision": precision,
        "given": memory_size,
        "plan": plan.described(resolved).partition(" px ")[2],
        "tiled": plan.tile_size is not None,
        "predicted GB": plan.peak / 1e9,
        "peak GB": peak / 1e9,
        "predicted / peak": plan.peak / peak,
        "evaluation s": statistics.median(np.diff(marks).tolist()),
    }


def _run_command_line(flags: Sequence[str]) -> tuple[list[float], int]:
    """Watch `neural-style` paint noise in the look of noise."""
    with tempfile.TemporaryDirectory() as folder:
        content, style, output = (str(Path(folder, name)) for name in ("content.png", "style.png", "result.jpg"))
        for seed, path in enumerate((content, style)):
            Image.fromarray(np.random.default_rng(seed).integers(0, 256, (64, 64, 3), np.uint8)).save(path)
        command = [sys.executable, "-m", "neural_style", "--content", content, "--styles", style, "--output", output]
        return watch([*command, *flags])


def watch(command: Sequence[str]) -> tuple[list[float], int]:
    """Run a command; return when it showed each iteration, in seconds, and the peak of its resident memory in bytes.

    Raises:
        NeuralStyleError: the command failed.
    """
    marks, lines = [], []
    launcher = [sys.executable, "-S", "-c", _LAUNCHER, *command]
    with subprocess.Popen(launcher, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None and process.stdout is not None
        for line in process.stderr:
            lines.append(line)
            if line.startswith("iteration "):
                marks.append(time.perf_counter())
        peak = process.stdout.read()
    if process.returncode:
        raise NeuralStyleError(f"bench: a run failed: {''.join(lines[-1:]).strip()}")
    return marks, int(peak) * (1 if sys.platform == "darwin" else 1024)  # Linux counts in KiB
