"""Read weights files of all known layouts; return checked arrays in one form.

In that form, kernels are float32 (height, width, in, out), and conv1_1 expects RGB. A layout is recognized by the
content of the file, never by its extension. Layers are found by their names if the file names them as Keras or Caffe
do, and otherwise by their order. Only the convolutions that are asked for are read.

A file may come from a stranger. So nothing is allocated by what a file claims: every array's shape and type are
compared with VGG19's before its values are read, and whatever else is read is limited in size, number and depth.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from neural_style.errors import WeightsError
from neural_style.networks.weights.hdf5_process import open_apart
from neural_style.networks.weights.keras_hdf5 import open_hdf5
from neural_style.networks.weights.matconvnet import open_matlab
from neural_style.networks.weights.npz import open_npz
from neural_style.networks.weights.open_file import REPLACE, OpenWeights, Pair, UnreadArray, plain
from neural_style.networks.weights.safetensors_file import is_safetensors, open_safetensors
from neural_style.networks.weights.torch_pickles import is_torch_pickle, torch_pickle
from neural_style.vgg19_spec import CONV_LAYERS, IMAGENET_MEAN, kernel_shape

SUFFIXES = {
    ".safetensors": "PyTorch .safetensors",
    ".h5": "Keras .h5",
    ".mat": "MatConvNet .mat",
    ".npz": "our own .npz",
}
"""The usual file name suffixes of the layouts -> what such files are."""

SUPPORTED = " or ".join(", ".join(SUFFIXES.values()).rsplit(", ", 1))
"""The layouts in words, for messages."""


@dataclass(frozen=True)
class Contents:
    """What was read from a weights file.

    Attributes:
        layout: `KERAS_LEGACY`, `KERAS_3`, `MATCONVNET`, `PYTORCH`, `SAFETENSORS` or `NPZ`, from the modules of these
            layouts.
        channel_order: "RGB" or "BGR", the order that conv1_1 expected in the file.
        assumed: in words, the order and mean that are usual in this layout, if the file does not state them.
        kernels: float32 (3, 3, in, out) by convolution; conv1_1 expects RGB whatever the file held.
        biases: float32 (out,) by convolution.
        mean: float32 (3,), RGB, 0-255.
        settings: values of the options in `config.LEFT_TO_NETWORK` that suit the network; most files have none.
    """

    layout: str
    channel_order: str
    assumed: str
    kernels: Mapping[str, np.ndarray]
    biases: Mapping[str, np.ndarray]
    mean: np.ndarray
    settings: Mapping[str, Any] = field(default_factory=dict)


def read(
    path: Path,
    convs: Iterable[str] | None = None,
    channel_order: str | None = None,
    mean: Iterable[float] | None = None,
    is_known: bool = False,
) -> Contents:
    """Read a weights file of any known layout.

    Args:
        path: the file.
        convs: the convolutions to read, such as `vgg19_spec.convs_up_to` returns; None for all in the file.
        channel_order: "RGB" or "BGR", to replace what the file or its layout says; None to keep that.
        mean: the mean pixel (RGB, 0-255), to replace what the file or its layout says; None to keep that.
        is_known: whether the file's hash is published, so that it is certain to be undamaged.

    Raises:
        WeightsError: the file has no known layout, is damaged, lacks a convolution, does not fit VGG19, or holds NaN or
            infinity.
    """
    with _opened(path, is_known) as file:
        _check_fit(path, file.convs)
        wanted = tuple(file.convs if convs is None else convs)
        _check_depth(path, file.convs, wanted)
        order = channel_order or file.channel_order
        kernels, biases = {}, {}
        for conv in wanted:
            kernel, bias = file.convs[conv]
            kernels[conv] = _floats(path, f"{conv}'s kernel", kernel)
            biases[conv] = _floats(path, f"{conv}'s bias", bias)
        if order == "BGR" and "conv1_1" in kernels:
            kernels["conv1_1"] = np.ascontiguousarray(kernels["conv1_1"][:, :, ::-1])
        pixel = _mean_pixel(path, file.mean if mean is None else list(mean))
        return Contents(file.layout, order, file.assumed if mean is None else "", kernels, biases, pixel, file.settings)


@contextmanager
def _opened(path: Path, is_known: bool) -> Iterator[OpenWeights]:
    """Open the file. Turn any error that a parser raises for damaged bytes, now or later, into a WeightsError."""
    opener = _opener(path, is_known)
    try:
        with opener(path) as file:
            yield file
    except (WeightsError, ImportError):
        raise
    except MemoryError as error:
        raise WeightsError(f"{path}: too large for this machine's memory, or damaged; {REPLACE}") from error
    except Exception as error:
        reason = plain(error) or type(error).__name__
        raise WeightsError(f"{path}: damaged or cut off ({reason}); {REPLACE}") from error


def _opener(path: Path, is_known: bool) -> Callable[[Path], AbstractContextManager[OpenWeights]]:
    """Choose the function that opens the layout, by the file's first bytes."""
    try:
        with open(path, "rb") as file:
            head = file.read(512)
    except (OSError, ValueError) as error:  # ValueError: the system does not allow such names
        reason = getattr(error, "strerror", None) or error
        raise WeightsError(f"{path}: cannot be read ({reason}); give a weights file that can be read") from error
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return open_hdf5 if is_known or not sys.executable else open_apart
    if head.startswith(b"PK\x03\x04"):
        return open_npz
    if head[126:128] in (b"IM", b"MI") and not head.startswith(b"MATLAB 7.3"):
        return open_matlab
    if is_safetensors(head):
        return open_safetensors
    if is_torch_pickle(head):
        raise WeightsError(f"{path}: expected weights without code, got {torch_pickle(path)}")
    raise WeightsError(f"{path}: expected VGG19 weights ({SUPPORTED}), got {_kind(head)}")


def _kind(head: bytes) -> str:
    """Return in words what a file is that is not a weights file, and what to do about it.

    Args:
        head: the first 512 bytes of the file.
    """
    start = head.lstrip().lower()
    if not head:
        return f"an empty file; {REPLACE}"
    if head.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer; fetch the file itself with `git lfs pull`"
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page; download the file itself, if necessary after a login"
    if head.startswith(b"MATLAB 7.3"):
        return "a MATLAB 7.3 file; save it in MATLAB with -v7"
    if not re.search(rb"[^\t\n\r\f -~]", head):
        return f"a text file; {REPLACE}"
    return f"a file of another kind, or damaged; {REPLACE}"


# --- checks -----------------------------------------------------------------------------------------------------------


def _check_fit(path: Path, convs: Mapping[str, Pair]) -> None:
    """Check that every convolution in the file has VGG19's shape, and that none between two others is missing."""
    deepest = max((CONV_LAYERS.index(conv) for conv in convs), default=-1)
    if deepest < 0:
        raise WeightsError(f"{path}: expected the convolutions of VGG19, got none; {REPLACE}")
    for conv in CONV_LAYERS[: deepest + 1]:
        if conv not in convs:
            holds = CONV_LAYERS[deepest]
            raise WeightsError(f"{path}: expected VGG19, got {holds} without {conv}; give a file of VGG19")
        shape = kernel_shape(conv)
        for part, array, expected in zip(("kernel", "bias"), convs[conv], (shape, shape[3:]), strict=True):
            if tuple(array.shape) != expected:
                raise WeightsError(
                    f"{path}: expected {conv}'s {part} of shape {expected}, got {plain(tuple(array.shape))}: "
                    f"this is not VGG19; {REPLACE}"
                )


def _check_depth(path: Path, convs: Mapping[str, Pair], wanted: tuple[str, ...]) -> None:
    if any(conv not in convs for conv in wanted):
        deepest = list(convs)[-1]
        raise WeightsError(
            f"{path}: expected convolutions up to {wanted[-1]}, got them up to {deepest}; "
            f"choose layers no deeper than {deepest.replace('conv', 'relu')}, or deeper weights"
        )


def _floats(path: Path, what: str, unread: UnreadArray) -> np.ndarray:
    """Read an array as contiguous float32, and check that every value is finite."""
    if unread.dtype.kind != "f":
        raise WeightsError(f"{path}: expected {what} in floating point, got {plain(unread.dtype)}; {REPLACE}")
    array = np.asarray(unread[()])
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array, np.float32)
    broken = array.size - np.count_nonzero(np.isfinite(array))
    if broken:
        raise WeightsError(f"{path}: expected finite values, got {broken} NaN or infinite in {what}; {REPLACE}")
    return array


def _mean_pixel(path: Path, values: Any) -> np.ndarray:
    """Return the mean pixel as float32 (3,), RGB. Refuse one that seems to have another scale or channel order.

    Args:
        path: the file, for messages.
        values: one pixel, or one for each position: (..., 3).
    """
    array = np.asarray(values)
    if array.dtype.kind not in "fiu" or array.size == 0 or (array.size != 3 and array.shape[-1:] != (3,)):
        raise WeightsError(
            f"{path}: expected a mean pixel of 3 numbers (RGB), got {plain(array.dtype)} {array.shape}; store three"
        )
    pixel = array.reshape(-1, 3).mean(axis=0, dtype=np.float64)
    shown = ", ".join(f"{value:g}" for value in pixel)
    if not (np.isfinite(pixel).all() and pixel.min() >= 0 and pixel.max() <= 255) or 0 < pixel.max() <= 1:
        raise WeightsError(f"{path}: expected a mean pixel of 0 to 255, got ({shown}); store it on the scale 0-255")
    if np.allclose(pixel[::-1], IMAGENET_MEAN, atol=0.5):
        raise WeightsError(f"{path}: expected a mean pixel in RGB order, got ({shown}), ImageNet's as BGR; reverse it")
    return pixel.astype(np.float32)
