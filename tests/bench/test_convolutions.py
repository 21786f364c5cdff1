import pytest

from neural_style.bench.convolutions import convolution_actions, count_convolutions
from neural_style.config.config import Config


def test_convolutions_are_counted_as_the_evaluation_makes_them():
    counts = count_convolutions(Config("photo", ["painting"]), 49)
    assert sum(counts.values()) == 2 * 13  # conv1_1 to conv5_1, forward and back
    assert counts["forward", 512, 512, 7] == counts["backward", 512, 512, 7] == 3
    assert counts["forward", 512, 512, 4] == 1


@pytest.mark.parametrize("rounding", ["up", "down"])
def test_those_of_all_sizes_of_the_loss_count(rounding):
    def counts(width, **changes):
        return count_convolutions(Config("photo", ["painting"], pool_rounding=rounding, **changes), width)

    assert counts(99, loss_scales=3) == counts(99) + counts(50) + counts(25)


def test_convolutions_have_the_sizes_of_the_network():
    for rounding, side in ("up", 25), ("down", 24):
        config = Config("photo", ["painting"], pool_rounding=rounding)
        actions = convolution_actions(config, 49, "float32")
        assert set(actions) == set(count_convolutions(config, 49))
        assert actions["forward", 3, 64, 49]().shape == (1, 49, 49, 64)
        assert actions["backward", 64, 128, side]().shape == (1, side, side, 64)
