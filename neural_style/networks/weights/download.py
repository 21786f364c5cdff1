"""Download of one file: resumed when cut off, verified by its hash, safe for several processes.

Proxies are taken from the environment, as urllib does. Nothing is printed but a progress bar, if asked for. pooch was
considered: it verifies and caches, but cannot resume a file, knows no lock between processes, and waits for as long as
the look-up of a name takes.
"""

from __future__ import annotations

import http.client
import logging
import math
import os
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from neural_style.errors import WeightsError
from neural_style.networks.weights.hashing import file_hash

_log = logging.getLogger("neural_style")

TIMEOUT = 10.0
"""Seconds that a connection may take to be made, or may stay silent, before it counts as broken."""

RETRIES = 4
"""Further attempts, in a row and without a new byte, after which a download that was on its way is given up."""

FIRST_RETRIES = 2
"""Likewise for a download that never began, so that a program that can do without it does not wait long."""

BACKOFF = 0.5
"""Seconds before the first retry; each further retry without a new byte waits twice as long."""

NOTE = 10.0
"""Seconds between two log lines while another process is waited for."""

_BLOCK = 1 << 16
_POLL = 0.05


class _BrokenError(Exception):
    """The connection failed.

    Attributes:
        transient: whether trying again at once is likely to help.
    """

    def __init__(self, reason: object, transient: bool) -> None:
        super().__init__(" ".join(str(reason).split()) or type(reason).__name__)
        self.transient = transient


def fetch(url: str, target: Path, algorithm: str, digest: str, progress: bool = False) -> Path:
    """Download a file, unless it is there, perhaps since another process has just downloaded it.

    The bytes received so far lie in `<target>.part` until the file is whole and its hash is right. A part that an
    earlier attempt left is continued. Of several processes one downloads, and the others wait for its file.

    Args:
        url: where the file is.
        target: where it goes; a file there with another hash is replaced.
        algorithm: name of the hash algorithm, e.g. "md5".
        digest: the hash, in hex, that the file must have.
        progress: show a bar on standard error.

    Returns:
        `target`.

    Raises:
        WeightsError: the server cannot be reached or refuses, the file has another hash, or it cannot be written.
    """
    with lock(target) as is_locked:
        if target.is_file() and file_hash(target, algorithm) == digest:
            return target
        part = target.with_name(f"{target.name}.part" if is_locked else f"{target.name}.{os.getpid()}.part")
        try:
            _fetch_verified(url, part, algorithm, digest, progress)
            os.replace(part, target)
        finally:
            if not is_locked:  # no other process would continue it
                part.unlink(missing_ok=True)
    return target


@contextmanager
def lock(target: Path) -> Iterator[bool]:
    """Wait until no other process that uses this function writes a file, and keep others waiting. Make its folder.

    Yields:
        False if the platform or the file system has no locks; then several processes may write at once.

    Raises:
        WeightsError: the system does not let the folder, or what is done meanwhile, be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(target.with_name(f"{target.name}.lock"), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            yield _acquire(descriptor)
        finally:
            os.close(descriptor)  # which releases the lock
    except OSError as error:  # only of the disk: errors of the network are handled elsewhere
        raise WeightsError(f"expected to write {target}, but {error.strerror or error}") from error


def _acquire(descriptor: int) -> bool:
    """Wait for the lock of an open file, and log what is waited for now and then; False if there are no locks."""
    import filelock

    told = -math.inf
    while True:
        try:
            if filelock.lock_descriptor(descriptor, blocking=False):
                return True
        except OSError:
            return False
        if time.monotonic() - told > NOTE:
            told = time.monotonic()
            _log.info("waiting for another process, which is fetching the same file")
        time.sleep(_POLL)


def _fetch_verified(url: str, part: Path, algorithm: str, digest: str, progress: bool) -> None:
    """Fill `part` until its hash is right. If it is wrong, delete the part and start again, once."""
    for _ in range(2):
        _fetch_whole(url, part, progress)
        got, size = file_hash(part, algorithm), _size(part)
        if got == digest:
            return
        part.unlink()
    raise WeightsError(
        f"cannot use {url}: expected {algorithm} {digest}, got {algorithm} {got} ({size} bytes): "
        "another file, or a proxy's page"
    )


def _fetch_whole(url: str, part: Path, progress: bool) -> None:
    """Fill `part` to its end, with as many connections as it takes while new bytes arrive."""
    start = best = _size(part)
    failures = 0
    while True:
        try:
            return _fetch_rest(url, part, progress)
        except _BrokenError as broken:
            size = _size(part)
            failures = 1 if size > best else failures + 1
            best = max(best, size)
            began = best > start
            if failures > (RETRIES if began else FIRST_RETRIES) or not (began or broken.transient):
                raise WeightsError(f"cannot download {url}: {broken}") from broken
        time.sleep(BACKOFF * 2 ** (failures - 1))


def _fetch_rest(url: str, part: Path, progress: bool) -> None:
    """Append to `part` what one connection gives, or begin it again if the server cannot resume."""
    start = _size(part)
    headers = {"User-Agent": "neural-style", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    response = _open(url, headers)
    if response is None:  # nothing lies beyond the part: it is whole or too long, as its hash will tell
        return
    with response:
        resumed = response.status == 206
        if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            part.unlink(missing_ok=True)
            raise _BrokenError("the server resumed at another place than asked for", transient=True)
        start = start if resumed else 0
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdigit() else None
        with open(part, "ab" if resumed else "wb") as file, _bar(url, start, total, progress) as bar:
            for block in _blocks(response):
                file.write(block)
                bar.update(len(block))
    if total is not None and _size(part) < total:
        raise _BrokenError(f"cut off after {_size(part)} of {total} bytes", transient=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _blocks(response: Any) -> Iterator[bytes]:
    while True:
        try:
            block = response.read(_BLOCK)
        except (OSError, http.client.HTTPException) as error:
            raise _BrokenError(error, transient=True) from error
        if not block:
            return
        yield block


def _bar(url: str, start: int, total: int | None, shown: bool) -> Any:
    from tqdm import tqdm

    name = url.rpartition("/")[2]
    return tqdm(desc=name, initial=start, total=total, unit="B", unit_scale=True, unit_divisor=1024, disable=not shown)


def _open(url: str, headers: dict[str, str]) -> Any:
    """Return the server's answer; None if it says that nothing lies beyond the range asked for."""
    answer = _ask(url, headers)
    if not isinstance(answer, Exception):
        return answer
    if isinstance(answer, urllib.error.HTTPError):
        answer.close()
        if answer.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and "Range" in headers:
            return None
        busy = answer.code >= 500 or answer.code == HTTPStatus.TOO_MANY_REQUESTS
        raise _BrokenError(f"HTTP {answer.code} {answer.reason}", transient=busy)
    cause = answer.reason if isinstance(answer, urllib.error.URLError) else answer
    dropped = isinstance(cause, ConnectionError) and not isinstance(cause, ConnectionRefusedError)
    raise _BrokenError(cause, transient=dropped)


def _ask(url: str, headers: dict[str, str]) -> Any:
    """Return the server's answer or the exception, within `TIMEOUT` seconds.

    The request runs in its own thread, because the look-up of a name has no timeout and can hang without a network.
    """
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT))
        except Exception as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answers.get(timeout=TIMEOUT)
    except queue.Empty:
        return TimeoutError(f"no answer within {TIMEOUT:g} seconds")
