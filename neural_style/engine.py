"""A run: from pictures and settings to a stream of steps."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from neural_style import color, images, optimizers, precision, pyramid, weights
from neural_style.config import Config
from neural_style.errors import GPU_ADVICE, DivergenceError, OutOfMemoryError, UsageError
from neural_style.inputs import Inputs, at_scale, read_inputs
from neural_style.objective import LossGraph, Objective, decode
from neural_style.optimizers import Evaluation
from neural_style.records import Step

_log = logging.getLogger("neural_style")

NOISE_SCALE = 0.256
"""Standard deviation of the start noise around the mean pixel, in grey levels of 0-255 (anishathalye/neural-style)."""

STEP_SCALES = (1.0, 0.1)
"""Factor on the optimiser's step at first, and after loss or gradient stopped being finite once."""


def compute_reproducibly() -> None:
    """Tell TensorFlow, for the whole process, that GPUs shall not add in any order, nor round float32 to 10 bits."""
    tf.config.experimental.enable_op_determinism()
    tf.config.experimental.enable_tensor_float_32_execution(False)


def stylize(config: Config) -> Iterator[Step]:
    """Paint `config.content` in the look of `config.styles`.

    Pictures are read and weights loaded before the first step. Output options of `config` are left to the caller. The
    same `config` gives the same images on the same machine, bit for bit only after `compute_reproducibly`.

    Yields:
        A `Step` for the start image (iteration 0) and for every evaluation of the loss after it, at each scale of
        `Config.scale_plan` in turn. The result is the last one whose `best` is true. Scales end early where
        `Config.tolerance` says so, or L-BFGS finds no lower loss.

    Raises:
        ImageError: a picture cannot be read or is too small.
        WeightsError: the network's weights cannot be had or do not fit.
        UsageError: the device asked for is not there or does not compute in the precision asked for, or the picture is
            too small for so many scales.
        DivergenceError: loss or gradient stopped being finite twice; what was yielded before stays good.
    """
    yield from run(config, read_inputs(config), weights.load(config.weights, config.layers))


def render(config: Config) -> np.ndarray:
    """Paint `config.content` in the look of `config.styles` and return the image of the lowest loss.

    Returns:
        uint8 (height, width, 3), sRGB, or (height, width, 4) where the content has transparent parts.

    Raises:
        NeuralStyleError: as `stylize`.
    """
    best = None
    for step in stylize(config):
        best = step if step.best else best
    assert best is not None
    return best.image_with_alpha


def run(
    config: Config, inputs: Inputs, network: weights.VGGWeights, choice: precision.Choice | None = None
) -> Generator[Step]:
    """Do what `stylize` does with pictures and weights that are loaded, and a precision that is chosen, already."""
    device = device_name(config.device)
    chosen = (choice or precision.choose(config.precision, device)).precision
    return _on_device(device, _steps(config, inputs, network, chosen))


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
            except (tf.errors.ResourceExhaustedError, MemoryError) as error:
                raise OutOfMemoryError(
                    f"{device} has too little memory for a picture of this size; lower --width"
                ) from error
            if step is None:
                return
            yield step


def _steps(config: Config, inputs: Inputs, network: weights.VGGWeights, chosen: str) -> Generator[Step]:
    """Steps of all scales, computed in the type chosen."""
    mean, alpha = network.mean, inputs.content.alpha
    size = inputs.content.width, inputs.content.height
    colors = images.to_uint8(inputs.content.rgb) if config.preserve_colors else None
    source = evaluations(config, inputs, network, chosen)
    del inputs, network  # what is not needed for the rest of the run
    with contextlib.closing(source):
        for iteration, (scale, evaluation, best) in enumerate(source):
            render = functools.partial(_picture, evaluation.image, mean, size, colors)
            yield Step(iteration, evaluation.losses, (scale.width, scale.height), best, alpha, render)


def evaluations(
    config: Config, inputs: Inputs, network: weights.VGGWeights, chosen: str
) -> Generator[tuple[pyramid.Scale, Evaluation, bool]]:
    """Every evaluation of a run, with its scale and whether no other at that scale so far had a lower loss.

    A scale starts with the best image of the one before, enlarged.

    Args:
        config: the run.
        inputs: its pictures.
        network: its weights.
        chosen: the type to compute in.
    """
    config = config.settled(network.settings)
    graph = LossGraph(config, network, chosen)
    del network  # the graph has its own
    scales = config.scale_plan(*inputs.plan_size)
    noise = precision.LOSS_NOISE[chosen]
    best: Evaluation | None = None
    before = 0  # evaluations at coarser scales
    for scale in scales:
        scaled = at_scale(inputs, scale.width, scale.height)
        objective = Objective(graph, scaled.content.rgb, [style.rgb for style in scaled.styles])
        start = _start_image(config, scaled, objective) if best is None else _enlarged(best.image, scale)
        if scale is scales[-1]:
            del inputs
        del scaled
        best, totals = None, []
        source = _finite_evaluations(config, objective, start, scale.iterations, noise, before)
        with contextlib.closing(source):
            for evaluation in source:
                totals.append(evaluation.losses["total"])
                if best is None or totals[-1] < best.losses["total"]:
                    best = evaluation
                yield scale, evaluation, evaluation is best
                if pyramid.has_converged(totals, config.tolerance or 0.0):
                    break
        before += len(totals)
        del objective, source, evaluation  # before the next scale takes memory


def _finite_evaluations(
    config: Config, objective: Objective, start: tf.Tensor, iterations: int, noise: float, before: int
) -> Generator[Evaluation]:
    """Finite evaluations at one scale: after one that is not, go on from the best image with smaller steps.

    `before` is how many there were at others, for the numbers in messages.
    """
    best, lowest, done = start, np.inf, 0  # done: evaluations yielded, the start's among them
    for step_scale in STEP_SCALES:
        left = iterations - max(done - 1, 0)
        with contextlib.closing(minimize(config, objective.value_and_grad, best, left, noise, step_scale)) as source:
            if done:
                next(source)  # the best image, known already
            for evaluation in source:
                if not evaluation.finite:
                    break
                if evaluation.losses["total"] < lowest:
                    best, lowest = evaluation.image, evaluation.losses["total"]
                done += 1
                yield evaluation
            else:
                return
        if not done:
            raise DivergenceError(
                f"loss or gradient of the start image is not finite ({evaluation.losses}); "
                "lower the loss weights, or use --precision float32"
            )
        if step_scale != STEP_SCALES[-1]:
            _log.warning("loss or gradient stopped being finite at iteration %d; back to the best image", before + done)
    raise DivergenceError(
        f"loss or gradient stopped being finite twice, at last at iteration {before + done}, with steps made "
        f"{1 / STEP_SCALES[-1]:g} times smaller; lower --learning_rate or the loss weights, or use --precision float32"
    )


def minimize(
    config: Config,
    value_and_grad: optimizers.ValueAndGrad,
    start: tf.Tensor,
    iterations: int,
    noise: float,
    step_scale: float = 1.0,
) -> Generator[Evaluation]:
    """Evaluations by the optimiser of some settled settings; `optimizers` explains the other arguments."""
    if config.optimizer == "adam":
        assert config.learning_rate is not None  # settled
        return optimizers.adam(
            value_and_grad,
            start,
            iterations=iterations,
            learning_rate=config.learning_rate * step_scale,
            beta1=config.beta1,
            beta2=config.beta2,
            eps=config.eps,
        )
    arguments: dict[str, Any] = {"history_size": config.history_size, "first_step": step_scale}
    if config.optimizer == "scipy":
        return optimizers.scipy_lbfgs(value_and_grad, start, iterations=iterations, **arguments)
    return optimizers.lbfgs(value_and_grad, start, iterations=iterations, noise=noise, **arguments)


def _start_image(config: Config, inputs: Inputs, objective: Objective) -> tf.Tensor:
    """Blend of the initial picture, or else the content, with noise."""
    picture = objective.encode((inputs.initial or inputs.content).rgb)
    noise = np.random.default_rng(config.seed).standard_normal(objective.shape, np.float32)
    share = config.initial_noiseblend
    assert share is not None  # settled
    return (1 - share) * picture + share * NOISE_SCALE * noise


def _enlarged(image: tf.Tensor, scale: pyramid.Scale) -> tf.Tensor:
    """Image tensor at the size of a scale."""
    return tf.constant(images.lanczos(image.numpy()[0], scale.width, scale.height)[np.newaxis])


def _picture(image: tf.Tensor, mean: np.ndarray, size: tuple[int, int], colors: np.ndarray | None) -> np.ndarray:
    """The picture that an image tensor stands for: uint8 (height, width, 3) of a size, with other colours if given."""
    pixels = decode(image, mean)
    if pixels.shape[1::-1] != size:
        pixels = images.lanczos(pixels, *size)
    picture = images.to_uint8(pixels)
    return picture if colors is None else color.preserve_colors(picture, colors)
