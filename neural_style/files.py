"""Write files of any kind so that each one appears whole or not at all, and no existing file is lost.

A symbolic link stands for the file that it leads to. A file that replaces another takes over its permissions.

A file is written under a hidden name in its folder, brought to the disk, and then renamed. So a crash or a loss of
power leaves the old file or the new one. A process that is killed may leave the hidden file; the next one that writes
into the folder removes it.
"""

import contextlib
import errno
import functools
import hashlib
import itertools
import os
import re
import secrets
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from neural_style.errors import OutputError

PathLike = str | os.PathLike[str]

_HIDDEN = ".neural-style-"
"""What the names of temporary files begin with."""

_PROBE_BYTES = 4096
"""What is written to a folder to see whether its disk has room."""


def check_writable(path: PathLike, option: str, *, overwrite: bool) -> None:
    """Check that a file can be written, before any work is done. Change nothing.

    Args:
        path: where the file is to be written.
        option: the option that asked for it; errors begin with it.
        overwrite: whether an existing file may be replaced.

    Raises:
        OutputError: the path is a folder, a device or a broken link, the file exists and must not be replaced, or its
            folder cannot be made or written to.
    """
    path = Path(path)
    _check_name(path, option)
    with _output_error(path, option):
        target = _target(path, option)
        if _exists(path) and not overwrite:
            raise OutputError(f"{option}: {str(path)!r} exists; give --overwrite to replace it, or another name")
    folder = next(parent for parent in target.parents if os.path.lexists(parent))
    if not folder.is_dir():
        raise OutputError(f"{option}: {str(path)!r} needs a folder, but {str(folder)!r} is not one; give another name")
    probe = _temporary(folder, path.suffix)
    with _output_error(path, option):
        try:
            _create(probe)
        finally:
            _remove(probe)


def check_folder(path: PathLike, option: str) -> None:
    """Check that new files can be written into a folder, which need not exist yet. Change nothing.

    Args:
        path: the folder.
        option: the option that asked for it; errors begin with it.

    Raises:
        OutputError: it is no folder, cannot be made or written to, or its disk is full.
    """
    path = Path(path)
    _check_name(path, option)
    folder = next(parent for parent in (path, *path.parents) if os.path.lexists(parent))
    if not folder.is_dir():
        got = "that" if folder == path else repr(str(folder))
        raise OutputError(f"{option}: expected a folder, got {str(path)!r}, but {got} is not one; give another name")
    probe = _temporary(folder, "")
    with _output_error(path, option):
        try:
            _create(probe)
            probe.write_bytes(bytes(_PROBE_BYTES))
        finally:
            _remove(probe)


def numbered(path: PathLike) -> Path:
    """Return the path itself if it is free, otherwise the first free one of stem-2.ext, stem-3.ext and so on."""
    path = Path(path)
    others = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(2))
    return next(candidate for candidate in itertools.chain([path], others) if not os.path.lexists(candidate))


def write_atomically(
    path: PathLike,
    write: Callable[[Path], object],
    *,
    overwrite: bool,
    option: str = "output",
    before_placing: Callable[[Path], object] | None = None,
    follow_link: bool = True,
) -> Path:
    """Write a file of any kind so that it appears whole or not at all.

    Args:
        path: where to write; missing folders are made.
        write: writes the content to the path it is given: an empty file of the same extension in the same folder.
        overwrite: whether to replace an existing file, or the file that a link leads to. A new file keeps the
            permissions of the one it replaces, and its owner where the system allows it. Otherwise the new file gets a
            numbered name beside an existing one.
        option: the option that asked for it; errors begin with it.
        before_placing: called with the path of the whole file before it gets its name.
        follow_link: whether a link stands for the file that it leads to. Otherwise the link itself is replaced.

    Returns:
        Path of the file written: `path`, or a numbered one.

    Raises:
        OutputError: the path is a folder, a device or a broken link, or the system does not let the file be written.
            Anything else that `write` raises passes through.
    """
    path = Path(path)
    _check_name(path, option)
    with _output_error(path, option):
        path.parent.mkdir(parents=True, exist_ok=True)
        target = _target(path, option) if overwrite and follow_link else path
        replaced = target.stat() if overwrite and _exists(target) else None
        remove_leftovers(target.parent)
        temporary = _temporary(target.parent, path.suffix)
        try:
            _create(temporary, 0o600 if replaced else 0o666)
            write(temporary)
            with open(temporary, "rb+") as file:
                _sync(file.fileno())
            if before_placing is not None:
                before_placing(temporary)
            if not overwrite:
                path = _place(temporary, path)
            else:
                if replaced:
                    _take_over_permissions(temporary, replaced)
                os.replace(temporary, target)
            sync_folder(target.parent)
        finally:
            _remove(temporary)
    return path


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can do that."""
    with contextlib.suppress(OSError):  # Windows opens no folders, and some file systems do not sync them
        number = os.open(folder, os.O_RDONLY)
        try:
            _sync(number)
        finally:
            os.close(number)


def _sync(number: int) -> None:
    """Bring an open file to the disk."""
    if sys.platform == "darwin":  # where fsync leaves it in the memory of the disk
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.fcntl(number, fcntl.F_FULLFSYNC)
            return
    os.fsync(number)


def remove_leftovers(folder: Path, *, all_processes: bool = False) -> None:
    """Remove the temporary files of processes that have ended.

    Args:
        folder: where they are.
        all_processes: whether no other process is writing there. Otherwise only those of this machine count, since it
            was started.
    """
    import psutil

    pattern = re.compile(re.escape(_HIDDEN) + r"([0-9a-f]{8})-(\d{1,9})-[0-9a-f]{16}(\.|$)")
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            found = pattern.match(name)
            if found and (all_processes or (found[1] == _machine() and not psutil.pid_exists(int(found[2])))):
                _remove(folder / name)


@contextlib.contextmanager
def _output_error(path: Path, option: str) -> Iterator[None]:
    """Turn an error of the system into an OutputError about `path`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"{option}: {str(path)!r} cannot be written ({reason}); give another place") from error


def _check_name(path: Path, option: str) -> None:
    """Raise OutputError for a name that a file on this system cannot have."""
    try:
        is_possible = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        is_possible = False
    if not is_possible:
        encoding = sys.getfilesystemencoding()
        raise OutputError(f"{option}: expected a file name in {encoding}, got {str(path)!r}; give another name")


def _target(path: Path, option: str) -> Path:
    """Return the file that a path stands for: the one at the end of its links, or the path itself.

    Raises:
        OutputError: the links lead nowhere or in a circle, or what is there is not a regular file.
        OSError: the system does not tell.
    """
    is_link, name = path.is_symlink(), repr(str(path))
    remedy = "remove the link or give another name"
    end = os.path.realpath(path) if is_link else path
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if is_link and error.errno == errno.ELOOP:
            raise OutputError(f"{option}: {name} is a link that leads back to itself; {remedy}") from error
        if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
            raise
        if is_link:
            raise OutputError(f"{option}: {name} is a link to {str(end)!r}, which does not exist; {remedy}") from error
        return path
    got = f"{name}, a link to the " if is_link else "the "
    if stat.S_ISDIR(mode):
        raise OutputError(f"{option}: expected the path of a file, got {got}folder {str(end)!r}")
    if not stat.S_ISREG(mode):
        raise OutputError(f"{option}: expected the path of a file, got {got}device or pipe {str(end)!r}")
    return Path(end)


def _exists(path: Path) -> bool:
    """Return whether the name is taken. Unlike `os.path.lexists`, raise OSError for a name that the system refuses."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _temporary(folder: Path, suffix: str) -> Path:
    """Return a hidden path in `folder` that nobody else uses, with the suffix, which tells Pillow the format."""
    return folder / f"{_HIDDEN}{_machine()}-{os.getpid()}-{secrets.token_hex(8)}{suffix}"


@functools.cache
def _machine() -> str:
    """Return a few letters for this machine or container, since its start, within which process numbers are alike."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):  # Linux
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        parts.append(os.readlink("/proc/self/ns/pid"))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def _create(path: Path, mode: int = 0o666) -> None:
    """Create an empty file. By default it gets the usual permissions (`tempfile` would make it private)."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))


def _take_over_permissions(path: Path, replaced: os.stat_result) -> None:
    """Give a file the owner, group and permissions of another, as far as the system allows it."""
    if hasattr(os, "chown"):
        for owner in (-1, replaced.st_uid):  # the group alone often works where the owner does not
            with contextlib.suppress(OSError):
                os.chown(path, owner, replaced.st_gid)
    with contextlib.suppress(OSError):  # some filesystems have no permissions
        path.chmod(stat.S_IMODE(replaced.st_mode))  # after the change of owner, which clears some of them


def _remove(path: Path) -> None:
    """Remove a file if it is there."""
    with contextlib.suppress(OSError):
        path.unlink()


def _place(temporary: Path, path: Path) -> Path:
    """Give a file its final name, or a numbered one if a file of that name has appeared meanwhile."""
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
