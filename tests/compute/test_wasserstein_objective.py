"""The Wasserstein-2 style loss in whole pictures and in tiles."""

import numpy as np
import objectives
import pytest
import reference
import tensorflow as tf
from objectives import image_of, picture, relative_error, resolved, tiled_of, values, whole_of

from neural_style.compute.loss_weights import loss_spec
from neural_style.losses.spec import LossSpec

pytestmark = pytest.mark.usefixtures("full_precision")

CONTENT, STYLES = picture(37, 51, 1), [picture(40, 43, 2), picture(51, 34, 3)]
IMAGE = image_of(picture(37, 51, 4))
LAYERS = {"content_layers": ("relu1_2",), "style_layers": ("relu1_1", "relu2_1", "relu4_1")}


def config_and_graphs(kind="float32", **settings):
    """With the style term in place of that of Gram matrices."""
    config = resolved(2, style_blend_weights=(1, 3), **LAYERS, **settings)
    terms = (term._replace(formula="wasserstein") if term.name == "style" else term for term in loss_spec(config).terms)
    return config, objectives.build_graphs(config, kind, spec=LossSpec(tuple(terms)))


@pytest.fixture(scope="module")
def athalye():
    return config_and_graphs(loss="athalye")


def test_the_value_is_that_of_numpy(athalye):
    config, graphs = athalye
    terms = whole_of(config, CONTENT, STYLES, graphs=graphs).terms(tf.constant(IMAGE))
    network = reference.in_float64(reference.random_weights())
    image, *styles = (
        reference.features(network, each, config.style_terms)
        for each in (IMAGE[0], *(s - network.mean for s in STYLES))
    )
    for layer, share in config.style_terms.items():
        distances = [reference.wasserstein(image[layer], style[layer]) for style in styles]
        expected = config.factor("style_weight") * share * np.dot(config.style_blend, distances)
        assert float(terms.by_layer["style"][layer]) == pytest.approx(expected, rel=1e-3), layer


def test_tiles_are_the_whole(athalye):
    """The gradient multiplies rounding errors of small variances, of which this deep and small map has many."""
    config, graphs = athalye
    expected, slope = whole_of(config, CONTENT, STYLES, graphs=graphs).value_and_grad(tf.constant(IMAGE))
    for tile_size, keep in ((32, True), (48, False)):
        terms, gradient = tiled_of(config, CONTENT, STYLES, tile_size, keep, graphs=graphs).value_and_grad(IMAGE)
        assert values(terms) == pytest.approx(values(expected), rel=1e-5)
        assert relative_error(gradient, slope) < 5e-4


def test_the_gradient_is_that_of_the_value(athalye):
    """Along the gradient itself."""
    config, graphs = athalye
    whole = whole_of(config, CONTENT, STYLES, graphs=graphs)
    _, gradient = whole.value_and_grad(tf.constant(IMAGE))
    step = gradient / tf.reduce_max(tf.abs(gradient))
    ahead, behind = (float(whole.terms(tf.constant(IMAGE) + sign * step).total) for sign in (1, -1))
    assert (ahead - behind) / 2 == pytest.approx(float(tf.reduce_sum(gradient * step)), rel=0.01)


def test_balanced_and_in_bfloat16():
    """A picture against itself costs little. The factor of the term is what one without features costs."""
    objectives.skip_unless_computed("bfloat16")
    config, graphs = config_and_graphs("bfloat16", loss="balanced")
    whole = whole_of(config, STYLES[0], [STYLES[0]] * 2, graphs=graphs)
    same, other = (whole.value_and_grad(tf.constant(image_of(each))) for each in (STYLES[0], picture(40, 43, 9)))
    factor = config.factor("style_weight")
    assert float(same[0].by_name["style"]) < 0.15 * factor
    assert float(same[0].by_name["style"]) < float(other[0].by_name["style"]) < 3 * factor
    assert np.all(np.isfinite(other[1]))
