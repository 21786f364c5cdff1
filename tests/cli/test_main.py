import fcntl
import io
import os
import re
import select
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from neural_style import __version__
from neural_style.cli import main as cli
from neural_style.cli.console import Reporter
from neural_style.compute.planner import Planner
from neural_style.config import byte_sizes
from neural_style.config.config import OPTIONS, Config
from neural_style.errors import OutOfMemoryError, OutputError
from neural_style.images import writing
from neural_style.images.picture import to_integers
from neural_style.images.reading import read_image, read_settings
from neural_style.networks import weights
from neural_style.runs import engine

TINY = ["--weights=builtin", "--content-layers=relu1_2", "--style-layers=relu1_1", "--precision=float32"]
RUN = ["--content=photo.png", "--styles=style.png", *TINY, "--iterations=2", "--optimizer=adam", "--scales=1"]
ROOT = Path(cli.__file__).parents[2]


@pytest.fixture
def folder(tmp_path, pictures, monkeypatch):
    """Current folder, with the pictures in it."""
    for path in pictures.iterdir():
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tree(folder):
    """Every path under a folder, with its kind and time and the bytes of files."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            path.is_file() and os.access(path, os.R_OK) and path.read_bytes(),
        )
        for path in sorted(folder.rglob("*"))
    }


def new_files(folder, before):
    return {*tree(folder)} - {*before}


def size(path):
    """Width and height of a picture that can be read to its end."""
    with Image.open(path) as image:
        image.load()
        return image.size


# --- a run ------------------------------------------------------------------------------------------------------------


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
    assert read_settings("out.png")["bit_depth"] == 16
    assert (folder / "out.png").read_bytes() == (folder / "again.png").read_bytes()
    np.testing.assert_array_equal(to_integers(read_image("2.tif").rgb, 16), made)


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
    assert [line.partition(":")[0] for line in rest] == [f"iteration {i}/2 (64×48 px)" for i in range(3)]


def test_scales_are_told(folder, capsys):
    cli.main([*RUN, "--width=96", "--scales=2", "--output=out.png", "--precision=auto"])
    captured = capsys.readouterr()
    first, second, *rest = captured.err.splitlines()
    assert ": 48×36 → 96×72 px, at most 2 + 2 iterations of adam" in first
    assert "memory: 96×72 px whole;" in second
    assert re.search(r" on \S+ in (bfloat16|float32|float16) \(.+\)$", first)
    sizes = ["48×36"] * 3 + ["96×72"] * 3
    assert [line.partition(":")[0] for line in rest] == [f"iteration {i}/5 ({s} px)" for i, s in enumerate(sizes)]
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
    """Of a bit less than the whole picture takes."""
    config = Config("photo.png", "style.png", content_layers=["relu1_2"], style_layers=["relu1_1"])
    plans = Planner(config, "float32")
    budget = byte_sizes.flag(int(0.95 * plans.whole(480, 360).peak))
    options = ["--width=480", "--optimizer=lbfgs", "--iterations=1", f"--memory={budget}"]
    assert cli.main([*RUN, *options, "--output=out.png"]) == 0
    plan = plans.choose(480, 360, byte_sizes.parse(budget))
    told = f"memory: {plan.described(config)}; about {byte_sizes.describe(plan.peak)} at most, of {budget}\n"
    assert f"neural_style: {told}" in capsys.readouterr().err
    assert plan.tile_size


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
    settings = read_settings("out.jpg")
    assert settings["content"] == "photo.png"
    assert settings["styles"] == ["style.png"]
    assert (settings["style_scales"], settings["seed"], settings["weights"]) == ([0.75], 5, "builtin")


def test_without_imagenet_weights_the_builtin_network_is_used_and_told(folder, capsys):
    options = [option for option in RUN if not option.startswith("--weights")]
    assert cli.main([*options, "--output=out.png", "--save_flags=run.cfg"]) == 0
    assert capsys.readouterr().err.startswith("neural_style: warning: using the built-in network")
    assert read_settings("out.png")["weights"] == "builtin"
    assert f"--weights=builtin#sha256:{weights.builtin_entry().digest}\n" in Path("run.cfg").read_text()


# --- saved flags repeat a run -----------------------------------------------------------------------------------------


def rerun(flagfile, *arguments):
    assert cli.main([f"--flagfile={flagfile}", *arguments]) == 0


def test_saved_flags_give_the_identical_file_under_another_name(folder):
    options = ["--output=a.png", "--save_flags=run.cfg", "--style-scales=1.25", "--preserve-colors", "--seed=3"]
    assert cli.main([*RUN, *options]) == 0
    rerun("run.cfg", "--output=b.png")
    assert Path("b.png").read_bytes() == Path("a.png").read_bytes()


def test_saved_flags_give_the_identical_file_under_its_default_name(folder):
    assert cli.main([*RUN, "--save_flags=run.cfg"]) == 0
    rerun("run.cfg")
    assert Path("photo-style-2.png").read_bytes() == Path("photo-style.png").read_bytes()


def test_saved_flags_with_overwrite_give_the_identical_file_in_its_place(folder):
    assert cli.main([*RUN, "--output=a.png", "--overwrite", "--save_flags=run.cfg", "--optimizer=lbfgs"]) == 0
    first = Path("a.png").read_bytes()
    Path("a.png").write_bytes(b"gone")
    rerun("run.cfg")
    assert Path("a.png").read_bytes() == first


def test_saved_flags_of_a_run_that_needs_no_network_can_be_changed_to_need_one(folder):
    assert cli.main([*RUN, "--content_weight=0", "--style_weight=0", "--output=a.png", "--save_flags=run.cfg"]) == 0
    rerun("run.cfg", "--output=b.png", "--style_weight=500")


def test_saved_flags_save_the_same_flags_again(folder):
    assert cli.main([*RUN, "--output=a.png", "--save_flags=1.cfg"]) == 0
    rerun("1.cfg", "--output=b.png", "--save_flags=2.cfg")
    assert Path("2.cfg").read_text() == Path("1.cfg").read_text().replace("a.png", "b.png")


def test_saved_flags_work_from_another_folder_nested_and_with_comments(folder, tmp_path_factory, monkeypatch):
    assert cli.main([*RUN, "--output=sub/a.png", "--initial=other.jpg", "--save_flags=sub/run.cfg"]) == 0
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    lines = [f"{line}   # as before" for line in (folder / "sub" / "run.cfg").read_text().splitlines()]
    (elsewhere / "inner.cfg").write_text("# a run\n\n" + "\n".join(lines) + "\n")
    (elsewhere / "outer.cfg").write_text("--flagfile inner.cfg // not a comment here\n".partition(" //")[0] + "\n")
    monkeypatch.chdir(elsewhere)
    rerun("outer.cfg", "--output=b.png")
    assert Path("b.png").read_bytes() == (folder / "sub" / "a.png").read_bytes()


@pytest.mark.parametrize("name", ["my photo", "photo #1", "#1", 'a "b" c', "it's", "ph=o to"])
def test_saved_flags_hold_odd_names(name, folder):
    Path(name).mkdir()
    for picture in ("photo.png", "style.png"):
        shutil.copy(picture, Path(name, f"{name} {picture}"))
    pictures = ["--content", f"{name}/{name} photo.png", "--styles", f"{name}/{name} style.png", "other.jpg"]
    flagfile = f"{name}/{name}.cfg"
    assert cli.main([*pictures, *TINY, "--iterations=1", f"--output={name}/a #1.png", f"--save_flags={flagfile}"]) == 0
    rerun(flagfile, f"--output={name}/b.png")
    assert Path(name, "b.png").read_bytes() == Path(name, "a #1.png").read_bytes()


def test_saved_flags_find_weights_of_a_relative_path_from_another_folder(folder, tmp_path_factory, monkeypatch):
    rng = np.random.default_rng(0)
    arrays = {"channel_order": "RGB", "mean": np.full(3, 120.0)}
    for index, shape in ((1, (3, 3, 3, 64)), (2, (3, 3, 64, 64))):
        arrays[f"block1_conv{index}/kernel"] = rng.normal(size=shape, scale=0.1).astype(np.float32)
        arrays[f"block1_conv{index}/bias"] = np.zeros(64, np.float32)
    np.savez(folder / "net.npz", **arrays)
    assert cli.main([*RUN, "--weights=net.npz", "--output=a.png", "--save_flags=run.cfg"]) == 0
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    rerun(folder / "run.cfg", "--output=b.png")
    assert Path("b.png").read_bytes() == (folder / "a.png").read_bytes()


def test_saved_flags_refuse_weights_of_another_hash(folder, capsys):
    assert cli.main([*RUN, "--output=a.png", "--save_flags=run.cfg"]) == 0
    capsys.readouterr()
    digest = weights.builtin_entry().digest
    Path("run.cfg").write_text(Path("run.cfg").read_text().replace(digest, "0" * 64))
    before = tree(folder)
    assert cli.main(["--flagfile=run.cfg", "--output=b.png"]) == 2
    said = f"error: builtin: expected weights of sha256 {'0' * 64}, received sha256 {digest} in this version; put that"
    assert said in capsys.readouterr().err
    assert tree(folder) == before


# --- bad input: one line, exit code 2, nothing written, nothing lost --------------------------------------------------


NAN_WEIGHTS = {
    "channel_order": "RGB",
    "mean": np.full(3, 120.0),
    "block1_conv1/kernel": np.full((3, 3, 3, 64), np.nan, np.float32),
    "block1_conv1/bias": np.zeros(64, np.float32),
}


@pytest.fixture
def bad(folder):
    """The current folder with everything in it that cannot be used."""
    Image.new("RGB", (1, 1)).save("one.png")
    Image.new("RGB", (20000, 10)).save("wide.png")
    Image.new("RGB", (80, 40)).save("flat.png")
    Image.new("RGB", (1, 1)).save("two\nlines.png")
    Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save("glass.png")
    shutil.copy("other.jpg", "third.jpg")
    Path("text.png").write_text("hello")
    Path("empty.png").touch()
    Path("cut.png").write_bytes(Path("photo.png").read_bytes()[:900])
    Path("photo-link.png").symlink_to("photo.png")
    Path("folder.png").mkdir()
    np.savez("nan.npz", **NAN_WEIGHTS)
    Path("self.cfg").write_text("--flagfile=self.cfg\n")
    Path("typo.cfg").write_text("--contnt=photo.png\n")
    Path("wrong.cfg").write_text("--iterations=two\n")
    return folder


BAD = [
    # wrong paths
    ("--content=nowhere.png", "'nowhere.png' does not exist"),
    ("--content=nowhere/photo.png", "'photo.png' does not exist"),
    ("--content=", "content: expected a picture"),
    ("--content=https://example.org/photo.png", "is a web address"),
    ("--content=folder.png", "is a folder"),
    ("--content=text.png", "is not a picture of a known kind"),
    ("--content=empty.png", "is not a picture of a known kind"),
    ("--content=cut.png", "is damaged or truncated"),
    ("--content=glass.png", "is fully transparent"),
    ("--styles=nowhere.png", "style picture 'nowhere.png' does not exist"),
    ("--initial=nowhere.png", "initial picture 'nowhere.png' does not exist"),
    (
        "--weights=nowhere.npz",
        "nowhere.npz: expected auto, imagenet, imagenet-exact, imagenet-8bit, builtin or",
    ),
    ("--weights=folder.png", "received a folder"),
    ("--weights=photo.png", "expected VGG19 weights"),
    ("--flagfile=nowhere.cfg", "--flagfile: expected a readable text file, got 'nowhere.cfg'"),
    ("--flagfile=self.cfg", "includes itself"),
    ("--flagfile=typo.cfg", "unknown flag --contnt; did you mean --content?"),
    # pictures too small, too flat, too large
    ("--content=one.png", "expected at least 32 px a side, got 1×1"),
    ("--content=wide.png", "expected at least 32 px a side, got 20000×10"),
    ("--content=wide.png --width=64", "expected at least 32 px a side, got 20000×10"),
    ("--content=flat.png --width=40", "got 40×20 (scaled from 80×40)"),
    ("--content=two\nlines.png", "expected at least 32 px a side, got 1×1"),
    ("--styles=one.png --width=48", "style picture one.png: expected at least 32 px a side, got 1×1"),
    ("--styles=wide.png", "expected at least 32 px a side, got 20000×10"),
    ("--style-scales=1e-9 1", "expected at least 32 px a side"),
    ("--style-scales=1e12 1", "style picture style.png: expected at most 250000000 pixels"),
    ("--style-scales=1e300 1", "style_scales: expected a number up to 3.4e+38, got 1e+300"),
    ("--content-weight=1e39", "content_weight: expected a number up to 3.4e+38, got 1e+39"),
    ("--seed=" + "9" * 401 + " --width=0", "width: expected a whole number >= 32, got 0"),
    ("--initial=one.png", "initial picture one.png: expected at least 32 px a side, got 1×1"),
    ("--flagfile=wrong.cfg", "in 'wrong.cfg': --iterations: expected a whole number, got 'two'"),
    ("--width=99999999999", "content picture photo.png: expected at most 250000000 pixels, got 99999999999×"),
    # wrong types and values
    ("--iterations=many", "--iterations: expected a whole number, got 'many'"),
    ("--iterations=0", "iterations: expected a whole number >= 1, got 0"),
    ("--width=31", "width: expected a whole number >= 32, got 31"),
    ("--content-weight=heavy", "--content_weight: expected a number, got 'heavy'"),
    ("--content-weight=nan", "content_weight: expected a number >= 0, got nan"),
    ("--style-weight=nan", "style_weight: expected a number >= 0, got nan"),
    ("--tv-weight=-inf", "tv_weight: expected a number >= 0, got -inf"),
    ("--style-layer-weight-exp=nan", "style_layer_weight_exp: expected a number >= 0, got nan"),
    ("--style-layer-weights=nan", "style_layer_weights: expected a number >= 0, got nan"),
    ("--style-blend-weights=nan 1", "style_blend_weights: expected a number >= 0, got nan"),
    ("--style-layer-weight-exp=1e200 --style-layers=relu1_1 relu2_1 relu3_1", "style_layer_weight_exp: expected"),
    ("--weights=nan.npz", "nan.npz"),
    ("--device=gpu:99", "device: expected a GPU"),
    ("--device=tpu", "device: expected auto, cpu, gpu"),
    ("--precision=half", "--precision: expected one of auto, float32, bfloat16, float16, got 'half'"),
    ("--scales=3", "scales: expected a coarsest picture of at least 32 px a side, got 3 scales of 64×48"),
    ("--scales=many", "scales: expected auto or a whole number from 1 to 99, got 'many'"),
    ("--scales=0", "scales: expected auto or a whole number from 1 to 99, got '0'"),
    ("--min-scale=31", "min_scale: expected a whole number >= 32, got 31"),
    ("--tolerance=1", "tolerance: "),
    ("--bit-depth=12", "bit_depth: expected 8 or 16, got 12"),
    ("--max-pixels=0", "max_pixels: expected a whole number >= 1, got 0"),
    ("--max-pixels=3000", "content picture 'photo.png': expected at most 3000 pixels, got 64×48; shrink it, or raise"),
    ("--max-pixels=9999 --width=128", "content picture photo.png: expected at most 9999 pixels, got 128×96"),
    ("--style-layers=relu9_9", "style_layers: expected names from relu1_1"),
    ("--pooling=mean", "--pooling: expected one of max, avg, got 'mean'"),
    ("--flurb", "unknown flag --flurb"),
    ("stray.png", "got 'stray.png'"),
    ("--overwrite now", "got '--overwrite now'"),
    # mismatched lengths
    ("--style-scales=1", "style_scales: expected 2 number(s), one per style picture, got 1"),
    ("--style-scales=1 1 1", "style_scales: expected 2 number(s), one per style picture, got 3"),
    ("--style-blend-weights=1", "style_blend_weights: expected 2 number(s), one per style picture, got 1"),
    ("--style-layer-weights=1 1", "style_layer_weights: expected 1 number(s), one per style layer, got 2"),
    ("--style-layer-weights=0", "style_layer_weights: expected at least one weight above 0"),
    ("--checkpoint-iterations=1", "checkpoint_output and checkpoint_iterations go together"),
    # outputs that cannot be
    ("--output=third.jpg", "output: 'third.jpg' exists; give --overwrite"),
    ("--output=photo.png --overwrite", "output: 'photo.png' is one of the files to work from"),
    ("--output=photo-link.png --overwrite", "output: 'photo-link.png' is one of the files to work from"),
    ("--output=style.png --overwrite", "output: 'style.png' is one of the files to work from"),
    ("--output=x.png --initial=x-progress.png --progress-plot --overwrite", "x-progress.png"),
    ("--output=folder.png --overwrite", "got the folder 'folder.png'"),
    ("--output=out.gif", "output: expected a name that ends in one of .png"),
    ("--output=out", "output: expected a name that ends in one of .png"),
    ("--output=out.jpg --bit-depth=16", "output: .jpg holds 8 bits per channel, got --bit_depth 16; give a name"),
    ("--output=photo.png/out.png", "output: 'photo.png/out.png' needs a folder"),
    ("--output=/proc/out.png", "output: '/proc/out.png' cannot be written"),
    ("--output=" + "x" * 300 + ".png", "cannot be written"),
    ("--save_flags=third.jpg", "save_flags: 'third.jpg' exists"),
    ("--save_flags=photo.png --overwrite", "save_flags: 'photo.png' is one of the files"),
    ("--save_flags=out.png --output=out.png", "save_flags: expected a file of its own"),
    (
        "--checkpoint-output=other.jpg --checkpoint-iterations=1",
        "checkpoint_output: expected a place for the iteration",
    ),
    ("--checkpoint-output=x/{}.gif --checkpoint-iterations=1", "checkpoint_output: expected a name that ends"),
    ("--checkpoint-output=photo.png/{}.png --checkpoint-iterations=1", "checkpoint_output: 'photo.png/1.png' needs"),
    ("--memory=nonsense", "memory: expected auto or a size such as 3GB, 800MB or 2.5GiB, got 'nonsense'"),
    ("--memory=0GB", "memory: expected auto or a size"),
    ("--memory=1MB", "memory: expected at least "),
    ("--tile_size=10", "tile_size: expected a whole number 0 or >= 64, got 10"),
    ("--tile_size=-1", "tile_size: expected a whole number 0 or >= 64"),
]
"""Arguments added to a good command line with two styles, and what the error says."""


def arguments_of(text):
    """`--styles=a b --width=3` as arguments; a value may hold spaces between items of a list."""
    for part in re.split(r" (?=--)", text):
        flag, equals, value = part.partition("=")
        yield from (f"{flag}={item}" for item in value.split(" ")) if equals else (flag,)


@pytest.mark.parametrize(("added", "said"), BAD, ids=[added[:60] for added, _ in BAD])
def test_bad_input_is_one_line_with_exit_code_2_and_changes_nothing(added, said, bad, capsys):
    base = ["--content=photo.png", "--styles=style.png", "--styles=other.jpg", *TINY, "--iterations=2"]
    replaced = {argument.partition("=")[0] for argument in arguments_of(added)}
    base = [argument for argument in base if argument.partition("=")[0] not in replaced]
    before = tree(bad)
    assert cli.main([*base, *arguments_of(added)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = [line for line in captured.err.splitlines() if not line.startswith("neural_style: warning: ")]
    assert len(lines) == 1
    assert lines[0].startswith("neural_style: error: ")
    assert said in lines[0]
    assert tree(bad) == before


def test_a_memory_that_is_no_size_is_told_before_anything_is_fetched(folder, monkeypatch, capsys):
    def load(*_, **__):
        raise AssertionError("there is no need for weights")

    monkeypatch.setattr(cli.weights, "load", load)
    assert cli.main([*RUN, "--memory=3"]) == 2
    assert capsys.readouterr().err.startswith("neural_style: error: memory: expected auto or a size")


def test_too_little_memory_is_told_with_how_much_would_do(folder, capsys):
    """Which then does."""
    assert cli.main([*RUN, "--memory=1MB", "--output=out.png"]) == 2
    enough = re.search(r"give --memory (\S+) if", capsys.readouterr().err)[1]
    assert cli.main([*RUN, f"--memory={enough}", "--output=out.png"]) == 0


@pytest.mark.parametrize("arguments", [[], ["--styles=style.png"], ["--content=photo.png"], ["--width=64"]], ids=str)
def test_missing_pictures_are_one_line_with_exit_code_2(arguments, capsys):
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("neural_style: error: expected --")
    assert captured.err.count("\n") == 1


@pytest.fixture
def plain_user(pictures, monkeypatch):
    """Current folder of a user whom permissions bind, with the pictures in it."""
    folder = Path(tempfile.mkdtemp(prefix="neural-style-test-"))  # pytest's own folders are closed to other users
    for path in pictures.iterdir():
        shutil.copy(path, folder)
    monkeypatch.chdir(folder)
    nobody = 65534 if os.geteuid() == 0 else os.geteuid()
    for path in (folder, *folder.iterdir()):
        os.chown(path, nobody, -1)
    before = os.geteuid()
    os.seteuid(nobody)
    yield folder
    os.seteuid(before)
    for path in (folder, *folder.iterdir()):
        path.chmod(0o700)
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("locked", "mode", "added", "said"),
    [
        ("photo.png", 0, [], "content picture 'photo.png' cannot be read by this user"),
        ("style.png", 0, [], "style picture 'style.png' cannot be read by this user"),
        ("locked", 0, ["--content=locked/photo.png"], "content picture 'photo.png'"),
        ("locked", 0, ["--output=locked/out.png"], "output: 'locked/out.png' cannot be written (Permission denied)"),
        (
            "locked",
            0o500,
            ["--output=locked/out.png"],
            "output: 'locked/out.png' cannot be written (Permission denied)",
        ),
        ("locked", 0o500, ["--output=locked/new/out.png"], "cannot be written (Permission denied)"),
        ("locked", 0o500, ["--save_flags=locked/run.cfg"], "save_flags: 'locked/run.cfg' cannot be written"),
        ("locked", 0o500, ["--checkpoint-output=locked/{}.png", "--checkpoint-iterations=1"], "checkpoint_output: "),
        (".", 0o500, [], "output: 'photo-style.png' cannot be written (Permission denied)"),
        ("net.npz", 0, ["--weights=net.npz"], "net.npz: cannot be read (Permission denied)"),
        ("run.cfg", 0, ["--flagfile=run.cfg"], "--flagfile: expected a readable text file, got 'run.cfg': Permission"),
        ("locked", 0, ["--weights=locked/net.npz"], "locked/net.npz: cannot be read (Permission denied)"),
        ("locked", 0, ["--flagfile=locked/run.cfg"], "expected a readable text file, got 'locked/run.cfg': Permission"),
        ("locked", 0, ["--styles=locked/photo.png"], "style picture 'photo.png' cannot be read (Permission denied)"),
    ],
)
def test_locked_files_and_folders_are_one_line_with_exit_code_2(locked, mode, added, said, plain_user, capsys):
    Path("locked").mkdir()
    shutil.copy("photo.png", "locked")
    for name in ("net.npz", "run.cfg"):
        Path(name).write_text("")
    before = {path: path.read_bytes() for path in plain_user.rglob("*") if path.is_file()}
    Path(locked).chmod(mode)
    assert cli.main([*RUN, *added]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert said in captured.err
    Path(locked).chmod(0o700)
    assert {path: path.read_bytes() for path in plain_user.rglob("*") if path.is_file()} == before


def test_locked_places_for_weights_are_passed_over(plain_user, monkeypatch, capsys):
    Path("locked").mkdir(mode=0)
    options = [option for option in RUN if not option.startswith("--weights")]
    for name in ("KERAS_HOME", "NEURAL_STYLE_CACHE", "NEURAL_STYLE_WEIGHTS"):
        monkeypatch.setenv(name, "locked/weights")
    assert cli.main([*options, "--output=out.png"]) == 0
    assert "using the built-in network" in capsys.readouterr().err
    assert size("out.png") == (64, 48)


def test_files_get_the_usual_permissions(folder):
    umask = os.umask(0o027)
    try:
        assert cli.main([*RUN, "--output=out.png", "--progress-write", "--save_flags=run.cfg"]) == 0
    finally:
        os.umask(umask)
    for name in ("out.png", "out-progress.txt", "run.cfg"):
        assert stat.S_IMODE(Path(name).stat().st_mode) == 0o640


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
        r"neural_style: warning: .* stopped being finite at iteration \d+; back to the best image.*", rolled_back
    )
    assert re.fullmatch(r"neural_style: error: .*lower --learning_rate.*; writing the best image so far", last)


def test_a_start_image_without_a_finite_loss_is_told_and_writes_nothing(folder, capsys):
    before = tree(folder)
    assert cli.main([*RUN, "--style-weight=1e38", "--save_flags=run.cfg"]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("neural_style: error: loss or gradient of the start image is not finite")
    assert new_files(folder, before) <= {"run.cfg"}


@pytest.fixture
def at_iteration(monkeypatch):
    """A function that calls another once an iteration was shown."""

    def at_iteration(iteration, call):
        update = Reporter.update

        def and_then(self, step):
            update(self, step)
            if step.iteration == iteration:
                call()

        monkeypatch.setattr(Reporter, "update", and_then)

    return at_iteration


@pytest.fixture
def ending(monkeypatch):
    """A function that lets the engine raise an error after some steps."""
    run = engine.run

    def ending(count, error):
        def some(*arguments):
            steps = run(*arguments)
            for _ in range(count):
                yield next(steps)
            raise error

        monkeypatch.setattr(engine, "run", some)

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
    assert signal.Signals(number).name in captured.err.splitlines()[-1]


def test_a_signal_that_native_code_takes_for_its_own_failure(folder, at_iteration, capsys):
    def interrupted():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except BaseException as stop:
            raise SystemError("returned a result with an exception set") from stop

    at_iteration(2, interrupted)
    assert cli.main([*RUN, "--iterations=500", "--output=out.png"]) == 130
    assert size("out.png") == (64, 48)
    assert capsys.readouterr().err.splitlines()[-1].startswith("neural_style: stopped: by SIGINT; writing the best")


def test_a_signal_before_the_first_image_writes_nothing(folder, monkeypatch, capsys):
    monkeypatch.setattr(cli, "_import_tensorflow", lambda: os.kill(os.getpid(), signal.SIGINT))
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
    finish = cli._Run.finish

    def late(self):
        os.kill(os.getpid(), signal.SIGINT)
        return finish(self)

    monkeypatch.setattr(cli._Run, "finish", late)
    assert cli.main([*RUN, "--output=out.png"]) == 0
    assert size("out.png") == (64, 48)


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


def test_a_signal_in_a_checkpoint_leaves_no_half_file(folder, monkeypatch):
    save = Image.Image.save

    def interrupted(self, path, *arguments, **options):
        save(self, path, *arguments, **options)
        monkeypatch.setattr(Image.Image, "save", save)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Image.Image, "save", interrupted)
    before = tree(folder)
    options = ["--checkpoint-output=c_{}.png", "--checkpoint-iterations=1", "--output=out.png"]
    assert cli.main([*RUN, *options]) == 130
    assert new_files(folder, before) == {"out.png"}
    assert size("out.png") == (64, 48)


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
    assert "neural_style: error: output: 'full/out.png' cannot be written (No space left on device)" in captured.err
    assert "elsewhere" in captured.err
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
    assert last.startswith("neural_style: error: progress_write: 'out-progress.txt' cannot be written")


def test_a_checkpoint_that_cannot_be_written_is_told_and_the_run_goes_on(folder, refuse, capsys):
    refuse("c_1.png")
    options = ["--checkpoint-output=c_{}.png", "--checkpoint-iterations=1", "--output=out.png"]
    assert cli.main([*RUN, *options]) == 0
    assert "neural_style: error: output: 'c_1.png' cannot be written" in capsys.readouterr().err
    assert size("c_2.png") == size("out.png") == (64, 48)


# --- as a process -----------------------------------------------------------------------------------------------------


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


def test_help_and_errors_of_use_come_without_importing_tensorflow(environment, bad):
    script = (
        "import sys; from neural_style import cli\n"
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


def test_signals_stop_a_process_with_the_best_image_readable(environment, folder):
    running = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        options = ["--iterations=1000000", "--print-iterations=5", f"--output={number.name}.png", "--progress-write"]
        running[number] = subprocess.Popen(
            command(*RUN, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
    try:
        for number, process in running.items():
            line = "anything"
            while line and not line.startswith("iteration 5/"):
                line = process.stderr.readline()
            assert line
            process.send_signal(number)
        for number, process in running.items():
            out, err = process.communicate(timeout=60)
            assert process.returncode == 128 + number
            assert out.startswith(f"wrote {number.name}.png (64×48 px")
            assert "Traceback" not in err
            assert size(f"{number.name}.png") == (64, 48)
            assert np.loadtxt(f"{number.name}-progress.txt").shape[0] >= 6
    finally:
        for process in running.values():
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
    assert "iteration 5/30" not in shown
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
