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

MOST_UPLOADED, MOST_UPLOADED_BY_ALL = 10**9, 4 * 10**9
"""Most bytes that one visitor, and all together, may have sent since they came."""

AWAY_SECONDS = 24 * 3600.0
"""How long a visitor is remembered who does not come back and has no job that waits or is painted."""

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
    if folder.is_symlink() or not folder.is_dir() or not (folder / "lock").is_file():
        return
    if hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
        return
    try:
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
    uploads: set[str] = dataclasses.field(default_factory=set)
    """Paths of the files that they sent."""
    sent: dict[str, Sent] = dataclasses.field(default_factory=dict)
    """Path of a picture that they sent, and of the copy that the page shows -> the picture."""
    jobs: list[Job] = dataclasses.field(default_factory=list)
    """What they had painted, and have painted."""
    uploaded: int = 0
    """Bytes that they have sent."""
    seen: float = dataclasses.field(default_factory=time.monotonic)
    """When they last asked for something."""

    def new_file(self, name: str) -> Path:
        """Return a path in a new folder of theirs, for a file of that name."""
        folder = self.folder / secrets.token_urlsafe(16)
        folder.mkdir(parents=True)
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
        self._all: dict[str, Visitor] = {}
        self._lock = threading.RLock()

    def of(self, token: str) -> Visitor:
        """Return the visitor with that cookie, and note that they are here."""
        digest = _digest(token)
        with self._lock:
            visitor = self._all.pop(digest, None)
            if visitor is None:
                self._forget_some()
                visitor = Visitor(self._folder / digest)
            self._all[digest] = visitor  # those who came last are at the end
            visitor.seen = time.monotonic()
            return visitor

    def stranger(self, token: str) -> Visitor:
        """Return a visitor with a new cookie, who is not remembered until they do something."""
        return Visitor(self._folder / _digest(token))

    def may_read(self, visitor: Visitor, path: str) -> bool:
        """Return whether a visitor may read a file."""
        return visitor.owns(path) or _is_within(path, self.shared)

    def may_send(self, visitor: Visitor, size: int) -> bool:
        """Return whether there is room for a file that a visitor sends, of that many bytes."""
        with self._lock:
            together = sum(each.uploaded for each in self._all.values())
            return visitor.uploaded + size <= MOST_UPLOADED and together + size <= MOST_UPLOADED_BY_ALL

    def note_upload(self, visitor: Visitor, size: int) -> None:
        """Note that a visitor has sent so many bytes, and remove what was left of files that did not come whole."""
        with self._lock:
            visitor.uploaded += size
        for part in self._root.glob("tmp*"):
            with contextlib.suppress(OSError):
                if part.is_file() and time.time() - part.stat().st_mtime > _PART_SECONDS:
                    part.unlink()

    def _forget_some(self) -> None:
        now = time.monotonic()
        idle = [digest for digest, each in self._all.items() if all(job.state.is_over for job in each.jobs)]
        gone = [digest for digest in idle if now - self._all[digest].seen > AWAY_SECONDS]
        others = sorted({*idle} - {*gone}, key=lambda digest: (bool(self._all[digest].jobs), self._all[digest].seen))
        gone += others[: max(0, len(self._all) - len(gone) - MOST_VISITORS + 1)]
        for digest in gone:
            visitor = self._all.pop(digest)
            of_others = {path for each in self._all.values() for path in each.uploads}
            for path in (
                visitor.uploads - of_others
            ):  # Gradio names them by their content, so two visitors may share one
                Path(path).unlink(missing_ok=True)
            shutil.rmtree(visitor.folder, ignore_errors=True)


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
