"""The cells of Figure 1 of Gatys et al. (CVPR 2016): what each layer of the network knows of a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neural_style.config import kinds
from neural_style.sheets.cells import Cell, config_of

CONTENT_LAYERS = ("relu1_2", "relu2_2", "relu3_2", "relu4_2", "relu5_2")
"""The layers that the content is rebuilt from, one at a time."""

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
"""The layers that the style is rebuilt from: the first, the first two, and so on."""

_SHARED: Mapping[str, Any] = {"loss": "balanced", "init": "noise", "tv_weight": 0.0, "preview_width": 0}

_CONTENT: Mapping[str, Any] = {"content_loss": "relative", "style_weight": 0.0}

_STYLE: Mapping[str, Any] = {"content_weight": 0.0, "style_loss": ("gram",), "style_layer_weight_exp": 1.0}


def cells_of_figure(values: Mapping[str, Any]) -> list[Cell]:
    """Return the cells: five contents, then five styles.

    Args:
        values: options of all runs, by name, which take precedence.

    Raises:
        UsageError: `Config` refuses a value.
    """
    own = [(f"content of {layer}", {**_SHARED, **_CONTENT}, {"content_layers": (layer,)}) for layer in CONTENT_LAYERS]
    for count in range(1, len(STYLE_LAYERS) + 1):
        title = (
            f"style of {STYLE_LAYERS[0]}" if count == 1 else f"style of {STYLE_LAYERS[0]} to {STYLE_LAYERS[count - 1]}"
        )
        chosen = dict[str, Any](style_layers=STYLE_LAYERS[:count])
        own.append((title, {**_SHARED, **_STYLE}, chosen))
    cells = []
    for number, (title, shared, changes) in enumerate(own, start=1):
        unused = {"styles", *kinds.OF_STYLE} if "content_layers" in changes else kinds.OF_CONTENT
        used = {name: value for name, value in values.items() if name not in unused}
        options = {**shared, **used, **changes}
        cells.append(Cell(number, config_of(options), changes, title, options))
    return cells
