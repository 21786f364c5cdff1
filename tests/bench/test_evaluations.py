import pytest
from benchmarks import SHALLOW, change_settings, rows_of

from neural_style.bench import evaluations, program
from neural_style.bench.measuring import random_pictures
from neural_style.compute.multiscale_objective import MultiscaleObjective
from neural_style.config.config import Config
from neural_style.config.resolve import resolve


@pytest.fixture(autouse=True)
def shallow(monkeypatch):
    change_settings(monkeypatch, **SHALLOW)


@pytest.fixture
def configs(monkeypatch):
    """Configurations of the objectives that are built, in float32 alone."""
    monkeypatch.setattr(program, "available_precisions", lambda config: ["float32"])
    built, real = [], program.objective

    def objective(config, *rest, **settings):
        built.append(config)
        return real(config, *rest, **settings)

    monkeypatch.setattr(program, "objective", objective)
    return built


def test_evaluations_are_compared_with_float32_and_with_their_convolutions():
    rows = rows_of("eval", widths=(16,))
    assert rows[0]["precision"] == "float32"
    assert rows[0]["vs float32"] == 1
    for row in rows:
        assert row["s per Mpx"] == pytest.approx(row["evaluation s"] / (16 * 16 / 1e6))
        assert row["vs float32"] == pytest.approx(rows[0]["evaluation s"] / row["evaluation s"])
        assert 0 < row["vs convolutions"] < 1000


def test_a_preset_is_evaluated_with_its_own_loss(configs, monkeypatch):
    monkeypatch.setattr(evaluations, "has_torch", lambda: True)  # which is not asked
    rows = rows_of("eval", widths=(16,), preset="crowson")
    assert {(config.padding, config.style_loss) for config in configs} == {("replicate", ("wasserstein",))}
    assert all(row["vs PyTorch float32"] is None for row in rows)


def test_the_defaults_are_evaluated_with_the_classic_loss(configs, monkeypatch):
    """Which PyTorch computes, whatever loss the network has."""
    monkeypatch.setattr(evaluations, "has_torch", lambda: False)
    rows_of("eval", widths=(16,))
    assert configs
    for config in configs:
        assert (config.loss, config.content_loss, config.style_loss) == ("athalye", "mean", ("gram",))
        assert (config.style_reduction, config.strength) == ("mean", None)


def test_a_loss_over_several_sizes_is_built():
    given = {"weights": "builtin", "loss_scales": 2, "loss": "athalye", **SHALLOW}
    config = resolve(Config("photo.png", ["style.png"], **given), {})
    network = program.load_network(config)
    content, style, start = random_pictures(64)
    totals = []
    for tile_size in (None, 32):
        objective = program.objective(config, network, content, [style], tile_size=tile_size)
        losses, gradient = program.evaluate(objective, program.encode(objective, start))
        assert gradient.shape == (1, 64, 64, 3)
        assert type(objective) is MultiscaleObjective
        totals.append(float(losses.total))
    assert totals[0] == pytest.approx(totals[1], rel=1e-4)
