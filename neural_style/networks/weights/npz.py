"""The program's own layout: an `.npz` with kernels stored whole, with palettes, or as scales of random filters."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from neural_style.config.config import OPTIONS
from neural_style.config.defaults import LEFT_TO_NETWORK
from neural_style.errors import UsageError, WeightsError
from neural_style.networks.weights.open_file import REPLACE, OpenWeights, Pair, UnreadArray, text
from neural_style.networks.weights.random_filters import seeded_filters
from neural_style.vgg19_spec import CONV_LAYERS, keras_name, kernel_shape

NPZ = "npz"


@contextmanager
def open_npz(path: Path) -> Iterator[OpenWeights]:
    """Open an `.npz` of weights.

    Raises:
        WeightsError: it is another kind of ZIP, or lacks the channel order, the mean pixel, or an array of a layer.
    """
    _check_zip(path)
    with np.load(path, allow_pickle=False) as archive:
        for key, example in (("channel_order", '"RGB"'), ("mean", "[123.68, 116.779, 103.939]")):
            if key not in archive:
                raise WeightsError(
                    f"{path}: expected the key `{key}`, got an .npz without it; save it with {key}={example}, "
                    "since a wrong guess would only show as worse pictures"
                )
        order = text(archive["channel_order"])
        if order not in ("RGB", "BGR"):
            raise WeightsError(f"{path}: expected `channel_order` to be RGB or BGR, got {order!r}; save the right one")
        convs = dict(_pairs(path, archive))
        yield OpenWeights(NPZ, order, archive["mean"], False, convs, _settings(path, archive))


def _check_zip(path: Path) -> None:
    """Raise WeightsError for a ZIP that is not an .npz."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if any(name.endswith(".npy") for name in names):
        return
    if "model.weights.h5" in names:
        raise WeightsError(f"{path}: expected weights, got a whole .keras model; save them with model.save_weights")
    raise WeightsError(f"{path}: expected an .npz, got a ZIP of another kind (PyTorch, perhaps); {REPLACE}")


def _settings(path: Path, archive: Any) -> dict[str, Any]:
    """Read the options that suit the network, each a number or a text, and check them."""
    values = {name: archive[name] for name in LEFT_TO_NETWORK if name in archive}
    for name, value in values.items():
        if value.shape != ():
            raise WeightsError(f"{path}: {name}: expected a number, got an array of shape {value.shape}")
    try:
        return {name: OPTIONS[name].checked(value.item()) for name, value in values.items()}
    except UsageError as error:
        raise WeightsError(f"{path}: {error}; save another, or none") from error


def _pairs(path: Path, archive: Any) -> Iterator[tuple[str, Pair]]:
    """Yield kernel and bias of each convolution in the archive, shallow to deep."""
    for conv in CONV_LAYERS:
        keys = {part: f"{keras_name(conv)}/{part}" for part in ("kernel", "scale", "index", "palette", "bias")}
        stored = {part for part, key in keys.items() if key in archive}
        if not stored & {"kernel", "scale", "index"}:
            continue
        for part, whose in (("bias", "kernel"), *([("palette", "index")] if "index" in stored else [])):
            if part not in stored:
                raise WeightsError(
                    f"{path}: expected {conv}'s {part} beside its {whose}, got no key `{keys[part]}`; {REPLACE}"
                )
        kernel: UnreadArray
        if "kernel" in stored:
            kernel = _StoredArray(archive, keys["kernel"])
        elif "index" in stored:
            kernel = _PaletteKernel(path, conv, _StoredArray(archive, keys["index"]), archive[keys["palette"]])
        else:
            kernel = _ScaledRandomKernel(conv, archive[keys["scale"]])
        yield conv, (kernel, _StoredArray(archive, keys["bias"]))


class _StoredArray:
    """An array of an .npz. Shape and type are known from its header; `[()]` reads its values."""

    def __init__(self, archive: Any, key: str) -> None:
        self._archive, self._key = archive, key
        with archive.zip.open(f"{key}.npy") as file:
            version = np.lib.format.read_magic(file)
            header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, self.dtype = header(file)
        self.shape: tuple[int, ...] = shape

    def __getitem__(self, index: Any) -> Any:
        return self._archive[self._key][index]


class _ScaledRandomKernel:
    """A kernel stored as one scale per filter, (out,). `[()]` makes the random filters and scales them."""

    def __init__(self, conv: str, scale: np.ndarray) -> None:
        self._conv, self._scale = conv, scale
        self.shape: tuple[int, ...] = (*kernel_shape(conv)[:3], *scale.shape)

    def __getitem__(self, index: Any) -> Any:
        return (seeded_filters(self._conv) * self._scale)[index]


class _PaletteKernel:
    """A kernel stored as a palette, float (values,), and the index of each weight in it, uint8. `[()]` reads it."""

    def __init__(self, path: Path, conv: str, index: _StoredArray, palette: np.ndarray) -> None:
        if index.dtype != np.uint8:
            raise WeightsError(f"{path}: expected {conv}'s index as uint8, got {index.dtype}; {REPLACE}")
        if palette.dtype.kind != "f" or palette.ndim != 1:
            raise WeightsError(
                f"{path}: expected {conv}'s palette as a row of floating-point numbers, got {palette.dtype} "
                f"{palette.shape}; {REPLACE}"
            )
        self._path, self._conv, self._index, self._palette = path, conv, index, palette
        self.shape = index.shape

    def __getitem__(self, index: Any) -> Any:
        places = self._index[()]
        last = places.max(initial=0)
        if last >= len(self._palette):
            raise WeightsError(
                f"{self._path}: expected {self._conv}'s index below {len(self._palette)}, the size of its palette, "
                f"got {last}; {REPLACE}"
            )
        return self._palette.astype(np.float32)[places][index]
