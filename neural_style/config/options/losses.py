"""Options: what the image is compared with, and how."""

from __future__ import annotations

import dataclasses
from typing import Literal

from neural_style.config.defaults import BALANCED_BLOCKS, LEFT_TO_NETWORK, by_family
from neural_style.config.fields import option
from neural_style.config.strength import USUAL


@dataclasses.dataclass(frozen=True, eq=False)
class Losses:
    """What the image is compared with, and how."""

    loss: Literal["balanced", "athalye"] | None = option(
        "Losses",
        "Family of the loss. It decides the defaults of --content_loss, --style_reduction and the weights. balanced "
        "divides each layer's loss by the size of its target, so that every layer counts. athalye is the formula of "
        "anishathalye/neural-style. By default what the weights file says (athalye for the built-in network), or "
        f"{LEFT_TO_NETWORK['loss']}.",
        None,
    )
    strength: float | None = option(
        "Losses",
        "How far the result moves from the photo toward the style: 0 is the photo, 1 the style's texture alone. One "
        "number looks alike across pictures and sizes: it sets the weight of the style, and after each size but the "
        "last, the run compares how far content features are from the photo's with what the strength stands for, and "
        f"corrects the weight. It multiplies a --style_weight that is given, such as a preset's. By default {USUAL:g} "
        "with --loss balanced if neither --content_weight nor --style_weight is given. Otherwise the weights stay as "
        "they are.",
        None,
        bounds="0 to 1",
    )
    content_weight: float | None = option(
        "Losses",
        f"Factor of the content loss. {by_family('content_weight')}",
        None,
        bounds=">= 0",
    )
    content_loss: Literal["mean", "half_sum", "sum", "relative"] | None = option(
        "Losses",
        "Content loss of a layer, for the differences d between its features and the photo's: the mean of d², half "
        "the sum of d² (Gatys et al.), the sum of d², or the mean of d² relative to the variance of the photo's "
        f"features. {by_family('content_loss')}",
        None,
    )
    content_weight_blend: float = option(
        "Losses",
        "Layer of the content loss: relu4_2 (1), relu5_2 (0), or a blend. Lower values keep less detail.",
        1.0,
        bounds="0 to 1",
    )
    content_layers: tuple[str, ...] | None = option(
        "Losses", "Layers of the content loss. They replace the blend of relu4_2 and relu5_2.", None
    )
    content_layer_weights: tuple[float, ...] | None = option(
        "Losses",
        "Weight of each of --content_layers; see --layer_reduction. By default 1.",
        None,
        bounds=">= 0",
    )
    style_weight: float | None = option(
        "Losses", f"Factor of the style loss. {by_family('style_weight')}", None, bounds=">= 0"
    )
    style_loss: tuple[Literal["gram", "mean_std", "wasserstein", "covariance"], ...] | None = option(
        "Losses",
        "Statistics of the style loss. Several are added up. gram: Gram matrices (Gatys et al.). mean_std: means and "
        "standard deviations of channels. covariance: means and covariances of channels. wasserstein: the squared "
        "2-Wasserstein distance of normal distributions with these means and covariances. "
        f"{by_family('style_loss')}",
        None,
    )
    style_loss_weights: tuple[float, ...] | None = option(
        "Losses",
        f"Factor of each of --style_loss. {by_family('style_loss_weights')[:-1]}, and 1 each if --style_loss is given.",
        None,
        bounds=">= 0",
    )
    style_loss_layers: tuple[str, ...] | None = option(
        "Losses",
        "For each of --style_loss, the style layers that it counts in: names of layers or blocks joined by +, such as "
        f"block1+relu2_1, or all. {by_family('style_loss_layers')[:-1]}, and all if --style_loss is given.",
        None,
    )
    gram_normalization: Literal["positions_channels", "positions", "pixels", "none"] = option(
        "Losses",
        "What the Gram and covariance matrices of a layer, which are sums over its positions, are divided by: the "
        "number of positions times that of channels, the number of positions, the number of pixels of the result, "
        "or 1. Each picture counts its own positions.",
        "positions_channels",
    )
    style_reduction: Literal["mean", "sum", "relative"] | None = option(
        "Losses",
        "How the squared differences of a layer's statistic are put together: their mean, their sum, or their mean "
        f"relative to the size of the style's statistic. {by_family('style_reduction')}",
        None,
    )
    style_layers: tuple[str, ...] = option(
        "Losses", "Layers of the style loss.", ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    )
    style_layer_weights: tuple[float, ...] | None = option(
        "Losses",
        "Weight of each style layer; see --layer_reduction. By default 1 with --loss athalye, and "
        f"{', '.join(f'{weight:g}' for weight in BALANCED_BLOCKS.values())} by block of the network with --loss "
        "balanced.",
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
    layer_reduction: Literal["mean", "sum"] = option(
        "Losses",
        "Whether the weights of content layers and of style layers are scaled to a sum of 1 (mean), or used as they "
        "are (sum).",
        "mean",
    )
    loss_scales: int = option(
        "Losses",
        "Number of sizes over which the content loss and the style loss are averaged: the image's own, half of it, a "
        "quarter, and so on. The content and the styles are reduced likewise. The total variation is that of the "
        "image's own size.",
        1,
        bounds="1 to 5",
    )
    feature_scale: float = option(
        "Losses",
        "Factor on all features before they are compared, for formulas made for a network with other activations.",
        1.0,
        bounds="> 0",
    )
    style_blend_weights: tuple[float, ...] | None = option(
        "Losses",
        "Weight of each style picture; the weights are scaled to a sum of 1. By default they are equal.",
        None,
        bounds=">= 0",
    )
    style_layers_of: tuple[str, ...] | None = option(
        "Losses",
        "For each style picture, the style layers that it counts in: names joined by +, such as relu1_1+relu2_1, or "
        "all. Its weight in the blend is the same in each of them. By default all.",
        None,
    )
    tv_weight: float | None = option(
        "Losses",
        f"Factor of the total variation loss, which smooths noise. {by_family('tv_weight')} It is 0 by default with "
        "--strength 0.",
        None,
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
