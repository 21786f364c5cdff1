"""The optimization of an image at one size, one evaluation after the other, with recovery from failures.

If the loss or the gradient is not finite, it continues from the best image with smaller steps. If the optimizer finds
too little memory, it continues from the best image in place, which needs less: with Adam, unless it is SGD.
"""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from neural_style.compute.fallback import MEMORY_ERRORS, PlannedObjective
from neural_style.compute.planner import Plan
from neural_style.config.defaults import STEPPING
from neural_style.config.resolve import ResolvedConfig
from neural_style.errors import DivergenceError
from neural_style.losses.spec import LossTerms
from neural_style.optimizers.adam import Adam, AdamState, InPlaceAdam
from neural_style.optimizers.averaging import Average
from neural_style.optimizers.base import Optimizer, is_finite
from neural_style.optimizers.lbfgs import LBFGS
from neural_style.optimizers.resizing import moments_of, take_moments
from neural_style.optimizers.scipy_lbfgs import ScipyLBFGS
from neural_style.optimizers.sgd import SGD, InPlaceSGD
from neural_style.optimizers.stepping import Box, Decay, SteppingState
from neural_style.optimizers.variables import Filtered, Frequencies, PeriodicFiltered, Pixels, Variables
from neural_style.runs import pyramid

_log = logging.getLogger("neural_style")

_OF_FREQUENCIES = "of_frequencies"
"""Name among carried arrays: whether they are of frequencies."""

STEP_SCALES = (1.0, 0.1)
"""Factors on the optimizer's steps: at first, and after loss or gradient stopped being finite once."""


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """One finite evaluation of the objective."""

    image: Any
    """Float32 (1, height, width, 3): a tensor, or an array that the optimizer overwrites at its next step."""
    terms: LossTerms
    total: float
    is_best: bool
    """Whether its loss is the lowest since the descent began, or since its loss weights changed."""
    step_size: float | None = None
    """How long the step to the image was; see `Optimizer.step_size`."""


def optimizer_of(
    plan: Plan, config: ResolvedConfig, noise: float, step_scale: float, in_place: bool, mean: np.ndarray
) -> Optimizer[Any]:
    """Return the optimizer of a plan.

    Args:
        plan: names the optimizer.
        config: the optimizer's settings.
        noise: how much rounding alone changes a loss, as a share of the loss.
        step_scale: factor on the optimizer's steps.
        in_place: whether the optimizer overwrites its image.
        mean: the network's mean pixel, (3,), RGB of 0-255.
    """
    if plan.optimizer in STEPPING:
        rate, eps = config.rates_of(plan.optimizer)
        shared: dict[str, Any] = {"decay": _decay(config), "box": Box.of_pixels(mean) if config.clip else None}
        if plan.optimizer == "sgd":
            return (InPlaceSGD if in_place else SGD)(rate * step_scale, **shared)
        return (InPlaceAdam if in_place else Adam)(rate * step_scale, config.beta1, config.beta2, eps, **shared)
    if plan.optimizer == "scipy":
        return ScipyLBFGS(plan.history_size, step_scale)
    return LBFGS(plan.history_size, step_scale, noise)


def variables_at(image: Any, config: ResolvedConfig, optimizer: Optimizer[Any], in_place: bool) -> Variables:
    """Return what an optimizer changes, for an image to begin at. Where it overwrites the image, those are its pixels.

    Args:
        image: float32 (1, height, width, 3).
        config: the run.
        optimizer: what changes them.
        in_place: whether it overwrites its image.
    """
    if config.variables == "pixels" or in_place:
        return Pixels(image)
    if config.seamless:
        return PeriodicFiltered(image)
    return Filtered(image) if isinstance(optimizer, Adam) else Frequencies(image)


def _decay(config: ResolvedConfig) -> Decay:
    every, shape = config.learning_rate_decay_iterations, config.learning_rate_decay_shape
    return Decay(config.learning_rate_decay, every, shape)


class Descent:
    """An optimization at one size, as an iterator of `Evaluation`s.

    Attributes:
        objective: what is minimized.
        best_image: the image with the lowest loss; the last image if the optimizer overwrites it.
        best_total: its loss; infinite before the first evaluation.
        totals: losses so far, since the loss weights changed.

    If the iterates are averaged, it yields their averages, each as the best one. Losses are those of the iterates.
    """

    def __init__(
        self,
        objective: PlannedObjective,
        config: ResolvedConfig,
        start: Any,
        iterations: int,
        noise: float,
        before: int,
    ):
        """Begin.

        Args:
            objective: what is minimized.
            config: the run.
            start: image to begin with, float32 (1, height, width, 3).
            iterations: most evaluations after that of the start image.
            noise: how much rounding alone changes a loss, as a share of the loss.
            before: number of evaluations at earlier sizes, for messages.
        """
        self.objective = objective
        self._config, self._iterations, self._noise, self._before = config, iterations, noise, before
        self.best_image: Any = start if objective.plan.in_place else tf.constant(start)
        self.best_total = math.inf
        self.totals: list[float] = []
        self._done = 0  # evaluations that were yielded, including that of the start image
        self._lives = list(STEP_SCALES)
        self._told: tuple[float, Any] | None = None  # loss and gradient that the optimizer has not taken yet
        self._average = Average(config.average_iterates) if config.average_iterates else None
        self._begin()

    def _begin(self) -> None:
        """Make a new optimizer, which begins at the best image, in place if there is too little memory otherwise."""
        while True:
            failed: Exception | None = None
            try:
                self._make_optimizer()
            except MEMORY_ERRORS as error:
                failed = error.with_traceback(None)
            if failed is None:
                return
            self.objective.save_memory(failed)

    def _make_optimizer(self) -> None:
        plan = self.objective.plan
        self._in_place = plan.in_place  # of this optimizer; the plan may change if an evaluation finds no memory
        if plan.in_place and not isinstance(self.best_image, np.ndarray):
            self.best_image = np.array(self.best_image)
        self._optimizer = self._optimizer_of(plan)
        self._is_known = self.best_total < math.inf  # whether the next evaluation repeats an earlier one
        self._state: Any = None  # frees the old state before the new one takes memory
        self._told = None
        self._variables = variables_at(self.best_image, self._config, self._optimizer, self._in_place)
        self._state = self._optimizer.init(self._variables.start)
        if isinstance(self._state, SteppingState):
            self._state.steps = max(self._done - 1, 0)

    def _optimizer_of(self, plan: Plan) -> Optimizer[Any]:
        mean = self.objective.mean
        return optimizer_of(plan, self._config, self._noise, self._lives[0], self._in_place, mean)

    @property
    def is_over(self) -> bool:
        """Whether the descent has converged, has used up its iterations, or can find no better image."""
        if pyramid.has_converged(self.totals, self._config.tolerance_of(self.objective.plan.optimizer)):
            return True
        return self._done > self._iterations or (self._told is None and self._optimizer.is_done(self._state))

    def __iter__(self) -> Descent:
        return self

    def __next__(self) -> Evaluation:
        """Make the next finite evaluation.

        Raises:
            StopIteration: the descent is over.
            DivergenceError: loss or gradient stopped being finite too often.
            OutOfMemoryError: memory is too small even for the smallest tiles.
        """
        while not self.is_over:
            if self._told is not None and not self._take_step():
                continue
            failed = None
            try:
                image = self._asked()
            except MEMORY_ERRORS as error:
                failed = error.with_traceback(None)
            if failed:
                self._save_memory(failed)
                continue
            terms, gradient = self.objective.value_and_grad(image)
            total = float(terms.total)
            self._told = total, gradient
            is_known, self._is_known = self._is_known, False
            if not is_finite(total, gradient):
                del gradient
                self._take_step()
            elif not is_known:
                return self._kept(image, terms, total)
        raise StopIteration

    def _asked(self) -> Any:
        """Return the image that the optimizer asks for."""
        return self._variables.image(self._optimizer.ask(self._state))

    def _kept(self, image: Any, terms: LossTerms, total: float) -> Evaluation:
        self._done += 1
        self.totals.append(total)
        is_best = total < self.best_total
        if is_best:
            self.best_image, self.best_total = image, total
        if self._average is not None:
            image, is_best = self._average.add(image), True
        return Evaluation(image, terms, total, is_best, self._optimizer.step_size(self._state))

    @property
    def result(self) -> Any:
        """The image that this size ends with: the best one, or the average if the iterates are averaged."""
        return self.best_image if self._average is None or self._average.image is None else self._average.image

    def content_distance(self) -> float | None:
        """Return how far the content features of `result` are from the photo's; see `loss_weights.content_distance`.

        Returns:
            The distance; None if no content layer has a weight, or nothing was evaluated with the present weights.

        Raises:
            OutOfMemoryError: memory is too small even for the smallest tiles.
        """
        return None if self.best_total == math.inf else self.objective.content_distance(self.result)

    def carried(self) -> dict[str, np.ndarray]:
        """Return Adam's moments, for `carry_on` at the next size; nothing of others. Call only `release` afterward."""
        if not isinstance(self._state, AdamState):
            return {}
        return {**moments_of(self._state), _OF_FREQUENCIES: np.array(isinstance(self._variables, Frequencies))}

    def carry_on(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Give Adam the moments that it had at the size before, resized, and how often they were updated.

        Its learning rate decays anew at each size. Other optimizers begin anew altogether, and so does Adam where it
        changes pixels after frequencies, or the other way round.

        Args:
            arrays: from `carried`.
        """
        is_alike = bool(arrays[_OF_FREQUENCIES]) == isinstance(self._variables, Frequencies)
        if isinstance(self._state, AdamState) and is_alike:
            take_moments(self._state, dict(arrays), self._variables)

    def _take_step(self) -> bool:
        """Tell the optimizer loss and gradient of its last image; return whether it can continue from there."""
        assert self._told is not None
        (total, gradient), self._told = self._told, None
        failed: Exception | None = None
        try:
            self._state = self._optimizer.tell(self._state, total, self._variables.gradient(gradient))
        except MEMORY_ERRORS as error:
            failed = error.with_traceback(None)  # the traceback would keep the optimizer's memory
        del gradient
        if failed:
            self._save_memory(failed)
            return False
        if self._optimizer.has_failed(self._state):
            self._recover(total)
            return False
        return not self._optimizer.is_done(self._state)

    def _save_memory(self, error: Exception) -> None:
        """Continue from the best image in place, which needs less memory.

        Args:
            error: what the optimizer raised, or its variables.

        Raises:
            OutOfMemoryError: it was in place already, or there are no smaller tiles.
        """
        was_in_place = self._in_place
        self._state = None
        if was_in_place or not self.objective.plan.in_place:
            self.objective.save_memory(error)
        self._begin()

    def _recover(self, total: float) -> None:
        """Continue from the best image with smaller steps.

        Args:
            total: the last loss.

        Raises:
            DivergenceError: smaller steps were tried before, or no image had a finite loss.
        """
        if self.best_total == math.inf:
            which = "with the new weights" if self._done else "of the start image"
            raise DivergenceError(
                f"loss or gradient {which} is not finite (the loss is {total:g}); lower the loss weights, or use "
                "--precision float32"
            )
        self._lives.pop(0)
        at = self._before + self._done
        if not self._lives:
            raise DivergenceError(
                f"loss or gradient stopped being finite twice, the last time at iteration {at}, with steps made "
                f"{1 / STEP_SCALES[-1]:g} times smaller; lower --learning_rate or the loss weights, or use --precision "
                "float32"
            )
        which = "last" if self._in_place else "best"
        _log.warning("loss or gradient stopped being finite at iteration %d; going back to the %s image", at, which)
        self._begin()

    def set_weights(self, config: ResolvedConfig) -> None:
        """Use the loss weights of another configuration from now on. Losses before and after do not compare."""
        self._told = None
        self._config = config
        self.objective.set_weights(config)
        has_best = self.best_total < math.inf and not self._in_place
        self.best_total, self.totals, self._is_known = math.inf, [], False
        failed: Exception | None = None
        try:
            if not has_best:
                self.best_image = self._asked()
            self._variables = variables_at(self.best_image, config, self._optimizer, self._in_place)
            self._state = self._optimizer.restart(self._state, self._variables.start)
        except MEMORY_ERRORS as error:
            failed = error.with_traceback(None)
        if failed:
            self._save_memory(failed)
        if self._average is not None:
            self._average.restart()

    def settle(self) -> None:
        """Tell the optimizer about the last evaluation if it does not know it yet, as SciPy's must to be saved."""
        if self._told is not None and not self.is_over:
            self._take_step()

    def release(self) -> None:
        """Free everything but the best image."""
        self._state = self._told = None
        if self._average is not None:
            self.best_image = self.result
        self.objective.release()

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return all that is needed to continue: arrays or tensors, and values that JSON can hold.

        The arrays are shared with the descent, whose next evaluation may change them.
        """
        if isinstance(self._optimizer, ScipyLBFGS):  # which begins anew, so its image is the one that is due
            self.settle()
        arrays = {f"optimizer/{name}": value for name, value in self._optimizer.to_arrays(self._state).items()}
        if not self._in_place:
            arrays["best_image"] = self.best_image
            if isinstance(self._variables, Frequencies):
                arrays["origin"] = self._variables.origin
        told, is_array = None, False
        if self._told is not None:
            told, arrays["gradient"] = self._told
            is_array = isinstance(arrays["gradient"], np.ndarray)
        if self._average is not None:
            arrays |= {f"average/{name}": value for name, value in self._average.to_arrays().items()}
        numbers = {
            "plan": dataclasses.asdict(self.objective.plan),
            "in_place": self._in_place,
            "before": self._before,
            "best_total": self.best_total if math.isfinite(self.best_total) else None,
            "totals": list(self.totals),
            "done": self._done,
            "lives": list(self._lives),
            "is_known": self._is_known,
            "told": told,
            "gradient_is_array": is_array,
        }
        return arrays, numbers

    def take_arrays(self, arrays: Mapping[str, np.ndarray], numbers: Mapping[str, Any]) -> None:
        """Continue where `to_arrays` was called, with an objective of the same plan."""
        of_optimizer = _within(arrays, "optimizer/")
        self._lives, self._in_place, self._before = list(numbers["lives"]), numbers["in_place"], numbers["before"]
        self._optimizer = self._optimizer_of(self.objective.plan)
        self._state = self._optimizer.from_arrays(of_optimizer)
        self.best_total = math.inf if numbers["best_total"] is None else numbers["best_total"]
        self.totals = list(numbers["totals"])
        self._done, self._is_known, self._told = numbers["done"], numbers["is_known"], None
        if numbers["told"] is not None:
            gradient = arrays["gradient"]
            self._told = numbers["told"], np.array(gradient) if numbers["gradient_is_array"] else tf.constant(gradient)
        if self._average is not None:
            self._average.take_arrays(_within(arrays, "average/"), in_place=self._in_place)
        if self._in_place:
            self.best_image = self._optimizer.ask(self._state)
        else:
            self.best_image = tf.constant(arrays["best_image"])
        self._variables = variables_at(
            arrays.get("origin", self.best_image), self._config, self._optimizer, self._in_place
        )


def _within(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Return the arrays whose names begin with a prefix, without it."""
    return {name[len(prefix) :]: value for name, value in arrays.items() if name.startswith(prefix)}
