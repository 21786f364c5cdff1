import ast
import json
import logging
import shlex
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save, save_file
from scipy.ndimage import correlate
from weights_files import (
    CONVS,
    LAYERS,
    MEAN,
    SHALLOW,
    TORCH_PLACES,
    assert_refused,
    assert_same,
    write_safetensors,
    write_torch,
)

from neural_style.networks import weights
from neural_style.networks.weights import safetensors_file, torch_pickles
from neural_style.networks.weights.safetensors_file import PYTORCH, SAFETENSORS
from neural_style.vgg19_spec import CONV_LAYERS, IMAGENET_MEAN, convs_up_to, kernel_shape


def torch_conv1_1(image, kernel, bias):
    """PyTorch's conv1_1, position by position: image (height, width, 3), RGB 0-255, kernel (out, in, 3, 3)."""
    normalized = (image / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    padded = np.pad(normalized, ((1, 1), (1, 1), (0, 0)))
    maps = np.empty((*image.shape[:2], len(bias)))
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            window = padded[row : row + 3, column : column + 3].transpose(2, 0, 1)
            maps[row, column] = np.sum(kernel * window, axis=(1, 2, 3)) + bias
    return maps


def test_the_first_maps_are_those_of_pytorch(tmp_path):
    """Also at the border, where PyTorch pads normalized zeros."""
    rng = np.random.default_rng(5)
    kernel, bias = rng.normal(size=(64, 3, 3, 3)).astype("float32"), rng.normal(size=64).astype("float32")
    save_file({"features.0.weight": kernel, "features.0.bias": bias}, tmp_path / "w.safetensors")
    loaded = weights.load(str(tmp_path / "w.safetensors"), ["relu1_1"])
    np.testing.assert_allclose(loaded.mean, [123.675, 116.28, 103.53], rtol=1e-6)
    image = rng.uniform(0, 255, (6, 5, 3))
    house = loaded.kernels["conv1_1"]
    maps = np.empty((6, 5, 64))
    for out in range(64):
        maps[:, :, out] = loaded.biases["conv1_1"][out] + sum(
            correlate(image[:, :, color] - loaded.mean[color], house[:, :, color, out], mode="constant")
            for color in range(3)
        )
    np.testing.assert_allclose(maps, torch_conv1_1(image, kernel, bias), rtol=1e-5, atol=1e-5)


def test_the_layers_are_found_at_their_places(tmp_path):
    """All sixteen: the first bias of each is its number."""
    tensors = {}
    for number, (conv, place) in enumerate(zip(CONV_LAYERS, TORCH_PLACES, strict=True)):
        height, width, channels, filters = kernel_shape(conv)
        tensors[f"features.{place}.weight"] = np.zeros((filters, channels, height, width), "float16")
        tensors[f"features.{place}.bias"] = np.full(filters, number, "float16")
    tensors |= {"classifier.0.weight": np.zeros((8, 4), "float32"), "classifier.0.bias": np.zeros(8, "float32")}
    save_file(tensors, tmp_path / "w.safetensors")
    loaded = weights.load(str(tmp_path / "w.safetensors"), ["relu5_4"])
    assert [loaded.biases[conv][0] for conv in CONV_LAYERS] == list(range(16))


@pytest.mark.parametrize("names", ["features.{}", "module.features.{}", "model.vgg.features.{}", "{}", "caffe"])
def test_prefixes(names, net, tmp_path):
    path = write_torch(tmp_path / "w.safetensors", net, names)
    loaded = weights.load(str(path), LAYERS)
    np.testing.assert_array_equal(loaded.kernels["conv2_1"], net[0]["conv2_1"])
    expected = net[0]["conv1_1"] / (255 * np.reshape([0.229, 0.224, 0.225], (3, 1)))
    np.testing.assert_allclose(loaded.kernels["conv1_1"], expected, rtol=1e-6)
    assert tuple(loaded.kernels) == CONVS
    assert weights.inspect(path).layout == PYTORCH


@pytest.mark.parametrize("floats", ["float16", "float64", "bfloat16"])
def test_types(floats, net, tmp_path):
    import ml_dtypes  # noqa: F401 - now NumPy knows bfloat16

    path = write_torch(tmp_path / "w.safetensors", net, floats=floats)
    loaded = weights.load(str(path), LAYERS)
    for conv in CONVS[1:]:
        np.testing.assert_array_equal(loaded.kernels[conv], net[0][conv].astype(floats).astype("float32"))
        assert loaded.kernels[conv].dtype == np.float32


def test_it_is_said_that_the_input_is_assumed(net, tmp_path, caplog):
    path = write_torch(tmp_path / "w.safetensors", net)
    weights.load(str(path), LAYERS)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "assumed to be RGB with PyTorch's mean and deviation, as usual in its layout" in record.getMessage()


def test_caffes_network_in_pytorchs_form_keeps_caffes_input(net, tmp_path, caplog):
    """As jcjohnson's and ProGamerGov's vgg19-d01eb7cb.pth: PyTorch's names, and the published VGG19's own numbers."""
    kernel = net[0]["conv1_1"] / np.sqrt(np.mean(net[0]["conv1_1"] ** 2)) * 0.19138958
    bias = net[1]["conv1_1"].copy()
    bias[:4] = 0.7301776, 0.06493629, 0.03428847, 0.8260386
    changed = net[0] | {"conv1_1": kernel.astype("float32")}, net[1] | {"conv1_1": bias}
    loaded = weights.load(str(write_torch(tmp_path / "w.safetensors", changed)), LAYERS)
    np.testing.assert_array_equal(loaded.kernels["conv1_1"], changed[0]["conv1_1"][:, :, ::-1])
    np.testing.assert_allclose(loaded.mean, IMAGENET_MEAN)
    assert "assumed to be BGR with Caffe's mean pixel" in caplog.text
    scaled = changed[0] | {"conv1_1": changed[0]["conv1_1"] * 57}, changed[1]
    loaded = weights.load(str(write_torch(tmp_path / "torch.safetensors", scaled)), LAYERS)
    np.testing.assert_allclose(loaded.mean, [123.675, 116.28, 103.53], rtol=1e-6)


@pytest.mark.parametrize("write", [write_safetensors, write_torch])
def test_a_file_that_states_its_input_is_taken_at_its_word(write, net, tmp_path, caplog):
    stated = {"channel_order": "RGB", "mean": json.dumps(MEAN), "learning_rate": "3.5", "loss": "athalye"}
    path = write(tmp_path / "w.safetensors", net, stated=stated)
    loaded = weights.load(str(path), LAYERS)
    assert_same(loaded, net)
    assert loaded.settings == {"learning_rate": 3.5, "loss": "athalye"}
    assert not [record for record in caplog.records if record.levelno > logging.INFO]
    assert weights.inspect(path).layout == (SAFETENSORS if write is write_safetensors else PYTORCH)


def test_own_names_need_order_and_mean(net, tmp_path):
    good = {"channel_order": "RGB", "mean": "123.68, 116.779, 103.939"}
    for stated, said in (
        ({}, "expected the text `channel_order`"),
        ({"channel_order": "RGB"}, "expected the text `mean`"),
        (good | {"channel_order": "GBR"}, "got 'GBR'"),
        (good | {"mean": "gray"}, "got 'gray'"),
        (good | {"mean": "1"}, "3 numbers"),
        (good | {"mean": "0.4, 0.4, 0.4"}, "0-255"),
        (good | {"learning_rate": "nan"}, "learning_rate: expected a number"),
        (good | {"loss": "x" * 5000}, "loss: expected"),
    ):
        message = assert_refused(write_safetensors(tmp_path / "w.safetensors", net, stated=stated), said)
        assert len(message) < 1000


@pytest.mark.parametrize(
    ("counts", "step", "said"),
    [
        ((2, 2, 3, 3, 3), 2, "got VGG16"),
        ((1, 1, 2, 2, 2), 2, "got VGG11"),
        ((2, 2, 4, 4, 4), 3, "batch normalization"),
        ((2, 2, 3, 3, 3), 3, "batch normalization"),
        ((3, 3, 3), 2, "convolutions at other places"),
    ],
)
def test_other_networks_are_named(counts, step, said, tmp_path):
    tensors = {"features.0.bias": np.zeros(8, "float32")}
    for place in safetensors_file._places(counts, step):
        tensors[f"features.{place}.weight"] = np.zeros((8, 8, 3, 3), "float32")
        if step == 3:
            tensors[f"features.{place + 1}.weight"] = tensors[f"features.{place + 1}.running_mean"] = np.zeros(8)
    save_file(tensors, tmp_path / "w.safetensors")
    assert_refused(tmp_path / "w.safetensors", "expected VGG19, got", said)


def test_what_is_no_network(net, tmp_path):
    path = tmp_path / "w.safetensors"
    save_file({"classifier.0.weight": np.zeros((8, 8, 3, 3), "float32")}, path)
    assert_refused(path, "none of its names, from features.0.weight to features.34.bias")
    save_file({"features.0.weight": np.zeros((64, 3, 3, 3), "float32")}, path)
    assert_refused(path, "expected a bias of conv1_1 beside its weight")
    one = {"features.0.weight": np.zeros((64, 3, 3, 3), "float32"), "features.0.bias": np.zeros(64, "float32")}
    save_file(one | {f"other.{name}": array for name, array in one.items()}, path)
    assert_refused(path, "expected one network, got several")
    for kind in ("int8", "uint64", "bool"):
        save_file({name: array.astype(kind) for name, array in one.items()}, path)
        assert_refused(path, "as one of F16, BF16, F32, F64, got")
    save_file(one | {"features.0.weight": np.zeros((64, 4, 3, 3), "float32")}, path)
    assert_refused(path, "conv1_1's kernel of shape (3, 3, 3, 64), got (3, 3, 4, 64)", layers=["relu1_1"])
    save_file(one | {"features.0.weight": np.full((64, 3, 3, 3), np.nan, "float32")}, path)
    assert_refused(path, "got 1728 NaN or infinite in conv1_1's kernel", layers=["relu1_1"])


def hand_made(path, rows, size=0, claimed=None):
    header = rows if isinstance(rows, bytes) else json.dumps(rows).encode()
    path.write_bytes((len(header) if claimed is None else claimed).to_bytes(8, "little") + header + bytes(size))
    return path


def row(shape=(64, 3, 3, 3), begin=0, end=6912, kind="F32"):
    return {"dtype": kind, "shape": list(shape), "data_offsets": [begin, end]}


def test_headers_that_lie(tmp_path):
    path, bias = tmp_path / "w.safetensors", {"features.0.bias": row((64,), 6912, 7168)}
    twice = b'{"features.0.bias":%s,"features.0.bias":%s}' % ((json.dumps(bias["features.0.bias"]).encode(),) * 2)
    for rows, claimed, said in (
        (twice, None, "expected each name once"),
        ({"features.0.weight": row((2**40, 3, 3, 3))} | bias, None, "damaged or cut off"),
        ({"features.0.weight": row((-64, 3, 3, 3))} | bias, None, "damaged or cut off"),
        ({"features.0.weight": row(end=2**62)} | bias, None, "damaged or cut off"),
        ({"features.0.weight": row(begin=-4)} | bias, None, "damaged or cut off"),
        ({"features.0.weight": row((3,) * 3000)} | bias, None, "damaged or cut off"),
        ({"features.0.weight": row(kind="F8_E4M3\x1b[31m")} | bias, None, "damaged or cut off"),
        ({"features.0.weight": {}} | bias, None, "damaged or cut off"),
        ({"features.0.weight": 5}, None, "damaged or cut off"),
        ([1, 2], None, "a file of another kind"),
        (b"{" * 100_000, None, "damaged or cut off"),
        ({"__metadata__": {"a": 5}, "features.0.weight": row()} | bias, None, "damaged or cut off"),
        ({f"features.{number}.bias": row((0,), 0, 0) for number in range(11_000)}, None, "at most 10000 tensors"),
        ({"features.0.weight": row()} | bias, 99, "damaged or cut off"),
        ({"features.0.weight": row()} | bias, 2**30, "expected a header of at most"),
        ({"features.0.weight": row()} | bias, 2**63, "a file of another kind"),
    ):
        message = assert_refused(hand_made(path, rows, 7168, claimed), said, layers=["relu1_1"])
        assert len(message) < 700 and message.isprintable()


def test_cut_off_anywhere(net, tmp_path):
    data = save({"features.0.weight": np.zeros((64, 3, 3, 3), "float32"), "features.0.bias": np.zeros(64, "float32")})
    for length in (8, 9, 20, 100, len(data) - 7000, len(data) - 1):
        (tmp_path / "w.safetensors").write_bytes(data[:length])
        assert_refused(tmp_path / "w.safetensors", str(tmp_path), layers=["relu1_1"])


def test_pickles_are_refused_with_the_command_that_converts_them(tmp_path):
    old = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."
    path = tmp_path / "my vgg19.pth"
    path.write_bytes(old)
    message = assert_refused(path, "a pickle of PyTorch, which can run any code; to convert it: ", layers=SHALLOW)
    python, flag, code, source, target = shlex.split(message.partition("to convert it: ")[2])
    assert (python, flag, code) == ("python", "-c", torch_pickles.CONVERSION)
    assert (source, target) == (str(path), str(tmp_path / "my vgg19.safetensors"))
    ast.parse(code)
    assert code in (Path(__file__).parents[3] / "docs" / "weights.md").read_text("utf-8")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("vgg19/data.pkl", b"\x80\x02}q\x00.")
    assert_refused(path, "to convert it: python -c", layers=SHALLOW)


def test_all_the_convolutions_of_a_shallow_file_are_loaded(net, tmp_path):
    loaded = weights.load(str(write_torch(tmp_path / "w.safetensors", net)), SHALLOW)
    assert tuple(loaded.kernels) == convs_up_to(SHALLOW)
