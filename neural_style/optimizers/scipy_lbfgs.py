"""SciPy's L-BFGS-B by ask and tell: the reference that ours is measured by."""

from __future__ import annotations

import math
import threading
import weakref
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from neural_style.optimizers.base import Arrays
from neural_style.optimizers.vectors import Image, is_finite, usual_scale

_Points: TypeAlias = "SimpleQueue[np.ndarray | BaseException | None]"
_Answers: TypeAlias = "SimpleQueue[tuple[float, np.ndarray] | None]"


@dataclass
class ScipyState:
    """What there is to know besides what SciPy keeps to itself. Tensors are float32 of the image's shape."""

    image: Image
    """To evaluate next."""
    solver: Solver | None = None
    """SciPy at work, in units of `ScipyLBFGS.first_step`; None before the first evaluation, and at the end."""
    best: Image | None = None
    best_value: float = math.inf
    best_gradient: tf.Tensor | None = None
    has_improved: bool = False
    """Whether SciPy has found a lower loss than that which it began with."""
    scale: float = 1.0
    """The power of two that losses and gradients are multiplied by; chosen at the first evaluation."""
    done: bool = False
    failed: bool = False


@dataclass(frozen=True)
class ScipyLBFGS:
    """SciPy's L-BFGS-B without bounds (Byrd, Lu, Nocedal and Zhu, 1995), in float64 on the CPU.

    When SciPy gives up, as it does where float32 rounding hides the descent, it starts anew from the best image. It is
    done once that brings nothing.

    SciPy keeps its curvature pairs to itself. So its state cannot be saved: `to_arrays` keeps the image alone, and what
    `from_arrays` makes of it begins anew from there. SciPy runs in a thread, which ends with its state.

    A step where loss or gradient is not finite is a step too far. SciPy is told that the line rises there as steeply as
    it falls at the best image, whereupon it tries the middle.
    """

    history_size: int
    """Curvature pairs to keep. Each takes 16 bytes per entry of the image."""
    first_step: float = 1.0
    """Root mean square change of an entry by the first step. (SciPy's own first step has norm 1, which is next to
    nothing for the million entries of an image. Later steps do not depend on it.)"""

    def init(self, image: Image) -> ScipyState:
        """Return the state before the first evaluation."""
        return ScipyState(image)

    def ask(self, state: ScipyState) -> Image:
        """Return the image to evaluate next."""
        return state.image

    def step_size(self, state: ScipyState) -> float | None:
        """Return None, since SciPy keeps its steps to itself."""
        return None

    def tell(self, state: ScipyState, total: float, gradient: Image) -> ScipyState:
        """Take loss and gradient. The state is changed, and returned."""
        gradient = tf.convert_to_tensor(gradient)
        finite = is_finite(total, gradient)
        if state.best is None:
            if not finite:
                state.failed = True
                return state
            state.scale = usual_scale(gradient)
        if finite and total < state.best_value:
            state.has_improved = state.best is not None
            state.best, state.best_value, state.best_gradient = state.image, total, gradient
        if state.solver is None:
            self._start_solver(state)
        value, sign = (total, 1.0) if finite else (state.best_value, -1.0)
        slopes = flat(gradient if finite else state.best_gradient)
        self._move(state, value * state.scale, slopes * self._unit(state) * (sign * state.scale), finite)
        return state

    def is_done(self, state: ScipyState) -> bool:
        """Return whether starting anew has brought nothing, or it has failed."""
        return state.done or state.failed

    def has_failed(self, state: ScipyState) -> bool:
        """Return whether no loss and gradient could be had that are finite."""
        return state.failed

    def restart(self, state: ScipyState, image: Image | None = None) -> ScipyState:
        """Return a state for another loss, or for other steps. Only the image is kept: by default the best."""
        if image is None:
            image = state.image if state.best is None else state.best
        return self.init(image)

    def to_arrays(self, state: ScipyState) -> Arrays:
        """Return the image to evaluate next, and nothing else, since SciPy keeps its curvature pairs to itself."""
        return {"image": state.image}

    def from_arrays(self, arrays: Arrays) -> ScipyState:
        """Return a state that begins anew from the image."""
        return self.init(tf.constant(arrays["image"]))

    def _unit(self, state: ScipyState) -> float:
        """Return the length of a first step: of SciPy's 1."""
        return self.first_step * np.sqrt(tf.size(state.image).numpy())

    def _start_solver(self, state: ScipyState) -> None:
        """Have SciPy begin at the best image."""
        state.solver = Solver(flat(state.best) / self._unit(state), self.history_size)
        self._take_point(state)

    def _move(self, state: ScipyState, value: float, slopes: np.ndarray, finite: bool) -> None:
        """Give SciPy value and gradient, and ask for the image that it wants, or start it anew if it gives up."""
        assert state.solver is not None
        state.solver.answer(value, slopes)
        if self._take_point(state):
            return
        state.solver = None
        if state.has_improved:
            state.has_improved = False
            self._start_solver(state)
            return
        state.image = state.best
        state.failed = not finite
        state.done = finite

    def _take_point(self, state: ScipyState) -> bool:
        """Ask for the image at the point that SciPy wants. Return whether there is one."""
        assert state.solver is not None
        point = state.solver.next_point()
        if point is None:
            return False
        shape = state.image.shape
        state.image = tf.reshape(tf.constant(point * self._unit(state), tf.float32), shape)
        return True


def flat(tensor: Any) -> np.ndarray:
    """Return the entries as SciPy wants them: float64 (n,). This is the one way from float32 to float64."""
    return np.asarray(tensor).astype(np.float64).ravel()


class _Stopped(BaseException):
    """Raised inside SciPy's thread to leave `minimize`."""


class Solver:
    """`scipy.optimize.minimize` turned inside out: take the `next_point` that it asks for, and `answer` it.

    SciPy calls a function, while this must be called. So SciPy runs in a thread of its own that only ever waits: its
    function hands over a point and sleeps until the answer comes. All evaluations stay in the caller's thread. The
    thread knows nothing of this object, and ends with it.
    """

    def __init__(self, start: np.ndarray, history_size: int):
        """Begin at a start, float64 (n,)."""
        self._points: _Points = SimpleQueue()
        self._answers: _Answers = SimpleQueue()
        arguments = (start, history_size, self._points, self._answers)
        thread = threading.Thread(target=_minimize, args=arguments, name="SciPy's L-BFGS-B", daemon=True)
        thread.start()
        weakref.finalize(self, _stop, thread, self._answers)

    def next_point(self) -> np.ndarray | None:
        """Return the point that SciPy asks for, float64 (n,), or None if it has given up. Raise what it raised."""
        point = self._points.get()
        if isinstance(point, BaseException):
            raise point
        return point

    def answer(self, value: float, gradient: np.ndarray) -> None:
        """Give the value and the gradient, float64 (n,), at the point asked for last."""
        self._answers.put((value, gradient))


def _stop(thread: threading.Thread, answers: _Answers) -> None:
    """End SciPy's thread."""
    answers.put(None)
    if thread is not threading.current_thread():  # where garbage may be collected as well
        thread.join()


def _minimize(start: np.ndarray, history_size: int, points: _Points, answers: _Answers) -> None:
    """Have SciPy minimize what gets its answers from a queue; put None, or an error, into the other one at the end."""
    import scipy.optimize

    def ask(point: np.ndarray) -> tuple[float, np.ndarray]:
        points.put(point.copy())
        answer = answers.get()
        if answer is None:
            raise _Stopped
        return answer

    never = 10**9
    options = {"maxcor": history_size, "maxiter": never, "maxfun": never, "ftol": 0.0, "gtol": 0.0}
    end: BaseException | None = None
    try:
        scipy.optimize.minimize(ask, start, method="L-BFGS-B", jac=True, options=options)
    except _Stopped:
        pass
    except BaseException as error:
        end = error  # raised in the caller's thread
    points.put(end)
