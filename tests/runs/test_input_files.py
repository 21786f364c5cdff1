"""Files of a run and their hashes."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from neural_style.config.config import OPTIONS, Config
from neural_style.errors import ImageError
from neural_style.runs.input_files import differences, digests_of, is_input


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    for name in ("a.jpg", "b.jpg", "folder/c.png", "folder/d.jpg", "folder/notes.txt"):
        Path(name).write_bytes(name.encode())


def sha(name):
    return hashlib.sha256(name.encode()).hexdigest()


def test_every_file_has_its_hash_under_a_name_that_tells_it():
    config = Config("a.jpg", ["b.jpg", "folder"], init="a.jpg", content_mask="b.jpg", proof="b.jpg")
    assert digests_of(config) == {
        "content": sha("a.jpg"),
        "styles[0]": sha("b.jpg"),
        "styles[1]/c.png": sha("folder/c.png"),
        "styles[1]/d.jpg": sha("folder/d.jpg"),
        "init": sha("a.jpg"),
        "content_mask": sha("b.jpg"),
        "proof": sha("b.jpg"),
    }


def test_names_of_starts_and_pictures_in_memory_are_no_files():
    Path("noise").write_bytes(b"noise")
    assert digests_of(Config(np.zeros((40, 40, 3), np.uint8), "b.jpg", init="noise")) == {"styles[0]": sha("b.jpg")}


def test_a_missing_file_is_an_error():
    with pytest.raises(ImageError, match=r"^content: 'x.jpg' cannot be read \(No such file or directory\); give"):
        digests_of(Config("x.jpg", "b.jpg"))


def test_differences_are_told_in_words():
    assert differences({"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "0", "d": "4"}) == [
        "--b (another file)",
        "--c (missing now)",
        "--d (new)",
    ]
    assert differences({"a": "1"}, {"a": "1"}) == []


def test_what_is_written_is_no_input():
    found = {name for name in OPTIONS if is_input(name)}
    assert found >= {"content", "styles", "init", "initial", "content_masks", "style_masks", "color_mask", "proof"}
    assert not found & {"output", "checkpoint_output", "save_flags", "workdir"}
