"""The trained network as a weights file of the program: folded, filled up at random, and brought in balance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from keras import ops
from PIL import Image
from scipy.fft import dctn

from neural_style import vgg19_spec
from neural_style.files import write_atomically
from neural_style.networks.weights.random_filters import seeded_filters

from .crops import MEAN, SCALE
from .fields import Array
from .network import Trainee, pool

STYLE_STRENGTH = {"conv1_1": 3e7, "conv2_1": 5e6, "conv3_1": 1e6, "conv4_1": 1e6, "conv5_1": 1e6}
"""Mean square of the Gram matrix's entries at relu1_1 ... relu5_1, as the program normalises them.

At the default weights the style then outweighs total variation by far. The first layers hold the colours, which settle
slowly where they have no more say than the others.
"""

CONTENT_STRENGTH = 2000.0
"""Root mean square of the layers between them in blocks 4 and 5, the content layers relu4_2 and relu5_2 among them."""

PASSED, SPARSE = 0.7, -0.3
"""Mean of a random filter's response, in its standard deviations.

The first of filters that mix the channels of one position, so that most gets through the ReLU; the second of those that
see nine, which are to tell things apart.
"""

FINENESS = 0.7
"""What the predicted pixels are compared by: each frequency counts by this power of itself, since a photograph holds
less of the high ones."""

SETTINGS = {"initial_noiseblend": 0.0, "learning_rate": 3.0, "loss": "athalye", "preview_width": 256}
"""Options that suit the network where they are not given: to begin with the photograph, and not to lose it."""

SEEN = "conv4_2"
"""The convolution that predicts pixels."""

_SIDE = 256


def write(model: Trainee, path: Path, pictures: Sequence[Array]) -> None:
    """Write a trained network.

    The file is an .npz of the program's layout, in float16. Of random convolutions it holds no kernels, only what
    `seeded_filters` are to be multiplied with.

    Args:
        model: the network in training.
        path: where to.
        pictures: on which responses are measured, uint8 (height, width, 3).

    Raises:
        FloatingPointError: training went wrong; nothing is written.
    """
    maps = ops.convert_to_tensor(np.stack([_resized(picture) for picture in pictures]) - np.float32(MEAN))
    trained = {conv.name: conv for conv in model.convs}
    arrays = {"channel_order": np.array("RGB"), "mean": np.full(3, MEAN, np.float32)}
    arrays |= {name: np.array(value) for name, value in SETTINGS.items()}
    block, before = 1, 1.0
    for conv in vgg19_spec.CONV_LAYERS:
        if vgg19_spec.block_of(conv) != block:
            maps, block = pool(maps), block + 1
        if conv in trained:
            kernel, bias, scale = _trained(trained[conv])
        else:
            kernel, bias, scale = _seeing(model, maps) if conv == SEEN else _random(conv, maps)
        maps = ops.relu(ops.conv(maps, ops.convert_to_tensor(kernel * scale), padding="same") + bias)
        factor = _factor(conv, ops.convert_to_numpy(maps), before)
        held = {"bias": (bias * factor).astype(np.float32)}
        if conv in trained or conv == SEEN:
            held["kernel"] = (kernel * (factor / before)).astype(np.float16)
        else:
            held["scale"] = (scale * (factor / before)).astype(np.float32)
        if not all(np.isfinite(array).all() for array in held.values()):
            raise FloatingPointError(
                f"{conv} has weights that are not finite in float16; train anew with a lower --learning_rate"
            )
        arrays |= {f"{vgg19_spec.keras_name(conv)}/{part}": array for part, array in held.items()}
        before = factor
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: np.savez_compressed(file, **arrays), overwrite=True, option="workdir")


def _resized(picture: Array) -> Array:
    return np.asarray(Image.fromarray(picture).resize((_SIDE, _SIDE), Image.Resampling.LANCZOS), np.float32)


def _trained(conv: object) -> tuple[Array, Array, float]:
    """Kernel for pictures of 0-255 less the mean, bias, and 1."""
    kernel, bias = (np.asarray(ops.convert_to_numpy(part), np.float32) for part in conv.folded())
    return (kernel / SCALE if kernel.shape[2] == 3 else kernel), bias, 1.0


def _seeing(model: Trainee, maps: object) -> tuple[Array, Array, float]:
    """Kernel, bias and 1, of a layer whose Euclidean distance is about that of the pictures the network sees.

    It predicts the pixels below each position, as in training, weighs their frequencies, and mixes them at random: so
    the ReLU takes the same from each.
    """
    pixels = dctn(ops.convert_to_numpy(model.seeing()), axes=(1, 2), norm="ortho")
    rows, columns = np.indices(pixels.shape[1:3])
    pixels *= ((1 + rows**2 + columns**2) ** (FINENESS / 2))[..., None]
    pixels = pixels.reshape(len(pixels), -1)
    channels = vgg19_spec.kernel_shape(SEEN)[-1]
    mixing = np.linalg.qr(np.random.default_rng(0).standard_normal((channels, pixels.shape[1])))[0].T
    middle = np.float32(pixels @ mixing)
    response = ops.convert_to_numpy(maps).reshape(-1, len(middle)) @ middle
    middle /= response.std(0).mean()
    kernel = np.zeros((3, 3, *middle.shape), np.float32)
    kernel[1, 1] = middle
    return kernel, np.float32(PASSED) - response.mean(0) / response.std(0).mean(), 1.0


def _random(conv: str, maps: object) -> tuple[Array, Array, Array]:
    """Seeded filters, and the bias and the scale of each that give its response deviation 1 on these maps."""
    kernel = seeded_filters(conv)
    response = ops.convert_to_numpy(ops.conv(maps, ops.convert_to_tensor(kernel), padding="same"))
    scale = 1 / (response.std((0, 1, 2)) + 1e-6)
    return kernel, np.float32(SPARSE if conv.endswith("_1") else PASSED) - response.mean((0, 1, 2)) * scale, scale


def _factor(conv: str, maps: Array, before: float) -> float:
    """What a layer's output is to be multiplied with."""
    if conv in STYLE_STRENGTH:
        flat = maps.reshape(len(maps), -1, maps.shape[-1])
        gram = np.einsum("npi,npj->nij", flat, flat, optimize=True) / flat[0].size
        return float((STYLE_STRENGTH[conv] / np.mean(gram**2)) ** 0.25)
    if vgg19_spec.block_of(conv) >= 4:
        return CONTENT_STRENGTH / float(np.sqrt(np.mean(maps**2)))
    return before
