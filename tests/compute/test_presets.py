"""The losses that each preset computes, against those of `reference_presets` on the same features."""

import numpy as np
import objectives
import pytest
import reference
import reference_presets

from neural_style.compute.objective import WholeObjective, encode
from neural_style.config import presets
from neural_style.config.config import Config
from neural_style.config.resolve import resolve
from neural_style.networks import weights
from neural_style.runs.inputs import read_inputs
from neural_style.runs.stylizer import Stylizer

SIZES = ((33, 47), (37, 35))
"""Height and width of the photo and of the style, which are odd before one pooling or another."""


@pytest.fixture(scope="module")
def stylizer():
    return Stylizer("builtin", device="cpu", precision="float32")


def picture(size, seed):
    """Some forms with some noise, uint8."""
    random = np.random.default_rng(seed)
    coarse = np.kron(random.uniform(80, 255, (5, 5, 3)), np.ones((20, 20, 1)))[: size[0], : size[1]]
    return (0.4 * coarse + 0.6 * random.uniform(0, 255, coarse.shape)).astype(np.uint8)


def test_athalye_is_the_original_with_its_own_network():
    """The features, too, are computed by NumPy: convolutions and pooling with padding SAME, in float64."""
    photo, style, shown = (picture(size, seed) for seed, size in enumerate(((41, 37), (47, 37), (41, 37))))
    config = resolve(Config.of_preset("athalye", content=photo, styles=[style]))
    graphs = objectives.build_graphs(config)
    weights_in_float64 = reference.in_float64(reference.random_weights())
    objective = objectives.whole_of(config, photo.astype(np.float32), [style.astype(np.float32)], graphs=graphs)

    def features(rgb):
        return reference.features(weights_in_float64, rgb - weights_in_float64.mean, config.layers)

    expected = reference_presets.athalye(*map(features, (shown, photo, style)), shown.astype(np.float64))
    found = objectives.values(objective.terms(encode(shown, weights_in_float64.mean)))
    assert [found[term] for term in ("content", "style", "tv")] == pytest.approx(expected, rel=3e-5)


def test_every_preset_has_a_reference():
    assert set(presets.names()) == set(reference_presets.LOSSES)


@pytest.mark.parametrize("name", reference_presets.LOSSES)
def test_losses_are_those_of_the_publication(stylizer, name):
    photo, style = (picture(each, seed) for seed, each in enumerate(SIZES))
    config = resolve(Config.of_preset(name, content=photo, styles=[style], weights="builtin", precision="float32"))
    network = weights.load("builtin", config.layers)
    graphs = stylizer.graphs(config, network)
    inputs = read_inputs(config)
    styles = [each.rgb for each in inputs.styles]
    (targets,) = stylizer.style_targets(graphs, [styles], None)
    objective = WholeObjective(graphs.whole, config, inputs.content.rgb, targets)
    shown = 0.5 * inputs.content.rgb + 0.5 * picture(SIZES[0], 7)

    def features(rgb):
        maps = graphs.whole.network.features(encode(rgb, network.mean))
        return {layer: np.asarray(each[0], np.float64) for layer, each in maps.items()}

    terms = objective.terms(encode(shown, network.mean)).by_name
    given = (features(shown), features(inputs.content.rgb), features(styles[0]), shown.astype(np.float64))
    expected = reference_presets.LOSSES[name](*given)
    found = [float(terms[term]) for term in ("content", "style", "tv")]
    assert found[::2] == pytest.approx(expected[::2], rel=2e-5)
    style_tolerance = 2e-3 if name in ("crowson", "balanced") else 2e-5  # fitted polynomials stand for its 12 steps
    assert found[1] == pytest.approx(expected[1], rel=style_tolerance)
    assert found[0] > 0 and found[1] > 0
