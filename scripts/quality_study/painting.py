"""Paint what the study lacks. The networks are loaded once."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from neural_style.bench.judge import Judge
from neural_style.config.config import Config
from neural_style.config.resolve import resolve
from neural_style.errors import NeuralStyleError, UsageError
from neural_style.images.picture import to_uint8
from neural_style.images.reading import read_image
from neural_style.networks import weights
from neural_style.runs.stylizer import Stylizer
from quality_study.results import Job, Results, Row


class Painter:
    """Paints and judges."""

    def __init__(self, common: Config, judge: str):
        """Load the judge. The painting network is loaded with the first picture.

        Args:
            common: any configuration of the study, for what all of them share: weights, device and precision.
            judge: name or path of the weights that judge.

        Raises:
            NeuralStyleError: the device is not there, or weights cannot be had.
        """
        self._stylizer = Stylizer.of(common)
        self._judge = Judge.load(judge)
        self._read: dict[str, np.ndarray] = {}

    def paint(self, job: Job) -> tuple[np.ndarray, Row]:
        """Paint a picture, and judge it.

        Returns:
            The picture, uint8 (height, width, 3), and what is known of it.

        Raises:
            NeuralStyleError: see `neural_style.stylize`.
        """
        began = time.perf_counter()
        config = leveled(job)
        with self._stylizer.session(config) as session:
            for _ in session:
                pass
            result = session.result()
        seconds = time.perf_counter() - began
        picture = np.ascontiguousarray(result.image[..., :3])
        measures = self._judge.measure(picture, self._pixels(config.styles[0]), self._pixels(config.content))
        return picture, {
            "width": picture.shape[1],
            "height": picture.shape[0],
            "measures": measures,
            "evaluations": result.iterations,
            "seconds": round(seconds, 2),
            "losses": dict(result.losses),
            "network": result.weights,
            "device": result.device,
            "precision": result.precision,
        }

    def _pixels(self, path: Any) -> np.ndarray:
        if path not in self._read:
            self._read[path] = to_uint8(read_image(path).rgb)
        return self._read[path]


def leveled(job: Job) -> Config:
    """Return the settings of a job at its level; see `Method.swept`.

    A factor of 1 changes nothing, so a method that has a strength by default keeps it, with its corrections between
    sizes. Any other factor fixes the weight of the style, which ends the strength.

    Raises:
        UsageError: the option to be swept has no such value.
    """
    if job.method.swept != "style_weight":
        return dataclasses.replace(job.config, **{job.method.swept: job.level})
    if job.level == 1:
        return job.config
    network = weights.load(job.config.weights, job.config.layers)
    own = resolve(job.config, network.settings)
    return dataclasses.replace(job.config, style_weight=own.style_weight * job.level)


def paint_all(
    jobs: Iterable[Job],
    results: Results,
    painter: Callable[[], Any],
    *,
    deadline: float | None = None,
    say: Callable[[str], object] = print,
) -> int:
    """Paint the jobs that have no result yet.

    Args:
        jobs: what to paint, in this order.
        results: where results are kept; each is written as soon as it is there.
        painter: makes a `Painter`; called once, if anything is to be painted.
        deadline: value of `time.monotonic` after which no picture is begun. One that has been begun is finished, so
            that every call makes progress.
        say: prints a line.

    Returns:
        How many pictures failed, for lack of memory or because their loss was not finite. They are reported.

    Raises:
        UsageError: an option or a picture is invalid.
    """
    made, failures = None, 0
    missing = [job for job in jobs if results.row(job) is None]
    for number, job in enumerate(missing, 1):
        if deadline is not None and time.monotonic() >= deadline:
            say(f"stopped at the time limit: {len(missing) - number + 1} of {len(missing)} left; run the command again")
            break
        made = made or painter()
        try:
            picture, row = made.paint(job)
        except UsageError:
            raise
        except NeuralStyleError as error:
            say(f"{job}: failed: {error}")
            failures += 1
            continue
        row = results.save(job, picture, row)
        measures = " ".join(f"{name} {value:.4g}" for name, value in row["measures"].items())
        say(f"{number}/{len(missing)} {job}: {measures}; {row['evaluations']} evaluations, {row['seconds']:.1f} s")
    return failures
