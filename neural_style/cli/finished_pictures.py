"""What the commands that change a finished picture share: their flags, pictures and output."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neural_style import files
from neural_style.cli import flags
from neural_style.cli.console import show_notes
from neural_style.config.config import OPTIONS
from neural_style.config.fields import Option
from neural_style.errors import ImageError, OutputError, UsageError
from neural_style.images import writing
from neural_style.images.masks import is_stretched
from neural_style.images.picture import Picture, describe, resize, to_integers, with_alpha
from neural_style.images.reading import read_image, read_settings

SHARED = ("content", "output", "overwrite", "bit_depth", "max_pixels")
"""Options of a run that these commands have, too."""


@dataclasses.dataclass(frozen=True)
class Job:
    """A finished picture and the photo that it was made from."""

    values: Mapping[str, Any]
    """The flags by name, with defaults."""
    painted: Picture
    photo: Picture
    """At the size of the finished picture."""
    bit_depth: int
    output: Path
    settings: Mapping[str, object]
    """What is known about how the finished picture was made, from its metadata."""

    def integers(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the finished picture and the photo, (height, width, 3), uint8 or uint16."""
        return to_integers(self.painted.rgb, self.bit_depth), to_integers(self.photo.rgb, self.bit_depth)

    def write(self, picture: np.ndarray, done: Mapping[str, object]) -> str:
        """Write the changed picture, with the alpha of the finished one; return a line of text about it.

        Args:
            picture: (height, width, 3), uint8 or uint16.
            done: what was done to it, for its metadata.

        Raises:
            OutputError: it cannot be written.
        """
        settings = {**self.settings, **done}
        whole = with_alpha(picture, self.painted.alpha)
        path = writing.write_image(self.output, whole, settings=settings, overwrite=self.values["overwrite"])
        return f"wrote {path} ({self.painted.width}×{self.painted.height} px)"


def parse(command: str, usage: str, arguments: Sequence[str], own: Sequence[Option]) -> tuple[str, dict[str, Any]]:
    """Return the finished picture that is named first, and the values of the flags after it by name.

    Args:
        command: name of the command; errors begin with it.
        usage: an example of it, for errors.
        arguments: its arguments.
        own: its flags besides `SHARED`. They are required if their options are.

    Raises:
        UsageError: no picture is named first, a flag is unknown, missing or needs another value.
    """
    options = {option.name: option for option in (*own, *(OPTIONS[name] for name in SHARED))}
    if any(re.fullmatch("(--?[a-z_-]+=)?-", argument) for argument in arguments):
        raise UsageError(
            f"{command}: expected names of files, got '-'; {command} does not use standard input or output"
        )
    if len(arguments) > 1 and not arguments[1].startswith("-"):
        raise UsageError(f"{command}: expected one finished picture, got {arguments[1]!r} as well; write {usage}")
    if not arguments or arguments[0].startswith("-"):
        got = repr(arguments[0]) if arguments else "nothing"
        raise UsageError(f"{command}: expected a finished picture first, got {got}; write {usage}")
    values = {name: option.default for name, option in options.items()} | {"bit_depth": None}  # that of the picture
    values |= flags.parse_only(arguments[1:], options, command)
    for name, option in options.items():
        if option.required and values[name] is None:
            raise UsageError(f"{command}: expected --{name}, got none; write {usage}")
    return arguments[0], values


def prepare(command: str, suffix: str, source: str, values: Mapping[str, Any], *inputs: str | None) -> Job:
    """Read the pictures and check the output.

    Args:
        command: name of the command; errors begin with it.
        suffix: what a default name ends in, such as "blended".
        source: path of the finished picture.
        values: the flags by name.
        inputs: paths of other pictures that are read.

    Raises:
        ImageError: a picture cannot be read, or the photo has another aspect ratio than the finished picture.
        OutputError: the output cannot be written, or is one of the pictures that are read.
        UsageError: a bit depth is neither 8 nor 16.
    """
    show_notes()
    source, limit = os.path.expanduser(source), values["max_pixels"]
    painted = read_image(source, "finished picture", limit)
    photo = read_image(values["content"], "content picture", limit)
    sizes = (photo.width, photo.height), (painted.width, painted.height)
    if is_stretched(*sizes):
        raise ImageError(
            f"content picture {describe(values['content'])!r}: expected the shape of {describe(source)!r}, which has "
            f"{sizes[1][0]}×{sizes[1][1]} px, got {sizes[0][0]}×{sizes[0][1]} px; give the photo that it was made from"
        )
    settings = read_settings(source) or {}
    default = Path(f"{Path(source).stem}-{suffix}.png")
    output = Path(values["output"]) if values["output"] else default
    if not values["output"] and not values["overwrite"]:
        output = files.numbered(output)
    depth = values["bit_depth"] or (16 if settings.get("bit_depth") == 16 and _holds_16_bits(output) else 8)
    if depth not in (8, 16):
        raise UsageError(f"bit_depth: expected 8 or 16, got {depth}")
    read = {os.path.realpath(path) for path in (source, values["content"], *inputs) if path}
    if os.path.realpath(output) in read:
        raise OutputError(f"output: {str(output)!r} is one of the files to work from; give another name")
    writing.check_format(output, "output", sizes[1], depth)
    files.check_writable(output, "output", overwrite=values["overwrite"])
    return Job(values, painted, resize(photo, *sizes[1]), depth, output, settings)


def _holds_16_bits(path: Path) -> bool:
    output_format = writing.OUTPUT_FORMATS.get(path.suffix.lower())
    return output_format is not None and output_format.keeps_16_bits
