import os
import re
import shutil
import stat
import tempfile
from pathlib import Path

import numpy as np
import pytest
from command_line import RUN, TINY, size, tree
from PIL import Image

from neural_style.cli import main as cli
from neural_style.cli import painting
from neural_style.config.config import OPTIONS

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
    Path("empty").mkdir()
    Path("works").mkdir()
    shutil.copy("photo.png", "works")
    Path("works/z.jpg").write_text("hello")
    Path("dangling.png").symlink_to("nowhere.png")
    Path("loop.png").symlink_to("loop.png")
    Path("x-progress.png").touch()
    np.savez("nan.npz", **NAN_WEIGHTS)
    Path("self.cfg").write_text("--flagfile=self.cfg\n")
    Path("typo.cfg").write_text("--contnt=photo.png\n")
    Path("wrong.cfg").write_text("--iterations=two\n")
    return folder


BAD = [
    # wrong paths
    ("--content=nowhere.png", "'nowhere.png' does not exist"),
    ("--content=nowhere/photo.png", "'photo.png' does not exist"),
    ("--content=", "--content: expected a picture"),
    ("--content=https://example.org/photo.png", "is a web address"),
    ("--content=folder.png", "is a folder"),
    ("--content=text.png", "is not a picture of a known kind"),
    ("--content=empty.png", "is empty"),
    ("--content=cut.png", "is damaged or truncated"),
    ("--content=glass.png", "is fully transparent"),
    ("--styles=nowhere.png", "style picture 'nowhere.png' does not exist"),
    ("--styles=style.png,photo.png", "; separate several pictures with spaces, not commas"),
    ("--styles=style.png,works/photo.png", "; separate several pictures with spaces, not commas"),
    ("--initial=nowhere.png", "initial picture 'nowhere.png' does not exist"),
    (
        "--weights=nowhere.npz",
        "nowhere.npz: expected auto, imagenet, imagenet-exact, imagenet-8bit, builtin or",
    ),
    ("--weights=folder.png", " a folder"),
    ("--weights=photo.png", "expected VGG19 weights"),
    ("--flagfile=nowhere.cfg", "--flagfile: expected a readable text file, got 'nowhere.cfg'"),
    ("--flagfile=self.cfg", "includes itself"),
    ("--flagfile=typo.cfg", "unknown flag --contnt; did you mean --content?"),
    ("--styles=empty", "style folder 'empty': expected pictures such as .jpg or .png in it, got none; give another"),
    ("--styles=works", "style picture 'z.jpg' is not a picture of a known kind"),
    (
        "--init=random",
        "--init: expected content, recolored, noise, style_colors, gray, style or the path of a picture",
    ),
    ("--init=nowhere.png", "initial picture 'nowhere.png' does not exist"),
    ("--init=gray --initial=photo.png", "--initial: expected nothing beside --init, which says what"),
    ("--init=noise --initial-noiseblend=0.5", "--initial_noiseblend: expected 1 with --init noise"),
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
    ("--style-scales=1e300 1", "--style_scales: expected a number up to 3.4e+38, got 1e+300"),
    ("--content-weight=1e39", "--content_weight: expected a number up to 3.4e+38, got 1e+39"),
    ("--seed=" + "9" * 401 + " --width=0", "--width: expected a whole number >= 32, got 0"),
    ("--initial=one.png", "initial picture one.png: expected at least 32 px a side, got 1×1"),
    ("--flagfile=wrong.cfg", "in 'wrong.cfg': --iterations: expected a whole number, got 'two'"),
    ("--width=99999999999", "content picture photo.png: expected at most 250000000 pixels, got 99999999999×"),
    # wrong types and values
    ("--iterations=many", "--iterations: expected a whole number, got 'many'"),
    ("--style-rotations=45", "--style_rotations: expected 0, 90, 180 or 270 degrees, got 45"),
    ("--style-rotations=90 90", "--style_rotations: expected each rotation once, got 90 90"),
    ("--padding=zero", "--padding: expected one of zeros, replicate, reflect, got 'zero'; did you mean zeros?"),
    ("--style-loss=gram Wasserstien", "; did you mean wasserstein?"),
    ("--style-loss=gram,mean_std", "got 'gram,mean_std'; write --style_loss gram mean_std"),
    (
        "--style-layers-of=relu1_1 relu2_1 relu3_1",
        "got 3: relu1_1 relu2_1 relu3_1; join the layers of a picture with +",
    ),
    ("--style-layers-of=all relu4_2", "got 'relu4_2': --style_layers has no 'relu4_2'"),
    ("--strength=0.3 --content-weight=0", "--strength: expected --content_weight above 0 beside it, got 0"),
    ("--style-fit=height", "--style_fit: expected one of width, longest, stretch, original, got 'height'"),
    ("--noise-scale=-1", "--noise_scale: expected a number >= 0, got -1.0"),
    ("--iterations=0", "--iterations: expected a whole number >= 1, got 0"),
    ("--width=31", "--width: expected a whole number >= 32, got 31"),
    ("--content-weight=heavy", "--content_weight: expected a number, got 'heavy'"),
    ("--content-weight=nan", "--content_weight: expected a number >= 0, got nan"),
    ("--style-weight=nan", "--style_weight: expected a number >= 0, got nan"),
    ("--tv-weight=-inf", "--tv_weight: expected a number >= 0, got -inf"),
    ("--style-layer-weight-exp=nan", "--style_layer_weight_exp: expected a number >= 0, got nan"),
    ("--style-layer-weights=nan", "--style_layer_weights: expected a number >= 0, got nan"),
    ("--style-blend-weights=nan 1", "--style_blend_weights: expected a number >= 0, got nan"),
    ("--style-layer-weight-exp=1e200 --style-layers=relu1_1 relu2_1 relu3_1", "--style_layer_weight_exp: expected"),
    ("--weights=nan.npz", "nan.npz"),
    ("--device=gpu:99", "--device: expected a GPU"),
    ("--device=tpu", "--device: expected auto, cpu, gpu"),
    ("--precision=half", "--precision: expected one of auto, float32, bfloat16, float16, got 'half'"),
    ("--scales=3", "--scales: expected a coarsest picture of at least 32 px a side, got 3 scales of 64×48"),
    ("--scales=many", "--scales: expected auto or a whole number from 1 to 99, got 'many'"),
    ("--scales=0", "--scales: expected auto or a whole number from 1 to 99, got '0'"),
    ("--min-scale=31", "--min_scale: expected a whole number >= 32, got 31"),
    ("--tolerance=1", "--tolerance: "),
    ("--pixel-range=2", "--pixel_range: expected 1 or 255, got 2"),
    ("--learning-rate-decay=0", "--learning_rate_decay: expected a number > 0 to 1, got 0"),
    ("--learning-rate-decay-iterations=0", "--learning_rate_decay_iterations: expected a whole number >= 1, got 0"),
    ("--learning-rate-decay-shape=linear", "--learning_rate_decay_shape: expected one of smooth, steps, got 'linear'"),
    ("--optimizer=lbfgs --clip", "--clip: expected adam or sgd as optimizer, got lbfgs"),
    ("--bit-depth=12", "--bit_depth: expected 8 or 16, got 12"),
    ("--max-pixels=0", "--max_pixels: expected a whole number >= 1, got 0"),
    ("--max-pixels=3000", "content picture 'photo.png': expected at most 3000 pixels, got 64×48; shrink it, or raise"),
    ("--max-pixels=9999 --width=128", "content picture photo.png: expected at most 9999 pixels, got 128×96"),
    ("--style-layers=relu9_9", "--style_layers: expected names from relu1_1"),
    ("--pooling=mean", "--pooling: expected one of max, avg, l2, got 'mean'"),
    ("--flurb", "unknown flag --flurb"),
    ("stray.png", "got 'stray.png'"),
    ("--overwrite now", "got '--overwrite now'"),
    # mismatched lengths
    ("--style-scales=1", "--style_scales: expected 2 value(s), one per style picture, got 1"),
    ("--style-scales=1 1 1", "--style_scales: expected 2 value(s), one per style picture, got 3"),
    ("--style-blend-weights=1", "--style_blend_weights: expected 2 value(s), one per style picture, got 1"),
    ("--style-layer-weights=1 1", "--style_layer_weights: expected 1 value(s), one per style layer, got 2"),
    ("--style-layer-weights=0", "--style_layer_weights: expected at least one weight above 0"),
    ("--checkpoint-iterations=1", "--checkpoint_output and --checkpoint_iterations go together"),
    # outputs that cannot be
    ("--output=third.jpg", "--output: 'third.jpg' exists; give --overwrite"),
    ("--output=photo.png --overwrite", "--output: 'photo.png' is one of the files to work from"),
    ("--output=photo-link.png --overwrite", "--output: 'photo-link.png' is one of the files to work from"),
    ("--output=style.png --overwrite", "--output: 'style.png' is one of the files to work from"),
    ("--output=x.png --initial=x-progress.png --progress-plot --overwrite", "x-progress.png"),
    ("--output=folder.png --overwrite", "got the folder 'folder.png'"),
    ("--output=out.gif", "--output: expected a name that ends in one of .png"),
    ("--output=out", "--output: expected a name that ends in one of .png"),
    ("--output=out.jpg --bit-depth=16", "--output: expected --bit_depth 8 for .jpg, got 16; give a name"),
    ("--output=dangling.png --overwrite", "--output: 'dangling.png' is a link to "),
    ("--output=loop.png", "--output: 'loop.png' is a link that leads back to itself; remove the link"),
    ("--save_flags=/dev/null --overwrite", "--save_flags: expected the path of a file, got the device or pipe"),
    ("--output=x.png --progress-write --progress-plot", "--progress_plot: 'x-progress.png' exists; give --overwrite"),
    ("--output=~no-such-user/out.png", "--output: expected a known home folder in place of '~no-such-user'"),
    ("--content_img=photo.png", "unknown flag --content_img; did you mean --content PHOTO?"),
    ("--output=photo.png/out.png", "--output: 'photo.png/out.png' needs a folder"),
    ("--output=/proc/out.png", "--output: '/proc/out.png' cannot be written"),
    ("--output=" + "x" * 300 + ".png", "cannot be written"),
    ("--save_flags=third.jpg", "--save_flags: 'third.jpg' exists"),
    ("--save_flags=photo.png --overwrite", "--save_flags: 'photo.png' is one of the files"),
    ("--save_flags=out.png --output=out.png", "--save_flags: expected a file of its own"),
    (
        "--checkpoint-output=other.jpg --checkpoint-iterations=1",
        "--checkpoint_output: expected a placeholder for the iteration",
    ),
    ("--checkpoint-output=x/{}.gif --checkpoint-iterations=1", "--checkpoint_output: expected a name that ends"),
    ("--checkpoint-output=photo.png/{}.png --checkpoint-iterations=1", "--checkpoint_output: 'photo.png/1.png' needs"),
    ("--memory=nonsense", "--memory: expected auto or a size such as 3GB, 800MB or 2.5GiB, got 'nonsense'"),
    ("--memory=0GB", "--memory: expected auto or a size"),
    ("--memory=1MB", "--memory: expected at least "),
    ("--tile_size=10", "--tile_size: expected a whole number 0 or >= 64, got 10"),
    ("--tile_size=-1", "--tile_size: expected a whole number 0 or >= 64"),
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
    assert not re.match(rf"neural_style: error: ({'|'.join(OPTIONS)}): ", lines[0])  # options are written as flags
    assert tree(bad) == before


def test_a_memory_that_is_no_size_is_told_before_anything_is_fetched(folder, monkeypatch, capsys):
    def load(*_, **__):
        raise AssertionError("there is no need for weights")

    monkeypatch.setattr(painting.weights, "load", load)
    assert cli.main([*RUN, "--memory=3"]) == 2
    assert capsys.readouterr().err.startswith("neural_style: error: --memory: expected auto or a size")


@pytest.mark.parametrize("sizes", [(2, "64×32 for a style picture"), (3, "64×48 for the content")], ids=str)
def test_pictures_too_small_for_the_loss_are_told_before_tensorflow_is_loaded(bad, sizes, monkeypatch, capsys):
    def import_tensorflow():
        raise AssertionError("there is no need for TensorFlow")

    monkeypatch.setattr(painting, "import_tensorflow", import_tensorflow)
    count, said = sizes
    added = ["--styles=flat.png", "--style-layers=relu5_1", f"--loss-scales={count}"]
    run = [argument for argument in RUN if not argument.startswith(("--styles", "--style-layers"))]
    assert cli.main([*run, *added]) == 2
    assert said in capsys.readouterr().err


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
        ("locked", 0, ["--output=locked/out.png"], "--output: 'locked/out.png' cannot be written (Permission denied)"),
        (
            "locked",
            0o500,
            ["--output=locked/out.png"],
            "output: 'locked/out.png' cannot be written (Permission denied)",
        ),
        ("locked", 0o500, ["--output=locked/new/out.png"], "cannot be written (Permission denied)"),
        ("locked", 0o500, ["--save_flags=locked/run.cfg"], "--save_flags: 'locked/run.cfg' cannot be written"),
        ("locked", 0o500, ["--checkpoint-output=locked/{}.png", "--checkpoint-iterations=1"], "--checkpoint_output: "),
        (".", 0o500, [], "--output: 'photo-style.png' cannot be written (Permission denied)"),
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
    for name in ("KERAS_HOME", "NEURAL_STYLE_WEIGHTS"):
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
