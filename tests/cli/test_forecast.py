import pytest

from neural_style.cli.forecast import Forecast
from neural_style.runs.pyramid import Scale

PLAN = [Scale(10, 10, 4), Scale(20, 20, 2), Scale(40, 40, 3)]
"""Evaluations with those of the start images: 5, 3 and 4."""


def test_before_the_start_image_the_whole_plan_is_left():
    forecast = Forecast(PLAN)
    assert forecast.most_iterations == 5 + 3 + 4 - 1
    assert (forecast.pixels_done, forecast.pixels_left) == (0, 5 * 100 + 3 * 400 + 4 * 1600)
    assert forecast.seconds_left is None


def test_time_left_is_that_of_the_pixels_left():
    """The start image tells no speed, since it waits for the network to be built."""
    forecast = Forecast(PLAN)
    forecast.update(0, (10, 10), now=1000)
    assert forecast.seconds_left is None
    forecast.update(1, (10, 10), now=1001)
    assert forecast.seconds_left == pytest.approx((3 * 100 + 3 * 400 + 4 * 1600) / 100)
    forecast.update(2, (10, 10), now=1004)
    assert forecast.seconds_left == pytest.approx((2 * 100 + 3 * 400 + 4 * 1600) / 100 * 2)


def test_each_scale_has_its_own_speed_once_it_is_known():
    forecast = Forecast(PLAN)
    for iteration in range(5):
        forecast.update(iteration, (10, 10), now=iteration)
    forecast.update(5, (20, 20), now=104)  # a new scale is built, which says nothing of what follows
    assert forecast.seconds_left == pytest.approx((2 * 400 + 4 * 1600) / 100)
    forecast.update(6, (20, 20), now=106)
    assert forecast.seconds_left == pytest.approx((400 + 4 * 1600) / 400 * 2)


def test_a_scale_that_ends_early_leaves_fewer_iterations():
    forecast = Forecast(PLAN)
    forecast.update(0, (10, 10), now=0)
    forecast.update(1, (10, 10), now=1)
    assert forecast.most_iterations == 11
    forecast.update(2, (20, 20), now=2)
    assert forecast.most_iterations == 2 + 2 + 4
    assert (forecast.pixels_done, forecast.pixels_left) == (2 * 100 + 400, 2 * 400 + 4 * 1600)


def test_at_the_end_nothing_is_left():
    forecast = Forecast(PLAN)
    sizes = [(10, 10)] * 5 + [(20, 20)] * 3 + [(40, 40)] * 4
    for iteration, size in enumerate(sizes):
        forecast.update(iteration, size, now=iteration)
    assert (forecast.most_iterations, forecast.pixels_left, forecast.seconds_left) == (11, 0, 0)
