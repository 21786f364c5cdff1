"""Keras's weights in HDF5: the legacy layout, and the layouts of Keras 3. h5py is imported on use."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from neural_style.errors import WeightsError
from neural_style.networks.weights.open_file import (
    MOST_DEPTH,
    MOST_MEMBERS,
    REPLACE,
    SMALL_BYTES,
    OpenWeights,
    UnreadArray,
    by_convolution,
    pair_up,
    plain,
    text,
)
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
        root = _member(path, file, "model_weights") if "model_weights" in file else file
        if "layer_names" in root.attrs:
            layout, arrays = KERAS_LEGACY, _legacy_arrays(path, root)
        elif "layers" in file or "_layer_checkpoint_dependencies" in file:
            layers = _member(path, file, "layers" if "layers" in file else "_layer_checkpoint_dependencies")
            layout, arrays = KERAS_3, _keras_3_arrays(path, layers)
        else:
            raise WeightsError(f"{path}: expected an HDF5 file that Keras wrote, got another; {REPLACE}")
        yield OpenWeights(
            layout, "BGR", IMAGENET_MEAN, "BGR with Keras's mean pixel", by_convolution(path, pair_up(arrays))
        )


def _legacy_arrays(path: Path, root: Any) -> list[tuple[str, UnreadArray]]:
    """Return all arrays in the order of the attributes `layer_names` and, in each layer, `weight_names`."""
    arrays: list[tuple[str, UnreadArray]] = []
    for layer in _names(path, root, "layer_names"):
        group = _member(path, root, layer)
        for weight in _names(path, group, "weight_names"):
            arrays.append((f"{layer}/{weight}", _StoredArray(path, _member(path, group, weight))))
            if len(arrays) > MOST_MEMBERS:
                raise _too_many(path)
    return arrays


def _keras_3_arrays(path: Path, root: Any) -> list[tuple[str, UnreadArray]]:
    """Return all arrays of the groups `.../<layer>/vars`, in natural order: conv2d, conv2d_1, ..., conv2d_10.

    Early releases name the groups by class. Later ones add the layer's name as an attribute, or name the group by it.
    """
    arrays: list[tuple[str, UnreadArray]] = []
    for parent, group in _groups(path, root):
        if parent.rpartition("/")[2] != "vars":
            continue
        label = " ".join(_names(path, group, "name")) if "name" in group.attrs else ""
        for position in filter(str.isdigit, group):
            array = _StoredArray(path, _member(path, group, position))
            if len(array.shape) == 4 and len(group) > 2:
                raise WeightsError(
                    f"{path}: expected a kernel and a bias of each convolution, got {len(group)} arrays in "
                    f"{plain(parent)}; if this is a checkpoint of training, give the network that training wrote at "
                    "its end"
                )
            arrays.append((f"{parent}/{position}/{label}", array))
    return sorted(arrays, key=lambda labeled: _natural_key(labeled[0]))


# --- what a file may hold ---------------------------------------------------------------------------------------------


def _member(path: Path, group: Any, name: str) -> Any:
    """Return a member of a group by its path in it. Refuse links, which may lead in circles or to other files."""
    import h5py

    for part in filter(None, name.split("/")):
        link = group.get(part, getlink=True)
        if link is None:
            raise KeyError(f"no {plain(name)}")
        if not isinstance(link, h5py.HardLink):
            raise WeightsError(f"{path}: expected arrays in the file itself, got a link, {plain(name)}; {REPLACE}")
        group = group[part]
    return group


def _groups(path: Path, root: Any) -> Iterator[tuple[str, Any]]:
    """Yield each group below another with its path. HDF5's own walk follows any depth, until the stack overflows."""
    import h5py

    seen, left, members = set(), [("", root, 0)], 0
    while left:
        name, group, depth = left.pop()
        address = h5py.h5o.get_info(group.id).addr
        members += len(group)
        if members > MOST_MEMBERS:
            raise _too_many(path)
        if address in seen or depth > MOST_DEPTH:
            raise WeightsError(f"{path}: expected layers in groups, got groups in circles or very deep; {REPLACE}")
        seen.add(address)
        yield name, group
        for part in group:
            child = _member(path, group, part)
            if isinstance(child, h5py.Group):
                left.append((f"{name}/{part}", child, depth + 1))


def _names(path: Path, node: Any, key: str) -> list[str]:
    """Return the texts in an attribute."""
    attribute = node.attrs.get_id(key)
    count = math.prod(attribute.shape)
    if count > MOST_MEMBERS or count * attribute.get_type().get_size() > SMALL_BYTES:
        raise WeightsError(f"{path}: expected up to {MOST_MEMBERS} names in the attribute {key}, got more; {REPLACE}")
    return [text(name) for name in np.ravel(node.attrs[key])]


def _too_many(path: Path) -> WeightsError:
    return WeightsError(f"{path}: expected at most {MOST_MEMBERS} arrays and groups, got more; {REPLACE}")


class _StoredArray:
    """An array of an HDF5 file. Shape and type are known from its header; `[()]` reads its values.

    HDF5 would also read it from other files, run plugins that decompress it, and unpack a chunk to any size.
    """

    def __init__(self, path: Path, dataset: Any) -> None:
        import h5py

        stored = dataset.id.get_create_plist()
        if stored.get_layout() == h5py.h5d.VIRTUAL or stored.get_external_count():
            raise WeightsError(f"{path}: expected arrays in the file itself, got one in other files; {REPLACE}")
        filters = [stored.get_filter(index)[0] for index in range(stored.get_nfilters())]
        known = (h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32)
        if not {*filters} <= {*known} or len({*filters}) < len(filters):
            raise WeightsError(f"{path}: expected arrays stored plainly or with gzip, got other filters; {REPLACE}")
        self._path, self._dataset = path, dataset
        self._deflate = 1 << filters.index(known[0]) if known[0] in filters else 0
        self.shape: tuple[int, ...] = dataset.shape
        self.dtype: np.dtype = dataset.dtype

    def __getitem__(self, index: Any) -> Any:
        if self._dataset.chunks:
            self._check_chunks()
        return self._dataset[index]

    def _check_chunks(self) -> None:
        """Check that each chunk has the size that it should have, before HDF5 unpacks it."""
        size = math.prod(self._dataset.chunks) * self._dataset.id.get_type().get_size()
        grid = [-(-side // step) for side, step in zip(self.shape, self._dataset.chunks, strict=True)]
        stored, count = self._dataset.id, self._dataset.id.get_num_chunks()
        if count > min(math.prod(grid), MOST_MEMBERS) or size > 2 * SMALL_BYTES:
            raise WeightsError(f"{self._path}: expected an array in a few chunks, got other chunks; {REPLACE}")
        for number in range(count if self._deflate else 0):
            place = stored.get_chunk_info(number)
            if place.size > 2 * size:
                raise WeightsError(f"{self._path}: expected a chunk of {size} bytes, got {place.size}; {REPLACE}")
            skipped, data = stored.read_direct_chunk(place.chunk_offset)
            if (
                not skipped & self._deflate and len(zlib.decompressobj().decompress(data, size + 5)) > size + 4
            ):  # 4 are a checksum
                raise WeightsError(f"{self._path}: expected a chunk of {size} bytes, got a larger one; {REPLACE}")


def _natural_key(name: str) -> list[tuple[int, str]]:
    """Return a sort key that puts conv2d_2 before conv2d_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
