"""Forms of the losses, as options ask for them, against the reference: whole, in tiles, and their gradients."""

import numpy as np
import objectives
import pytest
import reference_forms
import tensorflow as tf
from objectives import image_of, picture, relative_error, resolved, tiled_of, values, whole_of

CONTENT, STYLES = picture(35, 45, 1), [picture(41, 34, 2), picture(33, 47, 3)]
IMAGE = image_of(picture(35, 45, 4))
LAYERS = {"content_layers": ("relu1_2", "relu2_1"), "style_layers": ("relu1_1", "relu2_1"), "tv_weight": 0}
TWO = {"style_loss": ("gram", "mean_std"), "style_loss_weights": (1, 2)}
GATYS = {"content_loss": "half_sum", "style_reduction": "sum", "layer_reduction": "sum"}
KERAS = {"content_loss": "sum", "style_reduction": "sum", "gram_normalization": "pixels"}

CASES = {
    "mean": {"loss": "athalye"},
    "Gatys": {**GATYS, **TWO, "content_layer_weights": (2, 1), "style_layer_weights": (0.5, 3)},
    "raw": {**GATYS, **TWO, "gram_normalization": "none", "style_weight": 1e-9},
    "keras": {**KERAS, **TWO},
    "positions": {**TWO, "content_loss": "mean", "gram_normalization": "positions", "feature_scale": 0.1},
    "relative": {**TWO, "gram_normalization": "pixels", "styles": 2, "style_blend_weights": (1, 3)},
    "styles with layers": {"loss": "athalye", "styles": 2, "style_layers_of": ("relu1_1", "all")},
    "styles with layers, relative": {
        **TWO,
        "gram_normalization": "none",
        "styles": 2,
        "style_blend_weights": (1, 3),
        "style_layers_of": ("relu1_1+relu2_1", "relu2_1"),
    },
    "two statistics": {"loss": "athalye", "style_loss": ("gram", "mean_std"), "style_loss_weights": (1, 0.3)},
    "two statistics, relative": {"style_loss": ("gram", "mean_std"), "styles": 2, "style_blend_weights": (1, 3)},
    "statistics with layers": {
        "style_loss": ("gram", "mean_std", "covariance"),
        "style_loss_weights": (1, 2, 0.5),
        "style_loss_layers": ("all", "block2", "relu1_1+block3"),
    },
    "covariance": {**KERAS, "style_loss": ("covariance",), "feature_scale": 0.1},
    "covariance, relative": {"style_loss": ("covariance",), "gram_normalization": "none", "feature_scale": 0.1},
}

pytestmark = pytest.mark.usefixtures("full_precision")


@pytest.mark.parametrize("case", CASES)
def test_losses_and_gradients_of_every_form(case):
    config = resolved(**{**LAYERS, **CASES[case]})
    styles = STYLES[: len(config.styles)]
    terms, gradient = whole_of(config, CONTENT, styles).value_and_grad(tf.constant(IMAGE))
    exact = reference_forms.Objective(config, CONTENT, styles)
    image = IMAGE[0].astype(np.float64)
    expected = exact(image)
    assert min(expected.values()) > 1e-4 * expected["total"]
    assert {name: values(terms)[name] for name in expected} == pytest.approx(expected, rel=2e-5)
    assert sum(map(float, terms.by_layer["style"].values())) == pytest.approx(expected["style"], rel=2e-5)

    slope = gradient[0].numpy().astype(np.float64)
    direction = slope / np.abs(slope).max()
    ahead, behind = (exact(image + step * direction)["total"] for step in (1e-5, -1e-5))
    assert np.sum(slope * direction) == pytest.approx((ahead - behind) / 2e-5, rel=1e-3)

    in_tiles, of_tiles = tiled_of(config, CONTENT, styles, 16).value_and_grad(IMAGE)
    assert values(in_tiles) == pytest.approx(values(terms), rel=1e-5)
    assert relative_error(of_tiles, gradient) < 1e-5


def style_by_hand(layer_loss, weights):
    """Style loss of pictures of one size, as a sum over layers of a function of raw Gram matrices, N and M."""
    network = objectives.reference.in_float64(objectives.reference.random_weights())
    own, target = (
        objectives.reference.features(network, each - network.mean, LAYERS["style_layers"])
        for each in (IMAGE[0] + network.mean, picture(35, 45, 2).astype(np.float64))
    )
    total = 0.0
    for layer, weight in zip(LAYERS["style_layers"], weights, strict=True):
        flats = [maps[layer].reshape(-1, maps[layer].shape[-1]) for maps in (own, target)]
        total += weight * layer_loss(*(flat.T @ flat for flat in flats), flats[0].shape[1], flats[0].shape[0])
    return total


@pytest.mark.parametrize(
    ("settings", "layer_loss", "weights"),
    [
        (  # Gatys et al. (CVPR 2016, eq. 4), with any weights of layers
            {**GATYS, "style_weight": 7 / 4, "style_layer_weights": (0.5, 3)},
            lambda gram, target, n, m: 7 * np.sum((gram - target) ** 2) / (4 * n**2 * m**2),
            (0.5, 3),
        ),
        (  # Gram matrices over NM, with the mean over their K² entries
            {"style_reduction": "mean", "layer_reduction": "sum", "style_weight": 7},
            lambda gram, target, n, m: 7 * np.sum((gram / (n * m) - target / (n * m)) ** 2) / n**2,
            (1, 1),
        ),
        (  # a course's: Gram matrices over HWC, with the sum
            {"style_reduction": "sum", "layer_reduction": "sum", "style_weight": 1, "style_layer_weights": (20, 5)},
            lambda gram, target, n, m: np.sum((gram / (n * m) - target / (n * m)) ** 2),
            (20, 5),
        ),
        (  # keras.io: 3 channels of the image and its size, whatever the layer
            {**KERAS, "style_weight": 1 / (4 * 3**2)},
            lambda gram, target, n, m: np.sum((gram - target) ** 2) / (4 * 3**2 * (35 * 45) ** 2),
            (0.5, 0.5),
        ),
    ],
    ids=["Gatys", "mean of K²", "course", "keras"],
)
def test_formulas_as_they_are_published(settings, layer_loss, weights):
    config = resolved(**{**LAYERS, "loss": "athalye", **settings})
    terms = whole_of(config, CONTENT, [picture(35, 45, 2)]).terms(tf.constant(IMAGE))
    assert float(terms.by_name["style"]) == pytest.approx(style_by_hand(layer_loss, weights), rel=1e-4)


def test_weights_of_statistics_change_without_a_trace():
    """And a statistic without weight is not computed."""
    settings = {**LAYERS, **CASES["two statistics"]}
    graphs = objectives.build_graphs(resolved(**settings))
    ours = whole_of(resolved(**settings), CONTENT, STYLES[:1], graphs=graphs)
    both = float(ours.terms(tf.constant(IMAGE)).by_name["style"])
    alone = []
    for weights in ((1, 0), (0, 0.3)):
        ours.set_weights(resolved(**{**settings, "style_loss_weights": weights}))
        alone.append(float(ours.terms(tf.constant(IMAGE)).by_name["style"]))
        fewer = objectives.graphs_of(resolved(**{**settings, "style_loss_weights": weights})).whole.spec
        assert [bool(term.layers) for term in fewer.terms if term.name == "style"] == [bool(each) for each in weights]
    assert min(alone) > 1e-3 * both
    assert sum(alone) == pytest.approx(both, rel=1e-5)
    assert objectives.traces(graphs.whole.terms) == [1]
