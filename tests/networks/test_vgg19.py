import itertools
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from objectives import relative_error, skip_unless_computed

from neural_style import vgg19_spec
from neural_style.errors import UsageError
from neural_style.networks import weights
from neural_style.networks.vgg19 import Network, build_vgg19, maps_between
from neural_style.vgg19_spec import CONV_LAYERS, RELU_LAYERS, ROUNDINGS, Variant, convs_up_to, keras_name, positions

SHARED = Path(__file__).resolve().parents[3] / "shared" / "weights" / "vgg19_imagenet_blocks1-3.npz"


POOLINGS = ("max", "avg", "l2")

pytestmark = pytest.mark.usefixtures("full_precision")


@pytest.fixture(scope="module")
def network():
    return reference.random_weights()


def random_picture(height, width, seed=0):
    """RGB, 0-255, of no symmetry, with a cast of color so that the channels differ."""
    noise = np.random.default_rng(seed).uniform(0, 255, (height, width, 3))
    return (noise * [1, 0.7, 0.3]).astype(np.float32)


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


def test_same_as_keras_at_every_layer(network, theirs):
    """Where an odd last row or column is dropped, as there, or there is none.

    Rounding grows with depth: in block 5 Keras and ours are each up to 1.1e-5 off what float64 gives.
    """
    for height, width, rounding in ((64, 48, "up"), (37, 53, "down"), (32, 32, "down")):
        picture = random_picture(height, width)
        ours = build_vgg19(network, RELU_LAYERS, Variant(rounding=rounding))((picture - network.mean)[np.newaxis])
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


VARIANTS = [
    *itertools.starmap(Variant, itertools.product(POOLINGS, [1.0], ROUNDINGS)),
    Variant("avg", 2.0, "up", "replicate", "first"),
    Variant("l2", 1.56, "down", "replicate"),
    Variant("max", 0.7, "up", "reflect"),
    Variant("max", 1.0, "down", "reflect", "first"),
]
"""Every pooling with every rounding, and every padding of all layers and of the first."""


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: "-".join(map(str, variant)))
def test_against_reference(network, variant):
    """With sides that are even, and odd at one depth or another."""
    layers = ("relu1_2", "conv2_2", "relu3_1", "conv4_1")
    exact, model = reference.in_float64(network), build_vgg19(network, layers, variant)
    for height, width in ((36, 39), (33, 45)):
        image = random_picture(height, width) - network.mean
        ours, expected = model(image[np.newaxis]), reference.features(exact, image, layers, *reordered(variant))
        assert set(ours) == set(layers)
        for layer in layers:
            stride = vgg19_spec.stride(layer)
            sides = [positions(side, stride, variant.rounding) for side in (height, width)]
            assert ours[layer].shape == (1, *sides, expected[layer].shape[-1])
            assert relative_error(ours[layer][0], expected[layer]) < 1e-5, layer
            for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
                assert relative_error(ours[layer][0].numpy()[edge], expected[layer][edge]) < 2e-5, (layer, edge)


def reordered(variant):
    """The arguments of `reference.features` for a variant."""
    return variant.pooling, variant.rounding, variant.pooling_scale, variant.padding, variant.padding_layers


@pytest.mark.parametrize("variant", VARIANTS[4:], ids=lambda variant: "-".join(map(str, variant)))
def test_gradient_against_finite_differences_of_the_reference(network, variant):
    """Of a weighted sum over a deep map, along a direction at the border of an odd picture and one inside.

    The reference's slope is a central difference in float64, of a step that hardly crosses a kink. A rectification that
    float32 and float64 see on different sides of its kink changes the slope by up to a percent, on some CPUs.
    """
    exact, model = reference.in_float64(network), build_vgg19(network, ["relu3_1"], variant)
    image = (random_picture(33, 38) - network.mean).astype(np.float64)
    rng = np.random.default_rng(1)
    with tf.GradientTape() as tape:
        source = tf.constant(image[np.newaxis], tf.float32)
        tape.watch(source)
        maps = model(source)["relu3_1"]
        weights = rng.normal(size=maps.shape)
        total = tf.reduce_sum(tf.constant(weights, tf.float32) * maps)
    gradient = tape.gradient(total, source)[0].numpy().astype(np.float64)
    border = np.ones((33, 38, 1))
    border[1:-1, 1:-1] = 0
    for mask in (border, 1 - border):
        direction = rng.normal(size=image.shape) * mask
        ahead, behind = (
            np.sum(weights[0] * reference.features(exact, there, ["relu3_1"], *reordered(variant))["relu3_1"])
            for there in (image + 1e-5 * direction, image - 1e-5 * direction)
        )
        assert np.sum(gradient * direction) == pytest.approx((ahead - behind) / 2e-5, rel=1e-2)


def passing(*convs):
    """A network whose convolutions let the first channel, of the image its red, pass as it is."""
    kernels = {conv: np.zeros(vgg19_spec.kernel_shape(conv), np.float32) for conv in convs}
    for kernel in kernels.values():
        kernel[1, 1, 0, 0] = 1
    return SimpleNamespace(kernels=kernels, biases={c: np.zeros(k.shape[-1], np.float32) for c, k in kernels.items()})


def test_an_odd_last_row_or_column_is_pooled_by_itself_by_hand():
    """Or dropped. Means are over the pixels that are in the picture: two at an edge, and one in the corner."""
    network = passing("conv1_1", "conv1_2", "conv2_1")
    image = np.zeros((1, 33, 35, 3), np.float32)
    image[..., 0] = np.arange(33 * 35).reshape(33, 35)
    root_mean_square = lambda window: np.sqrt(np.mean(window**2))  # noqa: E731
    for pooling, pool in (("max", np.max), ("avg", np.mean), ("l2", root_mean_square)):
        cells = [[pool(image[0, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2, 0]) for x in range(18)] for y in range(17)]
        for rounding, (rows, columns) in (("up", (17, 18)), ("down", (16, 17))):
            output = build_vgg19(network, ["relu2_1"], Variant(pooling, rounding=rounding))(image)["relu2_1"]
            np.testing.assert_allclose(output[0, ..., 0], np.array(cells)[:rows, :columns], rtol=1e-6)


def test_pooled_maps_are_multiplied_by_the_scale_and_no_others():
    """Once by each pooling; the bias after it is not multiplied."""
    network = passing("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1")
    network.biases["conv2_1"] = np.full(128, 5, np.float32)
    image = np.full((1, 32, 32, 3), 100, np.float32)
    layers = ("relu1_2", "relu2_1", "relu2_2", "relu3_1")
    for variant in (Variant(pooling, 1.56) for pooling in POOLINGS):
        maps = build_vgg19(network, layers, variant)(image)
        found = [float(maps[layer][0, 1, 1, 0]) for layer in layers]
        assert found == pytest.approx([100, 156 + 5, 156 + 5, (156 + 5) * 1.56], rel=1e-6)


def test_squares_of_large_values_are_pooled_in_every_type():
    """Of a window with 1, 1, 1 and 7 times 1,000, the root of the mean of the squares is the root of 13 times 1,000."""
    image = np.zeros((1, 32, 32, 3), np.float32)
    image[..., 0] = np.tile([[1000, 1000], [1000, 7000]], (16, 16))
    for precision in ("float32", "bfloat16", "float16"):
        skip_unless_computed(precision)
        output = build_vgg19(passing("conv1_1", "conv1_2", "conv2_1"), ["relu2_1"], Variant("l2"), precision)(image)
        np.testing.assert_allclose(output["relu2_1"][0, ..., 0].numpy().astype(float), 13**0.5 * 1000, rtol=0.01)


def test_gradient_of_l2_pooling_is_zero_where_windows_are():
    """And x / (n · root) elsewhere, for windows of values as small as a type holds, too."""
    image = np.zeros((1, 33, 32, 3), np.float32)
    image[0, :4, :2, 0] = [[3, 4], [0, 5], [1e-18, 0], [0, 0]]
    image[0, 4:6, :2, 0] = 1e-30  # whose squares are 0
    image[0, 32, :2, 0] = [6, 8]  # the last row: a window of two
    root = 50**0.5 / 2
    expected = {(0, 0): 3 / 4 / root, (0, 1): 1 / root, (1, 1): 5 / 4 / root, (2, 0): 0.5}
    expected |= {(32, 0): 3 / 50**0.5, (32, 1): 4 / 50**0.5}
    for precision in ("float32", "bfloat16", "float16"):
        skip_unless_computed(precision)
        model = build_vgg19(passing("conv1_1", "conv1_2", "conv2_1"), ["relu2_1"], Variant("l2"), precision)
        with tf.GradientTape() as tape:
            source = tf.constant(image)
            tape.watch(source)
            total = tf.reduce_sum(tf.cast(model(source)["relu2_1"], tf.float32))
        gradient = tape.gradient(total, source)[0, ..., 0].numpy()
        for place, value in expected.items():
            is_lost = precision == "float16" and place == (2, 0)  # float16 holds nothing that small
            assert gradient[place] == pytest.approx(0 if is_lost else value, rel=0.02), (precision, place)
            gradient[place] = 0
        np.testing.assert_array_equal(gradient, 0)


def test_what_is_not_a_number_stays_so_in_l2_pooling():
    """Otherwise, a failed run would go on."""
    image = np.zeros((1, 32, 32, 3), np.float32)
    image[0, 5, 7, 0] = np.nan
    output = build_vgg19(passing("conv1_1", "conv1_2", "conv2_1"), ["conv2_1"], Variant("l2"))(image)["conv2_1"]
    assert np.isnan(output[0, 2, 3, 0])


def test_rounding_makes_no_difference_to_even_sides(network):
    image = random_picture(64, 48) - network.mean
    for pooling in POOLINGS:
        variants = [Variant(pooling, rounding=rounding) for rounding in ROUNDINGS]
        up, down = (build_vgg19(network, ["relu4_1"], variant)(image[None])["relu4_1"] for variant in variants)
        np.testing.assert_array_equal(up, down)


def test_poolings_differ(network):
    image = random_picture(32, 32) - network.mean
    maps = [build_vgg19(network, ["relu2_1"], Variant(pooling))(image[None])["relu2_1"] for pooling in POOLINGS]
    for one, other in itertools.combinations(maps, 2):
        assert relative_error(one, other) > 0.05


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


def test_paddings_by_hand():
    """Each filter takes the pixel at the upper left, or at the lower right, of its place: at corners both are outside.

    The second convolution sees what the first made, padded once more, or zeros.
    """
    image = np.zeros((1, 32, 33, 3), np.float32)
    image[..., 0] = 1 + np.arange(32 * 33).reshape(32, 33)
    for padding, mode in (("replicate", "edge"), ("reflect", "reflect")):
        for tap in (0, 2):
            network = passing("conv1_1", "conv1_2")
            for kernel in network.kernels.values():
                kernel[tap, tap, 0, 0], kernel[1, 1, 0, 0] = 1, 0
            part = slice(tap, tap + 32), slice(tap, tap + 33)
            first = np.pad(image[0, ..., 0], 1, mode)[part]
            for layers, then in (("all", mode), ("first", "constant")):
                model = build_vgg19(network, ["relu1_1", "relu1_2"], Variant(padding=padding, padding_layers=layers))
                output = model(image)
                np.testing.assert_array_equal(output["relu1_1"][0, ..., 0], first)
                np.testing.assert_array_equal(output["relu1_2"][0, ..., 0], np.pad(first, 1, then)[part])


def test_the_smallest_picture_can_be_reflected_at_every_depth(network):
    """Of two positions in block 5, each is what lies beyond the other."""
    image = random_picture(32, 32) - network.mean
    expected = reference.features(reference.in_float64(network), image, ["relu5_2"], padding="reflect")["relu5_2"]
    output = build_vgg19(network, ["relu5_2"], Variant(padding="reflect"))(image[np.newaxis])["relu5_2"]
    assert output.shape == (1, 2, 2, 512)
    assert relative_error(output[0], expected) < 3e-5


def test_a_constant_picture_stays_constant_where_its_border_goes_on(network):
    """With zeros around it, the borders differ from the interior in every layer."""
    image = np.full((1, 48, 64, 3), 20, np.float32)
    for padding, least, most in (("replicate", 0, 1e-4), ("reflect", 0, 1e-4), ("zeros", 0.1, np.inf)):
        maps = build_vgg19(network, ["relu4_1"], Variant(padding=padding))(image)["relu4_1"][0].numpy()
        assert least <= relative_error(maps, np.broadcast_to(maps[3, 4], maps.shape)) < most, padding


def test_the_image_is_padded_before_it_is_split(network):
    """In bfloat16, where 3 channels in float32 take a third less to copy, and their gradients are added in float32."""
    model = build_vgg19(network, ["conv1_2"], Variant(padding="reflect"), "bfloat16")
    names = [layer.name for layer in model.layers]
    assert names == ["image", "pad1_1", "split_image", "conv1_1", "relu1_1", "pad1_2", "conv1_2"]
    assert [model.get_layer(name).dtype for name in ("pad1_1", "pad1_2")] == ["float32", "bfloat16"]
    model = build_vgg19(network, ["conv1_2"], Variant(padding="reflect", padding_layers="first"))
    assert [layer.name for layer in model.layers] == ["image", "pad1_1", "conv1_1", "relu1_1", "conv1_2"]


def test_conv_layers_are_before_rectification(network):
    layers = ("conv1_1", "relu1_1", "conv2_1", "relu2_1", "conv3_2", "relu3_2")
    image = (random_picture(32, 40) - network.mean)[np.newaxis]
    outputs = build_vgg19(network, layers)(image)
    for conv, relu in zip(layers[::2], layers[1::2], strict=True):
        assert np.min(outputs[conv]) < 0
        np.testing.assert_array_equal(tf.nn.relu(outputs[conv]), outputs[relu])
    alone = build_vgg19(network, ["conv3_2"])(image)
    np.testing.assert_allclose(alone["conv3_2"], outputs["conv3_2"], rtol=1e-5, atol=1e-3)


def test_only_as_deep_as_asked(network):
    for layers, convolutions, pools in (
        (["relu1_1"], 1, 0),
        (["conv1_2"], 2, 0),
        (["relu2_1"], 3, 1),
        (["relu3_4", "relu1_1"], 8, 2),  # the deepest need not come last
        (["relu5_4"], 16, 4),
    ):
        model = build_vgg19(network, layers)
        found = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
        assert found == list(CONV_LAYERS[:convolutions]) == list(convs_up_to(layers))
        assert sum(isinstance(layer, keras.layers.MaxPooling2D) for layer in model.layers) == pools


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


def test_other_types_against_float32(network):
    """Rounding grows with depth."""
    image = (random_picture(37, 45) - network.mean)[np.newaxis]
    for precision, off in (("bfloat16", 0.02), ("float16", 0.003)):
        skip_unless_computed(precision)
        for variant, deeper in (
            (Variant("max"), ("relu4_1", "relu5_1")),
            (Variant("avg", pooling_scale=2, padding="replicate"), ()),
            (Variant("l2", pooling_scale=1.56, padding="reflect"), ()),
            (Variant("l2", rounding="down", padding="replicate", padding_layers="first"), ()),
        ):
            layers = ("conv1_1", "relu1_2", "relu2_1", "conv3_1", *deeper)
            exact, ours = (build_vgg19(network, layers, variant, kind)(image) for kind in ("float32", precision))
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


def test_only_bfloat16_splits_the_image(network):
    for precision, channels in (("float32", 3), ("float16", 3), ("bfloat16", 9)):
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


def test_two_parts_are_the_whole_network(network):
    """Wherever it is divided, and whatever becomes of odd rows and columns."""
    image = tf.constant((random_picture(37, 53) - network.mean)[np.newaxis])
    for variant in (
        Variant(),
        Variant("avg"),
        Variant(rounding="down"),
        Variant("l2", 1.5, "down", "replicate", "first"),
        Variant("l2", 1.5, "up", "reflect"),
    ):
        model = build_vgg19(network, PART_LAYERS, variant)
        expected = model(image)
        for block in range(1, 5):
            cut = f"pool{block}"
            shallow, deep = (
                [layer for layer in PART_LAYERS if (int(layer[4]) > block) is is_deep] for is_deep in (False, True)
            )
            maps = maps_between(model, image, [*shallow, cut])
            assert maps[cut].shape[1:3] == tuple(positions(side, 2**block, variant.rounding) for side in (37, 53))
            maps |= maps_between(model, maps[cut], deep, cut)
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
    skip_unless_computed("bfloat16")
    model = build_vgg19(network, ["relu1_2"], precision="bfloat16")
    image = tf.constant((random_picture(32, 40) - network.mean)[np.newaxis])
    maps = tf.function(maps_between)(model, image, ["relu1_2"])["relu1_2"]
    expected = tf.function(model)(image)["relu1_2"]
    np.testing.assert_array_equal(tf.cast(maps, tf.float32), tf.cast(expected, tf.float32))


# --- reach ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def average():
    """A network of means of positive filters, under which nothing that a position depends on cancels."""
    shapes = {conv: vgg19_spec.kernel_shape(conv) for conv in CONV_LAYERS}
    kernels = {conv: np.full(shape, 1 / shape[2] / 9, np.float32) for conv, shape in shapes.items()}
    biases = {conv: np.zeros(shape[-1], np.float32) for conv, shape in shapes.items()}
    return build_vgg19(SimpleNamespace(kernels=kernels, biases=biases), ["relu5_4"], Variant("avg"))


def test_reach_is_exact(average):
    """A single position that is not 0 shows in all of a layer that it is within reach of, and nowhere else."""
    for layer, start in (
        *((layer, None) for layer in ("relu1_1", "relu1_2", "pool1", "relu3_1", "pool3", "relu5_1")),
        *((layer, "pool3") for layer in ("relu4_1", "relu5_1", "relu5_4")),
    ):
        length, channels = (240, 3) if start is None else (64, 256)
        stride, reach = vgg19_spec.stride(layer, start), vgg19_spec.reach([layer], start)
        for place in (length // 2, length // 2 + stride - 1):
            maps = np.zeros((1, stride, length, channels), np.float32)
            maps[:, stride // 2, place] = 1
            seen = maps_between(average, tf.constant(maps), [layer], start)[layer]
            expected = [
                position
                for position in range(length // stride)
                if position * stride - reach <= place < (position + 1) * stride + reach
            ]
            assert list(np.flatnonzero(np.any(seen, axis=(0, 1, 3)))) == expected, (layer, start)
            assert 0 < expected[0] < expected[-1] < length // stride - 1


# --- as the losses use it ---------------------------------------------------------------------------------------------


def test_a_network_is_its_model_and_what_goes_with_it(network):
    made = Network.build(network, iter(["relu1_1", "relu2_1"]), Variant(rounding="down"))
    np.testing.assert_array_equal(made.mean, network.mean)
    assert (made.precision, made.rounding) == ("float32", "down")
    image = tf.constant((random_picture(33, 35) - network.mean)[np.newaxis])
    features = made.features(image)
    assert features["relu2_1"].shape == (1, 16, 17, 128)
    parts = made.maps_between(image, ["relu2_1", "pool1"], None)
    np.testing.assert_allclose(parts["relu2_1"], features["relu2_1"], rtol=1e-6)
    np.testing.assert_array_equal(made.maps_between(parts["pool1"], ["relu2_1"], "pool1")["relu2_1"], parts["relu2_1"])
    assert made.maps_between(image, [], None) == {}


def test_a_network_without_layers_is_none(network):
    """Where pixels alone are looked at; no weights are needed but the mean."""
    nothing = SimpleNamespace(kernels={}, biases={}, mean=network.mean)
    made = Network.build(nothing, [])
    assert made.model is None
    assert made.features(tf.zeros((1, 32, 32, 3))) == made.maps_between(tf.zeros((1, 32, 32, 3)), [], None) == {}
