"""Writing files of any kind so that each is whole or absent, and none that exists is lost."""

import contextlib
import itertools
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from neural_style.errors import OutputError

PathLike = str | os.PathLike[str]


def check_writable(path: PathLike, option: str, *, overwrite: bool) -> None:
    """Makes sure, before any work is done, that a file can be written; changes nothing.

    Args:
        path: Where the file is to be written.
        option: The option that asked for it; errors begin with it.
        overwrite: Whether an existing file may be replaced.

    Raises:
        OutputError: The path is a folder, the file exists and must not be replaced, or its folder cannot be made or
            written to.
    """
    path = Path(path)
    if os.path.isdir(path):
        raise OutputError(f"{option}: expected the path of a file, got the folder {str(path)!r}")
    with _output_error(path, option):
        if _exists(path) and not overwrite:
            raise OutputError(f"{option}: {str(path)!r} exists; give --overwrite to replace it, or another name")
    folder = next(parent for parent in path.parents if os.path.lexists(parent))
    if not folder.is_dir():
        raise OutputError(f"{option}: {str(path)!r} needs a folder where {str(folder)!r} is none; give another name")
    probe = _temporary(folder, path.suffix)
    with _output_error(path, option):
        try:
            _create(probe)
        finally:
            _remove(probe)


def numbered(path: PathLike) -> Path:
    """The path itself if it is free, otherwise the first free one of stem-2.ext, stem-3.ext and so on."""
    path = Path(path)
    others = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(2))
    return next(candidate for candidate in itertools.chain([path], others) if not os.path.lexists(candidate))


def write_atomically(
    path: PathLike, write: Callable[[Path], object], *, overwrite: bool, option: str = "output"
) -> Path:
    """Writes a file of any kind so that it appears whole or not at all.

    Args:
        path: Where to write; missing folders are made.
        write: Writes the content to the path it is given: an empty file of the same extension in the same folder.
        overwrite: Whether an existing file is replaced; if not, the new one gets a numbered name beside it.
        option: The option that asked for it; errors begin with it.

    Returns:
        Path of the file written.

    Raises:
        OutputError: The system does not let the file be written. What else `write` raises passes through.
    """
    path = Path(path)
    temporary = _temporary(path.parent, path.suffix)
    target = path
    with _output_error(path, option):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _create(temporary)
            write(temporary)
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            if overwrite:
                os.replace(temporary, path)
            else:
                target = _place(temporary, path)
        finally:
            _remove(temporary)
    return target


@contextlib.contextmanager
def _output_error(path: Path, option: str) -> Iterator[None]:
    """Turns an error of the system into an OutputError about `path`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"{option}: {str(path)!r} cannot be written ({reason}); give another place") from error


def _exists(path: Path) -> bool:
    """Whether the name is taken; unlike `os.path.lexists`, raises OSError for one that the system cannot take."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _temporary(folder: Path, suffix: str) -> Path:
    """A hidden path in `folder` that nobody else uses; its suffix is kept, since Pillow goes by it."""
    return folder / f".neural-style-{secrets.token_hex(8)}{suffix}"


def _create(path: Path) -> None:
    """Creates an empty file with the permissions of any other (`tempfile` would make it private)."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))


def _remove(path: Path) -> None:
    """Removes a file if it is there."""
    with contextlib.suppress(OSError):
        path.unlink()


def _place(temporary: Path, path: Path) -> Path:
    """Gives a file its final name, or a numbered one rather than replace a file that appeared meanwhile."""
    while True:
        target = numbered(path)
        with contextlib.suppress(FileExistsError):
            try:
                os.link(temporary, target)
            except FileExistsError:
                raise
            except OSError:  # no hard links on this filesystem
                _create(target)
                try:
                    os.replace(temporary, target)
                except OSError:
                    _remove(target)
                    raise
            return target
