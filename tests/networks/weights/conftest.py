"""No test of weights sees those of the user or of the checkout."""

import pytest

from neural_style.networks.weights import formats
from neural_style.networks.weights.keras_hdf5 import open_hdf5


@pytest.fixture(autouse=True)
def _own_places(places):
    """Every test has its own places for weights."""


@pytest.fixture
def hdf5_here(monkeypatch):
    """Read HDF5 in this process, as files of known hash are: to start another for each takes most of a second."""
    monkeypatch.setattr(formats, "open_apart", open_hdf5)
