"""The run that others are compared with: that of anishathalye/neural-style."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neural_style.config import presets
from neural_style.config.config import OPTIONS

SETTINGS: Mapping[str, Any] = {**presets.values("athalye", OPTIONS), "precision": "float32"}
"""Fields of its `Config`."""

WITHIN = 1.01
"""A loss up to this multiple of the classic run's final loss counts as the same."""
