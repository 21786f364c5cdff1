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


def arguments_of(line):
    """Arguments of the program in a command line, up to the next pipe or redirection; None if it does not paint."""
    words = shlex.split(line, comments=True)
    starts = [0] * line.startswith("python ") + [at + 1 for at, word in enumerate(words) if word == "|"]
    start = next((at + 3 for at in starts if words[at : at + 3] == ["python", "-m", "neural_style"]), None)
    if start is None or not "".join(words[start : start + 1]).startswith("--"):
        return None
    end = next((at for at in range(start, len(words)) if words[at] in ("|", ">", "2>")), len(words))
    return words[start:end]


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
            arguments = arguments_of(line)
            if arguments is not None:
                if flags.given(arguments, may_resume=True).keys() & {"resume"}:
                    continue
                flags.parse(arguments)
                parsed.add(document.name)
    assert {"README.md", "flags.md", "any-size.md", "pipes.md"} <= parsed


def test_command_lines_in_pipes_are_found():
    assert arguments_of("cat a | python -m neural_style --content - --output - > b.png") == [
        *("--content", "-", "--output", "-"),
    ]
    assert arguments_of("python -m neural_style --json 2> log.txt") == ["--json"]
    assert arguments_of("python -m neural_style doctor") is None


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
