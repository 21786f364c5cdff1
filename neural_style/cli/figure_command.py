"""The command `figure`: rebuild a photo and a painting from the layers of the network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from neural_style.cli import contact_sheets
from neural_style.cli.outputs import pictures_of
from neural_style.errors import UsageError
from neural_style.images.picture import describe
from neural_style.sheets.figure import cells_of_figure
from neural_style.sheets.layout import Sheet, Tile

_FIXED = (
    *("content_layers", "style_layers", "content_weight", "style_weight", "strength", "init", "initial", "color"),
    *("size", "seamless", "content_masks", "style_masks"),
)
"""Options that the figure decides."""


def run(arguments: Sequence[str]) -> Iterator[str]:
    """Run the command; yield lines of text.

    Args:
        arguments: flags of a run.

    Raises:
        NeuralStyleError: see `contact_sheets.make`.
    """
    request = contact_sheets.Request("figure", arguments)
    for name in _FIXED:
        if name in request.values:
            raise UsageError(f"--{name}: expected nothing for it, since figure decides it in each cell; leave it out")
    if len(request.values["styles"]) != 1:
        raise UsageError(f"--styles: expected one painting for figure, got {len(request.values['styles'])}")
    if request.is_draft:
        request.is_draft = False
        del request.values["quality"]
    cells = cells_of_figure(request.values)
    config = cells[-1].config
    side = config.width or contact_sheets.WIDTH
    photo, painting = (contact_sheets.shown_picture(each, config.max_pixels, side) for each in pictures_of(config))

    def arranged(tiles: Sequence[Tile]) -> Sheet:
        half = len(tiles) // 2
        rows = [[Tile("the photo", photo), *tiles[:half]], [Tile("the painting", painting), *tiles[half:]]]
        return Sheet(
            f"{' and '.join(map(describe, pictures_of(config)))}, rebuilt from layers of VGG19",
            rows,
            is_aligned=True,
        )

    yield from contact_sheets.make(request, cells, arranged, paste=False)
