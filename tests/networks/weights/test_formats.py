import shutil

import h5py
import numpy as np
import pytest
from scipy.io import savemat
from weights_files import (
    LAYERS,
    MEAN,
    SHARED,
    WRITERS,
    assert_refused,
    assert_same,
    mat_layer,
    write_keras_3,
    write_legacy,
    write_mat,
    write_npz,
)

from neural_style.networks import weights
from neural_style.networks.weights import formats
from neural_style.networks.weights.hdf5_process import open_apart
from neural_style.vgg19_spec import CONV_LAYERS, convs_up_to, keras_name, kernel_shape

pytestmark = pytest.mark.usefixtures("hdf5_here")

ONE_OF_EACH_KIND = (write_legacy, write_keras_3, write_mat, write_npz)


@pytest.fixture(scope="module")
def files(net, tmp_path_factory):
    """A file of the network in each layout, by the layout's name."""
    folder = tmp_path_factory.mktemp("layouts")
    return {layout: write(folder / layout, net) for layout, write in WRITERS.items()}


# --- layouts ----------------------------------------------------------------------------------------------------------


def test_every_layout_gives_the_same_network(files, net):
    for layout, path in files.items():
        loaded = weights.load(str(path), LAYERS)
        assert_same(loaded, net)
        assert (loaded.name, loaded.path) == (layout, path)


def test_another_process_reads_hdf5_as_this_one_does(files, net, monkeypatch, tmp_path):
    monkeypatch.setattr(formats, "open_apart", open_apart)
    assert_same(weights.load(str(files["legacy notop.h5"]), LAYERS), net)
    data = files["keras 3 by class.weights.h5"].read_bytes()
    (tmp_path / "w.h5").write_bytes(data[: len(data) // 2])
    assert_refused(tmp_path / "w.h5", "damaged or cut off")


def test_extension_does_not_matter(files, net, tmp_path):
    for layout in ("legacy top.h5", "new.mat", "bgr.npz"):
        path = shutil.copy(files[layout], tmp_path / "renamed.bin")
        assert_same(weights.load(str(path), LAYERS), net)


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


def test_keras_writes_what_is_read(tmp_path):
    """Files of Keras itself with more than ten convolutions: weights, whole model, and the latter's weights alone."""
    keras = pytest.importorskip("keras")
    whole = keras.applications.VGG19(weights=None, include_top=False, input_shape=(32, 32, 3))
    model = keras.Model(whole.input, whole.get_layer("block4_conv3").output)
    convs, kernels, biases = CONV_LAYERS[:11], {}, {}
    for conv in convs:
        layer = model.get_layer(keras_name(conv))
        biases[conv] = np.random.default_rng(len(biases)).normal(size=layer.bias.shape).astype("float32")
        layer.bias.assign(biases[conv])
        kernels[conv] = np.asarray(layer.kernel)
    kernels["conv1_1"] = kernels["conv1_1"][:, :, ::-1]
    model.save_weights(tmp_path / "a.weights.h5")
    model.save(tmp_path / "whole.h5")
    with h5py.File(tmp_path / "whole.h5") as file, h5py.File(tmp_path / "legacy.h5", "w") as legacy:
        legacy.attrs.update(file["model_weights"].attrs)
        for name, group in file["model_weights"].items():
            file.copy(group, legacy, name)
    for name in ("a.weights.h5", "whole.h5", "legacy.h5"):
        assert_same(weights.load(str(tmp_path / name), ["conv4_3"]), (kernels, biases), convs)


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


def test_too_shallow_a_file_is_refused(files):
    said = "expected convolutions up to conv4_2, got them up to conv3_1"
    assert_refused(files["bgr.npz"], said, layers=["conv4_2"])


@pytest.mark.skipif(not SHARED.exists(), reason="the sample of the ImageNet weights is not here")
def test_sample_of_imagenet():
    loaded = weights.load(str(SHARED), ["relu3_4"])
    with np.load(SHARED) as file:
        np.testing.assert_array_equal(loaded.kernels["conv1_1"][:, :, ::-1], file["block1_conv1/kernel"])
    assert tuple(loaded.kernels) == CONV_LAYERS[:8]
    np.testing.assert_allclose(loaded.mean, MEAN)


# --- damage -----------------------------------------------------------------------------------------------------------


def test_wrong_shape_names_layer_and_both_shapes(net, tmp_path):
    kernels = net[0] | {"conv2_1": np.zeros((3, 3, 64, 100), "float32")}
    biases = net[1] | {"conv2_2": np.zeros(127, "float32")}
    for writer in ONE_OF_EACH_KIND:
        path = writer(tmp_path / "w", (kernels, net[1]))
        assert_refused(path, "expected conv2_1's kernel of shape (3, 3, 64, 128), got (3, 3, 64, 100)")
        path = writer(tmp_path / "w", (net[0], biases))
        assert_refused(path, "expected conv2_2's bias of shape (128,), got (127,)")


def test_values_that_are_not_finite(net, tmp_path):
    for value, writer in zip((np.nan, -np.inf, np.inf, np.nan), ONE_OF_EACH_KIND, strict=True):
        kernel = net[0]["conv1_2"].copy()
        kernel[1, 1, 3, :2] = value
        path = writer(tmp_path / "w", (net[0] | {"conv1_2": kernel}, net[1]))
        assert_refused(path, "got 2 NaN or infinite in conv1_2's kernel")


def test_cut_off_files(files, tmp_path):
    for layout, path in files.items():
        data = path.read_bytes()
        for share in (0.02, 0.5, 0.98):
            (tmp_path / layout).write_bytes(data[: int(len(data) * share)])
            assert_refused(tmp_path / layout, "damaged or cut off")


def test_other_files_are_named(tmp_path):
    for content, said in (
        (b"", "an empty file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 80134624\n", "git lfs pull"),
        (b"\n<!DOCTYPE html>\n<html>\xc3\xa9</html>", "a web page"),
        (b"404: Not Found", "a text file"),
        (bytes(range(256)), "a file of another kind"),
        (b"MATLAB 7.3 MAT-file".ljust(126) + b"IM" + b"\0" * 300, "-v7"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "damaged or cut off"),
        (b"PK\x03\x04" + b"\0" * 100, "damaged or cut off"),
        (b"MATLAB 5.0 MAT-file".ljust(126) + b"IM", "damaged or cut off"),
    ):
        (tmp_path / "w.h5").write_bytes(content)
        assert_refused(tmp_path / "w.h5", said)


def test_other_files_of_the_same_containers(net, places, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = [1.0]
    assert_refused(tmp_path / "other.h5", "HDF5")
    savemat(tmp_path / "other.mat", {"x": 1.0})
    assert_refused(tmp_path / "other.mat", "`layers`")
    with open(tmp_path / "other.npz", "wb") as file:
        np.savez(file, x=1.0, channel_order="RGB", mean=MEAN)
    assert_refused(tmp_path / "other.npz", "got none")
    shutil.make_archive(str(tmp_path / "other"), "zip", places.folder)
    assert_refused(tmp_path / "other.zip", "a ZIP of another kind")
    assert_refused(write_npz(tmp_path / "pickle.npz", net, mean=np.array([None, 1, 2])), "damaged or cut off")
    integers = write_npz(tmp_path / "int.npz", net, block1_conv2__bias=np.zeros(64, int))
    assert_refused(integers, "conv1_2's bias in floating")


def test_vgg16_is_not_taken_for_vgg19(tmp_path):
    """It lacks conv3_4, and fits VGG19 below that; also if nothing in the file names its layers."""
    kernels = {conv: np.zeros(kernel_shape(conv), "float32") for conv in convs_up_to(["conv4_1"]) if conv != "conv3_4"}
    biases = {conv: np.zeros(kernel_shape(conv)[3:], "float32") for conv in kernels}
    assert_refused(
        write_legacy(tmp_path / "named.h5", (kernels, biases)), "expected VGG19, got conv4_1 without conv3_4"
    )
    path = write_keras_3(tmp_path / "nameless.h5", (kernels, biases))
    assert_refused(path, "expected conv3_4's kernel of shape (3, 3, 256, 256), got (3, 3, 256, 512)")


def test_two_networks_in_one_file_are_not_guessed_between(net, tmp_path):
    path = write_legacy(tmp_path / "w.h5", net)
    with h5py.File(path, "a") as file:
        file.copy("block1_conv1", "twin/block1_conv1")
        file["twin"].attrs["weight_names"] = [f"block1_conv1/{name}" for name in file["block1_conv1"]]
        file.attrs["layer_names"] = [*map(str, file.attrs["layer_names"].astype(str)), "twin"]
    assert_refused(path, "several")
