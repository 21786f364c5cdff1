"""A contact sheet as one HTML file that needs no other file and no connection."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator
from urllib.parse import quote

from PIL import Image

from neural_style.images.picture import printable
from neural_style.sheets.layout import MOST_TILE_WIDTH, Heading, Sheet, Tile, fitted

_QUALITY = 88  # of the embedded JPEG pictures

_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #222; --soft: #666; --box: #f2f2f2; --edge: #ccc }
@media (prefers-color-scheme: dark) {
  :root { --paper: #191919; --ink: #e6e6e6; --soft: #a0a0a0; --box: #262626; --edge: #444 }
}
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1rem; max-width: 2400px; background: var(--paper); color: var(--ink);
  font: 15px/1.4 system-ui, sans-serif }
h1 { font-size: 1.2rem; margin: 0 0 1rem; overflow-wrap: anywhere }
main { display: grid; gap: 1rem; align-items: start }
main.free { grid-template-columns: repeat(auto-fill, minmax(min(100%, 230px), 1fr)) }
main.rows { grid-template-columns: repeat(var(--columns), minmax(0, 1fr)) }
main.headed { grid-template-columns: minmax(4rem, 8rem) repeat(var(--columns), minmax(0, 1fr)) }
figure { margin: 0; min-width: 0 }
figure img { display: block; width: 100%; height: auto; border-radius: 3px }
figcaption { margin-top: .3rem; overflow-wrap: anywhere }
figcaption img { width: 56px; float: left; margin-right: .5rem }
h2 { font-size: 1rem; margin: 0; overflow-wrap: anywhere }
h2 img { display: block; max-width: 100%; max-height: 90px }
.missing { aspect-ratio: 3 / 2; padding: .6rem; background: var(--box); border: 1px dashed var(--edge);
  overflow: auto; overflow-wrap: anywhere }
.paste { display: flex; gap: .4rem; margin-top: .2rem; align-items: start; clear: both }
code { flex: 1; min-width: 0; padding: .3rem; background: var(--box); font-size: 12px; overflow-wrap: anywhere;
  user-select: all; max-height: 5.2em; overflow: auto }
button { font: inherit; font-size: 12px; padding: .2rem .5rem }
footer { margin-top: 1rem; color: var(--soft); overflow-wrap: anywhere }
@media (max-width: 700px) {
  main.rows, main.headed { grid-template-columns: repeat(auto-fill, minmax(min(100%, 160px), 1fr)) }
  main .head { display: none }
}
"""

_SCRIPT = """
document.addEventListener("click", async (event) => {
  if (event.target.tagName !== "BUTTON") return;
  const button = event.target, code = button.previousElementSibling;
  try {
    await navigator.clipboard.writeText(code.textContent);
  } catch {
    getSelection().selectAllChildren(code);
    document.execCommand("copy");
  }
  button.textContent = "copied";
  setTimeout(() => { button.textContent = "copy" }, 1500);
});
"""


def page(sheet: Sheet) -> str:
    """Return the sheet as HTML. Pictures are embedded, and nothing is loaded from elsewhere."""
    title = _escaped(sheet.title)
    return "".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
            "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n",
            f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n",
            *_main(sheet),
            "<footer>",
            *(f"<div>{_escaped(note)}</div>" for note in sheet.notes),
            f"</footer>\n<script>{_SCRIPT}</script>\n</body>\n</html>\n",
        )
    )


def _main(sheet: Sheet) -> Iterator[str]:
    kind = "headed" if sheet.row_headings else "rows" if sheet.columns or sheet.is_aligned else "free"
    yield f'<main class="{kind}" style="--columns: {max(map(len, sheet.rows))}">\n'
    if sheet.row_headings and sheet.columns:
        yield '<span class="head"></span>\n'
    yield from map(_heading, sheet.columns)
    for index, row in enumerate(sheet.rows):
        if sheet.row_headings:
            yield _heading(sheet.row_headings[index])
        yield from map(_tile, row)
    yield "</main>\n"


def _heading(heading: Heading) -> str:
    picture = "" if heading.picture is None else f'<img src="{_data(heading.picture, 160)}" alt="">'
    return f'<h2 class="head">{picture}{_escaped(heading.text)}</h2>\n'


def _tile(tile: Tile) -> str:
    if tile.picture is not None:
        shown = f'<img src="{_data(tile.picture, MOST_TILE_WIDTH)}" alt="{_escaped(tile.label)}">'
        if tile.file:
            shown = f'<a href="{_escaped(quote(printable(tile.file)))}">{shown}</a>'
    else:
        shown = f'<div class="missing">{_escaped(tile.missing)}</div>' if tile.missing else ""
    small = "" if tile.thumbnail is None else f'<img src="{_data(tile.thumbnail, 112)}" alt="">'
    paste = ""
    if tile.command:
        paste = f'<div class="paste"><code>{_escaped(tile.command)}</code><button type="button">copy</button></div>'
    return f"<figure>{shown}<figcaption>{small}{_escaped(tile.label)}{paste}</figcaption></figure>\n"


def _data(picture: Image.Image, side: int) -> str:
    """Return a picture as a data URI, reduced to a side in pixels."""
    file = io.BytesIO()
    fitted(picture, side, 8 * side).save(file, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _escaped(text: str) -> str:
    return html.escape(printable(text))
