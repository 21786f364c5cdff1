"""Tests of painting one after the other, with pauses, changes and stops."""

import threading
import time

import numpy as np
import pytest
from PIL import Image

from neural_style import Config, render
from neural_style.errors import NeuralStyleError, UsageError
from neural_style.images.reading import read_settings
from neural_style.web import jobs
from neural_style.web.jobs import Job, Painter, State

SECONDS = 60


def until(condition):
    """Wait until something is so."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def job_of(send, visitor, iterations=4, **options):
    """Return a job with pictures of its own."""
    usual = {"width": 64, "scales": "1", "weights": "auto", "tolerance": 0.0}
    config = Config(send("photo.png"), [send("a.png"), send("b.png")], iterations=iterations, **(usual | options))
    folder = visitor.new_file("job")
    folder.mkdir()
    return Job(config, folder, "photo in the style of a", "photo-a")


def test_a_job_ends_with_the_picture_of_its_run(desk, visitor, send):
    job = job_of(send, visitor)
    desk.painter.add(job)
    until(lambda: job.state is State.DONE)
    with Image.open(job.result) as image:
        expected = render(Config(**{**vars_of(job.config), "weights": "builtin", "precision": "float32"}))
        np.testing.assert_array_equal(np.asarray(image), expected)
    settings = read_settings(job.result)
    assert (settings["content"], settings["iterations"], settings["width"]) == ("photo.png", 4, 64)
    assert job.size == (64, 48)
    assert [point.iteration for point in job.points] == list(range(5))
    assert job.share == 1.0
    assert job.peak > 0


def vars_of(config):
    """Return the given values of a configuration."""
    return {name: getattr(config, name) for name in config.given}


def test_jobs_are_painted_in_their_order_and_only_so_many(desk, visitor, send, monkeypatch):
    several = [job_of(send, visitor, 100_000), *(job_of(send, visitor, 1) for _ in range(3))]
    desk.painter._most = 4
    order, usual = [], desk.painter._paint
    monkeypatch.setattr(desk.painter, "_paint", lambda job: (order.append(job), usual(job)))
    for job in several:
        desk.painter.add(job)
    with pytest.raises(UsageError, match=r"^expected at most 4 pictures at a time"):
        desk.painter.add(job_of(send, visitor))
    assert [desk.painter.ahead_of(job) for job in several] == [0, 1, 2, 3]
    until(lambda: several[0].step is not None)
    desk.painter.stop(several[0])
    until(lambda: several[3].state is State.DONE)
    assert order == several
    assert desk.painter.ahead_of(several[3]) == 0


def test_a_paused_job_lets_others_paint_and_goes_on_to_the_same_picture(desk, visitor, send):
    whole, paused, other = job_of(send, visitor, 15), job_of(send, visitor, 15), job_of(send, visitor, 2)
    paused.config = whole.config
    desk.painter.add(whole)
    until(lambda: whole.state is State.DONE)
    desk.painter.add(paused)
    until(lambda: paused.step is not None)
    desk.painter.pause(paused)
    desk.painter.add(other)
    until(lambda: paused.state is State.PAUSED and other.state is State.DONE)
    assert paused.session is None
    assert 0 < len(paused.points) < 16
    assert paused.saved.exists()
    desk.painter.go_on(paused)
    until(lambda: paused.state is State.DONE)
    assert not paused.saved.exists()
    assert [point.iteration for point in paused.points] == list(range(16))
    assert paused.result.read_bytes() == whole.result.read_bytes()


def test_a_stopped_job_keeps_its_best_picture(desk, visitor, send):
    job = job_of(send, visitor, 100_000)
    desk.painter.add(job)
    until(lambda: len(job.points) > 3)
    desk.painter.stop(job)
    until(lambda: job.state is State.STOPPED)
    assert job.result.exists()
    assert job.seconds > 0


def test_a_paused_job_can_be_stopped_with_its_picture(desk, visitor, send):
    job = job_of(send, visitor, 100_000)
    desk.painter.add(job)
    until(lambda: len(job.points) > 1)
    desk.painter.pause(job)
    until(lambda: job.state is State.PAUSED)
    desk.painter.stop(job)
    until(lambda: job.state is State.STOPPED)
    assert job.result.exists()


def test_a_job_that_waits_can_be_paused_and_stopped(desk, visitor, send):
    first, second = job_of(send, visitor, 100_000), job_of(send, visitor, 2)
    desk.painter.add(first)
    desk.painter.add(second)
    until(lambda: first.step is not None)
    desk.painter.pause(second)
    assert second.state is State.PAUSED
    desk.painter.go_on(second)
    assert second.state is State.WAITING
    desk.painter.stop(second)  # at once, though another is painted
    assert (second.state, second.result) == (State.STOPPED, None)
    assert second.message
    desk.painter.stop(first)


def test_weights_change_while_it_is_painted_before_and_in_a_pause(desk, visitor, send):
    options = {"loss": "balanced", "weights": "auto", "strength": 0.5}
    job, waiting = job_of(send, visitor, 100_000, **options), job_of(send, visitor, 3, **options)
    desk.painter.add(job)
    desk.painter.add(waiting)
    until(lambda: len(job.points) > 1)
    assert desk.painter.change(waiting, {"strength": 0.2}) is None
    first = desk.painter.change(job, {"strength": 0.9})
    assert first is not None
    until(lambda: len(job.points) > first + 1)
    before, after = job.points[first - 1].losses, job.points[first + 1].losses
    assert after["style"] > 2 * before["style"]  # the weight is 17 times as large
    desk.painter.pause(job)
    until(lambda: job.state is State.PAUSED)
    assert desk.painter.change(job, {"style_blend_weights": (1.0, 3.0)}) is None
    desk.painter.go_on(job)
    until(lambda: job.session is not None and job.session.config.style_blend_weights == (1.0, 3.0))
    assert job.session.config.strength == 0.9
    with pytest.raises(UsageError, match=r"^strength: "):
        desk.painter.change(job, {"strength": 7.0})
    desk.painter.stop(job)
    until(lambda: waiting.state.is_over and job.state.is_over)
    assert read_settings(waiting.result)["strength"] == 0.2
    assert desk.painter.change(job, {"strength": 0.1}) is None


def test_wishes_while_a_job_is_prepared_are_kept(stylizer, visitor, send):
    """The first job is held while its pictures are read."""
    begun, may_go = threading.Event(), threading.Event()

    class Slow:
        def session(self, config):
            begun.set()
            assert may_go.wait(SECONDS)
            return stylizer.session(config)

        restore = stylizer.restore

    painter = Painter(Slow, 10)
    painter.start()
    try:
        job = job_of(send, visitor, 100_000, loss="balanced", strength=0.5)
        painter.add(job)
        assert begun.wait(SECONDS)
        assert job.state is State.PAINTING
        painter.pause(job)
        assert painter.change(job, {"strength": 0.9}) is None
        may_go.set()
        until(lambda: job.state is State.PAUSED)
        assert painter._paused == {job}
        assert painter._jobs == []
        assert len(job.points) == 1
        painter.go_on(job)
        until(lambda: job.step is not None)
        assert job.session.config.strength == 0.9
        painter.stop(job)
        until(lambda: job.state is State.STOPPED)
        assert not painter._paused
        assert job.step is None
    finally:
        may_go.set()
        painter.close()


def test_a_job_that_fails_says_why_and_the_next_is_painted(desk, visitor, send, monkeypatch):
    gone, broken, well = (job_of(send, visitor, 2) for _ in range(3))
    open(gone.config.content, "w").close()
    monkeypatch.setattr(jobs, "settings_of", lambda config, network: {"points": 1 // len(well.points)})
    for job in (gone, broken, well):
        desk.painter.add(job)
    until(lambda: well.state.is_over)
    assert (gone.state, broken.state, well.state) == (State.FAILED, State.FAILED, State.DONE)
    assert "is empty (0 bytes)" in gone.message
    assert "ZeroDivisionError" in broken.message
    assert "\n" not in broken.message


def test_an_error_midway_keeps_the_best_picture(desk, visitor, send, monkeypatch):
    job = job_of(send, visitor, 50)
    usual = jobs.Forecast.update

    def failing(self, iteration, *others):
        if iteration == 5:
            raise MemoryError
        usual(self, iteration, *others)

    monkeypatch.setattr(jobs.Forecast, "update", failing)
    desk.painter.add(job)
    until(lambda: job.state.is_over)
    assert job.state is State.FAILED
    assert job.result.exists()
    assert job.message == "memory is too small; choose a smaller size; this is the best picture so far"


def test_without_a_network_every_job_says_so(visitor, send):
    def prepare():
        raise NeuralStyleError("weights: expected some, got none")

    painter = Painter(prepare, 10)
    painter.start()
    job = job_of(send, visitor)
    painter.add(job)
    until(lambda: job.state is State.FAILED)
    assert job.message == painter.problem == "weights: expected some, got none"
    painter.close()


def test_at_the_end_what_is_painted_is_stopped(tmp_path, stylizer, visitor, send):
    painter = Painter(lambda: stylizer, 10)
    painter.start()
    job = job_of(send, visitor, 100_000)
    painter.add(job)
    until(lambda: job.step is not None)
    painter.close()
    assert not painter._thread.is_alive()
    assert job.state is State.STOPPED
