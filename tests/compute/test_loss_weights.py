from typing import get_args, get_type_hints

import numpy as np
import objectives
import pytest
import tensorflow as tf
from objectives import GRAM, SHALLOW, picture, resolved

from neural_style.compute.loss_graph import sums_of_channels
from neural_style.compute.loss_weights import loss_spec, loss_weights
from neural_style.compute.objective import encode
from neural_style.compute.style_targets import style_targets
from neural_style.config.config import Config
from neural_style.config.defaults import FAMILIES, UNITS
from neural_style.losses.spec import IMAGE, Term

FIVE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CONTENT, STYLES = picture(35, 45, 1), [picture(41, 34, 2), picture(33, 47, 3)]


def weights_of(config, content=CONTENT, styles=STYLES, size=(35, 45), graphs=None):
    """Weights, as numbers, of a loss against some pictures."""
    graphs = graphs or objectives.graphs_of(config)
    graph = graphs.whole
    sums = sums_of_channels(graph.content_maps(encode(content, graph.network.mean)))
    targets = style_targets(graphs, styles[: len(config.styles)])
    found = loss_weights(config, graph, size, sums, targets)
    assert {weight.dtype for of_layers in found.values() for weight in of_layers.values()} <= {tf.float32}
    return {name: {layer: weight.numpy() for layer, weight in of.items()} for name, of in found.items()}


# --- the spec ---------------------------------------------------------------------------------------------------------


def test_terms_of_a_configuration():
    content, style, variation = loss_spec(resolved(**GRAM)).terms
    assert content == Term("content", "squared difference", ("relu4_2",))
    assert style == Term("style", "gram", FIVE)
    assert variation == Term("tv", "squared variation", (IMAGE,))
    _, *styles, _ = loss_spec(resolved()).terms
    assert [(term.name, term.formula, term.layers) for term in styles] == [
        ("style", "gram", FIVE),
        ("style", "mean and deviation", FIVE),
    ]
    assert len({term.key for term in styles}) == 2


@pytest.mark.parametrize("name", get_args(get_type_hints(Config)["tv_loss"]))
def test_variation_by_name(name):
    """And its weight, in gray levels, at a width."""
    settings = {"loss": "athalye", "tv_loss": name, "tv_weight": 2, "pixel_range": 1, "tv_width": 90, **SHALLOW}
    config = resolved(**settings)
    assert loss_spec(config).terms[-1] == Term("tv", f"{name} variation", (IMAGE,))
    exponents = {"squared": (2, 2), "squared_sum": (2, 0), "absolute": (1, -1), "power": (2.5, 0.5)}
    degree, of_width = exponents.get(name, (2, 2))
    assert weights_of(config)["tv"][IMAGE] == pytest.approx(2 / 255**degree * 0.5**of_width, rel=1e-6)


def test_only_what_weighs_is_computed():
    """By the network, which is built for `Config.layers`, and by the losses."""
    for settings, layers in (
        ({}, {*FIVE, "relu4_2"}),
        ({"content_weight_blend": 0}, {*FIVE, "relu5_2"}),
        ({"content_weight": 0}, {*FIVE}),
        ({"style_weight": 0}, {"relu4_2"}),
        ({"style_weight": 0, "content_layers": ("conv1_2",)}, {"conv1_2"}),
        ({"content_weight": 0, "style_layer_weights": (1, 0, 1, 0, 0)}, {"relu1_1", "relu3_1"}),
        ({"content_weight": 0, "style_layer_weight_exp": 0}, {"relu1_1"}),
        ({"content_weight": 0, "style_weight": 0}, set()),
    ):
        config = resolved(**settings)
        assert loss_spec(config).layers == set(config.layers) == layers


def test_what_may_change_is_not_in_the_spec():
    """Since it decides what is traced."""
    usual = loss_spec(resolved(**GRAM))
    for settings in (
        {"content_weight": 1, "style_weight": 2, "tv_weight": 0, "tv_width": 100},
        {"style_layer_weight_exp": 2.0, "loss": "athalye"},
        {"styles": 3, "style_blend_weights": (1, 2, 3)},
        {"optimizer": "adam", "seed": 3, "width": 64, "scales": 2},
    ):
        assert loss_spec(resolved(**GRAM, **settings)) == usual
    assert hash(loss_spec(resolved(**GRAM, seed=1))) == hash(usual)


# --- weights ----------------------------------------------------------------------------------------------------------


def test_weights_of_athalyes_loss_are_those_asked_for():
    settings = {**SHALLOW, "loss": "athalye", "style_blend_weights": (1, 3), "style_layer_weights": (1, 4)}
    found = weights_of(resolved(2, content_weight=7, style_weight=300, tv_weight=11, tv_width=15, **settings))
    assert found["content"]["relu1_2"] == 7
    np.testing.assert_allclose(found["style"]["relu1_1"], [300 / 5 / 4, 300 / 5 * 3 / 4], rtol=1e-6)
    np.testing.assert_allclose(found["style"]["relu2_1"], [300 / 5, 300 / 5 * 3], rtol=1e-6)
    assert found["tv"] == {IMAGE: 11 * (45 / 15) ** 2}


def test_the_balanced_loss_divides_by_the_sizes_of_targets():
    config = resolved(2, style_blend_weights=(1, 3), **GRAM, **SHALLOW)
    graphs, found = objectives.graphs_of(config), weights_of(config)
    (maps,) = graphs.whole.content_maps(encode(CONTENT, graphs.whole.network.mean)).values()
    variance = np.mean(np.var(maps, axis=(0, 1, 2)))
    factors = {
        name: FAMILIES["balanced"][name] * UNITS["balanced"] for name in ("content_weight", "style_weight", "tv_weight")
    }
    assert found["content"]["relu1_2"] == pytest.approx(factors["content_weight"] / variance, rel=1e-4)
    for layer, share, channels in (("relu1_1", 0.52 / 0.81, 64), ("relu2_1", 0.29 / 0.81, 128)):
        grams = style_targets(graphs, STYLES)[layer].second / channels
        size = np.dot([1 / 4, 3 / 4], np.mean(np.square(grams), axis=(1, 2)))
        expected = factors["style_weight"] * share * np.array([1 / 4, 3 / 4]) / size
        np.testing.assert_allclose(found["style"][layer], expected, rtol=1e-5)
    assert found["tv"][IMAGE] == pytest.approx(factors["tv_weight"])


def test_a_picture_of_one_color_does_not_outweigh_all_else():
    """Its maps hardly vary, and its Gram matrices may all but vanish; what they are divided by has a floor."""
    config = resolved(loss="balanced", **GRAM, **SHALLOW)
    usual = weights_of(config)
    for gray in (0, 128, 255):
        plain = np.full_like(CONTENT, gray)
        for unusual in (weights_of(config, content=plain), weights_of(config, styles=[plain])):
            for name in ("content", "style"):
                for layer, weight in unusual[name].items():
                    assert 0 < weight.sum() < 100 * usual[name][layer].sum()


def test_a_network_without_any_response_is_not_divided_by_0():
    class Silent:
        """Filters that are all 0."""

        def __init__(self, like):
            self.mean = like.mean
            self.kernels = {conv: np.zeros_like(kernel) for conv, kernel in like.kernels.items()}
            self.biases = {conv: np.zeros_like(bias) for conv, bias in like.biases.items()}

    config = resolved(loss="balanced", **SHALLOW)
    silent = objectives.build_graphs(config, weights=Silent(objectives.reference.random_weights()))
    found = weights_of(config, graphs=silent)
    assert all(np.isfinite(weight).all() for of_layers in found.values() for weight in of_layers.values())


def test_layers_of_the_graph_that_are_no_longer_weighted_get_0():
    """So that a run may go on with other weights and the same graph."""
    graphs = objectives.graphs_of(resolved(**GRAM, **SHALLOW))
    for loss in ("balanced", "athalye"):
        nothing = resolved(loss=loss, style_weight=0, **GRAM, **SHALLOW)
        assert [*weights_of(nothing, graphs=graphs)["style"].values()] == [[0], [0]]
        one = resolved(loss=loss, style_layer_weights=(0, 2), **GRAM, **SHALLOW)
        found = weights_of(one, graphs=graphs)["style"]
        assert found["relu1_1"] == [0]
        assert found["relu2_1"] > 0
