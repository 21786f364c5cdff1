import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import tensorflow as tf
from control_group_files import ControlGroups

from neural_style.compute import device
from neural_style.errors import UsageError

# --- names ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def gpus(monkeypatch):
    """Call it with how many GPUs TensorFlow finds; it returns a list of the settings that are made."""
    made = []

    def found(count):
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [f"{kind} {i}" for i in range(count)])
        monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda gpu, on: made.append((gpu, on)))
        monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: made.append("determinism"))
        monkeypatch.setattr(
            tf.config.experimental, "enable_tensor_float_32_execution", lambda on: made.append(("tf32", on))
        )
        monkeypatch.setattr(
            tf.config.threading, "set_intra_op_parallelism_threads", lambda count: made.append(("threads", count))
        )
        return made

    return found


@pytest.mark.parametrize(
    ("wanted", "count", "name"),
    [
        ("auto", 0, "CPU:0"),
        ("auto", 2, "GPU:0"),
        ("cpu", 2, "CPU:0"),
        ("gpu", 1, "GPU:0"),
        ("gpu:0", 1, "GPU:0"),
        ("gpu:1", 2, "GPU:1"),
        ("gpu", 0, None),
        ("gpu:2", 2, None),
    ],
)
def test_names_of_devices(gpus, wanted, count, name):
    """Asking changes nothing."""
    made = gpus(count)
    if name is None:
        with pytest.raises(UsageError, match=f"^device: expected a GPU .*, got {wanted} with {count} found"):
            device.device_name(wanted)
    else:
        assert device.device_name(wanted) == name
    assert made == []


# --- cores ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def groups(tmp_path, monkeypatch):
    return ControlGroups(tmp_path, monkeypatch)


@pytest.fixture
def cpus(tmp_path, monkeypatch, groups):
    """Call it with the CPUs that the process may use, and groups of those that share a core; no quotas at first."""

    def made(usable, cores, physical=None):
        monkeypatch.setattr(device, "_CPUS", tmp_path / "cpus")
        for core in cores:
            for cpu in core:
                folder = tmp_path / "cpus" / f"cpu{cpu}" / "topology"
                folder.mkdir(parents=True)
                (folder / "thread_siblings_list").write_text(",".join(map(str, core)) + "\n")
        process = SimpleNamespace() if usable is None else SimpleNamespace(cpu_affinity=lambda: usable)
        monkeypatch.setattr(psutil, "Process", lambda: process)
        monkeypatch.setattr(psutil, "cpu_count", lambda logical: None if logical else physical)
        monkeypatch.setattr(os, "cpu_count", lambda: 8)

    return made


def threads_two_by_two(count):
    return [(cpu, cpu + count) for cpu in range(count)]


@pytest.mark.parametrize(
    ("usable", "cores", "physical", "expected"),
    [
        (range(8), [(cpu,) for cpu in range(8)], None, 8),
        (range(8), threads_two_by_two(4), 4, 4),
        ([0, 4], threads_two_by_two(4), 4, 1),  # both threads of a core
        ([0, 1, 4], threads_two_by_two(4), 4, 2),
        ([3], threads_two_by_two(4), 4, 1),
        (range(8), [], 4, 4),  # no topology in files, as on Windows
        ([0, 1], [], 4, 2),
        (range(6), [], None, 6),
        (None, [], 6, 6),  # no affinity either, as on macOS
        (None, [], None, 8),
    ],
)
def test_each_usable_core_counts_once(cpus, usable, cores, physical, expected):
    cpus(usable and list(usable), cores, physical)
    assert device.cpu_cores() == expected


@pytest.mark.parametrize(
    ("quota", "expected"), [("max 100000", 8), ("150000 100000", 2), ("20000 100000", 1), ("3200000 100000", 8)]
)
def test_quotas_of_cpu_time_count(cpus, groups, quota, expected):
    cpus(list(range(8)), [(cpu,) for cpu in range(8)])
    groups.write("0::/app\n", {"app/cpu.max": quota})
    assert device.cpu_cores() == expected


def test_the_least_quota_of_the_groups_above_counts(cpus, groups):
    cpus(list(range(8)), [(cpu,) for cpu in range(8)])
    groups.write("0::/a/b\n", {"a/b/cpu.max": "600000 100000", "a/cpu.max": "300000 100000", "cpu.max": "max 1"})
    assert device.cpu_cores() == 3


def test_cores_of_this_machine():
    assert 1 <= device.cpu_cores() <= (os.cpu_count() or 1)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot keep a process off CPUs")
def test_cpus_that_this_process_is_kept_off_do_not_count():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert device.cpu_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


# --- settings of the process ------------------------------------------------------------------------------------------


def test_gpus_are_told_to_take_memory_as_they_need_it(gpus):
    made = gpus(2)
    assert device.configure_process() == ()
    assert made == [("GPU 0", True), ("GPU 1", True)]


def test_what_is_not_asked_for_stays_as_it_is(gpus):
    made = gpus(2)
    level = tf.get_logger().level
    assert device.configure_process(gpu_memory_growth=False) == ()
    assert made == []
    assert tf.get_logger().level == level


def test_everything_that_is_asked_for_is_set(gpus, monkeypatch):
    made, levels = gpus(1), []
    monkeypatch.setattr(tf.get_logger(), "setLevel", levels.append)
    assert device.configure_process(threads=3, reproducible=True, log_level=logging.ERROR) == ()
    assert made == ["determinism", ("tf32", False), ("threads", 3), ("GPU 0", True)]
    assert levels == [logging.ERROR]


@pytest.mark.parametrize("error", [RuntimeError("already initialized"), ValueError("virtual devices configured")])
def test_what_is_refused_is_named_once(gpus, monkeypatch, error):
    def refuse(*_):
        raise error

    gpus(3)
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", refuse)
    assert device.configure_process(threads=2) == ("gpu_memory_growth",)


@pytest.mark.parametrize("threads", [0, -1])
def test_threads_that_cannot_be(threads):
    with pytest.raises(UsageError, match=f"^threads: expected at least 1, .*, got {threads}"):
        device.configure_process(threads=threads)


SCRIPT = """
import logging
import tensorflow as tf
from neural_style.compute.device import configure_process, cpu_cores, device_name

device_name("auto"), cpu_cores()
print(tf.config.threading.get_intra_op_parallelism_threads())
print(configure_process(threads=3, reproducible=True, log_level=logging.ERROR))
print(tf.config.threading.get_intra_op_parallelism_threads(), tf.get_logger().level)
print(tf.config.experimental.tensor_float_32_execution_enabled())
try:
    print(tf.random.uniform([1]))
except RuntimeError as error:
    print("deterministic" if "seed" in str(error) else error)
tf.zeros(1) + 1
print(configure_process(threads=3, reproducible=True), configure_process(threads=2))
print(tf.config.threading.get_intra_op_parallelism_threads())
"""


def test_settings_in_a_process_of_their_own():
    """As they are before TensorFlow starts, and after."""
    root = Path(device.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, cwd=root, check=True)
    lines = done.stdout.splitlines()
    assert lines[:5] == ["0", "()", f"3 {logging.ERROR}", "False", "deterministic"]
    assert lines[5:] == ["() ('threads',)", "3"]


def test_the_module_does_not_import_tensorflow():
    root = Path(device.__file__).parents[2]
    script = (
        "import sys; from neural_style.compute import device, memory, planner; device.cpu_cores()\n"
        "memory.budget('auto', 'CPU:0'); print('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout == "False\n"
    assert done.stderr == ""


def test_circumstances_are_what_decides_the_last_bits():
    found = device.circumstances("CPU:0")
    assert found["tensorflow"] == tf.__version__
    assert found["numpy"] == np.__version__
    assert found["processor"]
    assert isinstance(found["threads"], int)
    assert found == device.circumstances("CPU:0")
