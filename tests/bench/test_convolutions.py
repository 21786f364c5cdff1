from neural_style.bench.convolutions import convolution_actions, count_convolutions
from neural_style.config.config import Config


def test_convolutions_are_counted_as_the_evaluation_makes_them():
    counts = count_convolutions(Config("photo", ["painting"]))
    assert sum(counts.values()) == 2 * 13  # conv1_1 to conv5_1, forward and back
    assert counts["forward", (4, 512, 512)] == counts["backward", (4, 512, 512)] == 3
    actions = convolution_actions(Config("photo", ["painting"]), 48, "float32")
    assert set(actions) == set(counts)
    assert actions["forward", (1, 3, 64)]().shape == (1, 48, 48, 64)
    assert actions["backward", (2, 64, 128)]().shape == (1, 24, 24, 64)
