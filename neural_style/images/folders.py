"""The pictures in a folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeGuard

from neural_style.errors import ImageError
from neural_style.files import PathLike
from neural_style.images import formats
from neural_style.images.picture import describe, printable


def is_folder(source: object) -> TypeGuard[PathLike]:
    """Return whether a picture is given as the path of a folder."""
    return isinstance(source, (str, os.PathLike)) and os.path.isdir(source)


def pictures_in(folder: PathLike, role: str) -> list[Path]:
    """Return the picture files of a folder, in the order of their names.

    Files count by their suffix, whether or not they can be read. Hidden files, other files and the folders in the
    folder are skipped.

    Args:
        folder: path of the folder.
        role: what the folder is for, such as "style folder"; errors begin with it.

    Raises:
        ImageError: the folder cannot be read, or there is no picture in it.
    """
    subject = f"{role} {describe(folder)!r}"
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise ImageError(f"{subject} cannot be read ({error.strerror}); give a folder of pictures") from error
    paths = [Path(folder, name) for name in names if is_picture_name(name)]
    found = [path for path in paths if path.is_file()]
    if not found:
        where = printable(os.path.abspath(folder))
        raise ImageError(
            f"{subject}: expected pictures such as .jpg or .png in it, got none; give another folder (looked in "
            f"{where!r}, not in folders in it)"
        )
    return found


def is_picture_name(path: str) -> bool:
    """Return whether `pictures_in` takes a file of this name for a picture."""
    name = os.path.basename(path)
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in formats.SUFFIXES
