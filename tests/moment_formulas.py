"""What the tests of formulas of moments share."""

import tensorflow as tf


def losses_of(value_and_gradient, image, target):
    """Loss against each style, (styles,), by what a `MomentFormula` has; the target is what that takes."""
    return value_and_gradient(image, target, weights_of_one(target, image))[0]


def weights_of_one(target, image):
    """A weight of 1 for each style of a target."""
    return tf.ones(tf.nest.flatten(target)[0].shape[0], image.second.dtype)
