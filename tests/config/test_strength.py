"""Strength: what a number from 0 to 1 aims at, and how the weight of the style follows."""

import math

import pytest

from neural_style.config import strength


def test_distance_and_weight_grow_with_strength():
    steps = [step / 20 for step in range(21)]
    for function in (strength.aimed_distance, strength.first_factor):
        values = [function(step) for step in steps]
        assert values == sorted(values) and len(set(values)) == len(values)
        assert (values[0], values[-1]) == (0, math.inf)


def test_the_usual_strength_keeps_the_weight():
    assert strength.first_factor(strength.USUAL) == 1


def test_opposite_strengths_have_opposite_factors():
    assert strength.first_factor(0.25) * strength.first_factor(0.75) == pytest.approx(1)


@pytest.mark.parametrize("at", [0.1, 0.5, 0.9])
def test_a_distance_that_leads_to_the_aim_changes_nothing(at):
    assert strength.corrected(1.7, at, strength.early_distance(at)) == pytest.approx(1.7)


def test_too_much_distance_lowers_the_weight_and_too_little_raises_it():
    aim = strength.early_distance(0.5)
    assert strength.corrected(1, 0.5, 1.1 * aim) == pytest.approx(1.1**-3.5)
    assert strength.corrected(1, 0.5, aim / 1.1) == pytest.approx(1.1**3.5)


def test_corrections_are_bounded_and_finite():
    assert strength.corrected(1, 0.5, 0.0) == 8
    assert strength.corrected(1, 0.5, 1e9) == 1 / 8
    assert strength.corrected(8, 0.9, 0.1) == 8


def test_corrections_settle_where_the_distance_follows_the_weight():
    factor, distance = 1.0, 0.0
    for _ in range(8):
        distance = 1.8 * factor**0.35
        factor = strength.corrected(factor, 0.5, distance)
    assert distance == pytest.approx(strength.early_distance(0.5), rel=0.01)


@pytest.mark.parametrize("at", [0.25, 0.75])
def test_without_the_photo_as_start_the_aim_is_that_of_the_result(at):
    assert strength.corrected(1.7, at, strength.aimed_distance(at), from_photo=False) == pytest.approx(1.7)
    assert strength.early_distance(at) > strength.aimed_distance(at)
