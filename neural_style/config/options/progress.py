"""Options: what a run reports while it goes on."""

from __future__ import annotations

import dataclasses

from neural_style.config.defaults import FILM_SUFFIXES
from neural_style.config.fields import option


@dataclasses.dataclass(frozen=True, eq=False)
class Progress:
    """What a run reports while it goes on."""

    print_iterations: int | None = option("Progress", "Print the losses every N iterations.", None, bounds=">= 1")
    checkpoint_output: str | None = option(
        "Progress",
        "Where to write the best image so far, with a placeholder for the iteration: out_{:05}.jpg or out_%05d.jpg.",
        None,
        path=True,
    )
    checkpoint_iterations: int | None = option(
        "Progress", "Write a checkpoint every N iterations.", None, bounds=">= 1"
    )
    progress_write: bool = option("Progress", "Write a table of all losses next to the output.", False)
    progress_plot: bool = option(
        "Progress", "Plot the losses by term and by layer, and the time, to a PNG next to the output.", False
    )
    progress_film: str | None = option(
        "Progress",
        f"Write a film of the picture emerging to this file ({', '.join(FILM_SUFFIXES[:-1])} or {FILM_SUFFIXES[-1]}), "
        "at most 12 seconds long. With --resume, it shows the rest of the run.",
        None,
        path=True,
    )
    preview: bool = option(
        "Progress", "Show the picture in the terminal while it emerges, as well as the terminal can.", False
    )
    tensorboard: str | None = option(
        "Progress",
        "Log losses, speed, pictures and settings for TensorBoard, to a folder of the run's own in this one.",
        None,
        path=True,
    )
    profile: str | None = option(
        "Progress",
        "Record where a few evaluations at the full size spend their time, as a profile of TensorFlow in this folder.",
        None,
        path=True,
    )
    workdir: str | None = option(
        "Progress",
        "Folder for the checkpoints of the run, from which --resume goes on to the same picture after any end. One run "
        "uses it at a time.",
        None,
        path=True,
    )
    checkpoint_minutes: float = option(
        "Progress",
        "Write a checkpoint to --workdir every so many minutes. One is also written at the start, at the end of each "
        "size, and when the run is stopped.",
        5.0,
        bounds="> 0",
    )
    max_time: str | None = option(
        "Progress",
        "End the run after this time, such as 2h, 90m or 1h30m, and write the best image so far. It is counted from "
        "the start of the command, and anew with each --resume.",
        None,
    )
    json: bool = option(
        "Progress",
        "Print the facts of the run as one line of JSON on standard output in place of the line that tells what was "
        "written; on standard error with --output -.",
        False,
    )
    save_flags: str | None = option(
        "Progress", "Write the flags in effect to this file, for --flagfile.", None, path=True
    )
