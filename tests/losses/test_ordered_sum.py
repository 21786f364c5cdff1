import numpy as np
import tensorflow as tf

from neural_style.losses.ordered_sum import sum_in_order


def test_sum_in_order():
    assert float(sum_in_order([tf.constant(1.0)])) == 1
    np.testing.assert_array_equal(sum_in_order([tf.constant([1.0, 2.0]), [3.0, 4.0], [5.0, 6.0]]), [9, 12])
