"""Runs whose regions have styles of their own."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from small_runs import LARGE, SMALL, assert_same, smooth, totals

from neural_style import Config
from neural_style.compute.halving import halved
from neural_style.compute.masks import layer_masks
from neural_style.compute.style_targets import style_moments
from neural_style.config.resolve import resolve
from neural_style.errors import UsageError
from neural_style.networks import weights
from neural_style.runs.stylizer import Stylizer

LEFT = np.zeros((48, 64), np.uint8)
LEFT[:, :32] = 255
RIGHT = 255 - LEFT
RED, BLUE = (255, 0, 0), (0, 0, 255)


def stripes(*colors, width=80, height=60, period=4):
    """A style picture of upright stripes, uint8."""
    row = np.array([colors[column // period % len(colors)] for column in range(width)], np.uint8)
    return np.repeat(row[np.newaxis], height, axis=0)


STYLES = [stripes((200, 40, 30), (250, 220, 60)), np.swapaxes(stripes((10, 40, 120), (240, 250, 255)), 0, 1)]


@pytest.fixture
def config_of(pictures):
    def make(**changes):
        return Config(pictures / "photo.png", STYLES, **{**SMALL, "content_masks": [LEFT, RIGHT], **changes})

    return make


@pytest.fixture
def painted(config_of, stylizer):
    def make(**changes):
        with stylizer.session(config_of(**changes)) as session:
            for _ in session:
                pass
            return session.result().image

    return make


def gram_distances(picture, region, config):
    """How far the Gram matrices of a region of a picture are from those of each style, summed over layers."""
    graphs = Stylizer("builtin", device="cpu", precision="float32").graphs(
        resolve(config, {}), weights.load("builtin", config.layers), 1
    )
    ones = [np.ones((*style.shape[:2], 1), np.float16) for style in STYLES]
    (own,) = style_moments(graphs, picture.astype(np.float32), None, masks=region[..., np.newaxis])
    found = []
    for style, mask in zip(STYLES, ones, strict=True):
        (of_style,) = style_moments(graphs, style.astype(np.float32), None, masks=mask)
        found.append(
            sum(
                float(tf.norm(own[layer].second - of_style[layer].second) / tf.norm(of_style[layer].second))
                for layer in own
            )
        )
    return found


def test_each_region_approaches_its_own_style_and_not_the_other(config_of, painted):
    settings = {"optimizer": "lbfgs", "iterations": 20, "style_layers": ("relu1_1", "relu2_1"), "strength": 0.8}
    picture = painted(**settings)
    for own, mask in enumerate((LEFT, RIGHT)):
        region = mask.astype(np.float32) / 255
        distances = gram_distances(picture, region, config_of(**settings))
        assert distances[own] < 0.5 * distances[1 - own]


def test_the_photo_stays_where_no_style_counts(painted, pictures):
    half = np.zeros((48, 64), np.uint8)
    half[:24] = 255
    photo = np.asarray(Image.open(pictures / "photo.png").convert("RGB"))
    picture = painted(content_masks=[np.minimum(LEFT, half), np.minimum(RIGHT, half)])
    np.testing.assert_array_equal(picture[24:], photo[24:])
    assert np.abs(picture[:20].astype(int) - photo[:20]).mean() > 2


def test_soft_edges_of_the_masks_blend_with_the_photo(painted, pictures):
    ramp = np.repeat(np.linspace(0, 255, 48).astype(np.uint8)[:, np.newaxis], 64, axis=1)
    photo = np.asarray(Image.open(pictures / "photo.png").convert("RGB"))
    picture = painted(content_masks=[np.minimum(LEFT, ramp), np.minimum(RIGHT, ramp)])
    changes = np.abs(picture.astype(int) - photo).mean((1, 2))
    assert changes[0] == 0 < changes[12] < changes[40]


def test_label_images_give_the_same_as_masks(config_of, stylizer):
    labels = np.zeros((48, 64, 3), np.uint8)
    labels[:, :32], labels[:, 32:] = RED, BLUE
    of_styles = [
        np.full((*style.shape[:2], 3), color, np.uint8) for style, color in zip(STYLES, (RED, BLUE), strict=True)
    ]
    by_masks = totals(stylizer.session(config_of()))
    by_labels = totals(stylizer.session(config_of(content_masks=[labels], style_masks=of_styles)))
    assert by_labels == pytest.approx(by_masks, rel=1e-4)


def test_tiles_give_the_losses_of_the_whole(stylizer, full_precision):
    height, width = LARGE["content"].shape[:2]
    left = np.zeros((height, width), np.uint8)
    left[:, : width // 2] = 255
    settings = {**SMALL, "iterations": 2, "learning_rate": 3, "mask_erosion": True, "content_mask": left}
    runs = [
        stylizer.session(Config(LARGE["content"], STYLES, content_masks=[left, 255 - left], tile_size=side, **settings))
        for side in (0, 128)
    ]
    whole, tiled = map(totals, runs)
    assert tiled == pytest.approx(whole, rel=1e-4)


def test_a_saved_run_continues_to_the_bit(config_of, stylizer):
    every = list(stylizer.session(config_of()))
    session = stylizer.session(config_of())
    for _ in range(3):
        session.step()
    state = session.state()
    session.close()
    assert_same(list(stylizer.restore(state)), every[3:])


def test_weights_can_change_while_a_run_goes_on(config_of, stylizer):
    with stylizer.session(config_of(loss_scales=1)) as session:
        before = session.step().losses["style"]
        session.set_weights(style_blend_weights=[1, 3], style_weight=session.config.style_weight)
        after = session.step().losses["style"]
    assert after != pytest.approx(before, rel=0.01)


def test_several_sizes_of_the_loss(config_of, stylizer):
    assert np.isfinite(totals(stylizer.session(config_of(loss_scales=2, width=96, iterations=2)))).all()


def test_turned_copies_have_turned_masks(config_of, stylizer):
    """A style of which the left half counts, and its copy turned by 180°, of which the right half counts."""
    of_styles = [halved(np.repeat(np.repeat(LEFT[..., np.newaxis], 2, 0), 2, 1).astype(np.float32))[..., 0]] * 2
    settings = {"style_masks": [each.astype(np.uint8) for each in of_styles], "iterations": 1}
    once = totals(stylizer.session(config_of(**settings)))
    turned = totals(stylizer.session(config_of(**settings, style_rotations=[180])))
    assert turned != once and np.isfinite(turned).all()


def test_masks_of_a_style_folder_are_refused(config_of, stylizer, tmp_path):
    Image.fromarray(smooth(40, 40)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match="style_masks: expected styles that are one picture each, got the folder"):
        stylizer.session(Config(smooth(64, 48), [tmp_path, STYLES[0]], **SMALL, style_masks=[LEFT, LEFT]))


def test_the_content_mask_frees_what_is_black(painted, pictures):
    """Where the content does not count, the style changes the photo more."""
    photo = np.asarray(Image.open(pictures / "photo.png").convert("RGB")).astype(int)
    settings = {"content_masks": None, "optimizer": "lbfgs", "iterations": 12, "strength": 0.5}
    changes = np.abs(painted(content_mask=LEFT, **settings) - photo).mean(-1)
    assert changes[:, 36:].mean() > changes[:, :28].mean()


def test_masks_stay_while_a_weight_is_0(config_of, stylizer):
    with stylizer.session(config_of(content_mask=LEFT)) as session:
        session.step()
        session.set_weights(style_weight=0)
        assert session.step().losses["style"] == 0


def test_gray_masks_do_not_fade_a_texture(stylizer):
    """There is no photo that could stay where masks are gray."""
    gray = np.full((48, 48), 128, np.uint8)
    config = Config(None, STYLES[:1], content_masks=[gray], size=(48, 48), **{**SMALL, "content_layers": None})
    with stylizer.session(config) as session:
        assert session._finish is None


@pytest.mark.parametrize("wraps", [False, True])
def test_erosion_sees_across_the_edges_of_a_seamless_texture(wraps):
    halves = np.zeros((32, 64, 2), np.float32)
    halves[:, :32, 0], halves[:, 32:, 1] = 1, 1
    eroded = layer_masks(halves, ["relu1_1"], "up", eroded=True, wraps=wraps)["relu1_1"]
    assert (eroded[:, 0, 0].max() == 0) == (eroded[:, 63, 1].max() == 0) == wraps
    assert eroded[:, 31, 0].max() == 0
