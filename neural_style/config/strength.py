"""Strength: one number from 0 to 1 that sets how far a picture moves from the photo toward the style.

A weight of the style says little about the result. The same weight leaves one photo almost as it was and dissolves
another, because features of some styles are much stronger than those of the photo. So a strength stands for a distance:
how far the result's content features should be from the photo's, relative to their variance. A run begins with a weight
that reaches that distance on average. After each size but the last, it compares the distance with the aim and corrects
the weight.
"""

from __future__ import annotations

import math

USUAL = 0.5
"""Strength by default."""

_USUAL_DISTANCE = 0.9
"""Distance aimed at with the usual strength. The classic run's, over 14 pairs of a photo and a painting, is 1.1."""

_DISTANCE_POWER = 0.45
"""The distance aimed at grows with the odds of the strength, s / (1 - s), to this power."""

_ELASTICITY = 0.35
"""A distance grows about as the weight of the style to this power, as measured on six pairs."""

_CORRECTION = 3.5
"""Power of aim / distance by which the weight is multiplied.

With 1 / `_ELASTICITY`, about 2.9, the same size painted again would reach the aim. The next size needs more, because it
begins with what the former size has left of the photo: without a correction, differences between pictures grow.
"""

_EARLY = 1.1
"""Factor on the distance aimed at by a size but the last, in a run from the photo. These sizes end early: a distance
first grows, and then falls. Chosen so that six pairs end at the distance that their strength stands for."""

_MOST = 8.0
"""Largest factor by which all corrections together change the weight, up or down."""


def _odds(strength: float) -> float:
    return strength / (1 - strength) if strength < 1 else math.inf


def aimed_distance(strength: float) -> float:
    """Return the relative content distance that a strength stands for: 0 for a strength of 0, infinite for 1."""
    return _USUAL_DISTANCE * _odds(strength) ** _DISTANCE_POWER


def early_distance(strength: float) -> float:
    """Return the distance at the end of a size but the last that leads to `aimed_distance` in the result."""
    return _EARLY * aimed_distance(strength)


def first_factor(strength: float) -> float:
    """Return what the weight of the style is multiplied by at the start of a run: 1 for the usual strength.

    It is 0 for a strength of 0 and infinite for 1.
    """
    return _odds(strength) ** (_DISTANCE_POWER / _ELASTICITY)


def corrected(factor: float, strength: float, distance: float, *, from_photo: bool = True) -> float:
    """Return the factor of the style's weight for the next size.

    Args:
        factor: all corrections so far; 1 at the first size.
        strength: between 0 and 1, both excluded.
        distance: relative content distance of the image at the end of a size.
        from_photo: whether the run began with the photo, at a size that ends early.
    """
    aim = early_distance(strength) if from_photo else aimed_distance(strength)
    wanted = factor * (aim / max(distance, 1e-3)) ** _CORRECTION
    return min(max(wanted, 1 / _MOST), _MOST)
