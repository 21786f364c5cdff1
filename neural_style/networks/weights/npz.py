"""The program's own layout: an `.npz` with kernels stored whole, with palettes, or as scales of random filters."""

from __future__ import annotations

import io
import math
import os
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from neural_style.config.config import OPTIONS
from neural_style.config.defaults import LEFT_TO_NETWORK
from neural_style.errors import UsageError, WeightsError
from neural_style.networks.weights.open_file import (
    MOST_MEMBERS,
    REPLACE,
    SMALL_BYTES,
    OpenWeights,
    Pair,
    UnreadArray,
    plain,
    text,
)
from neural_style.networks.weights.random_filters import seeded_filters
from neural_style.networks.weights.torch_pickles import torch_pickle
from neural_style.vgg19_spec import CONV_LAYERS, keras_name, kernel_shape

NPZ = "npz"

_MOST_AT_ONCE = 1 << 20
"""Size limit of a ZIP's directory, and of one read."""

_HEADER_BYTES = 1 << 14
"""Bytes at the beginning of an array that hold its header. NumPy takes headers of up to 10,000 bytes."""


@contextmanager
def open_npz(path: Path) -> Iterator[OpenWeights]:
    """Open an `.npz` of weights.

    Raises:
        WeightsError: it is another kind of ZIP, or lacks the channel order, the mean pixel, or an array of a layer.
    """
    with _BoundedFile(path) as file, zipfile.ZipFile(file) as zipped:
        archive = _Archive(path, zipped)
        for key, example in (("channel_order", '"RGB"'), ("mean", "[123.68, 116.779, 103.939]")):
            if key not in archive:
                raise WeightsError(
                    f"{path}: expected the key `{key}`, got an .npz without it; save it with {key}={example}, "
                    "since a wrong guess would only show as worse pictures"
                )
        order = text(archive.small("channel_order"))
        if order not in ("RGB", "BGR"):
            raise WeightsError(
                f"{path}: expected `channel_order` to be RGB or BGR, got {plain(repr(order))}; save the right one"
            )
        convs = dict(_pairs(path, archive))
        yield OpenWeights(NPZ, order, archive.small("mean"), "", convs, _settings(path, archive))


class _BoundedFile(io.FileIO):
    """A file that refuses to read much at once, since a ZIP may say that its directory is of any size."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._size = os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to `size` bytes, or all that are left."""
        left = max(self._size - self.tell(), 0)
        count = left if size is None or size < 0 else min(size, left)
        if count > _MOST_AT_ONCE:
            raise ValueError(f"a directory or a comment of {count} bytes")
        return super().read(count)


class _Archive:
    """The arrays of an `.npz`, by name. An array's header is read without its values."""

    def __init__(self, path: Path, zipped: zipfile.ZipFile) -> None:
        self._path, self._zip = path, zipped
        infos = zipped.infolist()
        names = [info.filename for info in infos]
        if not any(name.endswith(".npy") for name in names):
            if "model.weights.h5" in names:
                raise WeightsError(
                    f"{path}: expected weights, got a whole .keras model; save them with model.save_weights"
                )
            if any(name.endswith("/data.pkl") for name in names):
                raise WeightsError(f"{path}: expected weights without code, got {torch_pickle(path)}")
            raise WeightsError(f"{path}: expected an .npz, got a ZIP of another kind; {REPLACE}")
        if len(infos) > MOST_MEMBERS:
            raise WeightsError(f"{path}: expected at most {MOST_MEMBERS} arrays, got {len(infos)}; {REPLACE}")
        for name, count in Counter(names).items():
            if count > 1:
                raise WeightsError(f"{path}: expected each array once, got {count} named {plain(name)}; {REPLACE}")
        self._members = {info.filename.removesuffix(".npy"): info for info in infos if info.filename.endswith(".npy")}

    def __contains__(self, key: str) -> bool:
        return key in self._members

    def header(self, key: str) -> tuple[tuple[int, ...], np.dtype]:
        """Return shape and type of an array."""
        with self._open(key) as member:
            start = io.BytesIO(member.read(_HEADER_BYTES))  # a header may say that it is of any size
        version = np.lib.format.read_magic(start)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(start)
        return shape, dtype

    def small(self, key: str) -> np.ndarray:
        """Return an array that is neither a kernel nor a bias, unless it is too large for that."""
        shape, dtype = self.header(key)
        if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize > SMALL_BYTES:
            raise WeightsError(
                f"{self._path}: expected `{key}` to take at most {SMALL_BYTES} bytes, "
                f"got {plain(dtype)} {plain(shape)}; {REPLACE}"
            )
        return self.read(key)

    def read(self, key: str) -> np.ndarray:
        """Return an array, whose shape and type are known to be right."""
        with self._open(key) as member:
            return np.lib.format.read_array(member, allow_pickle=False)

    def _open(self, key: str) -> IO[bytes]:
        info = self._members[key]
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise WeightsError(
                f"{self._path}: expected arrays stored plainly or deflated, got {key} compressed otherwise; {REPLACE}"
            )
        return self._zip.open(info)


def _settings(path: Path, archive: _Archive) -> dict[str, Any]:
    """Read the options that suit the network, each a number or a text, and check them."""
    values = {name: archive.small(name) for name in LEFT_TO_NETWORK if name in archive}
    for name, value in values.items():
        if value.shape != ():
            raise WeightsError(f"{path}: {name}: expected a number, got an array of shape {value.shape}")
    try:
        return {name: OPTIONS[name].checked(value.item()) for name, value in values.items()}
    except UsageError as error:
        raise WeightsError(f"{path}: {plain(error, 400)}; save another, or none") from error


def _pairs(path: Path, archive: _Archive) -> Iterator[tuple[str, Pair]]:
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
            kernel = _PaletteKernel(
                path, conv, _StoredArray(archive, keys["index"]), _StoredArray(archive, keys["palette"])
            )
        else:
            kernel = _ScaledRandomKernel(conv, _StoredArray(archive, keys["scale"]))
        yield conv, (kernel, _StoredArray(archive, keys["bias"]))


class _StoredArray:
    """An array of an .npz. Shape and type are known from its header; `[()]` reads its values."""

    def __init__(self, archive: _Archive, key: str) -> None:
        self._archive, self._key = archive, key
        self.shape, self.dtype = archive.header(key)

    def __getitem__(self, index: Any) -> Any:
        return self._archive.read(self._key)[index]


class _ScaledRandomKernel:
    """A kernel stored as one scale per filter, (out,). `[()]` makes the random filters and scales them."""

    def __init__(self, conv: str, scale: _StoredArray) -> None:
        self._conv, self._scale = conv, scale
        self.shape: tuple[int, ...] = (*kernel_shape(conv)[:3], *scale.shape)
        self.dtype = scale.dtype

    def __getitem__(self, index: Any) -> Any:
        return (seeded_filters(self._conv) * self._scale[()])[index]


class _PaletteKernel:
    """A kernel stored as a palette, float (values,), and the index of each weight in it, uint8. `[()]` reads it."""

    def __init__(self, path: Path, conv: str, index: _StoredArray, palette: _StoredArray) -> None:
        if index.dtype != np.uint8:
            raise WeightsError(f"{path}: expected {conv}'s index as uint8, got {plain(index.dtype)}; {REPLACE}")
        if palette.dtype.kind != "f" or len(palette.shape) != 1 or not 0 <= palette.shape[0] <= 256:
            raise WeightsError(
                f"{path}: expected {conv}'s palette as a row of up to 256 floating-point numbers, got "
                f"{plain(palette.dtype)} {palette.shape}; {REPLACE}"
            )
        self._path, self._conv, self._index, self._palette = path, conv, index, palette
        self.shape, self.dtype = index.shape, palette.dtype

    def __getitem__(self, index: Any) -> Any:
        places, palette = self._index[()], self._palette[()]
        last = places.max(initial=0)
        if last >= len(palette):
            raise WeightsError(
                f"{self._path}: expected {self._conv}'s index below {len(palette)}, the size of its palette, "
                f"got {last}; {REPLACE}"
            )
        return palette.astype(np.float32)[places][index]
