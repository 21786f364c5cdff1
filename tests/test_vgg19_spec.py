import itertools

from neural_style import vgg19_spec
from neural_style.vgg19_spec import CONV_LAYERS, LAYERS, MIN_SIDE, RELU_LAYERS

# --- VGG19 ------------------------------------------------------------------------------------------------------------


def test_names():
    assert len(CONV_LAYERS) == len(RELU_LAYERS) == 16
    assert LAYERS == CONV_LAYERS + RELU_LAYERS
    assert CONV_LAYERS[:5] == ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1")
    assert RELU_LAYERS[-5:] == ("relu4_4", "relu5_1", "relu5_2", "relu5_3", "relu5_4")


def test_table_1_of_the_paper():
    """Column E: 16 convolutions, and with three dense layers 144 million parameters, here counted without those."""
    shapes = [vgg19_spec.kernel_shape(conv) for conv in CONV_LAYERS]
    assert [shape[3] for shape in shapes] == [64] * 2 + [128] * 2 + [256] * 4 + [512] * 8
    assert [shape[2] for shape in shapes] == [3, *(shape[3] for shape in shapes[:-1])]
    assert {shape[:2] for shape in shapes} == {(3, 3)}
    assert sum(3 * 3 * shape[2] * shape[3] + shape[3] for shape in shapes) == 20_024_384


def test_names_of_one_layer():
    for layer, conv, block, keras in (
        ("relu1_1", "conv1_1", 1, "block1_conv1"),
        ("conv3_4", "conv3_4", 3, "block3_conv4"),
        ("relu5_2", "conv5_2", 5, "block5_conv2"),
        ("pool1", "conv1_2", 1, "block1_conv2"),
        ("pool3", "conv3_4", 3, "block3_conv4"),
    ):
        assert vgg19_spec.conv_of(layer) == conv
        assert vgg19_spec.block_of(layer) == block
        assert vgg19_spec.keras_name(conv) == keras


def test_poolings_lie_between_blocks():
    assert vgg19_spec.POOLINGS == ("pool1", "pool2", "pool3", "pool4")
    assert not set(vgg19_spec.POOLINGS) & set(LAYERS)  # nobody may ask for them


def test_convs_up_to():
    for layers, count in (
        ((), 0),
        (("relu1_1",), 1),
        (("pool3", "relu1_1"), 8),
        (("relu4_2", "conv1_1"), 10),
        (iter(("conv2_2", "relu3_1")), 5),
        (LAYERS, 16),
    ):
        assert vgg19_spec.convs_up_to(layers) == CONV_LAYERS[:count]


def test_stride():
    for layer, start, stride in (
        *(("relu1_2", None, 1), ("conv2_1", None, 2), ("pool1", None, 2), ("relu5_1", None, 16), ("pool3", None, 8)),
        *(("relu4_1", "pool3", 1), ("relu5_1", "pool3", 2), ("pool4", "pool3", 2), ("conv2_2", "pool1", 1)),
    ):
        assert vgg19_spec.stride(layer, start) == stride


def test_positions_are_those_of_one_pooling_after_another():
    assert [vgg19_spec.positions(length, 8, "up") for length in (32, 33, 39, 40, 41, 0)] == [4, 5, 5, 5, 6, 0]
    assert [vgg19_spec.positions(length, 8, "down") for length in (32, 33, 39, 40, 41, 0)] == [4, 4, 4, 5, 5, 0]
    for length in range(1, 200):
        up = down = length
        for power in range(1, 5):
            up, down = -(-up // 2), down // 2
            assert vgg19_spec.positions(length, 2**power, "up") == up
            assert vgg19_spec.positions(length, 2**power, "down") == down
    assert set(vgg19_spec.ROUNDINGS) == {"up", "down"}


def test_reach():
    for layers, start, reach in (
        ((), None, 0),
        (("relu1_1",), None, 1),
        (("relu1_2", "conv1_1"), None, 2),
        (("pool1",), None, 2),
        (("relu2_1",), None, 2 + 2),
        (("pool3",), None, 2 + 2 * 2 + 4 * 4),
        (("relu5_1",), None, 2 + 2 * 2 + 4 * 4 + 4 * 8 + 16),
        (("relu5_1",), "pool3", 4 + 2),
        (("relu5_4", "relu4_1"), "pool3", 4 + 4 * 2),
    ):
        assert vgg19_spec.reach(layers, start) == reach


def test_reach_of_several_layers_is_that_of_the_deepest():
    for first, second in itertools.product(vgg19_spec.LAYERS + vgg19_spec.POOLINGS, repeat=2):
        reaches = [vgg19_spec.reach(layers) for layers in ([first], [second], [first, second])]
        assert reaches[2] == max(reaches[:2])


def test_receptive_fields():
    """Which are known: a position of a layer and its reach on both sides."""
    for layer, side in (("relu1_1", 3), ("relu1_2", 5), ("relu2_1", 10), ("relu3_1", 24), ("relu5_1", 156)):
        assert vgg19_spec.stride(layer) + 2 * vgg19_spec.reach([layer]) == side


def test_smallest_side_leaves_two_positions_after_four_poolings():
    assert MIN_SIDE // 2**4 == 2
    assert (MIN_SIDE - 1) // 2**4 < 2
