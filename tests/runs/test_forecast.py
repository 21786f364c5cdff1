import pytest

from neural_style.runs.forecast import FIXED_SECONDS, START_EVALUATIONS, Forecast
from neural_style.runs.pyramid import Scale, has_converged

PLAN = [Scale(100, 50, 4), Scale(200, 100, 2), Scale(400, 200, 3)]
"""Evaluations with those of the start images: 5, 3 and 4. Each scale has four times the pixels of the one before."""


def followed(forecast, scales, evaluation, start, counts=None):
    """Simulate a run with known times; yield the time that was left and its forecast after each step.

    `evaluation(scale)` gives the seconds of an evaluation, and `start(scale)` what the first takes in addition.
    """
    counts = counts or [scale.iterations + 1 for scale in scales]
    steps = [(scale, at) for scale, count in zip(scales, counts, strict=True) for at in range(count)]
    times = [evaluation(scale) + (start(scale) if at == 0 else 0) for scale, at in steps]
    for iteration, (scale, _) in enumerate(steps):
        forecast.update(iteration, (scale.width, scale.height), 1.0, now=sum(times[: iteration + 1]))
        yield sum(times[iteration + 1 :]), forecast.seconds_left


def test_before_the_start_image_the_whole_plan_is_left():
    forecast = Forecast(PLAN)
    assert forecast.last_iteration == 5 + 3 + 4 - 1
    assert (forecast.seconds_done, forecast.seconds_left) == (0, None)


def test_time_left_foresees_larger_scales_and_their_starts():
    """By hand: the constant is 0.02 s, the rest grows fourfold, and a start counts as 1.5 evaluations more."""
    forecast = Forecast(PLAN)
    forecast.update(0, (100, 50), 1.0, now=1000)
    assert forecast.seconds_left is None  # the start image waits for the network to be built
    forecast.update(1, (100, 50), 1.0, now=1001)
    fixed, other = FIXED_SECONDS, 1 - FIXED_SECONDS
    middle, large = fixed + 4 * other, fixed + 16 * other
    expected = 3 + (3 + START_EVALUATIONS) * middle + (4 + START_EVALUATIONS) * large
    assert forecast.seconds_left == pytest.approx(expected)
    assert forecast.seconds_done == 1


def test_the_constant_is_at_most_half_of_a_fast_evaluation():
    forecast = Forecast([Scale(100, 50, 1), Scale(200, 100, 1)])
    forecast.update(0, (100, 50), 1.0, now=0)
    forecast.update(1, (100, 50), 1.0, now=0.01)
    assert forecast.seconds_left == pytest.approx((2 + START_EVALUATIONS) * (0.005 + 4 * 0.005))


@pytest.mark.parametrize("fixed", [0.0, 0.02, 0.2])
@pytest.mark.parametrize("start", [0.0, 1.5, 4.0])
def test_two_scales_tell_the_time_of_the_third(fixed, start):
    def evaluation(scale):
        return fixed + 1e-5 * scale.width * scale.height

    told = list(followed(Forecast(PLAN), PLAN, evaluation, lambda scale: start * evaluation(scale)))
    for left, forecast in told[6:]:  # from the second evaluation at the second scale on
        assert forecast == pytest.approx(left)


def test_in_the_middle_of_a_run_what_was_done_before_counts():
    forecast = Forecast(PLAN)
    forecast.recall(5, PLAN[1], [2.0])  # one of three evaluations
    assert forecast.last_iteration == 5 + 3 + 4 - 1
    forecast.update(6, (200, 100), 1.0, now=10)
    assert (forecast.last_iteration, forecast.seconds_left) == (11, None)
    forecast.update(7, (200, 100), 1.0, now=12)
    large = FIXED_SECONDS + 4 * (2 - FIXED_SECONDS)
    assert forecast.seconds_left == pytest.approx((4 + START_EVALUATIONS) * large)
    forecast.update(8, (400, 200), 1.0, now=40)
    assert forecast.last_iteration == 11
    forecast.update(9, (400, 200), 1.0, now=50)
    assert forecast.seconds_left == pytest.approx(2 * 10)


def test_the_last_evaluations_count_when_the_speed_changes():
    forecast = Forecast([Scale(100, 50, 100)])
    for iteration in range(51):
        forecast.update(iteration, (100, 50), 1.0, now=iteration + max(0, iteration - 25) * 2)
    assert forecast.seconds_left == pytest.approx(50 * 3)


def test_a_scale_that_ends_early_leaves_fewer_iterations():
    forecast = Forecast(PLAN)
    forecast.update(0, (100, 50), 1.0, now=0)
    forecast.update(1, (100, 50), 1.0, now=1)
    assert forecast.last_iteration == 11
    forecast.update(2, (200, 100), 1.0, now=2)
    assert (forecast.last_iteration, forecast.scale) == (2 + 2 + 4, 1)


def test_at_the_end_nothing_is_left():
    forecast = Forecast(PLAN)
    *_, (left, told) = followed(forecast, PLAN, lambda scale: 1.0, lambda scale: 0.0)
    assert (forecast.last_iteration, left, told) == (11, 0, 0)


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
    later = (end + START_EVALUATIONS) * (FIXED_SECONDS + 4 * (1 - FIXED_SECONDS))
    assert forecast.seconds_left == pytest.approx(6 + later, rel=0.15)
    forecast.update(end - 6, (200, 100), 3.0, now=1000)
    assert forecast.last_iteration < 110


def test_a_forecast_never_exceeds_the_limit_of_a_scale():
    forecast = Forecast([Scale(100, 50, 12), Scale(200, 100, 9)], 1e-9)
    assert forecast.last_iteration == 12 + 10
    for iteration in range(13):
        forecast.update(iteration, (100, 50), 100.0 - iteration, now=iteration)
        assert forecast.last_iteration == 12 + 10
