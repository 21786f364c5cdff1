"""MatConvNet's weights in MATLAB's .mat files, which can only be read whole. SciPy is imported on use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from neural_style.errors import WeightsError
from neural_style.networks.weights.open_file import REPLACE, OpenWeights, Pair, by_convolution, text

MATCONVNET = "MatConvNet"


@contextmanager
def open_matlab(path: Path) -> Iterator[OpenWeights]:
    """Open a .mat file of MatConvNet.

    Raises:
        WeightsError: it is not a .mat file of MatConvNet.
    """
    from scipy.io import loadmat

    data = loadmat(path, variable_names=["layers", "normalization", "meta"])
    if "layers" not in data:
        raise WeightsError(f"{path}: expected MatConvNet's variable `layers`, got a .mat without it; {REPLACE}")
    layers = [_fields(cell) for cell in data["layers"].ravel()]
    found = [(text(fields.get("name")), pair) for fields in layers if (pair := _kernel_and_bias(fields))]
    yield OpenWeights(MATCONVNET, "RGB", _average_image(path, data), False, by_convolution(path, found))


def _fields(struct: Any) -> dict[str, Any]:
    """Return the fields of a 1×1 MATLAB struct by name; an empty dict for anything else."""
    names = getattr(getattr(struct, "dtype", None), "names", None)
    return {name: struct.ravel()[0][name] for name in names} if names and struct.size else {}


def _kernel_and_bias(fields: dict[str, Any]) -> Pair | None:
    """Return a layer's kernel and bias: a cell of two arrays in any field, the first (width, height, in, out)."""
    for value in fields.values():
        if isinstance(value, np.ndarray) and value.dtype == object and value.size == 2:
            kernel, bias = value.ravel()
            if np.ndim(kernel) == 4:
                return np.transpose(kernel, (1, 0, 2, 3)), np.ravel(bias)
    return None


def _average_image(path: Path, data: dict[str, Any]) -> Any:
    """Return the average image (height, width, 3) or pixel (1, 1, 3), RGB, from an old or new MatConvNet file."""
    inner = _fields(data.get("meta")).get("normalization")
    for normalization in (data.get("normalization"), inner):
        image = _fields(normalization).get("averageImage")
        if image is not None:
            return image
    raise WeightsError(f"{path}: expected MatConvNet's `averageImage`, got a .mat without it; {REPLACE}")
