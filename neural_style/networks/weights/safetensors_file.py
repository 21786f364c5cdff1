"""Weights in `.safetensors`: PyTorch's VGG19, as torchvision and timm name it, or arrays named as in our own `.npz`.

PyTorch's network expects RGB of 0 to 1, minus a mean pixel and over a deviation. The program's networks expect gray
levels of 0 to 255 minus a mean pixel. (p / 255 - m) / d = (p - 255 m) / (255 d), so the mean pixel becomes 255 m, and
the kernel of conv1_1 is divided by 255 d. What is beyond the picture's edge is 0 in both forms, so this is exact.

The package safetensors reads the tensors and checks that the header describes the file. It is imported on use.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from neural_style.config.config import OPTIONS
from neural_style.config.defaults import LEFT_TO_NETWORK
from neural_style.errors import UsageError, WeightsError
from neural_style.networks.weights.open_file import MOST_MEMBERS, REPLACE, OpenWeights, Pair, UnreadArray, plain
from neural_style.vgg19_spec import BLOCKS, CONV_LAYERS, IMAGENET_MEAN, keras_name

PYTORCH = "PyTorch safetensors"
SAFETENSORS = "safetensors"

TORCH_MEAN = (0.485, 0.456, 0.406)
TORCH_DEVIATION = (0.229, 0.224, 0.225)
"""By which torchvision normalizes a picture of 0 to 1, RGB."""

_MOST_HEADER = 1 << 20
"""Size limit of the header. VGG19's takes 4 kB."""

_TYPES = {"F16": "f2", "BF16": "f4", "F32": "f4", "F64": "f8"}
"""Floating-point types of the format -> the NumPy types that they are read as."""

_CAFFE_BIAS = (0.7301776, 0.06493629, 0.03428847, 0.8260386)
_CAFFE_SIZE = 0.19138958
"""The first biases of conv1_1, and the root mean square of its kernel, in the published VGG19 of Simonyan and
Zisserman. Its conversions for PyTorch have PyTorch's names and expect Caffe's input: BGR of 0 to 255 minus the mean."""


def is_safetensors(head: bytes) -> bool:
    """Return whether a file that begins with these bytes has this format: the size of a header, and the header."""
    return head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") < 1 << 40


@contextmanager
def open_safetensors(path: Path) -> Iterator[OpenWeights]:
    """Open a `.safetensors` file.

    Raises:
        WeightsError: it does not hold a VGG19, or names its arrays in another way.
    """
    import ml_dtypes  # noqa: F401 - now NumPy knows bfloat16
    from safetensors import safe_open

    rows, stated = _header(path)
    with safe_open(path, "numpy") as file:
        own = {keras_name(conv) for conv in CONV_LAYERS}
        is_own = any(name.rpartition("/")[0] in own for name in rows)
        named = _own_names(rows) if is_own else _torch_names(path, rows)
        form = _as_is if is_own else _from_torch
        arrays = {name: _Tensor(path, file, name, rows[name], form) for pair in named.values() for name in pair}
        convs: dict[str, Pair] = {conv: (arrays[kernel], arrays[bias]) for conv, (kernel, bias) in named.items()}
        layout = SAFETENSORS if is_own else PYTORCH
        if is_own or {"channel_order", "mean"} <= stated.keys():
            order, mean = _stated_input(path, stated)
            yield OpenWeights(layout, order, mean, "", convs, _stated_settings(path, stated))
        elif _is_caffe(convs):
            yield OpenWeights(layout, "BGR", IMAGENET_MEAN, "BGR with Caffe's mean pixel", convs)
        else:
            if "conv1_1" in convs:
                convs["conv1_1"] = _Scaled(convs["conv1_1"][0]), convs["conv1_1"][1]
            mean = [255 * value for value in TORCH_MEAN]
            yield OpenWeights(layout, "RGB", mean, "RGB with PyTorch's mean and deviation", convs)


# --- the header -------------------------------------------------------------------------------------------------------


def _header(path: Path) -> tuple[dict[str, Mapping[str, Any]], dict[str, str]]:
    """Return the header's rows by tensor, and the texts that the file states; refuse names that come twice."""
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > _MOST_HEADER:
            raise WeightsError(f"{path}: expected a header of at most {_MOST_HEADER} bytes, got {size}; {REPLACE}")
        text = file.read(size)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        row = dict(pairs)
        if len(row) < len(pairs):
            raise WeightsError(f"{path}: expected each name once in the header, got one twice; {REPLACE}")
        return row

    rows = json.loads(text, object_pairs_hook=unique)
    if len(rows) > MOST_MEMBERS:
        raise WeightsError(f"{path}: expected at most {MOST_MEMBERS} tensors, got {len(rows)}; {REPLACE}")
    return rows, rows.pop("__metadata__", None) or {}


def _stated_input(path: Path, stated: Mapping[str, str]) -> tuple[str, Any]:
    """Return channel order and mean pixel as the file states them."""
    for key, example in (("channel_order", "RGB"), ("mean", "123.68, 116.779, 103.939")):
        if key not in stated:
            raise WeightsError(
                f"{path}: expected the text `{key}` in the file's metadata, got none; save it with "
                f'metadata={{"{key}": "{example}", …}}, since a wrong guess would only show as worse pictures'
            )
    if stated["channel_order"] not in ("RGB", "BGR"):
        got = plain(repr(stated["channel_order"]))
        raise WeightsError(f"{path}: expected `channel_order` to be RGB or BGR, got {got}; save the right one")
    try:
        return stated["channel_order"], [float(value) for value in stated["mean"].strip("[]() ").split(",", 3)]
    except ValueError as error:
        got = plain(repr(stated["mean"]))
        raise WeightsError(f"{path}: expected `mean` to be three numbers with commas, got {got}; save them") from error


def _stated_settings(path: Path, stated: Mapping[str, str]) -> dict[str, Any]:
    """Return the options that suit the network, as the file states them, and check them."""
    try:
        return {name: OPTIONS[name].checked(_number(stated[name])) for name in LEFT_TO_NETWORK if name in stated}
    except UsageError as error:
        raise WeightsError(f"{path}: {plain(error, 400)}; save another, or none") from error


def _number(text: str) -> int | float | str:
    """Return a text as a number if it is one."""
    for kind in (int, float):
        try:
            return kind(text[:100])
        except ValueError:
            continue
    return text


# --- names ------------------------------------------------------------------------------------------------------------


def _own_names(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return the names of kernel and bias by convolution, where they are those of our own `.npz`."""
    pairs = {conv: (f"{keras_name(conv)}/kernel", f"{keras_name(conv)}/bias") for conv in CONV_LAYERS}
    return {conv: pair for conv, pair in pairs.items() if {*pair} <= {*names}}


def _places(counts: Iterable[int], step: int = 2) -> list[int]:
    """Return the places of convolutions in PyTorch's `features`, for a VGG with so many convolutions in each block.

    Args:
        counts: convolutions by block; a pooling follows each block.
        step: layers for each convolution: it and a ReLU, and perhaps a batch normalization between them.
    """
    places, place = [], 0
    for count in counts:
        places += [place + step * index for index in range(count)]
        place += step * count + 1
    return places


_COUNTS = [count for _, count in BLOCKS]
_CONV_AT = {str(place): conv for place, conv in zip(_places(_COUNTS), CONV_LAYERS, strict=True)}
"""Place in PyTorch's `features` -> convolution."""

_OTHERS = {"VGG11": (1, 1, 2, 2, 2), "VGG13": (2, 2, 2, 2, 2), "VGG16": (2, 2, 3, 3, 3)}
_TORCH_NAME = re.compile(
    r"(?:(.*\.)?features\.)?(\d{1,3})\.(weight|bias|running_mean)|(.*\.)?(conv\d_\d)\.(weight|bias)"
)


def _torch_names(path: Path, rows: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """Return the names of kernel and bias by convolution, in a state dict of PyTorch's VGG19.

    The names are `features.0.weight` and so on, after any prefix such as `module.`; `0.weight` and so on, of `features`
    alone; or Caffe's, `conv1_1.weight`.

    Raises:
        WeightsError: it is another network, or there are several.
    """
    layers: dict[str, dict[str, str]] = {}
    prefixes = set()
    for name in rows:
        match = _TORCH_NAME.fullmatch(name)
        if match:
            place, part = match[2] or match[5], match[3] or match[6]
            prefixes.add(name.removesuffix(f"{place}.{part}"))
            layers.setdefault(place, {})[part] = name
    if len(prefixes) > 1:
        raise WeightsError(f"{path}: expected one network, got several; give VGG19 alone")
    kernels = [
        place for place, names in layers.items() if "weight" in names and len(rows[names["weight"]]["shape"]) == 4
    ]
    at = _CONV_AT | {conv: conv for conv in CONV_LAYERS}
    other = None
    if any("running_mean" in names for names in layers.values()):
        other = "a network with batch normalization, such as vgg19_bn"
    elif any(place not in at for place in kernels):
        known = {tuple(map(str, _places(counts))): name for name, counts in _OTHERS.items()}
        other = known.get(tuple(sorted(kernels, key=lambda place: (len(place), place))), "convolutions at other places")
    elif not kernels:
        other = "none of its names, from features.0.weight to features.34.bias"
    if other:
        raise WeightsError(f"{path}: expected VGG19, got {other}; give PyTorch's vgg19")
    named = {at[place]: layers[place] for place in kernels}
    for conv, names in named.items():
        if "bias" not in names:
            raise WeightsError(f"{path}: expected a bias of {conv} beside its weight, got none; {REPLACE}")
    return {conv: (named[conv]["weight"], named[conv]["bias"]) for conv in CONV_LAYERS if conv in named}


# --- tensors ----------------------------------------------------------------------------------------------------------


def _as_is(values: Any) -> Any:
    return values


def _from_torch(values: Any) -> Any:
    """Return a kernel (out, in, height, width) as (height, width, in, out), and anything else as it is."""
    return np.transpose(values, (2, 3, 1, 0)) if np.ndim(values) == 4 else values


class _Tensor:
    """A tensor of a file. Shape and type are known from the header; `[()]` reads its values."""

    def __init__(self, path: Path, file: Any, name: str, row: Mapping[str, Any], form: Callable[[Any], Any]) -> None:
        if row["dtype"] not in _TYPES:
            kinds = ", ".join(_TYPES)
            raise WeightsError(
                f"{path}: expected {plain(name)} as one of {kinds}, got {plain(row['dtype'])}; {REPLACE}"
            )
        self._file, self._name, self._form = file, name, form
        self.dtype = np.dtype(_TYPES[row["dtype"]])
        shape = tuple(row["shape"])
        self.shape: tuple[int, ...] = (
            shape if form is _as_is or len(shape) != 4 else tuple(shape[at] for at in (2, 3, 1, 0))
        )

    def __getitem__(self, index: Any) -> Any:
        return self._form(self._file.get_tensor(self._name)).astype(self.dtype, copy=False)[index]


class _Scaled:
    """A kernel of conv1_1 that expects PyTorch's input, as one that expects gray levels minus the mean pixel."""

    def __init__(self, kernel: UnreadArray) -> None:
        self._kernel, self.shape, self.dtype = kernel, kernel.shape, np.dtype(np.float64)

    def __getitem__(self, index: Any) -> Any:
        deviation = np.reshape(TORCH_DEVIATION, (3, 1))
        return (np.asarray(self._kernel[()], np.float64) / (255 * deviation))[index]


def _is_caffe(convs: Mapping[str, Pair]) -> bool:
    """Return whether conv1_1 is that of the published VGG19 of Simonyan and Zisserman, as Caffe has it."""
    kernel, bias = convs.get("conv1_1", (None, None))
    if kernel is None or bias is None or kernel.shape != (3, 3, 3, 64) or bias.shape != (64,):
        return False
    size = np.sqrt(np.mean(np.square(kernel[()], dtype=np.float64)))
    first = bias[()][: len(_CAFFE_BIAS)]
    return bool(np.allclose(first, _CAFFE_BIAS, atol=0.01) and abs(size / _CAFFE_SIZE - 1) < 0.02)
