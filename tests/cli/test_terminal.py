import os
import re
import signal
import struct
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from command_line import RUN
from PIL import Image
from small_runs import smooth
from terminal_screen import Screen, color_of_256
from tqdm import tqdm

import neural_style
from neural_style.cli import preview, terminal, terminal_pictures
from neural_style.cli.live_region import LiveRegion
from neural_style.cli.preview import Preview, cells_of
from neural_style.cli.reporter import Reporter
from neural_style.cli.terminal import Size, pictures_of
from neural_style.runs.pyramid import Scale
from neural_style.runs.step import Step

PICTURE = Image.fromarray(smooth(60, 48))


def sent(text, rows):
    """What a screen shows of a text that is drawn into empty rows."""
    screen = Screen(80, 30).feed("\n" * rows + f"\x1b[{rows}A\r" + text)
    assert (screen.y, screen.x) == (rows, 0)
    assert screen.colors == (None, None)
    return screen


# --- pictures as text -------------------------------------------------------------------------------------------------


def test_kitty_gets_a_png_in_chunks_and_the_size_in_cells():
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 60, 3), np.uint8))
    text = terminal_pictures.kitty(noise, 20, 8, 77)
    assert text.count("\x1b_G") > 2
    ((found, facts),) = sent(text, 8).pictures
    np.testing.assert_array_equal(found, noise)
    assert {name: facts[name] for name in "afcriq"} == {"a": "T", "f": "100", "c": "20", "r": "8", "i": "77", "q": "2"}
    assert sent(text + terminal_pictures.without_kitty(77), 8).pictures[1] == ("erased", 77)


def test_iterm2_gets_a_picture_with_its_size_in_cells():
    ((found, facts),) = sent(terminal_pictures.iterm2(PICTURE, 20, 8), 8).pictures
    assert found.size == PICTURE.size
    assert np.abs(np.asarray(found, float) - np.asarray(PICTURE)).mean() < 3
    assert (facts["width"], facts["height"], facts["inline"]) == ("20", "8", "1")


@pytest.mark.parametrize("height", [48, 45, 1])
def test_sixel_is_the_picture_in_few_colors(height):
    picture = PICTURE.crop((0, 0, 60, height))
    ((found, _),) = sent(terminal_pictures.sixel(picture, 3), 3).pictures
    assert found.size == (60, height)
    assert np.abs(np.asarray(found, float) - np.asarray(picture)).mean() < 7


def test_sixel_shortens_repetitions():
    text = terminal_pictures.sixel(Image.new("RGB", (500, 6), (255, 0, 0)), 1)
    assert "!500~" in text
    assert len(text) < 100
    ((found, _),) = sent(text, 1).pictures
    np.testing.assert_array_equal(found, np.full((6, 500, 3), (255, 0, 0)))


def test_half_blocks_have_two_pixels_in_each_cell():
    screen = sent(terminal_pictures.half_blocks(PICTURE, full_color=True), 24)
    np.testing.assert_array_equal(screen.pixels(0, 24, 60), PICTURE)


def test_with_256_colors_half_blocks_have_the_nearest_ones():
    picture = np.random.default_rng(0).integers(0, 256, (4, 50, 3), np.uint8)
    picture[0, :20] = np.arange(0, 260, 13)[:20, None]  # grays
    shown = sent(terminal_pictures.half_blocks(Image.fromarray(picture), full_color=False), 2).pixels(0, 2, 50)
    colors = np.array([color_of_256(index) for index in range(16, 256)])
    distances = np.square(picture[..., None, :].astype(int) - colors).sum(axis=-1)
    found = np.square(picture.astype(int) - shown).sum(axis=-1)
    np.testing.assert_array_equal(found, distances.min(axis=-1))


# --- what a terminal can ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm2"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "iterm2"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "iterm2"),
        ({"TERM": "xterm-256color"}, "half-blocks"),
        ({"TERM": "screen-256color", "KITTY_WINDOW_ID": "1"}, "half-blocks"),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux"}, "half-blocks"),
        ({"TERM": "dumb"}, None),
        ({"TERM": "vt100"}, None),
        ({}, None),
        ({"TERM": "xterm", "NO_COLOR": "1"}, None),
        ({"TERM": "xterm-kitty", "NO_COLOR": "1"}, "kitty"),
    ],
    ids=str,
)
def test_the_terminal_decides_how_pictures_are_shown(environment, expected):
    assert pictures_of(environment, "utf-8", frozenset)[0] == expected


def test_a_terminal_that_answers_with_4_shows_sixel_unless_it_is_nested():
    def answer():
        return frozenset({62, 4, 22})

    assert pictures_of({"TERM": "xterm-256color"}, "utf-8", answer)[0] == "sixel"
    assert pictures_of({"TERM": "tmux-256color"}, "utf-8", answer)[0] == "half-blocks"


def test_half_blocks_need_unicode():
    assert pictures_of({"TERM": "xterm"}, "ascii", frozenset) == (
        None,
        "a terminal for Unicode, got the encoding ascii",
    )


@pytest.mark.parametrize(
    ("picture", "size", "cells"),
    [
        ((400, 300), Size(80, 25), (43, 16)),  # 16 of 24 rows; 16 × 20 px × 4/3 / 10 px
        ((4000, 500), Size(80, 25), (79, 5)),
        ((100, 4000), Size(80, 25), (1, 16)),
        ((400, 300), Size(80, 25, (10, 10)), (21, 16)),
    ],
)
def test_a_picture_keeps_its_aspect_ratio_within_the_terminal(picture, size, cells):
    assert cells_of(picture, size) == cells


# --- above the bar ----------------------------------------------------------------------------------------------------


def picture_step(iteration, level, best=True):
    losses = {"content": 1.0, "style": 2.0, "tv": 0.0, "total": 3.0}
    return Step(iteration, losses, (64, 48), best, None, lambda: np.full((48, 64, 3), level, np.uint8))


class Recorded:
    """A file that feeds a screen."""

    encoding = "utf-8"

    def __init__(self, screen):
        self.screen = screen

    def write(self, text):
        self.screen.feed(text.replace("\n", "\r\n"))

    def flush(self):
        pass

    def isatty(self):
        return True


@pytest.fixture
def shown(monkeypatch):
    """A screen, its file, and a clock."""
    screen = Screen(80, 24)
    file = Recorded(screen)
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr("tqdm.std._screen_shape_wrapper", lambda: lambda _file: (screen.columns, screen.rows))
    monkeypatch.setattr(terminal, "size_of", lambda _file: Size(screen.columns, screen.rows))
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setattr("sys.stderr", file)
    yield screen, file, clock
    LiveRegion.current = None


def levels(screen):
    """Where pictures are: the first row of each, its height, and its level."""
    rows = [y for y, line in enumerate(screen.lines) if line.startswith("▀")]
    return [rows[0], len(rows), {screen.cells[y, 0][1][0] for y in rows}] if rows else []


def test_pictures_change_in_place_and_messages_go_above(shown):
    screen, file, clock = shown
    watcher = Preview((64, 48), "half-blocks", file)
    with Reporter([Scale(64, 48, 9)], None, file) as reporter:
        for iteration in range(5):
            reporter.update(picture_step(iteration, 10 * iteration))
            watcher.update(picture_step(iteration, 10 * iteration))
            clock[0] += 1
            assert levels(screen) == [0, 15, {10 * iteration}]
        for text in ("first", "second"):
            tqdm.write(text, file=file)
            assert levels(screen)[1:] == [15, {40}]
        assert screen.lines[:2] == ["first", "second"]
        watcher.update(picture_step(5, 70))
        assert levels(screen) == [2, 15, {70}]
        screen.rows = 12  # the terminal shrinks
        clock[0] += 1
        watcher.update(picture_step(6, 80))
        assert levels(screen)[2] == {80} | ({70} & levels(screen)[2])
        watcher.update(picture_step(7, 90))  # too soon
        assert 90 not in levels(screen)[2]
    watcher.close()
    assert 90 in levels(screen)[2]  # the last picture stays
    assert screen.lines[-1].startswith("64×48 4/9 ")
    assert LiveRegion.current is None


def test_only_better_pictures_are_shown_and_not_more_than_two_a_second(shown, monkeypatch):
    _, file, clock = shown
    drawn = []
    monkeypatch.setattr(preview, "drawn", lambda *_: drawn.append(clock[0]) or ("", 0, ""))
    watcher = Preview((64, 48), "half-blocks", file)
    for iteration in range(100):
        watcher.update(picture_step(iteration, 0, best=iteration < 50))
        clock[0] += 0.1
    assert 8 <= len(drawn) <= 11
    assert min(np.diff(drawn)) >= 0.499
    assert max(drawn) < 5.5


def test_a_terminal_of_few_rows_shows_no_picture(shown):
    screen, file, _ = shown
    screen.rows = 5
    watcher = Preview((64, 48), "half-blocks", file)
    watcher.update(picture_step(0, 10))
    watcher.close()
    assert levels(screen) == []


# --- the whole command ------------------------------------------------------------------------------------------------


def test_without_a_terminal_the_run_goes_on_without_a_preview(folder, capsys):
    from neural_style.cli import main as cli

    assert cli.main([*RUN, "--output=out.png", "--preview"]) == 0
    error = capsys.readouterr().err
    assert "warning: --preview: expected a terminal on standard error, got none; the run goes on without" in error
    assert "\x1b" not in error


def in_terminal(arguments, environment, answer=b"", interrupt=None):
    """Run the command in a terminal of its own; return exit code, what it wrote, and whether the mode is as before."""
    import fcntl
    import pty
    import termios

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 90, 900, 600))
    mode = termios.tcgetattr(follower)
    process = os.fork()
    if process == 0:  # the command leads a session, whose terminal is this one
        try:
            os.setsid()
            fcntl.ioctl(follower, termios.TIOCSCTTY, 0)
            for number in range(3):
                os.dup2(follower, number)
            os.execve(sys.executable, [sys.executable, "-m", "neural_style", *arguments], {**os.environ, **environment})
        finally:
            os._exit(99)
    written, is_answered, is_interrupted = b"", False, False

    def read():
        nonlocal written, is_answered, is_interrupted
        while True:
            try:
                chunk = os.read(leader, 65536)
            except OSError:
                return
            written += chunk
            if b"\x1b[c" in written and not is_answered:
                is_answered = True
                os.write(leader, answer)
            if interrupt is not None and interrupt in written and not is_interrupted:
                is_interrupted = True
                os.kill(process, signal.SIGINT)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    _, status = os.waitpid(process, 0)
    is_same = termios.tcgetattr(follower) == mode
    os.close(follower)
    reader.join(10)
    os.close(leader)
    return os.waitstatus_to_exitcode(status), written.decode(), is_same


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
@pytest.mark.parametrize("interrupted", [False, True])
def test_a_run_in_a_terminal_shows_sixel_if_it_answers_so(interrupted, folder, monkeypatch):
    options = ["--output=out.png", "--preview", *(["--iterations=5000"] if interrupted else [])]
    interrupt = b"\x1b\\" if interrupted else None
    environment = {"TERM": "xterm-256color", "TERM_PROGRAM": "", "NO_COLOR": "", "LC_ALL": "C.UTF-8"}
    environment["PYTHONPATH"] = str(Path(neural_style.__file__).parents[1])
    for name in ("TMUX", "STY", "KITTY_WINDOW_ID", "LC_TERMINAL"):
        monkeypatch.delenv(name, raising=False)
    code, text, is_same = in_terminal([*RUN, *options], environment, b"\x1b[?62;4;22c", interrupt)
    assert code == (130 if interrupted else 0)
    assert is_same
    screen = Screen(90, 30).feed(text)
    assert screen.questions == 1
    assert screen.pictures
    assert {picture.size for picture, _ in screen.pictures} == {(510, 378)}  # 19 rows of 20 px
    assert screen.colors == (None, None)
    assert re.match(r"wrote out\.png", screen.lines[-1])
    assert screen.x == 0
    assert "\x1b[?25l" not in text
