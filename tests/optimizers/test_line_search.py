import itertools
import math

import numpy as np
import pytest

from neural_style.optimizers.line_search import LineSearch


def search(value, slope, noise=0.0):
    """The search along a line, and the steps that it tries."""
    line, steps = LineSearch.begin(value(0), slope(0), noise), []
    while not line.has_ended:
        steps.append(line.step)
        line = line.tell(value(steps[-1]), slope(steps[-1]))
    return line, steps


def meets_strong_wolfe(value, slope, step):
    decrease = value(0) + LineSearch.LEAST_DECREASE * step * slope(0)
    return value(step) <= decrease and abs(slope(step)) <= LineSearch.GREATEST_SLOPE * abs(slope(0))


def parabola(lowest):
    """A function that falls from 0 on to its lowest place, and its derivative."""
    return lambda x: (x - lowest) ** 2, lambda x: 2 * (x - lowest)


@pytest.mark.parametrize("lowest", [0.6, 1, 1.5, 9])
def test_the_step_1_is_taken_where_it_will_do(lowest):
    line, steps = search(*parabola(lowest))
    assert steps == [1]
    assert line.last_is_best


@pytest.mark.parametrize("lowest", [12, 30, 1000, 1e4])
def test_a_step_that_is_too_short_grows(lowest):
    """By fours, until the slope is less steep."""
    line, steps = search(*parabola(lowest))
    assert steps == [4.0**i for i in range(len(steps))]
    assert len(steps) > 1
    assert meets_strong_wolfe(*parabola(lowest), steps[-1])
    assert line.last_is_best


@pytest.mark.parametrize("lowest", [0.45, 0.2, 0.01, 1e-4])
def test_a_step_that_is_too_long_shrinks(lowest):
    """To the lowest place of a parabola at once, which a cubic can show, but by no more than tenfold."""
    line, steps = search(*parabola(lowest))
    assert steps[1] == pytest.approx(max(lowest, 0.1))
    assert all(after < before for before, after in itertools.pairwise(steps))
    assert meets_strong_wolfe(*parabola(lowest), steps[-1])
    assert line.last_is_best


def test_a_minimum_between_two_steps_is_found_by_growing_and_then_zooming():
    """Flat up to a wall."""

    def value(x):
        return -x + (0.0 if x < 6 else 30 * (x - 6) ** 2)

    def slope(x):
        return -1 + (0.0 if x < 6 else 60 * (x - 6))

    line, steps = search(value, slope)
    assert steps[:3] == [1, 4, 16]
    assert all(4 < step < 16 for step in steps[3:])
    assert line.last_is_best
    assert meets_strong_wolfe(value, slope, steps[-1])


class Waves:
    """Waves on a parabola, which fall from 0 on; not finite beyond an edge."""

    def __init__(self, rng, edge=math.inf):
        self.height, self.speed, self.place = rng.normal(size=4), rng.uniform(0.1, 4, 4), rng.uniform(0, 2 * np.pi, 4)
        self.curvature, self.scale, self.edge = rng.uniform(0.01, 2), 10 ** rng.uniform(-2, 2), edge
        if self.slope(0) > 0:
            self.scale = -self.scale

    def value(self, x):
        if x > self.edge:
            return math.inf
        x = self.scale * x
        return self.curvature * x**2 / 2 + np.sum(self.height * np.sin(self.speed * x + self.place))

    def slope(self, x):
        x = self.scale * x
        waves = np.sum(self.height * self.speed * np.cos(self.speed * x + self.place))
        return self.scale * (self.curvature * x + waves)


def test_strong_wolfe_conditions_are_met_on_random_waves():
    """By every search that ends before its last step, which hardly any reaches."""
    rng = np.random.default_rng(0)
    counts = []
    for _ in range(500):
        waves = Waves(rng)
        line, steps = search(waves.value, waves.slope)
        counts.append(len(steps))
        if len(steps) < LineSearch.MOST_STEPS:
            assert meets_strong_wolfe(waves.value, waves.slope, steps[-1])
            assert line.last_is_best
    assert np.mean(counts) < 4
    assert np.mean(np.array(counts) == LineSearch.MOST_STEPS) < 0.01


def test_the_best_of_the_steps_so_far_is_told():
    line = LineSearch.begin(10.0, -1.0, 0.0)
    outcomes = []
    for value, slope in ((11.0, 5.0), (9.0, -2.0), (9.5, 3.0), (8.0, -1.5)):
        line = line.tell(value, slope)
        outcomes.append(line.last_is_best)
    assert outcomes == [False, True, False, True]


@pytest.mark.parametrize(("noise", "accepted"), [(0, False), (1e-6, False), (1e-4, True)])
def test_a_loss_higher_by_noise_alone_counts_as_not_higher(noise, accepted):
    """At the end of a descent: the slope has levelled out and the loss is up by 1e-5 of itself."""
    line = LineSearch.begin(1000.0, -1e-5, noise).tell(1000.01, 1e-6)
    assert line.has_ended is line.last_is_best is accepted


def test_noise_does_not_hide_a_real_rise():
    line = LineSearch.begin(1000.0, -1.0, 1e-4).tell(1000.2, 0.1)
    assert not line.last_is_best
    assert not line.has_ended


def test_a_search_in_vain_ends():
    """The derivative says down, the loss says up."""
    line, steps = search(lambda x: x, lambda _: -1.0)
    assert len(steps) == LineSearch.MOST_STEPS
    assert not line.last_is_best
    assert not line.is_not_finite
    assert all(after < before for before, after in itertools.pairwise(steps))


# --- steps that are not finite ----------------------------------------------------------------------------------------


def with_edge(value, slope, edge, bad=math.nan):
    """A function that is not finite beyond an edge, and its derivative."""
    return lambda x: value(x) if x <= edge else bad, lambda x: slope(x) if x <= edge else bad


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_step_that_is_not_finite_is_halved(bad):
    """Until it is finite; then the search goes on as ever."""
    line, steps = search(*with_edge(*parabola(0.2), 0.3, bad))
    assert steps[:3] == [1, 0.5, 0.25]
    assert meets_strong_wolfe(*parabola(0.2), steps[-1])
    assert line.last_is_best
    assert not line.is_not_finite


def test_the_loss_or_the_slope_alone_may_be_what_is_not_finite():
    for told in ((math.nan, -1.0), (0.5, math.inf), (-math.inf, -1.0), (0.5, math.nan)):
        line = LineSearch.begin(1.0, -1.0, 0.0).tell(*told)
        assert line.step == 0.5
        assert not line.last_is_best
        assert not line.has_ended


def test_a_step_that_grew_too_far_is_bisected():
    """Between it and the best one, which is taken once another could be no twice as long."""
    line, steps = search(*with_edge(*parabola(1000), 5))
    assert steps == [1, 4, 16, 10, 7]
    assert line.low.step == 4
    line, steps = search(*with_edge(*parabola(1000), 12))
    assert steps == [1, 4, 16, 10]
    assert line.low.step == 10
    assert line.last_is_best
    line, steps = search(*with_edge(*parabola(9), 2))
    assert steps == [1]


def test_bisections_cost_no_steps():
    """As many finite steps are left as without them."""
    line = LineSearch.begin(0.0, -1.0, 0.0)
    for _ in range(LineSearch.MOST_BISECTIONS - 1):
        line = line.tell(math.nan, math.nan)
    assert line.step == 0.5 ** (LineSearch.MOST_BISECTIONS - 1)
    for _ in range(LineSearch.MOST_STEPS):
        assert not line.has_ended
        line = line.tell(1.0, -1.0)
    assert line.has_ended


def test_a_search_without_finite_steps_ends():
    line, steps = search(*with_edge(*parabola(1), 0))
    assert steps == [0.5**i for i in range(LineSearch.MOST_BISECTIONS)]
    assert line.is_not_finite
    assert not line.last_is_best


def test_a_step_between_two_finite_ones_may_not_be_finite():
    """It is halved as well, towards the best one."""
    line = LineSearch.begin(10.0, -1.0, 0.0).tell(12.0, 3.0)
    step = line.step
    line = line.tell(math.nan, math.nan)
    assert line.step == step / 2
    assert not line.has_ended
    longer = LineSearch.begin(10.0, -10.0, 0.0).tell(4.0, -9.9).tell(1.0, 9.9)
    assert longer.low.step == 4 > longer.high.step == 1
    step = longer.step
    longer = longer.tell(math.nan, math.nan)
    assert step < longer.step < 4 or longer.has_ended


def test_edges_anywhere_end_no_search_on_waves():
    """It ends below the start, at a finite step, with few evaluations."""
    rng = np.random.default_rng(1)
    counts = []
    for _ in range(300):
        edge = 10 ** rng.uniform(-2, 1)
        waves = Waves(rng, edge)
        line, steps = search(waves.value, waves.slope)
        counts.append(len(steps))
        assert line.low.step <= edge
        if len(steps) < LineSearch.MOST_STEPS:
            assert line.lowest == min(waves.value(x) for x in [0, *steps]) < waves.value(0)
            assert line.low.step > 0
    assert np.mean(counts) < 6


# --- arrays -----------------------------------------------------------------------------------------------------------


def test_a_search_goes_to_an_array_and_back():
    rng = np.random.default_rng(2)
    for _ in range(20):
        waves = Waves(rng, 10 ** rng.uniform(-2, 1))
        line = LineSearch.begin(float(waves.value(0)), float(waves.slope(0)), 1e-3)
        while not line.has_ended:
            line = line.tell(float(waves.value(line.step)), float(waves.slope(line.step)))
            again = LineSearch.from_array(line.to_array())
            assert repr(again) == repr(line)
