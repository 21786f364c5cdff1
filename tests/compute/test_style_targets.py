import numpy as np
import objectives
import pytest
import reference
import tensorflow as tf
from objectives import picture, relative_error, resolved

from neural_style.compute.style_targets import style_moments, style_targets, together

STYLES = [picture(37, 42, 2), picture(99, 60, 3)]
LAYERS = ("relu1_1", "relu2_1", "relu4_1")

pytestmark = pytest.mark.usefixtures("full_precision")


@pytest.fixture(scope="module")
def graphs():
    """Of style layers in both parts of the network; the content layer is none of them."""
    return objectives.graphs_of(resolved(content_layers=("relu1_2",), style_layers=LAYERS))


def test_against_reference(graphs):
    network = reference.in_float64(reference.random_weights())
    found = style_targets(graphs, STYLES)
    assert tuple(found) == LAYERS
    for index, style in enumerate(STYLES):
        maps = reference.features(network, style - network.mean, LAYERS)
        for layer, of_style in maps.items():
            channels = of_style.shape[-1]
            assert relative_error(found[layer].second[index] / channels, reference.gram(of_style)) < 1e-5


def test_targets_in_tiles_are_those_of_the_whole(graphs):
    """Of pictures of any size, smaller than a tile among them."""
    expected = style_targets(graphs, STYLES)
    for tile_size in (32, 64, 500):
        targets = style_targets(graphs, STYLES, tile_size)
        assert tuple(targets) == LAYERS
        for layer, means in targets.items():
            assert means.second.shape == expected[layer].second.shape == (2, *means.second.shape[-2:])
            assert means.first.shape == (2, 0)
            assert means.second.dtype == tf.float32
            for ours, theirs in zip(means.second, expected[layer].second, strict=True):
                assert relative_error(ours, theirs) < 1e-5


def test_each_style_alone_is_what_they_are_together(graphs):
    alone = [style_moments(graphs, style, None) for style in STYLES]
    assert [tuple(of_style) for of_style in alone] == [LAYERS] * 2
    expected = style_targets(graphs, STYLES)
    for layer, means in together(graphs, alone).items():
        np.testing.assert_array_equal(means.second, expected[layer].second)
    turned = together(graphs, alone[::-1])
    np.testing.assert_array_equal(turned["relu2_1"].second, expected["relu2_1"].second[::-1])


def test_without_style_layers_there_are_none():
    graphs = objectives.graphs_of(resolved(style_weight=0, content_layers=("relu1_2",)))
    assert style_targets(graphs, STYLES) == style_targets(graphs, STYLES, 64) == {}
