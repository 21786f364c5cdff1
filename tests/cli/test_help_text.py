import html
import re

from neural_style.cli import help_text
from neural_style.config.config import OPTIONS


def test_help_tells_every_flag_with_its_meaning_and_default():
    text = " ".join(help_text.help_text("prog").split())
    for name, option in OPTIONS.items():
        assert re.search(rf" --{name}\b[^:]*: {re.escape(option.help)}", text), name
    for said in (
        "(default: normal)",
        "(default: lbfgs)",
        "By default 300 for lbfgs, 1000 for adam, 300 for scipy, 1000 for sgd.",
        "(default: relu1_1 relu2_1 ",
        "[0 to 1]",
        "--flagfile",
        "--help",
    ):
        assert said in text


def test_help_tells_the_second_name_of_a_flag():
    assert "--network" in help_text.help_text("prog")


def test_help_fits_a_terminal_of_120_columns():
    assert max(map(len, help_text.help_text("python -m neural_style").splitlines())) <= 120


def test_help_names_the_program_as_it_was_called():
    assert help_text.help_text("prog").startswith("Usage: prog --content")


def test_table_for_the_readme_has_a_row_per_flag():
    lines = help_text.markdown_table().splitlines()
    assert all(re.fullmatch(r"\|[^|]*\|[^|]*\|[^|]*\|", line) for line in lines)
    rows = {re.match(r"\| `--(\w+)`", line)[1]: line for line in lines if line.startswith("| `--")}
    assert list(rows) == list(OPTIONS)
    for name, option in OPTIONS.items():
        assert option.help in html.unescape(rows[name])
    assert "| required without `--size` |" in rows["content"]
    assert "`--network`" in rows["weights"]
    assert "| `1e-08` |" in rows["eps"]
    assert rows["width"].endswith("(>= 32) |")
