"""Identify published files by their hashes."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from neural_style.errors import WeightsError
from neural_style.hashing import cached_hash
from neural_style.networks.weights.open_file import MOST_BYTES
from neural_style.networks.weights.registry import Entry, all_entries


@dataclass(frozen=True)
class Identity:
    """The hashes of a file, and the published file that has one of them.

    Attributes:
        entry: the published file; None if no hash is published.
        digests: the hashes of the file in hex, by algorithm.
    """

    entry: Entry | None
    digests: Mapping[str, str]

    @property
    def shown(self) -> str:
        """The published hash, or else the first hash, for messages: "md5 253f…"."""
        algorithm = self.entry.algorithm if self.entry else next(iter(self.digests))
        return f"{algorithm} {self.digests[algorithm]}"

    @property
    def digest(self) -> str:
        """The published hash, or else the strongest hash, for `VGGWeights.digest`: "sha256:af6f…"."""
        algorithm = self.entry.algorithm if self.entry else max(self.digests)  # sha256 sorts after md5
        return f"{algorithm}:{self.digests[algorithm]}"


def identify(path: Path, known: Mapping[str, str] | None = None) -> Identity:
    """Hash a file with one algorithm of the registry after the other, until a hash is published.

    Args:
        path: the file.
        known: hashes of the file that are known already, in hex, by algorithm.

    Raises:
        WeightsError: the file cannot be read.
    """
    entries = all_entries()
    digests = dict(known or {})
    for entry in sorted(entries, key=lambda entry: entry.file != path.name):
        if entry.algorithm not in digests:
            digests[entry.algorithm] = hash_or_refuse(path, entry.algorithm)
        for other in entries:
            if digests.get(other.algorithm) == other.digest:
                return Identity(other, digests)
    return Identity(None, digests)


def hash_or_refuse(path: Path, algorithm: str, remedy: str = "give a weights file that can be read") -> str:
    """Return the hash of a file in hex, from the cache if the file has not changed.

    Raises:
        WeightsError: the file cannot be read, is a pipe or a device, or is too large for weights.
    """
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise WeightsError(f"{path}: expected a file, got a pipe or a device; {remedy}")
        if status.st_size > MOST_BYTES:
            raise WeightsError(
                f"{path}: expected weights of at most {MOST_BYTES} bytes, got {status.st_size}; {remedy}"
            )
        return cached_hash(path, algorithm)
    except WeightsError:
        raise
    except (OSError, ValueError) as error:  # ValueError: the system does not allow such names
        raise WeightsError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}); {remedy}") from error


def published_hashes(path: Path) -> str:
    """Return the published hashes of files with this name, for messages; empty if there are none."""
    return " or ".join(f"{entry.algorithm} {entry.digest}" for entry in all_entries() if entry.file == path.name)


def unknown_state(path: Path, shown: str) -> str:
    """Return in words what is known about a file whose hash is not published.

    Args:
        path: the file.
        shown: its hash, as `Identity.shown`.
    """
    published = published_hashes(path)
    return f"its {shown} differs from the published {published}" if published else "of unknown hash"
