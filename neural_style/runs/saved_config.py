"""Configurations as plain data for a checkpoint: paths become absolute, and pictures in memory become arrays."""

from __future__ import annotations

import dataclasses
import io
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from neural_style.config import templates
from neural_style.config.config import OPTIONS
from neural_style.config.defaults import STARTS
from neural_style.config.encoded_picture import EncodedPicture
from neural_style.config.resolve import ResolvedConfig
from neural_style.errors import CheckpointError

_PATH, _FILE, _ARRAY = "path", "file", "array"
"""Keys that tell how a picture is kept: by its path, or under the name of an array, as the bytes of a file or as
pixels."""

_WORDS = {"init": STARTS, "output": ("-",)}
"""Option that names a file -> values that do not."""


def packed(config: ResolvedConfig) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return a configuration in types that JSON can hold, and the arrays that it refers to by name."""
    arrays: dict[str, np.ndarray] = {}
    values: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        option = OPTIONS.get(field.name)
        if option is not None and option.is_path and value is not None:
            several = isinstance(value, tuple)
            value = [_packed_path(field.name, each, arrays) for each in (value if several else (value,))]
            value = value if several else value[0]
        values[field.name] = value
    return values, arrays


def unpacked(values: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> ResolvedConfig:
    """Return the configuration that `packed` made the values and arrays of.

    Raises:
        CheckpointError: there are options that this version does not have.
        UsageError: an option has an invalid value.
    """
    known = {field.name for field in dataclasses.fields(ResolvedConfig)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise CheckpointError(
            f"expected a checkpoint with options of this version, got {', '.join(unknown)[:100]}; go on with the "
            "version of the program that wrote it"
        )
    made = {name: _unpacked(value, arrays) for name, value in values.items()}
    return ResolvedConfig(**made)


def _packed_path(name: str, value: Any, arrays: dict[str, np.ndarray]) -> Any:
    key = f"pictures/{len(arrays)}"
    if isinstance(value, (str, os.PathLike)):
        if value in _WORDS.get(name, ()):
            return value
        if name == "checkpoint_output":
            return {_PATH: templates.absolute(os.fspath(value), name)}
        return {_PATH: os.path.abspath(value)}
    if isinstance(value, np.ndarray):
        arrays[key] = np.array(value, dtype=_kept_type(value))
        return {_ARRAY: key}
    if not isinstance(value, EncodedPicture):  # a PIL image
        value = EncodedPicture(_encoded(value), "picture", "picture")
    arrays[key] = np.frombuffer(value.data, np.uint8)
    return {_FILE: key, "name": value.name, "stem": value.stem}


def _encoded(image: Any) -> bytes:
    """Return a PIL image as the bytes of a file with the same pixels, upright."""
    from PIL import ImageOps

    upright, stream = ImageOps.exif_transpose(image), io.BytesIO()
    if upright.mode in ("CMYK", "LAB", "F", "I"):
        upright.save(stream, "TIFF", icc_profile=image.info.get("icc_profile"))
        return stream.getvalue()
    if upright.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        upright = upright.convert("RGBA" if "A" in upright.mode or "a" in upright.mode else "RGB")
    upright.save(stream, "PNG", icc_profile=image.info.get("icc_profile"))
    return stream.getvalue()


def _kept_type(array: np.ndarray) -> type:
    """Return a type of the same values that the file of a checkpoint has."""
    if array.dtype in (np.uint8, np.uint16, np.bool_, np.float32):
        return array.dtype.type
    return np.float64


def _unpacked(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if isinstance(value, list):
        return tuple(_unpacked(each, arrays) for each in value)
    if not isinstance(value, Mapping):
        return value
    if _PATH in value:
        return value[_PATH]
    if _ARRAY in value:
        return arrays[value[_ARRAY]]
    return EncodedPicture(arrays[value[_FILE]].tobytes(), str(value["name"]), str(value["stem"]))
