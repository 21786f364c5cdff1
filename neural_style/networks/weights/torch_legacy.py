"""Read tensors in the file layout of PyTorch before 1.6, without PyTorch and without running arbitrary pickles.

Such a file is a sequence of pickles: a magic number, the version of the layout, facts about the writer's machine, an
object with tensors, and the keys of the storages. For each key, a count (8 bytes, little-endian) and that many raw
values follow.

A pickle is a program. So each pickle is first checked to contain only the instructions that tensors need. It is then
run with only four names, each of which stands for a function of this module or a NumPy type.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001

_ALLOWED = frozenset(
    {
        *("PROTO", "STOP", "MARK", "GLOBAL", "REDUCE", "BINPERSID", "EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE"),
        *("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "SETITEM", "SETITEMS", "APPEND", "APPENDS", "BINPUT", "LONG_BINPUT"),
        *("BINGET", "LONG_BINGET", "BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE", "NONE", "NEWTRUE"),
        "NEWFALSE",
    }
)
"""The instructions of pickles that build numbers, texts and containers, or call one of the names of `_Unpickler`."""

_MOST_BYTES = 1 << 20
"""Size limit of one pickle. Those of a network take some kilobytes, because the values come after the pickles."""


@dataclass(frozen=True)
class _Storage:
    """Values that come after the pickles: their key, type and count."""

    key: str
    dtype: np.dtype
    count: int


@dataclass(frozen=True)
class _Tensor:
    """Part of a storage: values from `offset` on, with a step along each axis, counted in values."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read(data: bytes) -> dict[str, np.ndarray]:
    """Return the tensors of a file that holds a dict of them, by name.

    The memory that this takes depends on the size of the file, never on what the file claims to hold.

    Args:
        data: the whole file.

    Returns:
        Contiguous arrays, float32 or uint8.

    Raises:
        ValueError: the file has another layout, is damaged or cut off, or holds anything but such tensors.
    """
    stream = io.BytesIO(data)
    if _unpickled(stream) != _MAGIC or _unpickled(stream) != _VERSION:
        raise ValueError("not in PyTorch's old layout")
    machine = _unpickled(stream)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise ValueError("not written by a little-endian machine")
    tensors, keys = _unpickled(stream), _unpickled(stream)
    if not isinstance(tensors, dict) or not all(
        isinstance(name, str) and isinstance(tensor, _Tensor) for name, tensor in tensors.items()
    ):
        raise ValueError("not a dict of tensors")
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    if len(storages) < len(tensors):
        raise ValueError("tensors that share their values")
    values = _values(stream, keys, storages)
    return {name: _array(name, tensor, values) for name, tensor in tensors.items()}


def _unpickled(stream: io.BytesIO) -> Any:
    """Return the next object, once every instruction of its pickle is known to be harmless."""
    start = stream.tell()
    try:
        for count, (instruction, argument, place) in enumerate(pickletools.genops(stream)):
            if instruction.name not in _ALLOWED:
                raise ValueError(f"a pickle with the instruction {instruction.name}, which tensors do not need")
            if instruction.name == "LONG_BINPUT" and argument and argument > count:
                raise ValueError("a pickle that wants room to remember more than it holds")
            if place is not None and place - start > _MOST_BYTES:
                raise ValueError(f"a pickle of more than {_MOST_BYTES} bytes")
        end = stream.tell()
        stream.seek(start)
        return _Unpickler(io.BytesIO(stream.read(end - start))).load()
    except ValueError:
        raise
    except Exception as error:  # of any kind that a damaged pickle may raise
        raise ValueError(f"a damaged pickle ({' '.join(str(error).split()) or type(error).__name__})") from error


class _Unpickler(pickle.Unpickler):
    """An unpickler that knows only the names that a dict of tensors needs, and an object of our own for each."""

    def find_class(self, module: str, name: str) -> Any:
        known = {
            "collections.OrderedDict": _no_hooks,
            "torch._utils._rebuild_tensor_v2": _tensor,
            "torch.FloatStorage": np.dtype("<f4"),
            "torch.ByteStorage": np.dtype("u1"),
        }
        if f"{module}.{name}" not in known:
            raise ValueError(f"a pickle that asks for {module}.{name}, which tensors do not need")
        return known[f"{module}.{name}"]

    def persistent_load(self, reference: Any) -> _Storage:
        match reference:
            case ("storage", np.dtype() as dtype, str() as key, "cpu", int() as count, None) if count >= 0:
                return _Storage(key, dtype, count)
        raise ValueError("a reference to something else than a storage")


def _no_hooks(*arguments: Any) -> dict:
    """Return the hooks of a tensor, which must be none."""
    if arguments:
        raise ValueError("a tensor with hooks")
    return {}


def _tensor(*arguments: Any) -> _Tensor:
    """Stand in for PyTorch's `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)`."""
    match arguments:
        case (_Storage() as storage, offset, tuple() as shape, tuple() as strides, False, dict() as hooks):
            whole = all(type(number) is int and number >= 0 for number in (offset, *shape, *strides))
            if whole and len(shape) == len(strides) <= 8 and not hooks:
                return _Tensor(storage, offset, shape, strides)
    raise ValueError("a tensor that cannot be")


def _values(stream: io.BytesIO, keys: Any, storages: Mapping[str, _Storage]) -> dict[str, np.ndarray]:
    """Return the values of each storage. In the order of the keys, they must fill exactly the rest of the file."""
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or sorted(keys) != sorted(storages):
        raise ValueError("other storages than its tensors need")
    rest = stream.getbuffer()[stream.tell() :]
    needed = sum(8 + storage.count * storage.dtype.itemsize for storage in storages.values())
    if needed != len(rest):
        raise ValueError(f"expected {needed} bytes of values, got {len(rest)}")
    values, place = {}, 0
    for key in keys:
        storage = storages[key]
        count = int.from_bytes(rest[place : place + 8], "little")
        if count != storage.count:
            raise ValueError(f"a storage of {count} values, where {storage.count} were announced")
        values[key] = np.frombuffer(rest, storage.dtype, count, place + 8)
        place += 8 + count * storage.dtype.itemsize
    return values


def _array(name: str, tensor: _Tensor, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Copy a tensor's values. Raise ValueError if some are outside its storage, or they are more than the storage."""
    stored = values[tensor.storage.key]
    size = 1
    for side in tensor.shape:
        size *= side
    last = tensor.offset + sum((side - 1) * step for side, step in zip(tensor.shape, tensor.strides, strict=True))
    if size > len(stored) or (size and last >= len(stored)):
        raise ValueError(f"{name}: a tensor that reaches beyond its storage")
    if not size:
        return np.empty(tensor.shape, stored.dtype)
    steps = [step * stored.itemsize for step in tensor.strides]
    view = np.lib.stride_tricks.as_strided(stored[tensor.offset :], tensor.shape, steps, writeable=False)
    return np.ascontiguousarray(view)
