import numpy as np
import pytest
from small_runs import SMALL, smooth

from neural_style import render
from neural_style.compute import graph_cache
from neural_style.sheets.batch import Batch
from neural_style.sheets.cells import cells_of

PICTURES = {"content": smooth(64, 48), "styles": [smooth(48, 48, 1)]}


@pytest.mark.parametrize("workers", [1, 2])
def test_pictures_are_those_of_runs_by_themselves(workers):
    cells = cells_of({**SMALL, **PICTURES}, {"style_weight": [1.0, 100.0], "pooling": ["max", "avg"]})
    batch = Batch(cells)
    assert batch.check() == [(64, 48)] * 4
    painted = {each.cell.number: each for each in batch.paint(workers)}
    for cell in cells:
        np.testing.assert_array_equal(painted[cell.number].step.image, render(cell.config))


def test_each_network_and_loss_is_traced_once(monkeypatch):
    graph_cache.clear()
    built = []
    real = graph_cache.LossGraph
    monkeypatch.setattr(graph_cache, "LossGraph", lambda *given: built.append(1) or real(*given))
    varied = {"seed": [1, 2, 3], "pooling": ["max", "avg", "l2"]}
    cells = cells_of({**SMALL, **PICTURES, "iterations": 1, "init": "noise"}, varied)
    assert len([*Batch(cells).paint(1)]) == 9
    assert len(built) == 3


def test_closing_ends_the_runs_that_go_on():
    cells = cells_of({**SMALL, **PICTURES, "init": "noise", "iterations": 100_000}, {"seed": [1, 2, 3]})
    cells = [*cells_of({**SMALL, **PICTURES, "iterations": 1}, {"seed": [7]}), *cells]
    painting = Batch(cells).paint(2)
    assert next(painting).iterations == 1
    painting.close()  # returns
