"""Write the losses of a run as a table and as a plot."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from neural_style.errors import UsageError
from neural_style.runs.step import LOSS_NAMES
from neural_style.runs.step_records import StepRecord

DPI = 120
"""Pixels of a plot per inch."""

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


def write_loss_plot(path: Path, history: History, records: Mapping[int, StepRecord] | None = None) -> None:
    """Plot the losses by term and by layer on logarithmic scales, and the time of each iteration, as a PNG.

    Args:
        path: where to write.
        history: the losses.
        records: sizes, times and losses by layer. What is missing is said in the plot.
    """
    from neural_style.cli.loss_plot import plotted

    plotted(history, records or {}).savefig(path, dpi=DPI, format="png")
