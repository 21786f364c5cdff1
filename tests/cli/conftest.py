import shutil

import pytest

from neural_style.cli.reporter import Reporter


@pytest.fixture
def folder(tmp_path, pictures, monkeypatch):
    """Current folder, with the pictures in it."""
    for path in pictures.iterdir():
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def at_iteration(monkeypatch):
    """A function that calls another once an iteration was shown."""

    def at_iteration(iteration, call):
        update = Reporter.update

        def and_then(self, step):
            update(self, step)
            if step.iteration == iteration:
                call()

        monkeypatch.setattr(Reporter, "update", and_then)

    return at_iteration
