import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import neural_style
from neural_style.cli import flags, help_text

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "weights" / "README.md"])


def code_blocks(document, language):
    """Code blocks of a language in a document."""
    return re.findall(rf"```{language}\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)


def commands(document):
    """Command lines in a document's shell blocks, with continued lines joined."""
    blocks = code_blocks(document, "sh")
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]


def anchors(document):
    """What links to headings of a document end with."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_flag_table_is_up_to_date():
    table = f"<!-- flags -->\n{help_text.markdown_table()}<!-- /flags -->"
    assert table in (ROOT / "docs" / "flags.md").read_text(encoding="utf-8")
    assert subprocess.run([sys.executable, "scripts/update_flags.py", "--check"], cwd=ROOT, check=False).returncode == 0


def test_readme_links_to_every_page():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for page in ROOT.glob("docs/*.md"):
        assert f"](docs/{page.name})" in readme, page.name


def test_every_command_line_in_the_documents_parses():
    parsed = set()
    for document in DOCUMENTS:
        for line in commands(document):
            if line.startswith("python -m neural_style --"):
                flags.parse(shlex.split(line, comments=True)[3:])
                parsed.add(document.name)
    assert {"README.md", "flags.md", "any-size.md"} <= parsed


def test_python_in_the_documents_compiles_and_imports_public_names():
    imported = set()
    for document in DOCUMENTS:
        for block in code_blocks(document, "python"):
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.ImportFrom) and node.module == "neural_style":
                    imported |= {name.name for name in node.names}
    assert {"Config", "render", "stylize"} <= imported <= set(neural_style.__all__)


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
