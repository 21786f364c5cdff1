"""VGG19 as a frozen Keras model whose outputs are named relu1_1 … relu5_4, or conv* for pre-activations."""

from collections.abc import Collection, Iterable

import keras
import numpy as np
import tensorflow as tf

from neural_style import vgg19_spec
from neural_style.errors import UsageError
from neural_style.networks.weights import VGGWeights

_POOLING = {"max": keras.layers.MaxPooling2D, "avg": keras.layers.AveragePooling2D}


def build_vgg19(
    weights: VGGWeights, layers: Iterable[str], pooling: str = "max", precision: str = "float32"
) -> keras.Model:
    """Build the network only as deep as the layers asked for.

    Args:
        weights: kernels and biases of at least the convolutions up to the deepest layer.
        layers: names of the outputs wanted.
        pooling: "max", as in the published network, or "avg", as Gatys et al. preferred.
        precision: type of filters and feature maps, one of those of `Config.precision`.

    Returns:
        A frozen model from pictures, float32 (batch, height, width, 3), RGB of 0-255 less `weights.mean`, any size from
        32 px up, to a dictionary layer -> feature map, of type `precision` and shape (batch, height / 2ᵏ, width / 2ᵏ,
        channels) in block k+1.

    Raises:
        UsageError: Keras runs on another backend than TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise UsageError(
            f"Keras: expected the TensorFlow backend, got {keras.backend.backend()}; "
            "unset KERAS_BACKEND or set it to tensorflow"
        )
    layers = tuple(layers)
    image = x = keras.Input((None, None, 3), dtype="float32", name="image")
    outputs, block = {}, 1
    if precision == "bfloat16":
        x = _SplitImage(dtype="float32", name="split_image")(x)
    for conv in vgg19_spec.convs_up_to(layers):
        if vgg19_spec.block_of(conv) != block:
            x = _POOLING[pooling](2, 2, data_format="channels_last", dtype=precision, name=f"pool{block}")(x)
            block += 1
        outputs[conv] = _Convolution(conv, precision)(x)
        relu = conv.replace("conv", "relu")
        outputs[relu] = x = keras.layers.ReLU(dtype=precision, name=relu)(outputs[conv])
    model = keras.Model(image, {layer: outputs[layer] for layer in layers}, name="vgg19", trainable=False)
    for conv in vgg19_spec.convs_up_to(layers):
        kernel = weights.kernels[conv]
        if precision == "bfloat16" and conv == vgg19_spec.CONV_LAYERS[0]:
            kernel = _split_kernel(kernel)
        model.get_layer(conv).set_weights([kernel, weights.biases[conv]])
    return model


def maps_between(
    model: keras.Model, maps: tf.Tensor, layers: Collection[str], start: str | None = None
) -> dict[str, tf.Tensor]:
    """Feature maps of a part of the network, to be called where TensorFlow traces.

    Args:
        model: of `build_vgg19`.
        maps: image as the model takes it, or the map of the pooling `start`.
        layers: names of the maps wanted, poolings among them; the model must be as deep.
        start: pooling behind which the part begins; None for the image.
    """
    chain = model.layers[1:]  # all but the input
    if start is not None:
        chain = chain[[layer.name for layer in chain].index(start) + 1 :]
    wanted: dict[str, tf.Tensor] = {}
    for layer in chain:
        if len(wanted) == len(layers):
            break
        maps = layer(maps)
        if layer.name in layers:
            wanted[layer.name] = maps
    return {layer: wanted[layer] for layer in layers}


class _Convolution(keras.layers.Conv2D):
    """3×3 convolution, zeros around. Keras's own adds the bias in a way that TensorFlow cannot fuse with the rest."""

    def __init__(self, name: str, precision: str):
        channels = vgg19_spec.kernel_shape(name)[-1]
        super().__init__(
            channels,
            3,
            padding="same",
            data_format="channels_last",
            kernel_initializer="zeros",
            dtype=precision,
            name=name,
        )

    def call(self, maps: tf.Tensor) -> tf.Tensor:
        return tf.nn.bias_add(tf.nn.conv2d(maps, self.kernel, 1, "SAME"), self.bias)


class _SplitImage(keras.layers.Layer):
    """An image as the sum of two of 8 bits each, so that it does not lose what bfloat16 cannot hold.

    From (batch, height, width, 3) to (batch, height, width, 9): twice the first, and once the second.
    """

    def call(self, image: tf.Tensor) -> tf.Tensor:
        high = tf.cast(image, tf.bfloat16)
        low = tf.cast(image - tf.cast(high, tf.float32), tf.bfloat16)
        return tf.concat([high, high, tf.stop_gradient(low)], axis=-1)


def _split_kernel(kernel: np.ndarray) -> np.ndarray:
    """Kernel for what `_SplitImage` makes: its two parts of 8 bits each for the first image, and one for the second."""
    high = kernel.astype(tf.bfloat16.as_numpy_dtype).astype(np.float32)
    return np.concatenate([high, kernel - high, high], axis=2)
