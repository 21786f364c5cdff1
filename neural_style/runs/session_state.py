"""A run as plain data, to be saved and continued."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from neural_style import files
from neural_style.compute.planner import Plan
from neural_style.config.resolve import ResolvedConfig
from neural_style.errors import CheckpointError, UsageError
from neural_style.files import PathLike
from neural_style.runs import checkpoint_file
from neural_style.runs.saved_config import packed, unpacked
from neural_style.runs.step import LOSS_NAMES, Step


@dataclasses.dataclass(frozen=True, eq=False)
class SessionState:
    """A run as plain data, from which `Stylizer.restore` continues. It can be saved to a file, and pickled."""

    version: str
    """Version of the program that made it."""
    config: ResolvedConfig
    """The options, each with a value."""
    weights: str
    """The network's weights, in the form that `Config.weights` takes."""
    plans: Sequence[Plan]
    """How each size is computed."""
    arrays: Mapping[str, np.ndarray]
    """Images and the optimizer's state."""
    first_weights: Mapping[str, Any]
    """What `reweighting.weights_of` said at the start of the run. It decides what layers the run computes."""
    best_weights: Mapping[str, Any]
    """What it said when the best image was made."""
    numbers: Mapping[str, Any]
    """Everything else, in types that JSON can hold."""
    inputs: Mapping[str, str]
    """Hashes of the picture files; see `input_files.digests_of`."""
    made_with: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """What else decides the bits that are computed, in words: packages, processor, threads."""

    def save(self, path: PathLike) -> Path:
        """Write the state to a file, which `load` reads. A file that is there is replaced, and so is a link.

        The file is in the safetensors format, and has a hash over all of it. It appears whole or not at all.

        Returns:
            Its path.

        Raises:
            OutputError: it cannot be written.
        """
        return files.write_atomically(path, self._write, overwrite=True, option="checkpoint", follow_link=False)

    def _write(self, path: Path) -> None:
        config, pictures = packed(self.config)
        text = {
            "version": self.version,
            "config": config,
            "weights": self.weights,
            "plans": [dataclasses.asdict(plan) for plan in self.plans],
            "first_weights": dict(self.first_weights),
            "best_weights": dict(self.best_weights),
            "numbers": dict(self.numbers),
            "inputs": dict(self.inputs),
            "made_with": dict(self.made_with),
        }
        checkpoint_file.write(path, json.dumps(text), {**self.arrays, **pictures})

    @classmethod
    def load(cls, path: PathLike) -> SessionState:
        """Read a file that `save` wrote.

        Raises:
            CheckpointError: it cannot be read, is damaged, is no such file, or of another version.
        """
        path = Path(path)
        try:
            text, arrays = checkpoint_file.read(path)
        except OSError as error:
            raise CheckpointError(f"{str(path)!r} cannot be read ({error.strerror}); give a checkpoint") from error
        return understood(path, lambda: cls._from(json.loads(text), arrays))

    @classmethod
    def _from(cls, text: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> SessionState:
        return cls(
            version=str(text["version"]),
            config=unpacked(text["config"], arrays),
            weights=str(text["weights"]),
            plans=tuple(Plan(**plan) for plan in text["plans"]),
            arrays=arrays,
            first_weights=_with_tuples(dict(text["first_weights"])),
            best_weights=_with_tuples(dict(text["best_weights"])),
            numbers=dict(text["numbers"]),
            inputs=dict(text["inputs"]),
            made_with=dict(text["made_with"]),
        )


_Made = TypeVar("_Made")


def understood(path: PathLike, make: Callable[[], _Made]) -> _Made:
    """Return what a function makes of the contents of a checkpoint.

    Raises:
        CheckpointError: they are not those of a run.
    """
    try:
        return make()
    except UsageError as error:
        message = str(error)
        raise CheckpointError(message if str(path) in message else f"{str(path)!r}: {message}") from error
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError, OverflowError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise CheckpointError(
            f"{str(path)!r}: expected the state of a run, got something else ({reason}); begin the run anew"
        ) from error


_IMAGES = ("best_image", "origin", "gradient", "average/image")
"""Names of arrays of the shape of the image. Those of the optimizer with four axes have it, too."""


def check_state(state: SessionState, shape: tuple[int, int, int, int]) -> None:
    """Check the types and shapes of a state in the middle of a size, which somebody may have made up.

    Args:
        state: the state.
        shape: of the image, (1, height, width, 3).

    Raises:
        ValueError: they are not those of a run at that size.
    """
    arrays = state.arrays
    of_optimizer = [name for name in arrays if name.startswith("optimizer/")]
    images = [name for name in of_optimizer if arrays[name].ndim == len(shape)]
    check_images(arrays, [*images, *(name for name in _IMAGES if name in arrays)], shape)
    for name in of_optimizer:
        if re.fullmatch(r"optimizer/pairs_\d+", name):
            check_images(arrays, [name], (arrays[name].shape[0], math.prod(shape)))
    numbers = state.numbers["descent"]
    floats = [numbers[name] for name in ("told", "best_total") if numbers[name] is not None]
    wrong = [each for each in (*floats, *numbers["totals"], *numbers["lives"]) if not isinstance(each, float)]
    wrong += [numbers[name] for name in ("done", "before") if type(numbers[name]) is not int]
    if wrong:
        raise ValueError(f"expected numbers, got {wrong[0]!r:.40}")


def check_images(arrays: Mapping[str, np.ndarray], names: Sequence[str], shape: tuple[int, ...]) -> None:
    """Check that some arrays are float32 and have a shape.

    Raises:
        ValueError: one is not.
    """
    for name in names:
        if arrays[name].shape != shape or arrays[name].dtype != np.float32:
            raise ValueError(
                f"{name} is {arrays[name].dtype} of the shape {arrays[name].shape}, not float32 of {shape}"
            )


def _with_tuples(value: Any) -> Any:
    """Return a value of JSON with tuples in place of lists."""
    if isinstance(value, list):
        return tuple(map(_with_tuples, value))
    return {name: _with_tuples(each) for name, each in value.items()} if isinstance(value, dict) else value


def history_to_array(history: Mapping[int, Mapping[str, float]]) -> np.ndarray:
    """Return losses as float64 (steps, 1 + losses): the number of each step and its losses, in the usual order."""
    rows = [[iteration, *(losses[name] for name in LOSS_NAMES)] for iteration, losses in history.items()]
    return np.array(rows, np.float64).reshape(-1, 1 + len(LOSS_NAMES))


def history_from_array(array: np.ndarray) -> dict[int, Mapping[str, float]]:
    """Return the losses that `history_to_array` made an array of."""
    return {int(row[0]): dict(zip(LOSS_NAMES, row[1:], strict=True)) for row in array.tolist()}


def numbers_of(step: Step) -> dict[str, Any]:
    """Return what a step holds besides its picture, in JSON's types."""
    return {
        "iteration": step.iteration,
        "losses": dict(step.losses),
        "scale": list(step.scale),
        "losses_by_layer": {name: dict(of_layers) for name, of_layers in step.losses_by_layer.items()},
    }


def step_from(numbers: Mapping[str, Any], picture: np.ndarray, alpha: np.ndarray | None) -> Step:
    """Return the best step that `numbers_of` described.

    Args:
        numbers: its numbers.
        picture: its picture, uint8 or uint16 (height, width, 3).
        alpha: the content's opacity.
    """
    known = {**numbers, "scale": tuple(numbers["scale"])}
    return Step(**known, best=True, alpha=alpha, render=functools.partial(np.array, picture))
