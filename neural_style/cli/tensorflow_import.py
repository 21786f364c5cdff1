"""Importing TensorFlow for a command: what it logs is kept back, and the process is set up as the command wants it."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator

from neural_style.compute.device import configure_process, cpu_cores
from neural_style.networks import keras_import


def import_tensorflow() -> None:
    """Import TensorFlow and have it compute the same on every run, on as many threads as there are cores."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with quiet_import():
        keras_import.import_tensorflow()
    configure_process(threads=cpu_cores(), reproducible=True, log_level=logging.ERROR)


@contextlib.contextmanager
def quiet_import() -> Iterator[None]:
    """Keep back what libraries write to standard error while they are imported, and let it out only after an error.

    TensorFlow does not log later on either, unless the environment says so.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    descriptor = 2  # not sys.stderr, which native code does not use
    try:
        log = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed below
        original = os.dup(descriptor)
    except OSError:  # there is no place to keep it, or the descriptor is closed
        yield
        return
    with log:
        os.dup2(log.fileno(), descriptor)
        try:
            yield
        except Exception:
            log.seek(0)
            os.write(original, log.read())
            raise
        finally:
            os.dup2(original, descriptor)
            os.close(original)
