"""Hashes of files, and a memory for what was computed from a file, which is valid until the file changes."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

SETTLED = 2.0
"""Seconds for which a file must not have changed before anything is remembered of it.

File systems count time in steps of up to two seconds. A file that changes twice within one step looks the same.
"""


def file_hash(path: Path, algorithm: str) -> str:
    """Return the hex digest of a file as it is now, by the name of an algorithm of `hashlib`.

    Raises:
        OSError: the file cannot be read.
    """
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


class _Stamp(NamedTuple):
    """What changes when a file changes: its place on the disk, size in bytes and times in nanoseconds."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int

    @property
    def is_settled(self) -> bool:
        return time.time_ns() - max(self.modified, self.changed) > SETTLED * 1e9


def _stamp(path: Path) -> _Stamp:
    """Return a file's stamp. The file is opened for it, so that network file systems ask the server."""
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
    return _Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class FileCache(Generic[T]):
    """Values that were computed from files, each until its file changes. Threads may share it.

    Attributes:
        most: how many values to keep at most.
    """

    def __init__(self, most: int = 256) -> None:
        self.most = most
        self._values: dict[Hashable, tuple[_Stamp, T]] = {}
        self._lock = threading.Lock()

    def get(self, path: Path, what: Hashable, compute: Callable[[], T]) -> T:
        """Return the value that is remembered of a file, or else compute it.

        Args:
            path: the file.
            what: what is computed, such as the name of a hash algorithm.
            compute: computes it from the file as it is now.

        Raises:
            OSError: the file cannot be read. What else `compute` raises passes through.
        """
        known = self.remembered(path, what)
        if known is not None:
            return known
        stamp = _stamp(path)
        was_settled = stamp.is_settled
        value = compute()
        if was_settled and _stamp(path) == stamp:
            with self._lock:
                self._values[os.path.abspath(path), what] = stamp, value
                while len(self._values) > self.most:
                    del self._values[next(iter(self._values))]
        return value

    def remembered(self, path: Path, what: Hashable) -> T | None:
        """Return the value that is remembered of a file as it is now; None if there is none.

        Raises:
            OSError: the file cannot be read.
        """
        stamp, key = _stamp(path), (os.path.abspath(path), what)
        with self._lock:
            known = self._values.get(key)
        return known[1] if known and known[0] == stamp else None


_hashes: FileCache[str] = FileCache()


def cached_hash(path: Path, algorithm: str) -> str:
    """Return `file_hash`, from memory if the file has not changed since it was hashed.

    Raises:
        OSError: the file cannot be read.
    """
    return _hashes.get(path, algorithm, lambda: file_hash(path, algorithm))


def is_unchanged(path: Path, algorithm: str, digest: str) -> bool:
    """Whether a file is known, without hashing it again, to have a hash."""
    try:
        return _hashes.remembered(path, algorithm) == digest
    except OSError:
        return False
