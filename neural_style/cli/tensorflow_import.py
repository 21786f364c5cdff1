"""Import TensorFlow for a command, and configure the process."""

from __future__ import annotations

import logging
import os

from neural_style.compute.device import configure_process, cpu_cores
from neural_style.networks import keras_import


def import_tensorflow() -> None:
    """Import TensorFlow. Make it compute the same bits on every run, with as many threads as there are cores."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    keras_import.import_tensorflow()
    configure_process(threads=cpu_cores(), reproducible=True, log_level=logging.ERROR)
