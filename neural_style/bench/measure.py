"""How fast the program is on this machine.

Times that are compared are measured in one run and in turn, so that their ratios mean something on a noisy machine.
TensorFlow is imported for measuring alone, so that a mistake in the flags is answered at once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib.metadata
import importlib.util
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from absl import flags
from PIL import Image

from neural_style import __version__, vgg19_spec
from neural_style.config import byte_sizes
from neural_style.config.config import LEAST_TILE, LOSS_FACTORS, OPTIONS, Config
from neural_style.errors import NeuralStyleError, OutOfMemoryError, UsageError
from neural_style.images.picture import to_uint8
from neural_style.images.writing import write_image
from neural_style.networks import weights
from neural_style.runs.inputs import Inputs, read_inputs

if TYPE_CHECKING:
    from neural_style.compute.objective import Objective
    from neural_style.compute.tiled_objective import TiledObjective
    from neural_style.optimizers.generators import Evaluation

SECTIONS = ("eval", "optimizer", "startup", "quality", "tiles", "memory")
"""What can be measured."""

CLASSIC: Mapping[str, Any] = {
    "loss": "athalye",
    "optimizer": "adam",
    "learning_rate": 10.0,
    "iterations": 1000,
    "tolerance": 0.0,
    "scales": "1",
    "initial_noiseblend": 1.0,
    "precision": "float32",
}
"""The run of anishathalye/neural-style, which others are measured by."""

WITHIN = 1.01
"""How near, as a multiple, a loss must come to that of the classic run to count as the same."""

_ROUNDED = 1.02
"""By how much, as a multiple, a loss in bfloat16 may exceed that in float32; 1 % was seen."""

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

WIDTHS = {"tiles": (768,), "memory": (512, 1024, 2048, 4096, 8192)}
"""Section -> widths of its pictures, in pixels, if none are given; `OTHER_WIDTHS` for those not named."""

OTHER_WIDTHS = (256, 512)

BUDGETS = ((4096**2, "3GB"), (8192**2, "6GB"))
"""(Most pixels, memory that a run of the section "memory" is given)."""

_WARM_UP = 2
"""Turns that are not timed, since functions are traced in them."""

_SAMPLES = 5
"""Iterations of the classic run that are timed before, and after, ours, where its time is extrapolated."""

_PRECISIONS = ("float32", "bfloat16", "float16")

Row = dict[str, Any]
"""One line of a table: column -> number or text."""


@dataclasses.dataclass(frozen=True)
class Options:
    """What to measure.

    Attributes:
        sections: of `SECTIONS`.
        widths: of the pictures, in pixels; those that are not of `quality` are square. Empty for each section's own.
        repeats: how often each is timed.
        short: compute the classic run's losses in the fast precision, and time a sample of it in float32.
        weights: as `Config.weights`.
        precision: as `Config.precision`; for `memory` alone.
        content: photo of `quality`.
        style: painting of `quality`.
        pictures: folder for the pictures of `quality`, or None.
        json: file to write the results to, or None.
    """

    sections: tuple[str, ...]
    widths: tuple[int, ...]
    repeats: int
    short: bool
    weights: str
    precision: str
    content: str
    style: str
    pictures: str | None
    json: str | None


def parse(arguments: Sequence[str]) -> Options:
    """Read the arguments of `bench`.

    Raises:
        UsageError: a flag or a section is unknown, or has a value that cannot be.
    """
    values = flags.FlagValues()
    least = vgg19_spec.MIN_SIDE
    flags.DEFINE_multi_integer("width", [], "in pixels; repeat for several", least, flag_values=values)
    flags.DEFINE_integer("repeats", 7, "how often each is timed", 1, flag_values=values)
    flags.DEFINE_bool("short", False, "extrapolate the time of the classic run", flag_values=values)
    flags.DEFINE_string("weights", OPTIONS["weights"].default, "as for a run", flag_values=values)
    flags.DEFINE_string("precision", "auto", "as for a run; for memory alone", flag_values=values)
    flags.DEFINE_string("content", str(EXAMPLES / "lakeside.jpg"), "photo of quality", flag_values=values)
    flags.DEFINE_string("style", str(EXAMPLES / "swirls.jpg"), "painting of quality", flag_values=values)
    flags.DEFINE_string("pictures", None, "folder for the pictures of quality", flag_values=values)
    flags.DEFINE_string("json", None, "file to write the results to", flag_values=values)
    usage = f"flags: {', '.join(f'--{name}' for name in values)}; sections: {', '.join(SECTIONS)}"
    try:
        sections = values(["bench", *arguments])[1:]
    except flags.Error as error:
        raise UsageError(f"bench: {error}; {usage}") from error
    for section in sections:
        if section not in SECTIONS:
            raise UsageError(f"bench: expected a section, got {section!r}; {usage}")
    given = values.flag_values_dict()
    widths = tuple(given.pop("width") or ())
    return Options(tuple(s for s in SECTIONS if s in sections) or SECTIONS, widths, **given)


def measure(options: Options, say: Callable[[str], None]) -> dict[str, list[Row]]:
    """Measure every section; `say` is told what is going on.

    Returns:
        Section -> rows of its table.

    Raises:
        NeuralStyleError: the network or a picture cannot be had.
    """
    precision: Any = options.precision
    config = Config(options.content, [options.style], weights=options.weights, precision=precision)
    network = weights.load(config.weights, config.layers)
    settled = config.settled(network.settings)
    measures = {
        "eval": _measure_eval,
        "optimizer": _measure_optimizers,
        "startup": _measure_startup,
        "tiles": _measure_tiles,
        "memory": _measure_memory,
    }
    if "quality" in options.sections:  # what is wrong with its pictures shall not be found out at the end
        for width in options.widths or OTHER_WIDTHS:
            read_inputs(dataclasses.replace(config, width=width))
    results: dict[str, list[Row]] = {}
    for section in options.sections:
        for width in options.widths or WIDTHS.get(section, OTHER_WIDTHS):
            say(f"timing {section} at {width} px")
            with _memory_errors():
                if section == "quality":
                    rows = _measure_quality(config, network, width, options)
                else:
                    rows = measures[section](settled, network, width, options.repeats)
            results.setdefault(section, []).extend(rows)
    if "memory" in results:
        _compare_sizes(results["memory"])
    return results


@contextlib.contextmanager
def _memory_errors() -> Iterator[None]:
    import tensorflow as tf

    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise OutOfMemoryError("bench: there is too little memory for pictures of this size; lower --width") from error


_NOTES = {
    "eval": "evaluation: loss and gradient; convolutions: those of the evaluation, forward and back, each alone; "
    "vs …: how many times faster.",
    "optimizer": "own: what an iteration takes beyond its evaluation, as a share of the evaluation.",
    "startup": "seconds of a new process, one after the other: import, network and targets, first evaluation.",
    "quality": f"to loss: until within {WITHIN - 1:.0%} of the classic run's final loss; losses are those of athalye "
    "in float32, whatever a run itself lowers; import is left out on both sides.",
    "tiles": "differences: to the whole picture's gradient, by its norm, and to its loss; float32.",
    "memory": "GB of 10⁹ bytes; peak: resident memory of a process that makes as many evaluations as fill L-BFGS's "
    "history, or 3; vs whole: time per pixel, as a multiple of that of the largest picture computed whole; "
    "exponent: how the evaluation's time grows with the pixels, over the rows in tiles up to there.",
}


def table(results: Mapping[str, Sequence[Row]]) -> str:
    """Results for people."""
    blocks = []
    for section, rows in results.items():
        columns = list(dict.fromkeys(column for row in rows for column in row))
        cells = [columns, *([_cell(row.get(column)) for column in columns] for row in rows)]
        widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
        blocks.append("\n".join([section, *lines, _NOTES[section]]))
    return "\n\n".join(blocks)


def to_json(results: Mapping[str, Sequence[Row]], options: Options) -> str:
    """Results for programs, with what was asked for."""
    facts = {
        "options": dataclasses.asdict(options),
        "neural_style": __version__,
        "tensorflow": importlib.metadata.version("tensorflow"),
        "platform": platform.platform(),
        "processor": platform.processor(),
    }
    return json.dumps({**facts, **results}, indent=2) + "\n"


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _medians(actions: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each action, all of them run in turn, so that a busy moment hits them alike."""
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for turn in range(_WARM_UP + repeats):
        for name, action in actions.items():
            began = time.perf_counter()
            action()
            if turn >= _WARM_UP:
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(times) for name, times in seconds.items()}


def _random_pictures(width: int) -> np.ndarray:
    """Content, style and image of one size, float32 (3, width, width, 3) of 0-255."""
    return np.random.default_rng(0).uniform(0, 255, (3, width, width, 3)).astype(np.float32)


# --- one evaluation -------------------------------------------------------------------------------------------------


def _measure_eval(config: Config, network: weights.VGGWeights, width: int, repeats: int) -> list[Row]:
    """Evaluations in each precision that this machine computes in, and by PyTorch where it is installed."""
    from neural_style.compute import precision
    from neural_style.compute.objective import LossGraph, Objective

    same_loss: Any = {"loss": CLASSIC["loss"]}  # which PyTorch is given
    config = dataclasses.replace(config, **same_loss)
    content, style, start = _random_pictures(width)
    actions: dict[str, Callable[[], object]] = {}
    computed = []
    for name in _PRECISIONS:
        try:
            precision.choose(name, _device(config))
        except UsageError:
            continue
        computed.append(name)
        objective = Objective(LossGraph(config, network, name), content, [style])
        actions[name] = functools.partial(_finished, objective, objective.encode(start))
        for key, convolution in _convolutions(config, width, name).items():
            actions[f"{name} {key}"] = convolution
    if importlib.util.find_spec("torch"):
        actions["PyTorch"] = _torch_evaluation(config, network, content, style, start)
    times = _medians(actions, repeats)
    rows = []
    for name in computed:
        bare = sum(
            count * times[f"{name} {direction} {shape}"]
            for (direction, shape), count in _convolution_counts(config).items()
        )
        rows.append(
            {
                "px": width,
                "precision": name,
                "evaluation s": times[name],
                "s per Mpx": times[name] / (width**2 / 1e6),
                "vs float32": times["float32"] / times[name],
                "vs convolutions": times[name] / bare,
                "vs PyTorch float32": times["PyTorch"] / times[name] if "PyTorch" in times else None,
            }
        )
    return rows


def _finished(objective: Objective | TiledObjective, image: Any) -> tuple[Any, Any]:
    """Losses and gradient of an image, once they are there: a GPU gives them beforehand."""
    losses, gradient = objective.value_and_grad(image)
    float(losses.total)
    gradient[0, 0, 0, 0].numpy()
    return losses, gradient


def _device(config: Config) -> str:
    from neural_style.runs import engine

    return engine.device_name(config.device)


def _convolution_counts(config: Config) -> Counter[tuple[str, tuple[int, int, int]]]:
    """(Direction, (block, channels in, channels out)) -> how many such convolutions an evaluation makes."""
    counts: Counter[tuple[str, tuple[int, int, int]]] = Counter()
    for conv in vgg19_spec.convs_up_to(config.layers):
        shape = (vgg19_spec.block_of(conv), *vgg19_spec.kernel_shape(conv)[2:])
        counts.update([("forward", shape), ("backward", shape)])
    return counts


def _convolutions(config: Config, width: int, precision: str) -> dict[str, Callable[[], object]]:
    """Every kind of convolution that an evaluation makes, to be timed alone."""
    import tensorflow as tf

    rng = np.random.default_rng(0)

    def random(*shape: int) -> tf.Tensor:
        return tf.cast(tf.constant(rng.standard_normal(shape, np.float32)), precision)

    actions: dict[str, Callable[[], object]] = {}
    for direction, shape in _convolution_counts(config):
        block, channels_in, channels_out = shape
        side = width // 2 ** (block - 1)
        kernel = random(3, 3, channels_in, channels_out)
        if direction == "forward":
            convolve = tf.function(functools.partial(tf.nn.conv2d, filters=kernel, strides=1, padding="SAME"))
            maps = random(1, side, side, channels_in)
        else:
            of_input = (1, side, side, channels_in)
            convolve = tf.function(
                functools.partial(
                    tf.nn.conv2d_transpose, filters=kernel, output_shape=of_input, strides=1, padding="SAME"
                )
            )
            maps = random(1, side, side, channels_out)
        actions[f"{direction} {shape}"] = functools.partial(convolve, maps)
    return actions


def _torch_evaluation(
    config: Config, network: weights.VGGWeights, content: np.ndarray, style: np.ndarray, start: np.ndarray
) -> Callable[[], float]:
    """The same loss and gradient by PyTorch, float32, channels first, as the programs of the field write it."""
    import torch
    from torch.nn import functional

    place = "cuda" if torch.cuda.is_available() and _device(config).startswith("GPU") else "cpu"

    def image(picture: np.ndarray) -> torch.Tensor:
        return torch.tensor(np.moveaxis(picture - network.mean, 2, 0)[np.newaxis], device=place)

    def gram(maps: torch.Tensor) -> torch.Tensor:
        flat = maps.flatten(2)[0]
        return flat @ flat.T / flat.numel()

    convs = vgg19_spec.convs_up_to(config.layers)
    kernels = {
        conv: torch.tensor(np.ascontiguousarray(network.kernels[conv].transpose(3, 2, 0, 1)), device=place)
        for conv in convs
    }
    biases = {conv: torch.tensor(network.biases[conv], device=place) for conv in convs}

    def features(maps: torch.Tensor) -> dict[str, torch.Tensor]:
        outputs, block = {}, 1
        for conv in convs:
            if vgg19_spec.block_of(conv) != block:
                maps, block = functional.max_pool2d(maps, 2), block + 1
            maps = functional.relu(functional.conv2d(maps, kernels[conv], biases[conv], padding=1))
            outputs[conv.replace("conv", "relu")] = maps
        return outputs

    with torch.no_grad():
        contents = {layer: features(image(content))[layer] for layer in config.content_terms}
        styles = {layer: gram(features(image(style))[layer]) for layer in config.style_terms}
    pixels = image(start).requires_grad_()

    def evaluate() -> float:
        pixels.grad = None
        maps = features(pixels)
        loss = config.factor("tv_weight") * (
            (pixels[:, :, 1:] - pixels[:, :, :-1]).square().mean()
            + (pixels[..., 1:] - pixels[..., :-1]).square().mean()
        )
        for layer, share in config.content_terms.items():
            loss = loss + config.factor("content_weight") * share * (maps[layer] - contents[layer]).square().mean()
        for layer, share in config.style_terms.items():
            loss = loss + config.factor("style_weight") * share * (gram(maps[layer]) - styles[layer]).square().mean()
        loss.backward()
        return loss.item()

    return evaluate


# --- optimisers -----------------------------------------------------------------------------------------------------


def _measure_optimizers(config: Config, network: weights.VGGWeights, width: int, repeats: int) -> list[Row]:
    """What each optimiser adds to an evaluation, with a full history.

    Its evaluations are timed inside the iterations, whose remainder is its own, so that noise in the one is not taken
    for the other.
    """
    from neural_style.compute import precision
    from neural_style.compute.objective import LossGraph, Objective
    from neural_style.compute.planner import Planner
    from neural_style.runs import engine

    chosen = precision.choose(config.precision, _device(config)).precision
    content, style, start = _random_pictures(width)
    objective = Objective(LossGraph(config, network, chosen), content, [style])
    runs = {}
    inside = dict.fromkeys(("adam", "lbfgs", "scipy"), 0.0)

    def timed(name: str, image: Any) -> Any:
        began = time.perf_counter()
        losses, gradient = _finished(objective, image)
        inside[name] += time.perf_counter() - began
        return losses, gradient

    for name in inside:
        changed: Any = {"optimizer": name}
        settings = dataclasses.replace(config, **changed).settled(network.settings)
        evaluate = functools.partial(timed, name)
        start_image = objective.encode(start)
        plan = Planner(settings, chosen).whole(width, width)
        runs[name] = engine.minimize(settings, plan, evaluate, start_image, 10**6, precision.LOSS_NOISE[chosen])
    shares: dict[str, list[float]] = {name: [] for name in inside}
    evaluations: list[float] = []
    with contextlib.ExitStack() as stack:
        for run in runs.values():
            stack.enter_context(contextlib.closing(run))
            for _ in range(config.history_size + _WARM_UP):
                next(run, None)
        for _ in range(repeats):
            for name, run in runs.items():
                inside[name] = 0.0
                began = time.perf_counter()
                if next(run, None) is None:  # there is nothing left to improve
                    continue
                whole = time.perf_counter() - began
                evaluations.append(inside[name])
                shares[name].append((whole - inside[name]) / inside[name])
    rows = [
        {"px": width, "precision": chosen, "optimizer": name, "own": statistics.median(share)}
        for name, share in shares.items()
        if share
    ]
    return [{**row, "evaluation s": statistics.median(evaluations)} for row in rows]


# --- start ----------------------------------------------------------------------------------------------------------

_STARTUP = """
import json, sys, time
began = time.perf_counter()
from neural_style.bench import measure as bench
print(json.dumps(bench.start_once(began, *json.loads(sys.argv[1]))))
"""


def start_once(began: float, weights_name: str, width: int) -> Row:
    """Seconds, in this new process, of importing, of building network and targets, and of the first evaluation."""
    from neural_style.runs import engine

    marks = [began, time.perf_counter()]
    content, style, _ = _random_pictures(width)
    config = Config(content.astype(np.uint8), [style.astype(np.uint8)], weights=weights_name, scales="1")
    steps = engine.stylize(config)
    for _ in range(2):
        next(steps)
        marks.append(time.perf_counter())
    phases = ("import s", "network, targets, start s", "first step s")
    return dict(zip(phases, np.diff(marks).tolist(), strict=True))


def _measure_startup(config: Config, network: weights.VGGWeights, width: int, repeats: int) -> list[Row]:
    """Medians over new processes."""
    del network  # a new process loads its own
    rows = []
    for _ in range(min(repeats, 3)):
        command = [sys.executable, "-c", _STARTUP, json.dumps([config.weights, width])]
        process = subprocess.run(command, capture_output=True, text=True, check=False)
        if process.returncode:
            raise NeuralStyleError(f"bench: a new process failed: {process.stderr.strip().rpartition(chr(10))[2]}")
        rows.append(json.loads(process.stdout.splitlines()[-1]))
    medians = {phase: statistics.median(row[phase] for row in rows) for phase in rows[0]}
    return [{"px": width, **medians, "together s": statistics.median(sum(row.values()) for row in rows)}]


# --- tiles and memory ------------------------------------------------------------------------------------------------


def _measure_tiles(config: Config, network: weights.VGGWeights, width: int, repeats: int) -> list[Row]:
    """How far losses and gradient in tiles of a third of the picture are from the whole picture's, and their times."""
    from neural_style.compute.objective import LossGraph, Objective
    from neural_style.compute.tiled_objective import TiledObjective, TileGraph

    tile_size = width // 3
    content, style, start = _random_pictures(width)
    graph = LossGraph(config, network)
    tile_graph = TileGraph(graph)
    whole = Objective(graph, content, [style])
    tiled = TiledObjective(tile_graph, content, tile_graph.style_targets([style], tile_size), tile_size, True)
    image = whole.encode(start)
    (losses, gradient), (tiled_losses, tiled_gradient) = whole.value_and_grad(image), tiled.value_and_grad(image)
    times = _medians({"whole": lambda: _finished(whole, image), "tiled": lambda: _finished(tiled, image)}, repeats)
    difference = np.linalg.norm(tiled_gradient - gradient) / np.linalg.norm(gradient)
    return [
        {
            "px": width,
            "tile px": tile_size,
            "gradient difference": float(difference),
            "loss difference": abs(float(tiled_losses.total) / float(losses.total) - 1),
            "whole s": times["whole"],
            "tiled s": times["tiled"],
            "tiled / whole": times["tiled"] / times["whole"],
        }
    ]


_EVALUATIONS = 3
"""Of a run whose memory is measured, besides those that fill a history; in the first one functions are traced."""


def _measure_memory(config: Config, network: weights.VGGWeights, width: int, repeats: int) -> list[Row]:
    """Runs of a square picture as the memory given allows, and small ones in tiles as well."""
    del repeats
    if not hasattr(os, "wait4"):
        raise UsageError("bench: memory can be measured on Linux and macOS alone; name other sections")
    memory_size = next((size for most, size in BUDGETS if width**2 <= most), BUDGETS[-1][1])
    rows = [_measure_run(config, network, width, memory_size, None)]
    half = max(width // 2, LEAST_TILE)
    if not rows[0]["tiled"] and half < width:
        rows.append(_measure_run(config, network, width, memory_size, half))
    return rows


def _measure_run(
    config: Config, network: weights.VGGWeights, width: int, memory_size: str, tile_size: int | None
) -> Row:
    """Plan, peak of resident memory, and seconds of an evaluation of a run in a process of its own."""
    from neural_style.compute import precision
    from neural_style.compute.planner import Planner

    settings: Any = {"memory": memory_size, "tile_size": tile_size, "scales": "1", "width": width}
    settled = dataclasses.replace(config, **settings).settled(network.settings)
    chosen = precision.choose(config.precision, _device(config)).precision
    plan = Planner(settled, chosen).choose(width, width, byte_sizes.parse(memory_size) or 0)
    with tempfile.TemporaryDirectory() as folder:
        names = [str(Path(folder, name)) for name in ("content.png", "style.png", "result.jpg")]
        for seed, name in enumerate(names[:2]):
            Image.fromarray(np.random.default_rng(seed).integers(0, 256, (64, 64, 3), np.uint8)).save(name)
        command = [sys.executable, "-m", "neural_style", "--content", names[0], "--styles", names[1]]
        command += ["--output", names[2], "--width", str(width), "--memory", memory_size, "--scales", "1"]
        evaluations = _EVALUATIONS + (0 if plan.optimizer == "adam" else plan.history_size)
        command += ["--iterations", str(evaluations - 1), "--print_iterations", "1", "--precision", chosen]
        command += ["--weights", config.weights, *([f"--tile_size={tile_size}"] if tile_size else [])]
        marks, peak = _watched(command)
    return {
        "px": width,
        "precision": chosen,
        "given": memory_size,
        "plan": plan.described(settled).partition(" px ")[2],
        "tiled": plan.tile_size is not None,
        "predicted GB": plan.peak / 1e9,
        "peak GB": peak / 1e9,
        "predicted / peak": plan.peak / peak,
        "evaluation s": statistics.median(np.diff(marks).tolist()),
    }


def _watched(command: Sequence[str]) -> tuple[list[float], int]:
    """When a run showed each iteration, in seconds, and the peak of its resident memory in bytes."""
    marks, said = [], []
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line)
            if line.startswith("iteration "):
                marks.append(time.perf_counter())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise NeuralStyleError(f"bench: a run failed: {''.join(said[-1:]).strip()}")
    return marks, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _compare_sizes(rows: Sequence[Row]) -> None:
    """Add times per pixel, compared with the largest picture computed whole, and how they grow."""
    whole = [row for row in rows if not row["tiled"]]
    tiled: list[Row] = []
    for row in rows:
        row["s per Mpx"] = row["evaluation s"] / (row["px"] ** 2 / 1e6)
        if row.pop("tiled"):
            tiled.append(row)
            if whole:
                largest = max(whole, key=lambda each: each["px"])
                row["vs whole"] = row["s per Mpx"] / (largest["evaluation s"] / (largest["px"] ** 2 / 1e6))
            if len({each["px"] for each in tiled}) > 1:
                pixels, seconds = ([np.log(each[key]) for each in tiled] for key in ("px", "evaluation s"))
                row["exponent"] = float(np.polyfit(np.multiply(pixels, 2), seconds, 1)[0])


# --- time to the same loss ------------------------------------------------------------------------------------------


def _measure_quality(config: Config, network: weights.VGGWeights, width: int, options: Options) -> list[Row]:
    """Time of the classic run, and time in which the defaults, with each loss, reach its loss; pictures in memory."""
    from neural_style.compute.objective import LossGraph, Objective

    config = dataclasses.replace(config, width=width)
    classic = dataclasses.replace(config, **CLASSIC)
    inputs = read_inputs(config)
    exact = Objective(LossGraph(classic, network), inputs.content.rgb, [style.rgb for style in inputs.styles])

    curve = dataclasses.replace(classic, precision=config.precision) if options.short else classic
    for seconds, evaluation, is_best in _timed_evaluations(curve, inputs, network):  # noqa: B007 - the last one counts
        if is_best:
            image = evaluation.image
    target = float(exact.losses(image).total)
    _keep_picture(options, f"classic-{width}.png", exact, image)

    samples = _iteration_seconds(classic, inputs, network) if options.short else []
    rows = []
    for loss in LOSS_FACTORS:
        changed: Any = {"loss": loss}
        run = _timed_evaluations(dataclasses.replace(config, **changed), inputs, network)
        to_loss = evaluations_to_loss = None
        for count, (to_end, evaluation, is_best) in enumerate(run, 1):
            if is_best:
                image = evaluation.image
            near = to_loss is None and evaluation.image.shape == exact.shape
            if loss == CLASSIC["loss"]:  # its own loss is the same up to rounding, and known already
                near = near and evaluation.losses["total"] <= _ROUNDED * WITHIN * target
            if near and float(exact.losses(evaluation.image).total) <= WITHIN * target:
                to_loss, evaluations_to_loss = to_end, count
                _keep_picture(options, f"equal-{loss}-{width}.png", exact, evaluation.image)
        _keep_picture(options, f"default-{loss}-{width}.png", exact, image)
        end_loss = float(exact.losses(image).total)
        rows.append((loss, to_loss, evaluations_to_loss, to_end, end_loss))
    if options.short:
        samples += _iteration_seconds(classic, inputs, network)
        seconds = statistics.median(samples) * CLASSIC["iterations"]
    return [
        {
            "px": f"{exact.shape[2]}×{exact.shape[1]}",
            "classic s": seconds,
            "classic loss": target,
            "loss": loss,
            "to loss s": to_loss,
            "evaluations": evaluations,
            "sooner": to_loss and seconds / to_loss,
            "to end s": to_end,
            "end loss": end_loss,
        }
        for loss, to_loss, evaluations, to_end, end_loss in rows
    ]


def _timed_evaluations(
    config: Config, inputs: Inputs, network: weights.VGGWeights
) -> Iterator[tuple[float, Evaluation, bool]]:
    """Seconds that a run itself took until each evaluation, the evaluation, and whether it is the best of its scale."""
    from neural_style.compute import precision
    from neural_style.runs import engine

    elapsed, began = 0.0, time.perf_counter()
    chosen = precision.choose(config.precision, _device(config))
    with contextlib.closing(engine.evaluations(config, inputs, network, chosen.precision)) as evaluations:
        for _, evaluation, is_best in evaluations:
            elapsed += time.perf_counter() - began
            yield elapsed, evaluation, is_best
            began = time.perf_counter()


def _iteration_seconds(config: Config, inputs: Inputs, network: weights.VGGWeights) -> list[float]:
    """Seconds of some iterations, the first left out, in which functions are traced."""
    marks = [elapsed for elapsed, *_ in itertools.islice(_timed_evaluations(config, inputs, network), 2 + _SAMPLES)]
    return np.diff(marks)[1:].tolist()


def _keep_picture(options: Options, name: str, exact: Objective, image: Any) -> None:
    from neural_style.compute.objective import decode

    if options.pictures:
        path = Path(options.pictures, name)
        write_image(path, to_uint8(decode(image, exact.mean)), settings={}, overwrite=True)
