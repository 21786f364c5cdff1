"""The facts of a run as one line of JSON, for `--json`."""

from __future__ import annotations

import json
import math
import re
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from neural_style import __version__
from neural_style.cli import signals, standard_streams
from neural_style.cli.console import with_dashes
from neural_style.config import byte_sizes
from neural_style.config.config import Config
from neural_style.errors import NeuralStyleError
from neural_style.images.picture import Source, describe, printable
from neural_style.runs import pyramid

if TYPE_CHECKING:
    from neural_style.runs.session import Session
    from neural_style.runs.step import Step

DONE, STOPPED, FAILED = "done", "stopped", "failed"
"""What the status can be: as asked for, ended by a signal, or with an error."""

TOO_LITTLE_MEMORY = "this machine has too little memory for pictures of this size; lower --width or --memory"
"""What is said of a MemoryError."""


class RunReport:
    """Gathers the facts of one run, and prints them at its end.

    Without `Config.json`, nothing is printed.
    """

    def __init__(self, config: Config):
        """Begin the run of a configuration."""
        self._commanded = time.monotonic()
        self.begin(config)
        self._session: Session | None = None
        self._device = ""
        self._status = DONE
        self._error: str | None = None
        self._marks: dict[str, float] = {}
        self._sizes: dict[tuple[int, int], list[float]] = {}  # evaluations and seconds by width and height
        self._iterations = -1
        self.best: Step | None = None
        """The step whose image is the result."""
        self.files: Mapping[str, Any] = {}
        """Option -> the files that were written for it."""

    def begin(self, config: Config) -> None:
        """Take the configuration with the pictures that were waited for. From now on seconds are counted."""
        self._config = config
        self._began = time.monotonic()

    def start(self, session: Session, device: str) -> None:
        """Take the plan of a run. Its first evaluation begins now."""
        self._session, self._device = session, device
        self._marks["start"] = self._last = time.monotonic()

    def take(self, step: Step) -> None:
        """Take a step that has just been made."""
        now = time.monotonic()
        counted = self._sizes.setdefault(step.scale, [0, 0.0])
        counted[0] += 1
        counted[1] += now - self._last
        self._last = self._marks["run"] = now
        self._iterations = step.iteration

    def fail(self, error: BaseException) -> None:
        """Take what ended the run before its time, or kept the result from where it was to go."""
        self._status = STOPPED if isinstance(error, signals.Interrupted) else FAILED
        self._error = error_text(error)

    def stop(self, reason: str) -> None:
        """Take what ended the run in good order before it was done: the name of an option."""
        self._status, self._error = STOPPED, f"stopped by --{reason}"

    @property
    def age(self) -> float:
        """Seconds since the command began, including those in which it waited for standard input."""
        return time.monotonic() - self._commanded

    def print(self, exit_code: int) -> None:
        """Print the line, if it is asked for."""
        if self._config.json:
            _print(self.facts(exit_code), to_error=standard_streams.is_output(self._config))

    def facts(self, exit_code: int) -> dict[str, Any]:
        """Return what the line says. What is not known yet is left out."""
        config: Any = self._config if self._session is None else self._session.config
        facts: dict[str, Any] = {
            **_outcome(self._status, exit_code, self._error),
            "content": None if config.content is None else _name(config.content),
            "styles": [_name(style) for style in config.styles],
            "seed": config.seed,
            "files": self.files,
        }
        if self._session is not None:
            facts |= self._of_session(self._session)
        if self.best is not None:
            facts |= {
                "iterations": self._iterations,
                "best_iteration": self.best.iteration,
                "losses": dict(self.best.losses),
            }
        return {**facts, "seconds": self._seconds()}

    def _of_session(self, session: Session) -> dict[str, Any]:
        config, plan, scales = session.config, session.plans[-1], session.scales
        return {
            "width": scales[-1].width,
            "height": scales[-1].height,
            "sizes": [
                {
                    "width": scale.width,
                    "height": scale.height,
                    "most_iterations": scale.iterations,
                    "evaluations": int(self._sizes.get((scale.width, scale.height), (0, 0))[0]),
                    "seconds": round(self._sizes.get((scale.width, scale.height), (0, 0))[1], 3),
                }
                for scale in scales
            ],
            "most_iterations": pyramid.total_iterations(scales),
            "optimizer": plan.optimizer,
            "device": self._device,
            "precision": config.precision,
            "weights": session.network.reference,
            "memory": {
                "plan": plan.described(config),
                "most_bytes": plan.peak,
                "limit_bytes": byte_sizes.parse(config.memory),
            },
        }

    def _seconds(self) -> dict[str, float]:
        """Return the seconds of each part of the run: until the first evaluation, of all evaluations, and in all."""
        seconds, evaluations = {}, sum(count for count, _ in self._sizes.values())
        if "start" in self._marks:
            seconds["start"] = self._marks["start"] - self._began
        if evaluations:
            seconds["run"] = self._marks["run"] - self._marks["start"]
            seconds["per_evaluation"] = seconds["run"] / evaluations
        seconds["total"] = time.monotonic() - self._began
        return {name: round(value, 4) for name, value in seconds.items()}


def error_text(error: BaseException) -> str:
    """Return what is said of an error, as one line."""
    if isinstance(error, MemoryError):
        return TOO_LITTLE_MEMORY
    if isinstance(error, signals.Interrupted):
        return f"stopped {error}"
    is_ours = isinstance(error, NeuralStyleError)
    return " ".join((with_dashes(str(error)) if is_ours else f"{type(error).__name__}: {error}").split())


def exit_code_of(error: BaseException) -> int:
    """Return what the process exits with after an error."""
    return getattr(error, "exit_code", NeuralStyleError.exit_code)


def print_refusal(arguments: Sequence[str], error: NeuralStyleError) -> None:
    """Print the line about arguments that no run can be made of, if they ask for it themselves.

    Flag files are not read for that.
    """
    text = " ".join(arguments).replace("_", "-")
    switches = re.findall(r"(?:^| )--?(no-?)?json(?:[= ](true|false))?(?= |$)", text, re.IGNORECASE)
    if switches and not switches[-1][0] and switches[-1][1].lower() != "false":
        to_error = re.search(r"(?:^| )--?output[= ]-( |$)", text) is not None
        _print(_outcome(FAILED, error.exit_code, error_text(error)), to_error=to_error)


def _name(source: Source) -> str:
    """Return the short name of a picture, also of one that is not read from standard input yet."""
    return standard_streams.INPUT if standard_streams.is_dash(source) else describe(source)


def _outcome(status: str, exit_code: int, error: str | None) -> dict[str, Any]:
    return {"status": status, "exit_code": exit_code, "error": error, "version": __version__}


def _print(facts: Mapping[str, Any], *, to_error: bool) -> None:
    print(json.dumps(_strict(facts), allow_nan=False), file=sys.stderr if to_error else sys.stdout, flush=True)


def _strict(value: Any) -> Any:
    """Return a value that every reader of JSON takes: numbers that are not finite as null, names as Unicode text."""
    if isinstance(value, Mapping):
        return {name: _strict(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return printable(value) if isinstance(value, str) else value
