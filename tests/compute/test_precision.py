import json
import os
import platform
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import tensorflow as tf

from neural_style import paths
from neural_style.compute import precision
from neural_style.compute.precision import FASTER_BY, Choice
from neural_style.config.config import OPTIONS
from neural_style.errors import UsageError

REMEMBERED_SPEED, SECONDS = precision._remembered_speed, precision._seconds
LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "TF_ENABLE_ONEDNN_OPTS")


def forget():
    """Forget what this process has measured, as a new one would."""
    REMEMBERED_SPEED.cache_clear()
    SECONDS.cache_clear()


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch, tmp_path):
    """No limits in the environment, and nothing remembered, before or after."""
    for name in LIMITS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NEURAL_STYLE_CACHE", str(tmp_path / "cache"))
    forget()
    yield
    forget()


@pytest.fixture
def cpu(monkeypatch):
    """A function that makes the CPU one of these features."""

    def cpu(features, machine="x86_64"):
        monkeypatch.setattr(precision, "cpu_features", lambda: features and frozenset(features))
        monkeypatch.setattr(platform, "machine", lambda: machine)

    return cpu


@pytest.fixture
def timing(monkeypatch):
    """Makes measurements those of a table, type -> seconds or None, and notes which are made."""
    made = SimpleNamespace(seconds={"float32": 3.0, "bfloat16": 1.0, "float16": None}, asked=[])

    def seconds(wanted, device, side=None):
        made.asked.append((wanted, device))
        return made.seconds[wanted]

    monkeypatch.setattr(precision, "_seconds", seconds)
    return made


def remembered():
    """Path of the file of measurements."""
    return paths.cache_folder() / precision.SPEED_FILE


# --- as asked for -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["CPU:0", "GPU:1"])
def test_float32_needs_no_measurement(timing, device):
    assert precision.choose("float32", device) == Choice("float32", "as asked for")
    assert timing.asked == []


def test_another_type_is_tried_first(timing):
    assert precision.choose("bfloat16", "CPU:0") == Choice("bfloat16", "as asked for")
    assert timing.asked == [("bfloat16", "CPU:0")]


@pytest.mark.parametrize("wanted", ["bfloat16", "float16"])
@pytest.mark.parametrize("device", ["CPU:0", "GPU:1"])
def test_a_type_that_the_device_does_not_compute_in_is_refused(timing, wanted, device):
    timing.seconds[wanted] = None
    with pytest.raises(UsageError, match=f"^precision: .* {device} .*, got {wanted}, .*; use --precision") as caught:
        precision.choose(wanted, device)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("error", [tf.errors.UnimplementedError(None, None, "no"), NotImplementedError("no")], ids=repr)
def test_a_type_without_a_convolution_has_no_time(monkeypatch, error):
    def conv2d(*_):
        raise error

    monkeypatch.setattr(tf.nn, "conv2d", conv2d)
    assert precision._seconds("bfloat16", "CPU:0") is None


def test_a_type_is_tried_once_per_process(monkeypatch):
    """Each try would be traced anew, and stay in TensorFlow's memory."""
    traced = []
    monkeypatch.setattr(tf, "function", lambda function: traced.append(function) or function)
    for _ in range(3):
        precision.choose("bfloat16", "CPU:0")
    assert len(traced) == 1


def test_float32_has_a_time():
    assert 0 < precision._seconds("float32", "CPU:0") < 10


# --- CPUs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("features", "machine", "chosen"),
    [
        ({"avx2", "avx512_bf16", "amx_bf16"}, "x86_64", "bfloat16"),
        ({"amx_bf16"}, "x86_64", "bfloat16"),
        ({"avx2", "avx512f"}, "x86_64", "float32"),
    ],
)
def test_cpus_that_need_no_measurement(cpu, timing, features, machine, chosen):
    cpu(features, machine)
    choice = precision.choose("auto", "CPU:0")
    assert choice.precision == chosen
    assert choice.reason.startswith("the CPU has ")
    assert timing.asked == []
    assert not remembered().exists()


@pytest.mark.parametrize(
    ("features", "machine"),
    [
        ({"avx512_bf16"}, "x86_64"),
        ({"bf16", "asimd"}, "aarch64"),
        ({"asimd"}, "arm64"),
        (None, "arm64"),
        (None, "x86_64"),
    ],
)
@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [(1.0, "bfloat16"), (3.0 / FASTER_BY - 0.01, "bfloat16"), (3.0 / FASTER_BY + 0.01, "float32"), (None, "float32")],
)
def test_other_cpus_are_measured(cpu, timing, features, machine, seconds, chosen):
    cpu(features, machine)
    timing.seconds["bfloat16"] = seconds
    choice = precision.choose("auto", "CPU:0")
    assert choice.precision == chosen
    assert choice.reason == (
        f"bfloat16 was timed at {3 / seconds:.2g} times the speed of float32" if seconds else "no bfloat16"
    )
    assert timing.asked == [("float32", "CPU:0"), ("bfloat16", "CPU:0")]


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("features", [{"amx_bf16"}, {"avx2"}])
def test_where_onednn_is_held_back_the_features_prove_nothing(cpu, timing, monkeypatch, name, features):
    cpu(features)
    monkeypatch.setenv(name, "AVX2")
    assert precision.choose("auto", "CPU:0").reason.startswith("bfloat16 was timed")
    assert len(timing.asked) == 2
    assert f"{name}=AVX2" in next(iter(json.loads(remembered().read_text())))


def test_a_measurement_is_remembered_by_the_process_and_on_disk(cpu, timing):
    cpu({"avx512_bf16"})
    first = precision.choose("auto", "CPU:0")
    timing.seconds["bfloat16"] = 1000.0
    assert precision.choose("auto", "CPU:0") == first
    remembered().unlink()
    assert precision.choose("auto", "CPU:0") == first
    assert len(timing.asked) == 2


def test_another_process_takes_the_measurement_from_disk(cpu, timing):
    cpu({"avx512_bf16"})
    first = precision.choose("auto", "CPU:0")
    assert list(json.loads(remembered().read_text()).values()) == [3.0]
    forget()
    timing.seconds["bfloat16"] = 1000.0
    assert precision.choose("auto", "CPU:0") == first
    assert len(timing.asked) == 2


def test_threads_measure_one_after_the_other(cpu, monkeypatch):
    """Or they would slow down one another; all get the same speed."""
    running, most, asked = 0, 0, []

    def seconds(wanted, _device):
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.01)
        running -= 1
        asked.append(wanted)
        return float(len(asked))

    cpu({"avx512_bf16"})
    monkeypatch.setattr(precision, "_seconds", seconds)
    choices = []
    threads = [threading.Thread(target=lambda: choices.append(precision.choose("auto", "CPU:0"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert asked == ["float32", "bfloat16"]
    assert len(choices) == 6 and len(set(choices)) == 1


def test_each_limit_has_a_measurement_of_its_own(cpu, timing, monkeypatch):
    cpu({"avx512_bf16"})
    precision.choose("auto", "CPU:0")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    timing.seconds["bfloat16"] = None
    assert precision.choose("auto", "CPU:0").precision == "float32"
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA")
    assert precision.choose("auto", "CPU:0").precision == "bfloat16"
    assert sorted(json.loads(remembered().read_text()).values()) == [0, 3]


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "3", '{"a": "fast"}', '{"a": null}', "\xff"])
def test_a_file_of_something_else_is_replaced(cpu, timing, text):
    cpu({"avx512_bf16"})
    remembered().parent.mkdir()
    remembered().write_text(text, encoding="latin-1")
    assert precision.choose("auto", "CPU:0").precision == "bfloat16"
    assert list(json.loads(remembered().read_text()).values()) == [3.0]


def test_without_a_place_to_remember_it_is_measured_all_the_same(cpu, timing, monkeypatch, tmp_path):
    cpu({"avx512_bf16"})
    (tmp_path / "file").touch()
    monkeypatch.setenv("NEURAL_STYLE_CACHE", str(tmp_path / "file" / "cache"))
    assert precision.choose("auto", "CPU:0").precision == "bfloat16"


def test_features_are_none_where_linux_does_not_list_them(monkeypatch):
    def read_text(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", read_text)
    assert precision.cpu_features() is None


# --- GPUs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capability", "chosen", "reason"),
    [
        ((9, 0), "bfloat16", "compute capability 9.0: tensor cores"),
        ((8, 0), "bfloat16", "compute capability 8.0: tensor cores"),
        ((7, 5), "float16", "compute capability 7.5: tensor cores"),
        ((7, 0), "float16", "compute capability 7.0: tensor cores"),
        ((6, 1), "float32", "compute capability 6.1: no tensor cores"),
        ((10, 0), "bfloat16", "compute capability 10.0: tensor cores"),
        (None, "float32", "the GPU's compute capability is unknown"),
    ],
)
@pytest.mark.parametrize("index", [0, 1])
def test_gpus_by_what_they_can(monkeypatch, timing, capability, chosen, reason, index):
    """That of the device asked for, not of another."""
    details = [{"compute_capability": (5, 2)}, {"compute_capability": (5, 2)}]
    details[index] = {"device_name": "a GPU"} | ({"compute_capability": capability} if capability else {})
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [f"{kind} {i}" for i in range(2)])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: details[int(gpu[-1])])
    assert precision.choose("auto", f"GPU:{index}") == Choice(chosen, reason)
    assert timing.asked == []


# --- as it is ---------------------------------------------------------------------------------------------------------


def test_noise_is_known_of_every_type():
    assert {*precision.LOSS_NOISE, "auto"} == {*OPTIONS["precision"].choices}


def test_the_choice_is_a_type_that_this_machine_computes_in():
    chosen = precision.choose("auto", "CPU:0").precision
    assert precision.choose(chosen, "CPU:0").precision == chosen


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the limit is one of x86 CPUs, as Linux has them"
)
@pytest.mark.skipif("avx512f" not in (precision.cpu_features() or ()), reason="this CPU cannot be held back to AVX2")
def test_a_cpu_held_back_to_avx2_computes_in_float32(tmp_path):
    script = (
        "from neural_style.compute import precision\n"
        "from neural_style.errors import UsageError\n"
        "print(precision.choose('auto', 'CPU:0').precision)\n"
        "try:\n"
        "    precision.choose('bfloat16', 'CPU:0')\n"
        "except UsageError as error:\n"
        "    print(error)\n"
    )
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "KERAS_HOME": str(tmp_path / "keras")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=environment,
        cwd=Path(precision.__file__).parents[2],
        check=True,
    )
    chosen, refused = done.stdout.splitlines()
    assert chosen == "float32"
    assert refused.startswith("precision: expected a type that CPU:0 computes in, got bfloat16")
    assert list(json.loads(remembered().read_text()).values()) == [0.0]
    assert not list((tmp_path / "keras").rglob("*speed*"))  # Keras itself may write its settings there
