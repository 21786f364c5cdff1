"""Contact sheets: pictures in rows and columns, with captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from neural_style.errors import OutputError
from neural_style.files import write_atomically

FORMATS = (".jpg", ".jpeg", ".png", ".webp")
"""Extensions of the files that sheets are written to."""

_GAP, _LINE = 8, 18


class Cell(NamedTuple):
    """A picture on a sheet, and a few words below it."""

    picture: Path
    caption: str = ""


def draw(columns: Sequence[str], rows: Sequence[Mapping[str, Cell]], width: int) -> Image.Image:
    """Draw a sheet.

    Args:
        columns: headings, which are the keys of the rows.
        rows: heading -> cell. A heading that is missing leaves a gap.
        width: of each picture in pixels. Pictures keep their aspect; each row is as high as its highest picture.
    """
    thumbnails = [{name: _thumbnail(cell.picture, width) for name, cell in row.items()} for row in rows]
    heights = [max((picture.height for picture in row.values()), default=0) for row in thumbnails]
    size = len(columns) * (width + _GAP) - _GAP, _LINE + sum(heights) + len(rows) * (_LINE + _GAP)
    sheet = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default()
    for column, name in enumerate(columns):
        left, top = column * (width + _GAP), _LINE
        pen.text((left, 2), _fitting(name, width, font), "black", font)
        for row, pictures, height in zip(rows, thumbnails, heights, strict=True):
            if name in pictures:
                sheet.paste(pictures[name], (left, top))
                below = top + pictures[name].height + 2
                pen.text((left, below), _fitting(row[name].caption, width, font), "black", font)
            top += height + _LINE + _GAP
    return sheet


def check_name(path: Path, option: str) -> None:
    """Raise OutputError unless a sheet can be written in the format that the name says."""
    if path.suffix.lower() not in FORMATS:
        raise OutputError(f"{option}: expected a file that ends with {', '.join(FORMATS)}, got {str(path)!r}")


def write(path: Path, sheet: Image.Image, option: str) -> None:
    """Write a sheet; replace a file there.

    Raises:
        OutputError: the file cannot be written.
    """
    write_atomically(path, lambda place: sheet.save(place, quality=88), overwrite=True, option=option)


def _thumbnail(path: Path, width: int) -> Image.Image:
    with Image.open(path) as image:
        picture = image.convert("RGB")
    return picture.resize((width, max(1, round(picture.height * width / picture.width))), Image.Resampling.LANCZOS)


def _fitting(text: str, width: int, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> str:
    """Cut a text to a width in pixels."""
    while text and font.getlength(text) > width:
        text = text[:-1]
    return text
