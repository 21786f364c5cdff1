"""Weights files of every layout, each with one convolution."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np
from safetensors.numpy import save
from scipy.io import savemat

from neural_style.networks import weights
from neural_style.networks.weights import hdf5_process
from neural_style.vgg19_spec import CONV_LAYERS, IMAGENET_MEAN, keras_name, kernel_shape

CONV = CONV_LAYERS[0]
"""The convolution in the files. A network may end anywhere, and this one takes 7 kB."""

KERAS = keras_name(CONV)
LAYERS = (CONV.replace("conv", "relu"),)


SLOW = frozenset({"h5"})
"""Kinds that are read in a process of their own."""

hdf5_process.LIMIT = 3.0


def seeds() -> Mapping[str, Sequence[bytes]]:
    """Return small valid files of every layout, by suffix."""
    kinds: dict[str, list[bytes]] = {}
    for name, data in {**_npz(), **_hdf5(), **_mat(), **_safetensors()}.items():
        kinds.setdefault(name.rpartition(".")[2], []).append(data)
    return kinds


def read(path: str) -> None:
    """Read a weights file as a run does."""
    weights.load(path, LAYERS)


def repair(_kind: str, data: bytes, _chance: random.Random) -> bytes:
    """Return the file as it is."""
    return data


def _kernel() -> np.ndarray:
    return np.random.default_rng(0).normal(size=kernel_shape(CONV)).astype(np.float32)


def _bias() -> np.ndarray:
    return np.linspace(-1, 1, kernel_shape(CONV)[3], dtype=np.float32)


def _npz() -> dict[str, bytes]:
    stated: dict[str, Any] = {"channel_order": "RGB", "mean": np.array(IMAGENET_MEAN)}
    stated |= {"learning_rate": 3.0, "preview_width": 256, "loss": "athalye"}
    palette = {"palette": np.linspace(-1, 1, 256, dtype=np.float32)}
    stored = {
        "plain": {"kernel": _kernel()},
        "half": {"kernel": _kernel().astype(np.float16)},
        "palette": {"index": np.zeros(kernel_shape(CONV), np.uint8), **palette},
        "scales": {"scale": _bias()},
    }
    files = {}
    for name, arrays in stored.items():
        named = {f"{KERAS}/{part}": array for part, array in (arrays | {"bias": _bias()}).items()}
        for save_arrays in (np.savez, np.savez_compressed):
            buffer = io.BytesIO()
            save_arrays(buffer, **stated, **named)
            files[f"{name} {save_arrays.__name__}.npz"] = buffer.getvalue()
    return files


def _hdf5() -> dict[str, bytes]:
    files = {}
    ways: dict[str, dict[str, Any]] = {
        "plain": {},
        "chunks": {"chunks": (1, 3, 3, 64)},
        "gzip": {"compression": "gzip", "shuffle": True, "fletcher32": True},
    }
    for name, options in ways.items():
        for libver in ("earliest", "latest"):
            buffer = io.BytesIO()
            with h5py.File(buffer, "w", libver=libver) as file:
                file.attrs["layer_names"] = np.array([b"input_1", KERAS.encode()])
                file.create_group("input_1").attrs["weight_names"] = np.array([], "S1")
                group = file.create_group(KERAS)
                group.attrs["weight_names"] = [b"kernel:0", b"bias:0"]
                group.create_dataset("kernel:0", data=_kernel(), **options)
                group["bias:0"] = _bias()
            files[f"legacy {name} {libver}.h5"] = buffer.getvalue()
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        variables = file.create_group("layers/conv2d/vars")
        variables["0"], variables["1"] = _kernel(), _bias()
        variables.attrs["name"] = KERAS
        file.create_group("layers/max_pooling2d/vars")
    return files | {"keras 3.weights.h5": buffer.getvalue()}


def _mat() -> dict[str, bytes]:
    pair = np.empty((1, 2), object)
    pair[0, 0], pair[0, 1] = np.transpose(_kernel(), (1, 0, 2, 3)), _bias()[:, None]
    layers = np.empty((1, 2), object)
    layers[0, :] = [{"name": CONV, "type": "conv", "weights": pair}, {"type": "relu"}]
    normalization = {"averageImage": np.reshape(IMAGENET_MEAN, (1, 1, 3))}
    forms = {"new": {"meta": {"classes": 1, "normalization": normalization}}, "old": {"normalization": normalization}}
    files = {}
    for name, form in forms.items():
        for is_compressed in (False, True):
            buffer = io.BytesIO()
            savemat(buffer, {"layers": layers, **form}, do_compression=is_compressed)
            files[f"{name} {'compressed' if is_compressed else 'plain'}.mat"] = buffer.getvalue()
    return files


def _safetensors() -> dict[str, bytes]:
    own = {f"{KERAS}/kernel": _kernel(), f"{KERAS}/bias": _bias()}
    stated = {"channel_order": "BGR", "mean": json.dumps(IMAGENET_MEAN), "learning_rate": "3", "loss": "athalye"}
    files = {"own.safetensors": save(own, stated)}
    for floats in ("float32", "float16", "float64"):
        kernel = np.ascontiguousarray(np.transpose(_kernel(), (3, 2, 0, 1))).astype(floats)
        tensors = {"features.0.weight": kernel, "features.0.bias": _bias().astype(floats)}
        files[f"torch {floats}.safetensors"] = save(tensors, {"format": "pt"})
    return files
