"""Pictures that are painted one after the other, in a thread of their own. They can be paused, changed and stopped."""

from __future__ import annotations

import dataclasses
import enum
import logging
import secrets
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neural_style.config.config import Config
from neural_style.errors import NeuralStyleError, UsageError
from neural_style.images import writing
from neural_style.images.picture import one_line
from neural_style.runs.forecast import Forecast
from neural_style.runs.recipe import settings_of

if TYPE_CHECKING:
    from neural_style.runs.session import Session
    from neural_style.runs.step import Step
    from neural_style.runs.stylizer import Stylizer
    from neural_style.web.form import Entered

_log = logging.getLogger("neural_style")


_MOST_POINTS = 20_000
"""Beyond this number, every other one of the losses of a job is forgotten."""


class State(enum.Enum):
    """What a job does."""

    WAITING = "waiting"
    PAINTING = "painting"
    PAUSED = "paused"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def is_active(self) -> bool:
        """Whether it waits for its turn or is painted."""
        return self in (State.WAITING, State.PAINTING)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self in (State.DONE, State.STOPPED, State.FAILED)


@dataclasses.dataclass(frozen=True)
class Point:
    """The losses of one step."""

    iteration: int
    size: tuple[int, int]
    losses: Mapping[str, float]


@dataclasses.dataclass(eq=False)
class Job:
    """One picture, from the wish to the file. Its numbers may be read from any thread."""

    config: Config
    """The run. What is changed while it goes on is changed here, too."""
    folder: Path
    """For its files."""
    name: str
    """What it paints, for people."""
    stem: str
    """Name of the result's file, without its suffix."""
    number: int = 1
    """Which of its visitor's jobs it is, from 1 on."""
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """The options that were entered, and maybe a preset."""
    entered: Entered | None = None
    """What was entered, to be shown again."""
    was_changed: bool = False
    """Whether weights were changed while it was painted, so that the options alone do not make the same picture."""
    key: str = dataclasses.field(default_factory=lambda: secrets.token_urlsafe(16))
    state: State = State.WAITING
    message: str = ""
    """Why it failed, or what there is to know of its end."""
    step: Step | None = None
    """The last step, while it is painted. It holds memory, so nothing keeps it afterward."""
    iteration: int = -1
    """Number of the last step; -1 before the first."""
    losses: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Losses of the last step by name."""
    points: list[Point] = dataclasses.field(default_factory=list)
    scales: Sequence[Any] = ()
    """The sizes of the run; empty until it begins."""
    peak: int = 0
    """Bytes that the run was planned with at most."""
    result: Path | None = None
    """The finished picture, with its settings inside."""
    seconds: float = 0.0
    """Time that it was painted for."""
    share_paused: float = 0.0
    """Share of the work that was done when it was paused."""
    size: tuple[int, int] | None = None
    """Width and height of the result in pixels; None before there is one."""

    forecast: Forecast | None = None
    """What is expected of the run; None before it begins."""
    wants_pause: bool = False
    """Whether it shall pause after the next step."""
    wants_stop: bool = False
    """Whether it shall end after the next step, or at once if it is not painted."""
    new_weights: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Weights that take effect when it goes on."""
    session: Session | None = None
    """Its run, while it is painted."""

    @property
    def saved(self) -> Path:
        """Where its state is kept while it is paused."""
        return self.folder / "paused.safetensors"

    @property
    def seconds_left(self) -> float | None:
        """Time left as expected now; None if it is not known."""
        if self.forecast is None or self.state is not State.PAINTING:
            return None
        return self.forecast.seconds_left

    @property
    def share(self) -> float:
        """Share of the work that is done, 0 to 1, as expected now."""
        if self.state is State.DONE:
            return 1.0
        since = 0.0 if self.forecast is None else self.forecast.share
        return self.share_paused + (1 - self.share_paused) * since


class Painter:
    """Paints jobs in the order in which they come."""

    def __init__(self, prepare: Callable[[], Stylizer | None], most: int):
        """Prepare; nothing starts before `start`.

        Args:
            prepare: makes what the runs share. It is called once, in the painter's thread, and may take seconds. It may
                return None if the painter was closed meanwhile.
            most: how many jobs may wait, be painted or be paused at a time.
        """
        self._prepare, self._most = prepare, most
        self._jobs: list[Job] = []  # those that wait or are painted, in order
        self._paused: set[Job] = set()
        self._changed = threading.Condition()
        self.is_closed = False
        """Whether nothing more will be painted."""
        self._thread = threading.Thread(target=self._work, name="painter", daemon=True)
        self.stylizer: Stylizer | None = None
        """What the runs share; None until it is ready."""
        self.problem = ""
        """Why nothing can be painted; empty if all is well."""

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def close(self) -> None:
        """Stop the job that is painted, and paint no more."""
        with self._changed:
            self.is_closed = True
            for job in self._jobs:
                self._stop(job)
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout=30)

    # --- wishes, from any thread --------------------------------------------------------------------------------------

    def add(self, job: Job) -> None:
        """Put a job at the end of the queue.

        Raises:
            UsageError: too many jobs wait.
        """
        with self._changed:
            if len(self._jobs) + len(self._paused) >= self._most:
                raise UsageError(f"expected at most {self._most} pictures at a time, and so many wait; try again later")
            self._jobs.append(job)
            self._changed.notify_all()

    def ahead_of(self, job: Job) -> int:
        """Return how many jobs will be painted before one that waits."""
        with self._changed:
            return self._jobs.index(job) if job in self._jobs else 0

    def pause(self, job: Job) -> None:
        """Pause a job after its next step, so that others are painted."""
        with self._changed:
            if job.state is State.WAITING:
                self._jobs.remove(job)
                self._paused.add(job)
                job.state = State.PAUSED
            elif job.state is State.PAINTING:
                job.wants_pause = True

    def go_on(self, job: Job) -> None:
        """Let a paused job wait for its turn, exactly where it was."""
        with self._changed:
            job.wants_pause = False
            if job.state is State.PAUSED:
                self._paused.discard(job)
                job.state = State.WAITING
                self._jobs.append(job)
                self._changed.notify_all()

    def stop(self, job: Job) -> None:
        """End a job, and keep its best image."""
        with self._changed:
            self._stop(job)
            if job.state in (State.WAITING, State.PAUSED) and not job.saved.exists():
                job.message = "stopped before it began"
                self._finish(job, State.STOPPED)
            elif job.state in (State.WAITING, State.PAUSED):  # its image is in its saved state; the thread writes it
                if job in self._jobs:
                    self._jobs.remove(job)
                self._paused.discard(job)
                job.state = State.WAITING
                self._jobs.insert(1 if self._jobs and self._jobs[0].state is State.PAINTING else 0, job)
            self._changed.notify_all()

    def drop(self, job: Job) -> None:
        """Forget a job that is paused, without its image."""
        with self._changed:
            if job.state is State.PAUSED:
                self._finish(job, State.STOPPED)

    def _stop(self, job: Job) -> None:
        job.wants_stop = True
        if job.session is not None:
            job.session.cancel()

    def change(self, job: Job, weights: Mapping[str, Any]) -> int | None:
        """Change the weights of a job.

        Returns:
            The number of the iteration that is the first with the new weights; None if it has not begun, is paused, or
            is over.

        Raises:
            UsageError: a weight has an invalid value.
        """
        with self._changed:
            if job.state.is_over:
                return None
            if job.session is None:
                job.config = dataclasses.replace(job.config, **weights)
                job.new_weights |= weights
                return None
            job.session.set_weights(**weights)
            job.config = dataclasses.replace(job.config, **weights)
            return job.session.iteration + 1

    def is_busy(self, jobs: Sequence[Job]) -> bool:
        """Return whether some of these jobs are not over."""
        return any(not job.state.is_over for job in jobs)

    # --- the painter's thread -----------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            self.stylizer = self._prepare()
        except Exception as error:
            self.problem = _in_words(error)
            _log.error("%s", self.problem)
        while (job := self._next()) is not None:
            try:
                self._paint(job)
            except Exception as error:
                if not isinstance(error, NeuralStyleError):
                    _log.error("a picture could not be painted: %s", "".join(traceback.format_exception(error)))
                job.message = _in_words(error)
                self._finish(job, State.FAILED)

    def _next(self) -> Job | None:
        """Wait for a job, and return the next; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self.is_closed)
            if self.is_closed:
                return None
            self._jobs[0].state = State.PAINTING
            return self._jobs[0]

    def _finish(self, job: Job, state: State) -> None:
        """Take a job out of the queue."""
        with self._changed:
            job.share_paused = job.share
            job.session = job.step = job.forecast = None
            self._paused.discard(job)
            if state is State.PAUSED:
                self._paused.add(job)
            else:
                job.saved.unlink(missing_ok=True)
            if job in self._jobs:
                self._jobs.remove(job)
            job.wants_pause = False
            job.state = state

    def _paint(self, job: Job) -> None:
        if self.stylizer is None:
            raise NeuralStyleError(self.problem)
        began = time.monotonic()
        session = self._session(job)
        try:
            with session:
                self._begin(job, session)
                self._go_through(job, session)
                job.seconds += time.monotonic() - began
                if job.wants_pause and not job.wants_stop and not session.is_over:
                    session.state(copy=False).save(job.saved)
                    self._finish(job, State.PAUSED)
                    return
        except Exception as error:
            if session.best is None:
                raise
            if not isinstance(error, NeuralStyleError):
                _log.error("a picture could not be finished: %s", "".join(traceback.format_exception(error)))
            self._write(job, session)
            job.message = f"{_in_words(error)}; this is the best picture so far"
            self._finish(job, State.FAILED)
            return
        if session.best is None:
            job.message = "stopped before there was a picture"
        else:
            self._write(job, session)
        self._finish(job, State.DONE if session.is_over and not session.is_canceled else State.STOPPED)

    def _session(self, job: Job) -> Session:
        """Begin the run of a job, or go on with it."""
        from neural_style.runs.session_state import SessionState

        assert self.stylizer is not None
        if job.saved.exists():
            return self.stylizer.restore(SessionState.load(job.saved))
        return self.stylizer.session(job.config)

    def _begin(self, job: Job, session: Session) -> None:
        with self._changed:
            job.forecast, job.scales, job.session = Forecast.of(session), session.scales, session
            job.peak = max(plan.peak for plan in session.plans)
            if job.new_weights:  # they came while it waited, was paused or was prepared
                session.set_weights(**job.new_weights)
            job.new_weights = {}
            if job.wants_stop:
                session.cancel()

    def _go_through(self, job: Job, session: Session) -> None:
        assert job.forecast is not None
        for step in session:
            job.points.append(Point(step.iteration, step.scale, step.losses))
            job.forecast.update(step.iteration, step.scale, step.losses["total"], time.monotonic())
            job.step, job.iteration, job.losses = step, step.iteration, step.losses
            if len(job.points) > _MOST_POINTS:
                del job.points[1::2]
            if job.wants_pause:
                return

    def _write(self, job: Job, session: Session) -> None:
        """Write the best image of a run, with its settings inside."""
        result = session.result()
        path = job.folder / f"{job.stem}.png"
        settings = settings_of(result.config, session.network)
        job.result = writing.write_image(path, result.image, settings=settings, overwrite=True)
        height, width = result.image.shape[:2]
        job.size = width, height


def _in_words(error: BaseException) -> str:
    """Return an error as one sentence for people who see no traceback."""
    if isinstance(error, NeuralStyleError):
        return str(error)
    if isinstance(error, MemoryError):
        return "memory is too small; choose a smaller size"
    return f"something in the program failed ({one_line(error)}); its log says more"
