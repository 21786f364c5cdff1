"""The plot of a run: losses by term and by layer, and the time of each iteration, over the iterations."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from neural_style.runs.step import LOSS_NAMES
from neural_style.runs.step_records import StepRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLORS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F")
"""Those of Okabe and Ito, which the color-blind tell apart: https://jfly.uni-koeln.de/color/."""
_LINES = ("-", "--", "-.", ":")
_MARKERS = "osD^vPX*<>"

_WIDTH, _HEIGHT_OF_TIME = 10.0, 1.5
_HEIGHT_OF_FEW, _HEIGHT_EACH = 2.6, 0.19
"""Height of a panel of few curves in inches, and of each curve's label."""

_MARKS = 12
"""About how many markers a curve has."""

_FAR = 5
"""From this ratio of the longest to the shortest time on, times are on a logarithmic scale."""

_LABEL_GAP = 0.19
"""Least distance of two labels in inches."""


class _Curve(NamedTuple):
    name: str
    values: np.ndarray
    """One for each iteration; NaN where there is none."""


class _Panel(NamedTuple):
    title: str
    curves: Sequence[_Curve]

    @property
    def height(self) -> float:
        return max(_HEIGHT_OF_FEW, 0.7 + _HEIGHT_EACH * len(self.curves))


class _Part(NamedTuple):
    """Iterations of one size."""

    begin: int
    """Index of the first."""
    end: int
    """Index after the last."""
    label: str


def plotted(losses: Mapping[int, Mapping[str, float]], records: Mapping[int, StepRecord]) -> Figure:
    """Return the plot of a run.

    Args:
        losses: iteration -> weighted losses by name.
        records: iteration -> size, time and losses by layer. Iterations may be missing, which the plot then says.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    iterations = np.array(list(losses), np.int64)
    panels = [_terms(losses), *_layers(iterations, records)]
    seconds = np.array([records[i].seconds if i in records else np.nan for i in iterations.tolist()])
    heights = [*(panel.height for panel in panels), *([_HEIGHT_OF_TIME] if np.isfinite(seconds).any() else [])]
    figure = Figure(figsize=(_WIDTH, sum(heights) + 0.6), layout="constrained")
    parts = _parts(iterations, records)
    all_axes = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axes, panel in zip(all_axes, panels, strict=False):
        _draw(axes, iterations, panel, parts)
    if len(heights) > len(panels):
        _draw_time(all_axes[-1], iterations, seconds, parts)
    for axes in all_axes:
        axes.grid(alpha=0.3)
        for part in parts[1:]:
            axes.axvline(iterations[part.begin] - 0.5, color="0.35", linewidth=0.9, linestyle=(0, (6, 3)))
    for part in parts if parts[0].label else ():
        x = iterations[part.begin] - (0.5 if part.begin else 0)
        place: Any = {"xycoords": ("data", "axes fraction"), "xytext": (3, 3), "textcoords": "offset points"}
        all_axes[0].annotate(part.label, (x, 1), fontsize=8, annotation_clip=False, **place)
    all_axes[-1].set_xlabel("iteration")
    all_axes[-1].xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
    if len(iterations) == 1:
        all_axes[-1].set_xlim(iterations[0] - 0.5, iterations[0] + 0.5)
    else:
        all_axes[-1].set_xlim(iterations[0], iterations[-1])
    missing = [iteration for iteration in iterations.tolist() if iteration not in records]
    if missing:
        text = f"sizes, times and losses by layer are not known of iterations {missing[0]} to {missing[-1]}"
        figure.text(0.01, 0.004, text, fontsize=8, color="0.3")
    for axes, height in zip(all_axes[: len(panels)], heights, strict=False):
        _label(axes, height)
    return figure


def _terms(losses: Mapping[int, Mapping[str, float]]) -> _Panel:
    curves = [_Curve(name, np.array([each[name] for each in losses.values()])) for name in LOSS_NAMES]
    return _Panel("weighted loss", curves)


def _layers(iterations: np.ndarray, records: Mapping[int, StepRecord]) -> Iterator[_Panel]:
    """Yield a panel for each term that has several layers."""
    names = list(dict.fromkeys(name for record in records.values() for name in record.by_layer))
    for term, of_term in itertools.groupby(sorted(names, key=lambda name: name[0] != "style"), lambda name: name[0]):
        pairs = list(of_term)
        if len(pairs) > 1:
            curves = [
                _Curve(layer, np.array([_value(records, i, (term, layer)) for i in iterations.tolist()]))
                for _, layer in pairs
            ]
            yield _Panel(f"{term} loss by layer", curves)


def _value(records: Mapping[int, StepRecord], iteration: int, name: tuple[str, str]) -> float:
    record = records.get(iteration)
    return np.nan if record is None else record.by_layer.get(name, np.nan)


def _parts(iterations: np.ndarray, records: Mapping[int, StepRecord]) -> list[_Part]:
    """Return the iterations of each size; those of unknown size are one part."""
    sizes = [records[i].scale if i in records else None for i in iterations.tolist()]
    parts = []
    for size, group in itertools.groupby(range(len(sizes)), lambda index: sizes[index]):
        indices = list(group)
        parts.append(_Part(indices[0], indices[-1] + 1, "" if size is None else f"{size[0]}×{size[1]} px"))
    return parts


def _draw(axes: Axes, iterations: np.ndarray, panel: _Panel, parts: Sequence[_Part]) -> None:
    """Draw the curves of a panel, interrupted where the size changes, since their losses do not compare."""
    shown = [curve for curve in panel.curves if (curve.values > 0).any()]
    for number, curve in enumerate(shown):
        style: dict[str, Any] = {
            "color": _COLORS[number % len(_COLORS)],
            "linestyle": _LINES[number % len(_LINES)],
            "marker": _MARKERS[number % len(_MARKERS)],
            "markersize": 4,
            "linewidth": 1.4,
        }
        positive = np.where(curve.values > 0, curve.values, np.nan)
        every = max(1, len(iterations) // _MARKS)
        for part in parts:
            indices = slice(part.begin, part.end)
            first = number * every // max(len(shown), 1) % max(1, min(every, part.end - part.begin))
            label = curve.name if part is parts[-1] else f"_{curve.name}"
            axes.plot(iterations[indices], positive[indices], **style, markevery=(first, every), label=label)
    axes.set_ylabel(panel.title)
    if shown:
        axes.set_yscale("log")
    zeros = [curve.name for curve in panel.curves if curve not in shown and not np.isnan(curve.values).all()]
    if zeros:
        axes.text(0.01, 0.03, f"0 throughout: {', '.join(zeros)}", transform=axes.transAxes, fontsize=8, color="0.3")


def _draw_time(axes: Axes, iterations: np.ndarray, seconds: np.ndarray, parts: Sequence[_Part]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for part in parts:
        indices = slice(part.begin, part.end)
        axes.plot(iterations[indices], seconds[indices], color="black", linewidth=1.0, marker=".", markersize=3)
    axes.set_ylabel("seconds/iteration")
    known = seconds[np.isfinite(seconds) & (seconds > 0)]
    if len(known) and known.max() > _FAR * known.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(bottom=0)
    together = np.nansum(seconds)
    text = f"{together:,.0f}" if together >= 10 else f"{together:.2g}"
    axes.annotate(f"together {text} s", (1, 0.5), (6, 0), "axes fraction", "offset points", va="center", fontsize=8)


def _label(axes: Any, height: float) -> None:
    """Write the name of each curve at its right end, as low or high as its end, but not over another.

    Args:
        axes: a panel. It is not typed, because NumPy's types of what it returns are too wide.
        height: its height in inches.
    """
    to_screen = axes.transScale.transform
    low, high = (to_screen((1, limit))[1] for limit in axes.get_ylim())
    ends = []
    for line in axes.lines:
        values = np.asarray(line.get_ydata(), np.float64)
        known = values[np.isfinite(values)]
        if len(known) and not line.get_label().startswith("_"):
            ends.append((float((to_screen((1, known[-1]))[1] - low) / (high - low)), line))
    ends.sort(key=lambda end: end[0])
    gap = min(_LABEL_GAP / height, 1 / max(len(ends), 1))
    place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "annotation_clip": False}
    for y, (_, line) in zip(spread([share for share, _ in ends], gap), ends, strict=True):
        axes.annotate(line.get_label(), (1, y), xytext=(16, 0), va="center", fontsize=9, **place)
        sample = axes.plot([1.004, 1.018], [y, y], transform=axes.transAxes, clip_on=False, markevery=[1])[0]
        sample.update_from(line)
        sample.set(transform=axes.transAxes, clip_on=False, markevery=[1], label="_sample")


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Return places that are a gap apart, near those that are given.

    Args:
        places: in ascending order, 0-1.
        gap: least distance; there is room for all in 0-1.
    """
    from scipy.optimize import isotonic_regression

    if not places:
        return []
    steps = gap * np.arange(len(places))
    moved = isotonic_regression(np.clip(places, 0, 1) - steps).x
    return (np.clip(moved, 0, 1 - steps[-1]) + steps).tolist()
