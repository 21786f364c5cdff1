"""VGG19 as a frozen Keras model. Its outputs are named relu1_1 … relu5_4, or conv1_1 … conv5_4 before the ReLU."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from neural_style import vgg19_spec
from neural_style.errors import UsageError
from neural_style.networks.weights import VGGWeights

_PADDING = {"up": "same", "down": "valid"}
_POOLING = {"max": keras.layers.MaxPooling2D, "avg": keras.layers.AveragePooling2D}


@dataclass(frozen=True, eq=False)
class Network:
    """A network as the losses use it.

    Attributes:
        model: the result of `build_vgg19`; None if no layer is used.
        mean: mean pixel to subtract from a picture, float32 (3,), RGB, 0-255.
        precision: type of filters and feature maps.
        rounding: what its poolings do with an odd last row or column, one of `vgg19_spec.ROUNDINGS`.
    """

    model: keras.Model | None
    mean: np.ndarray
    precision: str
    rounding: str

    @classmethod
    def build(
        cls, weights: VGGWeights, layers: Iterable[str], *, pooling: str, precision: str, rounding: str
    ) -> Network:
        """Build the network for some layers; `build_vgg19` explains the arguments."""
        layers = tuple(layers)
        model = build_vgg19(weights, layers, pooling, precision, rounding) if layers else None
        return cls(model, weights.mean, precision, rounding)

    def features(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return layer -> feature map of an image. Call this inside a function that TensorFlow traces."""
        return dict(self.model(image)) if self.model else {}

    def maps_between(self, maps: tf.Tensor, layers: Collection[str], start: str | None) -> dict[str, tf.Tensor]:
        """Return the feature maps of a part of the network; `maps_between` explains the arguments."""
        return maps_between(self.model, maps, layers, start) if self.model and layers else {}


def build_vgg19(
    weights: VGGWeights,
    layers: Iterable[str],
    pooling: str = "max",
    precision: str = "float32",
    rounding: str = "up",
) -> keras.Model:
    """Build the network up to the deepest layer asked for.

    Args:
        weights: kernels and biases of at least the convolutions up to the deepest layer.
        layers: names of the outputs.
        pooling: "max", as in the published network, or "avg", which Gatys et al. preferred.
        precision: type of filters and feature maps: "float32", "bfloat16" or "float16".
        rounding: "up" to pool an odd last row or column by itself, as anishathalye/neural-style does, or "down" to
            drop it, as the published network does.

    Returns:
        A frozen model from pictures to feature maps. Pictures are float32 (batch, height, width, 3), RGB of 0-255 minus
        `weights.mean`, with sides of at least 32 px. The output is a dictionary layer -> feature map, of type
        `precision` and shape (batch, height / 2ᵏ, width / 2ᵏ, channels) in block k+1.

    Raises:
        UsageError: Keras runs on a backend other than TensorFlow.
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
            x = _POOLING[pooling](2, 2, _PADDING[rounding], "channels_last", dtype=precision, name=f"pool{block}")(x)
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
    """Return the feature maps of a part of the network. Call this inside a function that TensorFlow traces.

    Args:
        model: the result of `build_vgg19`.
        maps: an image in the form that the model takes, or the map of the pooling `start`.
        layers: names of the maps to return, which may include poolings. The model must be deep enough.
        start: pooling after which the part starts; None for the image.
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
    """3×3 convolution with zero padding. TensorFlow can fuse its bias and ReLU, which Keras's own layer prevents."""

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
    """Split an image into the sum of two bfloat16 images, because one alone would lose precision.

    With high = bfloat16(image) and low = bfloat16(image - high), map (batch, height, width, 3) to
    (batch, height, width, 9): high, high, low.
    """

    def call(self, image: tf.Tensor) -> tf.Tensor:
        high = tf.cast(image, tf.bfloat16)
        low = tf.cast(image - tf.cast(high, tf.float32), tf.bfloat16)
        return tf.concat([high, high, tf.stop_gradient(low)], axis=-1)


def _split_kernel(kernel: np.ndarray) -> np.ndarray:
    """Return the kernel for the output of `_SplitImage`: kernel_high and kernel_low for high, kernel_high for low."""
    high = kernel.astype(tf.bfloat16.as_numpy_dtype).astype(np.float32)
    return np.concatenate([high, kernel - high, high], axis=2)
