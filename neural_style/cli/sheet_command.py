"""The command `sheet`: paint photos in styles, one cell for each pair."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

from neural_style.cli import contact_sheets, flags
from neural_style.errors import UsageError
from neural_style.images.folders import is_folder, pictures_in
from neural_style.images.picture import describe
from neural_style.sheets.cells import cells_of


def run(arguments: Sequence[str]) -> Iterator[str]:
    """Run the command; yield lines of text.

    Args:
        arguments: `--content` and `--styles`, each with pictures or folders, and flags of a run.

    Raises:
        NeuralStyleError: see `contact_sheets.make`.
    """
    others, contents, styles = _split(arguments)
    for name, found in (("content", contents), ("styles", styles)):
        if not found:
            raise UsageError(f"sheet: expected --{name} with pictures or a folder, got none")
        again = next((path for path in found if found.count(path) > 1), None)
        if again is not None:
            raise UsageError(f"--{name}: expected each picture once, got {again!r} twice")
    vary: dict[str, list[Any]] = {"content": contents, "styles": [[path] for path in styles]}
    request = contact_sheets.Request("sheet", others, [*vary])
    cells = cells_of(request.values, vary)
    title = (
        f"{describe(contents[0])} in {len(styles)} style{'s' * (len(styles) != 1)}"
        if len(contents) == 1
        else f"{len(contents)} photos in {len(styles)} style{'s' * (len(styles) != 1)}"
    )
    yield from contact_sheets.make(request, cells, contact_sheets.grid(title, vary, request, bare=True))


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Return the other arguments, the photos and the styles; those of a folder one by one."""
    others: list[str] = []
    given: dict[str, list[str]] = {"content": [], "styles": []}
    current: list[str] | None = None
    for argument in arguments:
        match = re.fullmatch(r"--?(content|styles)(?:=(.*))?", argument, re.DOTALL)
        if match:
            current = given[match[1]]
            current += [match[2]] if match[2] is not None else []
            if match[2] is not None:
                current = None
        elif current is not None and flags.is_value(argument):
            current.append(argument)
        else:
            current = None
            others.append(argument)
    return others, _unfolded(given["content"], "content folder"), _unfolded(given["styles"], "style folder")


def _unfolded(paths: Sequence[str], role: str) -> list[str]:
    """Return the paths with the pictures of folders in their place."""
    found: list[str] = []
    for path in map(os.path.expanduser, paths):
        found += map(str, pictures_in(path, role)) if is_folder(path) else [path]
    return found
