"""The command line: reads flags, checks every file before the work begins, runs, writes, and chooses the exit code.

Exit codes: 0 done; 1 the run failed, with the best image written if there is one; 2 bad input, nothing written;
130 stopped by Ctrl-C and 143 by SIGTERM, with the best image written.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from neural_style import __version__, files, vgg19_spec
from neural_style.cli import flags
from neural_style.cli.console import Console, LogHandler, Reporter, say
from neural_style.cli.outputs import Outputs
from neural_style.cli.process import ending_signals, physical_cores, quiet_import
from neural_style.compute import memory
from neural_style.config import byte_sizes
from neural_style.config.config import Config
from neural_style.errors import NeuralStyleError, OutOfMemoryError, OutputError, UsageError
from neural_style.images import pictures as images
from neural_style.networks.weights import sources as weights
from neural_style.runs import pyramid
from neural_style.runs.inputs import read_inputs
from neural_style.runs.step import Step


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program.

    Args:
        arguments: what follows the program's name; by default those of this process.

    Returns:
        The exit code.
    """
    is_process = arguments is None
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    with contextlib.redirect_stdout(Console(sys.stdout)), contextlib.redirect_stderr(Console(sys.stderr)):
        try:
            with _interruptible(restore=not is_process):
                return _dispatch(arguments)
        except NeuralStyleError as error:
            say(f"error: {error}")
            return error.exit_code
        except MemoryError:
            say("error: this machine has too little memory for pictures of this size; lower --width or --memory")
            return OutOfMemoryError.exit_code
        except _Interrupted as stop:
            say("stopped")
            return stop.exit_code


def _dispatch(arguments: Sequence[str]) -> int:
    if {"--help", "-h", "--helpshort", "--helpfull"} & {*arguments}:
        is_script = Path(sys.argv[0]).stem == "neural-style"
        print(flags.help_text("neural-style" if is_script else "python -m neural_style"), end="")
        return 0
    if "--version" in arguments:
        print(f"neural-style {__version__}")
        return 0
    if arguments and arguments[0] in _COMMANDS:
        return _COMMANDS[arguments[0]](arguments[1:])
    return _stylize(flags.parse(arguments))


def _stylize(config: Config) -> int:
    """One run from files to files."""
    _show_notes()
    inputs = read_inputs(config)
    Outputs(config, inputs).check()
    network = weights.load(config.weights, config.layers, progress=True)
    scales = config.settled(network.settings).scale_plan(*inputs.plan_size)
    _import_tensorflow()
    from neural_style.compute import precision
    from neural_style.runs import engine

    device = engine.device_name(config.device)
    choice = precision.choose(config.precision, device)
    budget = byte_sizes.flag(memory.budget(config.memory, device))
    settled: Any = {"precision": choice.precision, "memory": budget}  # so that the run can be repeated
    config = dataclasses.replace(config, **settled)
    outputs = Outputs(config, inputs)
    plans = engine.plan(config.settled(network.settings), inputs, choice.precision, byte_sizes.parse(budget) or 0)
    steps = engine.run(config, inputs, network, choice, plans)
    plan = plans[1][-1]
    say(
        f"painting {images.describe(config.content)} in the look of {', '.join(map(images.describe, config.styles))}: "
        f"{' → '.join(f'{scale.width}×{scale.height}' for scale in scales)} px, "
        f"at most {' + '.join(str(scale.iterations) for scale in scales)} iterations of {config.optimizer}, "
        f"weights {network.name}, on {device} in {choice.precision} ({choice.reason})"
    )
    say(f"memory: {plan.described(config)}; about {byte_sizes.describe(plan.peak)} at most, of {budget}")
    network = dataclasses.replace(network, kernels={}, biases={})  # from here on only its name is needed
    del inputs
    run = _Run(config, outputs, network)
    try:
        with contextlib.closing(steps), Reporter(pyramid.total_iterations(scales), config.print_iterations) as reporter:
            for step in steps:
                run.take(step)
                reporter.update(step)
        _ignore_signals()
        most = pyramid.total_iterations(scales)
        if step.iteration < most:
            say(f"done after {step.iteration} of at most {most} iterations: the loss hardly falls any more")
    except (NeuralStyleError, _Interrupted) as error:
        _ignore_signals()
        if run.best is None:
            raise
        _release(error)
        say(f"{'stopped' if isinstance(error, _Interrupted) else 'error'}: {error}; writing the best image so far")
        return run.finish() or error.exit_code
    except Exception as error:
        _ignore_signals()
        stop = _Interrupted.last
        if stop is not None:  # native code was interrupted, and took it for a failure of its own
            if run.best is None:
                raise stop from error
            _release(error)
            say(f"stopped: {stop}; writing the best image so far")
            return run.finish() or stop.exit_code
        if run.best is not None:
            _release(error)
            say("error: the run failed, as told below; writing the best image so far")
            run.finish()
        raise
    return run.finish()


def _release(error: BaseException | None) -> None:
    """Let go of what the functions that an error left had in memory, which the writing of the image may need."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


class _Run:
    """What is kept of the steps of one run, and the files made of it."""

    def __init__(self, config: Config, outputs: Outputs, network: weights.VGGWeights):
        self._config = config
        self._outputs = outputs
        self._network = network
        self._history: dict[int, Mapping[str, float]] = {}
        self.best: Step | None = None

    def take(self, step: Step) -> None:
        """Keep a step if it is the best; write the flag file with the first one, and a checkpoint when one is due."""
        if step.iteration == 0:
            self._outputs.write_flags(self._network)
        self._history[step.iteration] = step.losses
        if step.best:
            self.best = step
        assert self.best is not None  # the first step is always the best so far
        if self._config.checkpoint_at(step.iteration):
            self._outputs.write_checkpoint(step.iteration, self.best, self._network)

    def finish(self) -> int:
        """Write the best image and the progress files.

        Returns:
            0, or 1 if a file could not be written.
        """
        assert self.best is not None
        try:
            path = self._outputs.write_result(self.best, self._network)
            height, width = self.best.image.shape[:2]
            loss = f"loss {self.best.losses['total']:.6g} at iteration {self.best.iteration}"
            print(f"wrote {path} ({width}×{height} px, {loss})", flush=True)
            self._outputs.write_progress(self._history)
        except OutputError as error:
            say(f"error: {error}")
            return NeuralStyleError.exit_code
        return 0


def _doctor(arguments: Sequence[str]) -> int:
    config, size = _size_and_config(arguments) if arguments else (None, (0, 0))
    _show_notes()
    with contextlib.suppress(ImportError):  # what is wrong with it, the report says
        _import_tensorflow()
    from neural_style.cli import doctor

    for line in doctor.plan(*size, config) if config else doctor.report():
        print(line, flush=True)
    return 0


def _size_and_config(arguments: Sequence[str]) -> tuple[Config, tuple[int, int]]:
    """What `doctor --size 6000x4000` is asked for, with any flags of a run after it."""
    usage = "expected nothing, or --size WIDTHxHEIGHT and flags of a run such as --memory 3GB"
    name, _, value = arguments[0].partition("=")
    rest = arguments[1:]
    if not value and rest:
        value, rest = rest[0], rest[1:]
    found = re.fullmatch(r"(\d+)[x×](\d+)", value, re.IGNORECASE)
    if name not in ("--size", "-size") or not found:
        raise UsageError(f"doctor: {usage}, got {' '.join(arguments)!r}")
    width, height = int(found[1]), int(found[2])
    if min(width, height) < vgg19_spec.MIN_SIDE:
        raise UsageError(f"doctor: expected at least {vgg19_spec.MIN_SIDE} px a side, got {width}×{height}")
    config = flags.parse(["--content=content", "--styles=style", *rest])
    if width * height > config.max_pixels:
        raise UsageError(
            f"doctor: expected at most {config.max_pixels} pixels, got {width}×{height}; raise --max_pixels"
        )
    return config, (width, height)


def _bench(arguments: Sequence[str]) -> int:
    from neural_style.bench import report, suite
    from neural_style.bench.options import parse

    options = parse(arguments)
    if options.json:
        files.check_writable(options.json, "json", overwrite=True)
    if options.pictures:
        files.check_writable(Path(options.pictures, "classic.png"), "pictures", overwrite=True)
    _import_tensorflow()
    results = suite.measure(options, say=say)
    print(report.table(results))
    if options.json:
        text = report.to_json(results, options)
        files.write_atomically(options.json, lambda file: file.write_text(text), overwrite=True, option="json")
    return 0


def _weights(arguments: Sequence[str]) -> int:
    _show_notes()
    from neural_style.cli import weights_command

    for line in weights_command.run(arguments):
        print(line, flush=True)
    return 0


_COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {"doctor": _doctor, "bench": _bench, "weights": _weights}


class _Interrupted(BaseException):
    """A signal asked this process to stop."""

    last: ClassVar[_Interrupted | None] = None
    """What was raised last, in case that it is caught on the way."""

    def __init__(self, number: int):
        super().__init__(f"by {signal.Signals(number).name}")
        self.exit_code = 128 + number


@contextlib.contextmanager
def _interruptible(restore: bool) -> Iterator[None]:
    """Let signals raise `_Interrupted` until they are ignored.

    Args:
        restore: give the handlers back at the end. Otherwise what is ignored stays so, while Python shuts down.
    """
    _Interrupted.last = None
    before = {number: signal.getsignal(number) for number in ending_signals()}
    _answer_signals(_raise_interrupted)
    try:
        yield
    finally:
        for number, handler in before.items():
            stay_ignored = not restore and signal.getsignal(number) is _do_nothing
            signal.signal(number, signal.SIG_IGN if stay_ignored else handler)  # Python undoes all but SIG_IGN


def _ignore_signals() -> None:
    """From now on do not let signals interrupt anything, such as the writing of the result."""
    _answer_signals(_do_nothing)


def _answer_signals(handler: Callable[[int, object], None]) -> None:
    for number in ending_signals():
        signal.signal(number, handler)


def _raise_interrupted(number: int, _frame: object) -> None:
    _ignore_signals()  # an impatient user's second Ctrl-C must not cost the image
    _Interrupted.last = _Interrupted(number)
    raise _Interrupted.last


def _do_nothing(_number: int, _frame: object) -> None:
    """Unlike `signal.SIG_IGN`, which Python complains of where a signal is on its way already."""


def _import_tensorflow() -> None:
    """Import TensorFlow, told to compute the same on every run; what it logs on import is shown only if it fails."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with quiet_import():
        import tensorflow as tf

        from neural_style.runs import engine
    engine.compute_reproducibly()
    with contextlib.suppress(RuntimeError):  # it has started: its owner has decided
        tf.config.threading.set_intra_op_parallelism_threads(physical_cores() or 0)
    tf.get_logger().setLevel(logging.ERROR)  # it warns of what is traced anew, as each run of several must


def _show_notes() -> None:
    """Print the library's notes."""
    log = logging.getLogger("neural_style")
    log.handlers = [LogHandler()]
    log.setLevel(logging.INFO)
    log.propagate = False
