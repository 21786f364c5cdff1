import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import reference
from weights_files import (
    CHECKOUT,
    CONVS,
    LAYERS,
    SHALLOW,
    WRITERS,
    assert_refused,
    assert_same,
    publish,
    random_net,
    unreachable,
    write_legacy,
    write_npz,
)

from neural_style import hashing
from neural_style.config.config import OPTIONS
from neural_style.errors import WeightsError
from neural_style.networks import weights
from neural_style.networks.weights import download, package_index
from neural_style.vgg19_spec import CONV_LAYERS

# --- files ------------------------------------------------------------------------------------------------------------


def test_no_such_file(tmp_path):
    for path in ("absent.h5", "."):
        said = "expected auto, imagenet, imagenet-exact, imagenet-8bit, builtin or the path of"
        assert_refused(tmp_path / path, said)


def test_known_file_passes_without_a_note(published, net, caplog):
    caplog.set_level(logging.INFO)
    loaded = weights.load(str(published.path), LAYERS)
    assert_same(loaded, net)
    assert loaded.name == "imagenet (vgg19.h5)"
    assert not caplog.records


def test_registry_has_the_last_word_on_order_and_mean(net, tmp_path, places):
    path = write_legacy(tmp_path / "rgb.h5", net)
    publish(places.folder, path, channel_order="RGB", mean=[1, 2, 3])
    loaded = weights.load(str(path), ["relu1_1"])
    np.testing.assert_array_equal(loaded.kernels["conv1_1"], net[0]["conv1_1"][:, :, ::-1])
    assert loaded.mean.tolist() == [1, 2, 3]


def test_unknown_file_is_used_with_a_note_of_one_line(net, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    for layout, name, level, said in (
        ("rgb.npz", "my.npz", logging.INFO, "of unknown hash"),
        ("legacy notop.h5", "my.h5", logging.WARNING, "assumed to be BGR with Keras's mean pixel"),
        ("new.mat", "imagenet-vgg-verydeep-19.mat", logging.WARNING, "differs from the published md5 8ee3"),
    ):
        caplog.clear()
        assert_same(weights.load(str(WRITERS[layout](tmp_path / name, net)), LAYERS), net)
        (record,) = caplog.records
        assert (record.name, record.levelno) == ("neural_style", level)
        assert said in record.getMessage()
        assert "\n" not in record.getMessage()


def test_weights_of_unknown_hash_that_fit_are_used_with_a_warning(published, places, monkeypatch, caplog, tmp_path):
    other = random_net(CONVS)
    other[0]["conv1_1"][:] = 7
    for folder in (places.folder, tmp_path):
        path = write_legacy(folder / "vgg19.h5", other)
        if folder == tmp_path:
            monkeypatch.setenv("NEURAL_STYLE_WEIGHTS", str(path))
        caplog.clear()
        assert_same(weights.load("imagenet", LAYERS), other)
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert f"differs from the published md5 {published.entry.digest}" in record.getMessage()
        path.unlink()


def test_without_layers_no_file_is_looked_for(published, places, monkeypatch):
    monkeypatch.setattr(hashing, "file_hash", None)
    shutil.copy(published.path, places.folder)
    for choice in ("auto", "imagenet", "builtin"):
        assert weights.load(choice, ()).kernels == {}


def test_paths_that_cannot_be_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    for name in ("x" * 300, "~nobody-of-this-name/x.h5", "file/below.h5", "a\0b", "\ud800.h5"):
        assert_refused(name)
        with pytest.raises(WeightsError, match="got no such file"):
            weights.load(f"{name}#sha256:{'0' * 64}", LAYERS)


def test_the_home_in_a_path_is_expanded(net, tmp_path, monkeypatch):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    path = write_npz(tmp_path / "w.npz", net)
    loaded = weights.load("~/w.npz", SHALLOW)
    assert loaded.path == path
    assert loaded.reference == f"{path}#{loaded.digest}"
    assert weights.load(f"~/w.npz#{loaded.digest}", SHALLOW).path == path


def test_names_outside_the_encoding_of_the_locale(net, tmp_path, caplog):
    """Bytes that are no UTF-8 in a name, in a process with UTF-8 and in one with plain ASCII."""
    caplog.set_level(logging.CRITICAL, "neural_style")  # pytest-xdist cannot send such names to its main process
    name = os.fsdecode(b"gr\xfcn.npz")
    try:
        path = write_npz(tmp_path / name, net)
    except (OSError, ValueError):
        pytest.skip("this file system has no such names")
    assert weights.load(str(path), SHALLOW).path == path
    assert weights.inspect(path).deepest == "conv3_1"
    for source, layout in (("w.h5", "legacy notop.h5"), ("w.mat", "new.mat")):
        odd = WRITERS[layout](tmp_path / source, net).rename(tmp_path / f"{name}{Path(source).suffix}")
        assert_same(weights.load(str(odd), LAYERS), net)
    script = (
        "import sys; from neural_style.networks import weights; from neural_style.errors import WeightsError\n"
        "print(len(weights.load(sys.argv[1], ['relu1_1']).kernels))\n"
        "try: weights.load(sys.argv[1] + chr(0x436), ['relu1_1'])\n"
        "except WeightsError as error: print('no such file' in str(error))\n"
    )
    settings = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    settings["PYTHONPATH"] = str(Path(weights.__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", script, os.fsencode(path)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **settings},
    )
    assert done.stdout.split() == ["1", "True"]


def test_a_load_hashes_once(published, places, monkeypatch):
    hashed, real = [], hashing.file_hash
    monkeypatch.setattr(hashing, "file_hash", lambda path, name: hashed.append(path) or real(path, name))
    shutil.copy(published.path, places.folder)
    weights.load("imagenet", LAYERS)
    assert len(hashed) == 1
    weights.load(str(published.path), LAYERS)
    assert len(hashed) == 2


# --- the built-in network ---------------------------------------------------------------------------------------------


def test_builtin(small_builtin, net, caplog):
    loaded = weights.load("builtin", ["relu2_1"])
    assert_same(loaded, net, CONV_LAYERS[:3])
    assert (loaded.name, loaded.path) == ("builtin", None)
    assert not caplog.records


def test_builtin_by_its_path_is_known(small_builtin, net, caplog):
    loaded = weights.load(str(small_builtin), LAYERS)
    assert_same(loaded, net)
    assert loaded.name == "builtin"
    assert not caplog.records


def test_builtin_is_never_taken_for_imagenet(small_builtin):
    assert weights.find_imagenet() is None


def test_builtin_that_is_damaged_or_gone_is_told(small_builtin, caplog):
    small_builtin.write_bytes(small_builtin.read_bytes()[:-1])
    with pytest.raises(
        WeightsError, match=r"builtin\.npz: expected the built-in network, sha256 .*; reinstall"
    ) as told:
        weights.load("builtin", LAYERS)
    assert "\n" not in str(told.value)
    small_builtin.unlink()
    with pytest.raises(WeightsError, match=r"builtin\.npz: cannot be read \(No such file.*; reinstall"):
        weights.load("builtin", LAYERS)
    with pytest.raises(WeightsError, match=r"cannot download .*; and the built-in .*npz: cannot be read"):
        weights.load("auto", LAYERS)
    assert not caplog.records  # and no promise to use it


def test_builtin_of_the_checkout(network):
    """Whole, finite, and every layer's response to a picture neither silent nor beyond measure."""
    assert tuple(network.kernels) == tuple(network.biases) == CONV_LAYERS
    assert (network.name, network.path) == ("builtin", None)
    assert f"{network.settings['preview_width']} for the built-in network" in OPTIONS["preview_width"].help
    assert f"{network.settings['learning_rate']:g} for the built-in network" in OPTIONS["learning_rate"].help
    assert f"{network.settings['loss']} for the built-in network" in OPTIONS["loss"].help
    assert network.settings == {"initial_noiseblend": 0, "learning_rate": 3, "loss": "athalye", "preview_width": 256}
    assert (CHECKOUT / weights.builtin_entry().file).stat().st_size <= 12e6
    rng = np.random.default_rng(0)
    blobs = np.kron(rng.uniform(0, 255, (8, 8, 3)), np.ones((8, 8, 1))) + rng.normal(0, 8, (64, 64, 3))
    image = np.clip(blobs, 0, 255) - network.mean
    for conv, maps in reference.features(reference.in_float64(network), image, CONV_LAYERS).items():
        assert 30 < np.sqrt(np.mean(maps**2)) < 20_000, conv
        if "5_" not in conv:  # where a picture this small leaves 16 positions
            assert 0.05 < np.mean(maps > 0) < 0.95, conv


def test_builtin_is_alive_on_plain_gray(network):
    """A start image of weak noise is all but gray; where nothing answers there is no gradient to begin with."""
    maps = reference.features(reference.in_float64(network), np.zeros((32, 32, 3)), ["relu1_1", "relu2_1", "relu3_1"])
    for layer, values in maps.items():
        assert np.mean(values > 0) > 0.1, layer


# --- the order --------------------------------------------------------------------------------------------------------


def test_auto_falls_back_at_once_and_says_how_to_mend_it(small_builtin, places, caplog):
    assert weights.load("auto", LAYERS).name == "builtin"
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    for part in (
        "built-in",
        "refused",
        "neural_style weights fetch imagenet-8bit; to get it by hand, see: python -m neural_style weights",
    ):
        assert part in record.getMessage()
    assert "\n" not in record.getMessage()


def test_auto_takes_imagenet_where_it_is_to_be_had(small_builtin, server, published, places, net):
    assert_same(weights.load("auto", LAYERS), net)
    assert (places.fetched / "vgg19.h5").exists()


def test_auto_does_not_wait_for_a_silent_server(small_builtin, server, published, monkeypatch):
    server.pause = 1.0
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    assert weights.load("auto", LAYERS).name == "builtin"


def test_imagenet_does_not_fall_back(published):
    with pytest.raises(WeightsError, match="refused"):
        weights.load("imagenet", LAYERS)


NAMES = {"exact": "imagenet (vgg19.h5)", "rounded": "imagenet-8bit", "builtin": "builtin"}
NOTED = {
    ("auto", "builtin"): "using the built-in network instead of ImageNet's: ",
    ("imagenet", "rounded"): "using imagenet-8bit instead of imagenet-exact: ",
}


@pytest.mark.parametrize(
    ("choice", "found", "to_be_had", "used"),
    [
        ("auto", {"exact", "rounded"}, set(), "exact"),
        ("auto", {"rounded"}, {"exact"}, "rounded"),
        ("auto", set(), {"exact", "rounded"}, "rounded"),
        ("auto", set(), {"exact"}, "exact"),
        ("auto", set(), set(), "builtin"),
        ("imagenet", {"exact", "rounded"}, set(), "exact"),
        ("imagenet", {"rounded"}, {"exact"}, "exact"),
        ("imagenet", {"rounded"}, set(), "rounded"),
        ("imagenet", set(), {"rounded"}, "rounded"),
        ("imagenet", set(), set(), None),
        ("imagenet-exact", {"rounded"}, {"exact", "rounded"}, "exact"),
        ("imagenet-exact", {"rounded"}, {"rounded"}, None),
        ("imagenet-8bit", {"exact"}, {"exact", "rounded"}, "rounded"),
        ("imagenet-8bit", {"exact"}, {"exact"}, None),
        ("builtin", {"exact", "rounded"}, {"exact", "rounded"}, "builtin"),
    ],
)
def test_order(choice, found, to_be_had, used, both, published, index, server, places, monkeypatch, caplog):
    if "rounded" in found:
        shutil.copy(both, places.folder)
    if "exact" in found:
        shutil.copy(published.path, places.folder)
    monkeypatch.setattr(package_index, "fetch", (lambda *_: index.data) if "rounded" in to_be_had else unreachable)
    if "exact" not in to_be_had:
        server.status = 404
    if used is None:
        with pytest.raises(WeightsError) as caught:
            weights.load(choice, SHALLOW)
        assert "\n" not in str(caught.value)
        assert "404" in str(caught.value) or "no index" in str(caught.value)
        return
    assert weights.load(choice, SHALLOW).name == NAMES[used]
    expected = NOTED.get((choice, used))
    assert [message[: len(expected or "")] for message in caplog.messages] == ([expected] if expected else [])


def test_a_rounded_file_is_never_exact_whatever_it_is_called(both, server, places, monkeypatch):
    """Not under the exact one's name, nor where the variable names it."""
    shutil.copy(both, places.folder / "vgg19.h5")
    monkeypatch.setenv("NEURAL_STYLE_WEIGHTS", str(both))
    server.status = 404
    with pytest.raises(WeightsError, match="404"):
        weights.load("imagenet-exact", SHALLOW)
    assert weights.load("imagenet-8bit", SHALLOW).path == places.folder / "vgg19.h5"


def test_an_exact_file_of_unknown_hash_is_taken_for_imagenet_but_not_for_exact(both, server, places, caplog):
    path = write_legacy(places.folder / "vgg19.h5", random_net(CONVS[:3]))
    for choice in ("auto", "imagenet"):
        assert weights.load(choice, SHALLOW).path == path
    caplog.clear()
    assert weights.load("imagenet-exact", SHALLOW).path == places.fetched / "vgg19.h5"
    (message,) = caplog.messages
    assert message.startswith(f"skipped: {path}: its md5 ")
    assert message.endswith("; imagenet-exact takes only published files, imagenet takes others as well")
    (places.fetched / "vgg19.h5").unlink()
    server.status = 404
    with pytest.raises(WeightsError, match="404"):
        weights.load("imagenet-exact", SHALLOW)


def test_the_built_in_network_is_never_exact(both, server, small_builtin, monkeypatch):
    monkeypatch.setenv("NEURAL_STYLE_WEIGHTS", str(small_builtin))
    server.status = 404
    with pytest.raises(WeightsError, match="404"):
        weights.load("imagenet-exact", SHALLOW)
