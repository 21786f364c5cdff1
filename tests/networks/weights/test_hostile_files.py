"""Files that were made to do harm: each is refused in one line, and takes no more memory than a small network."""

import functools
import os
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat
from weights_files import MEAN, WRITERS, assert_refused, mat_layer, random_net, write_legacy, write_npz

from neural_style.errors import WeightsError
from neural_style.networks import weights
from neural_style.networks.weights import formats, hdf5_process, matlab5, open_file
from neural_style.networks.weights.matlab5 import Cells, Numbers
from neural_style.vgg19_spec import keras_name

CONV = "conv1_1"
KERAS = keras_name(CONV)
LAYERS = ("relu1_1",)


@pytest.fixture(scope="module")
def one():
    """A network of one convolution."""
    return random_net((CONV,))


def refused(path, said):
    """The file is refused in one printable line. Reading it allocates no more than 30 MB in this process."""
    tracemalloc.start()
    try:
        message = assert_refused(path, said, layers=LAYERS)
        assert tracemalloc.get_traced_memory()[1] < 30e6
    finally:
        tracemalloc.stop()
    assert message.isprintable() and len(message) < 1000
    return message


def refused_here(path, said):
    """An HDF5 file is refused by what this process, too, would check if the file were of known hash."""
    with pytest.raises(WeightsError) as caught:
        formats.read(path, (CONV,), is_known=True)
    message = str(caught.value)
    assert said in message, message
    assert message.isprintable() and message.startswith(str(path)) and len(message) < 1000


# --- any file ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_never_ends_is_refused_before_it_is_read(kind, tmp_path):
    path = tmp_path / "w.npz"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    refused(path, "expected a file, got a pipe or a device")


def test_a_vast_file_is_refused_before_it_is_hashed(tmp_path):
    path = tmp_path / "w.npz"
    with open(path, "wb") as file:
        file.truncate(open_file.MOST_BYTES + 1)  # takes no room on most disks
    refused(path, "expected weights of at most 1200000000 bytes, got 1200000001")


def test_texts_in_messages_are_plain():
    assert open_file.plain("a\x1b[31mb\n\u202ec\ud800 d\0") == "a [31mb c d"
    assert open_file.plain("x" * 10_000) == "x" * 200 + " …"


# --- npz --------------------------------------------------------------------------------------------------------------


def npy(shape, descr="<f4", data=b"", version=1, length=None):
    """An array whose header says what is given."""
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    size = struct.pack("<H" if version == 1 else "<I", len(header) if length is None else length)
    return b"\x93NUMPY" + bytes([version, 0]) + size + header + data


def write_zip(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def npz_members(**changes):
    """A small network's members, with some replaced or added."""
    bias = np.zeros(64, "<f4").tobytes()
    members = {
        "channel_order.npy": npy((), "<U3", "RGB".encode("utf-32-le")),
        "mean.npy": npy((3,), "<f8", np.array(MEAN).tobytes()),
        f"{KERAS}/kernel.npy": npy((3, 3, 3, 64), data=bytes(6912)),
        f"{KERAS}/bias.npy": npy((64,), data=bias),
    }
    for key, value in changes.items():
        members[f"{KERAS}/{key}.npy" if key in ("kernel", "bias") else key] = value
    return members


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kernel": npy((2**40, 3, 3, 64))}, "shape (3, 3, 3, 64), got (1099511627776, 3, 3, 64)"),
        ({"kernel": npy((-3, 3, -3, 64))}, "got (-3, 3, -3, 64)"),
        ({"kernel": npy((3,) * 60)}, "got (3, 3, 3"),
        ({"kernel": npy((3, 3, 3, 64), "|O")}, "floating point, got object"),
        ({"kernel": npy((3, 3, 3, 64), "<c8")}, "floating point, got complex64"),
        ({"kernel": npy((3, 3, 3, 64), "<U100000000")}, "floating point, got <U100000000"),
        ({"kernel": npy((3, 3, 3, 64), "|V1000000000")}, "floating point, got |V1000000000"),
        ({"kernel": npy((3, 3, 3, 64), [("a" * 3000, "<f4"), ("b", "<f8")])}, "floating point, got [('aaa"),
        ({"kernel": npy((3, 3, 3, 64), data=bytes(6911))}, "damaged or cut off"),
        ({"kernel": npy((3, 3, 3, 64), version=2, length=2**32 - 1) + bytes(2**26)}, "damaged or cut off"),
        ({"kernel": npy((3, 3, 3, 64), version=9)}, "damaged or cut off"),
        ({"kernel": b"not an array"}, "damaged or cut off"),
        ({"kernel": b""}, "damaged or cut off"),
        ({"mean.npy": npy((10**9, 3))}, "expected `mean` to take at most"),
        ({"mean.npy": npy((-1, 3))}, "expected `mean` to take at most"),
        ({"mean.npy": npy((0, 3))}, "3 numbers"),
        ({"mean.npy": npy((3,), "|O", b"cos\nsystem\n(S'true'\ntR.")}, "damaged or cut off"),
        ({"channel_order.npy": npy((), "<U100000000")}, "expected `channel_order` to take at most"),
        ({"channel_order.npy": npy((), "|S5000", b"\x1b[31m" * 1000)}, "RGB or BGR, got"),
        ({"loss.npy": npy((), "|S5000", b"x" * 5000)}, "loss: expected"),
        ({"loss.npy": npy((), [("a", "<f4")], bytes(4))}, "w.npz"),
        ({"learning_rate.npy": npy((), "<c16", bytes(16))}, "learning_rate: expected"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_npz_that_lies(changes, said, tmp_path):
    path = write_zip(tmp_path / "w.npz", npz_members(**changes).items())
    refused(path, said)


def test_npz_without_changes_is_valid(tmp_path):
    path = write_zip(tmp_path / "w.npz", [("../../etc/passwd", b""), ("/root/x.npy", b""), *npz_members().items()])
    assert weights.load(str(path), LAYERS).kernels[CONV].shape == (3, 3, 3, 64)
    assert [entry.name for entry in tmp_path.iterdir()] == ["w.npz"]


def test_npz_palettes_and_scales_that_lie(tmp_path):
    for part, array, said in (
        ("scale", npy((2**40,)), "got (3, 3, 3, 1099511627776)"),
        ("scale", npy((64,), "|O"), "floating point, got object"),
        ("palette", npy((2**40,)), "up to 256 floating-point numbers"),
        ("palette", npy((-5,)), "up to 256 floating-point numbers"),
    ):
        members = npz_members()
        del members[f"{KERAS}/kernel.npy"]
        members[f"{KERAS}/{part}.npy"] = array
        if part == "palette":
            members[f"{KERAS}/index.npy"] = npy((3, 3, 3, 64), "|u1", bytes(1728))
        refused(write_zip(tmp_path / "w.npz", members.items()), said)


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_zip_containers_that_lie(tmp_path):
    path, members = tmp_path / "w.npz", list(npz_members().items())
    refused(write_zip(path, [*members, members[-1]]), "each array once, got 2 named block1_conv1/bias.npy")
    refused(write_zip(path, members, zipfile.ZIP_LZMA), "compressed otherwise")
    refused(write_zip(path, members, zipfile.ZIP_BZIP2), "compressed otherwise")
    refused(write_zip(path, [(f"{number}.npy", b"") for number in range(10_001)]), "at most 10000 arrays, got 10001")
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(20):
            member = zipfile.ZipInfo(f"{number}.npy")
            member.comment = b"x" * 60_000
            archive.writestr(member, b"")
    refused(path, "a directory or a comment of")
    good = write_zip(path, members).read_bytes()
    for flag in (0x1, 0x20, 0x40):  # encrypted, patched, strongly encrypted
        at = good.index(b"PK\x01\x02")
        path.write_bytes(good[: at + 8] + bytes([flag]) + good[at + 9 :])
        refused(path, "damaged or cut off")
    at = good.index(b"PK\x05\x06")
    for field, form in ((8, "<H"), (10, "<H"), (12, "<I"), (16, "<I")):
        size = struct.calcsize(form)
        path.write_bytes(good[: at + field] + b"\xff" * size + good[at + field + size :])
        try:
            weights.load(str(path), LAYERS)
        except WeightsError as error:
            assert "damaged or cut off" in str(error)


# --- HDF5 -------------------------------------------------------------------------------------------------------------


def legacy(path, change, net):
    """A valid file that was changed with h5py."""
    write_legacy(path, net)
    with h5py.File(path, "a") as file:
        change(file, file[KERAS])
    return path


def replace(kernel):
    def change(file, group):
        del group[f"{KERAS}_W_1:0"]
        kernel(group, f"{KERAS}_W_1:0")

    return change


def elsewhere(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["kernel"] = np.ones((3, 3, 3, 64), "float32")
    (tmp_path / "raw").write_bytes(bytes(6912))
    return tmp_path


def test_hdf5_links_and_storage_elsewhere(one, tmp_path):
    folder = elsewhere(tmp_path)
    layout = h5py.VirtualLayout((3, 3, 3, 64), "float32")
    layout[...] = h5py.VirtualSource(folder / "other.h5", "kernel", (3, 3, 3, 64))
    raw = [(str(folder / "raw"), 0, h5py.h5f.UNLIMITED)]

    def put(value):
        return replace(lambda group, name: group.__setitem__(name, value))

    for change, said in (
        (put(h5py.ExternalLink(str(folder / "other.h5"), "/kernel")), "got a link"),
        (put(h5py.SoftLink("/there")), "got a link"),
        (put(h5py.SoftLink(f"/{KERAS}/{KERAS}_W_1:0")), "got a link"),
        (replace(lambda group, name: group.create_virtual_dataset(name, layout)), "one in other files"),
        (
            replace(lambda group, name: group.create_dataset(name, (3, 3, 3, 64), "float32", external=raw)),
            "one in other files",
        ),
        (lambda file, group: file.attrs.__setitem__("layer_names", [b"../up"]), "no .."),
        (lambda file, group: file.move(KERAS, "moved") or file.__setitem__(KERAS, h5py.SoftLink("/moved")), "a link"),
        (lambda file, group: file.__setitem__("model_weights", h5py.SoftLink("/model_weights")), "a link"),
        (lambda file, group: file.__setitem__("model_weights", h5py.ExternalLink("other.h5", "/")), "a link"),
    ):
        refused_here(legacy(tmp_path / "w.h5", change, one), said)


def test_hdf5_shapes_types_and_counts(one, tmp_path):
    def vast(group, name):
        group.create_dataset(name, (2**40, 3, 3, 64), "float32", chunks=(1, 3, 3, 64))

    def big_chunk(group, name):
        group.create_dataset(name, (3, 3, 3, 64), "float32", chunks=(3, 3, 2**10, 2**14), maxshape=(None,) * 4)

    def stored(data, **options):
        return replace(lambda group, name: group.create_dataset(name, data=data, **options))

    zeros = np.zeros((3, 3, 3, 64), "float32")
    fields = np.zeros((3, 3, 3, 64), [("a", "f4"), ("b", "i4")])
    for change, said in (
        (replace(vast), "got (1099511627776, 3, 3, 64)"),
        (replace(big_chunk), "in a few chunks"),
        (stored(zeros.astype(complex)), "floating point, got complex128"),
        (stored(fields), "floating point, got [('a'"),
        (stored(np.full((3, 3, 3, 64), "text", h5py.string_dtype())), "floating point, got object"),
        (stored(zeros, compression="lzf"), "other filters"),
        (lambda file, group: file.attrs.__setitem__("layer_names", np.full(10_001, b"x")), "up to 10000 names"),
        (lambda file, group: file.attrs.__setitem__("layer_names", 5.0), "w.h5"),
    ):
        refused_here(legacy(tmp_path / "w.h5", change, one), said)


def test_hdf5_chunks_that_unpack_to_more_are_refused(one, tmp_path):
    """And those that do not are read, also with checksums, and where compression did not help."""

    def bomb(group, name):
        shape = (3, 3, 3, 64)
        data = group.create_dataset(name, shape, "float32", chunks=shape, compression="gzip")
        data.id.write_direct_chunk((0, 0, 0, 0), zlib.compress(bytes(2**23)))

    refused_here(legacy(tmp_path / "w.h5", replace(bomb), one), "expected a chunk of 6912 bytes, got a larger one")
    for options in ({"chunks": (1, 3, 3, 64)}, {"compression": "gzip", "shuffle": True, "fletcher32": True}):
        data = one[0][CONV][:, :, ::-1]
        change = replace(functools.partial(h5py.Group.create_dataset, data=data, **options))
        read = formats.read(legacy(tmp_path / "w.h5", change, one), (CONV,), is_known=True)
        np.testing.assert_array_equal(read.kernels[CONV], one[0][CONV])


def test_hdf5_groups_without_end(tmp_path):
    def keras_3(build):
        with h5py.File(tmp_path / "w.h5", "w") as file:
            build(file.create_group("layers"))
        return tmp_path / "w.h5"

    def deep(group):
        for _ in range(3000):
            group = group.create_group("a")

    def circle(group):
        group["a"] = group

    def many(group):
        for number in range(10_001):
            group.create_group(str(number))

    def links(group):
        group["a"] = h5py.SoftLink("/layers")

    refused_here(keras_3(deep), "in circles or very deep")
    refused_here(keras_3(circle), "in circles or very deep")
    refused_here(keras_3(many), "at most 10000 arrays and groups")
    refused_here(keras_3(links), "got a link")


def test_hdf5_that_has_the_library_loop_or_crash(one, tmp_path, monkeypatch):
    """What happens to the other process ends in one line. A file of known hash is read in this process."""
    path = write_legacy(tmp_path / "w.h5", one)
    for code in ("import time; time.sleep(60)", "import os; os.abort()", "print('x' * 5_000_000)", "print('[]')"):
        monkeypatch.setattr(hdf5_process, "_START", code)
        monkeypatch.setattr(hdf5_process, "LIMIT", 1.0)
        refused(path, "damaged or cut off")
    monkeypatch.setattr(hdf5_process, "_START", "raise SystemExit")
    assert formats.read(path, (CONV,), is_known=True).layout == "Keras legacy HDF5"
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    refused(path, "expected to start /no/such/python, which reads HDF5, but No such file")


@pytest.mark.parametrize(("old", "new"), [(0xFC0, 0xBC0), (0xFC0, 0xF80), (8, 0xFF)])
def test_hdf5_texts_that_the_library_looks_for_without_end(old, new, tmp_path, monkeypatch):
    """HDF5 1.14.6 follows sizes in the heap of texts in a circle. Only the end of its process stops that."""
    monkeypatch.setattr(hdf5_process, "LIMIT", 3.0)
    path = tmp_path / "w.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs["layer_names"] = np.array([b"layer"])
        file.create_group("layer").attrs["weight_names"] = [b"kernel:0", b"bias:0"]
    data = path.read_bytes()
    assert len(data) < 10_000
    at = data.index(b"GCOL")
    heap = data[at : at + 100]
    size = struct.pack("<Q", old)
    assert heap.count(size) == 1
    path.write_bytes(data[:at] + heap.replace(size, struct.pack("<Q", new)) + data[at + 100 :])
    refused(path, "the HDF5 library does not come to an end with it, or crashes")


# --- .mat -------------------------------------------------------------------------------------------------------------


def tag(kind, data, size=None):
    return struct.pack("<II", kind, len(data) if size is None else size) + data + bytes(-len(data) % 8)


def matrix(kind, shape, *rest, name="", flags=0):
    dimensions = struct.pack(f"<{len(shape)}i", *shape)
    head = tag(6, struct.pack("<II", kind | flags, 0)) + tag(5, dimensions) + tag(1, name.encode())
    return tag(14, head + b"".join(rest))


def write_mat5(path, *elements):
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x100) + b"IM" + b"".join(elements))
    return path


CELL, STRUCT, DOUBLE, SINGLE = 1, 2, 6, 7


def nested(depth, name):
    """Cells in cells."""
    inner = matrix(CELL, (0, 0))
    for _ in range(depth):
        inner = matrix(CELL, (1, 1), inner)
    return matrix(CELL, (1, 1), inner, name=name)


@pytest.mark.parametrize(
    ("element", "said"),
    [
        (tag(15, zlib.compress(matrix(DOUBLE, (2**20, 2**10), tag(9, bytes(2**20)), name="layers"))), "damaged"),
        (tag(15, zlib.compress(tag(14, bytes(64), 2**31))), "damaged"),
        (tag(15, zlib.compress(tag(14, bytes(2**26), 2**32 - 1))), "damaged"),
        (tag(15, b"not deflated at all"), "damaged"),
        (tag(15, b""), "damaged"),
        (tag(14, b"", 2**32 - 1), "damaged"),
        (matrix(CELL, (2**31 - 1, 2**31 - 1), name="layers"), "damaged"),
        (matrix(CELL, (-1, 5), name="layers"), "damaged"),
        (matrix(CELL, (1,) * 9, name="layers"), "damaged"),
        (matrix(CELL, (1, 1), tag(9, bytes(8)), name="layers"), "damaged"),
        (matrix(STRUCT, (1, 1), tag(5, struct.pack("<i", 0)), tag(1, b"a" * 8), name="layers"), "damaged"),
        (matrix(STRUCT, (1, 1), tag(5, struct.pack("<i", -8)), tag(1, b"a" * 8), name="layers"), "damaged"),
        (matrix(STRUCT, (1, 1), tag(5, struct.pack("<i", 4)), tag(1, b"a\0\0\0" * 2), name="layers"), "damaged"),
        (matrix(CELL, (1, 20_000), *[tag(14, b"")] * 20_000, name="layers"), "damaged"),
        (matrix(99, (1, 1), name="layers"), "`averageImage`"),
        (matrix(4, (1, 5), tag(4, bytes(10)), name="layers"), "`averageImage`"),
        (matrix(CELL, (0, 0), name="layers") * 2, "several variables called layers"),
        (tag(1, b"") * 10_001, "more than 10000 variables"),
        (nested(50, name="layers"), "deeper than 32"),
    ],
)
def test_mat_that_lies(element, said, tmp_path):
    refused(write_mat5(tmp_path / "w.mat", element), said)


def test_mat_arrays_of_the_wrong_kind(one, tmp_path):
    def file(kernel, bias=one[1][CONV], **variables):
        layers = np.empty((1, 1), object)
        layers[0, 0] = mat_layer(CONV, kernel, bias, old=False)
        usual = {"meta": {"normalization": {"averageImage": np.reshape(MEAN, (1, 1, 3))}}}
        savemat(tmp_path / "w.mat", {"layers": layers} | usual | variables)
        return tmp_path / "w.mat"

    kernel = np.transpose(one[0][CONV], (1, 0, 2, 3))
    refused(file(kernel.astype(complex)), "floating point, got complex128")
    refused(file(kernel.astype("int32")), "floating point, got int32")
    refused(file(kernel, bias=np.zeros(64, "uint8")), "conv1_1's bias in floating point, got uint8")
    refused(file(kernel[:, :, :, :60]), "shape (3, 3, 3, 64), got (3, 3, 3, 60)")
    refused(file(np.full((3, 3, 3, 64), "text", object)), "w.mat")
    refused(file(kernel, meta={"normalization": {"averageImage": np.zeros((1500, 1500, 3))}}), "at most 16777216 bytes")
    refused(file(kernel, meta={"normalization": {"averageImage": "gray"}}), "`averageImage`")
    refused(file(kernel, layers="layers"), "got none")
    refused(file(kernel, layers=np.zeros((1, 5))), "got none")


@pytest.mark.parametrize("is_compressed", [False, True])
def test_mat_reads_what_scipy_writes(is_compressed, tmp_path):
    """Types, texts, cells, structs and empty arrays; a big one is read in any order."""
    rng = np.random.default_rng(0)
    cells = np.empty((1, 3), object)
    cells[0, :] = [np.arange(6.0).reshape(2, 3), "näme", np.zeros((0, 0))]
    big = rng.normal(size=(300, 400)).astype("float32")
    values = {"s": {"one": big, "two": cells, "three": np.int8([[-3, 4]]), "four": big[::-1] + 1j}, "other": big}
    savemat(tmp_path / "w.mat", values, do_compression=is_compressed)
    with open(tmp_path / "w.mat", "rb") as file:
        variables = matlab5.read(file, ("s", "absent"))
        assert list(variables) == ["s"]
        fields = variables["s"].fields
        assert list(fields) == ["one", "two", "three", "four"]
        assert (fields["one"].shape, fields["one"].dtype) == ((300, 400), np.float32)
        for _ in range(2):
            np.testing.assert_array_equal(fields["three"][()], [[-3, 4]])
            np.testing.assert_array_equal(fields["one"][()], big)
        first, text, empty = fields["two"].cells
        np.testing.assert_array_equal(first[()], [[0, 1, 2], [3, 4, 5]])
        assert isinstance(fields["two"], Cells) and isinstance(first, Numbers)
        assert text == "näme"
        assert empty.shape == (0, 0)
        assert fields["four"].dtype.kind == "c"


def test_a_compressed_mat_is_unpacked_twice_at_most(tmp_path, monkeypatch):
    """Once to see what is in it, and once for the arrays, in order."""
    cells = np.empty((1, 20), object)
    cells[0, :] = [{"name": f"n{number}", "a": np.full(3000, number, "float32")} for number in range(20)]
    savemat(tmp_path / "w.mat", {"layers": cells}, do_compression=True)
    restarts = []
    restart = matlab5._Inflated._restart
    monkeypatch.setattr(matlab5._Inflated, "_restart", lambda part: restarts.append(1) or restart(part))
    with open(tmp_path / "w.mat", "rb") as file:
        layers = matlab5.read(file, ("layers",))["layers"].cells
        for number, layer in enumerate(layers):
            assert layer.fields["name"] == f"n{number}"
            np.testing.assert_array_equal(layer.fields["a"][()].ravel(), np.full(3000, number))
    assert len(restarts) == 2


# --- damage of any kind -----------------------------------------------------------------------------------------------

LAYOUTS = [layout for layout in WRITERS if not layout.endswith(".h5")]  # each of those takes a process


@pytest.fixture(scope="module")
def contents(one, tmp_path_factory):
    """The bytes of a file of each layout, and a path for damaged ones."""
    path = tmp_path_factory.mktemp("damage") / "w"
    files = {}
    for layout in LAYOUTS:
        path.unlink(missing_ok=True)
        files[layout] = WRITERS[layout](path, one).read_bytes()
    return files, path


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(LAYOUTS), st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), max_size=3))
def test_damage_ends_in_one_line_or_is_not_noticed(contents, layout, damages):
    files, path = contents
    data = bytearray(files[layout])
    for place, patch in damages:
        at = int(place**3 * len(data))
        data[at : at + len(patch)] = patch
    path.write_bytes(data)
    try:
        read = formats.read(path, (CONV,))
    except WeightsError as error:
        assert str(error).startswith(str(path)) and str(error).isprintable()
    else:
        assert read.kernels[CONV].shape == (3, 3, 3, 64)
        assert np.isfinite(read.kernels[CONV]).all()


def test_from_the_command_line(one, tmp_path):
    """One line on standard error, exit code 2."""
    path = write_npz(tmp_path / "w.npz", one, block1_conv1__kernel=np.zeros((3, 3, 3, 65), "float32"))
    command = [sys.executable, "-m", "neural_style", "--content", "examples/lakeside.jpg"]
    command += ["--styles", "examples/swirls.jpg", "--weights", str(path), "--output", str(tmp_path / "out.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "expected conv1_1's kernel of shape (3, 3, 3, 64), got (3, 3, 3, 65)" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out.png").exists()
