import pytest

from neural_style.runs.forecast import FIXED_WORK, Forecast
from neural_style.runs.pyramid import Scale, has_converged

PLAN = [Scale(100, 50, 4), Scale(200, 100, 2), Scale(400, 200, 3)]
"""Evaluations with those of the start images: 5, 3 and 4."""
SMALL, MIDDLE, LARGE = (scale.width * scale.height + FIXED_WORK for scale in PLAN)
"""Work of an evaluation at each scale."""


def test_before_the_start_image_the_whole_plan_is_left():
    forecast = Forecast(PLAN)
    assert forecast.last_iteration == 5 + 3 + 4 - 1
    assert (forecast.work_done, forecast.work_left) == (0, 5 * SMALL + 3 * MIDDLE + 4 * LARGE)
    assert forecast.seconds_left is None


def test_time_left_is_that_of_the_work_left():
    """The start image tells no speed, since it waits for the network to be built."""
    forecast = Forecast(PLAN)
    forecast.update(0, (100, 50), 1.0, now=1000)
    assert forecast.seconds_left is None
    forecast.update(1, (100, 50), 1.0, now=1001)
    assert forecast.seconds_left == pytest.approx((3 * SMALL + 3 * MIDDLE + 4 * LARGE) / SMALL)
    forecast.update(2, (100, 50), 1.0, now=1004)
    assert forecast.seconds_left == pytest.approx((2 * SMALL + 3 * MIDDLE + 4 * LARGE) / SMALL * 2)


def test_in_the_middle_of_a_run_what_was_done_before_counts():
    forecast = Forecast(PLAN)
    forecast.recall(5, PLAN[1], [2.0])  # one of three evaluations
    assert forecast.last_iteration == 5 + 3 + 4 - 1
    assert forecast.work_left == 2 * MIDDLE + 4 * LARGE
    forecast.update(6, (200, 100), 1.0, now=10)
    assert (forecast.last_iteration, forecast.work_left) == (11, MIDDLE + 4 * LARGE)
    forecast.update(7, (200, 100), 1.0, now=12)
    assert forecast.seconds_left == pytest.approx(4 * LARGE / MIDDLE * 2)
    forecast.update(8, (400, 200), 1.0, now=20)
    assert (forecast.last_iteration, forecast.work_left) == (11, 3 * LARGE)


def test_each_scale_has_its_own_speed_once_it_is_known():
    forecast = Forecast(PLAN)
    for iteration in range(5):
        forecast.update(iteration, (100, 50), 1.0, now=iteration)
    forecast.update(5, (200, 100), 1.0, now=104)  # a new scale is built, which says nothing of what follows
    assert forecast.seconds_left == pytest.approx((2 * MIDDLE + 4 * LARGE) / SMALL)
    forecast.update(6, (200, 100), 1.0, now=106)
    assert forecast.seconds_left == pytest.approx((MIDDLE + 4 * LARGE) / MIDDLE * 2)


def test_a_scale_that_ends_early_leaves_fewer_iterations():
    forecast = Forecast(PLAN)
    forecast.update(0, (100, 50), 1.0, now=0)
    forecast.update(1, (100, 50), 1.0, now=1)
    assert forecast.last_iteration == 11
    forecast.update(2, (200, 100), 1.0, now=2)
    assert forecast.last_iteration == 2 + 2 + 4
    assert (forecast.work_done, forecast.work_left) == (2 * SMALL + MIDDLE, 2 * MIDDLE + 4 * LARGE)


def test_at_the_end_nothing_is_left():
    forecast = Forecast(PLAN)
    sizes = [(100, 50)] * 5 + [(200, 100)] * 3 + [(400, 200)] * 4
    for iteration, size in enumerate(sizes):
        forecast.update(iteration, size, 1.0, now=iteration)
    assert (forecast.last_iteration, forecast.work_left, forecast.seconds_left) == (11, 0, 0)


def test_with_a_tolerance_the_end_is_where_the_loss_will_hardly_fall_any_more():
    """Losses 1 + 100 / n² of n evaluations fall by 8 % in 20 of them after 49."""
    scales = [Scale(100, 50, 300), Scale(200, 100, 300)]
    losses = [1 + 100 / (count + 1) ** 2 for count in range(200)]
    end = next(count for count in range(200) if has_converged(losses[:count], 0.08))
    forecast = Forecast(scales, 0.08)
    for iteration, loss in enumerate(losses[: end - 6]):
        forecast.update(iteration, (100, 50), loss, now=iteration)
        assert iteration < forecast.last_iteration < 250
    assert forecast.last_iteration + 1 == pytest.approx(2 * end, rel=0.1)
    assert forecast.work_left / (6 * SMALL + end * MIDDLE) == pytest.approx(1, rel=0.15)
    forecast.update(end - 6, (200, 100), 3.0, now=1000)
    assert forecast.last_iteration < 110


def test_a_forecast_never_exceeds_the_limit_of_a_scale():
    forecast = Forecast([Scale(100, 50, 12), Scale(200, 100, 9)], 1e-9)
    assert forecast.last_iteration == 12 + 10
    for iteration in range(13):
        forecast.update(iteration, (100, 50), 100.0 - iteration, now=iteration)
        assert forecast.last_iteration == 12 + 10
