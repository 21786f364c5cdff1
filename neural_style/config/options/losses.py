"""Options: what the image is compared with, and how."""

from __future__ import annotations

import dataclasses
from typing import Literal

from neural_style.config.defaults import BALANCED_BLOCKS, DEFAULT_WEIGHTS, LEFT_TO_NETWORK
from neural_style.config.fields import option


@dataclasses.dataclass(frozen=True, eq=False)
class Losses:
    """What the image is compared with, and how."""

    loss: Literal["balanced", "athalye"] | None = option(
        "Losses",
        "How layers are weighted. balanced divides each layer's loss by the size of its target, so that every layer "
        "counts. athalye is the formula of anishathalye/neural-style. In both, a weight of twice its default counts "
        "twice as much. By default what the weights file says (athalye for the built-in network), or "
        f"{LEFT_TO_NETWORK['loss']}.",
        None,
    )
    content_weight: float = option(
        "Losses", "Weight of the content loss.", DEFAULT_WEIGHTS["content_weight"], bounds=">= 0"
    )
    content_weight_blend: float = option(
        "Losses",
        "Layer of the content loss: relu4_2 (1), relu5_2 (0), or a blend. Lower values keep less detail.",
        1.0,
        bounds="0 to 1",
    )
    content_layers: tuple[str, ...] | None = option(
        "Losses", "Layers of the content loss, weighted equally. They replace the blend of relu4_2 and relu5_2.", None
    )
    style_weight: float = option("Losses", "Weight of the style loss.", DEFAULT_WEIGHTS["style_weight"], bounds=">= 0")
    style_layers: tuple[str, ...] = option(
        "Losses", "Layers of the style loss.", ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    )
    style_layer_weights: tuple[float, ...] | None = option(
        "Losses",
        "Weight of each style layer; the weights are scaled to a sum of 1. By default they are equal for the athalye "
        f"loss, and {', '.join(f'{weight:g}' for weight in BALANCED_BLOCKS.values())} by block of the network for the "
        "balanced loss.",
        None,
        bounds=">= 0",
    )
    style_layer_weight_exp: float = option(
        "Losses",
        "The weight of the n-th style layer is multiplied by this number to the power n-1. Values above 1 favor coarse "
        "forms, values below 1 fine texture.",
        1.0,
        bounds=">= 0",
    )
    style_blend_weights: tuple[float, ...] | None = option(
        "Losses",
        "Weight of each style picture; the weights are scaled to a sum of 1. By default they are equal.",
        None,
        bounds=">= 0",
    )
    tv_weight: float = option(
        "Losses",
        "Weight of the total variation loss, which smooths noise.",
        DEFAULT_WEIGHTS["tv_weight"],
        bounds=">= 0",
    )
    tv_loss: Literal["squared", "squared_sum", "absolute", "power", "nine_point"] = option(
        "Losses",
        "Formula of the total variation loss. squared: mean squared difference of vertical neighbors plus that of "
        "horizontal neighbors. squared_sum: the same with sums instead of means. absolute: sum of absolute "
        "differences. power: sum of (dx^2 + dy^2)^1.25 (keras.io). nine_point: squared differences of all eight "
        "neighbors (crowsonkb/style-transfer-pytorch).",
        "squared",
    )
    tv_width: int | None = option(
        "Losses",
        "Width in pixels for which --tv_weight is meant. At another width, and so at each scale of a run, --tv_weight "
        "is multiplied by a power of the ratio of the two widths, so that the total variation loss of a smooth picture "
        "is the same at every width: power 2 for squared and nine_point, 0.5 for power, 0 for squared_sum and -1 for "
        "absolute. By default --tv_weight is the same at every width.",
        None,
        bounds=">= 1",
    )
    pixel_range: int = option(
        "Losses",
        "Range of pixel values, 255 or 1, in which the differences of the total variation loss, --learning_rate and "
        "--eps are meant. 255: gray levels of 0-255. 1: values of 0-1.",
        255,
    )
