"""Optimisers: they know nothing of networks, only a function that gives losses and a gradient, and where to start.

Each is a generator that yields an `Evaluation` of the start and of every point after it, and is stopped by closing it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np
import scipy.optimize
import tensorflow as tf

ValueAndGrad = Callable[[tf.Tensor], tuple[Any, tf.Tensor]]
"""Takes a tensor; returns a named tuple of scalar losses with the field `total`, and the gradient of `total`."""


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of the objective."""

    image: tf.Tensor
    losses: dict[str, float]
    finite: bool
    """Whether every loss and every entry of the gradient is a finite number."""


class AdamState(NamedTuple):
    """Moments of the gradient after `count` updates; `mean` and `variance` have the image's shape."""

    count: tf.Tensor
    mean: tf.Tensor
    variance: tf.Tensor


def adam_init(image: tf.Tensor) -> AdamState:
    """State before the first update."""
    return AdamState(tf.constant(0.0), tf.zeros_like(image), tf.zeros_like(image))


@tf.function(reduce_retracing=True)
def adam_update(
    image: tf.Tensor,
    gradient: tf.Tensor,
    state: AdamState,
    learning_rate: tf.Tensor,
    beta1: tf.Tensor,
    beta2: tf.Tensor,
    eps: tf.Tensor,
) -> tuple[tf.Tensor, AdamState]:
    """One step of Adam (Kingma and Ba, arXiv:1412.6980), in the form at the end of its section 2.

    Bias correction is folded into the step size, so `eps` is the paper's ε-hat, as in TensorFlow's own optimiser.
    """
    count = state.count + 1
    mean = beta1 * state.mean + (1 - beta1) * gradient
    variance = beta2 * state.variance + (1 - beta2) * tf.square(gradient)
    step = learning_rate * tf.sqrt(1 - beta2**count) / (1 - beta1**count)
    return image - step * mean / (tf.sqrt(variance) + eps), AdamState(count, mean, variance)


def adam(
    value_and_grad: ValueAndGrad,
    start: tf.Tensor,
    *,
    iterations: int,
    learning_rate: float,
    beta1: float,
    beta2: float,
    eps: float,
) -> Generator[Evaluation]:
    """Minimise by Adam. Yields `iterations` + 1 evaluations, of the start and after each update."""
    constants = [tf.constant(value, tf.float32) for value in (learning_rate, beta1, beta2, eps)]
    image, state = start, adam_init(start)
    for iteration in range(iterations + 1):
        evaluation, gradient = _evaluate(value_and_grad, image)
        yield evaluation
        if iteration < iterations:
            image, state = adam_update(image, gradient, state, *constants)


def lbfgs(
    value_and_grad: ValueAndGrad,
    start: tf.Tensor,
    *,
    iterations: int,
    history_size: int,
    first_step: float = 1.0,
) -> Generator[Evaluation]:
    """Minimise by SciPy's L-BFGS-B without bounds (Byrd, Lu, Nocedal and Zhu, 1995).

    Yields up to `iterations` + 1 evaluations, of the start and of every point that the line search tries. When SciPy
    gives up, as it does where float32 rounding hides the descent, it is started anew from the best point; the generator
    ends early once that brings nothing.

    Args:
        value_and_grad: the objective.
        start: where to begin.
        iterations: how many evaluations to make after the start.
        history_size: curvature pairs kept; each takes 16 bytes per entry of `start`.
        first_step: root mean square change of an entry by the first step. (SciPy's own first step has norm 1, which is
            next to nothing for the million entries of an image; later steps do not depend on the scale.)
    """
    scale = first_step * np.sqrt(tf.size(start).numpy())
    best, best_value, left = start, np.inf, iterations + 1
    while left > 0:
        improved = False
        with _SciPy(_flat(best) / scale, history_size) as solver:
            for point in solver:
                image = tf.reshape(tf.constant(point * scale, tf.float32), start.shape)
                evaluation, gradient = _evaluate(value_and_grad, image)
                left -= 1
                if evaluation.losses["total"] < best_value:
                    improved = improved or best_value < np.inf
                    best, best_value = image, evaluation.losses["total"]
                yield evaluation
                if left == 0:
                    return
                solver.answer(evaluation.losses["total"], _flat(gradient) * scale)
        if not improved:
            return


def _evaluate(value_and_grad: ValueAndGrad, image: tf.Tensor) -> tuple[Evaluation, tf.Tensor]:
    losses, gradient = value_and_grad(image)
    finite = tf.reduce_all(tf.math.is_finite(gradient)) & tf.math.is_finite(losses.total)
    values = {name: float(value) for name, value in losses._asdict().items()}
    return Evaluation(image, values, bool(finite)), gradient


def _flat(tensor: tf.Tensor) -> np.ndarray:
    """Entries as SciPy wants them: float64 (n,). The one way from float32 to float64."""
    return tensor.numpy().astype(np.float64).ravel()


class _Stopped(BaseException):
    """Raised inside SciPy's thread to leave `minimize`."""


class _SciPy:
    """`scipy.optimize.minimize` turned inside out: iterate over the points that it asks for, and `answer` each.

    SciPy calls a function; a generator must be called. So SciPy runs in a thread of its own that only ever waits: its
    function hands over a point and sleeps until the answer comes. All evaluations stay in the caller's thread.
    """

    def __init__(self, start: np.ndarray, history_size: int):
        self._points: SimpleQueue[np.ndarray | BaseException | None] = SimpleQueue()
        self._answers: SimpleQueue[tuple[float, np.ndarray] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._minimize, args=(start, history_size), daemon=True)

    def __enter__(self) -> _SciPy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._answers.put(None)
        self._thread.join()

    def __iter__(self) -> Iterator[np.ndarray]:
        while (point := self._points.get()) is not None:
            if isinstance(point, BaseException):
                raise point
            yield point

    def answer(self, value: float, gradient: np.ndarray) -> None:
        """Give the value and the gradient, float64 (n,), at the point asked for last."""
        self._answers.put((value, gradient))

    def _ask(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        self._points.put(point.copy())
        answer = self._answers.get()
        if answer is None:
            raise _Stopped
        return answer

    def _minimize(self, start: np.ndarray, history_size: int) -> None:
        never = 10**9
        options = {"maxcor": history_size, "maxiter": never, "maxfun": never, "ftol": 0.0, "gtol": 0.0}
        end: BaseException | None = None
        try:
            scipy.optimize.minimize(self._ask, start, method="L-BFGS-B", jac=True, options=options)
        except _Stopped:
            pass
        except BaseException as error:
            end = error  # raised in the caller's thread
        self._points.put(end)
