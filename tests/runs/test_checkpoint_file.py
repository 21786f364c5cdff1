"""Files of checkpoints."""

import json
import struct

import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf

from neural_style.errors import CheckpointError
from neural_style.runs import checkpoint_file

ARRAYS = {
    "image": np.arange(24, dtype=np.float32).reshape(1, 2, 4, 3),
    "optimizer/numbers": np.array([1.5, -np.inf, np.pi]),
    "value": np.array(0.1),
    "picture": np.arange(12, dtype=np.uint8).reshape(2, 2, 3)[:, ::-1],
    "deep": np.array([0, 65535], np.uint16),
    "flags": np.array([True, False]),
    "empty": np.zeros((0, 5)),
    "big endian": np.array([1.0, 2.0], ">f8"),
}
TEXT = json.dumps({"name": "a \ud800 b", "n": 3})


@pytest.fixture
def path(tmp_path):
    checkpoint_file.write(tmp_path / "a.safetensors", TEXT, ARRAYS)
    return tmp_path / "a.safetensors"


def test_what_is_written_is_read(path):
    text, arrays = checkpoint_file.read(path)
    assert text == TEXT
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].shape == array.shape
        np.testing.assert_array_equal(arrays[name], array)


def test_the_same_contents_give_the_same_bytes(path, tmp_path):
    tensors = {name: tf.constant(array) if array.dtype == np.float32 else array for name, array in ARRAYS.items()}
    checkpoint_file.write(tmp_path / "b", TEXT, dict(reversed(tensors.items())))
    assert (tmp_path / "b").read_bytes() == path.read_bytes()


def test_the_library_of_the_format_reads_the_same(path):
    arrays = safetensors.numpy.load_file(path)
    np.testing.assert_array_equal(arrays["image"], ARRAYS["image"])
    np.testing.assert_array_equal(arrays["picture"], ARRAYS["picture"])


def test_no_byte_can_change_unnoticed(path):
    """One bit of each byte, and the end at each place of the header and some others."""
    whole = path.read_bytes()
    for index in range(len(whole)):
        path.write_bytes(whole[:index] + bytes([whole[index] ^ (1 << index % 8)]) + whole[index + 1 :])
        with pytest.raises(CheckpointError, match=r"^[^\n]*$"):
            checkpoint_file.read(path)
    for length in [*range(0, len(whole), 7), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"^[^\n]*expected a whole checkpoint"):
            checkpoint_file.read(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(CheckpointError, match=r"^[^\n]*expected a whole checkpoint"):
        checkpoint_file.read(path)


def test_other_files_are_told_from_damaged_ones(path, tmp_path):
    safetensors.numpy.save_file({"a": np.zeros(3)}, tmp_path / "other")
    with pytest.raises(CheckpointError, match=r"expected a checkpoint of this program, got another file"):
        checkpoint_file.read(tmp_path / "other")
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"version": "1"', b'"version": "7"'))
    with pytest.raises(
        CheckpointError, match=r"expected a checkpoint of format 1, got format '7'; go on with the version"
    ):
        checkpoint_file.read(path)


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"{}",
        b'{"__metadata__": 3}',
        b'{"a": {"dtype": "F32", "shape": [1000000000000], "data_offsets": [0, 4000000000000]}}',
        b'{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}}',
        b"{" * 2000,
    ],
)
def test_lying_headers(tmp_path, header):
    path = tmp_path / "a"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(CheckpointError, match=r"^[^\n]*$"):
        checkpoint_file.read(path)


def test_a_length_beyond_the_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(struct.pack("<Q", 2**63) + b"{}")
    with pytest.raises(CheckpointError, match=r"expected a whole checkpoint"):
        checkpoint_file.read(path)
