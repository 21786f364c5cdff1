"""Import TensorFlow for a command, and configure the process."""

from __future__ import annotations

import gc
import logging
import os
import sys

from neural_style.compute.device import configure_process, cpu_cores
from neural_style.networks import keras_import


def import_tensorflow(threads: int | None = None) -> None:
    """Import TensorFlow. Make it compute the same bits on every run, with as many threads as there are cores.

    Python never looks for garbage among the objects that there are after the first import. Nearly all of them stay
    anyway, and the search would take a sixth of the time until the first evaluation. This is for commands alone: their
    process ends with them.

    Args:
        threads: how many threads one operation may use; None for as many as there are cores.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    is_first = "tensorflow" not in sys.modules
    with keras_import.without_collection():
        keras_import.import_tensorflow()
        if is_first:
            gc.freeze()
    configure_process(threads=threads or cpu_cores(), reproducible=True, log_level=logging.ERROR)
