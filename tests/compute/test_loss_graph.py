import gc
import logging
import weakref

import numpy as np
import objectives
import pytest
import reference
import tensorflow as tf
import toy_formulas
from objectives import SHALLOW, image_of, picture, relative_error, resolved, tiled_of, traces, values, whole_of

from neural_style.compute import loss_graph, objective, tiled_objective
from neural_style.compute.graph_cache import Graphs
from neural_style.compute.loss_graph import LossGraph, added_up, first_moments, layers_of, weight_specs
from neural_style.compute.loss_weights import loss_spec
from neural_style.compute.tile_graph import TileGraph
from neural_style.losses.content import FeatureFormula
from neural_style.losses.spec import IMAGE, LossSpec, Term
from neural_style.losses.style import MomentFormula
from neural_style.losses.variation import PixelFormula

CONTENT, STYLES = picture(35, 45, 1), [picture(41, 34, 2), picture(33, 47, 3)]
IMAGE_ARRAY = image_of(picture(35, 45, 4))

pytestmark = pytest.mark.usefixtures("full_precision")


def test_one_trace_serves_all_iterations_and_sizes():
    config = resolved(**SHALLOW)
    graphs = objectives.build_graphs(config)
    totals = set()
    for width in (45, 40, 45):
        ours = whole_of(config, CONTENT[:, :width], STYLES[:1], graphs=graphs)
        image = tf.constant(IMAGE_ARRAY[:, :, :width])
        for shift in range(2):
            terms, gradient = ours.value_and_grad(image + float(shift))
            assert gradient.shape == image.shape == ours.shape == (1, 35, width, 3)
            assert gradient.dtype == tf.float32
            numbers = (terms.total, *terms.by_name.values(), *terms.by_layer["style"].values())
            assert all(value.shape == () and value.dtype == tf.float32 for value in numbers)
            totals.add(float(terms.total))
        ours.terms(image)
    assert len(totals) == 4
    graph = graphs.whole
    assert traces(graph.value_and_grad, graph.terms, graph.style_moments, graph.content_maps) == [1] * 4


def test_one_trace_serves_all_sizes_in_other_types():
    for kind in ("bfloat16", "float16"):
        objectives.skip_unless_computed(kind)
        config = resolved(**SHALLOW)
        graphs = objectives.build_graphs(config, kind)
        for width in (45, 40):
            ours = whole_of(config, CONTENT[:, :width], STYLES[:1], graphs=graphs)
            ours.value_and_grad(tf.constant(IMAGE_ARRAY[:, :, :width]))
        assert traces(graphs.whole.value_and_grad) == [1]


def test_losses_by_name_and_by_layer():
    terms, _ = whole_of(resolved(**SHALLOW), CONTENT, STYLES[:1]).value_and_grad(tf.constant(IMAGE_ARRAY))
    assert list(terms.by_name) == ["content", "style", "tv"]
    layers = {name: list(of_layers) for name, of_layers in terms.by_layer.items()}
    assert layers == {"content": ["relu1_2"], "style": ["relu1_1", "relu2_1"], "tv": [IMAGE]}
    for name, of_layers in terms.by_layer.items():
        assert float(sum(of_layers.values())) == pytest.approx(float(terms.by_name[name]), rel=1e-6)
    assert float(sum(terms.by_name.values())) == pytest.approx(float(terms.total), rel=1e-6)


def test_sums_are_in_the_order_of_the_spec():
    spec = LossSpec((Term("content", "squared difference", ()), Term("style", "gram", ("relu1_1", "relu2_1"))))
    numbers = {"style": {"relu1_1": tf.constant(1.0), "relu2_1": tf.constant(2.0)}, "content": {}}
    terms = added_up(spec, numbers)
    assert list(terms.by_name) == ["content", "style"]
    assert values(terms) == {"content": 0, "style": 3, "total": 3}


def test_parts_of_a_term_are_added_up():
    layers = ("relu1_1", "relu2_1")
    spec = LossSpec((Term("style", "gram", layers, "gram"), Term("style", "mean", layers[1:], "mean")))
    numbers = {"style gram": {layer: tf.constant(1.0) for layer in layers}, "style mean": {"relu2_1": tf.constant(4.0)}}
    terms = added_up(spec, numbers)
    assert values(terms) == {"style": 6, "total": 6}
    assert {layer: float(value) for layer, value in terms.by_layer["style"].items()} == {"relu1_1": 1, "relu2_1": 5}


def test_layers_and_moments_of_a_spec(monkeypatch):
    toy_formulas.register(monkeypatch)
    spec = LossSpec(
        (
            Term("content", "squared difference", ("relu2_1", "relu1_1")),
            Term("style", "gram", ("relu1_1", "relu2_1")),
            Term("more style", "toy mean and deviation", ("relu2_1", "relu3_1")),
            Term("tv", "squared variation", (IMAGE,)),
        )
    )
    assert layers_of(spec, FeatureFormula) == ("relu2_1", "relu1_1")
    assert layers_of(spec, MomentFormula) == ("relu1_1", "relu2_1", "relu3_1")
    assert layers_of(spec, PixelFormula) == (IMAGE,)
    assert first_moments(spec) == {"relu1_1": False, "relu2_1": True, "relu3_1": True}
    shapes = {name: {layer: spec.shape.rank for layer, spec in of.items()} for name, of in weight_specs(spec).items()}
    assert shapes["content"] == {"relu2_1": 0, "relu1_1": 0}
    assert shapes["more style"] == {"relu2_1": 1, "relu3_1": 1}
    assert shapes["tv"] == {IMAGE: 0}


def test_noise_is_always_the_same_and_computed_once():
    config = resolved(**SHALLOW)
    graph = objectives.build_graphs(config).whole
    sums, styles = graph.noise_targets
    assert graph.noise_targets[0] is sums
    again = objectives.build_graphs(config).whole.noise_targets
    np.testing.assert_array_equal(sums["relu1_2"][0], again[0]["relu1_2"][0])
    assert sums["relu1_2"][1] == 64 * 64
    noise = np.random.default_rng(0).uniform(0, 255, (64, 64, 3)) - graph.network.mean
    exact = reference.features(reference.in_float64(reference.random_weights()), noise, ("relu1_2", "relu2_1"))
    np.testing.assert_allclose(sums["relu1_2"][0][0], exact["relu1_2"].sum((0, 1)), rtol=1e-5)
    gram = reference.gram(exact["relu2_1"])
    assert relative_error(styles["relu2_1"].second[0] / 128, gram) < 1e-5


def test_a_network_may_have_layers_that_no_term_looks_at():
    """So that losses may share one."""
    config, more = resolved(**SHALLOW), resolved(content_layers=("relu3_1",), style_layers=("relu1_1", "relu2_2"))
    layers = {"content_layers": ("relu1_2", "relu3_1"), "style_layers": ("relu1_1", "relu2_1", "relu2_2")}
    network = objectives.build_network(resolved(**layers))
    for settings in (config, more):
        graph = LossGraph(network, loss_spec(settings))
        ours = whole_of(settings, CONTENT, STYLES[:1], graphs=Graphs(graph, TileGraph(graph), "shared"))
        expected = whole_of(settings, CONTENT, STYLES[:1])
        (terms, gradient), (same, slope) = (each.value_and_grad(tf.constant(IMAGE_ARRAY)) for each in (ours, expected))
        assert values(terms) == pytest.approx(values(same), rel=1e-6)
        assert relative_error(gradient, slope) < 1e-6


# --- new formulas -----------------------------------------------------------------------------------------------------


def toy_spec(config):
    """The terms of a configuration, with other formulas."""
    names = {"content": "toy soft difference", "style": "toy mean and deviation", "tv": "toy brightness"}
    return LossSpec(tuple(term._replace(formula=names[term.name]) for term in loss_spec(config).terms))


class ExactToys:
    """The same loss in float64."""

    def __init__(self, config, content, styles):
        self.network, self.config = reference.in_float64(reference.random_weights()), config
        self.content, *self.styles = (self.features(each - self.network.mean) for each in (content, *styles))

    def features(self, image):
        return reference.features(self.network, image, self.config.layers)

    def __call__(self, image):
        maps, config = self.features(image), self.config
        content = sum(
            share * toy_formulas.exact_soft_difference(maps[layer], self.content[layer])
            for layer, share in config.content_terms.items()
        )
        style = sum(
            blend * share * toy_formulas.exact_mean_and_deviation(maps[layer], target[layer])
            for blend, target in zip(config.style_blend, self.styles, strict=True)
            for layer, share in config.style_terms.items()
        )
        found = {
            "content": config.factor("content_weight") * content,
            "style": config.factor("style_weight") * style,
            "tv": config.tv_factor_at(image.shape[1]) * np.sum(image**2),
        }
        return {**found, "total": sum(found.values())}


TOY = {"content_layers": ("relu1_2", "relu4_1"), "style_layers": ("relu1_1", "relu2_1", "relu4_1"), "tv_weight": 1e-4}


def test_a_new_formula_is_a_module_and_a_row(monkeypatch):
    """Losses and gradient of it are right, of the whole picture and of tiles, with the first moment."""
    toy_formulas.register(monkeypatch)
    settings = {**TOY, "style_blend_weights": (1, 3)}
    config = resolved(2, loss="athalye", **settings)
    graphs = objectives.build_graphs(config, spec=toy_spec(config))
    whole = whole_of(config, CONTENT, STYLES, graphs=graphs)
    terms, gradient = whole.value_and_grad(tf.constant(IMAGE_ARRAY))

    exact = ExactToys(config, CONTENT.astype(np.float64), [style.astype(np.float64) for style in STYLES])
    image = IMAGE_ARRAY[0].astype(np.float64)
    assert values(terms) == pytest.approx(exact(image), rel=1e-5)
    assert min(values(terms).values()) > 1e-3 * values(terms)["total"]
    slope = gradient[0].numpy().astype(np.float64)
    for direction in (slope / np.abs(slope).max(), np.random.default_rng(0).normal(size=image.shape)):
        ahead, behind = (exact(image + step * direction)["total"] for step in (1e-5, -1e-5))
        rounding = 1e-5 * np.linalg.norm(slope) * np.linalg.norm(direction)
        assert np.sum(slope * direction) == pytest.approx((ahead - behind) / 2e-5, rel=1e-3, abs=rounding)

    for keep in (True, False):
        tiled = tiled_of(config, CONTENT, STYLES, 16, keep, graphs=graphs)
        of_tiles, in_tiles = tiled.value_and_grad(IMAGE_ARRAY)
        assert values(of_tiles) == pytest.approx(values(terms), rel=1e-5)
        assert relative_error(in_tiles, gradient) < 1e-5


def test_a_new_formula_is_balanced_by_its_own_size(monkeypatch):
    toy_formulas.register(monkeypatch)
    config = resolved(2, **objectives.GRAM, **SHALLOW)
    graphs = objectives.build_graphs(config, spec=toy_spec(config))
    whole, tiled = (
        whole_of(config, CONTENT, STYLES, graphs=graphs),
        tiled_of(config, CONTENT, STYLES, 16, graphs=graphs),
    )
    terms, gradient = whole.value_and_grad(tf.constant(IMAGE_ARRAY))
    of_tiles, in_tiles = tiled.value_and_grad(IMAGE_ARRAY)
    assert values(of_tiles) == pytest.approx(values(terms), rel=1e-5)
    assert relative_error(in_tiles, gradient) < 1e-5
    size = toy_formulas.mean_and_deviation_size(whole.style_targets["relu2_1"])
    expected = config.factor("style_weight") * config.style_terms["relu2_1"] / 2 / np.mean(size)
    np.testing.assert_allclose(whole._weights["style"]["relu2_1"], expected, rtol=1e-5)


def test_a_formula_may_prepare_its_targets(monkeypatch):
    """Losses and gradient are those of the formula that does not, of the whole picture and of tiles."""
    toy_formulas.register(monkeypatch)
    config, outcomes = resolved(2, **objectives.GRAM, **SHALLOW), []
    for formula in ("toy mean and deviation", "toy prepared"):
        spec = LossSpec((Term("style", formula, ("relu1_1", "relu2_1")), Term("tv", "squared variation", (IMAGE,))))
        graphs = objectives.build_graphs(config, spec=spec)
        outcomes.append(whole_of(config, CONTENT, STYLES, graphs=graphs).value_and_grad(tf.constant(IMAGE_ARRAY)))
        outcomes.append(tiled_of(config, CONTENT, STYLES, 16, graphs=graphs).value_and_grad(IMAGE_ARRAY))
    for terms, gradient in outcomes[1:]:
        assert values(terms) == pytest.approx(values(outcomes[0][0]), rel=1e-5)
        assert relative_error(gradient, outcomes[0][1]) < 1e-5


@pytest.fixture
def one_weight_for_all(monkeypatch):
    """Terms of any names, weighted so that each counts."""

    def all_alike(config, graph, size, content, styles, halvings=0, masks=None):
        count = len(config.styles)
        return {
            term.name: {
                layer: tf.fill([count] if term.kind is MomentFormula else [], 1e-3 if layer == IMAGE else 1.0)
                for layer in term.layers
            }
            for term in graph.spec.terms
        }

    for module in (objective, tiled_objective):
        monkeypatch.setattr(module, "loss_weights", all_alike)


def several_terms():
    """Three of them look at one layer, with and without the first moment; two look at the image."""
    return LossSpec(
        (
            Term("content", "squared difference", ("relu2_1", "relu1_1")),
            Term("style", "gram", ("relu1_1", "relu2_1")),
            Term("color", "toy mean and deviation", ("relu2_1", "relu1_2")),
            Term("softness", "toy soft difference", ("relu2_1",)),
            Term("tv", "squared variation", (IMAGE,)),
            Term("light", "toy brightness", (IMAGE,)),
        )
    )


@pytest.mark.usefixtures("one_weight_for_all")
def test_several_terms_of_one_kind_may_look_at_the_same_layers(monkeypatch):
    """Losses and gradient are the sums of those of some of the terms and of the others."""
    toy_formulas.register(monkeypatch)
    layers = ("relu1_1", "relu1_2", "relu2_1")
    config = resolved(2, content_layers=layers, style_layers=layers, loss="athalye")
    graphs = objectives.build_graphs(config, spec=several_terms())
    whole = whole_of(config, CONTENT, STYLES, graphs=graphs)
    terms, gradient = whole.value_and_grad(tf.constant(IMAGE_ARRAY))
    assert list(terms.by_name) == ["content", "style", "color", "softness", "tv", "light"]

    total = 0
    for some in (("content", "color", "light"), ("style", "softness", "tv")):
        spec = LossSpec(tuple(term for term in several_terms().terms if term.name in some))
        part = whole_of(config, CONTENT, STYLES, graphs=objectives.build_graphs(config, spec=spec))
        of_some, slope = part.value_and_grad(tf.constant(IMAGE_ARRAY))
        for name in some:
            assert float(of_some.by_name[name]) == pytest.approx(float(terms.by_name[name]), rel=1e-5)
        total += slope
    assert relative_error(gradient, total) < 1e-5

    of_tiles, in_tiles = tiled_of(config, CONTENT, STYLES, 16, graphs=graphs).value_and_grad(IMAGE_ARRAY)
    assert values(of_tiles) == pytest.approx(values(terms), rel=1e-5)
    assert relative_error(in_tiles, gradient) < 1e-5


@pytest.mark.usefixtures("one_weight_for_all")
def test_several_terms_give_the_same_bits_every_time(monkeypatch):
    """Gradients that meet at a layer are added in one order, at a size at which operations overtake each other."""
    toy_formulas.register(monkeypatch)
    layers = ("relu1_1", "relu1_2", "relu2_1")
    config = resolved(1, content_layers=layers, style_layers=layers, loss="athalye")
    graphs = objectives.build_graphs(config, spec=several_terms())
    content, style, image = np.random.default_rng(0).uniform(0, 255, (3, 160, 224, 3)).astype(np.float32)
    whole, image = whole_of(config, content, [style], graphs=graphs), tf.constant(image_of(image))
    outcomes = {whole.value_and_grad(image)[1].numpy().tobytes() for _ in range(5)}
    assert len(outcomes) == 1


@pytest.mark.parametrize("statistics", [("gram", "mean_std"), ("covariance",), ("gram", "mean_std", "wasserstein")])
def test_the_gradient_of_all_terms_of_a_layer_takes_one_product(monkeypatch, statistics):
    """Matrix products with a whole feature map are what a style costs, so terms are added up before."""
    real, shapes = loss_graph.moments_vjp, []

    def counted(features, *arguments):
        shapes.append(features.shape[-1])
        return real(features, *arguments)

    monkeypatch.setattr(loss_graph, "moments_vjp", counted)
    config = resolved(**SHALLOW, style_loss=statistics)
    ours = whole_of(config, CONTENT, STYLES[:1], graphs=objectives.build_graphs(config))
    ours.value_and_grad(tf.constant(IMAGE_ARRAY))
    assert sorted(shapes) == [64, 128]


# --- what is left behind ----------------------------------------------------------------------------------------------


def test_graphs_leave_nothing_in_tensorflow():
    """A gradient that is registered for good would keep a whole network alive."""
    from tensorflow.python.framework import ops

    def registered():
        return len(ops.gradient_registry.list())

    before, kept = registered(), []
    for pooling in ("max", "avg"):
        config = resolved(**SHALLOW, pooling=pooling)
        graphs = objectives.build_graphs(config)
        for ours in (
            whole_of(config, CONTENT, STYLES[:1], graphs=graphs),
            tiled_of(config, CONTENT, STYLES[:1], 16, graphs=graphs),
        ):
            ours.value_and_grad(
                IMAGE_ARRAY if isinstance(ours, tiled_objective.TiledObjective) else tf.constant(IMAGE_ARRAY)
            )
        whole_of(config, CONTENT, STYLES[:1], graphs=graphs).terms(tf.constant(IMAGE_ARRAY))
        model = graphs.whole.network.model
        kept += map(weakref.ref, (graphs.whole, graphs.tiled, model, model.get_layer("conv1_1").kernel))
        del ours, graphs, model
    gc.collect()
    assert registered() == before
    assert all(ref() is None for ref in kept)


def test_many_graphs_are_traced_without_a_word(caplog, capfd):
    """TensorFlow warns of functions that are traced again and again, and takes those of new graphs for the same."""
    config = resolved(loss="athalye", content_layers=("relu1_1",), style_layers=("conv1_1",))
    with caplog.at_level(logging.DEBUG):
        for _ in range(6):
            graphs = objectives.build_graphs(config)
            whole_of(config, CONTENT, STYLES[:1], graphs=graphs).value_and_grad(tf.constant(IMAGE_ARRAY))
            tiled_of(config, CONTENT, STYLES[:1], 500, graphs=graphs).value_and_grad(IMAGE_ARRAY)
    assert [record.getMessage()[:200] for record in caplog.records if "tracing" in record.getMessage()] == []
    assert "tracing" not in "".join(capfd.readouterr())


def test_float16_gradients_are_scaled_by_powers_of_two():
    for peak in (1e-12, 3e-5, 0.7, 5.0, 1e9):
        scale = float(loss_graph._loss_scale([tf.constant([peak, -peak / 3]), tf.constant([0.0])]))
        assert np.log2(scale) == round(np.log2(scale))
        assert 0.5 < scale * peak <= 1
    assert np.isfinite(loss_graph._loss_scale([tf.constant([0.0])]))
