import hashlib

import numpy as np
import pytest

from neural_style.architecture import kernel_shape
from neural_style.seeded_filters import seeded_filters


@pytest.fixture(scope="module")
def kernel():
    return seeded_filters("conv4_2")


def test_shape_and_type(kernel):
    assert kernel.shape == kernel_shape("conv4_2")
    assert kernel.dtype == np.float32
    assert seeded_filters("conv1_1").shape == kernel_shape("conv1_1")


def test_filters_have_mean_0_and_length_1(kernel):
    flat = kernel.reshape(-1, kernel.shape[3])
    np.testing.assert_allclose(flat.mean(0), 0, atol=1e-7)
    np.testing.assert_allclose(np.linalg.norm(flat, axis=0), 1, rtol=1e-4)


def test_filters_are_all_but_orthogonal(kernel):
    products = kernel.reshape(-1, kernel.shape[3])
    products = products.T @ products - np.eye(kernel.shape[3])
    assert np.abs(products).max() < 0.1
    assert np.sqrt(np.mean(products**2)) == pytest.approx(1 / np.sqrt(9 * 512), rel=0.05)


def test_each_convolution_has_its_own(kernel):
    assert np.abs(seeded_filters("conv4_3") - kernel).max() > 0.01


def test_the_same_on_every_machine(kernel):
    """The integers that they are made from, found again by their order, against a digest taken once."""
    np.random.seed(1)  # the global generator has no part in it
    np.testing.assert_array_equal(seeded_filters("conv4_2"), kernel)
    signs = np.packbits(kernel.reshape(-1)[:80000] > 0)
    assert hashlib.sha256(signs.tobytes()).hexdigest()[:16] == "fa22697d8eef2687"
