#!/usr/bin/env python3
"""Kills runs at random moments, lets them go on, and compares what they end with to a run that was left alone."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from PIL import Image

from neural_style.cli import main as cli
from neural_style.cli.tensorflow_import import import_tensorflow
from neural_style.runs.session_state import SessionState

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"

SHARED = (
    *(f"--content={EXAMPLES / 'lakeside.jpg'}", f"--styles={EXAMPLES / 'swirls.jpg'}", "--weights=builtin"),
    *("--content_layers=relu2_1", "--style_layers=relu1_1", "--style_layers=relu2_1", "--progress_write"),
    *("--iterations=10", "--scale_iterations=6", "--tolerance=0", "--output=out.png"),
)

OFTEN = ("--workdir=work", "--checkpoint_minutes=0.00001")
"""A checkpoint after every evaluation, so that many kills come while one is written."""

RUNS: dict[str, tuple[str, ...]] = {
    "L-BFGS, two sizes": ("--width=160", "--scales=2", "--optimizer=lbfgs"),
    "L-BFGS, tiles": ("--width=140", "--scales=1", "--optimizer=lbfgs", "--tile_size=64"),
    "L-BFGS, bfloat16": ("--width=96", "--scales=1", "--optimizer=lbfgs", "--precision=bfloat16"),
    "Adam, two sizes": ("--width=160", "--scales=2", "--optimizer=adam"),
    "Adam in place": ("--width=140", "--scales=1", "--optimizer=adam", "--tile_size=64"),
    "Adam, tiles, two sizes": ("--width=272", "--scales=2", "--optimizer=adam", "--tile_size=128"),
    "Adam, averaged": ("--width=160", "--scales=2", "--optimizer=adam", "--average_iterates=0.9"),
    "Adam, bfloat16": ("--width=96", "--scales=1", "--optimizer=adam", "--precision=bfloat16"),
    "SGD": ("--width=160", "--scales=2", "--optimizer=sgd", "--learning_rate=0.001"),
}
"""What is killed -> its flags."""

MOST_KILLS = 6
"""Of one run, before it may end."""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=40, help="how many (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=600, help="end after so many, at least (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="other seeds give other moments (default: %(default)s)")
    return parser.parse_args()


def main() -> int:
    """Run the program; return its exit code."""
    arguments = parse_args()
    chance, begin = random.Random(arguments.seed), time.monotonic()
    import_tensorflow()  # once; each run is a fork of this process, which never computes anything itself
    folder = Path(tempfile.mkdtemp(prefix="neural-style-soak-"))
    places = {name: folder / f"reference {index}" for index, name in enumerate(RUNS)}
    references = {name: Reference(places[name], flags) for name, flags in RUNS.items()}
    counts = {name: Counts() for name in RUNS}
    findings = []
    number = 0
    while sum(each.kills for each in counts.values()) < arguments.kills:
        if time.monotonic() - begin > arguments.seconds:
            break
        name = list(RUNS)[number % len(RUNS)]
        place = folder / f"run {number}"
        finding = killed_again_and_again(place, references[name], counts[name], chance)
        if finding:
            findings.append(f"{name}: {finding} (see {place})")
        else:
            shutil.rmtree(place)
        number += 1
    report(counts, time.monotonic() - begin)
    print(*findings, sep="\n")
    if not findings:
        shutil.rmtree(folder)
    return 1 if findings else 0


class Counts:
    """What was done with one kind of run."""

    def __init__(self) -> None:
        self.runs = self.kills = self.begun = self.resumes = self.equal = 0


class Reference:
    """A run that was left alone."""

    def __init__(self, folder: Path, flags: Sequence[str]):
        """Make the run."""
        self.flags = (*SHARED, *flags)
        folder.mkdir()
        begin = time.monotonic()
        code = ended(started(folder, [*self.flags, *OFTEN]))
        self.seconds = time.monotonic() - begin
        if code:
            sys.exit(f"the run without kills: exit code {code}; see {folder / 'log'}")
        self.files = results(folder)


def killed_again_and_again(place: Path, reference: Reference, counts: Counts, chance: random.Random) -> str:
    """Kill a run some times, let it end, and compare; return what is wrong, if anything."""
    place.mkdir()
    counts.runs += 1
    for _ in range(chance.randint(1, MOST_KILLS)):
        process = started(place, arguments_of(place, reference, counts))
        time.sleep(chance.uniform(0.05, 1.0) * reference.seconds)
        os.kill(process, signal.SIGKILL)
        code = ended(process)
        if code not in (0, -signal.SIGKILL):
            return f"exit code {code} before it was killed"
        if code == 0:
            break
        counts.kills += 1
        if wrong := what_is_torn(place):
            return wrong
    code = ended(started(place, arguments_of(place, reference, counts)))
    if code:
        return f"exit code {code}"
    if results(place) != reference.files:
        return "another picture or table"
    counts.equal += 1
    return ""


def arguments_of(place: Path, reference: Reference, counts: Counts) -> list[str]:
    """Return the flags with which a run goes on, or begins if it has no checkpoint yet."""
    if any((place / "work").glob("checkpoint-*")):
        counts.resumes += 1
        return ["--resume=work", OFTEN[1]]
    counts.begun += 1
    return [*reference.flags, *OFTEN]


def started(folder: Path, arguments: Sequence[str]) -> int:
    """Begin a run in a folder, and return the number of its process."""
    process = os.fork()
    if process:
        return process
    code = 99
    try:
        os.chdir(folder)
        log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        code = cli.main(list(arguments))
    finally:
        os._exit(code)


def ended(process: int) -> int:
    """Wait for a process; return its exit code, or less than 0 for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def results(folder: Path) -> tuple[bytes, bytes]:
    """Return the bytes of the picture and of the table of losses."""
    return (folder / "out.png").read_bytes(), (folder / "out-progress.txt").read_bytes()


def what_is_torn(place: Path) -> str:
    """Return what file a killed run left that is not whole, if any. Hidden files do not count."""
    try:
        for path in (place / "work").glob("checkpoint-*"):
            SessionState.load(path)
        if (place / "out.png").exists():
            with Image.open(place / "out.png") as image:
                image.load()
        if (place / "out-progress.txt").exists():
            np.loadtxt(place / "out-progress.txt")
    except (OSError, ValueError) as error:  # a CheckpointError is a ValueError
        return f"a torn file: {error}"
    return ""


def report(counts: dict[str, Counts], seconds: float) -> None:
    """Print a table."""
    print(f"{'':24} kills  of these before the first checkpoint  resumes  runs  ended with the same bytes")
    for name, each in counts.items():
        begun_again = each.begun - each.runs
        print(f"{name:24} {each.kills:5} {begun_again:37} {each.resumes:8} {each.runs:5} {each.equal:26}")
    kills, resumes, runs, equal = (
        sum(getattr(each, key) for each in counts.values()) for key in ("kills", "resumes", "runs", "equal")
    )
    print(f"{kills} kills, {resumes} resumes, {equal} of {runs} runs ended with the same bytes, in {seconds:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
