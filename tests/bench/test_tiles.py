import pytest
from benchmarks import SHALLOW, change_settings, rows_of


def test_tiles_are_compared_with_the_whole_picture(monkeypatch):
    change_settings(monkeypatch, **SHALLOW)
    (row,) = rows_of("tiles", widths=(48,))
    assert (row["px"], row["tile px"]) == (48, 16)
    assert 0 < row["gradient difference"] < 1e-5
    assert row["loss difference"] < 1e-5
    assert row["tiled / whole"] == pytest.approx(row["tiled s"] / row["whole s"])
