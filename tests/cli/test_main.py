import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import numpy as np
import pytest
from command_line import RUN, size
from PIL import Image

from neural_style import __version__
from neural_style.cli import main as cli
from neural_style.config.config import OPTIONS

ROOT = Path(cli.__file__).parents[2]


def command(*arguments):
    return [sys.executable, "-m", "neural_style", *arguments]


@pytest.fixture
def environment():
    """Variables for a process, which finds this checkout from any folder."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("flag", ["--help", "-h", "--helpfull"])
def test_help_names_every_flag_and_exits_with_0(flag, capsys):
    assert cli.main(["--content=x", flag]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    for name in OPTIONS:
        assert f"  --{name}" in captured.out


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr() == (f"neural-style {__version__}\n", "")


def test_help_of_the_process(environment, folder):
    done = subprocess.run(command("--help"), capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.startswith("Usage: python -m neural_style --content PHOTO")


def test_help_and_errors_of_use_come_without_importing_tensorflow(environment, folder):
    Image.new("RGB", (1, 1)).save("one.png")
    script = (
        "import sys; from neural_style.cli import main as cli\n"
        "heavy = {'tensorflow', 'keras', 'scipy', 'matplotlib', 'h5py'}\n"
        "for line in sys.stdin:\n"
        "    code = cli.main(line.split())\n"
        "    print('CODE', code, sorted(heavy & set(sys.modules)))\n"
    )
    good = "--content photo.png --styles style.png"
    lines = [
        *("--help", "--version", "--flurb", "--content", "--content=photo.png", "--flagfile=nowhere.cfg"),
        *(f"{good} --iterations=0", f"{good} --output=photo.png --overwrite", f"{good} --content=nowhere.png"),
        *(
            f"{good} --content=one.png",
            f"{good} --style-scales 1 2",
            f"{good} --weights=nowhere.h5",
            "doctor x",
            "bench x",
            "weights x",
        ),
    ]
    done = subprocess.run(
        [sys.executable, "-c", script],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    codes = [line for line in done.stdout.splitlines() if line.startswith("CODE")]
    assert codes == ["CODE 0 []"] * 2 + ["CODE 2 []"] * (len(lines) - 2)
    assert done.stderr.count("\n") == len(lines) - 2


def test_an_error_of_use_of_the_process_is_one_line(environment, folder):
    done = subprocess.run(command("--contant=x"), capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 2
    assert (done.stdout, done.stderr) == ("", "neural_style: error: unknown flag --contant; did you mean --content?\n")


def test_sigterm_stops_a_process_with_the_best_image_readable(environment, folder):
    """SIGINT does in `test_processes_in_pipes`."""
    options = ["--iterations=1000000", "--print-iterations=5", "--output=out.png", "--progress-write"]
    process = subprocess.Popen(
        command(*RUN, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        line = "anything"
        while line and not line.startswith("iteration 5 "):
            line = process.stderr.readline()
        assert line
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 128 + signal.SIGTERM
        assert out.startswith("wrote out.png (64×48 px")
        assert "Traceback" not in err
        assert size("out.png") == (64, 48)
        assert np.loadtxt("out-progress.txt").shape[0] >= 6
    finally:
        process.kill()
        process.communicate()
    assert not [name for name in os.listdir() if name.startswith(".")]


def test_on_a_terminal_a_process_shows_a_bar_with_losses(environment, folder):
    here, there = os.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 160, 0, 0))
    process = subprocess.Popen(
        command(*RUN, "--iterations=30", "--output=out.png"), stdin=there, stdout=there, stderr=there, env=environment
    )
    os.close(there)
    try:
        shown = everything_from(here, patience=120)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(here)
    bars = [frame for frame in re.split(r"[\r\n]+", shown) if re.search(r"\b\d+/30 ", frame)]
    assert re.search(r"content \d\S*, style \d\S*, tv \d\S*, total \d", bars[-1])
    assert re.search(r"\d\d:\d\d<(\d\d:\d\d|\?)", bars[-1])
    assert any("30/30" in bar for bar in bars)
    assert "iteration 5 " not in shown
    assert shown.rstrip().splitlines()[-1].startswith("wrote out.png (64×48 px")
    assert size("out.png") == (64, 48)


def everything_from(terminal, patience):
    """What is shown on a terminal until it is closed."""
    shown, end = b"", time.monotonic() + patience
    while select.select([terminal], [], [], max(0, end - time.monotonic()))[0]:
        try:
            read = os.read(terminal, 65536)
        except OSError:  # Linux's way to say that it is closed
            break
        if not read:
            break
        shown += read
    return shown.decode()
