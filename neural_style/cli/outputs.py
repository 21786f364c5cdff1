"""The output files of one run: choose their names, check that they can be written, and write them."""

from __future__ import annotations

import functools
import logging
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from neural_style import __version__, files
from neural_style.cli import film_formats, flag_files, loss_history, profiling, standard_streams, tensorboard_log
from neural_style.config.config import OPTIONS, Config
from neural_style.config.encoded_picture import EncodedPicture
from neural_style.config.resolve import resolve
from neural_style.errors import OutputError
from neural_style.images import writing
from neural_style.images.folders import is_folder, is_picture_name, pictures_in
from neural_style.images.picture import Source, describe
from neural_style.networks.weights import VGGWeights, without_hash
from neural_style.runs import pyramid
from neural_style.runs.recipe import settings_of
from neural_style.runs.step import Step
from neural_style.runs.step_records import StepRecord
from neural_style.runs.work_folder import WorkFolder

_log = logging.getLogger("neural_style")

_CHECKED_CHECKPOINTS = 1000
"""How many checkpoints are checked before a run, so that it starts soon. Others do not replace files without being
checked either."""

_STEM_BYTES = 200
"""Most bytes of a default name, so that the name with suffixes fits into the 255 bytes that most systems allow."""


class Outputs:
    """Every file that a run may write."""

    def __init__(
        self,
        config: Config,
        size: tuple[int, int],
        stream: IO[bytes] | None = None,
        folder: WorkFolder | None = None,
    ):
        """Choose the names. Nothing is written.

        Args:
            config: the run.
            size: width and height of the result in pixels.
            stream: standard output, if the result is to be written there. If that fails, it is written to a file.
            folder: where the run keeps its checkpoints. It notes what the run writes, so that it may replace that when
                it is continued.
        """
        self._folder = folder
        self.config = config
        """The run; metadata and flag files say what it holds when they are written."""
        self._size = size
        self._stream = stream
        self._to_stream = standard_streams.is_output(config)
        self.result = Path(config.output) if config.output and not self._to_stream else _default_name(config)
        self.film = None if config.progress_film is None else self._film_name(Path(config.progress_film))
        """Where the film goes; None for none. That of the rest of a run does not replace that of its beginning."""
        self.stream_failure: OutputError | None = None
        """Why the result could not be written to standard output; None unless that failed."""
        self.written: dict[str, Any] = {}
        """Option -> path of the file that was written for it; of checkpoints, a list of them."""

    def check(self) -> None:
        """Check that every file can be written, without writing any.

        Raises:
            UsageError: a flag file cannot hold the flags, or a package that an option needs is missing.
            OutputError: a file exists and must not be replaced, is an input of the run, is asked for twice, or cannot
                be written.
        """
        if self.config.progress_plot:
            loss_history.check_can_plot()
        if self.film is not None:
            film_formats.check_can_encode(self.film.suffix)
        if self.config.tensorboard is not None:
            tensorboard_log.check_can_log(self.config.tensorboard)
        if self.config.profile is not None:
            profiling.check_can_profile(self.config.profile)
        if self.config.save_flags is not None:
            list(flag_files.lines_that_repeat(self.config, {}))  # raises for what no flag file can hold
        sources = self._sources()
        folders = {os.path.realpath(style) for style in self.config.styles if is_folder(style)}
        seen: set[str] = set()
        for option, path in self._planned():
            real = os.path.realpath(path)
            if real in seen:
                raise OutputError(f"{option}: expected a file of its own, got {str(path)!r} again; give another name")
            if real in sources:
                raise OutputError(f"{option}: {str(path)!r} is one of the files to work from; give another name")
            if os.path.dirname(real) in folders and is_picture_name(real):
                raise OutputError(
                    f"{option}: expected a file outside the style folder, where a later run would take it for a style "
                    f"picture, got {str(path)!r}; give another folder"
                )
            seen.add(real)
            files.check_writable(path, option, overwrite=self._may_replace(path))
            if option in ("output", "checkpoint_output"):
                writing.check_format(path, option, self._size, self.config.bit_depth)
        for option in ("tensorboard", "profile"):
            folder = getattr(self.config, option)
            if folder is not None and any(_is_within(os.path.realpath(folder), file) for file in seen):
                raise OutputError(
                    f"{option}: expected a folder, got {folder!r}, where a file is to be written; give another name"
                )

    def write_result(self, step: Step, network: VGGWeights) -> Path | None:
        """Write a step's image as the result. If that fails, write it elsewhere, without replacing anything.

        Returns:
            Path of the file written; None if the image was written to standard output.

        Raises:
            OutputError: the image cannot be written anywhere.
        """
        if self._stream is not None:
            try:
                settings = settings_of(self.config, network)
                writing.write_png(self._stream, step.image_with_alpha, settings=settings)
                self._stream.flush()
            except OSError as error:
                self.stream_failure = standard_streams.failure(error)
                _log.error("%s; writing a file instead", self.stream_failure)
            else:
                self.written["output"] = standard_streams.DASH
                return None
        name = self.result.name
        overwrite_result = self._may_replace(self.result) and not self._to_stream
        for place, overwrite in ((self.result, overwrite_result), (Path(name), False)):
            try:
                return self._write_image("output", place, step, network, overwrite)
            except OutputError as error:
                _log.error("%s; trying another place", error)
        return self._write_image("output", Path(tempfile.gettempdir(), name), step, network, overwrite=False)

    def write_checkpoint(self, iteration: int, best: Step, network: VGGWeights) -> None:
        """Write the best image so far as an iteration's checkpoint. A failure is logged and does not end the run."""
        try:
            path = Path(self.config.checkpoint_path(iteration))
            self._write_image("checkpoint_output", path, best, network, self._may_replace(path))
        except OutputError as error:
            _log.error("%s", error)

    def write_progress(
        self, history: loss_history.History, result: Path, records: Mapping[int, StepRecord] | None = None
    ) -> None:
        """Write the table and the plot of the losses, if they are asked for.

        Args:
            history: the losses of each iteration.
            result: path of the result. The files are written next to it.
            records: sizes, times and losses by layer, for the plot.

        Raises:
            OutputError: a file cannot be written.
        """
        for option, path in self._progress_files(result):
            write: Callable[..., object] = loss_history.write_loss_table
            if option == "progress_plot":
                write = functools.partial(loss_history.write_loss_plot, records=records)
            overwrite = self._may_replace(path) and result == self.result  # only what was checked before the run
            self._write(option, path, functools.partial(write, history=history), overwrite)

    def write_film(self, write: Callable[[Path], object]) -> None:
        """Write the film.

        Args:
            write: writes it to the path that it is given.

        Raises:
            OutputError: it cannot be written.
        """
        assert self.film is not None
        self._write("progress_film", self.film, write, self._may_replace(self.film))

    def _film_name(self, path: Path) -> Path:
        is_own = self._folder is not None and self._folder.has_written(path)
        return files.numbered(path) if is_own and not self.config.overwrite else path

    def write_flags(self, network: VGGWeights) -> None:
        """Write the flag file that repeats the run, if it is asked for.

        Raises:
            OutputError: it cannot be written.
        """
        if self.config.save_flags is None:
            return
        config = resolve(self.config, network.settings)
        lines = flag_files.lines_that_repeat(config, {"weights": network.reference})
        data = "".join(f"{line}\n" for line in (f"# neural-style {__version__}", *lines)).encode()
        path = Path(self.config.save_flags)
        self._write("save_flags", path, lambda file: file.write_bytes(data), self._may_replace(path))

    def _may_replace(self, path: Path) -> bool:
        """Return whether a file may be replaced: as the user says, or since the run itself wrote it."""
        return self.config.overwrite or (self._folder is not None and self._folder.has_written(path))

    @property
    def _note(self) -> Callable[[Path], None] | None:
        return None if self._folder is None else self._folder.note

    def _planned(self) -> Iterator[tuple[str, Path]]:
        """Yield each file that may be written, with its option; of very many checkpoints only the first."""
        config = self.config
        if not self._to_stream:
            yield "output", self.result
        yield from self._progress_files(self.result)
        if self.film is not None:
            yield "progress_film", self.film
        if config.save_flags is not None:
            yield "save_flags", Path(config.save_flags)
        if config.checkpoint_iterations is not None:
            last = pyramid.total_iterations(pyramid.scales_of(resolve(config), *self._size))  # or fewer
            iterations = range(config.checkpoint_iterations, last + 1, config.checkpoint_iterations)
            for iteration in iterations[:_CHECKED_CHECKPOINTS]:
                yield "checkpoint_output", Path(config.checkpoint_path(iteration))

    def _progress_files(self, result: Path) -> Iterator[tuple[str, Path]]:
        stem = result.with_suffix("")
        if self.config.progress_write:
            yield "progress_write", Path(f"{stem}-progress.txt")
        if self.config.progress_plot:
            yield "progress_plot", Path(f"{stem}-progress.png")

    def _sources(self) -> set[str]:
        """Return the files that the run reads, with all links resolved."""
        config = self.config
        folders = [path for style in config.styles if is_folder(style) for path in pictures_in(style, "style folder")]
        values = [getattr(config, name) for name, option in OPTIONS.items() if option.is_picture and name != "init"]
        pictures = [each for value in values for each in (value if isinstance(value, tuple) else (value,))]
        pictures += [config.start_picture, *folders, config.proof]
        named = [os.fspath(picture) for picture in pictures if isinstance(picture, (str, os.PathLike))]
        return {os.path.realpath(source) for source in (*named, os.path.expanduser(without_hash(config.weights)))}

    def _write(self, option: str, path: Path, write: Callable[[Path], object], overwrite: bool) -> None:
        note = self._note
        written = files.write_atomically(path, write, overwrite=overwrite, option=option, before_placing=note)
        _note_new_name(option, path, written)
        self.written[option] = str(written)

    def _write_image(self, option: str, path: Path, step: Step, network: VGGWeights, overwrite: bool) -> Path:
        settings = settings_of(self.config, network)
        picture, note = step.image_with_alpha, self._note
        written = writing.write_image(path, picture, settings=settings, overwrite=overwrite, before_placing=note)
        _note_new_name(option, path, written)
        if option == "checkpoint_output":
            self.written.setdefault(option, []).append(str(written))
        else:
            self.written[option] = str(written)
        return written


def _is_within(path: str, other: str) -> bool:
    return path == other or path.startswith(other + os.sep)


def _note_new_name(option: str, wanted: Path, written: Path) -> None:
    if written != wanted:
        _log.warning("%s: %r exists by now, so the file is written as %r", option, str(wanted), str(written))


def _stem(source: Source) -> str:
    """Return the part of a default name that stands for a picture or a folder of pictures."""
    if is_folder(source):
        return Path(os.path.abspath(source)).name
    if isinstance(source, EncodedPicture):
        return source.stem
    if isinstance(source, (str, os.PathLike)):
        return Path(source).stem  # not from `describe`, which replaces bytes that are not text
    return Path(describe(source)).stem


def stem_of(pictures: Iterable[Source], *others: str) -> str:
    """Return a default name without its suffix, from pictures and other words; a long one is cut off in the middle."""
    stem, end = "-".join(map(_stem, pictures)), "".join(f"-{other}" for other in others)
    while len(os.fsencode(stem + end)) > _STEM_BYTES:
        stem = stem[:-1]
    return stem + end


def pictures_of(config: Config) -> tuple[Source, ...]:
    """Return the pictures that a default name is made of: the content, or "texture" without one, and the styles."""
    return (Path("texture") if config.content is None else config.content, *config.styles)


def stem_of_result(config: Config) -> str:
    """Return the name of the result without its suffix: the one asked for, or the default one."""
    if config.output and not standard_streams.is_output(config):
        return Path(config.output).stem
    return stem_of(pictures_of(config), *(() if config.styles else config.content_terms))


def _default_name(config: Config) -> Path:
    """Return `<content>-<style>.png` in the current folder, numbered if that exists and must not be replaced.

    Without a content, it is `texture-<style>.png`; without a style, `<content>-<layers>.png`.
    """
    path = Path(f"{stem_of(pictures_of(config), *(() if config.styles else config.content_terms))}.png")
    return path if config.overwrite else files.numbered(path)
