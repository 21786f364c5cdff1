import pytest
from benchmarks import rows_of


def test_evaluations_are_compared_with_float32_and_with_their_convolutions():
    rows = rows_of("eval")
    assert rows[0]["precision"] == "float32"
    assert rows[0]["vs float32"] == 1
    for row in rows:
        assert row["s per Mpx"] == pytest.approx(row["evaluation s"] / (48 * 48 / 1e6))
        assert row["vs float32"] == pytest.approx(rows[0]["evaluation s"] / row["evaluation s"])
        assert 0 < row["vs convolutions"] < 1000
