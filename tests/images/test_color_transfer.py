import numpy as np
import pytest
from PIL import Image

from neural_style.images.color_transfer import preserve_colors


def to_ycbcr(rgb):
    """BT.601, full range, as in JPEG."""
    matrix = [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
    return rgb.astype(np.float64) @ np.transpose(matrix) + [0, 128, 128]


def to_rgb(ycbcr):
    matrix = [[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]]
    return (ycbcr - [0, 128, 128]) @ np.transpose(matrix)


def flat(*color):
    return np.full((2, 3, 3), color, np.uint8)


@pytest.fixture
def pastels():
    """Two pictures whose mixtures stay within 0-255, whichever gives luma or chroma."""
    return np.random.default_rng(0).integers(100, 156, (2, 9, 13, 3)).astype(np.uint8)


def test_against_formula(pastels):
    stylized, content = pastels
    expected = to_ycbcr(content)
    expected[..., 0] = to_ycbcr(stylized)[..., 0]
    result = preserve_colors(stylized, content)
    assert result.dtype == np.uint8
    assert result.shape == (9, 13, 3)
    np.testing.assert_allclose(result, to_rgb(expected), atol=0.51)


def test_16_bits_are_those_of_8_bits_with_fractions(pastels):
    stylized, content = pastels
    result = preserve_colors(stylized * np.uint16(257), content * np.uint16(257))
    assert result.dtype == np.uint16
    np.testing.assert_array_equal(np.rint(result / 257), preserve_colors(stylized, content))
    assert len(np.unique(result % 257)) > 50
    black, gray = np.zeros((1, 1, 3), np.uint16), np.full((1, 1, 3), 1000, np.uint16)
    assert preserve_colors(gray, np.array([[[65535, 0, 0]]], np.uint16)).tolist() == [[[46940, 0, 0]]]  # 1000 - 19595
    assert preserve_colors(black, gray).tolist() == [[[0, 0, 0]]]


def test_of_pillow_it_differs_by_the_rounding_of_pillow(pastels):
    """Which rounds luma and chroma to 8 bits, and down."""
    luma, (_, blue, red) = (Image.fromarray(picture).convert("YCbCr").split() for picture in pastels)
    by_pillow = Image.merge("YCbCr", (luma[0], blue, red)).convert("RGB")
    difference = preserve_colors(*pastels).astype(int) - by_pillow
    assert -1 <= difference.min() < difference.max() <= 4


def test_a_large_picture_and_one_of_the_inputs_as_the_place_for_the_result():
    stylized, content = np.random.default_rng(0).integers(0, 256, (2, 3, 600_000, 3)).astype(np.uint8)  # bands of a row
    expected = [preserve_colors(*(picture[row : row + 1] for picture in (stylized, content))) for row in range(3)]
    assert preserve_colors(stylized, content, out=stylized) is stylized
    np.testing.assert_array_equal(stylized, np.concatenate(expected))


def test_luma_of_one_and_chroma_of_the_other(pastels):
    stylized, content = pastels
    result = to_ycbcr(preserve_colors(stylized, content))
    np.testing.assert_allclose(result[..., 0], to_ycbcr(stylized)[..., 0], atol=0.51)
    np.testing.assert_allclose(result[..., 1:], to_ycbcr(content)[..., 1:], atol=0.51)


def test_by_hand():
    """Red of luma 76 under white becomes a red so light that it is clipped; black takes all color away but a rest."""
    assert preserve_colors(flat(255, 255, 255), flat(128, 128, 128)).tolist() == flat(255, 255, 255).tolist()
    gray = preserve_colors(flat(255, 0, 0), flat(90, 90, 90))  # luma 0.299 · 255 = 76
    np.testing.assert_array_equal(gray, 76)
    light = preserve_colors(flat(255, 255, 255), flat(255, 0, 0))[0, 0]  # 255 - 76 more of each
    assert light.tolist() == [255, 179, 179]


def test_nothing_changes_where_both_are_the_same():
    picture = np.random.default_rng(0).integers(0, 256, (9, 13, 3)).astype(np.uint8)
    np.testing.assert_array_equal(preserve_colors(picture, picture), picture)


def test_inputs_are_left_alone(pastels):
    before = pastels.copy()
    pastels.flags.writeable = False
    preserve_colors(*pastels)
    np.testing.assert_array_equal(pastels, before)
