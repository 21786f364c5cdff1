"""The command `sweep`: paint every combination of some options on one sheet."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

from neural_style.cli import contact_sheets, flag_files, flags
from neural_style.cli.outputs import pictures_of
from neural_style.config import presets
from neural_style.config.config import OPTIONS
from neural_style.config.embedded import is_embedded
from neural_style.errors import UsageError
from neural_style.images.picture import describe
from neural_style.sheets.cells import cells_of, shown_value

_FLAG = "vary"
_EXAMPLE = f"--{_FLAG} strength=0.25,0.5,0.75"


def run(arguments: Sequence[str]) -> Iterator[str]:
    """Run the command; yield lines of text.

    Args:
        arguments: `--vary NAME=V1,V2,...`, once or several times, and flags of a run.

    Raises:
        NeuralStyleError: see `contact_sheets.make`.
    """
    others, specifications = _split(arguments)
    vary: dict[str, list[Any]] = {}
    for specification in specifications:
        name, values = _values(specification)
        vary.setdefault(name, []).extend(values)
    if not vary:
        raise UsageError(f"sweep: expected --{_FLAG} NAME=V1,V2,..., got none; for example: {_EXAMPLE}")
    for name, values in vary.items():
        if len(values) == 1:
            alone = shown_value(values[0])
            raise UsageError(f"--{_FLAG} {name}: expected several values, got {alone} alone; give it as --{name}")
    request = contact_sheets.Request("sweep", others, [*vary])
    cells = cells_of(request.values, vary)
    names = ", ".join(f"{len(values)} {name}" for name, values in vary.items())
    title = f"{describe(pictures_of(cells[0].config)[0])}: {names}"
    yield from contact_sheets.make(request, cells, contact_sheets.grid(title, vary, request))


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the other arguments, and what follows each `--vary`."""
    others: list[str] = []
    found: list[str] = []
    is_ours = False
    for argument in arguments:
        match = re.fullmatch(rf"--?{_FLAG}(?:=(.*))?", argument, re.DOTALL)
        if match:
            is_ours = True
            found += [match[1]] if match[1] is not None else []
        elif is_ours and flags.is_value(argument):
            found.append(argument)
        else:
            is_ours = False
            others.append(argument)
    return others, found


def _values(specification: str) -> tuple[str, list[Any]]:
    """Return the name of an option, and the values that it takes.

    Raises:
        UsageError: the option is unknown or does not affect the picture, or a value is wrong.
    """
    named, equals, text = specification.partition("=")
    if not equals or not named:
        raise UsageError(
            f"--{_FLAG}: expected NAME=V1,V2,..., got {specification!r}; for example: {_EXAMPLE} "
            "(put values that have spaces in quotes)"
        )
    name = flags.named(named.lstrip("-"))
    if name != presets.FLAG and not is_embedded(name):
        raise UsageError(
            f"--{_FLAG} {name}: expected an option that affects the picture, such as style_weight, got {name}, which "
            "does not"
        )
    texts = _texts(text)
    if not texts or not all(texts):
        raise UsageError(f"--{_FLAG} {name}: expected values with a comma between them, got {text!r}")
    is_list = name != presets.FLAG and OPTIONS[name].is_list
    values = []
    for each in texts:
        words = flag_files.split(each) if is_list and not OPTIONS[name].is_picture else [each]
        values.append(flags.given([f"--{name}={word}" for word in words])[name])
    return name, values


def _texts(text: str) -> list[str]:
    """Return the parts between commas. A part in double quotes may have commas; so may the name of a file."""
    if os.path.lexists(os.path.expanduser(text)):
        return [text]
    try:
        (parts,) = csv.reader([text], strict=True)
    except (csv.Error, ValueError) as error:
        raise UsageError(f"--{_FLAG}: expected values with a comma between them, got {text!r} ({error})") from error
    return [part.strip() if part != " " else part for part in parts]
