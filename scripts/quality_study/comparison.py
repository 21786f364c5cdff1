"""Compare methods at equal distance to the photograph, and show the comparison as a table."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from quality_study.pairs import Pair
from quality_study.results import Row

Key = TypeVar("Key")

RATIOS = ("style", "deep", "swd")
"""Measures that the table shows as ratios to the reference."""

_MEANS = {"content4": ".2f", "grain": ".2f", "evaluations": ".0f", "seconds": ".1f"}
"""What the table shows as means, with digits."""

_SMALLEST = 1e-12
"""What a value of 0 counts as, since logarithms are interpolated."""


@dataclass(frozen=True)
class Summary:
    """A row of the table.

    Attributes:
        method: its name.
        pairs: how many pairs the method and the reference have.
        compared: for how many of these the reference reaches the method's distance to the photograph.
        ratios: measure of `RATIOS` -> mean over the same mean of the reference; None without a pair that is compared.
        means: content4, grain, evaluations and seconds -> mean over all pairs.
    """

    method: str
    pairs: int
    compared: int
    ratios: Mapping[str, float] | None
    means: Mapping[str, float]


def read_at(rows: Iterable[Row], content4: float) -> Mapping[str, float] | None:
    """Interpolate the measures of one method and pair at a distance to the photograph.

    The logarithms of the measures are interpolated linearly over the logarithm of content4.

    Args:
        rows: one for each level, in any order. Those with a content4 of 0, which are the photograph, do not count.
        content4: the distance, above 0.

    Returns:
        Measure of `RATIOS` -> value; None if all rows are nearer to the photograph, or all are farther.
    """
    measures = (row["measures"] for row in rows)
    points = sorted((each for each in measures if each["content4"] > 0), key=lambda each: each["content4"])
    distances = [math.log(point["content4"]) for point in points]
    at, tolerance = math.log(max(content4, _SMALLEST)), 1e-9
    if not points or not distances[0] - tolerance <= at <= distances[-1] + tolerance:
        return None
    logarithms = {name: [math.log(max(point[name], _SMALLEST)) for point in points] for name in RATIOS}
    return {name: math.exp(np.interp(at, distances, values)) for name, values in logarithms.items()}


def usual_distance(rows: Mapping[float, Row], usual: float) -> float:
    """Return content4 of the reference at the strength nearest the usual one.

    Args:
        rows: strength -> result; at least one.
        usual: strength.
    """
    return rows[min(rows, key=lambda level: abs(level - usual))]["measures"]["content4"]


def nearest(rows: Mapping[Key, Row], content4: float) -> Key:
    """Return the key, of at least one, whose row's distance to the photograph is nearest a distance, by ratio."""

    def off(key: Key) -> float:
        return abs(math.log(max(rows[key]["measures"]["content4"], _SMALLEST) / max(content4, _SMALLEST)))

    return min(rows, key=off)


def summarize(method: str, rows: Mapping[Pair, Row], reference: Mapping[Pair, Iterable[Row]]) -> Summary | None:
    """Return the table's row of a method.

    Args:
        method: its name.
        rows: pair -> its picture.
        reference: pair -> the reference's pictures, one for each level.

    Returns:
        None if the method and the reference have no pair in common.
    """
    common = {pair: row for pair, row in rows.items() if pair in reference}
    if not common:
        return None
    read = {pair: read_at(reference[pair], row["measures"]["content4"]) for pair, row in common.items()}
    compared = [(common[pair]["measures"], values) for pair, values in read.items() if values is not None]
    ratios = None
    if compared:
        ratios = {
            name: sum(own[name] for own, _ in compared) / sum(theirs[name] for _, theirs in compared) for name in RATIOS
        }
    own = [{**row["measures"], **row} for row in common.values()]
    means = {name: float(np.mean([each[name] for each in own])) for name in _MEANS}
    return Summary(method, len(common), len(compared), ratios, means)


def table(summaries: Sequence[Summary]) -> str:
    """Return the summaries as a table in Markdown."""
    head = ["method", "pairs compared", *RATIOS, *_MEANS]
    lines = [
        [
            summary.method,
            f"{summary.compared} of {summary.pairs}",
            *(f"{summary.ratios[name]:.2f}" if summary.ratios else "–" for name in RATIOS),
            *(f"{summary.means[name]:{digits}}" for name, digits in _MEANS.items()),
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
