"""Section `quality`: how soon the defaults reach the loss of the classic run."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import statistics
import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neural_style.bench import classic_run, program
from neural_style.bench.measuring import Row
from neural_style.config.config import Config
from neural_style.config.defaults import FAMILIES

if TYPE_CHECKING:
    from neural_style.bench.options import Options

NOTE = (
    f"to loss: until within {classic_run.WITHIN - 1:.0%} of the classic run's final loss; losses are those of athalye "
    "in float32, whatever a run itself lowers; import is left out on both sides."
)

WIDTHS = (256, 512)
"""Widths in pixels if none are given."""

_ROUNDED = 1.02
"""By how much, as a multiple, a loss in bfloat16 may exceed that in float32; 1 % was seen."""

_SAMPLES = 5
"""Iterations of the classic run that are timed before, and after, ours, where its time is extrapolated."""


@dataclasses.dataclass(frozen=True)
class _Subject:
    """What is painted, and the yardstick.

    Attributes:
        config: the defaults, at the width.
        classic: the classic run of the same pictures.
        inputs: the pictures.
        network: its weights.
        exact: the loss of the classic run in float32, which every image is judged by.
        folder: for the pictures, or None.
        width: of the result, for the names of the pictures.
    """

    config: Config
    classic: Config
    inputs: program.Inputs
    network: program.Network
    exact: program.WholeObjective
    folder: str | None
    width: int

    def loss(self, image: Any) -> float:
        """Return the loss that the image is judged by."""
        return float(self.exact.terms(image).total)

    def keep(self, name: str, image: Any) -> None:
        """Write an image, if pictures are wanted."""
        if self.folder:
            program.write_picture(Path(self.folder, f"{name}-{self.width}.png"), image, self.exact.mean)


@dataclasses.dataclass
class _Progress:
    """How a run fared: seconds until the classic run's loss, evaluations until then, and seconds until the end."""

    to_loss: float | None = None
    evaluations: int | None = None
    to_end: float = 0.0
    end_loss: float = 0.0


def prepare(options: Options) -> None:
    """Read the pictures, so that a mistake in them is known before anything is measured.

    Raises:
        ImageError: a picture cannot be read.
    """
    for width in options.widths or WIDTHS:
        program.read_inputs(options.config(width=width))


def measure(options: Options, network: program.Network, width: int) -> list[Row]:
    """Time the classic run, and the defaults with each loss until they reach its loss; pictures lie in memory."""
    config = options.config(width=width)
    classic = dataclasses.replace(config, **classic_run.SETTINGS)
    inputs = program.read_inputs(config)
    exact = program.whole_objective(
        program.resolve(classic, network), network, inputs.content.rgb, [style.rgb for style in inputs.styles]
    )
    subject = _Subject(config, classic, inputs, network, exact, options.pictures, width)
    seconds, target = _run_classic(subject, options.short)
    samples = _iteration_seconds(subject) if options.short else []
    runs = {loss: _run_defaults(subject, loss, target) for loss in FAMILIES}
    if options.short:
        samples += _iteration_seconds(subject)
        seconds = statistics.median(samples) * classic_run.SETTINGS["iterations"]
    return [
        {
            "px": f"{exact.shape[2]}×{exact.shape[1]}",
            "classic s": seconds,
            "classic loss": target,
            "loss": loss,
            "to loss s": run.to_loss,
            "evaluations": run.evaluations,
            "sooner": run.to_loss and seconds / run.to_loss,
            "to end s": run.to_end,
            "end loss": run.end_loss,
        }
        for loss, run in runs.items()
    ]


def _run_classic(subject: _Subject, short: bool) -> tuple[float, float]:
    """Return the seconds of the classic run, and the loss of its best image."""
    config = dataclasses.replace(subject.classic, precision=subject.config.precision) if short else subject.classic
    for seconds, evaluation in _timed_evaluations(subject, config):  # noqa: B007 - the last one counts
        if evaluation.is_best:
            image = evaluation.image
    subject.keep("classic", image)
    return seconds, subject.loss(image)


def _run_defaults(subject: _Subject, loss: str, target: float) -> _Progress:
    """Run the defaults with a loss to their end; note when they reach the target."""
    changed: Any = {"loss": loss}
    run = _timed_evaluations(subject, dataclasses.replace(subject.config, **changed))
    progress = _Progress()
    for count, (seconds, evaluation) in enumerate(run, 1):
        progress.to_end = seconds
        if evaluation.is_best:
            image = evaluation.image
        near = progress.to_loss is None and evaluation.image.shape == subject.exact.shape
        if loss == subject.classic.loss:  # its own loss is the same up to rounding, and known already
            near = near and evaluation.total <= _ROUNDED * classic_run.WITHIN * target
        if near and subject.loss(evaluation.image) <= classic_run.WITHIN * target:
            progress.to_loss, progress.evaluations = seconds, count
            subject.keep(f"equal-{loss}", evaluation.image)
    subject.keep(f"default-{loss}", image)
    progress.end_loss = subject.loss(image)
    return progress


def _timed_evaluations(subject: _Subject, config: Config) -> Generator[tuple[float, program.Evaluation]]:
    """Yield each evaluation of a run, after how many seconds of the run itself."""
    elapsed, began = 0.0, time.perf_counter()
    with contextlib.closing(program.run_evaluations(config, subject.inputs, subject.network)) as evaluations:
        for evaluation in evaluations:
            elapsed += time.perf_counter() - began
            yield elapsed, evaluation
            began = time.perf_counter()


def _iteration_seconds(subject: _Subject) -> list[float]:
    """Return the seconds of some classic iterations but the first, in which TensorFlow traces functions."""
    with contextlib.closing(_timed_evaluations(subject, subject.classic)) as run:
        marks = [elapsed for elapsed, *_ in itertools.islice(run, 2 + _SAMPLES)]
    return np.diff(marks)[1:].tolist()
