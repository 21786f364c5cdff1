"""One cache of traced networks and losses for the whole process, so that a second run traces nothing.

A graph holds its network, which takes 10 to 80 MB, so only the last few are kept. A run keeps the graph that it uses.
"""

from __future__ import annotations

import gc
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from neural_style.compute.loss_graph import LossGraph
from neural_style.compute.tile_graph import TileGraph
from neural_style.losses.spec import LossSpec
from neural_style.networks.vgg19 import Network

MOST_GRAPHS = 2
"""How many graphs are kept for later runs."""


@dataclass(frozen=True, eq=False)
class Graphs:
    """A network and its losses, traced for whole pictures and for tiles, with the same weights."""

    whole: LossGraph
    tiled: TileGraph
    key: Hashable
    """Identifies the graphs: the same network, loss and device have the same key."""


_cached: OrderedDict[Hashable, Graphs] = OrderedDict()
_lock = threading.Lock()
_building: dict[Hashable, threading.Lock] = {}


def cached_graphs(network_key: Hashable, spec: LossSpec, device: str, build: Callable[[], Network]) -> Graphs:
    """Return the graphs of a network and a loss on a device; build the network if they are not in the cache.

    Several threads may call this at once; one of them builds.

    Args:
        network_key: identifies the network: its weights, layers, variant and type.
        spec: terms of the loss.
        device: as TensorFlow names it, such as "CPU:0".
        build: builds the network, on that device.
    """
    key = (network_key, spec, device)
    with _lock:
        if (known := _used_again(key)) is not None:
            return known
        own_lock = _building.setdefault(key, threading.Lock())
    with own_lock:
        with _lock:
            if (known := _used_again(key)) is not None:
                return known
        try:
            graph = LossGraph(build(), spec)
            made = Graphs(graph, TileGraph(graph), key)
            with _lock:
                _cached[key] = made
                has_dropped = len(_cached) > MOST_GRAPHS
                while len(_cached) > MOST_GRAPHS:
                    _cached.popitem(last=False)
        finally:
            with _lock:
                _building.pop(key, None)
        if has_dropped:
            gc.collect()  # graphs refer to themselves, and Python would let several pile up before it frees them
        return made


def _used_again(key: Hashable) -> Graphs | None:
    """Return the graphs of a key, if they are kept, and keep them longer. The caller holds the lock."""
    if key in _cached:
        _cached.move_to_end(key)
    return _cached.get(key)


def clear() -> None:
    """Drop all graphs that no run uses."""
    with _lock:
        _cached.clear()
