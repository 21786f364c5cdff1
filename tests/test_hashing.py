import hashlib
import os
from pathlib import Path

import pytest

from neural_style import hashing
from neural_style.hashing import FileCache, cached_hash, file_hash, is_unchanged


@pytest.fixture
def counted(monkeypatch):
    """What is hashed, in order."""
    hashed = []
    monkeypatch.setattr(hashing, "file_hash", lambda path, name: hashed.append(path) or file_hash(path, name))
    return hashed


@pytest.fixture
def settled(monkeypatch):
    """Files count as unchanged for long from the moment that they are written."""
    monkeypatch.setattr(hashing, "SETTLED", -3600.0)


def digest(content):
    return hashlib.sha256(content).hexdigest()


def test_the_hash_of_a_file(tmp_path):
    content = os.urandom(3_000_000)
    (tmp_path / "file").write_bytes(content)
    assert file_hash(tmp_path / "file", "sha256") == cached_hash(tmp_path / "file", "sha256") == digest(content)


def test_a_file_is_hashed_once_for_each_algorithm(tmp_path, counted, settled, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"one")
    for _ in range(3):
        assert cached_hash(path, "sha256") == digest(b"one")
        assert cached_hash(path, "md5") == hashlib.md5(b"one").hexdigest()
    monkeypatch.chdir(tmp_path)
    assert cached_hash(Path("file"), "sha256") == digest(b"one")
    assert len(counted) == 2


def test_a_file_that_changes_is_hashed_again(tmp_path, counted, settled):
    """Changed in place with the same length and times, replaced, renamed over, or reached by a link that moved."""
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_bytes(b"one")
    link.symlink_to(path)
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    assert cached_hash(link, "sha256") == digest(b"one")

    def in_place(content):
        path.write_bytes(content)
        os.utime(path, ns=times)

    def renamed_over(content):
        (tmp_path / "new").write_bytes(content)
        os.utime(tmp_path / "new", ns=times)
        (tmp_path / "new").replace(path)

    def link_moved(content):
        (tmp_path / "other").write_bytes(content)
        link.unlink()
        link.symlink_to(tmp_path / "other")

    for change, content in ((in_place, b"two"), (renamed_over, b"six"), (link_moved, b"ten")):
        before = link.stat().st_ctime_ns
        change(content)
        while link.stat().st_ctime_ns == before:  # the file system's clock has not moved on
            change(content)
        assert cached_hash(link, "sha256") == digest(content)
    assert len(counted) == 4


def test_a_file_that_has_just_changed_is_not_remembered(tmp_path, counted):
    """Within a step of the file system's clock it might change again without a trace."""
    path = tmp_path / "file"
    path.write_bytes(b"one")
    for _ in range(2):
        assert cached_hash(path, "sha256") == digest(b"one")
        assert not is_unchanged(path, "sha256", digest(b"one"))
    assert len(counted) == 2


def test_a_file_that_changes_while_it_is_hashed_is_not_remembered(tmp_path, settled):
    path = tmp_path / "file"
    path.write_bytes(b"one")
    cache = FileCache()
    assert cache.get(path, "length", lambda: path.write_bytes(b"longer")) == 6
    assert cache.remembered(path, "length") is None
    assert cache.get(path, "length", lambda: 7) == cache.remembered(path, "length") == 7


def test_a_file_that_is_gone_or_locked_is_not_remembered(tmp_path, settled):
    path = tmp_path / "file"
    path.write_bytes(b"one")
    cached_hash(path, "sha256")
    assert is_unchanged(path, "sha256", digest(b"one"))
    path.unlink()
    with pytest.raises(FileNotFoundError):
        cached_hash(path, "sha256")


def test_no_more_values_than_it_may(tmp_path, settled):
    (tmp_path / "file").touch()
    cache = FileCache(most=3)
    for number in range(5):
        cache.get(tmp_path / "file", number, lambda number=number: number)
    assert [cache.remembered(tmp_path / "file", number) for number in range(5)] == [None, None, 2, 3, 4]


def test_a_cache_of_ones_own(tmp_path, settled, counted):
    """Keeps hashes for itself, without a limit if there is none."""
    paths = [tmp_path / str(number) for number in range(300)]
    for path in paths:
        path.write_text(path.name)
    own = FileCache(most=None)
    for _ in range(2):
        assert [cached_hash(path, "sha256", own) for path in paths] == [digest(path.name.encode()) for path in paths]
    assert counted == paths
    assert not is_unchanged(paths[-1], "sha256", digest(b"299"))  # as far as the program's own cache knows
