"""Tests of what the page does when something is pressed."""

import dataclasses
import os
import re
import shlex
import time
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from neural_style.cli import flags
from neural_style.errors import ImageError, NeuralStyleError, UsageError
from neural_style.images.reading import read_settings
from neural_style.runs.pyramid import Scale
from neural_style.web import drawing, handlers, program
from neural_style.web.form import Entered
from neural_style.web.jobs import Job, Point, State


@pytest.fixture
def enter(desk, visitor, send):
    """Enters a photo, styles and options."""

    def enter(styles=1, side=128, preset="", **options):
        photo = desk.take(visitor, send("lake.png"), "photo")
        taken = [desk.take(visitor, send(f"style {number}.png"), "style picture") for number in range(styles)]
        shown = {**handlers.entered_values({}), "iterations": 3, "scales": "1", **options}
        return Entered(photo, taken, [1.0] * styles, side, preset, shown)

    return enter


def until(condition, seconds=60):
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_picture_from_the_wish_to_the_command_that_makes_it_again(desk, visitor, enter):
    job = desk.paint(visitor, enter(2, strength=0.7, seed=5))
    assert job.name == "lake in the style of style 0 and style 1"
    until(lambda: job.state is State.DONE)
    assert job.result.name == "lake-style 0-style 1.png"
    command = desk.command(job)
    assert "-m neural_style --content lake.png --styles 'style 0.png' 'style 1.png' --" in command
    assert {"--strength 0.7", "--seed 5", "--width 128"} <= {f"--{words}".strip() for words in command.split("--")}
    values, said = desk.settings(str(job.result))
    assert (values["strength"], values["seed"], values["width"]) == (0.7, 5, 128)
    assert "lake.png (photo), style 0.png (style), style 1.png (style)" in said
    with Image.open(desk.before(visitor, job)) as before:
        assert before.size == job.size == (128, 96)
    assert desk.live(job) is None  # the result is shown instead


def test_the_command_is_read_as_the_same_run(desk, visitor, enter):
    entered = enter(1, style_layers="relu1_1 relu2_1", color="match")
    job = desk.paint(visitor, entered)
    config = flags.parse(shlex.split(desk.command(job))[3:])
    same = dataclasses.replace(job.config, content="lake.png", styles=("style 0.png",), max_pixels=config.max_pixels)
    assert config == same


def test_the_plan_says_size_time_and_memory(desk, visitor, enter):
    entered = enter(side=256)
    assert "Getting ready" in desk.plan(entered)
    until(lambda: desk.painter.stylizer is not None)
    program.calibrated(desk)
    assert re.search(r"256×192 px</strong>, about [\d.]+ \w+ here, at most [\d.]+ .B of [\d.]+ .B", desk.plan(entered))
    assert "Expected a photo; drop one" in desk.plan(dataclasses.replace(entered, photo=None))
    assert "width=" not in desk.plan(dataclasses.replace(entered, photo=None))
    texture = dataclasses.replace(entered, photo=None, options={**entered.options, "size": "160x128"})
    assert "160×128 px" in desk.plan(texture)


def test_changes_say_from_when_on_they_count(desk, visitor, enter):
    job = desk.paint(visitor, enter(2, iterations=100_000, loss="balanced"))
    until(lambda: job.step is not None)
    assert desk.change(job, 0.5, [1, 1]) == ""
    assert re.fullmatch(r"strength 0\.9 and shares 1 : 3 from iteration \d+ on", desk.change(job, 0.9, [1, 3]))
    assert desk.change(job, 0.9, [1, 3]) == ""
    assert job.was_changed
    assert "--strength 0.9 --style_blend_weights 1.0 3.0" in desk.command(job)
    with pytest.raises(UsageError, match=r"^style_blend_weights: "):
        desk.change(job, 0.9, [0, 0])
    count = len(job.points)
    until(lambda: len(job.points) > count + 2)
    desk.painter.stop(job)
    until(lambda: job.state is State.STOPPED)
    assert read_settings(job.result)["strength"] == 0.9


def test_jobs_are_found_by_their_visitor_alone(desk, visitor, enter):
    job = desk.paint(visitor, enter())
    stranger = desk.visitors.of("a" * 43)
    assert desk.job_of(visitor, job.key) is job
    assert desk.job_of(visitor, None) is job
    assert desk.job_of(stranger, job.key) is None
    assert desk.job_of(stranger, None) is None


def test_a_visitor_has_so_many_open_and_paused(desk, visitor, enter, monkeypatch):
    monkeypatch.setattr(handlers, "MOST_OPEN", 2)
    monkeypatch.setattr(handlers, "MOST_PAUSED", 1)
    first, second = (desk.paint(visitor, enter(iterations=100_000)) for _ in range(2))
    folders = sorted(visitor.folder.iterdir())
    with pytest.raises(UsageError, match=r"^expected at most 2 pictures of yours at a time"):
        desk.paint(visitor, enter())
    assert visitor.jobs == [first, second]
    desk.pause(visitor, second)
    with pytest.raises(UsageError, match=r"^expected at most 1 paused pictures"):
        desk.pause(visitor, first)
    assert {*folders} <= {*visitor.folder.iterdir()}
    desk.visitors.on_forgotten(visitor)
    assert second.state is State.STOPPED
    desk.painter.stop(first)


def test_a_change_in_a_pause_is_told_with_the_command(desk, visitor, enter):
    job = desk.paint(visitor, enter(iterations=100_000, loss="balanced"))
    until(lambda: job.iteration >= 0)
    desk.pause(visitor, job)
    until(lambda: job.state is State.PAUSED)
    assert desk.change(job, 0.9, [1]) == "strength 0.9 when it goes on"
    assert job.was_changed
    desk.painter.stop(job)


def test_old_results_make_room(desk, visitor, enter, monkeypatch):
    monkeypatch.setattr(handlers, "MOST_RESULTS", 2)
    several = []
    for _ in range(4):
        several.append(desk.paint(visitor, enter(iterations=1)))
        until(lambda: several[-1].state is State.DONE)
    assert visitor.jobs == several[1:]
    assert not several[0].folder.exists()


def test_what_is_missing_is_said_before_anything_waits(desk, visitor, enter):
    entered = enter()
    with pytest.raises(UsageError, match=r"^expected a style picture"):
        desk.paint(visitor, dataclasses.replace(entered, styles=()))
    os.unlink(entered.photo.path)
    with pytest.raises(UsageError, match="send them again"):
        desk.paint(visitor, entered)
    desk.painter.problem = "weights: none"
    with pytest.raises(NeuralStyleError, match=r"^weights: none"):
        desk.paint(visitor, entered)
    assert visitor.jobs == []


def test_a_picture_without_settings_is_one_sentence(desk, visitor, send):
    with pytest.raises(ImageError, match="expected a picture with the settings of a run, got none"):
        desk.settings(send("photo.png"))


def test_examples_are_copies_of_the_visitor_s_own(desk, visitor):
    for index, (photo, style) in enumerate(handlers.available_examples()):
        taken = desk.example(visitor, index)
        assert [each.path.rpartition("/")[2] for each in taken] == [photo, style]
        assert all(visitor.owns(each.shown) for each in taken)


def test_pictures_while_painting_cost_little(desk, monkeypatch):
    now, made = [0.0], []

    def small(width, height):
        now[0] += 2.0
        made.append((width, height))
        return np.zeros((height, width, 3), np.uint8)

    monkeypatch.setattr(handlers.time, "monotonic", lambda: now[0])
    job = Job(None, None, "", "")
    job.scales = [Scale(100, 50, 3), Scale(1536, 1000, 3)]
    assert desk.live(job) is None
    for iteration in range(200):
        job.step = type("", (), {"iteration": iteration, "small_image": staticmethod(small)})
        now[0] += 1
        assert desk.live(job).startswith(b"\xff\xd8")
    assert {*made} == {(768, 500)}
    assert 2.0 * len(made) <= handlers.LIVE_COST * now[0] + 2.0


# --- drawing ----------------------------------------------------------------------------------------------------------


def _points(count):
    losses = [{"total": 10.0 ** (3 - number / count), "style": 5.0, "content": 0.0} for number in range(count)]
    return [Point(number, (64, 48) if number < count // 2 else (128, 96), each) for number, each in enumerate(losses)]


@pytest.mark.parametrize("count", [2, 3, 40, 5000])
def test_curves_are_lines_within_the_drawing(count):
    drawn = ElementTree.fromstring(drawing.curves(_points(count)))
    lines = drawn.findall("polyline")
    assert [line.get("class") for line in lines] == ["total", "style"]  # content is zero
    for line in lines:
        places = [tuple(map(float, pair.split(","))) for pair in line.get("points").split()]
        assert len(places) <= 502
        assert all(0 <= x <= 640 and 0 <= y <= 190 for x, y in places)
        assert [x for x, _ in places] == sorted(x for x, _ in places)
    heights = [float(pair.split(",")[1]) for pair in lines[0].get("points").split()]
    assert heights[-1] > heights[0]  # a loss that falls goes down
    assert len([line for line in drawn.findall("line") if line.get("class") == "border"]) == 1
    assert len({line.get("stroke-dasharray") for line in lines}) == 2
    names = {text.text: float(text.get("y")) for text in drawn.findall("text")}
    assert abs(names["total"] - names["style"]) >= 14


def test_no_curves_without_losses():
    assert drawing.curves([]) == drawing.curves(_points(1)) == ""
    zero = {"total": 0.0, "style": 0.0, "content": 0.0}
    assert drawing.curves([Point(number, (64, 48), zero) for number in range(3)]) == ""
    one = {"total": 1.0, "style": 0.0, "content": 0.0}
    assert "polyline" in drawing.curves([Point(number, (64, 48), one) for number in range(3)])


def test_names_cannot_write_on_the_page():
    job = Job(None, None, "<script>alert(1)</script>", "")
    for state in State:
        job.state, job.message = state, "<img src=x onerror=alert(1)>"
        assert "<script" not in drawing.status(job, 2)
        assert "<img" not in drawing.status(job, 2)
    assert "<b>" not in drawing.problem("<b>")
    assert "<b>" not in drawing.note("<b>")
    assert '"><b' not in drawing.picture(b"", '"><b>')
    assert "2 pictures before this one" in drawing.status(Job(None, None, "a", "a"), 2)
    assert "1 picture before this one" in drawing.status(Job(None, None, "a", "a"), 1)
