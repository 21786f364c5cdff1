"""Neural style transfer: turn a photograph into a painting (Gatys, Ecker and Bethge, CVPR 2016).

    from neural_style import Config, render
    image = render(Config("photo.jpg", ["painting.jpg"], width=512))

Nothing is imported until it is used, since TensorFlow takes seconds to load.
"""

import importlib
import logging
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Config": "config.config",
    "stylize": "runs.api",
    "render": "runs.api",
    "config_from_picture": "runs.recipe",
    "Stylizer": "runs.stylizer",
    "Session": "runs.session",
    "SessionState": "runs.session_state",
    "Step": "runs.step",
    "Result": "runs.step",
    "configure_process": "compute.device",
    "NeuralStyleError": "errors",
    "UsageError": "errors",
    "ImageError": "errors",
    "OutputError": "errors",
    "WeightsError": "errors",
    "DivergenceError": "errors",
    "OutOfMemoryError": "errors",
}
"""Public name -> module that defines it."""

_NEED_TENSORFLOW = {"runs.api", "runs.stylizer", "runs.session", "runs.session_state"}
"""The modules among these that import TensorFlow."""

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604 - all of them are strings

if TYPE_CHECKING:
    from neural_style.compute.device import configure_process as configure_process
    from neural_style.config.config import Config as Config
    from neural_style.errors import DivergenceError as DivergenceError
    from neural_style.errors import ImageError as ImageError
    from neural_style.errors import NeuralStyleError as NeuralStyleError
    from neural_style.errors import OutOfMemoryError as OutOfMemoryError
    from neural_style.errors import OutputError as OutputError
    from neural_style.errors import UsageError as UsageError
    from neural_style.errors import WeightsError as WeightsError
    from neural_style.runs.api import render as render
    from neural_style.runs.api import stylize as stylize
    from neural_style.runs.recipe import config_from_picture as config_from_picture
    from neural_style.runs.session import Session as Session
    from neural_style.runs.session_state import SessionState as SessionState
    from neural_style.runs.step import Result as Result
    from neural_style.runs.step import Step as Step
    from neural_style.runs.stylizer import Stylizer as Stylizer

logging.getLogger(__name__).addHandler(logging.NullHandler())  # so that nothing is printed unless it is asked for


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if _HOMES[name] in _NEED_TENSORFLOW:
        keras_import = importlib.import_module(f"{__name__}.networks.keras_import")
        keras_import.import_tensorflow()  # so that Keras writes nothing into the user's home
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
