"""What a run keeps of each step besides its losses by name: size, time, and losses by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from neural_style.runs.step import Step

_FACTS = 4
"""Columns before the losses: the number of the step, width, height, and seconds."""


class StepRecord(NamedTuple):
    """The numbers of one step that `Session.history` lacks."""

    scale: tuple[int, int]
    """Width and height in pixels at which the image was evaluated."""
    seconds: float
    """How long the evaluation took, what was done before the first at a size included; NaN if it is unknown."""
    by_layer: Mapping[tuple[str, str], float]
    """Weighted losses by term and layer."""

    @classmethod
    def of(cls, step: Step) -> StepRecord:
        """Return the record of a step."""
        by_layer = {
            (term, layer): value
            for term, of_layers in step.losses_by_layer.items()
            for layer, value in of_layers.items()
        }
        return cls(step.scale, np.nan if step.seconds is None else step.seconds, by_layer)


def records_to_array(records: Mapping[int, StepRecord]) -> tuple[np.ndarray, list[list[str]]]:
    """Return records by number of step as plain data.

    Returns:
        Float64 (steps, 4 + losses): number, width, height, seconds, and the losses, NaN where a step lacks one; and
        term and layer of each loss.
    """
    names = list(dict.fromkeys(name for record in records.values() for name in record.by_layer))
    rows = [
        [number, *record.scale, record.seconds, *(record.by_layer.get(name, np.nan) for name in names)]
        for number, record in records.items()
    ]
    return np.array(rows, np.float64).reshape(-1, _FACTS + len(names)), [list(name) for name in names]


def records_from_array(array: np.ndarray, names: Sequence[Sequence[str]]) -> dict[int, StepRecord]:
    """Return the records that `records_to_array` made plain data of.

    Raises:
        ValueError: there are not as many names as losses.
    """
    pairs = [(str(term), str(layer)) for term, layer in names]
    records = {}
    for number, width, height, seconds, *losses in array.tolist():
        by_layer = {name: loss for name, loss in zip(pairs, losses, strict=True) if not np.isnan(loss)}
        records[int(number)] = StepRecord((int(width), int(height)), seconds, by_layer)
    return records
