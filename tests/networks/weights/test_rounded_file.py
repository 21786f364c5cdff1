import io
import zipfile

import numpy as np
import packages
import pytest
from packages import CONVS, legacy_file, network_arrays, network_kernels

from neural_style.errors import WeightsError
from neural_style.networks.weights import formats, rounded_file
from neural_style.vgg19_spec import keras_name

ARRAYS = network_arrays()


def written(tmp_path, arrays=ARRAYS, name="w.npz"):
    rounded_file.convert(legacy_file(arrays), tmp_path / name)
    return tmp_path / name


def test_the_network_comes_back(tmp_path):
    contents = formats.read(written(tmp_path))
    kernels = network_kernels(ARRAYS)
    assert tuple(contents.kernels) == tuple(contents.biases) == CONVS
    for conv in CONVS:
        assert contents.kernels[conv].dtype == np.float32
        np.testing.assert_array_equal(contents.kernels[conv], kernels[conv])
        np.testing.assert_array_equal(contents.biases[conv], ARRAYS[f"{keras_name(conv)}_b"])
    np.testing.assert_allclose(contents.mean, [123.68, 116.779, 103.939], rtol=1e-6)


def test_one_weight_by_hand(tmp_path):
    """conv1_1, row 0, column 2, blue, which comes first in BGR, filter 5: place 7 of the palette, which holds 0.5."""
    arrays = {**ARRAYS, "block1_conv1_W_q": np.zeros((64, 3, 3, 3), np.uint8)}
    arrays["block1_conv1_W_q"][5, 0, 0, 2] = 7
    arrays["block1_conv1_W_table"] = np.where(np.arange(256) == 7, 0.5, 0).astype(np.float32)
    kernel = formats.read(written(tmp_path, arrays)).kernels["conv1_1"]
    assert np.argwhere(kernel).tolist() == [[0, 2, 2, 5]]
    assert kernel[0, 2, 2, 5] == 0.5


def test_the_same_numbers_give_the_same_bytes(tmp_path):
    """Whatever the clock, the system and NumPy's release say: a file is known by its hash."""
    first, again = written(tmp_path), written(tmp_path, name="other.npz")
    assert first.read_bytes() == again.read_bytes()
    with zipfile.ZipFile(first) as archive:
        for member in archive.infolist():
            assert (member.date_time, member.create_system) == ((1980, 1, 1, 0, 0, 0), 3)
            assert member.compress_type == zipfile.ZIP_STORED
        header = archive.read("block1_conv1/index.npy")[:128]
    plain = b"{'descr': '|u1', 'fortran_order': False, 'shape': (3, 3, 3, 64)}"
    assert header == b"\x93NUMPY\x01\x00\x76\x00" + plain.ljust(117) + b"\n"


@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4)])
@pytest.mark.parametrize("kind", ["<f4", ">f4", "u1", "<U3"])
def test_numpy_reads_its_arrays(shape, kind):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(kind).T
    read = np.load(io.BytesIO(rounded_file._npy(array)), allow_pickle=False)
    np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"block1_conv2_W_q": np.zeros((64, 64, 3), np.uint8)},
            r"block1_conv2_W_q as uint8 \(64, 64, 3, 3\), got",
        ),
        ({"block1_conv2_W_q": np.zeros((64, 64, 3, 3), np.float32)}, "got float32"),
        ({"block1_conv2_W_table": np.zeros(255, np.float32)}, r"float32 \(256,\), got float32 \(255,\)"),
        ({"block1_conv2_b": np.zeros(63, np.float32)}, "block1_conv2_b"),
        ({"block9_conv2_b": np.zeros(64, np.float32)}, "not the tensors"),
        ({"block1_conv2_b": None}, "not the tensors"),
        ({name: None for name in ARRAYS if name != "block1_conv1_b"}, "not the tensors"),
    ],
)
def test_other_tensors_are_refused(changes, reason, tmp_path):
    arrays = {name: array for name, array in (ARRAYS | changes).items() if array is not None}
    with pytest.raises(ValueError, match=reason):
        written(tmp_path, arrays)


def npz(tmp_path, **changes):
    """A palette file that NumPy writes, with some arrays changed, or left out where they are None."""
    with np.load(written(tmp_path)) as archive:
        arrays = dict(archive) | {name.replace("__", "/"): value for name, value in changes.items()}
    with open(tmp_path / "changed.npz", "wb") as file:
        np.savez(file, **{name: value for name, value in arrays.items() if value is not None})
    return tmp_path / "changed.npz"


def test_a_palette_may_be_short(tmp_path):
    index = np.full((3, 3, 64, 64), 2, np.uint8)
    path = npz(tmp_path, block1_conv2__index=index, block1_conv2__palette=np.array([0, 0, 5.0]))
    kernel = formats.read(path).kernels["conv1_2"]
    assert (kernel == 5).all()
    assert kernel.dtype == np.float32


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"palette": np.zeros(255, np.float32), "index": np.full((3, 3, 64, 64), 255, np.uint8)},
            "below 255.*got 255",
        ),
        ({"palette": np.zeros(0, np.float32)}, "below 0, the size"),
        ({"palette": np.zeros((16, 16), np.float32)}, "a row of up to 256 floating-point numbers, got float32"),
        ({"palette": np.zeros(256, int)}, "a row of up to 256 floating-point numbers, got int64"),
        ({"palette": np.full(256, np.nan, np.float32)}, "finite"),
        ({"palette": None}, "conv1_2's palette beside its index, got no key `block1_conv2/palette`"),
        ({"bias": None}, "conv1_2's bias beside its kernel"),
        ({"index": np.zeros((3, 3, 64, 64), np.int16)}, "index as uint8, got int16"),
        ({"index": np.zeros((3, 3, 64, 63), np.uint8)}, r"kernel of shape \(3, 3, 64, 64\), got"),
    ],
)
def test_a_palette_that_cannot_be_is_refused_in_one_line(changes, reason, tmp_path):
    path = npz(tmp_path, **{f"block1_conv2__{part}": value for part, value in changes.items()})
    with pytest.raises(WeightsError, match=reason) as caught:
        formats.read(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_hostile_file_is_refused_with_nothing_written(tmp_path):
    data = legacy_file(ARRAYS, tensors=packages.Call(packages.Global("os mkdir"), (str(tmp_path / "run"),)))
    with pytest.raises(ValueError, match=r"os\.mkdir"):
        rounded_file.convert(data, tmp_path / "w.npz")
    assert not list(tmp_path.iterdir())
