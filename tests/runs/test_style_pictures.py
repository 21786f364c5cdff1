"""Styles of several pictures: folders and turned copies."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image
from small_runs import TWO_SCALES, assert_same, small_config, smooth

from neural_style.compute.style_targets import style_moments
from neural_style.config.config import Config
from neural_style.errors import ImageError
from neural_style.images.picture import resize
from neural_style.images.reading import read_image
from neural_style.runs import stylizer as stylizers
from neural_style.runs.inputs import at_scale, read_inputs
from neural_style.runs.style_pictures import Examples, PictureOnDisk

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
    """One at a time is in memory, so the largest counts."""
    with_folder, alone = (read_inputs(Config(PHOTO, styles, width=128)) for styles in ([SINGLE, works], [SINGLE]))
    assert all(isinstance(picture, PictureOnDisk) for picture in with_folder.of_style(1))
    assert with_folder.nbytes == alone.nbytes + 12 * 100 * 60  # the largest as read
    single, largest = with_folder.style_areas
    assert [single] == alone.style_areas
    assert largest == pytest.approx(128 * 192 / (128 * 96))


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
        for layer, means in style_moments(graphs, np.float32(each), None).items():
            stride = {"relu1_1": 1, "relu2_1": 2}[layer]
            here = -(-each.shape[0] // stride) * -(-each.shape[1] // stride)
            sums[layer] = sums.get(layer, 0) + here * np.float64(means.second)
            positions[layer] = positions.get(layer, 0) + here
    return {layer: sums[layer] / positions[layer] for layer in sums}


@pytest.mark.parametrize("tile_size", [None, 64])
def test_targets_are_the_moments_added(stylizer, works, tile_size):
    config = stylizers.resolve(small_config(PHOTO, [works, SINGLE], width=128), {})
    inputs = read_inputs(config)
    graphs = stylizer.graphs(config, stylizers.weights.load("builtin", config.layers))
    targets = stylizer.style_targets(graphs, inputs.examples([90]), tile_size)
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
