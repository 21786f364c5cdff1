"""Who visits the page, and which files and jobs are whose."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import re
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    from neural_style.web.jobs import Job
    from neural_style.web.pictures import Sent

COOKIE = "neural_style_visitor"
"""Name of the cookie that tells visitors apart. Its value is a secret of the visitor's browser."""

MOST_VISITORS = 200
"""How many visitors are remembered. Beyond that, those who have been away longest are forgotten, with their files."""

MOST_UPLOADED, MOST_UPLOADED_BY_ALL, MOST_FILES = 10**9, 4 * 10**9, 500
"""Most bytes of the files of one visitor, and of all together, and most files of one visitor."""

_LAST_FILES = 10
"""How many of the last files of a visitor are kept though no job needs them."""

AWAY_SECONDS = 24 * 3600.0
"""How long a visitor is remembered who does not come back and has no job that waits or is painted. What they left
paused is dropped then."""

_PART_SECONDS = 600.0
"""Age of a file that is not yet whole, beyond which nobody sends the rest."""

_PREFIX = "neural-style-web-"


class PageFolder:
    """The folder for everything that the page keeps while it is served. Use it as a context manager.

    At the end it is removed. So are those of processes that were killed, at the next start.
    """

    def __init__(self) -> None:
        """Make it, and remove those that were left."""
        for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
            _remove_unless_used(left)
        self.path = Path(os.path.realpath(tempfile.mkdtemp(prefix=_PREFIX)))
        self._lock = FileLock(self.path / "lock")
        self._lock.acquire()

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Remove the folder."""
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)


def _remove_unless_used(folder: Path) -> None:
    if folder.is_symlink() or not folder.is_dir():
        return
    try:
        if hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
            return
        if not (folder / "lock").is_file() and time.time() - folder.stat().st_mtime < _PART_SECONDS:
            return  # it may just be made
        with FileLock(folder / "lock", timeout=0):
            pass
    except (Timeout, OSError):
        return
    shutil.rmtree(folder, ignore_errors=True)


@dataclasses.dataclass(eq=False)
class Visitor:
    """Somebody with a browser."""

    folder: Path
    """Where the files made for them lie. Only they may read it."""
    uploads: dict[str, int] = dataclasses.field(default_factory=dict)
    """Path of each file that they sent, the oldest first -> its size in bytes."""
    sent: dict[str, Sent] = dataclasses.field(default_factory=dict)
    """Path of a picture that they sent, and of the copy that the page shows -> the picture."""
    jobs: list[Job] = dataclasses.field(default_factory=list)
    """What they had painted, and have painted."""
    coming: int = 0
    """Most bytes of the files that are being sent."""
    seen: float = dataclasses.field(default_factory=time.monotonic)
    """When they last asked for something."""

    def new_file(self, name: str) -> Path:
        """Return a path in a new folder of theirs, for a file of that name.

        Raises:
            FileNotFoundError: the page has ended, and its folder is not there any more.
        """
        folder = self.folder / secrets.token_urlsafe(16)
        self.folder.mkdir(exist_ok=True)
        folder.mkdir()
        return folder / name

    def owns(self, path: str) -> bool:
        """Return whether a path, as it was sent, is one of their files."""
        return path in self.uploads or _is_within(path, self.folder)


class Visitors:
    """All visitors of the page. It may be used from several threads."""

    def __init__(self, folder: Path):
        """Begin without any, and with a folder for their files."""
        self._root = folder
        self.shared = folder / "shared"
        """For files that every visitor may read."""
        self.shared.mkdir(parents=True, exist_ok=True)
        self._folder = folder / "visitors"
        self._folder.mkdir(exist_ok=True)
        self.on_forgotten: Callable[[Visitor], object] = lambda visitor: None
        """Called with each visitor who is forgotten."""
        self._all: dict[str, Visitor] = {}
        self._lock = threading.RLock()

    def of(self, token: str) -> Visitor:
        """Return the visitor with that cookie, and note that they are here. A new one is remembered."""
        digest = _digest(token)
        with self._lock:
            visitor = self._all.pop(digest, None) or Visitor(self._folder / digest)
            self._forget_some()
            self._all[digest] = visitor  # those who came last are at the end
            visitor.seen = time.monotonic()
            return visitor

    def known(self, token: str) -> Visitor:
        """Return the visitor with that cookie; one who owns nothing, and is not remembered, if there is none."""
        digest = _digest(token)
        with self._lock:
            return self._all.get(digest) or Visitor(self._folder / digest)

    def may_read(self, visitor: Visitor, path: str) -> bool:
        """Return whether a visitor may read a file."""
        return visitor.owns(path) or _is_within(path, self.shared)

    def expect(self, visitor: Visitor, size: int) -> bool:
        """Reserve room for files that a visitor is about to send; return whether there is any.

        The oldest of their files that are not needed any more make room.

        Args:
            visitor: who sends them.
            size: their bytes at most.
        """
        with self._lock:
            while not self._has_room(visitor, size):
                unneeded = next((path for path in visitor.uploads if path not in _needed(visitor)), None)
                if unneeded is None:
                    return False
                self._remove_upload(visitor, unneeded)
            visitor.coming += size
            return True

    def _has_room(self, visitor: Visitor, size: int) -> bool:
        everyone = {id(each): each for each in (visitor, *self._all.values())}.values()
        together = sum(each.coming + sum(each.uploads.values()) for each in everyone)
        own = visitor.coming + sum(visitor.uploads.values())
        is_room = own + size <= MOST_UPLOADED and together + size <= MOST_UPLOADED_BY_ALL
        return is_room and len(visitor.uploads) < MOST_FILES

    def has_come(self, visitor: Visitor, size: int) -> None:
        """Give back what `expect` reserved, and remove what was left of files that did not come whole."""
        with self._lock:
            visitor.coming -= size
        for part in self._root.glob("tmp*"):
            with contextlib.suppress(OSError):
                if part.is_file() and time.time() - part.stat().st_mtime > _PART_SECONDS:
                    part.unlink()

    def note_files(self, token: str, paths: Sequence[str], size: int) -> None:
        """Note files that have come from the visitor with that cookie, who is remembered from now on.

        Args:
            token: the cookie.
            paths: of the files.
            size: bytes of all of them at most.
        """
        with self._lock:
            self.of(token).uploads.update(dict.fromkeys(paths, size // max(1, len(paths))))

    def _remove_upload(self, visitor: Visitor, path: str) -> None:
        del visitor.uploads[path]
        visitor.sent.pop(path, None)
        if not any(path in each.uploads for each in self._all.values()):  # two may have sent the same
            with contextlib.suppress(OSError):
                os.unlink(path)

    def _forget_some(self) -> None:
        """Forget those who have been away for long, and beyond `MOST_VISITORS` those who came first."""
        now = time.monotonic()
        away = [
            digest
            for digest, each in self._all.items()
            if now - each.seen > AWAY_SECONDS and not any(job.state.is_active for job in each.jobs)
        ]
        for digest in away:
            self._forget(digest)
        if len(self._all) >= MOST_VISITORS:
            idle = [digest for digest, each in self._all.items() if all(job.state.is_over for job in each.jobs)]
            idle.sort(key=lambda digest: (bool(self._all[digest].jobs), self._all[digest].seen))
            for digest in idle[: len(self._all) - MOST_VISITORS + 1]:
                self._forget(digest)

    def _forget(self, digest: str) -> None:
        visitor = self._all.pop(digest)
        self.on_forgotten(visitor)
        for path in list(visitor.uploads):
            self._remove_upload(visitor, path)
        shutil.rmtree(visitor.folder, ignore_errors=True)


def _needed(visitor: Visitor) -> set[str]:
    """Return the paths of files that jobs need, or that were among the last to be sent."""
    needed = set(list(visitor.uploads)[-_LAST_FILES:])
    for job in visitor.jobs:
        if not job.state.is_over and job.entered is not None:
            needed |= {each.path for each in (job.entered.photo, *job.entered.styles) if each is not None}
    return needed


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()[:32]


def new_token() -> str:
    """Return the value of the cookie for a new visitor."""
    return secrets.token_urlsafe(32)


def is_token(text: str) -> bool:
    """Return whether a text can be the value of the cookie."""
    return re.fullmatch(r"[A-Za-z0-9_-]{43}", text) is not None


def _is_within(path: str, folder: Path) -> bool:
    """Return whether a path is plainly in a folder: absolute, without steps upward, and not through links."""
    if not os.path.isabs(path) or os.path.normpath(path) != path or "\0" in path:
        return False
    return os.path.realpath(path) == path and Path(path).is_relative_to(folder) and path != str(folder)
