import contextlib
import json
import os
import re
import sys

import numpy as np
import pytest
from PIL import Image

from neural_style.cli import flags, loss_history
from neural_style.cli.outputs import Outputs
from neural_style.config.config import OPTIONS, Config
from neural_style.config.defaults import FAMILIES, LEFT_TO_NETWORK, LEFT_TO_OPTIMIZER
from neural_style.errors import OutputError, UsageError
from neural_style.images import reading, writing
from neural_style.images.picture import to_integers
from neural_style.networks.weights import VGGWeights
from neural_style.runs.step import Step

WIDTH, HEIGHT = 8, 6
NETWORK = VGGWeights(
    {}, {}, np.zeros(3, np.float32), "builtin", None, {"initial_noiseblend": 0.125, "learning_rate": 2.5}
)
HISTORY = {0: {"content": 3.0, "style": 2.0, "tv": 0.0, "total": 5.0}}


def step(color=(10, 20, 30), alpha=None, iteration=0):
    image = np.full((HEIGHT, WIDTH, 3), color, np.uint8)
    return Step(iteration, HISTORY[0], (WIDTH, HEIGHT), True, alpha, image.copy)


def outputs(width=WIDTH, height=HEIGHT, **options):
    config = Config(**{"content": "photo.png", "styles": ["style.png"], **options})
    return Outputs(config, (width, height))


def write_progress(made):
    made.write_progress(HISTORY, made.result)


def tree(folder):
    """Every path under a folder, with the bytes of files."""
    return {str(path): path.is_file() and path.read_bytes() for path in sorted(folder.rglob("*"))}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Current folder, with photo.png and style.png in it."""
    monkeypatch.chdir(tmp_path)
    for name in ("photo.png", "style.png"):
        Image.new("RGB", (40, 40), "teal").save(name)
    return tmp_path


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "styles", "name"),
    [
        ("photo.png", ["style.png"], "photo-style.png"),
        ("/a/b/photo.jpg", ["c/style.JPEG"], "photo-style.png"),
        ("photo.png", ["style.png", "x/other.webp"], "photo-style-other.png"),
        ("my.holiday.jpg", ["the style.png"], "my.holiday-the style.png"),
    ],
)
def test_without_a_name_the_result_is_called_after_its_pictures(content, styles, name):
    assert str(outputs(content=content, styles=styles).result) == name


@pytest.mark.parametrize(
    ("styles", "name"),
    [
        (["works"], "photo-works.png"),
        (["van.gogh/", "style.png"], "photo-van.gogh-style.png"),
        (["works/."], "photo-works.png"),
    ],
)
def test_a_folder_gives_the_result_its_whole_name(styles, name, folder):
    for each in ("works", "van.gogh"):
        (folder / each).mkdir()
    assert str(outputs(styles=styles).result) == name


@pytest.fixture
def works(folder):
    """A folder with one picture, given as a style."""
    (folder / "works").mkdir()
    (folder / "works" / "a.png").write_bytes((folder / "style.png").read_bytes())
    return folder / "works"


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"output": "works/new.png"}, "output"),
        ({"output": "link/new.JPG"}, "output"),
        ({"output": "x.png", "checkpoint_output": "works/c_{}.png", "checkpoint_iterations": 2}, "checkpoint_output"),
    ],
    ids=str,
)
def test_no_picture_is_written_into_a_folder_of_style_pictures(options, option, works, folder):
    """Where the next run would take it for one of them. Other files may go there."""
    (folder / "link").symlink_to("works")
    with pytest.raises(OutputError, match=rf"^{option}: expected a file outside the style folder, .*; give another f"):
        outputs(styles=["works"], **options).check()
    outputs(styles=["works/a.png"], **options).check()
    outputs(styles=["works"], output="works/deeper/new.png", save_flags="works/run.cfg").check()


def test_a_picture_of_a_folder_is_never_replaced(works, folder):
    (folder / "link.png").symlink_to("works/a.png")
    with pytest.raises(OutputError, match=r"^output: 'link\.png' is one of the files to work from"):
        outputs(styles=["works"], output="link.png", overwrite=True).check()


def test_the_default_name_is_numbered_rather_than_overwritten(folder):
    (folder / "photo-style.png").touch()
    assert str(outputs().result) == "photo-style-2.png"
    (folder / "photo-style-2.png").mkdir()
    assert str(outputs().result) == "photo-style-3.png"


def test_with_overwrite_the_default_name_is_not_numbered(folder):
    (folder / "photo-style.png").touch()
    assert str(outputs(overwrite=True).result) == "photo-style.png"


@pytest.mark.parametrize("letter", ["a", "海"])
def test_the_default_name_is_short_enough_for_the_system(letter):
    made = outputs(content=letter * 75 + ".png", styles=[letter * 70 + f"{i}.png" for i in range(9)])
    made.check()
    assert made.write_result(step(), NETWORK).is_file()


def test_settling_names_and_checking_writes_nothing(folder):
    before = tree(folder)
    made = outputs(
        output="new/out.png",
        progress_write=True,
        progress_plot=True,
        save_flags="other/run.cfg",
        checkpoint_output="new/{}/c.png",
        checkpoint_iterations=300,
    )
    made.check()
    assert tree(folder) == before


# --- what cannot be written is refused before the run -----------------------------------------------------------------


PLANS = {
    "output": {"output": "taken.png"},
    "progress_write": {"output": "x.png", "progress_write": True},
    "progress_plot": {"output": "x.png", "progress_plot": True},
    "save_flags": {"save_flags": "taken.png"},
    "checkpoint_output": {"checkpoint_output": "c_{:05}.png", "checkpoint_iterations": 250, "iterations": 1000},
}
"""Each option that names a file, with settings that make it write one of the files below."""
TAKEN = ["taken.png", "x-progress.txt", "x-progress.png", "c_00500.png"]


@pytest.mark.parametrize(("option", "plan"), PLANS.items())
def test_an_existing_file_is_refused_by_the_option_that_would_replace_it(option, plan, folder):
    for name in TAKEN:
        (folder / name).write_bytes(b"precious")
    before = tree(folder)
    with pytest.raises(OutputError, match=f"^{option}: '.*' exists; give --overwrite to replace it, or another name$"):
        outputs(**plan).check()
    assert tree(folder) == before
    outputs(**plan, overwrite=True).check()
    assert tree(folder) == before


@pytest.mark.parametrize(("scales", "taken"), [(2, True), (1, False)])
def test_checkpoints_of_all_scales_are_checked(scales, taken, folder):
    """Over two scales, 5 and 5 iterations and the start of the second make 11."""
    (folder / "c_11.png").write_bytes(b"precious")
    planned = {"checkpoint_output": "c_{}.png", "checkpoint_iterations": 11, "iterations": 5}
    made = outputs(64, 64, scales=scales, **planned)
    with pytest.raises(OutputError, match="c_11") if taken else contextlib.nullcontext():
        made.check()


@pytest.mark.parametrize(("option", "plan"), PLANS.items())
@pytest.mark.parametrize("overwrite", [True, False])
def test_a_broken_link_is_refused_by_the_option_that_would_write_to_it(option, plan, overwrite, folder):
    for name in TAKEN:
        (folder / name).symlink_to("nowhere.png")
    with pytest.raises(OutputError, match=f"^{option}: '.*' is a link to '.*nowhere.png', which does not exist"):
        outputs(**plan, overwrite=overwrite).check()


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"output": "photo.png"}, "output"),
        ({"output": "./x/../style.png"}, "output"),
        ({"output": "link.png"}, "output"),
        ({"save_flags": "style.png"}, "save_flags"),
        ({"output": "x.png", "progress_plot": True, "initial": "x-progress.png"}, "progress_plot"),
        ({"styles": ["c_2.png"], "checkpoint_output": "c_{}.png", "checkpoint_iterations": 2}, "checkpoint_output"),
        ({"output": "x.png", "progress_plot": True, "init": "x-progress.png"}, "progress_plot"),
        ({"content": "photo-style.png"}, None),
    ],
    ids=str,
)
def test_a_picture_of_the_run_is_never_replaced(options, option, folder):
    (folder / "x").mkdir()
    (folder / "link.png").symlink_to("photo.png")
    for name in ("x-progress.png", "c_2.png", "photo-style.png"):
        (folder / name).write_bytes((folder / "photo.png").read_bytes())
    made = outputs(**options, overwrite=True)
    if option is None:
        made.check()
        assert str(made.result) == "photo-style-style.png"
        return
    with pytest.raises(OutputError, match=f"^{option}: '.*' is one of the files to work from; give another name$"):
        made.check()


@pytest.mark.parametrize("named", ["net.npz", f"./net.npz#sha256:{'0' * 64}"])
def test_the_file_of_weights_is_never_replaced(named, folder):
    (folder / "net.npz").write_bytes(b"weights")
    with pytest.raises(OutputError, match=r"^save_flags: 'net\.npz'"):
        outputs(weights=named, save_flags="net.npz", overwrite=True).check()


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"output": "a.png", "save_flags": "a.png"}, "save_flags"),
        ({"output": "a.png", "progress_write": True, "save_flags": "./a-progress.txt"}, "save_flags"),
        ({"output": "c_4.png", "checkpoint_output": "c_{}.png", "checkpoint_iterations": 2}, "checkpoint_output"),
    ],
    ids=str,
)
def test_two_files_of_one_name_are_refused(options, option):
    with pytest.raises(OutputError, match=f"^{option}: expected a file of its own, got '.*' again"):
        outputs(**options, overwrite=True).check()


@pytest.mark.parametrize("name", ["out", "out.gif", "out.png.txt", "png", ".png"])
@pytest.mark.parametrize("option", ["output", "checkpoint_output"])
def test_an_unknown_kind_of_picture_is_refused(name, option):
    options = {"checkpoint_output": f"{{}}{name}", "checkpoint_iterations": 2} if option != "output" else {option: name}
    if option == "checkpoint_output" and name == ".png":
        outputs(**options).check()
        return
    with pytest.raises(OutputError, match=f"^{option}: expected a name that ends in one of .png, .jpg, "):
        outputs(**options).check()


def test_a_picture_too_large_for_its_format_is_refused():
    with pytest.raises(OutputError, match=r"^output: expected at most 16383 px a side for \.webp, got 16384×1"):
        outputs(width=16384, height=1, output="out.webp").check()


@pytest.mark.parametrize("option", ["output", "checkpoint_output"])
def test_a_format_of_8_bits_is_refused_for_16(option):
    options = {"output": "out.jpg"} if option == "output" else {"checkpoint_output": "{}.jpg"}
    options |= {"checkpoint_iterations": 2} if option == "checkpoint_output" else {}
    outputs(**options).check()
    with pytest.raises(OutputError, match=rf"^{option}: expected --bit_depth 8 for \.jpg, got 16; give a name"):
        outputs(**options, bit_depth=16).check()
    for name in ("out.png", "out.TIF", "out.tiff"):
        outputs(output=name, bit_depth=16).check()


@pytest.mark.parametrize("name", ["photo.png/out.png", "photo.png/deep/er/out.png"])
def test_a_folder_that_is_a_file_is_refused(name):
    with pytest.raises(OutputError, match=r"^output: .* needs a folder, but 'photo.png' is not one"):
        outputs(output=name).check()


def test_a_folder_in_place_of_the_file_is_refused_even_with_overwrite(folder):
    (folder / "out.png").mkdir()
    with pytest.raises(OutputError, match=r"^output: expected the path of a file, got the folder 'out\.png'$"):
        outputs(output="out.png", overwrite=True).check()


# --- writing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["out.png", "new/deep/out.tif", "out.webp"])
def test_the_result_holds_the_image_and_the_settings_that_made_it(name):
    written = outputs(output=name, seed=7, style_scales=[1.5]).write_result(step((1, 2, 3)), NETWORK)
    assert str(written) == name
    with Image.open(written) as image:
        assert image.size == (WIDTH, HEIGHT)
        assert np.abs(np.asarray(image.convert("RGB"), int) - (1, 2, 3)).max() <= 3
    settings = reading.read_settings(written)
    assert settings["seed"] == 7
    assert settings["style_scales"] == [1.5]
    assert [settings[n] for n in ("weights", "initial_noiseblend", "learning_rate")] == ["builtin", 0.125, 2.5]


@pytest.mark.parametrize("name", ["out.png", "out.tif"])
def test_results_and_checkpoints_of_16_bits(name):
    image = np.full((HEIGHT, WIDTH, 3), (1, 40000, 65535), np.uint16)
    deep = Step(0, HISTORY[0], (WIDTH, HEIGHT), True, None, image.copy)
    checkpoints = {"checkpoint_output": f"{{}}-{name}", "checkpoint_iterations": 2}
    made = outputs(output=name, bit_depth=16, **checkpoints)
    written = made.write_result(deep, NETWORK)
    made.write_checkpoint(2, deep, NETWORK)
    for path in (written, f"2-{name}"):
        np.testing.assert_array_equal(to_integers(reading.read_image(path).rgb, 16), image)
        assert reading.read_settings(path)["bit_depth"] == 16


def test_embedded_settings_are_all_that_shape_the_picture_and_no_more():
    made = outputs(
        content="photo.png",
        styles=["/home/jane/style.png"],
        initial="secret/folder/start.png",
        output="out.png",
        device="cpu",
        overwrite=True,
        weights="/home/jane/net.npz",
        save_flags="run.cfg",
        progress_plot=True,
    )
    network = VGGWeights({}, {}, np.zeros(3, np.float32), "net.npz", None)
    settings = reading.read_settings(made.write_result(step(), network))
    assert (settings["content"], settings["styles"], settings["initial"]) == ("photo.png", ["style.png"], "start.png")
    assert settings["weights"] == "net.npz"
    assert not re.search("jane|secret|run.cfg", json.dumps(settings))
    of_no_effect = {"output", "overwrite", "max_pixels", "device", "memory", "tile_size"} | {
        n for n, option in OPTIONS.items() if option.group == "Progress"
    }
    unset = {name for name, option in OPTIONS.items() if option.default is None}
    unset -= {"content", "styles", "initial", "tolerance", *LEFT_TO_NETWORK, *LEFT_TO_OPTIMIZER["lbfgs"]}
    unset -= {"strength", "style_fit", *FAMILIES["balanced"]}
    assert {*settings} == {*OPTIONS} - of_no_effect - unset


def test_transparent_parts_of_the_content_stay_transparent():
    alpha = np.zeros((HEIGHT, WIDTH), np.float32)
    alpha[0, 0] = 1
    with Image.open(outputs(output="out.png").write_result(step(alpha=alpha), NETWORK)) as image:
        assert image.mode == "RGBA"
        assert np.asarray(image)[..., 3].tolist() == np.where(alpha, 255, 0).tolist()


def test_a_file_that_appeared_during_the_run_is_kept(folder):
    made = outputs(output="out.png")
    made.check()
    (folder / "out.png").write_bytes(b"precious")
    written = made.write_result(step(), NETWORK)
    assert str(written) == "out-2.png"
    assert (folder / "out.png").read_bytes() == b"precious"


def test_with_overwrite_the_result_replaces_what_was_there(folder):
    (folder / "out.png").write_bytes(b"old")
    written = outputs(output="out.png", overwrite=True).write_result(step((1, 2, 3)), NETWORK)
    assert str(written) == "out.png"
    assert Image.open(written).getpixel((0, 0)) == (1, 2, 3)


@pytest.fixture
def refuse(monkeypatch):
    """A function that makes writing pictures fail in some folders, as on a full disk."""
    write_image = writing.write_image

    def refuse(*folders):
        def write(path, *arguments, **options):
            if os.path.dirname(os.path.abspath(path)) in map(os.path.abspath, folders):
                raise OutputError(f"output: '{path}' cannot be written (No space left on device); give another place")
            return write_image(path, *arguments, **options)

        monkeypatch.setattr(writing, "write_image", write)

    return refuse


def test_a_result_that_cannot_be_written_goes_to_the_current_folder(refuse, caplog, monkeypatch):
    monkeypatch.setattr("neural_style.cli.outputs._log.propagate", True)
    refuse("full")
    written = outputs(output="full/out.png").write_result(step(), NETWORK)
    assert str(written) == "out.png"
    assert "No space left" in caplog.text
    assert Image.open(written).size == (WIDTH, HEIGHT)


def test_then_to_the_temporary_folder(refuse, monkeypatch, tmp_path_factory):
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    refuse("full", ".")
    assert outputs(output="full/out.png").write_result(step(), NETWORK) == temporary / "out.png"
    assert [path.name for path in temporary.iterdir()] == ["out.png"]


def test_and_only_then_is_given_up(refuse, monkeypatch, tmp_path_factory):
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    refuse("full", ".", temporary)
    with pytest.raises(OutputError, match=r"^output: .* cannot be written"):
        outputs(output="full/out.png").write_result(step(), NETWORK)


def test_the_current_folder_keeps_what_it_has_when_the_result_goes_there_instead(refuse, folder):
    refuse("full")
    (folder / "photo.png").write_bytes(b"precious")
    written = outputs(output="full/photo.png", overwrite=True).write_result(step(), NETWORK)
    assert (folder / "photo.png").read_bytes() == b"precious"
    assert reading.read_settings(written)["content"] == "photo.png"


@pytest.mark.parametrize("template", ["c_{:05}.png", "c_%05d.png", "new/{:05}.jpg"])
def test_a_checkpoint_is_the_best_image_so_far_under_its_iteration(template, folder):
    made = outputs(checkpoint_output=template, checkpoint_iterations=5)
    made.write_checkpoint(10, step((1, 2, 3), iteration=8), NETWORK)
    with Image.open(folder / template.replace("%05d", "{:05}").format(10)) as image:
        assert np.abs(np.asarray(image, int) - (1, 2, 3)).max() <= 3


def test_a_checkpoint_that_cannot_be_written_does_not_end_the_run(refuse, caplog, monkeypatch):
    monkeypatch.setattr("neural_style.cli.outputs._log.propagate", True)
    refuse("full")
    outputs(checkpoint_output="full/{}.png", checkpoint_iterations=5).write_checkpoint(5, step(), NETWORK)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "full/5.png" in caplog.text


@pytest.mark.parametrize("result", ["out.png", "new/out.png", "my.final.version.jpg"])
def test_progress_files_lie_beside_the_result(result, folder):
    stem = os.path.splitext(result)[0]
    (folder / "new").mkdir()
    write_progress(outputs(output=result, progress_write=True, progress_plot=True))
    new = {path for path, content in tree(folder).items() if content} - {
        str(folder / n) for n in ("photo.png", "style.png")
    }
    assert new == {str(folder / f"{stem}-progress.txt"), str(folder / f"{stem}-progress.png")}


def test_progress_files_lie_beside_the_result_whatever_the_current_folder(folder, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    write_progress(outputs(output=str(folder / "out.png"), progress_write=True))
    assert (folder / "out-progress.txt").is_file()
    assert tree(elsewhere) == {}


def test_progress_files_are_written_only_when_asked_for(folder):
    before = tree(folder)
    write_progress(outputs(output="out.png"))
    assert tree(folder) == before


def test_progress_files_follow_the_number_of_a_default_name(folder):
    (folder / "photo-style.png").touch()
    write_progress(outputs(progress_write=True))
    assert (folder / "photo-style-2-progress.txt").is_file()


def test_a_progress_file_that_cannot_be_written_is_named_by_its_own_option(folder, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(loss_history, "write_loss_table", full)
    with pytest.raises(OutputError, match=r"^progress_write: 'out-progress\.txt' cannot be written"):
        write_progress(outputs(output="out.png", progress_write=True))


def test_saved_flags_are_read_back_with_absolute_paths(folder):
    outputs(output="out.png", save_flags="new/run.cfg", iterations=7).write_flags(NETWORK)
    made = flags.parse([f"--flagfile={folder / 'new' / 'run.cfg'}"])
    assert (made.content, made.styles, made.output) == (
        str(folder / "photo.png"),
        (str(folder / "style.png"),),
        str(folder / "out.png"),
    )
    assert (made.iterations, made.weights, made.save_flags) == (7, "builtin", None)
    assert (made.initial_noiseblend, made.learning_rate) == (0.125, 2.5)


def test_saved_flags_name_the_weights_by_an_absolute_path_as_well(folder):
    path = folder / "nets" / "vgg.npz"
    relative = VGGWeights({}, {}, np.zeros(3, np.float32), "vgg.npz", path.relative_to(folder))
    outputs(save_flags="run.cfg").write_flags(relative)
    assert flags.parse(["--flagfile=run.cfg"]).weights == str(path)


@pytest.mark.parametrize(
    ("source", "path", "saved"),
    [
        ("imagenet-8bit", "cache/vgg.npz", "imagenet-8bit#sha256:01ab"),
        (None, "my nets/a #1.npz", "{folder}/my nets/a #1.npz#sha256:01ab"),
    ],
)
def test_saved_flags_name_the_weights_by_their_hash(source, path, saved, folder):
    network = VGGWeights({}, {}, np.zeros(3, np.float32), "vgg.npz", folder / path, {}, source, "sha256:01ab")
    outputs(save_flags="run.cfg").write_flags(network)
    assert flags.parse(["--flagfile=run.cfg"]).weights == saved.format(folder=folder)


def test_saved_flags_of_a_default_name_leave_the_name_open(folder):
    outputs(save_flags="run.cfg").write_flags(NETWORK)
    assert flags.parse(["--flagfile=run.cfg"]).output is None


def test_flags_are_saved_only_when_asked_for(folder):
    before = tree(folder)
    outputs().write_flags(NETWORK)
    assert tree(folder) == before


@pytest.mark.parametrize("name", [os.fsdecode(b"photo\xff.png"), "photo\n.png"])
def test_names_that_flag_files_cannot_hold_are_refused_before_the_run(name):
    with pytest.raises(
        UsageError, match=r"^save_flags: expected values that fit on one line of Unicode text, got --content="
    ):
        outputs(content=name, save_flags="run.cfg").check()
    outputs(content=name).check()


# --- home folders and links -------------------------------------------------------------------------------------------


def test_sources_are_known_by_their_home_folder_as_well(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    (folder / "net.npz").write_bytes(b"weights")
    for options in ({"output": "~/photo.png"}, {"output": "x.png", "weights": "~/net.npz", "save_flags": "net.npz"}):
        with pytest.raises(OutputError, match="is one of the files to work from"):
            outputs(**options, overwrite=True).check()


def test_all_files_are_written_through_links_and_keep_their_permissions(folder):
    """The files lie in another folder."""
    names = ["c_2.png", "out-progress.txt", "out.png", "run.cfg"]
    (folder / "real").mkdir()
    for name in names:
        (folder / "real" / name).write_bytes(b"old")
        (folder / "real" / name).chmod(0o604)
        (folder / name).symlink_to(f"real/{name}")
    checkpoints = {"checkpoint_output": "c_{}.png", "checkpoint_iterations": 2}
    made = outputs(output="out.png", progress_write=True, save_flags="run.cfg", overwrite=True, **checkpoints)
    made.check()
    made.write_flags(NETWORK)
    made.write_checkpoint(2, step(), NETWORK)
    made.write_progress(HISTORY, made.write_result(step(), NETWORK))
    for name in names:
        assert (folder / name).is_symlink()
        assert (folder / "real" / name).read_bytes() != b"old"
        assert (folder / "real" / name).stat().st_mode & 0o777 == 0o604
    assert sorted(path.name for path in (folder / "real").iterdir()) == names


# --- what appears during a run ----------------------------------------------------------------------------------------


def test_a_file_that_gets_another_name_is_told(folder, caplog, monkeypatch):
    monkeypatch.setattr("neural_style.cli.outputs._log.propagate", True)
    checkpoints = {"checkpoint_output": "{}.png", "checkpoint_iterations": 2}
    made = outputs(output="out.png", progress_write=True, save_flags="run.cfg", **checkpoints)
    made.check()
    for name in ("out-progress.txt", "run.cfg", "2.png"):
        (folder / name).write_bytes(b"precious")
    made.write_flags(NETWORK)
    made.write_checkpoint(2, step(), NETWORK)
    made.write_progress(HISTORY, made.write_result(step(), NETWORK))
    assert caplog.messages == [
        "save_flags: 'run.cfg' exists by now, so the file is written as 'run-2.cfg'",
        "checkpoint_output: '2.png' exists by now, so the file is written as '2-2.png'",
        "progress_write: 'out-progress.txt' exists by now, so the file is written as 'out-progress-2.txt'",
    ]
    for name in ("out-progress.txt", "run.cfg", "2.png"):
        assert (folder / name).read_bytes() == b"precious"


def test_progress_files_lie_beside_a_result_that_got_another_name(folder):
    made = outputs(output="out.png", progress_write=True, overwrite=True)
    made.check()
    (folder / "out-2-progress.txt").write_bytes(b"precious")
    made.write_progress(HISTORY, folder / "out-2.png")
    assert (folder / "out-2-progress.txt").read_bytes() == b"precious"  # it was not checked before the run
    assert (folder / "out-2-progress-2.txt").is_file()


def test_a_missing_library_for_plots_is_told_before_the_run(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    outputs(progress_write=True).check()
    with pytest.raises(UsageError, match=r"pip install matplotlib"):
        outputs(progress_plot=True).check()


# --- names that are not text ------------------------------------------------------------------------------------------


def test_pictures_whose_names_are_not_text_have_a_default_name_and_metadata(folder):
    name = os.fsdecode(b"\xff\xfe.png")
    made = outputs(content=name, styles=[name] * 100)
    made.check()
    written = made.write_result(step(), NETWORK)
    assert os.fsencode(written).startswith(b"\xff\xfe-\xff\xfe-")
    settings = reading.read_settings(written)
    shown = "\N{REPLACEMENT CHARACTER}" * 2 + ".png"
    assert (settings["content"], settings["styles"]) == (shown, [shown] * 100)
