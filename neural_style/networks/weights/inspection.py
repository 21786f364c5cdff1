"""Inspect one weights file, for reports."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neural_style.errors import WeightsError
from neural_style.networks.weights.identity import identify, published_hashes
from neural_style.networks.weights.registry import Entry
from neural_style.networks.weights.vgg_weights import read_once


@dataclass(frozen=True)
class Inspection:
    """What is known about one weights file.

    Attributes:
        path: the file.
        entry: its entry in the registry, if its hash is published.
        hash_state: "published", "unknown", or "differs from the published" if only its name is known.
        digest: its hash, such as "md5 253f…"; empty if it cannot be read.
        layout: one of the layouts of `formats`; None if it cannot be read.
        channel_order: "RGB" or "BGR", the order that conv1_1 expects in the file; None if it cannot be read.
        deepest: the deepest convolution in the file; None if it cannot be read.
        settings: values of the options in `config.LEFT_TO_NETWORK` that suit the network, by name.
        problem: why it cannot be used; None if it can.
    """

    path: Path
    entry: Entry | None
    hash_state: str
    digest: str = ""
    layout: str | None = None
    channel_order: str | None = None
    deepest: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None


def inspect(path: str | os.PathLike[str]) -> Inspection:
    """Read a whole weights file and return what is known about it. A bad file raises no error: see `problem`."""
    path = Path(os.path.expanduser(path))
    entry, state, digest = None, "unknown", ""
    try:
        identity = identify(path)
        entry, digest = identity.entry, identity.shown
        state = "published" if entry else "differs from the published" if published_hashes(path) else "unknown"
        contents = read_once(path, identity, None)
    except WeightsError as error:
        return Inspection(path, entry, state, digest, problem=str(error))
    return Inspection(
        path=path,
        entry=entry,
        hash_state=state,
        digest=digest,
        layout=contents.layout,
        channel_order=contents.channel_order,
        deepest=list(contents.kernels)[-1],
        settings=contents.settings,
    )
