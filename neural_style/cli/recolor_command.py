"""The command `recolor`: give a finished picture the colors of its photo, without a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from neural_style.cli import finished_pictures
from neural_style.config.checks import check_color_details
from neural_style.config.config import OPTIONS
from neural_style.images.color_matching import ColorMatching
from neural_style.images.picture import describe
from neural_style.images.regions import read_color_mask

_USAGE = "recolor painted.png --content photo.jpg --color match"

FLAGS = ("color", "color_space", "color_transfer", "color_mask")
"""Options of a run that the command has as well, the required one first."""


def run(arguments: Sequence[str]) -> Iterator[str]:
    """Run the command; yield lines of text.

    Args:
        arguments: path of the finished picture, and flags.

    Raises:
        NeuralStyleError: the arguments are wrong, a picture cannot be read, or the result cannot be written.
    """
    kinds = tuple(kind for kind in OPTIONS["color"].choices if kind != "none")
    color = dataclasses.replace(OPTIONS["color"], choices=kinds, required="required", default=None)
    others = [OPTIONS[name] for name in FLAGS[1:]]
    source, values = finished_pictures.parse("recolor", _USAGE, arguments, [color, *others])
    check_color_details(values["color"], values["color_space"], values["color_transfer"])
    job = finished_pictures.prepare("recolor", "recolored", source, values, values["color_mask"])
    size = job.painted.width, job.painted.height
    mask = read_color_mask(values["color_mask"], size, values["max_pixels"])
    painted, photo = job.integers()
    matching = ColorMatching(values["color"], values["color_space"], values["color_transfer"])
    matching.recolor(painted, photo, mask, job.painted.alpha, job.photo.alpha, out=painted)
    done = {name: values[name] for name in ("color", "color_space", "color_transfer")}
    names = {name: describe(values[name]) for name in ("content", "color_mask") if values[name] is not None}
    yield job.write(painted, {"recolored": {**names, **done}})
