import io
import logging
import re

import numpy as np
import pytest

from neural_style.cli.console import LogHandler
from neural_style.cli.reporter import PLAIN_LINES, Reporter
from neural_style.runs.pyramid import Scale
from neural_style.runs.step import Step

LOSSES = {"content": 12345.678, "style": 2.5e6, "tv": 0.125, "total": 2512345.803}


class Terminal(io.StringIO):
    """Keeps what is shown, as a terminal does."""

    def isatty(self):
        return True


def step(iteration, scale=(64, 48), **losses):
    return Step(iteration, {**LOSSES, **losses}, scale, True, None, lambda: np.zeros((1, 1, 3), np.uint8))


def plan(iterations):
    return [Scale(64, 48, iterations)]


def shown(file, iterations, print_iterations=None, upto=None):
    """What is shown of a run, and the lines of it."""
    with Reporter(plan(iterations), print_iterations, file) as reporter:
        for iteration in range((iterations if upto is None else upto) + 1):
            reporter.update(step(iteration))
    return file.getvalue()


def iterations_of(text):
    return [int(number) for number in re.findall(r"^iteration (\d+) of at most ", text, re.MULTILINE)]


# --- no terminal ------------------------------------------------------------------------------------------------------


def test_without_a_terminal_lines_are_plain():
    text = shown(io.StringIO(), 5)
    assert iterations_of(text) == [0, 1, 2, 3, 4, 5]
    assert text.count("\n") == 6
    assert not {"\r", "\x1b", "%", "|"} & {*text}


def test_a_line_tells_every_loss():
    line = shown(io.StringIO(), 1).splitlines()[0]
    for name, value in LOSSES.items():
        assert float(re.search(rf"{name} ([\d.e+-]+)", line)[1]) == pytest.approx(value, rel=1e-3)


def test_a_line_tells_the_size_that_is_painted_at_and_the_most_iterations_there_are_now():
    """The first scale ends after 1 of 3 iterations."""
    file = io.StringIO()
    with Reporter([Scale(32, 24, 3), Scale(64, 48, 2)], 1, file) as reporter:
        for iteration, scale in enumerate([(32, 24), (32, 24), (64, 48), (64, 48), (64, 48)]):
            reporter.update(step(iteration, scale))
    assert re.findall(r"^(iteration .*?): content", file.getvalue(), re.MULTILINE) == [
        "iteration 0 of at most 6 (32×24 px)",
        "iteration 1 of at most 6 (32×24 px)",
        "iteration 2 of at most 4 (64×48 px)",
        "iteration 3 of at most 4 (64×48 px)",
        "iteration 4 of at most 4 (64×48 px)",
    ]


def test_lines_between_the_first_and_the_last_tell_the_most_time_left(monkeypatch):
    now = iter([100.0, 110.0, 120.0, 130.0])  # start image, three iterations
    monkeypatch.setattr("time.monotonic", lambda: next(now, 130.0))
    first, *between, last = shown(io.StringIO(), 9).splitlines()
    assert "left" not in first
    assert "left" not in last
    assert between[0].endswith(", up to about 01:20 left")
    assert between[1].endswith(", up to about 01:10 left")


def test_with_a_tolerance_a_line_tells_about_how_many_iterations_and_how_much_time_are_left():
    file = io.StringIO()
    with Reporter(plan(300), 1, file, tolerance=0.08) as reporter:
        for iteration in range(4):
            reporter.update(step(iteration))
    lines = file.getvalue().splitlines()
    assert all(re.match(r"iteration \d of about [45]\d \(64×48 px\): ", line) for line in lines)
    assert all(re.search(r", about \d\d:\d\d left$", line) for line in lines[1:])


@pytest.mark.parametrize("iterations", [20, 100, 1000, 12345])
def test_a_long_run_is_told_in_few_lines(iterations):
    told = iterations_of(shown(io.StringIO(), iterations))
    assert told[0] == 0
    assert told[-1] == iterations
    assert PLAIN_LINES <= len(told) <= PLAIN_LINES + 3


@pytest.mark.parametrize(
    ("iterations", "every", "told"),
    [(10, 4, [0, 4, 8, 10]), (10, 5, [0, 5, 10]), (10, 100, [0, 10]), (3, 1, [0, 1, 2, 3])],
)
def test_print_iterations_chooses_the_lines(iterations, every, told):
    assert iterations_of(shown(io.StringIO(), iterations, every)) == told


def test_each_line_is_out_at_once_for_whoever_follows_a_log(tmp_path):
    path = tmp_path / "log.txt"
    with open(path, "w") as file, Reporter(plan(100), 1, file) as reporter:
        reporter.update(step(0))
        assert iterations_of(path.read_text()) == [0]


# --- a terminal -------------------------------------------------------------------------------------------------------


def frames(text):
    return [frame for frame in re.split(r"[\r\n]", text) if frame.strip()]


@pytest.fixture(params=[80, 120], ids="{}-columns".format)
def columns(request, monkeypatch):
    """A terminal of that width, as tqdm sees it."""
    monkeypatch.setattr("tqdm.std._screen_shape_wrapper", lambda: lambda _file: (request.param, 24))
    return request.param


def test_on_a_terminal_a_bar_shows_iteration_losses_and_time_left(columns):
    last = frames(shown(Terminal(), 1000, upto=999))[-1]
    assert "999/1000" in last
    assert re.search(r"<\d\d:\d\d\b", last) or "left" in last
    for name in LOSSES:
        assert re.search(rf"\b{name} \d" if columns > 80 or name in ("tv", "total") else rf"\b{name[0]} \d", last)
    number, unit = re.search(r"total ([\d.]+)([kM]?)", last).groups()
    assert float(number) * {"": 1, "k": 1e3, "M": 1e6}[unit] == pytest.approx(LOSSES["total"], rel=0.05)


def test_the_bar_stays_within_the_terminal(columns):
    assert max(map(len, frames(shown(Terminal(), 50)))) <= columns


def test_on_a_terminal_the_bar_is_all_unless_lines_are_asked_for(columns):
    assert iterations_of(shown(Terminal(), 40)) == []


def test_print_iterations_prints_lines_above_the_bar(columns):
    text = shown(Terminal(), 40, 20)
    told = [frame for frame in frames(text) if frame.startswith("iteration ")]
    assert [line.split(" (")[0] for line in told] == [
        *("iteration 0 of at most 40", "iteration 20 of at most 40", "iteration 40 of at most 40"),
    ]
    assert text.rstrip("\n").split("\r")[-1].startswith("64×48 40/40 ")


def test_a_run_that_ends_early_leaves_the_bar_where_it_was(columns):
    text = shown(Terminal(), 100, upto=30)
    assert "30/100 " in frames(text)[-1]
    assert text.endswith("\n")


def test_the_bar_grows_with_the_time_that_is_over(columns, monkeypatch):
    """The second scale has a third of the iterations, but takes nearly all of the time."""
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    file = Terminal()
    with Reporter([Scale(64, 48, 199), Scale(640, 480, 99)], None, file) as reporter:
        for iteration in range(200):
            now += 0.05
            reporter.update(step(iteration))
        now += 12
        reporter.update(step(200, (640, 480)))
    last = frames(file.getvalue())[-1]
    assert last.startswith("2/2 640×480 200/299 ")
    assert last.count("#") <= 2  # 22 of 320 seconds
    left = 100 * (0.05 - 0.02) * 99 + 0.02 * 99
    minutes, seconds = re.search(r"<(\d\d):(\d\d) ", last).groups()
    assert 60 * int(minutes) + int(seconds) == int(left)


@pytest.mark.parametrize(("scale", "count"), [((512, 341), 3), ((4096, 2731), 3), ((16384, 12288), 12)], ids=str)
def test_80_columns_hold_scale_iteration_time_and_losses(scale, count, monkeypatch):
    monkeypatch.setattr("tqdm.std._screen_shape_wrapper", lambda: lambda _file: (80, 24))
    scales = [Scale(64 + at, 48, 9) for at in range(count - 2)] + [Scale(*scale, 1000), Scale(20000, 15000, 1000)]
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    file = Terminal()
    with Reporter(scales, None, file, tolerance=1e-3) as reporter:
        for iteration in range(1000):
            now += 3
            reporter.update(step(iteration, scale, style=99999999.0))
    last = frames(file.getvalue())[-1]
    assert re.match(rf"{count - 1}/{count} {scale[0]}×{scale[1]} 999/~\d+ [\d:]+<[\d:]+ (.* )?total \d", last)
    assert len(last) <= 80


def test_the_bar_is_closed_when_the_run_fails(columns):
    file = Terminal()
    with pytest.raises(ZeroDivisionError), Reporter(plan(100), None, file) as reporter:
        reporter.update(step(0))
        raise ZeroDivisionError
    assert file.getvalue().endswith("\n")


def test_progress_goes_to_standard_error(capsys):
    with Reporter(plan(2), 1) as reporter:
        for iteration in range(3):
            reporter.update(step(iteration))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert iterations_of(captured.err) == [0, 1, 2]


def test_a_note_does_not_break_the_bar(columns, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with Reporter(plan(100), None) as reporter:
        reporter.update(step(0))
        LogHandler().handle(logging.LogRecord("neural_style", logging.WARNING, __file__, 1, "careful", (), None))
        reporter.update(step(1))
    before, _, after = terminal.getvalue().partition("neural_style: warning: careful\n")
    assert before.rpartition("\r")[2] == ""
    assert "64×48 1/100 " in after
