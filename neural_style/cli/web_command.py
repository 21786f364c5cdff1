"""The command `web`: serve the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from neural_style.cli import flags
from neural_style.cli.console import say, show_notes
from neural_style.cli.tensorflow_import import import_tensorflow
from neural_style.web import program
from neural_style.web.options import FLAGS, served


def run(arguments: Sequence[str]) -> Iterator[str]:
    """Run the command until a signal ends it.

    Args:
        arguments: flags in `web.options.FLAGS`.

    Raises:
        UsageError: the arguments are wrong, a package is missing, or the port is taken.
    """
    show_notes()
    program.serve(served(flags.parse_only(arguments, FLAGS, "web")), import_tensorflow, say)
    yield from ()
