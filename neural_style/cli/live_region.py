"""Rows of a terminal above the progress bar that change in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from tqdm import tqdm

from neural_style.cli.terminal_pictures import ESCAPE


class LiveRegion:
    """Some rows of text. The bar draws them with itself, so messages go above both.

    The cursor is in the row of the bar, below. Nothing of the terminal is changed that must be restored.
    """

    current: ClassVar[LiveRegion | None] = None
    """That of the run that goes on; None for none."""

    def __init__(self, before_end: Callable[[], object]):
        """Begin without rows.

        Args:
            before_end: called before the bar is closed, to show what shall stay.
        """
        self.before_end = before_end
        self.bar: tqdm | None = None
        """The bar below, while it is there."""
        self._text, self._erasing, self._rows = "", "", 0
        self._on_screen = 0
        self._is_new = False

    def show(self, text: str, rows: int, erasing: str = "") -> None:
        """Show a text in place of the one before.

        Args:
            text: it fills some rows, and ends in the first column of the one below.
            rows: how many.
            erasing: what must be written to erase it, besides erasing its rows.
        """
        with tqdm.get_lock():
            self._text, self._rows, self._erasing, self._is_new = text, rows, erasing, True
            if self.bar is not None:
                self.bar.refresh(nolock=True)

    def draw(self, file: Any) -> None:
        """Write the text if it is not on the screen. The cursor is in the row of the bar, before and after."""
        if not self._text or (self._on_screen and not self._is_new):
            return
        up = f"{ESCAPE}[{self._on_screen}A" if self._on_screen else ""
        parts = [f"{ESCAPE}[?2026h\r{up}"]  # terminals that know it show the rest at once
        if self._rows != self._on_screen:
            parts.append(f"{ESCAPE}[J" + "\n" * self._rows + f"{ESCAPE}[{self._rows}A\r")
        parts.append(f"{self._text}{ESCAPE}[K{ESCAPE}[?2026l")
        file.write("".join(parts))
        file.flush()
        self._on_screen, self._is_new = self._rows, False

    def erase(self, file: Any) -> None:
        """Erase the text until it is drawn again. The cursor goes to its first row."""
        if self._on_screen:
            file.write(f"{self._erasing}\r{ESCAPE}[{self._on_screen}A{ESCAPE}[J")
            self._on_screen = 0
