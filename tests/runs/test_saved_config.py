"""Configurations in checkpoints."""

import json
import os

import numpy as np
import pytest
from PIL import ExifTags, Image

from neural_style.config.config import Config
from neural_style.config.encoded_picture import EncodedPicture
from neural_style.config.resolve import resolve
from neural_style.errors import CheckpointError
from neural_style.images.reading import read_image
from neural_style.runs.saved_config import packed, unpacked


def sent(config):
    values, arrays = packed(config)
    return unpacked(json.loads(json.dumps(values)), arrays)


def test_a_configuration_comes_back(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    config = resolve(
        Config("a.jpg", ["b.jpg", "/c.jpg"], width=300, quality="draft", init="noise", style_scales=(1, 2))
    )
    config = config.on_device(precision="float32", memory="1GB")
    again = sent(config)
    assert again.content == os.path.abspath("a.jpg")
    assert again.styles == (os.path.abspath("b.jpg"), "/c.jpg")
    assert {**vars(again), "content": 0, "styles": 0} == {**vars(config), "content": 0, "styles": 0}
    assert again.decided == config.decided
    assert sent(again) == again


def test_paths_of_outputs_become_absolute_and_a_dash_stays(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    of_file = sent(resolve(Config("a.jpg", "b.jpg", output="o.png", workdir="w", init="./noise")))
    assert (of_file.output, of_file.workdir) == (str(tmp_path / "o.png"), str(tmp_path / "w"))
    assert of_file.init == str(tmp_path / "noise")
    assert sent(resolve(Config("a.jpg", "b.jpg", output="-"))).output == "-"


@pytest.mark.parametrize(
    "array",
    [
        np.arange(48, dtype=np.uint8).reshape(4, 4, 3),
        np.arange(48, dtype=np.uint16).reshape(4, 4, 3) * 1000,
        np.arange(16).reshape(4, 4) % 2 == 0,
        np.arange(48, dtype=np.float64).reshape(4, 4, 3),
        np.arange(48, dtype=np.float16).reshape(4, 4, 3),
    ],
    ids=lambda array: array.dtype.name,
)
def test_arrays(array):
    again = sent(resolve(Config(array, "b.jpg"))).content
    np.testing.assert_array_equal(read_image(again).rgb, read_image(array).rgb)


@pytest.mark.parametrize("mode", ["RGB", "L", "LA", "P", "RGBA", "1", "CMYK"])
def test_pil_images(mode):
    image = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).convert(mode)
    again = sent(resolve(Config(image, "b.jpg"))).content
    np.testing.assert_array_equal(read_image(again).rgb, read_image(image).rgb)


def test_pictures_from_standard_input():
    picture = EncodedPicture(b"abc", "standard input", "stdin")
    again = sent(resolve(Config(picture, ["b.jpg", picture]))).content
    assert (again, again.name, again.stem) == (picture, picture.name, picture.stem)


@pytest.mark.parametrize("mode", ["RGB", "YCbCr", "HSV", "RGBX"])
def test_pil_images_that_lie_on_their_side_or_have_other_modes(mode):
    image = Image.fromarray(np.arange(96, dtype=np.uint8).reshape(4, 8, 3)).convert(mode)
    image.getexif()[ExifTags.Base.Orientation] = 6
    again = sent(resolve(Config(image, "b.jpg"))).content
    np.testing.assert_array_equal(read_image(again).rgb, read_image(image).rgb)


@pytest.mark.parametrize(
    ("folder", "template"), [("100% a", "c_%04d.png"), ("{b}", "c_{:04}.png"), ("100% a", "c_{}.png")]
)
def test_placeholders_of_checkpoint_pictures_stay_the_only_ones(tmp_path, monkeypatch, folder, template):
    (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / folder)
    config = resolve(Config("a.jpg", "b.jpg", checkpoint_output=template, checkpoint_iterations=1))
    expected = os.path.abspath(config.checkpoint_path(7))
    assert sent(config).checkpoint_path(7) == sent(sent(config)).checkpoint_path(7) == expected


def test_options_of_another_version():
    values, arrays = packed(resolve(Config("a.jpg", "b.jpg")))
    with pytest.raises(
        CheckpointError, match=r"^expected a checkpoint with options of this version, got glitter; go on"
    ):
        unpacked({**values, "glitter": 3}, arrays)
