"""The Dockerfile against the project: what it copies, starts and keeps to itself. Nothing is built here."""

import configparser
import fnmatch
import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def instructions():
    """Each instruction of the Dockerfile and its arguments."""
    lines = [line for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    joined = "\n".join(lines).replace("\\\n", "")
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def copied():
    """What is copied from the project."""
    sources = [arguments.split()[:-1] for name, arguments in instructions() if name == "COPY"]
    return [source for each in sources if not each[0].startswith("--from") for source in each]


def extras():
    metadata = configparser.ConfigParser()
    metadata.read(ROOT / "setup.cfg")
    return set(metadata["options.extras_require"])


def test_all_that_is_copied_is_there_and_not_kept_from_the_build():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    assert set(copied()) == {line[1:] for line in ignored if line.startswith("!")}
    assert all((ROOT / source).exists() for source in copied())


def test_all_that_the_wheel_needs_is_copied():
    needed = [*re.findall(r'"(weights|examples)"', (ROOT / "setup.py").read_text(encoding="utf-8")), "neural_style"]
    for name in needed:
        assert fnmatch.filter(copied(), f"{name}*"), name
    assert {"setup.py", "setup.cfg", "pyproject.toml"} <= set(copied())


def test_the_extras_are_those_of_the_project():
    found = re.findall(r"EXTRAS=([\w,]+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    assert {"web", "web,gpu"} <= set(found)
    assert {extra for each in found for extra in each.split(",")} <= extras()


def test_no_secret_is_part_of_the_image():
    for name, arguments in instructions():
        if name in ("ENV", "ARG"):
            assert not re.search(r"auth|pass|token|secret|key", arguments, re.IGNORECASE), arguments


def test_it_runs_as_a_user_without_rights():
    users = [arguments for name, arguments in instructions() if name == "USER"]
    assert users == ["1000:1000"]


def test_it_starts_the_page_by_the_program_that_is_installed():
    last = {name: arguments for name, arguments in instructions() if name in ("ENTRYPOINT", "CMD")}
    metadata = configparser.ConfigParser()
    metadata.read(ROOT / "setup.cfg")
    scripts = metadata["options.entry_points"]["console_scripts"]
    assert json.loads(last["ENTRYPOINT"]) == [scripts.split("=")[0].strip()]
    assert json.loads(last["CMD"]) == ["web", "--host", "0.0.0.0", "--port", "7860"]


def test_the_health_check_is_python_that_compiles():
    (check,) = [arguments for name, arguments in instructions() if name == "HEALTHCHECK"]
    command = json.loads(check.partition("CMD ")[2])
    assert command[:2] == ["python3", "-c"]
    compile(command[2], "health check", "exec")
