import errno
import os
import stat

import pytest

from neural_style.errors import OutputError
from neural_style.files import check_folder, check_writable, numbered, write_atomically


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


# --- links ------------------------------------------------------------------------------------------------------------


def test_a_link_is_written_through(tmp_path, monkeypatch):
    """Of any length, absolute and relative, to another folder; from another folder."""
    (tmp_path / "real").mkdir()
    (tmp_path / "links").mkdir()
    target = tmp_path / "real" / "out.txt"
    (tmp_path / "links" / "near.txt").symlink_to("../real/out.txt")
    (tmp_path / "links" / "far.txt").symlink_to(tmp_path / "links" / "near.txt")
    monkeypatch.chdir(tmp_path / "real")
    for link in (tmp_path / "links" / "near.txt", "../links/far.txt", tmp_path / "links" / "far.txt"):
        target.write_text("old")
        target.chmod(0o640)
        check_writable(link, "output", overwrite=True)
        written = write_atomically(link, write_text("new"), overwrite=True)
        assert str(written) == str(link)
        assert os.path.islink(link)
        assert target.read_text() == "new"
        assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert os.listdir(tmp_path / "real") == ["out.txt"]
    assert sorted(os.listdir(tmp_path / "links")) == ["far.txt", "near.txt"]


def test_a_link_is_an_existing_file_without_overwrite(tmp_path):
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("real.txt")
    with pytest.raises(OutputError, match=r"^output: .*link\.txt' exists"):
        check_writable(tmp_path / "link.txt", "output", overwrite=False)
    assert write_atomically(tmp_path / "link.txt", write_text("new"), overwrite=False) == tmp_path / "link-2.txt"
    assert (tmp_path / "real.txt").read_text() == "old"


def test_a_failed_write_through_a_link_leaves_everything_as_it_was(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "out.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("real/out.txt")

    def fail(path):
        path.write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_atomically(tmp_path / "link.txt", fail, overwrite=True)
    assert (tmp_path / "link.txt").read_text() == "old"
    assert os.listdir(tmp_path / "real") == ["out.txt"]


def test_what_is_no_file_is_refused_and_left_alone(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, target in (("dangling", "nowhere"), ("loop", "loop"), ("a", "b"), ("b", "a"), ("dir", "folder")):
        (tmp_path / name).symlink_to(target)
    (tmp_path / "below").symlink_to("nowhere/x")
    (tmp_path / "null").symlink_to("/dev/null")
    before = {name: os.lstat(tmp_path / name).st_ino for name in os.listdir(tmp_path)}
    for name, said in (
        ("dangling", "is a link to '.*/nowhere', which does not exist; remove the link or give another name"),
        ("below", "is a link to '.*/nowhere/x', which does not exist"),
        ("loop", "is a link that leads back to itself; remove the link or give another name"),
        ("a", "is a link that leads back to itself"),
        ("dir", "expected the path of a file, got '.*/dir', a link to the folder '.*/folder'"),
        ("folder", "expected the path of a file, got the folder '.*/folder'"),
        ("null", "expected the path of a file, got '.*/null', a link to the device or pipe '/dev/null'"),
        ("pipe", "expected the path of a file, got the device or pipe '.*/pipe'"),
        ("loop/out.txt", "cannot be written"),
        ("dangling/out.txt", "(needs a folder, but '.*/dangling' is not one|cannot be written)"),
    ):
        with pytest.raises(OutputError, match=f"^output: .*{said}"):
            check_writable(tmp_path / name, "output", overwrite=True)
        with pytest.raises(OutputError, match=r"^output: "):
            write_atomically(tmp_path / name, write_text("new"), overwrite=True)
    assert {name: os.lstat(tmp_path / name).st_ino for name in os.listdir(tmp_path)} == before


# --- permissions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o400, 0o755])
def test_a_replaced_file_keeps_its_permissions(tmp_path, mode):
    path = tmp_path / "out.txt"
    path.write_text("old")
    path.chmod(mode)
    seen = []

    def write(temporary):
        seen.append(stat.S_IMODE(temporary.stat().st_mode))
        temporary.write_text("new")

    write_atomically(path, write, overwrite=True)
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert seen == [0o600]  # nobody reads meanwhile what they could not read before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_a_replaced_file_keeps_its_owner(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")
    os.chown(path, 12345, 23456)
    path.chmod(0o4750)
    write_atomically(path, write_text("new"), overwrite=True)
    after = path.stat()
    assert (after.st_uid, after.st_gid, stat.S_IMODE(after.st_mode)) == (12345, 23456, 0o4750)


def test_an_owner_that_cannot_be_kept_costs_nothing(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "chown", refuse)
    path = tmp_path / "out.txt"
    path.write_text("old")
    path.chmod(0o640)
    write_atomically(path, write_text("new"), overwrite=True)
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o640)


# --- names ------------------------------------------------------------------------------------------------------------


def test_names_that_no_file_can_have_are_refused(tmp_path):
    for name in ("a\0b.txt", "\ud800.txt"):
        with pytest.raises(OutputError, match=r"^output: expected a file name in utf-8, got "):
            check_writable(tmp_path / name, "output", overwrite=False)
        with pytest.raises(OutputError, match=r"^output: expected a file name in utf-8, got "):
            write_atomically(tmp_path / name, write_text("new"), overwrite=False)


def test_names_that_are_not_text_are_written(tmp_path):
    path = tmp_path / os.fsdecode(b"\xff.txt")
    check_writable(path, "output", overwrite=False)
    assert write_atomically(path, write_text("new"), overwrite=False) == path
    assert os.listdir(os.fsencode(tmp_path)) == [b"\xff.txt"]


# --- folders ----------------------------------------------------------------------------------------------------------


def test_check_folder_passes_and_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    for folder in ("there", "new", "new/deeper", tmp_path / "there" / "new"):
        check_folder(folder, "tensorboard")
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("file", "expected a folder, got 'file', but that is not one"),
        ("file/logs", "expected a folder, got 'file/logs', but 'file' is not one"),
        ("a\0b", "expected a file name"),
    ],
)
def test_check_folder_refuses_what_cannot_be_one(tmp_path, monkeypatch, folder, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"^tensorboard: ") as caught:
        check_folder(folder, "tensorboard")
    assert said in str(caught.value)
    assert [path.name for path in tmp_path.rglob("*")] == ["file"]
