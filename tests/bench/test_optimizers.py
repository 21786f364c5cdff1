import pytest
from benchmarks import SHALLOW, change_settings, rows_of

from neural_style.bench import program


@pytest.fixture(autouse=True)
def little_to_compute(monkeypatch):
    """A shallow network, and a history that is soon full."""
    change_settings(monkeypatch, history_size=2, **SHALLOW)


def test_optimizers_are_compared_by_their_own_share():
    rows = rows_of("optimizer", widths=(32,))
    assert [row["optimizer"] for row in rows] == ["adam", "lbfgs", "scipy"]
    assert all(row["own"] > 0 for row in rows)


def test_a_preset_keeps_what_belongs_to_its_own_optimizer(monkeypatch):
    """Crowson's steps and averages are those of Adam; the loss is the same for all."""
    configs, real = {}, program.optimizer_run

    def optimizer_run(config, *rest):
        configs[config.optimizer] = config
        return real(config, *rest)

    monkeypatch.setattr(program, "optimizer_run", optimizer_run)
    rows = rows_of("optimizer", widths=(32,), preset="crowson")
    assert [row["optimizer"] for row in rows] == list(configs) == ["adam", "lbfgs", "scipy"]
    assert (configs["adam"].average_iterates, configs["adam"].clip, configs["adam"].beta2) == (0.99, True, 0.99)
    for name in ("lbfgs", "scipy"):
        assert (configs[name].average_iterates, configs[name].clip) == (0, False)
        assert configs[name].style_terms == configs["adam"].style_terms
        assert configs[name].style_loss == ("wasserstein",)
