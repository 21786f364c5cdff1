"""The objective that a plan describes, whole or in tiles, with smaller tiles if memory fails in spite of the plan."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn, TypeVar

import numpy as np
import tensorflow as tf

from neural_style.compute.graph_cache import Graphs
from neural_style.compute.masks import NO_MASKS, Masks
from neural_style.compute.multiscale_objective import objectives_of, together
from neural_style.compute.planner import Plan, Planner
from neural_style.compute.tile_graph import Check, go_on
from neural_style.compute.tiled_objective import TiledObjective
from neural_style.config import byte_sizes
from neural_style.config.resolve import ResolvedConfig
from neural_style.errors import OutOfMemoryError
from neural_style.images.proofing import Proof
from neural_style.losses.spec import LossTerms, StyleMoments

MEMORY_ERRORS = (tf.errors.ResourceExhaustedError, MemoryError)
"""What TensorFlow and NumPy raise if there is no memory."""

StyleTargets = Callable[[int | None, int], Sequence[StyleMoments]]
"""Tile side in pixels, or None for no tiles; and the number of sizes of the loss -> moments of a run's styles by layer,
for each size, the full size first."""

_Made = TypeVar("_Made")

_log = logging.getLogger("neural_style")


@contextlib.contextmanager
def computing_on(device: str) -> Iterator[None]:
    """Compute on a device; turn its memory errors into one of this program.

    Raises:
        OutOfMemoryError: the device has too little memory.
    """
    try:
        with tf.device(device):
            yield
    except MEMORY_ERRORS as error:
        raise OutOfMemoryError(
            f"{device} has too little memory for a picture of this size; lower --width, or give a --memory that "
            "leaves enough for other programs"
        ) from error


class PlannedObjective:
    """An `objective.Objective` that follows a plan.

    If memory fails, it changes to tiles, or to smaller tiles, and repeats the evaluation.

    Attributes:
        plan: the plan that it follows now.
    """

    def __init__(
        self,
        graphs: Graphs,
        config: ResolvedConfig,
        content: np.ndarray,
        style_targets: StyleTargets,
        planner: Planner,
        plan: Plan,
        check: Check = go_on,
        masks: Masks = NO_MASKS,
        proof: Proof | None = None,
    ):
        """Compute the targets.

        Args:
            graphs: network and losses, for whole pictures and for tiles.
            config: weights of the terms.
            content: float32 (height, width, 3), RGB 0-255, at the size of the result.
            style_targets: computes the moments of the styles.
            planner: makes smaller plans.
            plan: the plan to follow.
            check: called before each tile of an evaluation; it may raise to end the evaluation.
            masks: those of the picture, at its size.
            proof: printed colors, if the loss is that of the printed image.
        """
        self._proof = proof
        self._graphs, self._config, self._planner, self._check = graphs, config, planner, check
        self.plan, self._masks = plan, masks
        self._content: np.ndarray | None = content
        while True:
            try:
                self._compute(style_targets(self.plan.tile_size, config.loss_scales))
                return
            except MEMORY_ERRORS as error:
                failed = error.with_traceback(None)
            self._make_smaller(failed)

    @property
    def mean(self) -> np.ndarray:
        """The network's mean pixel, float32 (3,), RGB of 0-255."""
        return self._objective.mean

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an image, (1, height, width, 3)."""
        return self._objective.shape

    def value_and_grad(self, image: tf.Tensor | np.ndarray) -> tuple[LossTerms, Any]:
        """Return the losses of an image and the gradient of their total: float32, of the image's shape and kind.

        Raises:
            OutOfMemoryError: memory is too small even for the smallest tiles.
        """
        return self._until_it_fits(lambda: self._objective.value_and_grad(image))

    def set_weights(self, config: ResolvedConfig) -> None:
        """Use the loss weights of another configuration; see `objective.Objective`."""
        self._config = config
        self._objective.set_weights(config)

    def content_distance(self, image: tf.Tensor | np.ndarray) -> float | None:
        """Return how far an image's content features are from the photo's; see `loss_weights.content_distance`.

        Raises:
            OutOfMemoryError: memory is too small even for the smallest tiles.
        """
        return self._until_it_fits(lambda: self._objective.content_distance(image))

    def release(self) -> None:
        """Free the targets."""
        self._content = None
        self._objective.release()

    def save_memory(self, error: Exception) -> None:
        """Change to tiles, and to an optimizer that changes the image in place: Adam, unless it is SGD.

        Args:
            error: what the optimizer raised.

        Raises:
            OutOfMemoryError: the plan has both already. `error` is its cause.
        """
        if self.plan.in_place:
            self._give_up(error)
        before, self.plan = self.plan.optimizer, self._planner.overwriting(self.plan)
        change = "" if self.plan.optimizer == before else f" with {self.plan.optimizer}"
        _log.warning("the optimizer found too little memory (%s); continuing%s in place", _reason(error), change)
        if self.plan.tile_size is None:
            self._make_smaller(error)
        self._follow_plan()

    def _until_it_fits(self, compute: Callable[[], _Made]) -> _Made:
        """Compute something with the objective; change to smaller tiles and repeat it as often as memory fails."""
        while True:
            try:
                return compute()
            except MEMORY_ERRORS as error:
                failed = error.with_traceback(None)  # the traceback would keep the evaluation's memory
            self._make_smaller(failed)
            self._follow_plan()

    def _compute(self, style_targets: Sequence[StyleMoments]) -> None:
        """Make the objectives of the plan, one for each size of the loss."""
        plan, content = self.plan, self._content
        assert content is not None
        self._objectives = objectives_of(
            self._graphs,
            self._config,
            content,
            style_targets,
            plan.tile_size,
            plan.keep_content,
            self._check,
            self._masks,
        )
        self._objective = together(self._objectives)
        if self._proof is not None:
            from neural_style.compute.proofed_objective import ProofedObjective

            self._objective = ProofedObjective(self._objective, self._proof)
        if plan.tile_size is not None:
            self._content = None  # the objectives keep what they need

    def _follow_plan(self) -> None:
        """Change to tiles of the plan's size."""
        while True:
            assert self.plan.tile_size is not None
            try:
                tiled = [each for each in self._objectives if isinstance(each, TiledObjective)]
                for each in tiled:
                    each.tile_size = self.plan.tile_size
                if not tiled:
                    self._compute([each.style_targets for each in self._objectives])
                return
            except MEMORY_ERRORS as error:
                failed = error.with_traceback(None)
            self._make_smaller(failed)

    def _make_smaller(self, error: Exception) -> None:
        """Plan smaller tiles.

        Args:
            error: what was raised for lack of memory.

        Raises:
            OutOfMemoryError: there are no smaller tiles. `error` is its cause.
        """
        smaller = self._planner.smaller(self.plan)
        if smaller is None:
            self._give_up(error)
        _log.warning(
            "there is less memory than expected (%s); continuing in tiles of %d px", _reason(error), smaller.tile_size
        )
        self.plan = smaller

    def _give_up(self, error: Exception) -> NoReturn:
        plan = self.plan
        tiled = f", even in tiles of {plan.tile_size} px," if plan.tile_size else ""
        raise OutOfMemoryError(
            f"there is too little memory for a picture of {plan.width}×{plan.height} px, which{tiled} takes about "
            f"{byte_sizes.describe(plan.peak)}; close other programs, or lower --width"
        ) from error


def _reason(error: Exception) -> str:
    """Return the line of an error that is about memory, or else the name of its class."""
    return next((line.strip() for line in str(error).splitlines() if "OOM" in line), type(error).__name__)
