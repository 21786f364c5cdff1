"""Regions from masks and label images."""

import re

import numpy as np
import pytest
from PIL import Image

from neural_style.errors import ImageError, UsageError
from neural_style.images.regions import read_color_mask, read_gray_mask, read_regions

RED, BLUE, GREEN, BLACK, WHITE = (255, 0, 0), (0, 0, 255), (0, 160, 0), (0, 0, 0), (255, 255, 255)
SIZE = (60, 40)


def halves(*colors, size=SIZE):
    """A picture with an upright stripe of each color, uint8 (height, width, 3)."""
    width, height = size
    row = np.repeat(np.array(colors, np.uint8), width // len(colors), axis=0)
    return np.repeat(row[np.newaxis], height, axis=0)


def regions_of(content_masks, style_masks=None, styles=2, size=SIZE):
    return read_regions(content_masks, style_masks, size, [SIZE] * styles, 10**6)


def left_half():
    mask = np.zeros((40, 60), np.float32)
    mask[:, :30] = 1
    return mask


# --- gray masks -------------------------------------------------------------------------------------------------------


def test_one_gray_mask_per_style_gives_each_style_a_region():
    found = regions_of([halves(WHITE, BLACK), halves(BLACK, WHITE)])
    assert found.members == ((0,), (1,))
    assert found.styles == (None, None)
    masks = found.content.at(*SIZE)
    np.testing.assert_allclose(masks[..., 0], left_half(), atol=1e-3)
    np.testing.assert_allclose(masks[..., 1], 1 - left_half(), atol=1e-3)


def test_soft_masks_stay_soft():
    ramp = np.repeat(np.linspace(0, 255, 60).astype(np.uint8)[np.newaxis], 40, axis=0)
    masks = regions_of([ramp, 255 - ramp]).content.at(*SIZE)
    np.testing.assert_allclose(masks[..., 0], ramp / 255, atol=2e-3)
    np.testing.assert_allclose(masks.sum(-1), 1, atol=3e-3)


def test_style_masks_select_what_of_each_style_counts_in_its_region():
    masks = [halves(WHITE, BLACK), halves(BLACK, WHITE)]
    found = regions_of(masks, masks)
    np.testing.assert_allclose(found.styles[0].at(*SIZE)[..., 0], left_half(), atol=1e-3)
    np.testing.assert_allclose(found.styles[1].at(*SIZE)[..., 1], 1 - left_half(), atol=1e-3)
    assert found.styles[0].at(*SIZE)[..., 1].max() == 0


def test_style_masks_alone_count_everywhere_in_the_result():
    found = regions_of(None, [halves(WHITE, BLACK), halves(BLACK, WHITE)])
    assert found.members == ((0, 1),)
    assert found.content.at(*SIZE).min() == 1
    np.testing.assert_allclose(found.styles[1].at(*SIZE)[..., 0], 1 - left_half(), atol=1e-3)


def test_one_gray_mask_for_one_style():
    found = regions_of([halves(WHITE, BLACK)], styles=1)
    assert found.members == ((0,),)
    np.testing.assert_allclose(found.content.at(*SIZE)[..., 0], left_half(), atol=1e-3)


def test_a_mask_of_another_aspect_is_stretched_and_that_is_said(caplog):
    found = regions_of([halves(WHITE, BLACK, size=(40, 40)), halves(BLACK, WHITE)])
    assert found.content.at(*SIZE).shape == (40, 60, 2)
    assert [record.getMessage() for record in caplog.records] == [
        "content_masks an array: its 40×40 px are stretched to the proportions of its picture, 60×40"
    ]


def test_another_size_with_the_same_aspect_is_fine(caplog):
    masks = regions_of([halves(WHITE, BLACK, size=(300, 200)), halves(BLACK, WHITE, size=(30, 20))]).content.at(*SIZE)
    np.testing.assert_allclose(masks[:, :28, 0], 1, atol=1e-2)
    assert not caplog.records


def test_colors_in_gray_masks_are_refused():
    with pytest.raises(UsageError, match="content_masks an array: expected a gray mask, got one with colors"):
        regions_of([halves(RED, BLACK), halves(BLACK, WHITE)])


def test_a_black_mask_is_refused(tmp_path):
    path = tmp_path / "night.png"
    Image.new("L", SIZE).save(path)
    with pytest.raises(ImageError, match=r"content_masks night\.png: expected a mask with some white"):
        regions_of([path, halves(BLACK, WHITE)])
    with pytest.raises(ImageError, match=r"content_mask night\.png: expected a mask with some white"):
        read_gray_mask("content_mask", path, SIZE, 10**6)


def test_the_mask_of_the_content():
    found = read_gray_mask("content_mask", halves(WHITE, BLACK), SIZE, 10**6)
    np.testing.assert_allclose(found.at(*SIZE)[..., 0], left_half(), atol=1e-3)
    with pytest.raises(UsageError, match="content_mask an array: expected a gray mask, got one with colors"):
        read_gray_mask("content_mask", halves(RED, BLUE), SIZE, 10**6)


# --- label images -----------------------------------------------------------------------------------------------------


def test_equal_colors_pair_regions_of_content_and_styles():
    found = regions_of([halves(RED, BLUE, GREEN)], [halves(BLUE, RED), halves(GREEN, RED)])
    of_members = {}
    masks = found.content.at(*SIZE)
    for region, members in enumerate(found.members):
        column = int(np.argmax(masks[20, 10::20, region]))
        of_members[column] = members
        for style in members:
            assert found.styles[style].at(*SIZE)[..., region].max() == 1
    assert of_members == {0: (0, 1), 1: (0,), 2: (1,)}


def test_colors_that_changed_a_little_still_pair():
    found = regions_of([halves((240, 10, 20), (10, 5, 240))], [halves(RED, BLUE)], styles=1)
    assert len(found.members) == 2


def test_black_of_the_content_has_no_style():
    found = regions_of([halves(RED, BLACK)], [halves(RED, RED)], styles=1)
    assert found.members == ((0,),)
    assert found.content.at(*SIZE)[:, 40:].max() == 0


def test_black_stands_for_none_on_both_sides():
    found = regions_of([halves(RED, BLACK)], [halves(BLACK, RED)], styles=1)
    assert found.members == ((0,),)
    assert found.content.at(*SIZE)[:, 32:].max() == 0
    assert found.styles[0].at(*SIZE)[:, :28].max() == 0


def test_black_label_images_are_refused():
    with pytest.raises(UsageError, match="paint black only what shall stay"):
        regions_of([halves(BLACK, BLACK)], [halves(RED, RED), halves(RED, RED)])


def test_the_mask_of_colors():
    np.testing.assert_array_equal(read_color_mask(halves(WHITE, BLACK), SIZE, 10**6), left_half() * 255)
    assert read_color_mask(None, SIZE, 10**6) is None


def test_a_color_of_the_content_without_a_partner_is_named():
    expected = (
        "content_masks an array: expected colors that style_masks have as well (#ff0000), got #0000ff without a "
        "partner; paint black only what shall stay as in the photo"
    )
    with pytest.raises(UsageError, match=re.escape(expected)):
        regions_of([halves(RED, BLUE)], [halves(RED, RED)], styles=1)


def test_a_color_of_a_style_without_a_partner_is_named():
    with pytest.raises(UsageError, match=r"style_masks an array: expected colors .* got #0000ff "):
        regions_of([halves(RED, GREEN)], [halves(RED, GREEN, BLUE)], styles=1)


def test_a_style_without_a_region_is_refused():
    with pytest.raises(UsageError, match="style_masks an array: expected colors that content_masks have"):
        regions_of([halves(RED, GREEN)], [halves(RED, GREEN), halves(BLACK, BLACK)])


def test_a_label_image_needs_those_of_the_styles():
    with pytest.raises(UsageError, match="expected --style_masks beside a label image, one for each style"):
        regions_of([halves(RED, GREEN)], styles=1)


def test_gray_labels_pair_for_several_styles():
    gray = (128, 128, 128)
    found = regions_of([halves(BLACK, gray, WHITE)], [halves(gray, WHITE), halves(BLACK, WHITE)])
    assert sorted(found.members) == [(0,), (0, 1)]


def test_what_masks_hold_is_counted():
    found = regions_of([halves(WHITE, BLACK), halves(BLACK, WHITE)])
    assert found.content.nbytes == 2 * 2 * 60 * 40
    labels = regions_of([halves(RED, GREEN)], [halves(RED, GREEN)], styles=1)
    assert labels.content.nbytes == 60 * 40
