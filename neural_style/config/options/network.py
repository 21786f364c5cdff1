"""Options: the network, and the device that computes it."""

from __future__ import annotations

import dataclasses
from typing import Literal

from neural_style.config.defaults import LEAST_TILE
from neural_style.config.fields import option
from neural_style.vgg19_spec import Variant


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
    """The network, and the device that computes it."""

    weights: str = option(
        "Network",
        "VGG19 weights: auto, imagenet, imagenet-exact, imagenet-8bit (rounded kernels), builtin, or a file. auto "
        "takes an exact file if it finds one, or else an 8-bit file. If it finds neither, it downloads the 8-bit file, "
        "or else the exact file. If that fails, it takes builtin. imagenet takes an exact file, or else an 8-bit one.",
        "auto",
        alias="network",
    )
    pooling: Literal["max", "avg", "l2"] = option(
        "Network",
        "Pooling between the blocks of VGG19: the largest value of each 2×2 window, the mean, or the square root of "
        "the mean of the squares.",
        "max",
    )
    pooling_scale: float = option(
        "Network",
        "Factor by which pooled maps are multiplied. Means are smaller than maxima; a factor above 1 makes up for it.",
        1.0,
        bounds="> 0",
    )
    pool_rounding: Literal["up", "down"] = option(
        "Network",
        "What pooling does with an odd last row or column: up pools it by itself, so that the edges of the result look "
        "like the rest; down drops it, as the published network does.",
        "up",
    )
    padding: Literal["zeros", "replicate", "reflect"] = option(
        "Network",
        "What convolutions see around their maps: zeros, as in the published network; replicate, the outermost "
        "positions once more; or reflect, the positions next to the outermost.",
        "zeros",
    )
    padding_layers: Literal["first", "all"] = option(
        "Network", "Convolutions that see --padding: all, or the first alone. The others see zeros.", "all"
    )
    device: str = option(
        "Network", "Device to compute on: auto, cpu, gpu, or a GPU by its number, such as gpu:1.", "auto"
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = option(
        "Network",
        "Number type that the network computes in. auto takes the type that the device computes fast.",
        "auto",
    )
    memory: str = option(
        "Network",
        "Memory that a run may take, such as 3GB, 800MB or 2.5GiB. A picture that needs more is computed in tiles. "
        "auto is 80% of what is free, plus what the run has taken already.",
        "auto",
    )
    tile_size: int | None = option(
        "Network",
        "Compute larger pictures in tiles of this side in pixels, whatever --memory says; 0 never uses tiles. The "
        "losses and the gradient are those of the whole picture either way.",
        None,
        bounds=f"0 or >= {LEAST_TILE}",
    )

    @property
    def variant(self) -> Variant:
        """What these options make of the network. Options that make the same network give the same variant."""
        padding = "wrap" if getattr(self, "seamless", False) else self.padding
        layers = "all" if padding in ("zeros", "wrap") else self.padding_layers
        return Variant(self.pooling, self.pooling_scale, self.pool_rounding, padding, layers)
