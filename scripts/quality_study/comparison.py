"""Compare methods at equal distance to the photograph, and show the comparison as a table."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neural_style.bench.judge import MEASURES
from quality_study.pairs import Pair
from quality_study.results import Job, Row

RATIOS = ("style", "deep", "swd", "content4")
"""Measures that the table shows as ratios to the reference."""

_SMALLEST = 1e-12
"""What a value of 0 counts as, since logarithms are interpolated."""


@dataclass(frozen=True)
class Reading:
    """What a method gives for one pair, at the reference's distance to the photograph.

    Attributes:
        values: the measures, evaluations and seconds, interpolated between the pictures of the sweep.
        side: "" if the pictures of the sweep enclose the reference; "nearer" or "farther" if all are nearer to the
            photograph than the reference or farther from it. Then the values are those of the closest picture.
    """

    values: Mapping[str, float]
    side: str


@dataclass(frozen=True)
class Summary:
    """A row of the table.

    Attributes:
        method: its name.
        pairs: how many pairs both the method and the reference have.
        ratios: measure of `RATIOS` -> mean over these pairs, over the same mean of the reference.
        grain: mean over the pairs.
        evaluations: mean over the pairs.
        seconds: mean over the pairs.
        nearer: for how many pairs all pictures are nearer to the photograph than the reference.
        farther: for how many pairs all pictures are farther from it.
    """

    method: str
    pairs: int
    ratios: Mapping[str, float]
    grain: float
    evaluations: float
    seconds: float
    nearer: int
    farther: int


def read_at(rows: Iterable[Row], content4: float) -> Reading | None:
    """Interpolate the rows of one method and pair at a distance to the photograph.

    The logarithms of all values are interpolated linearly over the logarithm of content4.

    Args:
        rows: one for each level, in any order. Those with a content4 of 0, which are the photograph, do not count.
        content4: distance of the reference, above 0.

    Returns:
        None if there are no rows.
    """
    points = sorted((_values(row) for row in rows if row["measures"]["content4"] > 0), key=lambda p: p["content4"])
    if not points:
        return None
    distances = np.log([point["content4"] for point in points])
    at = math.log(content4)
    values = {
        name: float(np.exp(np.interp(at, distances, np.log([max(point[name], _SMALLEST) for point in points]))))
        for name in points[0]
    }
    tolerance = 1e-9
    side = "nearer" if at > distances[-1] + tolerance else "farther" if at < distances[0] - tolerance else ""
    return Reading(values, side)


def nearest(distances: Mapping[Job, float], content4: float | None) -> Job:
    """Return the job whose distance to the photograph is nearest the reference's, by ratio.

    Args:
        distances: job -> content4; at least one.
        content4: distance of the reference; None for the middle one of the levels.
    """
    if content4 is None:
        return sorted(distances, key=lambda job: job.level)[len(distances) // 2]
    at = math.log(content4)
    return min(distances, key=lambda job: abs(math.log(max(distances[job], _SMALLEST)) - at))


def summarize(method: str, rows: Mapping[Pair, Sequence[Row]], reference: Mapping[Pair, Row]) -> Summary | None:
    """Return the table's row of a method.

    Args:
        method: its name.
        rows: pair -> its pictures, one for each level.
        reference: pair -> the reference's picture.

    Returns:
        None if the method and the reference have no pair in common.
    """
    readings, targets = [], []
    for pair, target in reference.items():
        reading = read_at(rows.get(pair, ()), target["measures"]["content4"])
        if reading is not None:
            readings.append(reading)
            targets.append(target["measures"])
    if not readings:
        return None
    means = {name: float(np.mean([reading.values[name] for reading in readings])) for name in readings[0].values}
    ratios = {name: means[name] / float(np.mean([target[name] for target in targets])) for name in RATIOS}
    sides = [reading.side for reading in readings]
    return Summary(
        method,
        len(readings),
        ratios,
        means["grain"],
        means["evaluations"],
        means["seconds"],
        sides.count("nearer"),
        sides.count("farther"),
    )


def table(summaries: Sequence[Summary], pairs: int) -> str:
    """Return the summaries as a table in Markdown.

    Args:
        summaries: the rows.
        pairs: how many pairs the study has.
    """
    head = ["method", "pairs", *RATIOS, "grain", "evaluations", "seconds", "clamped: nearer, farther"]
    lines = [
        [
            summary.method,
            f"{summary.pairs} of {pairs}",
            *(f"{summary.ratios[name]:.3f}" for name in RATIOS),
            f"{summary.grain:.2f}",
            f"{summary.evaluations:.0f}",
            f"{summary.seconds:.1f}",
            f"{summary.nearer}, {summary.farther}",
        ]
        for summary in summaries
    ]
    return markdown(head, lines)


def spread_table(rows: Mapping[float, Sequence[Row]]) -> str:
    """Return how content4 varies over pairs at each strength, as a table in Markdown.

    Args:
        rows: strength -> a row for each pair.
    """
    lines = []
    for strength, of_strength in sorted(rows.items()):
        spread = dataclasses.asdict(spread_of([row["measures"]["content4"] for row in of_strength]))
        numbers = ["–" if value is None else f"{value:.3f}" for value in spread.values()]
        lines.append([f"{strength:g}", str(len(of_strength)), *numbers])
    return markdown(["strength", "pairs", "mean content4", "least", "most", "coefficient of variation"], lines)


@dataclass(frozen=True)
class Spread:
    """How numbers vary; `variation` is None for fewer than two numbers, or if their mean is 0."""

    mean: float
    least: float
    most: float
    variation: float | None


def spread_of(numbers: Sequence[float]) -> Spread:
    """Return how at least one number varies.

    The coefficient of variation is the standard deviation of a sample (n - 1 in the denominator) over the mean.
    """
    mean = float(np.mean(numbers))
    variation = float(np.std(numbers, ddof=1)) / mean if len(numbers) > 1 and mean > 0 else None
    return Spread(mean, min(numbers), max(numbers), variation)


def markdown(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown, with an end of line."""
    titles, *rows = (f"| {' | '.join(row)} |\n" for row in (head, *lines))
    return titles + "|---" * len(head) + "|\n" + "".join(rows)


def _values(row: Row) -> dict[str, Any]:
    measures = {name: row["measures"][name] for name in MEASURES}
    return {**measures, "evaluations": row["evaluations"], "seconds": row["seconds"]}
