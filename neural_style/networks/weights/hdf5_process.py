"""Read HDF5 files of unknown origin in a process of their own.

The HDF5 library is written in C. A file that was damaged or made on purpose can have it loop without end, crash, or
take any amount of memory, and Python cannot stop it. So a second process opens the file. This process asks it for
shapes and arrays, checks what comes, and ends it when it takes too long. Files with a published hash need no such care.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from neural_style.errors import WeightsError
from neural_style.networks.weights.keras_hdf5 import open_hdf5
from neural_style.networks.weights.open_file import OpenWeights, Pair, plain

LIMIT = 30.0
"""Seconds that the process may take to open the file, or to read one array."""

_MOST_MEMORY = 1 << 29
"""Bytes that it may allocate, where the system can limit that."""

_MOST_LINE = 1 << 20
_START = """
import json, sys, types
name, package, sys.path[:], folders = sys.argv[1], sys.argv[2], *map(json.loads, sys.argv[3:])
sys.modules[package] = types.ModuleType(package)  # in place of the real one, whose imports would take thrice the time
sys.modules[package].__path__ = folders
from neural_style.networks.weights import hdf5_process
hdf5_process.serve(name)
"""


@contextmanager
def open_apart(path: Path) -> Iterator[OpenWeights]:
    """Open an HDF5 file like `keras_hdf5.open_hdf5`, in another process.

    Raises:
        WeightsError: see `open_hdf5`; or the process cannot be started.
        ValueError: the file is damaged.
    """
    child = _Child(path)
    try:
        row = child.answer()
        convs: dict[str, Pair] = {}
        for conv, *parts in row["convs"]:
            kernel, bias = (_RemoteArray(child, conv, index, *part) for index, part in enumerate(parts))
            convs[str(conv)] = kernel, bias
        yield OpenWeights(row["layout"], row["channel_order"], row["mean"], row["assumed"], convs)
    finally:
        child.end()


class _Child:
    """The other process. It answers each request with a line of JSON, which bytes may follow."""

    def __init__(self, path: Path) -> None:
        places = json.dumps([place for place in sys.path if isinstance(place, str)])
        package = __name__.rpartition(".")[0]
        folders = json.dumps(list(sys.modules[package].__path__))
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, str(path), package, places, folders],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            reason = error.strerror or error
            raise WeightsError(f"{path}: expected to start {sys.executable}, which reads HDF5, but {reason}") from error
        assert self._process.stdin and self._process.stdout
        self._requests, self._answers = self._process.stdin, self._process.stdout

    def answer(self, request: str = "", size: int = 0) -> Any:
        """Return the answer to a request: an object, or so many bytes if `size` is given."""
        timer = threading.Timer(LIMIT, self._process.kill)
        timer.start()
        try:
            if request:
                self._requests.write(request.encode() + b"\n")
                self._requests.flush()
            line = self._answers.readline(_MOST_LINE)
            if not line.endswith(b"\n"):
                raise ValueError("the HDF5 library does not come to an end with it, or crashes")
            row = json.loads(line)
            if "refused" in row:
                raise WeightsError(row["refused"])
            if "damaged" in row:
                raise ValueError(row["damaged"])
            return self._answers.read(size) if size else row
        finally:
            timer.cancel()

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError):
            self._requests.close()
        self._answers.close()


class _RemoteArray:
    """An array in the file. Shape and type are known; `[()]` asks the other process for its values."""

    def __init__(self, child: _Child, conv: str, index: int, shape: list[int], dtype: str) -> None:
        self._child, self._request = child, json.dumps([conv, index])
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)

    def __getitem__(self, index: Any) -> Any:
        size = math.prod(self.shape) * self.dtype.itemsize
        data = self._child.answer(self._request, size)
        return np.frombuffer(data, self.dtype).reshape(self.shape)[index]


# --- in the other process ---------------------------------------------------------------------------------------------


def serve(name: str) -> None:
    """Open a file, write what is in it to standard output, and answer requests for its arrays from standard input."""
    import h5py  # noqa: F401 - before memory is limited

    _limit_memory()
    try:
        with open_hdf5(Path(name)) as file:
            rows = [
                (conv, *((list(array.shape), array.dtype.str) for array in pair)) for conv, pair in file.convs.items()
            ]
            parts = {"layout": file.layout, "channel_order": file.channel_order, "assumed": file.assumed}
            _send(parts | {"mean": list(file.mean), "convs": rows})
            for line in sys.stdin:
                conv, index = json.loads(line)
                data = np.ascontiguousarray(file.convs[conv][index][()]).tobytes()
                _send({}, data)
    except WeightsError as error:
        _send({"refused": str(error)})
    except MemoryError:
        _send({"damaged": "it asks for too much memory"})
    except Exception as error:
        _send({"damaged": plain(error) or type(error).__name__})
    finally:
        os._exit(0)  # without closing a file that the library may not be able to close


def _send(row: dict[str, Any], data: bytes = b"") -> None:
    sys.stdout.buffer.write(json.dumps(row).encode() + b"\n" + data)
    sys.stdout.buffer.flush()


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):  # Windows has no such limit
        import resource

        import psutil

        most = psutil.Process().memory_info().vms + _MOST_MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
