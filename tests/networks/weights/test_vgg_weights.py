import gc
import pickle
import threading
import weakref

import numpy as np
import pytest
from weights_files import LAYERS, SHALLOW, WRITERS, assert_refused, assert_same, random_net, write_npz

from neural_style import hashing
from neural_style.errors import WeightsError
from neural_style.networks import weights
from neural_style.networks.weights import formats, vgg_weights


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """Files count as unchanged for long from the moment that they are written; nothing is remembered yet."""
    monkeypatch.setattr(hashing, "SETTLED", -3600.0)
    monkeypatch.setattr(hashing, "_hashes", hashing.FileCache())
    vgg_weights._facts.clear()
    vgg_weights._arrays.clear()


@pytest.fixture
def work(monkeypatch):
    """What is done to files: "hash" or "read", in order."""
    done, hash_file, read = [], hashing.file_hash, formats.read
    monkeypatch.setattr(hashing, "file_hash", lambda *arguments: done.append("hash") or hash_file(*arguments))
    monkeypatch.setattr(formats, "read", lambda *arguments: done.append("read") or read(*arguments))
    return done


def test_a_second_load_neither_hashes_nor_reads(small_builtin, net, tmp_path, work):
    path = str(write_npz(tmp_path / "w.npz", net))
    for choice in (path, "builtin"):
        first = weights.load(choice, LAYERS)
        del work[:]
        again = weights.load(choice, LAYERS)
        assert again.reference == first.reference
        assert again.settings == first.settings
        assert list(again.kernels) == list(first.kernels)
        assert "conv1_1" in again.kernels and "conv5_1" not in again.kernels
        assert again.kernels["conv2_1"] is first.kernels["conv2_1"]
        assert again.biases["conv2_1"] is first.biases["conv2_1"]
        assert not work


def test_arrays_that_nobody_uses_are_given_back_and_read_again(net, tmp_path, work):
    path = str(write_npz(tmp_path / "w.npz", net))
    first = weights.load(path, LAYERS)
    array = weakref.ref(first.kernels["conv2_1"])
    second = weights.load(path, LAYERS)
    del first
    gc.collect()
    assert array() is None
    del work[:]
    assert second.name == "w.npz"
    assert not work
    assert_same(second, net)
    assert weights.load(path, LAYERS).kernels["conv1_1"] is second.kernels["conv1_1"]
    assert work == ["read"]


def test_a_deeper_load_is_checked_by_itself(net, tmp_path, work):
    bad = np.full(net[0]["conv3_1"].shape, np.nan, "float32")
    path = write_npz(tmp_path / "w.npz", net, block3_conv1__kernel=bad)
    for _ in range(2):
        weights.load(str(path), SHALLOW)
        assert_refused(path, "got 294912 NaN or infinite in conv3_1's kernel")
    assert work.count("hash") == 2  # by two algorithms, once each


def test_a_file_that_changes_is_read_again(net, tmp_path):
    for layout in ("rgb.npz", "legacy notop.h5", "new.mat"):
        path = WRITERS[layout](tmp_path / layout, net)
        before = weights.load(str(path), LAYERS)
        other = random_net(list(net[0]))
        other[1]["conv1_1"][:] = 7
        path.unlink()
        WRITERS[layout](path, other)
        after = weights.load(str(path), LAYERS)
        assert_same(after, other)
        assert_same(before, net)
        assert after.digest != before.digest
        path.write_bytes(path.read_bytes()[:-5000])
        assert_refused(path, "damaged or cut off")
        path.unlink()
        assert_refused(path, "no such file")


def test_arrays_of_a_file_that_has_changed_meanwhile_are_refused(net, tmp_path):
    path = write_npz(tmp_path / "w.npz", net)
    weights.load(str(path), LAYERS)
    gc.collect()
    late = weights.load(str(path), LAYERS)
    write_npz(path, random_net(list(net[0])[:2]))
    with pytest.raises(WeightsError, match=r"w\.npz: expected the file that was loaded before, sha256 .*; load the"):
        late.kernels["conv1_1"]
    path.unlink()
    with pytest.raises(WeightsError, match=r"w\.npz: cannot be read"):
        late.biases["conv1_1"]


def test_a_file_that_changes_while_it_is_read_is_not_remembered(net, tmp_path, monkeypatch):
    path = write_npz(tmp_path / "w.npz", net)
    other = random_net(list(net[0]))
    other[1]["conv1_1"][:] = 7
    read = formats.read
    monkeypatch.setattr(formats, "read", lambda *arguments: write_npz(path, other) and read(*arguments))
    weights.load(str(path), LAYERS)
    monkeypatch.setattr(formats, "read", read)
    write_npz(path, net)
    assert_same(weights.load(str(path), LAYERS), net)


def test_other_places_and_a_relative_path_share_what_was_read(net, tmp_path, monkeypatch, work):
    path = write_npz(tmp_path / "w.npz", net)
    (tmp_path / "copy.npz").write_bytes(path.read_bytes())
    first = weights.load(str(path), LAYERS)
    copy = weights.load(str(tmp_path / "copy.npz"), LAYERS)
    assert copy.kernels["conv1_1"] is first.kernels["conv1_1"]
    assert copy.name == "copy.npz"
    monkeypatch.chdir(tmp_path)
    relative = weights.load("w.npz", LAYERS)
    monkeypatch.chdir("/")
    del first, copy
    gc.collect()
    assert_same(relative, net)
    assert work.count("read") == 2


def test_the_arrays_are_read_only_and_pickled_with_their_values(net, tmp_path):
    path = str(write_npz(tmp_path / "w.npz", net))
    for _ in range(2):
        loaded = weights.load(path, LAYERS)
        for array in (loaded.kernels["conv1_1"], loaded.biases["conv1_1"], loaded.mean):
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0
        copy = pickle.loads(pickle.dumps(loaded))
        assert_same(copy, net)
        assert copy.reference == loaded.reference
        loaded.settings["learning_rate"] = 5.0
        del loaded
        gc.collect()
    assert weights.load(path, LAYERS).settings == {}
    assert "conv3_1" in repr(weights.load(path, LAYERS))
    with pytest.raises(KeyError):
        weights.load(path, LAYERS).kernels["conv9_9"]


def test_threads_read_a_file_once(net, tmp_path, work):
    path = str(write_npz(tmp_path / "w.npz", net))
    loaded = []
    threads = [threading.Thread(target=lambda: loaded.append(weights.load(path, LAYERS))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(each.kernels["conv1_1"]) for each in loaded}) == 1
    assert work.count("read") == 1


def test_what_is_remembered_is_bounded(net, tmp_path, monkeypatch):
    monkeypatch.setattr(vgg_weights, "_MOST", 2)
    path = str(write_npz(tmp_path / "w.npz", net))
    for layer in ("relu1_1", "relu1_2", "relu2_1", "relu3_1"):
        weights.load(path, [layer])
    assert len(vgg_weights._facts) == 2
