"""Runs that go on from their work folders."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from command_line import RUN, TINY, at, new_files, size, tree
from PIL import Image

from neural_style import files
from neural_style.cli import main as cli
from neural_style.cli import painting, resuming, saving
from neural_style.errors import OutputError
from neural_style.runs.session_state import SessionState
from neural_style.runs.work_folder import WorkFolder

BASE = ["--content=photo.png", "--styles=style.png", *TINY]

LONG = [*RUN, "--iterations=6", "--progress-write"]
"""7 steps of one size."""


def stop(number=signal.SIGTERM):
    os.kill(os.getpid(), number)


@pytest.fixture
def stopped(folder):
    """A function that begins a run in the folder "work" which a signal stops at an iteration."""

    def stopped(iteration, arguments=LONG, number=signal.SIGTERM):
        with at(iteration, lambda: stop(number)):
            assert cli.main([*arguments, "--output=out.png", "--workdir=work"]) == 128 + number

    return stopped


def finished(arguments, name="whole"):
    assert cli.main([*arguments, f"--output={name}.png"]) == 0
    return Path(f"{name}.png").read_bytes(), Path(f"{name}-progress.txt").read_bytes()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stopped_run_goes_on_to_the_same_bytes(folder, stopped, number, capsys):
    stopped(3, number=number)
    err = capsys.readouterr().err
    assert f"--resume {folder / 'work'} goes on" in err
    assert np.loadtxt("out-progress.txt")[:, 0].tolist() == [0, 1, 2, 3]
    assert cli.main(["--resume=work"]) == 0
    captured = capsys.readouterr()
    assert f"going on with the run in {folder / 'work'} after iteration 3" in captured.err
    assert captured.out.startswith(f"wrote {folder / 'out.png'} ")
    ours = Path("out.png").read_bytes(), Path("out-progress.txt").read_bytes()
    assert ours == finished(LONG)


RUNS = {
    "adam": [*BASE, "--optimizer=adam", "--width=128", "--scales=2", "--iterations=2", "--scale-iterations=2"],
    "lbfgs": [*BASE, "--optimizer=lbfgs", "--width=128", "--scales=2", "--iterations=2", "--scale-iterations=2"],
    "tiles": [*BASE, "--optimizer=lbfgs", "--width=140", "--tile-size=64", "--scales=1", "--iterations=2"],
    "in place": [*BASE, "--optimizer=adam", "--width=140", "--tile-size=64", "--scales=1", "--iterations=2"],
    "bfloat16": [*BASE, "--optimizer=adam", "--scales=1", "--iterations=2", "--precision=bfloat16"],
}


@pytest.mark.parametrize("arguments", RUNS.values(), ids=RUNS)
def test_every_evaluation_is_a_place_to_stop(folder, arguments):
    """And at each the run goes on to the same bytes, from the files of a process that was killed right then."""
    arguments = [*arguments, "--progress-write"]
    copies = []

    def copied():
        shutil.copytree("work", f"copy{len(copies)}")
        copies.append(f"copy{len(copies)}")

    save_if_due = saving.Saver.save_if_due
    with pytest.MonkeyPatch.context() as patch:

        def always(self):
            assert self.save()
            copied()

        patch.setattr(saving.Saver, "save_if_due", always)
        assert cli.main([*arguments, "--output=out.png", "--workdir=work"]) == 0
    assert saving.Saver.save_if_due is save_if_due
    whole = Path("out.png").read_bytes(), Path("out-progress.txt").read_bytes()
    assert whole == finished(arguments)
    count = len(np.loadtxt("out-progress.txt"))
    assert len(copies) == count >= 3
    for copy in copies:
        assert cli.main([f"--resume={copy}", f"--output={copy}.png"]) == 0
        assert (Path(f"{copy}.png").read_bytes(), Path(f"{copy}-progress.txt").read_bytes()) == whole


def test_length_and_outputs_may_change(folder, stopped, capsys):
    """A run that is done goes on, too, if it gets more iterations."""
    stopped(2)
    assert cli.main(["--resume=work", "--iterations=4", "--output=b.png", "--print_iterations=1"]) == 0
    assert np.loadtxt("b-progress.txt")[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert cli.main(["--resume=work", "--iterations=6", "--output=c.png", "--noprogress-write"]) == 0
    assert not Path("c-progress.txt").exists()
    assert Path("c.png").read_bytes() == finished(LONG)[0]


def test_a_finished_run_writes_the_same_again(folder, capsys):
    whole = finished(LONG)
    assert cli.main([*LONG, "--output=out.png", "--workdir=work"]) == 0
    Path("out.png").unlink()
    assert cli.main(["--resume", "work"]) == 0
    assert "the run was done already, after 6 iterations; give more --iterations" in capsys.readouterr().err
    assert (Path("out.png").read_bytes(), Path("out-progress.txt").read_bytes()) == whole


def test_the_whole_command_may_be_repeated_beside_resume(folder, stopped, monkeypatch):
    stopped(2)
    for path in ("out.png", "out-progress.txt"):  # which a folder that was moved does not take for its own
        os.remove(path)
    shutil.move("work", "elsewhere")
    shutil.move("photo.png", "moved.png")
    arguments = [each for each in LONG if not each.startswith("--content")]
    assert cli.main([*arguments, "--content=moved.png", "--resume=elsewhere"]) == 0
    assert size("out.png") == (64, 48)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["--width=80"], "--width (None before, 80 now)"),
        (["--seed=7", "--tv-weight=3"], "--tv_weight"),
        (["--optimizer=lbfgs"], "--optimizer (adam before, lbfgs now)"),
        (["--content=style.png"], "--content (another file)"),
        (["--styles=style.png", "--styles=photo.png"], "--styles (1 before, 2 now)"),
        (["--precision=bfloat16"], "--precision (float32 before, bfloat16 now)"),
        (["--init=gray"], "--init"),
        (["--initial=photo.png", "--initial_noiseblend=0"], "--initial (0 before, 1 now)"),
        (["--tile_size=64"], "--tile_size"),
        (["--preset=athalye"], "--learning_rate (3 before, 10 now)"),
    ],
)
def test_other_settings_and_pictures_are_refused_by_name(folder, stopped, changes, told, capsys):
    stopped(1)
    before = tree(folder)
    capsys.readouterr()
    assert cli.main(["--resume=work", *changes]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "expected what the run in" in error
    assert told in error
    now = tree(folder)
    assert {name for name in now if now[name][2:] != before.get(name, (0, 0, 0))[2:]} <= {"work/lock"}


def test_a_picture_that_has_changed_is_refused_and_a_missing_one_told(folder, stopped, capsys):
    stopped(1)
    Image.new("RGB", (64, 48), "red").save("style.png")
    capsys.readouterr()
    assert cli.main(["--resume=work"]) == 2
    assert "--styles[0] (another file)" in capsys.readouterr().err
    os.remove("style.png")
    assert cli.main(["--resume=work"]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_other_weights_are_refused(folder, stopped, tmp_path, capsys):
    stopped(1)
    capsys.readouterr()
    shutil.copy(Path(cli.__file__).parents[2] / "weights" / "builtin.npz", "same.npz")
    assert cli.main(["--resume=work", "--weights=same.npz", "--output=same.png"]) == 0
    capsys.readouterr()
    assert cli.main(["--resume=work", "--weights=missing.npz"]) == 2
    assert "missing.npz" in capsys.readouterr().err


def test_a_folder_with_checkpoints_is_not_begun_anew(folder, stopped, capsys):
    stopped(1)
    before = sorted(os.listdir("work"))
    capsys.readouterr()
    assert cli.main([*LONG, "--output=b.png", "--workdir=work"]) == 2
    assert "give --resume work to go on with it, another folder, or --overwrite" in capsys.readouterr().err
    assert sorted(os.listdir("work")) == before
    assert cli.main([*LONG, "--output=b.png", "--workdir=work", "--overwrite"]) == 0


def test_a_run_that_begins_anew_is_the_only_one_that_can_go_on(folder, stopped, monkeypatch, capsys):
    stopped(1)
    capsys.readouterr()

    def refused(*_):
        raise OutputError("workdir: full")

    with monkeypatch.context() as patch, at(2, stop):
        patch.setattr(WorkFolder, "save", refused)
        assert cli.main([*LONG, "--seed=3", "--output=b.png", "--workdir=work", "--overwrite"]) == 143
    assert "--resume" not in capsys.readouterr().err
    assert cli.main(["--resume=work"]) == 2
    assert "without any; begin a run with --workdir" in capsys.readouterr().err


def test_a_signal_after_the_last_evaluation_changes_nothing(folder, capsys):
    with at(6, stop):
        assert cli.main([*LONG, "--output=out.png", "--workdir=work"]) in (0, 143)
    assert "error" not in capsys.readouterr().err
    assert cli.main(["--resume=work", "--overwrite"]) == 0
    assert Path("out.png").read_bytes() == finished(LONG)[0]


def test_an_output_of_others_is_not_replaced(folder, stopped, capsys):
    """While that of the run itself is; and an --overwrite of before does not count any more."""
    stopped(1)
    Image.new("RGB", (9, 9)).save("out.png")
    mine = Path("out.png").read_bytes()
    capsys.readouterr()
    assert cli.main(["--resume=work"]) == 2
    assert "exists; give --overwrite to replace it" in capsys.readouterr().err
    assert Path("out.png").read_bytes() == mine
    assert cli.main(["--resume=work", "--overwrite"]) == 0
    assert size("out.png") == (64, 48)
    Image.new("RGB", (9, 9)).save("out.png")
    assert cli.main(["--resume=work"]) == 2


def test_names_by_default_and_checkpoint_pictures_stay(folder):
    more = ["--checkpoint-output=c_{}.png", "--checkpoint-iterations=2", "--save_flags=run.cfg", "--workdir=work"]
    before = tree(folder)
    with at(3, stop):
        assert cli.main([*LONG, *more]) == 143
    assert cli.main(["--resume=work"]) == 0
    made = {name for name in new_files(folder, before) if not name.startswith("work")}
    assert made == {"photo-style.png", "photo-style-progress.txt", "run.cfg", "c_2.png", "c_4.png", "c_6.png"}


def test_two_runs_in_one_folder(folder, stopped, capsys):
    stopped(1)
    capsys.readouterr()
    with WorkFolder("work"):
        for arguments in (["--resume=work"], [*LONG, "--workdir=work"]):
            assert cli.main(arguments) == 2
            assert "which another run is using now; wait for it, or give another folder" in capsys.readouterr().err


def test_folders_without_a_whole_checkpoint(folder, stopped, capsys):
    assert cli.main(["--resume=nowhere"]) == 2
    assert capsys.readouterr().err.startswith("neural_style: error: --resume: expected a folder with a checkpoint, got")
    assert not Path("nowhere").exists()
    stopped(1)
    for path in Path("work").glob("checkpoint-*"):
        path.write_bytes(path.read_bytes()[:-1])
    capsys.readouterr()
    assert cli.main(["--resume=work"]) == 2
    error = capsys.readouterr().err.splitlines()
    assert "expected a whole checkpoint, got a damaged one" in error[-1]
    assert error[-1].endswith("no other checkpoint is whole; begin anew with --workdir and --overwrite")
    assert cli.main(["--resume=out.png"]) == 2
    assert "expected a folder, got the file" in capsys.readouterr().err


def test_a_damaged_newest_checkpoint_falls_back_and_ends_at_the_same_bytes(folder, stopped, capsys):
    stopped(3)
    newest = WorkFolder("work")
    newest.close()
    path = newest.checkpoints()[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert cli.main(["--resume=work"]) == 0
    assert "going on from the checkpoint before it" in capsys.readouterr().err
    assert Path("out.png").read_bytes() == finished(LONG)[0]


def test_a_checkpoint_that_fits_no_run(folder, stopped, capsys):
    """Whose hash is right: somebody made it so."""
    stopped(1)
    path = next(Path("work").glob("checkpoint-*"))
    state = SessionState.load(path)
    for other in Path("work").glob("checkpoint-*"):
        other.unlink()
    beyond = {**state.numbers, "at": 9}
    told = {**state.numbers, "descent": {**state.numbers["descent"], "told": "nothing"}}
    totals = {**state.numbers, "descent": {**state.numbers["descent"], "totals": [{}]}}
    small = {**state.arrays, "gradient": np.zeros((1, 2, 2, 3), np.float32)}
    double = {**state.arrays, "optimizer/image": np.zeros(state.arrays["optimizer/image"].shape)}
    numbers = [{"numbers": each} for each in ({}, beyond, told, totals)]
    arrays = [{"arrays": each} for each in ({}, small, double)]
    for changes in (*numbers, *arrays, {"plans": state.plans * 2}):
        broken = dataclasses.replace(state, **changes)
        broken.save("work/checkpoint-000001.safetensors")
        capsys.readouterr()
        assert cli.main(["--resume=work"]) == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert "expected" in error


def test_flags_that_make_no_sense(folder, stopped, capsys):
    stopped(1)
    capsys.readouterr()
    for arguments, told in (
        (["--resume"], "--resume: expected one folder after it, got nothing"),
        (["--resume", "work", "--workdir=b"], "--workdir: expected --resume alone"),
        (["--resume=work", "--content=-"], "--resume: expected the names of pictures, got '-'"),
        (["--resume=work", "--iterations=0.5"], "--iterations: expected a whole number"),
        (["sheet", "--content=photo.png", "--styles=style.png", "--resume=work"], "--resume"),
    ):
        assert cli.main(arguments) == 2
        assert told in capsys.readouterr().err


def test_the_run_goes_on_in_memory_while_checkpoints_cannot_be_written(folder, monkeypatch, capsys):
    saved, tries = WorkFolder.save, []

    def save(self, state):
        tries.append(len(tries))
        if 2 <= len(tries) <= 4:
            raise OutputError("workdir: 'work' cannot be written (No space left on device); give another place")
        return saved(self, state)

    monkeypatch.setattr(WorkFolder, "save", save)
    monkeypatch.setattr(saving, "RETRY_SECONDS", 0.0)
    assert cli.main([*LONG, "--output=out.png", "--workdir=work", "--checkpoint_minutes=0.000001"]) == 0
    error = capsys.readouterr().err
    assert error.count("the run goes on in memory and tries again") == 1
    assert error.count("checkpoints can be written again") == 1
    assert len(tries) > 5


def test_a_folder_that_is_taken_away_is_made_again(folder):
    with at(2, lambda: shutil.rmtree("work")):
        assert cli.main([*LONG, "--output=out.png", "--workdir=work", "--checkpoint_minutes=0.000001"]) == 0
    assert list(Path("work").glob("checkpoint-*"))
    assert cli.main(["--resume=work", "--overwrite"]) == 0


def test_a_result_that_cannot_be_written_anywhere_is_in_the_checkpoint(folder, monkeypatch, capsys):
    write = files.write_atomically

    def write_atomically(path, *arguments, **options):
        if Path(path).suffix == ".png":
            raise OutputError(f"output: {str(path)!r} cannot be written (No space left on device); give another place")
        return write(path, *arguments, **options)

    monkeypatch.setattr(files, "write_atomically", write_atomically)
    monkeypatch.setattr(painting, "RETRY_SECONDS", (0.0, 0.0))
    assert cli.main([*LONG, "--output=out.png", "--workdir=work"]) == 1
    error = capsys.readouterr().err
    assert error.count("trying again in 0 seconds") == 2
    assert f"the best image is in the checkpoint, and --resume {folder / 'work'} writes it" in error
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    assert cli.main(["--resume=work"]) == 0
    assert Path("out.png").read_bytes() == finished(LONG)[0]


def test_the_time_may_be_limited(folder, capsys, monkeypatch):
    """A run of any speed is stopped here, since the time is over when an iteration was shown."""
    timers = []

    class Timer:
        def __init__(self, seconds, function):
            assert 0 < seconds < 7200
            timers.append(function)

        def start(self):
            pass

        cancel = start

    monkeypatch.setattr(threading, "Timer", Timer)
    options = ["--output=out.png", "--workdir=work", "--json", "--max_time=2h"]

    def time_is_over():
        timers.pop()()

    with at(3, time_is_over):
        assert cli.main([*RUN, "--iterations=1000", *options]) == 0
    captured = capsys.readouterr()
    facts = json.loads(captured.out)
    assert (facts["status"], facts["error"], facts["exit_code"]) == ("stopped", "stopped by --max_time", 0)
    assert facts["iterations"] == 3
    assert "the time of --max_time 2h is over; writing the best image so far; --resume" in captured.err
    assert size("out.png") == (64, 48)
    assert cli.main(["--resume=work", "--iterations=5", "--max_time=1h"]) == 0


def test_a_time_that_is_over_before_the_first_evaluation_is_an_error(folder, capsys):
    assert cli.main([*RUN, "--output=out.png", "--max_time=0.000001s"]) == 1
    assert "max_time: expected time for one evaluation, got 0.000001s; give more" in capsys.readouterr().err
    assert not Path("out.png").exists()


def test_pictures_from_standard_input_are_in_the_checkpoint(folder, stopped, monkeypatch):
    data = Path("photo.png").read_bytes()
    script = "import sys; from neural_style.cli.main import main; sys.exit(main(sys.argv[1:]))"
    arguments = [each.replace("photo.png", "-") for each in LONG]
    run = [sys.executable, "-c", script, *arguments, "--output=out.png", "--workdir=work"]
    assert subprocess.run(run, input=data, check=False, capture_output=True).returncode == 0
    assert cli.main(["--resume=work", "--content=photo.png"]) == 2
    os.remove("photo.png")
    whole = Path("out.png").read_bytes()
    assert cli.main(["--resume=work"]) == 0
    assert Path("out.png").read_bytes() == whole


def test_other_circumstances_are_told(folder, stopped, capsys, monkeypatch):
    stopped(1)
    monkeypatch.setattr(resuming, "__version__", "9.9")
    capsys.readouterr()
    assert cli.main(["--resume=work"]) == 0
    assert "in other circumstances, so its picture may differ a little: neural-style " in capsys.readouterr().err


def test_a_folder_from_elsewhere_chooses_no_place_to_write(folder, stopped, tmp_path_factory, capsys, monkeypatch):
    stopped(1)
    Path("out.png").unlink(), Path("out-progress.txt").unlink()
    place = tmp_path_factory.mktemp("elsewhere")
    shutil.move("work", place / "work")
    monkeypatch.chdir(place)
    before = tree(folder)
    capsys.readouterr()
    assert cli.main(["--resume=work"]) == 2
    error = capsys.readouterr().err
    assert "--output: expected a file in the current folder from a work folder that was moved or copied" in error
    assert cli.main(["--resume=work", "--output=mine.png"]) == 0
    assert size("mine.png") == (64, 48)
    assert tree(folder) == before
    Path("mine.png").write_bytes((place / "work" / "written.json").read_bytes())
    assert cli.main(["--resume=work", "--output=mine.png"]) == 2
    shutil.move("work", "moved")
    for path in Path().glob("mine*"):
        path.unlink()
    monkeypatch.chdir(folder)
    assert cli.main([f"--resume={place / 'moved'}"]) == 2
    assert cli.main([f"--resume={place / 'moved'}", "--yes"]) == 0
    assert size(place / "mine.png") == (64, 48)
