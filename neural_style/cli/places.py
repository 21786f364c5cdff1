"""Where what is written goes if a flag file says so, which may come from a stranger."""

from __future__ import annotations

import contextlib
import os
import re
import string
from pathlib import Path

from neural_style.cli.standard_streams import DASH

_SIMPLE_SPECIFICATION = re.compile(r"0?\d{0,2}d?")
_SIMPLE_PERCENTS = re.compile(r"%%|%0?\d{0,2}d")


def is_harmless(option: str, path: str) -> bool:
    """Return whether a flag file may have an option that says where to write, without the user's consent.

    It may if the path, with links resolved, is in the current folder. Standard output is harmless, too. Saved flags
    must not become a hidden file, which another program may read.

    Args:
        option: name of the option.
        path: its value.
    """
    if option == "output" and path == DASH:
        return True
    if option == "checkpoint_output":
        if not _has_digits_alone(path):
            return False
        with contextlib.suppress(ValueError, TypeError, IndexError):  # `Config` will refuse it
            path = path.format(0) if re.search(r"\{.*\}", path) else path % 0  # as in `Config.checkpoint_path`
    folder = os.path.realpath(os.curdir)
    try:
        target = os.path.realpath(os.path.expanduser(path))
        is_inside = os.path.commonpath([folder, target]) == folder
    except ValueError:  # another drive, or no possible name
        return False
    if option == "save_flags" and is_inside:
        return not any(part.startswith(".") for part in Path(os.path.relpath(target, folder)).parts)
    return is_inside


def _has_digits_alone(template: str) -> bool:
    """Return whether the placeholders for the iteration stand for digits. Others, such as {:c}, may make any path."""
    if not re.search(r"\{.*\}", template):
        return "%" not in _SIMPLE_PERCENTS.sub("", template)
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError:
        return False
    return all(
        field is None
        or (field in ("", "0") and not conversion and _SIMPLE_SPECIFICATION.fullmatch(specification or ""))
        for _, field, specification, conversion in parts
    )
