import pytest
from control_group_files import ControlGroups, cpu_group_of_version_1

from neural_style.compute import control_groups


@pytest.fixture
def groups(tmp_path, monkeypatch):
    return ControlGroups(tmp_path, monkeypatch)


def folders_below(root, controller):
    return [(version, str(folder.relative_to(root))) for version, folder in control_groups.folders(controller)]


def test_no_groups_where_there_is_no_linux(groups):
    assert list(control_groups.folders("memory")) == []
    assert list(control_groups.cpu_quotas()) == []


def test_a_group_and_those_above_it(groups, tmp_path):
    groups.write("0::/a/b\n", {"a/b/cpu.max": "max 100000"})
    for controller in ("memory", "cpu"):
        assert folders_below(tmp_path, controller) == [(2, "a/b"), (2, "a"), (2, ".")]


def test_a_group_whose_path_does_not_exist_is_the_root(groups, tmp_path):
    groups.write("0::/system.slice/docker-123.scope\n")
    assert folders_below(tmp_path, "memory") == [(2, ".")]


def test_groups_of_version_1_belong_to_one_controller(groups, tmp_path):
    (tmp_path / "memory" / "m").mkdir(parents=True)
    (tmp_path / "cpu" / "c").mkdir(parents=True)
    groups.write("4:memory:/m\n3:cpu,cpuacct:/c\n2:cpuset:/x\n1:name=systemd:/init\n0::/\n")
    assert folders_below(tmp_path, "memory") == [(1, "memory/m"), (1, "memory"), (2, ".")]
    assert folders_below(tmp_path, "cpu") == [(1, "cpu/c"), (1, "cpu"), (2, ".")]


def test_a_path_with_a_colon(groups, tmp_path):
    groups.write("0::/a:b\n", {"a:b/cpu.max": "max 100000"})
    assert folders_below(tmp_path, "cpu") == [(2, "a:b"), (2, ".")]


@pytest.mark.parametrize(
    ("membership", "files", "quotas"),
    [
        ("0::/\n", {"cpu.max": "150000 100000"}, [1.5]),
        ("0::/\n", {"cpu.max": "max 100000"}, []),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "20000 10000", "cpu.max": "400000 100000"}, [2, 4]),
        ("0::/docker/1\n", {"cpu.max": "50000 100000"}, [0.5]),
        ("0::/\n", {"cpu.max": ""}, []),
        ("0::/\n", {"cpu.max": "nonsense here"}, []),
        ("0::/\n", {"cpu.max": "100000 0"}, []),
        ("3:cpu,cpuacct:/c\n", cpu_group_of_version_1("c", 300000), [3]),
        ("3:cpu,cpuacct:/c\n", cpu_group_of_version_1("c", -1), []),
        ("3:cpuacct,cpu:/gone\n", cpu_group_of_version_1("", 25000, 50000), [0.5]),
        ("3:cpuset:/c\n", cpu_group_of_version_1("c", 300000), []),
    ],
)
def test_quotas_of_cpu_time(groups, membership, files, quotas):
    groups.write(membership, files)
    assert list(control_groups.cpu_quotas()) == quotas
