"""Pictures as text for terminals: the graphics protocols of kitty and iTerm2, sixel, and half-blocks.

Each text draws a picture from the cursor on, into rows that are there, and ends in the first column of the row below.
"""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

ESCAPE = "\x1b"
RESET = f"{ESCAPE}[0m"
_START, _END = f"{ESCAPE}7", f"{ESCAPE}8"  # keep the cursor, and put it back

_KITTY_CHUNK = 4096
_SIXEL_COLORS = 255
_CUBE = np.array([0, 95, 135, 175, 215, 255])
"""Levels of the 6×6×6 colors among the 256 of xterm; 24 grays follow them."""


def kitty(picture: Image.Image, columns: int, rows: int, number: int) -> str:
    """Return a picture for kitty's graphics protocol (https://sw.kovidgoyal.net/kitty/graphics-protocol/).

    Args:
        picture: RGB.
        columns: width in cells.
        rows: height in cells.
        number: identifies the picture; another one of that number is replaced.
    """
    data = _encoded(picture, "PNG", compress_level=1)
    chunks = [data[at : at + _KITTY_CHUNK] for at in range(0, len(data), _KITTY_CHUNK)]
    facts = f"a=T,f=100,i={number},p=1,c={columns},r={rows},C=1,q=2,"
    texts = [
        f"{ESCAPE}_G{facts if at == 0 else ''}m={int(at < len(chunks) - 1)};{chunk}{ESCAPE}\\"
        for at, chunk in enumerate(chunks)
    ]
    return _kept("".join(texts), rows)


def without_kitty(number: int) -> str:
    """Return what removes a picture of `kitty`, which text does not erase."""
    return f"{ESCAPE}_Ga=d,d=I,i={number},q=2;{ESCAPE}\\"


def iterm2(picture: Image.Image, columns: int, rows: int) -> str:
    """Return a picture for iTerm2's inline images (https://iterm2.com/documentation-images.html).

    Args:
        picture: RGB.
        columns: width in cells.
        rows: height in cells.
    """
    data = _encoded(picture, "JPEG", quality=90)
    size = len(base64.b64decode(data))
    facts = f"size={size};inline=1;width={columns};height={rows};preserveAspectRatio=0;doNotMoveCursor=1"
    return _kept(f"{ESCAPE}]1337;File={facts}:{data}\a", rows)


def sixel(picture: Image.Image, rows: int) -> str:
    """Return a picture as sixel graphics, with 255 colors (DEC STD 070, chapter 9).

    Args:
        picture: RGB. The rows of cells are high enough for it.
        rows: height in cells.
    """
    few = picture.quantize(_SIXEL_COLORS, Image.Quantize.FASTOCTREE)
    few = picture.quantize(palette=few, dither=Image.Dither.FLOYDSTEINBERG)
    palette = np.array(few.getpalette("RGB") or [], np.int64).reshape(-1, 3)
    indices = np.asarray(few)
    used = np.unique(indices).tolist()
    parts = [f'{ESCAPE}P0;1;0q"1;1;{picture.width};{picture.height}']
    parts += [f"#{color};2;" + ";".join(str(round(level * 100 / 255)) for level in palette[color]) for color in used]
    for top in range(0, picture.height, 6):
        band = indices[top : top + 6]
        bits = (1 << np.arange(len(band)))[:, None]
        colors = np.unique(band).tolist()
        lines = [f"#{color}" + _run_lengths(np.where(band == color, bits, 0).sum(axis=0)) for color in colors]
        parts.append("$".join(lines) + "-")
    return _kept("".join(parts) + f"{ESCAPE}\\", rows)


def _run_lengths(values: np.ndarray) -> str:
    """Return six-bit values as characters, with repetitions as numbers."""
    starts = np.flatnonzero(np.diff(values, prepend=-1))
    lengths = np.diff(starts, append=len(values))
    text = []
    for value, length in zip(values[starts].tolist(), lengths.tolist(), strict=True):
        character = chr(63 + value)
        text.append(f"!{length}{character}" if length > 3 else character * length)
    return "".join(text)


def half_blocks(picture: Image.Image, *, full_color: bool) -> str:
    """Return a picture as text: two pixels in each cell, one above the other.

    Args:
        picture: RGB, with a column of pixels for each column of cells and two rows for each row.
        full_color: whether the terminal has 24 bits of color, not only the 256 colors of xterm.
    """
    pixels = np.asarray(picture)
    colors: list[list[str]]
    if full_color:
        colors = [[f"2;{r};{g};{b}" for r, g, b in row] for row in pixels.tolist()]
    else:
        colors = [[f"5;{index}" for index in row] for row in nearest_of_256(pixels).tolist()]
    lines = []
    for upper, lower in zip(colors[::2], colors[1::2], strict=True):
        line, before = [], ("", "")
        for above, below in zip(upper, lower, strict=True):
            line.append(f"{ESCAPE}[38;{above};48;{below}m▀" if (above, below) != before else "▀")
            before = above, below
        lines.append("".join(line) + RESET)
    return "".join(f"{line}\r\n" for line in lines)


def nearest_of_256(rgb: np.ndarray) -> np.ndarray:
    """Return the nearest of xterm's 256 colors, apart from the first 16, which users may change.

    Args:
        rgb: uint8 (..., 3).

    Returns:
        Indices, 16-255, of the shape (...).
    """
    values = rgb.astype(np.int64)
    levels = np.abs(values[..., None] - _CUBE).argmin(axis=-1)
    cube = levels @ np.array([36, 6, 1]) + 16
    grays = np.clip((values.mean(axis=-1) - 8 + 5) // 10, 0, 23).astype(np.int64)
    of_cube = np.square(values - _CUBE[levels]).sum(axis=-1)
    of_grays = np.square(values - (8 + 10 * grays)[..., None]).sum(axis=-1)
    return np.where(of_grays < of_cube, 232 + grays, cube)


def _encoded(picture: Image.Image, kind: str, **options: int) -> str:
    data = io.BytesIO()
    picture.save(data, kind, **options)
    return base64.b64encode(data.getvalue()).decode("ascii")


def _kept(text: str, rows: int) -> str:
    """Return a text after which the cursor is below some rows, wherever it leads."""
    return f"{_START}{text}{_END}{ESCAPE}[{rows}B\r"
