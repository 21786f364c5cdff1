import dataclasses
import subprocess
import sys
import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from neural_style.runs.step import LOSS_NAMES, Step, write_loss_plot, write_loss_table


def losses(total=6.0):
    return {"content": 1.0, "style": 2.0, "tv": 3.0, "total": total}


def pixels():
    return np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


def step(**changes):
    fields = {"iteration": 3, "losses": losses(), "scale": (4, 2), "best": True, "alpha": None, "render": pixels}
    return Step(**fields | changes)


def history(count=5):
    return {i: {"content": 10.0 / (i + 1), "style": 1e6 / 3**i, "tv": 0.0, "total": 7.0} for i in range(count)}


# --- Step -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["iteration", "losses", "scale", "best", "alpha", "render", "image"])
def test_fields_cannot_be_set(name):
    record = step()
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(record, name, None)


def test_losses_cannot_be_changed_from_in_or_outside():
    given = losses()
    record = step(losses=given)
    given["total"] = -1
    assert record.losses["total"] == 6
    with pytest.raises(TypeError):
        record.losses["total"] = 0
    with pytest.raises(TypeError):
        del record.losses["total"]
    assert dict(record.losses) == losses()


def test_image_is_made_on_first_use_and_once():
    made = []

    def render():
        made.append(pixels())
        return made[-1]

    record = step(render=render)
    repr(record)
    assert made == []
    assert record.image is record.image
    np.testing.assert_array_equal(record.image, pixels())
    _ = record.image_with_alpha
    assert len(made) == 1


def test_image_cannot_be_changed():
    record = step()
    with pytest.raises(ValueError, match="read-only"):
        record.image[0, 0] = 0
    np.testing.assert_array_equal(record.image, pixels())


def test_alpha_is_put_back():
    alpha = np.array([[0, 1, 0.5, 1], [1, 1, 0.2, 0]], np.float32)
    image = step(alpha=alpha).image_with_alpha
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image[..., :3], pixels())
    np.testing.assert_array_equal(image[..., 3], [[0, 255, 128, 255], [255, 255, 51, 0]])
    np.testing.assert_array_equal(step().image_with_alpha, pixels())  # opaque: three channels


def test_alpha_is_put_back_in_16_bits():
    alpha = np.array([[0, 1, 0.5, 1], [1, 1, 0.2, 0]], np.float32)
    deep = pixels().astype(np.uint16) * 1000
    image = step(alpha=alpha, render=deep.copy).image_with_alpha
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image[..., :3], deep)
    np.testing.assert_array_equal(image[..., 3], [[0, 65535, 32768, 65535], [65535, 65535, 13107, 0]])


def test_repr_is_short():
    assert len(repr(step(alpha=np.zeros((500, 500))))) < 200


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


def test_plot(tmp_path, figures):
    path = tmp_path / "plot.tmp"  # whatever the name: it is a PNG
    write_loss_plot(path, {i + 10: row for i, row in history().items()})
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.size == (960, 600)
    (axes,) = figures[0].axes
    assert axes.get_yscale() == "log"
    assert axes.get_xlabel() == "iteration"
    curves = {line.get_label(): line for line in axes.lines}
    assert list(curves) == ["content", "style", "total"]  # tv is 0 throughout, which has no logarithm
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(curves)
    np.testing.assert_array_equal(curves["style"].get_xdata(), range(10, 15))
    np.testing.assert_allclose(curves["style"].get_ydata(), [1e6 / 3**i for i in range(5)])


@pytest.mark.parametrize("values", [[0.0, 0.0], [0.0, 1.0]])
def test_plot_of_zeros(tmp_path, values):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_loss_plot(tmp_path / "plot.png", {i: dict.fromkeys(LOSS_NAMES, value) for i, value in enumerate(values)})
    assert (tmp_path / "plot.png").stat().st_size > 1000


def test_plot_leaves_pyplot_alone(tmp_path):
    """No window system is touched, and no figure stays behind in it."""
    code = (
        "import pathlib, sys; neural_style.runs.step import LOSS_NAMES, write_loss_plot; "
        f"write_loss_plot(pathlib.Path({str(tmp_path / 'p.png')!r}), {{0: dict.fromkeys(LOSS_NAMES, 1.0)}}); "
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
