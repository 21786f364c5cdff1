"""MatConvNet's weights in MATLAB's .mat files."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from neural_style.errors import WeightsError
from neural_style.networks.weights import matlab5
from neural_style.networks.weights.matlab5 import Cells, Numbers
from neural_style.networks.weights.open_file import REPLACE, SMALL_BYTES, OpenWeights, Pair, by_convolution, plain

MATCONVNET = "MatConvNet"


@contextmanager
def open_matlab(path: Path) -> Iterator[OpenWeights]:
    """Open a .mat file of MatConvNet.

    Raises:
        WeightsError: it is not a .mat file of MatConvNet.
    """
    with open(path, "rb") as file:
        data = matlab5.read(file, ("layers", "normalization", "meta"))
        if "layers" not in data:
            raise WeightsError(f"{path}: expected MatConvNet's variable `layers`, got a .mat without it; {REPLACE}")
        layers = data["layers"].cells if isinstance(data["layers"], Cells) else []
        named = [(_fields(layer).get("name"), _kernel_and_bias(layer)) for layer in layers]
        found = [(name if isinstance(name, str) else "", pair) for name, pair in named if pair]
        image = _average_image(path, data)
        yield OpenWeights(MATCONVNET, "RGB", image, "", by_convolution(path, found))


class _Kernel:
    """A kernel (width, height, in, out) as (height, width, in, out)."""

    def __init__(self, stored: Numbers) -> None:
        width, height, *channels = stored.shape
        self._stored, self.shape, self.dtype = stored, (height, width, *channels), stored.dtype

    def __getitem__(self, index: Any) -> Any:
        return np.transpose(self._stored[()], (1, 0, 2, 3))[index]


class _Bias:
    """A bias in a column or a row as (out,)."""

    def __init__(self, stored: Numbers) -> None:
        self._stored, self.shape, self.dtype = stored, (math.prod(stored.shape),), stored.dtype

    def __getitem__(self, index: Any) -> Any:
        return np.ravel(self._stored[()])[index]


def _fields(struct: Any) -> dict[str, Any]:
    """Return the fields of a struct by name; an empty dict for anything else."""
    return struct.fields if isinstance(struct, Cells) else {}


def _kernel_and_bias(layer: Any) -> Pair | None:
    """Return a layer's kernel and bias: a cell of two arrays in any field, the first (width, height, in, out)."""
    for value in _fields(layer).values():
        match value:
            case Cells(cells=[Numbers() as kernel, Numbers() as bias]) if len(kernel.shape) == 4:
                return _Kernel(kernel), _Bias(bias)
    return None


def _average_image(path: Path, data: dict[str, Any]) -> Any:
    """Return the average image (height, width, 3) or pixel (1, 1, 3), RGB, from an old or new MatConvNet file."""
    inner = _fields(data.get("meta")).get("normalization")
    for normalization in (data.get("normalization"), inner):
        image = _fields(normalization).get("averageImage")
        if isinstance(image, Numbers):
            if math.prod(image.shape) * image.dtype.itemsize > SMALL_BYTES:
                raise WeightsError(
                    f"{path}: expected an `averageImage` of at most {SMALL_BYTES} bytes, got one of "
                    f"{plain(image.shape)}; {REPLACE}"
                )
            return image[()]
    raise WeightsError(f"{path}: expected MatConvNet's `averageImage`, got a .mat without it; {REPLACE}")
