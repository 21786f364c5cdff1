import numpy as np
import objectives
import pytest
from objectives import SHALLOW, picture, resolved

from neural_style.compute.normalization import compared_moments, image_factor, positions_of, style_ratios
from neural_style.compute.style_targets import style_targets

STYLES = [picture(41, 34, 2), picture(35, 45, 3)]


def known(**settings):
    config = resolved(2, **objectives.GRAM, **SHALLOW, **settings)
    graphs = objectives.graphs_of(config)
    return config, graphs.whole, style_targets(graphs, STYLES)


@pytest.mark.parametrize(
    ("normalization", "factor", "ratio"),
    [
        ("positions_channels", 1, 1),
        ("positions", 128, 1),
        ("pixels", 128 * 18 * 23 / (35 * 45), 21 * 17 / (18 * 23)),
        ("none", 128 * 18 * 23, 21 * 17 / (18 * 23)),
    ],
)
def test_factors_by_hand(normalization, factor, ratio):
    """Of relu2_1, with 128 channels, on maps of half the sides, rounded up."""
    config, graph, targets = known(gram_normalization=normalization)
    assert positions_of(graph, (35, 45), "relu2_1") == 18 * 23
    assert image_factor(graph, config, (35, 45), "relu2_1") == pytest.approx(factor)
    np.testing.assert_allclose(style_ratios(graph, config, (35, 45), "relu2_1", targets["relu2_1"]), [ratio, 1])


def test_only_targets_that_a_normalization_scales_are_made_anew():
    for normalization in ("positions_channels", "positions"):
        config, graph, targets = known(gram_normalization=normalization)
        compared = compared_moments(graph, config, (35, 45), targets)
        assert all(compared["style"][layer].second is targets[layer].second for layer in targets)
    config, graph, targets = known(gram_normalization="none")
    compared = compared_moments(graph, config, (35, 45), targets)["style"]["relu1_1"].second
    before = targets["relu1_1"].second
    np.testing.assert_allclose(compared[0], before[0] * (41 * 34 / (35 * 45)), rtol=1e-6)
    np.testing.assert_array_equal(compared[1], before[1])
