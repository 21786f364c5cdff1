"""What tests of the command line share: small runs, and looks at folders."""

import contextlib
import os

import pytest
from PIL import Image

from neural_style.cli.reporter import Reporter

TINY = ["--weights=builtin", "--content-layers=relu1_2", "--style-layers=relu1_1", "--precision=float32"]
RUN = ["--content=photo.png", "--styles=style.png", *TINY, "--iterations=2", "--optimizer=adam", "--scales=1"]
"""A run of the pictures in the fixture `folder`."""


def tree(folder):
    """Every path under a folder, with its kind and time and the bytes of files."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            path.is_file() and os.access(path, os.R_OK) and path.read_bytes(),
        )
        for path in sorted(folder.rglob("*"))
    }


def new_files(folder, before):
    return {*tree(folder)} - {*before}


def size(path):
    """Width and height of a picture that can be read to its end."""
    with Image.open(path) as image:
        image.load()
        return image.size


@contextlib.contextmanager
def at(iteration, call):
    """Call a function once an iteration was shown."""
    update = Reporter.update

    def and_then(self, step):
        update(self, step)
        if step.iteration == iteration:
            call()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reporter, "update", and_then)
        yield
