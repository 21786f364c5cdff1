import numpy as np
import pytest
from small_runs import small_config

from neural_style.config.resolve import resolve
from neural_style.networks import weights
from neural_style.runs import estimate


@pytest.mark.parametrize("styles", [1, 2])
def test_seconds_are_those_of_an_evaluation_by_its_pixels(stylizer, evaluations, monkeypatch, styles):
    """The fastest of those after the one in which functions are traced."""
    monkeypatch.setattr(estimate, "_SIDE", 40)
    clock = iter([0, 100, 200, 203, 300, 302])
    monkeypatch.setattr(estimate.time, "perf_counter", lambda: next(clock))
    picture = np.zeros((48, 64, 3), np.uint8)
    config = resolve(small_config(picture, [picture] * styles), {})
    network = weights.load("builtin", config.layers)
    assert estimate.seconds_per_pixel(stylizer, config, network) == 2 / 40**2
    assert [evaluation.shape for evaluation in evaluations] == [(1, 40, 40, 3)] * 3
