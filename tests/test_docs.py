import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from neural_style.cli import flags

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "weights" / "README.md"])


def commands(document):
    """Command lines in a document's shell blocks, with continued lines joined."""
    blocks = re.findall(r"```sh\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]


def anchors(document):
    """What links to headings of a document end with."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_flag_table_is_up_to_date():
    assert (
        subprocess.run([sys.executable, "scripts/update_readme.py", "--check"], cwd=ROOT, check=False).returncode == 0
    )


def test_every_command_line_in_the_readme_parses():
    lines = [line for line in commands(ROOT / "README.md") if line.startswith("python -m neural_style --")]
    assert lines
    for line in lines:
        flags.parse(shlex.split(line)[3:])


def test_every_script_named_in_the_documents_is_there():
    named = {word for document in DOCUMENTS for line in commands(document) for word in re.findall(r"scripts/\w+", line)}
    assert {"scripts/demo", "scripts/test"} <= named
    for name in named:
        assert (ROOT / name).is_file() or (ROOT / f"{name}.py").is_file(), name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_local_links_lead_somewhere(document):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", document.read_text(encoding="utf-8")):
        found = document.parent / target if target else document
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), (target, anchor)


def test_demo_flags_parse_and_their_pictures_are_there(monkeypatch):
    monkeypatch.chdir(ROOT)
    config = flags.parse(["--flagfile=scripts/demo.cfg"])
    assert all(Path(path).is_file() for path in (config.content, *config.styles))


def test_ci_runs_what_the_documents_name():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    called = re.findall(r"^scripts/\w+", script, re.MULTILINE)
    assert called
    assert all(name in contributing for name in called)
