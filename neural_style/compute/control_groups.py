"""The control groups of this process (cgroups, versions 1 and 2), with which Linux and containers limit it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
"""Where Linux mounts the groups' folders."""

MEMBERSHIP = Path("/proc/self/cgroup")
"""Where Linux lists the groups of this process, one per line: number:controllers:path."""


def folders(controller: str) -> Iterator[tuple[int, Path]]:
    """Yield (version, folder) of every group that limits this process: its own group, and all groups above it.

    Args:
        controller: "memory" or "cpu". In version 2, one group has the files of all controllers.
    """
    lines: list[str] = []
    with contextlib.suppress(OSError):  # no Linux
        lines = MEMBERSHIP.read_text(encoding="utf-8").splitlines()
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield from ((2, folder) for folder in _upwards(ROOT, path))
        elif controller in controllers.split(","):
            yield from ((1, folder) for folder in _upwards(ROOT / controller, path))


def cpu_quotas() -> Iterator[float]:
    """Yield the CPU time that each group allows this process, in seconds of CPU per second: 1.5 is one and a half CPUs.

    Groups without a quota yield nothing.
    """
    for version, folder in folders("cpu"):
        names = ("cpu.max",) if version == 2 else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        with contextlib.suppress(OSError, ValueError):  # "max" is no number
            text = " ".join((folder / name).read_text(encoding="ascii") for name in names)
            quota, period = map(int, text.split())
            if quota > 0 and period > 0:
                yield quota / period


def _upwards(root: Path, path: str) -> Iterator[Path]:
    """Yield a group's folder and the folders above it, up to the root.

    Inside a container, the group's own folder is often mounted as the root, and its path does not exist.
    """
    folder = root / path.lstrip("/")
    if not folder.is_dir():
        folder = root
    yield folder
    while folder != root:
        folder = folder.parent
        yield folder
