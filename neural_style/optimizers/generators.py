"""Optimisers: they know nothing of networks, only a function that gives losses and a gradient, and where to start.

Each is a generator that yields an `Evaluation` of the start and of every point after it, and is stopped by closing it.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np
import scipy.optimize
import tensorflow as tf

from neural_style.images.row_bands import bands

ValueAndGrad = Callable[[tf.Tensor], tuple[Any, tf.Tensor]]
"""Takes a tensor; returns a named tuple of scalar losses with the field `total`, and the gradient of `total`."""


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of the objective."""

    image: tf.Tensor | np.ndarray
    """A tensor, or the array that `adam_in_place` changes."""
    losses: dict[str, float]
    finite: bool
    """Whether every loss and every entry of the gradient is a finite number."""
    state: Callable[[], AdamState | LBFGSState | None] = field(repr=False, default=lambda: None)
    """Gives what the optimiser knows by now, to begin with later; None for SciPy, which keeps it to itself."""


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
    mean = beta1 * state.mean + (1 - beta1) * gradient
    variance = beta2 * state.variance + (1 - beta2) * tf.square(gradient)
    state = AdamState(state.count + 1, mean, variance)
    return image - adam_step(state, learning_rate, beta1, beta2, eps), state


@tf.function(reduce_retracing=True)
def adam_step(
    state: AdamState, learning_rate: tf.Tensor, beta1: tf.Tensor, beta2: tf.Tensor, eps: tf.Tensor
) -> tf.Tensor:
    """What the update that led to a state subtracted from the image."""
    step = learning_rate * tf.sqrt(1 - beta2**state.count) / (1 - beta1**state.count)
    return step * state.mean / (tf.sqrt(state.variance) + eps)


def adam(
    value_and_grad: ValueAndGrad,
    start: tf.Tensor,
    *,
    iterations: int,
    learning_rate: float,
    beta1: float,
    beta2: float,
    eps: float,
    state: AdamState | None = None,
) -> Generator[Evaluation]:
    """Minimise by Adam, going on from a state if given.

    Yields `iterations` + 1 evaluations, of the start and after each update.
    """
    constants = [tf.constant(value, tf.float32) for value in (learning_rate, beta1, beta2, eps)]
    image, state = start, state or adam_init(start)
    for iteration in range(iterations + 1):
        evaluation, gradient = _evaluate(value_and_grad, image)
        yield replace(evaluation, state=functools.partial(AdamState, *state))
        if iteration < iterations:
            image, state = adam_update(image, gradient, state, *constants)


def adam_in_place(
    value_and_grad: ValueAndGrad,
    image: np.ndarray,
    *,
    iterations: int,
    learning_rate: float,
    beta1: float,
    beta2: float,
    eps: float,
) -> Generator[Evaluation]:
    """Minimise by Adam with no more memory than four images: this one, its gradient and the gradient's moments.

    Yields `iterations` + 1 evaluations, of the start and after each update. All of them have the one image, which the
    next update changes. Where loss or gradient is not finite, the image is first taken back to where it was before.

    Args:
        value_and_grad: the objective; gives gradients as arrays.
        image: where to begin, float32 (1, height, width, channels); it is overwritten.
        iterations: how many updates to make.
        learning_rate: as for `adam`.
        beta1: as for `adam`.
        beta2: as for `adam`.
        eps: as for `adam`.
    """
    constants = [tf.constant(value, tf.float32) for value in (learning_rate, beta1, beta2, eps)]
    mean, variance = np.zeros_like(image), np.zeros_like(image)
    rows = [(slice(None), band) for band in bands(*image.shape[1:3])]
    for iteration in range(iterations + 1):
        losses, gradient = value_and_grad(image)
        values = {name: float(value) for name, value in losses._asdict().items()}
        with np.errstate(invalid="ignore", over="ignore"):
            finite = bool(np.isfinite(values["total"]) and np.isfinite(gradient.sum(dtype=np.float64)))
        if iteration and not finite:
            for band in rows:
                state = AdamState(tf.constant(float(iteration)), *map(tf.constant, (mean[band], variance[band])))
                image[band] += adam_step(state, *constants).numpy()
        yield Evaluation(image, values, finite)
        if iteration < iterations:
            for band in rows:
                before = AdamState(tf.constant(float(iteration)), *map(tf.constant, (mean[band], variance[band])))
                now, state = adam_update(tf.constant(image[band]), tf.constant(gradient[band]), before, *constants)
                image[band], mean[band], variance[band] = now, state.mean, state.variance
        del gradient  # before the next one takes memory


_IDLE_SEARCHES = 10
"""Searches in turn without a lower loss after which L-BFGS ends."""


class LBFGSState(NamedTuple):
    """Curvature pairs, oldest first: steps of the image, and the change of the gradient that each brought.

    Entries are float32 of the image's shape.
    """

    steps: tuple[tf.Tensor, ...] = ()
    changes: tuple[tf.Tensor, ...] = ()


def lbfgs(
    value_and_grad: ValueAndGrad,
    start: tf.Tensor,
    *,
    iterations: int,
    history_size: int,
    first_step: float = 1.0,
    noise: float = 1e-6,
    state: LBFGSState | None = None,
) -> Generator[Evaluation]:
    """Minimise by L-BFGS (Nocedal and Wright, Numerical Optimization, 2006, algorithm 7.5), in float32 on the device.

    Yields up to `iterations` + 1 evaluations, of the start and of every point that the line search tries. It ends early
    where rounding hides the descent: where no step of a search along the steepest descent keeps the loss from rising by
    more than the noise, or ten searches in turn find no lower one.

    Args:
        value_and_grad: the objective.
        start: where to begin.
        iterations: how many evaluations to make after the start.
        history_size: curvature pairs used; each takes 8 bytes per entry of `start`, and one more may be kept.
        first_step: root mean square change of an entry by the first step along the steepest descent.
        noise: share of a loss that is rounding alone, within which a higher one counts as not higher.
        state: pairs to begin with.
    """
    pairs = _Pairs(history_size, start, state or LBFGSState())
    here, gradient = _evaluate(value_and_grad, start)
    yield replace(here, state=pairs.state)
    lowest, idle = here.losses["total"], 0  # idle: searches since the lowest loss
    while iterations > 0 and idle < _IDLE_SEARCHES:
        direction, slope = pairs.direction(gradient, first_step)
        if not slope < 0:  # rounding, or the gradient is 0
            if not pairs:
                return
            pairs.clear()
            continue
        search = LineSearch(here.losses["total"], slope, noise)
        best: tuple[Evaluation, tf.Tensor] | None = None
        while iterations > 0 and not search.ended:
            tried, gradient_there = _evaluate(value_and_grad, here.image + search.step * direction)
            iterations -= 1
            yield replace(tried, state=pairs.state)
            search.tell(tried.losses["total"], float(_dot(gradient_there, direction)))
            if search.last_is_best:
                best = tried, gradient_there
        if best is not None:
            pairs.add(*_differences(best[0].image, here.image, best[1], gradient))
            here, gradient = best
            idle = 0 if here.losses["total"] < lowest else idle + 1
            lowest = min(lowest, here.losses["total"])
        elif pairs:
            pairs.clear()
        else:
            return


def resized(state: AdamState | LBFGSState, height: int, width: int) -> AdamState | LBFGSState:
    """A state for the same picture at another size, from tensors (1, height, width, channels).

    Where a loss is a mean over pixels, its derivative by one of n pixels goes with 1 / n.
    """

    def scaled(tensor: tf.Tensor, power: int) -> tf.Tensor:
        """Resized values of a quantity that goes with the derivative's power."""
        share = tensor.shape[1] * tensor.shape[2] / (height * width)
        return tf.image.resize(tensor, (height, width), "bicubic") * share**power

    if isinstance(state, AdamState):
        return AdamState(state.count, scaled(state.mean, 1), tf.maximum(scaled(state.variance, 2), 0.0))
    steps, changes = state
    return LBFGSState(tuple(scaled(step, 0) for step in steps), tuple(scaled(change, 1) for change in changes))


class LineSearch:
    """Search along a line for a step that meets the strong Wolfe conditions (Nocedal and Wright, algorithms 3.5, 3.6).

    It begins with the step 1, which the directions of L-BFGS are made for.

    Attributes:
        step: to be tried next.
        ended: whether the search is over, as the last step met the conditions or too many did not.
        last_is_best: whether the step told of last has the lowest loss so far, that of the step 0 among them, or one as
            low but for the noise.
    """

    LEAST_DECREASE = 1e-4
    GREATEST_SLOPE = 0.9
    MOST_STEPS = 10

    def __init__(self, value: float, slope: float, noise: float):
        """Begin.

        Args:
            value: the loss at the step 0.
            slope: its derivative along the line there, below 0.
            noise: share of a loss that is rounding alone.
        """
        self._value, self._slope, self._noise = value, slope, noise * abs(value)
        self._lowest = value
        self._low: tuple[float, float, float] = (0.0, value, slope)  # step, loss, derivative
        self._high: tuple[float, float, float] | None = None
        self._tried = 0
        self.step, self.ended, self.last_is_best = 1.0, False, False

    def tell(self, value: float, slope: float) -> None:
        """Take the loss and its derivative along the line at `step`; choose the next one."""
        here = (self.step, value, slope)
        self._tried += 1
        self.last_is_best = value < self._lowest + self._noise
        self._lowest = min(self._lowest, value)
        least = self._value + self.LEAST_DECREASE * self.step * self._slope + self._noise
        lower = value <= least and value < self._low[1] + self._noise
        self.ended = self._tried == self.MOST_STEPS or (lower and abs(slope) <= self.GREATEST_SLOPE * abs(self._slope))
        if not lower:
            self._high = here
        else:
            onwards = 1.0 if self._high is None else self._high[0] - self._low[0]
            if slope * onwards >= 0:
                self._high = self._low
            self._low = here
        self.step = 4 * self._low[0] if self._high is None else _cubic_minimum(self._low, self._high)


def _cubic_minimum(low: tuple[float, float, float], high: tuple[float, float, float]) -> float:
    """Where a cubic is lowest that has two (place, value, derivative), but no nearer to either than a tenth.

    Nocedal and Wright, equation 3.59; the middle where that has no solution.
    """
    (a, value_a, slope_a), (b, value_b, slope_b) = low, high
    d1 = slope_a + slope_b - 3 * (value_a - value_b) / (a - b)
    square = d1 * d1 - slope_a * slope_b
    d2 = math.copysign(math.sqrt(max(square, 0.0)), b - a)
    divisor = slope_b - slope_a + 2 * d2
    place = b - (b - a) * (slope_b + d2 - d1) / divisor if square >= 0 and divisor else (a + b) / 2
    margin = abs(b - a) / 10
    return min(max(place, min(a, b) + margin), max(a, b) - margin)


class _Pairs:
    """The last curvature pairs, and the direction that they make of a gradient.

    The two-loop recursion combines vectors by factors that depend on their dot products alone. So those are kept, and
    the vectors are read but twice for a direction, to multiply them with what is new and to combine them, where the
    recursion itself would read them five times. To be read fast they lie in blocks, which are dropped whole.
    """

    BLOCK = 2
    """Pairs in a block."""

    def __init__(self, history_size: int, image: tf.Tensor, state: LBFGSState):
        self._history_size, self._shape = history_size, image.shape
        self._blocks: list[tf.Tensor] = []  # oldest first, each (2 · pairs, entries): step, change, step, change …
        self._dots = np.zeros((0, 0))  # of all rows of all blocks with each other
        self._curvature = 0.0  # of the newest pair
        for step, change in zip(*state, strict=True):
            self.add(tf.stack([tf.reshape(step, [-1]), tf.reshape(change, [-1])]), _dot(step, change))

    def __len__(self) -> int:
        """How many pairs there are; no more than `history_size` are used."""
        return sum(block.shape[0] for block in self._blocks) // 2

    def state(self) -> LBFGSState:
        rows = [tf.reshape(row, self._shape) for block in self._blocks for row in tf.unstack(block)]
        rows = rows[-2 * self._history_size :]
        return LBFGSState(tuple(rows[::2]), tuple(rows[1::2]))

    def clear(self) -> None:
        self._blocks, self._dots = [], np.zeros((0, 0))

    def add(self, pair: tf.Tensor, curvature: tf.Tensor) -> None:
        """Add a pair and drop the oldest if need be; leave it out if the loss does not curve upwards along it.

        Args:
            pair: (2, entries), a step of the image and the change of the gradient.
            curvature: their dot product.
        """
        if not float(curvature) > 0:
            return
        self._multiply([])
        single = [block for block in self._blocks if block.shape[0] == 2]
        if len(single) == self.BLOCK:
            self._blocks[-self.BLOCK :] = [tf.concat(single, axis=0)]
        self._blocks.append(pair)
        self._curvature = float(curvature)
        first = self._blocks[0].shape[0]
        if 2 * len(self) - first >= 2 * self._history_size:
            del self._blocks[0]
            self._dots = self._dots[first:, first:]

    def direction(self, gradient: tf.Tensor, first_step: float) -> tuple[tf.Tensor, float]:
        """Direction of descent, and the derivative of the loss along it."""
        square = float(_dot(gradient, gradient))
        if not self._blocks:
            length = first_step * math.sqrt(gradient.shape.num_elements())
            factor = -length / math.sqrt(square) if square else 0.0
            return factor * gradient, factor * square
        flat = tf.reshape(gradient, [1, -1])
        of_gradient = self._multiply([flat])
        factors, factor = self._two_loop_recursion(of_gradient)
        ends = np.cumsum([block.shape[0] for block in self._blocks])
        of_blocks = [tf.constant(part[np.newaxis], tf.float32) for part in np.split(factors, ends[:-1])]
        parts = _weighted([*of_blocks, tf.constant([[factor]], tf.float32)], [*self._blocks, flat])
        return tf.reshape(tf.add_n(parts), self._shape), float(factors @ of_gradient + factor * square)

    def _multiply(self, vectors: list[tf.Tensor]) -> np.ndarray:
        """Take the dot products of a new pair, if there is one, and of at most one vector (1, entries), with all rows.

        Returns:
            Those of the vector.
        """
        known = len(self._dots)
        news = [self._blocks[-1]] if known < 2 * len(self) else []
        if not news + vectors:
            return np.zeros(0)
        products = _products(news + vectors, self._blocks).numpy().astype(np.float64)
        if news:
            self._dots = np.pad(self._dots, (0, 2))
            self._dots[known:] = products[:2]
            self._dots[:, known:] = products[:2].T
            self._dots[known, known + 1] = self._dots[known + 1, known] = self._curvature  # which is above 0
        return products[-1]

    def _two_loop_recursion(self, of_gradient: np.ndarray) -> tuple[np.ndarray, float]:
        """Nocedal and Wright, algorithm 7.4, of the negative gradient.

        Args:
            of_gradient: its dot products with the rows.

        Returns:
            Factors of the rows, and of the gradient, in the direction.
        """
        dots, factors, factor = self._dots, np.zeros(len(self._dots)), -1.0
        steps = range(len(dots) - 2, -1, -2)[: self._history_size]  # rows of the steps, newest first
        alphas = {}
        for step in steps:
            alphas[step] = (dots[step] @ factors + factor * of_gradient[step]) / dots[step, step + 1]
            factors[step + 1] -= alphas[step]
        scale = dots[steps[0], steps[0] + 1] / dots[steps[0] + 1, steps[0] + 1]  # their equation 7.20
        factors, factor = factors * scale, factor * scale
        for step in reversed(steps):
            beta = (dots[step + 1] @ factors + factor * of_gradient[step + 1]) / dots[step, step + 1]
            factors[step] += alphas[step] - beta
        return factors, factor


@tf.function(reduce_retracing=True)
def _differences(
    image: tf.Tensor, image_before: tf.Tensor, gradient: tf.Tensor, gradient_before: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """A pair (2, entries) and the dot product of its two rows."""
    step, change = image - image_before, gradient - gradient_before
    return tf.stack([tf.reshape(step, [-1]), tf.reshape(change, [-1])]), _dot(step, change)


@tf.function(reduce_retracing=True)
def _products(vectors: Sequence[tf.Tensor], blocks: Sequence[tf.Tensor]) -> tf.Tensor:
    """Dot products of all rows of the vectors with all rows of the blocks."""
    left = tf.concat(vectors, axis=0)
    return tf.concat([tf.matmul(left, block, transpose_b=True) for block in blocks], axis=1)


@tf.function(reduce_retracing=True)
def _weighted(factors: Sequence[tf.Tensor], blocks: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Sum (1, entries) of each block's rows times their factors (1, rows).

    They are not added here, where TensorFlow would add them in any order.
    """
    return [tf.matmul(of_block, block) for of_block, block in zip(factors, blocks, strict=True)]


def _dot(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Dot product of two tensors of one shape."""
    return tf.reduce_sum(a * b)


def scipy_lbfgs(
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
    finite = tf.math.is_finite(tf.reduce_sum(gradient)) & tf.math.is_finite(losses.total)
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
