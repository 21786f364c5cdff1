"""From what was entered on the page to a `Config`, and back. All fields derive from the options of `Config`."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

from neural_style.config import embedded, kinds, presets
from neural_style.config.config import OPTIONS, Config
from neural_style.config.defaults import STARTS
from neural_style.config.fields import Option
from neural_style.config.strength import USUAL
from neural_style.errors import UsageError
from neural_style.vgg19_spec import MIN_SIDE
from neural_style.web.options import LEAST_SIDE
from neural_style.web.pictures import Sent

MOST_STYLES = 4
"""How many style pictures the page takes."""

MAIN = ("strength", "color", "quality", "seed", "width", "style_blend_weights")
"""Options that have a place of their own on the page."""

OPEN = ""
"""What a choice or a field says that leaves an option as it is."""

MASK_KINDS = {
    "content_masks": "where each style goes",
    "color_mask": "where the photo's colors stay",
    "content_mask": "where the photo's shapes count",
}
"""Option -> what regions that were painted say with it. The first takes a color for each style."""


def is_on_page(option: Option) -> bool:
    """Return whether visitors may set an option: none that names files, devices, memory or networks."""
    is_harmless = embedded.is_embedded(option.name) and option.name not in ("weights", "precision")
    return is_harmless and (not option.is_path or option.name == "init")


MORE: Mapping[str, Sequence[Option]] = {
    group: [
        option
        for option in OPTIONS.values()
        if option.group == group and is_on_page(option) and option.name not in MAIN
    ]
    for group in dict.fromkeys(option.group for option in OPTIONS.values() if is_on_page(option))
}
"""Group -> the options in it that the page has besides those in `MAIN`."""

MORE_NAMES = tuple(option.name for options in MORE.values() for option in options)
"""Names of the options in `MORE`, in their order."""


def choices_of(option: Option) -> tuple[str, ...]:
    """Return the values that an option can have if they are few; empty for others."""
    if option.name == "init":
        return STARTS
    return () if option.is_list else option.choices


def label_of(name: str) -> str:
    """Return the name of an option as the page has it."""
    return name.replace("_", " ").capitalize()


def shown(option: Option, value: Any) -> Any:
    """Return the value of an option as its field on the page shows it."""
    if value is None or (option.is_list and not value):
        return OPEN
    if option.is_list:
        return " ".join(f"{item:g}" if isinstance(item, float) else str(item) for item in value)
    is_text = option.is_optional and option.type in (int, float) and option.name not in MAIN
    return f"{value:g}" if is_text and isinstance(value, float) else str(value) if is_text else value


def read(option: Option, value: Any) -> Any:
    """Return the value of an option from its field on the page; None if the field is empty.

    Raises:
        UsageError: it has another type.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    numbers = {int: "a whole number", float: "a number"}
    if not option.is_list and isinstance(value, str) and option.type in numbers:
        try:
            return option.type(value)
        except ValueError:
            raise UsageError(f"{option.name}: expected {numbers[option.type]}, got {value!r}") from None
    if not option.is_list:
        if option.type is int and isinstance(value, float) and value.is_integer():
            return int(value)
        return float(value) if option.type is float and isinstance(value, int) else value
    items = value if isinstance(value, list) else str(value).replace(",", " ").split()
    if len(items) > embedded.MOST_ITEMS:
        raise UsageError(f"{option.name}: expected at most {embedded.MOST_ITEMS} values, got {len(items)}")
    try:
        return tuple(option.type(item) for item in items)
    except (TypeError, ValueError):
        several = {int: "whole numbers", float: "numbers"}.get(option.type, "words")
        raise UsageError(f"{option.name}: expected {several} with spaces between, got {value!r}") from None


@dataclasses.dataclass(frozen=True)
class Entered:
    """What was entered on the page."""

    photo: Sent | None
    styles: Sequence[Sent]
    shares: Sequence[float]
    """Of each style."""
    side: int
    """Longer side of the result in pixels."""
    preset: str
    options: Mapping[str, Any]
    """Option -> value as its field on the page shows it, of those in `MAIN` and `MORE`."""
    masks: Mapping[str, str | Sequence[str]] = dataclasses.field(default_factory=dict)
    """Option of `MASK_KINDS` -> path of its mask, or paths."""


def values_of(entered: Entered, max_side: int) -> dict[str, Any]:
    """Return the options that were entered, by name, and the preset if it is not the default.

    Raises:
        UsageError: something has the wrong type, or is too large, or pictures are missing.
    """
    given: dict[str, Any] = {}
    for name in (*MAIN, *MORE_NAMES):
        value = read(OPTIONS[name], entered.options.get(name))
        value = OPTIONS[name].checked(value) if value is not None and name != "init" else value
        is_left = value is None or value == OPTIONS[name].default or (name == "strength" and value == USUAL)
        if not is_left:
            given[name] = value
    if "init" in given and given["init"] not in STARTS:
        raise UsageError(f"init: expected one of {', '.join(STARTS)}, got {given['init']!r}")
    values = _pictures(entered, given, max_side) | given
    if "width" not in given and entered.photo is not None:
        values["width"] = width_of(entered.photo, entered.side)
    if len(entered.styles) > 1 and len({*entered.shares}) > 1:
        values["style_blend_weights"] = tuple(map(float, entered.shares))
    default = next(iter(Config.presets()))
    return ({} if entered.preset in (OPEN, default) else {presets.FLAG: entered.preset}) | values


def _pictures(entered: Entered, given: Mapping[str, Any], max_side: int) -> dict[str, Any]:
    """Return the pictures of a run, once it is sure that they are there and that the result is not too large."""
    size, photo, side = given.get("size"), entered.photo, entered.side
    if "width" in given and photo is not None:
        side = math.ceil(given["width"] * max(photo.width, photo.height) / photo.width)
    if not LEAST_SIDE <= side <= max_side:
        raise UsageError(f"size: expected {LEAST_SIDE} to {max_side} px, got {side}")
    if photo is None and size is None:
        raise UsageError("expected a photo; drop one, or choose an example")
    if not entered.styles and given.get("style_weight") != 0:
        raise UsageError("expected a style picture; drop one, or choose an example")
    if size is not None and max(kinds.parse_size(str(size), "size")) > max_side:
        raise UsageError(f"size: expected at most {max_side} px a side, got {size}")
    content = {"content": photo.path} if size is None and photo is not None else {}
    return {**content, "styles": tuple(style.path for style in entered.styles), **entered.masks}


def width_of(photo: Sent, side: int) -> int:
    """Return the width in pixels of a result whose longer side is given, with the proportions of a photo."""
    return max(MIN_SIDE, round(side * photo.width / max(photo.width, photo.height)))


def config_of(values: Mapping[str, Any]) -> Config:
    """Return the configuration of options and maybe a preset.

    Raises:
        UsageError: options contradict each other.
    """
    values = dict(values)
    preset = values.pop(presets.FLAG, None)
    return Config.of_preset(preset, **values)


def without_folders(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with the names of files alone, as a visitor knows them."""
    named: dict[str, Any] = {}
    for name, value in values.items():
        option = OPTIONS.get(name)
        is_file = option is not None and option.is_path and not (name == "init" and value in STARTS)
        if not is_file:
            named[name] = value
        elif isinstance(value, (list, tuple)):
            named[name] = tuple(map(os.path.basename, value))
        else:
            named[name] = os.path.basename(value)
    return named
