"""The files that a run reads its pictures from, and their hashes: what tells whether it can be continued."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from neural_style.config.config import OPTIONS, Config
from neural_style.config.defaults import STARTS
from neural_style.errors import ImageError
from neural_style.files import PathLike
from neural_style.hashing import file_hash
from neural_style.images.folders import is_folder, pictures_in
from neural_style.images.picture import describe


def is_input(name: str) -> bool:
    """Return whether an option names files that a run reads, besides the weights."""
    return OPTIONS[name].is_path and not OPTIONS[name].is_output


def digests_of(config: Config) -> dict[str, str]:
    """Return the SHA-256 of every picture file of a run, in hex.

    Pictures in memory are left out.

    Returns:
        Name of the option, with the place in a list and the name in a folder, such as `styles[1]/sea.jpg` -> hash.

    Raises:
        ImageError: a file cannot be read.
    """
    digests = {}
    for name, path in _files_of(config):
        try:
            digests[name] = file_hash(Path(path), "sha256")
        except OSError as error:
            raise ImageError(
                f"{name}: {describe(path)!r} cannot be read ({error.strerror}); give the run's own"
            ) from error
    return digests


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return what differs between two results of `digests_of`, in words."""
    changed = [f"--{name} (another file)" for name in before if name in now and now[name] != before[name]]
    missing = [f"--{name} (missing now)" for name in before if name not in now]
    added = [f"--{name} (new)" for name in now if name not in before]
    return changed + missing + added


def _files_of(config: Config) -> Iterator[tuple[str, PathLike]]:
    for name in OPTIONS:
        if not is_input(name):
            continue
        value = getattr(config, name)
        is_list = isinstance(value, tuple)
        for index, source in enumerate(value if is_list else (value,)):
            if not isinstance(source, (str, os.PathLike)) or (name == "init" and source in STARTS):
                continue
            label = f"{name}[{index}]" if is_list else name
            if is_folder(source):
                yield from ((f"{label}/{path.name}", path) for path in pictures_in(source, name))
            else:
                yield label, source
