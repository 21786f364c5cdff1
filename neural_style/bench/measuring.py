"""What all sections share: rows of results, random pictures, and times that can be compared.

Times that are compared are measured in one process and in turn, so that a busy moment of the machine affects all of
them and their ratios stay meaningful.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

import numpy as np

Key = TypeVar("Key", bound=Hashable)

Row = dict[str, Any]
"""One line of a table: column -> number or text; None where there is nothing to tell."""

WARM_UP = 2
"""Turns that are not timed, since TensorFlow traces functions in them."""


def medians(actions: Mapping[Key, Callable[[], object]], repeats: int) -> dict[Key, float]:
    """Run all actions in turn, `repeats` times, and return the median seconds of each."""
    seconds: dict[Key, list[float]] = {name: [] for name in actions}
    for turn in range(WARM_UP + repeats):
        for name, action in actions.items():
            began = time.perf_counter()
            action()
            if turn >= WARM_UP:
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(times) for name, times in seconds.items()}


def random_pictures(width: int) -> np.ndarray:
    """Return content, style and image of one size, float32 (3, width, width, 3) in 0-255."""
    return np.random.default_rng(0).uniform(0, 255, (3, width, width, 3)).astype(np.float32)
