"""Section `quality`: how soon the defaults reach the loss of the classic run, and how good their pictures are."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import statistics
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neural_style.bench import classic_run, program
from neural_style.bench.judge import Judge
from neural_style.bench.measuring import Row
from neural_style.config.config import Config
from neural_style.images.picture import to_uint8

if TYPE_CHECKING:
    from neural_style.bench.options import Options

NOTE = (
    f"to loss: until within {classic_run.WITHIN - 1:.0%} of the classic run's final loss; losses are those of athalye "
    "in float32, whatever a run itself lowers; sooner: the classic run's seconds to its end over those of this run, to "
    "that loss or to its own end; style, deep, swd, content4, grain: the judge's measures at the end, in the network "
    "that paints; import is left out; with --short, the classic run's picture is one of the fast precision."
)

RUNS: Mapping[str, Mapping[str, Any]] = {
    "athalye": {"loss": "athalye"},
    "default": {},
    "draft": {"quality": "draft"},
}
"""What is compared with the classic run: name -> options that differ from the defaults."""

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
        classic: the classic run of the same pictures.
        inputs: the pictures.
        network: its weights.
        exact: the loss of the classic run in float32, which every image is compared by.
        judge: measures pictures.
        folder: for the pictures, or None.
        width: of the result, for the names of the pictures.
    """

    classic: Config
    inputs: program.Inputs
    network: program.Network
    exact: program.WholeObjective
    judge: Judge
    folder: str | None
    width: int

    def loss(self, image: Any) -> float:
        """Return the loss that the image is compared by."""
        return float(self.exact.terms(image).total)

    def measures(self, image: Any) -> dict[str, float]:
        """Return what the judge says of an image."""
        style, photo = (to_uint8(picture.rgb) for picture in (self.inputs.styles[0], self.inputs.content))
        return self.judge.measure(self._picture(image), style, photo)

    def keep(self, name: str, image: Any) -> None:
        """Write an image, if pictures are wanted."""
        if self.folder:
            program.write_picture(Path(self.folder, f"{name}-{self.width}.png"), self._picture(image))

    def _picture(self, image: Any) -> np.ndarray:
        return to_uint8(program.decode(self.exact, image))


def prepare(options: Options) -> None:
    """Read the pictures, so that a mistake in them is known before anything is measured.

    Raises:
        ImageError: a picture cannot be read.
    """
    for width in options.widths or WIDTHS:
        program.read_inputs(options.config(width=width))


def measure(options: Options, network: program.Network, width: int) -> list[Row]:
    """Time the classic run and `RUNS`, and judge their pictures; the pictures lie in memory."""
    config = options.config(width=width)
    classic = dataclasses.replace(config, **classic_run.SETTINGS)
    inputs = program.read_inputs(config)
    exact = program.whole_objective(
        program.resolve(classic, network), network, inputs.content.rgb, [style.rgb for style in inputs.styles]
    )
    subject = _Subject(classic, inputs, network, exact, Judge(network), options.pictures, width)
    subject.measures(program.encode(exact, inputs.content.rgb))  # raises now what it would raise after the runs
    fast = dataclasses.replace(classic, precision=config.precision)
    classic_row = _row(subject, "classic", fast if options.short else classic)
    target = classic_row["end loss"]
    samples = _iteration_seconds(subject) if options.short else []
    rows = [_row(subject, name, dataclasses.replace(config, **changes), target) for name, changes in RUNS.items()]
    if options.short:
        samples += _iteration_seconds(subject)
        classic_row["to end s"] = statistics.median(samples) * classic_run.SETTINGS["iterations"]
    for row in rows:
        row["to loss sooner"] = row["to loss s"] and classic_row["to end s"] / row["to loss s"]
        row["to end sooner"] = classic_row["to end s"] / row["to end s"]
    return [classic_row, *rows]


def _row(subject: _Subject, name: str, config: Config, target: float | None = None) -> Row:
    """Make a run to its end, and judge its picture. If there is a target, note when the run reaches it."""
    to_loss: tuple[float | None, int | None] = None, None
    for count, (seconds, evaluation) in enumerate(_timed_evaluations(subject, config), 1):
        if evaluation.is_best:
            image = evaluation.image
        if target is None or to_loss[0] is not None or evaluation.image.shape != subject.exact.shape:
            continue
        enough = classic_run.WITHIN * target
        if config.loss == subject.classic.loss and evaluation.total > _ROUNDED * enough:
            continue  # its own loss is the same up to rounding, and known already
        if subject.loss(evaluation.image) <= enough:
            to_loss = seconds, count
            subject.keep(f"equal-{name}", evaluation.image)
    subject.keep(name, image)
    _, height, width, _ = subject.exact.shape
    return {
        "px": f"{width}×{height}",
        "run": name,
        "to loss s": to_loss[0],
        "to loss evaluations": to_loss[1],
        "to loss sooner": None,
        "to end s": seconds,
        "to end evaluations": count,
        "to end sooner": None,
        "end loss": subject.loss(image),
        **subject.measures(image),
    }


def _timed_evaluations(subject: _Subject, config: Config) -> Generator[tuple[float, program.Evaluation]]:
    """Yield each evaluation of a run, after how many seconds of the run itself."""
    program.forget_graphs()  # so that each run traces its losses
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
