#!/usr/bin/env python3
"""Gives damaged files to what reads files. Anything but a result or one clear line is a finding, which is saved."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fuzzing.pool import Fuzzing, default_workers
from fuzzing.targets import TARGETS

_GOOD = ("read", "refused")


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", default="all", choices=[*TARGETS, "all"])
    parser.add_argument("--seconds", type=float, help="end after so many seconds (default: 60, or with --cases none)")
    parser.add_argument("--cases", type=int, help="end after so many cases of each target")
    parser.add_argument("--seed", type=int, default=0, help="other seeds give other cases (default: %(default)s)")
    parser.add_argument("--kinds", nargs="+", default=[], metavar="KIND", help="kinds of files (default: all)")
    parser.add_argument("--workers", type=int, default=default_workers(), help="processes (default: %(default)s)")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"), help="folder of what broke")
    parser.add_argument("--atheris", action="store_true", help="one target: find damage by which other lines run")
    return parser.parse_args()


def main() -> int:
    """Run the program; return its exit code."""
    arguments = parse_args()
    names = list(TARGETS) if arguments.target == "all" else [arguments.target]
    seconds = 60.0 if arguments.seconds is None and arguments.cases is None else arguments.seconds
    if arguments.atheris:
        try:
            from fuzzing.coverage_guided import run
        except ImportError:
            print("--atheris: expected atheris, which is not installed; .venv/bin/pip install -e '.[fuzz]'")
            return 2
        run(names[0], arguments.kinds, seconds, arguments.cases, arguments.findings)
    share = None if seconds is None else seconds / len(names)
    is_clean = True
    for name in names:
        with tempfile.TemporaryDirectory() as scratch:
            fuzzing = Fuzzing(name, arguments.seed, arguments.kinds, arguments.findings)
            if problems := fuzzing.check_seeds(Path(scratch)):
                print(*problems, sep="\n")
                return 1
            begin = time.monotonic()
            fuzzing.run(arguments.cases, share, arguments.workers, Path(scratch))
        is_clean &= report(fuzzing, time.monotonic() - begin)
    return 0 if is_clean else 1


def report(fuzzing: Fuzzing, seconds: float) -> bool:
    """Print a table of what came of each kind of file; return whether nothing broke."""
    total, found = 0, 0
    print(f"{fuzzing.name:8}{'cases':>8}{'read':>8}{'refused':>9}{'findings':>10}{'slowest':>10}{'memory':>10}")
    for kind, tally in sorted(fuzzing.tallies.items()):
        cases = tally.outcomes.total()
        bad = cases - sum(tally.outcomes[outcome] for outcome in _GOOD)
        counts = f"{cases:8}{tally.outcomes['read']:8}{tally.outcomes['refused']:9}{bad:10}"
        print(f"{kind:8}{counts}{tally.slowest:8.2f} s{tally.growth / 2**20:6.0f} MiB")
        total, found = total + cases, found + bad
    print(f"{total} cases in {seconds:.0f} s, {found} findings" + (f" in {fuzzing.folder}/" if found else ""))
    return not found


if __name__ == "__main__":
    sys.exit(main())
