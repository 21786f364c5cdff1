"""The folder in which this program keeps files between runs."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

CACHE_VARIABLE = "NEURAL_STYLE_CACHE"
"""Environment variable: the folder to use as `cache_folder`."""


def cache_folder() -> Path:
    """Return the folder for what this program fetches, measures or remembers; it need not exist yet."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named or platformdirs.user_cache_dir("neural-style", appauthor=False))
