"""How much memory a run may take: what is free, what limits this process, and what other sessions have reserved."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from neural_style.compute import control_groups
from neural_style.compute.cost_model import PROCESS_BYTES
from neural_style.compute.ledger import LEDGER, Ledger, Reservation
from neural_style.config import byte_sizes

_log = logging.getLogger("neural_style")

SAFE_SHARE = 0.8
"""Share of the free memory that a run takes unless a size is given. The rest is for other programs."""

_SHARE_OF_LIMIT = 0.95
"""Share that a run takes of what a limit on this process leaves, if a size is given."""

_SPARE_ADDRESSES, _USED_ADDRESSES = 500 * 10**6, 0.8
"""Bytes of address space that a run takes besides its memory, and the share of the rest that becomes memory. Both are
measured."""

_UNLIMITED = 2**60
"""A limit of at least this many bytes counts as no limit."""

_GROUP_FILES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.max", "memory.current", "inactive_file"),
}
"""Version of control groups -> file of the limit, file of the usage, and name of the file cache in memory.stat."""


def budget(wanted: str, device: str, *, held: int = 0, ledger: Ledger = LEDGER) -> int:
    """Return how many bytes a run may take, comparable with `Plan.peak`.

    With "auto", that is the sum of two numbers. The first is what the process has taken already of what a plan counts:
    at most `PROCESS_BYTES` + `held`. The second is a safe share of the free memory that other sessions of this process
    have not reserved. Memory that anything else in the process holds is not the run's. A size that is given is returned
    as it is.

    The result never exceeds limits on this process, such as those of a container or of `ulimit -v`, because native code
    ends the process there.

    To plan in several threads, hold `ledger.lock` from this call until `reserve` returns. On a GPU, call this before
    anything computes there. Unless memory growth is set, TensorFlow takes all of the GPU's memory then, which would
    look as if others had taken it.

    Args:
        wanted: `Config.memory`: "auto", or a size such as "3GB".
        device: as TensorFlow names it, such as "CPU:0". On a GPU, the memory is the GPU's own.
        held: bytes in the computer's memory that the run holds already and that its plan counts: its pictures.
        ledger: what other sessions have reserved.

    Raises:
        UsageError: `wanted` is not a size.
    """
    asked_for = byte_sizes.parse(wanted)
    if device.startswith("GPU"):
        free = gpu_free(device)
        if free is not None:
            ledger.first_free(device, free)
        if asked_for is not None:
            return asked_for
        if free is not None:
            return _gpu_budget(device, free, ledger)
    resident = _resident_bytes()
    kept = ledger.reusable("CPU", resident - held)  # TensorFlow gives no memory back on a CPU
    own = min(resident, PROCESS_BYTES + held + kept)
    reserved = ledger.outstanding("CPU", resident - held)
    share = SAFE_SHARE if asked_for is None else _SHARE_OF_LIMIT
    limits = [own + int(share * max(left - reserved, 0)) for left in _left_by_limits()]
    if asked_for is None:
        return min([own + int(share * max(psutil.virtual_memory().available - reserved, 0)), *limits])
    return _within(asked_for, limits, wanted)


def reserve(peak: int, device: str, *, held: int = 0, ledger: Ledger = LEDGER) -> Reservation:
    """Reserve the memory that a session takes at its peak, beyond what all sessions of a process share.

    Release it when the session ends; see `Reservation`.

    Args:
        peak: the greatest `Plan.peak` of the session.
        device: as TensorFlow names it.
        held: as in `budget`.
        ledger: where to note it.
    """
    size = max(peak - PROCESS_BYTES, 0)
    if device.startswith("GPU") and gpu_free(device) is not None:
        return ledger.reserve(device, size, _gpu_allocator(device).in_use)
    return ledger.reserve("CPU", size, _resident_bytes() - held, _resident_bytes)


def gpu_free(device: str) -> int | None:
    """Return the bytes that are free on a GPU; None if nvidia-smi does not tell."""
    index = int(device.partition(":")[2])
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    name = visible[index] if index < len(visible) else str(index)
    command = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits", f"--id={name}"]
    with contextlib.suppress(OSError, subprocess.SubprocessError, ValueError):
        return int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout) * 2**20
    return None


def _within(asked_for: int, limits: list[int], wanted: str) -> int:
    """Return a size that was given, or what the limits on this process allow; warn if that is less."""
    total = psutil.virtual_memory().total
    if asked_for > total:
        _log.warning("memory: asked for %s, but this machine has %s", wanted, byte_sizes.describe(total))
    allowed = min([asked_for, *limits])
    if allowed < asked_for:
        most = byte_sizes.describe(allowed)
        _log.warning("memory: using %s instead of %s, since this process is limited", most, wanted)
    return allowed


# --- GPUs -------------------------------------------------------------------------------------------------------------


class _Allocator(NamedTuple):
    """The statistics of TensorFlow's allocator on a GPU."""

    in_use: int
    """Bytes of all tensors now."""
    peak: int
    """The most bytes of tensors so far. The allocator holds at least as many and does not give them back."""


def _gpu_budget(device: str, free: int, ledger: Ledger) -> int:
    """Return how many bytes a run may take on a GPU.

    Before the first run in this process, nothing of what a plan counts has been taken. From then on, the process's
    share has been taken, and the run may also use memory that the allocator holds and does not use.
    """
    if not ledger.knows(device):
        return int(SAFE_SHARE * free)
    allocator = _gpu_allocator(device)
    unused = allocator.peak - allocator.in_use
    if not _grows(device):  # it took nearly all at once: count what the GPU has lost since, minus the process's share
        taken = ledger.first_free(device, free) - free - PROCESS_BYTES
        unused = max(unused, taken - allocator.in_use)
    reserved = ledger.outstanding(device, allocator.in_use)
    left = max(unused - reserved, 0)  # sessions first take what the allocator holds, and then what is free
    free -= max(reserved - unused, 0)
    return PROCESS_BYTES + left + int(SAFE_SHARE * max(free, 0))


def _gpu_allocator(device: str) -> _Allocator:
    """Return the statistics of TensorFlow's allocator. This starts TensorFlow if it has not been started."""
    import tensorflow as tf

    with contextlib.suppress(ValueError, RuntimeError):  # no statistics
        statistics = tf.config.experimental.get_memory_info(device)
        return _Allocator(statistics["current"], statistics["peak"])
    return _Allocator(0, 0)


def _grows(device: str) -> bool:
    """Return whether TensorFlow takes a GPU's memory as it needs it, not all at once."""
    import tensorflow as tf

    if "TF_FORCE_GPU_ALLOW_GROWTH" in os.environ:
        return os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    with contextlib.suppress(ValueError, IndexError):
        gpu = tf.config.list_physical_devices("GPU")[int(device.partition(":")[2])]
        return bool(tf.config.experimental.get_memory_growth(gpu))
    return False


# --- limits of this process -------------------------------------------------------------------------------------------


def _resident_bytes() -> int:
    return psutil.Process().memory_info().rss


def _left_by_limits() -> Iterator[int]:
    """Yield the bytes that each limit on this process leaves."""
    yield from _left_by_ulimits()
    for version, folder in control_groups.folders("memory"):
        yield from _left_by_group(version, folder)


def _left_by_ulimits() -> Iterator[int]:
    """Yield what `ulimit -v` and `ulimit -d` leave, minus the stacks of threads and the reserves of allocators."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    addresses = psutil.Process().memory_info().vms
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
        limit = resource.getrlimit(kind)[0]
        if 0 <= limit < _UNLIMITED:
            yield int(_USED_ADDRESSES * (limit - addresses - _SPARE_ADDRESSES))


def _left_by_group(version: int, folder: Path) -> Iterator[int]:
    """Yield what a control group leaves. Cached files count as used there, but are dropped when memory is needed."""
    limit_file, usage_file, cache = _GROUP_FILES[version]
    with contextlib.suppress(OSError, ValueError):
        limit = int((folder / limit_file).read_text(encoding="ascii"))  # "max" is no number
        if limit < _UNLIMITED:
            yield limit - int((folder / usage_file).read_text(encoding="ascii")) + _statistic(folder, cache)


def _statistic(folder: Path, name: str) -> int:
    """Return a number from a control group's memory.stat; 0 if it is not there."""
    with contextlib.suppress(OSError):
        for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
    return 0
