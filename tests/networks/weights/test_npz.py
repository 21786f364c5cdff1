import numpy as np
from weights_files import LAYERS, MEAN, assert_refused, write_npz

from neural_style.networks import weights


def test_it_must_say_everything(net, tmp_path):
    for key in ("channel_order", "mean", "block2_conv1/bias"):
        assert_refused(write_npz(tmp_path / "w.npz", net, without=[key]), key)


def test_order_or_mean_that_cannot_be(net, tmp_path):
    for changes, said in (
        ({"channel_order": "GBR"}, "'GBR'"),
        ({"mean": [0.485, 0.456, 0.406]}, "0-255"),
        ({"mean": [1e3, 1, 1]}, "0-255"),
        ({"mean": [np.nan, 1, 1]}, "0-255"),
        ({"mean": MEAN[::-1]}, "reverse it"),
        ({"mean": [1.0, 2.0]}, "3 numbers"),
        ({"mean": 5.0}, "3 numbers"),
        ({"mean": ["a", "b", "c"]}, "3 numbers"),
    ):
        assert_refused(write_npz(tmp_path / "w.npz", net, **changes), said)


def test_a_file_says_which_values_suit_it(tmp_path, net):
    for settings in ({"initial_noiseblend": 0.25}, {"learning_rate": 3.0}, {"preview_width": 64}, {}):
        path = write_npz(tmp_path / "w.npz", net, **{name: np.array(value) for name, value in settings.items()})
        assert weights.load(str(path), LAYERS).settings == settings


def test_a_value_that_cannot_be_is_refused(tmp_path, net):
    for blend in (2.0, np.nan, np.zeros((99, 99)), "much"):
        path = write_npz(tmp_path / "w.npz", net, initial_noiseblend=np.array(blend))
        assert_refused(path, "initial_noiseblend: expected a number")
    for width in (10, -1, 64.5):
        path = write_npz(tmp_path / "w.npz", net, preview_width=np.array(width))
        assert_refused(path, "preview_width: expected a whole number")
