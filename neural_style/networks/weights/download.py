"""Download one file: resume it when it is cut off, verify its hash, and allow several processes at once.

urllib takes proxies from the environment. Nothing is printed except a progress bar, if it is asked for. pooch was
considered: it verifies and caches, but it cannot resume a file, does not lock between processes, and waits without
limit for the look-up of a name.
"""

from __future__ import annotations

import http.client
import logging
import math
import os
import queue
import re
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from neural_style.errors import WeightsError
from neural_style.hashing import file_hash
from neural_style.networks.weights.open_file import MOST_BYTES, plain

_log = logging.getLogger("neural_style")

TIMEOUT = 10.0
"""Seconds that a connection may take to open, or may be silent, before it counts as broken."""

RETRIES = 4
"""Retries in a row without a new byte, after which a download that has begun is given up."""

FIRST_RETRIES = 2
"""The same for a download that has not begun. It is small, so that a program that can do without waits less."""

BACKOFF = 0.5
"""Seconds before the first retry. Each further retry without a new byte waits twice as long."""

SLOWEST = 1000.0
"""Bytes per second, on average over `PATIENCE` seconds, below which a download is given up."""

PATIENCE = 60.0

NOTE = 10.0
"""Seconds between two log lines while waiting for another process."""

_BLOCK = 1 << 16
_POLL = 0.05


class _BrokenError(Exception):
    """The connection failed.

    Attributes:
        transient: whether trying again at once is likely to help.
    """

    def __init__(self, reason: object, transient: bool) -> None:
        super().__init__(plain(reason, 400) or type(reason).__name__)
        self.transient = transient


class _TooLongError(Exception):
    """The server has more bytes than the file, so it has another file."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows at most ten redirects, to HTTPS, or from HTTP to HTTP."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Return the request that follows a redirect."""
        before, after = urllib.parse.urlsplit(req.full_url).scheme, urllib.parse.urlsplit(newurl).scheme
        if after not in ("http", "https") or (before, after) == ("https", "http"):
            raise _BrokenError(f"the server redirects from {before} to {newurl}, which is not allowed", transient=False)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Pace:
    """Counts what arrives, over all connections, and gives up when it is hardly anything."""

    def __init__(self, url: str) -> None:
        self._url, self._since, self._bytes = url, time.monotonic(), 0

    def add(self, count: int) -> None:
        """Note that so many bytes have arrived, or raise WeightsError."""
        self._bytes += count
        seconds = time.monotonic() - self._since
        if seconds > PATIENCE:
            if self._bytes < SLOWEST * seconds:
                raise WeightsError(
                    f"cannot download {self._url}: expected at least {SLOWEST:g} bytes per second, "
                    f"got {self._bytes} bytes in {seconds:.0f} seconds"
                )
            self._since, self._bytes = time.monotonic(), 0


def fetch(url: str, target: Path, algorithm: str, digest: str, progress: bool = False, size: int | None = None) -> Path:
    """Download a file, unless it is there already, for example because another process has just downloaded it.

    The bytes received so far are in `<target>.part` until the file is complete and its hash is right. A part that an
    earlier attempt left is continued. If several processes call this, one downloads and the others wait for its file.

    Args:
        url: address of the file.
        target: where to put the file. A file there with another hash is replaced.
        algorithm: name of the hash algorithm, such as "md5".
        digest: the hash, in hex, that the file must have.
        progress: whether to show a bar on standard error.
        size: size of the file in bytes, if it is known. No more than that is received, or than any weights file has.

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
            _fetch_verified(url, part, algorithm, digest, progress, size or MOST_BYTES)
            os.replace(part, target)
        finally:
            if not is_locked:  # no other process will continue it
                part.unlink(missing_ok=True)
    return target


@contextmanager
def lock(target: Path) -> Iterator[bool]:
    """Lock a file against other processes that use this function. Make its folder.

    Yields:
        Whether it is locked. Some file systems have no locks; then several processes may write at once.

    Raises:
        WeightsError: the folder cannot be made, or the code in the `with` block cannot write.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(target.with_name(f"{target.name}.lock"), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            yield _acquire(descriptor)
        finally:
            os.close(descriptor)  # this releases the lock
    except OSError as error:  # an error of the disk; errors of the network are handled elsewhere
        raise WeightsError(f"expected to write {target}, but {error.strerror or error}") from error


def _acquire(descriptor: int) -> bool:
    """Wait for the lock of an open file, and log that from time to time; return False if there are no locks."""
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
            _log.info("waiting for another process, which is downloading the same file")
        time.sleep(_POLL)


def _fetch_verified(url: str, part: Path, algorithm: str, digest: str, progress: bool, most: int) -> None:
    """Download `part` until it is complete and its hash is right. If the hash is wrong, start again once."""
    for _ in range(2):
        try:
            _fetch_whole(url, part, progress, most)
        except _TooLongError as error:
            part.unlink(missing_ok=True)
            raise WeightsError(f"cannot use {url}: {error}, which is another file") from error
        got, size = file_hash(part, algorithm), _size(part)
        if got == digest:
            return
        part.unlink()
    raise WeightsError(
        f"cannot use {url}: expected {algorithm} {digest}, got {algorithm} {got} ({size} bytes), "
        "which is another file or the page of a proxy"
    )


def _fetch_whole(url: str, part: Path, progress: bool, most: int) -> None:
    """Download `part` to its end, with as many connections as needed while new bytes arrive."""
    pace = _Pace(url)
    start = best = _size(part)
    failures = 0
    while True:
        try:
            return _fetch_rest(url, part, progress, most, pace)
        except _BrokenError as broken:
            size = _size(part)
            failures = 1 if size > best else failures + 1
            best = max(best, size)
            began = best > start
            if failures > (RETRIES if began else FIRST_RETRIES) or not (began or broken.transient):
                raise WeightsError(f"cannot download {url}: {broken}") from broken
        time.sleep(BACKOFF * 2 ** (failures - 1))


def _fetch_rest(url: str, part: Path, progress: bool, most: int, pace: _Pace) -> None:
    """Append to `part` what one connection delivers. If the server cannot resume, start the part again.

    Raises:
        _BrokenError: the connection failed.
        _TooLongError: the server announces or sends more than `most` bytes.
        WeightsError: too little arrives in a minute.
    """
    start = _size(part)
    headers = {"User-Agent": "neural-style", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    response = _open(url, headers)
    if response is None:  # the server has nothing beyond the part, which is complete or too long: the hash will tell
        return
    with response:
        resumed = response.status == 206
        if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            part.unlink(missing_ok=True)
            raise _BrokenError("the server resumed at the wrong place", transient=True)
        start = start if resumed else 0
        length = re.fullmatch("[0-9]{1,18}", response.headers.get("Content-Length", ""))
        total = start + int(length[0]) if length else None
        if total is not None and total > most:
            raise _TooLongError(f"expected at most {most} bytes, got {total}, as the server announces")
        with open(part, "ab" if resumed else "wb") as file, _bar(url, start, total, progress) as bar:
            for block in _blocks(response):
                pace.add(len(block))
                if file.tell() + len(block) > most:
                    raise _TooLongError(f"expected at most {most} bytes, got more")
                file.write(block)
                bar.update(len(block))
    if total is not None and _size(part) < total:
        raise _BrokenError(f"cut off after {_size(part)} of {total} bytes", transient=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _blocks(response: Any) -> Iterator[bytes]:
    while True:
        try:
            block = response.read1(_BLOCK)  # what has arrived, without waiting for more
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
    """Return the server's answer; None if the requested range begins at or beyond the end of the file."""
    answer = _ask(url, headers)
    if not isinstance(answer, Exception):
        return answer
    if isinstance(answer, urllib.error.HTTPError):
        answer.close()
        if answer.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and "Range" in headers:
            return None
        busy = answer.code >= 500 or answer.code == HTTPStatus.TOO_MANY_REQUESTS
        raise _BrokenError(f"HTTP {answer.code} {answer.reason}", transient=busy)
    if isinstance(answer, _BrokenError):
        raise answer
    cause = answer.reason if isinstance(answer, urllib.error.URLError) else answer
    if isinstance(cause, ssl.SSLCertVerificationError):
        raise _BrokenError(
            f"the server's certificate is not trusted ({cause.verify_message}); if your network signs certificates "
            "itself, set SSL_CERT_FILE to its root certificate",
            transient=False,
        )
    dropped = isinstance(cause, ConnectionError) and not isinstance(cause, ConnectionRefusedError)
    raise _BrokenError(cause, transient=dropped)


def _ask(url: str, headers: dict[str, str]) -> Any:
    """Return the server's answer, or the exception, within `TIMEOUT` seconds.

    The request runs in its own thread, because the look-up of a name has no timeout and may hang without a network.
    """
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def ask() -> None:
        try:
            opener = urllib.request.build_opener(_Redirects)
            answers.put(opener.open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT))
        except Exception as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answers.get(timeout=TIMEOUT)
    except queue.Empty:
        return TimeoutError(f"no answer within {TIMEOUT:g} seconds")
