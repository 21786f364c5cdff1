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
from neural_style.vgg19_spec import DEFAULT_VARIANT, Variant

_POOL_PADDING = {"up": "same", "down": "valid"}
_MIRROR_MODES = {"replicate": "SYMMETRIC", "reflect": "REFLECT"}
"""Padding -> name of it in TensorFlow. With one position on each side, SYMMETRIC repeats the outermost."""

_AFTER_POOLING = frozenset(f"conv{block}_1" for block in range(2, len(vgg19_spec.BLOCKS) + 1))
"""Convolutions whose input is a pooled map."""

_LEAST_SQUARE = 2.0**-126
"""Smallest mean of squares that `_L2Pooling` distinguishes from 0: the smallest normal number of float32 and bfloat16.
Some processors take anything smaller for 0."""


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
    wraps: bool = False
    """Whether its maps continue at their opposite edges, as `Variant.padding` "wrap" says."""

    @classmethod
    def build(
        cls, weights: VGGWeights, layers: Iterable[str], variant: Variant = DEFAULT_VARIANT, precision: str = "float32"
    ) -> Network:
        """Build the network for some layers; `build_vgg19` explains the arguments."""
        layers = tuple(layers)
        model = build_vgg19(weights, layers, variant, precision) if layers else None
        return cls(model, weights.mean, precision, variant.rounding, variant.padding == "wrap")

    def features(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return layer -> feature map of an image. Call this inside a function that TensorFlow traces."""
        return dict(self.model(image)) if self.model else {}

    def maps_between(self, maps: tf.Tensor, layers: Collection[str], start: str | None) -> dict[str, tf.Tensor]:
        """Return the feature maps of a part of the network; `maps_between` explains the arguments."""
        return maps_between(self.model, maps, layers, start) if self.model and layers else {}


def build_vgg19(
    weights: VGGWeights, layers: Iterable[str], variant: Variant = DEFAULT_VARIANT, precision: str = "float32"
) -> keras.Model:
    """Build the network up to the deepest layer asked for.

    Args:
        weights: kernels and biases of at least the convolutions up to the deepest layer.
        layers: names of the outputs.
        variant: pooling and padding. Gatys et al. preferred the pooling "avg". anishathalye/neural-style rounds "up".
        precision: type of filters and feature maps: "float32", "bfloat16" or "float16".

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
    for conv in vgg19_spec.convs_up_to(layers):
        is_first, padding = conv == vgg19_spec.CONV_LAYERS[0], variant.padding_of(conv)
        if vgg19_spec.block_of(conv) != block:
            x = _pooling(variant, precision, f"pool{block}")(x)
            block += 1
        if padding != "zeros":
            x = _padding(padding, "float32" if is_first else precision, conv.replace("conv", "pad"))(x)
        if is_first and precision == "bfloat16":
            x = _SplitImage(dtype="float32", name="split_image")(x)
        outputs[conv] = _Convolution(conv, precision, "SAME" if padding == "zeros" else "VALID")(x)
        relu = conv.replace("conv", "relu")
        outputs[relu] = x = keras.layers.ReLU(dtype=precision, name=relu)(outputs[conv])
    model = keras.Model(image, {layer: outputs[layer] for layer in layers}, name="vgg19", trainable=False)
    for conv in vgg19_spec.convs_up_to(layers):
        kernel = weights.kernels[conv]
        if conv in _AFTER_POOLING:
            kernel = kernel * np.float32(variant.pooling_scale)
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
    """3×3 convolution. TensorFlow can fuse its bias and ReLU, which Keras's own layer prevents."""

    def __init__(self, name: str, precision: str, padding: str):
        channels = vgg19_spec.kernel_shape(name)[-1]
        super().__init__(
            channels,
            3,
            padding=padding,
            data_format="channels_last",
            kernel_initializer="zeros",
            dtype=precision,
            name=name,
        )

    def call(self, maps: tf.Tensor) -> tf.Tensor:
        return tf.nn.bias_add(tf.nn.conv2d(maps, self.kernel, 1, self.padding.upper()), self.bias)


class _Mirror(keras.layers.Layer):
    """Add one position on each side of a map: (batch, h, w, channels) to (batch, h + 2, w + 2, channels)."""

    def __init__(self, mode: str, precision: str, name: str):
        super().__init__(dtype=precision, name=name)
        self._mode = mode

    def call(self, maps: tf.Tensor) -> tf.Tensor:
        return tf.pad(maps, [[0, 0], [1, 1], [1, 1], [0, 0]], self._mode)


class _Wrap(keras.layers.Layer):
    """Add one position on each side of a map, from the opposite side; see `wrapped`."""

    def __init__(self, precision: str, name: str):
        super().__init__(dtype=precision, name=name)

    def call(self, maps: tf.Tensor) -> tf.Tensor:
        return wrapped(maps)


def _padding(padding: str, precision: str, name: str) -> keras.layers.Layer:
    """Return a layer that adds one position on each side of a map, as `Variant.padding` says."""
    return _Wrap(precision, name) if padding == "wrap" else _Mirror(_MIRROR_MODES[padding], precision, name)


def wrapped(maps: tf.Tensor) -> tf.Tensor:
    """Return maps with one more position on each side, from the opposite side.

    Both edges are taken in one slice, so that no tensor has more than two gradients, which are added in one order.

    Args:
        maps: (batch, h, w, channels), with at least 2 positions along each side.

    Returns:
        (batch, h + 2, w + 2, channels).
    """
    rows = maps[:, :: tf.shape(maps)[1] - 1]  # the first and the last
    tall = tf.concat([rows[:, 1:], maps, rows[:, :1]], axis=1)
    columns = tall[:, :, :: tf.shape(tall)[2] - 1]
    return tf.concat([columns[:, :, 1:], tall, columns[:, :, :1]], axis=2)


def _pooling(variant: Variant, precision: str, name: str) -> keras.layers.Layer:
    """Return a layer that pools 2×2 windows with stride 2, without the factor `Variant.pooling_scale`.

    The next convolution contains the factor in its kernel, since conv(s · x) = (s · kernel) * x + bias.
    """
    padding = _POOL_PADDING[variant.rounding]
    if variant.pooling == "l2":
        return _L2Pooling(padding, precision, name)
    kinds = {"max": keras.layers.MaxPooling2D, "avg": keras.layers.AveragePooling2D}
    return kinds[variant.pooling](2, 2, padding, "channels_last", dtype=precision, name=name)


class _L2Pooling(keras.layers.Layer):
    """Square root of the mean of the squares of 2×2 windows, with stride 2.

    The slope of the root is infinite at 0. Where a whole window is 0, as many are after a ReLU, the gradient is 0 here,
    which is a subgradient: the function has its minimum there.
    """

    def __init__(self, padding: str, precision: str, name: str):
        super().__init__(dtype=precision, name=name)
        self._padding = padding.upper()

    def call(self, maps: tf.Tensor) -> tf.Tensor:
        wide = tf.cast(maps, tf.float32) if maps.dtype == tf.float16 else maps  # squares exceed float16's range
        means = tf.nn.avg_pool2d(tf.square(wide), 2, 2, self._padding)
        is_zero = means < tf.constant(_LEAST_SQUARE, means.dtype)
        roots = tf.sqrt(tf.where(is_zero, tf.ones_like(means), means))
        return tf.cast(tf.where(is_zero, tf.zeros_like(roots), roots), maps.dtype)


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
