"""The file of a checkpoint: named arrays and a text, in the safetensors format, with a hash over all of it.

https://huggingface.co/docs/safetensors says what the format is: the length of a header, the header in JSON, and the
arrays one after the other. Nothing in it is ever executed. Arrays are written one at a time, so that a checkpoint takes
hardly more memory than its largest array; the package `safetensors` reads it, and checks that the header is sound.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from neural_style.errors import CheckpointError

FORMAT = "neural-style checkpoint"
VERSION = "1"
"""Of the format. A file of another version is refused."""

SUFFIX = ".safetensors"

_TYPES = {
    "float32": "F32",
    "float64": "F64",
    "uint8": "U8",
    "uint16": "U16",
    "int32": "I32",
    "int64": "I64",
    "bool": "BOOL",
}
"""NumPy's name of a type -> that of the format."""

_ALIGNMENT = 8
"""The length of the header is a multiple of this many bytes."""


def write(path: Path, text: str, arrays: Mapping[str, Any]) -> None:
    """Write a file, over anything that is there.

    Args:
        path: the file.
        text: any text.
        arrays: arrays or tensors by name.

    Raises:
        OSError: the system does not let it be written.
    """
    header: dict[str, Any] = {}
    at = 0
    digest = _Digest(text)
    for name, values in sorted(arrays.items()):
        array = _contiguous(values)
        digest.add(name, array)
        header[name] = {
            "dtype": _TYPES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        at += array.nbytes
    metadata = {"format": FORMAT, "version": VERSION, "text": text, "sha256": digest.hex}
    encoded = json.dumps({"__metadata__": metadata, **header}).encode()
    encoded += b" " * (-len(encoded) % _ALIGNMENT)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(encoded)))
        file.write(encoded)
        for _, values in sorted(arrays.items()):
            file.write(_bytes_of(values))


def read(path: Path) -> tuple[str, dict[str, np.ndarray]]:
    """Read a file whole, and check it.

    Returns:
        Its text, and its arrays by name.

    Raises:
        CheckpointError: it is no such file, of another version, or damaged.
        OSError: the system does not let it be read.
    """
    from safetensors import SafetensorError, safe_open

    if not stat.S_ISREG(os.stat(path).st_mode):
        raise CheckpointError(f"{str(path)!r}: expected a file, got a folder, pipe or device")
    with open(path, "rb"):  # for the system's own reason, if it cannot be read
        pass
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise CheckpointError(f"{str(path)!r}: expected a checkpoint of this program, got another file")
            if metadata.get("version") != VERSION:
                raise CheckpointError(
                    f"{str(path)!r}: expected a checkpoint of format {VERSION}, got format "
                    f"{metadata.get('version')!r:.20}; go on with the version of the program that wrote it"
                )
            text = metadata.get("text", "")
            arrays = dict(_arrays(file))
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{str(path)!r}: expected a whole checkpoint, got a damaged one ({reason})") from error
    digest = _Digest(text)
    for name, array in sorted(arrays.items()):
        digest.add(name, array)
    if digest.hex != metadata.get("sha256"):
        raise CheckpointError(f"{str(path)!r}: expected a whole checkpoint, got a damaged one (its hash does not fit)")
    return text, arrays


class _Digest:
    """SHA-256 of a text, and of arrays with their names, types and shapes."""

    def __init__(self, text: str):
        self._hash = hashlib.sha256()
        self._add(VERSION.encode())
        self._add(text.encode())

    def add(self, name: str, array: np.ndarray) -> None:
        """Take one more array."""
        self._add(json.dumps([name, array.dtype.name, list(array.shape)]).encode())
        self._hash.update(_bytes_of(array))

    def _add(self, data: bytes) -> None:
        self._hash.update(struct.pack("<Q", len(data)) + data)

    @property
    def hex(self) -> str:
        return self._hash.hexdigest()


def _contiguous(values: Any) -> np.ndarray:
    """Return an array, or a tensor as one, without a copy where that is possible."""
    array = np.asarray(values)
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    return np.ascontiguousarray(array).reshape(array.shape)


def _bytes_of(values: Any) -> memoryview:
    """Return the bytes of an array or a tensor, without a copy where that is possible."""
    return _contiguous(values).reshape(-1).view(np.uint8).data


def _arrays(file: Any) -> Iterator[tuple[str, np.ndarray]]:
    for name in file.keys():  # noqa: SIM118 - this is no dictionary
        array = file.get_tensor(name)
        if array.dtype.name not in _TYPES:
            raise ValueError(f"an array of {array.dtype.name}")
        yield name, array
