import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_runs import IN_PLACE, POOLED, TWO_SCALES, assert_same

import neural_style
from neural_style.compute import multiscale_objective
from neural_style.compute.graph_cache import MOST_GRAPHS
from neural_style.errors import DivergenceError, ImageError, UsageError, WeightsError
from neural_style.runs.api import render, stylize


@pytest.mark.parametrize("settings", [{}, TWO_SCALES, IN_PLACE], ids=str)
def test_render_returns_the_best_image(make_config, settings):
    """With steps so large that the best image is not the last."""
    config = make_config(**{**settings, **POOLED, "iterations": 9, "learning_rate": 120, "initial_noiseblend": 1})
    steps = list(stylize(config))
    assert not steps[-1].best
    best = min((step for step in steps if step.scale == steps[-1].scale), key=lambda step: step.losses["total"])
    image = render(config)
    np.testing.assert_array_equal(image, best.image)
    assert image.dtype == np.uint8
    assert np.any(image != steps[-1].image)


@pytest.mark.parametrize(("depth", "kind", "value"), [(8, np.uint8, 100), (16, np.uint16, 25700)])
def test_render_keeps_alpha(make_config, pictures, depth, kind, value):
    content = np.dstack([np.asarray(Image.open(pictures / "photo.png")), np.full((48, 64), 100, np.uint8)])
    image = render(make_config(content=content, iterations=1, bit_depth=depth))
    assert (image.shape, image.dtype) == ((48, 64, 4), kind)
    np.testing.assert_array_equal(image[..., 3], value)


def test_stylize_gives_the_steps_of_a_session(make_config, run):
    assert_same(list(stylize(make_config(**TWO_SCALES))), run(**TWO_SCALES))


def test_they_write_no_files_and_print_nothing(make_config, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    config = make_config(
        output="o.png", checkpoint_output="c_{}.png", checkpoint_iterations=1, progress_write=True, save_flags="flags"
    )
    list(stylize(config))
    render(config)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_pictures_weights_and_devices_are_looked_at_before_anything_is_computed(make_config, tmp_path, monkeypatch):
    def never(*_):
        raise AssertionError("nothing may be computed")

    monkeypatch.setattr(multiscale_objective, "WholeObjective", never)
    for settings, kind, said in (
        ({"content": tmp_path / "missing.png"}, ImageError, r"missing\.png"),
        ({"styles": [tmp_path / "missing.png"]}, ImageError, r"missing\.png"),
        ({"weights": str(tmp_path / "missing.h5")}, WeightsError, r"missing\.h5"),
        ({"device": "gpu:99"}, UsageError, r"got gpu:99 with \d found; use --device cpu"),
        ({"scales": 3}, UsageError, r"^scales: .* got 3 scales of 64×48"),
        ({"memory": "1MB"}, UsageError, r"^memory: expected"),
    ):
        for call in (render, lambda config: next(stylize(config))):
            with pytest.raises(kind, match=said):
                call(make_config(**settings))


def test_stylize_gives_its_memory_back(make_config, reserved, evaluations):
    """When it ends, is closed, is dropped, or fails."""
    config = make_config(**TWO_SCALES)
    for end in (list, lambda steps: steps.close(), lambda steps: None):
        steps = stylize(config)
        next(steps)
        assert reserved() > 0
        end(steps)
        del steps
        assert reserved() == 0
    evaluations.clear()
    evaluations.spoil(1, 3, by="call")
    steps = stylize(config)
    with pytest.raises(DivergenceError):
        list(steps)
    assert reserved() == 0


def test_render_gives_its_memory_back_when_it_fails(make_config, reserved, evaluations):
    evaluations.spoil(1, 3)
    with pytest.raises(DivergenceError):
        render(make_config())
    assert reserved() == 0


# --- many runs in a process of their own ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """What `many_renders.py` notes."""
    folder = tmp_path_factory.mktemp("many")
    settings = {
        "PYTHONPATH": str(Path(neural_style.__file__).parents[1]),
        "KERAS_HOME": str(folder),
        "NEURAL_STYLE_CACHE": str(folder),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [sys.executable, Path(__file__).with_name("many_renders.py"), folder / "notes.json"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **settings}, check=False)
    assert done.returncode == 0, done.stderr
    return {"printed": (done.stdout, done.stderr), **json.loads((folder / "notes.json").read_text())}


@pytest.mark.slow
def test_many_runs_print_nothing(many):
    """No warning of TensorFlow's that something is traced too often either, though much is traced."""
    assert many["printed"] == ("", "")


@pytest.mark.slow
def test_a_run_that_fails_prints_nothing_unless_logging_is_asked_for(many):
    """In that process, since pytest listens to the log of its own."""
    assert many["failure"] == "DivergenceError"
    assert many["printed"] == ("", "")


@pytest.mark.slow
def test_later_runs_trace_nothing(many):
    """Of other sizes, both ways round, with other optimizers, styles and weights."""
    first, later = many["runs"]
    assert first > 0
    assert later == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["same", "different"])
def test_many_runs_leak_nothing(many, kind):
    """With graphs that are kept, and with others that have to go."""
    taken = many[kind]
    assert max(taken[-3:]) - max(taken[:4]) < 50  # a network more for each of five renders would take 70
    assert many["kept"] == MOST_GRAPHS
