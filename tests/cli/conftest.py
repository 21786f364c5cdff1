import contextlib
import shutil

import pytest
from command_line import at


@pytest.fixture
def folder(tmp_path, pictures, monkeypatch):
    """Current folder, with the pictures in it."""
    for path in pictures.iterdir():
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def at_iteration():
    """A function that calls another once an iteration was shown."""
    with contextlib.ExitStack() as stack:
        yield lambda iteration, call: stack.enter_context(at(iteration, call))
