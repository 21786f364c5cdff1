from neural_style.bench.convolutions import convolution_actions, count_convolutions
from neural_style.config.config import Config


def test_convolutions_are_counted_as_the_evaluation_makes_them():
    counts = count_convolutions(Config("photo", ["painting"]))
    assert sum(counts.values()) == 2 * 13  # conv1_1 to conv5_1, forward and back
    assert counts["forward", (4, 512, 512)] == counts["backward", (4, 512, 512)] == 3


def test_convolutions_have_the_sizes_of_the_network():
    for rounding, side in ("up", 25), ("down", 24):
        config = Config("photo", ["painting"], pool_rounding=rounding)
        actions = convolution_actions(config, 49, "float32")
        assert set(actions) == set(count_convolutions(config))
        assert actions["forward", (1, 3, 64)]().shape == (1, 49, 49, 64)
        assert actions["backward", (2, 64, 128)]().shape == (1, side, side, 64)
