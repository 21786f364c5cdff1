"""The weights of one VGG19, and a cache of what the process has read, so that nothing is read or held twice."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import numpy as np

from neural_style.errors import WeightsError
from neural_style.hashing import is_unchanged
from neural_style.networks.weights import formats
from neural_style.networks.weights.formats import Contents
from neural_style.networks.weights.identity import Identity, hash_or_refuse


@dataclass(frozen=True)
class VGGWeights:
    """The convolutions of a VGG19, ready to be used.

    Attributes:
        kernels: float32 (3, 3, in, out), height × width × in × out, by convolution; conv1_1 expects RGB. Read-only. If
            this process has read the file before, they are read on first access, which raises WeightsError if the
            file has changed since `load`.
        biases: float32 (out,), by convolution, in the same way.
        mean: float32 (3,), RGB, 0-255, to be subtracted from a picture first.
        name: name of the weights for messages.
        path: the file; None for the built-in network, and if there are no layers and the weights have a name.
        settings: values of the options in `config.LEFT_TO_NETWORK` that suit this network, by name.
        source: name of the weights in the registry, such as "imagenet-8bit"; None for other files.
        digest: hash of the file, such as "sha256:af6f…"; empty if nothing was read.
    """

    kernels: Mapping[str, np.ndarray]
    biases: Mapping[str, np.ndarray]
    mean: np.ndarray
    name: str
    path: Path | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None
    digest: str = ""

    @property
    def reference(self) -> str:
        """The argument of `load` for exactly these weights: a name or an absolute path, `#` and the hash."""
        place = self.source or (os.path.abspath(self.path) if self.path else self.name)
        return f"{place}#{self.digest}" if self.digest else place


class _Reading(NamedTuple):
    """What determines the arrays that are read: the hash of the file, whether it is published, and how it is read."""

    digest: str
    convs: tuple[str, ...] | None
    channel_order: str | None
    mean: tuple[float, ...] | None
    is_known: bool


_MOST = 64
"""How many readings' facts are cached."""

_lock = threading.Lock()
_facts: dict[_Reading, tuple[Contents, tuple[str, ...]]] = {}  # without arrays; the convolutions that were read
_arrays: WeakValueDictionary[_Reading, Contents] = WeakValueDictionary()  # while anybody uses them


def read_once(path: Path, identity: Identity, convs: tuple[str, ...] | None) -> Contents:
    """Read a weights file like `formats.read`, but check each hash only once in this process.

    The first time, the arrays are read and every value is checked. Later, they are shared with other users of the same
    arrays, or else read on first access.

    Args:
        path: the file.
        identity: the hash of the file, and what the registry says about its channel order and mean.
        convs: the convolutions to read; None for all in the file.

    Raises:
        WeightsError: see `formats.read`.
    """
    entry = identity.entry
    order, mean = (entry.channel_order, entry.mean) if entry else (None, None)
    reading = _Reading(identity.digest, convs, order, mean, entry is not None)
    with _lock:
        contents = None
        if reading not in _facts:
            contents = _read(path, reading)
            if reading not in _arrays:  # the file may have changed meanwhile
                return contents
            while len(_facts) >= _MOST:
                del _facts[next(iter(_facts))]
            _facts[reading] = replace(contents, kernels={}, biases={}), tuple(contents.kernels)
        facts, names = _facts[reading]
    arrays = _FileArrays(path, reading, contents)
    kernels, biases = (_Lazy(arrays, part, names) for part in ("kernels", "biases"))
    return replace(facts, kernels=kernels, biases=biases, settings=dict(facts.settings))


def _read(path: Path, reading: _Reading) -> Contents:
    """Read arrays, and share them if they are certain to have the hash. The caller holds the lock."""
    contents = formats.read(path, reading.convs, reading.channel_order, reading.mean, reading.is_known)
    for array in (*contents.kernels.values(), *contents.biases.values(), contents.mean):
        array.flags.writeable = False
    algorithm, _, digest = reading.digest.partition(":")
    if is_unchanged(path, algorithm, digest):
        _arrays[reading] = contents
    return contents


class _FileArrays:
    """The arrays of a file, which are read on first access and kept.

    Attributes:
        path: the file.
        reading: the hash of the file, and how it is read.
        contents: the arrays; None if they are not read yet.
    """

    def __init__(self, path: Path, reading: _Reading, contents: Contents | None) -> None:
        self.path, self.reading, self.contents = Path(os.path.abspath(path)), reading, contents

    def read(self) -> Contents:
        """Return the arrays.

        Raises:
            WeightsError: the file has changed since `load`.
        """
        with _lock:
            self.contents = self.contents or _arrays.get(self.reading) or self._read_unchanged()
            return self.contents

    def _read_unchanged(self) -> Contents:
        algorithm, _, digest = self.reading.digest.partition(":")
        got = hash_or_refuse(self.path, algorithm)
        if got != digest:
            raise WeightsError(
                f"{self.path}: expected the file that was loaded before, {algorithm} {digest}, got {got}; "
                "load the weights again"
            )
        return _read(self.path, self.reading)


class _Lazy(Mapping[str, np.ndarray]):
    """Kernels or biases by convolution, read on first access. A pickle contains their values."""

    def __init__(self, arrays: _FileArrays, part: str, names: tuple[str, ...]) -> None:
        self._arrays, self._part, self._names = arrays, part, names

    def __getitem__(self, conv: str) -> np.ndarray:
        if conv not in self._names:
            raise KeyError(conv)
        values: Mapping[str, np.ndarray] = getattr(self._arrays.read(), self._part)
        return values[conv]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, conv: object) -> bool:
        return conv in self._names

    def __repr__(self) -> str:
        return f"<{self._part} of {', '.join(self._names)} in {self._arrays.path}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self.items()),)
