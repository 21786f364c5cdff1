"""Folders of checkpoints."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from neural_style import files
from neural_style.config.config import Config
from neural_style.config.resolve import resolve
from neural_style.errors import CheckpointError, OutputError
from neural_style.runs.session_state import SessionState
from neural_style.runs.work_folder import WorkFolder


def state(number):
    arrays = {"a": np.full((4, 5), number, np.float32)}
    return SessionState("1", resolve(Config("a.jpg", "b.jpg")), "w", (), arrays, {}, {}, {"number": number}, {})


def number_of(state):
    return state.numbers["number"]


@pytest.fixture
def folder(tmp_path):
    with WorkFolder(tmp_path / "work") as folder:
        yield folder


def notes(caplog):
    return [record.getMessage() for record in caplog.records]


def test_two_checkpoints_are_kept_and_the_newest_is_loaded(folder, caplog):
    for number in range(1, 5):
        folder.save(state(number))
        assert number_of(folder.load()) == number
    assert [path.name for path in folder.checkpoints()] == [
        "checkpoint-000004.safetensors",
        "checkpoint-000003.safetensors",
    ]
    assert not notes(caplog)


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: data[:200] + b"x" + data[201:], lambda _: b""])
def test_a_damaged_newest_falls_back_to_the_one_before_and_says_so(folder, caplog, damage):
    first, second = folder.save(state(1)), folder.save(state(2))
    second.write_bytes(damage(second.read_bytes()))
    assert number_of(folder.load()) == 1
    told = notes(caplog)
    assert len(told) == 2
    assert "checkpoint-000002" in told[0] and "expected a whole checkpoint" in told[0]
    assert told[1] == "workdir: going on from the checkpoint before it, 'checkpoint-000001.safetensors'"
    assert folder.save(state(3)).name == "checkpoint-000003.safetensors"
    assert number_of(folder.load()) == 3
    first.write_bytes(b"")


def test_without_a_whole_checkpoint_the_reason_is_that_of_the_newest(folder):
    with pytest.raises(CheckpointError, match=r"^workdir: expected a folder with a checkpoint, got .* without any"):
        folder.load()
    for number in (1, 2):
        folder.save(state(number)).write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"^workdir: .*checkpoint-000002.*expected a whole checkpoint"):
        folder.load()


def test_a_folder_is_for_one_process_and_free_after_it(folder):
    script = "import sys; from neural_style.runs.work_folder import WorkFolder; WorkFolder(sys.argv[1]); print('taken')"

    def other():
        ran = subprocess.run([sys.executable, "-c", script, folder.path], capture_output=True, text=True, check=False)
        return ran.stdout + ran.stderr

    assert "which another run is using now; wait for it, or give another folder" in other()
    folder.close()
    assert other() == "taken\n"
    WorkFolder(folder.path).close()  # though the other did not close it


def test_a_folder_that_was_removed_is_made_again(folder):
    folder.save(state(1))
    shutil.rmtree(folder.path)
    folder.save(state(2))
    assert number_of(folder.load()) == 2
    with pytest.raises(CheckpointError, match=r"another run is using now"):
        WorkFolder(folder.path)


def test_a_full_disk_costs_the_older_checkpoint_and_no_other(folder, monkeypatch):
    folder.save(state(1)), folder.save(state(2))
    write = files.write_atomically
    full = [True]

    def write_atomically(*arguments, **options):
        if full:
            full.pop()
            raise OutputError("full") from OSError(errno.ENOSPC, "full")
        return write(*arguments, **options)

    monkeypatch.setattr(files, "write_atomically", write_atomically)
    folder.save(state(3))
    assert [number_of(SessionState.load(path)) for path in folder.checkpoints()] == [3, 2]
    full.extend([True, True])
    with pytest.raises(OutputError, match=r"^full$"):
        folder.save(state(4))
    assert [number_of(SessionState.load(path)) for path in folder.checkpoints()] == [3]


def test_a_folder_that_was_removed_and_taken_by_another_run_is_left_to_it(folder):
    folder.save(state(1))
    shutil.rmtree(folder.path)
    with WorkFolder(folder.path) as other:
        other.save(state(10)), other.save(state(11))
        for _ in range(2):
            with pytest.raises(CheckpointError, match=r"another run is using now"):
                folder.save(state(2))
        assert [number_of(SessionState.load(path)) for path in other.checkpoints()] == [11, 10]
    folder.save(state(3))
    assert number_of(folder.load()) == 3


def test_links_in_a_folder_are_never_followed(tmp_path):
    """Somebody else may have made it."""
    mine = tmp_path / "mine"
    mine.write_text("precious")
    place = tmp_path / "work"
    place.mkdir()
    names = ["checkpoint-000002.safetensors", "written.json", "mark", "checkpoint-1000000000.safetensors"]
    state(1).save(place / "checkpoint-000001.safetensors")
    for name in names:
        (place / name).symlink_to(mine)
    with WorkFolder(place) as folder:
        folder.note(mine)
        folder.save(state(3)), folder.save(state(4))
        assert number_of(folder.load()) == 4
        folder.clear()
        folder.save(state(5))
    (place / "checkpoint-999999999.safetensors").symlink_to(mine)
    with WorkFolder(place) as folder, pytest.raises(OutputError, match=r"expected a checkpoint with a number below"):
        folder.save(state(6))
    assert mine.read_text() == "precious"


def test_a_folder_is_ones_own_at_the_place_where_it_was_made(folder, tmp_path, monkeypatch):
    folder.save(state(1))
    assert folder.is_own
    folder.close()
    with WorkFolder(folder.path, make=False) as again:
        assert again.is_own
    shutil.copytree(folder.path, tmp_path / "copy")
    for path in (tmp_path / "copy", folder.path):
        if path == folder.path:
            monkeypatch.setenv("NEURAL_STYLE_CACHE", str(tmp_path / "cache of somebody else"))
        with WorkFolder(path, make=False) as other:
            assert not other.is_own
            other.save(state(2))
            assert not other.is_own


def test_a_folder_that_cannot_be_looked_into_fails_in_one_line(folder, monkeypatch):
    folder.save(state(1))
    stat = os.stat

    def refused(path, *arguments, **options):
        if str(path).startswith(str(folder.path)):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return stat(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", refused)
    monkeypatch.setattr(os, "listdir", refused)
    with pytest.raises((OutputError, CheckpointError), match=r"^workdir: [^\n]*$"):
        folder.save(state(2))
    assert folder.checkpoints() == []
    monkeypatch.undo()
    assert number_of(folder.load()) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_are_no_checkpoints(folder):
    folder.save(state(1))
    os.mkfifo(folder.path / "checkpoint-000009.safetensors")
    assert number_of(folder.load()) == 1


def test_another_run_begins_with_an_empty_folder(folder, tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    folder.save(state(1)), folder.save(state(2)), folder.note(tmp_path / "a")
    folder.clear()
    assert folder.checkpoints() == []
    assert not folder.has_written(tmp_path / "a")
    assert folder.is_own


def test_places_that_are_no_folders(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for path in ("file", "file/in it", "nul\0"):
        with pytest.raises(OutputError, match=r"^resume: expected a folder that can be written to, got"):
            WorkFolder(tmp_path / path, "resume")


def test_what_the_run_wrote_is_known_by_its_contents(folder, tmp_path):
    ours, other = tmp_path / "a.png", tmp_path / "b.png"
    ours.write_bytes(b"ours"), other.write_bytes(b"other")
    folder.note(ours)
    folder.close()
    with WorkFolder(folder.path) as again:
        for one in (folder, again):
            assert one.has_written(ours)
            assert not one.has_written(other)
            assert not one.has_written(tmp_path / "missing")
    (folder.path / "written.json").write_text("[[")
    with WorkFolder(folder.path) as again:
        assert not again.has_written(ours)


def test_a_failure_to_note_is_told_and_does_no_harm(folder, tmp_path, caplog, monkeypatch):
    def refused(*_arguments, **_options):
        raise OutputError("workdir: no")

    monkeypatch.setattr(files, "write_atomically", refused)
    (tmp_path / "a").write_bytes(b"a")
    folder.note(tmp_path / "a")
    assert notes(caplog) == ["workdir: no"]


def test_leftovers_of_a_killed_process_are_removed(tmp_path):
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    hidden = f".neural-style-{files._machine()}-{{}}-0123456789abcdef.png"
    dead, alive = tmp_path / hidden.format(int(ended.stdout)), tmp_path / hidden.format(os.getpid())
    foreign = tmp_path / ".neural-style-00000000-1-0123456789abcdef.png"
    for path in (dead, alive, foreign):
        path.write_bytes(b"")
    files.remove_leftovers(tmp_path)
    assert [path.exists() for path in (dead, alive, foreign)] == [False, True, True]
    WorkFolder(tmp_path).close()  # which no other process uses
    assert not any(path.exists() for path in (dead, alive, foreign))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_at_every_fault_there_is_the_old_file_or_the_new_one():
    script = Path(__file__).parents[1] / "faulty_files.py"
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    *findings, counts = ran.stdout.splitlines()
    assert findings == []
    assert all(int(count) >= 15 for count in counts.removeprefix("#").split())
