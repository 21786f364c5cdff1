"""A run: from pictures and settings to a stream of steps."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from neural_style.compute import memory, precision
from neural_style.compute.fallback import MEMORY_ERRORS, PlannedObjective
from neural_style.compute.objective import LossGraph, Objective, decode
from neural_style.compute.planner import Plan, Planner
from neural_style.compute.tiled_objective import TileGraph
from neural_style.config.config import Config, usual_tolerance
from neural_style.errors import GPU_ADVICE, DivergenceError, OutOfMemoryError, UsageError
from neural_style.images import color_transfer as color
from neural_style.images.picture import lanczos, to_integers
from neural_style.networks.weights import sources as weights
from neural_style.optimizers import generators as optimizers
from neural_style.optimizers.generators import Evaluation
from neural_style.runs import pyramid
from neural_style.runs.inputs import Inputs, at_scale, read_inputs
from neural_style.runs.step import Step

_log = logging.getLogger("neural_style")

NOISE_SCALE = 0.256
"""Standard deviation of the start noise around the mean pixel, in grey levels of 0-255 (anishathalye/neural-style)."""

STEP_SCALES = (1.0, 0.1)
"""Factor on the optimiser's step at first, and after loss or gradient stopped being finite once."""


_TIMED_SIDE, _TIMED_REPEATS = 512, 2
"""Pixels of a side of the picture by which an evaluation is timed, and how often."""


def compute_reproducibly() -> None:
    """Tell TensorFlow, for the whole process, that GPUs shall not add in any order, nor round float32 to 10 bits."""
    tf.config.experimental.enable_op_determinism()
    tf.config.experimental.enable_tensor_float_32_execution(False)


def stylize(config: Config) -> Iterator[Step]:
    """Paint `config.content` in the look of `config.styles`.

    Pictures are read and weights loaded before the first step. Output options of `config` are left to the caller. The
    same `config` gives the same images on the same machine, bit for bit only after `compute_reproducibly`, and large
    ones with a given `Config.memory`, since tiles round otherwise.

    Yields:
        A `Step` for the start image (iteration 0) and for every evaluation of the loss after it, at each scale of
        `Config.scale_plan` in turn. The result is the last one whose `best` is true. Scales end early where
        `Config.tolerance` says so, or L-BFGS finds no lower loss.

    Raises:
        ImageError: a picture cannot be read or is too small.
        WeightsError: the network's weights cannot be had or do not fit.
        UsageError: the device asked for is not there or does not compute in the precision asked for, the picture is
            too small for so many scales, or `Config.memory` is too small for the picture.
        OutOfMemoryError: memory failed in spite of the plan, and smaller tiles did not help; what was yielded before
            stays good.
        DivergenceError: loss or gradient stopped being finite twice; what was yielded before stays good.
    """
    yield from run(config, read_inputs(config), weights.load(config.weights, config.layers))


def render(config: Config) -> np.ndarray:
    """Paint `config.content` in the look of `config.styles` and return the image of the lowest loss.

    Returns:
        (height, width, 3), sRGB, or (height, width, 4) where the content has transparent parts: uint8, or uint16
        (0-65535) if `config.bit_depth` is 16.

    Raises:
        NeuralStyleError: as `stylize`.
    """
    best = None
    for step in stylize(config):
        best = step if step.best else best
    assert best is not None
    return best.image_with_alpha


def run(
    config: Config,
    inputs: Inputs,
    network: weights.VGGWeights,
    choice: precision.Choice | None = None,
    plans: tuple[Planner, Sequence[Plan]] | None = None,
) -> Generator[Step]:
    """Do what `stylize` does with pictures and weights that are loaded, and what may be chosen already.

    Args:
        config: the run.
        inputs: its pictures.
        network: its weights.
        choice: the precision.
        plans: how each scale is computed, as `plan` gives it.
    """
    device = device_name(config.device)
    chosen = (choice or precision.choose(config.precision, device)).precision
    plans = plans or plan(config.settled(network.settings), inputs, chosen, memory.budget(config.memory, device))
    return _on_device(device, _steps(config, inputs, network, chosen, plans))


def plan(config: Config, inputs: Inputs, chosen: str, budget: int) -> tuple[Planner, list[Plan]]:
    """How each scale of a run is computed.

    Args:
        config: settled.
        inputs: the pictures.
        chosen: the type to compute in.
        budget: bytes of memory.

    Raises:
        UsageError: the memory is too small.
    """
    relative = inputs.content.width * inputs.content.height
    planner = Planner(config, chosen, [style.width * style.height / relative for style in inputs.styles])
    sizes = [(scale.width, scale.height) for scale in config.scale_plan(*inputs.plan_size)]
    return planner, planner.choose_all(sizes, budget, held=inputs.nbytes)


def seconds_per_pixel(config: Config, network: weights.VGGWeights, chosen: str, device: str) -> float:
    """Time of an evaluation of a small picture as a whole, by its pixels."""
    picture = np.random.default_rng(0).uniform(0, 255, (_TIMED_SIDE, _TIMED_SIDE, 3)).astype(np.float32)
    with tf.device(device):
        objective = Objective(LossGraph(config, network, chosen), picture, [picture] * len(config.styles))
        image = objective.encode(picture[::-1])
        seconds = []
        for _ in range(1 + _TIMED_REPEATS):  # functions are traced in the first
            began = time.perf_counter()
            float(objective.value_and_grad(image)[0].total)
            seconds.append(time.perf_counter() - began)
    return min(seconds) / _TIMED_SIDE**2


def device_name(device: str) -> str:
    """TensorFlow's name of the device that `Config.device` asks for, such as "GPU:0".

    GPUs are told to take memory as they need it, not all at once.

    Raises:
        UsageError: that GPU is not there.
    """
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        with contextlib.suppress(RuntimeError):  # TensorFlow has started: its owner has decided
            tf.config.experimental.set_memory_growth(gpu, True)
    if device == "cpu" or (device == "auto" and not gpus):
        return "CPU:0"
    index = int(device.partition(":")[2] or 0)
    if index >= len(gpus):
        raise UsageError(
            f"device: expected a GPU that TensorFlow can use, got {device} with {len(gpus)} found; "
            f"use --device cpu, or {GPU_ADVICE}"
        )
    return f"GPU:{index}"


def _on_device(device: str, steps: Generator[Step]) -> Generator[Step]:
    """The same steps, made on a device, without changing the device of whoever consumes them."""
    with contextlib.closing(steps):
        while True:
            try:
                with tf.device(device):
                    step = next(steps, None)
            except MEMORY_ERRORS as error:
                raise OutOfMemoryError(
                    f"{device} has too little memory for a picture of this size; lower --width, or give a --memory "
                    "that leaves others enough"
                ) from error
            if step is None:
                return
            yield step


def _steps(
    config: Config,
    inputs: Inputs,
    network: weights.VGGWeights,
    chosen: str,
    plans: tuple[Planner, Sequence[Plan]],
) -> Generator[Step]:
    """Steps of all scales, computed in the type chosen."""
    mean, alpha = network.mean, inputs.content.alpha
    size = inputs.content.width, inputs.content.height
    colors = to_integers(inputs.content.rgb, config.bit_depth) if config.preserve_colors else None
    source = evaluations(config, inputs, network, chosen, plans)
    del inputs, network  # what is not needed for the rest of the run
    with contextlib.closing(source):
        for iteration, (scale, evaluation, best) in enumerate(source):
            image, in_place = evaluation.image, isinstance(evaluation.image, np.ndarray)
            is_result = (scale.width, scale.height) == size
            if in_place and not is_result:
                image = np.array(image)
            render = functools.partial(_picture, image, mean, size, colors, config.bit_depth)
            step = Step(iteration, evaluation.losses, (scale.width, scale.height), best, alpha, render)
            if in_place and is_result:
                _ = step.image  # made now, since the optimiser will change what it is made of
            yield step


def evaluations(
    config: Config,
    inputs: Inputs,
    network: weights.VGGWeights,
    chosen: str,
    plans: tuple[Planner, Sequence[Plan]] | None = None,
) -> Generator[tuple[pyramid.Scale, Evaluation, bool]]:
    """Every evaluation of a run, with its scale and whether no other at that scale so far had a lower loss.

    A scale starts with the best image of the one before, enlarged, or its last where it was changed in place.

    Args:
        config: the run.
        inputs: its pictures.
        network: its weights.
        chosen: the type to compute in.
        plans: how to compute each scale; by default what `plan` says.
    """
    config = config.settled(network.settings)
    planner, of_scales = plans or plan(config, inputs, chosen, memory.budget(config.memory, device_name(config.device)))
    graph = LossGraph(config, network, chosen)
    tile_graph = TileGraph(graph)
    del network  # the graph has its own
    scales = config.scale_plan(*inputs.plan_size)
    noise = precision.LOSS_NOISE[chosen]
    best: Evaluation | None = None
    before = 0  # evaluations at coarser scales
    for scale, of_scale in zip(scales, of_scales, strict=True):
        scaled = at_scale(inputs, scale.width, scale.height)
        if scale is scales[-1]:
            del inputs
        styles = [style.rgb for style in scaled.styles]
        objective = PlannedObjective(graph, tile_graph, scaled.content.rgb, styles, planner, of_scale)
        del styles
        tolerance = _tolerance(config, of_scale)
        start = _start_image(config, scaled, objective.mean) if best is None else _enlarged(best.image, scale)
        del scaled
        best, totals = None, []
        source = _finite_evaluations(config, objective, start, scale.iterations, noise, before)
        del start
        with contextlib.closing(source):
            for evaluation in source:
                totals.append(evaluation.losses["total"])
                if best is None or totals[-1] < best.losses["total"]:
                    best = evaluation
                yield scale, evaluation, evaluation is best
                if pyramid.has_converged(totals, tolerance):
                    break
        before += len(totals)
        del objective, source, evaluation  # before the next scale takes memory


def _finite_evaluations(
    config: Config, objective: PlannedObjective, start: np.ndarray, iterations: int, noise: float, before: int
) -> Generator[Evaluation]:
    """Finite evaluations at one scale, whatever happens.

    After one that is not finite, go on from the best image with smaller steps. After the optimiser has found no memory,
    go on from there with one that needs less.

    `before` is how many evaluations there were at other scales, for the numbers in messages.
    """
    best: Any = start if objective.plan.in_place else tf.constant(start)
    del start
    lowest, done = np.inf, 0  # done: evaluations yielded, the start's among them
    step_scales = list(STEP_SCALES)
    while True:
        in_place = objective.plan.in_place  # which an evaluation without memory may change
        if in_place and not isinstance(best, np.ndarray):
            best = np.array(best)
        left = iterations - max(done - 1, 0)
        source = minimize(config, objective.plan, objective.value_and_grad, best, left, noise, step_scales[0])
        failed: Exception | None = None
        evaluation: Evaluation | None = None
        try:
            with contextlib.closing(source):
                if done:
                    next(source)  # the best image, known already
                for evaluation in source:
                    if not evaluation.finite:
                        break
                    if evaluation.losses["total"] < lowest:
                        best, lowest = evaluation.image, evaluation.losses["total"]
                    done += 1
                    yield dataclasses.replace(evaluation, state=_forgotten)  # or its pairs would outlive the optimiser
                else:
                    return
        except MEMORY_ERRORS as error:
            failed = error.with_traceback(None)  # which would keep what the optimiser has
        if failed:
            del source, evaluation
            if in_place or not objective.plan.in_place:
                objective.save_memory(failed)
            continue
        assert evaluation is not None
        if not done:
            raise DivergenceError(
                f"loss or gradient of the start image is not finite ({evaluation.losses}); "
                "lower the loss weights, or use --precision float32"
            )
        step_scales.pop(0)
        if not step_scales:
            raise DivergenceError(
                f"loss or gradient stopped being finite twice, at last at iteration {before + done}, with steps made "
                f"{1 / STEP_SCALES[-1]:g} times smaller; lower --learning_rate or the loss weights, or use --precision "
                "float32"
            )
        _log.warning(
            "loss or gradient stopped being finite at iteration %d; back to the %s image",
            before + done,
            "last" if in_place else "best",
        )


def _forgotten() -> None:
    """The state of an optimiser, which a run does not need."""


def _tolerance(config: Config, plan: Plan) -> float:
    """`Config.tolerance`, or the default of the plan's optimiser where the config's is the default of its own."""
    assert config.tolerance is not None and config.loss is not None  # settled
    if config.tolerance == usual_tolerance(config.optimizer, config.loss):
        return usual_tolerance(plan.optimizer, config.loss)
    return config.tolerance


def minimize(
    config: Config,
    plan: Plan,
    value_and_grad: optimizers.ValueAndGrad,
    start: Any,
    iterations: int,
    noise: float,
    step_scale: float = 1.0,
) -> Generator[Evaluation]:
    """Evaluations by the optimiser of a plan with some settled settings; `optimizers` explains the other arguments."""
    if plan.optimizer == "adam":
        assert config.learning_rate is not None  # settled
        adam: Callable[..., Generator[Evaluation]] = optimizers.adam_in_place if plan.in_place else optimizers.adam
        return adam(
            value_and_grad,
            start,
            iterations=iterations,
            learning_rate=config.learning_rate * step_scale,
            beta1=config.beta1,
            beta2=config.beta2,
            eps=config.eps,
        )
    arguments: dict[str, Any] = {"history_size": plan.history_size, "first_step": step_scale}
    if plan.optimizer == "scipy":
        return optimizers.scipy_lbfgs(value_and_grad, start, iterations=iterations, **arguments)
    return optimizers.lbfgs(value_and_grad, start, iterations=iterations, noise=noise, **arguments)


def _start_image(config: Config, inputs: Inputs, mean: np.ndarray) -> np.ndarray:
    """Blend of the initial picture, or else the content, with noise: an image, float32 (1, height, width, 3)."""
    share = config.initial_noiseblend
    assert share is not None  # settled
    picture = (inputs.initial or inputs.content).rgb
    image = np.subtract(picture, mean, dtype=np.float32)[np.newaxis]
    if share:
        image *= 1 - share
        noise = np.random.default_rng(config.seed).standard_normal(image.shape, np.float32)
        noise *= share * NOISE_SCALE
        image += noise
    return image


def _enlarged(image: tf.Tensor | np.ndarray, scale: pyramid.Scale) -> np.ndarray:
    """An image at the size of a scale."""
    return lanczos(np.asarray(image)[0], scale.width, scale.height)[np.newaxis]


def _picture(
    image: tf.Tensor | np.ndarray, mean: np.ndarray, size: tuple[int, int], colors: np.ndarray | None, bit_depth: int
) -> np.ndarray:
    """The picture that an image tensor stands for: (height, width, 3) of a size, with other colours if given.

    Uint8 or, of a depth of 16 bits, uint16; `colors` as well.
    """
    if (image.shape[2], image.shape[1]) == size:
        picture = to_integers(np.asarray(image)[0], bit_depth, mean)
    else:
        picture = to_integers(lanczos(decode(image, mean), *size), bit_depth)
    return picture if colors is None else color.preserve_colors(picture, colors, out=picture)
