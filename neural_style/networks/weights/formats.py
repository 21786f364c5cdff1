"""The file layouts in which VGG19's weights are passed around: a file in, canonical arrays out.

Canonical means kernels as (height, width, in, out), float32, with conv1_1 expecting RGB. A layout is recognised by what
the file holds, never by its extension. Layers go by name where the file names them as Keras or Caffe do, otherwise by
their order. Only the convolutions that are asked for are read, except from .mat, which can only be read whole.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from neural_style.config.config import LEFT_TO_NETWORK, OPTIONS
from neural_style.errors import UsageError, WeightsError
from neural_style.networks.weights.random_filters import seeded_filters
from neural_style.vgg19_spec import CONV_LAYERS, IMAGENET_MEAN, keras_name, kernel_shape

KERAS_LEGACY = "Keras legacy HDF5"
KERAS_3 = "Keras 3 HDF5"
MATCONVNET = "MatConvNet"
NPZ = "npz"

ANEW = "get the file anew, or choose other weights"


class _Array(Protocol):
    """A NumPy array, or one that still lies in the file and is read by `[()]`."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, index: Any, /) -> Any: ...


_Pair = tuple[_Array, _Array]  # kernel (height, width, in, out) and bias (out,)


@dataclass(frozen=True)
class Contents:
    """What was read from a weights file.

    Attributes:
        layout: `KERAS_LEGACY`, `KERAS_3`, `MATCONVNET` or `NPZ`.
        channel_order: "RGB" or "BGR", what conv1_1 expected in the file.
        assumed: whether order and mean come from the layout's custom, because the file cannot say them.
        kernels: float32 (3, 3, in, out) by convolution; conv1_1 expects RGB whatever the file held.
        biases: float32 (out,) by convolution.
        mean: float32 (3,), RGB, 0-255.
        settings: what suits the network of the options in `config.LEFT_TO_NETWORK`; most files say nothing of it.
    """

    layout: str
    channel_order: str
    assumed: bool
    kernels: Mapping[str, np.ndarray]
    biases: Mapping[str, np.ndarray]
    mean: np.ndarray
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Held:
    """An open file whose arrays are not read yet; the fields are those of `Contents`."""

    layout: str
    channel_order: str
    mean: Any
    assumed: bool
    convs: Mapping[str, _Pair]
    settings: Mapping[str, Any] = field(default_factory=dict)


def read(
    path: Path,
    convs: Iterable[str] | None = None,
    channel_order: str | None = None,
    mean: Iterable[float] | None = None,
) -> Contents:
    """Read a weights file of any known layout.

    Args:
        path: the file.
        convs: the convolutions to read, e.g. from `vgg19_spec.convs_up_to`; None reads all that the file holds.
        channel_order: "RGB" or "BGR" where it is known better than the file or its layout says.
        mean: the mean pixel (RGB, 0-255), likewise.

    Raises:
        WeightsError: the file is of no known layout, is damaged, lacks a convolution, does not fit VGG19, or holds NaN
            or infinity.
    """
    with _opened(path) as held:
        _check_fit(path, held.convs)
        wanted = tuple(held.convs if convs is None else convs)
        _check_depth(path, held.convs, wanted)
        order = channel_order or held.channel_order
        kernels, biases = {}, {}
        for conv in wanted:
            kernel, bias = held.convs[conv]
            kernels[conv] = _floats(path, f"{conv}'s kernel", kernel)
            biases[conv] = _floats(path, f"{conv}'s bias", bias)
        if order == "BGR" and "conv1_1" in kernels:
            kernels["conv1_1"] = np.ascontiguousarray(kernels["conv1_1"][:, :, ::-1])
        pixel = _mean_pixel(path, held.mean if mean is None else list(mean))
        return Contents(held.layout, order, held.assumed and mean is None, kernels, biases, pixel, held.settings)


@contextmanager
def _opened(path: Path) -> Iterator[_Held]:
    """The open file. Whatever a parser raises over damaged bytes, now or later, becomes a WeightsError."""
    reader = _reader(path)
    try:
        with reader(path) as held:
            yield held
    except (WeightsError, ImportError):
        raise
    except MemoryError as error:
        raise WeightsError(f"{path}: too large for this machine's memory, or damaged; {ANEW}") from error
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise WeightsError(f"{path}: damaged or cut off ({reason}); {ANEW}") from error


def _reader(path: Path) -> Callable[[Path], AbstractContextManager[_Held]]:
    """The reader for what a file holds, told by its first bytes."""
    try:
        with open(path, "rb") as file:
            head = file.read(512)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); give a weights file that can") from error
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return _hdf5
    if head.startswith(b"PK\x03\x04"):
        return _npz
    if head[126:128] in (b"IM", b"MI") and not head.startswith(b"MATLAB 7.3"):
        return _matlab
    raise WeightsError(f"{path}: expected VGG19 weights (Keras .h5, MatConvNet .mat or .npz), received {_what(head)}")


def _what(head: bytes) -> str:
    """In words, what a file is that is no weights file, and what to do about it."""
    start = head.lstrip().lower()
    if not head:
        return f"an empty file; {ANEW}"
    if head.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer; fetch the file itself with `git lfs pull`"
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page; download the file itself, perhaps after a login"
    if head.startswith(b"MATLAB 7.3"):
        return "a MATLAB 7.3 file; save it in MATLAB with -v7"
    if not re.search(rb"[^\t\n\r\f -~]", head):
        return f"a text file; {ANEW}"
    return f"a file of another kind, or damaged; {ANEW}"


# --- what fits VGG19 --------------------------------------------------------------------------------------------------


def _check_fit(path: Path, convs: Mapping[str, _Pair]) -> None:
    """See that each convolution in the file, needed or not, has VGG19's shape, and that none between two is missing."""
    deepest = max((CONV_LAYERS.index(conv) for conv in convs), default=-1)
    for conv in CONV_LAYERS[: deepest + 1]:
        if conv not in convs:
            holds = CONV_LAYERS[deepest]
            raise WeightsError(f"{path}: holds {holds} but no {conv}, so it is not VGG19; give VGG19's")
        shape = kernel_shape(conv)
        for part, array, expected in zip(("kernel", "bias"), convs[conv], (shape, shape[3:]), strict=True):
            if tuple(array.shape) != expected:
                raise WeightsError(
                    f"{path}: expected {conv}'s {part} of shape {expected}, received {tuple(array.shape)}: "
                    f"this is not VGG19; {ANEW}"
                )


def _check_depth(path: Path, convs: Mapping[str, _Pair], wanted: tuple[str, ...]) -> None:
    lacking = [conv for conv in wanted if conv not in convs]
    if lacking and convs:
        deepest = list(convs)[-1]
        raise WeightsError(
            f"{path}: expected convolutions up to {wanted[-1]}, received them up to {deepest}; "
            f"choose layers no deeper than {deepest.replace('conv', 'relu')}, or deeper weights"
        )
    if lacking:
        raise WeightsError(f"{path}: expected the convolutions of VGG19, received none; {ANEW}")


def _floats(path: Path, what: str, unread: _Array) -> np.ndarray:
    """The array, read, as contiguous float32, every value of which is finite."""
    array = np.asarray(unread[()])
    if array.dtype.kind != "f":
        raise WeightsError(f"{path}: expected {what} in floating point, received {array.dtype}; {ANEW}")
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array, np.float32)
    broken = array.size - np.count_nonzero(np.isfinite(array))
    if broken:
        raise WeightsError(f"{path}: expected finite values, received {broken} NaN or infinite in {what}; {ANEW}")
    return array


def _mean_pixel(path: Path, values: Any) -> np.ndarray:
    """The mean pixel as float32 (3,), RGB; refused where it looks like one on another scale or in another order."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiu" or array.size == 0 or (array.size != 3 and array.shape[-1:] != (3,)):
        raise WeightsError(
            f"{path}: expected a mean pixel of 3 numbers (RGB), received {array.dtype} {array.shape}; store three"
        )
    pixel = array.reshape(-1, 3).mean(axis=0, dtype=np.float64)
    shown = ", ".join(f"{value:g}" for value in pixel)
    if not (np.isfinite(pixel).all() and pixel.min() >= 0 and pixel.max() <= 255) or 0 < pixel.max() <= 1:
        raise WeightsError(
            f"{path}: expected a mean pixel of 0 to 255, received ({shown}); store it on the scale 0-255"
        )
    if np.allclose(pixel[::-1], IMAGENET_MEAN, atol=0.5):
        raise WeightsError(
            f"{path}: expected a mean pixel in RGB order, received ({shown}), ImageNet's as BGR; reverse it"
        )
    return pixel.astype(np.float32)


# --- which array is which convolution ---------------------------------------------------------------------------------


def _conv_in(label: str) -> str | None:
    """The convolution that a label names: "block4_conv2_W_1:0", "conv4_2" and "x/block4_conv2/kernel" are conv4_2."""
    match = re.search(r"(?<![a-z0-9])(?:block(\d)_conv|conv(\d)_)(\d)(?![a-z0-9])", label)
    name = f"conv{match[1] or match[2]}_{match[3]}" if match else ""
    return name if name in CONV_LAYERS else None


def _assign(path: Path, found: list[tuple[str, _Pair]]) -> dict[str, _Pair]:
    """Convolutions, shallow to deep, by their labels; where no label is known, the 3×3 ones in file order."""
    named = [(conv, pair) for label, pair in found if (conv := _conv_in(label))]
    if not named:
        return dict(zip(CONV_LAYERS, (pair for _, pair in found if pair[0].shape[:2] == (3, 3)), strict=False))
    pairs = dict(named)
    if len(pairs) < len(named):
        raise WeightsError(f"{path}: expected one network, received several that share layer names; give VGG19 alone")
    return {conv: pairs[conv] for conv in CONV_LAYERS if conv in pairs}


def _pair_up(arrays: list[tuple[str, _Array]]) -> list[tuple[str, _Pair]]:
    """Each 4-D array with the one that follows it: a convolution's kernel and its bias."""
    ended: list[tuple[str, _Array]] = [("", np.empty(0, np.float32))]
    successors = arrays[1:] + ended
    return [
        (label, (kernel, bias))
        for (label, kernel), (_, bias) in zip(arrays, successors, strict=True)
        if len(kernel.shape) == 4
    ]


# --- HDF5: Keras ------------------------------------------------------------------------------------------------------


@contextmanager
def _hdf5(path: Path) -> Iterator[_Held]:
    import h5py

    with h5py.File(path, "r") as file:
        root = file.get("model_weights", file)
        if "layer_names" in root.attrs:
            layout, arrays = KERAS_LEGACY, _keras_legacy(root)
        elif "layers" in file or "_layer_checkpoint_dependencies" in file:
            layers = file["layers" if "layers" in file else "_layer_checkpoint_dependencies"]
            layout, arrays = KERAS_3, _keras_3(path, layers)
        else:
            raise WeightsError(f"{path}: expected an HDF5 file that Keras wrote, received another; {ANEW}")
        yield _Held(layout, "BGR", IMAGENET_MEAN, True, _assign(path, _pair_up(arrays)))


def _keras_legacy(root: Any) -> list[tuple[str, _Array]]:
    """All arrays in the order of the attributes `layer_names` and, in each layer, `weight_names`."""
    arrays = []
    for layer in map(_text, root.attrs["layer_names"]):
        for weight in map(_text, root[layer].attrs["weight_names"]):
            arrays.append((f"{layer}/{weight}", root[layer][weight]))
    return arrays


def _keras_3(path: Path, root: Any) -> list[tuple[str, _Array]]:
    """All arrays of the groups `.../<layer>/vars`, in natural order: conv2d, conv2d_1, ..., conv2d_10.

    Early releases name the groups by class, later ones add the layer's name as an attribute, or name the group by it.
    """
    arrays: list[tuple[str, _Array]] = []

    def visit(name: str, node: Any) -> None:
        parent, _, position = name.rpartition("/")
        if parent.endswith("/vars") and position.isdigit():
            if len(node.shape) == 4 and len(root[parent]) > 2:
                raise WeightsError(
                    f"{path}: expected a kernel and a bias of each convolution, received {len(root[parent])} arrays in "
                    f"{parent}; if this is a checkpoint of training, give the network that training wrote in the end"
                )
            arrays.append((f"{name}/{_text(root[parent].attrs.get('name', ''))}", node))

    root.visititems(visit)
    return sorted(arrays, key=lambda labelled: _natural(labelled[0]))


def _natural(text: str) -> list[tuple[int, str]]:
    """A sort key that puts conv2d_2 before conv2d_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


# --- .mat: MatConvNet -------------------------------------------------------------------------------------------------


@contextmanager
def _matlab(path: Path) -> Iterator[_Held]:
    from scipy.io import loadmat

    data = loadmat(path, variable_names=["layers", "normalization", "meta"])
    if "layers" not in data:
        raise WeightsError(f"{path}: expected MatConvNet's variable `layers`, received a .mat without it; {ANEW}")
    layers = [_fields(cell) for cell in data["layers"].ravel()]
    found = [(_string(fields.get("name")), pair) for fields in layers if (pair := _mat_pair(fields))]
    yield _Held(MATCONVNET, "RGB", _average_image(path, data), False, _assign(path, found))


def _fields(struct: Any) -> dict[str, Any]:
    """The fields of a 1×1 MATLAB struct by name; empty for anything else."""
    names = getattr(getattr(struct, "dtype", None), "names", None)
    return {name: struct.ravel()[0][name] for name in names} if names and struct.size else {}


def _string(value: Any) -> str:
    first = np.ravel(value)[0] if np.size(value) else ""
    return first.decode(errors="replace") if isinstance(first, bytes) else str(first)


def _mat_pair(fields: dict[str, Any]) -> _Pair | None:
    """A layer's kernel and bias: the cell of two arrays, the first (width, height, in, out), in whatever field."""
    for value in fields.values():
        if isinstance(value, np.ndarray) and value.dtype == object and value.size == 2:
            kernel, bias = value.ravel()
            if np.ndim(kernel) == 4:
                return np.transpose(kernel, (1, 0, 2, 3)), np.ravel(bias)
    return None


def _average_image(path: Path, data: dict[str, Any]) -> Any:
    """The average image (height, width, 3) or pixel (1, 1, 3), RGB, from where MatConvNet, old or new, keeps it."""
    inner = _fields(data.get("meta")).get("normalization")
    for normalization in (data.get("normalization"), inner):
        image = _fields(normalization).get("averageImage")
        if image is not None:
            return image
    raise WeightsError(f"{path}: expected MatConvNet's `averageImage`, received a .mat without it; {ANEW}")


# --- .npz -------------------------------------------------------------------------------------------------------------


class _NpzArray:
    """An array of an .npz whose shape is known from its header, and which is read by `[()]`."""

    def __init__(self, archive: Any, key: str) -> None:
        self._archive, self._key = archive, key
        with archive.zip.open(f"{key}.npy") as file:
            version = np.lib.format.read_magic(file)
            header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, self.dtype = header(file)
        self.shape: tuple[int, ...] = shape

    def __getitem__(self, index: Any) -> Any:
        return self._archive[self._key][index]


class _SeededKernel:
    """A kernel of which the .npz holds only a scale for each filter; the filters are made when it is read by `[()]`."""

    def __init__(self, conv: str, scale: np.ndarray) -> None:
        self._conv, self._scale = conv, scale
        self.shape: tuple[int, ...] = (*kernel_shape(conv)[:3], *scale.shape)

    def __getitem__(self, index: Any) -> Any:
        return (seeded_filters(self._conv) * self._scale)[index]


class _PaletteKernel:
    """A kernel of which the .npz holds a palette of values, and for each weight its place in there; read by `[()]`."""

    def __init__(self, path: Path, what: str, index: _NpzArray, palette: np.ndarray) -> None:
        if index.dtype != np.uint8:
            raise WeightsError(f"{path}: expected {what}'s index as uint8, received {index.dtype}; {ANEW}")
        if palette.dtype.kind != "f" or palette.ndim != 1:
            raise WeightsError(
                f"{path}: expected {what}'s palette as a row of floating-point numbers, received {palette.dtype} "
                f"{palette.shape}; {ANEW}"
            )
        self._path, self._what, self._index, self._palette = path, what, index, palette
        self.shape = index.shape

    def __getitem__(self, index: Any) -> Any:
        places = self._index[()]
        last = places.max(initial=0)
        if last >= len(self._palette):
            raise WeightsError(
                f"{self._path}: expected {self._what}'s index below {len(self._palette)}, the size of its palette, "
                f"received {last}; {ANEW}"
            )
        return self._palette.astype(np.float32)[places][index]


@contextmanager
def _npz(path: Path) -> Iterator[_Held]:
    _check_zip(path)
    with np.load(path, allow_pickle=False) as archive:
        for key, example in (("channel_order", '"RGB"'), ("mean", "[123.68, 116.779, 103.939]")):
            if key not in archive:
                raise WeightsError(
                    f"{path}: expected the key `{key}`, received an .npz without it; save it with {key}={example}, "
                    "since a wrong guess would only show as worse pictures"
                )
        order = _string(archive["channel_order"])
        if order not in ("RGB", "BGR"):
            raise WeightsError(
                f"{path}: expected `channel_order` to be RGB or BGR, received {order!r}; save the right one"
            )
        settings = {name: archive[name] for name in LEFT_TO_NETWORK if name in archive}
        for name, value in settings.items():
            if value.shape != ():
                raise WeightsError(f"{path}: {name}: expected a number, received an array of shape {value.shape}")
        try:
            settings = {name: OPTIONS[name].checked(value.item()) for name, value in settings.items()}
        except UsageError as error:
            raise WeightsError(f"{path}: {error}; save another, or none") from error
        yield _Held(NPZ, order, archive["mean"], False, dict(_npz_pairs(path, archive)), settings)


def _npz_pairs(path: Path, archive: Any) -> Iterator[tuple[str, _Pair]]:
    for conv in CONV_LAYERS:
        keys = {part: f"{keras_name(conv)}/{part}" for part in ("kernel", "scale", "index", "palette", "bias")}
        held = {part for part, key in keys.items() if key in archive}
        if not held & {"kernel", "scale", "index"}:
            continue
        for part, whose in (("bias", "kernel"), *([("palette", "index")] if "index" in held else [])):
            if part not in held:
                raise WeightsError(
                    f"{path}: expected {conv}'s {part} beside its {whose}, received no key `{keys[part]}`; {ANEW}"
                )
        filters: _Array
        if "kernel" in held:
            filters = _NpzArray(archive, keys["kernel"])
        elif "index" in held:
            filters = _PaletteKernel(path, conv, _NpzArray(archive, keys["index"]), archive[keys["palette"]])
        else:
            filters = _SeededKernel(conv, archive[keys["scale"]])
        yield conv, (filters, _NpzArray(archive, keys["bias"]))


def _check_zip(path: Path) -> None:
    """A ZIP that is no .npz is told for what it is."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if any(name.endswith(".npy") for name in names):
        return
    if "model.weights.h5" in names:
        raise WeightsError(
            f"{path}: expected weights, received a whole .keras model; save them with model.save_weights"
        )
    raise WeightsError(f"{path}: expected an .npz, received a ZIP of another kind (PyTorch, perhaps); {ANEW}")
