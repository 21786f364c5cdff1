"""Import TensorFlow for a command, without its log messages, and configure the process."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator

from neural_style.compute.device import configure_process, cpu_cores
from neural_style.networks import keras_import


def import_tensorflow() -> None:
    """Import TensorFlow. Make it compute the same bits on every run, with as many threads as there are cores."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with quiet_import():
        keras_import.import_tensorflow()
    configure_process(threads=cpu_cores(), reproducible=True, log_level=logging.ERROR)


@contextlib.contextmanager
def quiet_import() -> Iterator[None]:
    """Hold back what libraries write to standard error during their import, and print it only after an error.

    Later, TensorFlow does not log either, unless the environment asks for it.
    """
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
        try:
            yield
        except Exception:
            log.seek(0)
            os.write(original, log.read())
            raise
        finally:
            os.dup2(original, descriptor)
            os.close(original)
