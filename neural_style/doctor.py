"""What this machine has for the program, and what to do about what it lacks."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from neural_style import __version__, weights
from neural_style.config import OPTIONS

_PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "pillow", "h5py", "absl-py", "tqdm", "matplotlib")


def report() -> Iterator[str]:
    """Lines of text on versions, devices, precision and weights."""
    yield f"neural-style {__version__}, Python {platform.python_version()}, {platform.platform()}"
    yield "  " + ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES)
    yield "Devices"
    yield from _devices()
    yield "Precision: pictures are computed in float32"
    yield f"  fast bfloat16 arithmetic on this CPU: {_cpu_bfloat16()}"
    yield "Weights"
    yield from _weights()


def _devices() -> Iterator[str]:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    memory = f", {pages / 2**30:.1f} GiB of memory" if pages else ""
    yield f"  CPU: {os.cpu_count()} cores{memory}"
    gpus = tf.config.list_physical_devices("GPU")
    for index, gpu in enumerate(gpus):
        details = tf.config.experimental.get_device_details(gpu)
        capability = ".".join(map(str, details.get("compute_capability", ())))
        yield f"  GPU:{index}: {details.get('device_name', gpu.name)}, compute capability {capability or 'unknown'}"
    if not gpus:
        yield "  GPU: none that TensorFlow can use; with an NVIDIA card on Linux: pip install 'neural-style[gpu]'"
    yield f"  --device {OPTIONS['device'].default} uses {'GPU:0' if gpus else 'the CPU'}"


def _cpu_bfloat16() -> str:
    """Which bfloat16 instructions the CPU has, as Linux lists them."""
    try:
        words = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return "unknown"
    return ", ".join(sorted(words & {"amx_bf16", "avx512_bf16", "bf16"})) or "no"


def _weights() -> Iterator[str]:
    for place in weights.search_places():
        files = [place] if place.is_file() else sorted(p for p in place.glob("*") if _is_weights(p))
        yield f"  {place}:{'' if files else ' no weights'}"
        for file in files:
            yield f"    {_described(weights.inspect(file))}"
    found = weights.find_imagenet()
    if found:
        yield f"  --weights imagenet uses {found}"
        return
    entry = next(entry for entry in weights.registry() if entry.download)
    yield "  ImageNet weights: not found. The next run downloads them, or else uses the built-in random network,"
    yield f"  which paints less well. To get them by hand, put {entry.addresses[0]}"
    yield f"  into {weights.weights_folder()}, or set {weights.PLACE_VARIABLE} to where you have them."


def _is_weights(path: Path) -> bool:
    return path.is_file() and path.suffix in (".h5", ".mat", ".npz")


def _described(found: weights.Inspection) -> str:
    if found.problem:
        return f"unusable: {found.problem}"
    licence = f"; {found.entry.licence}" if found.entry else ""
    return (
        f"{found.path.name}: {found.layout}, {found.channel_order}, up to {found.deepest}, "
        f"hash {found.hash_state} ({found.digest}){licence}"
    )
