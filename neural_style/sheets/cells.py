"""The cells of a contact sheet: one run each, and what sets it apart from the others."""

from __future__ import annotations

import itertools
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from neural_style.config import checks, presets
from neural_style.config.config import Config
from neural_style.config.fields import words
from neural_style.errors import UsageError
from neural_style.images.picture import describe


@dataclass(frozen=True)
class Cell:
    """One run of a sheet."""

    number: int
    """From 1 on, in the order of the sheet."""
    config: Config
    """The run."""
    changes: Mapping[str, Any]
    """Option -> value, of the options that set this cell apart."""
    title: str = ""
    """What the cell is called; empty if its changes say it."""
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """All that was given for the run, by name, also `preset`."""

    @property
    def flags(self) -> str:
        """The changes as flags, to paste into a shell."""
        return " ".join(f"--{name} {_as_flag(value)}" for name, value in self.changes.items())

    @property
    def label(self) -> str:
        """What a sheet says about the cell: its title or its changes. Pictures are named without their folders."""
        return self.title or " ".join(f"--{shown(name, value)}" for name, value in self.changes.items())


def cells_of(values: Mapping[str, Any], vary: Mapping[str, Sequence[Any]]) -> list[Cell]:
    """Return one cell for each combination of values, those of the last option next to each other.

    Args:
        values: options that all cells share, by name; also `preset`.
        vary: options, or `preset` -> the values that they take. They replace those that are shared.

    Raises:
        UsageError: two cells are the same, or `Config` refuses one. The message says which.
    """
    cells: list[Cell] = []
    seen: dict[Config, Cell] = {}
    for number, chosen in enumerate(itertools.product(*vary.values()), start=1):
        changes = dict(zip(vary, chosen, strict=True))
        flags = Cell(number, None, changes).flags  # type: ignore[arg-type]
        options = {**values, **changes}
        with named_in_errors(flags):
            cell = Cell(number, config_of(options), changes, options=options)
            checks.check_use(cell.config)
        if (before := seen.setdefault(cell.config, cell)) is not cell:
            raise UsageError(f"expected cells that differ, got {before.flags} and {flags}, which are the same run")
        cells.append(cell)
    return cells


def config_of(options: Mapping[str, Any]) -> Config:
    """Return the configuration of options by name, among which may be `preset`."""
    others = {name: value for name, value in options.items() if name != presets.FLAG}
    return Config.of_preset(options.get(presets.FLAG), **others)


class named_in_errors:  # noqa: N801 - used like a function
    """A context in which errors of use also say which cell they are about."""

    def __init__(self, flags: str):
        """Take the flags of the cell; empty for none."""
        self._flags = flags

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, kind: Any, error: BaseException | None, at: Any) -> None:
        """Raise the error anew with the flags behind its message."""
        if isinstance(error, UsageError) and self._flags:
            raise type(error)(f"{error} (in the cell {self._flags})") from error


def shown(name: str, value: Any) -> str:
    """Return an option and its value in words, such as `style_weight 500`."""
    return f"{name} {shown_value(value)}"


def shown_value(value: Any) -> str:
    """Return a value in words: a picture by the name of its file, a list with spaces."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (list, tuple)):
        return " ".join(map(shown_value, value))
    if isinstance(value, os.PathLike) or (isinstance(value, str) and os.path.dirname(value)):
        return describe(value)
    if hasattr(type(value), "__array_interface__"):
        return describe(value)
    return words([value])


def _as_flag(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return " ".join(map(_as_flag, value))
    return shlex.quote(repr(value) if isinstance(value, float) and not value.is_integer() else shown_path(value))


def shown_path(value: Any) -> str:
    """Return a value as a flag takes it, a path as it is."""
    return os.fspath(value) if isinstance(value, (str, os.PathLike)) else words([value])
