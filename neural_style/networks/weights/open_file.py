"""What the readers of all layouts return: an open file whose arrays, by convolution, are not read yet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from neural_style.errors import WeightsError
from neural_style.vgg19_spec import CONV_LAYERS

REPLACE = "get the file again, or choose other weights"
"""What to do about a file that cannot be used."""

MOST_BYTES = 1_200_000_000
"""Size limit of a weights file, and of what it is unpacked to. VGG19 with its classifier in float64 is smaller."""

SMALL_BYTES = 1 << 24
"""Size limit of anything in a weights file that is not a kernel or a bias, such as a mean picture."""

MOST_MEMBERS = 10_000
"""Limit of how many arrays, groups or cells a weights file holds. VGG19 needs less than a hundred."""

MOST_DEPTH = 32
"""Limit of how deep they may be nested. Keras and MatConvNet need less than ten levels."""


class UnreadArray(Protocol):
    """A NumPy array, or an array in a file, which `[()]` reads. Nothing is allocated for it before that."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape, known without reading it."""

    @property
    def dtype(self) -> np.dtype:
        """The type of its values, known without reading it."""

    def __getitem__(self, index: Any, /) -> Any: ...


Pair = tuple[UnreadArray, UnreadArray]
"""A kernel (height, width, in, out) and its bias (out,)."""


@dataclass(frozen=True)
class OpenWeights:
    """An open weights file.

    Attributes:
        layout: name of the layout.
        channel_order: "RGB" or "BGR", the order that conv1_1 expects in the file.
        mean: the mean pixel as stored: RGB, one pixel or one for each position; not checked yet.
        assumed: in words, the order and mean that are usual in this layout, if the file does not state them.
        convs: kernel and bias by convolution, shallow to deep.
        settings: values of the options in `config.LEFT_TO_NETWORK` that suit the network, by name; checked.
    """

    layout: str
    channel_order: str
    mean: Any
    assumed: str
    convs: Mapping[str, Pair]
    settings: Mapping[str, Any] = field(default_factory=dict)


def text(value: Any) -> str:
    """Return a text that a file stores as text, as bytes or in an array; empty for an empty array."""
    first = np.ravel(value)[0] if np.size(value) else ""
    return first.decode(errors="replace") if isinstance(first, bytes) else str(first)


def plain(value: object, most: int = 200) -> str:
    """Return a text that a file determines as part of a message: one line, printable, and not too long."""
    line = " ".join("".join(char if char.isprintable() else " " for char in str(value)[: 4 * most]).split())
    return line if len(line) <= most else f"{line[:most]} …"


# --- which array is which convolution ---------------------------------------------------------------------------------


def pair_up(arrays: list[tuple[str, UnreadArray]]) -> list[tuple[str, Pair]]:
    """Pair each 4-D array with the one that follows it: a convolution's kernel and its bias.

    Args:
        arrays: all arrays of a file with their labels, in order.
    """
    ended: list[tuple[str, UnreadArray]] = [("", np.empty(0, np.float32))]
    successors = arrays[1:] + ended
    return [
        (label, (kernel, bias))
        for (label, kernel), (_, bias) in zip(arrays, successors, strict=True)
        if len(kernel.shape) == 4
    ]


def by_convolution(path: Path, found: list[tuple[str, Pair]]) -> dict[str, Pair]:
    """Give kernels and biases the names of convolutions, shallow to deep.

    The labels tell the names. If no label is known, the 3×3 kernels are named in file order.

    Args:
        path: the file, for messages.
        found: kernels and biases with their labels, in file order.

    Raises:
        WeightsError: several kernels have the same name.
    """
    named = [(conv, pair) for label, pair in found if (conv := _convolution_in(label))]
    if not named:
        return dict(zip(CONV_LAYERS, (pair for _, pair in found if pair[0].shape[:2] == (3, 3)), strict=False))
    pairs = dict(named)
    if len(pairs) < len(named):
        raise WeightsError(f"{path}: expected one network, got several that share layer names; give VGG19 alone")
    return {conv: pairs[conv] for conv in CONV_LAYERS if conv in pairs}


def _convolution_in(label: str) -> str | None:
    """Return the convolution that a label names: "block4_conv2_W_1:0", "conv4_2", "x/block4_conv2/kernel": conv4_2."""
    match = re.search(r"(?<![a-z0-9])(?:block(\d)_conv|conv(\d)_)(\d)(?![a-z0-9])", label)
    name = f"conv{match[1] or match[2]}_{match[3]}" if match else ""
    return name if name in CONV_LAYERS else None
