"""Hashes of files, and a cache of values that were computed from files, each valid until its file changes."""

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
"""Seconds for which a file must be unchanged before anything about it is cached.

File systems count time in steps of up to two seconds. If a file changes twice within one step, it looks unchanged.
"""


def file_hash(path: Path, algorithm: str) -> str:
    """Return the hash of a file as it is now, in hex.

    Args:
        path: the file.
        algorithm: name of an algorithm in `hashlib`.

    Raises:
        OSError: the file cannot be read.
    """
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


class _Stamp(NamedTuple):
    """What changes when a file changes: place on the disk, size in bytes, and times in nanoseconds."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int

    @property
    def is_settled(self) -> bool:
        return time.time_ns() - max(self.modified, self.changed) > SETTLED * 1e9


def _stamp(path: Path) -> _Stamp:
    """Return a file's stamp. This opens the file, so that network file systems ask the server."""
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
    return _Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class FileCache(Generic[T]):
    """Values that were computed from files, each kept until its file changes. Threads may share it.

    Attributes:
        most: how many values are kept at most; None for any number.
    """

    def __init__(self, most: int | None = 256) -> None:
        self.most = most
        self._values: dict[Hashable, tuple[_Stamp, T]] = {}
        self._lock = threading.Lock()

    def get(self, path: Path, what: Hashable, compute: Callable[[], T]) -> T:
        """Return the cached value of a file, or compute it.

        Args:
            path: the file.
            what: what is computed, such as the name of a hash algorithm.
            compute: computes the value from the file as it is now.

        Raises:
            OSError: the file cannot be read. Other errors of `compute` pass through.
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
                while self.most is not None and len(self._values) > self.most:
                    del self._values[next(iter(self._values))]
        return value

    def remembered(self, path: Path, what: Hashable) -> T | None:
        """Return the cached value of a file as it is now; None if there is none.

        Raises:
            OSError: the file cannot be read.
        """
        stamp, key = _stamp(path), (os.path.abspath(path), what)
        with self._lock:
            known = self._values.get(key)
        return known[1] if known and known[0] == stamp else None


_hashes: FileCache[str] = FileCache()


def cached_hash(path: Path, algorithm: str, cache: FileCache[str] | None = None) -> str:
    """Return `file_hash`, from a cache if the file has not changed since it was hashed.

    Args:
        path: the file.
        algorithm: name of an algorithm in `hashlib`.
        cache: keeps the hash; by default the one that all callers share.

    Raises:
        OSError: the file cannot be read.
    """
    return (_hashes if cache is None else cache).get(path, algorithm, lambda: file_hash(path, algorithm))


def is_unchanged(path: Path, algorithm: str, digest: str) -> bool:
    """Return whether a file is known to have a hash, without hashing it again."""
    try:
        return _hashes.remembered(path, algorithm) == digest
    except OSError:
        return False
