"""Many runs in one process: with one start-up, and with networks, traced losses and pictures that runs share."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from neural_style.config import serialize
from neural_style.config.config import OPTIONS, Config
from neural_style.config.resolve import ResolvedConfig, resolve
from neural_style.errors import NeuralStyleError, WeightsError
from neural_style.networks import weights
from neural_style.networks.weights import VGGWeights
from neural_style.runs import pyramid
from neural_style.runs.inputs import Inputs, read_inputs, suited
from neural_style.sheets.cells import Cell, named_in_errors
from neural_style.vgg19_spec import LAYERS

if TYPE_CHECKING:
    from neural_style.runs.session import Session
    from neural_style.runs.step import Step
    from neural_style.runs.stylizer import Stylizer

MOST_PICTURE_BYTES = 1_000_000_000
"""Most bytes of pictures that are kept for later cells. Others are read again."""

WORKERS = 1
"""How many cells are painted at once. Each run keeps all cores busy, and plans with all memory."""

_OF_PICTURES = [name for name, option in OPTIONS.items() if option.group in ("Pictures", "Masks", "Colors")]
"""Options that decide what `read_inputs` returns, and some that do not."""


@dataclass(frozen=True)
class Painted:
    """What became of a cell."""

    cell: Cell
    seconds: float
    """How long its run took."""
    step: Step | None = None
    """The result; None if the run failed before its first step."""
    config: ResolvedConfig | None = field(default=None, repr=False)
    """The run, with a value for every option; None if it did not begin."""
    network: VGGWeights | None = field(default=None, repr=False)
    """The weights of the run, without the kernels; None if it did not begin."""
    iterations: int = 0
    """Number of the last step."""
    error: Exception | None = None
    """Why the run failed; None if it did not."""


class Batch:
    """The runs of a sheet. `check` needs no TensorFlow."""

    def __init__(self, cells: Sequence[Cell]):
        """Take the cells. Nothing is read yet."""
        self._cells = cells
        self._inputs: dict[Any, Inputs] = {}
        self._networks: dict[str, VGGWeights] = {}
        self._stylizers: dict[Any, Stylizer] = {}
        self._sessions: set[Session] = set()
        self._is_stopped = False

    def check(self) -> list[tuple[int, int]]:
        """Read all pictures and weights, and check that every run can begin.

        Returns:
            Width and height in pixels of the result of each cell.

        Raises:
            NeuralStyleError: a run cannot begin. The message says which.
        """
        sizes: dict[Any, tuple[int, int]] = {}
        for cell in self._cells:
            with named_in_errors(cell.flags):
                inputs = self._read(cell.config)
                resolved = resolve(cell.config, self._network(cell.config).settings)
                pyramid.scales_of(resolved, *inputs.plan_size)
                suited(inputs, resolved)
            sizes[cell.number] = inputs.content.width, inputs.content.height
        return [sizes[cell.number] for cell in self._cells]

    def paint(self, workers: int = WORKERS) -> Generator[Painted, None, None]:
        """Paint the cells, those with equal networks and losses one after the other; yield each as it is done.

        A cell that fails does not end the others. To end all, close the iterator.

        Args:
            workers: how many cells are painted at once. The pictures are the same for any number.

        Raises:
            UsageError: there is no such device, or it does not support the precision.
        """
        for cell in self._cells:
            with named_in_errors(cell.flags):
                self._stylizer(cell.config)
        pool = ThreadPoolExecutor(workers)
        try:
            pending: set[Future[Painted]] = {pool.submit(self._paint, cell) for cell in self._in_order()}
            while pending:
                done, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)  # so that signals are heard
                for each in done:
                    yield each.result()
        finally:
            self._is_stopped = True
            for session in list(self._sessions):
                session.cancel()
            pool.shutdown(wait=True, cancel_futures=True)

    def _in_order(self) -> list[Cell]:
        """Return the cells so that those that trace the same stand together, and of these those of one style."""
        from neural_style.compute.loss_weights import loss_spec

        def key(cell: Cell) -> tuple[Any, ...]:
            config = resolve(cell.config, self._network(cell.config).settings)
            network = config.weights, config.precision, config.device, config.layers, config.variant
            return (*network, loss_spec(config)), serialize.hashable(config.styles)

        firsts: dict[Any, int] = {}
        keys = {}
        for cell in self._cells:
            graph, styles = key(cell)
            firsts.setdefault(graph, len(firsts))
            firsts.setdefault(styles, len(firsts))
            keys[cell.number] = firsts[graph], firsts[styles], cell.number
        return sorted(self._cells, key=lambda cell: keys[cell.number])

    def _paint(self, cell: Cell) -> Painted:
        began = time.monotonic()
        session: Session | None = None
        error: Exception | None = None
        try:
            config = cell.config
            session = self._stylizer(config).session(config, self._read(config), self._network(config))
            self._sessions.add(session)
            if self._is_stopped:
                session.cancel()
            with session:
                for _ in session:
                    pass
            if session.is_canceled:
                error = NeuralStyleError("stopped")
        except Exception as caught:  # of one cell
            error = caught.with_traceback(None)
        finally:
            if session is not None:
                self._sessions.discard(session)
        seconds = time.monotonic() - began
        if session is None:
            return Painted(cell, seconds, error=error)
        step = session.best if error is None else None
        return Painted(cell, seconds, step, session.config, session.network, session.iteration, error)

    def _read(self, config: Config) -> Inputs:
        """Return the pictures of a run, from an earlier one if they are the same."""
        key = tuple(serialize.hashable(getattr(config, name)) for name in _OF_PICTURES)
        if key in self._inputs:
            return self._inputs[key]
        inputs = read_inputs(config)
        if sum(each.nbytes for each in self._inputs.values()) + inputs.nbytes <= MOST_PICTURE_BYTES:
            self._inputs[key] = inputs
        return inputs

    def _network(self, config: Config) -> VGGWeights:
        """Return the weights of a run, loaded with the layers of all cells that name them."""
        if config.weights not in self._networks:
            used = {
                layer for cell in self._cells if cell.config.weights == config.weights for layer in cell.config.layers
            }
            try:
                loaded = weights.load(config.weights, [layer for layer in LAYERS if layer in used], progress=True)
            except WeightsError as error:
                raise WeightsError(f"weights: {error}") from error
            self._networks[config.weights] = loaded
        return self._networks[config.weights]

    def _stylizer(self, config: Config) -> Stylizer:
        from neural_style.runs.stylizer import Stylizer

        key = config.weights, config.device, config.precision
        if key not in self._stylizers:
            self._stylizers[key] = Stylizer.of(config)
        return self._stylizers[key]
