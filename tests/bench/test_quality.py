import pytest
from benchmarks import options, rows_of

from neural_style.bench import classic_run, suite
from neural_style.config.defaults import FAMILIES, LEFT_TO_OPTIMIZER
from neural_style.errors import ImageError


@pytest.fixture(autouse=True)
def short_runs(monkeypatch):
    """A classic run of a few iterations, which ours, as short, soon catches up with."""
    monkeypatch.setattr(classic_run, "SETTINGS", {**classic_run.SETTINGS, "iterations": 3})
    monkeypatch.setitem(LEFT_TO_OPTIMIZER, "lbfgs", {**LEFT_TO_OPTIMIZER["lbfgs"], "iterations": 12})


@pytest.mark.parametrize("short", [True, False])
def test_quality_is_the_time_to_the_loss_of_the_classic_run(tmp_path, short):
    rows = rows_of("quality", short=short, pictures=str(tmp_path))
    assert [row["loss"] for row in rows] == list(FAMILIES)
    (row,) = (row for row in rows if row["loss"] == "athalye")
    assert row["px"] == "48×32"
    assert row["end loss"] <= classic_run.WITHIN * row["classic loss"]
    assert row["evaluations"] >= 1
    assert row["to loss s"] <= row["to end s"]
    assert row["sooner"] == pytest.approx(row["classic s"] / row["to loss s"])
    names = {"classic-48.png", "equal-athalye-48.png", *(f"default-{loss}-48.png" for loss in FAMILIES)}
    assert names <= {path.name for path in tmp_path.iterdir()} <= {*names, "equal-balanced-48.png"}


def test_quality_says_nothing_of_a_loss_that_is_not_reached(monkeypatch):
    monkeypatch.setattr(classic_run, "WITHIN", 1e-9)
    for row in rows_of("quality"):
        assert row["to loss s"] is None
        assert row["sooner"] is None


def test_a_picture_that_is_missing_is_told_before_anything_is_measured(tmp_path):
    told = []
    with pytest.raises(ImageError, match=r"nowhere\.jpg"):
        suite.measure(options("eval", "quality", style=str(tmp_path / "nowhere.jpg")), say=told.append)
    assert not told
