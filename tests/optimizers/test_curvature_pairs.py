import numpy as np
import pytest
import reference_lbfgs
import tensorflow as tf

from neural_style.optimizers.curvature_pairs import CurvaturePairs, new_pair

ENTRIES = 60


def hessian(seed=0):
    root = np.random.default_rng(seed).normal(size=(ENTRIES, ENTRIES))
    return root @ root.T / ENTRIES + 0.5 * np.eye(ENTRIES)


def make_pairs(count, history_size, matrix=None, seed=0):
    """Curvature pairs of a quadratic with a Hessian, added one by one; and the same as arrays of float64."""
    steps = np.random.default_rng(seed).normal(size=(count, ENTRIES)).astype(np.float32)
    changes = (steps @ (hessian() if matrix is None else matrix)).astype(np.float32)
    pairs = CurvaturePairs()
    for step, change in zip(steps, changes, strict=True):
        pairs.add(tf.stack([step, change]), float(step @ change), history_size)
    return pairs, list(zip(steps.astype(np.float64), changes.astype(np.float64), strict=True))


GRADIENT = np.random.default_rng(9).normal(size=(1, 5, 4, 3)).astype(np.float32)


@pytest.mark.parametrize(("count", "history_size"), [(1, 10), (2, 10), (3, 10), (10, 10), (5, 2), (3, 1), (40, 7)])
def test_direction_against_the_two_loops_and_the_dense_inverse(count, history_size):
    """Of the last pairs alone where there are more."""
    pairs, expected = make_pairs(count, history_size)
    direction, slope = pairs.direction(tf.constant(GRADIENT), history_size)
    assert direction.shape == GRADIENT.shape
    gradient, last = GRADIENT.ravel().astype(np.float64), expected[-history_size:]
    by_loops = reference_lbfgs.direction(gradient, last)
    np.testing.assert_allclose(by_loops, -reference_lbfgs.dense_inverse(last) @ gradient, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(np.ravel(direction), by_loops, rtol=1e-3, atol=1e-4 * np.abs(by_loops).max())
    assert slope == pytest.approx(by_loops @ gradient, rel=1e-3)
    assert slope < 0


def test_directions_in_turn_with_new_pairs():
    """As in a run: what is known of the older pairs is used again, and all dot products are right at the end."""
    together = CurvaturePairs()
    _, expected = make_pairs(30, 30)
    for count, (step, change) in enumerate(expected, 1):
        together.add(tf.constant(np.stack([step, change]), tf.float32), float(step @ change), 6)
        direction, _ = together.direction(tf.constant(GRADIENT), 6)
        by_loops = reference_lbfgs.direction(GRADIENT.ravel().astype(np.float64), expected[:count][-6:])
        np.testing.assert_allclose(np.ravel(direction), by_loops, rtol=1e-3, atol=1e-4 * np.abs(by_loops).max())
    rows = np.stack(together.rows()).astype(np.float64)
    np.testing.assert_allclose(together.products, rows @ rows.T, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("history_size", [1, 2, 3, 10, 11])
def test_as_many_pairs_are_kept_as_needed(history_size):
    """And one more at most, as blocks are dropped whole; they are the last ones."""
    for count in range(1, 30):
        pairs, expected = make_pairs(count, history_size)
        assert min(count, history_size) <= len(pairs) <= min(count, history_size + 1)
        rows = np.reshape(expected, (-1, ENTRIES))[-2 * len(pairs) :]
        np.testing.assert_array_equal(pairs.rows(), rows)
        assert len(pairs.blocks) <= history_size / 2 + 2


def test_pairs_without_curvature_upwards_are_left_out():
    pairs, _ = make_pairs(3, 10)
    rows = pairs.rows()
    step = tf.ones((1, ENTRIES))
    for factor in (-1.0, 0.0, np.nan):
        pairs.add(tf.concat([step, factor * step], 0), factor * ENTRIES, 10)
        assert len(pairs) == 3
    np.testing.assert_array_equal(pairs.rows(), rows)


def test_cleared_pairs():
    pairs, _ = make_pairs(5, 10)
    pairs.clear()
    assert len(pairs) == 0
    assert pairs.rows() == []
    assert not pairs


def test_a_new_pair():
    images = np.random.default_rng(3).normal(size=(4, 1, 5, 4, 3)).astype(np.float32)
    pair, curvature = new_pair(*map(tf.constant, images))
    step, change = (images[0] - images[1]).ravel(), (images[2] - images[3]).ravel()
    np.testing.assert_array_equal(pair, [step, change])
    assert curvature == pytest.approx(step @ change, rel=1e-5)


def test_pairs_go_to_arrays_and_back_to_the_bit():
    """Whether the products of the newest are known or not."""
    for count in range(15):
        for known in (False, True):
            pairs, _ = make_pairs(count, 5)
            if known and count:
                pairs.direction(tf.constant(GRADIENT), 5)
            again = CurvaturePairs.from_arrays(pairs.to_arrays())
            assert len(again) == len(pairs)
            for gradient in (GRADIENT, GRADIENT[::-1]) if count else ():
                ours, theirs = (each.direction(tf.constant(gradient), 5) for each in (again, pairs))
                np.testing.assert_array_equal(ours[0], theirs[0])
                assert ours[1] == theirs[1]
