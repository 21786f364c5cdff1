import gc
import threading

import numpy as np
import pytest
import small_runs

from neural_style.compute.ledger import LEDGER
from neural_style.runs import session as sessions
from neural_style.runs.stylizer import Stylizer


@pytest.fixture(autouse=True)
def nothing_left_behind():
    """No thread goes on, and no memory stays reserved, after a run."""
    threads, bytes_before = set(threading.enumerate()), reserved_bytes()
    yield
    if set(threading.enumerate()) - threads or reserved_bytes() > bytes_before:
        gc.collect()
    assert set(threading.enumerate()) <= threads
    assert reserved_bytes() <= bytes_before


def reserved_bytes():
    """What all sessions together have reserved."""
    return sum(sum(account.reserved.values()) for account in LEDGER._accounts.values())


@pytest.fixture
def reserved():
    """How much more is reserved than before the test."""
    before = reserved_bytes()
    return lambda: reserved_bytes() - before


@pytest.fixture(scope="session")
def stylizer():
    return Stylizer("builtin", device="cpu", precision="float32")


@pytest.fixture
def make_config(pictures):
    """Settings of a small run on `pictures`."""

    def make(**changes):
        given = {"content": pictures / "photo.png", "styles": [pictures / "style.png"], **changes}
        return small_runs.small_config(**given)

    return make


@pytest.fixture
def begin(make_config, stylizer):
    """A session of a small run."""
    return lambda **changes: stylizer.session(make_config(**changes))


@pytest.fixture
def run(begin):
    """All steps of a small run."""
    return lambda **changes: list(begin(**changes))


@pytest.fixture
def evaluations(monkeypatch):
    return small_runs.Evaluations(monkeypatch)


@pytest.fixture
def decoded(monkeypatch):
    """Copies of the images of which pictures were made."""
    decoded, real = [], sessions.rendered

    def rendered(image, *arguments):
        decoded.append(np.array(image))
        return real(image, *arguments)

    monkeypatch.setattr(sessions, "rendered", rendered)
    return decoded


@pytest.fixture
def notes(caplog):
    """Our warnings; TensorFlow has its own."""
    caplog.set_level("WARNING", "neural_style")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "neural_style"]
