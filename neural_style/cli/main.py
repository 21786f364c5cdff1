"""Choose the command and the exit code.

Exit codes: 0: done. 1: the run failed; the best image is written if there is one. 2: the input is wrong; nothing is
written, unless a picture of a style folder was changed, removed or made unreadable while the run painted: then the best
image is written if there is one. 130 and 143: stopped by Ctrl-C or SIGTERM; the best image is written if there is one.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
from collections.abc import Iterator, Sequence

from neural_style import __version__
from neural_style.cli import flags, help_text, painting, resuming, run_report, signals
from neural_style.cli.console import Console, say, with_dashes
from neural_style.cli.flag_names import RESUME
from neural_style.config import command_words, presets
from neural_style.errors import NeuralStyleError, OutOfMemoryError, UsageError

_COMMANDS = {
    "doctor": "doctor",
    "bench": "bench_command",
    "weights": "weights_command",
    "sweep": "sweep_command",
    "sheet": "sheet_command",
    "figure": "figure_command",
    "recolor": "recolor_command",
    "blend": "blend_command",
    "rerun": "rerun_command",
    "web": "web_command",
    "completion": "completion_command",
}
"""First argument -> module whose `run` yields lines of text for standard output, and may return an exit code."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program.

    Args:
        arguments: the arguments after the program's name; None for those of this process.

    Returns:
        The exit code.
    """
    is_process = arguments is None
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    with contextlib.redirect_stdout(Console(sys.stdout)), contextlib.redirect_stderr(Console(sys.stderr)):
        try:
            with signals.interruptible(restore=not is_process):
                return _dispatch(arguments)
        except NeuralStyleError as error:
            say(f"error: {with_dashes(str(error))}")
            return error.exit_code
        except MemoryError:
            say(f"error: {run_report.TOO_LITTLE_MEMORY}")
            return OutOfMemoryError.exit_code
        except signals.Interrupted as stop:
            say("stopped")
            return stop.exit_code


def _dispatch(arguments: Sequence[str]) -> int:
    if {"--help", "-h", "--helpshort", "--helpfull"} & {*arguments}:
        print(help_text.help_text(command_words.program()), end="")
        return 0
    if re.search(rf"(^| )--?{presets.FLAG}[= ]help( |$)", " ".join(arguments)):
        print(help_text.preset_list(), end="")
        return 0
    if "--version" in arguments:
        print(f"neural-style {__version__}")
        return 0
    if arguments and arguments[0] in _COMMANDS:
        command = importlib.import_module(f"neural_style.cli.{_COMMANDS[arguments[0]]}")
        return _print_lines(command.run(arguments[1:]))
    try:
        values = flags.given(arguments, may_resume=True)
        resumed = resuming.resumed(values, agreed=flags.has_yes(arguments)) if RESUME in values else None
        config = flags.parse(arguments) if resumed is None else resumed.state.config
    except UsageError as error:
        run_report.print_refusal(arguments, error)
        raise
    return painting.paint(config, resumed)


def _print_lines(lines: Iterator[str]) -> int:
    """Print the lines of a command, and return its exit code, 0 if it returns none."""
    while True:
        try:
            line = next(lines)
        except StopIteration as end:
            return end.value or 0
        print(line, flush=True)
