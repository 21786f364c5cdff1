"""The first import of TensorFlow and Keras in a process, without the file that Keras writes to the user's home."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

from neural_style import paths

_KERAS_CONFIG = "keras.src.backend.config"
"""The module of Keras that reads `keras.json` in Keras's folder, or writes one with the defaults if there is none."""

_OF_TENSORFLOW = re.compile(
    rb"[IWEF]\d{4} |\d{4}-\d\d-\d\d .*tensorflow|WARNING: All log messages|To enable the following"
)
"""How TensorFlow's log lines begin."""

_lock = threading.RLock()


def import_tensorflow() -> None:
    """Import TensorFlow and Keras. Call this before any other `import tensorflow`, which also imports Keras.

    Settings in the user's `keras.json` apply as always. If there is no such file, Keras gets an empty temporary folder
    during its import. Afterwards it gets its own folder back, so other code can download with Keras as usual.
    """
    with _lock:
        if _KERAS_CONFIG in sys.modules:
            _import()
            return
        folder = _folder_for_keras()
        with contextlib.ExitStack() as stack:
            stack.enter_context(without_collection())
            if not os.path.exists(os.path.join(os.path.expanduser(folder), "keras.json")):
                with contextlib.suppress(OSError):  # if there is no place for temporary files
                    stack.enter_context(paths.keras_home_elsewhere())
            _import()
            config: Any = sys.modules.get(_KERAS_CONFIG)
            if config and hasattr(config, "_KERAS_DIR"):
                config._KERAS_DIR = folder


def _folder_for_keras() -> str:
    """Return the folder that Keras chooses: that of `paths.keras_home`, or one in /tmp if the home is read-only."""
    named = os.environ.get(paths.KERAS_VARIABLE)
    if named is not None:
        return named
    home = os.path.expanduser("~")
    return os.path.join(home if os.access(home, os.W_OK) else "/tmp", ".keras")


def _import() -> None:
    with quiet_import():
        import tensorflow  # noqa: F401, I001 - first, since it imports Keras in the right order
        import keras  # noqa: F401


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """Do not look for garbage meanwhile: an import makes hardly any, and the search took a fifth of its time."""
    was_enabled = gc.isenabled()
    try:
        gc.disable()
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextlib.contextmanager
def quiet_import() -> Iterator[None]:
    """Hold back what TensorFlow logs to standard error during its import, and print it only after an error.

    Later, its native code does not log either, unless the environment asks for it. What anything else writes meanwhile
    is printed afterwards.
    """
    if "tensorflow" in sys.modules:
        yield
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    descriptor = 2  # not sys.stderr, which native code does not use
    try:
        log = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed below
        original = os.dup(descriptor)
    except OSError:  # there is no place for the file, or the descriptor is closed
        yield
        return
    with log:
        os.dup2(log.fileno(), descriptor)
        failed = False
        try:
            yield
        except Exception:  # but not Ctrl-C, which the log does not explain
            failed = True
            raise
        finally:
            log.seek(0)
            lines = [line for line in log if failed or not _OF_TENSORFLOW.match(line)]
            os.dup2(original, descriptor)
            with contextlib.suppress(OSError):
                os.write(descriptor, b"".join(lines))
            os.close(original)
