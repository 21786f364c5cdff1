"""Runs in tiles, in place, and where memory fails."""

import numpy as np
import pytest
from PIL import Image
from small_runs import (
    EXHAUSTED,
    IN_PLACE,
    LARGE,
    OPTIMIZERS,
    TWO_SCALES,
    WIDE,
    are_best,
    assert_alike,
    assert_same,
    numbers_in,
    shown,
    smooth,
    totals,
)

from neural_style.errors import OutOfMemoryError
from neural_style.images.picture import lanczos
from neural_style.optimizers.adam import Adam, InPlaceAdam
from neural_style.optimizers.lbfgs import LBFGS
from neural_style.runs import stylizer as stylizers

# --- memory fails in an evaluation ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("optimizer", "error"), [("adam", MemoryError()), ("lbfgs", EXHAUSTED), ("scipy", EXHAUSTED)], ids=str
)
def test_a_run_goes_on_in_tiles_where_memory_fails(run, begin, evaluations, notes, optimizer, error):
    expected = run(**LARGE, optimizer=optimizer)
    evaluations.clear()
    evaluations.fail(error, lambda call, tile_size: tile_size is None and call >= 3)
    session = begin(**LARGE, optimizer=optimizer)
    assert_alike(list(session), expected)
    assert evaluations.tile_sizes == [None] * 4 + [192] * 4
    np.testing.assert_array_equal(evaluations.images[3], evaluations.images[4])
    assert len(notes()) == 1
    assert session.plans[-1].tile_size == 192
    assert session.result().plan == "200×40 px tiles of 192 px"


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_run_goes_down_to_the_smallest_tiles(begin, evaluations, reserved, optimizer):
    """And ends there, with what was yielded before."""
    evaluations.fail(EXHAUSTED, lambda call, tile_size: call in (2, 4) or call > 6)
    session, good = begin(**LARGE, optimizer=optimizer), []
    with pytest.raises(OutOfMemoryError, match=r"200×40 px, which, even in tiles of 128 px,") as caught:
        for step in session:
            good.append(step)
    assert evaluations.tile_sizes == [None, None, None, 192, 192, 128, 128, 128]
    assert [step.iteration for step in good] == [0, 1, 2, 3, 4]
    assert good[-1].image.shape == (40, 200, 3)
    assert caught.value.__cause__ is EXHAUSTED
    assert reserved() == 0
    assert session.result().plan == "200×40 px tiles of 128 px"


def test_a_start_without_memory(run, evaluations):
    expected = run(**LARGE)
    evaluations.fail(MemoryError(), lambda call, tile_size: tile_size != 128)
    assert_alike(run(**LARGE), expected)


def test_targets_without_memory(run, evaluations, monkeypatch, notes):
    """Of style pictures, before anything is evaluated."""
    monkeypatch.setattr(stylizers, "MOST_STYLES", 0)  # or the second run would know them
    settings = {**LARGE, "styles": [smooth(80, 60, 9)]}
    expected = run(**settings)
    evaluations.clear()
    real, asked = stylizers.style_moments, []

    def style_moments(graphs, style, tile_size, check, *masks):
        asked.append(tile_size)
        if tile_size != 128:
            raise EXHAUSTED
        return real(graphs, style, tile_size, check)

    monkeypatch.setattr(stylizers, "style_moments", style_moments)
    assert_alike(run(**settings), expected)
    assert asked == [None, 192, 128]
    assert evaluations.tile_sizes == [128] * 7
    assert len(notes()) == 2


def test_each_scale_has_its_own_tiles(run, evaluations):
    """The coarser is as large as memory lets it."""
    evaluations.fail(EXHAUSTED, lambda call, tile_size: call == 5)
    run(**{**TWO_SCALES, "content": WIDE, "width": 400})
    assert evaluations.tile_sizes == [None] * 6 + [384] * 5


# --- memory fails in the optimizer ------------------------------------------------------------------------------------


@pytest.fixture
def exhausted(monkeypatch):
    """Make an optimizer find no memory when it is told the n-th evaluation."""

    def exhausted(kind, number):
        real, told = kind.tell, []

        def tell(self, state, total, gradient):
            if type(self) is kind:
                told.append(total)
                if len(told) == number:
                    raise EXHAUSTED
            return real(self, state, total, gradient)

        monkeypatch.setattr(kind, "tell", tell)

    return exhausted


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize(("tile_size", "then"), [(None, 192), (64, 64)])
def test_adam_takes_the_place_of_an_optimizer_without_memory(
    begin, evaluations, exhausted, notes, tile_size, then, count
):
    """From the best image on; with its first step, Adam changes every pixel by the rate."""
    exhausted(LBFGS, count)
    session = begin(**LARGE, optimizer="lbfgs", tile_size=tile_size)
    steps = list(session)
    assert [step.iteration for step in steps] == list(range(7))
    assert [step.best for step in steps] == are_best(totals(steps))
    assert evaluations.tile_sizes == [tile_size] * count + [then] * (1 + 7 - count)
    images = evaluations.images
    best = images[int(np.argmin(totals(steps[:count])))]
    np.testing.assert_array_equal(images[count], best)
    np.testing.assert_allclose(np.median(np.abs(images[count + 1] - best)), 3, rtol=1e-3)
    assert any("continuing with adam" in note for note in notes())
    assert session.result().plan.startswith(f"200×40 px tiles of {then} px, adam instead of lbfgs")


def test_adam_without_memory_goes_on_in_place(run, evaluations, exhausted):
    """Though tiles had been taken before, for an evaluation."""
    exhausted(Adam, 5)
    evaluations.fail(EXHAUSTED, lambda call, tile_size: call == 2)
    steps = run(**LARGE)
    assert [step.iteration for step in steps] == list(range(7))
    assert evaluations.tile_sizes == [None] * 3 + [192] * 6


def test_adam_without_memory_in_place_ends_the_run(begin, exhausted, reserved):
    exhausted(InPlaceAdam, 3)
    session = begin(**IN_PLACE)
    for _ in range(3):
        session.step()
    with pytest.raises(OutOfMemoryError, match=r"too little memory .* 100×75 px, which, even in tiles of 64 px"):
        session.step()
    assert reserved() == 0
    assert session.result().image.shape == (75, 100, 3)


def test_going_back_after_tiles_were_taken(run, evaluations):
    """Adam, which had not overwritten its image until then, does so from there on."""

    def change(evaluation, terms, gradient):
        if evaluation.call == 2:
            raise EXHAUSTED
        return (terms._replace(total=np.nan) if evaluation.call == 5 else terms), gradient

    evaluations.change = change
    steps = run(**LARGE)
    assert [step.iteration for step in steps] == list(range(7))
    assert np.isfinite(totals(steps)).all()
    assert evaluations.tile_sizes == [None] * 3 + [192] * 7


# --- in place ---------------------------------------------------------------------------------------------------------


def test_steps_of_a_run_in_place_keep_their_images(run, network, evaluations):
    """Though they are looked at only when all is over."""
    steps = run(**IN_PLACE)
    assert evaluations.tile_sizes == [64] * 7
    for step, image in zip(steps, evaluations.images, strict=True):
        np.testing.assert_array_equal(step.image, shown(image, network.mean))
    assert len({step.image.tobytes() for step in steps}) == 7


def test_a_run_in_place_is_that_of_the_whole_picture(run):
    expected, steps = run(**{**IN_PLACE, "tile_size": 0}), run(**IN_PLACE)
    assert_alike(steps, expected)
    for step, other in zip(steps, expected, strict=True):
        assert np.abs(step.image.astype(int) - other.image).mean() < 0.02


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_run_in_tiles_gives_the_same_bits_again(run, optimizer):
    assert_same(run(**IN_PLACE, optimizer=optimizer), run(**IN_PLACE, optimizer=optimizer))


def test_the_best_of_a_run_in_place(run):
    """Which need not be the last, with steps so large."""
    steps = run(**{**IN_PLACE, "iterations": 9, "learning_rate": 120}, initial_noiseblend=1)
    assert [step.best for step in steps] == are_best(totals(steps))
    assert not all(step.best for step in steps)


def test_going_back_in_place(run, evaluations, notes):
    """To the image before, which is the only one that can be had, with a tenth of the step."""
    evaluations.spoil(3)
    steps = run(**IN_PLACE)
    assert [step.iteration for step in steps] == list(range(7))
    assert np.isfinite(totals(steps)).all()
    assert numbers_in("\n".join(notes()), "at iteration") == [3]
    images = evaluations.images
    assert len(images) == 7 + 2
    np.testing.assert_allclose(images[4], images[2], atol=1e-4)
    np.testing.assert_allclose(np.median(np.abs(images[5] - images[4])), 0.3, rtol=1e-3)


def test_scales_of_which_the_last_is_in_place(run, evaluations):
    steps = run(**{**TWO_SCALES, "tile_size": 64, "photo_details": 0.0})
    assert [step.scale for step in steps] == [(64, 48)] * 4 + [(128, 96)] * 6
    assert evaluations.tile_sizes == [None] * 4 + [64] * 6
    best = evaluations.images[int(np.argmin(totals(steps[:4])))]
    np.testing.assert_allclose(evaluations.images[4][0], lanczos(best[0], 128, 96), atol=1e-3)


def test_a_scale_after_one_in_place_starts_with_its_last_image(run, evaluations, network):
    steps = run(**{**TWO_SCALES, "width": 136, "tile_size": 64, "photo_details": 0.0})
    assert [step.scale for step in steps] == [(68, 51)] * 4 + [(136, 102)] * 6
    assert evaluations.tile_sizes == [64] * 10
    images = evaluations.images
    np.testing.assert_allclose(images[4][0], lanczos(images[3][0], 136, 102), atol=1e-3)
    for step, image in zip(steps[:4], images, strict=False):  # looked at only now
        expected = lanczos(image[0] + network.mean, 136, 102)
        np.testing.assert_array_equal(step.image, np.clip(np.rint(expected), 0, 255))


def test_alpha_and_colors_in_place(run, pictures):
    content = np.dstack([np.asarray(Image.open(pictures / "photo.png")), np.full((48, 64), 51, np.uint8)])
    kept = run(content=content, preserve_colors=True, bit_depth=16, **IN_PLACE)
    assert {step.image_with_alpha.dtype for step in kept} == {np.dtype(np.uint16)}
    assert len({step.image_with_alpha.tobytes() for step in kept}) == 7
