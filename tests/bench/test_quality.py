import numpy as np
import pytest
from benchmarks import SHALLOW, options, rows_of
from PIL import Image

from neural_style.bench import classic_run, quality, suite
from neural_style.bench.judge import LAYERS, MEASURES, Judge
from neural_style.bench.program import forget_graphs
from neural_style.config.defaults import LEFT_TO_OPTIMIZER
from neural_style.errors import ImageError
from neural_style.images.picture import to_uint8
from neural_style.networks import weights
from neural_style.networks.vgg19 import Network
from neural_style.runs.inputs import read_inputs


@pytest.fixture(scope="module", autouse=True)
def short_runs(tmp_path_factory):
    """A classic run of a few iterations, which ours, as short, soon catches up with, of the loss of a few layers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEURAL_STYLE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(classic_run, "SETTINGS", {**classic_run.SETTINGS, "iterations": 3, **SHALLOW})
        patch.setattr(quality, "RUNS", {name: {**changes, **SHALLOW} for name, changes in quality.RUNS.items()})
        patch.setitem(LEFT_TO_OPTIMIZER, "lbfgs", {**LEFT_TO_OPTIMIZER["lbfgs"], "iterations": 12})
        yield


@pytest.fixture(scope="module")
def measured(short_runs, tmp_path_factory):
    """Whether it is short -> rows, the folder of the pictures, and the networks that were built.

    The short one compares a single run, since what is short is the classic run.
    """
    made = {}
    for short in (True, False):
        forget_graphs()
        folder, built, build = tmp_path_factory.mktemp("pictures"), [], Network.build.__func__
        counted = classmethod(lambda cls, *given, built=built, build=build: built.append(given) or build(cls, *given))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Network, "build", counted)
            if short:
                patch.setattr(quality, "RUNS", {"athalye": quality.RUNS["athalye"]})
            made[short] = rows_of("quality", short=short, pictures=str(folder)), folder, built
    return made


@pytest.mark.parametrize("short", [True, False])
def test_quality_is_the_time_to_the_loss_of_the_classic_run(measured, short):
    rows, folder, _ = measured[short]
    runs = ["athalye"] if short else list(quality.RUNS)
    assert [row["run"] for row in rows] == ["classic", *runs]
    classic, row, *_ = rows
    assert row["px"] == "48×32"
    assert row["end loss"] <= classic_run.WITHIN * classic["end loss"]
    assert 1 <= row["to loss evaluations"] <= row["to end evaluations"]
    assert row["to loss s"] <= row["to end s"]
    assert row["to loss sooner"] == pytest.approx(classic["to end s"] / row["to loss s"])
    assert row["to end sooner"] == pytest.approx(classic["to end s"] / row["to end s"])
    names = {f"{name}-48.png" for name in ("classic", *runs, "equal-athalye")}
    also = {f"equal-{name}-48.png" for name in runs}
    assert names <= {path.name for path in folder.iterdir()} <= names | also


def test_quality_judges_the_picture_at_the_end_of_each_run(measured):
    judge = Judge(weights.load("builtin", LAYERS))
    rows, folder, _ = measured[False]
    given = options("quality", pictures=str(folder))
    inputs = read_inputs(given.config(width=48))
    style, photo = to_uint8(inputs.styles[0].rgb), to_uint8(inputs.content.rgb)
    for row in rows:
        picture = np.asarray(Image.open(folder / f"{row['run']}-48.png"))
        assert {name: row[name] for name in MEASURES} == pytest.approx(judge.measure(picture, style, photo))


def test_quality_says_nothing_of_a_loss_that_is_not_reached(monkeypatch):
    monkeypatch.setattr(classic_run, "WITHIN", 1e-9)
    monkeypatch.setattr(quality, "RUNS", {"athalye": quality.RUNS["athalye"]})
    for row in rows_of("quality", short=False):
        assert row["to loss s"] is None
        assert row["to loss sooner"] is None


def test_a_style_of_one_color_is_told_before_the_classic_run(tmp_path, monkeypatch):
    Image.new("RGB", (48, 48), "gray").save(tmp_path / "gray.png")
    monkeypatch.setattr(quality, "_timed_evaluations", None)
    with pytest.raises(ImageError, match="style picture with more than one color"):
        rows_of("quality", style=str(tmp_path / "gray.png"))


def test_every_run_traces_its_losses(measured):
    """So that none is timed with the graphs of the one before."""
    *_, built = measured[False]
    assert len(built) == 1 + 1 + len(quality.RUNS)  # the yardstick, the classic run, and the others


def test_a_picture_that_is_missing_is_told_before_anything_is_measured(tmp_path):
    told = []
    with pytest.raises(ImageError, match=r"nowhere\.jpg"):
        suite.measure(options("eval", "quality", style=str(tmp_path / "nowhere.jpg")), say=told.append)
    assert not told
