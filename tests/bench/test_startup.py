import pytest
from benchmarks import rows_of

from neural_style.errors import NeuralStyleError


def test_startup_is_measured_in_a_new_process():
    (row,) = rows_of("startup")
    phases = [row[name] for name in ("import s", "network, targets, start s", "first step s")]
    assert all(phase > 0 for phase in phases)
    assert row["together s"] == pytest.approx(sum(phases))


def test_a_process_that_fails_is_told_of(monkeypatch):
    monkeypatch.setattr("neural_style.bench.startup._SCRIPT", "raise SystemExit('no memory')")
    with pytest.raises(NeuralStyleError, match=r"^bench: a new process failed: no memory$"):
        rows_of("startup")
