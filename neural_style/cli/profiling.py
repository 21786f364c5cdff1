"""Record a profile of TensorFlow during a few evaluations, for `--profile`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neural_style import files
from neural_style.cli.console import say
from neural_style.errors import NeuralStyleError
from neural_style.images.picture import printable

if TYPE_CHECKING:
    from neural_style.runs.session import Session
    from neural_style.runs.step import Step

OPTION = "profile"

EVALUATIONS = 3
"""How many evaluations are recorded."""

PACKAGE = "xprof"
"""The package that shows a profile."""


def check_can_profile(folder: str) -> None:
    """Check that a profile can be written.

    Raises:
        OutputError: the folder cannot be made or written to.
    """
    files.check_folder(folder, OPTION)


class Profiler:
    """Records the evaluations after the first one at the full size, which has waited for the graph."""

    option = OPTION

    def __init__(self, session: Session):
        """Prepare. Nothing is recorded before the first step at the full size."""
        assert session.config.profile is not None
        self._folder = Path(session.config.profile)
        self._size = session.scales[-1].width, session.scales[-1].height
        self._left: int | None = None  # evaluations to record; None before the first
        self._trace: Any = None  # marks an evaluation
        self.written: Path | None = None
        """The folder of the profile; None until there is one."""

    def update(self, step: Step) -> None:
        """Take one step, and begin or end the recording.

        Raises:
            NeuralStyleError: the profiler failed.
        """
        if self._left is None:
            if step.scale == self._size:
                self._start()
        elif self._left:
            with _profiler_errors():
                self._end_evaluation()
            self._left -= 1
            if self._left:
                with _profiler_errors():
                    self._begin_evaluation()
            else:
                self._stop()

    def close(self) -> None:
        """End the recording if it still goes on.

        Raises:
            NeuralStyleError: the profiler failed, or nothing was recorded.
        """
        if self._left:
            self._stop()
        elif self.written is None and self._left is None:
            raise NeuralStyleError(
                f"{OPTION}: expected a second evaluation at the full size to record, got none; give more --iterations"
            )

    def _begin_evaluation(self) -> None:
        import tensorflow as tf

        self._trace = tf.profiler.experimental.Trace("evaluation", step_num=EVALUATIONS - (self._left or 0), _r=1)
        self._trace.__enter__()

    def _end_evaluation(self) -> None:
        trace, self._trace = self._trace, None
        if trace is not None:
            trace.__exit__(None, None, None)

    def _start(self) -> None:
        import tensorflow as tf

        self._left = 0
        with _profiler_errors():
            tf.profiler.experimental.start(os.fspath(self._folder))
            self._left = EVALUATIONS
            self._begin_evaluation()

    def _stop(self) -> None:
        import tensorflow as tf

        self._left = 0
        with _profiler_errors():
            self._end_evaluation()
            tf.profiler.experimental.stop()
        self.written = self._folder
        folder = printable(str(self._folder))
        say(f"wrote a profile to {folder}; to look at it: pip install {PACKAGE}, then {PACKAGE} --logdir {folder}")


@contextlib.contextmanager
def _profiler_errors() -> Iterator[None]:
    """Turn whatever the profiler raises into an error that ends it alone: it may use libraries of a GPU's maker."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split())
        raise NeuralStyleError(f"{OPTION}: TensorFlow's profiler failed ({reason:.200})") from error
