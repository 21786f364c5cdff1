"""Every error that this program raises on purpose, each with the exit code of the command line.

A message is one line that says what was expected, what came, and how to fix it. The library raises errors; only the
command line prints them.
"""

GPU_ADVICE = "with an NVIDIA card on Linux: pip install 'tensorflow[and-cuda]'"
"""How to get a GPU that TensorFlow can use."""


class NeuralStyleError(Exception):
    """Base of all errors below; `exit_code` is what the command line exits with."""

    exit_code = 1


class UsageError(NeuralStyleError, ValueError):
    """An option has an invalid value, or options contradict each other."""

    exit_code = 2


class ImageError(UsageError):
    """A picture cannot be read, is too small to be used, or has changed during a run."""


class OutputError(UsageError):
    """A file cannot be written where it was asked for."""


class WeightsError(UsageError):
    """Network weights are missing, damaged, do not fit VGG19, or cannot be downloaded."""


class CheckpointError(UsageError):
    """A checkpoint is damaged or of another version, does not fit the run, or another run is using its folder."""


class DivergenceError(NeuralStyleError):
    """Loss or gradient stopped being finite, and going back to the best image did not help."""


class OutOfMemoryError(NeuralStyleError):
    """The picture needs more memory than there is."""
