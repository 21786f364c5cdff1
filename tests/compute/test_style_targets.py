import numpy as np
import objectives
import pytest
import reference
import tensorflow as tf
from objectives import picture, relative_error, resolved

from neural_style.compute.style_targets import added, style_moments, style_targets, together
from neural_style.losses.moments import MeanMoments

STYLES = [picture(37, 42, 2), picture(99, 60, 3)]
LAYERS = ("relu1_1", "relu2_1", "relu4_1")

pytestmark = pytest.mark.usefixtures("full_precision")


@pytest.fixture(scope="module")
def graphs():
    """Of style layers in both parts of the network; the content layer is none of them."""
    return objectives.graphs_of(resolved(**objectives.GRAM, content_layers=("relu1_2",), style_layers=LAYERS))


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
    assert [tuple(of_style) for (of_style,) in alone] == [LAYERS] * 2
    expected = style_targets(graphs, STYLES)
    for layer, means in together(graphs, alone).items():
        np.testing.assert_array_equal(means.second, expected[layer].second)
    turned = together(graphs, alone[::-1])
    np.testing.assert_array_equal(turned["relu2_1"].second, expected["relu2_1"].second[::-1])


@pytest.mark.parametrize("tile_size", [None, 32])
def test_examples_of_one_style_are_added(graphs, tile_size):
    """As their positions count: the means over all positions of all maps, of pictures of any size and their copies."""
    network = reference.in_float64(reference.random_weights())
    examples = [STYLES[0], np.rot90(STYLES[0]), STYLES[1], np.rot90(STYLES[1], 2)]
    means = added(style_moments(graphs, each, tile_size)[0] for each in examples)
    assert tuple(means) == LAYERS
    maps = [reference.features(network, each - network.mean, LAYERS) for each in examples]
    for layer in LAYERS:
        flat = np.concatenate([each[layer].reshape(-1, each[layer].shape[-1]) for each in maps])
        assert relative_error(means[layer].second, flat.T @ flat / len(flat)) < 1e-5
        assert means[layer].second.dtype == tf.float32
        assert means[layer].first.shape == (0,)


def test_first_moments_are_added_as_well():
    ones = {"relu2_1": MeanMoments(np.full(3, 1, np.float32), np.full((3, 3), 1, np.float32), np.float32(6))}
    fives = {"relu2_1": MeanMoments(np.full(3, 5, np.float32), np.full((3, 3), 9, np.float32), np.float32(9))}
    means = added([ones, fives])["relu2_1"]
    np.testing.assert_allclose(means.first, (6 * 1 + 9 * 5) / 15, rtol=1e-6)
    np.testing.assert_allclose(means.second, (6 * 1 + 9 * 9) / 15, rtol=1e-6)
    assert means.mass == 7.5  # of one example


def test_one_example_stays_as_it_is(graphs):
    alone = style_moments(graphs, STYLES[0], None)[0]
    for layer, means in added([alone]).items():
        assert means is alone[layer]


def test_without_style_layers_there_are_none():
    graphs = objectives.graphs_of(resolved(style_weight=0, content_layers=("relu1_2",)))
    assert style_targets(graphs, STYLES) == style_targets(graphs, STYLES, 64) == {}
