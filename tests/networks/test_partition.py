import numpy as np

from neural_style import vgg19_spec
from neural_style.networks.partition import Part, parts

DEFAULTS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1")


def test_parts_of_the_default_layers():
    """22 px and 6 positions by hand: 2 + 2·2 + 4·4 of the convolutions up to conv3_4, and 4 + 2 up to conv5_1."""
    shallow, deep = parts(DEFAULTS)
    assert shallow == Part(("relu1_1", "relu2_1", "relu3_1"), None, "pool3")
    assert shallow.maps == ("relu1_1", "relu2_1", "relu3_1", "pool3")
    assert (shallow.reach, shallow.stride, shallow.side(512)) == (22, 8, 512)
    assert deep == Part(("relu4_1", "relu4_2", "relu5_1"), "pool3", None)
    assert deep.maps == deep.layers
    assert (deep.reach, deep.stride, deep.side(512)) == (6, 2, 128)  # twice 512 px, of 8 px each


def test_parts_of_other_layers():
    """Variation looks at neighbors, so that a part without layers reaches 1 px."""
    for layers, expected, reach, stride in (
        ((), [Part((), None, None)], [1], [1]),
        (("relu1_1",), [Part(("relu1_1",), None, None)], [1], [1]),
        (("relu3_4", "conv1_2"), [Part(("conv1_2", "relu3_4"), None, None)], [22], [4]),
        (("conv4_1",), [Part((), None, "pool3"), Part(("conv4_1",), "pool3", None)], [22, 1], [8, 1]),
        (
            ("relu5_4", "conv3_3"),
            [Part(("conv3_3",), None, "pool3"), Part(("relu5_4",), "pool3", None)],
            [22, 12],
            [8, 2],
        ),
    ):
        found = parts(layers)
        assert list(found) == expected
        assert [part.reach for part in found] == reach
        assert [part.stride for part in found] == stride


def test_every_layer_is_in_one_part():
    rng = np.random.default_rng(0)
    for _ in range(50):
        layers = tuple(rng.choice(vgg19_spec.LAYERS, rng.integers(1, 8), replace=False))
        found = [layer for part in parts(layers) for layer in part.layers]
        assert sorted(found) == sorted(layers)


def test_the_network_is_divided_where_both_parts_reach_little():
    """80 px on each side of a tile for the whole of it at once, 24 px and 48 px in two."""
    shallow, deep = parts(DEFAULTS)
    assert -(-vgg19_spec.reach(DEFAULTS) // 16) * 16 == 80
    assert -(-shallow.reach // shallow.stride) * shallow.stride == 24
    assert -(-deep.reach // deep.stride) * deep.stride * vgg19_spec.stride("pool3") == 48
