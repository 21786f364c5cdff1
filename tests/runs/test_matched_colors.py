import dataclasses

import numpy as np
import pytest
from PIL import Image
from printer_profiles import inks_of, printer_profile
from small_runs import small_config, smooth

from neural_style import render
from neural_style.compute.cost_model import CostModel
from neural_style.config.resolve import resolve
from neural_style.images.color_spaces import COLOR_SPACES
from neural_style.runs.inputs import at_scale, read_inputs
from neural_style.runs.stylizer import Stylizer

PHOTO, STYLE, OTHER = smooth(64, 48, 1), smooth(60, 60, 2), smooth(50, 70, 3)
KINDS = ("luminance", "match", "histogram")


@pytest.fixture
def printer(tmp_path):
    path = tmp_path / "printer.icc"
    path.write_bytes(printer_profile())
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_gives_what_pictures_in_memory_give(kind, tmp_path):
    Image.fromarray(STYLE).save(tmp_path / "style.png")
    alone = read_inputs(small_config(PHOTO, [STYLE], color=kind, color_space="lab"))
    folder = read_inputs(small_config(PHOTO, [tmp_path], color=kind, color_space="lab"))
    for size in ((64, 48), (40, 30)):
        (one,), (other,) = (at_scale(inputs, *size).styles for inputs in (alone, folder))
        np.testing.assert_array_equal(one.rgb, other.rgb)


@pytest.mark.parametrize("kind", KINDS)
def test_the_pictures_of_a_folder_have_one_map(kind, tmp_path):
    """So a color that is in several of them becomes the same in each."""
    for index, each in enumerate((STYLE, OTHER)):
        marked = each.copy()
        marked[:20, :20] = (200, 90, 40)
        Image.fromarray(marked).save(tmp_path / f"{index}.png")
    inputs = read_inputs(small_config(PHOTO, [tmp_path], color=kind))
    one, other = (picture.rgb for picture in inputs.originals.styles)
    np.testing.assert_allclose(one[5, 5], other[5, 5], atol=1e-3)
    assert np.abs(one[5, 5] - (200, 90, 40)).max() > 3


def test_match_moves_the_mean_of_each_style_to_the_content():
    inputs = read_inputs(small_config(PHOTO, [STYLE, OTHER], color="match", init="style"))
    for style in inputs.styles:
        assert np.abs(style.rgb.mean(axis=(0, 1)) - PHOTO.mean(axis=(0, 1))).max() < 12
    np.testing.assert_array_equal(inputs.originals.initial.rgb, inputs.originals.styles[0].rgb)
    np.testing.assert_array_equal(inputs.content.rgb, PHOTO)


def test_a_mask_leaves_the_styles_as_they_are():
    mask = np.full((48, 64), 255, np.uint8)
    inputs = read_inputs(small_config(PHOTO, [STYLE], color="match", color_mask=mask))
    np.testing.assert_array_equal(inputs.originals.styles[0].rgb, STYLE)
    np.testing.assert_array_equal(inputs.color_mask, mask)


@pytest.mark.parametrize("space", ["ycbcr", "lab"])
def test_luminance_gives_the_content_its_color_back(space):
    found = render(small_config(PHOTO, [STYLE], color="luminance", color_space=space, optimizer="lbfgs", iterations=8))
    of_found, of_photo = (COLOR_SPACES[space].of_srgb(each.astype(np.float32)) for each in (found, PHOTO))
    assert np.abs(of_found[..., 1:] - of_photo[..., 1:]).mean() < 0.02 * COLOR_SPACES[space].white
    assert np.abs(of_found[..., 0] - of_photo[..., 0]).mean() > 0.005 * COLOR_SPACES[space].white


@pytest.mark.parametrize("kind", ["luminance", "match", "histogram", "preserve"])
def test_a_gray_photo_stays_gray(kind):
    gray = np.repeat(PHOTO[..., :1], 3, axis=-1)
    changes = {"preserve_colors": True} if kind == "preserve" else {"color": kind}
    found = render(small_config(gray, [STYLE], **changes)).astype(int)
    assert np.ptp(found, axis=-1).max() <= 1


@pytest.mark.parametrize("changes", [{"color": "luminance"}, {"color": "match"}, {"preserve_colors": True}], ids=str)
@pytest.mark.parametrize("depth", [8, 16])
def test_the_mask_confines_the_colors(changes, depth):
    mask = np.zeros((24, 32), np.uint8)
    mask[:, 16:] = 255
    config = small_config(PHOTO, [STYLE], bit_depth=depth)
    plain, found = render(config), render(dataclasses.replace(config, color_mask=mask, **changes))
    np.testing.assert_array_equal(found[:, :31], plain[:, :31])
    assert (found[:, 33:] != plain[:, 33:]).mean() > 0.7


def test_a_continued_run_gives_the_same_bits():
    config = small_config(PHOTO, [STYLE], color="luminance", color_space="luv")
    stylizer = Stylizer.of(config)
    session = stylizer.session(config)
    session.step()
    session.step()
    again = stylizer.restore(session.state())
    for each in (session, again):
        for _ in each:
            pass
    np.testing.assert_array_equal(session.result().image, again.result().image)


@pytest.mark.parametrize("tile_size", [None, 64])
def test_a_proofed_run_has_only_printable_colors(printer, tile_size):
    vivid = (smooth(80, 80, 4) > 127).astype(np.uint8) * 255
    config = small_config(smooth(100, 76, 5), [vivid], iterations=6, tile_size=tile_size)
    plain, found = render(config), render(dataclasses.replace(config, proof=printer))
    assert inks_of(plain).min() < -0.05
    assert inks_of(found).min() > -0.02
    assert inks_of(found).max() < 1.02


def test_the_printed_loss_falls(printer):
    config = small_config(PHOTO, [STYLE], proof=printer, optimizer="lbfgs", iterations=8)
    with Stylizer.of(config).session(config) as session:
        losses = [step.losses["total"] for step in session]
    assert losses[-1] < 0.7 * losses[0]
    assert np.isfinite(losses).all()


def test_the_memory_of_what_is_kept_is_planned(printer):
    def model(**changes):
        return CostModel(resolve(small_config(PHOTO, [STYLE], **changes)), "float32", [1.0])

    assert model().photo_bytes(100, 10) == 0
    assert model(color="match").photo_bytes(100, 10) == 3000  # for a gray photo
    assert model(color="luminance").photo_bytes(100, 10) == 3000
    assert model(color="match", color_mask=PHOTO, bit_depth=16).photo_bytes(100, 10) == 7000
    with Stylizer.of(small_config(PHOTO, [STYLE])).session(small_config(PHOTO, [STYLE])) as plain:
        pass
    config = small_config(PHOTO, [STYLE], proof=printer)
    with Stylizer.of(config).session(config) as session:
        assert session.plans[-1].peak > plain.plans[-1].peak
