"""The results folder: one picture and one JSON file for each method, level and pair at a width."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neural_style.config.config import OPTIONS, Config
from neural_style.errors import UsageError
from neural_style.files import write_atomically
from neural_style.images.writing import write_image
from quality_study.methods import Method
from quality_study.pairs import Pair

_NOT_COMPARED = ("weights", "device", "precision", "memory", "tile_size", "overwrite")
"""Options that do not make another method, and may differ from one part of a study to the next."""

Row = Mapping[str, Any]
"""What a JSON file holds: method, level, content, style, width, measures, evaluations, seconds, settings and more."""


@dataclass(frozen=True, eq=False)
class Job:
    """One picture of the study.

    Attributes:
        name: name of the method.
        method: the method.
        level: see `Method.swept`.
        pair: names of its pictures.
        config: settings of the method at its own style weight.
    """

    name: str
    method: Method
    level: float
    pair: Pair
    config: Config

    @property
    def settings(self) -> dict[str, Any]:
        """Return the options that make the method, as JSON returns them. A result with others is outdated."""
        chosen = {
            name: getattr(self.config, name)
            for name in sorted(self.config.given)
            if not OPTIONS[name].required and name not in _NOT_COMPARED
        }
        return json.loads(json.dumps({"preset": self.method.preset, **chosen}, default=str))

    @property
    def level_name(self) -> str:
        """Return the level for captions: a factor as x2, a value as it is."""
        return f"{'x' if self.method.swept == 'style_weight' else ''}{self.level:g}"

    def __str__(self) -> str:
        return f"{self.name} {self.level_name} {self.pair}"


class Results:
    """Reads and writes the results of a study."""

    def __init__(self, folder: Path):
        """Name the folder, which need not exist.

        Raises:
            UsageError: it is a file.
        """
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"--results: expected a folder, got the file {str(folder)!r}")
        self.folder = folder

    def picture_path(self, job: Job) -> Path:
        """Return where the picture is."""
        return self._path(job, ".png")

    def row(self, job: Job) -> Row | None:
        """Return the result of a job; None if there is none, or if it was made with other settings.

        Raises:
            UsageError: the file does not hold a result.
        """
        path = self._path(job, ".json")
        try:
            row = json.loads(path.read_text(encoding="utf-8"))
            is_current = row["settings"] == job.settings and isinstance(row["measures"], dict)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"--results: expected a result in {str(path)!r} ({error}); remove the file") from error
        return row if is_current and self.picture_path(job).is_file() else None

    def save(self, job: Job, picture: np.ndarray, row: Row) -> Row:
        """Write the picture, then the row with what identifies the job; each file appears whole or not at all."""
        row = {
            "method": job.name,
            "level": job.level,
            "content": job.pair.content,
            "style": job.pair.style,
            "settings": job.settings,
            **row,
        }
        text = json.dumps(row, indent=1) + "\n"
        write_image(self.picture_path(job), picture, settings={}, overwrite=True)
        write_atomically(
            self._path(job, ".json"),
            lambda path: path.write_text(text, encoding="utf-8"),
            overwrite=True,
            option="--results",
        )
        return row

    def _path(self, job: Job, suffix: str) -> Path:
        return self.folder / str(job.config.width) / job.name / f"{job.level:g}" / f"{job.pair}{suffix}"
