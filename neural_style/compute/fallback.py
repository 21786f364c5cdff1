"""The objective as a plan says, whole or in tiles, and in smaller ones when memory fails all the same."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import tensorflow as tf

from neural_style.compute.objective import Losses, LossGraph, Objective
from neural_style.compute.planner import Plan, Planner
from neural_style.compute.tiled_objective import TiledObjective, TileGraph
from neural_style.config import byte_sizes
from neural_style.errors import OutOfMemoryError

MEMORY_ERRORS = (tf.errors.ResourceExhaustedError, MemoryError)
"""What is raised where memory cannot be had."""

_log = logging.getLogger("neural_style")


class PlannedObjective:
    """What `objective.Objective` is, computed as a plan says.

    Where memory fails, tiles are made smaller, or made in the first place, and the evaluation is repeated.

    Attributes:
        plan: what is done now.
    """

    def __init__(
        self,
        graph: LossGraph,
        tile_graph: TileGraph,
        content: np.ndarray,
        styles: Sequence[np.ndarray],
        planner: Planner,
        plan: Plan,
    ):
        """Compute the targets.

        Args:
            graph: network and losses of whole pictures.
            tile_graph: the same of tiles.
            content: float32 (height, width, 3), RGB 0-255, at the size of the result.
            styles: pictures of the same kind, each at its own size.
            planner: makes smaller plans.
            plan: what to do.
        """
        self._graph, self._tile_graph, self._planner = graph, tile_graph, planner
        self.plan = plan
        self._content: np.ndarray | None = content
        while True:
            try:
                self._objective = self._computed(styles)
                return
            except MEMORY_ERRORS as error:
                failed = error.with_traceback(None)
            self._make_smaller(failed)

    @property
    def mean(self) -> np.ndarray:
        """The network's mean pixel, float32 (3,), RGB of 0-255."""
        return self._graph.mean

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an image, (1, height, width, 3)."""
        return self._objective.shape

    def value_and_grad(self, image: tf.Tensor | np.ndarray) -> tuple[Losses, Any]:
        """Losses of an image and the gradient of their total with respect to it, float32 of the image's shape and kind.

        Raises:
            OutOfMemoryError: not even the smallest tiles find memory.
        """
        while True:
            try:
                return self._objective.value_and_grad(image)
            except MEMORY_ERRORS as error:
                failed = error.with_traceback(None)  # which would keep what the evaluation has
            self._make_smaller(failed)
            self._follow_plan()

    def save_memory(self, error: Exception) -> None:
        """From now on compute tiles, for an optimiser that changes the image in place.

        Raises:
            OutOfMemoryError: from the error, if that is so already.
        """
        if self.plan.in_place:
            self._give_up(error)
        change = "" if self.plan.optimizer == "adam" else " with adam"
        _log.warning("the optimiser finds no memory (%s); going on%s in place", _reason(error), change)
        self.plan = self._planner.with_adam(self.plan)
        if self.plan.tile_size is None:
            self._make_smaller(error)
        self._follow_plan()

    def _computed(self, styles: Sequence[np.ndarray]) -> Objective | TiledObjective:
        assert self._content is not None
        if self.plan.tile_size is None:
            return Objective(self._graph, self._content, styles)
        return self._tiled(self._tile_graph.style_targets(styles, self.plan.tile_size))

    def _tiled(self, style_targets: Mapping[str, tf.Tensor]) -> TiledObjective:
        plan, content = self.plan, self._content
        assert plan.tile_size is not None and content is not None
        made = TiledObjective(self._tile_graph, content, style_targets, plan.tile_size, plan.keep_content)
        self._content = None  # it keeps what it needs of it
        return made

    def _follow_plan(self) -> None:
        """Go over to tiles of the plan's size."""
        while True:
            assert self.plan.tile_size is not None
            try:
                if isinstance(self._objective, TiledObjective):
                    self._objective.tile_size = self.plan.tile_size
                else:
                    self._objective = self._tiled(self._objective.style_targets)
                return
            except MEMORY_ERRORS as error:
                failed = error.with_traceback(None)
            self._make_smaller(failed)

    def _make_smaller(self, error: Exception) -> None:
        """Plan smaller tiles.

        Raises:
            OutOfMemoryError: from the error, if there are none.
        """
        smaller = self._planner.smaller(self.plan)
        if smaller is None:
            self._give_up(error)
        _log.warning(
            "there is less memory than expected (%s); now in tiles of %d px", _reason(error), smaller.tile_size
        )
        self.plan = smaller

    def _give_up(self, error: Exception) -> NoReturn:
        plan = self.plan
        tiled = f", even in tiles of {plan.tile_size} px," if plan.tile_size else ""
        raise OutOfMemoryError(
            f"there is too little memory for a picture of {plan.width}×{plan.height} px, which{tiled} takes about "
            f"{byte_sizes.describe(plan.peak)}; end other programs, or lower --width"
        ) from error


def _reason(error: Exception) -> str:
    """The line of an error that tells of memory, or its kind."""
    return next((line.strip() for line in str(error).splitlines() if "OOM" in line), type(error).__name__)
