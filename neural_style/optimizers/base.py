"""What all optimizers have in common: the protocol of ask and tell, and a generator on top of it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

from neural_style.optimizers.vectors import Image, is_finite

ValueAndGrad: TypeAlias = Callable[[Any], tuple[Any, Any]]
"""Takes an image; returns the loss's terms, whose `total` is a scalar, and its gradient, shaped as the image."""

Arrays: TypeAlias = dict[str, Any]
"""A state as arrays or tensors by name. `numpy.savez` writes it as it is."""

S = TypeVar("S")


class Optimizer(Protocol[S]):
    """Minimize a function by ask and tell.

    Instances are frozen dataclasses of hyperparameters. All that changes is in the state.

    A state is plain data: tensors or arrays, and numbers. `tell` uses its state up: it may change it and drop its
    tensors before it makes new ones. So use only the state that it returns, and copy a state by `to_arrays` and
    `from_arrays`. Two states never share what `tell` changes, so each thread may have one of its own. After an error
    within `tell` (memory) the state is of no use. One within an evaluation leaves it as it is: evaluate again.

    Losses or gradients that are not finite never enter a state:

    - L-BFGS and SciPy's take such a trial step of a line search as a step too far and ask for one half as long. The run
      just goes on.
    - Where they cannot (the first evaluation, every evaluation of Adam and SGD, or a search that found no finite step),
      `has_failed` is true, and so is `is_done`. `ask` then returns the last image that the state holds of those with a
      finite loss, or the start image. The caller gives up, or goes on by `restart`, with smaller steps:
      `dataclasses.replace(optimizer, learning_rate=...).restart(state)`.
    """

    def init(self, image: Any) -> S:
        """Return the state before the first evaluation. `ask` returns this very image from it."""

    def ask(self, state: S) -> Any:
        """Return the image to evaluate next, or once `is_done` is true, where the optimizer ended."""

    def step_size(self, state: S) -> float | None:
        """Return how long the step to the image of `ask` is, for people to look at.

        Of Adam and SGD, it is the learning rate; of L-BFGS, the factor on the search direction, of which 1 is a whole
        quasi-Newton step. None for the start image, and where it is not known.
        """

    def tell(self, state: S, total: float, gradient: Any) -> S:
        """Return the next state, given loss and gradient at the image that `ask` returns. The old one is used up."""

    def is_done(self, state: S) -> bool:
        """Return whether there is nothing left to evaluate: nothing improves any more, or `has_failed`."""

    def has_failed(self, state: S) -> bool:
        """Return whether the optimizer ended since loss or gradient is not finite."""

    def restart(self, state: S, image: Any = None) -> S:
        """Return a state for another loss, or for other steps, whose values do not compare with those before.

        Args:
            state: the state before. It is used up.
            image: where to go on; by default the best image that the state holds.
        """

    def to_arrays(self, state: S) -> Arrays:
        """Return the state as arrays. They are the state's own, so the next `tell` may change them."""

    def from_arrays(self, arrays: Arrays) -> S:
        """Return the state that `to_arrays` made the arrays of. It continues to the bit, but for SciPy's."""


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of the objective."""

    image: Image
    """What was evaluated. `InPlaceAdam` and `InPlaceSGD` change it with the next step."""
    terms: Any
    """The loss's terms, as the objective returns them."""
    total: float
    """The loss."""
    is_finite: bool
    """Whether the loss and every entry of the gradient is a finite number."""


def minimize(
    optimizer: Optimizer[Any], value_and_grad: ValueAndGrad, start: Image, iterations: int
) -> Generator[Evaluation]:
    """Minimize a function from a start image on. Close the generator to stop early.

    Yields:
        Up to `iterations` + 1 evaluations, of the start and of every image that the optimizer asks for. Where one is
        not finite, an optimizer in place has taken its image back to where it was before.
    """
    state = optimizer.init(start)
    del start
    try:
        for left in range(iterations, -1, -1):
            image = optimizer.ask(state)
            terms, gradient = value_and_grad(image)
            total, finite = float(terms.total), is_finite(terms.total, gradient)
            if not finite:
                state = optimizer.tell(state, total, gradient)
            yield Evaluation(image, terms, total, finite)
            del image, terms
            if finite and left:
                state = optimizer.tell(state, total, gradient)
            del gradient  # before the next one takes memory
            if optimizer.is_done(state):
                return
    finally:
        del state  # an exception's traceback would keep it, and with it the thread of SciPy's
