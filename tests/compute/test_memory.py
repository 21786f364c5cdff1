import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from neural_style.compute import memory

GB = 10**9

# --- limits of this process -------------------------------------------------------------------------------------------


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A process of 1 GB, 100 GB free on its machine, and what control groups it is told of: call it with those."""
    process = SimpleNamespace(memory_info=lambda: SimpleNamespace(rss=GB, vms=GB))
    monkeypatch.setattr(memory.psutil, "Process", lambda: process)
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: SimpleNamespace(available=100 * GB, total=128 * GB))
    monkeypatch.setattr(memory, "_address_space", lambda: iter(()))
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path)
    monkeypatch.setattr(memory, "_MEMBERSHIP", tmp_path / "membership")

    def told(membership, **files):
        (tmp_path / "membership").write_text(membership)
        for path, text in files.items():
            folder, name = path.replace("__", "/").rsplit("/", 1) if "__" in path else ("", path)
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / name.replace("_dot_", ".")).write_text(f"{text}\n")

    return told


def group(folder, limit, usage, cache=0):
    """Files of a control group of version 2."""
    stat = f"anon 5\ninactive_file {cache}\nactive_file 7"
    names = {"memory_dot_max": limit, "memory_dot_current": usage, "memory_dot_stat": stat}
    return {folder + name: value for name, value in names.items()}


def old_group(folder, limit, usage, cache=0):
    """Files of a control group of version 1."""
    stat = f"inactive_file 1\ntotal_inactive_file {cache}"
    names = {"memory_dot_limit_in_bytes": limit, "memory_dot_usage_in_bytes": usage, "memory_dot_stat": stat}
    return {"memory__" + folder + name: value for name, value in names.items()}


def expected(headroom):
    return GB + int(0.8 * headroom)


def test_budget_is_what_the_process_has_and_a_share_of_what_is_free(machine):
    assert memory.budget("auto", "CPU:0") == expected(100 * GB)  # no /proc either, as on other systems
    machine("0::/\n")
    assert memory.budget("auto", "CPU:0") == expected(100 * GB)


def test_limit_of_a_control_group(machine):
    """Of 8 GB, 3 are in use, one of them by files that give way."""
    machine("0::/app\n", **group("app__", 8 * GB, 3 * GB, GB))
    assert memory.budget("auto", "CPU:0") == expected(6 * GB)


def test_limits_of_groups_above_count_as_well(machine):
    machine(
        "0::/a/b/c\n", **group("a__", 5 * GB, 2 * GB), **group("a__b__", 9 * GB, GB), **group("a__b__c__", "max", GB)
    )
    assert memory.budget("auto", "CPU:0") == expected(3 * GB)


def test_a_group_that_is_not_to_be_found_is_the_root_itself(machine):
    """As inside a container, whose group is mounted there."""
    machine("0::/system.slice/docker-123.scope\n", **group("", 4 * GB, GB))
    assert memory.budget("auto", "CPU:0") == expected(3 * GB)


def test_a_limit_holds_without_statistics(machine):
    """All that is in use then counts."""
    files = group("app__", 8 * GB, 3 * GB)
    del files["app__memory_dot_stat"]
    machine("0::/app\n", **files)
    assert memory.budget("auto", "CPU:0") == expected(5 * GB)


def test_groups_without_a_limit(machine):
    machine("0::/app\n", **group("app__", "max", 3 * GB))
    assert memory.budget("auto", "CPU:0") == expected(100 * GB)


def test_a_group_that_is_used_up_leaves_what_the_process_has(machine):
    machine("0::/app\n", **group("app__", 2 * GB, 3 * GB))
    assert memory.budget("auto", "CPU:0") == GB


def test_limit_of_a_control_group_of_version_1(machine):
    lines = "12:cpu,cpuacct:/other\n4:memory:/app\n1:name=systemd:/init\n"
    machine(lines, **old_group("app__", 8 * GB, 3 * GB, GB), **old_group("", 9223372036854771712, 50 * GB))
    assert memory.budget("auto", "CPU:0") == expected(6 * GB)


def test_both_versions_at_once(machine):
    machine("3:memory,hugetlb:/x\n0::/y\n", **old_group("x__", 8 * GB, GB), **group("y__", 5 * GB, GB))
    assert memory.budget("auto", "CPU:0") == expected(4 * GB)


def test_what_other_programs_left_free_counts(machine, monkeypatch):
    machine("0::/app\n", **group("app__", 80 * GB, 3 * GB))
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: SimpleNamespace(available=2 * GB))
    assert memory.budget("auto", "CPU:0") == expected(2 * GB)


def test_budget_of_this_machine():
    """Whatever it is."""
    has = psutil.Process().memory_info().rss
    assert 0.9 * has < memory.budget("auto", "CPU:0") < has + 0.9 * psutil.virtual_memory().total


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such limit")
def test_ulimit_is_respected():
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (3 * 10**9, 3 * 10**9))\n"
        "from neural_style import memory; import psutil\n"
        "info = psutil.Process().memory_info(); print(memory.budget('auto', 'CPU:0'), info.rss, info.vms)"
    )
    root = Path(memory.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=root, check=True)
    budget, resident, virtual = map(int, done.stdout.split())
    assert resident < budget
    assert budget == pytest.approx(resident + 0.8 * 0.8 * (3 * GB - virtual - 0.5 * GB), abs=5e7)


def test_what_is_asked_for_holds(machine, caplog):
    assert memory.budget("3GB", "CPU:0") == 3 * GB
    assert memory.budget("120GB", "CPU:0") == 120 * GB  # more than is free: the user knows best
    assert not caplog.messages
    assert memory.budget("3000GB", "CPU:0") == 3000 * GB
    assert caplog.messages == ["memory: 3000GB were asked for, and this machine has 128 GB"]


def test_what_is_asked_for_does_not_go_beyond_a_limit_on_the_process(machine, caplog):
    machine("0::/\n", **group("", 8 * GB, 3 * GB))
    assert memory.budget("4GB", "CPU:0") == 4 * GB
    assert not caplog.messages
    assert memory.budget("7GB", "CPU:0") == GB + int(0.95 * 5 * GB)
    assert caplog.messages == ["memory: this process is limited, so 5.75 GB are used instead of 7GB"]


# --- GPUs -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """A program of that name, alone on the path; call it with the shell script it shall be."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def made(script):
        path = tmp_path / "nvidia-smi"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return made


posix = pytest.mark.skipif(sys.platform == "win32", reason="needs a shell script to stand in for a program")


@posix
def test_budget_on_a_gpu_is_a_share_of_what_is_free_on_it(nvidia_smi):
    nvidia_smi('case "$*" in *--id=1) echo 81559;; *) echo 1000;; esac')
    assert memory.gpu_free("GPU:0") == 1000 * 2**20
    assert memory.budget("auto", "GPU:1") == int(0.8 * 81559 * 2**20)


@posix
def test_what_is_asked_of_nvidias_tool(nvidia_smi):
    """Numbers alone."""
    nvidia_smi('[ "$*" = "--query-gpu=memory.free --format=csv,noheader,nounits --id=0" ] && echo 5')
    assert memory.gpu_free("GPU:0") == 5 * 2**20


@posix
def test_gpus_are_counted_as_tensorflow_sees_them(nvidia_smi, monkeypatch):
    nvidia_smi('case "$*" in *--id=3) echo 7;; *--id=GPU-5f) echo 9;; esac')
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-5f")
    assert memory.gpu_free("GPU:0") == 7 * 2**20
    assert memory.gpu_free("GPU:1") == 9 * 2**20


@posix
@pytest.mark.parametrize("script", ["exit 9", "echo '[N/A]'", "echo", "echo 1; exit 1"])
def test_where_nvidias_tool_does_not_tell(nvidia_smi, script):
    nvidia_smi(script)
    assert memory.gpu_free("GPU:1") is None


def test_without_nvidias_tool_the_computers_memory_is_taken(tmp_path, monkeypatch, machine):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    machine("0::/\n")
    assert memory.gpu_free("GPU:0") is None
    assert memory.budget("auto", "GPU:0") == expected(100 * GB)


def test_a_cpu_does_not_ask_for_a_gpu(machine, monkeypatch):
    def run(*_, **__):
        raise AssertionError("there is no need to")

    machine("0::/\n")
    monkeypatch.setattr(memory.subprocess, "run", run)
    assert memory.budget("auto", "CPU:0") == expected(100 * GB)
