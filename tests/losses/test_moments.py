import functools
import operator

import numpy as np
import pytest
import reference
import tensorflow as tf
from objectives import relative_error

from neural_style.compute.precision import cpu_features
from neural_style.losses.moments import (
    MeanMoments,
    Moments,
    channel_sums,
    mean_moments,
    moments,
    moments_vjp,
    regional_moments,
    regional_moments_vjp,
    stacked,
)


@pytest.fixture
def maps():
    """Features whose height, width and channels all differ, so that no two axes can be swapped unseen."""
    return np.random.default_rng(0).normal(size=(1, 4, 7, 5)).astype(np.float32)


@pytest.fixture
def mask():
    """Weights of any size, of which some are 0 and some above 1."""
    weights = np.random.default_rng(3).uniform(0, 2, (1, 4, 7, 1)).astype(np.float32)
    weights[0, 1, 2:5] = 0
    return weights


both_moments = functools.partial(moments, with_first=True)


def exact_moments(features, mask=None):
    """Sums in float64, position by position."""
    flat = np.asarray(features, np.float64).reshape(-1, features.shape[-1])
    weights = np.ones(len(flat)) if mask is None else np.asarray(mask, np.float64).ravel()
    first = sum(weight * values for weight, values in zip(weights, flat, strict=True))
    second = sum(weight * np.outer(values, values) for weight, values in zip(weights, flat, strict=True))
    return Moments(weights.sum(), first, second)


def assert_close(ours, expected, rtol=1e-5, atol=1e-5):
    for one, other in zip(ours, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol)


# --- values -----------------------------------------------------------------------------------------------------------


def test_by_hand():
    features = tf.constant([[[[1.0, 2.0], [3.0, 4.0]]]])  # two positions, two channels
    assert_close(both_moments(features), (2, [4, 6], [[10, 14], [14, 20]]), rtol=0, atol=0)
    half = tf.constant([[[[1.0], [0.5]]]])
    assert_close(both_moments(features, half), (1.5, [2.5, 4], [[5.5, 8], [8, 12]]), rtol=0, atol=0)
    assert_close(mean_moments(both_moments(features)), ([2, 3], [[5, 7], [7, 10]], 2), rtol=0, atol=0)
    scaled = mean_moments(both_moments(features), scale=0.5)
    assert_close(scaled, ([1, 1.5], [[1.25, 1.75], [1.75, 2.5]], 2), rtol=0, atol=0)


def test_against_sums_in_float64(maps, mask):
    for chosen in (None, mask):
        assert_close(both_moments(maps, chosen), exact_moments(maps, chosen))
    gram = mean_moments(moments(maps)).second / 5
    np.testing.assert_allclose(gram, reference.gram(maps[0].astype(np.float64)), rtol=1e-5, atol=1e-6)


def test_first_moment_is_left_out_where_nothing_needs_it(maps):
    found = moments(maps)
    assert found.first.shape == (0,)
    assert mean_moments(found).first.shape == (0,)
    np.testing.assert_array_equal(found.second, both_moments(maps).second)


def test_a_mask_of_ones_is_no_mask(maps):
    ones = np.ones((1, 4, 7, 1), np.float32)
    for with_first in (False, True):
        found, expected = moments(maps, ones, with_first=with_first), moments(maps, with_first=with_first)
        assert float(found.mass) == float(expected.mass) == 28
        assert_close(found, expected, rtol=1e-6, atol=0)
        assert [value.dtype for value in found] == [value.dtype for value in expected]


def test_a_mask_weights_positions_as_if_they_came_as_often(maps):
    often = np.random.default_rng(1).integers(0, 4, (4, 7))
    repeated = np.repeat(maps.reshape(28, 5), often.ravel(), axis=0).reshape(1, -1, 1, 5)
    found = both_moments(maps, often.reshape(1, 4, 7, 1).astype(np.float32))
    assert_close(found, both_moments(repeated))
    assert float(found.mass) == often.sum()


def test_what_a_mask_leaves_out_does_not_matter(maps, mask):
    changed = np.where(mask == 0, maps + 100, maps)
    assert_close(both_moments(changed, mask), both_moments(maps, mask), rtol=0, atol=0)


def test_sums_add_up_over_parts_of_a_picture(maps, mask):
    """In TensorFlow, and in float64 as many tiles are added."""
    for chosen in (None, mask):
        whole = both_moments(maps, chosen)
        for axis, places in ((1, [1]), (2, [2, 3])):
            masks = [None] * 3 if chosen is None else np.split(chosen, places, axis)
            parts = [both_moments(*part) for part in zip(np.split(maps, places, axis), masks, strict=False)]
            assert_close(functools.reduce(operator.add, parts), whole)
            total = functools.reduce(operator.add, [part.in_float64() for part in parts])
            assert isinstance(total, Moments)
            assert {np.asarray(value).dtype for value in total} == {np.dtype(np.float64)}
            assert_close(total, whole)
            assert {value.dtype for value in mean_moments(total)} == {tf.float32}


def test_masks_of_regions_add_up_to_the_whole(maps, mask):
    """Those that share a position out between them."""
    found = both_moments(maps, mask / 2) + both_moments(maps, 1 - mask / 2)
    assert_close(found, both_moments(maps))


def test_mean_is_the_same_for_a_picture_repeated_or_a_mask_scaled(maps, mask):
    usual = mean_moments(both_moments(maps))
    repeated = mean_moments(both_moments(np.tile(maps, (1, 3, 2, 1))))
    assert_close(repeated, usual._replace(mass=6 * usual.mass))
    masked = mean_moments(both_moments(maps, mask))
    assert_close(mean_moments(both_moments(maps, mask * 7)), masked._replace(mass=7 * masked.mass))


def test_position_does_not_matter_but_channel_does(maps):
    shuffled = maps.reshape(1, 28, 1, 5)[:, np.random.default_rng(1).permutation(28)]
    assert_close(both_moments(shuffled), both_moments(maps))
    turned, usual = both_moments(maps[..., ::-1]), both_moments(maps)
    assert_close(turned, (usual.mass, usual.first.numpy()[::-1], usual.second.numpy()[::-1, ::-1]))
    assert np.abs(turned.second - usual.second).max() > 0.01


def test_several_styles_get_a_first_axis(maps):
    means = [mean_moments(both_moments(maps * factor)) for factor in (1, 2, 3)]
    together = stacked(means)
    assert together.first.shape == (3, 5)
    assert together.second.shape == (3, 5, 5)
    for index, mean in enumerate(means):
        np.testing.assert_array_equal(together.first[index], mean.first)
        np.testing.assert_array_equal(together.second[index], mean.second)
    assert isinstance(together, MeanMoments)


def test_size_may_be_unknown_when_traced(maps, mask):
    signature = [tf.TensorSpec((1, None, None, channels), tf.float32) for channels in (5, 1)]
    traced = tf.function(both_moments, input_signature=signature)
    assert_close(traced(maps, mask), both_moments(maps, mask), rtol=1e-6)
    assert_close(tf.function(moments, input_signature=signature[:1])(maps), moments(maps), rtol=1e-6)


# --- gradient ---------------------------------------------------------------------------------------------------------


def plain_moments(features, mask=None):
    """The same in one product, of which TensorFlow knows the gradient."""
    flat = tf.reshape(features, (-1, features.shape[-1]))
    weighted = flat if mask is None else flat * tf.cast(tf.reshape(mask, (-1, 1)), flat.dtype)
    return tf.reduce_sum(weighted, axis=0), tf.matmul(flat, weighted, transpose_a=True)


def autodiff(features, upstream, mask=None):
    """Gradient of the sum of all moments, each times an upstream gradient."""
    features = tf.convert_to_tensor(features)
    with tf.GradientTape() as tape:
        tape.watch(features)
        first, second = plain_moments(features, mask)
        total = tf.reduce_sum(second * tf.cast(upstream.second, second.dtype))
        if upstream.first.shape[-1]:
            total += tf.reduce_sum(first * tf.cast(upstream.first, first.dtype))
    return tape.gradient(total, features)


def upstreams(channels):
    """Of both moments and of the second alone, symmetric and not."""
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=channels).astype(np.float32), rng.normal(size=(channels, channels))
    second = second.astype(np.float32)
    for of_first in (first, first[:0]):
        for of_second in (second, second + second.T):
            yield Moments(tf.constant(0.0), tf.constant(of_first), tf.constant(of_second))


def test_gradient_against_autodiff(maps, mask):
    for upstream in upstreams(5):
        for chosen in (None, mask):
            ours = moments_vjp(tf.constant(maps), upstream, chosen)
            assert ours.shape == maps.shape
            np.testing.assert_allclose(ours, autodiff(maps, upstream, chosen), rtol=1e-4, atol=1e-5)


def test_gradient_by_central_differences(maps, mask):
    """In float64, of a sum in which every entry of both moments has a weight of its own."""
    maps = maps.astype(np.float64)
    rng = np.random.default_rng(2)
    of_first, of_second, direction = rng.normal(size=5), rng.normal(size=(5, 5)), rng.normal(size=maps.shape)
    for chosen in (None, mask):
        totals = []
        for step in (1e-5, -1e-5):
            found = both_moments(tf.constant(maps + step * direction), chosen)
            totals.append(np.sum(of_first * found.first) + np.sum(of_second * found.second))
        upstream = Moments(tf.constant(0.0), tf.constant(of_first), tf.constant(of_second))
        slope = np.sum(moments_vjp(tf.constant(maps), upstream, chosen) * direction)
        assert slope == pytest.approx((totals[0] - totals[1]) / 2e-5, rel=1e-6)


def test_gradient_is_made_of_those_of_parts(maps, mask):
    for upstream in upstreams(5):
        parts = [
            moments_vjp(tf.constant(maps[:, rows]), upstream, mask[:, rows]) for rows in (slice(1), slice(1, None))
        ]
        whole = moments_vjp(tf.constant(maps), upstream, mask)
        np.testing.assert_allclose(tf.concat(parts, axis=1), whole, rtol=1e-5, atol=1e-5)


def test_gradient_where_the_size_is_unknown_when_traced(maps):
    @tf.function(input_signature=[tf.TensorSpec((1, None, None, 5), tf.float32)])
    def traced(features):
        return [moments_vjp(features, upstream) for upstream in upstreams(5)]

    for ours, upstream in zip(traced(maps), upstreams(5), strict=True):
        np.testing.assert_allclose(ours, autodiff(maps, upstream), rtol=1e-4, atol=1e-5)


# --- bfloat16 ---------------------------------------------------------------------------------------------------------


def features_of(height, width, channels=32, seed=0):
    """As after a rectification, rounded to bfloat16."""
    values = np.random.default_rng(seed).normal(1, 2, (1, height, width, channels))
    return tf.cast(np.maximum(values, 0), tf.bfloat16)


def in_float64(features):
    return features.numpy().astype(np.float64)


SIZES = [(64, 64), (31, 33), (7, 9), (1, 1), (3, 5), (4, 4), (1, 17), (2, 2)]
"""Of numbers of positions that the parts divide, that leave some over, and that are fewer than the parts."""


has_instructions = not {"amx_bf16", "avx512_bf16"}.isdisjoint(cpu_features())
"""Whether this CPU has instructions for bfloat16. Without them, sums are also rounded within a part."""


def test_bfloat16_against_float64():
    for size in SIZES:
        features = features_of(*size)
        weights = np.random.default_rng(1).choice([0.25, 0.5, 1, 2], (1, *size, 1)).astype(np.float32)  # exact
        for chosen in (None, weights):
            ours, exact = both_moments(features, chosen), exact_moments(in_float64(features), chosen)
            assert {value.dtype for value in ours} == {tf.float32}
            assert float(ours.mass) == exact.mass
            np.testing.assert_allclose(ours.first, exact.first, rtol=1e-6)
            assert relative_error(ours.second, exact.second) < (2e-3 if has_instructions else 4e-3)
            np.testing.assert_allclose(ours.second, tf.transpose(ours.second), rtol=1e-2)


def test_float32_keeps_its_digits():
    for size in SIZES:
        features = in_float64(features_of(*size)).astype(np.float32)
        assert relative_error(moments(features).second, exact_moments(features).second) < 3e-7


def test_bfloat16_counts_every_position_once():
    """Each has a channel of its own, and so an entry on the diagonal."""
    features = tf.cast(np.diag(np.arange(1, 38)).reshape(1, 37, 1, 37), tf.bfloat16)
    np.testing.assert_allclose(moments(features).second, np.diag(np.arange(1, 38) ** 2), rtol=2**-8)


@pytest.mark.skipif(not has_instructions, reason="this CPU has no instructions for bfloat16")
def test_parts_are_better_than_one_product():
    """Without this, the parts would be in vain."""
    features = features_of(96, 96)
    flat = in_float64(features).reshape(-1, 32)
    at_once = tf.cast(plain_moments(features)[1], tf.float32)
    assert relative_error(moments(features).second, flat.T @ flat) < 0.6 * relative_error(at_once, flat.T @ flat)


def test_bfloat16_gradient_against_autodiff():
    for size in ((31, 33), (3, 3)):
        features = features_of(*size)
        weights = np.random.default_rng(1).uniform(0, 2, (1, *size, 1)).astype(np.float32)
        for upstream in upstreams(32):
            for chosen in (None, weights):
                ours = moments_vjp(features, upstream, chosen)
                assert ours.dtype == tf.bfloat16
                assert ours.shape == features.shape
                expected = autodiff(tf.cast(features, tf.float64), upstream, chosen)
                assert relative_error(ours, expected) < 1e-2


def test_bfloat16_size_may_be_unknown_when_traced():
    traced = tf.function(both_moments, input_signature=[tf.TensorSpec((1, None, None, 32), tf.bfloat16)])
    for size in ((31, 33), (2, 3)):
        assert_close(traced(features_of(*size)), both_moments(features_of(*size)), rtol=1e-2)


# --- channels ---------------------------------------------------------------------------------------------------------


def test_channel_sums_add_up_over_parts():
    for dtype in ("float32", "bfloat16", "float16"):
        maps = tf.cast(np.random.default_rng(0).normal(300, 20, (1, 30, 21, 4)).astype(np.float32), dtype)
        exact = tf.cast(maps, tf.float64).numpy()
        whole = channel_sums(maps)
        assert whole.dtype == tf.float32
        np.testing.assert_allclose(whole, [exact.sum((0, 1, 2)), (exact**2).sum((0, 1, 2))], rtol=1e-5)
        np.testing.assert_allclose(channel_sums(maps[:, :13]) + channel_sums(maps[:, 13:]), whole, rtol=1e-5)


# --- regions ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def regions():
    """Masks of three regions: two that add up to 1, and one apart from them."""
    soft = np.random.default_rng(4).uniform(0, 1, (1, 4, 7, 1)).astype(np.float32)
    return np.concatenate([soft, 1 - soft, soft > 0.5], axis=-1).astype(np.float16)


@pytest.mark.parametrize("with_first", [True, False])
def test_moments_of_regions_are_those_of_each_mask(maps, regions, with_first):
    found = regional_moments(tf.constant(maps), tf.constant(regions), with_first=with_first)
    for region in range(3):
        exact = exact_moments(maps, regions[..., region])
        own = Moments(*(values[region] for values in found))
        assert_close(own, exact if with_first else exact._replace(first=np.zeros(0)), rtol=1e-3)


def test_moments_of_regions_that_add_up_to_1_add_up_to_those_of_the_whole(maps, regions):
    found = regional_moments(tf.constant(maps), tf.constant(regions), with_first=True)
    assert_close([values[0] + values[1] for values in found], exact_moments(maps), rtol=2e-3, atol=2e-3)


def test_mean_moments_of_regions_are_divided_by_their_own_mass(maps, regions):
    found = mean_moments(regional_moments(tf.constant(maps), tf.constant(regions), with_first=True), 2.0)
    for region in range(3):
        exact = exact_moments(maps, regions[..., region])
        np.testing.assert_allclose(found.first[region], 2 * exact.first / exact.mass, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(found.second[region], 4 * exact.second / exact.mass, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("with_first", [True, False])
def test_gradient_through_the_moments_of_regions(maps, regions, with_first):
    rng = np.random.default_rng(5)
    masks = tf.constant(regions.astype(np.float32))
    first, second = rng.normal(size=(3, 5)), rng.normal(size=(3, 5, 5))
    first, second = (tf.constant(each, tf.float32) for each in (first if with_first else first[:, :0], second))
    features = tf.constant(maps)
    with tf.GradientTape() as tape:
        tape.watch(features)
        found = regional_moments(features, masks, with_first=with_first)
        value = tf.reduce_sum(found.first * first) + tf.reduce_sum(found.second * second)
    ours = regional_moments_vjp(features, Moments(0.0, first, second), masks)
    np.testing.assert_allclose(ours, tape.gradient(value, features), rtol=1e-4, atol=1e-4)
