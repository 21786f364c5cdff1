"""VGG19 in training: its convolutions up to relu4_1, and the heads that give it something to learn.

Written with Keras 3 operations only, so that it runs on any of its backends.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from neural_style import vgg19_spec

TEMPERATURE = 0.15
"""Of the contrastive loss: similarities are divided by it."""

CONTRAST = {"relu2_2": 0.25, "relu3_1": 0.25, "relu3_4": 0.5, "relu4_1": 1.0}
"""Layers whose average over a crop must tell which crop is its pair, and the weight of each."""

RESTORATION = {"relu2_2": 0.5, "relu3_4": 1.0, "relu4_1": 1.0}
"""Layers from each position of which the undamaged pixels below it are predicted linearly, and the weight of each."""

SEEING = "relu4_1"
"""The deepest of these layers, the last to be trained; from its restoration the file's content layer is made."""

_EMBEDDING = 128


class Conv(keras.layers.Layer):
    """A 3×3 convolution with a ReLU whose responses are kept at mean 0 and deviation 1 before a learnt bias.

    Filters have length 1 and, but for those that see the picture itself, mean 0 (weight standardisation, Qiao et al.,
    arXiv:1903.10520). Responses are normalised by the mean and deviation of one crop in eight, with the corrections of
    batch renormalisation (Ioffe, arXiv:1702.03275), which no gradient passes through. Folded into the filters, this
    takes 1.4 times the time of none, where Keras's layer took 2.6 times on a CPU. Without, channels die.
    """

    momentum = 0.97
    sample = 8
    """One crop in this many is looked at."""

    def __init__(self, channels: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.channels = channels

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights, for a map of this shape."""
        shape = (3, 3, input_shape[-1], self.channels)
        self.kernel = self.add_weight(
            shape=shape, initializer=keras.initializers.Orthogonal(), autocast=False, name="kernel"
        )
        spread = keras.initializers.RandomNormal(-0.1, 0.4)  # some channels near linear, some rarely active
        self.bias = self.add_weight(shape=(self.channels,), initializer=spread, autocast=False, name="bias")
        self.mean = self.add_weight(
            shape=(self.channels,), initializer="zeros", trainable=False, autocast=False, name="mean"
        )
        self.deviation = self.add_weight(
            shape=(self.channels,), initializer="ones", trainable=False, autocast=False, name="deviation"
        )

    def filters(self) -> object:
        """The filters before scaling, (3, 3, in, out)."""
        kernel = ops.convert_to_tensor(self.kernel)
        if kernel.shape[2] > 3:  # the first filters may see a plain colour
            kernel = kernel - ops.mean(kernel, (0, 1, 2), keepdims=True)
        return kernel * ops.rsqrt(ops.sum(ops.square(kernel), (0, 1, 2), keepdims=True) + 1e-6)

    def call(self, maps: object, training: bool = False) -> object:
        """(n, height, width, in) to (n, height, width, out)."""
        if not training:
            kernel, bias = self.folded()
            return ops.relu(
                ops.conv(maps, ops.cast(kernel, self.compute_dtype), padding="same")
                + ops.cast(bias, self.compute_dtype)
            )
        filters = self.filters()
        some = ops.conv(maps[: maps.shape[0] // self.sample], ops.cast(filters, self.compute_dtype), padding="same")
        mean, variance = ops.moments(ops.cast(some, "float32"), (0, 1, 2))
        deviation = ops.sqrt(variance + 1e-5)
        change = ops.stop_gradient(ops.clip(deviation / self.deviation, 0.25, 4))
        offset = ops.stop_gradient(ops.clip((mean - self.mean) / self.deviation, -4, 4))
        kernel, bias = filters * (change / deviation), self.bias + offset - mean * (change / deviation)
        self.mean.assign(self.momentum * self.mean + (1 - self.momentum) * ops.stop_gradient(mean))
        self.deviation.assign(self.momentum * self.deviation + (1 - self.momentum) * ops.stop_gradient(deviation))
        response = ops.conv(maps, ops.cast(kernel, self.compute_dtype), padding="same")
        return ops.relu(response + ops.cast(bias, self.compute_dtype))

    def folded(self) -> tuple[object, object]:
        """Kernel, (3, 3, in, out), and bias, (out,), of the plain convolution that this one amounts to."""
        return self.filters() / self.deviation, self.bias - self.mean / self.deviation


class Trainee(keras.Model):
    """The convolutions up to `SEEING`, with heads, and the losses as `compute_loss`."""

    def __init__(
        self,
        redundancy: float = 0.0,
        restoration: float = RESTORATION[SEEING],
        **kwargs: object,
    ) -> None:
        """Build for crops of any size.

        Args:
            redundancy: weight of the mean over convolutions of `redundancy_loss`.
            restoration: weight of the restoration from `SEEING`.
            **kwargs: for Keras.
        """
        names = vgg19_spec.convs_up_to([SEEING])
        x = crops = keras.Input((None, None, 3))
        layers, block = {}, 1
        for name in names:
            if vgg19_spec.block_of(name) != block:
                x, block = keras.layers.MaxPooling2D(2)(x), block + 1
            layers[name.replace("conv", "relu")] = x = Conv(vgg19_spec.kernel_shape(name)[-1], name=name)(x)
        outputs = {}
        for layer in CONTRAST:
            pooled = keras.layers.GlobalAveragePooling2D(dtype="float32")(layers[layer])
            if layer == list(CONTRAST)[-1]:
                pooled = keras.layers.Dense(512, activation="relu", dtype="float32")(pooled)
            outputs[f"contrast_{layer}"] = keras.layers.Dense(_EMBEDDING, dtype="float32")(pooled)
        for layer in RESTORATION:
            stride = 2 ** (vgg19_spec.block_of(layer) - 1)
            head = keras.layers.Conv2D(3 * stride * stride, 1, name=f"restorer_{layer}")
            outputs[f"restored_{layer}"] = head(layers[layer])
        outputs |= {f"maps_{layer}": maps for layer, maps in layers.items()}
        super().__init__(crops, outputs, **kwargs)
        self.convs = [self.get_layer(name) for name in names]
        self.redundancy = redundancy
        self.restoration = RESTORATION | {SEEING: restoration}
        parts = [*(name for name in outputs if not name.startswith("maps_")), "redundancy"]
        self.parts = {name: keras.metrics.Mean(name=name) for name in parts}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The weighted sum of all heads' losses. `y` are the undamaged crops; pairs are as in `Crops.batch`."""
        total = 0.0
        for layer, weight in CONTRAST.items():
            part = contrastive_loss(y_pred[f"contrast_{layer}"])
            self.parts[f"contrast_{layer}"].update_state(part)
            total = total + weight * part
        for layer, weight in self.restoration.items():
            part = restoration_loss(y_pred[f"restored_{layer}"], y)
            self.parts[f"restored_{layer}"].update_state(part)
            total = total + weight * part
        layers = [maps for name, maps in y_pred.items() if name.startswith("maps_")]
        part = sum(redundancy_loss(maps[: maps.shape[0] // Conv.sample]) for maps in layers) / len(layers)
        self.parts["redundancy"].update_state(part)
        return total + self.redundancy * part

    def seeing(self) -> object:
        """What predicts, from `SEEING`, the pixels below each position: (channels, rows, columns, 3)."""
        kernel = self.get_layer(f"restorer_{SEEING}").kernel
        stride = 2 ** (vgg19_spec.block_of(SEEING) - 1)
        return ops.reshape(kernel, (-1, stride, stride, 3))

    def calibrate(self, crops: np.ndarray) -> None:
        """Begin the running statistics with those of some crops."""
        maps, block = ops.convert_to_tensor(crops, "float32"), 1
        for conv in self.convs:
            if vgg19_spec.block_of(conv.name) != block:
                maps, block = pool(maps), block + 1
            mean, variance = ops.moments(ops.conv(maps, conv.filters(), padding="same"), (0, 1, 2))
            conv.mean.assign(mean)
            conv.deviation.assign(ops.sqrt(variance + 1e-6))
            kernel, bias = conv.folded()
            maps = ops.relu(ops.conv(maps, kernel, padding="same") + bias)


def pool(maps: object) -> object:
    """Maps of half the size, by their largest values; on JAX, Keras wants the strides to be said."""
    return ops.max_pool(maps, 2, 2)


def contrastive_loss(embeddings: object) -> object:
    """NT-Xent (Chen et al., arXiv:2002.05709, eq. 1) of (2 pairs, length) embeddings; i and i + pairs are a pair."""
    count = ops.shape(embeddings)[0]
    unit = embeddings * ops.rsqrt(ops.sum(ops.square(embeddings), -1, keepdims=True) + 1e-6)
    similarity = ops.matmul(unit, ops.transpose(unit)) / TEMPERATURE
    similarity = similarity - 1e9 * ops.eye(count)
    partner = ops.roll(ops.arange(count), count // 2)
    return ops.mean(keras.losses.sparse_categorical_crossentropy(partner, similarity, from_logits=True))


def restoration_loss(predicted: object, crops: object) -> object:
    """Mean squared error of (n, h, w, 3 s²) predictions against (n, h s, w s, 3) pixels."""
    predicted = ops.cast(predicted, "float32")
    _, height, width, _ = predicted.shape
    stride = crops.shape[1] // height
    pixels = ops.reshape(crops, (-1, height, stride, width, stride, 3))
    pixels = ops.reshape(ops.transpose(pixels, (0, 1, 3, 2, 4, 5)), (-1, height, width, 3 * stride * stride))
    return ops.mean(ops.square(predicted - pixels))


def redundancy_loss(maps: object) -> object:
    """How alike the channels of (n, height, width, channels) are.

    It is the log of the mean, over channels, of the sum of squared correlations with all channels: 0 where none are
    correlated, and the log of their number where all say the same. In the way of Barlow Twins (Zbontar et al.,
    arXiv:2103.03230), but for the positions of a layer instead of embeddings of crops.
    """
    flat = ops.cast(ops.reshape(maps, (-1, maps.shape[-1])), "float32")
    flat = flat - ops.mean(flat, 0)
    covariance = ops.matmul(ops.transpose(flat), flat)
    size = ops.sqrt(ops.diagonal(covariance) + 1e-3)
    return ops.log(ops.sum(ops.square(covariance / size[:, None] / size)) / maps.shape[-1])
