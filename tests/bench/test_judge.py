import numpy as np
import pytest
from PIL import Image
from small_runs import smooth

from neural_style.bench import judge
from neural_style.bench.judge import Judge
from neural_style.errors import ImageError
from neural_style.networks.vgg19 import build_vgg19


@pytest.fixture(scope="module")
def judged(network):
    return Judge(network)


def features_of(network, picture):
    """Layer -> float64 (positions, channels)."""
    model = build_vgg19(network, judge.LAYERS)
    maps = model((picture.astype(np.float32) - network.mean)[None])
    return {layer: np.asarray(values, np.float64).reshape(-1, values.shape[-1]) for layer, values in maps.items()}


# --- by hand ----------------------------------------------------------------------------------------------------------


def test_gram_matrix_by_hand():
    np.testing.assert_array_equal(judge.gram(np.array([[1.0, 2.0], [3.0, 4.0]])), [[5, 7], [7, 10]])


def test_relative_distance_by_hand():
    assert judge.relative_distance(np.array([1.0, 4.0]), np.array([3.0, 4.0])) == 4 / 25


def test_photo_distance_by_hand():
    """The target's channels vary by 1 and 9 around their means, in two positions each."""
    target = np.array([[1.0, 0.0], [3.0, 6.0]])
    assert judge.photo_distance(target + np.array([[1, 0], [0, -2]]), target) == (1 + 4) / (2 * 1 + 2 * 9)


def test_grain_of_one_bright_pixel_by_hand():
    """Its lightness is 9; the mean of the nine pixels is 1."""
    picture = np.zeros((3, 3, 3), np.uint8)
    picture[1, 1] = 8, 9, 10
    assert judge.grain_energy(picture) == 64


def test_grain_sees_only_the_finest_detail():
    slope = np.tile(np.arange(0, 200, 10, dtype=np.uint8)[:, None, None], (1, 20, 3))
    assert judge.grain_energy(slope) == pytest.approx(0, abs=1e-6)


def test_quantiles_are_those_of_numpy():
    features = np.random.default_rng(1).normal(size=(1000, 7))
    directions = np.random.default_rng(0).normal(size=(7, judge.DIRECTIONS))
    projected = features @ (directions / np.linalg.norm(directions, axis=0))
    expected = np.quantile(projected, (np.arange(judge.QUANTILES) + 0.5) / judge.QUANTILES, axis=0)
    ours = judge.distribution(features)
    np.testing.assert_allclose(ours.quantiles, expected.T, rtol=1e-12, atol=1e-12)
    assert ours.variance == pytest.approx(projected.var(0).mean(), rel=1e-12)


def test_a_map_of_one_position_has_quantiles():
    ours = judge.distribution(np.ones((1, 4)))
    assert ours.quantiles.shape == (judge.DIRECTIONS, judge.QUANTILES)
    assert ours.variance == 0


def test_sliced_wasserstein_distance_of_moved_features_is_how_far_they_moved():
    """All projections move by v·d; the mean of (v·d)² over directions of unit length is about |v|² / channels."""
    features = np.random.default_rng(2).normal(size=(500, 3))
    near, far = (judge.distribution(features + np.array([shift, 0, 0])) for shift in (0.5, 2.0))
    target = judge.distribution(features)
    distance = judge.sliced_wasserstein(near, target)
    assert distance == pytest.approx(np.sqrt(0.5**2 / 3 / target.variance), rel=0.15)
    assert judge.sliced_wasserstein(far, target) == pytest.approx(4 * distance)
    assert judge.sliced_wasserstein(target, target) == 0


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_measures_are_what_their_definitions_say(network, judged):
    image, style, photo = (smooth(50, 37, seed) for seed in (1, 2, 3))
    f, s, p = (features_of(network, picture) for picture in (image, style, photo))

    def distance(layer):
        ours, target = (x[layer].T @ x[layer] / len(x[layer]) for x in (f, s))
        return ((ours - target) ** 2).sum() / (target**2).sum()

    def transport(layer):
        axes = np.random.default_rng(0).normal(size=(f[layer].shape[1], 64))
        ours, target = (x[layer] @ (axes / np.linalg.norm(axes, axis=0)) for x in (f, s))
        places = (np.arange(256) + 0.5) / 256
        moved = np.quantile(ours, places, axis=0) - np.quantile(target, places, axis=0)
        return np.sqrt((moved**2).mean() / target.var(0).mean())

    measures = judged.measure(image, style, photo)
    assert tuple(measures) == judge.MEASURES
    content = p["relu4_2"]
    assert measures == {
        "style": pytest.approx(np.mean([distance(f"relu{layer}") for layer in ("1_1", "2_1", "3_1", "3_4")]), rel=1e-4),
        "deep": pytest.approx(np.mean([distance(f"relu{layer}") for layer in ("4_1", "5_1")]), rel=1e-4),
        "swd": pytest.approx(np.mean([transport(f"relu{layer}") for layer in ("2_1", "3_1", "4_1")]), rel=1e-4),
        "content4": pytest.approx(
            ((f["relu4_2"] - content) ** 2).sum() / ((content - content.mean(0)) ** 2).sum(), rel=1e-4
        ),
        "grain": pytest.approx(judge.grain_energy(image) / judge.grain_energy(style)),
    }


def test_identical_pictures_have_no_distance(judged):
    picture = smooth(40, 33)
    measures = judged.measure(picture, picture, picture)
    assert measures == {"style": 0, "deep": 0, "swd": 0, "content4": 0, "grain": 1}


def test_a_style_keeps_its_aspect_and_a_photo_is_fitted(judged):
    image, style, photo = smooth(48, 36), smooth(96, 120, seed=1), smooth(100, 90, seed=2)
    lanczos = Image.Resampling.LANCZOS
    small_style = np.array(Image.fromarray(style).resize((48, 60), lanczos))
    small_photo = np.array(Image.fromarray(photo).resize((48, 36), lanczos))
    assert judged.measure(image, style, photo) == judged.measure(image, small_style, small_photo)


def test_styles_and_photos_are_computed_once_for_each_size(network, monkeypatch):
    judged, calls = Judge(network), []
    real = judged._features
    monkeypatch.setattr(judged, "_features", lambda picture: calls.append(picture.shape) or real(picture))
    image, other, style, photo = (smooth(40, 32, seed) for seed in range(4))
    judged.measure(image, style, photo)
    assert len(calls) == 3
    judged.measure(other, style, photo)
    assert len(calls) == 4
    judged.measure(smooth(48, 36), style, photo)
    assert calls[4:] == [(38, 48, 3), (36, 48, 3), (36, 48, 3)]


def test_a_judge_forgets_the_picture_that_it_needed_least_recently(network, monkeypatch):
    monkeypatch.setattr(judge, "_MOST_PICTURES", 2)
    judged = Judge(network)
    image, style, photo, other = (smooth(40, 32, seed) for seed in range(4))
    first = judged.measure(image, style, photo)
    judged.measure(image, style, other)
    assert len(judged._known) == 2
    assert judged.measure(image, style, photo) == first


@pytest.mark.parametrize("role", ["style", "photo"])
def test_a_picture_of_one_color_is_refused(judged, role):
    pictures = {"style": smooth(40, 32), "photo": smooth(40, 32), role: np.full((32, 40, 3), 90, np.uint8)}
    with pytest.raises(ImageError, match=f"{role}.* with more than one color; give another"):
        judged.measure(smooth(40, 32, 1), **pictures)
