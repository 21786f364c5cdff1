"""Audit dependencies and write a software bill of materials; scripts/audit runs this in an environment of its own."""

from __future__ import annotations

import argparse
import configparser
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

CLEAN, VULNERABLE, UNKNOWN = 0, 1, 3
"""Exit codes. 2 is that of argparse for wrong arguments."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script; return its exit code."""
    parser = argparse.ArgumentParser(prog="scripts/audit", description=__doc__)
    parser.add_argument("--constraints", type=Path, required=True, help="a file of exact versions")
    parser.add_argument("--environment", help="a Python whose packages are audited instead")
    parser.add_argument("--sbom", type=Path, default=ROOT / "dist" / "neural-style.cdx.json")
    parser.add_argument("--service", choices=("pypi", "osv", "esms"), default="pypi")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        versions = Path(folder, "versions.txt")
        if options.environment:
            freeze = [options.environment, "-m", "pip", "freeze", "--exclude-editable"]
            versions.write_text(exact_versions(_output(freeze)), encoding="utf-8")
        elif options.constraints.is_file():
            versions.write_text(exact_versions(options.constraints.read_text("utf-8")), encoding="utf-8")
        else:
            parser.error(f"expected {options.constraints}, which is not there; make it: scripts/update_constraints")
        write_sbom(options.sbom, versions, options.environment)
        print(f"scripts/audit: wrote {options.sbom}")
        exit_code, lines = verdict(*_audit(versions, options.service), count=len(versions.read_text().split()))
    for line in lines:
        print(f"scripts/audit: {line}", file=sys.stderr if exit_code else sys.stdout)
    return exit_code


def exact_versions(text: str) -> str:
    """Return the lines of `pip freeze` or of a file of constraints that name a package and its version."""
    return "".join(f"{line}\n" for line in text.splitlines() if re.fullmatch(r"[\w.-]+==\S+", line))


def verdict(report: Mapping[str, Any] | None, error: str, count: int) -> tuple[int, list[str]]:
    """Return the exit code and what to say.

    pip-audit skips what its service knows nothing about, and then finds no vulnerabilities. That is no good news.

    Args:
        report: pip-audit's report; None if there is none.
        error: the last line that it wrote on standard error.
        count: how many packages there are.
    """
    packages = report["dependencies"] if report else []
    audited = [package for package in packages if "vulns" in package]
    found = [(package, flaw) for package in audited for flaw in package["vulns"]]
    lines = [
        f"{package['name']} {package['version']}: {flaw['id']}, fixed in {' or '.join(flaw['fix_versions']) or 'none'}"
        for package, flaw in found
    ]
    if len(audited) < count:
        reason = next((package["skip_reason"] for package in packages if "skip_reason" in package), error)
        lines.append(
            f"expected the vulnerability service to answer about {count} packages, got answers about {len(audited)} "
            f"({' '.join(reason.split())}); run it where the service can be reached, or try another --service"
        )
    if found:
        return VULNERABLE, lines
    return (UNKNOWN, lines) if lines else (CLEAN, [f"no vulnerabilities are known in {count} packages"])


def write_sbom(path: Path, versions: Path, environment: str | None) -> None:
    """Write a software bill of materials, and check that it lists every dependency that setup.cfg requires.

    Args:
        path: where to write it.
        versions: a file of exact versions.
        environment: a Python whose packages are listed instead, with their dependencies and licenses.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    made_from = ["environment", environment] if environment else ["requirements", str(versions)]
    options = ["--output-format", "JSON", "--output-reproducible", "--output-file", str(path)]
    _output([sys.executable, "-m", "cyclonedx_py", made_from[0], *options, made_from[1]])
    missing = missing_from(json.loads(path.read_text("utf-8")), required_packages(ROOT / "setup.cfg"))
    if missing:
        print(f"scripts/audit: {path}: expected all dependencies in setup.cfg, got none of {', '.join(missing)}")
        sys.exit(UNKNOWN)


def missing_from(bill: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Return the packages that a bill of materials lacks."""
    listed = {_normalized(component["name"]) for component in bill.get("components", ())}
    return [name for name in names if name not in listed]


def required_packages(path: Path) -> list[str]:
    """Return the names of the packages that setup.cfg requires without any extra."""
    settings = configparser.ConfigParser()
    settings.read(path, encoding="utf-8")
    lines = settings["options"]["install_requires"].strip().splitlines()
    return sorted({_normalized(re.split(r"[\s\[<>=~;]", line)[0]) for line in lines})


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()  # as in PEP 503


def _audit(versions: Path, service: str) -> tuple[Mapping[str, Any] | None, str]:
    """Return pip-audit's report, and the last line of what else it says."""
    command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--progress-spinner=off"]
    done = subprocess.run(
        [*command, "--format=json", f"--vulnerability-service={service}", f"--requirement={versions}"],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        report = json.loads(done.stdout)
    except ValueError:
        report = None
    return report, (done.stderr.strip().splitlines() or ["no reason"])[-1]


def _output(command: Sequence[str]) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        print(f"scripts/audit: {error}", file=sys.stderr)
        sys.exit(UNKNOWN)
