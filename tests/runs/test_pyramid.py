import itertools

import numpy as np
import pytest

from neural_style.config.config import Config
from neural_style.config.defaults import PATIENCE
from neural_style.config.resolve import resolve
from neural_style.errors import UsageError
from neural_style.runs import pyramid
from neural_style.runs.inputs import at_scale, read_inputs, suited
from neural_style.runs.pyramid import Scale, scales_of


def sizes(scales):
    return [(scale.width, scale.height) for scale in scales]


def turned(scales):
    """The same scales of the picture turned by a right angle."""
    return tuple(Scale(scale.height, scale.width, scale.iterations) for scale in scales)


def test_as_many_as_lead_from_the_least_side():
    for size, min_scale, expected in (
        ((512, 512), 48, [(48, 48), (96, 96), (192, 192), (384, 384), (512, 512)]),
        ((512, 384), 48, [(64, 48), (128, 96), (256, 192), (512, 384)]),
        ((512, 384), 64, [(85, 64), (170, 128), (340, 256), (512, 384)]),
        ((1500, 96), 48, [(750, 48), (1500, 96)]),
        ((60, 120), 48, [(48, 96), (60, 120)]),
        ((119, 59), 48, [(119, 59)]),  # 59 are less than 1.25 times 48
        ((120, 300), 48, [(48, 120), (96, 240), (120, 300)]),
        ((119, 300), 48, [(48, 121), (119, 300)]),
        ((64, 48), 48, [(64, 48)]),
        ((40, 33), 48, [(40, 33)]),  # smaller than the least from the start
    ):
        assert sizes(pyramid.plan(*size, None, min_scale, 300, 60)) == expected
        assert sizes(pyramid.plan(*size[::-1], None, min_scale, 300, 60)) == [each[::-1] for each in expected]


def test_as_many_as_are_asked_for():
    for size, scales, expected in (
        ((640, 480), 1, [(640, 480)]),
        ((640, 480), 2, [(320, 240), (640, 480)]),
        ((641, 483), 3, [(160, 121), (320, 242), (641, 483)]),
        ((128, 128), 3, [(32, 32), (64, 64), (128, 128)]),  # `min_scale` has no say
        ((127, 1000), 3, [(32, 250), (64, 500), (127, 1000)]),  # 31.75 rounds to 32
        ((32, 32), 1, [(32, 32)]),
    ):
        assert sizes(pyramid.plan(*size, scales, 48, 300, 60)) == expected


def test_too_many_are_refused():
    for size, scales in (((125, 500), 3), ((500, 125), 3), ((63, 62), 2), ((512, 512), 99)):
        match = f"^scales: .* at least 32 px .* {scales} scales of {size[0]}×{size[1]}; give"
        with pytest.raises(UsageError, match=match):
            pyramid.plan(*size, scales, 48, 300, 60)


def test_iterations():
    for iterations, others, expected in ((300, 60, [60, 60, 300]), (10, 60, [10, 10, 10])):
        scales = pyramid.plan(256, 256, 3, 48, iterations, others)
        assert [scale.iterations for scale in scales] == expected


def test_pictures_of_all_widths_begin_alike():
    """Although heights are rounded: 1000×671 px are 256×172, and of those the coarsest would be 71 px wide."""
    rng = np.random.default_rng(0)
    for photograph in [(1000, 671), *map(tuple, rng.integers(100, 5000, (30, 2)).tolist())]:
        known = []
        for width in rng.integers(32, 3000, 20).tolist():
            height = max(round(width * photograph[1] / photograph[0]), 1)
            *coarser, last = pyramid.plan(width, height, None, 48, 300, 60, photograph)
            assert last == Scale(width, height, 300)
            assert (min(width, height) >= 60) == bool(coarser)
            known = max(known, coarser, key=len)
            assert coarser == known[: len(coarser)]
            for before, after in itertools.pairwise([*coarser, last]):
                assert 1.2 < min(after.width, after.height) / min(before.width, before.height) < 2.6
        assert all(min(scale.width, scale.height) == 48 << octave for octave, scale in enumerate(known))


# --- from a preview ---------------------------------------------------------------------------------------------------


def test_large_pictures_begin_at_the_size_of_the_preview():
    """The preview's longer side is the one that counts, whether the picture is upright or not."""
    for size, expected in (
        ((128, 96), [(128, 96)]),
        ((256, 171), [(256, 171)]),
        ((384, 256), [(384, 256)]),
        ((511, 341), [(511, 341)]),
        ((512, 342), [(256, 171), (512, 342)]),
        ((514, 343), [(256, 171), (514, 343)]),
        ((640, 480), [(256, 192), (405, 304), (640, 480)]),
        ((750, 500), [(256, 171), (438, 292), (750, 500)]),
        ((1024, 683), [(256, 171), (512, 342), (1024, 683)]),
        ((2048, 2048), [(256, 256), (512, 512), (1024, 1024), (2048, 2048)]),
        ((3000, 2000), [(256, 171), (474, 316), (876, 584), (1621, 1081), (3000, 2000)]),
        ((512, 64), [(256, 32), (512, 64)]),
        ((512, 62), [(512, 62)]),  # of 265 px, of which the height is 32, they are less than twice as much
        ((4096, 240), [(547, 32), (1070, 63), (2094, 123), (4096, 240)]),
    ):
        assert sizes(pyramid.plan_from_preview(*size, None, 256, 300, 60)) == expected
        of_turned = pyramid.plan_from_preview(*size[::-1], None, 256, 300, 60)
        assert sizes(of_turned) == [each[::-1] for each in expected]


def test_heights_are_those_that_the_photograph_has_at_each_width():
    assert sizes(pyramid.plan_from_preview(512, 341, None, 256, 300, 60, (6000, 4000))) == [(256, 171), (512, 341)]
    assert sizes(pyramid.plan_from_preview(512, 341, None, 256, 300, 60, (512, 341))) == [(256, 170), (512, 341)]


def test_iterations_from_a_preview():
    """The coarsest decides on the look, so it has the most."""
    for iterations, others, expected in ((300, 60, [300, 60, 60]), (10, 60, [10, 10, 10])):
        for scales in (None, 3):
            plan = pyramid.plan_from_preview(1024, 512, scales, 256, iterations, others)
            assert [scale.iterations for scale in plan] == expected


def test_as_many_as_are_asked_for_from_a_preview():
    assert sizes(pyramid.plan_from_preview(641, 483, 3, 256, 300, 60)) == [(160, 121), (320, 242), (641, 483)]
    assert pyramid.plan_from_preview(2048, 999, 1, 256, 300, 60) == (Scale(2048, 999, 300),)
    with pytest.raises(UsageError, match=r"^scales: .* 3 scales of 500×125"):
        pyramid.plan_from_preview(500, 125, 3, 256, 300, 60)


def test_every_plan_from_a_preview_leads_from_the_preview_to_it_in_even_steps():
    rng = np.random.default_rng(0)
    for width, height, preview in rng.integers((32, 32, 32), (5000, 5000, 500), (400, 3)).tolist():
        plan = sizes(pyramid.plan_from_preview(width, height, None, preview, 300, 60))
        least = max(preview, -(-32 * max(width, height) // min(width, height)))
        assert plan[-1] == (width, height)
        assert (len(plan) == 1) == (max(width, height) < 2 * least)
        for before, after in itertools.pairwise(plan):
            assert max(plan[0]) == least
            assert 1.3 < max(after) / max(before) < 2.1
        for wide, high in plan[:-1]:
            assert min(wide, high) >= 32
            assert abs(min(wide, high) - min(width, height) * max(wide, high) / max(width, height)) <= 0.5


# --- of a configuration -----------------------------------------------------------------------------------------------


def resolved(network=None, **options):
    return resolve(Config("photo.jpg", ["painting.jpg"], **options), network or {})


def test_scales_of_a_configuration():
    """From the least side, from the preview, or the full size alone."""
    for options, network, expected in (
        ({}, {}, [(80, 160, 25), (160, 320, 25), (200, 400, 300)]),
        ({"min_scale": 48}, {}, [(48, 96, 25), (96, 192, 25), (200, 400, 300)]),
        ({"min_scale": 50}, {}, [(50, 100, 25), (100, 200, 25), (200, 400, 300)]),
        ({"min_scale": 161}, {}, [(200, 400, 300)]),
        ({"scales": 1}, {}, [(200, 400, 300)]),
        ({"scales": 2}, {}, [(100, 200, 25), (200, 400, 300)]),
        ({"scales": 2}, {"preview_width": 64}, [(100, 200, 300), (200, 400, 60)]),
        ({"scales": 2, "initial": "start.png"}, {}, [(100, 200, 60), (200, 400, 300)]),
        ({"scales": 2, "initial": "start.png", "preview_width": 64}, {}, [(100, 200, 300), (200, 400, 60)]),
        ({"initial": "start.png"}, {}, [(200, 400, 300)]),
        ({"initial": "start.png", "preview_width": 50}, {}, [(200, 400, 300)]),
        ({"initial": "start.png", "initial_noiseblend": 0.5}, {}, [(200, 400, 300)]),
        ({"initial": "start.png", "initial_noiseblend": 0.6, "min_scale": 99}, {}, [(99, 198, 60), (200, 400, 300)]),
        ({"strength": 0}, {}, [(200, 400, 300)]),
        ({"style_weight": 0.0}, {}, [(200, 400, 300)]),
        ({"strength": 0, "scales": 2}, {}, [(100, 200, 25), (200, 400, 300)]),
        ({"strength": 0, "init": "noise"}, {}, [(80, 160, 60), (160, 320, 60), (200, 400, 300)]),
        ({"init": "content"}, {}, [(80, 160, 25), (160, 320, 25), (200, 400, 300)]),
        ({"init": "content", "preview_width": 200}, {}, [(100, 200, 300), (200, 400, 60)]),
        *(
            ({"init": init, "min_scale": 99, "preview_width": 200}, {}, [(99, 198, 60), (200, 400, 300)])
            for init in ("noise", "style_colors", "gray")
        ),
        *(
            ({"init": init, "min_scale": 99, "preview_width": 50}, {}, [(200, 400, 300)])
            for init in ("style", "start.png")
        ),
        ({"init": "style", "scales": 2, "preview_width": 64}, {}, [(100, 200, 300), (200, 400, 60)]),
        ({"init": "gray", "scales": 2, "preview_width": 64}, {}, [(100, 200, 60), (200, 400, 300)]),
        ({"init": "style", "initial_noiseblend": 0.6, "min_scale": 99}, {}, [(99, 198, 60), (200, 400, 300)]),
        ({}, {"preview_width": 256}, [(200, 400, 300)]),
        ({"preview_width": 0, "min_scale": 99}, {"preview_width": 256}, [(99, 198, 25), (200, 400, 300)]),
        ({"preview_width": 201}, {}, [(200, 400, 300)]),
        ({"preview_width": 200}, {}, [(100, 200, 300), (200, 400, 60)]),
        ({"preview_width": 200, "initial_noiseblend": 0.5}, {}, [(100, 200, 300), (200, 400, 60)]),
        ({"min_scale": 99, "preview_width": 200, "initial_noiseblend": 0.6}, {}, [(99, 198, 60), (200, 400, 300)]),
    ):
        assert [*scales_of(resolved(network, **options), 200, 400)] == expected, (options, network)


def test_large_pictures_begin_with_the_preview():
    config = resolved({"preview_width": 256})
    assert [*scales_of(config, 384, 256)] == [(384, 256, 300)]
    preview = scales_of(config, 256, 171)
    assert [*preview] == [(256, 171, 300)]
    for octave in range(1, 6):  # of 512 px 341 are the height, and half of that is not 171
        first, *finer = scales_of(config, 256 << octave, round((256 << octave) / 1.5), (6000, 4000))
        assert first == preview[0]
        assert [scale.iterations for scale in finer] == [60] * octave


def test_upright_pictures_have_the_scales_of_wide_ones():
    """Turned, whatever decides on the scales; of very thin pictures, too, of which there are several."""
    rng = np.random.default_rng(0)
    photographs = [
        (750, 500),
        (4096, 240),
        (6000, 4000),
        (333, 331),
        *map(tuple, rng.integers(60, 4000, (12, 2)).tolist()),
    ]
    for network in ({}, {"preview_width": 256}, {"preview_width": 100, "initial_noiseblend": 1.0}):
        for options in ({}, {"scales": 2}, {"initial": "start.png"}, {"min_scale": 32}):
            config = resolved(network, **options)
            for photograph in photographs:
                for factor in (1, 1.7):
                    size = tuple(round(side * factor) for side in photograph)
                    if options.get("scales") and min(size) < 64:
                        continue
                    found = scales_of(config, *size, photograph)
                    assert found == turned(scales_of(config, *size[::-1], photograph[::-1])), (size, options, network)
                    assert all(min(scale.width, scale.height) >= 32 for scale in found[:-1])
    for network in ({}, {"preview_width": 256}):
        assert len(scales_of(resolved(network), 750, 500)) == len(scales_of(resolved(network), 500, 750)) >= 3
        assert len(scales_of(resolved(network), 4096, 240)) >= 3


def test_iterations_at_the_other_scales():
    for others, expected in ((4, [4, 4, 9]), (20, [9, 9, 9])):
        scales = scales_of(resolved(iterations=9, scales=3, scale_iterations=others), 200, 400)
        assert [scale.iterations for scale in scales] == expected
    with pytest.raises(UsageError, match=r"^scales: .* got 4 scales of 200×400"):
        scales_of(resolved(scales=4), 200, 400)


def test_total_iterations():
    """The first start is iteration 0; those of further scales have numbers of their own."""
    for iterations, total in (([300], 300), ([60, 300], 361), ([4, 4, 9], 19), ([1], 1)):
        assert pyramid.total_iterations([Scale(64, 64, count) for count in iterations]) == total


# --- convergence ------------------------------------------------------------------------------------------------------


def test_never_with_a_tolerance_of_0():
    for losses in ([], [1.0], [1.0] * 100, [0.0] * 100, list(range(100, 0, -1))):
        assert not pyramid.has_converged(losses, 0.0)


def test_only_after_a_while():
    assert not pyramid.has_converged([1.0] * PATIENCE, 0.5)
    assert pyramid.has_converged([1.0] * (PATIENCE + 1), 0.5)


def test_a_share_of_the_lowest():
    """Of the lowest of all, whether it is an old one or the last."""
    for before, converged in ((1.009, True), (1.011, False), (1.0, True), (0.9, True)):
        assert pyramid.has_converged([5.0, before, *[1.0] * PATIENCE], 0.01) is converged
        assert pyramid.has_converged([5.0, before, *[3.0] * (PATIENCE - 2), 1.0, 7.0], 0.01) is converged


def test_losses_that_jump_up_are_not_progress_undone():
    """Steps of a line search or of Adam may raise the loss: those count as no change, not as one back."""
    falling = [1000 * 0.99**i for i in range(60)]
    jumping = [value * (50 if i % 3 else 1) for i, value in enumerate(falling)]
    assert not pyramid.has_converged(falling, 0.01)
    assert not pyramid.has_converged(jumping, 0.01)
    assert pyramid.has_converged([*jumping, *[1e9] * (PATIENCE + 3)], 0.01)


def test_against_its_definition():
    rng = np.random.default_rng(0)
    outcomes = set()
    for _ in range(300):
        count = rng.integers(1, 80)
        losses = (1 + np.exp(-np.arange(count) / 15) + rng.exponential(0.02, count)).tolist()
        tolerance = float(rng.choice([0.001, 0.01, 0.1]))
        lowest = np.minimum.accumulate(losses)
        fell = len(losses) > PATIENCE and lowest[-1 - PATIENCE] - lowest[-1] <= tolerance * lowest[-1]
        assert pyramid.has_converged(losses, tolerance) == fell
        outcomes.add(bool(fell))
    assert outcomes == {True, False}


def test_sizes_grow_by_any_factor():
    root = 2**0.5
    made = pyramid.plan(512, 384, None, 96, 9, 5, None, root)
    assert sizes(made) == [(128, 96), (181, 136), (256, 192), (362, 272), (512, 384)]
    small = pyramid.plan(256, 192, None, 96, 9, 5, (512, 384), root)
    assert sizes(small) == [(128, 96), (181, 136), (256, 192)]
    assert sizes(pyramid.plan(128, 96, None, 96, 9, 5, None, root)) == [(128, 96)]
    assert sizes(pyramid.plan(1000, 100, None, 96, 9, 5, None, 1.1)) == [(1000, 100)]
    for before, after in itertools.pairwise(sizes(pyramid.plan(1000, 1000, None, 100, 9, 5, None, 1.2))):
        assert after[0] / before[0] >= 1.09


def test_the_factor_is_an_option():
    plain, root = (resolved(width=512, min_scale=96, **changes) for changes in ({}, {"scale_factor": 2**0.5}))
    assert [len(scales_of(made, 512, 384)) for made in (plain, root)] == [3, 5]
    with pytest.raises(UsageError, match=r"^scale_factor: expected a number 1.1 to 10, got 1.0$"):
        resolved(scale_factor=1)


@pytest.mark.parametrize("options", [{}, {"preview_width": 64}, {"scales": 3}], ids=str)
def test_iterations_by_scale(options):
    for given, expected in (((7, 5), [7, 5, 5]), ((7, 5, 3, 1), [7, 5, 3]), ((7,), [7, 7, 7])):
        made = resolved(min_scale=48, iterations_by_scale=given, **options)
        assert [scale.iterations for scale in scales_of(made, 256, 192)][:3] == expected


def test_the_smallest_size_of_the_loss_is_one_that_the_network_can_see():
    """At the coarsest scale; relu5_1 has 2×2 positions from 17 px on, or from 32 px if odd sides are rounded down."""
    deep = {"style_layers": ("relu5_1",), "scales": "2"}
    for side, sizes, rounding in ((130, 3, "up"), (256, 3, "down"), (66, 2, "up"), (64, 1, "down")):
        config = resolved(**deep, loss_scales=sizes, pool_rounding=rounding)
        assert len(scales_of(config, side, 2 * side)) == 2
    for side, sizes, rounding in ((126, 3, "up"), (246, 3, "down"), (64, 2, "up")):
        config = resolved(**deep, loss_scales=sizes, pool_rounding=rounding)
        with pytest.raises(
            UsageError,
            match=rf"^loss_scales: expected at least \d+ px a side for {sizes} sizes .*, got .* for the content ",
        ):
            scales_of(config, 2 * side, side)
    shallow = {"style_layers": ("relu1_1",), "content_layers": ("relu2_1",)}
    assert len(scales_of(resolved(**shallow, scales="1", loss_scales=5), 48, 48)) == 1
    with pytest.raises(UsageError, match="at least 33 px a side for 5 sizes of the loss, got 32×48 for the content"):
        scales_of(resolved(**shallow, scales="1", loss_scales=5), 32, 48)


def test_the_least_side_by_hand():
    """What rounds up to 17 px after two halvings, or to 32 px if poolings round down; no less than without halvings."""
    for settings, least in (
        ({}, 32),
        ({"loss_scales": 2}, 33),
        ({"loss_scales": 3}, 65),
        ({"loss_scales": 5}, 257),
        ({"loss_scales": 3, "pool_rounding": "down"}, 125),
        ({"loss_scales": 3, "style_layers": ("relu1_1",), "content_layers": ("relu2_1",)}, 32),
    ):
        assert pyramid.least_side(resolved(**settings)) == least


def test_three_sizes_of_the_loss_suit_the_defaults():
    """Of the content, and of styles of other shapes: those have the width of the content, and may be less high."""
    photos = (300, 400), (400, 400), (400, 300), (341, 512), (1000, 600)
    styles = (400, 300), (500, 300), (300, 500), (600, 200)
    config = resolved(loss_scales=3)
    for photo, style in itertools.product(photos, styles):
        content, example = (np.zeros((*size[::-1], 3), np.uint8) for size in (photo, style))
        inputs = suited(read_inputs(Config(content, [example])), config)
        coarsest, *_ = scales_of(config, *inputs.plan_size)
        assert min(coarsest[:2]) == 80
        (shrunk,) = at_scale(inputs, *coarsest[:2]).styles
        assert min(shrunk.width, shrunk.height) >= 65
        assert shrunk.width / shrunk.height == pytest.approx(style[0] / style[1], rel=0.02)


# --- the expected end -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("power", [0.8, 1.5])
@pytest.mark.parametrize("tolerance", [0.08, 0.02])
def test_the_end_of_losses_that_fall_like_a_power_is_known_before(power, tolerance):
    losses = [1 + 40 * (count + 1) ** -power for count in range(2000)]
    end = next(count for count in range(2000) if pyramid.has_converged(losses[:count], tolerance))
    for share, error in ((0.7, 0.3), (0.9, 0.1)):
        expected = pyramid.expected_evaluations(losses[: int(share * end)], tolerance, 2000)
        assert expected == pytest.approx(end, rel=error)
    assert pyramid.expected_evaluations(losses[:end], tolerance, 2000) == end


def test_before_losses_tell_the_end_is_that_of_a_usual_run_or_the_limit():
    usual = pyramid.expected_evaluations([], 0.08, 300)
    assert 40 < usual < 70
    assert pyramid.expected_evaluations([5.0, 4.0], 0.08, 300) == usual
    assert pyramid.expected_evaluations([], 0.01, 300) > 2 * usual
    assert pyramid.expected_evaluations([], 0.08, 26) == 26
    assert pyramid.expected_evaluations([], 0.0, 301) == 301
    assert pyramid.expected_evaluations([3.0] * 7, 0.0, 7) == 7


def test_the_expected_end_is_never_past_nor_beyond_the_limit():
    """Of losses that jump, of 0, and of those that hardly fall."""
    rng = np.random.default_rng(1)
    for losses in (rng.exponential(1, 90), np.zeros(90), 1 + 1e-9 * np.arange(90)[::-1], np.full(90, 1e30)):
        for count in range(90):
            expected = pyramid.expected_evaluations(losses[:count].tolist(), 0.08, 80)
            assert min(count, 80) <= expected <= 80
