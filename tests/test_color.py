import numpy as np
import pytest

from neural_style.color import preserve_colors


def to_ycbcr(rgb):
    """BT.601, full range, as in JPEG."""
    matrix = [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
    return rgb.astype(np.float64) @ np.transpose(matrix) + [0, 128, 128]


def to_rgb(ycbcr):
    matrix = [[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]]
    return (ycbcr - [0, 128, 128]) @ np.transpose(matrix)


def flat(*colour):
    return np.full((2, 3, 3), colour, np.uint8)


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
    np.testing.assert_allclose(result, to_rgb(expected), atol=4)  # Pillow rounds down, twice


def test_luma_of_one_and_chroma_of_the_other(pastels):
    stylized, content = pastels
    result = to_ycbcr(preserve_colors(stylized, content))
    np.testing.assert_allclose(result[..., 0], to_ycbcr(stylized)[..., 0], atol=2.5)
    np.testing.assert_allclose(result[..., 1:], to_ycbcr(content)[..., 1:], atol=2.5)


def test_by_hand():
    """Red of luma 76 under white becomes a red so light that it is clipped; black takes all colour away but a rest."""
    assert preserve_colors(flat(255, 255, 255), flat(128, 128, 128)).tolist() == flat(255, 255, 255).tolist()
    grey = preserve_colors(flat(255, 0, 0), flat(90, 90, 90))  # luma 0.299 · 255 = 76
    np.testing.assert_array_equal(grey, 76)
    light = preserve_colors(flat(255, 255, 255), flat(255, 0, 0))[0, 0]  # 255 + 1.402 · 127, 255 - 0.344 · (85 - 128) …
    np.testing.assert_allclose(light, [255, 179, 179], atol=2)


def test_nothing_changes_where_both_are_the_same():
    picture = np.random.default_rng(0).integers(0, 256, (9, 13, 3)).astype(np.uint8)
    np.testing.assert_allclose(preserve_colors(picture, picture).astype(int), picture, atol=4)


def test_inputs_are_left_alone(pastels):
    before = pastels.copy()
    pastels.flags.writeable = False
    preserve_colors(*pastels)
    np.testing.assert_array_equal(pastels, before)
