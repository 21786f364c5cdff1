"""Section `startup`: what a new process takes until its first evaluation."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np

from neural_style.bench.measuring import Row, random_pictures
from neural_style.config.config import Config
from neural_style.errors import NeuralStyleError

if TYPE_CHECKING:
    from neural_style.bench.options import Options
    from neural_style.bench.program import Network

NOTE = "seconds of a new process that uses the library, in turn: import, network and targets, first evaluation."

PROCESSES = 3
"""How many are started at most."""

_PHASES = ("import s", "network, targets, start s", "first step s")

_SCRIPT = """
import json, sys, time
began = time.perf_counter()
from neural_style.bench import startup
print(json.dumps(startup.time_phases(began, *json.loads(sys.argv[1]))))
"""


def measure(options: Options, network: Network, width: int) -> list[Row]:
    """Return medians over new processes; each loads its own network."""
    del network
    rows = [_new_process(options.weights, width, options.preset) for _ in range(min(options.repeats, PROCESSES))]
    medians = {phase: statistics.median(row[phase] for row in rows) for phase in _PHASES}
    return [{"px": width, **medians, "together s": statistics.median(sum(row.values()) for row in rows)}]


def time_phases(began: float, weights: str, width: int, preset: str | None) -> Row:
    """Return the seconds of each phase in this process, which began at `time.perf_counter() == began`."""
    from neural_style import stylize

    marks = [began, time.perf_counter()]
    content, style, _ = random_pictures(width).astype(np.uint8)
    steps = stylize(Config.of_preset(preset, content=content, styles=[style], weights=weights, scales="1"))
    for _ in range(2):  # the start image, and the step after it
        next(steps)
        marks.append(time.perf_counter())
    return dict(zip(_PHASES, np.diff(marks).tolist(), strict=True))


def _new_process(weights: str, width: int, preset: str | None) -> Row:
    command = [sys.executable, "-c", _SCRIPT, json.dumps([weights, width, preset])]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode:
        reason = process.stderr.strip().rpartition("\n")[2]
        raise NeuralStyleError(f"bench: a new process failed: {reason}")
    return json.loads(process.stdout.splitlines()[-1])
