"""Masks in the layers of the network, and losses with masks."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from objectives import SHALLOW, graphs_of, image_of, noise, picture, relative_error, resolved, values

from neural_style import vgg19_spec
from neural_style.compute import masks as masks_module
from neural_style.compute.masks import LEAST_REST, Masks, covered, layer_masks
from neural_style.compute.objective import WholeObjective
from neural_style.compute.style_targets import style_moments, together
from neural_style.compute.tiled_objective import TiledObjective

LAYERS = ("relu1_1", "conv2_2", "relu3_1", "relu5_1")


def drawn(height, width, seed=0):
    """Two soft masks, float32 (height, width, 2)."""
    coarse = np.random.default_rng(seed).uniform(0, 1, (height // 8, width // 8, 2)).astype(np.float32)
    return tf.image.resize(coarse, (height, width), "bilinear").numpy()


# --- layers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rounding", vgg19_spec.ROUNDINGS)
def test_a_position_has_the_mean_of_the_pixels_that_it_is_pooled_from(rounding):
    masks = drawn(44, 37)
    found = layer_masks(masks, LAYERS, rounding)
    np.testing.assert_allclose(found["relu1_1"], masks, atol=1e-3)
    for layer in LAYERS:
        stride = vgg19_spec.stride(layer)
        size = tuple(vgg19_spec.positions(side, stride, rounding) for side in (44, 37))
        assert found[layer].shape == (*size, 2) and found[layer].dtype == np.float16
        for row, column in itertools.product(range(44 // stride), range(37 // stride)):
            there = masks[row * stride : (row + 1) * stride, column * stride : (column + 1) * stride]
            np.testing.assert_allclose(found[layer][row, column], there.mean((0, 1)), atol=1e-3)


def sees(layer, row, column, shape):
    """Rows and columns of the pixels that a position of a layer depends on."""
    spans = []
    for at, side in zip((row, column), shape, strict=True):
        first = last = at
        for conv in reversed(vgg19_spec.convs_up_to([layer])):
            first, last = first - 1, last + 1
            if vgg19_spec.block_of(conv) > 1 and conv.endswith("_1"):
                first, last = 2 * first, 2 * last + 1
        spans.append(slice(max(first, 0), min(last + 1, side)))
    return tuple(spans)


@pytest.mark.parametrize("layer", ["relu1_1", "relu2_1", "relu3_1"])
def test_erosion_takes_the_least_of_all_pixels_that_a_position_sees(layer, monkeypatch):
    monkeypatch.setattr(masks_module, "LEAST_REST", 0.0)
    masks = drawn(64, 48)
    masks[:, 30:] = 0
    found = layer_masks(masks, [layer], "up", eroded=True)[layer]
    for row, column in itertools.product(*map(range, found.shape[:2])):
        least = masks[sees(layer, row, column, (64, 48))].min((0, 1))
        np.testing.assert_allclose(found[row, column], least, atol=1e-3)


def test_erosion_leaves_a_part_of_every_region():
    masks = np.zeros((160, 160, 2), np.float32)
    masks[:, :100, 0] = 1
    masks[70:80, 120:130, 1] = 1  # a small one, which all positions of deep layers see the edges of
    layers = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    eroded, whole = (layer_masks(masks, layers, "up", eroded=each) for each in (True, False))
    for layer in layers:
        rest = eroded[layer].sum((0, 1), dtype=np.float64) / whole[layer].sum((0, 1), dtype=np.float64)
        assert np.all(rest >= LEAST_REST) and np.all(rest <= 1)
        assert rest[0] < 1


def test_what_regions_cover():
    masks = np.array([[[0.2, 0.3], [0.9, 0.9], [0, 0]]], np.float16)
    np.testing.assert_allclose(covered(masks), [[[0.5], [1], [0]]], atol=1e-3)


# --- losses -----------------------------------------------------------------------------------------------------------

STYLES = [picture(60, 75, 2), picture(91, 64, 3)]
HEIGHT, WIDTH = 90, 75
TWO_STYLES = {"styles": 2, "style_masks": ["a", "b"], "style_loss": ("gram", "mean_std"), **SHALLOW}


def regions():
    soft = drawn(HEIGHT, WIDTH, 7)[..., :1]
    return np.concatenate([soft, 1 - soft], axis=-1).astype(np.float16)


def objectives_with(masks, tile_size=48, keep=True, kind="float32", of_styles=(None, None), **settings):
    """A configuration's objectives, whole and in tiles, with masks."""
    config = resolved(**{**TWO_STYLES, **settings})
    graphs = graphs_of(config, kind, masks.count)

    def targets(side):
        each = [
            style_moments(graphs, style, side, masks=mask, eroded=masks.eroded)
            for style, mask in zip(STYLES[: len(config.styles)], of_styles, strict=False)
        ]
        return together(graphs, each, masks.members)

    content = picture(HEIGHT, WIDTH, 1)
    whole = WholeObjective(graphs.whole, config, content, targets(None), masks=masks)
    tiled = TiledObjective(graphs.tiled, config, content, targets(tile_size), tile_size, keep, masks=masks)
    return whole, tiled


def evaluated(objective, seed=5):
    image = image_of(noise(HEIGHT, WIDTH, seed))
    terms, gradient = objective.value_and_grad(image if isinstance(objective, TiledObjective) else tf.constant(image))
    return values(terms), np.asarray(gradient)


@pytest.mark.parametrize("keep", [True, False])
def test_tiles_give_the_losses_and_the_gradient_of_the_whole(full_precision, keep):
    content = drawn(HEIGHT, WIDTH, 9)[..., :1].astype(np.float16)
    half = np.zeros((60, 75, 2), np.float16)
    half[:30, :, 0] = 1
    masks = Masks(regions(), ((0,), (1,)), content, eroded=True)
    whole, tiled = objectives_with(masks, keep=keep, of_styles=(half, None), content_mask="c", mask_erosion=True)
    (losses, gradient), (expected, slope) = evaluated(tiled), evaluated(whole)
    assert losses == pytest.approx(expected, rel=1e-5)
    assert relative_error(gradient, slope) < 1e-5
    image = image_of(noise(HEIGHT, WIDTH, 5))
    assert tiled.content_distance(image) == pytest.approx(whole.content_distance(tf.constant(image)), rel=1e-4)


def test_a_region_of_everything_is_no_mask(full_precision):
    """Losses and gradients are those without masks, where each region has all of the picture, and half the weight."""
    everywhere = np.ones((HEIGHT, WIDTH, 1), np.float16)
    masked, _ = objectives_with(Masks(everywhere, ((0, 1),)))
    plain, _ = objectives_with(Masks())
    (losses, gradient), (expected, slope) = evaluated(masked), evaluated(plain)
    assert losses == pytest.approx(expected, rel=1e-5)
    assert relative_error(gradient, slope) < 1e-5


def test_a_region_counts_by_its_share_of_the_picture(full_precision):
    """A picture of two equal halves has the mean of the losses of both styles where the halves are alike."""
    left = np.zeros((HEIGHT, WIDTH, 2), np.float16)
    left[:, :25, 0], left[:, 25:, 1] = 1, 1
    whole, _ = objectives_with(Masks(left, ((0,), (1,))), style_reduction="mean")
    weights = whole._weights["style gram, gram"]["relu1_1"]
    assert float(weights[1, 0]) == pytest.approx(2 * float(weights[0, 0]), rel=1e-3)


def test_the_gradient_of_the_style_is_0_outside_of_the_regions(full_precision):
    only_left = np.zeros((HEIGHT, WIDTH, 1), np.float16)
    only_left[:, :30] = 1
    whole, _ = objectives_with(Masks(only_left, ((0, 1),)), content_weight=0, tv_weight=0)
    _, gradient = evaluated(whole)
    reach = vgg19_spec.reach(["relu2_1"])
    assert np.abs(gradient[:, :, :30]).max() > 0
    assert np.abs(gradient[:, :, 30 + reach + 2 :]).max() == 0


def test_the_content_counts_where_its_mask_is_white(full_precision):
    mask = np.zeros((HEIGHT, WIDTH, 1), np.float16)
    mask[:, :30] = 1
    whole, _ = objectives_with(Masks(content=mask), style_weight=0, tv_weight=0, content_mask="c", style_masks=None)
    plain, _ = objectives_with(Masks(), style_weight=0, tv_weight=0, style_masks=None)
    (masked, gradient), (full, slope) = evaluated(whole), evaluated(plain)
    assert 0.2 < masked["content"] / full["content"] < 0.6
    np.testing.assert_allclose(gradient[:, :, :24], slope[:, :, :24], rtol=1e-4, atol=1e-6 * np.abs(slope).max())
    assert np.abs(gradient[:, :, 36:]).max() == 0


def test_the_gradient_is_that_of_the_losses(full_precision):
    masks = Masks(regions(), ((0,), (1,)), drawn(HEIGHT, WIDTH, 9)[..., :1].astype(np.float16))
    whole, _ = objectives_with(masks, content_mask="c", gram_normalization="pixels")
    image = image_of(noise(HEIGHT, WIDTH, 5))
    _, gradient = whole.value_and_grad(tf.constant(image))
    direction = np.asarray(gradient) / np.linalg.norm(gradient)
    ahead, behind = (
        values(whole.value_and_grad(tf.constant(image + step * direction))[0])["total"] for step in (4.0, -4.0)
    )
    assert (ahead - behind) / 8 == pytest.approx(np.linalg.norm(gradient), rel=0.02)
