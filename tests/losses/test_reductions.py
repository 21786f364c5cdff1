import pytest

from neural_style.config.config import OPTIONS
from neural_style.losses.reductions import NORMALIZATIONS, REDUCTIONS


def test_a_mean_over_12_entries_divided_by_each():
    found = {name: 6.0 / reduction.divisor(12, 4.0) for name, reduction in REDUCTIONS.items()}
    assert found == pytest.approx({"mean": 6, "sum": 72, "half_sum": 36, "relative": 1.5})
    assert [name for name, reduction in REDUCTIONS.items() if reduction.needs_size] == ["relative"]


def test_normalizations_by_hand():
    found = {name: divisor(20, 3, 80) for name, divisor in NORMALIZATIONS.items()}
    assert found == {"positions_channels": 60, "positions": 20, "pixels": 80, "none": 1}


def test_every_choice_is_a_row():
    assert set(OPTIONS["content_loss"].choices) == set(REDUCTIONS)
    assert set(OPTIONS["style_reduction"].choices) <= set(REDUCTIONS)
    assert set(OPTIONS["gram_normalization"].choices) == set(NORMALIZATIONS)
