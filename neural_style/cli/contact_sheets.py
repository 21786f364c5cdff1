"""Make a contact sheet: check its runs and its files, paint, and write each cell, the sheet and the page."""

from __future__ import annotations

import dataclasses
import os
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from neural_style import __version__, files
from neural_style.cli import flag_files, flags, signals, standard_streams
from neural_style.cli.console import say, show_notes, with_dashes
from neural_style.cli.outputs import Outputs, pictures_of, stem_of
from neural_style.cli.tensorflow_import import import_tensorflow
from neural_style.config import presets
from neural_style.config.config import OPTIONS, Config
from neural_style.config.resolve import resolve
from neural_style.errors import ImageError, NeuralStyleError, UsageError
from neural_style.images import writing
from neural_style.images.folders import is_folder, pictures_in
from neural_style.images.picture import to_uint8
from neural_style.images.reading import read_image
from neural_style.sheets import layout
from neural_style.sheets.batch import Batch, Painted
from neural_style.sheets.cells import Cell, config_of, shown_value
from neural_style.sheets.layout import Heading, Sheet, Tile
from neural_style.sheets.page import page

WIDTH = 256
"""Width of the cells in pixels, unless another is asked for."""

FULL_WIDTH = 1024
"""Width in pixels of the full run that a sheet suggests, or more if the cells are wider."""

_DRAFT, _NORMAL = "sketch", OPTIONS["quality"].default

_THUMBNAIL = 160  # side in pixels of the pictures in headings

_ELSEWHERE = tuple(name for name, option in OPTIONS.items() if option.group == "Progress")
"""Options of what a single run writes and prints, which a sheet has no use for."""


class Request:
    """What the command line asks of a sheet: the options that its runs share, and where it goes."""

    def __init__(self, command: str, arguments: Sequence[str], varied: Sequence[str] = ()):
        """Read the flags.

        Args:
            command: name of the command.
            arguments: flags of a run.
            varied: options that differ from cell to cell, so that they need not be given.

        Raises:
            UsageError: a flag is wrong, is missing, or is of no use for a sheet.
        """
        given = flags.given(arguments)
        for name in _ELSEWHERE:
            if given.pop(name, OPTIONS[name].default) != OPTIONS[name].default:
                raise UsageError(
                    f"--{name}: expected flags that affect the picture, got one that is for single runs alone; "
                    f"leave it out of {command}"
                )
        for name, value in given.items():
            values = value if isinstance(value, (list, tuple)) else (value,)
            if name in OPTIONS and OPTIONS[name].is_picture and any(map(standard_streams.is_dash, values)):
                raise UsageError(
                    f"--{name}: expected pictures with names, since the flag files of a sheet repeat its runs, got "
                    "standard input; save it to a file"
                )
        has_size = "size" in given or "size" in varied
        for name, example in (("content", "photo.jpg"), ("styles", "painting.jpg")):
            if name not in given and name not in varied and not (name == "content" and has_size):
                raise UsageError(f"{command}: expected --{name}, got none; for example: --{name} {example}")
        self.command = command
        self.output: str | None = given.pop("output", None)
        self.overwrite: bool = given.pop("overwrite", False)
        self.is_draft = "quality" not in given and "quality" not in varied
        shared = {**({} if has_size else {"width": WIDTH}), **({"quality": _DRAFT} if self.is_draft else {})}
        self.values: dict[str, Any] = {**shared, **given}


class Files:
    """The files of a sheet: the picture, the page, and a folder with two files for each cell."""

    def __init__(self, request: Request, cells: Sequence[Cell]):
        """Choose the names. Nothing is written."""
        self.overwrite = request.overwrite
        if request.output is not None:
            self.sheet = Path(os.path.expanduser(request.output))
        else:
            name = stem_of(pictures_of(cells[0].config), request.command)
            places = [Path(f"{name}.png"), *(Path(f"{name}-{number}.png") for number in range(2, 10_000))]
            is_free = (path for path in places if self.overwrite or not any(map(os.path.lexists, _parts(path))))
            self.sheet = next(is_free, places[-1])
        _, self.page, self.folder = _parts(self.sheet)
        self._digits = max(2, len(str(len(cells))))

    def picture(self, cell: Cell) -> Path:
        """Return the path of the picture of a cell."""
        return self.folder / f"cell-{cell.number:0{self._digits}}.png"

    def flags(self, cell: Cell) -> Path:
        """Return the path of the flag file of a cell."""
        return self.picture(cell).with_suffix(".cfg")

    def check(self, cells: Sequence[Cell], sizes: Sequence[tuple[int, int]]) -> None:
        """Check that every file can be written, without writing any.

        Raises:
            OutputError: one cannot; see `Outputs.check`.
        """
        for cell, size in zip(cells, sizes, strict=True):
            files.check_writable(self.flags(cell), "output", overwrite=self.overwrite)
            own: Any = {"output": str(self.picture(cell)), "save_flags": str(self.flags(cell))}
            Outputs(dataclasses.replace(cell.config, overwrite=self.overwrite, **own), size).check()
            sheet: Any = {"output": str(self.sheet), "bit_depth": 8, "overwrite": self.overwrite}
            Outputs(dataclasses.replace(cell.config, **sheet), size).check()
        files.check_writable(self.page, "output", overwrite=self.overwrite)

    def write_cell(self, painted: Painted) -> None:
        """Write the picture of a cell, as its command line would, and its flag file."""
        assert painted.step is not None and painted.config is not None and painted.network is not None
        config = dataclasses.replace(painted.config, output=str(self.picture(painted.cell)), overwrite=self.overwrite)
        size = painted.step.image.shape[1], painted.step.image.shape[0]
        Outputs(config, size).write_result(painted.step, painted.network)
        repeated = dataclasses.replace(painted.config, output=None, overwrite=False)
        lines = flag_files.lines_that_repeat(repeated, {"weights": painted.network.reference})
        head = f"# neural-style {__version__}, cell {painted.cell.number}: {painted.cell.label}"
        data = "".join(f"{line}\n" for line in (" ".join(head.split()), *lines)).encode("utf-8", "replace")
        self._write(self.flags(painted.cell), data)

    def write_sheet(self, sheet: Sheet) -> None:
        """Write the sheet and its page."""
        settings = {"sheet": sheet.title, "cells": [tile.label for tile in sheet.tiles]}
        writing.write_image(self.sheet, np.asarray(layout.draw(sheet)), settings=settings, overwrite=self.overwrite)
        self._write(self.page, page(sheet).encode("utf-8"))

    def _write(self, path: Path, data: bytes) -> None:
        files.write_atomically(path, lambda file: file.write_bytes(data), overwrite=self.overwrite, option="output")


def _parts(sheet: Path) -> tuple[Path, Path, Path]:
    """Return the paths of a sheet, its page and its folder."""
    return sheet, sheet.with_suffix(".html"), sheet.with_suffix("")


def make(
    request: Request, cells: Sequence[Cell], arranged: Callable[[Sequence[Tile]], Sheet], *, paste: bool = True
) -> Iterator[str]:
    """Paint the cells and write the files; yield lines of text.

    Args:
        request: what was asked for.
        cells: the runs.
        arranged: puts the tiles of the cells, in their order, on a sheet.
        paste: whether a full run of a cell makes sense.

    Raises:
        NeuralStyleError: a run cannot begin or a file cannot be written; or some cells failed, after all else was
            written.
        Interrupted: a signal stopped the runs; what was painted is written.
    """
    show_notes()
    batch, out = Batch(cells), Files(request, cells)
    if not out.sheet.suffix:
        raise UsageError(f"output: expected a name that ends in .png or .jpg, got {str(out.sheet)!r}")
    sizes = batch.check()
    out.check(cells, sizes)
    draft = f", quality {_DRAFT}" if request.is_draft else ""
    say(f"{request.command}: {len(cells)} cells, {sizes[0][0]} px wide{draft}, into {out.folder}{os.sep}")
    import_tensorflow()
    tiles = {cell.number: Tile(f"{cell.number}: {cell.label}", missing="not painted") for cell in cells}
    failed: dict[int, Exception] = {}
    stopped: signals.Interrupted | None = None
    began, done = time.monotonic(), 0
    painting = batch.paint()
    try:
        for painted in painting:
            done += 1
            _report(painted, done, len(cells), time.monotonic() - began)
            if painted.step is None:
                failed[painted.cell.number] = painted.error or NeuralStyleError("no image")
                told = f"failed: {painted.error}"
                tiles[painted.cell.number] = Tile(tiles[painted.cell.number].label, missing=told)
                continue
            out.write_cell(painted)
            tiles[painted.cell.number] = _tile(painted, out, request, paste=paste)
    except signals.Interrupted as signal:
        stopped = signal
    signals.ignore()
    painting.close()
    if stopped is not None and not any(tile.picture is not None for tile in tiles.values()):
        raise stopped
    sheet = arranged([tiles[cell.number] for cell in cells])
    out.write_sheet(dataclasses.replace(sheet, notes=notes(out, request, cells[0].config)) if paste else sheet)
    yield f"wrote {out.sheet}, {out.page} and the cells in {out.folder}{os.sep} ({time.monotonic() - began:.0f} s)"
    if stopped is not None:
        say(f"stopped: {len(cells) - done} of {len(cells)} cells are not painted")
        raise stopped
    if failed:
        numbers = ", ".join(map(str, sorted(failed)))
        raise NeuralStyleError(f"{request.command}: {len(failed)} of {len(cells)} cells failed: {numbers}")


def _report(painted: Painted, done: int, count: int, elapsed: float) -> None:
    """Print one line about a cell, with the time left."""
    left = f"; about {tqdm.format_interval(elapsed / done * (count - done))} left" if done < count else ""
    cell = painted.cell
    name = f"cell {cell.number} ({done} of {count} done): {cell.label}"
    if painted.step is None:
        say(f"{name}: failed: {with_dashes(str(painted.error))}{left}")
        return
    say(f"{name}: {painted.iterations} iterations in {painted.seconds:.1f} s{left}")


def _tile(painted: Painted, out: Files, request: Request, *, paste: bool) -> Tile:
    """Return the tile of a cell that was painted and written."""
    assert painted.step is not None
    image = painted.step.image_with_alpha
    if image.dtype != np.uint8:
        image = (image // 257).astype(np.uint8)
    cell = painted.cell
    picture = layout.fitted(Image.fromarray(image), layout.MOST_TILE_WIDTH, 8 * layout.MOST_TILE_WIDTH)
    command = full_run(painted, out.flags(cell), request) if paste else ""
    file = f"{out.folder.name}/{out.picture(cell).name}"
    return Tile(f"{cell.number}: {cell.label}", picture, command=command, file=file)


def full_run(painted: Painted, path: Path, request: Request) -> str:
    """Return the command line of the full run of a cell, from its flag file.

    Flags beside the file undo the draft, where the sheet chose it.
    """
    assert painted.network is not None
    larger = full_size(painted.cell.config)
    shell = ["--flagfile", os.fspath(path), *(f"--{name}={value}" for name, value in larger.items())]
    if request.is_draft:
        shell += ["--quality", _NORMAL]
        options = {**painted.cell.options, **larger, "quality": _NORMAL}
        wanted = resolve(config_of(options), painted.network.settings)
        got = resolve(flags.parse(shell), painted.network.settings)
        for name, option in OPTIONS.items():
            value = getattr(wanted, name)
            if option.group == "Optimization" and value is not None and value != getattr(got, name):
                shell += [f"--{name}", *map(str, value if option.is_list else [value])]
    return "python -m neural_style " + " ".join(map(shlex.quote, shell))


def full_size(config: Config) -> dict[str, Any]:
    """Return the options that give the full run of a cell its size: a width, or the size of a texture."""
    if config.texture_size is None:
        return {"width": max(config.width or 0, FULL_WIDTH)}
    factor = max(FULL_WIDTH // max(config.texture_size), 1)  # a whole number, so that seamless textures stay possible
    return {"size": "x".join(str(factor * side) for side in config.texture_size)}


def notes(out: Files, request: Request, config: Config) -> list[str]:
    """Return the lines at the foot of a sheet: how to repeat and enlarge a cell."""
    draft = f" --quality {_NORMAL}" if request.is_draft else ""
    path = shlex.quote(f"{out.folder}{os.sep}cell-NN.cfg")
    size = " ".join(f"--{name}={value}" for name, value in full_size(config).items())
    return [f"Full run of cell NN: python -m neural_style --flagfile {path} {size}{draft}"]


def shown_picture(source: Any, max_pixels: int, side: int = layout.MOST_TILE_WIDTH) -> Image.Image:
    """Return a picture, or the first of a folder, reduced to a side in pixels."""
    path = pictures_in(source, "style folder")[0] if is_folder(source) else source
    picture = Image.fromarray(to_uint8(read_image(path, "picture", max_pixels).rgb))
    return layout.fitted(picture, side, side)


def heading(name: str, value: Any, max_pixels: int, *, bare: bool = False) -> Heading:
    """Return the heading of a value of an option; a picture is shown.

    Args:
        name: name of the option.
        value: its value.
        max_pixels: as `Config.max_pixels`.
        bare: whether to leave the name out.
    """
    text = shown_value(value) if bare else f"{name} {shown_value(value)}"
    is_picture = name != presets.FLAG and OPTIONS[name].is_picture and name != "init"
    source = value[0] if isinstance(value, (list, tuple)) and value else value
    if not is_picture:
        return Heading(text)
    try:
        return Heading(text, shown_picture(source, max_pixels, _THUMBNAIL))
    except ImageError:  # removed since it was painted
        return Heading(text)


def grid(
    title: str, vary: Mapping[str, Sequence[Any]], request: Request, *, bare: bool = False
) -> Callable[[Sequence[Tile]], Sheet]:
    """Return a function that arranges tiles: two options span a grid, others are wrapped.

    Args:
        title: title of the sheet.
        vary: the options that differ, and their values.
        request: what was asked for.
        bare: whether headings leave out the names of the options.
    """
    most = request.values.get("max_pixels", OPTIONS["max_pixels"].default)
    several = {name: values for name, values in vary.items() if len(values) > 1}
    pictures = [name for name in several if name in ("styles", "content")]

    def arranged(tiles: Sequence[Tile]) -> Sheet:
        if len(several) == 2 and len([*several.values()][1]) <= layout.MOST_COLUMNS:
            (down, rows), (across, columns) = several.items()
            tops = [heading(across, value, most, bare=bare) for value in columns]
            sides = [heading(down, value, most, bare=bare) for value in rows]
            step = len(columns)
            return Sheet(title, [tiles[first : first + step] for first in range(0, len(tiles), step)], tops, sides)
        if len(several) == 1 and pictures:
            smalls = [heading(pictures[0], value, most).picture for value in several[pictures[0]]]
            tiles = [dataclasses.replace(tile, thumbnail=small) for tile, small in zip(tiles, smalls, strict=True)]
        return Sheet(title, layout.wrapped(tiles))

    return arranged
