"""The same loss and gradient by PyTorch, where that is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from neural_style import vgg19_spec
from neural_style.config.config import Config

if TYPE_CHECKING:
    import torch

    from neural_style.bench.program import Network


def has_torch() -> bool:
    """Return whether PyTorch is installed."""
    return importlib.util.find_spec("torch") is not None


def torch_evaluation(
    config: Config, network: Network, content: np.ndarray, style: np.ndarray, start: np.ndarray, *, on_gpu: bool
) -> Callable[[], float]:
    """Return a function that computes the loss of `start` and its gradient, as other programs of the field write it.

    Args:
        config: resolved, with the loss "athalye".
        network: its weights.
        content: float32 (height, width, 3) in 0-255.
        style: the same.
        start: the same.
        on_gpu: use a GPU if PyTorch has one.
    """
    import torch

    place = "cuda" if on_gpu and torch.cuda.is_available() else "cpu"

    def image(picture: np.ndarray) -> torch.Tensor:  # (1, 3, height, width)
        return torch.tensor(np.moveaxis(picture - network.mean, 2, 0)[np.newaxis], device=place)

    features = _features(config, network, place)
    with torch.no_grad():
        contents = {layer: features(image(content))[layer] for layer in config.content_terms}
        styles = {layer: _gram(features(image(style))[layer]) for layer in config.style_terms}
    pixels = image(start).requires_grad_()

    def evaluate() -> float:
        pixels.grad = None
        maps = features(pixels)
        loss = config.factor("tv_weight") * (
            (pixels[:, :, 1:] - pixels[:, :, :-1]).square().mean()
            + (pixels[..., 1:] - pixels[..., :-1]).square().mean()
        )
        for layer, share in config.content_terms.items():
            loss = loss + config.factor("content_weight") * share * (maps[layer] - contents[layer]).square().mean()
        for layer, share in config.style_terms.items():
            loss = loss + config.factor("style_weight") * share * (_gram(maps[layer]) - styles[layer]).square().mean()
        loss.backward()
        return loss.item()

    return evaluate


def _gram(maps: torch.Tensor) -> torch.Tensor:
    """Return maps (1, channels, height, width) times themselves, (channels, channels), over their number of values."""
    flat = maps.flatten(2)[0]
    return flat @ flat.T / flat.numel()


def _features(config: Config, network: Network, place: str) -> Callable[[torch.Tensor], dict[str, torch.Tensor]]:
    """Return the network in float32, channels first: image -> layer -> feature map."""
    import torch
    from torch.nn import functional

    convs = vgg19_spec.convs_up_to(config.layers)
    kernels = {
        conv: torch.tensor(np.ascontiguousarray(network.kernels[conv].transpose(3, 2, 0, 1)), device=place)
        for conv in convs
    }
    biases = {conv: torch.tensor(network.biases[conv], device=place) for conv in convs}
    rounds_up = config.pool_rounding == "up"

    def features(maps: torch.Tensor) -> dict[str, torch.Tensor]:
        outputs, block = {}, 1
        for conv in convs:
            if vgg19_spec.block_of(conv) != block:
                maps, block = functional.max_pool2d(maps, 2, ceil_mode=rounds_up), block + 1
            maps = functional.relu(functional.conv2d(maps, kernels[conv], biases[conv], padding=1))
            outputs[conv.replace("conv", "relu")] = maps
        return outputs

    return features
