"""Configurations as values: compared, hashed and written as JSON."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from neural_style.config.encoded_picture import EncodedPicture
from neural_style.errors import UsageError

if TYPE_CHECKING:
    from neural_style.config.config import Config

_PICTURE_FACTS = ("icc_profile", "transparency", "exif")
"""Entries of a PIL image's `info` that decide how its pixels are read."""


def key(config: Config) -> tuple[Any, ...]:
    """Return the values of a configuration in a form that can be compared and hashed."""
    return tuple(hashable(value) for value in vars(config).values())


def digest(config: Config) -> str:
    """Return a hash of a configuration, in hex, that is the same in every process.

    Pictures given by path count by their path, pictures in memory by their pixels.
    """
    return hashlib.sha256(repr(key(config)).encode("utf-8", "surrogatepass")).hexdigest()


def to_json(config: Config) -> str:
    """Return a configuration as JSON, which `from_json` reads.

    Raises:
        UsageError: a picture is given as an object instead of a path.
    """
    values: dict[str, Any] = {}
    for name, option in _options().items():
        value = getattr(config, name)
        if option.is_picture and value is not None:
            value = [_path(name, each) for each in value] if option.is_list else _path(name, value)
        values[name] = value
    return json.dumps(values)


def from_json(text: str) -> Config:
    """Read a configuration that `to_json` wrote.

    Raises:
        UsageError: the text is not JSON of a configuration, an option is unknown, or a value is invalid.
    """
    from neural_style.config.config import Config

    try:
        values = json.loads(text)
    except ValueError as error:
        raise UsageError(f"expected a configuration as JSON, got {text[:40]!r} ({error})") from error
    if not isinstance(values, Mapping):
        raise UsageError(f"expected a configuration as a JSON object, got {text[:40]!r}")
    unknown = sorted(set(values) - set(_options()))
    if unknown:
        raise UsageError(f"expected options of this version, got {', '.join(unknown)}; leave them out")
    return Config(**values)


def _options() -> Mapping[str, Any]:
    from neural_style.config.config import OPTIONS

    return OPTIONS


def _path(name: str, picture: Any) -> str:
    if not isinstance(picture, (str, os.PathLike)):
        raise UsageError(f"{name}: expected a path, got a picture in memory, which JSON cannot hold; save it to a file")
    return os.fspath(picture)


def hashable(value: Any) -> Any:
    """Return a value in a form that can be compared and hashed; for a picture in memory its size, type and a hash."""
    if isinstance(value, (list, tuple)):
        return tuple(map(hashable, value))
    if isinstance(value, frozenset):
        return tuple(sorted(value))  # the order of a set differs from process to process
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, EncodedPicture):
        return ("file", value.digest)
    interface = getattr(value, "__array_interface__", None)
    if interface is None:
        return value
    pixels = value.tobytes()  # PIL images and arrays both have it; neither package is imported here
    contents = hashlib.sha256(pixels)
    if hasattr(value, "getpalette"):
        colors = [value.mode, value.getpalette(None), *map(value.info.get, _PICTURE_FACTS)]
        contents.update(repr(colors).encode())
    return ("pixels", interface["shape"], interface["typestr"], contents.hexdigest())
