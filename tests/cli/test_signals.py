import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command_line import RUN, new_files, size, tree
from PIL import Image

from neural_style.cli import main as cli
from neural_style.cli import painting, signals
from neural_style.images import writing


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_writes_the_best_image_and_everything_asked_for(number, folder, at_iteration, capsys):
    at_iteration(3, lambda: os.kill(os.getpid(), number))
    before = tree(folder)
    options = ["--iterations=500", "--output=out.png", "--progress-write", "--progress-plot", "--save_flags=run.cfg"]
    assert cli.main([*RUN, *options]) == 128 + number
    assert new_files(folder, before) == {"out.png", "out-progress.txt", "out-progress.png", "run.cfg"}
    assert size("out.png") == (64, 48)
    assert np.loadtxt("out-progress.txt")[:, 0].tolist() == [0, 1, 2, 3]
    captured = capsys.readouterr()
    assert captured.out.startswith("wrote out.png ")
    assert f"neural_style: stopped: by {signal.Signals(number).name}; writing the best" in captured.err


def test_a_signal_that_native_code_takes_for_its_own_failure(folder, at_iteration, capsys):
    def interrupted():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except BaseException as stop:
            raise SystemError("returned a result with an exception set") from stop

    at_iteration(2, interrupted)
    assert cli.main([*RUN, "--iterations=500", "--output=out.png"]) == 130
    assert size("out.png") == (64, 48)
    assert "neural_style: stopped: by SIGINT; writing the best" in capsys.readouterr().err


def test_a_signal_before_the_first_image_writes_nothing(folder, monkeypatch, capsys):
    monkeypatch.setattr(painting, "import_tensorflow", lambda **_: os.kill(os.getpid(), signal.SIGINT))
    before = tree(folder)
    assert cli.main([*RUN, "--output=out.png"]) == 130
    assert tree(folder) == before
    assert capsys.readouterr().err == "neural_style: stopped\n"


def test_further_signals_do_not_interrupt_the_writing(folder, at_iteration, monkeypatch):
    write_image = writing.write_image

    def impatient(*arguments, **options):
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(os.getpid(), number)
        return write_image(*arguments, **options)

    monkeypatch.setattr(writing, "write_image", impatient)
    at_iteration(1, lambda: os.kill(os.getpid(), signal.SIGINT))
    assert cli.main([*RUN, "--iterations=500", "--output=out.png", "--progress-write"]) == 130
    assert size("out.png") == (64, 48)
    assert Path("out-progress.txt").is_file()


def test_a_second_signal_right_after_the_first_costs_nothing(folder, at_iteration):
    def twice():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:  # before whoever catches the first can do anything
            os.kill(os.getpid(), signal.SIGTERM)

    at_iteration(1, twice)
    assert cli.main([*RUN, "--iterations=500", "--output=out.png"]) == 130
    assert size("out.png") == (64, 48)


def test_a_signal_after_the_last_iteration_costs_nothing(folder, monkeypatch):
    write = painting._Results.write

    def late(self):
        os.kill(os.getpid(), signal.SIGINT)
        return write(self)

    monkeypatch.setattr(painting._Results, "write", late)
    assert cli.main([*RUN, "--output=out.png"]) == 0
    assert size("out.png") == (64, 48)


def test_a_signal_while_a_checkpoint_is_written_lets_it_be_written_to_its_end(folder, monkeypatch):
    save = Image.Image.save

    def interrupted(self, path, *arguments, **options):
        save(self, path, *arguments, **options)
        monkeypatch.setattr(Image.Image, "save", save)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Image.Image, "save", interrupted)
    before = tree(folder)
    options = ["--checkpoint-output=c_{}.png", "--checkpoint-iterations=1", "--output=out.png"]
    assert cli.main([*RUN, *options]) == 130
    assert new_files(folder, before) == {"out.png", "c_1.png"}
    assert size("out.png") == size("c_1.png") == (64, 48)


def test_a_signal_that_was_to_be_ignored_stays_ignored(folder, at_iteration):
    at_iteration(1, lambda: os.kill(os.getpid(), signal.SIGHUP))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        assert cli.main([*RUN, "--output=out.png"]) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_signal_handlers_are_given_back(folder):
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    assert cli.main([*RUN, "--output=out.png"]) == 0
    assert cli.main([*RUN, "--output=out.png"]) == 2
    assert [signal.getsignal(number) for number in numbers] == before


BUSY = """
import sys, time
from neural_style.cli import signals
messages = signals.Messages("stopping", lambda: "stopped at once")
with signals.interruptible(restore=False), signals.canceling(lambda: print("canceled", flush=True), messages):
    print("ready", flush=True)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        sum(range(10**7))  # native code, within which no handler of Python runs
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_more_signal_after_a_while_ends_the_process_at_once(number):
    with subprocess.Popen(
        [sys.executable, "-c", BUSY], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        process.send_signal(number)  # which belongs to the first
        assert process.stdout.readline() == "canceled\n"
        time.sleep(signals.GRACE + 0.2)
        assert process.poll() is None
        process.send_signal(number)
        assert process.wait(30) == 128 + number
        assert process.stdout.read() == ""
        assert process.stderr.read() == "neural_style: stopping\nneural_style: stopped at once\n"


def test_within_canceling_a_signal_raises_nothing():
    canceled = []
    with signals.interruptible(restore=True):
        with signals.canceling(lambda: canceled.append(signals.Interrupted.latest.exit_code)):
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)  # ignored by now
    assert canceled == [143]
    assert signals.Interrupted.latest.exit_code == 143
