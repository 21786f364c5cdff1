"""Write the losses of a run as a table and as a plot."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from neural_style.errors import UsageError
from neural_style.runs.step import LOSS_NAMES

History = Mapping[int, Mapping[str, float]]
"""Iteration -> weighted losses by name."""


def check_can_plot() -> None:
    """Check that matplotlib is installed, without importing it.

    Raises:
        UsageError: it is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError(
            "progress_plot: expected matplotlib, which is not installed; pip install matplotlib, or use "
            "--progress_write"
        )


def write_loss_table(path: Path, history: History) -> None:
    """Write a text file with a line of names and then one line per iteration, which NumPy's `loadtxt` reads."""
    rows = [[iteration, *(losses[name] for name in LOSS_NAMES)] for iteration, losses in history.items()]
    np.savetxt(path, rows, fmt=["%d"] + ["%.9g"] * len(LOSS_NAMES), header=" ".join(["iteration", *LOSS_NAMES]))


def write_loss_plot(path: Path, history: History) -> None:
    """Plot the losses over the iterations, on a logarithmic scale, as a PNG of 960×600 pixels."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for name in LOSS_NAMES:
        values = [losses[name] for losses in history.values()]
        if any(value > 0 for value in values):
            axes.plot(list(history), values, label=name)
    axes.set(xlabel="iteration", ylabel="weighted loss", yscale="log")
    axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120, format="png")
