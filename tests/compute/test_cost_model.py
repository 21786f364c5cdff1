import pytest

from neural_style.compute import cost_model, planner
from neural_style.compute.cost_model import CostModel
from neural_style.compute.planner import Plan, Planner
from neural_style.config.config import Config

GB = 10**9
SHALLOW = {"content_layers": ("relu2_2",), "style_layers": ("relu1_1", "relu2_1")}


def config_of(styles=1, **settings):
    """With pixels as variables, and 10 pairs, unless the settings say otherwise."""
    return Config("photo.png", ["style.png"] * styles, **{"variables": "pixels", "history_size": 10, **settings})


def peak(
    size=(1600, 1200),
    precision="float32",
    tile_size=None,
    style_areas=(1.0,),
    reading_bytes=0,
    has_alpha=False,
    pixels_before=0,
    **settings,
):
    """Predicted for a plan as the settings say."""
    config = config_of(**settings)
    costs = CostModel(config, precision, style_areas, reading_bytes, has_alpha)
    return costs.peak(Plan(*size, tile_size, True, config.optimizer, config.history_size), pixels_before)


# --- memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "bytes_of_peak"),
    [
        ({}, 5_333_491_968),
        ({"precision": "bfloat16", "optimizer": "adam"}, 3_444_633_984),
        ({"tile_size": 512}, 2_302_019_532),
        ({"tile_size": 128, "optimizer": "adam", "size": (8192, 8192), "precision": "bfloat16"}, 6_264_823_936),
    ],
    ids=str,
)
def test_predictions_stay_as_they_were_fitted(settings, bytes_of_peak):
    assert peak(**settings) == bytes_of_peak


@pytest.mark.parametrize("tile_size", [None, 512])
def test_several_sizes_keep_their_targets_images_and_gradients_by_hand(tile_size):
    """Content maps of relu2_2, an image and a gradient of each smaller size; in tiles, no map is kept between parts.

    A picture as a whole keeps its content beside the maps.
    """
    pixels = 800 * 600 + 400 * 300
    kept = 4 * 128 / 4 + (cost_model.IMAGE_BYTES if tile_size is None else 0)
    several, one = (peak(tile_size=tile_size, loss_scales=sizes, **SHALLOW) for sizes in (3, 1))
    assert several - one == pytest.approx(pixels * (kept + 2 * cost_model.IMAGE_BYTES), abs=1)


def test_images_of_lbfgs_by_hand():
    """Two more of three float32 values for each pair."""
    for tile_size in (None, 512):
        more, less = (peak(tile_size=tile_size, history_size=size) for size in (11, 8))
        assert more - less == 1600 * 1200 * 3 * 2 * cost_model.IMAGE_BYTES


@pytest.mark.parametrize("tile_size", [None, 512])
@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({"size": (1600, 1200)}, {"size": (1600, 2400)}),
        ({"size": (1600, 1200)}, {"size": (3200, 1200)}),
        ({"history_size": 3}, {"history_size": 4}),
        ({"optimizer": "adam"}, {"optimizer": "lbfgs"}),
        ({"optimizer": "lbfgs"}, {"optimizer": "scipy"}),
        ({"precision": "bfloat16"}, {"precision": "float32"}),
        (SHALLOW, {}),
        ({}, {"preserve_colors": True}),
        ({}, {"loss_scales": 2}),
        ({"loss_scales": 2}, {"loss_scales": 5}),
        ({}, {"content_layers": ("relu1_1",)}),
        ({"style_areas": [0.25]}, {"style_areas": [100.0]}),
        ({"optimizer": "adam", **SHALLOW}, {"style_areas": [1.0] * 60, "optimizer": "adam", **SHALLOW}),
    ],
    ids=str,
)
def test_what_takes_more_memory(tile_size, less, more):
    assert peak(tile_size=tile_size, **less) < peak(tile_size=tile_size, **more)


def test_tiles_take_less_the_smaller_they_are():
    peaks = [peak((6000, 4000), tile_size=tile_size) for tile_size in (None, *planner.TILE_SIZES)]
    assert peaks == sorted(peaks, reverse=True)


def test_keeping_images_of_16_bits_takes_more_where_steps_are_copied():
    in_place = {"tile_size": 512, "optimizer": "adam"}
    assert peak(**in_place, bit_depth=16) - peak(**in_place) == 1600 * 1200 * 2 * 3


@pytest.mark.parametrize("tile_size", [None, 512])
def test_clipping_by_adam_keeps_an_image_more(tile_size):
    settings = {"tile_size": tile_size, **SHALLOW, "style_areas": [0.1]}
    plain, clipped = (peak(**settings, optimizer="adam", clip=clip) for clip in (False, True))
    assert clipped - plain == 1600 * 1200 * 12
    plain, clipped = (peak(**settings, optimizer="sgd", clip=clip) for clip in (False, True))
    assert clipped == plain


def test_variation_alone_is_planned_for():
    alone = {"content_weight": 0, "style_weight": 0}
    for tile_size in (None, 512):
        assert peak(tile_size=tile_size, **alone) < peak(tile_size=tile_size)


def test_what_the_process_takes_is_part_of_every_peak():
    assert cost_model.PROCESS_BYTES < peak((32, 32), content_weight=0, style_weight=0) < 1.1 * cost_model.PROCESS_BYTES


@pytest.mark.parametrize("tile_size", [None, 512])
@pytest.mark.parametrize("settings", [{"preserve_colors": True}, {"opacity": 0.5}], ids=str)
@pytest.mark.parametrize(("bit_depth", "pixel_bytes"), [(8, 3), (16, 6)])
def test_the_photo_that_finishes_a_result_has_its_bit_depth(tile_size, settings, bit_depth, pixel_bytes):
    plain = peak(tile_size=tile_size, bit_depth=bit_depth)
    assert peak(tile_size=tile_size, bit_depth=bit_depth, **settings) - plain == 1600 * 1200 * pixel_bytes


@pytest.mark.parametrize("style_areas", [[1.0], [100.0]])
def test_what_finishes_a_result_is_there_all_the_time(style_areas):
    """While pictures are read as well, which takes most if they are large."""
    plain, with_photo = (peak(style_areas=style_areas, preserve_colors=keep) for keep in (False, True))
    assert with_photo - plain == 1600 * 1200 * 3
    assert peak(style_areas=style_areas, has_alpha=True) - plain == 1600 * 1200 * 4


def test_reading_a_picture_of_a_folder_takes_its_memory_beside_the_others():
    """Where reading takes more than optimizing does, or not; and where turned copies take more than reading."""
    adam = {"optimizer": "adam", **SHALLOW}
    assert peak(reading_bytes=10**5) == peak()
    read, more = (peak(style_areas=[60.0], reading_bytes=10**8 * factor, **adam) for factor in (1, 3))
    assert (read - peak(style_areas=[60.0], **adam), more - read) == (10**8, 2 * 10**8)
    turned = {"style_areas": [60.0], "style_rotations": [90], **adam}
    assert peak(reading_bytes=10**8, **turned) == peak(**turned)
    assert peak(reading_bytes=60 * 1600 * 1200 * 12 + 5, **turned) == peak(**turned) + 5


def test_carried_moments_by_hand():
    """In place, two images of the size before, and one more of them as a tensor. Adam of tensors has room for them."""
    carried = {"optimizer": "adam", "carry_moments": True, "style_areas": [0.1], "pixels_before": 10**6}
    plain = {**carried, "carry_moments": False}
    assert peak(tile_size=512, **carried) - peak(tile_size=512, **plain) == 3 * 12 * 10**6
    assert peak(**carried) == peak(**plain)
    assert peak(tile_size=512, **{**carried, "pixels_before": 0}) == peak(tile_size=512, **plain)
    large = {"style_areas": [100.0]}  # whose reading takes most
    assert peak(**{**carried, **large}) - peak(**{**plain, **large}) == 2 * 12 * 10**6


@pytest.mark.parametrize(
    ("precision", "pixel_bytes"),
    [
        ("float32", 4 * (28 + 64 + 2 + 8)),  # pool1 to pool3, and the squares of relu1_2; pool4, and those of relu4_4
        ("bfloat16", 2 * (28 + 64 + 2 + 8)),
        ("float16", 4 * (28 + 64 + 112 + 2 + 8 + 8)),  # and copies of the maps in float32
    ],
)
def test_l2_pooling_by_hand(precision, pixel_bytes):
    """It keeps the roots of each pooling, and makes the squares of a map."""
    plain, pooled = (peak(precision=precision, pooling=pooling) for pooling in ("avg", "l2"))
    assert pooled - plain == pytest.approx(1600 * 1200 * pixel_bytes, abs=1)  # both are rounded down


def test_l2_pooling_in_tiles_by_hand():
    """From the image to pool3, tiles of 400×400 px, 4 by 3, see 24 px more on each side."""
    plain, pooled = (peak(tile_size=512, pooling=pooling) for pooling in ("max", "l2"))
    assert pooled - plain == pytest.approx((400 + 2 * 24) ** 2 * 4 * (28 + 64), abs=1)


def test_networks_without_pooling_take_nothing_for_it():
    shallow = {"content_layers": ("relu1_1",), "style_layers": ("relu1_2",), "tile_size": 512}
    assert peak(**shallow, pooling="l2") == peak(**shallow)


@pytest.mark.parametrize(("layers", "channels"), [("all", 64), ("first", 3)])
@pytest.mark.parametrize(("precision", "value_bytes"), [("float32", 4), ("bfloat16", 2)])
def test_padded_copies_by_hand(layers, channels, precision, value_bytes):
    """A forward pass over a large style copies the input of conv1_2, or of conv1_1 alone."""
    for style_area in (1.0, 100.0):
        settings = {"style_areas": [style_area], "padding_layers": layers, "precision": precision}
        plain, *padded = (peak(**settings, padding=padding) for padding in ("zeros", "replicate", "reflect"))
        copy = 100 * 1600 * 1200 * channels * value_bytes if style_area > 1 else 0
        assert [more - plain for more in padded] == pytest.approx([copy] * 2, abs=1)  # all are rounded down


# --- sizes of styles --------------------------------------------------------------------------------------------------


def test_turned_copies_take_memory_one_at_a_time():
    plain, turned, twice = (
        peak(style_areas=[1.0, 30.0], style_rotations=rotations, optimizer="adam", **SHALLOW)
        for rotations in (None, [90], [90, 270])
    )
    assert turned == twice == peak(style_areas=[1.0, 30.0, 30.0], optimizer="adam", **SHALLOW) > plain
    assert peak(style_areas=[1.0, 30.0], style_rotations=[0], optimizer="adam", **SHALLOW) == plain


def test_reductions_of_a_style_take_memory_beside_it():
    """Where reading styles takes most, and the work is that of a forward pass over the largest one."""
    large = {"style_areas": [1.0, 30.0], "optimizer": "adam", **SHALLOW}
    one, three = (peak(**large, loss_scales=sizes) for sizes in (1, 3))
    assert three - one == 30 * (800 * 600 + 400 * 300) * 12
    turned = peak(**large, loss_scales=3, style_rotations=[90])
    assert turned - three == 30 * 1600 * 1200 * 12


def test_areas_of_styles_whose_sizes_are_not_known():
    """They have the aspect of the result."""
    assert cost_model.default_style_areas(config_of(2, style_scales=(0.5, 2.0))) == [0.25, 4]
    assert cost_model.default_style_areas(config_of(3)) == [1, 1, 1]


def test_a_planner_takes_styles_as_large_as_their_scales_say():
    large, small = (Planner(config_of(style_scales=(scale,)), "float32").whole(1600, 1200).peak for scale in (8.0, 1.0))
    assert large > small == Planner(config_of(), "float32").whole(1600, 1200).peak
    assert large == Planner(config_of(), "float32", [64.0]).whole(1600, 1200).peak


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam", "scipy", "sgd"])
def test_frequencies_take_images_unless_the_image_is_overwritten(optimizer):
    """Eight of 12 bytes per pixel, also with SciPy, whose own are twice as large. They are the default of L-BFGS."""
    both = {"optimizer": optimizer, "variables": "frequencies"}, {"optimizer": optimizer}
    for tile_size in (None, 512):
        more = peak(tile_size=tile_size, **both[0]) - peak(tile_size=tile_size, **both[1])
        overwritten = tile_size and optimizer in ("adam", "sgd")
        assert more == pytest.approx(0 if overwritten else 8 * 12 * 1600 * 1200, abs=1)
    if optimizer == "lbfgs":
        assert peak(variables=None) == peak(variables="frequencies")


def test_a_planner_without_styles():
    assert Planner(config_of(), "float32", []).whole(1600, 1200).peak <= peak()


def test_bytes_of_pictures():
    assert cost_model.pictures_bytes(100, 50, []) == 100 * 50 * 12
    assert cost_model.pictures_bytes(100, 50, [1.0, 0.5]) == 100 * 50 * 12 * 2.5


# --- time -------------------------------------------------------------------------------------------------------------


def test_time_of_tiles_by_hand():
    """100×100 px of variation alone, in tiles of 50 px that see two more: 52² of 50² each, and two passes."""
    config = config_of(content_weight=0, style_weight=0, tile_size=64)
    whole, tiled = (Plan(100, 100, tile_size, True, "adam", 10, GB) for tile_size in (None, 50))
    assert cost_model.evaluation_factor(whole, config) == 1
    assert cost_model.evaluation_factor(tiled, config) == pytest.approx(cost_model.TWO_PASSES * 52**2 / 50**2)


def test_time_of_several_sizes_by_hand():
    """101×60 px, 51×30 and 26×15, as a whole; and in tiles of 50 px, of which the smallest is one."""
    nothing = {"content_weight": 0, "style_weight": 0}
    whole, tiled = (Plan(100, 100, tile_size, True, "adam", 10, GB) for tile_size in (None, 50))
    odd = Plan(101, 60, None, True, "adam", 10, GB)
    expected = (101 * 60 + 51 * 30 + 26 * 15) / (101 * 60)
    assert cost_model.evaluation_factor(odd, config_of(loss_scales=3)) == pytest.approx(expected)
    assert cost_model.evaluation_factor(whole, config_of(loss_scales=2)) == 1.25
    seen = 4 * 52**2 + 50**2
    found = cost_model.evaluation_factor(tiled, config_of(**nothing, loss_scales=2))
    assert found == pytest.approx(cost_model.TWO_PASSES * seen / 100**2)


def test_smaller_tiles_take_longer():
    plans = [Plan(6000, 4000, size, True, "adam", 10, GB) for size in (None, *planner.TILE_SIZES)]
    factors = [cost_model.evaluation_factor(plan, config_of()) for plan in plans]
    assert factors == sorted(factors)
    assert factors[1] < 2 < factors[-1] < 5


def test_masks_take_memory():
    """Two bytes of each mask as it was made, about three in the layers, and a masked copy of the largest map."""
    plan = Plan(1000, 1000, None, True, "lbfgs", 10)
    without, one, three = (CostModel(config_of(), "float32", [1.0], masks=masks).peak(plan) for masks in (0, 1, 3))
    assert three - one == pytest.approx(2 * cost_model.MASK_BYTES * 10**6, abs=10)
    copies = cost_model.MASKED_COPIES * 4 * 64
    assert one - without == pytest.approx((cost_model.MASK_BYTES + copies) * 10**6, abs=10)
