"""What runs share: the network, the traced losses, and the moments of the style pictures."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from neural_style.compute import memory
from neural_style.compute.device import device_name
from neural_style.compute.graph_cache import Graphs, cached_graphs
from neural_style.compute.halving import halved, reductions
from neural_style.compute.ledger import LEDGER, Reservation
from neural_style.compute.loss_weights import loss_spec
from neural_style.compute.planner import Plan, Planner
from neural_style.compute.precision import Choice, choose
from neural_style.compute.style_targets import added, style_moments, together
from neural_style.compute.tile_graph import Check, go_on
from neural_style.config import byte_sizes
from neural_style.config.config import OPTIONS, Config
from neural_style.config.resolve import ResolvedConfig, resolve
from neural_style.errors import UsageError
from neural_style.losses.moments import MeanMoments
from neural_style.losses.spec import StyleMoments
from neural_style.networks import weights
from neural_style.networks.vgg19 import Network
from neural_style.networks.weights import VGGWeights
from neural_style.runs import pyramid
from neural_style.runs.input_files import differences, digests_of
from neural_style.runs.inputs import Inputs, read_inputs, suited
from neural_style.runs.session import Session
from neural_style.runs.session_state import SessionState
from neural_style.runs.style_pictures import Masked

_log = logging.getLogger("neural_style")

MOST_STYLES = 32
"""How many examples' moments are kept, each at one size of a run.

Each takes about 2.5 MB with the default layers, times `Config.loss_scales`.
"""


_OfExample = Mapping[tuple[int, int, str], MeanMoments]
"""Moments of an example, by size, 0 for its own; by region, 0 if all of it belongs to each; and by layer."""


class Stylizer:
    """Starts runs that share their network, their traced losses and the moments of their style pictures.

    It may be used from several threads. Its sessions may run at the same time; each plans with the memory that the
    others leave.

    Attributes:
        device: the device, as TensorFlow names it, such as "CPU:0".
        precision: the type that networks compute in, and the reason for it.
    """

    def __init__(
        self,
        weights: str = OPTIONS["weights"].default,
        *,
        device: str = OPTIONS["device"].default,
        precision: str = OPTIONS["precision"].default,
        memory: str | None = None,
    ):
        """Choose what runs share. No picture and no weights are read yet.

        Args:
            weights: see `Config.weights`.
            device: see `Config.device`.
            precision: see `Config.precision`.
            memory: memory of each session, as `Config.memory`; None for what each configuration says.

        Raises:
            UsageError: there is no such device, or it does not support the precision.
        """
        self._weights, self._device, self._precision, self._memory = weights, device, precision, memory
        self.device = device_name(device)
        self.precision: Choice = choose(precision, self.device)
        self._styles: OrderedDict[Any, _OfExample] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def of(cls, config: Config) -> Stylizer:
        """Make a stylizer with the weights, device and precision of a configuration."""
        return cls(config.weights, device=config.device, precision=config.precision)

    def session(self, config: Config, inputs: Inputs | None = None, network: VGGWeights | None = None) -> Session:
        """Start a run. Pictures and weights are read before this returns.

        Args:
            config: the run. Its `weights`, `device` and `precision` must be those of the stylizer, or not be given.
            inputs: the pictures of the run, if they have been read already.
            network: the weights of the run, if they have been loaded already.

        Raises:
            NeuralStyleError: see `api.stylize`.
        """
        config = self._adopted(config)
        inputs = inputs or read_inputs(config)
        network = network or weights.load(self._weights, config.layers)
        resolved = resolve(config, network.settings)
        with LEDGER.lock:  # no other session plans with the same memory
            budget = memory.budget(self._memory or config.memory, self.device, held=inputs.nbytes)
            resolved = resolved.on_device(precision=self.precision.precision, memory=byte_sizes.flag(budget))
            inputs = suited(inputs, resolved)
            planner = self._planner(resolved, inputs)
            sizes = [(scale.width, scale.height) for scale in pyramid.scales_of(resolved, *inputs.plan_size)]
            plans = planner.choose_all(sizes, byte_sizes.parse(resolved.memory) or 0, held=inputs.nbytes)
            reservation = self._reserve(plans, inputs)
        return Session(self, resolved, inputs, network, planner, plans, reservation)

    def restore(self, state: SessionState, inputs: Inputs | None = None) -> Session:
        """Continue a run where `Session.state` was called, to the bit, except with SciPy's L-BFGS.

        Args:
            state: state of the run. The stylizer must have the same weights, precision and kind of device.
            inputs: the pictures of the run; None to read them again.

        Raises:
            NeuralStyleError: see `api.stylize`. It is a UsageError if weights, precision or pictures differ.
        """
        own: Any = {"precision": self.precision.precision, "memory": state.config.memory}
        config = dataclasses.replace(self._adopted(state.config), **state.first_weights, **own)  # as the run began
        if inputs is None:
            inputs = read_inputs(config)
            if different := differences(state.inputs, digests_of(config)):
                raise UsageError(
                    f"pictures: expected those that the run began with, got others for {', '.join(different)}; use the "
                    "same pictures"
                )
        inputs = suited(inputs, config)
        _check_sizes(state, config, inputs)
        network = self._weights_of(state, config)
        planner = self._planner(config, inputs)
        with LEDGER.lock:
            budget = memory.budget(self._memory or config.memory, self.device, held=inputs.nbytes)
            needed = max(plan.peak for plan in state.plans)
            if needed > budget:
                sizes = byte_sizes.describe(needed), byte_sizes.describe(budget)
                _log.warning(
                    "memory: the run was planned with %s, and there are %s now; it may need smaller tiles", *sizes
                )
            reservation = self._reserve(state.plans, inputs)
        session = Session(self, config, inputs, network, planner, state.plans, reservation)
        try:
            session.take(state)
        except BaseException:
            session.close()
            raise
        return session

    def _weights_of(self, state: SessionState, config: ResolvedConfig) -> VGGWeights:
        """Load the weights of a run that is continued.

        Raises:
            UsageError: the stylizer has other weights.
        """
        is_open = self._weights == OPTIONS["weights"].default
        network = weights.load(state.weights if is_open else self._weights, config.layers)
        if network.digest != state.weights.rpartition("#")[2]:
            raise UsageError(
                f"weights: expected those that the run began with, {state.weights}, got {network.reference}; make the "
                "Stylizer with them"
            )
        return network

    def _adopted(self, config: Any) -> Any:
        """Return the configuration with the weights, device and precision of the stylizer.

        Raises:
            UsageError: the configuration asks for others.
        """
        own = {"weights": self._weights, "device": self._device, "precision": self._precision}
        for name, value in own.items():
            asked = getattr(config, name)
            known = {OPTIONS[name].default, value, *([self.precision.precision] if name == "precision" else [])}
            is_same = asked in known or (name == "weights" and weights.without_hash(asked) in known)
            if not (is_same or (name == "device" and device_name(asked) == self.device)):
                raise UsageError(f"{name}: expected {value}, which the Stylizer was made with, got {asked}")
        return dataclasses.replace(config, **own)

    def _planner(self, config: ResolvedConfig, inputs: Inputs) -> Planner:
        has_alpha = inputs.content.alpha is not None
        masks = inputs.region_count + (inputs.content_mask is not None)
        return Planner(config, self.precision.precision, inputs.style_areas, inputs.reading_bytes, has_alpha, masks)

    def _reserve(self, plans: Sequence[Plan], inputs: Inputs) -> Reservation:
        return memory.reserve(max(plan.peak for plan in plans), self.device, held=inputs.nbytes)

    def graphs(self, config: ResolvedConfig, network: VGGWeights, regions: int = 0) -> Graphs:
        """Return the traced network and losses of a configuration, from an earlier run if they fit.

        Args:
            config: the run.
            network: its weights.
            regions: as `Inputs.region_count`.
        """
        chosen, layers = self.precision.precision, config.layers
        network_key = (network.digest or network.reference, layers, config.variant, chosen)

        def build() -> Network:
            return Network.build(network, layers, config.variant, chosen)

        return cached_graphs(network_key, loss_spec(config, regions), self.device, build)

    def style_graphs(self, config: ResolvedConfig, network: VGGWeights, regions: int = 0) -> Graphs:
        """Return the graphs that style pictures are computed with: those of `graphs`, but styles never wrap.

        They are mirrored at their edges instead. What zeros around them would add to their moments, a texture without
        edges could only have as lines in its middle.
        """
        if config.seamless:
            config = dataclasses.replace(config, seamless=False, padding="reflect", padding_layers="all")
        return self.graphs(config, network, regions)

    def style_targets(
        self,
        graphs: Graphs,
        styles: Sequence[Iterable[np.ndarray | Masked]],
        tile_size: int | None,
        sizes: int = 1,
        check: Check = go_on,
        members: Sequence[Sequence[int]] = (),
        eroded: bool = False,
    ) -> list[StyleMoments]:
        """Return the moments of styles; compute those of an example unless they are known for the same pixels.

        Args:
            graphs: the network and the losses.
            styles: the examples of each style: float32 (height, width, 3), RGB 0-255, each at its own size. Each is
                taken once, one at a time. Their moments are added.
            tile_size: side of the tiles in pixels; None to compute each picture as a whole.
            sizes: number of sizes, as `Config.loss_scales`: each example, half of it, a quarter, and so on.
            check: called before each picture of each size and each tile; it may raise to end the computation.
            members: indices of the styles of each region; empty without regions.
            eroded: whether the regions are eroded, as for `masks.layer_masks`.

        Returns:
            For each size, the full size first: moments of the styles.
        """

        def moments_of(example: np.ndarray | Masked) -> _OfExample:
            return self._style_moments(graphs, tile_size, sizes, check, eroded, example)

        # unlike a loop, map drops an example before it takes the next one
        of_styles = [added(map(moments_of, examples)) for examples in styles]
        return [
            together(graphs, [_of_size(of_style, size) for of_style in of_styles], members) for size in range(sizes)
        ]

    def _style_moments(
        self,
        graphs: Graphs,
        tile_size: int | None,
        sizes: int,
        check: Check,
        eroded: bool,
        example: np.ndarray | Masked,
    ) -> _OfExample:
        """Return the moments of an example."""
        check()
        rgb, masks = example if isinstance(example, Masked) else (example, None)
        arrays = [rgb] if masks is None else [rgb, masks]
        pixels = [hashlib.sha256(np.ascontiguousarray(each).data).hexdigest() for each in arrays]
        key = (graphs.key, rgb.shape, *pixels, tile_size, sizes, eroded)
        with self._lock:
            if key in self._styles:
                self._styles.move_to_end(key)
                return self._styles[key]
        made: dict[tuple[int, int, str], MeanMoments] = {}
        for size, reduced in enumerate(reductions(rgb, sizes)):
            if size:
                check()
                masks = None if masks is None else halved(masks)
            found = style_moments(graphs, reduced, tile_size, check, masks, eroded)
            for region, of_region in enumerate(found):
                made |= {(size, region, layer): each for layer, each in of_region.items()}
        with self._lock:
            self._styles[key] = made
            while len(self._styles) > MOST_STYLES:
                self._styles.popitem(last=False)
        return made


def _of_size(moments: _OfExample, size: int) -> list[dict[str, MeanMoments]]:
    """Return layer -> moments at one size, of each region."""
    count = 1 + max((region for _, region, _ in moments), default=0)
    by_region: list[dict[str, MeanMoments]] = [{} for _ in range(count)]
    for (at, region, layer), of_layer in moments.items():
        if at == size:
            by_region[region][layer] = of_layer
    return by_region


def _check_sizes(state: SessionState, config: ResolvedConfig, inputs: Inputs) -> None:
    """Raise UsageError unless the pictures give the sizes of the run that is continued."""
    before = [(plan.width, plan.height) for plan in state.plans]
    now = [(scale.width, scale.height) for scale in pyramid.scales_of(config, *inputs.plan_size)]
    if now != before:
        sizes = [", then ".join(f"{width}×{height}" for width, height in each) for each in (before, now)]
        raise UsageError(
            f"pictures: expected those of the run, which give sizes of {sizes[0]} px, got pictures that give "
            f"{sizes[1]} px; use the same pictures"
        )
