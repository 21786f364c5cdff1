"""VGG19 as a frozen Keras model whose outputs are named relu1_1 … relu5_4, or conv* for pre-activations."""

from collections.abc import Iterable

import keras

from neural_style import architecture
from neural_style.errors import UsageError
from neural_style.weights import VGGWeights

_POOLING = {"max": keras.layers.MaxPooling2D, "avg": keras.layers.AveragePooling2D}


def build_vgg19(weights: VGGWeights, layers: Iterable[str], pooling: str = "max") -> keras.Model:
    """Build the network only as deep as the layers asked for.

    Args:
        weights: kernels and biases of at least the convolutions up to the deepest layer.
        layers: names of the outputs wanted.
        pooling: "max", as in the published network, or "avg", as Gatys et al. preferred.

    Returns:
        A frozen model from pictures, float32 (batch, height, width, 3), RGB of 0-255 less `weights.mean`, any size from
        32 px up, to a dictionary layer -> feature map, float32 (batch, height / 2ᵏ, width / 2ᵏ, channels) in block k+1.

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
    for conv in architecture.convs_up_to(layers):
        if architecture.block_of(conv) != block:
            x = _POOLING[pooling](2, 2, data_format="channels_last", dtype="float32", name=f"pool{block}")(x)
            block += 1
        outputs[conv] = _conv(conv)(x)
        relu = conv.replace("conv", "relu")
        outputs[relu] = x = keras.layers.ReLU(dtype="float32", name=relu)(outputs[conv])
    model = keras.Model(image, {layer: outputs[layer] for layer in layers}, name="vgg19", trainable=False)
    for conv in architecture.convs_up_to(layers):
        model.get_layer(conv).set_weights([weights.kernels[conv], weights.biases[conv]])
    return model


def _conv(name: str) -> keras.layers.Conv2D:
    return keras.layers.Conv2D(
        architecture.kernel_shape(name)[-1],
        3,
        padding="same",
        data_format="channels_last",
        dtype="float32",
        kernel_initializer="zeros",
        name=name,
    )
