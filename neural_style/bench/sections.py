"""The table of the sections: a new one needs its own module and one row here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neural_style.bench import evaluations, memory, optimizers, quality, startup, tiles
from neural_style.bench.measuring import Row

if TYPE_CHECKING:
    from neural_style.bench.options import Options
    from neural_style.bench.program import Network


def _nothing(*_: object) -> None:
    pass


@dataclass(frozen=True)
class Section:
    """What can be measured.

    Attributes:
        measure: returns the rows of pictures of one width.
        note: explains the columns.
        widths: of the pictures, in pixels, if none are given.
        prepare: raises what can be known to be wrong before anything is measured.
        finish: adds columns to the rows of all widths.
        takes_preset: whether it measures presets, too.
    """

    measure: Callable[[Options, Network, int], list[Row]]
    note: str
    widths: tuple[int, ...] = (256, 512)
    prepare: Callable[[Options], None] = _nothing
    finish: Callable[[list[Row]], None] = _nothing
    takes_preset: bool = True


SECTIONS: Mapping[str, Section] = {
    "eval": Section(evaluations.measure, evaluations.NOTE),
    "optimizer": Section(optimizers.measure, optimizers.NOTE),
    "startup": Section(startup.measure, startup.NOTE),
    "quality": Section(quality.measure, quality.NOTE, quality.WIDTHS, quality.prepare, takes_preset=False),
    "tiles": Section(tiles.measure, tiles.NOTE, tiles.WIDTHS),
    "memory": Section(memory.measure, memory.NOTE, memory.WIDTHS, memory.prepare, memory.compare_sizes),
}
"""Name on the command line -> section, in the order in which they are measured."""
