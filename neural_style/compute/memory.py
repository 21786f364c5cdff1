"""How much memory there is."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil

from neural_style.config import byte_sizes

_log = logging.getLogger("neural_style")

SAFE_SHARE = 0.8
"""Share of the memory that is free which a run takes, unless told otherwise: other programs want some, too."""

_WANTED_SHARE = 0.95
"""The same of what a limit on this process leaves, where a size was asked for."""

_RESERVED_ADDRESSES, _USED_ADDRESSES = 500 * 10**6, 0.8
"""Bytes of addresses that a run takes besides its memory, and share of the rest that becomes memory; measured."""

_CGROUPS = Path("/sys/fs/cgroup")

_MEMBERSHIP = Path("/proc/self/cgroup")

_UNLIMITED = 2**60
"""What is called a limit from here on is none."""


def budget(wanted: str, device: str) -> int:
    """Bytes that a run may take.

    Limits on this process, such as a container's or that of `ulimit -v`, are never exceeded, since native code does not
    survive it.

    Args:
        wanted: `Config.memory`; "auto" for what this process has, and a safe share of what is free.
        device: as TensorFlow names it, such as "CPU:0". On a GPU the memory is the GPU's own.

    Raises:
        UsageError: what is wanted is no size.
    """
    asked_for = byte_sizes.parse(wanted)
    if device.startswith("GPU"):
        free = gpu_free(device)
        if asked_for or free is not None:
            return asked_for or int(SAFE_SHARE * (free or 0))
    has = psutil.Process().memory_info().rss
    share = SAFE_SHARE if asked_for is None else _WANTED_SHARE
    hard = [has + int(share * max(headroom, 0)) for headroom in _headrooms()]
    if asked_for is None:
        return min([has + int(share * psutil.virtual_memory().available), *hard])
    if asked_for > psutil.virtual_memory().total:
        total = byte_sizes.describe(psutil.virtual_memory().total)
        _log.warning("memory: %s were asked for, and this machine has %s", wanted, total)
    if asked_for > min(hard, default=asked_for):
        most = byte_sizes.describe(min(hard))
        _log.warning("memory: this process is limited, so %s are used instead of %s", most, wanted)
    return min([asked_for, *hard])


def gpu_free(device: str) -> int | None:
    """Bytes that are free on a GPU; None where NVIDIA's tool does not tell."""
    index = int(device.partition(":")[2])
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    name = visible[index] if index < len(visible) else str(index)
    command = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits", f"--id={name}"]
    with contextlib.suppress(OSError, subprocess.SubprocessError, ValueError):
        return int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout) * 2**20
    return None


def _headrooms() -> Iterator[int]:
    """Bytes that each limit on this process leaves."""
    yield from _address_space()
    with contextlib.suppress(OSError):
        for line in _MEMBERSHIP.read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                yield from _of_cgroup(_CGROUPS, path, "memory.max", "memory.current", "inactive_file")
            elif "memory" in controllers.split(","):
                names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
                yield from _of_cgroup(_CGROUPS / "memory", path, *names)


def _address_space() -> Iterator[int]:
    """What `ulimit -v` and `ulimit -d` leave, once threads have their stacks and allocators their reserves."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    has = psutil.Process().memory_info().vms
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
        limit = resource.getrlimit(kind)[0]
        if 0 <= limit < _UNLIMITED:
            yield int(_USED_ADDRESSES * (limit - has - _RESERVED_ADDRESSES))


def _of_cgroup(root: Path, path: str, limit: str, usage: str, cache: str) -> Iterator[int]:
    """What a control group and those above it leave; files read lately count as used there, but give way.

    Inside a container the group's own folder is often mounted as the root, so that its path is not to be found.
    """
    folder = root / path.lstrip("/")
    folders = [folder, *folder.parents] if folder.is_dir() else [root]
    for folder in folders:
        with contextlib.suppress(OSError, ValueError):
            most = int((folder / limit).read_text(encoding="ascii"))  # "max" is no number
            if most < _UNLIMITED:
                yield most - int((folder / usage).read_text(encoding="ascii")) + _statistic(folder, cache)
        if folder == root:
            return


def _statistic(folder: Path, name: str) -> int:
    """A number of a control group's statistics; 0 where it has none."""
    with contextlib.suppress(OSError):
        for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
    return 0
