"""Go on with a run from its work folder: what flags may change, and what must be as it was."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Mapping
from typing import Any

from neural_style import __version__
from neural_style.cli import flags, places, standard_streams
from neural_style.cli.console import show_notes
from neural_style.cli.flag_names import RESUME, YES
from neural_style.compute.device import circumstances
from neural_style.config import checks
from neural_style.config.config import OPTIONS, Config
from neural_style.config.defaults import STARTS
from neural_style.config.fields import words
from neural_style.config.resolve import ResolvedConfig, resolve
from neural_style.errors import CheckpointError, UsageError
from neural_style.images.picture import printable
from neural_style.runs import input_files
from neural_style.runs.input_files import is_input
from neural_style.runs.session_state import SessionState
from neural_style.runs.work_folder import WorkFolder

_LENGTHS = ("quality", "iterations", "scale_iterations", "iterations_by_scale", "tolerance")

_MOST_THREADS = 4096

_log = logging.getLogger("neural_style")

MAY_CHANGE = frozenset(
    {"output", "overwrite", "max_pixels", "memory", *_LENGTHS}
    | {name for name, option in OPTIONS.items() if option.group == "Progress"}
)
"""Options that may differ from those that a run began with."""


@dataclasses.dataclass(frozen=True)
class Resumed:
    """A run that goes on."""

    folder: WorkFolder
    state: SessionState
    """Its last state, with the options that were changed since."""

    @property
    def threads(self) -> int | None:
        """How many threads one operation was computed with, which decides the last bits of sums."""
        threads = self.state.made_with.get("threads")
        return threads if isinstance(threads, int) and 1 <= threads <= _MOST_THREADS else None

    def note_circumstances(self, device: str) -> None:
        """Log what differs from the circumstances of the run so far, so that its last bits may differ.

        Args:
            device: the device, as TensorFlow names it.
        """
        before = {"neural-style": self.state.version, **self.state.made_with}
        now = {"neural-style": __version__, **circumstances(device)}
        changed = [
            f"{name} {before[name]}, now {now[name]}" for name in now if before.get(name, now[name]) != now[name]
        ]
        if changed:
            _log.warning(
                "the run goes on in other circumstances, so its picture may differ a little: %s",
                printable("; ".join(changed)),
            )
        if self.state.config.optimizer == "scipy":
            _log.warning("SciPy's L-BFGS keeps its curvature pairs to itself, so it begins anew from the last image")

    def check_inputs(self) -> None:
        """Check that the pictures are those that the run began with.

        Raises:
            CheckpointError: some are not.
        """
        _refuse(self.folder, input_files.differences(self.state.inputs, input_files.digests_of(self.state.config)))


def resumed(values: Mapping[str, Any], *, agreed: bool = False) -> Resumed:
    """Take the work folder that `--resume` names, and read its last checkpoint.

    Args:
        values: what the command line gives, by name.
        agreed: whether a folder that was moved or copied may name any output.

    Raises:
        CheckpointError: another run is using the folder, there is no whole checkpoint in it, or options differ that
            must not change.
        UsageError: an option has an invalid value; or a folder that was moved or copied, maybe from somebody else,
            names an output outside of the current folder.
    """
    show_notes()
    values = flags.with_preset(values)
    folder = WorkFolder(values.pop(RESUME), RESUME, make=False)
    try:
        if "workdir" in values:
            raise CheckpointError(
                f"workdir: expected --{RESUME} alone, which keeps its folder, got both; leave one out"
            )
        if any(map(standard_streams.is_dash, _pictures(values))):
            raise UsageError(
                f"{RESUME}: expected the names of pictures, got '-'; a picture from standard input is in the checkpoint"
            )
        state = folder.load()
        config = _changed(state, values, folder, agreed)
    except BaseException:
        folder.close()
        raise
    return Resumed(folder, dataclasses.replace(state, config=config))


def _refuse(folder: WorkFolder, differences: list[str]) -> None:
    """Raise CheckpointError if anything differs from the run in a folder.

    Args:
        folder: the folder.
        differences: what differs, in words.
    """
    if differences:
        raise CheckpointError(
            f"{RESUME}: expected what the run in {printable(str(folder.path))!r} began with, got other values of "
            f"{', '.join(differences)}; give those of the run, or begin another with --workdir"
        )


def _changed(state: SessionState, values: Mapping[str, Any], folder: WorkFolder, agreed: bool) -> ResolvedConfig:
    """Return the configuration of a run with new values of options that may change."""
    before = state.config
    if not agreed and not folder.is_own:
        folder.forget_written()
        _check_places(before, values)
    own = {"overwrite": False, "workdir": str(folder.path), "save_flags": None}  # flags were saved at the beginning
    given = {name: before.asked(name) for name in OPTIONS} | own
    config = Config(**given | dict(values))
    checks.check_use(config)
    now = resolve(config, dict(before.settings))
    _refuse(folder, [_described(name, before, now) for name in OPTIONS if _differs(name, before, now)])
    changed = {name: getattr(now, name) for name in OPTIONS if name in MAY_CHANGE or is_input(name)}
    decisions = dict(before.decisions) | {name: value for name, value in now.decisions if name in MAY_CHANGE}
    weights = values.get("weights", state.weights)
    return dataclasses.replace(before, **changed, weights=weights, decisions=tuple(decisions.items()))


def _check_places(before: ResolvedConfig, values: Mapping[str, Any]) -> None:
    """Raise UsageError if a folder that was moved or copied leads out of the current folder with what is written."""
    for name, option in OPTIONS.items():
        value = getattr(before, name)
        is_asked = option.is_output and name not in (*values, "workdir", "save_flags") and value is not None
        if is_asked and not places.is_harmless(name, value):
            raise UsageError(
                f"{name}: expected a file in the current folder from a work folder that was moved or copied, got "
                f"{printable(value)!r}; add --{YES} to write there, or give --{name} as well"
            )


def _differs(name: str, before: ResolvedConfig, now: ResolvedConfig) -> bool:
    if name in MAY_CHANGE or name == "weights":  # whose hash is compared when they are loaded
        return False
    old, new = getattr(before, name), getattr(now, name)
    if is_input(name):  # pictures are compared by their hashes
        if _in_memory(old) != _in_memory(new):
            return True
        starts = [value if isinstance(value, str) and value in STARTS else None for value in (old, new)]
        return _count(old) != _count(new) or starts[0] != starts[1]
    return old != new and not (name in dict(before.chosen) and new == OPTIONS[name].default)


def _pictures(values: Mapping[str, Any]) -> list[Any]:
    """Return the pictures among values of options."""
    found = [value for name, value in values.items() if OPTIONS[name].is_picture]
    return [each for value in found for each in (value if isinstance(value, (list, tuple)) else [value])]


def _count(value: Any) -> int:
    return len(value) if isinstance(value, tuple) else int(value is not None)


def _described(name: str, before: Config, now: Config) -> str:
    old, new = getattr(before, name), getattr(now, name)
    if is_input(name) and _in_memory(old) != _in_memory(new):
        return f"--{name} (from standard input or memory before; leave it out)"
    if is_input(name) and _count(old) != _count(new):
        return f"--{name} ({_count(old)} before, {_count(new)} now)"
    return f"--{name} ({_words(old)} before, {_words(new)} now)"


def _in_memory(value: Any) -> bool:
    """Return whether any of the pictures of an option has no path."""
    pictures = value if isinstance(value, tuple) else (value,)
    return any(each is not None and not isinstance(each, (str, os.PathLike)) for each in pictures)


def _words(value: Any) -> str:
    return words(value if isinstance(value, tuple) else (value,))
