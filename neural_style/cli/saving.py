"""Keep the checkpoints of a run: decide when, and go on if a disk fails."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from neural_style.errors import NeuralStyleError
from neural_style.runs.work_folder import WorkFolder

if TYPE_CHECKING:
    from neural_style.runs.session import Session

_log = logging.getLogger("neural_style")

RETRY_SECONDS = 60.0
"""Time after which a checkpoint that could not be written is tried again, unless it is due sooner."""


class Saver:
    """Writes the checkpoints of one run.

    What cannot be written is logged and tried again; the run goes on in memory.
    """

    def __init__(self, session: Session, folder: WorkFolder, minutes: float):
        """Prepare.

        Args:
            session: the run.
            folder: where checkpoints go.
            minutes: time between two of them.
        """
        self._session, self._folder, self._seconds = session, folder, minutes * 60
        self._due = -float("inf")
        self.has_failed = False
        """Whether the last checkpoint could not be written."""
        session.at_end_of_scale = self.save

    def save_if_due(self) -> None:
        """Write a checkpoint if the time has come. The first time, it has."""
        if time.monotonic() >= self._due:
            self.save()

    def save(self) -> bool:
        """Write a checkpoint now; return whether that worked."""
        try:
            path = self._folder.save(self._session.state(copy=False))
        except (NeuralStyleError, OSError, MemoryError) as error:
            if not self.has_failed:
                reason = error if isinstance(error, NeuralStyleError) else f"workdir: {error or 'too little memory'}"
                _log.error("%s; the run goes on in memory and tries again", reason)
            self.has_failed = True
            self._due = time.monotonic() + min(self._seconds, RETRY_SECONDS)
            return False
        if self.has_failed:
            _log.warning("workdir: checkpoints can be written again, the last one as %r", str(path))
        self.has_failed = False
        self._due = time.monotonic() + self._seconds
        return True
