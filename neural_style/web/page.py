"""The page: what is where on it, and which function of `handlers` each part calls."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
import numpy as np
from PIL import Image, ImageOps

from neural_style.config.config import OPTIONS
from neural_style.config.fields import Option
from neural_style.config.strength import USUAL
from neural_style.errors import NeuralStyleError, UsageError
from neural_style.example_pictures import example_picture
from neural_style.web import drawing, form, handlers
from neural_style.web.fields import SliderField, picture_field, regions_field
from neural_style.web.form import Entered
from neural_style.web.handlers import Desk, in_sentence
from neural_style.web.jobs import Job, State
from neural_style.web.options import LEAST_SIDE, USUAL_SIDE
from neural_style.web.pictures import BRUSHES, Sent, regions_of
from neural_style.web.visitors import COOKIE, Visitor

TITLE = "neural-style"
_TICK_SECONDS = 1.0

_THUMBNAIL = 120


_ENTERED = ("strength", "color", "quality", "seed")
"""Options that have a field of their own, in the order of the fields."""

_BRUSH_NAMES = ("red", "green", "blue", "yellow")

CSS = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")


def visitor_of(desk: Desk, request: gr.Request) -> Visitor:
    """Return who sent a request. The gate has seen to it that there is a cookie."""
    return desk.visitors.of(request.cookies[COOKIE])  # the gate leaves one such cookie


class Page:
    """All parts of the page."""

    def __init__(self, desk: Desk):
        """Lay out the page of a desk."""
        self._desk = desk
        with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as self.blocks:
            gr.HTML(
                f"<h1>{TITLE}</h1><p>Give a photo and one or more style pictures, and press Paint.</p>",
                elem_classes="head",
            )
            with gr.Row(elem_classes="columns"):
                with gr.Column(scale=5, min_width=320):
                    self._lay_out_form()
                with gr.Column(scale=6, min_width=320, elem_classes="result"):
                    self._lay_out_result()
            self._connect()
            self._connect_api()

    # --- layout -------------------------------------------------------------------------------------------------------

    def _lay_out_form(self) -> None:
        self.photo = picture_field(label="Photo", height=200, elem_id="photo", placeholder="Drop a photo, or click")
        with gr.Row(elem_classes="styles"):
            self.styles = [
                picture_field(
                    label=f"Style {number}" if number > 1 else "Style",
                    height=140,
                    min_width=120,
                    elem_id=f"style-{number}",
                    placeholder="Add",
                )
                for number in range(1, form.MOST_STYLES + 1)
            ]
        pairs = handlers.available_examples()
        self.examples = gr.Dataset(
            components=[gr.Image(visible=False)],
            samples=[[str(self._small_example(*pair))] for pair in pairs],
            label="Or an example: a photo with a style",
            type="index",
            elem_id="examples",
            layout="gallery",
        )
        self.strength = SliderField(
            0,
            1,
            USUAL,
            step=0.05,
            label="Strength",
            info="0 is the photo, 1 the style alone. It also changes the picture that is being painted.",
            elem_id="strength",
        )
        with gr.Row():
            self.shares = [
                SliderField(0, 4, 1, step=0.25, label=f"Share of style {number}", min_width=200, visible=False)
                for number in range(1, form.MOST_STYLES + 1)
            ]
        with gr.Row():
            self.side = SliderField(
                LEAST_SIDE,
                self._desk.served.max_side,
                USUAL_SIDE,
                step=16,
                label="Size in pixels",
                info="Longer side. Try a small one first.",
                elem_id="side",
            )
            self.quality = gr.Dropdown(
                [(name.capitalize(), name) for name in OPTIONS["quality"].choices],
                value=OPTIONS["quality"].default,
                label="Quality",
                info="A draft ends sooner.",
            )
        with gr.Row():
            self.color = gr.Dropdown(
                [(_COLOR_WORDS.get(name, name), name) for name in OPTIONS["color"].choices],
                value=OPTIONS["color"].default,
                label="Colors",
            )
            self.seed = gr.Number(0, precision=0, label="Seed", info="For starts with noise: More, Pictures, Init.")
        self.preset = gr.Dropdown(
            handlers.preset_choices(), value=handlers.usual_preset(), label="Look", elem_id="preset"
        )
        self.plan = gr.HTML('<p class="plan">Give a photo and a style.</p>', elem_id="plan")
        self.notice = gr.HTML(elem_id="notice")
        self.paint = gr.Button("Paint", variant="primary", elem_id="paint")
        self._lay_out_more()

    def _small_example(self, photo: str, style: str) -> Path:
        """Return a picture of an example, photo and style side by side, which every visitor may read."""
        path = self._desk.visitors.shared / f"{Path(photo).stem}-{style}"
        both = Image.new("RGB", (2 * _THUMBNAIL, _THUMBNAIL))
        for place, name in enumerate((photo, style)):
            with Image.open(example_picture(name)) as image:
                both.paste(ImageOps.fit(image, (_THUMBNAIL, _THUMBNAIL)), (place * _THUMBNAIL, 0))
        both.save(path, quality=88)
        return path

    def _lay_out_more(self) -> None:
        with gr.Accordion("More", open=False, elem_id="more"):
            gr.HTML("<p>What is left empty is chosen by the program.</p>")
            self.more: dict[str, Any] = {}
            for group, options in form.MORE.items():
                if not options:
                    continue
                with gr.Accordion(group, open=False):
                    for option in options:
                        self.more[option.name] = _field(option)
        with gr.Accordion("Regions: paint where a style goes", open=False, elem_id="regions") as self.region_part:
            gr.HTML(
                "<p>Paint on the photo. "
                + " ".join(
                    f'<span class="brush" style="--brush:{color}">{name}: style {number}</span>'
                    for number, (color, name) in enumerate(zip(BRUSHES, _BRUSH_NAMES, strict=True), 1)
                )
                + ". What is not painted stays as in the photo.</p>"
            )
            self.mask_kind = gr.Radio(
                [(text, name) for name, text in form.MASK_KINDS.items()],
                value="content_masks",
                label="What is painted says",
            )
            self.regions = regions_field(
                label="Regions",
                brush=gr.Brush(colors=list(BRUSHES), default_color=BRUSHES[0], color_mode="fixed", default_size=40),
                height=420,
            )
        with gr.Accordion("Settings of a finished picture", open=False, elem_id="settings"):
            self.finished = gr.File(
                label="Drop a picture that this program painted",
                file_types=["image"],
                type="filepath",
                height=110,
                elem_id="finished",
            )
            self.settings_words = gr.HTML()

    def _lay_out_result(self) -> None:
        self.status = gr.HTML(drawing.welcome(is_private=not self._desk.served.is_public), elem_id="status")
        with gr.Row(visible=False, elem_id="controls") as self.controls:
            self.pause = gr.Button("Pause", size="sm", min_width=90)
            self.go_on = gr.Button("Go on", size="sm", min_width=90, visible=False)
            self.stop = gr.Button("Stop and keep", size="sm", min_width=90)
        self.live = gr.HTML(elem_id="live")
        self.slider = gr.ImageSlider(
            label="Before and after", visible=False, interactive=False, buttons=["fullscreen"], elem_id="slider"
        )
        with gr.Row():
            self.download = gr.DownloadButton(
                "Download the picture", visible=False, variant="primary", elem_id="download"
            )
        self.command = gr.Textbox(
            label="The same on the command line",
            info="In the folder with the pictures.",
            visible=False,
            buttons=["copy"],
            lines=2,
            interactive=False,
            elem_id="command",
        )
        self.mask_files = gr.Files(
            label="Regions that were painted, for that command", visible=False, interactive=False, height=90
        )
        self.curves = gr.HTML(elem_id="curves")
        self.jobs = gr.Dropdown(label="Shown", choices=[], visible=False, interactive=True, elem_id="jobs")
        self.gallery = gr.Gallery(
            label="Painted in this visit",
            visible=False,
            columns=5,
            height="auto",
            object_fit="cover",
            allow_preview=False,
            interactive=False,
            buttons=[],
            elem_id="gallery",
        )
        self.timer = gr.Timer(_TICK_SECONDS, active=False)
        self.until_ready = gr.Timer(2 * _TICK_SECONDS)
        self.seen = gr.State(("", -1, ""))
        self.chosen = gr.State("")

    # --- what is called when ------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        quick: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
        entered = [
            *(self.photo, *self.styles, *self.shares, self.side, self.preset),
            *(self.strength, self.color, self.quality, self.seed),
            *self.more.values(),
        ]
        self.photo.upload(self._on_photo, [self.photo], [self.photo, self.regions, self.notice], **quick)
        for field in self.styles:
            field.upload(self._on_style, [field], [field, self.notice], **quick)
        self.examples.click(
            self._on_example, [self.examples], [self.photo, *self.styles, self.regions, self.notice], **quick
        )
        gr.on(
            [each.change for each in self.styles],
            lambda *paths: [gr.Slider(visible=bool(path) and sum(map(bool, paths)) > 1) for path in paths],
            self.styles,
            self.shares,
            **quick,
        )
        gr.on(
            [each.change for each in entered if each not in (*self.shares, self.strength, self.seed)],
            self._on_entered,
            entered,
            self.plan,
            trigger_mode="always_last",
            **quick,
        )
        self.until_ready.tick(self._on_waiting, entered, [self.plan, self.until_ready], **quick)
        shown = self._shown
        self.paint.click(
            self._on_paint, [*entered, self.mask_kind, self.regions], [self.notice, self.chosen, *shown], **quick
        ).then(None, None, None, js=_SHOW_PICTURE, api_visibility="private")
        refresh: dict[str, Any] = {"fn": self._on_tick, "inputs": [self.chosen, self.seen], "outputs": shown, **quick}
        self.timer.tick(**refresh)
        self.blocks.load(self._on_load, None, [*entered, *shown], **quick)
        for button, act in (
            (self.pause, self._desk.pause),
            (self.go_on, lambda visitor, job: self._desk.painter.go_on(job)),
            (self.stop, lambda visitor, job: self._desk.painter.stop(job)),
        ):
            button.click(self._acting(act), [self.chosen], [self.notice, *shown], **quick)
        gr.on(
            [each.input for each in (self.strength, *self.shares)],
            self._on_weights,
            [self.chosen, self.strength, *self.shares],
            [self.notice],
            trigger_mode="always_last",
            **quick,
        )
        self.jobs.input(self._on_choice, [self.jobs], [self.chosen, *shown], **quick)
        self.gallery.select(self._on_gallery, None, [self.chosen, *shown], **quick)
        fields = [self.strength, self.color, self.quality, self.seed, *self.more.values()]
        self.finished.upload(
            self._on_finished,
            [self.finished, self.photo],
            [self.settings_words, self.preset, self.side, *self.shares, *fields],
            **quick,
        )

    @property
    def _shown(self) -> list[Any]:
        """What `_view` fills in."""
        return [
            *(self.status, self.live, self.curves, self.controls, self.pause, self.go_on, self.stop),
            *(
                self.slider,
                self.download,
                self.command,
                self.mask_files,
                self.jobs,
                self.gallery,
                self.timer,
                self.seen,
            ),
        ]

    def _on_photo(self, path: str | None, request: gr.Request) -> tuple[Any, Any, str]:
        sent, problem = self._taken(path, "photo", request)
        return (None, None, problem) if sent is None else (sent.shown, _to_paint_on(sent), "")

    def _on_style(self, path: str | None, request: gr.Request) -> tuple[Any, str]:
        sent, problem = self._taken(path, "style picture", request)
        return (None, problem) if sent is None else (sent.shown, "")

    def _taken(self, path: str | None, role: str, request: gr.Request) -> tuple[Sent | None, str]:
        if path is None:
            return None, ""
        try:
            return self._desk.take(visitor_of(self._desk, request), path, role), ""
        except NeuralStyleError as error:
            return None, drawing.problem(in_sentence(error))
        except MemoryError:
            return None, drawing.problem("This picture is too large for the memory here. Send a smaller one.")

    def _on_example(self, index: int, request: gr.Request) -> tuple[Any, ...]:
        index = index if isinstance(index, int) and 0 <= index < len(handlers.available_examples()) else 0
        photo, style = self._desk.example(visitor_of(self._desk, request), index)
        return (photo.shown, style.shown, *[None] * (form.MOST_STYLES - 1), _to_paint_on(photo), "")

    def _entered(self, visitor: Visitor, values: Sequence[Any]) -> Entered:
        """Return what was entered, from the values of the fields in the order of `_connect`."""
        photo, *rest = values
        styles, rest = rest[: form.MOST_STYLES], rest[form.MOST_STYLES :]
        shares, rest = rest[: form.MOST_STYLES], rest[form.MOST_STYLES :]
        side, preset, strength, color, quality, seed, *more = rest
        options = {"strength": strength, "color": color, "quality": quality, "seed": seed}
        options |= dict(zip(self.more, more, strict=True))
        taken = [self._desk.take(visitor, path, "style picture") for path in styles if path]
        return Entered(
            self._desk.take(visitor, photo, "photo") if photo else None,
            taken,
            [1.0 if share is None else share for share, path in zip(shares, styles, strict=True) if path],
            int(side) if isinstance(side, (int, float)) and math.isfinite(side) else 0,
            preset,
            options,
        )

    def _on_entered(self, request: gr.Request, *values: Any) -> str:
        try:
            visitor = visitor_of(self._desk, request)
            return self._desk.plan(self._entered(visitor, values))
        except NeuralStyleError as error:
            return drawing.problem(in_sentence(error))

    def _on_waiting(self, request: gr.Request, *values: Any) -> tuple[Any, Any]:
        """Show the plan as soon as this machine is measured, and ask no more then."""
        if self._desk.calibration is None and not self._desk.painter.problem:
            return gr.skip(), gr.skip()
        has_pictures = any(values[: 1 + form.MOST_STYLES])
        return (self._on_entered(request, *values) if has_pictures else gr.skip()), gr.Timer(active=False)

    def _on_paint(self, request: gr.Request, *values: Any) -> tuple[Any, ...]:
        *entered_values, mask_kind, layers = values
        visitor = visitor_of(self._desk, request)
        masks: Mapping[str, str | Sequence[str]] = {}
        try:
            entered = self._entered(visitor, entered_values)
            masks = self._masks(visitor, mask_kind, layers, len(entered.styles))
            job = self._desk.paint(visitor, dataclasses.replace(entered, masks=masks))
        except NeuralStyleError as error:
            handlers.remove_masks(masks)
            return (drawing.problem(in_sentence(error)), gr.skip(), *self._view(visitor, "", None))
        ahead = self._desk.painter.ahead_of(job)
        return (
            drawing.note(f"Added to the queue, {ahead} before it." if ahead else ""),
            "",
            *self._view(visitor, "", None),
        )

    def _masks(
        self, visitor: Visitor, kind: str, layers: Sequence[Any], styles: int
    ) -> Mapping[str, str | Sequence[str]]:
        """Write what was painted as masks."""
        if not layers or kind not in form.MASK_KINDS:
            return {}
        is_for_styles = kind == "content_masks"
        masks = regions_of(layers, styles if is_for_styles else len(BRUSHES))
        if not masks:
            return {}
        empty = [number for number, mask in enumerate(masks) if not mask.any()]
        if is_for_styles and empty:
            name, number = _BRUSH_NAMES[empty[0]], empty[0] + 1
            raise UsageError(
                f"regions: expected some {name} for style {number}, got none; paint some, or remove the style"
            )
        if not is_for_styles:
            masks = [np.maximum.reduce(masks)]
        paths = []
        for number, mask in enumerate(masks, 1):
            path = visitor.new_file(f"region-{number}.png" if is_for_styles else f"{kind}.png")
            Image.fromarray(mask).save(path)
            paths.append(str(path))
        return {kind: tuple(paths) if is_for_styles else paths[0]}

    def _on_load(self, request: gr.Request) -> tuple[Any, ...]:
        """Show a visitor who comes back what they entered last, and what became of it."""
        visitor = visitor_of(self._desk, request)
        last = visitor.jobs[-1].entered if visitor.jobs else None
        return (*self._values(last), *self._view(visitor, "", None))

    def _values(self, entered: Entered | None) -> list[Any]:
        """Return what the fields show for what was entered, in the order of `_connect`."""
        if entered is None:
            return [gr.skip()] * (1 + 2 * form.MOST_STYLES + 2 + len(_ENTERED) + len(self.more))
        none = [None] * form.MOST_STYLES
        options = entered.options
        return [
            entered.photo.shown if entered.photo else None,
            *[*(style.shown for style in entered.styles), *none][: form.MOST_STYLES],
            *[*entered.shares, *[1.0] * form.MOST_STYLES][: form.MOST_STYLES],
            entered.side,
            entered.preset or handlers.usual_preset(),
            *(options.get(name, gr.skip()) for name in (*_ENTERED, *self.more)),
        ]

    def _on_tick(self, chosen: str, seen: Any, request: gr.Request) -> tuple[Any, ...]:
        return self._view(visitor_of(self._desk, request), chosen, seen)

    def _acting(self, act: Callable[[Visitor, Job], object]) -> Callable[..., tuple[Any, ...]]:
        def on_click(chosen: str, request: gr.Request) -> tuple[Any, ...]:
            visitor = visitor_of(self._desk, request)
            job, problem = self._desk.job_of(visitor, chosen), ""
            try:
                if job is not None:
                    act(visitor, job)
            except NeuralStyleError as error:
                problem = drawing.problem(in_sentence(error))
            return (problem, *self._view(visitor, chosen, None))

        return on_click

    def _on_weights(self, request: gr.Request, chosen: str, strength: float, *shares: float) -> str:
        job = self._desk.job_of(visitor_of(self._desk, request), chosen)
        if job is None or (job.state is State.WAITING and not chosen):
            return ""
        try:
            words = self._desk.change(job, strength, shares)
        except NeuralStyleError as error:
            return drawing.problem(in_sentence(error))
        return drawing.note(in_sentence(words) if words else "")

    def _on_choice(self, key: str, request: gr.Request) -> tuple[Any, ...]:
        return (key, *self._view(visitor_of(self._desk, request), key, None))

    def _on_gallery(self, request: gr.Request, event: gr.SelectData) -> tuple[Any, ...]:
        visitor = visitor_of(self._desk, request)
        finished = _finished(visitor)
        is_one = isinstance(event.index, int) and 0 <= event.index < len(finished)
        key = finished[event.index].key if is_one else ""
        return (key, *self._view(visitor, key, None))

    def _on_finished(self, path: str | None, photo: str | None, request: gr.Request) -> tuple[Any, ...]:
        visitor = visitor_of(self._desk, request)
        skipped = [gr.skip()] * (2 + form.MOST_STYLES + len(_ENTERED) + len(self.more))
        try:
            values, words = self._desk.settings(path or "")
        except NeuralStyleError as error:
            return (drawing.problem(in_sentence(error)), *skipped)
        shown = handlers.entered_values(values)
        side = handlers.side_of(values, visitor.sent.get(photo or ""))
        shares = [*(values.get("style_blend_weights") or ()), *[1.0] * form.MOST_STYLES][: form.MOST_STYLES]
        return (
            drawing.note(words),
            handlers.usual_preset(),
            min(max(side, LEAST_SIDE), self._desk.served.max_side),
            *shares,
            *(shown[name] for name in _ENTERED),
            *(shown[name] for name in self.more),
        )

    # --- what is shown ------------------------------------------------------------------------------------------------

    def _view(self, visitor: Visitor, chosen: str, seen: Any) -> tuple[Any, ...]:
        """Return what `_shown` shows: of the chosen job, or of the one that matters most.

        Args:
            visitor: who looks.
            chosen: key of a job; empty for none.
            seen: what the last element of the last result was, so that only what is new is sent; None for all.
        """
        job = self._desk.job_of(visitor, chosen) or self._desk.job_of(visitor, None)
        if job is None:
            return (
                drawing.welcome(is_private=not self._desk.served.is_public),
                "",
                "",
                *[gr.skip()] * 11,
                ("", -1, ""),
            )
        state, over = job.state, job.state.is_over
        iteration = job.iteration
        finished = _finished(visitor)
        choices = [
            (f"{each.number}. {each.name} ({each.state.value})", each.key)
            for each in visitor.jobs
            if not each.state.is_over
        ]
        now = (job.key, iteration, f"{state} {len(finished)} {choices} {job.wants_pause} {job.wants_stop}")
        is_active = self._desk.painter.is_busy(visitor.jobs)
        if seen is not None and tuple(seen) == now and state is not State.WAITING:
            return (*[gr.skip()] * 13, gr.Timer(active=is_active), now)
        status = drawing.status(job, self._desk.painter.ahead_of(job))
        is_same_end = seen is not None and seen[0] == now[0] and seen[2] == now[2]
        live = self._desk.live(job) if not (over and job.result) else None
        picture = drawing.picture(live, f"{job.name}, iteration {iteration}") if live else ""
        curves = drawing.curves(job.points)
        if is_same_end:  # only the picture has changed
            return (status, picture, curves, *[gr.skip()] * 11, now)
        result = str(job.result) if over and job.result else None
        before = self._desk.before(visitor, job) if result else None
        command = self._desk.command(job)
        if job.was_changed:
            command += "\n# The strength or the shares were changed while it was painted: this gives another picture."
        shows_choice = len(choices) > 1 or (bool(choices) and bool(chosen))
        return (
            status,
            picture
            if before or not result
            else f'<img class="live" alt="The result" src="{escape(_address(result))}">',
            curves,
            gr.Row(visible=not over),
            gr.Button(visible=state in (State.PAINTING, State.WAITING) and not job.wants_pause),
            gr.Button(visible=state is State.PAUSED),
            gr.Button(visible=not job.wants_stop),
            gr.ImageSlider(value=(before, result) if before and result else None, visible=bool(before and result)),
            gr.DownloadButton(value=result, visible=bool(result)),
            gr.Textbox(value=command if result else "", visible=bool(result)),
            gr.Files(value=_masks_of(job) if result else None, visible=bool(result and _masks_of(job))),
            gr.Dropdown(choices=choices, value=job.key if not over else None, visible=shows_choice),
            gr.Gallery(
                value=[(str(each.result), f"{each.number}. {each.name}") for each in finished],
                visible=bool(finished),
                selected_index=None,
            ),
            gr.Timer(active=is_active),
            now,
        )

    # --- for programs -------------------------------------------------------------------------------------------------

    def _connect_api(self) -> None:
        """Let programs do the same with `gradio_client`. A job is known by its key, to whoever began it."""
        desk = self._desk

        def paint(photo: dict | None, styles: list, options: dict, request: gr.Request) -> dict:
            """Paint a photo in the style of pictures, each as `handle_file` makes it.

            The options are those of `Config` that visitors may set, by name, and maybe `side` and `preset`. Without a
            photo, `size` makes a texture.
            """
            visitor = visitor_of(desk, request)
            with _api_errors():
                job = desk.paint(visitor, _entered_by_program(desk, visitor, photo, styles, options))
                return _described(desk, job)

        def status(key: str, request: gr.Request) -> dict:
            """Say what a job does, by its key; `result` is its picture once it is over."""
            return _described(desk, _job(desk, request, key))

        def pause(key: str, request: gr.Request) -> dict:
            """Pause a job after its next step."""
            job = _job(desk, request, key)
            with _api_errors():
                desk.pause(visitor_of(desk, request), job)
            return _described(desk, job)

        def go_on(key: str, request: gr.Request) -> dict:
            """Go on with a paused job."""
            return acted(desk.painter.go_on, key, request)

        def stop(key: str, request: gr.Request) -> dict:
            """End a job, and keep its best picture."""
            return acted(desk.painter.stop, key, request)

        def change(key: str, strength: float, shares: list, request: gr.Request) -> dict:
            """Change strength and shares of the styles of a job."""
            job = _job(desk, request, key)
            with _api_errors():
                desk.change(job, strength, shares)
            return _described(desk, job)

        def acted(act: Callable[[Job], object], key: str, request: gr.Request) -> dict:
            job = _job(desk, request, key)
            act(job)
            return _described(desk, job)

        for function in (paint, status, pause, go_on, stop, change):
            gr.api(function, api_name=function.__name__, queue=False)


_SHOW_PICTURE = """() => {
  const status = document.getElementById("status"), notice = document.getElementById("notice")
  if (innerWidth < 800 && status && !notice?.querySelector(".problem")) status.scrollIntoView({behavior: "smooth"})
}"""
"""Where all is in one column, Paint leads to the picture, which would be out of sight."""

_COLOR_WORDS = {
    "none": "Of the style",
    "luminance": "Of the photo (lightness is painted)",
    "match": "Palette of the photo",
    "histogram": "Histogram of the photo",
}


def _field(option: Option) -> Any:
    """Return the field of an option."""
    facts: dict[str, Any] = {
        "label": form.label_of(option.name),
        "info": f"{option.help} ({option.bounds})" if option.bounds else option.help,
        "elem_id": f"option-{option.name}",
    }
    if option.type is bool:
        return gr.Checkbox(bool(option.default), **facts)
    if choices := form.choices_of(option):
        shown = [(choice, choice) for choice in choices]
        if option.is_optional:
            shown.insert(0, ("(chosen by the program)", form.OPEN))
        return gr.Dropdown(shown, value=form.shown(option, option.default), **facts)
    if option.type is str or option.is_list or option.is_optional:  # an empty field of a number turns to 0 in Gradio
        return gr.Textbox(form.shown(option, option.default), max_length=1000, **facts)
    return gr.Number(option.default, precision=0 if option.type is int else None, **facts)


def _to_paint_on(sent: Sent) -> Mapping[str, Any]:
    return {"background": sent.shown, "layers": [], "composite": sent.shown}


def _finished(visitor: Visitor) -> list[Job]:
    """Return the jobs of a visitor that have a result, the latest first."""
    return [job for job in reversed(visitor.jobs) if job.state.is_over and job.result is not None]


def _masks_of(job: Job) -> list[str]:
    """Return the paths of the masks that were painted for a job."""
    return handlers.mask_paths(job.entered.masks) if job.entered else []


def _address(path: str) -> str:
    return f"/gradio_api/file={quote(path)}"


def _job(desk: Desk, request: gr.Request, key: str) -> Job:
    job = desk.job_of(visitor_of(desk, request), key) if key else None
    if job is None:
        raise gr.Error("Expected the key of a job that this client began, got another.", print_exception=False)
    return job


class _api_errors:  # noqa: N801
    """Turns errors of this program into answers."""

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: Any, error: BaseException | None, at: Any) -> None:
        """Turn an error that is for people into one that Gradio passes on."""
        if isinstance(error, NeuralStyleError):
            raise gr.Error(in_sentence(error), print_exception=False) from error


def _entered_by_program(desk: Desk, visitor: Visitor, photo: Any, styles: Sequence[Any], options: Any) -> Entered:
    """Return what a program entered.

    Raises:
        UsageError: it has another form.
    """
    if not isinstance(options, dict) or not isinstance(styles, list):
        raise UsageError("expected a list of styles and a dictionary of options, got something else")
    options = dict(options)
    preset, side = options.pop("preset", form.OPEN), options.pop("side", USUAL_SIDE)
    shares = options.pop("style_blend_weights", None)
    if shares is None:
        shares = [1.0] * len(styles)
    known = {*form.MAIN, *form.MORE_NAMES}
    if unknown := sorted({*options} - known):
        raise UsageError(f"expected options among {', '.join(sorted(known))}, got {', '.join(unknown)}")
    if len(styles) > form.MOST_STYLES or not isinstance(shares, list) or len(shares) != len(styles):
        raise UsageError(f"expected at most {form.MOST_STYLES} styles, and a share for each, got {len(styles)}")
    if not isinstance(side, int) or not isinstance(preset, str):
        raise UsageError("expected a whole number as side and a name as preset, got something else")
    shares = OPTIONS["style_blend_weights"].checked(shares or [1.0])
    taken = [desk.take(visitor, _path(style), "style picture") for style in styles]
    return Entered(desk.take(visitor, _path(photo), "photo") if photo else None, taken, shares, side, preset, options)


def _path(sent: Any) -> str:
    path = sent.get("path") if isinstance(sent, dict) else None
    if not isinstance(path, str):
        raise UsageError("expected a picture as handle_file makes it, got something else")
    return path


def _described(desk: Desk, job: Job) -> dict[str, Any]:
    """Return what there is to know of a job, for a program."""
    result = job.result if job.state.is_over else None
    return {
        "key": job.key,
        "state": job.state.value,
        "ahead": desk.painter.ahead_of(job),
        "iteration": job.iteration if job.iteration >= 0 else None,
        "losses": dict(job.losses),
        "seconds_left": job.seconds_left,
        "share": job.share,
        "message": job.message,
        "command": desk.command(job),
        "result": None if result is None else _address(str(result)),
    }
