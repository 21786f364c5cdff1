"""Styles of several pictures: folders and turned copies."""

import gc
import os
import shutil
import sys
import weakref

import numpy as np
import pytest
import tifffile
from PIL import Image
from small_runs import TWO_SCALES, assert_same, small_config, smooth

from neural_style import hashing
from neural_style.bench.memory import watch
from neural_style.compute.style_targets import style_moments
from neural_style.config.config import Config
from neural_style.errors import ImageError
from neural_style.images.picture import resize
from neural_style.images.reading import read_image
from neural_style.runs import inputs as inputs_module
from neural_style.runs import style_pictures
from neural_style.runs import stylizer as stylizers
from neural_style.runs.inputs import at_scale, read_inputs
from neural_style.runs.style_pictures import Examples, PictureOnDisk, reading_bytes_of

PHOTO = smooth(64, 48, 1)
WORKS = {"a.png": smooth(100, 60, 2), "b.jpg": smooth(60, 90, 3), "c.png": smooth(70, 70, 4)}
SINGLE = smooth(80, 64, 5)


@pytest.fixture
def works(tmp_path):
    """A folder with three pictures and a note."""
    folder = tmp_path / "works"
    folder.mkdir()
    for name, pixels in WORKS.items():
        Image.fromarray(pixels).save(folder / name)
    (folder / "note.txt").write_text("no picture")
    return folder


def sizes(pictures):
    return [(picture.width, picture.height) for picture in pictures]


# --- inputs -----------------------------------------------------------------------------------------------------------


def test_a_folder_is_one_style(works):
    """In its place among others, with one scale, each picture at the size that it would have as a style."""
    config = Config(PHOTO, [SINGLE, works, SINGLE], style_scales=(1, 1.5, 2), width=80)
    inputs = read_inputs(config)
    assert sizes(inputs.styles) == [(80, 64), (120, 72), (120, 180), (120, 120), (160, 128)]
    assert [sizes(inputs.of_style(index)) for index in range(3)] == [
        [(80, 64)],
        [(120, 72), (120, 180), (120, 120)],
        [(160, 128)],
    ]
    for found, name in zip(inputs.of_style(1), WORKS, strict=True):
        expected = resize(read_image(works / name), found.width, found.height).rgb
        np.testing.assert_array_equal(found.rgb, expected)


def test_a_folder_counts_as_one_in_the_options(works):
    for path in (works, str(works), f"{works}{os.sep}"):
        config = Config(PHOTO, path, style_scales=[1], style_blend_weights=[1])
        assert config.styles == (path,)
        assert len(read_inputs(config).styles) == 3
    assert Config(PHOTO, works) == Config(PHOTO, [works]) == Config(PHOTO, [str(works)])
    assert hash(Config("a.png", works)) == hash(Config("a.png", str(works)))


@pytest.mark.parametrize("size", [(80, 60), (64, 48), (36, 32)])
def test_at_scale_pictures_of_a_folder_are_those_of_a_run_at_that_size(works, size):
    inputs = read_inputs(Config(PHOTO, works, width=80))
    small = read_inputs(Config(PHOTO, works, width=size[0])) if size[1] > 32 else None
    scaled = at_scale(inputs, *size)
    assert min(map(min, sizes(scaled.styles))) >= 32
    assert scaled.places == inputs.places
    if small:
        for ours, theirs in zip(scaled.styles, small.styles, strict=True):
            np.testing.assert_array_equal(ours.rgb, theirs.rgb)


def test_pictures_of_a_folder_are_not_held(works):
    """One at a time is in memory, so the largest counts: as it is used, and as it is read."""
    with_folder, alone = (read_inputs(Config(PHOTO, styles, width=128)) for styles in ([SINGLE, works], [SINGLE]))
    assert all(isinstance(picture, PictureOnDisk) for picture in with_folder.of_style(1))
    assert with_folder.nbytes == alone.nbytes
    assert (with_folder.reading_bytes, alone.reading_bytes) == (20 * 100 * 60, 0)
    assert at_scale(with_folder, 64, 48).reading_bytes == 20 * 100 * 60  # which is the same at each size
    single, largest = with_folder.style_areas
    assert [single] == alone.style_areas
    assert largest == pytest.approx(128 * 192 / (128 * 96))


def test_alpha_is_read_as_well(works):
    Image.fromarray(np.dstack([WORKS["a.png"], np.full((60, 100), 99, np.uint8)])).save(works / "a.png")
    assert read_inputs(Config(PHOTO, works)).reading_bytes == 24 * 100 * 60


READ = "import sys; from neural_style.runs.inputs import *; resize(read_image(sys.argv[1]), 300, 300)"
"""A program that reads a picture and makes it smaller."""


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="this system does not tell the peak memory of a process")
@pytest.mark.parametrize(("channels", "bit_depth", "name"), [(3, 8, "p.jpg"), (4, 8, "p.png"), (4, 16, "p.tif")])
def test_reading_takes_about_the_memory_that_is_planned(tmp_path, channels, bit_depth, name):
    """Of 4 megapixels, more than of a small picture."""
    pixels = np.random.default_rng(0).integers(0, 2**bit_depth, (2000, 2000, channels), f"uint{bit_depth}")
    peaks = []
    for number, values in enumerate((pixels[:300, :300], pixels)):
        path = tmp_path / f"{number}{name}"
        if bit_depth == 16:
            tifffile.imwrite(path, values, photometric="rgb", extrasamples=["unassalpha"])
        else:
            Image.fromarray(values).save(path)
        peaks.append(watch([sys.executable, "-c", READ, str(path)])[1])
    planned = reading_bytes_of(read_image(path))
    assert planned == (20 if channels == 3 else 24) * 4 * 10**6
    assert 0.75 * planned < peaks[1] - peaks[0] < 1.1 * planned


def test_one_picture_of_a_folder_is_in_memory_at_a_time(works, monkeypatch):
    """None is left from before when the next one is read, at the beginning or later."""
    alive = []
    real = style_pictures.read_image

    def noted(*of):
        gc.collect()
        alive.append(sum(reference() is not None for reference in read))
        made = real(*of)
        read.append(weakref.ref(made.rgb))
        return made

    read = []
    for module in (style_pictures, inputs_module):
        monkeypatch.setattr(module, "read_image", noted)
    inputs = read_inputs(Config(PHOTO, works, width=128))
    content = 1
    assert alive == [0] + [content] * 3
    (examples,) = inputs.examples([0, 90])
    del read[:], alive[:]
    assert list(map(np.shape, examples))[:2] == [(77, 128, 3), (128, 77, 3)]
    assert alive == [0] * 3


@pytest.mark.parametrize("sizes", [{}, TWO_SCALES], ids=["one", "two"])
def test_a_picture_that_was_exchanged_is_noticed(begin, works, sizes):
    session = begin(styles=[works], **sizes)
    if sizes:
        session.step()
    Image.fromarray(WORKS["a.png"][::-1].copy()).save(works / "a.png")
    expected = r"^style picture 'a\.png': expected the file that the run began with, got one that has changed since; "
    with pytest.raises(ImageError, match=expected):
        list(session)
    assert ImageError.exit_code == 2


def test_pictures_of_large_folders_are_hashed_once(works, monkeypatch):
    """Without a word to the cache that the weights' hashes are in, which keeps 256."""
    for number in range(300):
        shutil.copy(works / "c.png", works / f"{number}.png")
    hashed, real = [], hashing.file_hash
    monkeypatch.setattr(hashing, "SETTLED", -3600.0)
    monkeypatch.setattr(hashing, "_hashes", hashing.FileCache())
    monkeypatch.setattr(hashing, "file_hash", lambda path, name: hashed.append(path) or real(path, name))
    inputs = read_inputs(Config(PHOTO, works))
    for scaled in (inputs, at_scale(inputs, 36, 32)):
        for picture in scaled.styles:
            _ = picture.rgb
    assert hashed == [picture.path for picture in inputs.styles]
    assert len(hashed) == 303
    assert not hashing._hashes._values


def test_a_picture_that_was_only_touched_is_the_same(run, begin, works):
    expected = run(styles=[works])
    session = begin(styles=[works])
    (works / "a.png").write_bytes((works / "a.png").read_bytes())
    os.utime(works / "b.jpg")
    assert_same(list(session), expected)


def test_a_picture_that_was_removed_is_told(begin, works):
    session = begin(styles=[works])
    (works / "c.png").unlink()
    with pytest.raises(ImageError, match=r"^style picture 'c\.png' does not exist; "):
        list(session)


def test_the_first_picture_of_a_folder_as_start(works):
    inputs = read_inputs(Config(PHOTO, works, init="style"))
    np.testing.assert_array_equal(inputs.initial.rgb, resize(read_image(works / "a.png"), 64, 48).rgb)


def test_what_cannot_be_read_is_told_before_the_run(works):
    shutil.copy(works / "note.txt", works / "b2.png")
    with pytest.raises(ImageError, match=r"^style picture 'b2\.png' is not a picture of a known kind; "):
        read_inputs(Config(PHOTO, works))
    Image.new("RGB", (20, 50)).save(works / "b2.png")
    with pytest.raises(ImageError, match=r"^style picture b2\.png: expected at least 32 px a side, got 20×50; "):
        read_inputs(Config(PHOTO, works))
    with pytest.raises(ImageError, match=r"^style picture '.*': expected at most 5000 pixels, got "):
        read_inputs(Config(PHOTO, works, max_pixels=5000))


# --- examples ---------------------------------------------------------------------------------------------------------


def test_examples_are_pictures_with_their_turned_copies(works):
    inputs = read_inputs(Config(PHOTO, [works, SINGLE]))
    folder, single = inputs.examples([0, 90, 270])
    rgb = inputs.of_style(1)[0].rgb
    for found, expected in zip(single, (rgb, rgb.transpose(1, 0, 2)[::-1], rgb[::-1].transpose(1, 0, 2)), strict=True):
        np.testing.assert_array_equal(found, expected)
        assert found.flags.c_contiguous
    assert [each.shape[:2] for each in folder] == [
        *((38, 64), (64, 38), (64, 38)),
        *((96, 64), (64, 96), (64, 96)),
        *((64, 64), (64, 64), (64, 64)),
    ]
    assert [len(list(each)) for each in inputs.examples(None)] == [3, 1]
    np.testing.assert_array_equal(list(Examples([inputs.styles[3]], [180]))[1], rgb[::-1, ::-1])


def means_of(stylizer, config, examples):
    """Mean moments over the positions of several pictures, in float64, with the positions of maps of whole blocks."""
    graphs = stylizer.graphs(config, stylizers.weights.load("builtin", config.layers))
    sums, positions = {}, {}
    for each in examples:
        for layer, means in style_moments(graphs, np.float32(each), None)[0].items():
            stride = {"relu1_1": 1, "relu2_1": 2}[layer]
            here = -(-each.shape[0] // stride) * -(-each.shape[1] // stride)
            sums[layer] = sums.get(layer, 0) + here * np.float64(means.second)
            positions[layer] = positions.get(layer, 0) + here
    return {layer: sums[layer] / positions[layer] for layer in sums}


@pytest.mark.parametrize("tile_size", [None, 64])
def test_targets_are_the_moments_added(stylizer, works, tile_size):
    config = stylizers.resolve(small_config(PHOTO, [works, SINGLE], width=128, style_layers=("relu1_1", "relu2_1")), {})
    inputs = read_inputs(config)
    graphs = stylizer.graphs(config, stylizers.weights.load("builtin", config.layers))
    (targets,) = stylizer.style_targets(graphs, inputs.examples([90]), tile_size)
    for index in range(2):
        pictures = [picture.rgb for picture in inputs.of_style(index)]
        examples = [*pictures, *(np.rot90(each).copy() for each in pictures)]
        for layer, expected in means_of(stylizer, config, examples).items():
            found = np.float64(targets[layer].second[index])
            assert np.linalg.norm(found - expected) < 1e-5 * np.linalg.norm(expected)


# --- runs -------------------------------------------------------------------------------------------------------------


def test_a_folder_of_one_picture_is_that_picture(run, works):
    for name in ("b.jpg", "c.png"):
        (works / name).unlink()
    for settings in ({}, TWO_SCALES):
        assert_same(run(styles=[works], **settings), run(styles=[works / "a.png"], **settings))


def test_a_rotation_of_0_is_the_picture_itself(run):
    assert_same(run(styles=[SINGLE], style_rotations=[0]), run(styles=[SINGLE]))


def test_folders_and_rotations_change_the_run_and_repeat(run, works):
    runs = [run(styles=[works]), run(styles=[works], style_rotations=[90]), run(styles=[works / "a.png"])]
    assert len({steps[-1].losses["style"] for steps in runs}) == 3
    assert_same(run(styles=[str(works)]), runs[0])
    assert_same(run(styles=[works], style_rotations=[90]), runs[1])


@pytest.mark.parametrize(
    "settings",
    [
        {"init": "style_colors", "style_rotations": [90, 180]},
        {"init": "gray", "style_fit": "longest"},
        {"init": "style", "style_fit": "stretch"},
        {"init": "noise", "noise_scale": 20},
    ],
    ids=lambda settings: settings["init"],
)
def test_a_restored_session_goes_on_to_the_bit(begin, run, stylizer, works, settings):
    settings = {**TWO_SCALES, **settings, "styles": [works, SINGLE]}
    expected, session = run(**settings), begin(**settings)
    for _ in range(2):
        session.step()
    restored = stylizer.restore(session.state())
    assert restored.config == session.config
    assert_same(list(restored), expected[2:])


def test_each_example_is_computed_once(begin, works, monkeypatch, stylizer):
    computed, real = [], stylizers.style_moments
    monkeypatch.setattr(stylizers, "style_moments", lambda *given: computed.append(given[1].shape[:2]) or real(*given))
    settings = {"styles": [works], "style_rotations": [90], "style_scales": (1.1,), "iterations": 1}
    for _ in range(2):
        list(begin(**settings))
        assert computed == [(42, 70), (70, 42), (105, 70), (70, 105), (70, 70), (70, 70)]


def test_each_picture_is_read_once_for_all_sizes_of_the_loss(begin, works, monkeypatch):
    read, real = [], style_pictures.read_image
    monkeypatch.setattr(style_pictures, "read_image", lambda path, *rest: read.append(path.name) or real(path, *rest))
    list(begin(**TWO_SCALES, styles=[works], loss_scales=3))
    assert read == [*WORKS] * 2


def test_plans_count_what_reading_takes_and_the_alpha_of_the_content(begin, works):
    Image.fromarray(smooth(3000, 2000, 6)).save(works / "b.jpg")
    content = np.dstack([PHOTO, np.full(PHOTO.shape[:2], 99, np.uint8)])
    peaks = []
    for settings in ({}, {"styles": [works]}, {"styles": [works], "content": content}):
        with begin(**{"content": PHOTO, **TWO_SCALES, "optimizer": "adam", **settings}) as session:
            peaks.append([plan.peak for plan in session.plans])
            areas = [scale.width * scale.height for scale in session.scales]
    plain, folder, transparent = np.array(peaks)
    assert (folder - plain > 0.95 * 20 * 3000 * 2000).all()
    np.testing.assert_allclose(transparent - folder, np.multiply(areas, 4), atol=1)
