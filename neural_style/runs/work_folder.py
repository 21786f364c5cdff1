"""The folder in which a run keeps its checkpoints.

One process at a time uses a folder. The last two checkpoints are kept, so that one is whole even if the disk damages
the other. Each appears whole or not at all.

A folder may come from somebody else. So links in it are never followed, and it has a mark that only this user can make,
from a key in the cache folder. The mark holds for one place.
"""

from __future__ import annotations

import contextlib
import errno
import hmac
import json
import logging
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from neural_style import files
from neural_style.errors import CheckpointError, OutputError
from neural_style.files import PathLike
from neural_style.hashing import file_hash
from neural_style.images.picture import printable
from neural_style.paths import cache_folder
from neural_style.runs.checkpoint_file import SUFFIX
from neural_style.runs.session_state import SessionState

if TYPE_CHECKING:
    from filelock import BaseFileLock

_log = logging.getLogger("neural_style")

GENERATIONS = 2
"""Checkpoints that are kept."""

_LOCK = "lock"
_WRITTEN = "written.json"
_MARK = "mark"
"""Names of the other files in a folder: what tells that it is in use, the hashes of files that the run wrote, and what
shows that this user made the folder here."""

_KEY = "work-folders.key"
"""Name of the key in the cache folder."""

_MOST_BYTES = 2**20
"""Of the small files."""

_LAST = 10**9 - 1
"""Greatest number of a checkpoint."""


class WorkFolder:
    """The folder of one run, for this process alone until it is closed.

    Attributes:
        path: the folder, absolute.
    """

    def __init__(self, path: PathLike, option: str = "workdir", *, make: bool = True):
        """Take the folder.

        Args:
            path: the folder.
            option: the option that asked for it; errors begin with it.
            make: whether to make it if it is missing.

        Raises:
            CheckpointError: another run is using it; or it is missing, and not to be made.
            OutputError: it cannot be made or written to.
        """
        self.path = Path(os.path.abspath(path))
        self._option = option
        self._written: set[str] | None = None
        if not make and self.path.is_file():
            raise CheckpointError(
                f"{option}: expected a folder, got the file {printable(str(self.path))!r}; give its folder"
            )
        if not make and not self.checkpoints():
            raise self._lacking()
        self._lock = self._taken()
        files.remove_leftovers(self.path, all_processes=True)
        self._mark_if_empty()

    def _taken(self) -> BaseFileLock:
        import filelock  # takes a while

        name = printable(str(self.path))
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            files.sync_folder(self.path.parent)
            lock = filelock.FileLock(self.path / _LOCK)
            lock.acquire(timeout=0)
            self._locked = _identity(self.path / _LOCK)
        except filelock.Timeout as error:
            raise CheckpointError(
                f"{self._option}: expected a folder that no run is using, got {name!r}, which another run is using "
                "now; wait for it, or give another folder"
            ) from error
        except (OSError, NotImplementedError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OutputError(
                f"{self._option}: expected a folder that can be written to, got {name!r} ({reason}); give another"
            ) from error
        return lock

    def close(self) -> None:
        """Let other runs use the folder."""
        self._lock.release()

    def __enter__(self) -> WorkFolder:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # --- checkpoints --------------------------------------------------------------------------------------------------

    def checkpoints(self) -> list[Path]:
        """Return the checkpoints, the newest first."""
        try:
            return [path for _, path in sorted(self._numbered(), reverse=True)]
        except OSError:
            return []

    def clear(self) -> None:
        """Remove all checkpoints, and what is known of files that their run wrote. Another run begins here."""
        for path in [*self.checkpoints(), self.path / _WRITTEN]:
            with contextlib.suppress(OSError):
                path.unlink()
        self._written = set()
        self._mark_if_empty()

    def save(self, state: SessionState) -> Path:
        """Write a checkpoint, and remove those that are not needed any more.

        If the disk is full, the older one of two goes first.

        Returns:
            Its path.

        Raises:
            CheckpointError: the folder was removed, and another run has taken one of the same name.
            OutputError: it cannot be written. Nothing has changed, but for the older checkpoint if the disk is full.
        """
        if not self._lock.is_locked or _identity(self.path / _LOCK) != self._locked:  # somebody removed the folder
            self._lock.release(force=True)
            self._lock = self._taken()
            self._mark_if_empty()
        path = self._next()
        try:
            state.save(path)
        except OutputError as error:
            is_full = getattr(error.__cause__, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
            if not is_full or not self._remove_all_but(GENERATIONS - 1):
                raise
            state.save(path)
        self._remove_all_but(GENERATIONS)
        return path

    def load(self) -> SessionState:
        """Read the newest checkpoint that is whole, and say so if it is not the newest of all.

        Raises:
            CheckpointError: there is none.
        """
        failed: CheckpointError | None = None
        for path in self.checkpoints():
            try:
                state = SessionState.load(path)
            except CheckpointError as error:
                failed = failed or error
                _log.warning("%s: %s", self._option, error)
                continue
            if failed is not None:
                _log.warning("%s: going on from the checkpoint before it, %r", self._option, printable(path.name))
            return state
        if failed is not None:
            raise CheckpointError(
                f"{self._option}: {failed}; no other checkpoint is whole; begin anew with --workdir and --overwrite"
            ) from failed
        raise self._lacking()

    def _lacking(self) -> CheckpointError:
        return CheckpointError(
            f"{self._option}: expected a folder with a checkpoint, got {printable(str(self.path))!r} without any; "
            "begin a run with --workdir"
        )

    def _next(self) -> Path:
        """Return the path of the next checkpoint.

        Raises:
            OutputError: the folder cannot be read, or there are no more numbers.
        """
        try:
            number = 1 + max((number for number, _ in self._numbered()), default=0)
        except OSError as error:
            raise OutputError(
                f"{self._option}: {printable(str(self.path))!r} cannot be read ({error.strerror}); give another folder"
            ) from error
        if number > _LAST:
            raise OutputError(
                f"{self._option}: expected a checkpoint with a number below {_LAST}, got it; give another folder"
            )
        return self.path / f"checkpoint-{number:06}{SUFFIX}"

    def _numbered(self) -> Iterator[tuple[int, Path]]:
        for name in os.listdir(self.path):
            if found := re.fullmatch(r"checkpoint-(\d{1,9})" + re.escape(SUFFIX), name):
                yield int(found[1]), self.path / name

    def _remove_all_but(self, count: int) -> bool:
        """Remove the oldest checkpoints; return whether there were any to remove."""
        others = self.checkpoints()[count:]
        for path in others:
            with contextlib.suppress(OSError):
                path.unlink()
        return bool(others)

    # --- whose folder it is -------------------------------------------------------------------------------------------

    @property
    def is_own(self) -> bool:
        """Whether this user made the folder, at this place. Somebody else may have made any other."""
        key = _key(make=False)
        return key is not None and hmac.compare_digest(_small_file(self.path / _MARK), self._mark(key))

    def _mark_if_empty(self) -> None:
        """Mark the folder as this user's own, unless there are checkpoints, which may be somebody else's."""
        if not self.checkpoints() and (key := _key(make=True)) is not None:
            self._write_small(_MARK, self._mark(key))

    def _mark(self, key: bytes) -> bytes:
        return hmac.new(key, os.fsencode(os.path.realpath(self.path)), "sha256").hexdigest().encode()

    def _write_small(self, name: str, data: bytes) -> None:
        """Write one of the small files. A failure to do so is logged."""
        try:
            files.write_atomically(
                self.path / name,
                lambda file: file.write_bytes(data),
                overwrite=True,
                option=self._option,
                follow_link=False,
            )
        except OutputError as error:
            _log.warning("%s", error)

    def forget_written(self) -> None:
        """Take no file for one that the run wrote, since somebody else may have made this folder."""
        self._written = set()

    # --- files that the run wrote -------------------------------------------------------------------------------------

    def note(self, path: Path) -> None:
        """Note that the run writes a file with these contents, so that it may replace it when it is continued.

        A failure to do so is logged.
        """
        try:
            digest = file_hash(path, "sha256")
            noted = self._noted()
            if digest not in noted:
                noted.add(digest)
                self._write_small(_WRITTEN, json.dumps(sorted(noted)).encode())
        except OSError as error:
            _log.warning("%s: %s", self._option, error)

    def has_written(self, path: PathLike) -> bool:
        """Return whether a file has the contents of one that the run wrote."""
        try:
            return file_hash(Path(path), "sha256") in self._noted()
        except OSError:
            return False

    def _noted(self) -> set[str]:
        if self._written is None:
            try:
                found = json.loads(_small_file(self.path / _WRITTEN))
                self._written = {each for each in found if isinstance(each, str)} if isinstance(found, list) else set()
            except (ValueError, RecursionError):
                self._written = set()
        return self._written


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from others; None if it is not there, or the system does not tell."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _small_file(path: Path) -> bytes:
    """Return the contents of a small file; nothing of what is missing, larger, or no file."""
    with contextlib.suppress(OSError):
        if stat.S_ISREG(os.lstat(path).st_mode):
            with open(path, "rb") as file:
                data = file.read(_MOST_BYTES + 1)
            return data if len(data) <= _MOST_BYTES else b""
    return b""


def _key(*, make: bool) -> bytes | None:
    """Return this user's key for marks; None if there is none, and none is to be made or can be kept."""
    path = cache_folder() / _KEY
    if make and not os.path.lexists(path):
        with contextlib.suppress(OutputError):
            files.write_atomically(path, _write_key, overwrite=False)
    return _small_file(path) or None


def _write_key(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(secrets.token_bytes(32))
