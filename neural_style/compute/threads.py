"""How many threads suit this machine."""

import os
from pathlib import Path


def physical_cores() -> int | None:
    """Return how many of the processor's cores this process may use, each counted once; None if Linux does not tell."""
    cores = set()
    try:
        for cpu in os.sched_getaffinity(0):
            siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
            cores.add(siblings.read_text(encoding="ascii"))
    except (AttributeError, OSError):
        return None
    return len(cores)
