"""The type that the network computes in: which type is fast on a device, and whether the device supports a type."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import platform
import threading
import time
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

from neural_style import files, paths
from neural_style.errors import OutputError, UsageError

FAST_FROM = {"bfloat16": (8, 0), "float16": (7, 0)}
"""Type -> compute capability of the NVIDIA GPUs that have tensor cores for it."""

LOSS_NOISE = {"float32": 1e-6, "float16": 1e-5, "bfloat16": 1e-4}
"""Type -> roughly how much rounding alone changes a loss, as a share of the loss."""

FASTER_BY = 1.3
"""bfloat16 is chosen on a CPU if it is this many times as fast as float32. CPUs made for it are twice as fast."""

SPEED_FILE = "bfloat16_speed.json"
"""Name of the file, in the cache folder, that keeps the measured speed of bfloat16 by machine."""

_measuring = threading.Lock()

_TIMED_SIDE, _TIMED_CHANNELS, _TIMED_REPEATS = 96, 64, 5
_TRIED_SIDE = 8
"""Where nothing but the support of a type matters. CPUs without instructions for it take seconds for the other side."""


class Choice(NamedTuple):
    """A type and the reason for it."""

    precision: str
    reason: str


def choose(wanted: str, device: str) -> Choice:
    """Return the type to compute in.

    Args:
        wanted: `Config.precision`; "auto" for the fastest type on the device.
        device: as TensorFlow names it, such as "GPU:0".

    Raises:
        UsageError: the device does not support the type wanted.
    """
    if wanted == "auto":
        return _fastest_on_gpu(device) if device.startswith("GPU") else _fastest_on_cpu()
    if wanted != "float32" and _seconds(wanted, device, _TRIED_SIDE) is None:
        raise UsageError(
            f"precision: expected a type that {device} computes in, got {wanted}, for which it has no convolution; "
            "use --precision auto or float32"
        )
    return Choice(wanted, "as asked for")


def cpu_features() -> frozenset[str] | None:
    """Return the names of the CPU's features as Linux lists them; None on other systems."""
    try:
        return frozenset(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return None


def _fastest_on_gpu(device: str) -> Choice:
    gpu = tf.config.list_physical_devices("GPU")[int(device.partition(":")[2])]
    capability = tf.config.experimental.get_device_details(gpu).get("compute_capability")
    if capability is None:
        return Choice("float32", "the GPU's compute capability is unknown")
    for precision, least in FAST_FROM.items():
        if capability >= least:
            return Choice(precision, f"compute capability {capability[0]}.{capability[1]}: tensor cores")
    return Choice("float32", f"compute capability {capability[0]}.{capability[1]}: no tensor cores")


def _fastest_on_cpu() -> Choice:
    """Choose by the CPU's features if they decide, and otherwise by a measurement.

    CPUs with AMX are faster in bfloat16. CPUs without instructions for bfloat16 are not. All other CPUs are measured,
    and so is any CPU if the environment limits the instructions that oneDNN uses.
    """
    features, limits = cpu_features(), _limits()
    if features and not limits:
        if "amx_bf16" in features:
            return Choice("bfloat16", "the CPU has AMX")
        if "x86_64" in platform.machine() and "avx512_bf16" not in features:
            return Choice("float32", "the CPU has no instructions for bfloat16")
    speed = _remembered_speed(" ".join([platform.node(), platform.platform(), tf.__version__, *limits]))
    chosen = "bfloat16" if speed >= FASTER_BY else "float32"
    return Choice(chosen, f"bfloat16 was timed at {speed:.2g} times the speed of float32" if speed else "no bfloat16")


def _limits() -> list[str]:
    """Return the environment's settings that decide whether oneDNN is used, and with which instructions."""
    names = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "TF_ENABLE_ONEDNN_OPTS")
    return [f"{name}={os.environ[name]}" for name in names if os.environ.get(name)]


@functools.cache
def _remembered_speed(machine: str) -> float:
    """Return the CPU's speed in bfloat16 as a multiple of its speed in float32; 0 if it does not support bfloat16.

    It is measured once and kept in a file, so that every run makes the same choice, and with it the same picture.

    Args:
        machine: what the measurement depends on.
    """
    path = paths.cache_folder() / SPEED_FILE
    with _measuring:  # one thread at a time, because they would slow each other down
        known = _read_speeds(path)
        if machine not in known:
            slow, fast = _seconds("float32", "CPU:0"), _seconds("bfloat16", "CPU:0")
            known[machine] = slow / fast if slow and fast else 0.0
            text = json.dumps(known)
            with contextlib.suppress(OutputError):  # if it cannot be written, the next process measures again
                files.write_atomically(path, lambda file: file.write_text(text), overwrite=True, option="precision")
    return known[machine]


def _read_speeds(path: Path) -> dict[str, float]:
    """Return machine -> speed, as kept in a file; an empty dict if the file is missing or damaged."""
    try:
        return {str(key): float(value) for key, value in json.loads(path.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


@functools.cache
def _seconds(precision: str, device: str, side: int = _TIMED_SIDE) -> float | None:
    """Return the shortest time that a small network's gradient took; None if the device does not support the type.

    It is measured once per process, because TensorFlow keeps everything that it traces.
    """
    with tf.device(device):
        shape = (1, side, side, _TIMED_CHANNELS)
        image = tf.cast(tf.fill(shape, 0.5), precision)
        kernel = tf.cast(tf.fill((3, 3, _TIMED_CHANNELS, _TIMED_CHANNELS), 0.01), precision)
        bias = tf.cast(tf.zeros(_TIMED_CHANNELS), precision)

        @tf.function
        def gradient(image: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                tape.watch(image)
                maps = image
                for _ in range(2):
                    maps = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(maps, kernel, 1, "SAME"), bias))
                loss = tf.reduce_mean(tf.cast(tf.nn.max_pool2d(maps, 2, 2, "VALID"), tf.float32))
            return tape.gradient(loss, image)

        try:
            seconds = []
            for _ in range(1 + _TIMED_REPEATS):
                began = time.perf_counter()
                gradient(image).numpy()
                seconds.append(time.perf_counter() - began)
        except (
            tf.errors.AbortedError,  # oneDNN
            tf.errors.InvalidArgumentError,
            tf.errors.NotFoundError,
            tf.errors.UnimplementedError,
            NotImplementedError,
        ):
            return None
        return min(seconds)
