"""Formulas that the program does not have: what a new one needs is written here, and a row of `FORMULAS`."""

import numpy as np
import tensorflow as tf

from neural_style.losses.content import FeatureFormula
from neural_style.losses.moments import MeanMoments
from neural_style.losses.spec import FORMULAS
from neural_style.losses.style import MomentFormula
from neural_style.losses.variation import PixelFormula, cropped, padded


def by_tape(loss):
    """What a `MomentFormula` has, by TensorFlow's own gradient of losses (styles,)."""

    def value_and_gradient(image, target, weights):
        with tf.GradientTape() as tape:
            tape.watch(image)
            losses = loss(image, target)
            total = tf.reduce_sum(weights * losses)
        return losses, MeanMoments(*tape.gradient(total, image, unconnected_gradients="zero"))

    return value_and_gradient


# --- mean and deviation of channels, which look at the first moment ---------------------------------------------------


def deviation(means):
    """Standard deviation of each channel, (…, channels)."""
    return tf.sqrt(tf.maximum(tf.linalg.diag_part(means.second) - means.first**2, 0.0) + 1.0)


def mean_and_deviation(image, styles):
    of_mean = tf.reduce_mean((image.first - styles.first) ** 2, axis=-1)
    return of_mean + tf.reduce_mean((deviation(image) - deviation(styles)) ** 2, axis=-1)


def mean_and_prepared_deviation(image, prepared):
    """The same, with the deviations of the styles computed beforehand."""
    of_mean, of_deviation = (image.first - prepared[0]) ** 2, (deviation(image) - prepared[1]) ** 2
    return tf.reduce_mean(of_mean, axis=-1) + tf.reduce_mean(of_deviation, axis=-1)


def mean_and_deviation_size(styles):
    return tf.reduce_mean(styles.first**2 + deviation(styles) ** 2, axis=-1)


def exact_mean_and_deviation(maps, target):
    """The same of two feature maps (height, width, channels), in float64."""
    means, deviations = zip(*((x.mean((0, 1)), np.sqrt(x.var((0, 1)) + 1)) for x in (maps, target)), strict=True)
    return sum(np.mean((ours - theirs) ** 2) for ours, theirs in (means, deviations))


# --- a distance that grows like the difference ------------------------------------------------------------------------


def soft_difference(features, target):
    return tf.reduce_mean(tf.sqrt(tf.math.squared_difference(features, target) + 1.0) - 1.0)


def soft_difference_size(channel_sums, positions):
    mean, square = tf.unstack(tf.cast(channel_sums / positions, tf.float32))
    return tf.reduce_mean(tf.sqrt(square - mean**2 + 1.0) - 1.0)


def exact_soft_difference(maps, target):
    """The same of two feature maps, in float64."""
    return np.mean(np.sqrt((maps - target) ** 2 + 1) - 1)


# --- the brightness of pixels -----------------------------------------------------------------------------------------


def brightness(image, weight):
    return weight * tf.reduce_sum(image**2), 2 * weight * image


def brightness_of_tile(seen, own, counts, weight):
    top, left, bottom, right = tf.unstack(own)
    value, gradient = brightness(cropped(seen, top, left, bottom, right), weight)
    return value, padded(gradient, top, left, seen)


TOYS = {
    "toy mean and deviation": MomentFormula(by_tape(mean_and_deviation), mean_and_deviation_size, with_first=True),
    "toy prepared": MomentFormula(
        by_tape(mean_and_prepared_deviation),
        mean_and_deviation_size,
        with_first=True,
        prepared=lambda styles: (styles.first, deviation(styles)),
        prepared_spec=lambda channels: (tf.TensorSpec((None, channels)), tf.TensorSpec((None, channels))),
    ),
    "toy soft difference": FeatureFormula(soft_difference, soft_difference_size),
    "toy brightness": PixelFormula(brightness, brightness_of_tile),
}


def register(monkeypatch):
    """Add the toys to the table of formulas for a test."""
    for name, formula in TOYS.items():
        monkeypatch.setitem(FORMULAS, name, formula)
