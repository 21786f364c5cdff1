"""The run that others are compared with: that of anishathalye/neural-style."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SETTINGS: Mapping[str, Any] = {
    "loss": "athalye",
    "optimizer": "adam",
    "learning_rate": 10.0,
    "iterations": 1000,
    "tolerance": 0.0,
    "scales": "1",
    "initial_noiseblend": 1.0,
    "precision": "float32",
}
"""Fields of its `Config`."""

WITHIN = 1.01
"""A loss up to this multiple of the classic run's final loss counts as the same."""
