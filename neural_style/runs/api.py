"""One run in one call."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from neural_style.config.config import Config
from neural_style.runs.display import shown
from neural_style.runs.step import Step
from neural_style.runs.stylizer import Stylizer


def stylize(config: Config, *, show_progress: bool = False) -> Iterator[Step]:
    """Paint `config.content` in the style of `config.styles`.

    Pictures and weights are read before the first step. The output options of `config` are left to the caller. The same
    `config` gives the same images on the same machine, to the bit, with two conditions. On a GPU, call
    `configure_process(reproducible=True)` first. For large pictures, set `Config.memory`, because different tiles round
    differently.

    Args:
        config: the run.
        show_progress: whether to show the run while it goes on: in a notebook, the best picture so far with its losses;
            elsewhere, a bar on standard error. Nothing is shown otherwise.

    Yields:
        A `Step` for the start image (iteration 0) and for every evaluation of the loss after it, at each size in turn.
        The result is the image of the last step whose `best` is true. A size ends early if its loss has converged
        (`Config.tolerance`), or if L-BFGS finds no lower loss.

    Raises:
        ImageError: a picture cannot be read or is too small.
        WeightsError: weights cannot be found or downloaded, or do not fit VGG19.
        UsageError: the device is not there or does not support the precision, the picture is too small for so many
            scales, or `Config.memory` is too small for the picture.
        OutOfMemoryError: memory failed in spite of the plan, and smaller tiles did not help.
        DivergenceError: loss or gradient stopped being finite twice.

    Steps that were yielded before an error stay valid.
    """
    with Stylizer.of(config).session(config) as session:
        yield from shown(session, show_progress)


def render(config: Config, *, show_progress: bool = False) -> np.ndarray:
    """Paint `config.content` in the style of `config.styles`; return the image with the lowest loss at full size.

    Args:
        config: the run.
        show_progress: as for `stylize`.

    Returns:
        SRGB, (height, width, 3), or (height, width, 4) if the content has transparent parts: uint8, or uint16 (0-65535)
        if `config.bit_depth` is 16.

    Raises:
        NeuralStyleError: see `stylize`.
    """
    with Stylizer.of(config).session(config) as session:
        for _ in shown(session, show_progress):
            pass
        return session.result().image
