"""A contact sheet as a picture: tiles in rows, with headings and labels."""

from __future__ import annotations

import itertools
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image, ImageDraw, ImageFont

from neural_style.images.picture import printable

MOST_TILE_WIDTH = 512
"""Greatest width of a tile in pixels."""

MOST_COLUMNS = 12
"""Most columns of a sheet, unless it is a grid of two options."""

_GAP, _TEXT, _HEADING = 12, 13, 15  # the last two are sizes of letters in pixels
_LINES = 3  # most lines of a label
_INK, _PALE, _PAPER = "#222222", "#e8e8e8", "#ffffff"


@dataclass(frozen=True)
class Heading:
    """What a row or a column is about: text, a picture or both."""

    text: str
    picture: Image.Image | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Tile:
    """One place of a sheet."""

    label: str
    picture: Image.Image | None = field(default=None, repr=False)
    """None leaves the place marked as empty."""
    missing: str = ""
    """Why there is no picture."""
    command: str = ""
    """The command line to paste for the full run; empty for none."""
    file: str = ""
    """Path of the full picture, as seen from the sheet; empty for none."""
    thumbnail: Image.Image | None = field(default=None, repr=False)
    """A small picture beside the label."""


@dataclass(frozen=True)
class Sheet:
    """Tiles in rows of equal length, but for the last row, with headings if these tell options apart."""

    title: str
    rows: Sequence[Sequence[Tile]]
    columns: Sequence[Heading] = ()
    """One heading for each column, or none."""
    row_headings: Sequence[Heading] = ()
    """One heading for each row, or none."""
    notes: Sequence[str] = ()
    """Lines at the foot."""
    is_aligned: bool = False
    """Whether tiles belong below one another, though no heading says so."""

    @property
    def tiles(self) -> list[Tile]:
        """All tiles, row by row."""
        return list(itertools.chain(*self.rows))


def wrapped(tiles: Sequence[Tile]) -> list[Sequence[Tile]]:
    """Return tiles in rows, in about as many columns as rows; up to 4 in one row."""
    count = len(tiles) if len(tiles) <= 4 else min(MOST_COLUMNS, math.ceil(math.sqrt(len(tiles) * 1.25)))
    return [tiles[first : first + count] for first in range(0, len(tiles), count)]


def fitted(picture: Image.Image, width: int, height: int) -> Image.Image:
    """Return a picture in RGB, on white, reduced to fit into a box of pixels. It is not enlarged."""
    small = picture.convert("RGBA") if picture.mode in ("RGBA", "LA", "P", "PA") else picture.convert("RGB")
    ratio = min(1.0, width / small.width, height / small.height)
    if ratio < 1:
        size = max(1, round(small.width * ratio)), max(1, round(small.height * ratio))
        small = small.resize(size, Image.Resampling.LANCZOS)
    if small.mode == "RGBA":
        small = Image.alpha_composite(Image.new("RGBA", small.size, "white"), small)
    return small.convert("RGB")


def draw(sheet: Sheet) -> Image.Image:
    """Return the sheet as a picture in RGB."""
    pictures = [tile.picture for tile in sheet.tiles if tile.picture is not None]
    width = min(MOST_TILE_WIDTH, max([96, *(picture.width for picture in pictures)]))
    shapes = [min(1.0, width / picture.width) * picture.height for picture in pictures]
    height = math.ceil(max(shapes, default=width * 0.66))
    font, bold = _font(_TEXT), _font(_HEADING)
    side = 0 if not sheet.row_headings else max(64, min(width, 150))
    count = max(map(len, sheet.rows))
    labels = [[_lines(tile.label, font, width - _thumbnail_width(tile)) for tile in row] for row in sheet.rows]
    small = max((_thumbnail_width(tile) for tile in sheet.tiles), default=0)
    label_heights = [max(small, max((len(lines) for lines in row), default=0) * (_TEXT + 4)) + 4 for row in labels]
    head = _heading_height(sheet.columns, bold, width)
    full_width = _GAP + (side + _GAP if side else 0) + count * (width + _GAP)
    title = _lines(sheet.title, bold, full_width - 2 * _GAP)
    notes = [line for note in sheet.notes for line in _lines(note, font, full_width - 2 * _GAP)]
    top = _GAP + len(title) * (_HEADING + 5) + _GAP // 2 + head
    full_height = top + sum(height + each + _GAP for each in label_heights) + len(notes) * (_TEXT + 4) + _GAP
    canvas = Image.new("RGB", (full_width, full_height), _PAPER)
    pen = ImageDraw.Draw(canvas)
    _write(pen, title, (_GAP, _GAP), bold)
    left = _GAP + (side + _GAP if side else 0)
    for index, heading in enumerate(sheet.columns):
        _draw_heading(canvas, heading, (left + index * (width + _GAP), top - head), (width, head), bold)
    for index, (row, lines_of_row) in enumerate(zip(sheet.rows, labels, strict=True)):
        if side:
            _draw_heading(canvas, sheet.row_headings[index], (_GAP, top), (side, height), bold)
        for column, (tile, lines) in enumerate(zip(row, lines_of_row, strict=True)):
            at = left + column * (width + _GAP), top
            _draw_tile(canvas, tile, at, (width, height), font)
            shift = 0
            if tile.thumbnail is not None:
                canvas.paste(fitted(tile.thumbnail, _THUMBNAIL, _THUMBNAIL), (at[0], at[1] + height + 4))
                shift = _thumbnail_width(tile)
            _write(pen, lines, (at[0] + shift, at[1] + height + 3), font)
        top += height + label_heights[index] + _GAP
    _write(pen, notes, (_GAP, top), font)
    return canvas


_THUMBNAIL = 48


def _thumbnail_width(tile: Tile) -> int:
    return _THUMBNAIL + 6 if tile.thumbnail is not None else 0


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _draw_tile(canvas: Image.Image, tile: Tile, at: tuple[int, int], box: tuple[int, int], font) -> None:
    """Draw the picture of a tile, or a crossed box that says why there is none."""
    (left, top), (width, height) = at, box
    if tile.picture is not None:
        picture = fitted(tile.picture, width, height)
        canvas.paste(picture, (left + (width - picture.width) // 2, top + (height - picture.height) // 2))
        return
    if not tile.missing:
        return
    pen = ImageDraw.Draw(canvas)
    pen.rectangle((left, top, left + width - 1, top + height - 1), fill=_PALE, outline="#b0b0b0")
    pen.line((left, top, left + width - 1, top + height - 1), fill="#cccccc")
    pen.line((left, top + height - 1, left + width - 1, top), fill="#cccccc")
    most = max(1, (height - 8) // (_TEXT + 4))
    _write(pen, _lines(tile.missing, font, width - 16, most), (left + 8, top + 8), font)


def _heading_height(headings: Sequence[Heading], font, width: int) -> int:
    if not headings:
        return 0
    texts = max(len(_lines(heading.text, font, width, 2)) for heading in headings) * (_HEADING + 4)
    return texts + (72 if any(heading.picture is not None for heading in headings) else 0) + 4


def _draw_heading(canvas: Image.Image, heading: Heading, at: tuple[int, int], box: tuple[int, int], font) -> None:
    """Draw a heading: its picture above, its text below."""
    (left, top), (width, height) = at, box
    if heading.picture is not None:
        picture = fitted(heading.picture, width, min(68, max(16, height - (_HEADING + 4))))
        canvas.paste(picture, (left, top))
        top += picture.height + 2
    _write(ImageDraw.Draw(canvas), _lines(heading.text, font, width, 3), (left, top), font)


def _write(pen: ImageDraw.ImageDraw, lines: Sequence[str], at: tuple[int, int], font) -> None:
    step = (_HEADING + 5) if getattr(font, "size", _TEXT) == _HEADING else (_TEXT + 4)
    for index, line in enumerate(lines):
        pen.text((at[0], at[1] + index * step), line, fill=_INK, font=font)


def _lines(text: str, font, width: int, most: int = _LINES) -> list[str]:
    """Return a text in lines that fit into a width in pixels; what does not fit into the last line is cut off."""
    lines: list[str] = []
    for word in " ".join(_drawable(text).split()).split(" "):
        joined = f"{lines[-1]} {word}" if lines and lines[-1] else word
        if lines and font.getlength(joined) <= width:
            lines[-1] = joined
        elif word:
            lines.append(word)
    if len(lines) > most:
        lines = [*lines[: most - 1], " ".join(lines[most - 1 :])]
    return [_shortened(line, font, width) for line in lines]


def _drawable(text: str) -> str:
    """Return a text in letters that Pillow's own font has: without accents, and with ? for others."""
    plain = (letter for letter in unicodedata.normalize("NFKD", printable(text)) if not unicodedata.combining(letter))
    return "".join(letter if letter.isascii() or letter == "…" else "?" for letter in plain)


def _shortened(line: str, font, width: int) -> str:
    """Return a line with its middle left out, so that it fits into a width in pixels."""
    if font.getlength(line) <= width:
        return line
    for kept in range(len(line) - 1, 1, -1):
        short = f"{line[: (kept + 1) // 2]}…{line[len(line) - kept // 2 :]}"
        if font.getlength(short) <= width:
            return short
    return "…"
