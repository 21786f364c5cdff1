"""Tests of what belongs to whom."""

import os
import shutil
import subprocess
import sys

import pytest

from neural_style.web import visitors
from neural_style.web.jobs import State
from neural_style.web.visitors import PageFolder, Visitors, is_token, new_token


@pytest.fixture
def everyone(tmp_path):
    """All visitors."""
    return Visitors(tmp_path)


def test_a_visitor_is_known_by_the_cookie(everyone):
    one, other = new_token(), new_token()
    assert is_token(one)
    assert everyone.of(one) is everyone.of(one)
    assert everyone.of(one) is not everyone.of(other)
    assert everyone.known(one) is everyone.of(one)
    assert everyone.known(new_token()).folder.parent == everyone.of(one).folder.parent
    assert len(everyone._all) == 2


@pytest.mark.parametrize("text", ["", "a" * 42, "a" * 44, "a" * 42 + "/", "../" * 14 + "a", "é" * 43])
def test_other_texts_are_no_cookies(text):
    assert not is_token(text)


def test_a_visitor_reads_what_is_theirs_and_what_is_everyone_s(everyone, tmp_path):
    ann, bob = everyone.of(new_token()), everyone.of(new_token())
    own = ann.new_file("picture.png")
    own.touch()
    ann.uploads["/tmp/upload.png"] = 1
    (everyone.shared / "example.jpg").touch()
    assert everyone.may_read(ann, str(own))
    assert everyone.may_read(ann, "/tmp/upload.png")
    assert not everyone.may_read(bob, str(own))
    assert not everyone.may_read(bob, "/tmp/upload.png")
    assert everyone.may_read(bob, str(everyone.shared / "example.jpg"))


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "etc/passwd", "", "{folder}", "{folder}/../../x", "{folder}//x", "{folder}/\0", "{folder}/link"],
)
def test_paths_that_lead_elsewhere_are_nobody_s(everyone, path):
    ann = everyone.of(new_token())
    ann.folder.mkdir()
    (ann.folder / "link").symlink_to("/etc/passwd")
    assert not everyone.may_read(ann, path.format(folder=ann.folder))


def test_the_room_for_files_is_limited_also_at_the_same_time(everyone, monkeypatch):
    monkeypatch.setattr(visitors, "MOST_UPLOADED", 100)
    monkeypatch.setattr(visitors, "MOST_UPLOADED_BY_ALL", 150)
    ann, bob = everyone.of(new_token()), everyone.of(new_token())
    assert everyone.expect(ann, 90)
    assert not everyone.expect(ann, 11)
    assert everyone.expect(bob, 60)
    assert not everyone.expect(bob, 1)
    everyone.has_come(ann, 90)
    assert everyone.expect(bob, 40)


def test_files_that_nothing_needs_make_room(everyone, tmp_path, monkeypatch):
    monkeypatch.setattr(visitors, "MOST_UPLOADED", 150)
    monkeypatch.setattr(visitors, "_LAST_FILES", 2)
    token = new_token()
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for path in paths:
        path.touch()
        everyone.note_files(token, [str(path)], 30)
    ann = everyone.of(token)
    photo = type("", (), {"path": str(paths[0])})
    ann.jobs.append(_Job(State.PAUSED))
    ann.jobs[0].entered = type("", (), {"photo": photo, "styles": ()})
    assert everyone.expect(ann, 60)
    assert [path.exists() for path in paths] == [True, False, False, True, True]
    assert not everyone.expect(ann, 10)


def test_there_is_a_most_number_of_files(everyone, monkeypatch):
    monkeypatch.setattr(visitors, "MOST_FILES", 12)
    token = new_token()
    everyone.note_files(token, [f"/nowhere/{number}" for number in range(1000)], 0)
    assert everyone.expect(everyone.of(token), 0)
    assert list(everyone.of(token).uploads) == [f"/nowhere/{number}" for number in range(989, 1000)]


def test_parts_of_files_that_never_came_whole_are_removed(everyone, tmp_path):
    old, new = tmp_path / "tmpold", tmp_path / "tmpnew"
    old.touch()
    new.touch()
    os.utime(old, (0, 0))
    everyone.has_come(everyone.of(new_token()), 0)
    assert not old.exists()
    assert new.exists()


class _Job:
    def __init__(self, state):
        self.state, self.entered = state, None


def test_beyond_the_most_those_who_have_nothing_are_forgotten_first(everyone, monkeypatch):
    monkeypatch.setattr(visitors, "MOST_VISITORS", 3)
    tokens = [new_token() for _ in range(5)]
    busy, done, idle = (everyone.of(token) for token in tokens[:3])
    busy.jobs.append(_Job(State.WAITING))
    done.jobs.append(_Job(State.DONE))
    upload = busy.new_file("upload.png")
    own = idle.new_file("upload.png")
    for file in (upload, own):
        file.touch()
    idle.uploads |= {str(own): 1, str(upload): 1}
    busy.uploads[str(upload)] = 1
    everyone.of(tokens[3])
    assert everyone.of(tokens[0]) is busy
    assert everyone.of(tokens[1]) is done
    assert everyone.of(tokens[2]) is not idle
    assert not own.exists()
    assert upload.exists()  # it is somebody else's, too


def test_who_stays_away_is_forgotten_with_what_is_paused(everyone, monkeypatch):
    tokens, dropped = [new_token() for _ in range(3)], []
    everyone.on_forgotten = dropped.append
    paused, waiting = everyone.of(tokens[0]), everyone.of(tokens[1])
    paused.jobs.append(_Job(State.PAUSED))
    waiting.jobs.append(_Job(State.WAITING))
    own = paused.new_file("a.png")
    for each in (paused, waiting):
        each.seen -= visitors.AWAY_SECONDS + 1
    everyone.of(tokens[2])
    assert dropped == [paused]
    assert not own.parent.exists()
    assert everyone.known(tokens[1]) is waiting


def test_after_the_end_nothing_is_written(tmp_path):
    everyone = Visitors(tmp_path / "files")
    ann = everyone.of(new_token())
    ann.new_file("a.png")
    shutil.rmtree(tmp_path / "files")
    with pytest.raises(FileNotFoundError):
        ann.new_file("b.png")
    assert not (tmp_path / "files").exists()


def test_folders_without_a_lock_are_removed_when_they_are_old(tmp_path, monkeypatch):
    monkeypatch.setattr(visitors.tempfile, "tempdir", str(tmp_path))
    old, new = tmp_path / "neural-style-web-old", tmp_path / "neural-style-web-new"
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (0, 0))
    with PageFolder():
        assert not old.exists()
        assert new.exists()


def test_the_folder_is_removed_and_so_are_those_of_killed_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(visitors.tempfile, "tempdir", str(tmp_path))
    kill = (
        "import os, sys, tempfile\n"
        "tempfile.tempdir = sys.argv[1]\n"
        "from neural_style.web.visitors import PageFolder\n"
        "folder = PageFolder()\n"
        "(folder.path / 'picture.png').touch()\n"
        "os._exit(9)\n"
    )
    subprocess.run([sys.executable, "-c", kill, str(tmp_path)], check=False)
    (left,) = tmp_path.iterdir()
    assert (left / "picture.png").exists()
    with PageFolder() as first:
        assert not left.exists()
        with PageFolder() as second:
            assert first.exists()
            assert second.exists()
        assert not second.exists()
    assert not any(tmp_path.iterdir())
