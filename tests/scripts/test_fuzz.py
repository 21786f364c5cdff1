"""scripts/fuzz: what it makes of files, and what it finds."""

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"

BROKEN = """
import os, time
from neural_style.errors import DivergenceError, ImageError
SLOW = frozenset()
def seeds(): return {"x": [b"good"]}
def repair(kind, data, chance): return data
def read(path):
    data = open(path, "rb").read()
    if data == b"dies": os.abort()
    if data == b"spins":
        while True: pass
    if data == b"grows": return len(b"x" * (2**30 + 2**27))
    if data == b"grows more": return len(bytes(2**36))
    if data == b"breaks": raise ValueError("damaged")
    if data == b"two lines": raise ImageError("one\\\\ntwo")
    if data == b"other code": raise DivergenceError("x")
    if data == b"refused": raise ImageError("x")
"""


@pytest.fixture
def fuzzing(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import fuzzing.mutations
    import fuzzing.pool
    import fuzzing.targets

    return fuzzing


def test_cases_follow_from_their_number_and_differ_from_their_seeds(fuzzing):
    seeds = [bytes(range(200)), b"RIFF" + bytes(100)]
    made = [fuzzing.mutations.mutated(seeds[0], seeds, random.Random(index)) for index in range(300)]
    assert made == [fuzzing.mutations.mutated(seeds[0], seeds, random.Random(index)) for index in range(300)]
    assert sum(data != seeds[0] for data in made) > 290
    assert len(set(made)) > 280
    lengths = Counter(len(data) - 200 for data in made)
    assert min(lengths) < -50
    assert max(lengths) > 50


def test_whatever_breaks_is_found(fuzzing, tmp_path, monkeypatch):
    (tmp_path / "broken_reader.py").write_text(BROKEN.replace("\\\\n", "\\n"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(fuzzing.pool, "SECONDS", 3.0)
    worker = fuzzing.pool.Worker("broken_reader")
    expected = {
        "good": "read",
        "dies": "death of the process",
        "refused": "refused",
        "spins": "hang",
        "grows": "memory",
        "grows more": "MemoryError",
        "breaks": "ValueError",
        "two lines": "message of several lines",
        "other code": "wrong exit code",
    }
    found = {}
    for text in expected:
        (tmp_path / "case.x").write_text(text)
        found[text] = worker.read(tmp_path / "case.x").outcome
    worker.end()
    assert found == expected


def test_findings_are_saved(fuzzing, tmp_path, monkeypatch):
    (tmp_path / "broken_reader.py").write_text(
        BROKEN.replace('b"refused": raise ImageError', 'b"good": raise KeyError')
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(fuzzing.targets.TARGETS, "broken", ("broken_reader", "x"))
    monkeypatch.setattr(fuzzing.pool, "mutated", lambda seed, *_: seed)
    import fuzz_readers

    run = fuzzing.pool.Fuzzing("broken", 0, [], tmp_path / "found")
    assert "KeyError" in run.check_seeds(tmp_path)[0]
    run.run(4, None, 1, tmp_path / "scratch")
    assert run.tallies["x"].outcomes == {"KeyError": 4}
    assert not fuzz_readers.report(run, 1.0)
    (saved,) = (tmp_path / "found").glob("*.x")
    assert saved.read_bytes() == b"good"
    assert "Traceback" in Path(f"{saved}.txt").read_text()


KINDS = ("png", "gif", "ppm", "webp")


def test_seeds_are_read_and_damaged_pictures_break_nothing(tmp_path):
    run = [sys.executable, SCRIPTS / "fuzz_readers.py", "images", "--cases", "40", "--workers", "1", "--kinds", *KINDS]
    done = subprocess.run([*run, "--findings", tmp_path / "found"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("40 cases in ")
    assert not (tmp_path / "found").exists()
