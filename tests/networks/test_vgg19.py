from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from neural_style.compute.precision import choose
from neural_style.errors import UsageError
from neural_style.networks import weights
from neural_style.networks.vgg19 import build_vgg19, maps_between
from neural_style.vgg19_spec import CONV_LAYERS, RELU_LAYERS, convs_up_to, keras_name

SHARED = Path(__file__).resolve().parents[3] / "shared" / "weights" / "vgg19_imagenet_blocks1-3.npz"


pytestmark = pytest.mark.usefixtures("full_precision")


@pytest.fixture(scope="module")
def network():
    return reference.random_weights()


def random_picture(height, width, seed=0):
    """RGB, 0-255, of no symmetry, with a cast of color so that the channels differ."""
    noise = np.random.default_rng(seed).uniform(0, 255, (height, width, 3))
    return (noise * [1, 0.7, 0.3]).astype(np.float32)


def relative_error(ours, other):
    return np.linalg.norm(ours - other) / np.linalg.norm(other)


@pytest.fixture(scope="module")
def theirs(network):
    """Keras's own VGG19 with the weights of `network`, which expects BGR: features of RGB pictures by its own names."""
    model = keras.applications.VGG19(include_top=False, weights=None)
    for conv in CONV_LAYERS:
        kernel = network.kernels[conv]
        model.get_layer(keras_name(conv)).set_weights(
            [kernel[:, :, ::-1] if conv == "conv1_1" else kernel, network.biases[conv]]
        )
    outputs = {conv: model.get_layer(keras_name(conv)).output for conv in CONV_LAYERS}
    model = keras.Model(model.inputs[0], outputs)
    return lambda picture: model(keras.applications.vgg19.preprocess_input(picture[np.newaxis].copy()))


@pytest.mark.parametrize(("height", "width"), [(64, 48), (37, 53), (32, 32)])
def test_same_as_keras_at_every_layer(network, theirs, height, width):
    """Rounding grows with depth: in block 5 Keras and ours are each up to 1.1e-5 off what float64 gives."""
    picture = random_picture(height, width)
    ours = build_vgg19(network, RELU_LAYERS)((picture - network.mean)[np.newaxis])
    expected = theirs(picture)
    for conv, relu in zip(CONV_LAYERS, RELU_LAYERS, strict=True):
        assert ours[relu].shape == expected[conv].shape
        assert ours[relu].dtype == tf.float32
        assert np.linalg.norm(expected[conv]) > 0
        assert relative_error(ours[relu], expected[conv]) < (3e-5 if "relu5" in relu else 1e-5), relu


def test_order_of_channels_matters(network, theirs):
    """Without this, the agreement with Keras would say nothing on RGB and BGR."""
    picture = random_picture(32, 32)
    swapped = build_vgg19(network, ["relu1_1"])((picture[..., ::-1] - network.mean)[np.newaxis])
    assert relative_error(swapped["relu1_1"], theirs(picture)["conv1_1"]) > 0.1


@pytest.mark.parametrize("pooling", ["max", "avg"])
@pytest.mark.parametrize(("height", "width"), [(36, 32), (37, 45)])
def test_against_reference(network, pooling, height, width):
    layers = ("relu1_2", "conv2_2", "relu3_1", "conv4_1")
    image = random_picture(height, width) - network.mean
    ours = build_vgg19(network, layers, pooling)(image[np.newaxis])
    expected = reference.features(reference.in_float64(network), image, layers, pooling)
    assert set(ours) == set(layers)
    for layer in layers:
        assert ours[layer].shape == (1, *expected[layer].shape)
        assert relative_error(ours[layer][0], expected[layer]) < 1e-5, layer


def test_poolings_differ(network):
    image = random_picture(32, 32) - network.mean
    largest, mean = (build_vgg19(network, ["relu2_1"], pooling)(image[None])["relu2_1"] for pooling in ("max", "avg"))
    assert relative_error(largest, mean) > 0.1


def test_one_filter_by_hand():
    """A single nonzero tap tells height from width, left from right, and what lies outside: zeros, not the mean."""
    kernel, bias = np.zeros((3, 3, 3, 64), np.float32), np.full(64, -0.5, np.float32)
    kernel[0, 1, 2, 0] = 1  # blue of the pixel above
    network = SimpleNamespace(kernels={"conv1_1": kernel}, biases={"conv1_1": bias})
    image = random_picture(32, 33)
    output = build_vgg19(network, ["conv1_1"])(image[np.newaxis])["conv1_1"][0]
    np.testing.assert_allclose(output[1:, :, 0], image[:-1, :, 2] - 0.5, rtol=1e-6)
    np.testing.assert_array_equal(output[0, :, 0], -0.5)
    np.testing.assert_array_equal(output[..., 1:], -0.5)


def test_conv_layers_are_before_rectification(network):
    layers = ("conv1_1", "relu1_1", "conv2_1", "relu2_1", "conv3_2", "relu3_2")
    image = (random_picture(32, 40) - network.mean)[np.newaxis]
    outputs = build_vgg19(network, layers)(image)
    for conv, relu in zip(layers[::2], layers[1::2], strict=True):
        assert np.min(outputs[conv]) < 0
        np.testing.assert_array_equal(tf.nn.relu(outputs[conv]), outputs[relu])
    alone = build_vgg19(network, ["conv3_2"])(image)
    np.testing.assert_allclose(alone["conv3_2"], outputs["conv3_2"], rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize(
    ("layers", "convolutions", "pools"),
    [
        (["relu1_1"], 1, 0),
        (["conv1_2"], 2, 0),
        (["relu2_1"], 3, 1),
        (["relu3_4", "relu1_1"], 8, 2),  # the deepest need not come last
        (["relu5_4"], 16, 4),
    ],
)
def test_only_as_deep_as_asked(network, layers, convolutions, pools):
    model = build_vgg19(network, layers)
    kinds = [type(layer) for layer in model.layers]
    assert sum(issubclass(kind, keras.layers.Conv2D) for kind in kinds) == convolutions == len(convs_up_to(layers))
    assert kinds.count(keras.layers.MaxPooling2D) == pools
    assert [layer.name for layer in model.layers if isinstance(layer, keras.layers.Conv2D)] == list(
        CONV_LAYERS[:convolutions]
    )


def test_shallow_network_needs_shallow_weights(network):
    shallow = SimpleNamespace(
        kernels={conv: network.kernels[conv] for conv in CONV_LAYERS[:3]},
        biases={conv: network.biases[conv] for conv in CONV_LAYERS[:3]},
    )
    assert set(build_vgg19(shallow, ["relu2_1"]).output) == {"relu2_1"}


def test_layers_may_be_any_iterable(network):
    assert set(build_vgg19(network, iter(["relu1_1", "relu1_2"])).output) == {"relu1_1", "relu1_2"}


def test_frozen_but_with_a_gradient_to_the_image(network):
    model = build_vgg19(network, ["relu2_1"])
    assert model.trainable_weights == []
    assert len(model.weights) == 6
    image = tf.constant((random_picture(32, 32) - network.mean)[np.newaxis])
    with tf.GradientTape() as tape:
        tape.watch(image)
        total = tf.reduce_sum(model(image)["relu2_1"])
    assert np.any(tape.gradient(total, image))


def test_global_settings_of_keras_do_not_matter(network):
    image = (random_picture(32, 32) - network.mean)[np.newaxis]
    expected = build_vgg19(network, ["relu2_1"])(image)["relu2_1"]
    policy, order = keras.config.dtype_policy(), keras.config.image_data_format()
    try:
        keras.config.set_dtype_policy("mixed_float16")
        keras.config.set_image_data_format("channels_first")
        output = build_vgg19(network, ["relu2_1"])(image)["relu2_1"]
    finally:
        keras.config.set_dtype_policy(policy)
        keras.config.set_image_data_format(order)
    assert output.dtype == tf.float32
    assert relative_error(output, expected) < 1e-6


# --- other types ------------------------------------------------------------------------------------------------------


def skip_unless_computed(precision):
    try:
        choose(precision, "CPU:0")
    except UsageError:
        pytest.skip(f"this machine does not compute in {precision}")


@pytest.mark.parametrize("pooling", ["max", "avg"])
@pytest.mark.parametrize(("precision", "off"), [("bfloat16", 0.02), ("float16", 0.003)])
def test_other_types_against_float32(network, precision, off, pooling):
    """Rounding grows with depth."""
    skip_unless_computed(precision)
    image = (random_picture(37, 45) - network.mean)[np.newaxis]
    layers = ("conv1_1", "relu1_2", "relu2_1", "conv3_1", "relu4_1", "relu5_1")
    exact, ours = (build_vgg19(network, layers, pooling, kind)(image) for kind in ("float32", precision))
    for layer in layers:
        assert ours[layer].dtype == precision
        assert ours[layer].shape == exact[layer].shape
        assert relative_error(ours[layer].numpy().astype(np.float32), exact[layer]) < off, layer


def test_image_in_bfloat16_does_not_lose_what_8_bits_cannot_hold(network):
    """One filter that takes the difference of neighbors: of an image rounded to 8 bits it would see steps."""
    skip_unless_computed("bfloat16")
    kernel = np.zeros((3, 3, 3, 64), np.float32)
    kernel[1, 1, 0], kernel[1, 0, 0] = 1, -1
    network = SimpleNamespace(kernels={"conv1_1": kernel}, biases={"conv1_1": np.zeros(64, np.float32)})
    image = np.zeros((1, 32, 64, 3), np.float32)
    image[..., 0] = 100 + np.arange(64) / 8
    output = build_vgg19(network, ["conv1_1"], precision="bfloat16")(image)["conv1_1"].numpy()
    assert np.unique(tf.cast(image, tf.bfloat16).numpy()[0, 0, :, 0]).size < 32
    np.testing.assert_allclose(output[0, :, 1:].astype(np.float32), 1 / 8, atol=0.01)


def test_filters_of_the_first_convolution_keep_16_bits_in_bfloat16(network):
    """On an image of whole numbers, which 8 bits hold, only the filters are rounded, and the result."""
    skip_unless_computed("bfloat16")
    kernel = np.full((3, 3, 3, 64), 1 + 2**-9, np.float32)
    kernel[1, 1, 1] = -26 * (1 + 2**-9) + 2**-4  # all that is left of the sum
    network = SimpleNamespace(kernels={"conv1_1": kernel}, biases={"conv1_1": np.zeros(64, np.float32)})
    output = build_vgg19(network, ["conv1_1"], precision="bfloat16")(np.ones((1, 32, 32, 3), np.float32))["conv1_1"]
    np.testing.assert_allclose(output[:, 1:-1, 1:-1].numpy().astype(np.float32), 2**-4, rtol=0.1)


def test_gradient_of_the_split_image_is_that_of_the_image(network):
    """Its second part has none, as it does not grow with the image, but the first has all."""
    skip_unless_computed("bfloat16")
    image = tf.constant((random_picture(32, 40) - network.mean)[np.newaxis])
    gradients = []
    for precision in ("float32", "bfloat16"):
        model = build_vgg19(network, ["conv1_1"], precision=precision)
        weights = tf.constant(np.random.default_rng(1).normal(size=model(image)["conv1_1"].shape), tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(image)
            total = tf.reduce_sum(weights * tf.cast(model(image)["conv1_1"], tf.float32))
        gradients.append(tape.gradient(total, image))
    assert gradients[1].dtype == tf.float32
    assert relative_error(gradients[1], gradients[0]) < 0.02


@pytest.mark.parametrize(("precision", "channels"), [("float32", 3), ("float16", 3), ("bfloat16", 9)])
def test_only_bfloat16_splits_the_image(network, precision, channels):
    model = build_vgg19(network, ["relu2_1"], precision=precision)
    assert model.input.dtype == "float32"
    assert model.get_layer("conv1_1").kernel.shape == (3, 3, channels, 64)
    assert ("split_image" in [layer.name for layer in model.layers]) == (precision == "bfloat16")
    assert model.trainable_weights == []
    assert {weight.dtype for weight in model.weights} == {precision}


def test_other_backends_are_refused(network, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(UsageError, match="expected the TensorFlow backend, got jax"):
        build_vgg19(network, ["relu1_1"])


@pytest.mark.skipif(not SHARED.exists(), reason="the sample of the ImageNet weights is not here")
def test_real_filters_see_colors_as_keras_does():
    """With the published weights, which are BGR in the file: agreement with Keras on a picture of strong colors."""
    loaded = weights.load(str(SHARED), ["relu3_1"])
    with np.load(SHARED) as file:
        kernel, bias = file["block1_conv1/kernel"], file["block1_conv1/bias"]
    picture = random_picture(32, 48)
    bgr = keras.applications.vgg19.preprocess_input(picture.copy())
    expected = np.maximum(reference.convolution(bgr.astype(np.float64), kernel.astype(np.float64), bias), 0)
    model = build_vgg19(loaded, ["relu1_1"])
    assert relative_error(model((picture - loaded.mean)[np.newaxis])["relu1_1"][0], expected) < 1e-5
    assert relative_error(model((picture[..., ::-1] - loaded.mean)[np.newaxis])["relu1_1"][0], expected) > 0.1


# --- parts ------------------------------------------------------------------------------------------------------------

PART_LAYERS = ("conv1_1", "relu1_2", "relu2_1", "conv3_4", "relu3_4", "relu4_1", "conv5_1")


@pytest.mark.parametrize("pooling", ["max", "avg"])
@pytest.mark.parametrize("cut", ["pool1", "pool2", "pool3", "pool4"])
def test_two_parts_are_the_whole_network(network, pooling, cut):
    """Wherever it is divided."""
    image = tf.constant((random_picture(37, 53) - network.mean)[np.newaxis])
    model = build_vgg19(network, PART_LAYERS, pooling)
    block = int(cut[4])
    shallow, deep = (
        [layer for layer in PART_LAYERS if (int(layer[4]) > block) is is_deep] for is_deep in (False, True)
    )
    maps = tf.function(maps_between)(model, image, [*shallow, cut])
    assert maps[cut].shape[1:3] == (37 >> block, 53 >> block)
    maps |= tf.function(maps_between)(model, maps[cut], deep, cut)
    expected = model(image)
    for layer in PART_LAYERS:
        assert maps[layer].shape == expected[layer].shape
        assert relative_error(maps[layer], expected[layer]) < 1e-6


def test_parts_come_in_the_order_asked_for_and_no_deeper_than_needed(network):
    model = build_vgg19(network, ["relu3_1"])
    image = tf.constant((random_picture(32, 32) - network.mean)[np.newaxis])

    @tf.function
    def part(image):
        return list(maps_between(model, image, ["relu2_1", "conv1_1", "pool1"]).items())

    assert [layer for layer, _ in part(image)] == ["relu2_1", "conv1_1", "pool1"]
    convolutions = [op for op in part.get_concrete_function(image).graph.get_operations() if op.type == "Conv2D"]
    assert len(convolutions) == 3
    assert maps_between(model, image, []) == {}


def test_parts_in_bfloat16_split_the_image(network):
    """Which keeps what that type cannot hold."""
    try:
        choose("bfloat16", "CPU:0")
    except UsageError:
        pytest.skip("this machine does not compute in bfloat16")
    model = build_vgg19(network, ["relu1_2"], precision="bfloat16")
    image = tf.constant((random_picture(32, 40) - network.mean)[np.newaxis])
    maps = tf.function(maps_between)(model, image, ["relu1_2"])["relu1_2"]
    expected = tf.function(model)(image)["relu1_2"]
    np.testing.assert_array_equal(tf.cast(maps, tf.float32), tf.cast(expected, tf.float32))
