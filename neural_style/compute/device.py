"""The device that a run computes on, and TensorFlow's settings for the whole process."""

from __future__ import annotations

import contextlib
import math
import os
import platform
from collections.abc import Sequence
from pathlib import Path

import psutil

from neural_style.compute import control_groups
from neural_style.errors import GPU_ADVICE, UsageError

_CPUS = Path("/sys/devices/system/cpu")


def device_name(device: str) -> str:
    """Return TensorFlow's name of the device that `Config.device` asks for, such as "GPU:0".

    This changes no settings and does not start TensorFlow.

    Raises:
        UsageError: TensorFlow does not find that GPU.
    """
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if device == "cpu" or (device == "auto" and not gpus):
        return "CPU:0"
    index = int(device.partition(":")[2] or 0)
    if index >= len(gpus):
        raise UsageError(
            f"device: expected a GPU that TensorFlow can use, got {device} with {len(gpus)} found; "
            f"use --device cpu, or {GPU_ADVICE}"
        )
    return f"GPU:{index}"


def cpu_cores() -> int:
    """Return how many cores this process may use: its physical cores, or fewer if a control group limits its CPU time.

    A core with two hardware threads counts once. On Linux and Windows, CPUs that the process must not use (affinity) do
    not count. A quota of one and a half CPUs counts as two.
    """
    usable = _usable_cpus()
    try:
        siblings = [(_CPUS / f"cpu{cpu}/topology/thread_siblings_list").read_text(encoding="ascii") for cpu in usable]
        cores = len(set(siblings))
    except OSError:  # not on Linux
        cores = min(psutil.cpu_count(logical=False) or len(usable), len(usable))
    return min([cores, *map(math.ceil, control_groups.cpu_quotas())])


def _usable_cpus() -> Sequence[int]:
    """Return the numbers of the logical CPUs that this process may run on; all of them on macOS."""
    with contextlib.suppress(AttributeError, OSError, psutil.Error):
        return psutil.Process().cpu_affinity() or [0]
    return range(os.cpu_count() or 1)


def circumstances(device: str) -> dict[str, str | int]:
    """Return what decides the last bits of a run besides its settings, by name.

    Args:
        device: the device, as TensorFlow names it.
    """
    import numpy as np
    import tensorflow as tf

    found: dict[str, str | int] = {
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
        "processor": _processor(),
        "threads": tf.config.threading.get_intra_op_parallelism_threads(),
    }
    if device.startswith("GPU:"):
        gpu = tf.config.list_physical_devices("GPU")[int(device.partition(":")[2])]
        found["GPU"] = str(tf.config.experimental.get_device_details(gpu).get("device_name", "unknown"))
    return found


def _processor() -> str:
    """Return the name of the processor, as far as the system tells."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def configure_process(
    *,
    threads: int | None = None,
    reproducible: bool = False,
    gpu_memory_growth: bool = True,
    log_level: int | None = None,
) -> tuple[str, ...]:
    """Change TensorFlow's settings for the whole process, and return the names of the settings that it refused.

    Nothing else in the library changes such settings. Call this before TensorFlow computes anything. Once TensorFlow
    has started, or if the process has set up its GPUs in another way, it refuses `threads` and `gpu_memory_growth`.

    Args:
        threads: how many threads one operation may use, such as `cpu_cores()`; None leaves it to TensorFlow.
        reproducible: compute the same bits on every run. GPUs then add in a fixed order and do not round float32 to 10
            bits (TF32), and random operations without a seed raise errors. False leaves this as it is.
        gpu_memory_growth: let TensorFlow take a GPU's memory as it needs it, not all at the start. False leaves this as
            it is.
        log_level: level of TensorFlow's Python logger, such as `logging.ERROR`; None leaves it as it is.

    Raises:
        UsageError: `threads` is less than 1.
    """
    if threads is not None and threads < 1:
        raise UsageError(f"threads: expected at least 1, or None to leave it to TensorFlow, got {threads}")
    import tensorflow as tf

    refused = []
    if reproducible:
        tf.config.experimental.enable_op_determinism()
        tf.config.experimental.enable_tensor_float_32_execution(False)
    if log_level is not None:
        tf.get_logger().setLevel(log_level)
    if threads is not None:
        try:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
        except RuntimeError:  # TensorFlow has started
            refused.append("threads")
    for gpu in tf.config.list_physical_devices("GPU") if gpu_memory_growth else ():
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except (RuntimeError, ValueError):  # TensorFlow has started, or the GPU is divided into virtual ones
            refused.append("gpu_memory_growth")
    return tuple(dict.fromkeys(refused))
