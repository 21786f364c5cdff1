import errno
import os
import stat

import pytest

from neural_style.errors import OutputError
from neural_style.files import check_writable, numbered, write_atomically


def write_text(text):
    return lambda path: path.write_text(text)


def test_numbered(tmp_path):
    assert numbered(tmp_path / "a.b.png") == tmp_path / "a.b.png"
    (tmp_path / "a.b.png").symlink_to("nowhere")  # a dangling link is taken, too
    assert numbered(str(tmp_path / "a.b.png")) == tmp_path / "a.b-2.png"
    (tmp_path / "a.b-2.png").mkdir()
    assert numbered(tmp_path / "a.b.png") == tmp_path / "a.b-3.png"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
@pytest.mark.parametrize("overwrite", [True, False])
def test_failed_write_leaves_everything_as_it_was(tmp_path, error, overwrite):
    def fail(path):
        path.write_text("half")
        raise error("stop")

    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(OutputError if error is OSError else error, match="stop"):
        write_atomically(path, fail, overwrite=overwrite)
    assert os.listdir(tmp_path) == ["out.txt"]
    assert path.read_text() == "old"


def test_temporary_file_is_hidden_and_has_the_extension(tmp_path):
    seen = []

    def write(path):
        seen.append(path)
        path.write_text("new")

    write_atomically(tmp_path / "out.json", write, overwrite=True)
    assert seen[0].parent == tmp_path
    assert seen[0].name.startswith(".")
    assert seen[0].suffix == ".json"
    assert os.listdir(tmp_path) == ["out.json"]


def test_file_that_appears_meanwhile_is_not_lost(tmp_path):
    path = tmp_path / "out.txt"

    def write(temporary):
        temporary.write_text("ours")
        path.write_text("theirs")

    assert write_atomically(path, write, overwrite=False) == tmp_path / "out-2.txt"
    assert (path.read_text(), numbered(path).name) == ("theirs", "out-3.txt")
    assert (tmp_path / "out-2.txt").read_text() == "ours"


@pytest.mark.parametrize("links", [True, False])
def test_race_lost_at_the_very_end(tmp_path, monkeypatch, links):
    path, link, calls = tmp_path / "out.txt", os.link, []

    def slow_link(source, target):
        if not calls:
            target.write_text("theirs")
        calls.append(target)
        if not links:
            raise OSError(errno.EPERM, "Operation not permitted")
        link(source, target)

    monkeypatch.setattr(os, "link", slow_link)
    written = write_atomically(path, write_text("ours"), overwrite=False)
    assert written == tmp_path / "out-2.txt"
    assert (path.read_text(), written.read_text()) == ("theirs", "ours")
    assert sorted(os.listdir(tmp_path)) == ["out-2.txt", "out.txt"]


def test_permissions_follow_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        path = write_atomically(tmp_path / "out.txt", write_text("new"), overwrite=False)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_unwritable_folder_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in ("/proc", tmp_path / "file"):
        with pytest.raises(OutputError, match="cannot be written"):
            write_atomically(f"{folder}/out.png", write_text("new"), overwrite=True)


def test_check_writable_passes_and_changes_nothing(tmp_path, monkeypatch):
    check_writable(tmp_path / "a" / "b" / "out.png", "output", overwrite=False)
    monkeypatch.chdir(tmp_path)
    check_writable("out.webp", "output", overwrite=True)
    assert os.listdir(tmp_path) == []


def test_check_writable_spares_existing_files(tmp_path):
    path = tmp_path / "out.png"
    path.write_text("old")
    with pytest.raises(OutputError, match=r"save_flags: .* exists; give --overwrite to replace it, or another name"):
        check_writable(path, "save_flags", overwrite=False)
    check_writable(path, "output", overwrite=True)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OutputError, match="got the folder"):
        check_writable(tmp_path / "folder.png", "output", overwrite=True)
    assert path.read_text() == "old"


def test_check_writable_finds_folders_that_cannot_be_written(tmp_path):
    path = tmp_path / "file.png"
    path.write_text("")
    with pytest.raises(OutputError, match="needs a folder"):
        check_writable(path / "sub" / "out.png", "output", overwrite=False)
    with pytest.raises(OutputError, match="cannot be written"):
        check_writable("/proc/out.png", "output", overwrite=False)
    with pytest.raises(OutputError, match="cannot be written"):
        check_writable(tmp_path / f"{'x' * 300}.png", "output", overwrite=False)
    assert os.listdir(tmp_path) == ["file.png"]
