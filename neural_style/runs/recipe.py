"""The run that made a picture, as settings in its metadata, so that it can be made again."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neural_style.config import embedded, kinds, presets
from neural_style.config.config import OPTIONS, Config
from neural_style.config.defaults import STARTS
from neural_style.config.resolve import resolve
from neural_style.errors import ImageError, UsageError
from neural_style.files import PathLike
from neural_style.images.picture import describe
from neural_style.images.reading import read_settings
from neural_style.networks import weights
from neural_style.networks.weights import VGGWeights

_EXACT_BY_HASH = re.compile(r"imagenet \(.*\)")
"""Matches the name of `VGGWeights` of the published file, whatever the file is called."""


@dataclasses.dataclass(frozen=True)
class NamedFile:
    """A file that the settings name without its folder."""

    option: str
    name: str
    path: str | None
    """Where it was found; None if it was not."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The options of a run, from the settings in a picture and from what replaces them."""

    values: Mapping[str, Any]
    """Option -> value. Files that were not found are bare names here; weights that are a file are missing."""
    files: tuple[NamedFile, ...]
    """The files that the settings name, in the order of the options, but for those that are given otherwise."""
    left_out: tuple[str, ...]
    """Settings that are not taken; see `embedded.Accepted`."""
    later: tuple[str, ...]
    """What was done to the picture after the run; see `embedded.LATER`."""
    picture: str
    """Name of the picture."""

    @property
    def missing(self) -> tuple[NamedFile, ...]:
        """The files that were not found, or that metadata may not choose: weights and profiles."""
        return tuple(file for file in self.files if file.path is None)

    def flags_for_missing(self) -> str:
        """Return the flags that give the missing files, such as `--content FILE and --styles FILE FILE`."""
        options = dict.fromkeys(file.option for file in self.missing)
        counts = {name: sum(file.option == name for file in self.files) for name in options}
        return " and ".join(f"--{name}{' FILE' * count}" for name, count in counts.items())

    def config(self, *, complete: bool = True) -> Config:
        """Return the configuration.

        Args:
            complete: whether every file must have been found.

        Raises:
            UsageError: options contradict each other.
            ImageError: files are missing.
        """
        if complete and self.missing:
            names = ", ".join(f"{file.name!r} ({file.option})" for file in self.missing)
            raise ImageError(
                f"in {self.picture!r}: expected the files that it was made from, got none for {names}; "
                f"give {self.flags_for_missing()}"
            )
        try:
            return Config(**self.values)
        except UsageError as error:
            raise UsageError(f"in {self.picture!r}: {error}") from error


def settings_of(config: Config, network: VGGWeights) -> Mapping[str, object]:
    """Return the metadata of a picture: the options that made it, with pictures and weights named without folders."""
    config = dataclasses.replace(resolve(config, network.settings), weights=network.name)
    settings: dict[str, object] = {}
    for name, option in OPTIONS.items():
        value = getattr(config, name)
        is_empty = value is None or (isinstance(value, tuple) and not value)
        if not embedded.is_embedded(name) or name in kinds.idle(config) or is_empty:
            continue
        if option.is_path:
            value = [describe(each) for each in value] if option.is_list else describe(value)
        settings[name] = value
    return settings


def recipe_of(picture: PathLike, folders: Sequence[PathLike], changes: Mapping[str, Any]) -> Recipe:
    """Read how a picture was made.

    Args:
        picture: path of a picture that this program wrote.
        folders: folders to look in for the pictures that it was made from, in this order.
        changes: options that take precedence over those of the picture, by the rules of flag files (`presets.kept`).

    Raises:
        ImageError: the picture cannot be read, or has no settings.
        UsageError: a setting has a value that the program does not write; see `embedded.accept`.
    """
    settings, name = read_settings(picture), describe(picture)
    if not settings:
        raise ImageError(
            f"{name!r}: expected a picture with the settings of a run, got none; give a PNG, JPEG, WebP or TIFF that "
            "neural-style wrote"
        )
    try:
        accepted = embedded.accept(settings, [each for each in changes if not OPTIONS[each].is_picture])
    except UsageError as first:
        try:  # a picture that is given replaces any value, too
            accepted = embedded.accept(settings, changes)
        except UsageError:
            raise UsageError(f"in {name!r}: {first}") from first
    below, found = dict(accepted.values), []
    for option, value in accepted.values.items():
        if option in changes:
            if OPTIONS[option].is_picture and _names(value) == tuple(map(describe, _items(changes[option]))):
                below[option] = changes[option]  # only its place is given, so what belongs to it stays
        elif option == "weights":
            below[option] = _weights(value)
            if below[option] is None:
                found.append(NamedFile(option, value, None))
                del below[option]
        elif OPTIONS[option].is_path and not (option == "init" and value in STARTS):
            is_several, names = OPTIONS[option].is_list, _names(value)
            files = [NamedFile(option, each, _find(option, each, folders)) for each in names]
            found += files
            paths = tuple(_relative(file.name) if file.path is None else file.path for file in files)
            below[option] = paths if is_several else paths[0]
    kept = presets.kept(below, changes, OPTIONS)
    files_left = tuple(file for file in found if file.option in kept or file.option == "weights")
    values = {**kept, **changes}
    ordered = {option: values[option] for option in OPTIONS if option in values}
    return Recipe(ordered, files_left, accepted.left_out, accepted.later, name)


def config_from_picture(picture: PathLike, folders: Sequence[PathLike] | None = None, **changes: Any) -> Config:
    """Return the configuration of the run that made a picture, from the settings in its metadata.

    The settings of a stranger's picture are not trusted: they name pictures without folders, and choose no file to
    write, no device, no memory and no weights but those of `python -m neural_style weights`.

    Args:
        picture: path of a picture that this program wrote: PNG, JPEG, WebP or TIFF.
        folders: folders to look in for the pictures that it was made from, in this order. None for the current folder
            and that of the picture.
        changes: options that take precedence, such as `content` for a photo that is elsewhere.

    Raises:
        ImageError: the picture cannot be read or has no settings, or a picture that it was made from is not found.
        UsageError: an option has an invalid value, or options contradict each other.
    """
    unknown = sorted({*changes} - {*OPTIONS})
    if unknown:
        raise UsageError(f"expected options of this version, got {', '.join(unknown)}; leave them out")
    usual = ("", os.path.dirname(os.path.expanduser(os.fsdecode(picture))))
    return recipe_of(os.path.expanduser(picture), usual if folders is None else folders, changes).config()


def _items(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def _names(value: Any) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (value,)


def _find(option: str, name: str, folders: Sequence[PathLike]) -> str | None:
    """Return the path of a picture, or of a folder of styles, in the first folder that has it; None if none has."""
    if not OPTIONS[option].is_picture:
        return None
    for folder in folders:
        path = _relative(name) if Path(folder) == Path() else os.path.join(os.fsdecode(folder), name)
        if os.path.isfile(path) or (option == "styles" and os.path.isdir(path)):
            return path
    return None


def _relative(name: str) -> str:
    """Return a path in the current folder that stands for nothing else: no home folder, stream, flag or start."""
    return os.path.join(os.curdir, name) if name.startswith(("~", "-")) or name in STARTS else name


def _weights(name: Any) -> str | None:
    """Return the argument of `weights.load` for the name of weights in metadata; None for a file of the maker's."""
    if name in weights.CHOICES:
        return name
    return weights.EXACT if _EXACT_BY_HASH.fullmatch(name) else None
