"""What the page does when something is pressed, as plain functions of a visitor and values."""

from __future__ import annotations

import dataclasses
import re
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neural_style.compute import memory
from neural_style.config import command_words
from neural_style.config.config import OPTIONS, Config
from neural_style.config.defaults import STARTS
from neural_style.config.resolve import resolve
from neural_style.config.strength import USUAL
from neural_style.errors import NeuralStyleError, UsageError
from neural_style.example_pictures import example_picture
from neural_style.images import small_copies
from neural_style.runs.recipe import recipe_of
from neural_style.web import drawing, form
from neural_style.web.form import Entered
from neural_style.web.jobs import Job, Painter, State
from neural_style.web.options import USUAL_SIDE, Served
from neural_style.web.pictures import Sent, take
from neural_style.web.visitors import Visitor, Visitors

if TYPE_CHECKING:
    from neural_style.networks.weights import VGGWeights

EXAMPLES = (
    ("lakeside.jpg", "swirls.jpg"),
    ("lakeside.jpg", "woodcut.jpg"),
    ("lakeside.jpg", "mosaic.jpg"),
    ("lakeside.jpg", "pointillist.jpg"),
)
"""Photo and style picture of each example. An installation has the first alone."""

MOST_RESULTS = 50
"""How many finished pictures of a visitor are kept. The oldest ones are removed."""

MOST_OPEN, MOST_PAUSED = 30, 3
"""How many pictures of a visitor may wait, be painted or be paused, and how many of them may be paused."""

_MOST_LIVE = 200
"""How many pictures of jobs that are painted or paused are kept to be shown."""

LIVE_COST = 0.04
"""Share of the time that may go into the pictures that are shown while a job is painted."""


@dataclasses.dataclass
class Calibration:
    """What is known of this machine once it is measured."""

    seconds_per_pixel: float
    network: VGGWeights
    precision: str
    device: str


class Desk:
    """Takes the wishes of visitors to the painter, and its pictures to them. It may be used from several threads."""

    def __init__(self, served: Served, visitors: Visitors, painter: Painter):
        """Begin without any wishes."""
        self.served, self.visitors, self.painter = served, visitors, painter
        self.calibration: Calibration | None = None
        """None until this machine is measured."""
        self._live: dict[str, tuple[int, bytes, float]] = {}  # job -> iteration of its picture, picture, next time
        self._lock = threading.Lock()
        visitors.on_forgotten = self._forget

    def _forget(self, visitor: Visitor) -> None:
        """Drop what a visitor left paused."""
        for job in visitor.jobs:
            self.painter.drop(job)

    # --- pictures -----------------------------------------------------------------------------------------------------

    def take(self, visitor: Visitor, path: str, role: str) -> Sent:
        """Check a picture that was sent; see `pictures.take`."""
        return take(visitor, path, role, self.served.max_pixels)

    def example(self, visitor: Visitor, index: int) -> tuple[Sent, Sent]:
        """Return photo and style picture of an example, as if the visitor had sent them."""
        taken = []
        for name in available_examples()[index]:
            path = visitor.folder / "examples" / name
            if not path.exists():
                visitor.folder.mkdir(exist_ok=True)
                path.parent.mkdir(exist_ok=True)
                shutil.copyfile(example_picture(name), path)
            taken.append(self.take(visitor, str(path), "example"))
        return taken[0], taken[1]

    # --- before a run -------------------------------------------------------------------------------------------------

    def plan(self, entered: Entered) -> str:
        """Return in HTML what a run would need, or what is wrong with what was entered."""
        try:
            values = form.values_of(entered, self.served.max_side)
            config = form.config_of(values)
            known = self.calibration
            if known is None:
                waiting = self.painter.problem or "Getting ready: the plan appears here in some seconds."
                return drawing.problem(waiting) if self.painter.problem else f'<p class="plan">{waiting}</p>'
            return self._plan(config, entered, known)
        except NeuralStyleError as error:
            return drawing.problem(in_sentence(error))

    def _plan(self, config: Config, entered: Entered, known: Calibration) -> str:
        from neural_style.runs.estimate import estimate

        resolved = resolve(config, known.network.settings)
        if config.size is not None or entered.photo is None:
            width, height = (int(side) for side in str(config.size).split("x"))
        else:
            width = config.width or entered.photo.width
            height = max(1, round(entered.photo.height * width / entered.photo.width))
        budget = memory.budget(self.served.memory, known.device)
        estimated = estimate(resolved, known.precision, width, height, budget)
        seconds = estimated.seconds_expected(known.seconds_per_pixel)
        return drawing.plan(width, height, seconds, estimated.peak, budget)

    # --- jobs ---------------------------------------------------------------------------------------------------------

    def paint(self, visitor: Visitor, entered: Entered) -> Job:
        """Put a new job into the queue.

        Raises:
            NeuralStyleError: something is missing or wrong, or too many jobs wait.
        """
        if self.painter.problem:
            raise NeuralStyleError(self.painter.problem)
        values = form.values_of(entered, self.served.max_side)
        config = dataclasses.replace(form.config_of(values), max_pixels=self.served.max_pixels)
        for each in filter(None, (entered.photo, *entered.styles)):
            if not Path(each.path).is_file():
                raise UsageError("expected pictures that are still here, got some from too long ago; send them again")
        styles = " and ".join(each.stem for each in entered.styles) or "no style"
        subject = entered.photo.stem if "content" in values and entered.photo else "Texture"
        stem = "-".join([subject.lower() if subject == "Texture" else subject, *(each.stem for each in entered.styles)])
        if sum(not job.state.is_over for job in visitor.jobs) >= MOST_OPEN:
            raise UsageError(f"expected at most {MOST_OPEN} pictures of yours at a time; wait for some, or stop them")
        folder = visitor.new_file("job")
        folder.mkdir()
        number = 1 + max((each.number for each in visitor.jobs), default=0)
        stem = f"{stem[:100]}{f'-{number}' if number > 1 else ''}"
        job = Job(config, folder, f"{subject} in the style of {styles}", stem, number)
        job.values, job.entered = values, entered
        with self._lock:
            visitor.jobs.append(job)
            try:
                self.painter.add(job)
            except UsageError:
                visitor.jobs.remove(job)
                shutil.rmtree(folder.parent, ignore_errors=True)
                raise
            self._remove_oldest(visitor)
        return job

    def pause(self, visitor: Visitor, job: Job) -> None:
        """Pause a job of a visitor.

        Raises:
            UsageError: as many are paused as may be.
        """
        if sum(each.state is State.PAUSED for each in visitor.jobs) >= MOST_PAUSED:
            raise UsageError(f"expected at most {MOST_PAUSED} paused pictures; go on with one, or stop it")
        self.painter.pause(job)

    def _remove_oldest(self, visitor: Visitor) -> None:
        over = [job for job in visitor.jobs if job.state.is_over]
        for job in over[: max(0, len(over) - MOST_RESULTS)]:
            visitor.jobs.remove(job)
            shutil.rmtree(job.folder.parent, ignore_errors=True)
            remove_masks(job.entered.masks if job.entered else {})

    def job_of(self, visitor: Visitor, key: str | None) -> Job | None:
        """Return a job of a visitor by its key; without one, the one that matters most now; None if there is none."""
        for job in visitor.jobs:
            if job.key == key:
                return job
        if key:
            return None
        for state in (State.PAINTING, State.PAUSED, State.WAITING):
            if found := [job for job in visitor.jobs if job.state is state]:
                return found[0]
        return visitor.jobs[-1] if visitor.jobs else None

    def change(self, job: Job, strength: float | None, shares: Sequence[float | None]) -> str:
        """Change the strength and the shares of the styles of a job.

        Returns:
            What happened, in one sentence; empty if nothing changed.

        Raises:
            UsageError: a value is invalid.
        """
        new: dict[str, Any] = {}
        if strength is not None and strength != (USUAL if job.config.strength is None else job.config.strength):
            new["strength"] = float(strength)
        count = len(job.config.styles)
        chosen = tuple(1.0 if share is None else float(share) for share in shares[:count])
        if count > 1 and len(chosen) == count and chosen != (job.config.style_blend_weights or (1.0,) * count):
            new["style_blend_weights"] = chosen
        if not new or job.state.is_over:
            return ""
        first = self.painter.change(job, new)
        job.values = {**job.values, **new}
        job.was_changed |= job.iteration >= 0
        words = " and ".join(
            f"strength {value:g}" if name == "strength" else f"shares {' : '.join(f'{each:g}' for each in value)}"
            for name, value in new.items()
        )
        if first is None:
            return f"{words} from the beginning on" if job.iteration < 0 else f"{words} when it goes on"
        return f"{words} from iteration {first} on"

    def live(self, job: Job) -> bytes | None:
        """Return the present picture of a job as a JPEG file; None before the first.

        It is made anew only so often that it takes `LIVE_COST` of the time.
        """
        step = job.step
        with self._lock:
            iteration, data, due = self._live.get(job.key, (-1, b"", 0.0))
            now = time.monotonic()
            if step is not None and iteration != step.iteration and now >= due:
                data, _ = small_copies.as_jpeg(step.small_image(*self._live_size(job)), drawing.LIVE_SIDE)
                took = time.monotonic() - now
                self._live[job.key] = step.iteration, data, now + took / LIVE_COST
                while len(self._live) > _MOST_LIVE:
                    del self._live[next(iter(self._live))]
            return data or None

    def _live_size(self, job: Job) -> tuple[int, int]:
        """Return width and height of the picture that is shown while a job is painted."""
        last = job.scales[-1]
        factor = min(1.0, drawing.LIVE_SIDE / max(last.width, last.height))
        return max(1, round(last.width * factor)), max(1, round(last.height * factor))

    def before(self, visitor: Visitor, job: Job) -> str | None:
        """Return the path of the photo of a finished job, as large as the result; None for a texture."""
        if job.size is None or not isinstance(job.config.content, str):
            return None
        path = job.folder / "before.jpg"
        if not path.exists():
            sent = visitor.sent.get(job.config.content)
            if sent is None:
                return None
            from PIL import Image

            with Image.open(sent.shown) as image:
                factor = min(1.0, drawing.LIVE_SIDE * 2 / max(job.size))
                width, height = (max(1, round(side * factor)) for side in job.size)
                image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS).save(path, quality=90)
        return str(path)

    def command(self, job: Job) -> str:
        """Return the command line that paints the picture of a job, from the folder of its pictures."""
        return command_words.command(form.without_folders(job.values))

    # --- settings of a finished picture -------------------------------------------------------------------------------

    def settings(self, path: str) -> tuple[dict[str, Any], str]:
        """Return the options of the run that made a picture, from its metadata, and what else there is to say.

        Raises:
            NeuralStyleError: the picture has none, or they are damaged.
        """
        recipe = recipe_of(path, (), {})
        values = {
            name: value
            for name, value in recipe.values.items()
            if name in (*form.MAIN, *form.MORE_NAMES) and not (name == "init" and value not in STARTS)
        }
        kinds = {"content": "photo", "styles": "style"}
        files = [f"{file.name} ({kinds[file.option]})" for file in recipe.files if file.option in kinds]
        words = f"Settings of {recipe.picture} are in the form."
        if files:
            words += f" It was made from {', '.join(files)}: send these pictures for the same result."
        return values, words


def mask_paths(masks: Mapping[str, str | Sequence[str]]) -> list[str]:
    """Return the paths of the masks of `Entered`."""
    return [path for each in masks.values() for path in ([each] if isinstance(each, str) else each)]


def remove_masks(masks: Mapping[str, str | Sequence[str]]) -> None:
    """Remove the masks of `Entered`, each of which has a folder of its own."""
    for path in mask_paths(masks):
        shutil.rmtree(Path(path).parent, ignore_errors=True)


def available_examples() -> list[tuple[str, str]]:
    """Return the examples whose pictures are here."""
    return [pair for pair in EXAMPLES if all(example_picture(name).is_file() for name in pair)]


def entered_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the fields of the page show for the values of options; for the others, their defaults."""
    shown = {}
    for name in (*form.MAIN, *form.MORE_NAMES):
        value = values.get(name, OPTIONS[name].default)
        shown[name] = USUAL if name == "strength" and value is None else form.shown(OPTIONS[name], value)
    return shown


def side_of(values: Mapping[str, Any], photo: Sent | None) -> int:
    """Return the longer side of a result, from its options and its photo."""
    width = values.get("width")
    if not width:
        return USUAL_SIDE
    return width if photo is None else round(width * max(photo.width, photo.height) / photo.width)


def in_sentence(error: BaseException | str) -> str:
    """Return a message with a capital letter and a full stop."""
    text = str(error)
    name, colon, rest = text.partition(": ")
    if colon and name in OPTIONS:
        text = f"{form.label_of(name)}: {rest}"
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def usual_preset() -> str:
    """Return the name of the preset that is the default."""
    return next(iter(Config.presets()))


def preset_choices() -> list[tuple[str, str]]:
    """Return the presets for a choice: what is shown, and its value."""
    summaries: dict[str, str] = Config.presets()
    return [(f"{name}: {re.split('[:,(]', summary)[0].strip()}", name) for name, summary in summaries.items()]
