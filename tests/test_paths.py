import os
from pathlib import Path

import platformdirs

from neural_style import paths


def at_home(monkeypatch, folder):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(folder))
    for name in ("KERAS_HOME", "NEURAL_STYLE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_the_cache_lies_where_the_platform_has_caches(monkeypatch, tmp_path):
    at_home(monkeypatch, tmp_path)
    assert paths.cache_folder() == Path(platformdirs.user_cache_dir("neural-style", appauthor=False))
    assert tmp_path in paths.cache_folder().parents
    assert "neural-style" in paths.cache_folder().parts
    assert not list(tmp_path.iterdir())


def test_a_variable_moves_the_cache(monkeypatch, tmp_path):
    at_home(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    for named, folder in ((str(tmp_path / "a"), "a"), ("~/b", "b"), ("c", "c"), ("../x/d", "../x/d")):
        monkeypatch.setenv("NEURAL_STYLE_CACHE", named)
        assert paths.cache_folder() == Path(os.path.abspath(tmp_path / folder))
    monkeypatch.setenv("NEURAL_STYLE_CACHE", "")
    assert tmp_path in paths.cache_folder().parents


def test_the_folder_of_keras(monkeypatch, tmp_path):
    at_home(monkeypatch, tmp_path)
    assert paths.keras_home() == tmp_path / ".keras"
    for named, folder in ((str(tmp_path / "a"), tmp_path / "a"), ("~/b", tmp_path / "b")):
        monkeypatch.setenv("KERAS_HOME", named)
        assert paths.keras_home() == folder


def test_elsewhere_for_a_while(monkeypatch, tmp_path):
    at_home(monkeypatch, tmp_path)
    for named in (None, "", str(tmp_path)):
        if named is not None:
            monkeypatch.setenv("KERAS_HOME", named)
        with paths.keras_home_elsewhere():
            folder = Path(os.environ["KERAS_HOME"])
            assert folder.is_dir() and folder != tmp_path
        assert os.environ.get("KERAS_HOME") == named
        assert not folder.exists()
