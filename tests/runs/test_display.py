"""What shows a run while it goes on, on a terminal and in a notebook."""

import base64
import io
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from small_runs import TWO_SCALES

from neural_style.errors import DivergenceError
from neural_style.runs import display
from neural_style.runs.api import render, stylize


@pytest.fixture
def notebook(monkeypatch):
    """What a notebook is told to show: each output with all that it showed, in order."""
    outputs = []

    class Handle:
        def __init__(self, bundle):
            self.shown = [bundle]

        def update(self, bundle, *, raw):
            assert raw
            self.shown.append(bundle)

    def show(bundle, *, raw, display_id):
        assert raw
        assert display_id
        outputs.append(Handle(bundle))
        return outputs[-1]

    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=show))
    monkeypatch.setattr(display, "LEAST_PAUSE", 0)
    monkeypatch.setattr(display, "MOST_TIME", np.inf)
    return outputs


def picture(bundle):
    """The picture of an output."""
    (data,) = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', bundle["text/html"])
    return Image.open(io.BytesIO(base64.b64decode(data)))


# --- when -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ask", [{}, {"show_progress": False}])
def test_nothing_is_shown_unless_it_is_wanted(make_config, notebook, capfd, ask):
    list(stylize(make_config(), **ask))
    render(make_config(), **ask)
    assert notebook == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("shell", [None, SimpleNamespace(kernel=None), SimpleNamespace()])
def test_ipython_on_a_terminal_is_no_notebook(monkeypatch, shell):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert not display.in_notebook()


def test_ipython_is_not_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not display.in_notebook()
    assert "IPython" not in sys.modules


# --- on a terminal ----------------------------------------------------------------------------------------------------


def test_a_bar_on_standard_error_shows_each_step(make_config, capsys):
    steps = list(stylize(make_config(**TWO_SCALES), show_progress=True))
    captured = capsys.readouterr()
    assert captured.out == ""
    last = captured.err.split("\r")[-1]
    assert f"iteration {steps[-1].iteration}, 128×96 px [" in last
    assert "total " in last
    assert "left" not in last


def test_the_bar_is_closed_by_whatever_ends_the_run(make_config, capsys, evaluations):
    steps = stylize(make_config(), show_progress=True)
    next(steps)
    steps.close()
    assert capsys.readouterr().err.endswith("\n")
    evaluations.spoil(1, 3, by="call")
    evaluations.clear()
    with pytest.raises(DivergenceError):
        render(make_config(), show_progress=True)
    assert capsys.readouterr().err.endswith("\n")


# --- in a notebook ----------------------------------------------------------------------------------------------------


def test_one_output_is_replaced_by_better_pictures(make_config, notebook, capfd):
    image = render(make_config(**TWO_SCALES), show_progress=True)
    (output,) = notebook
    assert len(output.shown) == 4 + 6 + 1
    texts = [bundle["text/plain"] for bundle in output.shown]
    assert texts[0].startswith("iteration 0, 64×48 px: content ")
    assert re.fullmatch(r"iteration 9, 128×96 px: content \S+, style \S+, tv \S+, total \S+", texts[-1])
    assert re.search(r", about \d\d:\d\d left$", texts[2])
    assert all(bundle["text/plain"] in bundle["text/html"] for bundle in output.shown)
    assert np.abs(np.asarray(picture(output.shown[-1]), float) - image).mean() < 8
    assert capfd.readouterr() == ("", "")


def test_pictures_are_small_until_the_end(make_config, notebook, monkeypatch):
    monkeypatch.setattr(display, "LIVE_LONGEST", 32)
    render(make_config(), show_progress=True)
    assert [picture(bundle).size for bundle in notebook[0].shown] == [*[(32, 24)] * 5, (64, 48)]


def test_pictures_take_a_small_share_of_the_time(make_config, notebook, monkeypatch):
    monkeypatch.setattr(display, "LEAST_PAUSE", 1e9)
    render(make_config(), show_progress=True)
    assert len(notebook[0].shown) == 2  # the first and the last


def test_an_error_leaves_the_best_picture(make_config, notebook, evaluations):
    evaluations.spoil(1, 3, by="call")
    with pytest.raises(DivergenceError):
        render(make_config(), show_progress=True)
    assert picture(notebook[0].shown[-1]).size == (64, 48)
