import io
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from command_line import RUN, TINY, new_files, size, tree
from PIL import Image

from neural_style.cli import main as cli
from neural_style.compute.planner import Planner
from neural_style.config import byte_sizes
from neural_style.config.config import Config
from neural_style.errors import OutOfMemoryError, OutputError
from neural_style.images import reading, writing
from neural_style.images.picture import to_integers
from neural_style.networks import weights
from neural_style.runs.session import Session


def test_a_run_writes_the_picture_and_says_so_on_standard_output_alone(folder, capsys):
    before = tree(folder)
    assert cli.main([*RUN, "--output=out.png"]) == 0
    captured = capsys.readouterr()
    assert re.fullmatch(r"wrote out\.png \(64×48 px, loss \S+ at iteration \d\)\n", captured.out)
    assert new_files(folder, before) == {"out.png"}
    assert size("out.png") == (64, 48)
    assert {name: tree(folder)[name] for name in before} == before


def test_a_run_of_16_bits_from_16_bits(folder, capsys):
    """From a TIFF of 16 bits to a PNG and a checkpoint of them, which a second run repeats to the byte."""
    deep = np.asarray(Image.open("photo.png").convert("RGB"), np.uint16) * 257 + 100
    writing.write_image("deep.tif", np.minimum(deep, 65535).astype(np.uint16), settings={}, overwrite=False)
    arguments = [*RUN, "--content=deep.tif", "--bit-depth=16", "--initial-noiseblend=0", "--preserve-colors"]
    checkpoints = ["--checkpoint-output={}.tif", "--checkpoint-iterations=2"]
    assert cli.main([*arguments, "--output=out.png", *checkpoints]) == 0
    assert cli.main([*arguments, "--output=again.png"]) == 0
    made = imagecodecs.png_decode((folder / "out.png").read_bytes())
    assert (made.shape, made.dtype) == ((48, 64, 3), np.uint16)
    assert len(np.unique(made % 257)) > 100
    assert reading.read_settings("out.png")["bit_depth"] == 16
    assert (folder / "out.png").read_bytes() == (folder / "again.png").read_bytes()
    np.testing.assert_array_equal(to_integers(reading.read_image("2.tif").rgb, 16), made)


def test_what_is_done_is_told_on_standard_error(folder, capsys):
    cli.main([*RUN, "--output=out.png"])
    first, second, *rest = capsys.readouterr().err.splitlines()
    for said in (
        *("photo.png", "style.png", ": 64×48 px", "2 iterations", "adam", "builtin", "PU:0"),
        "in float32 (as asked for)",
    ):
        assert said in first
    told = r"neural_style: memory: 64×48 px whole; about \d+ MB at most, of \S+[GM]B"
    assert re.fullmatch(told, second)
    assert [line.partition(":")[0] for line in rest] == [f"iteration {i} of at most 2 (64×48 px)" for i in range(3)]


def test_scales_are_told(folder, capsys):
    cli.main([*RUN, "--width=96", "--scales=2", "--output=out.png", "--precision=auto"])
    captured = capsys.readouterr()
    first, second, *rest = captured.err.splitlines()
    assert ": 48×36 → 96×72 px, at most 5 iterations (2 + 3) of adam" in first
    assert "memory: 96×72 px whole;" in second
    assert re.search(r" on \S+ in (bfloat16|float32|float16) \(.+\)$", first)
    sizes = ["48×36"] * 3 + ["96×72"] * 3
    assert [line.partition(":")[0] for line in rest] == [
        f"iteration {i} of at most 5 ({s} px)" for i, s in enumerate(sizes)
    ]
    assert re.fullmatch(r"wrote out\.png \(96×72 px, loss \S+ at iteration [345]\)\n", captured.out)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_run_in_tiles_is_told_of_and_can_be_repeated(folder, capsys, optimizer):
    options = [*RUN, "--width=100", "--tile_size=64", f"--optimizer={optimizer}"]
    assert cli.main([*options, "--output=a.png", "--save_flags=run.cfg"]) == 0
    captured = capsys.readouterr()
    (told,) = (line for line in captured.err.splitlines() if "memory" in line)
    pattern = r"neural_style: memory: 100×75 px tiles of 64 px; about \d+ MB at most, of (\S+)"
    budget = re.fullmatch(pattern, told)[1]
    assert captured.out.startswith("wrote a.png (100×75 px, ")
    assert f"--memory={budget}\n" in (folder / "run.cfg").read_text()
    assert cli.main(["--flagfile=run.cfg", "--output=b.png", "--save_flags=again.cfg"]) == 0
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()
    assert f"--memory={budget}\n" in (folder / "again.cfg").read_text()


def test_what_is_done_for_want_of_memory_is_told(folder, capsys):
    """Of a bit less than the whole picture takes with the pairs asked for."""
    config = Config("photo.png", "style.png", content_layers=["relu1_2"], style_layers=["relu1_1"])
    plans = Planner(config, "float32")
    budget = byte_sizes.flag(int(0.95 * plans.whole(480, 360).peak))
    options = ["--width=480", "--optimizer=lbfgs", "--iterations=1", f"--memory={budget}"]
    assert cli.main([*RUN, *options, "--output=out.png"]) == 0
    plan = plans.choose(480, 360, byte_sizes.parse(budget))
    told = f"memory: {plan.described(config)}; about {byte_sizes.describe(plan.peak)} at most, of {budget}\n"
    assert f"neural_style: {told}" in capsys.readouterr().err
    assert (plan.tile_size, plan.history_size) == (None, 10)


def test_the_optimizer_by_default_may_end_before_its_iterations(folder, capsys):
    options = [option for option in RUN if not option.startswith("--optimizer")]
    assert cli.main([*options, "--iterations=500", "--tolerance=0.5", "--output=out.png", "--progress-write"]) == 0
    assert "500 iterations of lbfgs" in capsys.readouterr().err
    assert 20 <= np.loadtxt("out-progress.txt")[-1, 0] < 500


def test_without_a_name_the_result_is_numbered_rather_than_overwritten(folder, capsys):
    assert cli.main(RUN) == 0
    first = tree(folder)["photo-style.png"]
    assert cli.main([*RUN, "--seed=1"]) == 0
    assert tree(folder)["photo-style.png"] == first
    assert size("photo-style-2.png") == (64, 48)
    assert "wrote photo-style-2.png " in capsys.readouterr().out


def test_overwrite_replaces_the_result(folder):
    Path("out.png").write_bytes(b"old")
    assert cli.main([*RUN, "--output=out.png", "--overwrite"]) == 0
    assert size("out.png") == (64, 48)


def test_a_folder_of_style_pictures_is_told_and_can_be_repeated(folder, capsys):
    """With every option of the start and of the style pictures."""
    Path("works").mkdir()
    for name in ("style.png", "photo.png"):
        shutil.copy(name, "works")
    asked = ["--styles=works", "--init=style_colors", "--noise-scale=30", "--initial-noiseblend=0.25"]
    asked += ["--style-rotations=90", "--style-rotations=180", "--style-fit=longest", "--save_flags=run.cfg"]
    arguments = [argument for argument in RUN if not argument.startswith("--styles")]
    assert cli.main([*arguments, *asked]) == 0
    assert "in the style of works (2 pictures): 64×48 px" in capsys.readouterr().err
    assert cli.main(["--flagfile=run.cfg", "--output=again.png", "--save_flags=again.cfg"]) == 0
    assert Path("photo-works.png").read_bytes() == Path("again.png").read_bytes()
    settings = reading.read_settings("again.png")
    assert (settings["styles"], settings["init"], settings["noise_scale"]) == (["works"], "style_colors", 30)
    assert (settings["style_rotations"], settings["style_fit"]) == ([90, 180], "longest")


def test_missing_folders_are_made_and_the_width_is_kept(folder):
    assert cli.main([*RUN, "--output=new/deep/out.jpg", "--width=80"]) == 0
    assert size("new/deep/out.jpg") == (80, 60)


@pytest.mark.parametrize("template", ["c_{:05}.png", "c_%05d.png"])
def test_checkpoints_are_written_at_their_iterations(template, folder):
    before = tree(folder)
    options = ["--iterations=5", "--checkpoint-output", template, "--checkpoint-iterations", "2", "--output=out.png"]
    assert cli.main([*RUN, *options]) == 0
    assert new_files(folder, before) == {"out.png", "c_00002.png", "c_00004.png"}
    assert size("c_00004.png") == (64, 48)


def test_the_result_is_the_image_of_the_lowest_loss(folder, capsys):
    assert cli.main([*RUN, "--iterations=6", "--learning-rate=200", "--progress-write", "--output=out.png"]) == 0
    iteration = int(re.search(r"at iteration (\d+)", capsys.readouterr().out)[1])
    table = np.loadtxt("out-progress.txt")
    assert table[:, 0].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert iteration == table[table[:, 4].argmin(), 0]


def test_progress_files_lie_beside_the_result_whatever_the_current_folder(folder, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    pictures = [f"--content={folder}/photo.png", f"--styles={folder}/style.png"]
    options = ["--iterations=2", "--progress-write", "--progress-plot", f"--output={folder}/new/out.png"]
    assert cli.main([*pictures, *TINY, *options]) == 0
    assert tree(elsewhere) == {}
    assert sorted(os.listdir(folder / "new")) == ["out-progress.png", "out-progress.txt", "out.png"]
    assert min(size(folder / "new" / "out-progress.png")) > 200
    header, *rows = (folder / "new" / "out-progress.txt").read_text().splitlines()
    assert header.lstrip("# ").split() == ["iteration", "content", "style", "tv", "total"]
    assert len(rows) == 3


def test_settings_are_embedded_in_the_picture(folder):
    assert cli.main([*RUN, "--output=out.jpg", "--style-scales=0.75", "--seed=5"]) == 0
    settings = reading.read_settings("out.jpg")
    assert settings["content"] == "photo.png"
    assert settings["styles"] == ["style.png"]
    assert (settings["style_scales"], settings["seed"], settings["weights"]) == ([0.75], 5, "builtin")


def test_without_imagenet_weights_the_builtin_network_is_used_and_told(folder, capsys):
    options = [option for option in RUN if not option.startswith("--weights")]
    assert cli.main([*options, "--output=out.png", "--save_flags=run.cfg"]) == 0
    assert capsys.readouterr().err.startswith("neural_style: warning: using the built-in network")
    assert reading.read_settings("out.png")["weights"] == "builtin"
    assert f"--weights=builtin#sha256:{weights.builtin_entry().digest}\n" in Path("run.cfg").read_text()


def test_a_tilde_is_the_home_folder_wherever_a_path_is_given(folder, monkeypatch, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for name in ("photo.png", "style.png"):
        Path(name).rename(home / name)
    (home / "outer.cfg").write_text("--content=~/photo.png\n--styles ~/style.png\n--progress_write\n")
    before = tree(folder)
    outputs = ["--output=~/new/out.png", "--save_flags=~/run.cfg"]
    checkpoints = ["--checkpoint_output=~/c_{}.png", "--checkpoint_iterations=2"]
    assert cli.main(["--flagfile=~/outer.cfg", *TINY, "--iterations=2", "--scales=1", *outputs, *checkpoints]) == 0
    assert tree(folder) == before
    made = {"new", "new/out.png", "new/out-progress.txt", "run.cfg", "c_2.png"}
    assert {*tree(home)} == made | {"photo.png", "style.png", "outer.cfg"}
    assert f"--output={home}/new/out.png\n" in (home / "run.cfg").read_text()


def test_a_link_is_written_through(folder):
    Path("real").mkdir()
    shutil.copy("other.jpg", "real/out.jpg")
    Path("real/out.jpg").chmod(0o600)
    Path("out.jpg").symlink_to("real/out.jpg")
    assert cli.main([*RUN, "--output=out.jpg"]) == 2
    assert cli.main([*RUN, "--output=out.jpg", "--overwrite"]) == 0
    assert Path("out.jpg").is_symlink()
    assert size("real/out.jpg") == (64, 48)
    assert stat.S_IMODE(Path("real/out.jpg").stat().st_mode) == 0o600


def test_names_outside_of_the_locale_are_painted(folder):
    """As a process in an ASCII locale, to which é is two strange bytes, and with a byte that is no letter anywhere."""
    names = [b"\xff.png", "é.png".encode()]
    for name in names:
        shutil.copy(b"photo.png", name)
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment = {**os.environ, **locale, "PYTHONPATH": str(Path(cli.__file__).parents[2])}
    outputs = [b"--progress_write", b"--checkpoint_output=\xff_{}.png", b"--checkpoint_iterations=2"]
    run = [argument.encode() for argument in RUN if not argument.startswith(("--content", "--styles"))]
    command = [sys.executable, "-m", "neural_style", "--content", names[0], "--styles", names[1], *run, *outputs]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"wrote \\udcff-\\udcc3\\udca9.png ")
    assert {b"\xff-\xc3\xa9.png", b"\xff-\xc3\xa9-progress.txt", b"\xff_2.png"} < {*os.listdir(b".")}
    done = subprocess.run([*command, b"--save_flags=run.cfg"], env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
    assert done.stderr.startswith(b"neural_style: error: --save_flags: expected values that fit on one line of Unicode")


# --- a run that goes wrong keeps the best image -----------------------------------------------------------------------


def test_divergence_ends_with_the_best_image_and_exit_code_1(folder, capsys):
    options = ["--iterations=9", "--learning-rate=1e30", "--output=out.png", "--progress-write", "--progress-plot"]
    assert cli.main([*RUN, *options]) == 1
    captured = capsys.readouterr()
    assert size("out.png") == (64, 48)
    best = np.loadtxt("out-progress.txt", ndmin=2)
    assert np.isfinite(best).all()
    iteration, total = int(best[best[:, 4].argmin(), 0]), best[:, 4].min()
    assert f"loss {total:.6g} at iteration {iteration}" in captured.out
    assert min(size("out-progress.png")) > 200
    rolled_back, *_, last = [line for line in captured.err.splitlines() if not line.startswith("iteration ")][2:]
    assert re.fullmatch(
        r"neural_style: warning: .* stopped being finite at iteration \d+; going back to the best image.*", rolled_back
    )
    assert re.fullmatch(r"neural_style: error: .*lower --learning_rate.*; writing the best image so far", last)


def test_a_start_image_without_a_finite_loss_is_told_and_writes_nothing(folder, capsys):
    before = tree(folder)
    assert cli.main([*RUN, "--style-weight=1e38", "--save_flags=run.cfg"]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("neural_style: error: loss or gradient of the start image is not finite")
    assert new_files(folder, before) <= {"run.cfg"}


@pytest.fixture
def ending(monkeypatch):
    """A function that lets a session raise an error after some steps."""
    step = Session.step

    def ending(count, error):
        def some(session):
            if session.iteration + 1 == count:
                raise error
            return step(session)

        monkeypatch.setattr(Session, "step", some)

    return ending


def test_running_out_of_memory_ends_with_the_best_image_and_exit_code_1(folder, ending, capsys):
    ending(2, OutOfMemoryError("CPU:0 has too little memory"))
    assert cli.main([*RUN, "--output=out.png"]) == 1
    assert size("out.png") == (64, 48)
    assert (
        "neural_style: error: CPU:0 has too little memory; writing the best image so far\n" in capsys.readouterr().err
    )


def test_running_out_of_memory_before_the_first_image_writes_nothing(folder, ending, capsys):
    ending(0, OutOfMemoryError("CPU:0 has too little memory"))
    before = tree(folder)
    assert cli.main([*RUN, "--output=out.png", "--save_flags=run.cfg"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "neural_style: error: CPU:0 has too little memory"
    assert tree(folder) == before


def test_an_error_of_the_program_itself_does_not_cost_the_best_image(folder, ending, capsys):
    ending(2, ZeroDivisionError("a mistake"))
    with pytest.raises(ZeroDivisionError):
        cli.main([*RUN, "--output=out.png"])
    assert size("out.png") == (64, 48)
    assert "writing the best image so far" in capsys.readouterr().err


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_closed_stream_does_not_end_the_run(closed, folder, monkeypatch):
    monkeypatch.setattr(f"sys.{closed}", None)
    assert cli.main([*RUN, "--output=out.png", "--progress-write"]) == 0
    assert size("out.png") == (64, 48)
    assert Path("out-progress.txt").is_file()


class Gone(io.StringIO):
    """A stream that nobody reads any more once `broken` is set."""

    broken = False

    def write(self, text):
        if self.broken:
            raise BrokenPipeError(32, "Broken pipe")
        return super().write(text)


@pytest.mark.parametrize("number", [None, signal.SIGHUP], ids=["pipe", "closed terminal"])
def test_the_best_image_is_written_though_nobody_reads_the_messages(number, folder, at_iteration, monkeypatch):
    stream = Gone()
    stream.isatty = lambda: number is not None

    def leave():
        stream.broken = True
        if number:
            os.kill(os.getpid(), number)

    monkeypatch.setattr("sys.stderr", stream)
    at_iteration(1, leave)
    cli.main([*RUN, "--iterations=5", "--output=out.png"])
    assert size("out.png") == (64, 48)


def test_progress_files_are_written_though_nobody_reads_standard_output(folder, monkeypatch):
    stream = Gone()
    stream.broken = True
    monkeypatch.setattr("sys.stdout", stream)
    cli.main([*RUN, "--output=out.png", "--progress-write"])
    assert size("out.png") == (64, 48)
    assert np.loadtxt("out-progress.txt").shape == (3, 5)


def test_names_that_standard_output_cannot_spell_do_not_end_the_run(folder, monkeypatch):
    buffer = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(buffer, encoding="ascii", errors="strict"))
    assert cli.main([*RUN, "--output=café.png", "--progress-write"]) == 0
    assert buffer.getvalue().startswith(b"wrote caf")
    assert Path("café-progress.txt").is_file()


@pytest.fixture
def refuse(monkeypatch):
    """A function that makes some picture impossible to write once the run is over, as on a full disk."""
    write_image = writing.write_image

    def refuse(name):
        def write(path, *arguments, **options):
            if str(path) == name:
                raise OutputError(f"output: {name!r} cannot be written (No space left on device); give another place")
            return write_image(path, *arguments, **options)

        monkeypatch.setattr(writing, "write_image", write)

    return refuse


def test_a_result_that_cannot_be_written_is_written_elsewhere_and_told(folder, refuse, capsys):
    refuse("full/out.png")
    before = tree(folder)
    code = cli.main([*RUN, "--output=full/out.png"])
    captured = capsys.readouterr()
    assert code in (0, 1)
    assert "neural_style: error: --output: 'full/out.png' cannot be written (No space left on device)" in captured.err
    assert "trying another place" in captured.err
    assert captured.out.startswith("wrote out.png (64×48 px")
    assert new_files(folder, before) == {"out.png"}
    assert size("out.png") == (64, 48)


def test_a_result_written_elsewhere_replaces_no_picture_that_is_there(folder, refuse):
    refuse("full/photo.png")
    before = tree(folder)
    cli.main([*RUN, "--output=full/photo.png", "--overwrite"])
    assert {name: tree(folder)[name] for name in before} == before
    assert len(new_files(folder, before)) == 1


def test_a_table_that_cannot_be_written_is_told_after_the_picture_is_safe(folder, at_iteration, capsys):
    at_iteration(1, lambda: Path("out-progress.txt").mkdir())
    assert cli.main([*RUN, "--output=out.png", "--progress-write", "--overwrite"]) == 1
    assert size("out.png") == (64, 48)
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("neural_style: error: --progress_write: expected the path of a file, got the folder")


def test_a_checkpoint_that_cannot_be_written_is_told_and_the_run_goes_on(folder, refuse, capsys):
    refuse("c_1.png")
    options = ["--checkpoint-output=c_{}.png", "--checkpoint-iterations=1", "--output=out.png"]
    assert cli.main([*RUN, *options]) == 0
    assert "neural_style: error: --output: 'c_1.png' cannot be written" in capsys.readouterr().err
    assert size("c_2.png") == size("out.png") == (64, 48)
