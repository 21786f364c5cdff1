"""Convert the PyTorch file of ImageNet's VGG19 rounded to 8 bits into an `.npz` that `npz` reads.

For each convolution, the `.npz` holds `index` (uint8, height × width × in × out), `palette` (float32, up to 256 values)
and `bias` (float32, out). The same numbers always give the same bytes, so the file always has the same hash.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from neural_style.networks.weights import torch_legacy
from neural_style.vgg19_spec import CONV_LAYERS, IMAGENET_MEAN, keras_name, kernel_shape


def convert(data: bytes, path: Path) -> None:
    """Convert a PyTorch file with `<layer>_W_q`, `<layer>_W_table` and `<layer>_b` of each convolution to an `.npz`.

    Args:
        data: the PyTorch file. Its indices are uint8 (out, in, height, width).
        path: where to write.

    Raises:
        ValueError: the data are damaged, or are another kind of file.
        OSError: the file cannot be written.
    """
    arrays = dict(_arrays(torch_legacy.read(data)))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            member.create_system, member.external_attr = 3, 0o644 << 16  # as on Linux, on every system
            archive.writestr(member, _npy(array))


def _arrays(tensors: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the arrays of the `.npz` with their names, in order."""
    yield "channel_order", np.array("BGR")
    yield "mean", np.array(IMAGENET_MEAN, np.float32)
    convs = [conv for conv in CONV_LAYERS if f"{keras_name(conv)}_b" in tensors]
    names = [f"{keras_name(conv)}_{part}" for conv in convs for part in ("W_q", "W_table", "b")]
    if not convs or sorted(names) != sorted(tensors):
        raise ValueError("not the tensors of a VGG19 with palettes")
    for conv in convs:
        index, palette, bias = (tensors[f"{keras_name(conv)}_{part}"] for part in ("W_q", "W_table", "b"))
        height, width, channels_in, channels_out = kernel_shape(conv)
        for part, array, kind, shape in (
            ("W_q", index, np.uint8, (channels_out, channels_in, height, width)),
            ("W_table", palette, np.float32, (256,)),
            ("b", bias, np.float32, (channels_out,)),
        ):
            if array.dtype != kind or array.shape != shape:
                raise ValueError(
                    f"expected {keras_name(conv)}_{part} as {np.dtype(kind)} {shape}, got {array.dtype} {array.shape}"
                )
        yield f"{keras_name(conv)}/index", index.transpose(2, 3, 1, 0)
        yield f"{keras_name(conv)}/palette", palette
        yield f"{keras_name(conv)}/bias", bias


def _npy(array: np.ndarray) -> bytes:
    """Return an array as a little-endian `.npy` of version 1.0. NumPy's own headers differ between its releases."""
    array = array.astype(array.dtype.newbyteorder("<"), order="C")
    header = repr({"descr": array.dtype.str, "fortran_order": False, "shape": array.shape})
    header += " " * (-(10 + len(header) + 1) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode("ascii") + array.tobytes()
