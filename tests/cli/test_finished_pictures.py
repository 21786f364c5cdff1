"""The commands `recolor` and `blend`, which share all but what they do."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import new_files, tree
from PIL import Image
from small_runs import smooth

import neural_style
from neural_style.cli import main as cli
from neural_style.images.color_transfer import preserve_colors
from neural_style.images.reading import read_image, read_settings
from neural_style.images.writing import write_image

PHOTO, PAINTED = smooth(64, 48, 1), smooth(64, 48, 2)
RECOLOR = ["recolor", "painted.png", "--content=photo.png", "--color=match"]
BLEND = ["blend", "painted.png", "--content", "photo.png", "--amount", "0.25"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(PHOTO).save("photo.png")
    write_image("painted.png", PAINTED, settings={"styles": ["a.jpg"], "bit_depth": 8}, overwrite=False)
    Image.fromarray(PHOTO[:, :40]).save("other.png")
    mask = np.zeros((24, 32), np.uint8)
    mask[:, 16:] = 255
    Image.fromarray(mask).save("mask.png")
    Image.new("L", (64, 48)).save("black.png")
    return tmp_path


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_blend_is_the_arithmetic_of_opacity(folder, capsys):
    assert cli.main(BLEND) == 0
    assert capsys.readouterr().out == "wrote painted-blended.png (64×48 px)\n"
    np.testing.assert_array_equal(pixels("painted-blended.png"), np.rint(0.25 * PAINTED + 0.75 * PHOTO))


@pytest.mark.parametrize("color", ["luminance", "match", "histogram"])
@pytest.mark.parametrize("space", ["ycbcr", "lab"])
def test_recolor_gives_the_photos_colors(folder, color, space):
    assert cli.main([*RECOLOR[:3], "--color", color, "--color-space", space]) == 0
    found = pixels("painted-recolored.png").astype(float)
    difference = np.abs(found.mean(axis=(0, 1)) - PHOTO.mean(axis=(0, 1)))
    before = np.abs(PAINTED.mean(axis=(0, 1)) - PHOTO.mean(axis=(0, 1)))
    assert difference.sum() < 0.8 * before.sum()
    if (color, space) == ("luminance", "ycbcr"):
        expected = preserve_colors(PAINTED, PHOTO)
        inside = ((expected > 0) & (expected < 255)).all(axis=-1)
        np.testing.assert_allclose(found[inside], expected[inside], atol=1)


def test_names_are_numbered_and_metadata_kept(folder):
    before = tree(folder)
    for _ in range(2):
        assert cli.main(RECOLOR) == 0
    assert new_files(folder, before) == {"painted-recolored.png", "painted-recolored-2.png"}
    settings = read_settings("painted-recolored-2.png")
    assert settings["styles"] == ["a.jpg"]
    assert settings["recolored"] == {
        **{"content": "photo.png", "color": "match"},
        **{"color_space": "ycbcr", "color_transfer": "symmetric"},
    }
    assert cli.main([*BLEND, "--output=b.jpg"]) == 0
    assert cli.main([*BLEND, "--output=b.jpg"]) == 2
    assert cli.main([*BLEND, "--output=b.jpg", "--overwrite"]) == 0
    assert read_settings("b.jpg")["blended"] == {"content": "photo.png", "amount": 0.25}


def test_the_mask_confines_recolor(folder):
    assert cli.main([*RECOLOR, "--color_mask=mask.png"]) == 0
    found = pixels("painted-recolored.png")
    np.testing.assert_array_equal(found[:, :30], PAINTED[:, :30])
    assert (found[:, 34:] != PAINTED[:, 34:]).mean() > 0.7


def test_alpha_and_16_bits_are_kept(folder):
    deep = np.dstack([PAINTED, np.full(PAINTED.shape[:2], 255, np.uint8)]).astype(np.uint16) * 257
    deep[:24, :, 3] = 9000
    deep[:, 0, 3] = 0
    write_image("deep.png", deep, settings={"bit_depth": 16}, overwrite=False)
    Image.fromarray(PHOTO).resize((128, 96)).save("large.png")
    sources = ["deep.png", "--content=large.png"]
    for command in (["recolor", *sources, "--color=histogram"], ["blend", *sources, "--amount=1"]):
        assert cli.main([*command, f"--output={command[0]}.png"]) == 0
        found = read_image(f"{command[0]}.png")
        np.testing.assert_allclose(found.alpha, deep[..., 3] / 65535, atol=1e-4)
        assert read_settings(f"{command[0]}.png")["bit_depth"] == 16
        assert (found.rgb[1:, 1:] != np.rint(found.rgb[1:, 1:])).any() == (command[0] == "recolor")
    assert cli.main(["blend", "deep.png", "--content=large.png", "--amount=1", "--output=x.jpg"]) == 0
    assert cli.main(["blend", "deep.png", "--content=large.png", "--amount=1", "--bit-depth=16", "--output=y.jpg"]) == 2


def test_orientation_is_applied_to_the_photo(folder):
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(np.rot90(PHOTO)).save("turned.png", exif=exif)
    assert cli.main([*BLEND[:2], "--content=turned.png", "--amount=0"]) == 0
    np.testing.assert_array_equal(pixels("painted-blended.png"), PHOTO)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["recolor"], "expected a finished picture first, got nothing; write recolor painted.png --content photo.jpg"),
        (["blend", "--amount=1"], "expected a finished picture first, got '--amount=1'"),
        (RECOLOR[:3], "recolor: expected --color, got none"),
        (BLEND[:4], "blend: expected --amount, got none"),
        ([*RECOLOR[:2], "--color=match"], "recolor: expected --content, got none"),
        ([*RECOLOR[:3], "--color=none"], "--color: expected luminance or match or histogram, got 'none'"),
        ([*RECOLOR, "--colour_space=lab"], "unknown flag --colour_space; did you mean --color_space?"),
        ([*RECOLOR, "--width=64"], "recolor: unknown flag --width"),
        ([*RECOLOR, "--color_space=hsv"], "--color_space: expected ycbcr or lab or yuv or luv, got 'hsv'"),
        ([*RECOLOR, "--color_space"], "--color_space: expected a value, got nothing"),
        ([*RECOLOR, "--color=luminance", "--color-transfer=pca"], "--color_transfer: expected color match beside it"),
        ([*BLEND[:4], "--amount=1.5"], "--amount: expected a number 0 to 1, got 1.5"),
        ([*BLEND[:4], "--amount=much"], "--amount: expected a number, got 'much'"),
        ([*BLEND, "--overwrite=maybe"], "--overwrite: expected true or false, got 'maybe'"),
        ([*BLEND, "--bit_depth=12"], "--bit_depth: expected 8 or 16, got 12"),
        (
            [*RECOLOR[:2], "--content=other.png", "--color=match"],
            "expected the shape of 'painted.png'",
        ),
        ([*RECOLOR, "--output=photo.png", "--overwrite"], "'photo.png' is one of the files to work from"),
        ([*BLEND, "--output=painted.png", "--overwrite"], "'painted.png' is one of the files to work from"),
        ([*RECOLOR, "--color_mask=mask.png", "--output=mask.png", "--overwrite"], "'mask.png' is one of the files"),
        ([*RECOLOR, "--color_mask=black.png"], "black everywhere"),
        ([*RECOLOR, "--color_mask=no.png"], "color_mask 'no.png' does not exist"),
        (["blend", "no.png", *BLEND[2:]], "finished picture 'no.png' does not exist"),
        ([*RECOLOR, "--output=x.gif"], "expected a name that ends in one of"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_input_is_one_line(folder, capsys, arguments, expected):
    before = tree(folder)
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert expected in error
    assert tree(folder) == before


def test_tensorflow_is_not_imported(folder):
    program = "import sys; from neural_style.cli.main import main; main(sys.argv[1:]); print('keras' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(neural_style.__file__).parents[1])}
    for command in (RECOLOR, BLEND):
        full = [sys.executable, "-c", program, *command]
        done = subprocess.run(full, capture_output=True, text=True, check=True, env=environment)
        assert done.stdout.endswith("False\n")
    assert Path("painted-blended.png").exists()
