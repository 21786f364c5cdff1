"""Runs cases in worker processes, a thread for each, and starts another where one has died or hangs."""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from fuzzing.mutations import mutated
from fuzzing.targets import TARGETS, target
from fuzzing.worker import Answer, work

SECONDS = 5.0
"""Most seconds of a processor that a case may take."""

_PATIENCE = 12
"""How many times as long a case may take by the clock, since other work may keep the processors busy."""

_SLOW_SHARE = 0.1
"""Share of their cases that kinds of files get that are slow to read; the rest goes to all kinds."""

_SPAWN = multiprocessing.get_context("spawn")
_GOOD = ("read", "refused")
_MOST_ALIKE = 3
"""Most findings of one kind of file and one last line of a traceback that are saved."""


@dataclass
class Tally:
    """What came of one kind of file."""

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    growth: int = 0

    def add(self, answer: Answer) -> None:
        """Count a case."""
        self.outcomes[answer.outcome] += 1
        self.slowest, self.growth = max(self.slowest, answer.seconds), max(self.growth, answer.growth)


class Fuzzing:
    """The cases of a target. Each follows from the seed and its number alone."""

    def __init__(self, name: str, seed: int, kinds: Sequence[str], findings: Path) -> None:
        self.name = name
        self.seed = seed
        self.folder = findings
        self.tallies: dict[str, Tally] = {}
        self._module = TARGETS[name][0]
        self._target = target(name)
        made = self._target.seeds()
        self._seeds = {kind: made[kind] for kind in kinds or made}
        self._next = 0
        self._lock = threading.Lock()
        self._saved: Counter[tuple[str, ...]] = Counter()

    @property
    def seeds(self) -> list[tuple[str, bytes]]:
        """The undamaged files, with their kinds."""
        return [(kind, data) for kind, files in self._seeds.items() for data in files]

    def case(self, number: int) -> tuple[str, bytes]:
        """Return the kind and the bytes of a case."""
        chance = random.Random(f"{self.seed}/{number}")
        kinds = list(self._seeds)
        kind = kinds[number % len(kinds)]
        if kind in self._target.SLOW and chance.random() > _SLOW_SHARE:
            kind = chance.choice(kinds)
        others = self._seeds[kind] if chance.random() < 0.8 else self._seeds[chance.choice(kinds)]
        data = mutated(chance.choice(self._seeds[kind]), others, chance)
        return kind, self._target.repair(kind, data, chance)

    def run(self, cases: int | None, seconds: float | None, workers: int, scratch: Path) -> None:
        """Run cases until there were as many, or until the time is over."""
        end = time.monotonic() + (seconds if seconds is not None else float("inf"))
        threads = [
            threading.Thread(target=self._serve, args=(cases, end, scratch / str(index)), daemon=True)
            for index in range(workers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def check_seeds(self, scratch: Path) -> list[str]:
        """Read the undamaged files; return what is wrong with them."""
        worker, problems = Worker(self._module), []
        for index, (kind, data) in enumerate(self.seeds):
            answer = worker.read(_written(scratch, kind, data))
            if answer.outcome != "read":
                problems.append(f"seed {index} ({kind}): {answer.outcome}: {answer.text}")
        worker.end()
        return problems

    def _serve(self, cases: int | None, end: float, scratch: Path) -> None:
        worker = Worker(self._module)
        while time.monotonic() < end:
            with self._lock:
                number, self._next = self._next, self._next + 1
            if cases is not None and number >= cases:
                break
            kind, data = self.case(number)
            path = _written(scratch, kind, data)
            answer = worker.read(path)
            with self._lock:
                self.tallies.setdefault(kind, Tally()).add(answer)
                if answer.outcome not in _GOOD:
                    self._save(kind, data, number, answer)
        worker.end()

    def _save(self, kind: str, data: bytes, number: int, answer: Answer) -> None:
        last = answer.text.strip().splitlines()[-1][:60] if answer.text else ""
        alike = (kind, answer.outcome, last)
        self._saved[alike] += 1
        if self._saved[alike] > _MOST_ALIKE:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        stem = f"{self.name}-{hashlib.sha256(data).hexdigest()[:12]}"
        (self.folder / f"{stem}.{kind}").write_bytes(data)
        said = f"{answer.outcome} (case {number} of seed {self.seed}, {answer.seconds:.2f} s)\n{answer.text}\n"
        (self.folder / f"{stem}.{kind}.txt").write_text(said, encoding="utf-8")
        print(f"finding: {self.folder / stem}.{kind}: {answer.outcome}: {last}", flush=True)


class Worker:
    """A process that reads files."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._start()

    def _start(self) -> None:
        self._connection, other = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=work, args=(self._module, other), daemon=True)
        self._process.start()
        other.close()
        self._connection.recv()

    def read(self, path: Path) -> Answer:
        """Have a file read; start another process if this one dies or hangs."""
        begin = time.monotonic()
        try:
            used = self._used()
            self._connection.send(str(path))
            while not (is_done := self._connection.poll(SECONDS)):
                if self._used() - used > SECONDS or time.monotonic() - begin > _PATIENCE * SECONDS:
                    break
            if is_done:
                answer = self._connection.recv()
                if answer.growth > 2**29 or answer.outcome not in _GOOD:
                    self._restart()  # so that what is left of it does not count for the next
                return answer
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode or 0
            self._restart()
            what = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            return Answer("death of the process", what, time.monotonic() - begin)
        self._restart()
        return Answer("hang", "", time.monotonic() - begin)

    def _used(self) -> float:
        """Return the seconds of a processor that the process has used; 0 if it is gone."""
        try:
            times = psutil.Process(self._process.pid).cpu_times()
        except psutil.Error:
            return 0.0
        return times.user + times.system

    def _restart(self) -> None:
        self.end()
        self._start()

    def end(self) -> None:
        """End the process."""
        self._connection.close()
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.join()


def _written(scratch: Path, kind: str, data: bytes) -> Path:
    scratch.mkdir(parents=True, exist_ok=True)
    path = scratch / f"case.{kind}"
    path.write_bytes(data)
    return path


def default_workers() -> int:
    """Return how many processes run at the same time."""
    return max(1, min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))
