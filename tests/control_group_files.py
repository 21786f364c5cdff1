"""Folders of control groups as Linux lays them out, made for tests."""

from neural_style.compute import control_groups

NO_LIMIT_OF_VERSION_1 = 9223372036854771712
"""What Linux shows as the limit of memory where there is none."""


class ControlGroups:
    """Stands in for this machine's control groups; at first, this process is in none.

    `write` says which groups the process is in, as lines of /proc/self/cgroup, and what is in their files.
    """

    def __init__(self, folder, monkeypatch):
        self._folder = folder
        monkeypatch.setattr(control_groups, "ROOT", folder)
        monkeypatch.setattr(control_groups, "MEMBERSHIP", folder / "membership")

    def write(self, membership, files=()):
        (self._folder / "membership").write_text(membership)
        for name, text in dict(files).items():
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")


def memory_group(folder, limit, usage, cache=0):
    """Return the files of a group of version 2 that limits memory."""
    return {
        f"{folder}/memory.max": limit,
        f"{folder}/memory.current": usage,
        f"{folder}/memory.stat": f"anon 5\ninactive_file {cache}\nactive_file 7",
    }


def memory_group_of_version_1(folder, limit, usage, cache=0):
    """Return the files of a group of version 1 that limits memory."""
    return {
        f"memory/{folder}/memory.limit_in_bytes": limit,
        f"memory/{folder}/memory.usage_in_bytes": usage,
        f"memory/{folder}/memory.stat": f"inactive_file 1\ntotal_inactive_file {cache}",
    }


def cpu_group_of_version_1(folder, quota, period=100000):
    """Return the files of a group of version 1 that limits CPU time."""
    return {f"cpu/{folder}/cpu.cfs_quota_us": quota, f"cpu/{folder}/cpu.cfs_period_us": period}
