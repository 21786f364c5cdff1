import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import RUN, new_files, tree
from PIL import Image

from neural_style.cli import flags, standard_streams
from neural_style.cli import main as cli
from neural_style.config.config import Config
from neural_style.errors import ImageError, OutputError, UsageError
from neural_style.images import reading

ROOT = Path(cli.__file__).parents[2]
WITHOUT_CONTENT = [argument for argument in RUN if not argument.startswith("--content=")]
PNG_END = b"\0\0\0\0IEND\xaeB`\x82"

NOISY = (
    "import os, sys\n"
    "from neural_style.cli import main, reporter\n"
    "update = reporter.Reporter.update\n"
    "def noisy(self, step):\n"
    "    os.write(1, b'as native code does')\n"
    "    print('as Python code does')\n"
    "    update(self, step)\n"
    "reporter.Reporter.update = noisy\n"
    "sys.exit(main.main())\n"
)
"""A program that writes to standard output while it paints."""


@pytest.fixture
def feed(monkeypatch):
    """A function that puts bytes on standard input."""

    def feed(data):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return feed


@pytest.fixture
def terminal():
    """A terminal, as a text stream."""
    here, there = os.openpty()
    with os.fdopen(here, "rb"), os.fdopen(there, "w") as stream:
        yield stream


def start(*arguments, program=("-m", "neural_style"), **streams):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, *program, *arguments], env=environment, **pipes)


def config(**options):
    return Config(**{"content": "photo.png", "styles": ["style.png"], **options})


# --- runs -------------------------------------------------------------------------------------------------------------


def test_a_picture_from_standard_input_is_painted_like_the_file(folder, feed, capsysbinary):
    assert cli.main([*RUN, "--output=named.png"]) == 0
    feed((folder / "photo.png").read_bytes())
    before = tree(folder)
    assert cli.main([*WITHOUT_CONTENT, "--content", "-"]) == 0
    assert new_files(folder, before) == {"stdin-style.png"}
    assert b"painting standard input in the style of style.png" in capsysbinary.readouterr().err
    np.testing.assert_array_equal(Image.open("stdin-style.png"), Image.open("named.png"))
    assert reading.read_settings("stdin-style.png")["content"] == "standard input"


@pytest.mark.parametrize("depth", [8, 16])
def test_the_result_on_standard_output_is_that_of_a_file(folder, capsysbinary, depth):
    made = Image.open("photo.png").convert("RGBA")
    made.putalpha(200)
    made.save("glass.png")
    arguments = [*RUN, "--content=glass.png", f"--bit-depth={depth}"]
    assert cli.main([*arguments, "--output=named.png"]) == 0
    capsysbinary.readouterr()
    before = tree(folder)
    assert cli.main([*arguments, "--output", "-", "--overwrite"]) == 0
    captured = capsysbinary.readouterr()
    assert captured.out == (folder / "named.png").read_bytes()
    assert b"\nneural_style: wrote the picture to standard output (64" in captured.err
    assert new_files(folder, before) == set()


def test_a_style_may_come_from_standard_input(folder, feed, capsys):
    feed((folder / "other.jpg").read_bytes())
    assert cli.main([*RUN, "--styles", "style.png", "-", "--output=out.png"]) == 0
    assert reading.read_settings("out.png")["styles"] == ["style.png", "style.png", "standard input"]


def test_processes_in_pipes(folder):
    """One in the middle that others write to, one that is interrupted, and one whose reader is gone."""
    middle = start(
        *WITHOUT_CONTENT, "--content=-", "--output=-", program=("-c", NOISY), stdin=(folder / "photo.png").open("rb")
    )
    endless = start(*RUN, "--output=-", "--iterations=1000000", "--print-iterations=5", "--json")
    unread = start(*RUN, "--output=-", "--width=256", "--json")
    unread.stdout.close()
    try:
        line = b"anything"
        while line and not line.startswith(b"iteration 5 "):
            line = endless.stderr.readline()
        endless.send_signal(signal.SIGINT)

        out, err = middle.communicate(timeout=100)
        assert middle.returncode == 0
        assert out.startswith(b"\x89PNG") and out.endswith(PNG_END)
        assert Image.open(io.BytesIO(out)).size == (64, 48)
        assert err.count(b"as native code does") == err.count(b"as Python code does") == 3

        out, err = endless.communicate(timeout=100)
        assert endless.returncode == 130
        assert out.endswith(PNG_END)
        facts = json.loads(err.splitlines()[-1])
        assert (facts["status"], facts["exit_code"], facts["files"]) == ("stopped", 130, {"output": "-"})
        assert facts["error"] == "stopped by SIGINT"
        assert facts["iterations"] >= 5

        err = unread.stderr.read()
        assert unread.wait(timeout=100) == 1
        facts = json.loads(err.splitlines()[-1])
        assert (facts["status"], facts["exit_code"]) == ("failed", 1)
        assert facts["error"] == "--output: standard output cannot be written (its reader has closed it)"
        assert facts["files"] == {"output": "photo-style.png"}
        assert Image.open("photo-style.png").size == (256, 192)
        assert b"Traceback" not in err
    finally:
        for process in (middle, endless, unread):
            process.kill()
            process.wait()
            process.stderr.close()


def test_flags_saved_beside_standard_output_repeat_the_run(folder, capsysbinary):
    assert cli.main([*RUN, "--output=-", "--save-flags=run.cfg"]) == 0
    first = capsysbinary.readouterr().out
    assert "--output=-\n" in Path("run.cfg").read_text()
    assert cli.main(["--flagfile=run.cfg", "--overwrite"]) == 0
    assert capsysbinary.readouterr().out == first


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"content": "-", "styles": ["a.png", "-"]}, UsageError, "styles: .* got another after that of --content;"),
        ({"styles": ["-", "-"]}, UsageError, "styles: expected one picture from standard input, got another after"),
        ({"init": "-", "content": "-"}, UsageError, "init: expected one picture from standard input"),
        ({"content": "-", "save_flags": "a.cfg"}, UsageError, "save_flags: .* got --content from standard input"),
        ({"save_flags": "-"}, UsageError, r"save_flags: expected the name of a file, got '-'; write \./-"),
        ({"output": "-", "progress_write": True}, UsageError, "progress_write: expected a result with a name"),
        ({"output": "-", "progress_plot": True}, UsageError, "progress_plot: expected a result with a name"),
    ],
)
def test_what_standard_streams_cannot_do_is_refused(options, error, message):
    with pytest.raises(error, match=f"^{message}"):
        standard_streams.check(config(**options))


def test_a_terminal_is_refused(terminal, monkeypatch):
    monkeypatch.setattr(sys, "stdin", terminal)
    with pytest.raises(UsageError, match=r"^content: expected a picture on standard input, got a terminal; pipe"):
        standard_streams.check(config(content="-"))
    monkeypatch.setattr(sys, "stdout", terminal)
    with pytest.raises(OutputError, match=r"^output: .* got a terminal, which shows no pictures; add > painted\.png"):
        standard_streams.check(config(output="-"))
    standard_streams.check(config())


def test_closed_streams_are_refused(folder, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", None)
    assert cli.main([*WITHOUT_CONTENT, "--content=-"]) == 2
    assert "--content: expected a picture on standard input, which is closed" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdout", None)
    before = tree(folder)
    assert cli.main([*RUN, "--output=-"]) == 2
    assert "--output: expected a pipe or a file as standard output, which is closed" in capsys.readouterr().err
    assert tree(folder) == before


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (lambda data: b"", "--content: expected a picture on standard input, got nothing (0 bytes)"),
        (lambda data: data[:500], "content picture (standard input) is damaged or truncated"),
        (lambda data: b"hello\n", "content picture (standard input) is not a picture of a known kind"),
    ],
)
def test_bad_data_are_refused_in_one_line(folder, feed, capsys, part, message):
    feed(part((folder / "photo.png").read_bytes()))
    before = tree(folder)
    assert cli.main([*WITHOUT_CONTENT, "--content=-"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"neural_style: error: {message}")
    assert tree(folder) == before


def test_more_bytes_than_a_picture_has_are_not_read_to_the_end(monkeypatch):
    class Endless(io.RawIOBase):
        def read(self, size):
            return bytes(size)

    class Stream:
        buffer = Endless()

    monkeypatch.setattr(sys, "stdin", Stream())
    monkeypatch.setattr(standard_streams, "_OTHER_BYTES", 10**6)
    with pytest.raises(ImageError, match=r"^content: .* at most 1000 pixels on standard input, got more than 1016000"):
        standard_streams.with_input(config(content="-", max_pixels=1000))


def test_a_stream_that_cannot_be_read_is_told(monkeypatch, tmp_path):
    with (tmp_path / "file").open("w") as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        with pytest.raises(ImageError, match=r"^content: standard input cannot be read \(.*\); give the name"):
            standard_streams.with_input(config(content="-"))


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["--content", "-", "--styles", "a.png", "--output", "-"],
        ["--output=-", "--content=-", "--styles=a.png"],
        ["--styles", "a.png", "--output", "-", "--content", "-"],
    ],
)
def test_a_dash_alone_is_a_value(arguments):
    parsed = flags.parse(arguments)
    assert (parsed.content, parsed.styles, parsed.output) == ("-", ("a.png",), "-")


def test_a_dash_alone_in_a_flag_file(tmp_path):
    (tmp_path / "a.cfg").write_text("--output=-\n--content -\n--styles a.png -\n")
    parsed = flags.parse([f"--flagfile={tmp_path / 'a.cfg'}"])
    assert (parsed.content, parsed.styles, parsed.output) == ("-", ("a.png", "-"), "-")


def test_a_file_and_a_folder_may_have_that_name(folder, feed, capsys):
    feed(b"not read")
    os.rename("photo.png", "-")
    assert cli.main([*WITHOUT_CONTENT, "--content=./-", "--output", "out.png"]) == 0
    os.rename("-", "photo.png")
    os.mkdir("-")
    assert cli.main([*RUN, "--output", "-/out.png"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("wrote -/out.png (64")
    assert Image.open("-/out.png").size == (64, 48)
