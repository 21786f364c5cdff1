"""A loss over several sizes of one image: the mean of the losses of the image, of half of it, of a quarter, and so on.

Each size has an objective of its own, computed as a whole or in tiles, which compares the reduced image with the photo
and the styles reduced likewise. They are evaluated one after the other, so only the work of one takes memory at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from neural_style.compute.graph_cache import Graphs
from neural_style.compute.halving import add_adjoint, reductions
from neural_style.compute.masks import NO_MASKS, Masks
from neural_style.compute.objective import Objective, WholeObjective, check_shape
from neural_style.compute.tile_graph import Check, go_on
from neural_style.compute.tiled_objective import TiledObjective
from neural_style.config.resolve import ResolvedConfig
from neural_style.losses.spec import LossTerms, StyleMoments


class MultiscaleObjective:
    """An `Objective` that adds up those of an image and of its reductions. Their weights make a mean of the sum."""

    def __init__(self, objectives: Sequence[Objective]):
        """Add up objectives.

        Args:
            objectives: that of the image, then those of the image halved once, twice and so on; see `objectives_of`.
        """
        self._objectives = tuple(objectives)

    @property
    def mean(self) -> np.ndarray:
        """The network's mean pixel, float32 (3,), RGB of 0-255."""
        return self._objectives[0].mean

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an image, (1, height, width, 3)."""
        return self._objectives[0].shape

    def value_and_grad(self, image: Any) -> tuple[LossTerms, Any]:
        """Return the losses of an image and the gradient of their total; see `Objective`."""
        check_shape(image, self.shape)
        images = list(reductions(image, len(self._objectives)))
        of_sizes: list[LossTerms] = []
        gradient: Any = None
        for objective in reversed(self._objectives):  # the full size last, beside which only small gradients are kept
            terms, found = objective.value_and_grad(images.pop())
            gradient = found if gradient is None else add_adjoint(found, gradient)
            of_sizes.insert(0, terms)
        return _sum(of_sizes), gradient

    def set_weights(self, config: ResolvedConfig) -> None:
        """Use the loss weights of another configuration; see `Objective`."""
        for objective in self._objectives:
            objective.set_weights(config)

    def content_distance(self, image: Any) -> float | None:
        """Return how far an image's content features are from the photo's at the full size; see `Objective`."""
        return self._objectives[0].content_distance(image)

    def release(self) -> None:
        """Free the targets."""
        for objective in self._objectives:
            objective.release()


def together(objectives: Sequence[Objective]) -> Objective:
    """Return one objective for those of all sizes, the full size first; one alone is returned as it is."""
    return objectives[0] if len(objectives) == 1 else MultiscaleObjective(objectives)


def objectives_of(
    graphs: Graphs,
    config: ResolvedConfig,
    content: np.ndarray,
    style_targets: Iterable[StyleMoments],
    tile_size: int | None,
    keep_content: bool = True,
    check: Check = go_on,
    masks: Masks = NO_MASKS,
) -> list[WholeObjective | TiledObjective]:
    """Make the objectives of a picture and of its reductions, `Config.loss_scales` altogether.

    Args:
        graphs: network and losses.
        config: weights of the terms.
        content: float32 (height, width, 3), RGB 0-255, at the size of the result.
        style_targets: layer -> moments of the styles, for each size, the full size first.
        tile_size: side of a tile's own part in pixels; None for whole pictures.
        keep_content: as for `TiledObjective`.
        check: as for `TiledObjective`.
        masks: those of the picture, at its size.
    """
    made: list[WholeObjective | TiledObjective] = []
    contents = reductions(content, config.loss_scales)
    for halvings, (picture, targets) in enumerate(zip(contents, style_targets, strict=True)):
        masks = masks.halved() if halvings else masks
        if tile_size is None:
            made.append(WholeObjective(graphs.whole, config, picture, targets, halvings, masks))
        else:
            made.append(
                TiledObjective(graphs.tiled, config, picture, targets, tile_size, keep_content, check, halvings, masks)
            )
    return made


def _sum(of_sizes: Sequence[LossTerms]) -> LossTerms:
    """Return the sums of losses, added from the full size on."""
    by_layer = {
        name: {layer: sum(terms.by_layer[name][layer] for terms in of_sizes) for layer in of_layers}
        for name, of_layers in of_sizes[0].by_layer.items()
    }
    by_name = {name: sum(terms.by_name[name] for terms in of_sizes) for name in of_sizes[0].by_name}
    return LossTerms(sum(terms.total for terms in of_sizes), by_name, by_layer)
