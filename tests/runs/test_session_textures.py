"""Runs without content: textures, seamless ones with every optimizer, saved and continued."""

import numpy as np
import pytest

from neural_style import Config, Stylizer, render

STYLE = np.random.default_rng(0).integers(0, 256, (40, 48, 3)).astype(np.uint8)
SETTINGS = {
    **{"weights": "builtin", "precision": "float32", "style_layers": ("relu1_1", "relu2_1"), "style_loss": ("gram",)},
    **{"iterations": 3, "scale_iterations": 2, "tolerance": 0, "min_scale": 32},
}


def texture(**options):
    return Config(None, [STYLE], **{"size": (64, 64), **SETTINGS, **options})


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam", "sgd", "scipy"])
@pytest.mark.parametrize("tile_size", [None, 64])
def test_seamless_runs_lower_the_loss(optimizer, tile_size):
    rate = {"sgd": 1e-6, "adam": 1.0}.get(optimizer)
    shared = {"seamless": True, "size": (96, 64), "tile_size": tile_size, "loss_scales": 2}
    config = texture(optimizer=optimizer, learning_rate=rate, **shared)
    with Stylizer.of(config).session(config) as session:
        steps = list(session)
        assert [scale[:2] for scale in session.scales][-1] == (96, 64)
        assert all(side % 4 == 0 for scale in session.scales for side in scale[:2])
    last = [step.losses["total"] for step in steps if step.scale == (96, 64)]
    assert min(last) < last[0]
    assert all(step.losses["content"] == 0 for step in steps)
    assert session.result().image.shape == (64, 96, 3)


def test_a_texture_is_continued_to_the_bit():
    config = texture(seamless=True)
    stylizer = Stylizer.of(config)
    expected = stylizer.session(config)
    images = [step.image for step in expected]
    session = stylizer.session(config)
    for _ in range(4):
        session.step()
    again = stylizer.restore(session.state())
    rest = [step.image for step in again]
    assert len(rest) == len(images) - 4
    np.testing.assert_array_equal(rest[-1], images[-1])


def test_seeds_give_variants():
    first, again, other = (render(texture(seed=seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 5


def test_gray_and_alpha_styles():
    gray = STYLE[..., 0]
    alpha = np.dstack([STYLE, np.full(STYLE.shape[:2], 100, np.uint8)])
    for style in (gray, alpha):
        assert render(Config(None, [style], size=(48, 40), **SETTINGS)).shape == (40, 48, 3)
