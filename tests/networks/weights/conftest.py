"""No test of weights sees those of the user or of the checkout."""

import pytest


@pytest.fixture(autouse=True)
def _own_places(places):
    """Every test has its own places for weights."""
