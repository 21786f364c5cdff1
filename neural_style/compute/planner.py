"""Choose how to compute a picture in a given memory: as a whole or in tiles, and with which optimizer."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import NoReturn

from neural_style.compute.cost_model import CostModel, default_style_areas
from neural_style.config import byte_sizes
from neural_style.config.config import Config
from neural_style.config.defaults import STEPPING
from neural_style.errors import UsageError

TILE_SIZES = (1024, 768, 512, 384, 256, 192, 128)
"""Sides of the tiles that are considered, in pixels."""

LEAST_FAST_TILE = 512
"""Side in pixels of the smallest tile that is used before the history is shortened. Smaller tiles are much slower."""

SHORT_HISTORIES = (10, 5, 3)
"""Numbers of curvature pairs that L-BFGS uses if memory is too small for more. Whole pictures use the first alone."""

_SPARE_BYTES = 2 * 10**7
"""Bytes that an error adds to the memory that it recommends, so that enough is left after rounding down."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a picture of one size is computed."""

    width: int
    """Width of the picture in pixels."""
    height: int
    """Height of the picture in pixels."""
    tile_size: int | None
    """Side of a tile's own part in pixels; None for the whole picture at once."""
    keep_content: bool
    """Whether the content's feature maps are kept, or else recomputed for each tile."""
    optimizer: str
    """As `Config.optimizer`."""
    history_size: int
    """As `Config.history_size`."""
    peak: int = 0
    """Predicted peak of the process's memory in bytes; 0 if it is not predicted yet."""

    @property
    def in_place(self) -> bool:
        """Whether the image is a buffer that the optimizer overwrites, instead of making new images."""
        return self.tile_size is not None and self.optimizer in STEPPING

    def described(self, config: Config) -> str:
        """Return the plan in words, with the ways in which it differs from the settings."""
        tiled = f"tiles of {self.tile_size} px" if self.tile_size else "whole"
        words = [f"{self.width}×{self.height} px {tiled}"]
        if self.optimizer != config.optimizer:
            words.append(f"adam instead of {config.optimizer}, which needs more memory")
        elif self.optimizer not in STEPPING and self.history_size != config.history_size:
            words.append(f"L-BFGS with {self.history_size} pairs instead of {config.history_size} to save memory")
        if self.tile_size and not self.keep_content:
            words.append("content features recomputed for each tile")
        return ", ".join(words)


class Planner:
    """Makes plans for pictures of any size, and chooses the best that fits."""

    def __init__(
        self,
        config: Config,
        precision: str,
        style_areas: Sequence[float] | None = None,
        reading_bytes: int = 0,
        has_alpha: bool = False,
        masks: int = 0,
    ):
        """Prepare.

        Args:
            config: layers, optimizer and `tile_size`.
            precision: the type that the network computes in, such as "bfloat16".
            style_areas: as for `CostModel`; by default styles have the aspect ratio of the result.
            reading_bytes: as for `CostModel`.
            has_alpha: as for `CostModel`.
            masks: as for `CostModel`.
        """
        areas = default_style_areas(config) if style_areas is None else style_areas
        self._config = config
        self._costs = CostModel(config, precision, areas, reading_bytes, has_alpha, masks)

    def choose(self, width: int, height: int, budget: int) -> Plan:
        """Return the best plan that fits into a memory: the fastest with the fewest changes to the settings.

        Args:
            width: of the picture in pixels.
            height: of the picture in pixels.
            budget: bytes of memory.

        Raises:
            UsageError: no plan fits.
        """
        return self.choose_all([(width, height)], budget, 0)[0]

    def choose_all(self, sizes: Sequence[tuple[int, int]], budget: int, held: int) -> list[Plan]:
        """Return the best plan for each scale of a run.

        Args:
            sizes: width and height of each scale in pixels, coarse to fine.
            budget: bytes of memory.
            held: bytes of it that the run holds during all scales but the last: its pictures as read. What is kept to
                finish the result is as large at all scales, and is added here.

        Raises:
            UsageError: no plan fits for some scale; the message says what the run needs.
        """
        photo = self._costs.photo_bytes
        budgets = [budget - held - photo(*sizes[-1]) + photo(*size) for size in sizes[:-1]] + [budget]
        plans = []
        for candidates, left in zip(self._candidates(sizes), budgets, strict=True):
            plan = next((plan for plan in candidates if plan.peak <= left), None)
            if plan is None:
                self._refuse(sizes, budgets, budget)
            plans.append(plan)
        return plans

    def _candidates(self, sizes: Sequence[tuple[int, int]]) -> Iterator[Iterator[Plan]]:
        """Yield the possible plans for each scale of a run, coarse to fine, the best first, made when asked for."""
        before = [0, *(width * height for width, height in sizes[:-1])]
        for size, pixels in zip(sizes, before, strict=True):
            yield map(functools.partial(self._predicted, pixels_before=pixels), self._plans(*size))

    def _refuse(self, sizes: Sequence[tuple[int, int]], budgets: Sequence[int], budget: int) -> NoReturn:
        """Raise an error that says how much memory the run needs, which is what its largest scale needs.

        Args:
            sizes: width and height of each scale.
            budgets: bytes that each scale may take.
            budget: bytes that the run may take.
        """
        smallest = [min(plans, key=lambda plan: plan.peak) for plans in self._candidates(sizes)]
        beside = [budget - left for left in budgets]
        plan, held = max(zip(smallest, beside, strict=True), key=lambda pair: pair[0].peak + pair[1])
        needed = plan.peak + held
        pictures = f", including the {byte_sizes.describe(held)} of the pictures read" if held else ""
        forced = "" if self._config.tile_size is None else f", leave out --tile_size {self._config.tile_size}"
        raise UsageError(
            f"memory: expected at least {byte_sizes.describe(needed)} for a picture of {plan.width}×{plan.height} px "
            f"({plan.described(self._config)}){pictures}, got {byte_sizes.describe(budget)}; "
            f"give --memory {byte_sizes.flag(needed + _SPARE_BYTES)} if there is as much{forced}, or lower --width"
        )

    def whole(self, width: int, height: int) -> Plan:
        """Return the plan that follows the settings, without tiles, whatever memory it takes."""
        return self._predicted(Plan(width, height, None, True, self._config.optimizer, self._config.history_size))

    def smaller(self, plan: Plan) -> Plan | None:
        """Return the same plan with smaller tiles; None if there are none, or the settings forbid tiles."""
        if self._config.tile_size == 0:
            return None
        side = plan.tile_size or max(plan.width, plan.height)
        tile_size = next((size for size in TILE_SIZES if size < side), None)
        if tile_size is None:
            return None
        return self._predicted(dataclasses.replace(plan, tile_size=tile_size))

    def overwriting(self, plan: Plan) -> Plan:
        """Return the same plan with an optimizer that overwrites its image in tiles: Adam, or its own if it does."""
        return self._predicted(dataclasses.replace(plan, optimizer=_overwriting(plan.optimizer)))

    def _plans(self, width: int, height: int) -> Iterator[Plan]:
        """Yield the possible plans for a picture, the best first, without their peaks."""
        config, forced = self._config, self._config.tile_size
        side = max(width, height)
        plan = functools.partial(Plan, width, height)
        if not forced or forced >= side:
            yield plan(None, True, config.optimizer, config.history_size)
            if config.optimizer not in STEPPING and config.history_size > SHORT_HISTORIES[0]:
                yield plan(None, True, config.optimizer, SHORT_HISTORIES[0])
        if forced == 0:
            return
        tile_sizes = [forced] if forced else [size for size in TILE_SIZES if size < side]
        fast = [size for size in tile_sizes if size >= LEAST_FAST_TILE] or tile_sizes[:1]
        for optimizer, history_size in self._optimizers():
            for tile_size in fast:
                yield plan(tile_size, True, optimizer, history_size)
        for tile_size in tile_sizes:
            yield plan(tile_size, False, _overwriting(config.optimizer), config.history_size)

    def _optimizers(self) -> Iterator[tuple[str, int]]:
        """Yield the optimizers, with their history sizes, that are used in tiles: first as the settings say."""
        optimizer, history_size = self._config.optimizer, self._config.history_size
        yield optimizer, history_size
        if optimizer == "lbfgs":
            yield from (("lbfgs", shorter) for shorter in SHORT_HISTORIES if shorter < history_size)
        if optimizer not in STEPPING:
            yield _overwriting(optimizer), history_size

    def _predicted(self, plan: Plan, pixels_before: int = 0) -> Plan:
        """Return a plan with its peak; `CostModel.peak` explains the arguments."""
        return dataclasses.replace(plan, peak=self._costs.peak(plan, pixels_before))


def _overwriting(optimizer: str) -> str:
    """Return an optimizer, or Adam in its place if it cannot overwrite its image."""
    return optimizer if optimizer in STEPPING else "adam"
