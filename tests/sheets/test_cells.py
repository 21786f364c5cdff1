import pytest

from neural_style.errors import UsageError
from neural_style.sheets.cells import cells_of

PAIR = {"content": "photo.jpg", "styles": ["a.jpg"]}


def test_the_last_option_varies_fastest_and_replaces_what_is_shared():
    cells = cells_of({**PAIR, "pooling": "l2"}, {"strength": [0.25, 0.5], "pooling": ["max", "avg"]})
    assert [(cell.config.strength, cell.config.pooling) for cell in cells] == [
        (0.25, "max"),
        (0.25, "avg"),
        (0.5, "max"),
        (0.5, "avg"),
    ]
    assert [cell.number for cell in cells] == [1, 2, 3, 4]
    assert cells[1].flags == "--strength 0.25 --pooling avg"


def test_flags_can_be_pasted_into_a_shell_and_labels_leave_folders_out():
    (cell, _) = cells_of(PAIR, {"styles": [["my art/it's.jpg"], ["b.jpg"]]})
    assert cell.flags == """--styles 'my art/it'"'"'s.jpg'"""
    assert cell.label == "--styles it's.jpg"


def test_a_preset_can_vary():
    cells = cells_of(PAIR, {"preset": ["athalye", "gatys"], "quality": ["draft"]})
    assert [cell.config.optimizer for cell in cells] == ["adam", "lbfgs"]


def test_cells_must_differ():
    with pytest.raises(UsageError, match="--seed 1 and --seed 1, which are the same run"):
        cells_of(PAIR, {"seed": [1, 1]})


def test_a_refused_value_names_its_cell():
    with pytest.raises(UsageError, match=r"width: expected .* \(in the cell --width 5\)"):
        cells_of(PAIR, {"width": [64, 5]})
