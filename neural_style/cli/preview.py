"""Show the picture of a run in the terminal while it emerges."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from neural_style.cli import terminal, terminal_pictures
from neural_style.cli.emerging import Budget, picture_of
from neural_style.cli.live_region import LiveRegion
from neural_style.cli.terminal import Pictures, Size

if TYPE_CHECKING:
    from neural_style.runs.session import Session
    from neural_style.runs.step import Step

_log = logging.getLogger("neural_style")

SECONDS_BETWEEN = 0.5
"""Least time between two pictures."""

SHARE, ALLOWANCE = 0.02, 0.2
"""Share of the run's time that pictures may take, and seconds in addition."""

_SHARE_OF_ROWS = 2 / 3
_LEAST_ROWS = 4
_LONGEST = 800
"""Most pixels of the longer side of a picture that is sent."""


def previews_of(session: Session) -> Iterator[Preview]:
    """Yield the preview of a run, or nothing but a message if standard error is no terminal for pictures."""
    file = sys.stderr
    if not file.isatty():
        _log.warning("preview: expected a terminal on standard error, got none; the run goes on without a preview")
        return
    encoding = getattr(file, "encoding", None)
    pictures, expected = terminal.pictures_of(os.environ, encoding, terminal.device_attributes)
    if pictures is None:
        _log.warning("preview: expected %s; the run goes on without a preview", expected)
        return
    finest = session.scales[-1]
    yield Preview((finest.width, finest.height), pictures, file)


class Preview:
    """Shows the best picture so far above the bar."""

    option = "preview"

    def __init__(self, size: tuple[int, int], pictures: Pictures, file: Any):
        """Begin.

        Args:
            size: width and height of the result in pixels.
            pictures: what the terminal shows.
            file: the terminal.
        """
        self._picture_size, self._pictures, self._file = size, pictures, file
        self._region = LiveRegion(self._show)
        self._budget = Budget(SHARE, ALLOWANCE)
        self._latest: Step | None = None  # the best step, if it is not shown yet
        self._shown: float | None = None
        LiveRegion.current = self._region

    def update(self, step: Step) -> None:
        """Show a step if it is the best so far and the time has come."""
        if step.best:
            self._latest = step
        is_due = self._shown is None or time.monotonic() - self._shown >= SECONDS_BETWEEN
        if is_due and self._budget.is_open:
            self._show()

    def close(self) -> None:
        """End. The last picture stays."""
        LiveRegion.current = None

    def _show(self) -> None:
        size = terminal.size_of(self._file)
        columns, rows = cells_of(self._picture_size, size)
        if self._latest is None or rows < _LEAST_ROWS:
            return
        with self._budget:
            self._region.show(*drawn(self._pictures, self._picture, columns, rows, size.cell))
        self._latest, self._shown = None, time.monotonic()

    def _picture(self, width: int, height: int) -> Any:
        assert self._latest is not None
        return picture_of(self._latest, (width, height))


def cells_of(picture: tuple[int, int], size: Size) -> tuple[int, int]:
    """Return how many columns and rows a picture takes in a terminal, so that it keeps its aspect ratio.

    Args:
        picture: width and height in pixels.
        size: of the terminal.
    """
    most_columns, most_rows = size.columns - 1, int((size.rows - 1) * _SHARE_OF_ROWS)
    width, height = picture[0] / size.cell[0], picture[1] / size.cell[1]
    share = min(most_columns / width, most_rows / height)
    return max(1, min(round(width * share), most_columns)), max(1, min(round(height * share), most_rows))


def drawn(
    pictures: Pictures, picture: Callable[[int, int], Any], columns: int, rows: int, cell: tuple[int, int]
) -> tuple[str, int, str]:
    """Return a picture for a terminal, as `LiveRegion.show` takes it.

    Args:
        pictures: what the terminal shows.
        picture: makes the picture, RGB, at a width and height in pixels.
        columns: width in cells.
        rows: height in cells.
        cell: width and height of a cell in pixels.
    """
    if pictures == "half-blocks":
        full_color = terminal.has_full_color(os.environ)
        return terminal_pictures.half_blocks(picture(columns, 2 * rows), full_color=full_color), rows, ""
    width, height = columns * cell[0], rows * cell[1]
    if pictures == "sixel":
        return terminal_pictures.sixel(picture(width, max(height // 6 * 6, 1)), rows), rows, ""
    share = min(1.0, _LONGEST / max(width, height))
    made = picture(max(1, round(width * share)), max(1, round(height * share)))
    if pictures == "iterm2":
        return terminal_pictures.iterm2(made, columns, rows), rows, ""
    number = os.getpid()
    return terminal_pictures.kitty(made, columns, rows, number), rows, terminal_pictures.without_kitty(number)
