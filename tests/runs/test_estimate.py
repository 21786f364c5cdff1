import numpy as np
import pytest
from small_runs import small_config

from neural_style.config.resolve import resolve
from neural_style.networks import weights
from neural_style.runs import estimate


@pytest.mark.parametrize("styles", [1, 2])
def test_seconds_are_those_of_an_evaluation_by_its_pixels(stylizer, evaluations, monkeypatch, styles):
    """The fastest of those after the one in which functions are traced."""
    clock = iter([0, 100, 200, 203, 300, 302])
    monkeypatch.setattr(estimate.time, "perf_counter", lambda: next(clock))
    picture = np.zeros((48, 64, 3), np.uint8)
    config = resolve(small_config(picture, [picture] * styles), {})
    network = weights.load("builtin", config.layers)
    assert estimate.seconds_per_pixel(stylizer, config, network, 40) == 2 / 40**2
    assert [evaluation.shape for evaluation in evaluations] == [(1, 40, 40, 3)] * 3


def test_a_run_is_planned_without_its_pictures():
    config = resolve(small_config("photo", ["style"], width=96, scales="2", iterations=3, scale_iterations=2), {})
    estimated = estimate.estimate(config, "float32", 96, 64, 10**10)
    assert [(plan.width, plan.height) for plan in estimated.plans] == [(48, 32), (96, 64)]
    assert estimated.peak == max(plan.peak for plan in estimated.plans) > 0
    small, large = estimated.evaluation_seconds(1e-3)
    assert large / small == pytest.approx(4)
    assert estimated.seconds_at_most(1e-3) == pytest.approx(3 * small + 4 * large)
    assert 0 < estimated.seconds_expected(1e-3) <= estimated.seconds_at_most(1e-3)
