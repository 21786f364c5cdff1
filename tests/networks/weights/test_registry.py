import hashlib

import pytest
from weights_files import CHECKOUT, MEAN, use_weights_folder

import neural_style
from neural_style.errors import WeightsError
from neural_style.networks.weights import registry, search

weights_folder = registry.weights_folder  # before tests replace it


def test_registry_of_the_checkout(monkeypatch):
    use_weights_folder(monkeypatch, CHECKOUT)
    entries = registry.imagenet_entries()
    assert [entry.digest[:4] for entry in entries] == ["253f", "cbe5", "8ee3", "1061", "b1cd"]
    assert [entry.name for entry in entries] == ["imagenet-exact", None, None, None, "imagenet-8bit"]
    assert list(registry.sources()) == ["imagenet-exact", "imagenet-8bit", "builtin"]
    for entry in entries:
        assert len(entry.digest) == 2 * hashlib.new(entry.algorithm).digest_size
        assert bool(entry.addresses) != bool(entry.package)
        assert all(address.endswith(entry.file) for address in entry.addresses)
        assert entry.mean in (MEAN, None)
        assert (entry.channel_order == "RGB") == entry.file.endswith(".mat")
        assert "CC BY 4.0" in entry.license


def test_folder_of_the_registry_in_a_checkout_and_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(neural_style, "__file__", str(tmp_path / "neural_style" / "__init__.py"))
    monkeypatch.setattr(registry, "weights_folder", weights_folder)
    assert weights_folder() == search.folder_for_users() == tmp_path / "weights"
    installed = tmp_path / "neural_style" / "registry"
    installed.mkdir(parents=True)
    (installed / "registry.json").touch()
    assert weights_folder() == installed
    assert search.folder_for_users() == search.fetched_folder()  # not among the program's own files


def test_a_damaged_registry_is_refused(places):
    for text in ('{"entries": [{"file": "x"}]}', '{"entries": []}', "{", "[]", "\udcff"):
        (places.folder / "registry.json").write_bytes(text.encode(errors="surrogateescape"))
        with pytest.raises(WeightsError, match=r"expected the registry of weights, but .*; reinstall neural-style"):
            registry.imagenet_entries()
    (places.folder / "registry.json").unlink()
    with pytest.raises(WeightsError, match="No such file"):
        registry.imagenet_entries()
