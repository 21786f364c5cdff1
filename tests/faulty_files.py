"""A layer between a program and its files, which fails or dies before a chosen system call.

Run as a program, it does so before each system call of a checkpoint and of a result in turn, and prints what it found
wrong, one line each. `test_faults` says what is right.
"""

from __future__ import annotations

import builtins
import contextlib
import errno
import io
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

KILLED = 137
"""Exit code of a process that died on the way."""

_CALLS = ("open", "write", "fsync", "replace", "rename", "link", "unlink", "mkdir", "chmod", "chown", "close")
"""Functions of `os` that count."""

_FAST = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""A folder in memory, where the system has one."""

_REAL = {name: getattr(os, name) for name in _CALLS}
_REAL_OPEN = builtins.open


class FaultyFiles:
    """Counts system calls that open, change or name files, and fails at one of them.

    A failing write has written half of its data.
    """

    def __init__(self, at: int, fault: Callable[[], Any]):
        """Prepare; `fault` is called before call number `at`, counted from 0, and may raise."""
        self.count, self._at, self._fault = 0, at, fault

    def __enter__(self) -> FaultyFiles:
        for name in _CALLS:
            setattr(os, name, self._counted(_REAL[name]))
        builtins.open = io.open = self._open  # type: ignore[assignment]
        return self

    def __exit__(self, *exception: object) -> None:
        for name in _CALLS:
            setattr(os, name, _REAL[name])
        builtins.open = io.open = _REAL_OPEN

    def step(self, half: Callable[[], Any] | None = None) -> None:
        """Count a call; fail if it is its turn."""
        count, self.count = self.count, self.count + 1
        if count == self._at:
            if half is not None:
                half()
            self._fault()

    def _counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self.step()
            return function(*arguments, **options)

        return call

    def _open(self, file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if not set(mode) & set("wxa+"):
            return _REAL_OPEN(file, mode, *arguments, **options)
        self.step()
        return _Written(self, _REAL_OPEN(file, mode, *arguments, **options), hides_number="w" in mode)


class _Written:
    """A file that is written, each write of which counts."""

    def __init__(self, files: FaultyFiles, file: Any, *, hides_number: bool):
        self._files, self._file, self._hides_number = files, file, hides_number

    def write(self, data: Any) -> int:
        self._files.step(lambda: (self._file.write(memoryview(data).cast("B")[: len(data) // 2]), self._file.flush()))
        return self._file.write(data)

    def fileno(self) -> int:
        if self._hides_number:  # so that Pillow does not write past this layer
            raise io.UnsupportedOperation
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _Written:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def fails(number: int) -> Callable[[], Any]:
    """Return a fault: an error of the system."""

    def fail() -> None:
        raise OSError(number, os.strerror(number))

    return fail


def dies() -> None:
    """A fault: the process is gone, as by kill -9."""
    os._exit(KILLED)


def _state(number: int) -> Any:
    from neural_style.config.config import Config
    from neural_style.config.resolve import resolve
    from neural_style.runs.session_state import SessionState

    arrays = {"a": np.full((40, 40), number, np.float32), "b": np.arange(number, dtype=np.float64)}
    return SessionState("1", resolve(Config("a.jpg", "b.jpg")), "w", (), arrays, {}, {}, {"number": number}, {})


def _checkpoint(folder: Path, number: int) -> None:
    from neural_style.runs.work_folder import WorkFolder

    with WorkFolder(folder) as work:
        work.save(_state(number))


def _result(folder: Path, number: int, *, overwrite: bool) -> None:
    from neural_style.images import writing
    from neural_style.runs.work_folder import WorkFolder

    picture = np.full((24, 32, 3), number, np.uint8)
    with WorkFolder(folder / "work") as work:
        path = folder / "out.png"
        writing.write_image(path, picture, settings={"number": number}, overwrite=overwrite, before_placing=work.note)


def _loaded(folder: Path) -> int:
    from neural_style.runs.work_folder import WorkFolder

    with WorkFolder(folder) as work:
        newest = work.checkpoints()[0]
        state = work.load()
        from neural_style.runs.session_state import SessionState

        number = SessionState.load(newest).numbers["number"]  # the newest of all is whole
    assert state.numbers["number"] == number == state.arrays["a"][0, 0]
    return number


def _shown(folder: Path) -> int | None:
    from PIL import Image

    path = folder / "out.png"
    if not path.exists():
        return None
    with Image.open(path) as image:
        image.load()
        return int(np.asarray(image)[0, 0, 0])


def _hidden(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.startswith(".")]


def try_all(name: str, prepare: Any, act: Any, look: Any, allowed: set[Any]) -> int:
    """Fail and die before each call of an action in turn; return how many calls there are.

    Args:
        name: of the action, for messages.
        prepare: makes a folder as it is before.
        act: the action, given the folder.
        look: returns what is there afterward.
        allowed: what that may be.
    """
    from neural_style.errors import OutputError

    at, counts = 0, []
    for fault, is_fatal in ((dies, True), (fails(errno.ENOSPC), False), (fails(errno.EIO), False)):
        for at in range(10_000):
            with tempfile.TemporaryDirectory(dir=_FAST) as made:
                folder = Path(made, "work")
                folder.mkdir()
                prepare(folder)
                child = os.fork()
                if child == 0:
                    code = 2
                    try:
                        with FaultyFiles(at, fault) as files, contextlib.suppress(OutputError):
                            act(folder)
                        code = 1 if files.count > at else 0
                    except BaseException:
                        traceback.print_exc(file=sys.stdout)
                    finally:
                        sys.stdout.flush()
                        os._exit(code)
                code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                if code not in (0, 1, KILLED):
                    print(f"{name}: call {at}: exit code {code}")
                found = look(folder)
                if found not in allowed:
                    print(f"{name}: call {at}: found {found}, not one of {allowed}")
                act(folder)  # works again
                if hidden := _hidden(folder):
                    print(f"{name}: call {at}: left {hidden}")
                if code == 0:
                    break
                if code != KILLED and is_fatal:
                    print(f"{name}: call {at}: exit code {code}")
        counts.append(at)
    return min(counts)


def main() -> None:
    """Try all, and print the number of system calls of each action at the end of a line that begins with `#`."""

    def two(folder: Path) -> None:
        _checkpoint(folder, 1), _checkpoint(folder, 2)

    def old(folder: Path) -> None:
        _result(folder, 1, overwrite=True)

    counts = [
        try_all("first checkpoint", lambda _: None, lambda f: _checkpoint(f, 1), _loaded_or_none, {None, 1}),
        try_all("third checkpoint", two, lambda f: _checkpoint(f, 3), _loaded, {2, 3}),
        try_all("replaced result", old, lambda f: _result(f, 2, overwrite=True), _shown, {1, 2}),
        try_all("new result", lambda _: None, lambda f: _result(f, 2, overwrite=False), _shown, {None, 2}),
    ]
    print("#", *counts)


def _loaded_or_none(folder: Path) -> int | None:
    from neural_style.runs.work_folder import WorkFolder

    with WorkFolder(folder) as work:
        is_empty = not work.checkpoints()
    return None if is_empty else _loaded(folder)


if __name__ == "__main__":
    sys.exit(main())
