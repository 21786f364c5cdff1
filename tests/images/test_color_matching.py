import itertools

import numpy as np
import pytest

from neural_style.images.color_matching import ColorMatching, added, apply
from neural_style.images.color_spaces import COLOR_SPACES

RNG = np.random.default_rng(0)
ALL = [
    ColorMatching(kind, space, transfer)
    for kind, space, transfer in itertools.product(
        ("luminance", "match", "histogram"), COLOR_SPACES, ("symmetric", "pca", "cholesky")
    )
    if kind == "match" or transfer == "symmetric"
]
NAMES = ["-".join(each) for each in ALL]


def soft(mean, spread, size=(60, 70), seed=0):
    """A picture whose colors do not touch the ends of their range."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(0, 1, (*size, 3)).clip(-2, 2) @ rng.uniform(-1, 1, (3, 3)) * spread
    return (np.array(mean) + mixed).clip(20, 235).astype(np.float32)


PAINTING, PHOTO = soft((120, 100, 140), 14, seed=1), soft((130, 125, 110), 12, (50, 90), seed=2)


def changed(matching, picture, photo):
    change = matching.map(matching.statistics(picture), matching.statistics(photo))
    return apply(change, picture, np.empty_like(picture))


@pytest.mark.parametrize("matching", [each for each in ALL if each.kind == "match"], ids="-".join)
def test_match_gives_mean_and_covariance(matching):
    found, wanted = (
        matching.space.of_srgb(each).reshape(-1, 3) for each in (changed(matching, PAINTING, PHOTO), PHOTO)
    )
    np.testing.assert_allclose(found.mean(axis=0), wanted.mean(axis=0), atol=0.01 * matching.space.white)
    of_found, of_wanted = np.cov(found.T), np.cov(wanted.T)
    np.testing.assert_allclose(of_found, of_wanted, atol=0.08 * np.abs(of_wanted).max())


def test_cholesky_is_the_product_of_cholesky_factors():
    matching = ColorMatching("match", "ycbcr", "cholesky")
    values, wanted = (matching.space.of_srgb(each).reshape(-1, 3).astype(np.float64) for each in (PAINTING, PHOTO))
    own_lower = np.linalg.cholesky(np.cov(values.T, bias=True) + np.eye(3))  # one squared gray level is added
    lower = np.linalg.cholesky(np.cov(wanted.T, bias=True))
    expected = (values - values.mean(axis=0)) @ (lower @ np.linalg.inv(own_lower)).T + wanted.mean(axis=0)
    found = matching.space.of_srgb(changed(matching, PAINTING, PHOTO)).reshape(-1, 3)
    np.testing.assert_allclose(found, expected, atol=0.1)


@pytest.mark.parametrize("space", COLOR_SPACES)
def test_histogram_gives_the_shares_of_each_channel(space):
    matching = ColorMatching("histogram", space, "symmetric")
    found, wanted = (matching.space.of_srgb(each) for each in (changed(matching, PAINTING, PHOTO), PHOTO))
    shares = np.linspace(0.05, 0.95, 10)
    for channel in range(3):
        quantiles = [np.quantile(each[..., channel], shares) for each in (found, wanted)]
        np.testing.assert_allclose(*quantiles, atol=0.012 * matching.space.white)


@pytest.mark.parametrize("space", COLOR_SPACES)
def test_luminance_gives_grays_with_mean_and_deviation(space):
    matching = ColorMatching("luminance", space, "symmetric")
    found = changed(matching, PAINTING, PHOTO)
    assert np.ptp(found, axis=-1).max() < 0.01
    lightness, wanted = (matching.space.of_srgb(each)[..., 0] for each in (found, PHOTO))
    assert lightness.mean() == pytest.approx(wanted.mean(), rel=0.01)
    assert lightness.std() == pytest.approx(wanted.std(), rel=0.03)
    np.testing.assert_allclose(matching.space.of_srgb(matching.gray(PHOTO))[..., 0], wanted, atol=0.01)


@pytest.mark.parametrize("matching", ALL, ids=NAMES)
def test_statistics_of_several_pictures_add_up(matching):
    whole = matching.statistics(PHOTO)
    parts = added(matching.statistics(PHOTO[:20]), matching.statistics(PHOTO[20:]))
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other)


@pytest.mark.parametrize("matching", ALL, ids=NAMES)
def test_pixels_count_by_their_weights(matching):
    weights = np.zeros(PHOTO.shape[:2], np.uint8)
    weights[:, 30:] = 255
    weighted, cut = matching.statistics(PHOTO, weights, None, weights / 255), matching.statistics(PHOTO[:, 30:])
    change, expected = (matching.map(matching.statistics(PAINTING), each) for each in (weighted, cut))
    np.testing.assert_allclose(change(PAINTING), expected(PAINTING), atol=0.05)


GRAY = np.repeat(PHOTO[..., :1], 3, axis=-1)
HARD = {
    "gray": GRAY,
    "night": (PHOTO * 0.06).clip(0, 255),
    "black": np.zeros_like(PHOTO),
    "white": np.full_like(PHOTO, 255),
    "faint noise on gray": GRAY + RNG.normal(0, 1, PHOTO.shape).astype(np.float32),
}


@pytest.mark.parametrize("matching", ALL, ids=NAMES)
def test_hard_pictures_give_no_specks(matching):
    pictures = {**HARD, "painting": PAINTING}
    for one, other in itertools.permutations(pictures, 2):
        found = changed(matching, pictures[one], pictures[other])
        assert np.isfinite(found).all(), (one, other)
        assert found.min() >= 0, (one, other)
        assert found.max() <= 255, (one, other)
        if other in ("gray", "black", "white"):
            assert np.ptp(found, axis=-1).max() < 0.6, (one, other)
        if one in ("gray", "faint noise on gray"):
            hues = found - found.mean(axis=-1, keepdims=True)
            assert (hues[:, 1:] - hues[:, :-1]).std() < 14, (one, other)


@pytest.mark.parametrize("matching", ALL, ids=NAMES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_recolor_takes_integers_of_both_depths(matching, dtype):
    white = np.iinfo(dtype).max
    painting, photo = (np.rint(each * (white / 255)).astype(dtype) for each in (PAINTING[:50, :70], PHOTO[:50, :70]))
    found = matching.recolor(painting, photo, out=np.empty_like(painting))
    assert found.dtype == dtype
    of_srgb = matching.space.of_srgb
    values, of_painting, of_photo = (of_srgb(each * np.float32(255 / white)) for each in (found, painting, photo))
    if matching.kind == "luminance":
        np.testing.assert_allclose(values[..., 0], of_painting[..., 0], atol=0.03 * matching.space.white)
        assert np.abs(values[..., 1:] - of_photo[..., 1:]).mean() < 0.01 * matching.space.white
    else:
        assert np.abs(values.mean(axis=(0, 1)) - of_photo.mean(axis=(0, 1))).max() < 0.01 * matching.space.white


@pytest.mark.parametrize("kind", ["luminance", "match", "histogram"])
def test_recolor_changes_nothing_where_the_mask_is_black(kind):
    painting, photo = (np.rint(each[:50, :70]).astype(np.uint8) for each in (PAINTING, PHOTO))
    mask = np.zeros((50, 70), np.uint8)
    mask[:, 35:] = 255
    mask[:, 34] = 128
    matching = ColorMatching(kind, "lab", "symmetric")
    found = matching.recolor(painting, photo, mask, out=np.empty_like(painting))
    np.testing.assert_array_equal(found[:, :34], painting[:, :34])
    inside = matching.recolor(painting[:, 34:], photo[:, 34:], mask[:, 34:], out=np.empty_like(painting[:, 34:]))
    np.testing.assert_array_equal(found[:, 34:], inside)
    assert (found[:, 35:] != painting[:, 35:]).mean() > 0.5
    nothing = np.zeros((50, 70), np.float32)
    if kind != "luminance":
        np.testing.assert_array_equal(matching.recolor(painting, photo, mask, nothing, out=found), painting)
