import pytest

from neural_style.cli.forecast import FIXED_WORK, Forecast
from neural_style.runs.pyramid import Scale

PLAN = [Scale(100, 50, 4), Scale(200, 100, 2), Scale(400, 200, 3)]
"""Evaluations with those of the start images: 5, 3 and 4."""
SMALL, MIDDLE, LARGE = (scale.width * scale.height + FIXED_WORK for scale in PLAN)
"""Work of an evaluation at each scale."""


def test_before_the_start_image_the_whole_plan_is_left():
    forecast = Forecast(PLAN)
    assert forecast.most_iterations == 5 + 3 + 4 - 1
    assert (forecast.work_done, forecast.work_left) == (0, 5 * SMALL + 3 * MIDDLE + 4 * LARGE)
    assert forecast.seconds_left is None


def test_time_left_is_that_of_the_work_left():
    """The start image tells no speed, since it waits for the network to be built."""
    forecast = Forecast(PLAN)
    forecast.update(0, (100, 50), now=1000)
    assert forecast.seconds_left is None
    forecast.update(1, (100, 50), now=1001)
    assert forecast.seconds_left == pytest.approx((3 * SMALL + 3 * MIDDLE + 4 * LARGE) / SMALL)
    forecast.update(2, (100, 50), now=1004)
    assert forecast.seconds_left == pytest.approx((2 * SMALL + 3 * MIDDLE + 4 * LARGE) / SMALL * 2)


def test_each_scale_has_its_own_speed_once_it_is_known():
    forecast = Forecast(PLAN)
    for iteration in range(5):
        forecast.update(iteration, (100, 50), now=iteration)
    forecast.update(5, (200, 100), now=104)  # a new scale is built, which says nothing of what follows
    assert forecast.seconds_left == pytest.approx((2 * MIDDLE + 4 * LARGE) / SMALL)
    forecast.update(6, (200, 100), now=106)
    assert forecast.seconds_left == pytest.approx((MIDDLE + 4 * LARGE) / MIDDLE * 2)


def test_a_scale_that_ends_early_leaves_fewer_iterations():
    forecast = Forecast(PLAN)
    forecast.update(0, (100, 50), now=0)
    forecast.update(1, (100, 50), now=1)
    assert forecast.most_iterations == 11
    forecast.update(2, (200, 100), now=2)
    assert forecast.most_iterations == 2 + 2 + 4
    assert (forecast.work_done, forecast.work_left) == (2 * SMALL + MIDDLE, 2 * MIDDLE + 4 * LARGE)


def test_at_the_end_nothing_is_left():
    forecast = Forecast(PLAN)
    sizes = [(100, 50)] * 5 + [(200, 100)] * 3 + [(400, 200)] * 4
    for iteration, size in enumerate(sizes):
        forecast.update(iteration, size, now=iteration)
    assert (forecast.most_iterations, forecast.work_left, forecast.seconds_left) == (11, 0, 0)
