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

    def check_inputs(self, digests: Mapping[str, str]) -> None:
        """Check that the pictures are those that the run began with.

        Args:
            digests: of the pictures as they are now, from `input_files.digests_of`.

        Raises:
            CheckpointError: some are not.
        """
        _refuse(self.folder, input_files.differences(self.state.inputs, digests))


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
    if any(standard_streams.pictures_to_read(config)):
        raise UsageError(
            f"{RESUME}: expected the names of pictures, got '-'; a picture from standard input is in the checkpoint"
        )
    now = resolve(config, dict(before.settings))
    _refuse(folder, [found for name in OPTIONS if (found := _difference(name, before, now))])
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


def _difference(name: str, before: ResolvedConfig, now: ResolvedConfig) -> str:
    """Return in words how an option differs that must not; empty if it does not."""
    if name in MAY_CHANGE or name == "weights":  # whose hash is compared when they are loaded
        return ""
    old, new = getattr(before, name), getattr(now, name)
    if is_input(name):  # pictures are compared by their hashes
        if _in_memory(old) != _in_memory(new):
            return f"--{name} (from standard input or memory before; leave it out)"
        if _count(old) != _count(new):
            return f"--{name} ({_count(old)} before, {_count(new)} now)"
        is_same = _start(old) == _start(new)
    else:
        is_same = old == new or (name in dict(before.chosen) and new == OPTIONS[name].default)
    if is_same:
        return ""
    return f"--{name} ({_words(old)} before, {_words(new)} now)"


def _start(value: Any) -> str | None:
    """Return the name of a start; None for a picture."""
    return value if isinstance(value, str) and value in STARTS else None


def _count(value: Any) -> int:
    return len(value) if isinstance(value, tuple) else int(value is not None)


def _in_memory(value: Any) -> bool:
    """Return whether any of the pictures of an option has no path."""
    pictures = value if isinstance(value, tuple) else (value,)
    return any(each is not None and not isinstance(each, (str, os.PathLike)) for each in pictures)


def _words(value: Any) -> str:
    return words(value if isinstance(value, tuple) else (value,))
