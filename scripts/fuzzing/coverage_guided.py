"""Lets atheris choose the damage: it keeps files that make other lines of this project's readers run."""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import atheris

from fuzzing.mutations import MOST_BYTES, mutated
from fuzzing.pool import SECONDS
from fuzzing.targets import TARGETS, target
from neural_style.errors import NeuralStyleError


def run(name: str, kinds: Sequence[str], seconds: float | None, cases: int | None, findings: Path) -> None:
    """Read files that atheris makes until one is a finding. Ends the process.

    Args:
        name: the target.
        kinds: kinds of files to begin with; none for all.
        seconds: when to end.
        cases: after how many files to end.
        findings: folder for the finding.
    """
    with atheris.instrument_imports(include=[TARGETS[name][1]]):
        read = target(name)
    made = read.seeds()
    seeds = [(kind, data) for kind in kinds or made for data in made[kind]]
    suffix = kinds[0] if kinds else "bin"
    folder = Path(tempfile.mkdtemp())
    (folder / "corpus").mkdir()
    for index, (_, data) in enumerate(seeds):
        (folder / "corpus" / str(index)).write_bytes(data)
    findings.mkdir(parents=True, exist_ok=True)

    def test(data: bytes) -> None:
        path = folder / f"case.{suffix}"
        path.write_bytes(data)
        try:
            read.read(str(path))
        except NeuralStyleError as error:
            if error.exit_code != 2 or not str(error).isprintable():
                raise AssertionError(f"expected one line and exit code 2, got {error!r}") from error

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() < 0.5:
            return atheris.Mutate(data, most)
        kind, other = chance.choice(seeds)
        return read.repair(kind, mutated(data or other, [other], chance), chance)[:most]

    options = [f"-max_len={MOST_BYTES}", f"-timeout={SECONDS:.0f}", "-rss_limit_mb=2048"]
    options += [f"-artifact_prefix={findings}/", *([f"-max_total_time={seconds:.0f}"] if seconds else [])]
    options += [f"-runs={cases}"] if cases else []
    atheris.Setup([sys.argv[0], *options, str(folder / "corpus")], test, custom_mutator=mutate)
    atheris.Fuzz()
