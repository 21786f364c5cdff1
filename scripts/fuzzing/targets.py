"""What is fuzzed."""

from __future__ import annotations

import importlib
import random
from collections.abc import Mapping, Sequence
from typing import Protocol

TARGETS = {
    "images": ("fuzzing.images", "neural_style.images"),
    "weights": ("fuzzing.weights", "neural_style.networks.weights"),
}
"""Name of a target -> the module that is it, and the package whose lines atheris watches."""


class Target(Protocol):
    """What a module of a target defines."""

    SLOW: frozenset[str]
    """Kinds of files that take long to read, so that they get fewer cases."""

    def seeds(self) -> Mapping[str, Sequence[bytes]]:
        """Return small valid files of each kind, made in memory. The kind is also the suffix of the files of its cases.

        All of them must be read without an error.
        """

    def read(self, path: str) -> None:
        """Read a file as the program does. Anything but a NeuralStyleError of exit code 2 is a finding."""

    def repair(self, kind: str, data: bytes, chance: random.Random) -> bytes:
        """Return a damaged file of a kind with some of its checksums put right, so that damage gets deep."""


def target(name: str) -> Target:
    """Import a target."""
    return importlib.import_module(TARGETS[name][0])  # type: ignore[return-value]
