"""What an option is: the facts about a field of `Config`, from which flags and tables are made."""

from __future__ import annotations

import dataclasses
import difflib
import math
import numbers
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NoReturn, get_args, get_origin

from neural_style.errors import UsageError

_KINDS: dict[type, tuple[type, str]] = {
    str: (str, "text"),
    bool: (bool, "true or false"),
    int: (numbers.Integral, "a whole number"),
    float: (numbers.Real, "a number"),
}
"""Type of an option -> (what is accepted for it, how a message names it)."""

_GREATEST = 3.4e38
"""About the greatest float32, the type that losses are computed in."""


def option(
    group: str,
    help: str,
    default: Any,
    *,
    bounds: str | None = None,
    alias: str | None = None,
    picture: bool = False,
    path: bool = False,
    read: bool = False,
    required: str = "",
) -> Any:
    """Declare a field of `Config`.

    Args:
        group: heading under which it is listed.
        help: one or two sentences for the user.
        default: its default.
        bounds: the limits of a number, written "> 0", ">= 1", "0 or >= 2", "0 to 1", "0 to < 1" or "> 0 to 1".
        alias: a second name of the flag.
        picture: whether the value is a picture or several, each a path or an object.
        path: whether the value is the path of a file. Unless it is `read`, the run writes there.
        read: whether the run reads that file.
        required: if runs need it, the words that say which; `checks` refuses a run that lacks it.
    """
    facts = {"group": group, "help": help, "bounds": bounds, "alias": alias, "required": required}
    kinds = {"is_picture": picture, "is_path": picture or path, "is_output": path and not (picture or read)}
    return dataclasses.field(default=default, metadata={**facts, **kinds})


@dataclasses.dataclass(frozen=True)
class Option:
    """One field of `Config`, as flags and tables need it."""

    name: str
    group: str
    help: str
    default: Any
    required: str
    """Words that say which runs need it; empty if none does."""
    type: type
    """`str`, `int`, `float` or `bool`; the type of one item if `is_list`."""
    is_list: bool
    is_optional: bool
    choices: tuple[str, ...]
    bounds: str | None
    alias: str | None
    is_picture: bool
    is_path: bool
    is_output: bool
    """Whether it is a path that the run writes to."""

    @classmethod
    def of(cls, field: dataclasses.Field, hint: Any) -> Option:
        """Make an option from a field that `option` declared and from its resolved type hint."""
        is_optional = type(None) in get_args(hint)
        core = next(arg for arg in get_args(hint) if arg is not type(None)) if is_optional else hint
        is_list = get_origin(core) is not Literal and bool(get_args(core))
        item = get_args(core)[0] if is_list else core
        choices = get_args(item) if get_origin(item) is Literal else ()
        return cls(
            name=field.name,
            default=field.default,
            type=item if item in _KINDS else str,
            is_list=is_list,
            is_optional=is_optional,
            choices=choices,
            **field.metadata,
        )

    def checked(self, value: Any) -> Any:
        """Return the value, converted to this option's type.

        A path that begins with `~` or `~user` is expanded to that user's home folder, even if a file of that name
        exists; `./~name` names such a file.

        Raises:
            UsageError: the value is of another type, out of bounds or not among the choices; or the path cannot be
                encoded on this system, or is in the home folder of an unknown user.
        """
        if value is None and self.is_optional:
            return None
        if self.is_picture:
            is_several = self.is_list and isinstance(value, (list, tuple))
            return tuple(map(self._checked_picture, value)) if is_several else self._checked_picture(value)
        if not self.is_list:
            return self._checked_item(value)
        if isinstance(value, str) or not isinstance(value, Sequence) or not value:
            self._refuse(value, "one or more values")
        return tuple(self._checked_item(item) for item in value)

    def _checked_picture(self, value: Any) -> Any:
        """Return a path as `_checked_path` does if that changes it, and anything else as it is."""
        if not isinstance(value, (str, bytes, os.PathLike)):
            return value
        path = self._checked_path(os.fsdecode(value))
        return value if path == os.fspath(value) else path

    def _checked_item(self, value: Any) -> Any:
        if self.type is str and isinstance(value, (os.PathLike, bytes) if self.is_path else os.PathLike):
            path = os.fsdecode(value)
            is_bare = not self.is_path and not os.path.dirname(path)  # a word has a meaning of its own, such as auto
            value = os.path.join(os.curdir, path) if is_bare else path
        accepted, described = _KINDS[self.type]
        if not isinstance(value, accepted) or (self.type is not bool and isinstance(value, bool)):
            self._refuse(value, described)
        try:
            value = self.type(value)
        except OverflowError:
            self._refuse(value, "a number that a computer can hold")
        if self.choices and value not in self.choices:
            self._refuse(value, " or ".join(self.choices))
        if self.type is str:
            if not value:
                self._refuse(value, "some text")
            return self._checked_path(value) if self.is_path else self._checked_spelling(value)
        if self.type is float and _GREATEST < value < math.inf:
            self._refuse(value, f"{described} up to {_GREATEST:g}")
        if self.bounds and not _within(value, self.bounds):
            self._refuse(value, f"{described} {self.bounds}")
        return value

    def _checked_spelling(self, text: str) -> str:
        """Return a text that can be part of a file name on this system."""
        if "\0" in text:
            self._refuse(text, "text without NUL characters")
        try:
            os.fsencode(text)
        except UnicodeEncodeError:
            self._refuse(text, f"text in the encoding of this system's file names ({sys.getfilesystemencoding()})")
        return text

    def _checked_path(self, path: str) -> str:
        """Return a path with the home folder in place of `~` or `~user`."""
        path = os.path.expanduser(self._checked_spelling(path))
        if not path.startswith("~"):
            return path
        first, *others = path.split(os.sep)
        if (others or first == "~") and not os.path.isdir(first):
            self._refuse(path, f"a known home folder in place of {first!r} (write ./{first} for a folder of that name)")
        return path

    def _refuse(self, value: Any, expected: str) -> NoReturn:
        raise UsageError(f"{self.name}: expected {expected}, got {value!r}")


def _within(value: float, bounds: str) -> bool:
    """Return whether a number is finite and within bounds, which `option` explains."""
    if isinstance(value, float) and not math.isfinite(value):
        return False
    words = bounds.split()
    if "or" in words:
        return value == float(words[0]) or value >= float(words[-1])
    if words[0] in (">", ">="):
        low, high = float(words[1]), float(words[-1]) if "to" in words else math.inf
        return (value > low if words[0] == ">" else value >= low) and value <= high
    low, high = float(words[0]), float(words[-1])
    return low <= value < high if "<" in words else low <= value <= high


def nearest(value: str, choices: Iterable[str]) -> str:
    """Return the end of a message about a value that is none of the choices: the nearest one; empty if none is near."""
    near = difflib.get_close_matches(value.lower(), choices, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def words(values: Iterable[Any]) -> str:
    """Return values as the command line takes them, for messages."""
    return " ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)
