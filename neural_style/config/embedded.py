"""The settings in the metadata of a picture: which options they hold, and what is taken from those of a stranger.

Whoever made a picture decided what is in its metadata. So nothing is taken from them that says where to write, on
which device or in which memory to compute, or which file to read, but for names of pictures without folders.
"""

from __future__ import annotations

import dataclasses
import math
import os
import unicodedata
from collections.abc import Collection, Mapping
from typing import Any, NoReturn

from neural_style.config.config import OPTIONS
from neural_style.config.defaults import STARTS
from neural_style.errors import UsageError

NOT_EMBEDDED = ("output", "overwrite", "max_pixels", "device", "memory", "tile_size")
"""Options that do not affect the picture, so they are not in its metadata. Options of the group "Progress" are not
either."""

LATER = ("recolored", "blended")
"""Settings that are no options: what `recolor` and `blend` did to the picture after the run."""

MOST_ITEMS, MOST_NAME, MOST_TEXT, MOST_WHOLE = 100, 255, 1000, 2**64
"""Limits of what is taken: items of a list, bytes of a file name and of another text, and a whole number."""

_JOINERS = "\u200c\u200d"  # of letters, and of emoji; they move nothing on a terminal


def is_embedded(name: str) -> bool:
    """Return whether the metadata of pictures hold an option."""
    return OPTIONS[name].group != "Progress" and name not in NOT_EMBEDDED


@dataclasses.dataclass(frozen=True)
class Accepted:
    """What is taken from the settings in a picture."""

    values: Mapping[str, Any]
    """Option -> its value. Pictures and other files are bare names, and may be anything but a path."""
    left_out: tuple[str, ...]
    """Names of the other settings: unknown ones, and options that metadata cannot set. They may be any text."""
    later: tuple[str, ...]
    """Those of `LATER` that are there."""


def accept(settings: Mapping[str, Any], replaced: Collection[str] = ()) -> Accepted:
    """Take what may be taken from the settings in a picture.

    Args:
        settings: what `read_settings` returned.
        replaced: options that are given otherwise. Their settings are not looked at.

    Raises:
        UsageError: the value of an option is none that the program writes: of another type, out of bounds, longer than
            the limits above, a path, or a text with control characters.
    """
    known = [name for name in settings if name in OPTIONS and is_embedded(name)]
    others = tuple(name for name in settings if name not in known)
    return Accepted(
        {name: _accepted(name, settings[name]) for name in OPTIONS if name in known and name not in replaced},
        tuple(name for name in others if name not in LATER),
        tuple(name for name in LATER if name in others),
    )


def is_plain(text: str) -> bool:
    """Return whether a text has no characters that control a terminal, break lines, or turn the direction of text."""
    return not any(
        unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp") and letter not in _JOINERS for letter in text
    )


def _accepted(name: str, value: Any) -> Any:
    option = OPTIONS[name]
    if not option.is_list:
        return _accepted_item(name, value)
    if not isinstance(value, list) or not 0 < len(value) <= MOST_ITEMS:
        got = f"{len(value)} values" if isinstance(value, list) else value
        _refuse(name, f"a list of 1 to {MOST_ITEMS} values", got)
    items = tuple(_accepted_item(name, item) for item in value)
    return items if option.is_picture else option.checked(items)


def _accepted_item(name: str, value: Any) -> Any:
    option = OPTIONS[name]
    if isinstance(value, (list, dict)) or value is None:
        _refuse(name, "one value", value)
    if isinstance(value, str):
        most = MOST_NAME if option.is_path else MOST_TEXT
        if len(value.encode("utf-8", "replace")) > most or not is_plain(value):
            _refuse(name, f"at most {most} bytes of text without control characters", value)
    elif isinstance(value, int) and abs(value) >= MOST_WHOLE:
        _refuse(name, "a whole number of at most 64 bits", value)
    elif isinstance(value, float) and not math.isfinite(value):
        _refuse(name, "a finite number", value)
    if option.is_path:
        if name != "init" or value not in STARTS:
            _check_bare(name, value)
        return value
    return value if option.is_list else option.checked(value)


def _check_bare(name: str, value: Any) -> None:
    """Raise UsageError unless a value is the name of a file without a folder, on this system and on others."""
    separators = "/\\" + ":" * (os.name == "nt")
    if not isinstance(value, str) or value in ("", ".", "..") or set(separators) & set(value):
        _refuse(name, "the name of a file without a folder", value)


def _refuse(name: str, expected: str, got: Any) -> NoReturn:
    shown = ascii(got)
    shown = shown if len(shown) <= 60 else f"{shown[:60]}..."
    raise UsageError(f"{name}: expected {expected}, got {shown}; give --{name} to replace it")
