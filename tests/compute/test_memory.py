import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import tensorflow as tf
from control_group_files import (
    NO_LIMIT_OF_VERSION_1,
    ControlGroups,
    memory_group,
    memory_group_of_version_1,
)

from neural_style.compute import memory
from neural_style.compute.cost_model import PROCESS_BYTES
from neural_style.compute.ledger import LEDGER, Ledger
from neural_style.compute.planner import Planner
from neural_style.config.config import Config

GB = 10**9
MIB = 2**20
RESIDENT = GB // 2
"""What the process of `machine` has, before anything else: less than every run may count as its own."""


@pytest.fixture
def groups(tmp_path, monkeypatch):
    return ControlGroups(tmp_path, monkeypatch)


@pytest.fixture
def machine(groups, monkeypatch):
    """A process on a machine of 128 GB, of which 100 are free: set `resident` and `free`; `write` control groups."""
    state = SimpleNamespace(resident=RESIDENT, free=100 * GB, write=groups.write)
    process = SimpleNamespace(memory_info=lambda: SimpleNamespace(rss=state.resident, vms=state.resident))
    virtual = SimpleNamespace
    monkeypatch.setattr(memory.psutil, "Process", lambda: process)
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: virtual(available=state.free, total=128 * GB))
    monkeypatch.setattr(memory, "_left_by_ulimits", lambda: iter(()))
    return state


def take(machine, size):
    """Let something in the process take memory."""
    machine.resident += size
    machine.free -= size


def budget(wanted="auto", device="CPU:0", **options):
    return memory.budget(wanted, device, **{"ledger": Ledger(), **options})


def share(size, of_all=0.8):
    return int(of_all * size)


# --- what is the run's own --------------------------------------------------------------------------------------------


def test_a_lone_run_has_its_process_and_a_share_of_what_is_free(machine):
    assert budget() == RESIDENT + share(100 * GB)


@pytest.mark.parametrize("held", [0, 2 * GB])
def test_what_else_the_process_holds_is_not_the_runs(machine, held):
    take(machine, 6 * GB + held)
    assert budget(held=held) == PROCESS_BYTES + held + share(machine.free)


def test_pictures_that_were_read_are_the_runs(machine):
    take(machine, 3 * GB)
    assert budget(held=3 * GB) == RESIDENT + 3 * GB + share(97 * GB)


def test_six_gigabytes_of_others_do_not_make_room_for_a_larger_plan(machine):
    """16.3 GB are free, and a plan of 18.9 GB is not for them."""
    machine.resident, machine.free = 6 * GB + RESIDENT, int(16.3 * GB)
    assert budget() < 14 * GB


def test_memory_that_others_hold_changes_no_plan_for_the_better(machine):
    """A process that holds more plans for no more memory than a fresh one does with as much free."""
    planner = Planner(Config("photo.png", ["style.png"]), "float32")
    machine.free = 10 * GB
    fresh = planner.choose(3000, 2000, budget())
    machine.resident += 20 * GB
    crowded = planner.choose(3000, 2000, budget())
    assert crowded.peak <= budget() <= fresh.peak + PROCESS_BYTES + share(10 * GB)
    assert crowded == fresh


def test_budget_of_this_machine():
    resident = psutil.Process().memory_info().rss
    held = psutil.virtual_memory().available
    assert 0 < budget() < PROCESS_BYTES + held
    assert 0.9 * min(resident, PROCESS_BYTES) < budget()


# --- limits of this process -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("membership", "files", "left"),
    [
        ("0::/\n", {}, 100),
        ("0::/app\n", memory_group("app", 8 * GB, 3 * GB, GB), 6),  # a GB of the 3 in use makes room
        (
            "0::/a/b/c\n",
            memory_group("a", 5 * GB, 2 * GB) | memory_group("a/b", 9 * GB, GB) | memory_group("a/b/c", "max", GB),
            3,
        ),
        ("0::/system.slice/docker-123.scope\n", memory_group(".", 4 * GB, GB), 3),
        ("0::/app\n", {"app/memory.max": 8 * GB, "app/memory.current": 3 * GB}, 5),
        ("0::/app\n", memory_group("app", "max", 3 * GB), 100),
        ("0::/app\n", memory_group("app", 2 * GB, 3 * GB), 0),
        (
            "12:cpu,cpuacct:/other\n4:memory:/app\n1:name=systemd:/init\n",
            memory_group_of_version_1("app", 8 * GB, 3 * GB, GB)
            | memory_group_of_version_1(".", NO_LIMIT_OF_VERSION_1, 50 * GB),
            6,
        ),
        (
            "3:memory,hugetlb:/x\n0::/y\n",
            memory_group_of_version_1("x", 8 * GB, GB) | memory_group("y", 5 * GB, GB),
            4,
        ),
    ],
)
def test_limits_of_control_groups(machine, membership, files, left):
    machine.write(membership, files)
    assert budget() == RESIDENT + share(left * GB)


def test_the_least_of_limits_and_free_memory_counts(machine):
    machine.write("0::/app\n", memory_group("app", 80 * GB, 3 * GB))
    machine.free = 2 * GB
    assert budget() == RESIDENT + share(2 * GB)


def test_what_others_in_the_process_hold_counts_against_its_limit(machine):
    machine.resident = 6 * GB
    machine.write("0::/app\n", memory_group("app", 8 * GB, 7 * GB))
    assert budget() == PROCESS_BYTES + share(GB)
    assert budget("5GB") == PROCESS_BYTES + share(GB, 0.95)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such limit")
def test_ulimit_is_respected():
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (3 * 10**9, 3 * 10**9))\n"
        "from neural_style.compute import memory; import psutil\n"
        "info = psutil.Process().memory_info(); print(memory.budget('auto', 'CPU:0'), info.rss, info.vms)"
    )
    root = Path(memory.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=root, check=True)
    limited, resident, virtual = map(int, done.stdout.split())
    assert resident < limited
    assert limited == pytest.approx(resident + 0.8 * 0.8 * (3 * GB - virtual - 0.5 * GB), abs=5e7)


# --- sizes that are given ---------------------------------------------------------------------------------------------


def test_a_size_that_is_given_holds(machine, caplog):
    assert budget("3GB") == 3 * GB
    assert budget("120GB") == 120 * GB  # more than is free: the user knows best
    assert not caplog.messages
    assert budget("3000GB") == 3000 * GB
    assert caplog.messages == ["memory: asked for 3000GB, but this machine has 128 GB"]


def test_a_size_that_is_given_does_not_exceed_a_limit_on_the_process(machine, caplog):
    machine.write("0::/\n", memory_group(".", 8 * GB, 3 * GB))
    assert budget("4GB") == 4 * GB
    assert not caplog.messages
    assert budget("7GB") == RESIDENT + share(5 * GB, 0.95)
    assert caplog.messages == ["memory: using 5.25 GB instead of 7GB, since this process is limited"]


def test_a_size_that_is_given_holds_whatever_the_process_and_other_sessions_have(machine):
    ledger = Ledger()
    with memory.reserve(50 * GB, "CPU:0", ledger=ledger):
        take(machine, 6 * GB)
        assert budget("3GB", ledger=ledger) == 3 * GB


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_a_second_session_plans_with_what_the_first_leaves(machine):
    ledger = Ledger()
    with memory.reserve(30 * GB + PROCESS_BYTES, "CPU:0", ledger=ledger):
        for taken in (0, 10, 20):  # so much it has taken already, and the rest it will take
            assert machine.free == (100 - taken) * GB
            assert budget(ledger=ledger) == min(machine.resident, PROCESS_BYTES) + share(70 * GB)
            take(machine, 10 * GB)
    take(machine, -30 * GB)
    assert budget(ledger=ledger) == RESIDENT + share(100 * GB)


def test_pictures_of_sessions_are_counted_once(machine):
    """Each holds 2 GB of pictures before it plans, which its plan counts."""
    ledger = Ledger()
    take(machine, 2 * GB)
    with memory.reserve(12 * GB + PROCESS_BYTES, "CPU:0", held=2 * GB, ledger=ledger):
        take(machine, 2 * GB)
        assert budget(held=2 * GB, ledger=ledger) == PROCESS_BYTES + 2 * GB + share(machine.free - 10 * GB)
        with memory.reserve(7 * GB + PROCESS_BYTES, "CPU:0", held=2 * GB, ledger=ledger):
            assert budget(ledger=ledger) == PROCESS_BYTES + share(machine.free - 10 * GB - 5 * GB)


def test_other_sessions_count_against_limits_too(machine):
    ledger = Ledger()
    machine.write("0::/\n", memory_group(".", 8 * GB, GB))
    with memory.reserve(3 * GB + PROCESS_BYTES, "CPU:0", ledger=ledger):
        assert budget(ledger=ledger) == RESIDENT + share(4 * GB)
        assert budget("7GB", ledger=ledger) == RESIDENT + share(4 * GB, 0.95)


def test_a_session_that_needs_no_more_than_the_process_reserves_nothing(machine):
    ledger = Ledger()
    with memory.reserve(PROCESS_BYTES // 2, "CPU:0", ledger=ledger):
        assert budget(ledger=ledger) == RESIDENT + share(100 * GB)


def test_no_less_than_the_process_is_left(machine):
    ledger = Ledger()
    with memory.reserve(500 * GB, "CPU:0", ledger=ledger):
        assert budget(ledger=ledger) == RESIDENT


def test_sessions_in_threads_share_the_memory(machine):
    """Eight plan at once; what they reserve together fits into what is free."""
    ledger, sizes, sessions = Ledger(), [], []
    machine.resident = PROCESS_BYTES

    def session():
        with ledger.lock:
            size = budget(ledger=ledger)
            sessions.append(memory.reserve(size, "CPU:0", ledger=ledger))
        sizes.append(size - PROCESS_BYTES)

    threads = [threading.Thread(target=session) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(sizes, reverse=True)[:3] == [80 * GB, 16 * GB, pytest.approx(3.2 * GB)]
    assert sum(sizes) < 100 * GB
    sessions.clear()
    assert budget(ledger=ledger) == PROCESS_BYTES + share(100 * GB)


def test_a_process_has_one_ledger(machine):
    before = memory.budget("auto", "CPU:0")
    with memory.reserve(10 * GB + PROCESS_BYTES, "CPU:0"):
        assert before - memory.budget("auto", "CPU:0") == share(10 * GB)
        assert LEDGER.outstanding("CPU", machine.resident) == 10 * GB
    assert memory.budget("auto", "CPU:0") == before


# --- GPUs: what is free -----------------------------------------------------------------------------------------------


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
    assert memory.gpu_free("GPU:0") == 1000 * MIB
    assert budget(device="GPU:1") == share(81559 * MIB)
    assert budget(device="GPU:1", held=GB) == share(81559 * MIB)  # which is in the computer's memory
    assert budget("3GB", device="GPU:1") == 3 * GB


@posix
def test_what_is_asked_of_nvidias_tool(nvidia_smi):
    """Numbers alone."""
    nvidia_smi('[ "$*" = "--query-gpu=memory.free --format=csv,noheader,nounits --id=0" ] && echo 5')
    assert memory.gpu_free("GPU:0") == 5 * MIB


@posix
def test_gpus_are_counted_as_tensorflow_sees_them(nvidia_smi, monkeypatch):
    nvidia_smi('case "$*" in *--id=3) echo 7;; *--id=GPU-5f) echo 9;; esac')
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-5f")
    assert memory.gpu_free("GPU:0") == 7 * MIB
    assert memory.gpu_free("GPU:1") == 9 * MIB


@posix
@pytest.mark.parametrize("script", ["exit 9", "echo '[N/A]'", "echo", "echo 1; exit 1"])
def test_where_nvidias_tool_does_not_tell(nvidia_smi, script):
    nvidia_smi(script)
    assert memory.gpu_free("GPU:1") is None


def test_without_nvidias_tool_the_computers_memory_is_taken(tmp_path, monkeypatch, machine):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    ledger = Ledger()
    assert memory.gpu_free("GPU:0") is None
    assert budget(device="GPU:0", ledger=ledger) == RESIDENT + share(100 * GB)
    with memory.reserve(10 * GB + PROCESS_BYTES, "GPU:0", ledger=ledger):
        assert budget(device="CPU:0", ledger=ledger) == RESIDENT + share(90 * GB)


def test_a_cpu_does_not_ask_for_a_gpu(machine, monkeypatch):
    def run(*_, **__):
        raise AssertionError("there is no need to")

    monkeypatch.setattr(memory.subprocess, "run", run)
    assert budget() == RESIDENT + share(100 * GB)


# --- GPUs: what TensorFlow's allocator keeps --------------------------------------------------------------------------


class Gpu:
    """A GPU of 80 GB and TensorFlow's allocator on it, which keeps what it took; `grows` says how it takes it."""

    def __init__(self, grows):
        self.grows, self.free, self.in_use, self.peak, self.pool = grows, 80 * GB, 0, 0, 0
        self.started, self.questions = False, 0

    def start(self):
        """Take what TensorFlow takes at the start: a process's share, and without growth 90 % of the rest."""
        if not self.started:
            self.started = True
            self.free -= PROCESS_BYTES
            if not self.grows:
                self.pool = int(0.9 * self.free)
                self.free -= self.pool

    def use(self, size):
        """Let a run take, or with a negative number free, so many bytes."""
        self.start()
        self.in_use += size
        self.peak = max(self.peak, self.in_use)
        self.free -= max(self.in_use - self.pool, 0)
        self.pool = max(self.pool, self.in_use)

    def statistics(self, device):
        assert device == "GPU:0"
        self.questions += 1
        self.start()
        return {"current": self.in_use, "peak": self.peak}


@pytest.fixture(params=[True, False], ids=["growth", "all at once"])
def gpu(request, monkeypatch):
    gpu = Gpu(request.param)
    monkeypatch.delenv("TF_FORCE_GPU_ALLOW_GROWTH", raising=False)
    monkeypatch.setattr(memory, "gpu_free", lambda device: gpu.free)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [f"{kind} 0"])
    monkeypatch.setattr(tf.config.experimental, "get_memory_growth", lambda device: gpu.grows or None)
    monkeypatch.setattr(tf.config.experimental, "get_memory_info", gpu.statistics)
    return gpu


def gpu_run(gpu, ledger):
    """Plan and make a run that takes all that it may, and free it."""
    size = memory.budget("auto", "GPU:0", ledger=ledger)
    with memory.reserve(size, "GPU:0", ledger=ledger):
        gpu.use(size - PROCESS_BYTES)
        gpu.use(PROCESS_BYTES - size)
    return size


def test_a_query_does_not_start_the_gpu(gpu):
    assert budget(device="GPU:0") == share(80 * GB)
    assert not gpu.started and not gpu.questions


def test_a_second_run_plans_with_what_the_allocator_keeps_and_does_not_use(gpu):
    ledger = Ledger()
    first = gpu_run(gpu, ledger)
    assert first == share(80 * GB)
    for _ in range(5):
        assert gpu_run(gpu, ledger) >= first
        assert gpu.in_use <= gpu.pool <= 80 * GB
        assert gpu.free >= 0


def test_what_somebody_keeps_in_the_allocator_is_not_free(gpu):
    ledger = Ledger()
    gpu_run(gpu, ledger)
    before = memory.budget("auto", "GPU:0", ledger=ledger)
    gpu.use(20 * GB)
    assert memory.budget("auto", "GPU:0", ledger=ledger) == before - 20 * GB


def test_sessions_on_a_gpu_know_of_each_other(gpu):
    """Whatever the first has taken so far, the second plans with the rest."""
    ledger = Ledger()
    memory.budget("auto", "GPU:0", ledger=ledger)
    with memory.reserve(30 * GB + PROCESS_BYTES, "GPU:0", ledger=ledger):
        for _ in range(4):
            second = memory.budget("auto", "GPU:0", ledger=ledger)
            assert second < 51 * GB
            assert second > 0.8 * 45 * GB
            gpu.use(10 * GB if gpu.in_use < 30 * GB else 0)
        assert gpu.in_use == 30 * GB
    gpu.use(-30 * GB)
    assert memory.budget("auto", "GPU:0", ledger=ledger) > 60 * GB


@pytest.mark.parametrize(("setting", "grows"), [("true", True), ("false", False)])
def test_the_environment_decides_how_gpus_take_memory(gpu, monkeypatch, setting, grows):
    monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", setting)
    assert memory._grows("GPU:0") is grows


def test_without_statistics_nothing_is_thought_unused(gpu, monkeypatch):
    def get_memory_info(_device):
        raise ValueError("Allocator stats not available for device GPU:0")

    ledger, gpu.grows = Ledger(), True
    gpu_run(gpu, ledger)
    monkeypatch.setattr(tf.config.experimental, "get_memory_info", get_memory_info)
    assert memory.budget("auto", "GPU:0", ledger=ledger) == PROCESS_BYTES + share(gpu.free)
