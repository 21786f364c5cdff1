"""What watches the steps of a run besides the progress bar. A watcher that fails ends its own work, never the run."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from neural_style.cli import film, preview
from neural_style.cli.console import say, with_dashes
from neural_style.cli.outputs import stem_of_result
from neural_style.cli.profiling import Profiler
from neural_style.cli.tensorboard_log import TensorBoardLog
from neural_style.runs.recipe import settings_of

if TYPE_CHECKING:
    from neural_style.cli.outputs import Outputs
    from neural_style.runs.session import Session
    from neural_style.runs.step import Step


class Watcher(Protocol):
    """Takes the steps of one run."""

    option: str
    """The option that asks for it, which messages begin with."""

    def update(self, step: Step) -> None:
        """Take one step. It may raise `OSError` or `NeuralStyleError`, and gets no more steps then."""

    def close(self) -> None:
        """Finish, after the last step or after an error. It may raise the same errors."""


def watchers_of(session: Session, outputs: Outputs) -> Iterator[Watcher]:
    """Yield the watchers that the options of a run ask for.

    Args:
        session: the run.
        outputs: its files.
    """
    config = session.config
    if config.progress_film is not None:
        yield film.Film(session, outputs)
    if config.preview:
        yield from preview.previews_of(session)
    if config.tensorboard is not None:
        yield TensorBoardLog(session, stem_of_result(config), settings_of(config, session.network))
    if config.profile is not None:
        yield Profiler(session)


class Watchers:
    """All watchers of a run. Use it as a context manager."""

    def __init__(self, watchers: Sequence[Watcher], written: dict[str, Any] | None = None):
        """Start.

        Args:
            watchers: those of `watchers_of`.
            written: gets the option and the path of what each of them has written, where it says so as `written`.
        """
        self._watchers = list(watchers)
        self._written = {} if written is None else written

    def __enter__(self) -> Watchers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close those that are left."""
        while self._watchers:
            self._close(self._watchers.pop())

    def update(self, step: Step) -> None:
        """Give a step to each watcher."""
        for watcher in list(self._watchers):
            if not self._attempted(watcher, functools.partial(watcher.update, step)):
                self._watchers.remove(watcher)
                self._close(watcher)

    def _close(self, watcher: Watcher) -> None:
        self._attempted(watcher, watcher.close)
        if (path := getattr(watcher, "written", None)) is not None:
            self._written[watcher.option] = str(path)

    def _attempted(self, watcher: Watcher, act: Callable[[], object]) -> bool:
        try:
            act()
        except Exception as error:  # libraries that encode films or logs raise nearly anything
            message = str(error)
            prefix = "" if message.startswith(f"{watcher.option}: ") else f"{watcher.option}: "
            say(f"error: {with_dashes(prefix + message)}; the run goes on without it")
            return False
        return True
