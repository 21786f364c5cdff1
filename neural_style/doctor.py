"""What this machine has for the program, and what to do about what it lacks."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from neural_style import __version__, weights
from neural_style.config import LEFT_TO_NETWORK, OPTIONS, Config
from neural_style.errors import GPU_ADVICE, WeightsError

_PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "pillow", "h5py", "absl-py", "tqdm", "matplotlib")


def report() -> Iterator[str]:
    """Lines of text on versions, devices, precision and weights."""
    yield f"neural-style {__version__}, Python {platform.python_version()}, {platform.platform()}"
    yield "  " + ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    yield "Devices and precision"
    yield from _devices()
    yield "Weights"
    yield from _weights()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _devices() -> Iterator[str]:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    memory = f", {pages / 2**30:.1f} GiB of memory" if pages else ""
    yield f"  CPU: {os.cpu_count()} cores{memory}"
    try:
        import tensorflow as tf
    except ImportError as error:
        reason = " ".join(str(error).split())
        yield f"  TensorFlow cannot be imported ({reason}); install it anew: pip install tensorflow"
        return
    from neural_style import precision

    gpus = tf.config.list_physical_devices("GPU")
    for index, gpu in enumerate(gpus):
        details = tf.config.experimental.get_device_details(gpu)
        capability = ".".join(map(str, details.get("compute_capability", ["unknown"])))
        yield f"  GPU:{index}: {details.get('device_name', gpu.name)}, compute capability {capability}"
    if not gpus:
        yield f"  GPU: none that TensorFlow can use; {GPU_ADVICE}"
    used = "GPU:0" if gpus else "CPU:0"
    choice = precision.choose("auto", used)
    defaults = f"--device {OPTIONS['device'].default} --precision {OPTIONS['precision'].default}"
    yield f"  {defaults} uses {used} in {choice.precision} ({choice.reason})"


def _weights() -> Iterator[str]:
    own = weights.weights_folder() / weights.builtin_entry().file
    for place in weights.search_places():
        files = [place] if os.path.isfile(place) else _weights_in(place)
        yield f"  {place}:{'' if files else ' no weights'}"
        for file in files:
            by_name = file in (place, own) or file.name in weights.known_names()
            by_path = "" if by_name else "; used by its path alone"
            yield f"    {_described(weights.inspect(file))}{by_path}"
    layers = Config("photo", ["painting"]).layers  # those of the defaults
    otherwise = ", or else uses the built-in network"
    try:
        weights.load("builtin", layers)
    except WeightsError as error:
        otherwise = ""
        yield f"  --weights builtin cannot be used: {error}"
    found = weights.find_imagenet(layers)
    if found:
        yield f"  --weights imagenet uses {found}"
        return
    entry = next(entry for entry in weights.registry() if entry.download)
    yield f"  ImageNet weights: not found. The next run downloads them{otherwise}."
    yield f"  To get them by hand, put {entry.addresses[0]}"
    yield f"  into {weights.own_folder()}, or set {weights.PLACE_VARIABLE} to where you have them."


def _weights_in(folder: Path) -> list[Path]:
    """Files that look like weights; none of a folder that is not there or cannot be read."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [folder / name for name in names if name.endswith((".h5", ".mat", ".npz")) and os.path.isfile(folder / name)]


def _described(found: weights.Inspection) -> str:
    if found.problem:
        return f"unusable: {found.problem}"
    licence = f"; {found.entry.licence}" if found.entry else ""
    settings = ", ".join(f"{name} {value:g}" for name, value in {**LEFT_TO_NETWORK, **found.settings}.items())
    return (
        f"{found.path.name}: {found.layout}, {found.channel_order}, up to {found.deepest}, "
        f"hash {found.hash_state} ({found.digest}){licence}; {settings} unless given"
    )
