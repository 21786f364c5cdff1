import itertools
from types import SimpleNamespace

import numpy as np
import objectives
import pytest
import reference
import tensorflow as tf
from objectives import SHALLOW, image_of, picture, relative_error, resolved, traces, values

from neural_style.compute.halving import reductions
from neural_style.compute.multiscale_objective import MultiscaleObjective, objectives_of, together
from neural_style.compute.objective import Objective, WholeObjective
from neural_style.compute.style_targets import style_targets
from neural_style.losses.spec import LossTerms

CONTENT, STYLES, IMAGE = picture(43, 51, 1), [picture(44, 43, 2), picture(51, 34, 3)], picture(43, 51, 4)

CASES = {
    "both parts": {"content_layers": ("relu2_1", "relu4_1"), "style_layers": ("relu2_1", "relu4_1")},
    "two styles": {"styles": 2, "style_blend_weights": (1, 3), **SHALLOW},
    "sums": {
        **SHALLOW,
        "content_loss": "sum",
        "style_loss": ("gram", "covariance"),
        "style_reduction": "sum",
        "gram_normalization": "pixels",
        "tv_loss": "absolute",
        "tv_width": 50,
    },
    "variation alone": {"content_weight": 0, "style_weight": 0, "tv_weight": 3},
}

pytestmark = pytest.mark.usefixtures("full_precision")


def objective_of(tile_size=None, keep=True, content=CONTENT, **settings):
    """Of the case's loss and number of sizes."""
    config = resolved(**settings)
    graphs, styles = objectives.graphs_of(config), STYLES[: len(config.styles)]
    reduced = zip(*(reductions(style, config.loss_scales) for style in styles), strict=True)
    of_sizes = [style_targets(graphs, of_size, tile_size) for of_size in reduced]
    return together(objectives_of(graphs, config, content, of_sizes, tile_size, keep))


class Exact:
    """The mean over sizes in float64, of the reference's losses."""

    def __init__(self, sizes, factors, **terms):
        network = reference.in_float64(reference.random_weights())
        pictures = [each.astype(np.float64) - network.mean for each in (CONTENT, STYLES[0])]
        self.parts = []
        for size in range(sizes):
            content, style = pictures
            shared = [factor / sizes for factor in factors[:2]]
            factors_here = (*shared, 0 if size else factors[2])
            self.parts.append(reference.Objective(network, content, [style], factors=factors_here, **terms))
            pictures = [reference.pool(each, "avg") for each in pictures]

    def __call__(self, image):
        sums = dict.fromkeys(("content", "style", "tv", "total"), 0.0)
        for part in self.parts:
            for name, value in vars(part(image)).items():
                sums[name] += value
            image = reference.pool(image, "avg")
        return SimpleNamespace(**sums)

    slope = reference.Objective.slope


@pytest.mark.parametrize(("sizes", "tile_size"), [(2, None), (4, 32)])
def test_loss_and_gradient_are_those_of_the_mean_over_sizes(sizes, tile_size):
    """By central differences of the exact loss: along the gradient, of noise, and of the last pixel of odd sides."""
    shares = {"content_terms": {"relu1_2": 1}, "style_terms": {"relu1_1": 0.52 / 0.81, "relu2_1": 0.29 / 0.81}}
    exact = Exact(sizes, (2**20, 60 * 2**20, 0.25 * 2**20), blend=(1,), balanced=True, means=2, **shares)
    settings = {**SHALLOW, "loss": "balanced", "tv_weight": 0.25, "loss_scales": sizes}
    terms, gradient = objective_of(tile_size, **settings).value_and_grad(tf.constant(image_of(IMAGE)))
    image = image_of(IMAGE)[0].astype(np.float64)
    expected = exact(image)
    assert values(terms) == pytest.approx(vars(expected), rel=1e-5)
    gradient = gradient[0].numpy().astype(np.float64)
    corner = np.zeros_like(image)
    corner[-1, -1, 2] = 1
    for direction in (gradient / np.abs(gradient).max(), np.random.default_rng(0).normal(size=image.shape), corner):
        rounding = 1e-5 * np.linalg.norm(gradient) * np.linalg.norm(direction)
        slope = exact.slope(image, direction, 1e-5)
        assert np.sum(gradient * direction) == pytest.approx(slope, rel=1e-3, abs=rounding)


class Powers:
    """Objective in float64: the mean of (image - target)⁴, times a weight."""

    mean = np.zeros(3)

    def __init__(self, height, width, seed):
        self.shape = (1, height, width, 3)
        self._target = np.random.default_rng(seed).normal(size=self.shape)
        self.weight = 1.0

    def value_and_grad(self, image):
        assert tuple(image.shape) == self.shape
        difference = np.asarray(image) - self._target
        value = self.weight * np.mean(difference**4)
        gradient = 4 * self.weight * difference**3 / difference.size
        terms = LossTerms(value, {"content": value}, {"content": {"relu1_1": value}})
        return terms, gradient if isinstance(image, np.ndarray) else tf.constant(gradient)

    def set_weights(self, config):
        self.weight = config

    def content_distance(self, image):
        return 10 * np.mean(image)

    def release(self):
        self._target = None


def powers(height=13, width=10):
    sizes = [(height, width), (-(-height // 2), -(-width // 2)), (-(-height // 4), -(-width // 4))]
    return [Powers(*size, seed) for seed, size in enumerate(sizes)]


@pytest.mark.parametrize("kind", [np.array, tf.constant], ids=["array", "tensor"])
def test_gradient_by_central_differences_in_float64(kind):
    objective: Objective = MultiscaleObjective(powers())
    image = np.random.default_rng(9).normal(size=objective.shape)
    terms, gradient = objective.value_and_grad(kind(image))
    assert isinstance(gradient, np.ndarray) == (kind is np.array)
    step = 1e-4
    for at in itertools.product([0], [0, 5, 11, 12], [0, 7, 9], [1]):
        ahead, behind = image.copy(), image.copy()
        ahead[at] += step
        behind[at] -= step
        totals = [objective.value_and_grad(each)[0].total for each in (ahead, behind)]
        assert float(gradient[at]) == pytest.approx((totals[0] - totals[1]) / (2 * step), rel=1e-6)
    pairs = zip(powers(), reductions(image, 3), strict=True)
    parts = [part.value_and_grad(each)[0].total for part, each in pairs]
    assert terms.total == pytest.approx(sum(parts))
    assert terms.by_name["content"] == terms.by_layer["content"]["relu1_1"] == terms.total


def test_what_it_passes_on():
    parts = powers()
    objective = MultiscaleObjective(parts)
    image = np.random.default_rng(9).normal(size=objective.shape)
    assert objective.shape == (1, 13, 10, 3)
    assert objective.mean is parts[0].mean
    terms, _ = objective.value_and_grad(image)
    assert objective.content_distance(image) == 10 * np.mean(image)
    objective.set_weights(3.0)
    assert objective.value_and_grad(image)[0].total == pytest.approx(3 * terms.total)
    with pytest.raises(ValueError, match=r"expected shape \(1, 13, 10, 3\), got \(1, 13, 11, 3\)"):
        objective.value_and_grad(np.zeros((1, 13, 11, 3)))
    objective.release()
    assert [part._target for part in parts] == [None] * 3


# --- with networks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("keep", [True, False])
def test_tiles_are_exact(case, keep):
    settings = {**CASES[case], "loss_scales": 3}
    image = image_of(IMAGE)
    terms, slope = objective_of(**settings).value_and_grad(tf.constant(image))
    for given in (image, tf.constant(image)) if keep else (image,):
        found, gradient = objective_of(32, keep, **settings).value_and_grad(given)
        assert isinstance(gradient, np.ndarray) == isinstance(given, np.ndarray)
        assert values(found) == pytest.approx(values(terms), rel=1e-5)
        assert relative_error(gradient, slope) < 1e-5
        assert np.abs(gradient - slope).max() < 1e-5 * np.abs(slope).max()


@pytest.mark.parametrize(("case", "tile_size"), [*((case, None) for case in CASES), ("both parts", 32), ("sums", 32)])
def test_the_mean_of_runs_at_each_size(case, tile_size):
    """Each size counts like an objective of its own at that size, but for the total variation."""
    objective = objective_of(tile_size, **CASES[case], loss_scales=3)
    found = objective.value_and_grad(tf.constant(image_of(IMAGE)))[0]
    parts = []
    for content, image, *styles in zip(*(reductions(each, 3) for each in (CONTENT, IMAGE, *STYLES)), strict=True):
        config = resolved(**CASES[case])
        graphs = objectives.graphs_of(config)
        own = objectives.whole_of(config, content, styles[: len(config.styles)], graphs=graphs)
        parts.append(values(own.value_and_grad(tf.constant(image_of(image)))[0]))
    for name in ("content", "style"):
        assert values(found)[name] == pytest.approx(np.mean([part[name] for part in parts]), rel=1e-4)
    assert values(found)["tv"] == pytest.approx(parts[0]["tv"], rel=1e-5)
    assert values(found)["total"] == pytest.approx(sum(values(found)[name] for name in ("content", "style", "tv")))


def test_one_size_changes_nothing():
    objective = objective_of(**SHALLOW)
    assert type(objective) is WholeObjective
    image = tf.constant(image_of(IMAGE))
    terms, gradient = objective.value_and_grad(image)
    expected, slope = objectives.whole_of(resolved(**SHALLOW), CONTENT, STYLES[:1]).value_and_grad(image)
    assert values(terms) == values(expected)
    np.testing.assert_array_equal(gradient, slope)


def test_all_sizes_share_the_traced_graph():
    graph = objectives.graphs_of(resolved(**SHALLOW)).whole
    image = tf.constant(image_of(IMAGE))
    objective_of(**SHALLOW).value_and_grad(image)
    before = traces(graph.value_and_grad, graph.style_moments, graph.content_maps)
    for sizes in (2, 3):
        objective_of(**SHALLOW, loss_scales=sizes).value_and_grad(image)
    assert traces(graph.value_and_grad, graph.style_moments, graph.content_maps) == before == [1, 1, 1]


@pytest.mark.parametrize("tile_size", [None, 32])
def test_other_weights(tile_size):
    image = tf.constant(image_of(IMAGE))
    settings = {**SHALLOW, "loss_scales": 2}
    objective = objective_of(tile_size, **settings)
    for changed in (
        {"content_weight": 7, "style_weight": 3, "tv_weight": 1},
        {"content_weight": 0, "style_weight": 0, "tv_weight": 1},
    ):
        expected = objective_of(tile_size, **settings)
        objective.set_weights(resolved(**settings, **changed))
        expected.set_weights(resolved(**settings, **changed))
        found = values(objective.value_and_grad(image)[0])
        assert found == values(expected.value_and_grad(image)[0])
        parts = values(objective_of(tile_size, **settings, **{**changed, "tv_weight": 0.5}).value_and_grad(image)[0])
        assert found["tv"] == pytest.approx(2 * parts["tv"], rel=1e-5)
        assert found["content"] == pytest.approx(parts["content"], rel=1e-5)
        assert found["style"] == pytest.approx(parts["style"], rel=1e-5)


@pytest.mark.parametrize("tile_size", [None, 32])
def test_distance_from_the_photo_is_that_of_the_full_size(tile_size):
    image = tf.constant(image_of(IMAGE))
    one, several = (objective_of(tile_size, **SHALLOW, strength=0.5, loss_scales=sizes) for sizes in (1, 3))
    expected = one.content_distance(image)
    assert several.content_distance(image) == pytest.approx(expected, rel=1e-5)
    assert expected > 0


def test_a_picture_is_at_its_own_targets_at_every_size():
    """Content and styles that are the image leave nothing but the total variation."""
    config = resolved(**SHALLOW, loss_scales=3)
    graphs = objectives.graphs_of(config)
    targets = [style_targets(graphs, [style]) for style in reductions(IMAGE, 3)]
    objective = together(objectives_of(graphs, config, IMAGE, targets, None))
    found = values(objective.value_and_grad(tf.constant(image_of(IMAGE)))[0])
    scale = values(objective_of(**SHALLOW, loss_scales=3).value_and_grad(tf.constant(image_of(IMAGE)))[0])
    assert found["content"] < 1e-6 * scale["content"]
    assert found["style"] < 1e-6 * scale["style"]
    assert found["tv"] == pytest.approx(scale["tv"])
