"""The film of a run: which pictures it shows, and for how long.

Pictures are kept where the eye sees a change, and the larger the change to the next one is, the longer a picture fades
into it. So the film changes evenly, though a run changes much at first and little later. Pictures wait in a file
without a name, which goes away with the process, and are encoded when the run ends.
"""

from __future__ import annotations

import io
import itertools
import logging
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from neural_style.cli.emerging import Budget, fitted, picture_of
from neural_style.cli.film_formats import FORMATS

if TYPE_CHECKING:
    from neural_style.cli.outputs import Outputs
    from neural_style.runs.session import Session
    from neural_style.runs.step import Step

_log = logging.getLogger("neural_style")

MOST_PICTURES = 400
"""How many pictures are kept at a time. More are thinned out: those that differ least from the one before go."""

LEAST_CHANGE = 0.2
"""Change at which a picture is kept, in levels of 255, as the mean over `_thumbnail`."""

MOST_SECONDS, FIRST_SECONDS, HELD_SECONDS = 10.0, 0.3, 1.2
"""Length of a film at most, and how long its first and its last picture are held in addition."""

SECONDS_EACH = 1 / 12
"""A film of few pictures is as much shorter: each has this time in the mean."""

LONGEST_EACH = 0.4
"""Most seconds of a picture other than the last."""

SHARE, ALLOWANCE = 0.02, 0.5
"""Share of the run's time that pictures may take while it goes on, and seconds in addition."""

_THUMBNAIL = 96


class _Kept(NamedTuple):
    """One picture in the file."""

    place: int
    length: int
    thumbnail: np.ndarray
    """Float32 (height, width, 3), 0-255."""


class Reel:
    """Pictures of a run in its order, as many as a film needs. Memory holds none of them."""

    def __init__(self, folder: Path, most: int = MOST_PICTURES, least_change: float = LEAST_CHANGE):
        """Begin without a picture.

        Args:
            folder: where the file without a name is kept.
            most: as `MOST_PICTURES`.
            least_change: as `LEAST_CHANGE`.
        """
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._kept: list[_Kept] = []
        self._most, self._threshold = most, least_change

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, picture: Image.Image, *, anyway: bool = False) -> None:
        """Keep a picture if it has changed enough since the last one that was kept.

        Args:
            picture: RGB.
            anyway: whether to keep it unless it is the same.
        """
        thumbnail = _thumbnail(picture)
        change = _change(self._kept[-1].thumbnail, thumbnail) if self._kept else np.inf
        if change <= (0 if anyway else self._threshold):
            return
        data = io.BytesIO()
        picture.save(data, "JPEG", quality=96, subsampling=0)
        place = self._file.seek(0, io.SEEK_END)
        self._file.write(data.getbuffer())
        self._kept.append(_Kept(place, data.tell(), thumbnail))
        while len(self._kept) > self._most:
            self._threshold *= 1.5
            self._thin()

    def _thin(self) -> None:
        """Drop the pictures that have changed too little, and close up the file."""
        kept: list[_Kept] = []
        end = 0
        for each in self._kept:
            if kept and _change(kept[-1].thumbnail, each.thumbnail) <= self._threshold:
                continue
            data = self._data(each)
            self._file.seek(end)
            self._file.write(data)
            kept.append(each._replace(place=end))
            end += each.length
        self._file.truncate(end)
        self._kept = kept

    def _data(self, kept: _Kept) -> bytes:
        self._file.seek(kept.place)
        return self._file.read(kept.length)

    def pictures(self, frames: Iterable[Frame]) -> Iterator[Image.Image]:
        """Yield the pictures of frames."""
        decoded: dict[int, Image.Image] = {}

        def picture(index: int) -> Image.Image:
            if index not in decoded:
                for old in [each for each in decoded if each < index - 1]:
                    del decoded[old]
                decoded[index] = Image.open(io.BytesIO(self._data(self._kept[index]))).convert("RGB")
            return decoded[index]

        for index, share, _ in frames:
            shown = picture(index)
            yield Image.blend(shown, picture(index + 1), share) if share else shown

    def changes(self) -> list[float]:
        """Return the change from each picture to the next."""
        thumbnails = [each.thumbnail for each in self._kept]
        return [_change(before, after) for before, after in itertools.pairwise(thumbnails)]

    def close(self) -> None:
        """Remove the file."""
        self._file.close()


def _thumbnail(picture: Image.Image) -> np.ndarray:
    size = fitted(picture.size, (_THUMBNAIL, _THUMBNAIL))
    return np.asarray(picture.resize(size, Image.Resampling.BOX), np.float32)


def _change(before: np.ndarray, after: np.ndarray) -> float:
    return float(np.abs(after - before).mean())


def seconds_of(changes: Sequence[float]) -> list[float]:
    """Return how long to show each picture of a film but the last, in proportion to the change that follows it.

    Args:
        changes: from each picture to the next.

    Returns:
        Seconds, at most `LONGEST_EACH` each and `MOST_SECONDS` together.
    """
    wanted = min(MOST_SECONDS, len(changes) * SECONDS_EACH)
    weights = np.maximum(np.array(changes, np.float64), 1e-9)
    seconds = np.zeros(len(weights))
    is_free = np.ones(len(weights), bool)
    while is_free.any():
        left = wanted - seconds[~is_free].sum()
        seconds[is_free] = left * weights[is_free] / weights[is_free].sum()
        too_long = is_free & (seconds > LONGEST_EACH)
        if not too_long.any():
            break
        seconds[too_long] = LONGEST_EACH
        is_free &= ~too_long
    return seconds.tolist()


class Frame(NamedTuple):
    """A frame of a film: a picture, on the way to the next one."""

    number: int
    """Of the picture."""
    share: float
    """Of the next picture, 0 to less than 1."""
    ticks: int
    """For how many frames it is shown."""


def cut(changes: Sequence[float], rate: float) -> list[Frame]:
    """Choose the frames of a film. One picture fades into the next, since the first ones differ much.

    Args:
        changes: from each picture to the next.
        rate: frames in a second.

    Returns:
        The frames. The first picture is held for `FIRST_SECONDS`, and the last one for `HELD_SECONDS`.
    """
    begins = np.concatenate([[0.0], np.cumsum(seconds_of(changes))])
    frames = [Frame(0, 0.0, round(FIRST_SECONDS * rate))] if changes else []
    for second in np.arange(1, int(begins[-1] * rate) + 1) / rate:
        index = min(int(np.searchsorted(begins, second, "right")) - 1, len(changes) - 1)
        share = round(float((second - begins[index]) / (begins[index + 1] - begins[index])), 2)
        frames.append(Frame(index, share, 1) if share < 1 else Frame(index + 1, 0.0, 1))
    return [*frames, Frame(len(changes), 0.0, round(HELD_SECONDS * rate))]


class Film:
    """Takes the best pictures of a run, and writes a film of them at its end."""

    option = "progress_film"

    def __init__(self, session: Session, outputs: Outputs):
        """Begin; a run that goes on begins with its best picture so far."""
        assert outputs.film is not None
        self._outputs = outputs
        self._format = FORMATS[outputs.film.suffix.lower()]
        finest = session.scales[-1]
        longest, multiple = self._format.longest, self._format.multiple
        self._size = fitted((finest.width, finest.height), (longest, longest), multiple)
        self._reel: Reel | None = None
        self._budget = Budget(SHARE, ALLOWANCE)
        self._latest: Step | None = None  # the best step, if it is not in the film yet
        self._scale: tuple[int, int] | None = None
        self._before = session.best

    def update(self, step: Step) -> None:
        """Take a step if it is the best so far. At each size, the first one is."""
        if not step.best:
            return
        self._latest = step
        is_new = step.scale != self._scale
        if is_new or self._budget.is_open:
            if self._before is not None:
                self._take(self._before)
                self._before = None
            self._scale = step.scale
            self._take(step, anyway=is_new)

    def _take(self, step: Step, *, anyway: bool = True) -> None:
        with self._budget:
            if self._reel is None:
                assert self._outputs.film is not None
                folder = next(parent for parent in self._outputs.film.absolute().parents if parent.is_dir())
                self._reel = Reel(folder)
            self._reel.take(picture_of(step, self._size), anyway=anyway)
            if step is self._latest:
                self._latest = None

    def close(self) -> None:
        """Write the film, up to the best picture so far."""
        if self._latest is not None:
            self._take(self._latest)
        reel, self._reel = self._reel, None
        if reel is None:
            _log.warning("progress_film: the run made no picture, so there is no film")
            return
        try:
            self._outputs.write_film(lambda path: self._encode(reel, path))
        finally:
            reel.close()

    def _encode(self, reel: Reel, path: Path) -> None:
        frames = cut(reel.changes(), self._format.rate)
        ticks = [frame.ticks for frame in frames]
        self._format.encode(path, reel.pictures(frames), ticks, self._format.rate)
