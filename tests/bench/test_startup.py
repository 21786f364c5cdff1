import pytest
from benchmarks import rows_of

from neural_style.bench import startup
from neural_style.errors import NeuralStyleError


def test_startup_is_measured_in_a_new_process():
    (row,) = rows_of("startup", preset="gatys")
    phases = [row[name] for name in ("import s", "network, targets, start s", "first step s")]
    assert all(phase > 0 for phase in phases)
    assert row["together s"] == pytest.approx(sum(phases))


def test_a_process_that_fails_is_told_of(monkeypatch):
    monkeypatch.setattr("neural_style.bench.startup._SCRIPT", "raise SystemExit('no memory')")
    with pytest.raises(NeuralStyleError, match=r"^bench: a new process failed: no memory$"):
        rows_of("startup")


def test_a_preset_starts_as_such(monkeypatch):
    seen = []

    def stylize(config):
        seen.append(config)
        return iter([None, None])

    monkeypatch.setattr("neural_style.stylize", stylize)
    for preset in ("gatys", None):
        startup.time_phases(0.0, "builtin", 48, preset)
    assert [config.pooling for config in seen] == ["avg", "max"]
    assert all((config.weights, config.scales) == ("builtin", "1") for config in seen)
