"""The results, for people and for programs."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from typing import Any

from neural_style import __version__
from neural_style.bench.measuring import Row
from neural_style.bench.options import Options
from neural_style.bench.sections import SECTIONS


def table(results: Mapping[str, Sequence[Row]]) -> str:
    """Return a table of each section, and a note that explains its columns."""
    blocks = []
    for section, rows in results.items():
        columns = list(dict.fromkeys(column for row in rows for column in row))
        cells = [columns, *([_cell(row.get(column)) for column in columns] for row in rows)]
        widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
        blocks.append("\n".join([section, *lines, SECTIONS[section].note]))
    return "\n\n".join(blocks)


def to_json(results: Mapping[str, Sequence[Row]], options: Options) -> str:
    """Return results, options and the machine as JSON."""
    facts = {
        "options": dataclasses.asdict(options),
        "neural_style": __version__,
        "tensorflow": importlib.metadata.version("tensorflow"),
        "platform": platform.platform(),
        "processor": platform.processor(),
    }
    return json.dumps({**facts, **results}, indent=2) + "\n"


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
