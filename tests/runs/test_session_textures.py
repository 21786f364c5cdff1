"""Runs without content: textures, seamless ones with every optimizer, saved and continued."""

import numpy as np
import pytest
from small_runs import smooth

from neural_style import Config, Stylizer, render

STYLE = np.random.default_rng(0).integers(0, 256, (40, 48, 3)).astype(np.uint8)
SETTINGS = {
    **{"weights": "builtin", "precision": "float32", "style_layers": ("relu1_1", "relu2_1"), "style_loss": ("gram",)},
    **{"iterations": 3, "scale_iterations": 2, "tolerance": 0, "min_scale": 32},
}


def texture(**options):
    return Config(None, [STYLE], **{"size": (64, 64), **SETTINGS, **options})


@pytest.mark.parametrize(
    ("optimizer", "tile_size"),
    [("lbfgs", None), ("lbfgs", 64), ("adam", 64), ("sgd", 64), ("sgd", None), ("scipy", None)],
)
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


def seam_ratio(pictures):
    """Mean absolute step across the seams of textures, in both directions, relative to that between inner neighbors."""
    seams, inner = [], []
    for picture in pictures:
        for axis in (0, 1):
            steps = np.abs(picture - np.roll(picture, 1, axis)).mean(axis=(1 - axis, 2))
            seams.append(steps[0])
            inner.append(steps[1:].mean())
    return np.mean(seams) / np.mean(inner)


def test_the_seam_is_a_line_like_any_other():
    """From a start that is moved around the edges, the same texture comes, moved likewise."""
    start = np.random.default_rng(7).uniform(0, 255, (64, 64, 3))
    settings = {**SETTINGS, "scales": 1, "optimizer": "adam", "learning_rate": 5.0, "iterations": 4}
    here, there = (
        render(Config(None, [smooth(48, 40)], seamless=True, initial=each, **settings, size=(64, 64))).astype(int)
        for each in (start, np.roll(start, (32, 16), (0, 1)))
    )
    assert np.abs(there - np.roll(here, (32, 16), (0, 1))).max() <= 1


def test_the_seam_is_about_as_strong_as_the_interior():
    """Of several textures together, because the step at any one line of a texture varies."""
    settings = {**SETTINGS, "optimizer": "lbfgs", "iterations": 15, "size": (64, 64), "min_scale": 64}
    found = {}
    for seamless in (True, False):
        configs = [Config(None, [smooth(48, 40)], seamless=seamless, seed=seed, **settings) for seed in range(3)]
        found[seamless] = seam_ratio([render(config).astype(float) for config in configs])
    assert found[True] < 1.15
    assert found[False] > 1.3
