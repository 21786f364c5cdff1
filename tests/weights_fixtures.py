"""Fixtures of weights that lie, or do not lie, where they are looked for; `conftest` has pytest know them."""

import json
from types import SimpleNamespace

import pytest
from weights_files import (
    CONVS,
    Server,
    dead_address,
    publish,
    publish_rounded,
    random_net,
    register_builtin,
    use_weights_folder,
    write_legacy,
    write_npz,
)

from neural_style.networks.weights import download, registry


@pytest.fixture
def places(tmp_path_factory, monkeypatch):
    """An empty weights folder, cache and Keras folder; no package, no address but those of a test's own server."""
    root = tmp_path_factory.mktemp("places")
    folder, cache, keras = root / "weights", root / "cache", root / "keras"
    folder.mkdir()
    rows = json.loads((registry.weights_folder() / "registry.json").read_text())
    rows["entries"] = [row for row in rows["entries"] if "package" not in row]
    (folder / "registry.json").write_text(json.dumps(rows))
    monkeypatch.delenv("NEURAL_STYLE_OFFLINE", raising=False)
    use_weights_folder(monkeypatch, folder)
    monkeypatch.setenv("NEURAL_STYLE_CACHE", str(cache))
    monkeypatch.setenv("KERAS_HOME", str(keras))
    monkeypatch.delenv("NEURAL_STYLE_WEIGHTS", raising=False)
    monkeypatch.setenv("NEURAL_STYLE_WEIGHTS_URL", dead_address())
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download, "BACKOFF", 0.01)
    return SimpleNamespace(folder=folder, cache=cache, fetched=cache / "weights", keras=keras / "models")


@pytest.fixture(scope="session")
def net():
    """A random network up to conv3_1 in canonical form, kernels and biases."""
    return random_net(CONVS)


@pytest.fixture
def published(net, tmp_path, places):
    """A small file that the registry knows, lying where nobody looks; `entry` is its entry."""
    folder = tmp_path / "aside"
    folder.mkdir()
    path = write_legacy(folder / "vgg19.h5", net)
    return SimpleNamespace(path=path, entry=publish(places.folder, path), body=path.read_bytes())


@pytest.fixture
def server(published, monkeypatch):
    """A web server that has the published file."""
    server = Server(published.body)
    monkeypatch.setenv("NEURAL_STYLE_WEIGHTS_URL", server.url)
    yield server
    server.close()


@pytest.fixture
def small_builtin(net, places):
    """The built-in network is a file of `net`; gives its path."""
    path = write_npz(places.folder / "builtin.npz", net, order="RGB")
    register_builtin(places.folder, path)
    return path


@pytest.fixture
def rounded(index, places, tmp_path):
    """The registry knows a small network in the package of `index`, and no other; its file lies where nobody looks."""
    return publish_rounded(index, places, tmp_path)


@pytest.fixture
def both(index, published, server, small_builtin, places, tmp_path):
    """The registry knows that network, a small exact file, which `server` has, and a small built-in network."""
    return publish_rounded(index, places, tmp_path)
