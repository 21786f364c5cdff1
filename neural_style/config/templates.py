"""Names of files with a placeholder for a number, such as `out_{:05}.png` or `out_%05d.png`."""

from __future__ import annotations

import os
import re

from neural_style.errors import UsageError


def has_braces(template: str) -> bool:
    """Return whether the placeholder is one in braces."""
    return re.search(r"\{.*\}", template) is not None


def absolute(template: str, option: str) -> str:
    """Return a template as an absolute path. Its folder is escaped, so that it contains no placeholder.

    Args:
        template: the template, a path.
        option: what errors begin with.

    Raises:
        UsageError: the placeholder begins with a percent sign, and the current folder has braces.
    """
    path = os.path.abspath(template)
    if os.path.isabs(template):
        return path
    folder, uses_braces = os.getcwd(), has_braces(template)
    if not uses_braces and has_braces(folder):
        raise UsageError(
            f"{option}: expected --checkpoint_output with {{:05}}, since {folder!r} has braces, got {template!r}"
        )
    spelled = re.sub("([{}])", r"\1\1", folder) if uses_braces else folder.replace("%", "%%")
    return os.path.join(spelled, os.path.relpath(path, folder)) if spelled != folder else path
