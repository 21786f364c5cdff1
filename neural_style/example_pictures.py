"""The pictures of the project: what the benchmark paints when none are given, and the examples on the page."""

from pathlib import Path

import neural_style


def example_picture(name: str) -> Path:
    """Return the path of a picture of `examples/`, such as "lakeside.jpg".

    The folder lies beside the package in a checkout, and inside the package in an installation.
    """
    package = Path(neural_style.__file__).resolve().parent
    installed = package / "examples" / name
    return installed if installed.is_file() else package.parent / "examples" / name
