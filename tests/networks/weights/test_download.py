import errno
import hashlib
import logging
import multiprocessing
import shutil
import threading
import time
from dataclasses import replace

import filelock
import pytest
from weights_files import dead_address, publish

from neural_style.errors import WeightsError
from neural_style.networks.weights import download, fetching


def assert_fetched(path, published, folder):
    assert path == folder / "vgg19.h5"
    assert path.read_bytes() == published.body
    assert sorted(entry.name for entry in folder.iterdir()) == ["vgg19.h5", "vgg19.h5.lock"]


def test_progress_goes_to_standard_error(server, published, tmp_path, capsys):
    fetching.download_entry(published.entry, tmp_path / "to", progress=True)
    out, err = capsys.readouterr()
    assert not out
    assert "vgg19.h5: 100%" in err


def test_resumed_when_the_connection_breaks(server, published, tmp_path):
    server.cuts = [100_000, 200_000, 0, 50_000]
    path = fetching.download_entry(published.entry, tmp_path / "to")
    assert_fetched(path, published, tmp_path / "to")
    assert server.starts == [0, 100_000, 300_000, 300_000, 350_000]


def test_any_number_of_breaks_while_bytes_keep_coming(server, published, tmp_path):
    server.cuts = [30_000] * (download.RETRIES + 4)
    assert_fetched(fetching.download_entry(published.entry, tmp_path / "to"), published, tmp_path / "to")
    assert len(server.starts) == download.RETRIES + 5


def test_continues_what_an_earlier_run_left(server, published, tmp_path):
    (tmp_path / "vgg19.h5.part").write_bytes(published.body[:1234])
    fetching.download_entry(published.entry, tmp_path)
    assert (tmp_path / "vgg19.h5").read_bytes() == published.body
    assert server.starts == [1234]


def test_server_that_ignores_ranges(server, published, tmp_path):
    server.ranges, server.cuts = False, [100_000]
    assert_fetched(fetching.download_entry(published.entry, tmp_path / "to"), published, tmp_path / "to")
    assert server.starts == [0, 0]


def test_server_that_resumes_at_another_place(server, published, tmp_path):
    server.offset, server.cuts = 1, [100_000]
    assert_fetched(fetching.download_entry(published.entry, tmp_path / "to"), published, tmp_path / "to")


def test_part_that_is_whole_or_too_long(server, published, tmp_path):
    size = len(published.body)
    for folder, extra, starts in (("whole", b"", [size]), ("long", b"too long", [size + 8, 0])):
        server.starts.clear()
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "vgg19.h5.part").write_bytes(published.body + extra)
        fetching.download_entry(published.entry, tmp_path / folder)
        assert (tmp_path / folder / "vgg19.h5").read_bytes() == published.body
        assert server.starts == starts


def test_part_of_another_file_is_thrown_away(server, published, tmp_path):
    (tmp_path / "vgg19.h5.part").write_bytes(b"another file's beginning")
    fetching.download_entry(published.entry, tmp_path)
    assert (tmp_path / "vgg19.h5").read_bytes() == published.body
    assert server.starts == [24, 0]


def test_wrong_hash_names_both(server, published, tmp_path):
    server.body = b"<html>log in first</html>"
    with pytest.raises(WeightsError) as caught:
        fetching.download_entry(published.entry, tmp_path / "to")
    for part in (server.url, published.entry.digest, hashlib.md5(server.body).hexdigest()):
        assert part in str(caught.value)
    assert len(server.starts) == 2
    assert [entry.name for entry in (tmp_path / "to").iterdir()] == ["vgg19.h5.lock"]


def test_gives_up_when_nothing_more_comes(server, published, tmp_path):
    server.cuts = [1000] + [0] * 50
    with pytest.raises(WeightsError, match=f"cut off after 1000 of {len(published.body)} bytes"):
        fetching.download_entry(published.entry, tmp_path)
    assert len(server.starts) == 1 + download.RETRIES
    assert (tmp_path / "vgg19.h5.part").stat().st_size == 1000


def test_nobody_listens(published, tmp_path):
    with pytest.raises(WeightsError, match="refused"):
        fetching.download_entry(published.entry, tmp_path)


def test_addresses_that_cannot_be(published, tmp_path, monkeypatch):
    for address in ("no address", "http://", "ftp"):
        monkeypatch.setenv("NEURAL_STYLE_WEIGHTS_URL", address)
        with pytest.raises(WeightsError, match=f"cannot download {address}"):
            fetching.download_entry(published.entry, tmp_path)


def test_silent_server_is_left_in_time(server, published, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    server.pause = 1.0
    with pytest.raises(WeightsError, match=r"no answer within 0\.2 seconds|timed out"):
        fetching.download_entry(published.entry, tmp_path)


def test_mirror_folder(server, published, tmp_path, monkeypatch):
    monkeypatch.setenv("NEURAL_STYLE_WEIGHTS_URL", server.url.removesuffix("vgg19.h5"))
    assert fetching.download_entry(published.entry, tmp_path).name == "vgg19.h5"


def test_addresses_of_the_entry_in_turn(server, published, places, tmp_path, monkeypatch):
    monkeypatch.delenv("NEURAL_STYLE_WEIGHTS_URL")
    entry = publish(places.folder, published.path, addresses=[dead_address(), server.url])
    assert fetching.download_entry(entry, tmp_path).read_bytes() == published.body
    with pytest.raises(WeightsError, match="no address is known"):
        fetching.download_entry(replace(published.entry, addresses=()), tmp_path)


def test_file_that_came_meanwhile_is_not_fetched_again(server, published, tmp_path):
    shutil.copy(published.path, tmp_path)
    fetching.download_entry(published.entry, tmp_path)
    assert not server.starts


def test_file_of_another_hash_is_replaced(server, published, tmp_path):
    (tmp_path / "vgg19.h5").write_bytes(b"another")
    assert fetching.download_entry(published.entry, tmp_path).read_bytes() == published.body


def test_folder_that_cannot_be_written(server, published, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WeightsError, match="expected to write"):
        fetching.download_entry(published.entry, tmp_path / "file" / "models")


def test_without_locks_each_process_has_its_own_part(server, published, tmp_path, monkeypatch):
    def unavailable(*_, **__):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(filelock, "lock_descriptor", unavailable)
    assert_fetched(fetching.download_entry(published.entry, tmp_path / "to"), published, tmp_path / "to")
    server.body = b"wrong"
    with pytest.raises(WeightsError):
        fetching.download_entry(published.entry, tmp_path / "other")
    assert [entry.name for entry in (tmp_path / "other").iterdir()] == ["vgg19.h5.lock"]


def test_who_waits_says_so_now_and_then(server, published, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(download, "NOTE", 0.1)
    waiting = threading.Thread(target=fetching.download_entry, args=(published.entry, tmp_path))
    with download.lock(tmp_path / "vgg19.h5") as is_locked:
        assert is_locked
        waiting.start()
        while len(caplog.messages) < 2:
            assert waiting.is_alive()
            time.sleep(0.02)
        shutil.copy(published.path, tmp_path)
    waiting.join(20)
    assert {*caplog.messages} == {"waiting for another process, which is downloading the same file"}
    assert not server.starts


def test_two_processes_fetch_once(server, published, tmp_path):
    server.pause = 0.5
    target = tmp_path / "to" / "vgg19.h5"
    arguments = (server.url, target, "md5", published.entry.digest)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=download.fetch, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(20)
    assert [process.exitcode for process in processes] == [0, 0]
    assert server.starts == [0]
    assert_fetched(target, published, tmp_path / "to")
