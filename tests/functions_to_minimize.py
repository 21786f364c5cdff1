"""Functions to minimize, and an optimizer's run on them, for the tests of optimizers."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from neural_style.optimizers.adam import Adam, InPlaceAdam
from neural_style.optimizers.base import minimize
from neural_style.optimizers.lbfgs import LBFGS
from neural_style.optimizers.scipy_lbfgs import ScipyLBFGS
from neural_style.optimizers.sgd import SGD, InPlaceSGD
from neural_style.optimizers.stepping import Stepping

SHAPE = (1, 4, 6, 3)

ADAM = {"learning_rate": 0.5, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}

RATE = 1e-4
"""Of SGD: what is steepest in `rosenbrock` allows no more."""

OPTIMIZERS = {
    "Adam": Adam(**ADAM),
    "InPlaceAdam": InPlaceAdam(**ADAM),
    "SGD": SGD(RATE),
    "InPlaceSGD": InPlaceSGD(RATE),
    "L-BFGS": LBFGS(10),
    "SciPy": ScipyLBFGS(10),
}


class Terms(NamedTuple):
    """Two terms of a loss. Optimizers go by `total`."""

    half: tf.Tensor
    total: tf.Tensor


def random(seed=0, shape=SHAPE):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


START, TARGET = tf.constant(random(0)), tf.constant(random(1))
SCALES = tf.constant(10 ** np.random.default_rng(2).uniform(-1, 1, SHAPE).astype(np.float32))


def objective(loss):
    """`value_and_grad` of a function from tensor to scalar; of an array, the gradient is an array."""

    @tf.function(reduce_retracing=True)
    def of_tensor(image):
        with tf.GradientTape() as tape:
            tape.watch(image)
            total = loss(image)
        return total, tape.gradient(total, image)

    def value_and_grad(image):
        total, gradient = of_tensor(tf.constant(image))
        return Terms(total / 2, total), gradient.numpy() if isinstance(image, np.ndarray) else gradient

    return value_and_grad


quadratic = objective(lambda image: tf.reduce_sum(SCALES * (image - TARGET) ** 2))


@objective
def rosenbrock(image):
    """Each two neighbouring entries are one valley. The minimum, 0, is where all entries are 1."""
    pairs = tf.reshape(image, (-1, 2))
    x, y = pairs[:, 0], pairs[:, 1]
    return tf.reduce_sum((1 - x) ** 2 + 100 * (y - x**2) ** 2)


def value_of(value_and_grad, image):
    return float(value_and_grad(image)[0].total)


def start_for(optimizer, image=START):
    """A start image of the kind that an optimizer wants: its own copy."""
    return np.array(image) if is_in_place(optimizer) else tf.constant(image)


def is_in_place(optimizer):
    """Whether it overwrites its image."""
    return isinstance(optimizer, (InPlaceAdam, InPlaceSGD))


def makes_steps_alone(optimizer):
    """Whether it goes on from every evaluation, whatever the loss."""
    return isinstance(optimizer, Stepping)


def run(optimizer, value_and_grad=quadratic, iterations=5, start=START):
    """The evaluations of an optimizer, as `minimize` gives them."""
    return minimize(optimizer, value_and_grad, start_for(optimizer, start), iterations)


def images_and_totals(evaluations):
    """Copies of what was evaluated, and the losses."""
    images, totals = [], []
    for evaluation in evaluations:
        images.append(np.array(evaluation.image))
        totals.append(evaluation.total)
    return images, totals


def step(optimizer, state, value_and_grad):
    """The next state, after an evaluation; and what was evaluated, copied."""
    image = optimizer.ask(state)
    evaluated = np.array(image)
    terms, gradient = value_and_grad(image)
    return optimizer.tell(state, float(terms.total), gradient), evaluated


def spoiled(value_and_grad, calls, place="gradient", bad=np.nan):
    """A function that is not finite at some of its calls, counted from 0."""
    count = -1

    def spoil(image):
        nonlocal count
        count += 1
        terms, gradient = value_and_grad(image)
        if count in calls:
            if place == "total":
                return terms._replace(total=tf.constant(bad, tf.float32)), gradient
            one = np.zeros(gradient.shape, np.float32)
            one.flat[7] = bad
            gradient = gradient + one
        return terms, gradient

    return spoil


def scaled_by(factor, value_and_grad):
    """A function times a factor."""

    def scaled(image):
        terms, gradient = value_and_grad(image)
        factor_32 = np.float32(factor)
        return Terms(terms.half * factor_32, terms.total * factor_32), gradient * factor_32

    return scaled
