"""What the page shows of a job, as HTML and SVG. Nothing in it is loaded from elsewhere."""

from __future__ import annotations

import base64
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from html import escape

from neural_style.config import byte_sizes, durations
from neural_style.web.jobs import Job, Point, State

LIVE_SIDE = 768
"""Longer side in pixels of the picture that is shown while it is painted."""

_CURVES = (("total", ""), ("style", "7 4"), ("content", "2 4"))
"""Losses that are drawn, each with the dashes of its line, so that they differ without color."""

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 640, 190, 52, 74, 12, 30
_MOST_POINTS, _MOST_DECADES = 250, 6


def picture(data: bytes, text: str) -> str:
    """Return a JPEG file as an element of the page, with a text for those who do not see it."""
    return f'<img class="live" alt="{escape(text)}" src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'


def status(job: Job, ahead: int) -> str:
    """Return what a job does, in one line and a bar.

    Args:
        job: the job.
        ahead: how many jobs will be painted before it.
    """
    line, detail = _status_words(job, ahead)
    share = round(100 * job.share)
    bar = (
        f'<div class="bar" role="progressbar" aria-label="Progress" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{share}"><div style="width:{share}%"></div></div>'
        if job.state in (State.PAINTING, State.PAUSED)
        else ""
    )
    name = f'<p class="job">{escape(job.name)}</p>'
    note = f'<p class="detail">{escape(detail)}</p>' if detail else ""
    words = f'{name}<p class="line">{escape(line)}</p>{note}'
    return f'<div class="status {job.state.value}" aria-live="polite">{words}</div>{bar}'


def _status_words(job: Job, ahead: int) -> tuple[str, str]:
    if job.state is State.WAITING:
        before = f"{ahead} picture{'s' * (ahead != 1)} before this one" if ahead else "starting"
        return f"Waiting: {before}", "You can close the page. It goes on, and you find it here again."
    if job.state is State.PAINTING:
        return _painting_words(job)
    if job.state is State.PAUSED:
        return "Paused", "Go on continues exactly here."
    took = f" in {durations.in_words(job.seconds)}" if job.seconds >= 1 else ""
    size = f", {job.size[0]}×{job.size[1]} px" if job.size else ""
    if job.state is State.DONE:
        return f"Done{took}{size}", job.message
    if job.state is State.STOPPED:
        return (f"Stopped after {durations.in_words(job.seconds)}{size}" if job.result else "Stopped"), job.message
    return "Failed", job.message


def _painting_words(job: Job) -> tuple[str, str]:
    if job.wants_stop:
        return "Stopping", "after this evaluation"
    if job.wants_pause:
        return "Pausing", "after this evaluation"
    step, forecast = job.step, job.forecast
    if step is None or forecast is None:
        return "Painting: reading the pictures", ""
    sizes = [(scale.width, scale.height) for scale in job.scales]
    scale = f"size {sizes.index(step.scale) + 1} of {len(sizes)} ({step.scale[0]}×{step.scale[1]} px)"
    left = job.seconds_left
    time_left = "" if left is None else f", {'at most ' * forecast.is_limit}about {_left(left)} left"
    count = f"iteration {step.iteration} of {'at most' if forecast.is_limit else 'about'} {forecast.last_iteration}"
    return f"Painting{time_left}", f"{scale}, {count}, {byte_sizes.describe(job.peak)} of memory planned"


def _left(seconds: float) -> str:
    return durations.in_words(max(1.0, seconds))


def curves(points: Sequence[Point]) -> str:
    """Return the losses over the iterations as a drawing, on a logarithmic axis; empty with fewer than two points."""
    if len(points) < 2:
        return ""
    chosen = _thinned(points)
    values = [point.losses[name] for point in chosen for name, _ in _CURVES if point.losses[name] > 0]
    if not values:
        return ""
    low, high = _range(values)
    first, last = points[0].iteration, max(points[-1].iteration, points[0].iteration + 1)

    def x_of(iteration: float) -> float:
        return _LEFT + (iteration - first) / (last - first) * (_WIDTH - _LEFT - _RIGHT)

    def y_of(value: float) -> float:
        share = (math.log10(max(value, 1e-30)) - low) / (high - low)
        return _HEIGHT - _BOTTOM - min(max(share, 0.0), 1.0) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [*_grid(low, high, y_of), *_borders(points, x_of)]
    labels: list[tuple[float, str]] = []
    for name, dashes in _CURVES:
        line = [(x_of(point.iteration), y_of(point.losses[name])) for point in chosen if point.losses[name] > 0]
        if not line:
            continue
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in line)
        parts.append(f'<polyline class="{name}" points="{path}" stroke-dasharray="{dashes}"/>')
        labels.append((line[-1][1], name))
    parts += [f'<text x="{_WIDTH - _RIGHT + 6}" y="{y + 4:.1f}">{name}</text>' for y, name in _apart(labels)]
    parts.append(f'<text x="{_LEFT}" y="{_HEIGHT - 8}">iteration {first}</text>')
    end = f'x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 8}" text-anchor="end"'
    parts.append(f"<text {end}>{points[-1].iteration}</text>")
    total = points[-1].losses["total"]
    described = f"Losses of {len(points)} iterations on a logarithmic axis; the total is {total:.4g} now."
    box = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{described}"'
    return f'<svg class="curves" {box}>{"".join(parts)}</svg>'


def _thinned(points: Sequence[Point]) -> list[Point]:
    """Return some of many points, among them the first and the last of each size."""
    step = max(1, len(points) // _MOST_POINTS)
    kept = [*points[::step]]
    if kept[-1] is not points[-1]:
        kept.append(points[-1])
    return kept


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Return the logarithms between which losses are drawn. A few that are far from the others are cut off."""
    logarithms = sorted(math.log10(value) for value in values)
    few = len(logarithms) // 40
    low, high = logarithms[few], logarithms[-1 - few]
    margin = max(0.05 * (high - low), 0.05)
    return max(low, high - _MOST_DECADES) - margin, high + margin


def _grid(low: float, high: float, y_of: Callable[[float], float]) -> Iterator[str]:
    """Yield lines at round values of the loss."""
    digits = (1, 2, 5) if high - low < 1.5 else (1, 3) if high - low < 3 else (1,)
    powers = range(math.floor(low), math.ceil(high) + 1)
    values = [digit * 10.0**power for power in powers for digit in digits]
    for value in values:
        if low <= math.log10(value) <= high:
            y = y_of(value)
            yield f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'


def _borders(points: Sequence[Point], x_of: Callable[[float], float]) -> Iterator[str]:
    """Yield a line where the size changes. Losses on both sides of it do not compare."""
    for before, after in itertools.pairwise(points):
        if before.size != after.size:
            x = x_of((before.iteration + after.iteration) / 2)
            yield f'<line class="border" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'


def _apart(labels: Sequence[tuple[float, str]]) -> Iterator[tuple[float, str]]:
    """Yield labels with their heights, moved down where they would cover each other."""
    last = -math.inf
    for y, name in sorted(labels):
        last = max(y, last + 14)
        yield last, name


def plan(width: int, height: int, seconds: float | None, peak: int, budget: int) -> str:
    """Return what a run would need, before it begins."""
    time = f"about {durations.in_words(max(1.0, seconds))} here" if seconds is not None else "time not measured yet"
    memory = f"{byte_sizes.describe(peak)} of {byte_sizes.describe(budget)} of memory"
    return f'<p class="plan"><strong>{width}×{height} px</strong>, {time}, at most {memory}</p>'


def note(text: str) -> str:
    """Return a sentence about something that has happened."""
    return f'<p class="note" aria-live="polite">{escape(text)}</p>' if text else ""


def welcome(*, is_private: bool) -> str:
    """Return what the page shows before there is a picture.

    Args:
        is_private: whether only this machine can reach the page.
    """
    private = " Nothing leaves this computer." if is_private else ""
    return (
        '<div class="welcome"><p class="line">The picture appears here.</p>'
        f"<p>You can change the strength while it is painted.{private}</p></div>"
    )


def problem(text: str) -> str:
    """Return a sentence about something that is wrong."""
    return f'<p class="problem" role="alert">{escape(text)}</p>'
