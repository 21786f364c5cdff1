"""The type that the network computes in: what a device computes fast, and whether it computes in a type at all."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import platform
import time
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

from neural_style import files, paths
from neural_style.errors import OutputError, UsageError

FAST_FROM = {"bfloat16": (8, 0), "float16": (7, 0)}
"""Type -> compute capability of the NVIDIA GPUs that have tensor cores for it."""

LOSS_NOISE = {"float32": 1e-6, "float16": 1e-5, "bfloat16": 1e-4}
"""Type -> about how much a loss changes, as a share of itself, by rounding alone."""

FASTER_BY = 1.3
"""How many times faster than float32 a type must be on a CPU to be chosen. Those that do not lag gain 2 and more."""

_TIMED_SIDE, _TIMED_CHANNELS, _TIMED_REPEATS = 96, 64, 5


class Choice(NamedTuple):
    """A type and the reason for it."""

    precision: str
    reason: str


def choose(wanted: str, device: str) -> Choice:
    """The type to compute in.

    Args:
        wanted: `Config.precision`; "auto" for the fastest that the device has.
        device: as TensorFlow names it, such as "GPU:0".

    Raises:
        UsageError: the device does not compute in the type wanted.
    """
    if wanted == "auto":
        return _fastest_on_gpu(device) if device.startswith("GPU") else _fastest_on_cpu()
    if wanted != "float32" and _seconds(wanted, device) is None:
        raise UsageError(
            f"precision: expected a type that {device} computes in, got {wanted}, for which it has no convolution; "
            "use --precision auto or float32"
        )
    return Choice(wanted, "as asked for")


def cpu_features() -> frozenset[str] | None:
    """Names of a CPU's features as Linux lists them; None where it cannot be asked."""
    try:
        return frozenset(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return None


def _fastest_on_gpu(device: str) -> Choice:
    gpu = tf.config.list_physical_devices("GPU")[int(device.partition(":")[2])]
    capability = tf.config.experimental.get_device_details(gpu).get("compute_capability")
    if capability is None:
        return Choice("float32", "the GPU does not tell what it has")
    for precision, least in FAST_FROM.items():
        if capability >= least:
            return Choice(precision, f"compute capability {capability[0]}.{capability[1]}: tensor cores")
    return Choice("float32", f"compute capability {capability[0]}.{capability[1]}: no tensor cores")


def _fastest_on_cpu() -> Choice:
    """AMX computes bfloat16 faster and older CPUs do not; between them, and where oneDNN is held back, time it."""
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
    """Settings of the environment that decide which instructions oneDNN uses, and whether it is used."""
    names = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "TF_ENABLE_ONEDNN_OPTS")
    return [f"{name}={os.environ[name]}" for name in names if os.environ.get(name)]


@functools.cache
def _remembered_speed(machine: str) -> float:
    """Speed of bfloat16 in that of float32 on the CPU, 0 where it cannot be used; measured once and kept in a file.

    Being kept, it is the same on every run, and with it the picture.
    """
    path = paths.cache_folder() / "bfloat16_speed.json"
    try:
        known = {str(key): float(value) for key, value in json.loads(path.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        known = {}
    if machine not in known:
        slow, fast = _seconds("float32", "CPU:0"), _seconds("bfloat16", "CPU:0")
        known[machine] = slow / fast if slow and fast else 0.0
        text = json.dumps(known)
        with contextlib.suppress(OutputError):
            files.write_atomically(path, lambda file: file.write_text(text), overwrite=True, option="precision")
    return known[machine]


def _seconds(precision: str, device: str) -> float | None:
    """Least time of a small piece of a network's evaluation; None where the device does not compute in that type."""
    with tf.device(device):
        shape = (1, _TIMED_SIDE, _TIMED_SIDE, _TIMED_CHANNELS)
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
