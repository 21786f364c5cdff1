"""The folders in which this program and Keras keep files between runs."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

CACHE_VARIABLE = "NEURAL_STYLE_CACHE"
"""Environment variable: the folder to use as `cache_folder`."""

KERAS_VARIABLE = "KERAS_HOME"
"""Environment variable: Keras's folder."""

_keras_variable_lock = threading.RLock()


def cache_folder() -> Path:
    """Return the folder for what this program downloads, measures or remembers; it need not exist yet.

    It is `$NEURAL_STYLE_CACHE` if that is set, and otherwise the platform's folder for caches: `~/.cache/neural-style`
    on Linux, `~/Library/Caches/neural-style` on macOS, `neural-style/Cache` in `%LOCALAPPDATA%` on Windows. Everything
    in it can be deleted.
    """
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(os.path.abspath(os.path.expanduser(named)))
    return Path(platformdirs.user_cache_dir("neural-style", appauthor=False))


def keras_home() -> Path:
    """Return Keras's own folder, `$KERAS_HOME` or `~/.keras`. This program only reads from it."""
    with _keras_variable_lock:
        return Path(os.path.expanduser(os.environ.get(KERAS_VARIABLE) or os.path.join("~", ".keras")))


@contextmanager
def keras_home_elsewhere() -> Iterator[None]:
    """Set `$KERAS_HOME` to a temporary folder during the `with` block; other threads wait in `keras_home`."""
    temporary = tempfile.TemporaryDirectory(prefix="neural-style-", ignore_cleanup_errors=True)
    with _keras_variable_lock, temporary as folder:
        before = os.environ.get(KERAS_VARIABLE)
        os.environ[KERAS_VARIABLE] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ[KERAS_VARIABLE]
            else:
                os.environ[KERAS_VARIABLE] = before
