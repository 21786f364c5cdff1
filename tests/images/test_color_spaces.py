import numpy as np
import pytest

from neural_style.images.color_spaces import COLOR_SPACES

RED, WHITE, GRAY = ([255, 0, 0], [255, 255, 255], [119, 119, 119])

KNOWN = {
    # Y = 0.299 · 255; Cb = 128 - 0.168736 · 255; Cr = 128 + 0.5 · 255
    ("ycbcr", "red"): (RED, [76.245, 84.972, 255.5]),
    ("ycbcr", "white"): (WHITE, [255, 128, 128]),
    # U = -0.147141 · 255; V = 0.615 · 255
    ("yuv", "red"): (RED, [76.245, -37.521, 156.825]),
    # as published for sRGB under D65
    ("lab", "red"): (RED, [53.24, 80.09, 67.20]),
    ("lab", "white"): (WHITE, [100, 0, 0]),
    ("lab", "gray"): (GRAY, [50.03, 0, 0]),
    ("luv", "red"): (RED, [53.24, 175.01, 37.76]),
    ("luv", "gray"): (GRAY, [50.03, 0, 0]),
    ("luv", "black"): ([0, 0, 0], [0, 0, 0]),
}


@pytest.mark.parametrize("name", KNOWN, ids="-".join)
def test_known_colors(name):
    rgb, expected = KNOWN[name]
    found = COLOR_SPACES[name[0]].of_srgb(np.array([[rgb]], np.float32))[0, 0]
    np.testing.assert_allclose(found, expected, atol=0.02)


@pytest.mark.parametrize("space", COLOR_SPACES.values(), ids=COLOR_SPACES)
def test_a_color_comes_back(space):
    corners = np.array(list(np.ndindex(2, 2, 2)), np.float32) * 255
    colors = np.concatenate([corners, np.random.default_rng(0).uniform(0, 255, (2000, 3)).astype(np.float32)])
    values = space.of_srgb(colors)
    assert values.dtype == np.float32
    np.testing.assert_allclose(space.to_srgb(values), colors, atol=0.05)
    assert (values >= np.array(space.low) - 0.01).all()
    assert (values <= np.array(space.high) + 0.01).all()


@pytest.mark.parametrize("space", COLOR_SPACES.values(), ids=COLOR_SPACES)
def test_grays_have_no_color_and_stay_gray(space):
    grays = np.repeat(np.linspace(0, 255, 52, dtype=np.float32)[:, np.newaxis], 3, axis=1)
    values = space.of_srgb(grays)
    np.testing.assert_allclose(values[:, 1:], space.gray, atol=1e-3)
    np.testing.assert_allclose(values[[0, -1], 0], [0, space.white], atol=1e-3)
    np.testing.assert_allclose(space.to_srgb(values), grays, atol=1e-3)


@pytest.mark.parametrize("space", COLOR_SPACES.values(), ids=COLOR_SPACES)
def test_a_color_that_srgb_lacks_keeps_about_its_lightness_and_its_hue(space):
    blue = space.of_srgb(np.array([0, 0, 255], np.float32))
    for lightness in (0, 0.02, 0.5, 0.98, 1):
        values = np.array([lightness * space.white, *blue[1:]], np.float32)
        rgb = space.to_srgb(values)
        assert ((rgb >= 0) & (rgb <= 255)).all()
        assert abs(space.of_srgb(rgb)[0] / space.white - lightness) < 0.06
        assert rgb[2] >= max(rgb[:2])


@pytest.mark.parametrize("name", ["lab", "luv", "yuv"])
def test_scikit_image_gives_the_same(name):
    color = pytest.importorskip("skimage.color")
    rgb = np.random.default_rng(1).uniform(0, 255, (40, 50, 3)).astype(np.float32)
    expected = getattr(color, f"rgb2{name}")(rgb / 255) * (255 if name == "yuv" else 1)
    np.testing.assert_allclose(COLOR_SPACES[name].of_srgb(rgb), expected, atol=0.02)
