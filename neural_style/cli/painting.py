"""The command that paints: from input files to output files."""

from __future__ import annotations

import contextlib
import dataclasses
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from neural_style.cli import signals, standard_streams
from neural_style.cli.console import say, show_notes, with_dashes
from neural_style.cli.outputs import Outputs
from neural_style.cli.reporter import Reporter
from neural_style.cli.run_report import RunReport, exit_code_of
from neural_style.cli.tensorflow_import import import_tensorflow
from neural_style.config import byte_sizes
from neural_style.config.config import Config
from neural_style.config.resolve import resolve
from neural_style.errors import NeuralStyleError, OutputError, WeightsError
from neural_style.images.folders import is_folder
from neural_style.images.picture import describe
from neural_style.networks import weights
from neural_style.runs import pyramid
from neural_style.runs.inputs import Inputs, read_inputs, suited

if TYPE_CHECKING:
    from neural_style.runs.session import Session
    from neural_style.runs.step import Step


def paint(config: Config) -> int:
    """Make one run: read the inputs, check every output file, paint, and write.

    Returns:
        The exit code: 0, or that of an error or a signal after which the best image so far was written.

    Raises:
        NeuralStyleError: the run failed, and there is no image to write.
        Interrupted: a signal stopped the run, and there is no image to write.
    """
    show_notes()
    report = RunReport(config)
    try:
        standard_streams.check(config)
        is_piped = standard_streams.is_output(config)
        with standard_streams.output_alone() if is_piped else contextlib.nullcontext() as stream:
            config = standard_streams.with_input(config)
            report.begin(config)
            exit_code = _paint(config, stream, report)
    except BaseException as error:
        report.fail(error)
        report.print(exit_code_of(error))
        raise
    report.print(exit_code)
    return exit_code


def _paint(config: Config, stream: IO[bytes] | None, report: RunReport) -> int:
    """Make the run of `paint`, and write the result to a stream if there is one."""
    job = _prepare(config, stream)
    for line in job.description:
        say(line)
    results = _Results(job, report)
    report.start(job.session, job.device)
    session, most = job.session, pyramid.total_iterations(job.session.scales)
    tolerance = session.config.tolerance_of(session.plans[-1].optimizer)
    try:
        with session, Reporter(session.scales, config.print_iterations, tolerance=tolerance) as reporter:
            for step in session:
                results.take(step)
                reporter.update(step)
        signals.ignore()
    except (Exception, signals.Interrupted) as error:
        signals.ignore()
        return _rescue(results, error)
    if step.iteration < most:
        say(f"done after {step.iteration} of at most {most} iterations: the loss hardly falls any more")
    return results.write()


@dataclasses.dataclass(frozen=True)
class _Job:
    """A run that is ready to start."""

    session: Session
    outputs: Outputs
    device: str
    """The device, as TensorFlow names it."""
    description: Sequence[str]
    """Lines of text that say what is about to be done."""


def _prepare(config: Config, stream: IO[bytes] | None) -> _Job:
    """Read the inputs, check the outputs and plan the run.

    Raises:
        NeuralStyleError: the run cannot start.
    """
    inputs = read_inputs(config)
    size = inputs.content.width, inputs.content.height
    Outputs(config, size).check()
    network = load_weights(config, progress=True)
    resolved = resolve(config, network.settings)
    pyramid.scales_of(resolved, *inputs.plan_size)  # this and the next line raise errors before TensorFlow is loaded
    inputs = suited(inputs, resolved)
    import_tensorflow()
    from neural_style.runs.stylizer import Stylizer

    stylizer = Stylizer.of(config)
    session = stylizer.session(config, inputs, network)
    config, largest = session.config, session.plans[-1]
    description = (
        f"{_described_aim(config, inputs)}: "
        f"{' → '.join(f'{scale.width}×{scale.height}' for scale in session.scales)} px, "
        f"at most {' + '.join(str(scale.iterations) for scale in session.scales)} iterations of {config.optimizer}, "
        f"weights {network.name}, on {stylizer.device} in {config.precision} ({stylizer.precision.reason})",
        f"memory: {largest.described(config)}; about {byte_sizes.describe(largest.peak)} at most, of {config.memory}",
    )
    return _Job(session, Outputs(config, size, stream), stylizer.device, description)


def _described_aim(config: Config, inputs: Inputs) -> str:
    """Return in words what a run makes."""
    if config.content is not None and not config.styles:
        return f"rebuilding {describe(config.content)} from {' and '.join(config.content_terms)}"
    styles = ", ".join(_described_styles(config, inputs))
    if config.content is None:
        return f"making a {'seamless ' * config.seamless}texture in the style of {styles}"
    return f"painting {describe(config.content)} in the style of {styles}"


def _described_styles(config: Config, inputs: Inputs) -> Iterator[str]:
    """Yield the short name of each style; of a folder also its number of pictures."""
    for index, style in enumerate(config.styles):
        count = len(inputs.of_style(index))
        yield f"{describe(style)} ({count} picture{'s' * (count != 1)})" if is_folder(style) else describe(style)


def load_weights(config: Config, *, fetch: bool = True, progress: bool = False) -> weights.VGGWeights:
    """Load the weights of a run.

    Args:
        config: the run.
        fetch: whether to download them if they are not here.
        progress: whether to show a bar during a download.

    Raises:
        WeightsError: they cannot be loaded. The message names the option.
    """
    try:
        return weights.load(config.weights, config.layers, progress=progress, fetch=fetch)
    except WeightsError as error:
        raise WeightsError(f"weights: {error}") from error


class _Results:
    """Keeps the best step and the losses of a run, and writes files from them."""

    def __init__(self, job: _Job, report: RunReport):
        self._job = job
        self.report = report
        report.files = job.outputs.written
        self._history: dict[int, Mapping[str, float]] = {}
        self.best: Step | None = None

    def take(self, step: Step) -> None:
        """Keep a step if it is the best. Write the flag file at the first step, and a checkpoint when one is due."""
        job = self._job
        if step.iteration == 0:
            job.outputs.write_flags(job.session.network)
        self._history[step.iteration] = step.losses
        if step.best:
            self.best = self.report.best = step
        self.report.take(step)
        assert self.best is not None  # the first step is always the best so far
        if job.session.config.checkpoint_at(step.iteration):
            job.outputs.write_checkpoint(step.iteration, self.best, job.session.network)

    def write(self) -> int:
        """Write the best image and the progress files.

        Returns:
            0, or 1 if a file could not be written.
        """
        assert self.best is not None
        outputs = self._job.outputs
        try:
            path = outputs.write_result(self.best, self._job.session.network)
            self._tell(path)
            if path is not None:
                outputs.write_progress(self._history, path)
        except OutputError as error:
            say(f"error: {with_dashes(str(error))}")
            self.report.fail(error)
            return NeuralStyleError.exit_code
        if outputs.stream_failure is not None:
            self.report.fail(outputs.stream_failure)
            return NeuralStyleError.exit_code
        return 0

    def _tell(self, path: Path | None) -> None:
        """Say where the result was written: on standard output, unless that has the picture or the line of JSON."""
        assert self.best is not None
        height, width = self.best.image.shape[:2]
        loss = f"loss {self.best.losses['total']:.6g} at iteration {self.best.iteration}"
        place = path or f"the picture to {standard_streams.OUTPUT}"
        told = f"wrote {place} ({width}×{height} px, {loss})"
        config = self._job.session.config
        if standard_streams.is_output(config):
            say(told)
        elif not config.json:
            print(told, flush=True)


def _rescue(results: _Results, error: Exception | signals.Interrupted) -> int:
    """Write the best image so far after an error.

    Returns:
        The exit code.

    Raises:
        BaseException: the error, if there is no image or if it is an error of the program itself.
    """
    cause: BaseException = error
    if not isinstance(error, (NeuralStyleError, signals.Interrupted)) and signals.Interrupted.latest is not None:
        cause = signals.Interrupted.latest  # native code was interrupted and raised an error of its own
    if results.best is None and cause is error:
        raise error
    if results.best is None:
        raise cause from error
    _release_frames(error)
    if isinstance(cause, (NeuralStyleError, signals.Interrupted)):
        kind = "stopped" if isinstance(cause, signals.Interrupted) else "error"
        say(f"{kind}: {with_dashes(str(cause))}; writing the best image so far")
        exit_code = results.write() or cause.exit_code
        results.report.fail(cause)
        return exit_code
    say("error: the run failed, as shown below; writing the best image so far")
    results.write()
    raise cause


def _release_frames(error: BaseException | None) -> None:
    """Free the memory of the functions that an error has left, because writing the image may need it."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
