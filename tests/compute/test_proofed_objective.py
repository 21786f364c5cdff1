import numpy as np
import objectives
import pytest
import tensorflow as tf
from objectives import SHALLOW, image_of, picture, relative_error, resolved
from printer_profiles import printer_profile

from neural_style.compute.multiscale_objective import objectives_of, together
from neural_style.compute.proofed_objective import LEAK, ProofedObjective
from neural_style.compute.style_targets import style_targets
from neural_style.images.proofing import read_proof
from neural_style.images.row_bands import row_bands

pytestmark = pytest.mark.usefixtures("full_precision")

CONTENT, STYLE = picture(75, 99, 1), picture(60, 77, 2)
IMAGE = image_of(picture(75, 99, 4) * 1.3 - 30)  # some levels are out of 0-255


@pytest.fixture(scope="module")
def proof(tmp_path_factory):
    path = tmp_path_factory.mktemp("profiles") / "printer.icc"
    path.write_bytes(printer_profile())
    return read_proof(path, "relative")


def objective_of(tile_size=None):
    config = resolved(**SHALLOW)
    graphs = objectives.graphs_of(config)
    return together(objectives_of(graphs, config, CONTENT, [style_targets(graphs, [STYLE], tile_size)], tile_size))


class Linear:
    """An objective that is Σ of the image times factors."""

    mean = np.array([120, 110, 100], np.float32)

    def __init__(self, shape, factors):
        self.shape, self.factors = shape, factors

    def value_and_grad(self, image):
        kind = np.array if isinstance(image, np.ndarray) else tf.constant
        return float(np.sum(np.asarray(image, np.float64) * self.factors)), kind(self.factors)


def test_the_loss_sees_the_printed_image(proof):
    objective = objective_of()
    proofed = ProofedObjective(objective, proof)
    levels = IMAGE + objective.mean
    expected = (1 - LEAK) * proof.printed(levels) + LEAK * levels - objective.mean
    np.testing.assert_allclose(proofed.seen(tf.constant(IMAGE)), expected, atol=1e-3)
    found = proofed.value_and_grad(tf.constant(IMAGE))[0]
    exact = objective.value_and_grad(tf.constant(expected, tf.float32))[0]
    assert float(found.total) == pytest.approx(float(exact.total), rel=1e-5)
    assert proofed.content_distance(tf.constant(IMAGE)) == pytest.approx(
        objective.content_distance(tf.constant(expected, tf.float32)), rel=1e-5
    )


def test_the_gradient_is_that_of_finite_differences(proof):
    rng = np.random.default_rng(0)
    shape = (1, 6, 7, 3)
    cells = rng.integers(-8, 60, shape) * 5.0 + rng.uniform(1.5, 3.5, shape)  # not at the edge of a cell
    image = (cells - Linear.mean).astype(np.float32)
    objective = ProofedObjective(Linear(shape, rng.normal(size=shape).astype(np.float32)), proof)
    gradient = np.asarray(objective.value_and_grad(tf.constant(image))[1])
    for index in np.ndindex(shape):
        step = np.zeros(shape, np.float32)
        step[index] = 1
        high, low = (objective.value_and_grad(tf.constant(image + sign * step))[0] for sign in (1, -1))
        assert gradient[index] == pytest.approx((high - low) / 2, abs=2e-3)
    outside = (cells < 0) | (cells > 255)
    np.testing.assert_allclose(gradient[outside], LEAK * objective._objective.factors[outside], rtol=1e-4)
    assert outside.any()


@pytest.mark.parametrize("tile_size", [64, 80])
def test_tiles_give_the_same(proof, tile_size):
    whole, tiled = (ProofedObjective(objective_of(size), proof) for size in (None, tile_size))
    terms, gradient = whole.value_and_grad(tf.constant(IMAGE))
    of_tiles, by_tiles = tiled.value_and_grad(IMAGE.copy())
    assert isinstance(by_tiles, np.ndarray)
    assert float(of_tiles.total) == pytest.approx(float(terms.total), rel=1e-5)
    assert relative_error(by_tiles, np.asarray(gradient)) < 1e-4
    assert np.isfinite(by_tiles).all()


def test_bands_give_the_same_bits(proof, monkeypatch):
    shape = IMAGE.shape
    objective = ProofedObjective(Linear(shape, np.random.default_rng(1).normal(size=shape).astype(np.float32)), proof)
    one = [np.asarray(objective.seen(kind(IMAGE))) for kind in (np.array, tf.constant)]
    gradients = [np.asarray(objective.value_and_grad(kind(IMAGE))[1]) for kind in (np.array, tf.constant)]
    monkeypatch.setattr("neural_style.images.row_bands._BAND_PIXELS", 700)
    assert len(list(row_bands(*shape[1:3]))) > 8
    for kind, seen, gradient in zip((np.array, tf.constant), one, gradients, strict=True):
        np.testing.assert_array_equal(np.asarray(objective.seen(kind(IMAGE))), seen)
        np.testing.assert_array_equal(np.asarray(objective.value_and_grad(kind(IMAGE))[1]), gradient)
    np.testing.assert_array_equal(*one)


def test_another_shape_is_refused(proof):
    with pytest.raises(ValueError, match="expected shape"):
        ProofedObjective(objective_of(), proof).value_and_grad(tf.zeros((1, 60, 99, 3)))
