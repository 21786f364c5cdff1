"""The command `web`: serve the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

from neural_style.cli import console, flags, signals, tensorflow_import
from neural_style.web import program
from neural_style.web.options import FLAGS, served


class _Around:
    """What the command line does for the page; see `program.Surroundings`."""

    def import_tensorflow(self) -> None:
        """Import TensorFlow."""
        tensorflow_import.import_tensorflow()

    def say(self, text: str) -> None:
        """Print a message."""
        console.say(text)

    def until_signal(self, stop: Callable[[], object]) -> AbstractContextManager[None]:
        """Let the first signal end the page in good order, and a second one at once."""
        return signals.canceling(stop, signals.Messages("stopping; once more ends at once", lambda: "stopped at once"))


def run(arguments: Sequence[str]) -> Iterator[str]:
    """Run the command until a signal ends it.

    Args:
        arguments: flags in `web.options.FLAGS`.

    Raises:
        UsageError: the arguments are wrong, a package is missing, or the port is taken.
        Interrupted: a signal ended the page.
    """
    console.show_notes()
    program.serve(served(flags.parse_only(arguments, FLAGS, "web")), _Around())
    if signals.Interrupted.latest is not None:
        raise signals.Interrupted.latest
    yield from ()
