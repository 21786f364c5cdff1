"""One run, step by step. It can be reweighted, canceled, saved and continued at any time."""

from __future__ import annotations

import dataclasses
import functools
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import tensorflow as tf

from neural_style import __version__
from neural_style.compute import precision
from neural_style.compute.device import circumstances
from neural_style.compute.fallback import PlannedObjective, computing_on
from neural_style.compute.ledger import Reservation
from neural_style.compute.loss_weights import loss_spec
from neural_style.compute.planner import Plan, Planner
from neural_style.config import strength
from neural_style.config.defaults import STEPPING
from neural_style.config.resolve import ResolvedConfig
from neural_style.errors import NeuralStyleError
from neural_style.networks.weights import VGGWeights
from neural_style.runs import pyramid
from neural_style.runs.descent import Descent, Evaluation
from neural_style.runs.input_files import digests_of
from neural_style.runs.inputs import Inputs, at_scale
from neural_style.runs.matched_colors import seen_by_the_loss
from neural_style.runs.rendering import Finishes, finish_of, rendered, rendered_small
from neural_style.runs.reweighting import reweighted, weights_of
from neural_style.runs.session_state import (
    SessionState,
    check_images,
    check_state,
    history_from_array,
    history_to_array,
    numbers_of,
    step_from,
)
from neural_style.runs.start import details_of, enlarged, is_from_photo, start_image
from neural_style.runs.step import Result, Step, losses_of
from neural_style.runs.step_records import StepRecord, records_from_array, records_to_array

if TYPE_CHECKING:
    from neural_style.runs.stylizer import Stylizer

_log = logging.getLogger("neural_style")


_Made = TypeVar("_Made")


class _Canceled(BaseException):
    """Ends an evaluation between two tiles."""


class Session:
    """One run, made by `Stylizer.session`.

    Iterate over it for its steps, or call `step`. `set_weights` and `cancel` may be called from any thread.
    `set_weights` takes effect at the next evaluation, and `cancel` at the next evaluation or tile. Close the session,
    or use it as a context manager, to free its memory at once.

    Attributes:
        config: the options, each with a value.
        network: the network's weights, without the kernels.
        scales: sizes from coarse to fine.
        plans: how each size is computed.
    """

    def __init__(
        self,
        stylizer: Stylizer,
        config: ResolvedConfig,
        inputs: Inputs,
        network: VGGWeights,
        planner: Planner,
        plans: Sequence[Plan],
        reservation: Reservation,
    ):
        """Prepare; `Stylizer.session` explains the arguments. Nothing is computed before the first step."""
        self.config, self.plans = config, tuple(plans)
        self.scales = pyramid.scales_of(config, *inputs.plan_size)
        self.network = dataclasses.replace(network, kernels={}, biases={})
        self._stylizer, self._planner, self._reservation = stylizer, planner, reservation
        self._inputs: Inputs | None = inputs
        self._size = inputs.content.width, inputs.content.height
        self._alpha = inputs.content.alpha
        self._proof = inputs.proof
        self._finish = finish_of(config, inputs)
        self._finishes = Finishes(self._finish)
        try:
            with computing_on(stylizer.device):
                self._graphs: Any = stylizer.graphs(config, network, inputs.region_count)
                self._style_graphs: Any = stylizer.style_graphs(config, network, inputs.region_count)
        except BaseException:
            reservation.release()
            raise
        self._spec = loss_spec(config)
        self._at = 0  # index of the present scale, or of the next one between two scales
        self._start: Any = None  # best image of the previous scale
        self._descent: Descent | None = None
        self._iteration = -1
        self._best: Step | None = None
        self._best_config = config  # with the weights that it was made with
        self._first_weights = weights_of(config)
        self._new_config: ResolvedConfig | None = None
        self._carried: dict[str, np.ndarray] = {}  # Adam's moments at the end of the previous size
        self._correction = 1.0  # of the style's weight, so that the result reaches the strength asked for
        self._history: dict[int, Mapping[str, float]] = {}
        self._records: dict[int, StepRecord] = {}
        self.input_digests: Mapping[str, str] | None = None
        """What `input_files.digests_of` returns. If it is None, the first call of `state` asks for it."""
        self.at_end_of_scale: Callable[[], object] | None = None
        """Called after the last step of each size, while the session can still give its `state`."""
        self._stop = threading.Event()
        self._lock = threading.RLock()  # held while a step is made
        self._weights_lock = threading.Lock()  # never held for long

    # --- steps --------------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Step]:
        """Yield the remaining steps."""
        while (step := self.step()) is not None:
            yield step

    def step(self) -> Step | None:
        """Evaluate the loss once. The first evaluation is that of the start image.

        Returns:
            The image and its losses, or None if the run is over, canceled or closed.

        Raises:
            OutOfMemoryError: memory failed in spite of the plan, and smaller tiles did not help.
            DivergenceError: loss or gradient stopped being finite twice.

        After an error, the session is closed.
        """
        return self._guarded(self._next_step)

    def evaluate(self) -> Evaluation | None:
        """Like `step`, but return the image as the optimizer has it, and make no `Step`."""
        return self._guarded(self._next_evaluation)

    def _guarded(self, act: Callable[[], _Made | None]) -> _Made | None:
        """Compute something while no other thread does; close the session after an error, even after Ctrl-C."""
        with self._lock:
            if self._graphs is None or self._stop.is_set():
                return None
            try:
                with computing_on(self._stylizer.device):
                    return act()
            except _Canceled:
                return None
            except BaseException:
                self.close()
                raise

    def _next_step(self) -> Step | None:
        began = time.monotonic()
        evaluation = self._next_evaluation()
        return None if evaluation is None else self._step_of(evaluation, began)

    def _next_evaluation(self) -> Evaluation | None:
        while self._at < len(self.scales):
            if self._descent is None:
                self._begin_scale()
            assert self._descent is not None
            self._take_new_weights()
            evaluation = next(self._descent, None)
            if evaluation is not None:
                self._iteration += 1
                return evaluation
            if self.at_end_of_scale is not None and self._best is not None:
                self.at_end_of_scale()
            self._end_scale()
        self.close()
        return None

    def _begin_scale(self) -> None:
        scale, plan, inputs = self.scales[self._at], self.plans[self._at], self._inputs
        assert inputs is not None
        scaled = at_scale(inputs, scale.width, scale.height)
        scaled = dataclasses.replace(scaled, content=seen_by_the_loss(self.config, scaled.content))
        is_last = scale is self.scales[-1]
        if is_last:
            self._inputs = inputs = None
        styles = scaled.examples(self.config.style_rotations)
        check = functools.partial(_check, self._stop)  # not a method, so that the session does not refer to itself
        config = self._corrected(self.config)
        masks = scaled.masks(config.mask_erosion, config.seamless)
        styles_of = functools.partial(self._stylizer.style_targets, members=masks.members, eroded=masks.eroded)
        targets = functools.partial(styles_of, self._style_graphs, styles, check=check)
        objective = PlannedObjective(
            self._graphs, config, scaled.content.rgb, targets, self._planner, plan, check, masks, self._proof
        )
        if self._start is None:
            start = start_image(self.config, scaled, objective.mean)
        else:
            start = enlarged(self._start, scaled.content.rgb, details_of(config, masks.content), config.seamless)
        if config.clip and (self._start is not None or config.start == "recolored"):
            np.clip(start, -objective.mean, 255 - objective.mean, out=start)
        self._start = None
        noise = precision.LOSS_NOISE[self._stylizer.precision.precision]
        self._descent = Descent(objective, config, start, scale.iterations, noise, self._iteration + 1)
        if self._carried:
            self._descent.carry_on(self._carried)
            self._carried = {}

    def _corrected(self, config: ResolvedConfig) -> ResolvedConfig:
        """Return a configuration with the weight of the style that suits the strength asked for."""
        if self._correction == 1 or config.strength is None:
            return config
        return dataclasses.replace(config, style_weight=config.style_weight * self._correction)

    def _end_scale(self) -> None:
        assert self._descent is not None
        best = self._best
        if best is not None and best.iteration == self._first_of_scale and best.losses["total"]:
            _log.warning(
                "no step at %d×%d px lowered the loss, so its start image is the result there; "
                "try %sother loss weights, or --precision float32",
                *best.scale,
                "more --iterations, a smaller --learning_rate, " if self.config.optimizer in STEPPING else "",
            )
        if self._at + 1 < len(self.scales):
            self._correct()
            if self.config.carry_moments:
                self._carried = self._descent.carried()
        self._start = self._descent.result
        self._descent.release()
        self._descent = None
        self._at += 1

    def _correct(self) -> None:
        """Compare the image that goes on to the next size with what the strength stands for."""
        assert self._descent is not None
        sought = self.config.strength
        if sought is None or not 0 < sought < 1:
            return
        distance = self._descent.content_distance()
        if distance is not None:
            from_photo = is_from_photo(self.config)
            self._correction = strength.corrected(self._correction, sought, distance, from_photo=from_photo)

    def _step_of(self, evaluation: Evaluation, began: float) -> Step:
        assert self._descent is not None
        self._set_plan(self._descent.objective.plan)
        scale = self.scales[self._at]
        size = scale.width, scale.height
        image, in_place = evaluation.image, isinstance(evaluation.image, np.ndarray)
        overwritten = in_place and size == self._size
        if in_place and not overwritten:
            image = np.array(image)
        finish = self._finish, self.config.bit_depth, self.config.seamless
        render = functools.partial(rendered, image, self._descent.objective.mean, self._size, *finish)
        seen = image, self._descent.objective.mean
        small = functools.partial(rendered_small, *seen, self._finishes, self.config.seamless)
        losses, by_layer = losses_of(evaluation.terms)
        numbers = self._iteration, losses, size, evaluation.is_best
        seconds = time.monotonic() - began
        step = Step(
            *numbers, self._alpha, render, by_layer, None if overwritten else small, seconds, evaluation.step_size
        )
        if self._best is None or self._best.scale != size:
            self._first_of_scale = self._iteration
        if overwritten:
            _ = step.image  # make it now, because the optimizer overwrites the array
        if step.best:
            self._best, self._best_config = step, self.config
        self._history[step.iteration] = step.losses
        self._records[step.iteration] = StepRecord.of(step)
        return step

    def _set_plan(self, plan: Plan) -> None:
        """Record how the present size is computed."""
        self.plans = (*self.plans[: self._at], plan, *self.plans[self._at + 1 :])

    # --- changes ------------------------------------------------------------------------------------------------------

    def set_weights(self, **weights: Any) -> None:
        """Change loss weights from the next evaluation on. Nothing is traced again.

        Losses before and after the change do not compare, so the search for the best image starts again.

        Args:
            weights: new values of options in `reweighting.WEIGHTS`, by name.

        Raises:
            UsageError: see `reweighting.reweighted`.
        """
        with self._weights_lock:
            self._new_config = reweighted(self._new_config or self.config, weights, self._spec)

    def _take_new_weights(self) -> None:
        with self._weights_lock:
            new, self._new_config = self._new_config, None
            self.config = new or self.config
        if new is not None and self._descent is not None:
            self._descent.set_weights(self._corrected(new))

    def cancel(self) -> None:
        """End the run, from any thread. A step that is in progress ends before its next tile and returns None."""
        self._stop.set()

    @property
    def is_canceled(self) -> bool:
        """Whether `cancel` was called."""
        return self._stop.is_set()

    @property
    def is_over(self) -> bool:
        """Whether there are no more steps, or the session is closed. One that was canceled midway is not over."""
        return self._graphs is None

    # --- results ------------------------------------------------------------------------------------------------------

    @property
    def iteration(self) -> int:
        """Number of the last step; -1 before the first."""
        return self._iteration

    @property
    def history(self) -> Mapping[int, Mapping[str, float]]:
        """Number of each step so far -> its weighted losses by name, those before a restore included."""
        return self._history

    @property
    def records(self) -> Mapping[int, StepRecord]:
        """Number of each step so far -> its size, time and losses by layer.

        Steps before a restore are included, unless an earlier version saved them.
        """
        return self._records

    @property
    def scale(self) -> pyramid.Scale:
        """The size of the next step; the last one if the run is over."""
        return self.scales[min(self._at, len(self.scales) - 1)]

    @property
    def totals(self) -> Sequence[float]:
        """Total losses of the steps at the size of the next step, since the loss weights changed."""
        return () if self._descent is None else tuple(self._descent.totals)

    @property
    def best(self) -> Step | None:
        """The best step at the finest size reached so far; None before the first step."""
        return self._best

    def result(self) -> Result:
        """Return the best image so far, and what was used to make it.

        Raises:
            NeuralStyleError: there has been no step.
        """
        if self._best is None:
            raise NeuralStyleError("expected a session that has made a step, got one before its first; call step()")
        best = self._best
        return Result(
            image=best.image_with_alpha,
            losses=best.losses,
            iteration=best.iteration,
            iterations=self._iteration,
            config=self._best_config,
            weights=self.network.reference,
            device=self._stylizer.device,
            precision=self._stylizer.precision.precision,
            plan=self.plans[-1].described(self.config),
        )

    def close(self) -> None:
        """Free the memory. The session makes no more steps, but `result` and `best` still work."""
        with self._lock:
            if self._descent is not None:
                self._descent.release()
            self._descent = self._inputs = self._graphs = self._style_graphs = self._start = None
            self._reservation.release()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # --- saving -------------------------------------------------------------------------------------------------------

    def state(self, *, copy: bool = True) -> SessionState:
        """Return all that `Stylizer.restore` needs to continue the run to the bit.

        SciPy's L-BFGS is an exception. It does not give its curvature pairs away, so a restored run starts without any.

        Args:
            copy: False to share the arrays, some of which are tensors, with the session. They take no memory then, and
                the next step may change them: save the state before.

        Raises:
            NeuralStyleError: the run is over, or has not begun.
            ImageError: a picture of the run is not there any more, at the first call.
        """
        with self._lock, tf.device(self._stylizer.device):
            if self._graphs is None or self._best is None:
                got = "before its first step; call step()" if self._best is None else "that is over; use result()"
                raise NeuralStyleError(f"expected a session between two steps, got one {got}")
            self._take_new_weights()
            if self.input_digests is None:
                self.input_digests = digests_of(self.config)
            arrays: dict[str, Any] = {}
            descent: dict[str, Any] | None = None
            if self._descent is not None:
                arrays, descent = self._descent.to_arrays()
            elif self._start is not None:
                arrays["start"] = self._start
                arrays |= {f"carried/{name}": value for name, value in self._carried.items()}
            best = self._best
            records, layers = records_to_array(self._records)
            arrays |= {"best_picture": best.image, "history": history_to_array(self._history), "records": records}
            if copy:
                arrays = {name: np.array(values) for name, values in arrays.items()}
            numbers = {
                "at": self._at,
                "iteration": self._iteration,
                "correction": self._correction,
                "first_of_scale": self._first_of_scale,
                "best": numbers_of(best),
                "descent": descent,
                "layers": layers,
            }
            return SessionState(
                version=__version__,
                config=self.config,
                weights=self.network.reference,
                plans=self.plans,
                arrays=arrays,
                first_weights=self._first_weights,
                best_weights=weights_of(self._best_config),
                numbers=numbers,
                inputs=self.input_digests,
                made_with=circumstances(self._stylizer.device),
            )

    @classmethod
    def restore(cls, stylizer: Stylizer, state: SessionState, inputs: Inputs | None = None) -> Session:
        """Continue a run where `state` was called; the same as `Stylizer.restore`."""
        return stylizer.restore(state, inputs)

    def take(self, state: SessionState) -> None:
        """Continue where `state` was called. `Stylizer.restore` calls this, on a session with the first weights."""
        numbers = state.numbers
        self.config = dataclasses.replace(self.config, **weights_of(state.config))
        self._best_config = dataclasses.replace(self.config, **state.best_weights)
        self._at, self._iteration = numbers["at"], numbers["iteration"]
        self._first_of_scale, self._correction = numbers["first_of_scale"], numbers["correction"]
        self._best = step_from(numbers["best"], state.arrays["best_picture"], self._alpha)
        self._history = history_from_array(state.arrays["history"])
        if "records" in state.arrays:  # an earlier version kept none
            self._records = records_from_array(state.arrays["records"], numbers["layers"])
        self.input_digests = state.inputs
        self._start = state.arrays.get("start")
        carried = "carried/"
        self._carried = {
            name[len(carried) :]: value for name, value in state.arrays.items() if name.startswith(carried)
        }
        if self._start is not None:
            before = self.scales[self._at - 1]
            check_images({"start": self._start}, ["start"], (1, before.height, before.width, 3))
        if numbers["descent"] is None:
            return
        self._set_plan(Plan(**numbers["descent"]["plan"]))
        scale_now = self.scales[self._at]
        check_state(state, (1, scale_now.height, scale_now.width, 3))
        with computing_on(self._stylizer.device):
            self._start = np.zeros((1, scale_now.height, scale_now.width, 3), np.float32)  # replaced by the arrays
            self._begin_scale()
            assert self._descent is not None
            self._descent.take_arrays(state.arrays, numbers["descent"])


def _check(stop: threading.Event) -> None:
    """Raise _Canceled if a session was canceled."""
    if stop.is_set():
        raise _Canceled
