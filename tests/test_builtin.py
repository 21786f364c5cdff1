import numpy as np
import pytest
import reference

from neural_style.architecture import CONV_LAYERS, block_of, convs_up_to, kernel_shape
from neural_style.builtin import MEAN, RESPONSE, random_network


@pytest.fixture(scope="module")
def shallow():
    """The first three convolutions, made anew."""
    return random_network(convs_up_to(["relu2_1"]))


def test_shapes_and_types(network):
    assert tuple(network.kernels) == tuple(network.biases) == CONV_LAYERS
    for conv in CONV_LAYERS:
        assert network.kernels[conv].shape == kernel_shape(conv)
        assert network.biases[conv].shape == kernel_shape(conv)[3:]
        assert network.kernels[conv].dtype == network.biases[conv].dtype == np.float32
        assert np.isfinite(network.kernels[conv]).all() and np.isfinite(network.biases[conv]).all()
    assert (network.name, network.path) == ("builtin", None)


def test_mean_pixel_is_rgb(network):
    np.testing.assert_allclose(network.mean, [123.68, 116.779, 103.939])
    assert network.mean.dtype == MEAN.dtype == np.float32


def test_only_what_is_asked_for(shallow):
    kernels, biases, _ = shallow
    assert tuple(kernels) == tuple(biases) == ("conv1_1", "conv1_2", "conv2_1")
    assert random_network(())[:2] == ({}, {})


def test_same_network_however_deep_and_whatever_numpy_has_drawn(network, shallow):
    np.random.seed(1)  # the global generator has no part in it
    kernels, biases, _ = random_network(iter(["conv1_1"]))
    state = np.random.get_state()[1].copy()
    np.testing.assert_array_equal(kernels["conv1_1"], network.kernels["conv1_1"])
    np.testing.assert_array_equal(biases["conv1_1"], network.biases["conv1_1"])
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    for conv, kernel in shallow[0].items():
        np.testing.assert_allclose(kernel, network.kernels[conv], rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(shallow[1][conv], network.biases[conv], rtol=1e-4, atol=1e-3)


def test_nothing_is_left_to_chance(shallow, monkeypatch):
    """Memory that nobody has written to may hold anything; here it holds NaN."""
    real = np.empty

    def empty(shape, dtype=float, *args, **settings):
        array = real(shape, dtype, *args, **settings)
        if array.dtype.kind == "f":
            array.fill(np.nan)
        return array

    monkeypatch.setattr(np, "empty", empty)
    kernels, biases, _ = random_network(["conv1_1"])
    np.testing.assert_array_equal(kernels["conv1_1"], shallow[0]["conv1_1"])
    np.testing.assert_array_equal(biases["conv1_1"], shallow[1]["conv1_1"])


def test_no_two_filters_are_alike(network):
    for conv in ("conv1_1", "conv3_1"):
        kernel = network.kernels[conv]
        correlation = np.corrcoef(kernel.reshape(-1, kernel.shape[3]).T)
        np.fill_diagonal(correlation, 0)
        assert np.abs(correlation).max() < 0.9
    first = network.kernels["conv1_1"]
    for other in (first[::-1], first[:, ::-1], first[:, :, ::-1], first.transpose(1, 0, 2, 3)):
        assert np.linalg.norm(first - other) > 0.1 * np.linalg.norm(first)  # turned or mirrored, it is another network


def test_responses_on_another_picture(network):
    """Each block answers a picture it was not normalised on with about the strength it is meant to have."""
    rng = np.random.default_rng(0)
    blobs = np.kron(rng.uniform(0, 255, (8, 8, 3)), np.ones((8, 8, 1))) + rng.normal(0, 8, (64, 64, 3))
    image = np.clip(blobs, 0, 255) - network.mean
    maps = reference.features(reference.in_float64(network), image, CONV_LAYERS)
    for conv in CONV_LAYERS:
        strength = maps[conv].std((0, 1))
        ratio = np.median(strength) / RESPONSE[block_of(conv) - 1]
        assert 0.4 < ratio < 2.5, (conv, ratio)
        assert strength.min() > 0.05 * np.median(strength), conv  # no channel is silent
        active = np.mean(maps[conv] > 0)
        assert 0.25 < active < 0.75, (conv, active)


def test_strength_is_exact_on_the_pictures_it_was_normalised_on(shallow):
    """Seen from within: the pictures are taken where `random_network` makes them."""
    from neural_style import builtin

    pictures = list(builtin._calibration_pictures(np.random.default_rng(builtin._SEED)))
    kernels, biases, mean = shallow
    response = np.stack(
        [
            reference.convolution(picture.astype(np.float64) - mean, kernels["conv1_1"], biases["conv1_1"])
            for picture in pictures
        ]
    )
    np.testing.assert_allclose(response.std((0, 1, 2)), RESPONSE[0], rtol=1e-3)
    np.testing.assert_allclose(response.mean((0, 1, 2)), 0, atol=0.05)
    assert all(picture.min() >= 0 and picture.max() <= 255 for picture in pictures)
