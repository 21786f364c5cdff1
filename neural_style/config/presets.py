"""Presets: named sets of options, each a packaged flag file in `neural_style/presets`.

The first line of a file is a comment that says in one line what the preset is. Options that are given next to a preset
take precedence over its own, as flags do over those of a flag file. `kept` has the rules.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Mapping
from importlib import resources
from typing import Any

from neural_style.config import kinds
from neural_style.config.defaults import FAMILIES, QUALITIES
from neural_style.config.fields import Option, nearest
from neural_style.errors import UsageError

FLAG = "preset"
"""Name of the flag that takes the name of a preset."""

_SUFFIX = ".flags"

_START = {"init", "initial", "initial_noiseblend", "scale_iterations"}
_OF_OPTIMIZER = {
    *("variables", "history_size", "iterations", "iterations_by_scale", "scale_iterations", "tolerance"),
    *("learning_rate", "beta1", "beta2", "eps"),
    *("learning_rate_decay", "learning_rate_decay_iterations", "learning_rate_decay_shape"),
    *("clip", "average_iterates", "carry_moments"),
}

_OF_LOSS = {
    *(name for defaults in FAMILIES.values() for name in defaults),
    *("strength", "style_layer_weights", "layer_reduction", "gram_normalization", "feature_scale"),
    *("tv_loss", "tv_width", "tolerance", "pixel_range", "learning_rate", "eps"),  # they suit the size of a loss
}

_OF_ANOTHER_PRESET = {
    *(_OF_LOSS | _OF_OPTIMIZER) - {"iterations", "scale_iterations", "iterations_by_scale"},
    *("style_layer_weight_exp", "content_layer_weights"),
}

_REPLACES: Mapping[str, Collection[str]] = {
    "loss": _OF_LOSS,
    "size": {*kinds.OF_CONTENT, "content", "width", "style_fit", "init", "initial", "initial_noiseblend"},
    "seamless": {"padding", "padding_layers"},
    "styles": {"content_masks", "style_masks", "mask_erosion"},
    "color": {"color_space", "color_transfer", "preserve_colors"},
    "preserve_colors": {"color", "color_space", "color_transfer"},
    "pixel_range": {"learning_rate", "eps", "tv_weight"},
    "init": _START,
    "initial": _START,
    "initial_noiseblend": {"init", "initial", "scale_iterations"},
    "preview_width": {"scale_iterations"},
    "optimizer": _OF_OPTIMIZER,
    "quality": {"iterations", "scale_iterations", "iterations_by_scale", "tolerance"},
    "iterations": {"iterations_by_scale"},
    "scale_iterations": {"iterations_by_scale"},
    "iterations_by_scale": {"iterations", "scale_iterations"},
    "strength": {"tv_weight"},
    "content_weight": {"strength"},
    "style_weight": {"strength"},
    "content_layers": {"content_layer_weights", "content_weight_blend"},
    "content_weight_blend": {"content_layers", "content_layer_weights"},
    "style_layers": {"style_layer_weights"},
    "style_layer_weights": {"style_layer_weight_exp"},
    "style_layer_weight_exp": {"style_layer_weights"},
    "style_loss": {"style_loss_weights", "style_loss_layers"},
    "learning_rate_decay": {"learning_rate_decay_iterations", "learning_rate_decay_shape"},
}
"""Option -> options of a preset or a flag file that lose their sense if it has another value: they belong to what it
replaces, or contradict it."""

_IF_STATED = ("loss", "optimizer")
"""Options that replace something only where they are stated: without them, numbers such as `iterations` or
`style_weight` may be meant for any."""


@functools.cache
def _files() -> Mapping[str, Any]:
    folder = resources.files("neural_style") / "presets"
    found = {file.name.removesuffix(_SUFFIX): file for file in folder.iterdir() if file.name.endswith(_SUFFIX)}
    return dict(sorted(found.items(), key=lambda item: (item[0] != "balanced", item[0])))


def names() -> tuple[str, ...]:
    """Return the names of all presets, the default first."""
    return tuple(_files())


def lines(name: str) -> list[str]:
    """Return the lines of a preset's flag file, comments included.

    Raises:
        UsageError: there is no such preset.
    """
    if name not in _files():
        hint = nearest(name, names()) or f" (--{FLAG} help lists them)"
        raise UsageError(f"{FLAG}: expected one of {', '.join(names())}, got {name!r}{hint}")
    return _files()[name].read_text(encoding="utf-8").splitlines()


def summary(name: str) -> str:
    """Return what a preset is, in one line."""
    return lines(name)[0].removeprefix("#").strip()


def texts(name: str) -> dict[str, list[str]]:
    """Return the texts that a preset gives for its options.

    Raises:
        UsageError: there is no such preset.
    """
    found: dict[str, list[str]] = {}
    for line in lines(name):
        match = re.fullmatch(r"--(\w+)(?:=|\s+|$)(.*)", line.strip())
        if match:
            found[match[1]] = match[2].split() or ["true"]
    return found


def values(name: str, options: Mapping[str, Option], given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the values that a preset gives for its options.

    Args:
        name: name of the preset.
        options: every option by name.
        given: options that are given next to it -> their values. They are left out, and so is what belongs to options
            that they change. What is given as the preset has it, or as the default that the preset keeps, changes
            nothing.

    A quality among `given` multiplies the preset's own numbers of iterations, and its tolerance.

    Raises:
        UsageError: there is no such preset.
    """
    found = {option: _converted(options[option], words) for option, words in texts(name).items()}
    others = {option: value for option, value in (given or {}).items() if option != "quality"}
    return kept(_of_quality(found, (given or {}).get("quality")), others, options)


def _of_quality(found: Mapping[str, Any], name: Any) -> dict[str, Any]:
    """Return the values of a preset with the numbers of iterations and the tolerance of a quality, a name or None."""
    quality = QUALITIES.get(name, QUALITIES["normal"])
    changed = dict(found)
    for option in ("iterations", "scale_iterations"):
        if option in found:
            changed[option] = quality.length(found[option], option)
    if "iterations_by_scale" in found:
        *coarse, finest = found["iterations_by_scale"]
        changed["iterations_by_scale"] = (
            *(quality.length(each, "scale_iterations") for each in coarse),
            quality.length(finest),
        )
    if "tolerance" in found:
        changed["tolerance"] = found["tolerance"] * quality.tolerance
    return changed


def kept(below: Mapping[str, Any], above: Mapping[str, Any], options: Mapping[str, Option]) -> dict[str, Any]:
    """Return the values of a preset or a flag file that stay next to others, which take precedence.

    Args:
        below: names -> values of the preset or the flag file.
        above: those that take precedence. What they change goes, and so does what belongs to it. What they give as
            `below` has it, or as the default that it keeps, changes nothing. If both name a preset, and not the same,
            what suits their losses and optimizers goes, too, but for the number of iterations.
        options: every option by name.
    """
    replaced = {*above}
    if len({values[FLAG] for values in (below, above) if FLAG in values}) == 2:
        replaced |= _OF_ANOTHER_PRESET
    for name, value in above.items():
        if name in _REPLACES and _is_changed(options[name], value, below):
            replaced |= {*_replaced_by(name, value, below)}
    return {name: value for name, value in below.items() if name not in replaced}


def _is_changed(option: Option, value: Any, below: Mapping[str, Any]) -> bool:
    if option.name in _IF_STATED and option.name not in below:
        return False
    try:
        new, before = option.checked(value), option.checked(below.get(option.name, option.default))
    except UsageError:  # told by `Config`, if it is still there in the end
        return True
    return type(new) is not type(before) or new != before


def _replaced_by(name: str, value: Any, below: Mapping[str, Any]) -> Collection[str]:
    """Return the options that a changed one replaces.

    A share of noise replaces only a start that has another share. A strength replaces the total variation only if it
    changes to 0, at which there is none by default, or from 0. A style weight of 0 replaces all about the styles.
    """
    others: Collection[str] = _REPLACES[name]
    if name == "style_weight" and value == 0:
        others = {*others, *kinds.OF_STYLE, "styles", "init", "initial", "initial_noiseblend"}
    elif name == "size" and below.get("size") is not None:  # of one texture and of another
        others = ()
    elif name == "color" and value == "none":
        others = {"color_space", "color_transfer"} | ({"color_mask"} if not below.get("preserve_colors") else set())
    elif name == "preserve_colors" and not value:
        others = {"color_mask"} if below.get("color", "none") == "none" else ()
    elif (name == "strength" and (value == 0) == (below.get("strength") == 0)) or (
        name == "initial_noiseblend" and (value == 1) == (below.get("init") == "noise")
    ):
        others = ()
    return others


def _converted(option: Option, words: list[str]) -> Any:
    if option.type is bool:
        return words[0].lower() == "true"
    converted = tuple(option.type(word) for word in words)
    return converted if option.is_list else converted[0]
