"""Log a run for TensorBoard, for `--tensorboard`.

An event file is a sequence of records. TensorFlow writes them, and the package `tensorboard` says what is in them.
TensorFlow does not bring that package any more. The functions of `tf.summary` need it, too; they are not used, because
on a full disk none of their calls ends with an error.
"""

from __future__ import annotations

import contextlib
import importlib.util
import operator
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from neural_style import files
from neural_style.config.fields import words
from neural_style.errors import OutputError, UsageError
from neural_style.images import small_copies
from neural_style.runs import pyramid
from neural_style.runs.step import LOSS_NAMES

if TYPE_CHECKING:
    from neural_style.runs.session import Session
    from neural_style.runs.step import Step

_Made = TypeVar("_Made")

OPTION = "tensorboard"

PICTURES = 20
"""Into how many parts the expected work of a run is divided, each of which ends with a picture."""

_NOTE = "tensorboard.txt"
"""The file in a work folder that names the folder of the run's log."""


def check_can_log(folder: str) -> None:
    """Check that TensorBoard is installed, without importing it, and that its logs can be written.

    Raises:
        UsageError: it is not installed.
        OutputError: the folder cannot be made or written to.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise UsageError(
            f"{OPTION}: expected the package tensorboard, which is not installed; pip install tensorboard, or use "
            "--progress_write"
        )
    files.check_folder(folder, OPTION)


class TensorBoardLog:
    """Writes one event file. See `docs/tensorboard.md` for its tags."""

    option = OPTION

    def __init__(self, session: Session, stem: str, settings: Mapping[str, object]):
        """Prepare. Nothing is written before the first step.

        Args:
            session: the run.
            stem: what the folder of the run is called, before the time.
            settings: the options by name, which are logged as hyperparameters.
        """
        self._session, self._stem, self._settings = session, stem, settings
        self._writer: Any = None
        self._has_failed = False
        self.written: Path | None = None
        """The folder of this run's log; None before the first step."""
        tolerance = session.config.tolerance_of(session.plans[-1].optimizer)
        expected = [pyramid.expected_evaluations((), tolerance, scale.iterations + 1) for scale in session.scales]
        areas = [scale.width * scale.height for scale in session.scales]
        self._spacing = sum(map(operator.mul, expected, areas)) / PICTURES
        self._work = 0.0  # pixels evaluated since the last picture
        self._size: tuple[int, int] | None = None
        self._began = self._last = time.monotonic()
        self._count = 0

    def update(self, step: Step) -> None:
        """Log one step.

        Raises:
            OutputError: the log cannot be written.
        """
        seconds = max(time.monotonic() - self._last, 1e-9)
        if self._writer is None:
            self._open(step.iteration)
        width, height = step.scale
        values = {f"loss/{name}": step.losses[name] for name in LOSS_NAMES}
        for name, of_layers in step.losses_by_layer.items():
            if name != "tv":  # which has no layers
                values |= {f"loss of {name}/{layer}": value for layer, value in of_layers.items()}
        values |= {"run/width": width, "run/height": height}
        if step.step_size is not None:
            values["run/step size"] = step.step_size
        if self._count:  # the first one has waited for the graph
            values["speed/evaluations per second"] = 1 / seconds
            values["speed/megapixels per second"] = width * height / seconds / 1e6
        self._count += 1
        self._add(step.iteration, values)
        self._work += width * height
        if step.scale != self._size or self._work >= self._spacing:
            self._size, self._work = step.scale, 0.0
            self._add_picture("picture", step)
        self._attempt(self._writer.flush)
        self._last = time.monotonic()

    def close(self) -> None:
        """Log the best image and its losses, and close the file.

        Raises:
            OutputError: the log cannot be written.
        """
        writer, best = self._writer, self._session.best
        if self._has_failed:
            with contextlib.suppress(OutputError):  # which was reported
                self._attempt(writer.close)
            return
        if writer is None:
            return
        try:
            if best is not None:
                seconds = time.monotonic() - self._began
                numbers = {"iteration": best.iteration, "evaluations": self._session.iteration + 1, "seconds": seconds}
                final = {f"final/{name}": float(value) for name, value in {**best.losses, **numbers}.items()}
                self._add(self._session.iteration, final)
                self._add_picture("final", best)
        finally:
            self._writer = None
            self._attempt(writer.close)

    def _open(self, first: int) -> None:
        """Begin the file, with the settings.

        Args:
            first: iteration of the first step. What another file of the run has from there on does not count any more.
        """
        import tensorflow as tf

        try:
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog
            from tensorboard.plugins.hparams import api
        except ImportError as error:  # a damaged installation, or one for another version of protobuf
            raise OutputError(f"{OPTION}: the package tensorboard cannot be imported ({error})") from error
        config = self._session.config
        assert config.tensorboard is not None
        folder, note = Path(config.tensorboard), None if config.workdir is None else Path(config.workdir, _NOTE)
        goes_on = None if note is None or not first else _noted(note, folder)
        self.written = goes_on or files.numbered(folder / f"{self._stem}-{time.strftime('%Y%m%d-%H%M%S')}")
        path = self.written / f"events.out.tfevents.{time.time_ns()}.{os.getpid()}"
        with _output_errors(self.written):
            self.written.mkdir(parents=True, exist_ok=True)
            self._writer = tf.io.TFRecordWriter(os.fspath(path))
        self._write(Event(file_version="brain.Event:2", wall_time=time.time()))
        self._write(Event(step=first, session_log=SessionLog(status=SessionLog.START), wall_time=time.time()))
        hparams = {name: _as_hparam(value) for name, value in self._settings.items()}
        summary = api.hparams_pb(hparams, self.written.name)  # with no list of them, those that differ come first
        self._write(Event(step=first, summary=summary, wall_time=time.time()))
        self._add_text("settings", hparams, first)
        if note is not None and goes_on is None:
            name = self.written.name
            files.write_atomically(note, lambda file: file.write_text(name, "utf-8"), overwrite=True, option=OPTION)

    def _add(self, iteration: int, values: Mapping[str, float]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])
        self._write(Event(step=iteration, summary=summary, wall_time=time.time()))

    def _add_picture(self, tag: str, step: Step) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        encoded, (width, height) = self._attempt(lambda: small_copies.as_jpeg(step.image_with_alpha))
        image = Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=encoded)
        summary = Summary(value=[Summary.Value(tag=tag, image=image)])
        self._write(Event(step=step.iteration, summary=summary, wall_time=time.time()))

    def _add_text(self, tag: str, values: Mapping[str, object], iteration: int) -> None:
        """Log a table of names and values, as Markdown."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.compat.proto.tensor_pb2 import TensorProto
        from tensorboard.compat.proto.types_pb2 import DT_STRING
        from tensorboard.plugins.text.metadata import create_summary_metadata

        rows = [f"| {name} | {str(value).replace('|', chr(92) + '|')} |" for name, value in values.items()]
        text = "\n".join(["| option | value |", "|---|---|", *rows])
        tensor = TensorProto(dtype=DT_STRING, string_val=[text.encode("utf-8", "replace")])
        value = Summary.Value(tag=tag, tensor=tensor, metadata=create_summary_metadata(tag, ""))
        self._write(Event(step=iteration, summary=Summary(value=[value]), wall_time=time.time()))

    def _write(self, event: Any) -> None:
        data = event.SerializeToString()
        self._attempt(lambda: self._writer.write(data))

    def _attempt(self, act: Callable[[], _Made]) -> _Made:
        assert self.written is not None
        try:
            with _output_errors(self.written):
                return act()
        except OutputError:
            self._has_failed = True
            raise


@contextlib.contextmanager
def _output_errors(folder: Path) -> Iterator[None]:
    """Turn errors of the system, of TensorFlow's files, and of a memory too small for a copy into an OutputError."""
    from tensorflow.errors import OpError

    try:
        yield
    except (OSError, OpError, MemoryError) as error:
        said = getattr(error, "strerror", None) or getattr(error, "message", None) or type(error).__name__
        reason = str(said).rpartition("; ")[2]  # TensorFlow names the file before it
        raise OutputError(f"{OPTION}: {str(folder)!r} cannot be written ({reason})") from error


def _noted(note: Path, folder: Path) -> Path | None:
    """Return the folder of a run's log that a file in its work folder names, which may come from a stranger."""
    with contextlib.suppress(OSError, ValueError):
        with open(note, encoding="utf-8") as file:
            name = file.read(256)
        if name and name == os.path.basename(name) and not name.startswith(".") and (folder / name).is_dir():
            return folder / name
    return None


def _as_hparam(value: object) -> bool | int | float | str:
    """Return the value of an option as TensorBoard takes it."""
    if isinstance(value, (bool, int, float, str)):
        return value
    return words(value) if isinstance(value, (tuple, list)) else str(value)
