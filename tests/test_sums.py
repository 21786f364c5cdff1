import numpy as np
import tensorflow as tf

from neural_style.sums import fork, sum_in_order


def test_sum_in_order():
    assert float(sum_in_order([tf.constant(1.0)])) == 1
    np.testing.assert_array_equal(sum_in_order([tf.constant([1.0, 2.0]), [3.0, 4.0], [5.0, 6.0]]), [9, 12])


def test_fork_gives_copies_and_adds_their_gradients():
    tensor = tf.constant([1.0, -2.0])
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        one, other = fork(tensor)
        value = tf.reduce_sum(3 * one) + tf.reduce_sum(tf.square(other))
    np.testing.assert_array_equal(one, tensor)
    np.testing.assert_array_equal(other, tensor)
    np.testing.assert_array_equal(tape.gradient(value, tensor), [3 + 2, 3 - 4])
