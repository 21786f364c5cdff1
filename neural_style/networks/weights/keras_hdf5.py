"""Keras's weights in HDF5: the legacy layout, and the layouts of Keras 3. h5py is imported on use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from neural_style.errors import WeightsError
from neural_style.networks.weights.open_file import REPLACE, OpenWeights, UnreadArray, by_convolution, pair_up, text
from neural_style.vgg19_spec import IMAGENET_MEAN

KERAS_LEGACY = "Keras legacy HDF5"
KERAS_3 = "Keras 3 HDF5"


@contextmanager
def open_hdf5(path: Path) -> Iterator[OpenWeights]:
    """Open an HDF5 file that Keras wrote.

    Raises:
        WeightsError: Keras did not write the file, or it does not hold exactly one network.
    """
    import h5py

    with h5py.File(path, "r") as file:
        root = file.get("model_weights", file)
        if "layer_names" in root.attrs:
            layout, arrays = KERAS_LEGACY, _legacy_arrays(root)
        elif "layers" in file or "_layer_checkpoint_dependencies" in file:
            layers = file["layers" if "layers" in file else "_layer_checkpoint_dependencies"]
            layout, arrays = KERAS_3, _keras_3_arrays(path, layers)
        else:
            raise WeightsError(f"{path}: expected an HDF5 file that Keras wrote, got another; {REPLACE}")
        yield OpenWeights(layout, "BGR", IMAGENET_MEAN, True, by_convolution(path, pair_up(arrays)))


def _legacy_arrays(root: Any) -> list[tuple[str, UnreadArray]]:
    """Return all arrays in the order of the attributes `layer_names` and, in each layer, `weight_names`."""
    arrays = []
    for layer in map(text, root.attrs["layer_names"]):
        for weight in map(text, root[layer].attrs["weight_names"]):
            arrays.append((f"{layer}/{weight}", root[layer][weight]))
    return arrays


def _keras_3_arrays(path: Path, root: Any) -> list[tuple[str, UnreadArray]]:
    """Return all arrays of the groups `.../<layer>/vars`, in natural order: conv2d, conv2d_1, ..., conv2d_10.

    Early releases name the groups by class. Later ones add the layer's name as an attribute, or name the group by it.
    """
    arrays: list[tuple[str, UnreadArray]] = []

    def visit(name: str, node: Any) -> None:
        parent, _, position = name.rpartition("/")
        if parent.endswith("/vars") and position.isdigit():
            if len(node.shape) == 4 and len(root[parent]) > 2:
                raise WeightsError(
                    f"{path}: expected a kernel and a bias of each convolution, got {len(root[parent])} arrays in "
                    f"{parent}; if this is a checkpoint of training, give the network that training wrote at its end"
                )
            arrays.append((f"{name}/{text(root[parent].attrs.get('name', ''))}", node))

    root.visititems(visit)
    return sorted(arrays, key=lambda labeled: _natural_key(labeled[0]))


def _natural_key(name: str) -> list[tuple[int, str]]:
    """Return a sort key that puts conv2d_2 before conv2d_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
