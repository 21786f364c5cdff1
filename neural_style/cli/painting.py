"""The command that paints: from input files to output files."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from neural_style.cli import signals, standard_streams
from neural_style.cli.console import say, show_notes, with_dashes
from neural_style.cli.flag_names import RESUME
from neural_style.cli.outputs import Outputs
from neural_style.cli.reporter import Reporter
from neural_style.cli.resuming import Resumed
from neural_style.cli.run_report import RunReport, exit_code_of
from neural_style.cli.saving import Saver
from neural_style.cli.tensorflow_import import import_tensorflow
from neural_style.cli.watchers import Watchers, watchers_of
from neural_style.config import byte_sizes, durations
from neural_style.config.config import Config
from neural_style.config.resolve import resolve
from neural_style.errors import CheckpointError, NeuralStyleError, OutputError, WeightsError
from neural_style.images.folders import is_folder
from neural_style.images.picture import describe, printable
from neural_style.networks import weights
from neural_style.runs import pyramid
from neural_style.runs.input_files import digests_of
from neural_style.runs.inputs import Inputs, read_inputs, suited
from neural_style.runs.session_state import understood
from neural_style.runs.work_folder import WorkFolder

if TYPE_CHECKING:
    from neural_style.runs.session import Session
    from neural_style.runs.step import Step


RETRY_SECONDS = (5.0, 20.0, 60.0)
"""How long to wait before a result that cannot be written anywhere is tried again, each time."""


def paint(config: Config, resumed: Resumed | None = None) -> int:
    """Make one run: read the inputs, check every output file, paint, and write.

    Args:
        config: the run.
        resumed: its last state if it goes on, with `config` as its configuration.

    Returns:
        The exit code: 0, or that of an error or a signal after which the best image so far was written.

    Raises:
        NeuralStyleError: the run failed, and there is no image to write.
        Interrupted: a signal stopped the run, and there is no image to write.
    """
    show_notes()
    report = RunReport(config)
    with contextlib.nullcontext() if resumed is None else resumed.folder:
        return _reported(config, resumed, report)


def _reported(config: Config, resumed: Resumed | None, report: RunReport) -> int:
    """Make the run of `paint`, and print the facts of it."""
    try:
        standard_streams.check(config)
        is_piped = standard_streams.is_output(config)
        with standard_streams.output_alone() if is_piped else contextlib.nullcontext() as stream:
            config = standard_streams.with_input(config)
            report.begin(config)
            exit_code = _in_folder(config, resumed, stream, report)
    except BaseException as error:
        report.fail(error)
        report.print(exit_code_of(error))
        raise
    report.print(exit_code)
    return exit_code


def _in_folder(config: Config, resumed: Resumed | None, stream: IO[bytes] | None, report: RunReport) -> int:
    """Make the run of `paint`, with a work folder if it has one."""
    if resumed is not None:
        return _paint(config, resumed, resumed.folder, stream, report)
    if config.workdir is None:
        return _paint(config, None, None, stream, report)
    with WorkFolder(config.workdir) as folder:
        if folder.checkpoints() and not config.overwrite:
            raise CheckpointError(
                f"workdir: expected a folder without checkpoints, got {printable(config.workdir)!r}, which has those "
                f"of a run; give --{RESUME} {printable(config.workdir)} to go on with it, another folder, or "
                "--overwrite to begin anew"
            )
        return _paint(config, None, folder, stream, report)


def _paint(
    config: Config,
    resumed: Resumed | None,
    folder: WorkFolder | None,
    stream: IO[bytes] | None,
    report: RunReport,
) -> int:
    """Make the run of `paint`, and write the result to a stream if there is one."""
    job = _prepare(config, resumed, folder, stream)
    for line in job.description:
        say(line)
    if folder is not None and resumed is None:
        folder.clear()
    report.start(job.session, job.device)
    results = _Results(job, report)
    session = job.session
    try:
        with session:
            is_done = _go_through(job, results, report.age)
    except Exception as error:
        return _rescue(results, error)
    if not is_done and signals.Interrupted.latest is not None:
        return _rescue(results, signals.Interrupted.latest)
    if not is_done:
        if results.best is None:
            raise NeuralStyleError(f"max_time: expected time for one evaluation, got {config.max_time}; give more")
        say(f"the time of --max_time {config.max_time} is over; writing the best image so far{results.how_to_go_on}")
        report.stop("max_time")
        return results.write()
    most = pyramid.total_iterations(session.scales)
    if not results.has_begun:
        say(f"the run was done already, after {session.iteration} iterations; give more --iterations to go on")
    elif session.iteration < most:
        say(f"done after {session.iteration} of at most {most} iterations: the loss hardly falls any more")
    return results.write()


def _go_through(job: _Job, results: _Results, seconds: float) -> bool:
    """Make the steps of a run, up to its end or a signal, and keep its checkpoints.

    Args:
        job: the run.
        results: what takes the steps.
        seconds: time since the command began.

    Returns:
        Whether it is done; False if a signal or the end of its time came before.
    """
    session, config = job.session, job.session.config
    before = (session.iteration, session.scale, session.totals) if session.iteration >= 0 else None
    tolerance = config.tolerance_of(session.plans[-1].optimizer)
    limit = math.inf if config.max_time is None else durations.parse(config.max_time, "max_time") - seconds
    limit = min(limit, threading.TIMEOUT_MAX)

    messages = signals.Messages(
        "stopping after this tile or evaluation; once more ends at once, without a picture",
        lambda: f"stopped at once; nothing was written{results.how_to_go_on}",
    )
    timer = threading.Timer(max(limit, 0), session.cancel)
    timer.daemon = True
    with (
        signals.canceling(session.cancel, messages),
        Watchers(list(watchers_of(session, job.outputs)), job.outputs.written) as watchers,
        Reporter(session.scales, config.print_iterations, tolerance=tolerance, before=before) as reporter,
    ):
        if config.max_time is not None:
            timer.start()
        try:
            for step in session:
                results.take(step)
                reporter.update(step)
                watchers.update(step)
                if job.saver is not None and not session.is_canceled:
                    job.saver.save_if_due()
        finally:
            timer.cancel()
        if job.saver is not None and session.best is not None and not session.is_over:
            job.saver.save()
    return session.is_over


@dataclasses.dataclass(frozen=True)
class _Job:
    """A run that is ready to start."""

    session: Session
    outputs: Outputs
    folder: WorkFolder | None
    """Where its checkpoints are kept."""
    saver: Saver | None
    device: str
    """The device, as TensorFlow names it."""
    description: Sequence[str]
    """Lines of text that say what is about to be done."""


def _prepare(config: Config, resumed: Resumed | None, folder: WorkFolder | None, stream: IO[bytes] | None) -> _Job:
    """Read the inputs, check the outputs and plan the run, or go on with one.

    Raises:
        NeuralStyleError: the run cannot start.
    """
    inputs = read_inputs(config)
    digests = None if folder is None else digests_of(config)
    size = inputs.content.width, inputs.content.height
    if resumed is not None:
        resumed.check_inputs(digests or {})
    outputs = Outputs(config, size, stream, folder)
    outputs.check()
    network = load_weights(config, progress=True)
    resolved = resolve(config, network.settings)
    pyramid.scales_of(resolved, *inputs.plan_size)  # this and the next line raise errors before TensorFlow is loaded
    inputs = suited(inputs, resolved)
    import_tensorflow(threads=None if resumed is None else resumed.threads)
    from neural_style.runs.stylizer import Stylizer

    stylizer = Stylizer.of(config)
    if resumed is not None:
        session = understood(resumed.folder.path, lambda: stylizer.restore(resumed.state, inputs))
        resumed.note_circumstances(stylizer.device)
    else:
        kept = config
        if folder is not None and not standard_streams.is_output(config):
            kept = dataclasses.replace(config, output=str(outputs.result.absolute()))  # the same when it goes on
        session = stylizer.session(kept, inputs, network)
        session.input_digests = digests
    outputs.config = config = session.config
    largest = session.plans[-1]
    description: tuple[str, ...] = (
        f"{_described_aim(config, inputs)}: "
        f"{' → '.join(f'{scale.width}×{scale.height}' for scale in session.scales)} px, "
        f"at most {_described_iterations(session.scales)} of {config.optimizer}, "
        f"weights {network.name}, on {stylizer.device} in {config.precision} ({stylizer.precision.reason})",
        f"memory: {largest.described(config)}; about {byte_sizes.describe(largest.peak)} at most, of {config.memory}",
    )
    if resumed is not None:
        described = printable(str(resumed.folder.path))
        description = (f"going on with the run in {described} after iteration {session.iteration}", *description)
    saver = None if folder is None else Saver(session, folder, config.checkpoint_minutes)
    return _Job(session, outputs, folder, saver, stylizer.device, description)


def _described_aim(config: Config, inputs: Inputs) -> str:
    """Return in words what a run makes."""
    if config.content is not None and not config.styles:
        return f"rebuilding {describe(config.content)} from {' and '.join(config.content_terms)}"
    styles = ", ".join(_described_styles(config, inputs))
    if config.content is None:
        return f"making a {'seamless ' * config.seamless}texture in the style of {styles}"
    return f"painting {describe(config.content)} in the style of {styles}"


def _described_iterations(scales: Sequence[pyramid.Scale]) -> str:
    """Return in words how many iterations a run has at most. The numbers add up to that of the last iteration."""
    parts = [scales[0].iterations, *(1 + scale.iterations for scale in scales[1:])]
    told = f"{pyramid.total_iterations(scales)} iterations"
    return f"{told} ({' + '.join(map(str, parts))})" if len(parts) > 1 else told


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
        self._lacks_flags = job.session.config.save_flags is not None
        self.has_begun = False
        """Whether there was a step since the command began."""
        report.files = job.outputs.written
        self.best = report.best = job.session.best

    def take(self, step: Step) -> None:
        """Keep a step if it is the best. Write the flag file at the first step, and a checkpoint when one is due."""
        job = self._job
        if self._lacks_flags and not self.has_begun:
            self._write_flags()
        self.has_begun = True
        if step.best:
            self.best = self.report.best = step
        self.report.take(step)
        assert self.best is not None  # the first step is always the best so far
        if job.session.config.checkpoint_at(step.iteration):
            job.outputs.write_checkpoint(step.iteration, self.best, job.session.network)

    def _write_flags(self) -> None:
        """Write the flag file. If that fails, the run goes on, and the end tries again."""
        outputs = self._job.outputs
        try:
            outputs.write_flags(self._job.session.network)
        except OutputError as error:
            say(f"error: {with_dashes(str(error))}; trying again at the end")
        else:
            self._lacks_flags = False

    def write(self) -> int:
        """Write the best image and the progress files.

        Returns:
            0, or 1 if a file could not be written.
        """
        assert self.best is not None
        outputs = self._job.outputs
        try:
            path = self._written(self.best)
            self._tell(path)
            if path is not None:
                outputs.write_progress(self._job.session.history, path, self._job.session.records)
            if self._lacks_flags:
                outputs.write_flags(self._job.session.network)
        except OutputError as error:
            say(f"error: {with_dashes(str(error))}{self._where_else}")
            self.report.fail(error)
            return NeuralStyleError.exit_code
        if outputs.stream_failure is not None:
            self.report.fail(outputs.stream_failure)
            return NeuralStyleError.exit_code
        return 0

    def _written(self, best: Step) -> Path | None:
        """Write the result, and try again for a while if it cannot be written anywhere, for want of room, say."""
        outputs, network = self._job.outputs, self._job.session.network
        for seconds in RETRY_SECONDS:
            try:
                return outputs.write_result(best, network)
            except OutputError as error:
                say(f"error: {with_dashes(str(error))}; trying again in {seconds:g} seconds")
                time.sleep(seconds)
        return outputs.write_result(best, network)

    @property
    def _where_else(self) -> str:
        """The end of a message about a result that cannot be written: where the image is."""
        saver, folder = self._job.saver, self._job.folder
        if saver is None or folder is None or saver.has_failed or not folder.checkpoints():
            return ""
        return f"; the best image is in the checkpoint, and --{RESUME} {printable(str(folder.path))} writes it"

    @property
    def how_to_go_on(self) -> str:
        """The end of a message about a run that was stopped: how to go on with it, if that is possible."""
        folder = self._job.folder
        if folder is None or not folder.checkpoints():
            return ""
        return f"; --{RESUME} {printable(str(folder.path))} goes on"

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
    """Write the best image so far after an error, or a signal.

    Returns:
        The exit code.

    Raises:
        BaseException: the error, if there is no image or if it is an error of the program itself.
    """
    if results.best is None:
        raise error
    _release_frames(error)
    if isinstance(error, (NeuralStyleError, signals.Interrupted)):
        kind = "stopped" if isinstance(error, signals.Interrupted) else "error"
        say(f"{kind}: {with_dashes(str(error))}; writing the best image so far{results.how_to_go_on}")
        exit_code = results.write() or error.exit_code
        results.report.fail(error)
        return exit_code
    say(f"error: the run failed, as shown below; writing the best image so far{results.how_to_go_on}")
    results.write()
    raise error


def _release_frames(error: BaseException | None) -> None:
    """Free the memory of the functions that an error has left, because writing the image may need it."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
