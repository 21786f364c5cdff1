"""Runs whose loss is a mean over several sizes of the image."""

import numpy as np
import pytest
from small_runs import IN_PLACE, TWO_SCALES, assert_same, smooth, totals

from neural_style.errors import UsageError
from neural_style.runs import stylizer as stylizers

SIZES = {**TWO_SCALES, "loss_scales": 3}


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_losses_fall_at_every_scale(run, optimizer):
    steps = run(**SIZES, optimizer=optimizer)
    assert [step.scale for step in steps] == [(64, 48)] * 4 + [(128, 96)] * 6
    for found in (totals(steps[:4]), totals(steps[4:])):
        assert found[-1] < found[0]
    for step in steps:
        parts = [step.losses[name] for name in ("content", "style", "tv")]
        assert step.losses["total"] == pytest.approx(sum(parts), rel=1e-5)
    assert totals(steps) != totals(run(**TWO_SCALES, optimizer=optimizer))


def test_tiles_change_in_place_what_a_whole_picture_does(run):
    whole, tiled = run(**{**IN_PLACE, "tile_size": 0}, loss_scales=2), run(**IN_PLACE, loss_scales=2)
    assert totals(tiled) == pytest.approx(totals(whole), rel=1e-3)
    assert np.abs(tiled[-1].image.astype(int) - whole[-1].image).max() <= 2


def test_styles_are_reduced_like_the_image(begin, monkeypatch):
    sizes, real = [], stylizers.style_moments

    def style_moments(graphs, style, *rest):
        sizes.append((style.shape[1], style.shape[0]))
        return real(graphs, style, *rest)

    monkeypatch.setattr(stylizers, "style_moments", style_moments)
    list(begin(**SIZES, styles=[smooth(90, 67, 8), smooth(51, 70, 9)]))
    first = [(64, 48), (32, 24), (16, 12), (64, 88), (32, 44), (16, 22)]
    assert sizes == [*first, (128, 95), (64, 48), (32, 24), (128, 176), (64, 88), (32, 44)]


def test_a_run_continues_to_the_bit(begin, stylizer):
    expected = list(begin(**SIZES, strength=0.5))
    session = begin(**SIZES, strength=0.5)
    before = [session.step() for _ in range(6)]
    state = session.state()
    session.close()
    assert_same([*before, *stylizer.restore(state)], expected)


def test_new_weights_hold_at_every_size(begin):
    session = begin(**{**SIZES, "scales": 1})
    first = session.step()
    session.set_weights(style_weight=0.0)
    assert session.step().losses["style"] == 0
    assert first.losses["style"] > 0
    session.close()


def test_pictures_that_are_too_small_are_refused_before_anything_is_computed(begin):
    deep = {"style_layers": ("relu5_1",), "loss_scales": 2, "scales": 1}
    with pytest.raises(UsageError, match=r"^loss_scales: expected at least 33 px a side .*, got 64×32 for the content"):
        begin(**deep, content=smooth(64, 32))
    expected = (
        "loss_scales: expected at least 33 px a side for 2 sizes of the loss, got 64×32 for a style picture; give "
        "fewer sizes, or a larger --width or --style_scales"
    )
    with pytest.raises(UsageError, match=f"^{expected}$"):
        begin(**deep, content=smooth(64, 64), styles=[smooth(64, 32)])


def test_a_style_is_enlarged_where_its_reductions_would_be_too_small(begin, stylizer, monkeypatch):
    """At the coarse sizes, also in a session that is restored; from 48×36 to the least, of 33 px."""
    sizes, real = [], stylizers.style_moments

    def style_moments(graphs, style, *rest):
        sizes.append((style.shape[1], style.shape[0]))
        return real(graphs, style, *rest)

    monkeypatch.setattr(stylizers, "style_moments", style_moments)
    settings = {"style_layers": ("relu5_1",), "content_layers": ("relu1_2",), "loss_scales": 2}
    session = begin(content=smooth(96, 96), styles=[smooth(160, 90)], width=96, scales=2, iterations=1, **settings)
    session.step()
    coarse, full = [(59, 33), (30, 17)], [(96, 54), (48, 27)]
    assert sizes == coarse
    state = session.state()
    session.close()
    del sizes[:]
    stylizer._styles.clear()
    restored = list(stylizer.restore(state))
    assert sizes == [*coarse, *full]
    assert restored[-1].scale == (96, 96)


def test_the_cache_keeps_all_sizes_of_an_example_together(begin, monkeypatch, stylizer):
    """So that as many examples are kept as with one size."""
    calls, real = [], stylizers.style_moments
    monkeypatch.setattr(stylizers, "style_moments", lambda *given: calls.append(given[1].shape) or real(*given))
    monkeypatch.setattr(stylizers, "MOST_STYLES", 2)
    for times in range(2):
        list(begin(**{**SIZES, "scales": 1, "iterations": 1}, styles=[smooth(97, 67, 8), smooth(53, 70, 9)]))
        assert len(calls) == 2 * 3, times
