"""Section `optimizer`: what each optimizer adds to an evaluation, with a full history."""

from __future__ import annotations

import contextlib
import statistics
import time
from typing import TYPE_CHECKING, Any

from neural_style.bench import program
from neural_style.bench.measuring import WARM_UP, Row, random_pictures
from neural_style.config.config import Config

if TYPE_CHECKING:
    from neural_style.bench.options import Options

NOTE = "own: what an iteration takes beyond its evaluation, as a share of the evaluation."

OPTIMIZERS = ("adam", "lbfgs", "scipy")


class _Run:
    """A run of one optimizer, whose evaluations are timed inside its iterations.

    The remainder of an iteration is the optimizer's own, so that noise in the one is not taken for the other.
    """

    def __init__(
        self, name: str, config: Config, network: program.Network, objective: program.Objective, precision: str
    ):
        start = program.encode(objective, random_pictures(objective.shape[2])[2])
        self._objective = objective
        self._evaluation = 0.0
        self.name = name
        resolved = program.resolve(config, network)
        self.steps = program.optimizer_run(resolved, self._evaluate, start, precision, objective.mean)

    def _evaluate(self, image: Any) -> Any:
        began = time.perf_counter()
        result = program.evaluate(self._objective, image)
        self._evaluation += time.perf_counter() - began
        return result

    def time_step(self) -> tuple[float, float] | None:
        """Return the seconds of one iteration and of the evaluation in it; None if nothing is left to improve."""
        self._evaluation = 0.0
        began = time.perf_counter()
        if next(self.steps, None) is None:
            return None
        return time.perf_counter() - began, self._evaluation


def measure(options: Options, network: program.Network, width: int) -> list[Row]:
    """Time iterations of all optimizers in turn."""
    config = program.resolve(options.config(), network)
    precision = program.precision_of(config)
    content, style, _ = random_pictures(width)
    objective = program.objective(config, network, content, [style], precision)
    runs = [_Run(name, options.config(optimizer=name), network, objective, precision) for name in OPTIMIZERS]
    shares: dict[str, list[float]] = {name: [] for name in OPTIMIZERS}
    evaluations: list[float] = []
    with contextlib.ExitStack() as stack:
        for run in runs:
            stack.enter_context(contextlib.closing(run.steps))
            for _ in range(config.history_size + WARM_UP):
                next(run.steps, None)
        for _ in range(options.repeats):
            for run in runs:
                if times := run.time_step():
                    iteration, evaluation = times
                    evaluations.append(evaluation)
                    shares[run.name].append((iteration - evaluation) / evaluation)
    return [
        {
            "px": width,
            "precision": precision,
            "optimizer": name,
            "own": statistics.median(share),
            "evaluation s": statistics.median(evaluations),
        }
        for name, share in shares.items()
        if share
    ]
