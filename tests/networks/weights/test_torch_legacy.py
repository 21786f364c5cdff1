import contextlib
import os
import pickle
import tracemalloc

import numpy as np
import packages
import pytest
from packages import Call, Global, Persistent, Raw, legacy_file, pickled, storage, tensor

from neural_style.networks.weights import torch_legacy

FLOATS = np.arange(6, dtype=np.float32).reshape(2, 3)
BYTES = np.arange(8, dtype=np.uint8).reshape(2, 2, 2)
ARRAYS = {"floats": FLOATS, "bytes": BYTES}


def assert_refused(data, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        torch_legacy.read(data)
    assert "\n" not in str(caught.value)


def test_arrays_come_back():
    read = torch_legacy.read(legacy_file(ARRAYS))
    assert list(read) == list(ARRAYS)
    for name, array in read.items():
        assert array.dtype == ARRAYS[name].dtype
        assert array.flags.c_contiguous
        np.testing.assert_array_equal(array, ARRAYS[name])


def test_values_by_hand():
    """The values 1 to 6, of which a tensor takes 2, 3, 5 and 6: two rows of two, from place 1, a row every 3."""
    stored = np.arange(1, 7, dtype=np.float32)
    part = tensor("floats", stored, offset=1, shape=(2, 2), strides=(3, 1))
    read = torch_legacy.read(legacy_file({"floats": stored}, tensors={"part": part}))
    assert read["part"].tolist() == [[2, 3], [5, 6]]


def test_an_axis_in_another_order_of_memory():
    turned = np.asfortranarray(FLOATS)
    np.testing.assert_array_equal(torch_legacy.read(legacy_file({"a": turned}))["a"], FLOATS)


def test_nothing_in_a_pickle_is_run(tmp_path):
    """Each would make a file, were it run, as `pickle.loads` shows for the first."""
    mark = tmp_path / "run"
    hostile = Call(Global("os mkdir"), (str(mark),))
    for value, reason in (
        (hostile, "os.mkdir"),
        ({"a": hostile}, "os.mkdir"),
        (Call(Global("builtins eval"), (f"open({str(mark)!r}, 'w')",)), "builtins.eval"),
        (Call(Global("torch.serialization os.mkdir"), (str(mark),)), r"torch\.serialization\.os\.mkdir"),
        (Raw(b"X\x02\0\0\0osX\x05\0\0\0mkdir\x93" + packages.instructions((str(mark),)) + b"R"), "STACK_GLOBAL"),
        (Raw(b"(" + packages.instructions(str(mark)) + b"ios\nmkdir\n"), "INST"),
        (Raw(b"(cos\nmkdir\n" + packages.instructions(str(mark)) + b"o"), "OBJ"),
        (Raw(b"cos\nmkdir\n)\x81"), "NEWOBJ"),
        (Raw(b"}}b"), "BUILD"),
        (Raw(b"\x82\x01"), "EXT1"),
    ):
        for data in (
            legacy_file(ARRAYS, tensors=value),
            pickled(value) + legacy_file(ARRAYS),
            legacy_file(ARRAYS, machine=value),
            legacy_file(ARRAYS, keys=value),
        ):
            assert_refused(data, reason)
    assert not mark.exists()
    pickle.loads(pickled(hostile))
    assert mark.is_dir()


@pytest.mark.parametrize("name", ["posix system", "collections namedtuple", "torch LongStorage", "numpy f4"])
def test_other_names_are_refused(name):
    assert_refused(legacy_file(ARRAYS, tensors=Global(name)), "which tensors do not need")


def test_cut_off_anywhere_is_told():
    data = legacy_file(ARRAYS)
    assert torch_legacy.read(data)
    for length in range(len(data)):
        with pytest.raises(ValueError):
            torch_legacy.read(data[:length])
    assert_refused(data + b"\0", "bytes of values")


@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")  # of texts that are not ours
def test_damage_anywhere_never_ends_in_another_error():
    data = legacy_file(ARRAYS)
    rng = np.random.default_rng(0)
    for _ in range(3000):
        damaged = bytearray(data)
        damaged[rng.integers(len(data))] = rng.integers(256)
        with contextlib.suppress(ValueError):
            torch_legacy.read(bytes(damaged))


HUGE = 2**60


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({"a": tensor("floats", FLOATS, storage=storage("floats", FLOATS, count=HUGE))}, "bytes of values"),
        ({"a": tensor("floats", FLOATS, storage=storage("floats", FLOATS, count=-1))}, "storage"),
        ({"a": tensor("floats", FLOATS, storage=storage("floats", FLOATS, count=5))}, "bytes of values"),
        ({"a": tensor("floats", FLOATS, storage=storage("floats", FLOATS, device="cuda:0"))}, "storage"),
        ({"a": tensor("floats", FLOATS, storage=storage("floats", FLOATS, kind="module"))}, "storage"),
        ({"a": tensor("floats", FLOATS, storage=storage("other", FLOATS))}, "storages"),
        ({"a": tensor("floats", FLOATS, storage=Persistent("floats"))}, "storage"),
        ({"a": tensor("floats", FLOATS, storage="floats")}, "cannot be"),
        ({"a": tensor("floats", FLOATS, shape=(HUGE,), strides=(0,))}, "beyond its storage"),
        ({"a": tensor("floats", FLOATS, shape=(HUGE, HUGE), strides=(0, 0))}, "beyond its storage"),
        ({"a": tensor("floats", FLOATS, shape=(2, 3), strides=(3, 2))}, "beyond its storage"),
        ({"a": tensor("floats", FLOATS, offset=1)}, "beyond its storage"),
        ({"a": tensor("floats", FLOATS, offset=-1)}, "cannot be"),
        ({"a": tensor("floats", FLOATS, strides=(-3, 1))}, "cannot be"),
        ({"a": tensor("floats", FLOATS, strides=(1,))}, "cannot be"),
        ({"a": tensor("floats", FLOATS, shape=(True, 1))}, "cannot be"),
        ({"a": tensor("floats", FLOATS, grad=True)}, "cannot be"),
        ({"a": tensor("floats", FLOATS, hooks={1: 2})}, "cannot be"),
        ({"a": tensor("floats", FLOATS), "b": tensor("floats", FLOATS)}, "share"),
        ({"a": 1}, "not a dict of tensors"),
        ({1: tensor("floats", FLOATS)}, "not a dict of tensors"),
        ([tensor("floats", FLOATS)], "not a dict of tensors"),
        (Call(tensor("floats", FLOATS), ()), "damaged pickle"),
        (Raw(b"}" + b"r\xff\xff\xff\x7f"), "remember"),
        (Raw(b"h\x05"), "damaged pickle"),
        (Raw(b"X\xff\xff\xff\xffabc"), "expected"),
        (Raw(b"B\xff\xff\xff\x7fabc"), "expected"),
    ],
)
def test_what_cannot_be_is_refused_and_takes_no_memory(tensors, reason):
    data = legacy_file({"floats": FLOATS}, tensors=tensors)
    tracemalloc.start()
    try:
        assert_refused(data, reason)
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"magic": 1}, "old layout"),
        ({"machine": {"little_endian": False}}, "little-endian"),
        ({"machine": 5}, "little-endian"),
        ({"keys": ["floats", "floats"]}, "storages"),
        ({"keys": [1]}, "storages"),
        ({"keys": "floats"}, "storages"),
        ({"keys": []}, "storages"),
        ({"values": (7).to_bytes(8, "little") + bytes(24)}, "7 values, where 6 were announced"),
        ({"values": HUGE.to_bytes(8, "little") + bytes(24)}, "were announced"),
    ],
    ids=str,
)
def test_a_file_that_contradicts_itself_is_refused(changes, reason):
    assert_refused(legacy_file({"floats": FLOATS}, **changes), reason)


def test_files_of_another_kind_are_refused():
    for data in (b"", b"PK\x03\x04" + bytes(50), b"{}", os.urandom(200)):
        with pytest.raises(ValueError):
            torch_legacy.read(data)
