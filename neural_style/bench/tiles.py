"""Section `tiles`: what tiles cost, and how near they come to the whole picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neural_style.bench import program
from neural_style.bench.measuring import Row, medians, random_pictures

if TYPE_CHECKING:
    from neural_style.bench.options import Options

NOTE = "differences: to the whole picture's gradient, by its norm, and to its loss; float32."

WIDTHS = (768,)
"""Widths in pixels if none are given."""


def measure(options: Options, network: program.Network, width: int) -> list[Row]:
    """Compare tiles of a third of the picture with the whole."""
    config = program.resolve(options.config(), network)
    tile_size = width // 3
    content, style, start = random_pictures(width)
    whole = program.objective(config, network, content, [style])
    tiled = program.objective(config, network, content, [style], tile_size=tile_size)
    image = program.encode(whole, start)
    (losses, gradient), (tiled_losses, tiled_gradient) = whole.value_and_grad(image), tiled.value_and_grad(image)
    times = medians(
        {"whole": lambda: program.evaluate(whole, image), "tiled": lambda: program.evaluate(tiled, image)},
        options.repeats,
    )
    difference = np.linalg.norm(tiled_gradient - gradient) / np.linalg.norm(gradient)
    return [
        {
            "px": width,
            "tile px": tile_size,
            "gradient difference": float(difference),
            "loss difference": abs(float(tiled_losses.total) / float(losses.total) - 1),
            "whole s": times["whole"],
            "tiled s": times["tiled"],
            "tiled / whole": times["tiled"] / times["whole"],
        }
    ]
