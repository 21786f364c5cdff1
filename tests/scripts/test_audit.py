import configparser
import importlib.util
import json
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

CONSTRAINTS = sorted((ROOT / "constraints").glob("*.txt"))


@pytest.fixture(scope="module")
def audit():
    spec = importlib.util.spec_from_file_location("audit_dependencies", ROOT / "scripts" / "audit_dependencies.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def package(name, *flaws):
    return {"name": name, "version": "1.0", "vulns": list(flaws)}


def skipped(name):
    return {"name": name, "skip_reason": "Dependency not found on PyPI\nand could not be audited"}


FLAW = {"id": "CVE-2026-1", "fix_versions": ["1.1", "2.0"]}


def test_nothing_is_known_only_if_all_were_answered(audit):
    report = {"dependencies": [package("a"), package("b")]}
    assert audit.verdict(report, "", 2) == (0, ["no vulnerabilities are known in 2 packages"])


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (
            {"dependencies": [skipped("a"), skipped("b")]},
            "answers about 0 (Dependency not found on PyPI and could not be",
        ),
        ({"dependencies": [package("a"), skipped("b")]}, "answers about 1 (Dependency not found"),
        ({"dependencies": [package("a")]}, "answers about 1 (no reason)"),
        (None, "answers about 0 (no reason)"),
    ],
    ids=["all skipped", "one skipped", "one missing", "no report"],
)
def test_without_all_answers_nothing_can_be_said(audit, report, said):
    exit_code, lines = audit.verdict(report, "no reason", 2)
    assert exit_code == 3
    assert len(lines) == 1 and said in lines[0] and "\n" not in lines[0]
    assert lines[0].startswith("expected the vulnerability service to answer about 2 packages, got ")


def test_vulnerabilities_are_told_with_the_versions_that_mend_them(audit):
    exit_code, lines = audit.verdict({"dependencies": [package("a", FLAW), skipped("b")]}, "", 2)
    assert exit_code == 1
    assert lines[0] == "a 1.0: CVE-2026-1, fixed in 1.1 or 2.0"
    assert "answers about 1" in lines[1]
    unfixed = {**FLAW, "fix_versions": []}
    assert audit.verdict({"dependencies": [package("a", unfixed)]}, "", 1) == (1, ["a 1.0: CVE-2026-1, fixed in none"])


def test_only_exact_versions_are_audited(audit):
    frozen = "a==1.0\n-e git+file:///x@1#egg=b\nneural-style @ file:///x.whl\n# c==1\nd_e.f==2.0.post1+cpu\n"
    assert audit.exact_versions(frozen) == "a==1.0\nd_e.f==2.0.post1+cpu\n"


def test_the_bill_must_list_what_setup_cfg_requires(audit, tmp_path):
    required = audit.required_packages(ROOT / "setup.cfg")
    assert {"absl-py", "numpy", "pillow", "tensorflow"} <= {*required}
    bill = {"components": [{"name": name.replace("-", "_").title()} for name in required]}
    assert audit.missing_from(bill, required) == []
    del bill["components"][0]
    assert audit.missing_from(bill, required) == required[:1]
    assert audit.missing_from({}, required) == required


def test_a_missing_file_of_versions_is_wrong_use(audit, capsys):
    with pytest.raises(SystemExit) as caught:
        audit.main(["--constraints", "nowhere.txt"])
    assert caught.value.code == 2
    assert "expected nowhere.txt, which is not there; make it: scripts/update_constraints" in capsys.readouterr().err


def test_a_bill_of_materials_is_written(audit, tmp_path):
    pytest.importorskip("cyclonedx_py")
    audit.write_sbom(tmp_path / "a.json", CONSTRAINTS[0], None)
    bill = json.loads((tmp_path / "a.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    assert audit.missing_from(bill, audit.required_packages(ROOT / "setup.cfg")) == []


# --- constraints ------------------------------------------------------------------------------------------------------


def normalized(name):
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("path", CONSTRAINTS, ids=lambda path: path.name)
def test_constraints_are_exact_versions_of_all_that_is_required(audit, path):
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert "".join(f"{line}\n" for line in lines) == audit.exact_versions(path.read_text())
    named = {normalized(line.partition("==")[0]) for line in lines}
    assert len(named) == len(lines)
    assert {*audit.required_packages(ROOT / "setup.cfg")} <= named
    assert "neural-style" not in named and "pip" not in named


def test_constraints_are_named_for_the_python_and_the_system_that_they_suit():
    assert CONSTRAINTS
    command = (
        'python=$1; source <(sed "/^cd /d" scripts/_setup.sh); cat <(constraints_file) <(echo) <(constraints_name)'
    )
    done = subprocess.run(
        ["bash", "-c", command, "bash", sys.executable], cwd=ROOT, capture_output=True, text=True, check=True
    )
    used, name = done.stdout.split("\n", 1) if "\n" in done.stdout else ("", done.stdout)
    here = (
        f"constraints/python{sys.version_info[0]}.{sys.version_info[1]}-{sys.platform}-{platform.machine().lower()}.txt"
    )
    assert name.strip() == here
    assert used == (here if (ROOT / here).is_file() else "")


@pytest.mark.parametrize("path", CONSTRAINTS, ids=lambda path: path.name)
def test_constraints_meet_the_lowest_versions_of_setup_cfg(path):
    requirements = pytest.importorskip("packaging.requirements")
    found = (line.partition("==") for line in path.read_text().splitlines() if not line.startswith("#"))
    versions = {normalized(name): version for name, _, version in found}
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    lines = [settings["options"]["install_requires"], *settings["options.extras_require"].values()]
    python = {"python_version": re.match(r"python([\d.]+)-", path.name)[1]}
    for line in "\n".join(lines).split("\n"):
        if not line.strip() or line.startswith(("#", "neural-style[")):
            continue
        required = requirements.Requirement(line)
        version = versions.get(normalized(required.name))  # pip freeze leaves setuptools out
        if version and (required.marker is None or required.marker.evaluate(python)):
            assert version in required.specifier, line
