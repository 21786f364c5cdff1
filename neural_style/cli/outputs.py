"""The files of one run: where they go, that they can be written, and writing them so that none is lost."""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from neural_style import __version__, files
from neural_style.cli import flags
from neural_style.config.config import OPTIONS, Config
from neural_style.errors import OutputError
from neural_style.images import writing
from neural_style.images.picture import describe
from neural_style.networks.weights import VGGWeights, without_hash
from neural_style.runs import pyramid
from neural_style.runs import step as records
from neural_style.runs.inputs import Inputs
from neural_style.runs.step import Step

_log = logging.getLogger("neural_style")

_NOT_EMBEDDED = ("output", "overwrite", "max_pixels", "device", "memory", "tile_size")
"""Options of no effect on the picture, which therefore are not part of its metadata; nor is the group "Progress"."""

_CHECKED_CHECKPOINTS = 1000
"""How many are looked at before the run, so that it soon begins; later ones get a numbered name if theirs is taken."""

_STEM_BYTES = 200
"""Of a default name, so that what is appended to it still fits into the 255 that most systems take."""


class Outputs:
    """Every file that a run may write."""

    def __init__(self, config: Config, inputs: Inputs):
        """Settle the names; nothing is written.

        Args:
            config: the run, whose pictures are given by path.
            inputs: its pictures, for the size of the result.
        """
        self._config = config
        self._size = (inputs.content.width, inputs.content.height)
        self.result = Path(config.output) if config.output else _default_name(config)

    def check(self) -> None:
        """Make sure that every file can be written, without writing any.

        Raises:
            UsageError: a flag file cannot hold the flags.
            OutputError: a file exists and is not to be replaced, is one that the run reads, is asked for twice,
                or cannot be written.
        """
        seen: set[str] = set()
        sources = self._sources()
        for option, path in self._planned():
            real = os.path.realpath(path)
            if real in seen:
                raise OutputError(f"{option}: expected a file of its own, got {str(path)!r} again; give another name")
            if real in sources:
                raise OutputError(f"{option}: {str(path)!r} is one of the files to work from; give another name")
            seen.add(real)
            if option == "save_flags":
                list(flags.effective(self._config, {}))  # raises for what no flag file can hold
            files.check_writable(path, option, overwrite=self._config.overwrite)
            if option in ("output", "checkpoint_output"):
                writing.check_format(path, option, self._size, self._config.bit_depth)

    def write_result(self, step: Step, network: VGGWeights) -> Path:
        """Write a step's image as the result; if need be in another place, where nothing is replaced.

        Returns:
            Path of the file written.

        Raises:
            OutputError: it can be written nowhere.
        """
        name = self.result.name
        for place, overwrite in ((self.result, self._config.overwrite), (Path(name), False)):
            try:
                return self._write_image(place, step, network, overwrite)
            except OutputError as error:
                _log.error("%s; trying elsewhere", error)
        return self._write_image(Path(tempfile.gettempdir(), name), step, network, overwrite=False)

    def write_checkpoint(self, iteration: int, best: Step, network: VGGWeights) -> None:
        """Write the best image so far as an iteration's checkpoint; a failure is noted and does not end the run."""
        try:
            path = Path(self._config.checkpoint_path(iteration))
            self._write_image(path, best, network, overwrite=self._config.overwrite)
        except OutputError as error:
            _log.error("%s", error)

    def write_progress(self, history: Mapping[int, Mapping[str, float]]) -> None:
        """Write the table and the curves of the losses of each iteration, as far as they are asked for.

        Raises:
            OutputError: one cannot be written.
        """
        for option, path in self._progress_files():
            write = records.write_loss_table if option == "progress_write" else records.write_loss_plot
            self._write(option, path, functools.partial(write, history=history))

    def write_flags(self, network: VGGWeights) -> None:
        """Write the flag file that repeats the run, if it is asked for."""
        if self._config.save_flags is None:
            return
        config = self._config.settled(network.settings)
        lines = (f"# neural-style {__version__}", *flags.effective(config, {"weights": network.reference}))
        data = "".join(f"{line}\n" for line in lines).encode()
        self._write("save_flags", Path(self._config.save_flags), lambda file: file.write_bytes(data))

    def _planned(self) -> Iterator[tuple[str, Path]]:
        """Each file that may be written, or the first of very many, with the option that asks for it."""
        config = self._config
        yield "output", self.result
        yield from self._progress_files()
        if config.save_flags is not None:
            yield "save_flags", Path(config.save_flags)
        if config.checkpoint_iterations is not None:
            last = pyramid.total_iterations(config.settled({}).scale_plan(*self._size))  # or fewer
            iterations = range(config.checkpoint_iterations, last + 1, config.checkpoint_iterations)
            for iteration in iterations[:_CHECKED_CHECKPOINTS]:
                yield "checkpoint_output", Path(config.checkpoint_path(iteration))

    def _progress_files(self) -> Iterator[tuple[str, Path]]:
        stem = self.result.with_suffix("")
        if self._config.progress_write:
            yield "progress_write", Path(f"{stem}-progress.txt")
        if self._config.progress_plot:
            yield "progress_plot", Path(f"{stem}-progress.png")

    def _sources(self) -> set[str]:
        config = self._config
        named = (config.content, *config.styles, config.initial, without_hash(config.weights))
        return {os.path.realpath(source) for source in named if isinstance(source, (str, os.PathLike))}

    def _write(self, option: str, path: Path, write: Callable[[Path], object]) -> None:
        files.write_atomically(path, write, overwrite=self._config.overwrite, option=option)

    def _write_image(self, path: Path, step: Step, network: VGGWeights, overwrite: bool) -> Path:
        settings = _settings(self._config, network)
        return writing.write_image(path, step.image_with_alpha, settings=settings, overwrite=overwrite)


def _settings(config: Config, network: VGGWeights) -> dict[str, object]:
    """Metadata of a picture: the options that made it, with pictures and weights by name alone, not by folder."""
    config = dataclasses.replace(config.settled(network.settings), weights=network.name)
    settings: dict[str, object] = {}
    for name, option in OPTIONS.items():
        value = getattr(config, name)
        if option.group == "Progress" or name in _NOT_EMBEDDED or value is None:
            continue
        if option.is_picture:
            value = [describe(v) for v in value] if name == "styles" else describe(value)
        settings[name] = value
    return settings


def _default_name(config: Config) -> Path:
    """`<content>-<style>.png` in the current folder, numbered if that exists and must not be replaced."""
    stems = [Path(describe(source)).stem for source in (config.content, *config.styles)]
    stem = os.fsencode("-".join(stems))[:_STEM_BYTES].decode(errors="ignore")
    path = Path(f"{stem}.png")
    return path if config.overwrite else files.numbered(path)
