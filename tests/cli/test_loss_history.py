import subprocess
import sys
import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure

from neural_style.cli import loss_history
from neural_style.cli.loss_history import write_loss_plot, write_loss_table
from neural_style.errors import UsageError
from neural_style.runs.step import LOSS_NAMES


def losses(total=6.0):
    return {"content": 1.0, "style": 2.0, "tv": 3.0, "total": total}


def history(count=5):
    return {i: {"content": 10.0 / (i + 1), "style": 1e6 / 3**i, "tv": 0.0, "total": 7.0} for i in range(count)}


# --- table ------------------------------------------------------------------------------------------------------------


def test_table_is_read_back_by_numpy(tmp_path):
    path = tmp_path / "table.txt"
    write_loss_table(path, history())
    table = np.loadtxt(path)
    assert table.shape == (5, 5)
    np.testing.assert_array_equal(table[:, 0], range(5))
    for column, name in enumerate(LOSS_NAMES, 1):
        np.testing.assert_allclose(table[:, column], [row[name] for row in history().values()], rtol=1e-8)


def test_table_names_its_columns(tmp_path):
    path = tmp_path / "table.txt"
    write_loss_table(path, {12: losses()})
    assert path.read_text().splitlines() == ["# iteration content style tv total", "12 1 2 3 6"]


def test_table_keeps_iterations_and_order_of_losses(tmp_path):
    path = tmp_path / "table.txt"
    write_loss_table(path, {10: dict(reversed(losses().items())), 250: {**losses(1234.56789), "extra": 9.0}})
    np.testing.assert_allclose(np.loadtxt(path), [[10, 1, 2, 3, 6], [250, 1, 2, 3, 1234.56789]])


# --- curves -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def figures(monkeypatch):
    """The figures that are saved, in order."""
    saved = []
    real = Figure.savefig

    def savefig(figure, *args, **settings):
        saved.append(figure)
        real(figure, *args, **settings)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return saved


@pytest.mark.parametrize("values", [[0.0, 0.0], [0.0, 1.0]])
def test_plot_of_zeros(tmp_path, values):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_loss_plot(tmp_path / "plot.png", {i: dict.fromkeys(LOSS_NAMES, value) for i, value in enumerate(values)})
    assert (tmp_path / "plot.png").stat().st_size > 1000


def test_plot_leaves_pyplot_alone(tmp_path):
    """No window system is touched, and no figure stays behind in it."""
    code = (
        "import pathlib, sys; from neural_style.cli.loss_history import LOSS_NAMES, write_loss_plot; "
        f"write_loss_plot(pathlib.Path({str(tmp_path / 'p.png')!r}), {{0: dict.fromkeys(LOSS_NAMES, 1.0)}}); "
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_missing_library_for_plots_is_answered_with_the_command_that_installs_it(monkeypatch):
    loss_history.check_can_plot()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"^progress_plot: expected matplotlib, .* pip install matplotlib"):
        loss_history.check_can_plot()
