"""How fast the program is on this machine.

Times are measured in one run and in turn, so that their ratios mean something on a noisy machine. TensorFlow is
imported for measuring alone, so that a mistake in the flags is answered at once.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from absl import flags

from neural_style import __version__, weights
from neural_style.architecture import MIN_SIDE
from neural_style.config import Config
from neural_style.errors import UsageError

WARM_UP = 2
"""Turns that are not timed, since functions are traced in them."""


@dataclass(frozen=True)
class Options:
    """What to measure.

    Attributes:
        widths: sides of the square pictures, in pixels.
        repeats: how often each is timed.
        json: file to write the results to, or None.
    """

    widths: tuple[int, ...]
    repeats: int
    json: str | None


@dataclass(frozen=True)
class Timing:
    """Medians at one size, in seconds.

    Attributes:
        width: side of the square picture in pixels.
        first: building the objective and the first evaluation, once.
        forward: losses alone.
        evaluation: losses and gradient.
        adam: one iteration of Adam, evaluation included.
        lbfgs: one evaluation by SciPy's L-BFGS, with its own work, with a full history.
    """

    width: int
    first: float
    forward: float
    evaluation: float
    adam: float
    lbfgs: float


def parse(arguments: Sequence[str]) -> Options:
    """Read the flags of `bench`.

    Raises:
        UsageError: a flag is unknown or has a value that cannot be.
    """
    values = flags.FlagValues()
    flags.DEFINE_multi_integer("width", [256, 512], "side in pixels; repeat for several", MIN_SIDE, flag_values=values)
    flags.DEFINE_integer("repeats", 7, "how often each is timed", 1, flag_values=values)
    flags.DEFINE_string("json", None, "file to write the results to", flag_values=values)
    try:
        rest = values(["bench", *arguments])[1:]
    except flags.Error as error:
        raise UsageError(f"bench: {error}; flags: --width N [--width N], --repeats N, --json FILE") from error
    if rest:
        raise UsageError(f"bench: expected flags alone, got {' '.join(rest)!r}")
    return Options(tuple(values.width), values.repeats, values.json)


def measure(options: Options, say: Callable[[str], None]) -> list[Timing]:
    """Time every size; `say` is told what is going on."""
    config = Config("random", ["random"])
    network = weights.load("builtin", config.layers)
    config = config.settled(network.settings)
    timings = []
    for width in options.widths:
        say(f"timing {width}×{width} px")
        timings.append(_measure(config, network, width, options.repeats))
    return timings


def table(timings: Sequence[Timing]) -> str:
    """Results for people: the evaluation in seconds, all else as a multiple of it."""
    lines = [f"{'px':>6} {'evaluation':>11} {'per Mpx':>9} {'forward':>8} {'Adam':>6} {'L-BFGS':>7} {'first':>6}"]
    for t in timings:
        forward, adam, lbfgs, first = (value / t.evaluation for value in (t.forward, t.adam, t.lbfgs, t.first))
        absolute = f"{t.width:>6} {t.evaluation:>9.3f} s {t.evaluation / (t.width**2 / 1e6):>7.2f} s"
        lines.append(f"{absolute} {forward:>8.2f} {adam:>6.2f} {lbfgs:>7.2f} {first:>6.1f}")
    return "\n".join([*lines, "forward, Adam, L-BFGS and first are multiples of the evaluation (loss and gradient)."])


def to_json(timings: Sequence[Timing]) -> str:
    """Results for programs."""
    results = {
        "neural_style": __version__,
        "tensorflow": importlib.metadata.version("tensorflow"),
        "platform": platform.platform(),
        "processor": platform.processor(),
        "seconds": [asdict(timing) for timing in timings],
    }
    return json.dumps(results, indent=2) + "\n"


def _measure(config: Config, network: weights.VGGWeights, width: int, repeats: int) -> Timing:
    import tensorflow as tf

    from neural_style import optimizers
    from neural_style.objective import Objective

    rng = np.random.default_rng(0)
    content, style, start = rng.uniform(0, 255, (3, width, width, 3)).astype(np.float32)
    began = time.perf_counter()
    objective = Objective(config, network, content, [style])
    image = objective.encode(start)
    objective.value_and_grad(image)[1].numpy()
    first = time.perf_counter() - began

    traced_losses = tf.function(objective.losses)

    def forward() -> None:
        traced_losses(image).total.numpy()

    def evaluation() -> None:
        objective.value_and_grad(image)[1].numpy()

    assert config.learning_rate is not None  # settled
    adam = optimizers.adam(
        objective.value_and_grad,
        image,
        iterations=10**6,
        learning_rate=config.learning_rate,
        beta1=config.beta1,
        beta2=config.beta2,
        eps=config.eps,
    )
    lbfgs = optimizers.lbfgs(objective.value_and_grad, image, iterations=10**6, history_size=config.history_size)
    with contextlib.closing(adam), contextlib.closing(lbfgs):
        for _ in range(config.history_size + 2):
            next(lbfgs)
        times = _medians([forward, evaluation, lambda: next(adam), lambda: next(lbfgs)], repeats)
    return Timing(width, first, *times)


def _medians(actions: Sequence[Callable[[], object]], repeats: int) -> Iterator[float]:
    """Median seconds of each action, all of them run in turn, so that a busy moment hits them alike."""
    seconds: list[list[float]] = [[] for _ in actions]
    for turn in range(WARM_UP + repeats):
        for action, times in zip(actions, seconds, strict=True):
            began = time.perf_counter()
            action()
            if turn >= WARM_UP:
                times.append(time.perf_counter() - began)
    return map(statistics.median, seconds)
