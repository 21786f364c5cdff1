"""Show a run while it goes on: as a picture that changes in a notebook, or as a bar on a terminal.

IPython is used only where it runs already, so the package needs none of it.
"""

from __future__ import annotations

import base64
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from tqdm import tqdm

from neural_style.images import small_copies
from neural_style.runs.forecast import Forecast

if TYPE_CHECKING:
    from neural_style.runs.session import Session
    from neural_style.runs.step import Step

LIVE_LONGEST = 512
"""Pixels of the longer side of the picture that changes in a notebook."""

LEAST_PAUSE = 0.5
"""Seconds between two pictures at least."""

MOST_TIME = 0.03
"""The share of a run's time that pictures may take."""


class Display(Protocol):
    """Shows the steps of a run."""

    def update(self, step: Step) -> None:
        """Show one step."""

    def close(self) -> None:
        """Show the best step, if there was one, and stay visible."""


def shown(session: Session, show_progress: bool) -> Iterator[Step]:
    """Yield the steps of a session, and show them if that is wanted."""
    if not show_progress:
        yield from session
        return
    display: Display = NotebookDisplay(session) if in_notebook() else TerminalDisplay(session)
    try:
        for step in session:
            display.update(step)
            yield step
    finally:
        display.close()


def in_notebook() -> bool:
    """Return whether this is code of a notebook, in Jupyter, Colab or the like, where IPython has a kernel."""
    return getattr(_shell(), "kernel", None) is not None


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def _described_left(forecast: Forecast) -> str:
    """Return the time left in words, with a comma before it; empty if it is not known."""
    seconds = forecast.seconds_left
    return f", about {tqdm.format_interval(seconds)} left" if seconds else ""


class _Bar(tqdm):
    monitor_interval = 0  # no thread that would go on after the run


class TerminalDisplay:
    """A bar of tqdm on standard error."""

    def __init__(self, session: Session):
        """Show an empty bar."""
        self._forecast = Forecast.of(session)
        self._bar = _Bar(total=1.0, file=sys.stderr, dynamic_ncols=True, bar_format="{desc} [{elapsed}{postfix}] {bar}")

    def update(self, step: Step) -> None:
        """Show one step."""
        self._forecast.update(step.iteration, step.scale, step.losses["total"], time.monotonic())
        self._bar.set_description_str(f"iteration {step.iteration}, {_size(step)}", refresh=False)
        total = f"total {tqdm.format_sizeof(step.losses['total'])}"
        self._bar.set_postfix_str(f"{total}{_described_left(self._forecast)}", refresh=False)
        self._bar.update(self._forecast.share - self._bar.n)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()


class NotebookDisplay:
    """The best picture so far, with its losses, in an output of a notebook that is replaced again and again."""

    def __init__(self, session: Session):
        """Show nothing yet."""
        self._session, self._forecast = session, Forecast.of(session)
        self._handle: Any = None
        self._next = 0.0  # when the next picture is due
        self._last: Step | None = None

    def update(self, step: Step) -> None:
        """Show one step, unless pictures would take too much of the time."""
        began = time.monotonic()
        self._forecast.update(step.iteration, step.scale, step.losses["total"], began)
        self._last = step
        if began >= self._next:
            self._show(LIVE_LONGEST, _described_left(self._forecast))
            now = time.monotonic()
            self._next = now + max(LEAST_PAUSE, (now - began) / MOST_TIME)

    def close(self) -> None:
        """Show the best picture at the size of `Step._repr_png_`."""
        if self._last is not None:
            self._show(small_copies.LONGEST, "")

    def _show(self, longest: int, left: str) -> None:
        from IPython.display import display

        step, best = self._last, self._session.best
        assert step is not None and best is not None  # the first step is always the best so far
        losses = ", ".join(f"{name} {value:.4g}" for name, value in step.losses.items())
        text = f"iteration {step.iteration}, {_size(step)}: {losses}{left}"
        data, _ = small_copies.as_jpeg(best.image_with_alpha, longest)
        picture = f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
        html = f'<img src="{picture}" alt="" style="max-width: 100%"><br>{text}'
        bundle = {"text/html": html, "text/plain": text}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


def _size(step: Step) -> str:
    return f"{step.scale[0]}×{step.scale[1]} px"
