"""The log for TensorBoard, read back with TensorBoard's own readers."""

import errno
import functools
import io
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from command_line import RUN, at, new_files, tree
from PIL import Image
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import plugin_data_pb2

from neural_style.cli import main as cli
from neural_style.cli import tensorboard_log
from neural_style.cli.tensorboard_log import TensorBoardLog, check_can_log
from neural_style.errors import OutputError
from neural_style.images import small_copies
from neural_style.runs.step import LOSS_NAMES

LOGGED = [*RUN, "--output=out.png", "--tensorboard=logs", "--progress-write"]


def only_log(folder="logs"):
    """The folder of the only run that is logged there."""
    (run,) = Path(folder).iterdir()
    return run


def read(run):
    """All that TensorBoard keeps of a run."""
    log = EventAccumulator(os.fspath(run), size_guidance={"tensors": 0})
    log.Reload()
    return log


def scalars(log, tag):
    """Iteration -> value."""
    return {event.step: event.tensor_proto.float_val[0] for event in log.Tensors(tag)}


def pictures(log, tag):
    """Iteration -> picture."""
    return {
        event.step: Image.open(io.BytesIO(event.tensor_proto.string_val[2])) for event in log.Tensors(tag)
    }  # after its width and height


def plugin_data(run):
    """What is logged as hyperparameters, by tag."""
    (path,) = run.iterdir()
    values = [value for event in EventFileLoader(os.fspath(path)).Load() for value in event.summary.value]
    return {
        value.tag: plugin_data_pb2.HParamsPluginData.FromString(value.metadata.plugin_data.content)
        for value in values
        if value.metadata.plugin_data.plugin_name == "hparams"
    }


def test_losses_are_those_of_the_table(folder):
    assert cli.main(LOGGED) == 0
    log, table = read(only_log()), np.loadtxt("out-progress.txt")
    assert table[:, 0].tolist() == [0, 1, 2]
    for column, name in enumerate(LOSS_NAMES, 1):
        found = scalars(log, f"loss/{name}")
        np.testing.assert_allclose(list(found.values()), table[:, column], rtol=1e-6)
        assert list(found) == [0, 1, 2]
    for name, layer in (("content", "relu1_2"), ("style", "relu1_1")):  # one layer each
        assert scalars(log, f"loss of {name}/{layer}") == scalars(log, f"loss/{name}")


def test_sizes_steps_and_speed_are_logged(folder, monkeypatch):
    ticks = iter(range(0, 1000, 2))
    clock = SimpleNamespace(**{**vars(time), "monotonic": lambda: next(ticks)})
    monkeypatch.setattr(tensorboard_log, "time", clock)
    arguments = ["--width=128", "--scales=2", "--scale-iterations=2", "--learning-rate=3", "--learning-rate-decay=0.5"]
    assert cli.main([*LOGGED, *arguments, "--learning-rate-decay-iterations=1", "--tolerance=0"]) == 0
    log = read(only_log())
    assert scalars(log, "run/width") == {0: 64, 1: 64, 2: 64, 3: 128, 4: 128, 5: 128}
    assert scalars(log, "run/height")[5] == 96
    assert scalars(log, "run/step size") == {1: 3, 2: 1.5, 4: 3, 5: 1.5}  # none leads to a size's first image
    assert set(scalars(log, "speed/evaluations per second")) == {1, 2, 3, 4, 5}
    assert scalars(log, "speed/evaluations per second")[5] == 0.5
    assert scalars(log, "speed/megapixels per second")[5] == pytest.approx(128 * 96 / 2 / 1e6)


def test_pictures_are_logged_small(folder, monkeypatch):
    as_jpeg = functools.partial(small_copies.as_jpeg, longest=40)
    monkeypatch.setattr(tensorboard_log.small_copies, "as_jpeg", as_jpeg)
    monkeypatch.setattr(tensorboard_log, "PICTURES", 1.5)
    assert cli.main([*LOGGED, "--tolerance=0"]) == 0
    log = read(only_log())
    assert list(pictures(log, "picture")) == [0, 2]  # the first of a size, and after two thirds of the work
    (result,) = pictures(log, "final").values()
    assert (result.format, result.size) == ("JPEG", (40, 30))
    ours = np.asarray(Image.open("out.png").resize((40, 30), Image.Resampling.LANCZOS), float)
    assert np.abs(np.asarray(result, float) - ours).mean() < 4


def test_settings_are_hyperparameters_and_the_end_has_metrics(folder):
    assert cli.main([*LOGGED, "--strength=0.75"]) == 0
    run = only_log()
    start = plugin_data(run)["_hparams_/session_start_info"].session_start_info
    assert start.group_name == run.name
    found = {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}
    assert {name: found[name] for name in ("strength", "optimizer", "styles", "seed", "iterations")} == {
        **{"strength": 0.75, "optimizer": "adam", "styles": "style.png", "seed": 0, "iterations": 2},
    }
    assert not {"output", "tensorboard", "memory"} & set(found)
    log, table = read(run), np.loadtxt("out-progress.txt")
    best = table[table[:, -1].argmin()]
    for name, value in zip(LOSS_NAMES, best[1:], strict=True):
        assert scalars(log, f"final/{name}") == {2: pytest.approx(value, rel=1e-6)}
    assert scalars(log, "final/iteration")[2] == best[0]
    assert scalars(log, "final/evaluations")[2] == 3
    (text,) = log.Tensors("settings")
    assert b"| strength | 0.75 |" in text.tensor_proto.string_val[0]


def test_the_folder_is_named_by_the_result_and_reported(folder, capsys):
    assert cli.main([*LOGGED, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    run = only_log()
    assert facts["files"]["tensorboard"] == str(run)
    assert run.name.startswith("out-2")
    assert cli.main([*LOGGED, "--overwrite"]) == 0
    assert len(list(Path("logs").iterdir())) == 2


# --- runs that go on --------------------------------------------------------------------------------------------------


def stopped_run():
    """Begin a run that a signal stops at iteration 3, and return its log."""
    with at(3, lambda: os.kill(os.getpid(), signal.SIGTERM)):
        assert cli.main([*LOGGED, "--iterations=6", "--tolerance=0", "--workdir=work"]) == 128 + signal.SIGTERM
    return only_log()


def test_a_run_that_goes_on_goes_on_in_its_log(folder):
    run = stopped_run()
    assert cli.main(["--resume=work"]) == 0
    assert only_log() == run
    log, table = read(run), np.loadtxt("out-progress.txt")
    assert list(scalars(log, "loss/total")) == list(range(7))
    np.testing.assert_allclose(list(scalars(log, "loss/total").values()), table[:, -1], rtol=1e-6)


def test_what_a_killed_run_had_logged_after_its_checkpoint_is_replaced(folder):
    run = stopped_run()
    with tf.io.TFRecordWriter(str(run / f"events.out.tfevents.{time.time_ns()}")) as writer:
        writer.write(Event(file_version="brain.Event:2").SerializeToString())
        for step in (4, 5, 9):
            value = Summary.Value(tag="loss/total", simple_value=-1)
            writer.write(Event(step=step, summary=Summary(value=[value])).SerializeToString())
    assert cli.main(["--resume=work"]) == 0
    found = scalars(read(run), "loss/total")
    np.testing.assert_allclose(list(found.values()), np.loadtxt("out-progress.txt")[:, -1], rtol=1e-6)


@pytest.mark.parametrize("name", ["", "missing", "..", "../elsewhere", ".hidden", "a\0b"])
def test_a_work_folder_of_a_stranger_names_no_other_folder(folder, name):
    run = stopped_run()
    for other in ("elsewhere", "logs/.hidden"):
        Path(other).mkdir()
    Path("work/tensorboard.txt").write_text(name)
    before = tree(folder / "elsewhere"), tree(folder / "logs" / ".hidden"), tree(run)
    assert cli.main(["--resume=work"]) == 0
    assert (tree(folder / "elsewhere"), tree(folder / "logs" / ".hidden"), tree(run)) == before
    (other,) = {*Path("logs").iterdir()} - {run, Path("logs/.hidden")}
    assert list(scalars(read(other), "loss/total")) == [4, 5, 6]


def test_a_run_that_begins_anew_has_a_log_of_its_own(folder):
    run = stopped_run()
    assert cli.main([*LOGGED, "--workdir=work", "--overwrite"]) == 0
    (other,) = {*Path("logs").iterdir()} - {run}
    assert list(scalars(read(other), "loss/total")) == [0, 1, 2]


# --- failures ---------------------------------------------------------------------------------------------------------


def test_a_missing_package_is_said_before_anything_is_written(folder, monkeypatch, capsys):
    monkeypatch.setattr(tensorboard_log.importlib.util, "find_spec", lambda name: None)
    before = tree(folder)
    assert cli.main(LOGGED) == 2
    assert not new_files(folder, before)
    assert "--tensorboard: expected the package tensorboard, which is not installed; pip install" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("option", ["tensorboard", "profile"])
def test_a_folder_that_cannot_be_one_is_refused_before_anything_is_written(folder, option, capsys):
    before = tree(folder)
    for place in ("photo.png", "photo.png/logs"):
        assert cli.main([*RUN, f"--{option}={place}"]) == 2
        assert f"--{option}: expected a folder, got '{place}'" in capsys.readouterr().err
    assert not new_files(folder, before)


@pytest.mark.parametrize("option", ["tensorboard", "profile"])
@pytest.mark.parametrize("place", ["out.png", "out.png/logs", "out-progress.txt"])
def test_a_folder_where_a_file_will_be_is_refused(folder, option, place, capsys):
    before = tree(folder)
    assert cli.main([*RUN, "--output=out.png", "--progress-write", f"--{option}={place}"]) == 2
    assert f"--{option}: expected a folder, got '{place}', where a file is to be written" in capsys.readouterr().err
    assert not new_files(folder, before)


def test_a_full_disk_is_noticed_before_the_run(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"^tensorboard: .*logs.* \(No space left on device\)"):
        check_can_log(str(tmp_path / "logs"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error", [tf.errors.ResourceExhaustedError(None, None, "/logs/events; full"), OSError(28, "full"), MemoryError()]
)
def test_a_log_that_fails_ends_alone(folder, monkeypatch, error, capsys):
    def fails(*_):
        raise error

    def at_first():
        monkeypatch.setattr(TensorBoardLog, "_add_picture", _failing(fails))

    with at(1, at_first):
        assert cli.main([*LOGGED, "--tolerance=0"]) == 0
    assert Path("out.png").is_file()
    err = capsys.readouterr().err
    assert err.count("error: --tensorboard: ") == 1
    reason = "MemoryError" if isinstance(error, MemoryError) else "full"
    assert f"cannot be written ({reason}); the run goes on without it" in err


def test_a_package_that_cannot_be_imported_ends_the_log_alone(folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorboard.plugins.hparams", None)
    assert cli.main(LOGGED) == 0
    assert Path("out.png").is_file()
    assert not list(Path(".").glob("logs/*/*"))
    assert "error: --tensorboard: the package tensorboard cannot be imported (" in capsys.readouterr().err


def _failing(act):
    return lambda log, *_: log._attempt(act)


def test_a_flag_file_names_no_log_outside_of_its_folder(folder, capsys):
    Path("run.cfg").write_text("--tensorboard=/elsewhere\n")
    assert cli.main([*RUN, "--flagfile=run.cfg"]) == 2
    assert "tensorboard" in capsys.readouterr().err


def test_the_run_is_the_same(folder):
    assert cli.main(LOGGED) == 0
    logged = Path("out.png").read_bytes()
    assert cli.main([*RUN, "--output=out.png", "--overwrite"]) == 0
    assert Path("out.png").read_bytes() == logged


def test_nothing_is_left_open(folder):
    assert cli.main(LOGGED) == 0
    if sys.platform == "linux":
        opened = {os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")}
        assert not [path for path in opened if path.startswith(f"{folder}{os.sep}logs")]
