from weights_files import write_mat

from neural_style.networks import weights
from neural_style.networks.weights.keras_hdf5 import KERAS_LEGACY
from neural_style.networks.weights.matconvnet import MATCONVNET


def test_inspect(published, net, tmp_path, monkeypatch):
    known = weights.inspect(published.path)
    assert (known.entry, known.hash_state, known.problem) == (published.entry, "published", None)
    assert known.digest == f"md5 {published.entry.digest}"
    assert (known.layout, known.channel_order, known.deepest) == (KERAS_LEGACY, "BGR", "conv3_1")
    other = weights.inspect(write_mat(tmp_path / "vgg19.h5", net))
    assert (other.entry, other.hash_state) == (None, "differs from the published")
    assert (other.layout, other.channel_order) == (MATCONVNET, "RGB")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert weights.inspect("~/vgg19.h5") == other


def test_a_file_that_cannot_be_used(tmp_path):
    (tmp_path / "bad").write_bytes(b"no")
    bad = weights.inspect(str(tmp_path / "bad"))
    assert (bad.hash_state, bad.layout) == ("unknown", None)
    assert "a text file" in bad.problem
    for name in ("absent", "a\0b", "\ud800", "x" * 300):
        assert "cannot be read (" in weights.inspect(tmp_path / name).problem
