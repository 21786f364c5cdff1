import numpy as np
import pytest
from PIL import Image

from neural_style.config.config import Config
from neural_style.errors import ImageError, UsageError
from neural_style.images.picture import resize
from neural_style.images.reading import read_image
from neural_style.runs.inputs import at_scale, read_inputs


def picture(width, height, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels)).astype(np.uint8)


def sizes(*pictures):
    return [(picture.width, picture.height) for picture in pictures]


def test_content_at_its_own_size_untouched():
    content = picture(50, 40)
    inputs = read_inputs(Config(content, [picture(64, 64)]))
    np.testing.assert_array_equal(inputs.content.rgb, content)
    assert inputs.content.rgb.dtype == np.float32
    assert inputs.content.alpha is None
    assert inputs.initial is None


@pytest.mark.parametrize(("width", "size"), [(100, (100, 80)), (41, (41, 33)), (50, (50, 40)), (40, (40, 32))])
def test_width_keeps_the_aspect_of_the_content(width, size):
    inputs = read_inputs(Config(picture(50, 40), [picture(64, 64)], width=width))
    assert sizes(inputs.content) == [size]


def test_styles_are_as_wide_as_the_result_with_their_own_aspect():
    styles = [picture(100, 50), picture(64, 96), picture(80, 80)]
    assert sizes(*read_inputs(Config(picture(80, 40), styles)).styles) == [(80, 40), (80, 120), (80, 80)]
    assert sizes(*read_inputs(Config(picture(80, 40), styles, width=64)).styles) == [(64, 32), (64, 96), (64, 64)]


def test_style_scales():
    styles = [picture(100, 50), picture(64, 96), picture(80, 80)]
    config = Config(picture(64, 48), styles, width=80, style_scales=(1.5, 0.5, 1))
    assert sizes(*read_inputs(config).styles) == [(120, 60), (40, 60), (80, 80)]


def test_style_fits():
    """Of a portrait photo: landscape, portrait and square styles."""
    styles = [picture(100, 50), picture(50, 100), picture(64, 64)]
    for fit, expected in (
        ("width", [(64, 32), (64, 128), (64, 64)]),
        ("longest", [(96, 48), (48, 96), (96, 96)]),
        ("stretch", [(64, 96)] * 3),
    ):
        assert sizes(*read_inputs(Config(picture(64, 96), styles, style_fit=fit)).styles) == expected
    inputs = read_inputs(Config(picture(64, 96), styles[:2], style_fit="longest", style_scales=(2, 1.5)))
    assert sizes(*inputs.styles) == [(192, 96), (72, 144)]
    np.testing.assert_array_equal(inputs.styles[0].rgb, resize(read_image(styles[0]), 192, 96).rgb)


def test_style_areas_are_those_of_the_sizes():
    config = Config(picture(60, 90), [picture(100, 80), picture(50, 100)], style_fit="longest", style_scales=(1, 2))
    assert read_inputs(config).style_areas == pytest.approx([90 * 72 / 5400, 90 * 180 / 5400])


def test_styles_come_in_their_order():
    styles = [picture(40, 40, seed=seed) for seed in range(3)]
    for read, style in zip(read_inputs(Config(picture(40, 40), styles)).styles, styles, strict=True):
        np.testing.assert_array_equal(read.rgb, style)


def test_scaling_is_that_of_images():
    content, style = picture(50, 40), picture(64, 64, seed=1)
    inputs = read_inputs(Config(content, [style], width=60))
    np.testing.assert_array_equal(inputs.content.rgb, resize(read_image(content), 60, 48).rgb)
    np.testing.assert_array_equal(inputs.styles[0].rgb, resize(read_image(style), 60, 60).rgb)


def test_initial_takes_the_size_of_the_result_whatever_its_aspect():
    initial = picture(33, 90, seed=1)
    inputs = read_inputs(Config(picture(50, 40), [picture(64, 64)], width=100, initial=initial))
    np.testing.assert_array_equal(inputs.initial.rgb, resize(read_image(initial), 100, 80).rgb)


def test_alpha_of_the_content_is_kept_and_scaled():
    content = picture(50, 40, channels=4)
    content[:20, :, 3], content[20:, :, 3] = 255, 51
    inputs = read_inputs(Config(content, [picture(64, 64)], width=100))
    assert inputs.content.alpha.shape == (80, 100)
    np.testing.assert_allclose(inputs.content.alpha[[10, 70], 50], [1, 0.2], atol=0.01)


def test_smallest_size_is_32():
    inputs = read_inputs(Config(picture(40, 32), [picture(32, 40)], width=40))
    assert sizes(inputs.content, *inputs.styles) == [(40, 32), (40, 50)]


@pytest.mark.parametrize(
    ("content", "style", "settings", "said"),
    [
        ((31, 40), (64, 64), {}, "content picture an array: expected at least 32 px a side, got 31×40;"),
        ((40, 31), (64, 64), {}, "content picture an array: expected at least 32 px a side, got 40×31;"),
        ((80, 40), (64, 64), {"width": 62}, "got 62×31 (scaled from 80×40)"),
        ((40, 40), (90, 70), {}, "style picture an array: expected at least 32 px a side, got 40×31 (scaled from"),
        ((64, 64), (64, 64), {"style_scales": (0.4,)}, "got 26×26 (scaled from 64×64)"),
        ((64, 64), (64, 64), {"style_scales": (0.001,)}, "(scaled from 64×64)"),
    ],
)
def test_too_small(content, style, settings, said):
    with pytest.raises(ImageError) as caught:
        read_inputs(Config(picture(*content), [picture(*style)], **settings))
    assert said in str(caught.value)
    assert "; use a larger picture" in str(caught.value)


@pytest.mark.parametrize("role", ["content", "style", "initial"])
def test_a_tiny_picture_is_refused_though_it_would_be_scaled_up(role):
    sources = {"content": picture(64, 64), "styles": picture(64, 64)} | {role + "s" * (role == "style"): picture(1, 1)}
    with pytest.raises(
        ImageError, match=f"^{role} picture an array: expected at least 32 px a side, got 1×1; use a la"
    ):
        read_inputs(Config(**sources, width=512))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"width": 10**6}, "content picture an array: expected at most 250000000 pixels, got 1000000×750000 (scaled"),
        ({"style_scales": (1e6,)}, "style picture an array: expected at most 250000000 pixels"),
        ({"style_scales": (1e38,)}, "style picture an array: expected at most 250000000 pixels"),
    ],
    ids=str,
)
def test_too_large(settings, said):
    with pytest.raises(ImageError) as caught:
        read_inputs(Config(picture(64, 48), [picture(64, 64)], **settings))
    assert str(caught.value).startswith(said)
    assert str(caught.value).endswith("; lower --width or --style_scales, or raise --max_pixels")


@pytest.mark.parametrize("role", ["content", "styles", "initial"])
def test_max_pixels_holds_for_every_picture_that_is_read(role):
    sources = {"content": picture(40, 40), "styles": picture(40, 40), "initial": picture(40, 40)}
    sources[role] = picture(50, 41)
    read_inputs(Config(**sources, width=40, max_pixels=2050))
    said = rf"^{role.removesuffix('s')} picture \(an array\): expected at most 2049 pixels, got 50×41; .* --max_pixels$"
    with pytest.raises(ImageError, match=said):
        read_inputs(Config(**sources, width=40, max_pixels=2049))


def test_max_pixels_holds_for_the_result_and_for_enlarged_styles():
    small = {"content": picture(40, 40), "styles": [picture(40, 40)]}
    read_inputs(Config(**small, width=50, max_pixels=2500))
    with pytest.raises(ImageError, match=r"^content picture .* 2499 pixels, got 50×50 \(scaled .* --max_pixels$"):
        read_inputs(Config(**small, width=50, max_pixels=2499))
    read_inputs(Config(**small, style_scales=[1.25], max_pixels=2500))
    with pytest.raises(ImageError, match=r"^style picture .* 2499 pixels, got 50×50 \(scaled .* --max_pixels$"):
        read_inputs(Config(**small, style_scales=[1.25], max_pixels=2499))


@pytest.mark.parametrize("role", ["content", "style", "initial"])
def test_messages_name_role_and_file(tmp_path, role):
    path = tmp_path / "broken.png"
    path.write_text("no picture")
    sources = {"content": picture(40, 40), "styles": [picture(40, 40)]}
    sources |= {"styles": [picture(40, 40), path]} if role == "style" else {role: path}
    with pytest.raises(ImageError, match=rf"^{role} picture .*broken\.png"):
        read_inputs(Config(**sources))


def test_paths_images_and_arrays_are_all_the_same(tmp_path):
    content, style, initial = picture(50, 40), picture(64, 64, seed=1), picture(36, 36, seed=2)
    paths = []
    for name, pixels in (("content", content), ("style", style), ("initial", initial)):
        paths.append(tmp_path / f"{name}.png")
        Image.fromarray(pixels).save(paths[-1])
    ways = [
        (content, style, initial),
        tuple(paths),
        tuple(map(str, paths)),
        tuple(Image.fromarray(pixels) for pixels in (content, style, initial)),
        tuple(pixels.astype(np.float64) for pixels in (content, style, initial)),
    ]
    first, *others = (read_inputs(Config(c, [s], width=45, initial=i)) for c, s, i in ways)
    for other in others:
        np.testing.assert_array_equal(other.content.rgb, first.content.rgb)
        np.testing.assert_array_equal(other.styles[0].rgb, first.styles[0].rgb)
        np.testing.assert_array_equal(other.initial.rgb, first.initial.rgb)


# --- smaller ----------------------------------------------------------------------------------------------------------


def test_at_scale_everything_shrinks():
    styles = [picture(100, 50), picture(128, 128, seed=1)]
    inputs = read_inputs(
        Config(picture(200, 160), styles, style_scales=(1.5, 1), initial=picture(90, 90, seed=2), width=200)
    )
    assert sizes(*inputs.styles) == [(300, 150), (200, 200)]
    half = at_scale(inputs, 100, 80)
    assert sizes(half.content, half.initial, *half.styles) == [(100, 80), (100, 80), (150, 75), (100, 100)]


@pytest.mark.parametrize("fit", ["width", "longest", "stretch"])
@pytest.mark.parametrize("scale", [1, 0.9, 1.3])
@pytest.mark.parametrize("style", [picture(100, 70, seed=1), picture(70, 100, seed=1)], ids=["landscape", "portrait"])
def test_at_scale_pictures_are_those_of_a_run_at_that_size(scale, fit, style):
    """To the bit, whatever the size of the result: so a large one can begin as a small one is."""
    photo, initial = picture(90, 60), picture(80, 80, seed=2)

    def read(width):
        return read_inputs(Config(photo, [style], initial=initial, width=width, style_scales=(scale,), style_fit=fit))

    small = read(60)
    for width in (90, 120, 240):
        again = at_scale(read(width), 60, 40)
        for ours, theirs in (
            (again.content, small.content),
            (again.styles[0], small.styles[0]),
            (again.initial, small.initial),
        ):
            np.testing.assert_array_equal(ours.rgb, theirs.rgb)


@pytest.mark.parametrize("size", [(100, 80), (50, 40)])
def test_at_scale_gives_up_what_was_read(size):
    assert at_scale(read_inputs(Config(picture(100, 80), [picture(64, 64)])), *size).originals is None


def test_at_scale_without_an_initial_picture():
    inputs = read_inputs(Config(picture(100, 80), [picture(64, 64)]))
    assert at_scale(inputs, 50, 40).initial is None


def test_at_its_own_scale_nothing_changes():
    inputs = read_inputs(Config(picture(101, 83), [picture(64, 90)], style_scales=(0.7,), initial=picture(64, 64)))
    same = at_scale(inputs, 101, 83)
    assert same.content is inputs.content
    assert same.initial is inputs.initial
    assert [ours is style for ours, style in zip(same.styles, inputs.styles, strict=True)] == [True]


@pytest.mark.parametrize(
    ("style", "scale", "expected"),
    [
        ((100, 50), 1, (64, 32)),
        ((50, 100), 1, (50, 100)),
        ((300, 100), 1, (97, 32)),
        ((64, 64), 0.32, (32, 32)),  # no smaller than it was
        ((100, 41), 0.79, (79, 32)),
    ],
)
def test_at_scale_no_side_of_a_style_is_below_32(style, scale, expected):
    """It is as if its own scale were larger: its aspect is kept."""
    inputs = read_inputs(Config(picture(100, 80), [picture(*style)], style_scales=(scale,)))
    assert sizes(*at_scale(inputs, 50, 40).styles) == [expected]


def test_at_scale_styles_never_grow_and_never_fall_below_32():
    rng = np.random.default_rng(0)
    for width, height in rng.integers(32, 90, (40, 2)).tolist():
        inputs = read_inputs(Config(picture(96, 96), [picture(width, height)], style_scales=(width / 96,)))
        (style,), (shrunk,) = inputs.styles, at_scale(inputs, 33, 33).styles
        assert 32 <= min(shrunk.width, shrunk.height) <= min(style.width, style.height)
        assert abs(shrunk.width / shrunk.height - style.width / style.height) < 0.05 * style.width / style.height


def test_at_scale_alpha_shrinks_along():
    content = picture(64, 64, channels=4)
    content[..., 3] = 51
    small = at_scale(read_inputs(Config(content, [picture(64, 64)])), 32, 32)
    np.testing.assert_allclose(small.content.alpha, np.full((32, 32), 0.2), atol=1e-3)


# --- starts -----------------------------------------------------------------------------------------------------------


def test_a_start_given_by_path_is_the_initial_picture(tmp_path):
    path = tmp_path / "start.png"
    Image.fromarray(picture(36, 36, seed=2)).save(path)
    for init in (path, str(path), picture(36, 36, seed=2), Image.open(path)):
        made, expected = (
            read_inputs(Config(picture(50, 40), [picture(64, 64)], **{name: init})) for name in ("init", "initial")
        )
        np.testing.assert_array_equal(made.initial.rgb, expected.initial.rgb)
        np.testing.assert_array_equal(at_scale(made, 40, 32).initial.rgb, at_scale(expected, 40, 32).initial.rgb)


def test_the_first_style_is_resized_to_the_result_as_a_start():
    styles = [picture(64, 90, seed=1), picture(64, 64, seed=2)]
    inputs = read_inputs(Config(picture(100, 80), styles, init="style"))
    np.testing.assert_array_equal(inputs.initial.rgb, resize(read_image(styles[0]), 100, 80).rgb)
    np.testing.assert_array_equal(at_scale(inputs, 50, 40).initial.rgb, resize(read_image(styles[0]), 50, 40).rgb)


@pytest.mark.parametrize("init", ["content", "noise", "style_colors", "gray"])
def test_the_other_starts_need_no_picture(init):
    assert read_inputs(Config(picture(50, 40), [picture(64, 64)], init=init)).initial is None


def test_a_start_that_is_neither_a_name_nor_a_file_is_refused():
    with pytest.raises(UsageError, match=r"^init: expected content, recolored, noise, .*, style or the path"):
        read_inputs(Config(picture(50, 40), [picture(64, 64)], init="random"))
    with pytest.raises(ImageError, match=r"^initial picture 'random\.png' does not exist; "):
        read_inputs(Config(picture(50, 40), [picture(64, 64)], init="random.png"))
    with pytest.raises(ImageError, match=r"^initial picture an array: expected at least 32 px a side, got 31×40; "):
        read_inputs(Config(picture(50, 40), [picture(64, 64)], init=picture(31, 40)))


# --- textures and reconstructions -------------------------------------------------------------------------------------


def test_a_texture_has_a_blank_content_that_takes_no_memory():
    style = picture(100, 50)
    inputs = read_inputs(Config(None, [style], size=(96, 64)))
    assert sizes(inputs.content, *inputs.styles) == [(96, 64), (100, 50)]
    assert inputs.nbytes == 100 * 50 * 3 * 4
    assert inputs.content.alpha is None
    smaller = at_scale(inputs, 80, 53)
    assert sizes(smaller.content, *smaller.styles) == [(80, 53), (83, 42)]
    assert smaller.nbytes == 83 * 42 * 3 * 4


def test_style_scales_multiply_the_own_size_of_a_style():
    styles = [picture(100, 50), picture(64, 96)]
    config = Config(None, styles, size=(64, 64), style_scales=(2, 0.5))
    assert sizes(*read_inputs(config).styles) == [(200, 100), (32, 48)]
    fitted = Config(picture(50, 40), styles, style_fit="original", width=100)
    assert sizes(*read_inputs(fitted).styles) == [(100, 50), (64, 96)]


def test_small_styles_of_a_texture_are_refused():
    with pytest.raises(ImageError, match=r"style picture an array: expected at least 32 px a side, got 30×64"):
        read_inputs(Config(None, [picture(30, 64)], size=(64, 64)))


def test_a_texture_larger_than_its_style_begins_where_the_style_can_be_seen():
    from neural_style.config.resolve import resolve
    from neural_style.runs.pyramid import scales_of

    config = Config(None, [picture(256, 320)], size=(1024, 512))
    inputs = read_inputs(config)
    found = [scale[:2] for scale in scales_of(resolve(config, {}), *inputs.plan_size)]
    assert found == [(320, 160), (640, 320), (1024, 512)]
    assert sizes(*at_scale(inputs, 320, 160).styles) == [(80, 100)]


def test_a_reconstruction_has_no_styles():
    inputs = read_inputs(Config(picture(64, 48), style_weight=0))
    assert (inputs.styles, inputs.style_areas) == ((), [])
    assert at_scale(inputs, 40, 32).styles == ()
