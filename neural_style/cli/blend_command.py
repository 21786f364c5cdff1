"""The command `blend`: lay a finished picture over its photo, without a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from neural_style.cli import finished_pictures
from neural_style.config.config import OPTIONS
from neural_style.images.color_transfer import lay_over
from neural_style.images.picture import describe

_USAGE = "blend painted.png --content photo.jpg --amount 0.7"


def run(arguments: Sequence[str]) -> Iterator[str]:
    """Run the command; yield lines of text.

    Args:
        arguments: path of the finished picture, and flags.

    Raises:
        NeuralStyleError: the arguments are wrong, a picture cannot be read, or the result cannot be written.
    """
    amount = dataclasses.replace(OPTIONS["opacity"], name="amount", required="required", default=None)
    source, values = finished_pictures.parse("blend", _USAGE, arguments, [amount])
    job = finished_pictures.prepare("blend", "blended", source, values)
    painted, photo = job.integers()
    lay_over(painted, photo, values["amount"])
    yield job.write(painted, {"blended": {"content": describe(values["content"]), "amount": values["amount"]}})
