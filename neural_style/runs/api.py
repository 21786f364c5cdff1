"""A run in one call."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from neural_style.config.config import Config
from neural_style.runs.step import Step
from neural_style.runs.stylizer import Stylizer


def stylize(config: Config) -> Iterator[Step]:
    """Paint `config.content` in the look of `config.styles`.

    Pictures are read and weights loaded before the first step. Output options of `config` are left to the caller. The
    same `config` gives the same images on the same machine; on a GPU bit for bit only after
    `configure_process(reproducible=True)`, and large ones only with a given `Config.memory`, since tiles round
    otherwise.

    Yields:
        A `Step` for the start image (iteration 0) and for every evaluation of the loss after it, at each size in turn.
        The result is the last one whose `best` is true. A size ends early where `Config.tolerance` says so, or L-BFGS
        finds no lower loss.

    Raises:
        ImageError: a picture cannot be read or is too small.
        WeightsError: the network's weights cannot be had or do not fit.
        UsageError: the device asked for is not there or does not compute in the precision asked for, the picture is
            too small for so many scales, or `Config.memory` is too small for the picture.
        OutOfMemoryError: memory failed in spite of the plan, and smaller tiles did not help; what was yielded before
            stays good.
        DivergenceError: loss or gradient stopped being finite twice; what was yielded before stays good.
    """
    with Stylizer.of(config).session(config) as session:
        yield from session


def render(config: Config) -> np.ndarray:
    """Paint `config.content` in the look of `config.styles` and return the image of the lowest loss.

    Returns:
        (height, width, 3), sRGB, or (height, width, 4) where the content has transparent parts: uint8, or uint16
        (0-65535) if `config.bit_depth` is 16.

    Raises:
        NeuralStyleError: as `stylize`.
    """
    with Stylizer.of(config).session(config) as session:
        for _ in session:
            pass
        return session.result().image
